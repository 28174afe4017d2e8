//! Services. Source: `validateService` and its callers in pkg/apis/core/validation.
//! Invariant: errors come in Kubernetes' order. What depends on the cluster's networks and on what is taken is the
//! allocator's business; it asks `addresses::related` first.

pub mod addresses;
pub mod policies;
mod ports;

use k8s_openapi::api::core::v1::{Service, ServiceSpec};

use super::errors::Errors;
use super::path::Path;
use super::{labels, metadata};
use crate::{ip, names};

const TOPOLOGY_MODE: &str = "service.kubernetes.io/topology-mode";
const TOPOLOGY_HINTS: &str = "service.kubernetes.io/topology-aware-hints";
const SESSION_SECONDS_MAX: i32 = 86_400;

/// Whether a service has no address of its own.
pub fn is_headless(spec: &ServiceSpec) -> bool {
    matches!(spec.cluster_ips.as_deref(), Some([only]) if only == "None")
}

/// A service's type, `ClusterIP` if none is set.
pub fn kind(spec: &ServiceSpec) -> &str {
    spec.type_.as_deref().unwrap_or("ClusterIP")
}

/// What is wrong with a new service.
pub fn create(service: &Service, errors: &mut Errors) {
    metadata::validate(&service.metadata, true, names::dns1123_label, errors);
    content(service, None, errors);
}

/// What is wrong with a service's next state.
pub fn update(next: &Service, current: &Service, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    let nothing = ServiceSpec::default();
    let (spec, before) = (next.spec.as_ref().unwrap_or(&nothing), current.spec.as_ref().unwrap_or(&nothing));
    addresses::addresses_kept(spec, before, errors);
    addresses::families_kept(spec, before, errors);
    policies::load_balancer_class(spec, Some(before), errors);
    policies::health_check_port_kept(spec, before, errors);
    content(next, Some(current), errors);
}

/// What is wrong with a service's next status.
pub fn update_status(next: &Service, current: &Service, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    let of = |s: &Service| s.status.as_ref().and_then(|s| s.load_balancer.as_ref()?.ingress.clone()).unwrap_or_default();
    let is_load_balancer = next.spec.as_ref().is_some_and(|s| kind(s) == "LoadBalancer");
    let status = Path::root("status");
    let at = status.child("loadBalancer");
    let (status, before) = (of(next), of(current));
    if !is_load_balancer && !status.is_empty() {
        return errors.forbidden(&at.child("ingress"), "may only be used when `spec.type` is 'LoadBalancer'");
    }
    let known: Vec<&str> = before.iter().filter_map(|i| i.ip.as_deref()).collect();
    for (index, ingress) in status.iter().enumerate() {
        let list = at.child("ingress");
        let at = list.index(index);
        let address = ingress.ip.as_deref().unwrap_or_default();
        if !address.is_empty() && !known.contains(&address) {
            errors.invalid_each(&at.child("ip"), address, ip::wrong_address(address));
        }
        match ingress.ip_mode.as_deref() {
            None if !address.is_empty() => errors.required(&at.child("ipMode"), "must be specified when `ip` is set"),
            None => {}
            Some(_) if address.is_empty() => errors.forbidden(&at.child("ipMode"), "may not be specified when `ip` is not set"),
            Some("VIP" | "Proxy") => {}
            Some(other) => errors.not_supported(&at.child("ipMode"), other, &["Proxy", "VIP"]),
        }
        hostname(ingress.hostname.as_deref().unwrap_or_default(), &at, errors);
    }
}

/// What is wrong with the name a load balancer is reached by; none is fine.
pub fn hostname(name: &str, at: &Path<'_>, errors: &mut Errors) {
    if name.is_empty() {
        return;
    }
    errors.invalid_each(&at.child("hostname"), name, names::dns1123_subdomain(name));
    if ip::parse(name).is_some() {
        errors.invalid(&at.child("hostname"), name, "must be a DNS name, not an IP address");
    }
}

fn content(service: &Service, before: Option<&Service>, errors: &mut Errors) {
    let nothing = ServiceSpec::default();
    let spec = service.spec.as_ref().unwrap_or(&nothing);
    let old = before.and_then(|s| s.spec.as_ref());
    topology(service, errors);
    let at = Path::root("spec");
    if spec.ports.as_ref().is_none_or(Vec::is_empty) && !is_headless(spec) && kind(spec) != "ExternalName" {
        errors.required(&at.child("ports"), "");
    }
    by_type(spec, &at, errors);
    ports::each(spec, &at, errors);
    labels::labels(spec.selector.as_ref(), &at.child("selector"), errors);
    session_affinity(spec, &at, errors);
    addresses::related(spec, old, errors);
    external_addresses(spec, old, &at, errors);
    if !matches!(kind(spec), "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName") {
        errors.not_supported(&at.child("type"), kind(spec), &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]);
    }
    ports::together(spec, &at, errors);
    policies::all(service, spec, before, errors);
}

