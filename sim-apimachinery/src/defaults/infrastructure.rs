//! Which defaults the kinds of the infrastructure have: networks, storage, rights, flow control, devices and aggregated APIs.
//! The kinds of admission have theirs beside their expressions.

use std::sync::Arc;

use super::{flowcontrol, networking, rbac, resource, storage};
use crate::object::Object;

const HTTPS_PORT: i32 = 443;

/// Fills in the defaults of such an object; others have none.
pub fn default_object(object: &mut Object) {
    match object {
        Object::StorageClass(o) => storage::default_storage_class(Arc::make_mut(o)),
        Object::CSIDriver(o) => storage::default_driver(Arc::make_mut(o)),
        Object::VolumeAttachment(o) => {
            if let Some(inline) = Arc::make_mut(o).spec.source.inline_volume_spec.as_mut() {
                super::canonicalise(inline.capacity.as_mut());
                super::core::volume_source(inline);
            }
        }
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
        _ => {}
    }
}
