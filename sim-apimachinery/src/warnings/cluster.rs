//! Nodes, slices of endpoints, slices of resources.
//! Sources: pkg/registry/{core/node,discovery/endpointslice,resource/resourceslice}/strategy.go.

use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::discovery::v1::EndpointSlice;

use crate::ip::{warning_for_address, warnings_for_cidr};
use crate::object::Object;

const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const CONTROLLERS: [&str; 2] = ["endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io"];

/// What to warn of when the object is stored.
pub fn of(next: &Object, current: Option<&Object>) -> Vec<String> {
    match next {
        Object::Node(o) => node(o),
        Object::EndpointSlice(o) => endpoint_slice(o, current.is_none()),
        Object::ResourceSlice(o) if o.spec.driver != o.spec.driver.to_lowercase() => {
            vec![format!("spec.driver: driver names should be lowercase; {:?} contains uppercase characters", o.spec.driver)]
        }
        _ => vec![],
    }
}

fn node(node: &Node) -> Vec<String> {
    let mut warnings = Vec::new();
    let Some(spec) = &node.spec else { return warnings };
    if spec.config_source.is_some() {
        warnings.push("spec.configSource: the feature is removed".into());
    }
    if spec.external_id.as_deref().is_some_and(|id| !id.is_empty()) {
        warnings.push("spec.externalID: this field is deprecated, and is unused by Kubernetes".into());
    }
    let ranges = spec.pod_cidrs.iter().flatten().enumerate();
    warnings.extend(ranges.flat_map(|(index, range)| warnings_for_cidr(&format!("spec.podCIDRs[{index}]"), range)));
    warnings
}

/// The slices of the controllers hold good addresses, and are not looked at.
fn endpoint_slice(slice: &EndpointSlice, is_new: bool) -> Vec<String> {
    let mut warnings = Vec::new();
    if is_new && slice.address_type == "FQDN" {
        warnings.push("spec.addressType: FQDN endpoints are deprecated".into());
    }
    let manager = slice.metadata.labels.as_ref().and_then(|l| l.get(MANAGED_BY));
    if manager.is_some_and(|manager| CONTROLLERS.contains(&manager.as_str())) {
        return warnings;
    }
    for (number, endpoint) in slice.endpoints.iter().flatten().enumerate() {
        let addresses = endpoint.addresses.iter().enumerate();
        warnings.extend(addresses.filter_map(|(i, ip)| warning_for_address(&format!("endpoints[{number}].addresses[{i}]"), ip)));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Kind;

    #[test]
    fn a_slice_is_warned_of_names_when_it_is_new_and_of_odd_addresses_always() {
        let slice = json!({"metadata": {"name": "s"}, "addressType": "FQDN", "endpoints": []});
        let slice = Object::from_json(Kind::EndpointSlice, slice).expect("it is written here");
        assert_eq!(of(&slice, None), ["spec.addressType: FQDN endpoints are deprecated"]);
        assert!(of(&slice, Some(&slice)).is_empty());
    }
}
