//! The service network as an object, and the address of the service `kubernetes` in it.
//! Source: pkg/controlplane/controller/defaultservicecidr, pkg/registry/core/service/ipallocator.

use k8s_openapi::api::networking::v1::{IPAddress, IPAddressSpec, ParentReference, ServiceCIDR, ServiceCIDRSpec, ServiceCIDRStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use serde_json::json;
use sim_apimachinery::Object;

use super::{APISERVER, keys, owned, undated};

const VERSION: &str = "networking.k8s.io/v1";
const NETWORK: &str = "10.96.0.0/16";
const FIRST_ADDRESS: &str = "10.96.0.1";

/// The range and the address.
pub fn objects() -> Vec<Object> {
    vec![range(), address()]
}

fn range() -> Object {
    let condition = json!({".": {}, "f:lastTransitionTime": {}, "f:message": {}, "f:status": {}, "f:type": {}});
    let seen = json!({"f:status": {"f:conditions": {"k:{\"type\":\"Ready\"}": condition}}});
    let managed_fields = vec![
        owned("kubernetes-service-cidr-controller", "Apply", VERSION, "status", seen),
        owned(APISERVER, "Update", VERSION, "", json!({"f:spec": {"f:cidrs": {}}})),
    ];
    let condition = Condition {
        type_: "Ready".into(),
        status: "True".into(),
        reason: String::new(),
        message: "Kubernetes default Service CIDR is ready".into(),
        last_transition_time: undated(),
        observed_generation: None,
    };
    let metadata = ObjectMeta { name: Some("kubernetes".into()), managed_fields: Some(managed_fields), ..Default::default() };
    let spec = Some(ServiceCIDRSpec { cidrs: Some(vec![NETWORK.into()]) });
    ServiceCIDR { metadata, spec, status: Some(ServiceCIDRStatus { conditions: Some(vec![condition]) }) }.into()
}

fn address() -> Object {
    let pair = |key: &str, value: &str| (format!("ipaddress.kubernetes.io/{key}"), value.to_owned());
    let labels = std::collections::BTreeMap::from([pair("ip-family", "IPv4"), pair("managed-by", "ipallocator.k8s.io")]);
    let parent = json!({".": {}, "f:name": {}, "f:namespace": {}, "f:resource": {}});
    let fields = json!({"f:metadata": {"f:labels": keys(labels.keys().map(String::as_str))}, "f:spec": {"f:parentRef": parent}});
    let metadata = ObjectMeta {
        name: Some(FIRST_ADDRESS.into()),
        labels: Some(labels),
        managed_fields: Some(vec![owned(APISERVER, "Update", VERSION, "", fields)]),
        ..Default::default()
    };
    let parent_ref =
        ParentReference { group: None, resource: "services".into(), namespace: Some("default".into()), name: "kubernetes".into() };
    IPAddress { metadata, spec: IPAddressSpec { parent_ref } }.into()
}
