//! Pods and pod templates. Source: pkg/apis/core/v1/defaults.go and plugin/pkg/admission/{serviceaccount,priority,
//! defaulttolerationseconds}.

use k8s_openapi::api::core::v1::{
    ConfigMapProjection, Container, ContainerPort, DownwardAPIProjection, DownwardAPIVolumeFile, EnvVar, KeyToPath, ObjectFieldSelector,
    Pod, PodSpec, PodTemplateSpec, Probe, ProjectedVolumeSource, ResourceRequirements, ServiceAccountTokenProjection, Toleration, Volume,
    VolumeMount, VolumeProjection,
};

use super::canonicalise;
use crate::quantity::Quantity;

const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const DEFAULT_MODE: i32 = 0o644;

/// Defaults of a pod.
pub fn default_pod(pod: &mut Pod) {
    let Some(spec) = pod.spec.as_mut() else { return };
    default_spec(spec);
    spec.enable_service_links.get_or_insert(true);
    let containers = spec.containers.iter_mut().chain(spec.init_containers.iter_mut().flatten());
    for resources in containers.filter_map(|c| c.resources.as_mut()) {
        limits_are_requests(resources);
    }
    if spec.host_network == Some(true) {
        host_ports(spec);
    }
}

/// Defaults of a template inside a workload: fewer than a pod's.
pub fn default_pod_template(template: &mut PodTemplateSpec) {
    template.metadata.get_or_insert_default();
    if let Some(spec) = template.spec.as_mut() {
        default_spec(spec);
        if spec.host_network == Some(true) {
            host_ports(spec);
        }
    }
}

fn default_spec(spec: &mut PodSpec) {
    spec.restart_policy.get_or_insert_with(|| "Always".into());
    spec.dns_policy.get_or_insert_with(|| "ClusterFirst".into());
    spec.security_context.get_or_insert_default();
    spec.termination_grace_period_seconds.get_or_insert(30);
    spec.scheduler_name.get_or_insert_with(|| "default-scheduler".into());
    match (&spec.service_account_name, &spec.service_account) {
        (Some(name), _) => spec.service_account = Some(name.clone()),
        (None, Some(name)) => spec.service_account_name = Some(name.clone()),
        (None, None) => {}
    }
    drop_empty(spec);
    for container in spec.containers.iter_mut().chain(spec.init_containers.iter_mut().flatten()) {
        default_container(container);
    }
    spec.volumes.iter_mut().flatten().for_each(default_volume);
}

/// What the store does not keep: empty lists and maps.
fn drop_empty(spec: &mut PodSpec) {
    drop_if_empty(&mut spec.volumes);
    drop_if_empty(&mut spec.init_containers);
    drop_if_empty(&mut spec.tolerations);
    drop_if_empty(&mut spec.image_pull_secrets);
    drop_if_empty(&mut spec.host_aliases);
    drop_if_empty(&mut spec.readiness_gates);
    drop_if_empty(&mut spec.scheduling_gates);
    drop_if_empty(&mut spec.topology_spread_constraints);
    if spec.node_selector.as_ref().is_some_and(|s| s.is_empty()) {
        spec.node_selector = None;
    }
}

fn drop_if_empty<T>(list: &mut Option<Vec<T>>) {
    if list.as_ref().is_some_and(Vec::is_empty) {
        *list = None;
    }
}

