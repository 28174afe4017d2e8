//! Volumes in containers, as folders and as block devices.
//! Source: `ValidateVolumeMounts` and `ValidateVolumeDevices` in pkg/apis/core/validation.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Container, VolumeMount};

use super::volume_paths::local_descending;
use super::volumes::Volumes;
use crate::validation::errors::Errors;
use crate::validation::path::Path;

/// What is wrong with a container's mounts.
pub fn mounts(container: &Container, volumes: &Volumes<'_>, list: &Path<'_>, errors: &mut Errors) {
    let devices = container.volume_devices.as_deref().unwrap_or_default();
    let mut seen = BTreeSet::new();
    for (index, mount) in container.volume_mounts.iter().flatten().enumerate() {
        let at = list.index(index);
        if mount.name.is_empty() {
            errors.required(&at.child("name"), "");
        }
        if !volumes.contains_key(mount.name.as_str()) {
            errors.not_found(&at.child("name"), &mount.name, "");
        }
        if mount.mount_path.is_empty() {
            errors.required(&at.child("mountPath"), "");
        }
        if !seen.insert(mount.mount_path.as_str()) {
            errors.invalid(&at.child("mountPath"), &mount.mount_path, "must be unique");
        }
        if devices.iter().any(|d| d.name == mount.name) {
            errors.invalid(&at.child("name"), &mount.name, "must not already exist in volumeDevices");
        }
        if devices.iter().any(|d| d.device_path == mount.mount_path) {
            errors.invalid(&at.child("mountPath"), &mount.mount_path, "must not already exist as a path in volumeDevices");
        }
        sub_paths(mount, &at, list, errors);
        propagation(mount, container, &list.child("mountPropagation"), errors);
        recursive_read_only(mount, &list.child("recursiveReadOnly"), errors);
    }
}

/// Kubernetes tells some of these errors without the mount's index.
fn sub_paths(mount: &VolumeMount, at: &Path<'_>, list: &Path<'_>, errors: &mut Errors) {
    let path = mount.sub_path.as_deref().filter(|p| !p.is_empty());
    if let Some(path) = path {
        local_descending(path, &list.child("subPath"), errors);
    }
    if let Some(expression) = mount.sub_path_expr.as_deref().filter(|p| !p.is_empty()) {
        if path.is_some() {
            errors.invalid(&at.child("subPathExpr"), expression, "subPathExpr and subPath are mutually exclusive");
        }
        local_descending(expression, &list.child("subPathExpr"), errors);
    }
}

fn propagation(mount: &VolumeMount, container: &Container, at: &Path<'_>, errors: &mut Errors) {
    let Some(how) = mount.mount_propagation.as_deref() else { return };
    if !matches!(how, "Bidirectional" | "HostToContainer" | "None") {
        errors.not_supported(at, how, &["Bidirectional", "HostToContainer", "None"]);
    }
    let privileged = container.security_context.as_ref().and_then(|s| s.privileged) == Some(true);
    if how == "Bidirectional" && !privileged {
        errors.forbidden(at, "Bidirectional mount propagation is available only to privileged containers");
    }
}

fn recursive_read_only(mount: &VolumeMount, at: &Path<'_>, errors: &mut Errors) {
    match mount.recursive_read_only.as_deref() {
        None | Some("Disabled") => {}
        Some("Enabled" | "IfPossible") => {
            if mount.read_only != Some(true) {
                errors.forbidden(at, "may only be specified when readOnly is true");
            }
            if mount.mount_propagation.as_deref().is_some_and(|p| p != "None") {
                errors.forbidden(at, "may only be specified when mountPropagation is None or not specified");
            }
        }
        Some(other) => errors.not_supported(at, other, &["Disabled", "Enabled", "IfPossible"]),
    }
}

/// What is wrong with a container's block devices.
pub fn devices(container: &Container, volumes: &Volumes<'_>, list: &Path<'_>, errors: &mut Errors) {
    let mounts = container.volume_mounts.as_deref().unwrap_or_default();
    let (mut names, mut paths) = (BTreeSet::new(), BTreeSet::new());
    for (index, device) in container.volume_devices.iter().flatten().enumerate() {
        let at = list.index(index);
        let (name, path) = (device.name.as_str(), device.device_path.as_str());
        let (name_at, path_at) = (at.child("name"), at.child("devicePath"));
        if name.is_empty() {
            errors.required(&name_at, "");
        }
        if names.contains(name) {
            errors.invalid(&name_at, name, "must be unique");
        }
        match volumes.get(name) {
            Some(volume) if volume.persistent_volume_claim.is_none() && volume.ephemeral.is_none() => {
                let text = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode";
                errors.invalid(&name_at, name, text);
            }
            Some(_) => {}
            None => errors.not_found(&name_at, name, ""),
        }
        if path.is_empty() {
            errors.required(&path_at, "");
        }
        if paths.contains(path) {
            errors.invalid(&path_at, path, "must be unique");
        }
        if path.split('/').any(|part| part == "..") {
            errors.invalid(&path_at, path, "can not contain backsteps ('..')");
        } else {
            paths.insert(path);
        }
        if mounts.iter().any(|m| m.name == name) {
            errors.invalid(&name_at, name, "must not already exist in volumeMounts");
        }
        if mounts.iter().any(|m| m.mount_path == path) {
            errors.invalid(&path_at, path, "must not already exist as a path in volumeMounts");
        }
        if !name.is_empty() {
            names.insert(name);
        }
    }
}
