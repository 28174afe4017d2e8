//! A pod's volumes: whether they can be mounted, and the files and disks each container sees through its mounts.
//! ConfigMaps, Secrets, projections and the downward API become read-only files; emptyDir lives as long as the pod, a claim's
//! disk as long as its volume. Source: pkg/volume, kubelet volumemanager.
//! Not modelled: device volumes, attach and detach, image volumes, refreshing files of a running container, permissions.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, DownwardAPIVolumeFile, PersistentVolumeClaim, Pod, Volume, VolumeProjection};
use sim_apimachinery::Kind;

use super::env::{Surroundings, field, resource};
use super::sources::files;

/// The files of one volume by their path in it.
type Files = BTreeMap<String, String>;

/// What a volume is to a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Read-only files.
    Files(Files),
    /// A disk of the pod's own, by the volume's name.
    PodDisk(String),
    /// A disk that outlives the pod, by the persistent volume's (or host path's) name.
    NodeDisk(String),
}

/// The volumes of a pod.
pub fn volumes(pod: &Pod) -> &[Volume] {
    pod.spec.as_ref().and_then(|s| s.volumes.as_deref()).unwrap_or_default()
}

/// Volumes that cannot be mounted, with the reason.
pub fn failures(pod: &Pod, around: &Surroundings) -> Vec<(String, String)> {
    volumes(pod).iter().filter_map(|v| Some((v.name.clone(), content(pod, v, around).err()?))).collect()
}

/// What is in a volume, or why it cannot be mounted.
pub fn content(pod: &Pod, volume: &Volume, around: &Surroundings) -> Result<Content, String> {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let lenient = |result: Result<Files, String>, optional: Option<bool>| match result {
        Err(_) if optional == Some(true) => Ok(Files::new()),
        other => other,
    };
    if let Some(v) = &volume.config_map {
        let texts = lenient(around.sources.config_map(namespace, &v.name), v.optional)?;
        return files("configmap", texts, v.items.as_ref(), v.optional == Some(true)).map(Content::Files);
    }
    if let Some(v) = &volume.secret {
        let texts = lenient(around.sources.secret(namespace, v.secret_name.as_deref().unwrap_or_default()), v.optional)?;
        return files("secret", texts, v.items.as_ref(), v.optional == Some(true)).map(Content::Files);
    }
    if let Some(v) = &volume.downward_api {
        return downward(pod, v.items.as_deref().unwrap_or_default(), around).map(Content::Files);
    }
    if let Some(v) = &volume.projected {
        let mut all = Files::new();
        for projection in v.sources.iter().flatten() {
            all.extend(projected(pod, projection, around)?);
        }
        return Ok(Content::Files(all));
    }
    if let Some(v) = &volume.persistent_volume_claim {
        return claim_disk(namespace, &v.claim_name, around).map(Content::NodeDisk);
    }
    if let Some(v) = &volume.host_path {
        return Ok(Content::NodeDisk(format!("host:{}", v.path)));
    }
    Ok(Content::PodDisk(volume.name.clone()))
}

fn claim_disk(namespace: &str, claim: &str, around: &Surroundings) -> Result<String, String> {
    let missing = || {
        format!(
            "error processing PVC {namespace}/{claim}: failed to fetch PVC from API server: persistentvolumeclaims \"{claim}\" not found"
        )
    };
    let object = around.sources.object(Kind::PersistentVolumeClaim, namespace, claim).ok_or_else(missing)?;
    let claim_object = object.as_typed::<PersistentVolumeClaim>().ok_or_else(missing)?;
    let volume = claim_object.spec.as_ref().and_then(|s| s.volume_name.clone()).filter(|n| !n.is_empty());
    volume.ok_or_else(|| format!("error processing PVC {namespace}/{claim}: PVC is not bound"))
}

fn projected(pod: &Pod, projection: &VolumeProjection, around: &Surroundings) -> Result<Files, String> {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    if let Some(p) = &projection.config_map {
        let optional = p.optional == Some(true);
        return match around.sources.config_map(namespace, &p.name) {
            Ok(texts) => files("configmap", texts, p.items.as_ref(), optional),
            Err(_) if optional => Ok(Files::new()),
            Err(error) => Err(error),
        };
    }
    if let Some(p) = &projection.secret {
        let optional = p.optional == Some(true);
        return match around.sources.secret(namespace, &p.name) {
            Ok(texts) => files("secret", texts, p.items.as_ref(), optional),
            Err(_) if optional => Ok(Files::new()),
            Err(error) => Err(error),
        };
    }
    if let Some(p) = &projection.downward_api {
        return downward(pod, p.items.as_deref().unwrap_or_default(), around);
    }
    if let Some(p) = &projection.service_account_token {
        let account = pod.spec.as_ref().and_then(|s| s.service_account_name.as_deref()).unwrap_or("default");
        return Ok(Files::from([(p.path.clone(), format!("token of system:serviceaccount:{namespace}:{account}"))]));
    }
    Ok(Files::new())
}

fn downward(pod: &Pod, items: &[DownwardAPIVolumeFile], around: &Surroundings) -> Result<Files, String> {
    let mut all = Files::new();
    for item in items {
        let text = match (&item.field_ref, &item.resource_field_ref) {
            (Some(r), _) => field(pod, &r.field_path, around).ok_or_else(|| format!("unsupported fieldPath: {}", r.field_path))?,
            (None, Some(r)) => {
                let of = r.container_name.as_deref().unwrap_or_default();
                resource(pod, of, &r.resource, r.divisor.as_ref().map(|d| d.0.as_str()), around.allocatable)?
            }
            (None, None) => continue,
        };
        all.insert(item.path.clone(), text);
    }
    Ok(all)
}

/// What a container sees: read-only files by absolute path, and disks by mount path.
pub fn mounts(pod: &Pod, container: &Container, around: &Surroundings) -> (Files, Vec<(String, Content)>) {
    let (mut read_only, mut disks) = (Files::new(), Vec::new());
    for mount in container.volume_mounts.iter().flatten() {
        let Some(volume) = volumes(pod).iter().find(|v| v.name == mount.name) else { continue };
        let base = mount.mount_path.trim_end_matches('/');
        match content(pod, volume, around) {
            Ok(Content::Files(files)) => match mount.sub_path.as_deref().filter(|p| !p.is_empty()) {
                Some(sub) => read_only.extend(files.get(sub).map(|text| (base.to_owned(), text.clone()))),
                None => read_only.extend(files.into_iter().map(|(path, text)| (format!("{base}/{path}"), text))),
            },
            Ok(disk) => disks.push((base.to_owned(), disk)),
            Err(_) => {}
        }
    }
    (read_only, disks)
}
