//! Object metadata: names, namespaces, labels, annotations, owners, finalizers, managed fields, and what an update may
//! not change. Source: apimachinery pkg/api/validation/objectmeta.go and pkg/apis/core/validation.
//! The generation and the timestamps are never wrong here: the server sets them.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta, OwnerReference};

use super::errors::Errors;
use super::go_value::{Raw, go_object, json_list, json_string};
use super::labels::labels;
use super::path::Path;
use crate::{Kind, names};

/// Annotations together may not be larger.
const ANNOTATIONS_BYTES_MAX: usize = 256 * 1024;
const MANAGER_BYTES_MAX: usize = 128;
const SUBRESOURCE_BYTES_MAX: usize = 256;

/// What is wrong with a name, if anything.
pub type NameRule = fn(&str) -> Vec<String>;

/// The rule for a kind's names.
pub fn name_rule(kind: Kind) -> NameRule {
    use Kind as K;
    match kind {
        K::Namespace => names::dns1123_label,
        K::Service => names::dns1035_label,
        K::Role | K::ClusterRole | K::RoleBinding | K::ClusterRoleBinding => names::path_segment,
        K::Event => |_| vec![],
        _ => names::dns1123_subdomain,
    }
}

/// What is wrong with an object's metadata.
pub fn validate(metadata: &ObjectMeta, namespaced: bool, rule: NameRule, errors: &mut Errors) {
    let at = Path::root("metadata");
    checked(metadata, namespaced, rule, &at, errors);
    fully_qualified_finalizers(metadata, &at, errors);
}

/// What every object is asked on top of its kind's own rules: as `validate`, but any part of a URL is a name.
pub fn validate_common(metadata: &ObjectMeta, namespaced: bool, errors: &mut Errors) {
    checked(metadata, namespaced, names::path_segment, &Path::root("metadata"), errors);
}

/// What is wrong with the metadata of an object's next state.
pub fn validate_update(next: &ObjectMeta, current: &ObjectMeta, errors: &mut Errors) {
    validate_common_update(next, current, errors);
    fully_qualified_finalizers(next, &Path::root("metadata"), errors);
}

/// What every update is asked on top of its kind's own rules.
pub fn validate_common_update(next: &ObjectMeta, current: &ObjectMeta, errors: &mut Errors) {
    let at = Path::root("metadata");
    if current.deletion_timestamp.is_some() {
        no_new_finalizers(next, current, &at, errors);
    }
    let text = |value: &Option<String>| Raw(super::go_value::shown(value.as_deref().unwrap_or_default()));
    errors.immutable(&at.child("name"), &next.name, &current.name, text);
    errors.immutable(&at.child("namespace"), &next.namespace, &current.namespace, text);
    errors.immutable(&at.child("uid"), &next.uid, &current.uid, text);
    labels(next.labels.as_ref(), &at.child("labels"), errors);
    annotations(next.annotations.as_ref(), &at.child("annotations"), errors);
    owners(next.owner_references.as_deref().unwrap_or_default(), &at.child("ownerReferences"), errors);
    managed_fields(next.managed_fields.as_deref().unwrap_or_default(), &at.child("managedFields"), errors);
}

fn checked(metadata: &ObjectMeta, namespaced: bool, rule: NameRule, at: &Path<'_>, errors: &mut Errors) {
    if let Some(base) = metadata.generate_name.as_deref().filter(|b| !b.is_empty()) {
        errors.invalid_each(&at.child("generateName"), base, rule(&names::as_prefix(base)));
    }
    match metadata.name.as_deref().unwrap_or_default() {
        "" => errors.required(&at.child("name"), "name or generateName is required"),
        name => errors.invalid_each(&at.child("name"), name, rule(name)),
    }
    match (namespaced, metadata.namespace.as_deref().unwrap_or_default()) {
        (true, "") => errors.required(&at.child("namespace"), ""),
        (true, namespace) => errors.invalid_each(&at.child("namespace"), namespace, names::dns1123_label(namespace)),
        (false, "") => {}
        (false, _) => errors.forbidden(&at.child("namespace"), "not allowed on this type"),
    }
    labels(metadata.labels.as_ref(), &at.child("labels"), errors);
    annotations(metadata.annotations.as_ref(), &at.child("annotations"), errors);
    owners(metadata.owner_references.as_deref().unwrap_or_default(), &at.child("ownerReferences"), errors);
    finalizers(metadata.finalizers.as_deref().unwrap_or_default(), &at.child("finalizers"), errors);
    managed_fields(metadata.managed_fields.as_deref().unwrap_or_default(), &at.child("managedFields"), errors);
}