fn default_container(container: &mut Container) {
    container.termination_message_path.get_or_insert_with(|| "/dev/termination-log".into());
    container.termination_message_policy.get_or_insert_with(|| "File".into());
    if container.image_pull_policy.as_deref().unwrap_or_default().is_empty() {
        container.image_pull_policy = Some(pull_policy(container.image.as_deref().unwrap_or_default()).into());
    }
    drop_if_empty(&mut container.command);
    drop_if_empty(&mut container.args);
    drop_if_empty(&mut container.env);
    drop_if_empty(&mut container.env_from);
    drop_if_empty(&mut container.ports);
    drop_if_empty(&mut container.volume_mounts);
    container.ports.iter_mut().flatten().for_each(default_port);
    container.env.iter_mut().flatten().for_each(default_variable);
    let resources = container.resources.get_or_insert_default();
    canonicalise(resources.limits.as_mut());
    canonicalise(resources.requests.as_mut());
    for probe in [&mut container.liveness_probe, &mut container.readiness_probe, &mut container.startup_probe].into_iter().flatten() {
        default_probe(probe);
    }
    if let Some(lifecycle) = container.lifecycle.as_mut() {
        for get in [lifecycle.pre_stop.as_mut(), lifecycle.post_start.as_mut()].into_iter().flatten().filter_map(|h| h.http_get.as_mut()) {
            get.path.get_or_insert_with(|| "/".into());
            get.scheme.get_or_insert_with(|| "HTTP".into());
        }
    }
}

/// `Always` for the tag `latest` or none, `IfNotPresent` for any other tag and for digests.
fn pull_policy(image: &str) -> &'static str {
    if image.contains('@') {
        return "IfNotPresent";
    }
    let last = image.rsplit('/').next().unwrap_or_default();
    match last.split_once(':') {
        None | Some((_, "latest")) => "Always",
        Some(_) => "IfNotPresent",
    }
}

fn default_port(port: &mut ContainerPort) {
    port.protocol.get_or_insert_with(|| "TCP".into());
}

fn default_variable(variable: &mut EnvVar) {
    if variable.value.as_deref() == Some("") {
        variable.value = None;
    }
    let Some(source) = variable.value_from.as_mut() else { return };
    if let Some(field) = source.field_ref.as_mut() {
        field.api_version.get_or_insert_with(|| "v1".into());
    }
    if let Some(resource) = source.resource_field_ref.as_mut() {
        resource.divisor.get_or_insert_with(|| k8s_openapi::apimachinery::pkg::api::resource::Quantity("0".into()));
    }
}

fn default_probe(probe: &mut Probe) {
    probe.timeout_seconds.get_or_insert(1);
    probe.period_seconds.get_or_insert(10);
    probe.success_threshold.get_or_insert(1);
    probe.failure_threshold.get_or_insert(3);
    if let Some(get) = probe.http_get.as_mut() {
        get.path.get_or_insert_with(|| "/".into());
        get.scheme.get_or_insert_with(|| "HTTP".into());
    }
    if let Some(grpc) = probe.grpc.as_mut() {
        grpc.service.get_or_insert_with(String::new);
    }
}

fn default_volume(volume: &mut Volume) {
    if let Some(secret) = volume.secret.as_mut() {
        secret.default_mode.get_or_insert(DEFAULT_MODE);
    }
    if let Some(map) = volume.config_map.as_mut() {
        map.default_mode.get_or_insert(DEFAULT_MODE);
    }
    if let Some(api) = volume.downward_api.as_mut() {
        api.default_mode.get_or_insert(DEFAULT_MODE);
        api.items.iter_mut().flatten().filter_map(|i| i.field_ref.as_mut()).for_each(default_field);
    }
    if let Some(projected) = volume.projected.as_mut() {
        projected.default_mode.get_or_insert(DEFAULT_MODE);
        for source in projected.sources.iter_mut().flatten() {
            if let Some(token) = source.service_account_token.as_mut() {
                token.expiration_seconds.get_or_insert(3600);
            }
            let items = source.downward_api.iter_mut().flat_map(|d| d.items.iter_mut().flatten());
            items.filter_map(|i| i.field_ref.as_mut()).for_each(default_field);
        }
    }
    if let Some(path) = volume.host_path.as_mut() {
        path.type_.get_or_insert_with(String::new);
    }
    if let Some(size) = volume.empty_dir.as_mut().and_then(|e| e.size_limit.as_mut())
        && let Ok(text) = crate::quantity::canonical(&size.0)
    {
        size.0 = text;
    }
    if is_nothing(volume) {
        volume.empty_dir = Some(Default::default());
    }
}

