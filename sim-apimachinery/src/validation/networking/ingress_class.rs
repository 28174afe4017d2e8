//! Ingress classes.

use k8s_openapi::api::networking::v1::{IngressClass, IngressClassParametersReference};

use super::super::errors::Errors;
use super::super::go_value::{Raw, shown};
use super::super::metadata;
use super::super::path::Path;
use super::reference;
use crate::names;

const CONTROLLER_BYTES_MAX: usize = 250;

/// What is wrong with a new ingress class.
pub fn create(class: &IngressClass, errors: &mut Errors) {
    metadata::validate(&class.metadata, false, names::dns1123_subdomain, errors);
    let spec = class.spec.clone().unwrap_or_default();
    let at = Path::root("spec");
    let controller = spec.controller.as_deref().unwrap_or_default();
    let field = at.child("controller");
    if controller.len() > CONTROLLER_BYTES_MAX {
        errors.too_long(&field, CONTROLLER_BYTES_MAX);
    }
    domain_prefixed_path(controller, &field, errors);
    if let Some(found) = &spec.parameters {
        parameters(found, &at.child("parameters"), errors);
    }
}

/// What is wrong with an ingress class' next state.
pub fn update(next: &IngressClass, current: &IngressClass, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    let controller = |c: &IngressClass| c.spec.as_ref().and_then(|s| s.controller.clone()).unwrap_or_default();
    let at = Path::root("spec");
    errors.immutable(&at.child("controller"), &controller(next), &controller(current), |c| Raw(shown(c)));
    create(next, errors);
}

/// `acme.io/foo`.
fn domain_prefixed_path(text: &str, at: &Path<'_>, errors: &mut Errors) {
    let Some((host, path)) = text.split_once('/').filter(|(host, path)| !host.is_empty() && !path.is_empty()) else {
        return match text {
            "" => errors.required(at, ""),
            text => errors.invalid(at, text, "must be a domain-prefixed path (such as \"acme.io/foo\")"),
        };
    };
    errors.invalid_each(at, host, names::dns1123_subdomain(host));
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-._~%!$&'()*+,;=:".contains(c);
    if !path.chars().all(plain) {
        errors.invalid(at, path, r"Invalid path (regex used for validation is '[A-Za-z0-9/\-._~%!$&'()*+,;=:]+')");
    }
}

fn parameters(found: &IngressClassParametersReference, at: &Path<'_>, errors: &mut Errors) {
    reference(found.api_group.as_deref(), ("kind", &found.kind), &found.name, at, errors);
    let field = at.child("namespace");
    match (found.scope.as_deref(), found.namespace.as_deref()) {
        (None, _) => errors.required(&at.child("scope"), ""),
        (Some("Namespace"), None) => errors.required(&field, "`parameters.scope` is set to 'Namespace'"),
        (Some("Namespace"), Some(namespace)) => errors.invalid_each(&field, namespace, names::dns1123_label(namespace)),
        (Some("Cluster"), Some(_)) => errors.forbidden(&field, "`parameters.scope` is set to 'Cluster'"),
        (Some("Cluster"), None) => {}
        (Some(other), _) => errors.not_supported(&at.child("scope"), other, &["Cluster", "Namespace"]),
    }
}
