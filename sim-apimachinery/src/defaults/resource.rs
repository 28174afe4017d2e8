//! Dynamic resource allocation: how many devices a request asks for. Source: pkg/apis/resource/v1/defaults.go.
//! Not here: the time at which a taint was added, which needs the clock; the API server fills it in.

use k8s_openapi::api::resource::v1::{ResourceClaimSpec, ResourceSlice};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::fill;

/// Defaults of a claim, or of the claim in a template.
pub fn default_claim(claim: &mut ResourceClaimSpec) {
    let Some(devices) = claim.devices.as_mut() else { return };
    for request in devices.requests.iter_mut().flatten() {
        if let Some(exactly) = request.exactly.as_mut() {
            count(&mut exactly.allocation_mode, &mut exactly.count);
        }
        for sub in request.first_available.iter_mut().flatten() {
            count(&mut sub.allocation_mode, &mut sub.count);
        }
    }
}

/// Defaults of the devices of a slice.
pub fn default_slice(slice: &mut ResourceSlice) {
    for device in slice.spec.devices.iter_mut().flatten() {
        for mapping in device.node_allocatable_resource_mappings.iter_mut().flat_map(|m| m.values_mut()) {
            mapping.allocation_multiplier.get_or_insert_with(|| Quantity("1".into()));
        }
    }
}

fn count(mode: &mut Option<String>, count: &mut Option<i64>) {
    if fill(mode, "ExactCount") == "ExactCount" && count.unwrap_or_default() == 0 {
        *count = Some(1);
    }
}
