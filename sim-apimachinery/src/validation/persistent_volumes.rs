//! Persistent volumes. Source: pkg/apis/core/validation.

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeSpec, VolumeNodeAffinity};

use super::errors::Errors;
use super::go_value::{Raw, json_string};
use super::labels::Values;
use super::path::Path;
use super::persistent_volume_claims::basic;
use super::persistent_volume_sources::sources;
use super::pod::affinity::node_selector;
use super::values::positive;
use super::{internal, metadata};
use crate::names;

const SPEC: Path<'_> = Path::root("spec");
const ACCESS_MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];

/// What is wrong with a new volume.
pub fn create(volume: &PersistentVolume, errors: &mut Errors) {
    metadata::validate(&volume.metadata, false, names::dns1123_subdomain, errors);
    let name = volume.metadata.name.as_deref().unwrap_or_default();
    spec(&volume.spec.clone().unwrap_or_default(), name, &SPEC, errors);
}

/// What is wrong with a volume that is written out where it is attached, without an object of its own.
pub fn inline(spec: &PersistentVolumeSpec, at: &Path<'_>, errors: &mut Errors) {
    const NOT_HERE: &str = "may not be specified in the context of inline volumes";
    let forbid = |is_set: bool, field: &str, errors: &mut Errors| {
        if is_set {
            errors.forbidden(&at.child(field), NOT_HERE);
        }
    };
    forbid(spec.claim_ref.is_some(), "claimRef", errors);
    forbid(spec.capacity.as_ref().is_some_and(|c| !c.is_empty()), "capacity", errors);
    if spec.csi.is_none() {
        errors.required(&at.child("csi"), "has to be specified in the context of inline volumes");
    }
    access_modes(spec, at, errors);
    let policy = spec.persistent_volume_reclaim_policy.as_deref().unwrap_or_default();
    if !matches!(policy, "" | "Retain") {
        let text = "may only be Retain in the context of inline volumes";
        errors.forbidden(&at.child("persistentVolumeReclaimPolicy"), text);
    }
    forbid(spec.node_affinity.is_some(), "nodeAffinity", errors);
    // Where it may not be told, an affinity does not count for what needs one.
    sources(&PersistentVolumeSpec { node_affinity: None, ..spec.clone() }, "", at, errors);
    recycled_root(spec, at, errors);
    forbid(spec.storage_class_name.as_ref().is_some_and(|n| !n.is_empty()), "storageClassName", errors);
    if spec.volume_mode.as_deref().is_some_and(|m| m != "Filesystem") {
        let text = "may not specify volumeMode other than Filesystem in the context of inline volumes";
        errors.forbidden(&at.child("volumeMode"), text);
    }
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
    if before.node_affinity.is_some() && with_new_labels(&spec) != with_new_labels(&before) {
        let shown = spec.node_affinity.as_ref().map_or_else(|| Raw("null".into()), |a| internal::blamed("VolumeNodeAffinity", a));
        errors.invalid(&Path::root("nodeAffinity"), shown, "field is immutable, except for updating from beta label to GA");
    }
    if before.volume_attributes_class_name.is_some() && spec.volume_attributes_class_name.is_none() {
        errors.forbidden(&SPEC.child("volumeAttributesClassName"), "update from non-nil value to nil is forbidden");
    }
}

/// What is wrong with a volume's next status.
pub fn status(next: &PersistentVolume, current: &PersistentVolume, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
}

/// The node affinity, with the labels of nodes by the names they have now.
fn with_new_labels(spec: &PersistentVolumeSpec) -> Option<VolumeNodeAffinity> {
    let mut affinity = spec.node_affinity.clone()?;
    let terms = affinity.required.iter_mut().flat_map(|r| &mut r.node_selector_terms);
    for expression in terms.flat_map(|t| t.match_expressions.iter_mut().flatten()) {
        let new = match expression.key.as_str() {
            "failure-domain.beta.kubernetes.io/zone" => "topology.kubernetes.io/zone",
            "failure-domain.beta.kubernetes.io/region" => "topology.kubernetes.io/region",
            "beta.kubernetes.io/os" => "kubernetes.io/os",
            "beta.kubernetes.io/arch" => "kubernetes.io/arch",
            "beta.kubernetes.io/instance-type" => "node.kubernetes.io/instance-type",
            _ => continue,
        };
        expression.key = new.into();
    }
    Some(affinity)
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

fn spec(spec: &PersistentVolumeSpec, name: &str, at: &Path<'_>, errors: &mut Errors) {
    access_modes(spec, at, errors);
    capacity(spec, errors);
    let policy = spec.persistent_volume_reclaim_policy.as_deref().unwrap_or_default();
    if !matches!(policy, "" | "Delete" | "Recycle" | "Retain") {
        errors.not_supported(&at.child("persistentVolumeReclaimPolicy"), policy, &["Delete", "Recycle", "Retain"]);
    }
    if let Some(affinity) = &spec.node_affinity {
        node_affinity(affinity, &at.child("nodeAffinity"), errors);
    }
    sources(spec, name, at, errors);
    recycled_root(spec, at, errors);
    class(spec.storage_class_name.as_deref(), "storageClassName", errors);
    if let Some(mode) = spec.volume_mode.as_deref().filter(|m| !matches!(*m, "Block" | "Filesystem")) {
        errors.not_supported(&at.child("volumeMode"), mode, &["Block", "Filesystem"]);
    }
    if let Some(name) = &spec.volume_attributes_class_name {
        if name.is_empty() {
            errors.required(&at.child("volumeAttributesClassName"), "an empty string is disallowed");
        }
        class(Some(name), "volumeAttributesClassName", errors);
        if spec.csi.is_none() {
            errors.required(&at.child("csi"), "has to be specified when using volumeAttributesClassName");
        }
    }
}

fn recycled_root(spec: &PersistentVolumeSpec, at: &Path<'_>, errors: &mut Errors) {
    let is_root = |path: &str| path.starts_with('/') && path.split('/').all(|p| matches!(p, "" | "."));
    let recycled = spec.persistent_volume_reclaim_policy.as_deref() == Some("Recycle");
    if recycled && spec.host_path.as_ref().is_some_and(|h| is_root(&h.path)) {
        errors.forbidden(&at.child("persistentVolumeReclaimPolicy"), "may not be 'recycle' for a hostPath mount of '/'");
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

fn node_affinity(affinity: &VolumeNodeAffinity, at: &Path<'_>, errors: &mut Errors) {
    let at = at.child("required");
    match &affinity.required {
        Some(required) => node_selector(required, Values::Labels, &at, errors),
        None => errors.required(&at, "must specify required node constraints"),
    }
}

fn access_modes(spec: &PersistentVolumeSpec, at: &Path<'_>, errors: &mut Errors) {
    let at = at.child("accessModes");
    let modes = spec.access_modes.as_deref().unwrap_or_default();
    if modes.is_empty() {
        errors.required(&at, "");
    }
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
