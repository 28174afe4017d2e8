//! Storage classes and classes of volume attributes.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::TopologySelectorTerm;
use k8s_openapi::api::storage::v1::{StorageClass, VolumeAttributesClass};

use super::super::errors::Errors;
use super::super::go_value::{Raw, json_map, shown};
use super::super::metadata;
use super::super::path::Path;
use super::{parameters, provisioner};
use crate::names;

/// What is wrong with a new storage class.
pub fn create(class: &StorageClass, errors: &mut Errors) {
    metadata::validate(&class.metadata, false, names::dns1123_subdomain, errors);
    provisioner(&class.provisioner, &Path::root("provisioner"), errors);
    parameters(class.parameters.as_ref(), true, &Path::root("parameters"), errors);
    if let Some(policy) = class.reclaim_policy.as_deref().filter(|p| !matches!(*p, "" | "Delete" | "Retain")) {
        errors.not_supported(&Path::root("reclaimPolicy"), policy, &["Delete", "Retain"]);
    }
    let mode = Path::root("volumeBindingMode");
    match class.volume_binding_mode.as_deref() {
        None => errors.required(&mode, ""),
        Some("Immediate" | "WaitForFirstConsumer") => {}
        Some(other) => errors.not_supported(&mode, other, &["Immediate", "WaitForFirstConsumer"]),
    }
    topologies(class.allowed_topologies.as_deref().unwrap_or_default(), errors);
}

/// What is wrong with a storage class' next state.
pub fn update(next: &StorageClass, current: &StorageClass, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    let map = |m: &Option<BTreeMap<String, String>>| Raw(m.as_ref().map_or_else(|| "null".to_owned(), json_map));
    errors.immutable(&Path::root("parameters"), &next.parameters, &current.parameters, map);
    errors.immutable(&Path::root("provisioner"), &next.provisioner, &current.provisioner, |p| Raw(shown(p)));
    let text = |t: &Option<String>| Raw(shown(t.as_deref()));
    errors.immutable(&Path::root("reclaimPolicy"), &next.reclaim_policy, &current.reclaim_policy, text);
    errors.immutable(&Path::root("volumeBindingMode"), &next.volume_binding_mode, &current.volume_binding_mode, text);
}

fn topologies(terms: &[TopologySelectorTerm], errors: &mut Errors) {
    let list = Path::root("allowedTopologies");
    // As in Kubernetes, the first comparisons are with terms that were never read, which equal an empty one.
    let mut seen: Vec<BTreeMap<&str, BTreeSet<&str>>> = vec![BTreeMap::new(); terms.len()];
    for (index, found) in terms.iter().enumerate() {
        let at = list.index(index);
        let read = term(found, &at, errors);
        let had_expressions = found.match_label_expressions.as_ref().is_some_and(|e| !e.is_empty());
        for _ in seen.iter().filter(|s| **s == read && had_expressions) {
            errors.duplicate(&at.child("matchLabelExpressions"), "");
        }
        seen.push(read);
    }
}

fn term<'a>(term: &'a TopologySelectorTerm, at: &Path<'_>, errors: &mut Errors) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
    let mut read = BTreeMap::new();
    for (index, requirement) in term.match_label_expressions.iter().flatten().enumerate() {
        let list = at.child("matchLabelExpressions");
        let at = list.index(index);
        let mut values = BTreeSet::new();
        if requirement.values.is_empty() {
            errors.required(&at.child("values"), "");
        }
        for (index, value) in requirement.values.iter().enumerate() {
            if !values.insert(value.as_str()) {
                errors.duplicate(&at.child("values").index(index), value);
            }
        }
        errors.invalid_each(&at.child("key"), &requirement.key, names::qualified_name(&requirement.key));
        if read.contains_key(requirement.key.as_str()) {
            errors.duplicate(&at.child("key"), &requirement.key);
        }
        read.insert(requirement.key.as_str(), values);
    }
    read
}

/// What is wrong with a new class of volume attributes.
pub fn create_attributes(class: &VolumeAttributesClass, errors: &mut Errors) {
    metadata::validate(&class.metadata, false, names::dns1123_subdomain, errors);
    provisioner(&class.driver_name, &Path::root("driverName"), errors);
    parameters(class.parameters.as_ref(), false, &Path::root("parameters"), errors);
}

/// What is wrong with the next state of a class of volume attributes: nothing of it changes.
pub fn update_attributes(next: &VolumeAttributesClass, current: &VolumeAttributesClass, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    if next.driver_name != current.driver_name {
        errors.forbidden(&Path::root("driverName"), "updates to driverName are forbidden.");
    }
    if next.parameters != current.parameters {
        errors.forbidden(&Path::root("parameters"), "updates to parameters are forbidden.");
    }
    create_attributes(next, errors);
}
