//! Services. Source: pkg/apis/core/v1/defaults.go.

use k8s_openapi::api::core::v1::{ClientIPConfig, Service, ServiceSpec, SessionAffinityConfig};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

const SESSION_SECONDS: i32 = 10_800;

/// Defaults of a service.
pub fn default_service(service: &mut Service) {
    let spec = service.spec.get_or_insert_default();
    let kind = spec.type_.get_or_insert_with(|| "ClusterIP".into()).clone();
    spec.session_affinity.get_or_insert_with(|| "None".into());
    if spec.session_affinity.as_deref() == Some("ClientIP") && spec.session_affinity_config.is_none() {
        let client_ip = ClientIPConfig { timeout_seconds: Some(SESSION_SECONDS) };
        spec.session_affinity_config = Some(SessionAffinityConfig { client_ip: Some(client_ip) });
    }
    for port in spec.ports.iter_mut().flatten() {
        port.protocol.get_or_insert_with(|| "TCP".into());
        port.target_port.get_or_insert(IntOrString::Int(port.port));
    }
    policies(spec, &kind);
}

fn policies(spec: &mut ServiceSpec, kind: &str) {
    if matches!(kind, "NodePort" | "LoadBalancer") {
        spec.external_traffic_policy.get_or_insert_with(|| "Cluster".into());
    }
    if kind == "LoadBalancer" {
        spec.allocate_load_balancer_node_ports.get_or_insert(true);
    }
    if kind != "ExternalName" {
        spec.internal_traffic_policy.get_or_insert_with(|| "Cluster".into());
    }
}
