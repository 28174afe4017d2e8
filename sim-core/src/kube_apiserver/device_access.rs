//! Who may ask for devices that others use: claims in namespaces that are labelled so.
//! Source: `AuthorizedForAdmin` in pkg/registry/resource/utils.go. Not modelled: the same for the status of claims.

use k8s_openapi::api::resource::v1::ResourceClaimSpec;
use sim_apimachinery::{Cause, Kind, Object, ObjectKey};

use super::ApiServer;

const LABEL: &str = "resource.kubernetes.io/admin-access";

impl ApiServer {
    /// What is wrong with a new claim, or template of claims, because of where it is.
    pub(super) fn check_device_access(&self, object: &Object) -> Vec<Cause> {
        let spec = match object {
            Object::ResourceClaim(claim) => &claim.spec,
            Object::ResourceClaimTemplate(template) => &template.spec.spec,
            _ => return vec![],
        };
        let Some(index) = first_with_access(spec) else { return vec![] };
        let namespace = self.etcd.get(&ObjectKey::new(Kind::Namespace, "", object.namespace()));
        if namespace.and_then(|n| n.metadata().labels.as_ref()?.get(LABEL)).is_some_and(|value| value == "true") {
            return vec![];
        }
        let why = format!("Forbidden: admin access to devices requires the `{LABEL}: true` label on the containing namespace");
        let field = format!("spec.devices.requests[{index}].adminAccess");
        vec![Cause { reason: "FieldValueForbidden".into(), message: why, field }]
    }
}

fn first_with_access(spec: &ResourceClaimSpec) -> Option<usize> {
    let requests = spec.devices.as_ref()?.requests.as_ref()?;
    requests.iter().position(|r| r.exactly.as_ref().and_then(|e| e.admin_access) == Some(true))
}
