//! The APIServices of the API server's own groups, which the aggregator registers at its start. Their priorities order
//! the groups in discovery. Source: cmd/kube-apiserver/app/aggregator.go, pkg/controlplane/apiserver/aggregator.go.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::{APIService, APIServiceCondition, APIServiceSpec, APIServiceStatus};
use serde_json::json;
use sim_apimachinery::Object;

use super::{APISERVER, owned, undated};

/// Group, version, the group's priority, the version's.
const SERVICES: [(&str, &str, i32, i32); 21] = [
    ("", "v1", 18000, 1),
    ("admissionregistration.k8s.io", "v1", 16700, 15),
    ("apiextensions.k8s.io", "v1", 16700, 15),
    ("apps", "v1", 17800, 15),
    ("authentication.k8s.io", "v1", 17700, 15),
    ("authorization.k8s.io", "v1", 17600, 15),
    ("autoscaling", "v1", 17500, 15),
    ("autoscaling", "v2", 17500, 30),
    ("batch", "v1", 17400, 15),
    ("certificates.k8s.io", "v1", 17300, 15),
    ("coordination.k8s.io", "v1", 16500, 15),
    ("discovery.k8s.io", "v1", 16200, 15),
    ("events.k8s.io", "v1", 17750, 15),
    ("flowcontrol.apiserver.k8s.io", "v1", 16100, 21),
    ("networking.k8s.io", "v1", 17200, 15),
    ("node.k8s.io", "v1", 16300, 15),
    ("policy", "v1", 17100, 15),
    ("rbac.authorization.k8s.io", "v1", 17000, 15),
    ("resource.k8s.io", "v1", 16200, 21),
    ("scheduling.k8s.io", "v1", 16600, 15),
    ("storage.k8s.io", "v1", 16800, 15),
];
const LABEL: &str = "kube-aggregator.kubernetes.io/automanaged";

/// One per group and version.
pub fn objects() -> Vec<Object> {
    SERVICES.iter().map(|(group, version, minimum, priority)| service(group, version, *minimum, *priority)).collect()
}

fn service(group: &str, version: &str, minimum: i32, priority: i32) -> Object {
    let mut spec_fields = json!({"f:groupPriorityMinimum": {}, "f:version": {}, "f:versionPriority": {}});
    if !group.is_empty() {
        spec_fields["f:group"] = json!({});
    }
    let label = json!({".": {}, format!("f:{LABEL}"): {}});
    let fields = json!({"f:metadata": {"f:labels": label}, "f:spec": spec_fields});
    let metadata = ObjectMeta {
        name: Some(format!("{version}.{group}")),
        labels: Some([(LABEL.to_owned(), "onstart".to_owned())].into()),
        managed_fields: Some(vec![owned(APISERVER, "Update", "apiregistration.k8s.io/v1", "", fields)]),
        ..Default::default()
    };
    let spec = APIServiceSpec {
        group: (!group.is_empty()).then(|| group.into()),
        version: Some(version.into()),
        group_priority_minimum: minimum,
        version_priority: priority,
        ..Default::default()
    };
    let condition = APIServiceCondition {
        type_: "Available".into(),
        status: "True".into(),
        reason: Some("Local".into()),
        message: Some("Local APIServices are always available".into()),
        last_transition_time: Some(undated()),
    };
    APIService { metadata, spec: Some(spec), status: Some(APIServiceStatus { conditions: Some(vec![condition]) }) }.into()
}
