//! Which defaults the kinds of the infrastructure have: networks, storage, rights, admission, flow control, devices and
//! aggregated APIs.

use std::sync::Arc;

use super::{admissionregistration as admission, flowcontrol, networking, rbac, resource, storage};
use crate::object::Object;

const HTTPS_PORT: i32 = 443;

/// Fills in the defaults of such an object; others have none.
pub fn default_object(object: &mut Object) {
    match object {
        Object::StorageClass(o) => storage::default_storage_class(Arc::make_mut(o)),
        Object::CSIDriver(o) => storage::default_driver(Arc::make_mut(o)),
        Object::CSIStorageCapacity(o) => storage::canonicalise_capacity(Arc::make_mut(o)),
        Object::NetworkPolicy(o) => networking::default_network_policy(Arc::make_mut(o)),
        Object::IngressClass(o) => networking::default_ingress_class(Arc::make_mut(o)),
        Object::RoleBinding(o) => {
            let binding = Arc::make_mut(o);
            rbac::default_binding(&mut binding.role_ref, &mut binding.subjects);
        }
        Object::ClusterRoleBinding(o) => {
            let binding = Arc::make_mut(o);
            rbac::default_binding(&mut binding.role_ref, &mut binding.subjects);
        }
        Object::FlowSchema(o) => flowcontrol::default_flow_schema(Arc::make_mut(o)),
        Object::PriorityLevelConfiguration(o) => flowcontrol::default_priority_level(Arc::make_mut(o)),
        Object::ResourceClaim(o) => resource::default_claim(&mut Arc::make_mut(o).spec),
        Object::ResourceClaimTemplate(o) => resource::default_claim(&mut Arc::make_mut(o).spec.spec),
        Object::ResourceSlice(o) => resource::default_slice(Arc::make_mut(o)),
        Object::APIService(o) => {
            let spec = Arc::make_mut(o).spec.as_mut();
            if let Some(service) = spec.and_then(|s| s.service.as_mut()) {
                service.port.get_or_insert(HTTPS_PORT);
            }
        }
        _ => default_admission(object),
    }
}

fn default_admission(object: &mut Object) {
    match object {
        Object::ValidatingWebhookConfiguration(o) => {
            Arc::make_mut(o).webhooks.iter_mut().flatten().for_each(admission::default_validating_webhook);
        }
        Object::MutatingWebhookConfiguration(o) => {
            Arc::make_mut(o).webhooks.iter_mut().flatten().for_each(admission::default_mutating_webhook);
        }
        Object::ValidatingAdmissionPolicy(o) => admission::default_validating_policy(Arc::make_mut(o)),
        Object::MutatingAdmissionPolicy(o) => admission::default_mutating_policy(Arc::make_mut(o)),
        Object::ValidatingAdmissionPolicyBinding(o) => admission::default_validating_binding(Arc::make_mut(o)),
        Object::MutatingAdmissionPolicyBinding(o) => admission::default_mutating_binding(Arc::make_mut(o)),
        _ => {}
    }
}
