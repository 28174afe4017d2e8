//! Services: their type, ports, affinity and traffic policies. Source: pkg/apis/core/v1/defaults.go.
//! Not here: addresses, families and node ports, which the API server allocates.

use k8s_openapi::api::core::v1::{ClientIPConfig, Service, ServiceSpec, SessionAffinityConfig};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::fill;

const SESSION_SECONDS: i32 = 10_800;

/// Defaults of a service.
pub fn default_service(service: &mut Service) {
    let spec = service.spec.get_or_insert_default();
    let kind = fill(&mut spec.type_, "ClusterIP").clone();
    affinity(spec);
    for port in spec.ports.iter_mut().flatten() {
        fill(&mut port.protocol, "TCP");
        if port.target_port.as_ref().is_none_or(is_unset) {
            port.target_port = Some(IntOrString::Int(port.port));
        }
    }
    policies(spec, &kind);
    if kind == "LoadBalancer" {
        let balancer = service.status.as_mut().and_then(|s| s.load_balancer.as_mut());
        for ingress in balancer.and_then(|b| b.ingress.as_mut()).into_iter().flatten() {
            if ingress.ip.as_deref().is_some_and(|ip| !ip.is_empty()) {
                ingress.ip_mode.get_or_insert_with(|| "VIP".into());
            }
        }
    }
}

fn is_unset(port: &IntOrString) -> bool {
    match port {
        IntOrString::Int(number) => *number == 0,
        IntOrString::String(name) => name.is_empty(),
    }
}

fn affinity(spec: &mut ServiceSpec) {
    match fill(&mut spec.session_affinity, "None").as_str() {
        "None" => spec.session_affinity_config = None,
        "ClientIP" => {
            let seconds = spec.session_affinity_config.as_ref().and_then(|c| c.client_ip.as_ref()).and_then(|c| c.timeout_seconds);
            if seconds.is_none() {
                let client_ip = Some(ClientIPConfig { timeout_seconds: Some(SESSION_SECONDS) });
                spec.session_affinity_config = Some(SessionAffinityConfig { client_ip });
            }
        }
        _ => {}
    }
}

fn policies(spec: &mut ServiceSpec, kind: &str) {
    let has_external_addresses = spec.external_ips.as_ref().is_some_and(|ips| !ips.is_empty());
    if matches!(kind, "NodePort" | "LoadBalancer") || kind == "ClusterIP" && has_external_addresses {
        fill(&mut spec.external_traffic_policy, "Cluster");
    }
    if matches!(kind, "ClusterIP" | "NodePort" | "LoadBalancer") {
        spec.internal_traffic_policy.get_or_insert_with(|| "Cluster".into());
    }
    if kind == "LoadBalancer" {
        spec.allocate_load_balancer_node_ports.get_or_insert(true);
    }
}
