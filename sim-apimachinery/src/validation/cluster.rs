//! Nodes and namespaces. Source: pkg/apis/core/validation.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Namespace, Node, Taint};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;

use super::errors::Errors;
use super::path::Path;
use super::values::{is_ipv4, network, resource_amount};
use super::{internal, metadata};
use crate::names;

const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
const CIDR_FROZEN: &str = "node updates may not change podCIDR except from \"\" to valid";
const FEATURE_MAX: usize = 253;

/// What is wrong with a new node.
pub fn node_create(node: &Node, errors: &mut Errors) {
    metadata::validate(&node.metadata, false, names::dns1123_subdomain, errors);
    let spec = node.spec.clone().unwrap_or_default();
    taints(spec.taints.as_deref().unwrap_or_default(), errors);
    resources(node, errors);
    features(node, errors);
    let networks = spec.pod_cidrs.as_deref().unwrap_or_default();
    let (spec_at, mut fours, mut sixes) = (Path::root("spec"), 0, 0);
    let at = spec_at.child("podCIDRs");
    for (index, text) in networks.iter().enumerate() {
        match network(text, &at.index(index), errors) {
            Some((address, _)) if is_ipv4(address) => fours += 1,
            Some(_) => sixes += 1,
            None => {}
        }
    }
    if networks.len() > 1 && (fours != 1 || sixes != 1) {
        if let Some(wrong) = networks.iter().find(|n| n.parse_network().is_none()) {
            let text = format!("invalid PodCIDRs. failed to check with dual stack with error:invalid CIDR address: {wrong}");
            errors.internal(&at, &text);
        }
        errors.invalid(&at, networks, "may specify no more than one CIDR for each IP family");
    }
}

trait ParseNetwork {
    fn parse_network(&self) -> Option<()>;
}
impl ParseNetwork for String {
    fn parse_network(&self) -> Option<()> {
        network(self, &Path::root(""), &mut Errors::new()).map(|_| ())
    }
}

/// What is wrong with a node's next state, spec or status.
pub fn node_update(next: &Node, current: &Node, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    resources(next, errors);
    features(next, errors);
    addresses(next, errors);
    let (spec, before) = (next.spec.clone().unwrap_or_default(), current.spec.clone().unwrap_or_default());
    let at = Path::root("spec");
    let (networks, old) = (spec.pod_cidrs.unwrap_or_default(), before.pod_cidrs.unwrap_or_default());
    if !old.is_empty() && networks.len() != old.len() {
        errors.forbidden(&at.child("podCIDRs"), CIDR_FROZEN);
    } else {
        for _ in old.iter().zip(&networks).filter(|(old, new)| old != new) {
            errors.forbidden(&at.child("podCIDRs"), CIDR_FROZEN);
        }
    }
    if before.provider_id.as_ref().is_some_and(|id| !id.is_empty()) && before.provider_id != spec.provider_id {
        errors.forbidden(&at.child("providerID"), "node updates may not change providerID except from \"\" to valid");
    }
    taints(spec.taints.as_deref().unwrap_or_default(), errors);
    if spec.external_id.unwrap_or_default() != before.external_id.unwrap_or_default() {
        errors.forbidden(&at.child("externalID"), "may not be updated");
    }
}

fn addresses(node: &Node, errors: &mut Errors) {
    let found = node.status.iter().flat_map(|s| s.addresses.iter().flatten());
    let mut seen = BTreeSet::new();
    for (index, address) in found.enumerate() {
        if !seen.insert((&address.type_, &address.address)) {
            let at = Path::root("status");
            errors.duplicate(&at.child("addresses").index(index), internal::blamed("NodeAddress", address));
        }
    }
}

