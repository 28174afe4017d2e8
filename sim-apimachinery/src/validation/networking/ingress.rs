//! Ingresses.

use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, Ingress, IngressBackend, IngressRule, IngressServiceBackend, IngressSpec, IngressTLS,
};

use super::super::errors::Errors;
use super::super::go_value::Raw;
use super::super::path::Path;
use super::super::{metadata, services};
use super::reference;
use crate::{ip, names};

const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";

/// What an ingress that was stored before may keep.
#[derive(Clone, Copy, Default)]
struct Kept {
    secret_names: bool,
    wildcard_rules: bool,
}

/// What is wrong with a new ingress.
pub fn create(ingress: &Ingress, errors: &mut Errors) {
    content(ingress, Kept::default(), errors);
    let annotation = ingress.metadata.annotations.as_ref().and_then(|a| a.get(CLASS_ANNOTATION));
    let class = ingress.spec.as_ref().and_then(|s| s.ingress_class_name.as_ref());
    if let (Some(annotation), Some(class)) = (annotation, class)
        && annotation != class
    {
        let annotations = Path::root("annotations");
        errors.invalid(&annotations.child(CLASS_ANNOTATION), annotation, "must match `ingressClassName` when both are specified");
    }
}

/// What is wrong with an ingress' next state.
pub fn update(next: &Ingress, current: &Ingress, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    let old = current.spec.clone().unwrap_or_default();
    let has_bad_secret =
        |t: &IngressTLS| t.secret_name.as_deref().is_some_and(|n| !n.is_empty() && !names::dns1123_subdomain(n).is_empty());
    let has_bad_rule = |r: &IngressRule| {
        let mut found = Errors::new();
        rule_value(r, &Path::root("rule"), &mut found);
        r.host.as_deref().is_some_and(|h| h.contains('*')) && !found.is_empty()
    };
    let kept =
        Kept { secret_names: old.tls.iter().flatten().any(has_bad_secret), wildcard_rules: old.rules.iter().flatten().any(has_bad_rule) };
    content(next, kept, errors);
}

/// What is wrong with an ingress' next status.
pub fn update_status(next: &Ingress, current: &Ingress, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    let of = |i: &Ingress| i.status.as_ref().and_then(|s| s.load_balancer.as_ref()?.ingress.clone()).unwrap_or_default();
    let before = of(current);
    let known: Vec<&str> = before.iter().filter_map(|i| i.ip.as_deref()).collect();
    let status = Path::root("status");
    let balancer = status.child("loadBalancer");
    let list = balancer.child("ingress");
    for (index, ingress) in of(next).iter().enumerate() {
        let at = list.index(index);
        let address = ingress.ip.as_deref().unwrap_or_default();
        if !address.is_empty() && !known.contains(&address) {
            errors.invalid_each(&at.child("ip"), address, ip::wrong_address(address));
        }
        services::hostname(ingress.hostname.as_deref().unwrap_or_default(), &at, errors);
    }
}

fn content(ingress: &Ingress, kept: Kept, errors: &mut Errors) {
    metadata::validate(&ingress.metadata, true, names::dns1123_subdomain, errors);
    let nothing = IngressSpec::default();
    spec(ingress.spec.as_ref().unwrap_or(&nothing), kept, errors);
}

fn spec(spec: &IngressSpec, kept: Kept, errors: &mut Errors) {
    let at = Path::root("spec");
    let list = spec.rules.as_deref().unwrap_or_default();
    if list.is_empty() && spec.default_backend.is_none() {
        let shown = if spec.rules.is_some() { "[]" } else { "null" };
        errors.invalid(&at, Raw(shown.into()), "either `defaultBackend` or `rules` must be specified");
    }
    if let Some(found) = &spec.default_backend {
        backend(found, &at.child("defaultBackend"), errors);
    }
    for (index, found) in list.iter().enumerate() {
        rule(found, kept, &at.child("rules").index(index), errors);
    }
    for (index, found) in spec.tls.iter().flatten().enumerate() {
        tls(found, kept, &at.child("tls").index(index), errors);
    }
    if let Some(class) = &spec.ingress_class_name {
        errors.invalid_each(&at.child("ingressClassName"), class, names::dns1123_subdomain(class));
    }
}

