//! Affinity to nodes and to pods. Source: `validateAffinity` and what it calls in pkg/apis/core/validation.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{
    Affinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PodAffinityTerm, WeightedPodAffinityTerm,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::Options;
use crate::names;
use crate::validation::errors::Errors;
use crate::validation::labels::{Values, label_selector_with};
use crate::validation::path::Path;

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// What is wrong with a pod's affinity.
pub fn affinity(affinity: &Affinity, at: &Path<'_>, options: &Options, errors: &mut Errors) {
    if let Some(node) = &affinity.node_affinity {
        let at = at.child("nodeAffinity");
        if let Some(required) = &node.required_during_scheduling_ignored_during_execution {
            node_selector(required, options.node_selector_values, &at.child(REQUIRED), errors);
        }
        for (index, term) in node.preferred_during_scheduling_ignored_during_execution.iter().flatten().enumerate() {
            let list = at.child(PREFERRED);
            let at = list.index(index);
            weight(term.weight, &at, errors);
            node_selector_term(&term.preference, Values::Any, &at.child("preference"), errors);
        }
    }
    if let Some(pod) = &affinity.pod_affinity {
        let required = pod.required_during_scheduling_ignored_during_execution.as_deref();
        let preferred = pod.preferred_during_scheduling_ignored_during_execution.as_deref();
        pod_terms(required, preferred, options.selector_values, &at.child("podAffinity"), errors);
    }
    if let Some(pod) = &affinity.pod_anti_affinity {
        let required = pod.required_during_scheduling_ignored_during_execution.as_deref();
        let preferred = pod.preferred_during_scheduling_ignored_during_execution.as_deref();
        pod_terms(required, preferred, options.selector_values, &at.child("podAntiAffinity"), errors);
    }
}

fn weight(weight: i32, at: &Path<'_>, errors: &mut Errors) {
    if !(1..=100).contains(&weight) {
        errors.invalid(&at.child("weight"), weight, "must be in the range 1-100");
    }
}

/// What is wrong with a selector of nodes.
pub fn node_selector(selector: &NodeSelector, values: Values, at: &Path<'_>, errors: &mut Errors) {
    let list = at.child("nodeSelectorTerms");
    if selector.node_selector_terms.is_empty() {
        errors.required(&list, "must have at least one node selector term");
    }
    for (index, term) in selector.node_selector_terms.iter().enumerate() {
        node_selector_term(term, values, &list.index(index), errors);
    }
}

fn node_selector_term(term: &NodeSelectorTerm, values: Values, at: &Path<'_>, errors: &mut Errors) {
    for (index, wanted) in term.match_expressions.iter().flatten().enumerate() {
        node_label(wanted, values, &at.child("matchExpressions").index(index), errors);
    }
    for (index, wanted) in term.match_fields.iter().flatten().enumerate() {
        node_field(wanted, &at.child("matchFields").index(index), errors);
    }
}

