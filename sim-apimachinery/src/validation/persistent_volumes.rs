//! Persistent volumes. Source: pkg/apis/core/validation.
//! Sources are looked into for hostPath, nfs, local and csi; of the others only that there is exactly one.

use k8s_openapi::api::core::v1::{CSIPersistentVolumeSource, PersistentVolume, PersistentVolumeSpec, SecretReference, VolumeNodeAffinity};
use serde_json::Value;

use super::errors::Errors;
use super::go_value::{Raw, json_string};
use super::labels::Values;
use super::path::Path;
use super::persistent_volume_claims::basic;
use super::pod::affinity::node_selector;
use super::values::positive;
use super::{internal, metadata};
use crate::names;

const SPEC: Path<'_> = Path::root("spec");
const ACCESS_MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
const DRIVER_MAX: usize = 63;
/// The kinds of volumes in the order in which they are looked at, as their fields are called in messages.
const SOURCES: [&str; 22] = [
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "glusterfs",
    "flocker",
    "nfs",
    "rbd",
    "quobyte",
    "cephFS",
    "iscsi",
    "cinder",
    "fc",
    "flexVolume",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "scaleIO",
    "local",
    "storageos",
    "csi",
];
const HOST_PATH_TYPES: [&str; 8] = ["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];

/// What is wrong with a new volume.
pub fn create(volume: &PersistentVolume, errors: &mut Errors) {
    metadata::validate(&volume.metadata, false, names::dns1123_subdomain, errors);
    spec(&volume.spec.clone().unwrap_or_default(), errors);
}

/// What is wrong with a volume's next state.
pub fn update(next: &PersistentVolume, current: &PersistentVolume, errors: &mut Errors) {
    create(next, errors);
    let (spec, before) = (next.spec.clone().unwrap_or_default(), current.spec.clone().unwrap_or_default());
    let (mut source, old) = (source_only(&spec), source_only(&before));
    let expand = |s: &PersistentVolumeSpec| s.csi.as_ref().is_some_and(|c| c.controller_expand_secret_ref.is_some());
    if before.csi.is_some() && !expand(&before) && expand(&spec) {
        source.csi.iter_mut().for_each(|c| c.controller_expand_secret_ref = None);
    }
    if source != old {
        let printed = |spec| internal::printed("PersistentVolumeSource", spec);
        let changes = internal::unified_diff(&printed(&old), &printed(&source));
        let text = format!("spec.persistentvolumesource is immutable after creation\n{changes}");
        errors.forbidden(&SPEC.child("persistentvolumesource"), &text);
    }
    if spec.volume_mode != before.volume_mode {
        errors.invalid(&Path::root("volumeMode"), spec.volume_mode.as_ref(), "field is immutable");
    }
    if before.volume_attributes_class_name.is_some() && spec.volume_attributes_class_name.is_none() {
        errors.forbidden(&SPEC.child("volumeAttributesClassName"), "update from non-nil value to nil is forbidden");
    }
}

/// What is wrong with a volume's next status.
pub fn status(next: &PersistentVolume, current: &PersistentVolume, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
}

fn source_only(spec: &PersistentVolumeSpec) -> PersistentVolumeSpec {
    PersistentVolumeSpec {
        access_modes: None,
        capacity: None,
        claim_ref: None,
        mount_options: None,
        node_affinity: None,
        persistent_volume_reclaim_policy: None,
        storage_class_name: None,
        volume_attributes_class_name: None,
        volume_mode: None,
        ..spec.clone()
    }
}

fn spec(spec: &PersistentVolumeSpec, errors: &mut Errors) {
    let modes = spec.access_modes.as_deref().unwrap_or_default();
    if modes.is_empty() {
        errors.required(&SPEC.child("accessModes"), "");
    }
    access_modes(modes, errors);
    capacity(spec, errors);
    let policy = spec.persistent_volume_reclaim_policy.as_deref().unwrap_or_default();
    if !matches!(policy, "" | "Delete" | "Recycle" | "Retain") {
        errors.not_supported(&SPEC.child("persistentVolumeReclaimPolicy"), policy, &["Delete", "Recycle", "Retain"]);
    }
    if let Some(affinity) = &spec.node_affinity {
        node_affinity(affinity, &SPEC.child("nodeAffinity"), errors);
    }
    sources(spec, errors);
    let root = spec
        .host_path
        .as_ref()
        .is_some_and(|h| !h.path.is_empty() && h.path.split('/').all(|p| matches!(p, "" | ".")) && h.path.starts_with('/'));
    if root && policy == "Recycle" {
        errors.forbidden(&SPEC.child("persistentVolumeReclaimPolicy"), "may not be 'recycle' for a hostPath mount of '/'");
    }
    class(spec.storage_class_name.as_deref(), "storageClassName", errors);
    if let Some(mode) = spec.volume_mode.as_deref().filter(|m| !matches!(*m, "Block" | "Filesystem")) {
        errors.not_supported(&SPEC.child("volumeMode"), mode, &["Block", "Filesystem"]);
    }
    if let Some(name) = &spec.volume_attributes_class_name {
        if name.is_empty() {
            errors.required(&SPEC.child("volumeAttributesClassName"), "an empty string is disallowed");
        }
        class(Some(name), "volumeAttributesClassName", errors);
        if spec.csi.is_none() {
            errors.required(&SPEC.child("csi"), "has to be specified when using volumeAttributesClassName");
        }
    }
}

fn capacity(spec: &PersistentVolumeSpec, errors: &mut Errors) {
    let at = SPEC.child("capacity");
    let found = spec.capacity.clone().unwrap_or_default();
    if found.is_empty() {
        errors.required(&at, "");
    }
    if !found.contains_key("storage") || found.len() > 1 {
        let parts: Vec<String> = found.iter().map(|(name, q)| format!("{}:{}", json_string(name), json_string(&q.0))).collect();
        let value = if spec.capacity.is_none() { "null".into() } else { format!("{{{}}}", parts.join(",")) };
        errors.not_supported(&at, Raw(value), &["storage"]);
    }
    for (name, amount) in &found {
        basic(amount, &at.key(name), errors);
        positive(amount, &at.key(name), errors);
    }
}

fn sources(spec: &PersistentVolumeSpec, errors: &mut Errors) {
    let json = serde_json::to_value(spec).unwrap_or_default();
    let there = |name: &str| json.as_object().is_some_and(|o| o.iter().any(|(key, _)| key.eq_ignore_ascii_case(name)));
    let found: Vec<&str> = SOURCES.into_iter().filter(|name| there(name)).collect();
    for (index, name) in found.iter().enumerate() {
        match index > 0 && *name != "flexVolume" {
            true => errors.forbidden(&SPEC.child(name), "may not specify more than 1 volume type"),
            false => source(name, spec, &json, errors),
        }
    }
    if found.is_empty() {
        errors.required(&SPEC, "must specify a volume type");
    }
}

fn source(name: &str, spec: &PersistentVolumeSpec, json: &Value, errors: &mut Errors) {
    let at = SPEC.child(name);
    let text = |field: &str| json.get(name).and_then(|s| s.get(field)).and_then(Value::as_str).unwrap_or_default().to_owned();
    match name {
        "hostPath" | "local" => {
            let path = text("path");
            if path.is_empty() {
                errors.required(&at.child("path"), "");
            } else if path.split('/').any(|part| part == "..") {
                errors.invalid(&at.child("path"), &path, "must not contain '..'");
            }
            let kind = text("type");
            if name == "hostPath" && !path.is_empty() && !HOST_PATH_TYPES.contains(&kind.as_str()) {
                errors.not_supported(&at.child("type"), &kind, &HOST_PATH_TYPES);
            }
            if name == "local" && spec.node_affinity.is_none() {
                errors.required(&SPEC.child("nodeAffinity"), "Local volume requires node affinity");
            }
        }
        "nfs" => {
            let path = text("path");
            for (field, value) in [("server", &text("server")), ("path", &path)] {
                if value.is_empty() {
                    errors.required(&at.child(field), "");
                }
            }
            if !path.starts_with('/') {
                errors.invalid(&at.child("path"), &path, "must be an absolute path");
            }
        }
        "csi" => spec.csi.iter().for_each(|csi| csi_source(csi, &at, errors)),
        _ => {}
    }
}

fn csi_source(csi: &CSIPersistentVolumeSource, at: &Path<'_>, errors: &mut Errors) {
    let driver = at.child("driver");
    if csi.driver.is_empty() {
        errors.required(&driver, "");
    } else {
        if csi.driver.len() > DRIVER_MAX {
            errors.too_long(&driver, DRIVER_MAX);
        }
        errors.invalid_each(&driver, &csi.driver, names::dns1123_subdomain(&csi.driver.to_lowercase()));
    }
    if csi.volume_handle.is_empty() {
        errors.required(&at.child("volumeHandle"), "");
    }
    let secrets = [
        ("controllerPublishSecretRef", &csi.controller_publish_secret_ref),
        ("controllerExpandSecretRef", &csi.controller_expand_secret_ref),
        ("nodePublishSecretRef", &csi.node_publish_secret_ref),
        ("nodeExpandSecretRef", &csi.node_expand_secret_ref),
    ];
    for (field, secret) in secrets {
        secret.iter().for_each(|s| secret_reference(s, &at.child(field), errors));
    }
}

fn secret_reference(secret: &SecretReference, at: &Path<'_>, errors: &mut Errors) {
    match secret.name.as_deref().unwrap_or_default() {
        "" => errors.required(&at.child("name"), ""),
        name => errors.invalid_each(&at.child("name"), name, names::dns1123_subdomain(name)),
    }
    match secret.namespace.as_deref().unwrap_or_default() {
        "" => errors.required(&at.child("namespace"), ""),
        name => errors.invalid_each(&at.child("namespace"), name, names::dns1123_label(name)),
    }
}

fn node_affinity(affinity: &VolumeNodeAffinity, at: &Path<'_>, errors: &mut Errors) {
    let at = at.child("required");
    match &affinity.required {
        Some(required) => node_selector(required, Values::Labels, &at, errors),
        None => errors.required(&at, "must specify required node constraints"),
    }
}

fn access_modes(modes: &[String], errors: &mut Errors) {
    let at = SPEC.child("accessModes");
    let known = |m: &str| ACCESS_MODES.contains(&m);
    for mode in modes.iter().filter(|m| !known(m)) {
        errors.not_supported(&at, mode, &ACCESS_MODES);
    }
    let others = modes.iter().any(|m| known(m) && m != "ReadWriteOncePod");
    if others && modes.iter().any(|m| m == "ReadWriteOncePod") {
        errors.forbidden(&at, "may not use ReadWriteOncePod with other access modes");
    }
}

fn class(name: Option<&str>, field: &str, errors: &mut Errors) {
    if let Some(name) = name.filter(|n| !n.is_empty()) {
        errors.invalid_each(&SPEC.child(field), name, names::dns1123_subdomain(name));
    }
}