fn taints(taints: &[Taint], errors: &mut Errors) {
    let metadata_at = Path::root("metadata");
    let list = metadata_at.child("taints");
    let mut seen = BTreeSet::new();
    for (index, taint) in taints.iter().enumerate() {
        let at = list.index(index);
        errors.invalid_each(&at.child("key"), &taint.key, names::qualified_name(&taint.key));
        let value = taint.value.as_deref().unwrap_or_default();
        let wrong = names::label_value(value);
        if !wrong.is_empty() {
            errors.invalid(&at.child("value"), value, &wrong.join(";"));
        }
        match taint.effect.as_str() {
            "" => errors.required(&at.child("effect"), ""),
            other if !EFFECTS.contains(&other) => errors.not_supported(&at.child("effect"), other, &EFFECTS),
            _ => {}
        }
        if !seen.insert((&taint.effect, &taint.key)) {
            let value = internal::blamed("Taint", taint);
            errors.duplicate_because(&at, value, "taints must be unique by key and effect pair");
        }
    }
}

fn resources(node: &Node, errors: &mut Errors) {
    let Some(status) = &node.status else { return };
    let at = Path::root("status");
    for (field, amounts) in [("capacity", &status.capacity), ("allocatable", &status.allocatable)] {
        let at = at.child(field);
        amounts.iter().for_each(|a: &BTreeMap<String, ApiQuantity>| {
            a.iter().for_each(|(name, amount)| resource_amount(name, amount, &at.child(name), errors));
        });
    }
}

fn features(node: &Node, errors: &mut Errors) {
    let names: Vec<&String> = node.status.iter().flat_map(|s| s.declared_features.iter().flatten()).collect();
    let status_at = Path::root("status");
    let at = status_at.child("declaredFeatures");
    for (index, name) in names.iter().enumerate() {
        if let Some(text) = feature_error(name) {
            errors.invalid(&at.index(index), *name, &text);
        }
        match names.get(index + 1) {
            Some(next) if next == name => errors.duplicate(&at.index(index + 1), *next),
            Some(next) if next < name => errors.invalid(&at.index(index + 1), *next, "list must be sorted alphabetically"),
            _ => {}
        }
    }
}

fn feature_error(name: &str) -> Option<String> {
    if name.len() > FEATURE_MAX {
        return Some(format!("invalid feature name {name:?}: must be no more than {FEATURE_MAX} characters"));
    }
    let segment = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric());
    let fine = name.starts_with(|c: char| c.is_ascii_uppercase()) && name.split('/').all(segment);
    let rule = "must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric characters and slashes";
    (!fine).then(|| format!("invalid feature name {name:?}: {rule}"))
}

/// What is wrong with a new namespace.
pub fn namespace_create(namespace: &Namespace, errors: &mut Errors) {
    metadata::validate(&namespace.metadata, false, names::dns1123_label, errors);
    let at = Path::root("spec");
    for name in finalizers(namespace) {
        finalizer(name, &at.child("finalizers"), errors);
    }
}

/// What is wrong with a namespace's next state.
pub fn namespace_update(next: &Namespace, current: &Namespace, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
}

/// What is wrong with a namespace's next status.
pub fn namespace_status(next: &Namespace, current: &Namespace, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    let phase = next.status.as_ref().and_then(|s| s.phase.as_deref()).unwrap_or_default();
    let (expected, state) = match next.metadata.deletion_timestamp {
        None => ("Active", "empty"),
        Some(_) => ("Terminating", "not empty"),
    };
    if phase != expected {
        let text = format!("may only be '{expected}' if `deletionTimestamp` is {state}");
        errors.invalid(&Path::root("status").child("Phase"), phase, &text);
    }
}

/// What is wrong with a namespace's next finalizers.
pub fn namespace_finalize(next: &Namespace, current: &Namespace, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    let at = Path::root("spec");
    let at = at.child("finalizers");
    for (index, name) in finalizers(next).enumerate() {
        finalizer(name, &at.index(index), errors);
    }
}

fn finalizers(namespace: &Namespace) -> impl Iterator<Item = &String> {
    namespace.spec.iter().flat_map(|s| s.finalizers.iter().flatten())
}

fn finalizer(name: &str, at: &Path<'_>, errors: &mut Errors) {
    errors.invalid_each(at, name, names::qualified_name(name));
    if !name.contains('/') && !matches!(name, "kubernetes" | "orphan" | "foregroundDeletion") {
        errors.invalid(at, name, "name is neither a standard finalizer name nor is it fully qualified");
    }
}