fn node_label(wanted: &NodeSelectorRequirement, rule: Values, at: &Path<'_>, errors: &mut Errors) {
    let values = wanted.values.as_deref().unwrap_or_default();
    let values_at = at.child("values");
    match (wanted.operator.as_str(), values.len()) {
        ("In" | "NotIn", 0) => errors.required(&values_at, "must be specified when `operator` is 'In' or 'NotIn'"),
        ("Exists" | "DoesNotExist", 1..) => {
            errors.forbidden(&values_at, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
        }
        ("Gt" | "Lt", n) if n != 1 => errors.required(&values_at, "must be specified single value when `operator` is 'Lt' or 'Gt'"),
        ("In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt", _) => {}
        (other, _) => errors.invalid(&at.child("operator"), other, "not a valid selector operator"),
    }
    errors.invalid_each(&at.child("key"), &wanted.key, names::qualified_name(&wanted.key));
    for (index, value) in values.iter().enumerate().filter(|_| rule == Values::Labels) {
        errors.invalid_each(&values_at.index(index), value, names::label_value(value));
    }
}

fn node_field(wanted: &NodeSelectorRequirement, at: &Path<'_>, errors: &mut Errors) {
    let values = wanted.values.as_deref().unwrap_or_default();
    match wanted.operator.as_str() {
        "In" | "NotIn" if values.len() != 1 => {
            let text = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
            errors.required(&at.child("values"), text);
        }
        "In" | "NotIn" => {}
        other => errors.invalid(&at.child("operator"), other, "not a valid selector operator"),
    }
    if wanted.key != "metadata.name" {
        return errors.invalid(&at.child("key"), &wanted.key, "not a valid field selector key");
    }
    for (index, value) in values.iter().enumerate() {
        errors.invalid_each(&at.child("values").index(index), value, names::dns1123_subdomain(value));
    }
}

fn pod_terms(
    required: Option<&[PodAffinityTerm]>,
    preferred: Option<&[WeightedPodAffinityTerm]>,
    values: Values,
    at: &Path<'_>,
    errors: &mut Errors,
) {
    for (index, term) in required.unwrap_or_default().iter().enumerate() {
        pod_term(term, values, &at.child(REQUIRED).index(index), errors);
    }
    for (index, term) in preferred.unwrap_or_default().iter().enumerate() {
        let list = at.child(PREFERRED);
        let at = list.index(index);
        weight(term.weight, &at, errors);
        pod_term(&term.pod_affinity_term, values, &at.child("podAffinityTerm"), errors);
    }
}

fn pod_term(term: &PodAffinityTerm, values: Values, at: &Path<'_>, errors: &mut Errors) {
    for (field, selector) in [("labelSelector", &term.label_selector), ("namespaceSelector", &term.namespace_selector)] {
        if let Some(selector) = selector {
            label_selector_with(selector, values, &at.child(field), errors);
        }
    }
    for name in term.namespaces.iter().flatten() {
        errors.invalid_each(&at.child("namespace"), name, names::dns1123_label(name));
    }
    let match_keys = term.match_label_keys.as_deref().unwrap_or_default();
    let mismatch_keys = term.mismatch_label_keys.as_deref().unwrap_or_default();
    label_keys(match_keys, mismatch_keys, term.label_selector.as_ref(), at, errors);
    if term.topology_key.is_empty() {
        errors.required(&at.child("topologyKey"), "can not be empty");
    }
    errors.invalid_each(&at.child("topologyKey"), &term.topology_key, names::qualified_name(&term.topology_key));
}

/// Keys whose values a pod's own labels give, which by now are in the selector.
pub fn label_keys(match_keys: &[String], mismatch_keys: &[String], selector: Option<&LabelSelector>, at: &Path<'_>, errors: &mut Errors) {
    for (field, keys) in [("matchLabelKeys", match_keys), ("mismatchLabelKeys", mismatch_keys)] {
        let at = at.child(field);
        if selector.is_none() && !keys.is_empty() {
            errors.forbidden(&at, "must not be specified when labelSelector is not set");
            continue;
        }
        for (index, key) in keys.iter().enumerate() {
            errors.invalid_each(&at.index(index), key, names::qualified_name(key));
        }
    }
    if let Some(selector) = selector {
        let mut seen: BTreeSet<&str> = selector.match_labels.iter().flatten().map(|(key, _)| key.as_str()).collect();
        for wanted in selector.match_expressions.iter().flatten() {
            let index = match_keys.iter().rposition(|key| *key == wanted.key);
            if let Some(index) = index.filter(|_| seen.contains(wanted.key.as_str())) {
                errors.invalid(&at.index(index), &wanted.key, "exists in both matchLabelKeys and labelSelector");
            }
            seen.insert(&wanted.key);
        }
    }
    for (index, key) in match_keys.iter().enumerate().filter(|(_, key)| mismatch_keys.contains(key)) {
        let text = "exists in both matchLabelKeys and mismatchLabelKeys";
        errors.invalid(&at.child("matchLabelKeys").index(index), key, text);
    }
}
