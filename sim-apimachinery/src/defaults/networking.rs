//! Network policies and classes of ingress. Source: pkg/apis/networking/v1/defaults.go.
//! An ingress itself has no defaults.

use k8s_openapi::api::networking::v1::{IngressClass, NetworkPolicy};

/// Protocols of a policy's ports, and the directions it speaks of.
pub fn default_network_policy(policy: &mut NetworkPolicy) {
    let spec = policy.spec.get_or_insert_default();
    let ingress = spec.ingress.iter_mut().flatten().flat_map(|rule| rule.ports.iter_mut().flatten());
    let egress = spec.egress.iter_mut().flatten().flat_map(|rule| rule.ports.iter_mut().flatten());
    for port in ingress.chain(egress) {
        port.protocol.get_or_insert_with(|| "TCP".into());
    }
    if spec.policy_types.as_ref().is_none_or(Vec::is_empty) {
        let mut types = vec!["Ingress".to_owned()];
        if spec.egress.as_ref().is_some_and(|rules| !rules.is_empty()) {
            types.push("Egress".into());
        }
        spec.policy_types = Some(types);
    }
}

/// The scope of a class's parameters.
pub fn default_ingress_class(class: &mut IngressClass) {
    if let Some(parameters) = class.spec.as_mut().and_then(|s| s.parameters.as_mut()) {
        parameters.scope.get_or_insert_with(|| "Cluster".into());
    }
}