fn host(host: &str, at: &Path<'_>, errors: &mut Errors) {
    let wrong = if host.contains('*') { names::wildcard_dns1123_subdomain(host) } else { names::dns1123_subdomain(host) };
    errors.invalid_each(at, host, wrong);
}

fn tls(tls: &IngressTLS, kept: Kept, at: &Path<'_>, errors: &mut Errors) {
    for (index, name) in tls.hosts.iter().flatten().enumerate() {
        host(name, &at.child("hosts").index(index), errors);
    }
    let secret = tls.secret_name.as_deref().filter(|n| !n.is_empty() && !kept.secret_names);
    if let Some(secret) = secret {
        errors.invalid_each(&at.child("secretName"), secret, names::dns1123_subdomain(secret));
    }
}

fn rule(rule: &IngressRule, kept: Kept, at: &Path<'_>, errors: &mut Errors) {
    let name = rule.host.as_deref().unwrap_or_default();
    if ip::parse(name).is_some() {
        errors.invalid(&at.child("host"), name, "must be a DNS name, not an IP address");
    }
    if !name.is_empty() {
        host(name, &at.child("host"), errors);
    }
    if !(name.contains('*') && kept.wildcard_rules) {
        rule_value(rule, at, errors);
    }
}

fn rule_value(rule: &IngressRule, at: &Path<'_>, errors: &mut Errors) {
    let Some(http) = &rule.http else { return };
    let at = at.child("http");
    if http.paths.is_empty() {
        errors.required(&at.child("paths"), "");
    }
    for (index, found) in http.paths.iter().enumerate() {
        path(found, &at.child("paths").index(index), errors);
    }
}

fn path(path: &HTTPIngressPath, at: &Path<'_>, errors: &mut Errors) {
    let text = path.path.as_deref().unwrap_or_default();
    let field = at.child("path");
    match path.path_type.as_str() {
        "" => return errors.required(&at.child("pathType"), "pathType must be specified"),
        "Exact" | "Prefix" => {
            if !text.starts_with('/') {
                errors.invalid(&field, text, "must be an absolute path");
            }
            for part in ["//", "/./", "/../", "%2f", "%2F"].into_iter().filter(|p| text.contains(p)) {
                errors.invalid(&field, text, &format!("must not contain '{part}'"));
            }
            for end in ["/..", "/."].into_iter().filter(|e| text.ends_with(e)) {
                errors.invalid(&field, text, &format!("cannot end with '{end}'"));
            }
        }
        "ImplementationSpecific" if !text.is_empty() && !text.starts_with('/') => {
            errors.invalid(&field, text, "must be an absolute path");
        }
        "ImplementationSpecific" => {}
        other => errors.not_supported(&at.child("pathType"), other, &["Exact", "ImplementationSpecific", "Prefix"]),
    }
    backend(&path.backend, &at.child("backend"), errors);
}

fn backend(backend: &IngressBackend, at: &Path<'_>, errors: &mut Errors) {
    match (&backend.resource, &backend.service) {
        (Some(_), Some(_)) => errors.invalid(at, "", "cannot set both resource and service backends"),
        (Some(found), None) => {
            reference(found.api_group.as_deref(), ("kind", &found.kind), &found.name, &at.child("resource"), errors);
        }
        (None, Some(found)) => service(found, at, errors),
        (None, None) => errors.invalid(at, "", "resource or service backend is required"),
    }
}

fn service(service: &IngressServiceBackend, at: &Path<'_>, errors: &mut Errors) {
    let field = at.child("service");
    match service.name.as_str() {
        "" => errors.required(&field.child("name"), ""),
        name => errors.invalid_each(&field.child("name"), name, names::dns1123_label(name)),
    }
    let port = service.port.as_ref();
    let name = port.and_then(|p| p.name.as_deref()).unwrap_or_default();
    let number = port.and_then(|p| p.number).unwrap_or(0);
    match (name, number) {
        ("", 0) => errors.required(at, "port name or number is required"),
        ("", number) => errors.invalid_each(&field.child("port").child("number"), number, names::port_number(number)),
        (name, 0) => errors.invalid_each(&field.child("port").child("name"), name, names::port_name(name)),
        _ => errors.invalid(at, "", "cannot set both port name & port number"),
    }
}