fn is_nothing(volume: &Volume) -> bool {
    *volume == Volume { name: volume.name.clone(), ..Default::default() }
}

fn default_field(field: &mut ObjectFieldSelector) {
    field.api_version.get_or_insert_with(|| "v1".into());
}

fn limits_are_requests(resources: &mut ResourceRequirements) {
    let Some(limits) = resources.limits.clone() else { return };
    let requests = resources.requests.get_or_insert_default();
    for (name, limit) in limits {
        requests.entry(name).or_insert(limit);
    }
}

fn host_ports(spec: &mut PodSpec) {
    for port in spec.containers.iter_mut().flat_map(|c| c.ports.iter_mut().flatten()) {
        port.host_port.get_or_insert(port.container_port);
    }
}

/// Guaranteed, Burstable or BestEffort. Source: pkg/apis/core/v1/helper/qos.
pub fn qos_class(pod: &Pod) -> &'static str {
    let Some(spec) = &pod.spec else { return "BestEffort" };
    let (mut any, mut all) = (false, true);
    for container in spec.containers.iter().chain(spec.init_containers.iter().flatten()) {
        let amount = |map: Option<&super::Quantities>, name: &str| {
            map.and_then(|m| m.get(name)).and_then(|q| Quantity::parse(&q.0).ok()).filter(|q| !q.is_zero())
        };
        let resources = container.resources.as_ref();
        for name in ["cpu", "memory"] {
            let limit = amount(resources.and_then(|r| r.limits.as_ref()), name);
            let request = amount(resources.and_then(|r| r.requests.as_ref()), name);
            any |= limit.is_some() || request.is_some();
            all &= limit.is_some() && (request.is_none() || request == limit);
        }
    }
    match (any, all) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

/// The service account's name, and its token mounted in every container.
pub fn admit_service_account(pod: &mut Pod, suffix: &str) {
    let Some(spec) = pod.spec.as_mut() else { return };
    let account = spec.service_account_name.clone().filter(|a| !a.is_empty()).unwrap_or_else(|| "default".into());
    spec.service_account_name = Some(account.clone());
    spec.service_account = Some(account);
    if spec.automount_service_account_token == Some(false) {
        return;
    }
    let volume = format!("kube-api-access-{suffix}");
    let mut mounted = false;
    for container in spec.containers.iter_mut().chain(spec.init_containers.iter_mut().flatten()) {
        let mounts = container.volume_mounts.get_or_insert_default();
        if mounts.iter().any(|m| m.mount_path == TOKEN_PATH) {
            continue;
        }
        mounts.push(VolumeMount { name: volume.clone(), read_only: Some(true), mount_path: TOKEN_PATH.into(), ..Default::default() });
        mounted = true;
    }
    if mounted {
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
    let tolerations = spec.tolerations.get_or_insert_default();
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let tolerated = tolerations.iter().any(|t| {
            (t.key.as_deref() == Some(key) || t.key.as_deref().unwrap_or_default().is_empty() && t.operator.as_deref() == Some("Exists"))
                && matches!(t.effect.as_deref(), None | Some("" | "NoExecute"))
        });
        if !tolerated {
            tolerations.push(Toleration {
                key: Some(key.into()),
                operator: Some("Exists".into()),
                effect: Some("NoExecute".into()),
                toleration_seconds: Some(300),
                value: None,
            });
        }
    }
}

/// The priority of its class.
pub fn admit_priority(pod: &mut Pod, value: i32, policy: &str) {
    if let Some(spec) = pod.spec.as_mut() {
        spec.priority = Some(value);
        spec.preemption_policy.get_or_insert_with(|| policy.to_owned());
    }
}
