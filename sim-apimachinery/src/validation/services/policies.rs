//! What services say of load balancers and of where traffic goes.

use k8s_openapi::api::core::v1::{Service, ServiceSpec};

use super::super::errors::Errors;
use super::super::path::Path;
use super::kind;
use crate::{ip, names};

const SOURCE_RANGES: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";
const ONLY_LOAD_BALANCER: &str = "may only be used when `type` is 'LoadBalancer'";

fn is_load_balancer(spec: &ServiceSpec) -> bool {
    kind(spec) == "LoadBalancer"
}

/// Whether a service can be reached from outside the cluster.
pub fn is_external(spec: &ServiceSpec) -> bool {
    match kind(spec) {
        "NodePort" | "LoadBalancer" => true,
        "ClusterIP" => spec.external_ips.as_ref().is_some_and(|ips| !ips.is_empty()),
        _ => false,
    }
}

/// Whether a load balancer asks each node if it has an endpoint.
pub fn needs_health_check(spec: &ServiceSpec) -> bool {
    is_load_balancer(spec) && spec.external_traffic_policy.as_deref() == Some("Local")
}

/// What is wrong with a service's load balancer and traffic policies.
pub fn all(service: &Service, spec: &ServiceSpec, before: Option<&Service>, errors: &mut Errors) {
    source_ranges(service, spec, before, errors);
    let at = Path::root("spec");
    if spec.allocate_load_balancer_node_ports.is_some() && !is_load_balancer(spec) {
        errors.forbidden(&at.child("allocateLoadBalancerNodePorts"), ONLY_LOAD_BALANCER);
    }
    if spec.allocate_load_balancer_node_ports.is_none() && is_load_balancer(spec) {
        errors.required(&Path::root("allocateLoadBalancerNodePorts"), "");
    }
    load_balancer_class(spec, None, errors);
    external_policy(spec, &at, errors);
    let internal = at.child("internalTrafficPolicy");
    match spec.internal_traffic_policy.as_deref() {
        None if matches!(kind(spec), "NodePort" | "LoadBalancer" | "ClusterIP") => errors.required(&internal, ""),
        None | Some("Cluster" | "Local") => {}
        Some(other) => errors.not_supported(&internal, other, &["Cluster", "Local"]),
    }
    match spec.traffic_distribution.as_deref() {
        None | Some("PreferClose" | "PreferSameZone" | "PreferSameNode") => {}
        Some(other) => {
            errors.not_supported(&at.child("trafficDistribution"), other, &["PreferClose", "PreferSameZone", "PreferSameNode"]);
        }
    }
}

fn source_ranges(service: &Service, spec: &ServiceSpec, before: Option<&Service>, errors: &mut Errors) {
    let at = Path::root("spec");
    let ranges = spec.load_balancer_source_ranges.as_deref().unwrap_or_default();
    let annotation = |s: &Service| s.metadata.annotations.as_ref().and_then(|a| a.get(SOURCE_RANGES)).cloned();
    if !ranges.is_empty() {
        let field = at.child("LoadBalancerSourceRanges");
        if !is_load_balancer(spec) {
            errors.forbidden(&field, ONLY_LOAD_BALANCER);
        }
        let known = before.and_then(|s| s.spec.as_ref()).and_then(|s| s.load_balancer_source_ranges.as_deref()).unwrap_or_default();
        for (index, range) in ranges.iter().map(|r| r.trim()).enumerate() {
            if !known.iter().any(|k| k.trim() == range) {
                errors.invalid_each(&field.index(index), range, ip::wrong_cidr(range));
            }
        }
    } else if let Some(text) = annotation(service) {
        let metadata = Path::root("metadata");
        let annotations = metadata.child("annotations");
        let field = annotations.key(SOURCE_RANGES);
        if !is_load_balancer(spec) {
            errors.forbidden(&field, ONLY_LOAD_BALANCER);
        }
        if before.and_then(annotation).as_ref() != Some(&text) && !text.trim().is_empty() {
            text.trim().split(',').map(str::trim).for_each(|range| errors.invalid_each(&field, range, ip::wrong_cidr(range)));
        }
    }
}

/// What is wrong with the class of a load balancer, which stays what it is while there is one.
pub fn load_balancer_class(spec: &ServiceSpec, before: Option<&ServiceSpec>, errors: &mut Errors) {
    let at = Path::root("spec");
    let field = at.child("loadBalancerClass");
    let class = spec.load_balancer_class.as_deref();
    if let Some(before) = before
        && is_load_balancer(before)
        && is_load_balancer(spec)
        && before.load_balancer_class != spec.load_balancer_class
    {
        errors.invalid(&field, class, "may not change once set");
    }
    match class {
        Some(class) if is_load_balancer(spec) => errors.invalid_each(&field, class, names::qualified_name(class)),
        Some(_) => errors.forbidden(&field, ONLY_LOAD_BALANCER),
        None => {}
    }
}

fn external_policy(spec: &ServiceSpec, at: &Path<'_>, errors: &mut Errors) {
    let field = at.child("externalTrafficPolicy");
    match (is_external(spec), spec.external_traffic_policy.as_deref().unwrap_or_default()) {
        (false, "") | (true, "Cluster" | "Local") => {}
        (false, policy) => errors.invalid(&field, policy, "may only be set for externally-accessible services"),
        (true, "") => errors.required(&field, ""),
        (true, policy) => errors.not_supported(&field, policy, &["Cluster", "Local"]),
    }
    let field = at.child("healthCheckNodePort");
    match (needs_health_check(spec), spec.health_check_node_port.unwrap_or(0)) {
        (false, 0) => {}
        (false, port) => {
            let text = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
            errors.invalid(&field, port, text);
        }
        (true, 0) => errors.required(&field, ""),
        (true, port) => errors.invalid_each(&field, port, names::port_number(port)),
    }
}

/// The port by which nodes are asked stays what it is while it is needed.
pub fn health_check_port_kept(spec: &ServiceSpec, before: &ServiceSpec, errors: &mut Errors) {
    if needs_health_check(before) && needs_health_check(spec) && before.health_check_node_port != spec.health_check_node_port {
        errors.forbidden(&Path::root("spec").child("healthCheckNodePort"), "field is immutable");
    }
}