/// What is wrong with annotations.
pub fn annotations(annotations: Option<&BTreeMap<String, String>>, at: &Path<'_>, errors: &mut Errors) {
    let mut size = 0;
    for (key, value) in annotations.into_iter().flatten() {
        errors.invalid_each(at, key, names::qualified_name(&key.to_lowercase()));
        size += key.len() + value.len();
    }
    if size > ANNOTATIONS_BYTES_MAX {
        errors.too_long(at, ANNOTATIONS_BYTES_MAX);
    }
}

fn owners(references: &[OwnerReference], at: &Path<'_>, errors: &mut Errors) {
    let mut first: Option<String> = None;
    for reference in references {
        owner(reference, at, errors);
        if reference.controller != Some(true) {
            continue;
        }
        let name = format!("{}/{}", reference.kind, reference.name);
        match &first {
            Some(first) => {
                let text =
                    format!("Only one reference can have Controller set to true. Found \"true\" in references for {first} and {name}");
                errors.invalid(at, Raw(json_list(references.iter().map(|r| shown_owner(r).0))), &text);
            }
            None => first = Some(name),
        }
    }
}

fn owner(reference: &OwnerReference, at: &Path<'_>, errors: &mut Errors) {
    let (group, version) = reference.api_version.split_once('/').unwrap_or(("", &reference.api_version));
    if version.is_empty() {
        errors.invalid(&at.child("apiVersion"), &reference.api_version, "version must not be empty");
    }
    for (field, value) in [("kind", &reference.kind), ("name", &reference.name), ("uid", &reference.uid)] {
        if value.is_empty() {
            errors.invalid(&at.child(field), value, "must not be empty");
        }
    }
    if group.is_empty() && version == "v1" && reference.kind == "Event" {
        errors.invalid(at, shown_owner(reference), "/v1, Kind=Event is disallowed from being an owner");
    }
}

fn shown_owner(reference: &OwnerReference) -> Raw {
    let mut fields = vec![
        ("apiVersion", json_string(&reference.api_version)),
        ("kind", json_string(&reference.kind)),
        ("name", json_string(&reference.name)),
        ("uid", json_string(&reference.uid)),
    ];
    fields.extend(reference.controller.map(|c| ("controller", c.to_string())));
    fields.extend(reference.block_owner_deletion.map(|b| ("blockOwnerDeletion", b.to_string())));
    go_object(&fields)
}

fn finalizers(finalizers: &[String], at: &Path<'_>, errors: &mut Errors) {
    for finalizer in finalizers {
        errors.invalid_each(at, finalizer, names::qualified_name(finalizer));
    }
    let has = |name: &str| finalizers.iter().any(|f| f == name);
    if has("orphan") && has("foregroundDeletion") {
        errors.invalid(at, finalizers, "finalizer orphan and foregroundDeletion cannot be both set");
    }
}

/// A finalizer is one of Kubernetes' own or has a domain.
fn fully_qualified_finalizers(metadata: &ObjectMeta, at: &Path<'_>, errors: &mut Errors) {
    for (index, finalizer) in metadata.finalizers.iter().flatten().enumerate() {
        if !finalizer.contains('/') && !matches!(finalizer.as_str(), "kubernetes" | "orphan" | "foregroundDeletion") {
            let text = "name is neither a standard finalizer name nor is it fully qualified";
            errors.invalid(&at.child("finalizers").index(index), finalizer, text);
        }
    }
}

fn no_new_finalizers(next: &ObjectMeta, current: &ObjectMeta, at: &Path<'_>, errors: &mut Errors) {
    let before = current.finalizers.as_deref().unwrap_or_default();
    let mut added: Vec<&String> = next.finalizers.iter().flatten().filter(|f| !before.contains(f)).collect();
    if added.is_empty() {
        return;
    }
    added.sort();
    added.dedup();
    let shown: Vec<String> = added.into_iter().map(super::go_value::shown).collect();
    let text =
        format!("no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}", shown.join(", "));
    errors.forbidden(&at.child("finalizers"), &text);
}

fn managed_fields(entries: &[ManagedFieldsEntry], at: &Path<'_>, errors: &mut Errors) {
    for (index, entry) in entries.iter().enumerate() {
        let at = at.index(index);
        let operation = entry.operation.as_deref().unwrap_or_default();
        if !matches!(operation, "Apply" | "Update") {
            errors.invalid(&at.child("operation"), operation, "must be `Apply` or `Update`");
        }
        if let Some(other) = entry.fields_type.as_deref().filter(|t| !matches!(*t, "" | "FieldsV1")) {
            errors.invalid(&at.child("fieldsType"), other, "must be `FieldsV1`");
        }
        if entry.manager.as_deref().is_some_and(|m| m.len() > MANAGER_BYTES_MAX) {
            errors.too_long(&at.child("manager"), MANAGER_BYTES_MAX);
        }
        if entry.subresource.as_deref().is_some_and(|s| s.len() > SUBRESOURCE_BYTES_MAX) {
            errors.too_long(&at.child("subresource"), SUBRESOURCE_BYTES_MAX);
        }
    }
}
