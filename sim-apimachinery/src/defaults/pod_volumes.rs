//! Volumes of pods. Source: pkg/apis/core/v1/defaults.go.

use k8s_openapi::api::core::v1::{DownwardAPIVolumeFile, ProjectedVolumeSource, Volume};

use super::image::pull_policy;
use super::pod::{default_divisor, drop_if_empty, fill};

/// The permissions of files made from keys.
pub(super) const DEFAULT_MODE: i32 = 0o644;

pub(super) fn default_volume(volume: &mut Volume) {
    if let Some(secret) = volume.secret.as_mut() {
        secret.default_mode.get_or_insert(DEFAULT_MODE);
        drop_if_empty(&mut secret.items);
    }
    if let Some(map) = volume.config_map.as_mut() {
        map.default_mode.get_or_insert(DEFAULT_MODE);
        drop_if_empty(&mut map.items);
    }
    if let Some(api) = volume.downward_api.as_mut() {
        api.default_mode.get_or_insert(DEFAULT_MODE);
        api.items.iter_mut().flatten().for_each(default_file);
    }
    volume.projected.iter_mut().for_each(default_projected);
    if let Some(path) = volume.host_path.as_mut() {
        path.type_.get_or_insert_with(String::new);
    }
    if let Some(empty) = volume.empty_dir.as_mut() {
        if empty.medium.as_deref() == Some("") {
            empty.medium = None;
        }
        if let Some(size) = empty.size_limit.as_mut()
            && let Ok(text) = crate::quantity::canonical(&size.0)
        {
            size.0 = text;
        }
    }
    if let Some(image) = volume.image.as_mut() {
        fill(&mut image.pull_policy, pull_policy(image.reference.as_deref().unwrap_or_default()));
    }
    if let Some(template) = volume.ephemeral.as_mut().and_then(|e| e.volume_claim_template.as_mut()) {
        template.metadata.get_or_insert_default();
        template.spec.volume_mode.get_or_insert_with(|| "Filesystem".into());
        let resources = template.spec.resources.get_or_insert_default();
        super::canonicalise(resources.requests.as_mut());
        super::canonicalise(resources.limits.as_mut());
    }
    default_storage_system(volume);
    if *volume == (Volume { name: volume.name.clone(), ..Default::default() }) {
        volume.empty_dir = Some(Default::default());
    }
}

fn default_projected(projected: &mut ProjectedVolumeSource) {
    projected.default_mode.get_or_insert(DEFAULT_MODE);
    for source in projected.sources.iter_mut().flatten() {
        if let Some(token) = source.service_account_token.as_mut() {
            token.expiration_seconds.get_or_insert(3600);
        }
        source.downward_api.iter_mut().flat_map(|d| d.items.iter_mut().flatten()).for_each(default_file);
        // Features that are off.
        source.cluster_trust_bundle = None;
        source.pod_certificate = None;
    }
}

fn default_file(file: &mut DownwardAPIVolumeFile) {
    if let Some(field) = file.field_ref.as_mut() {
        fill(&mut field.api_version, "v1");
    }
    if let Some(resource) = file.resource_field_ref.as_mut() {
        default_divisor(&mut resource.divisor);
    }
}

fn default_storage_system(volume: &mut Volume) {
    if let Some(iscsi) = volume.iscsi.as_mut() {
        fill(&mut iscsi.iscsi_interface, "default");
    }
    if let Some(rbd) = volume.rbd.as_mut() {
        fill(&mut rbd.pool, "rbd");
        fill(&mut rbd.user, "admin");
        fill(&mut rbd.keyring, "/etc/ceph/keyring");
    }
    if let Some(disk) = volume.azure_disk.as_mut() {
        disk.caching_mode.get_or_insert_with(|| "ReadWrite".into());
        disk.kind.get_or_insert_with(|| "Shared".into());
        disk.fs_type.get_or_insert_with(|| "ext4".into());
        disk.read_only.get_or_insert(false);
    }
    if let Some(scale_io) = volume.scale_io.as_mut() {
        fill(&mut scale_io.storage_mode, "ThinProvisioned");
        fill(&mut scale_io.fs_type, "xfs");
    }
}
