//! Which rules the kinds of the infrastructure have: networks, storage, rights, flow control, certificates, devices and
//! the aggregated APIs. Each function says whether the kind has rules of its own here.
//! The kinds of admission are checked where their expressions are compiled.

use super::certificates::{self, Written};
use super::errors::Errors;
use super::flowcontrol::{level, schema};
use super::networking::{addresses, ingress, ingress_class, network_policy};
use super::resource::{claim_status, claims, slices};
use super::storage::{attachment, class, driver};
use super::{api_services, metadata, rbac, runtime_class, services};
use crate::object::Object;

/// What is wrong with a new object.
pub fn create(object: &Object, errors: &mut Errors) -> bool {
    match object {
        Object::Ingress(o) => ingress::create(o, errors),
        Object::IngressClass(o) => ingress_class::create(o, errors),
        Object::NetworkPolicy(o) => network_policy::create(o, errors),
        Object::IPAddress(o) => addresses::create_address(o, errors),
        Object::ServiceCIDR(o) => addresses::create_cidr(o, errors),
        Object::StorageClass(o) => class::create(o, errors),
        Object::VolumeAttributesClass(o) => class::create_attributes(o, errors),
        Object::VolumeAttachment(o) => attachment::create(o, errors),
        Object::CSIDriver(o) => driver::create(o, errors),
        Object::CSINode(o) => driver::create_node(o, errors),
        Object::CSIStorageCapacity(o) => driver::create_capacity(o, errors),
        Object::RuntimeClass(o) => runtime_class::create(o, errors),
        Object::Role(o) => rbac::create_role(o, errors),
        Object::ClusterRole(o) => rbac::create_cluster_role(o, errors),
        Object::RoleBinding(o) => rbac::create_binding(o, errors),
        Object::ClusterRoleBinding(o) => rbac::create_cluster_binding(o, errors),
        Object::APIService(o) => api_services::create(o, errors),
        Object::CertificateSigningRequest(o) => certificates::create(o, errors),
        Object::FlowSchema(o) => schema::create(o, errors),
        Object::PriorityLevelConfiguration(o) => level::create(o, errors),
        Object::ResourceClaim(o) => claims::create(o, errors),
        Object::ResourceClaimTemplate(o) => claims::create_template(o, errors),
        Object::ResourceSlice(o) => slices::create(o, errors),
        Object::DeviceClass(o) => claims::create_class(o, errors),
        _ => return false,
    }
    true
}

/// What is wrong with an object's next state.
pub fn update(next: &Object, current: &Object, errors: &mut Errors) -> bool {
    match (next, current) {
        (Object::Ingress(n), Object::Ingress(c)) => ingress::update(n, c, errors),
        (Object::IngressClass(n), Object::IngressClass(c)) => ingress_class::update(n, c, errors),
        (Object::NetworkPolicy(n), Object::NetworkPolicy(c)) => network_policy::update(n, c, errors),
        (Object::IPAddress(n), Object::IPAddress(c)) => addresses::update_address(n, c, errors),
        (Object::ServiceCIDR(n), Object::ServiceCIDR(c)) => addresses::update_cidr(n, c, errors),
        (Object::StorageClass(n), Object::StorageClass(c)) => class::update(n, c, errors),
        (Object::VolumeAttributesClass(n), Object::VolumeAttributesClass(c)) => class::update_attributes(n, c, errors),
        (Object::VolumeAttachment(n), Object::VolumeAttachment(c)) => attachment::update(n, c, errors),
        (Object::CSIDriver(n), Object::CSIDriver(c)) => driver::update(n, c, errors),
        (Object::CSINode(n), Object::CSINode(c)) => driver::update_node(n, c, errors),
        (Object::CSIStorageCapacity(n), Object::CSIStorageCapacity(c)) => driver::update_capacity(n, c, errors),
        (Object::RuntimeClass(n), Object::RuntimeClass(c)) => runtime_class::update(n, c, errors),
        (Object::Role(n), Object::Role(c)) => rbac::update_role(n, c, errors),
        (Object::ClusterRole(n), Object::ClusterRole(c)) => rbac::update_cluster_role(n, c, errors),
        (Object::RoleBinding(n), Object::RoleBinding(c)) => rbac::update_binding(n, c, errors),
        (Object::ClusterRoleBinding(n), Object::ClusterRoleBinding(c)) => rbac::update_cluster_binding(n, c, errors),
        (Object::APIService(n), Object::APIService(c)) => api_services::update(n, c, errors),
        (Object::CertificateSigningRequest(n), Object::CertificateSigningRequest(c)) => certificates::update(n, c, Written::Main, errors),
        (Object::FlowSchema(n), _) => schema::create(n, errors),
        (Object::PriorityLevelConfiguration(n), _) => level::create(n, errors),
        (Object::ResourceClaim(n), Object::ResourceClaim(c)) => claims::update(n, c, errors),
        (Object::ResourceClaimTemplate(n), Object::ResourceClaimTemplate(c)) => claims::update_template(n, c, errors),
        (Object::ResourceSlice(n), Object::ResourceSlice(c)) => slices::update(n, c, errors),
        (Object::DeviceClass(n), Object::DeviceClass(c)) => claims::update_class(n, c, errors),
        _ => return false,
    }
    true
}

/// What is wrong with the approval of a request; other kinds have none.
pub fn update_approval(next: &Object, current: &Object, errors: &mut Errors) {
    if let (Object::CertificateSigningRequest(n), Object::CertificateSigningRequest(c)) = (next, current) {
        certificates::update(n, c, Written::Approval, errors);
    }
}

/// What is wrong with an object's next status.
pub fn update_status(next: &Object, current: &Object, errors: &mut Errors) -> bool {
    match (next, current) {
        (Object::Service(n), Object::Service(c)) => services::update_status(n, c, errors),
        (Object::Ingress(n), Object::Ingress(c)) => ingress::update_status(n, c, errors),
        (Object::ServiceCIDR(n), Object::ServiceCIDR(c)) => metadata::validate_update(&n.metadata, &c.metadata, errors),
        (Object::VolumeAttachment(n), Object::VolumeAttachment(c)) => attachment::update(n, c, errors),
        (Object::APIService(n), Object::APIService(c)) => api_services::update_status(n, c, errors),
        (Object::CertificateSigningRequest(n), Object::CertificateSigningRequest(c)) => certificates::update(n, c, Written::Status, errors),
        (Object::ResourceClaim(n), Object::ResourceClaim(c)) => claim_status::update_status(n, c, errors),
        (Object::FlowSchema(n), _) => schema::status(n, errors),
        (Object::PriorityLevelConfiguration(n), _) => level::status(n, errors),
        _ => return false,
    }
    true
}
