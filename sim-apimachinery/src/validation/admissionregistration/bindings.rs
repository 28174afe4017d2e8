//! Bindings of admission policies.

use std::collections::BTreeSet;

use k8s_openapi::api::admissionregistration::v1::{MutatingAdmissionPolicyBinding, ParamRef, ValidatingAdmissionPolicyBinding};

use super::super::errors::Errors;
use super::super::labels::label_selector;
use super::super::metadata;
use super::super::path::Path;
use super::{match_resources, mutating_operations};
use crate::names;

/// What is wrong with the binding of a validating policy, new or next.
pub fn check_validating(binding: &ValidatingAdmissionPolicyBinding, errors: &mut Errors) {
    metadata::validate(&binding.metadata, false, names::dns1123_subdomain, errors);
    let spec = &binding.spec;
    let at = Path::root("spec");
    policy_name(&spec.policy_name, &at, errors);
    param_ref(spec.param_ref.as_ref(), &at.child("paramRef"), errors);
    if let Some(found) = &spec.match_resources {
        match_resources(found, &at.child("matchResources"), errors);
    }
    actions(&spec.validation_actions, &at.child("validationActions"), errors);
}

/// What is wrong with the binding of a mutating policy, new or next.
pub fn check_mutating(binding: &MutatingAdmissionPolicyBinding, errors: &mut Errors) {
    metadata::validate(&binding.metadata, false, names::dns1123_subdomain, errors);
    let spec = binding.spec.clone().unwrap_or_default();
    let at = Path::root("spec");
    policy_name(spec.policy_name.as_deref().unwrap_or_default(), &at, errors);
    param_ref(spec.param_ref.as_ref(), &at.child("paramRef"), errors);
    if let Some(found) = &spec.match_resources {
        match_resources(found, &at.child("matchResources"), errors);
        mutating_operations(found, &at.child("matchResources"), errors);
    }
}

fn policy_name(name: &str, at: &Path<'_>, errors: &mut Errors) {
    match name {
        "" => errors.required(&at.child("policyName"), ""),
        name => errors.invalid_each(&at.child("policyName"), name, names::dns1123_subdomain(name)),
    }
}

fn param_ref(reference: Option<&ParamRef>, at: &Path<'_>, errors: &mut Errors) {
    const BOTH: &str = "name and selector are mutually exclusive";
    let Some(reference) = reference else { return };
    let name = reference.name.as_deref().unwrap_or_default();
    if !name.is_empty() {
        errors.invalid_each(&at.child("name"), name, names::path_segment(name));
        if reference.selector.is_some() {
            errors.forbidden(&at.child("name"), BOTH);
        }
    }
    if let Some(selector) = &reference.selector {
        label_selector(selector, &at.child("selector"), errors);
        if !name.is_empty() {
            errors.forbidden(&at.child("selector"), BOTH);
        }
    }
    if name.is_empty() && reference.selector.is_none() {
        errors.required(at, "one of name or selector must be specified");
    }
    let field = at.child("parameterNotFoundAction");
    match reference.parameter_not_found_action.as_deref().unwrap_or_default() {
        "" => errors.required(&field, ""),
        "Deny" | "Allow" => {}
        other => errors.not_supported(&field, other, &["Deny", "Allow"]),
    }
}

fn actions(actions: &[String], at: &Path<'_>, errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    for (index, action) in actions.iter().enumerate() {
        if !matches!(action.as_str(), "Deny" | "Warn" | "Audit") {
            errors.not_supported(&at.index(index), action, &["Audit", "Deny", "Warn"]);
        }
        if !seen.insert(action.as_str()) {
            errors.duplicate(&at.index(index), action);
        }
    }
    if seen.contains("Deny") && seen.contains("Warn") {
        let text = "must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)";
        errors.invalid(at, actions, text);
    }
    if seen.is_empty() {
        errors.required(at, "at least one validation action is required");
    }
}