fn topology(service: &Service, errors: &mut Errors) {
    let annotation = |name: &str| service.metadata.annotations.as_ref().and_then(|a| a.get(name));
    if let (Some(mode), Some(hints)) = (annotation(TOPOLOGY_MODE), annotation(TOPOLOGY_HINTS))
        && mode != hints
    {
        let metadata = Path::root("metadata");
        let annotations = metadata.child("annotations");
        errors.invalid(&annotations.key(TOPOLOGY_MODE), mode, &format!("must match annotations[{TOPOLOGY_HINTS}] when both are specified"));
    }
}

fn by_type(spec: &ServiceSpec, at: &Path<'_>, errors: &mut Errors) {
    match kind(spec) {
        kind @ ("LoadBalancer" | "NodePort") if is_headless(spec) => {
            errors.invalid(&at.child("clusterIPs").index(0), "None", &format!("may not be set to 'None' for {kind} services"));
        }
        "ExternalName" => external_name(spec, at, errors),
        _ => {}
    }
}

fn external_name(spec: &ServiceSpec, at: &Path<'_>, errors: &mut Errors) {
    const WHY: &str = "may not be set for ExternalName services";
    if spec.cluster_ips.as_ref().is_some_and(|ips| !ips.is_empty()) {
        errors.forbidden(&at.child("clusterIPs"), WHY);
    }
    if spec.ip_families.as_ref().is_some_and(|f| !f.is_empty()) {
        errors.forbidden(&at.child("ipFamilies"), WHY);
    }
    if spec.ip_family_policy.is_some() {
        errors.forbidden(&at.child("ipFamilyPolicy"), WHY);
    }
    let name = spec.external_name.as_deref().unwrap_or_default();
    match name.strip_suffix('.').unwrap_or(name) {
        "" => errors.required(&at.child("externalName"), ""),
        name => errors.invalid_each(&at.child("externalName"), name, names::dns1123_subdomain(name)),
    }
}

fn session_affinity(spec: &ServiceSpec, at: &Path<'_>, errors: &mut Errors) {
    let affinity = spec.session_affinity.as_deref().unwrap_or_default();
    match affinity {
        "" => errors.required(&at.child("sessionAffinity"), ""),
        "ClientIP" | "None" => {}
        other => errors.not_supported(&at.child("sessionAffinity"), other, &["ClientIP", "None"]),
    }
    let config = at.child("sessionAffinityConfig");
    match (affinity, &spec.session_affinity_config) {
        ("None", Some(_)) => errors.forbidden(&config, "must not be set when session affinity is None"),
        ("ClientIP", None) => errors.required(&config, "when session affinity type is ClientIP"),
        ("ClientIP", Some(found)) => {
            let client = config.child("clientIP");
            let Some(seconds) = found.client_ip.as_ref().map(|c| c.timeout_seconds) else {
                return errors.required(&client, "when session affinity type is ClientIP");
            };
            match seconds {
                None => errors.required(&client.child("timeoutSeconds"), "when session affinity type is ClientIP"),
                Some(seconds) if seconds <= 0 || seconds > SESSION_SECONDS_MAX => {
                    let text = format!("must be greater than 0 and less than {SESSION_SECONDS_MAX}");
                    errors.invalid(&client.child("timeoutSeconds"), seconds, &text);
                }
                Some(_) => {}
            }
        }
        _ => {}
    }
}

fn external_addresses(spec: &ServiceSpec, old: Option<&ServiceSpec>, at: &Path<'_>, errors: &mut Errors) {
    let known = old.and_then(|s| s.external_ips.as_deref()).unwrap_or_default();
    let list = at.child("externalIPs");
    for (index, address) in spec.external_ips.iter().flatten().enumerate() {
        let wrong = if known.contains(address) { vec![] } else { ip::wrong_address(address) };
        let wrong = if wrong.is_empty() { ip::wrong_endpoint(address) } else { wrong };
        errors.invalid_each(&list.index(index), address, wrong);
    }
}
