//! What a claim for storage says, in a claim of its own and in a pod's template of one.
//! Source: `ValidatePersistentVolumeClaimSpec` and `ValidatePersistentVolumeClaimTemplate` in pkg/apis/core/validation.

use k8s_openapi::api::core::v1::{PersistentVolumeClaimSpec, PersistentVolumeClaimTemplate};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::errors::Errors;
use super::go_value::{Raw, go_object};
use super::labels::{label_selector, labels};
use super::metadata::annotations;
use super::path::Path;
use super::pod::resources::{read, resource_quantity};
use crate::names;
use crate::quantity::Quantity;

const ACCESS_MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];

/// What is wrong with a template of a claim.
pub fn claim_template(template: &PersistentVolumeClaimTemplate, at: &Path<'_>, errors: &mut Errors) {
    if let Some(metadata) = &template.metadata {
        template_metadata(metadata, &at.child("metadata"), errors);
    }
    claim_spec(&template.spec, &at.child("spec"), errors);
}

/// A template's metadata has labels and annotations and nothing else.
fn template_metadata(metadata: &ObjectMeta, at: &Path<'_>, errors: &mut Errors) {
    annotations(metadata.annotations.as_ref(), &at.child("annotations"), errors);
    labels(metadata.labels.as_ref(), &at.child("labels"), errors);
    let text = |value: &Option<String>| value.as_deref().is_some_and(|v| !v.is_empty());
    let set = [
        ("name", text(&metadata.name)),
        ("generateName", text(&metadata.generate_name)),
        ("namespace", text(&metadata.namespace)),
        ("selfLink", text(&metadata.self_link)),
        ("uID", text(&metadata.uid)),
        ("resourceVersion", text(&metadata.resource_version)),
        ("generation", metadata.generation.is_some_and(|g| g != 0)),
        ("creationTimestamp", metadata.creation_timestamp.is_some()),
        ("deletionTimestamp", metadata.deletion_timestamp.is_some()),
        ("deletionGracePeriodSeconds", metadata.deletion_grace_period_seconds.is_some()),
        ("ownerReferences", metadata.owner_references.is_some()),
        ("finalizers", metadata.finalizers.is_some()),
        ("managedFields", metadata.managed_fields.is_some()),
    ];
    for (field, _) in set.into_iter().filter(|(_, is_set)| *is_set) {
        errors.forbidden(&at.child(field), "cannot be set");
    }
}

/// What is wrong with a claim's spec.
pub fn claim_spec(spec: &PersistentVolumeClaimSpec, at: &Path<'_>, errors: &mut Errors) {
    if spec.access_modes.as_ref().is_none_or(Vec::is_empty) {
        errors.required(&at.child("accessModes"), "at least 1 access mode is required");
    }
    if let Some(selector) = &spec.selector {
        label_selector(selector, &at.child("selector"), errors);
    }
    access_modes(spec, &at.child("accessModes"), errors);
    storage(spec, at, errors);
    if let Some(class) = spec.storage_class_name.as_deref().filter(|c| !c.is_empty()) {
        errors.invalid_each(&at.child("storageClassName"), class, names::dns1123_subdomain(class));
    }
    if let Some(mode) = spec.volume_mode.as_deref().filter(|m| !matches!(*m, "Block" | "Filesystem")) {
        errors.not_supported(&at.child("volumeMode"), mode, &["Block", "Filesystem"]);
    }
    data_sources(spec, at, errors);
    if let Some(class) = spec.volume_attributes_class_name.as_deref().filter(|c| !c.is_empty()) {
        errors.invalid_each(&at.child("volumeAttributesClassName"), class, names::dns1123_subdomain(class));
    }
}

fn access_modes(spec: &PersistentVolumeClaimSpec, at: &Path<'_>, errors: &mut Errors) {
    let modes = spec.access_modes.as_deref().unwrap_or_default();
    for mode in modes.iter().filter(|m| !ACCESS_MODES.contains(&m.as_str())) {
        errors.not_supported(at, mode, &ACCESS_MODES);
    }
    let (alone, others) = modes
        .iter()
        .filter(|m| ACCESS_MODES.contains(&m.as_str()))
        .fold((false, false), |(alone, others), mode| if mode == "ReadWriteOncePod" { (true, others) } else { (alone, true) });
    if alone && others {
        errors.forbidden(at, "may not use ReadWriteOncePod with other access modes");
    }
}

fn storage(spec: &PersistentVolumeClaimSpec, at: &Path<'_>, errors: &mut Errors) {
    let list = at.child("resources");
    let at = list.key("storage");
    let Some(asked) = spec.resources.as_ref().and_then(|r| r.requests.as_ref()).and_then(|r| r.get("storage")) else {
        return errors.required(&at, "");
    };
    let Some(amount) = read(asked, &at, errors) else { return };
    if amount <= Quantity::from_millis(0) {
        return errors.invalid(&at, amount.to_string(), "must be greater than zero");
    }
    resource_quantity("storage", amount, &at, errors);
}

fn data_sources(spec: &PersistentVolumeClaimSpec, at: &Path<'_>, errors: &mut Errors) {
    let source = spec.data_source.as_ref().map(|s| (s.api_group.as_deref(), s.kind.as_str(), s.name.as_str()));
    let reference = spec.data_source_ref.as_ref().map(|s| (s.api_group.as_deref(), s.kind.as_str(), s.name.as_str()));
    if let Some(source) = source {
        data_source(source, &at.child("dataSource"), errors);
    }
    if let Some(reference) = reference {
        data_source(reference, &at.child("dataSourceRef"), errors);
    }
    let namespace = spec.data_source_ref.as_ref().and_then(|s| s.namespace.as_deref()).unwrap_or_default();
    if !namespace.is_empty() {
        errors.invalid_each(&at.child("dataSourceRef").child("namespace"), namespace, names::dns1123_label(namespace));
    }
    let why = match (source, reference) {
        (Some(_), Some(_)) if !namespace.is_empty() => "may not be specified when dataSourceRef.namespace is specified",
        (Some(source), Some(reference)) if source != reference => "must match dataSourceRef",
        _ => return,
    };
    // The value to blame is a path, of which Go's JSON shows nothing.
    errors.invalid(at, go_object(&[]), why);
}

fn data_source((group, kind, name): (Option<&str>, &str, &str), at: &Path<'_>, errors: &mut Errors) {
    for (field, value) in [("name", name), ("kind", kind)] {
        if value.is_empty() {
            errors.required(&at.child(field), "");
        }
    }
    match group.unwrap_or_default() {
        "" if kind != "PersistentVolumeClaim" => {
            let text = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
            errors.invalid(at, Raw(super::go_value::shown(kind)), text);
        }
        "" => {}
        group => errors.invalid_each(&at.child("apiGroup"), group, names::dns1123_subdomain(group)),
    }
}
