//! Services. Source: `ValidateService` in pkg/apis/core/validation.
//! Not checked yet: addresses, families, external names, traffic policies.

use k8s_openapi::api::core::v1::Service;

use super::errors::Errors;
use super::metadata;
use super::path::Path;
use crate::names;

/// What is wrong with a new service.
pub fn create(service: &Service, errors: &mut Errors) {
    metadata::validate(&service.metadata, true, names::dns1035_label, errors);
    spec(service, errors);
}

/// What is wrong with a service's next state.
pub fn update(next: &Service, current: &Service, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    create(next, errors);
}

fn spec(service: &Service, errors: &mut Errors) {
    let Some(spec) = &service.spec else { return };
    let at = Path::root("spec");
    let kind = spec.type_.as_deref().unwrap_or("ClusterIP");
    let headless = spec.cluster_ip.as_deref() == Some("None");
    if !matches!(kind, "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName") {
        errors.not_supported(&at.child("type"), kind, &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]);
    }
    let list = at.child("ports");
    if spec.ports.as_ref().is_none_or(Vec::is_empty) && !headless && kind != "ExternalName" {
        errors.required(&list, "");
    }
    let many = spec.ports.as_ref().is_some_and(|p| p.len() > 1);
    for (index, port) in spec.ports.iter().flatten().enumerate() {
        let at = list.index(index);
        errors.invalid_each(&at.child("port"), port.port, names::port_number(port.port));
        if many && port.name.as_deref().unwrap_or_default().is_empty() {
            errors.required(&at.child("name"), "");
        }
    }
}
