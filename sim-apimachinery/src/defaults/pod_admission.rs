//! What admission adds to pods, and a pod's class of service. Sources: plugin/pkg/admission/{serviceaccount,
//! defaulttolerationseconds}, pkg/apis/core/v1/helper/qos.

use k8s_openapi::api::core::v1::{
    ConfigMapProjection, DownwardAPIProjection, DownwardAPIVolumeFile, KeyToPath, ObjectFieldSelector, Pod, ProjectedVolumeSource,
    ResourceRequirements, ServiceAccountTokenProjection, Toleration, Volume, VolumeMount, VolumeProjection,
};

use super::pod_volumes::DEFAULT_MODE;
use crate::quantity::Quantity;

const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const TOKEN_VOLUME: &str = "kube-api-access-";

/// Guaranteed, Burstable or BestEffort. Source: pkg/apis/core/v1/helper/qos.
pub fn qos_class(pod: &Pod) -> &'static str {
    let Some(spec) = &pod.spec else { return "BestEffort" };
    let own = spec.resources.as_ref().filter(|r| r.requests.is_some() || r.limits.is_some());
    let containers = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    match own {
        Some(resources) => class_of(std::iter::once(Some(resources))),
        None => class_of(containers.map(|c| c.resources.as_ref())),
    }
}

fn class_of<'a>(all: impl Iterator<Item = Option<&'a ResourceRequirements>>) -> &'static str {
    let amount = |map: Option<&super::Quantities>, name: &str| {
        map.and_then(|m| m.get(name)).and_then(|q| Quantity::parse(&q.0).ok()).filter(|q| !q.is_zero())
    };
    let (mut any, mut guaranteed) = (false, true);
    for resources in all {
        for name in ["cpu", "memory"] {
            let limit = amount(resources.and_then(|r| r.limits.as_ref()), name);
            let request = amount(resources.and_then(|r| r.requests.as_ref()), name);
            any |= limit.is_some() || request.is_some();
            guaranteed &= limit.is_some() && (request.is_none() || request == limit);
        }
    }
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

/// The service account's name, and if `mounts` its token mounted in every container; `suffix` ends the volume's name.
pub fn admit_service_account(pod: &mut Pod, account: &str, mounts: bool, suffix: &str) {
    let spec = pod.spec.get_or_insert_default();
    spec.service_account_name = Some(account.to_owned());
    spec.service_account = Some(account.to_owned());
    if !mounts {
        return;
    }
    let existing = spec.volumes.iter().flatten().map(|v| &v.name).find(|n| n.starts_with(TOKEN_VOLUME)).cloned();
    let volume = existing.clone().unwrap_or_else(|| format!("{TOKEN_VOLUME}{suffix}"));
    let mut mounted = false;
    for container in spec.containers.iter_mut().chain(spec.init_containers.iter_mut().flatten()) {
        let mounts = container.volume_mounts.get_or_insert_default();
        if mounts.iter().any(|m| m.mount_path == TOKEN_PATH) {
            continue;
        }
        mounts.push(VolumeMount { name: volume.clone(), read_only: Some(true), mount_path: TOKEN_PATH.into(), ..Default::default() });
        mounted = true;
    }
    if mounted && existing.is_none() {
        spec.volumes.get_or_insert_default().push(token_volume(volume));
    }
}

fn token_volume(name: String) -> Volume {
    let token = ServiceAccountTokenProjection { expiration_seconds: Some(3607), path: "token".into(), ..Default::default() };
    let item = KeyToPath { key: "ca.crt".into(), path: "ca.crt".into(), mode: None };
    let certificate = ConfigMapProjection { name: "kube-root-ca.crt".into(), items: Some(vec![item]), optional: None };
    let field = ObjectFieldSelector { api_version: Some("v1".into()), field_path: "metadata.namespace".into() };
    let file = DownwardAPIVolumeFile { path: "namespace".into(), field_ref: Some(field), ..Default::default() };
    let sources = vec![
        VolumeProjection { service_account_token: Some(token), ..Default::default() },
        VolumeProjection { config_map: Some(certificate), ..Default::default() },
        VolumeProjection { downward_api: Some(DownwardAPIProjection { items: Some(vec![file]) }), ..Default::default() },
    ];
    let projected = ProjectedVolumeSource { default_mode: Some(DEFAULT_MODE), sources: Some(sources) };
    Volume { name, projected: Some(projected), ..Default::default() }
}

/// Five minutes of grace on nodes that are not ready or unreachable.
pub fn admit_default_tolerations(pod: &mut Pod) {
    let Some(spec) = pod.spec.as_mut() else { return };
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let tolerates = |t: &Toleration| {
            let said = t.key.as_deref().unwrap_or_default();
            (said == key || said.is_empty()) && matches!(t.effect.as_deref(), None | Some("" | "NoExecute"))
        };
        if spec.tolerations.iter().flatten().any(tolerates) {
            continue;
        }
        let toleration = Toleration {
            key: Some(key.into()),
            operator: Some("Exists".into()),
            effect: Some("NoExecute".into()),
            toleration_seconds: Some(300),
            value: None,
        };
        spec.tolerations.get_or_insert_default().push(toleration);
    }
}
