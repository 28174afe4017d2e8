//! The first objects are those of the recorded cluster.

use serde_json::{Value, json};
use sim_apimachinery::{Kind, Object};

use super::OBJECTS;

fn find(kind: Kind, name: &str) -> Value {
    OBJECTS.iter().find(|o| o.kind() == kind && o.name() == name).map(Object::to_json).unwrap_or_default()
}

fn fields(object: &Value, entry: usize) -> &Value {
    &object["metadata"]["managedFields"][entry]["fieldsV1"]
}

#[test]
fn there_are_as_many_as_in_the_recorded_cluster() {
    let count = |kind| OBJECTS.iter().filter(|o| o.kind() == kind).count();
    assert_eq!([Kind::ClusterRole, Kind::ClusterRoleBinding, Kind::Role, Kind::RoleBinding].map(count), [71, 52, 7, 7]);
    assert_eq!([Kind::FlowSchema, Kind::PriorityLevelConfiguration, Kind::APIService].map(count), [11, 8, 21]);
}

#[test]
fn rules_and_subjects_are_those_of_the_recorded_cluster() {
    let discovery = find(Kind::ClusterRole, "system:discovery");
    assert_eq!(discovery["rules"][0]["verbs"], json!(["get"]));
    assert_eq!(discovery["rules"][0]["nonResourceURLs"][3], "/apis/*");
    let basic = find(Kind::ClusterRole, "system:basic-user");
    let expected = json!([
        {"verbs": ["create"], "apiGroups": ["authorization.k8s.io"], "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]},
        {"verbs": ["create"], "apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"]}
    ]);
    assert_eq!(basic["rules"], expected);
    let binding = find(Kind::ClusterRoleBinding, "system:controller:deployment-controller");
    let subject = json!([{"kind": "ServiceAccount", "name": "deployment-controller", "namespace": "kube-system"}]);
    assert_eq!(binding["subjects"], subject);
    assert!(!super::node_rules().is_empty());
}

#[test]
fn aggregated_roles_have_no_rules_of_their_own() {
    let edit = find(Kind::ClusterRole, "edit");
    assert_eq!(edit["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-admin"], "true");
    let selector = json!([{"matchLabels": {"rbac.authorization.k8s.io/aggregate-to-edit": "true"}}]);
    assert_eq!(edit["aggregationRule"]["clusterRoleSelectors"], selector);
    assert!(edit.get("rules").is_none());
    let expected = json!({
        "f:aggregationRule": {".": {}, "f:clusterRoleSelectors": {}},
        "f:metadata": {
            "f:annotations": {".": {}, "f:rbac.authorization.kubernetes.io/autoupdate": {}},
            "f:labels": {".": {}, "f:kubernetes.io/bootstrapping": {}, "f:rbac.authorization.k8s.io/aggregate-to-admin": {}}
        }
    });
    assert_eq!(fields(&edit, 0), &expected);
}

#[test]
fn priority_and_fairness_is_owned_by_its_producer() {
    let low = find(Kind::PriorityLevelConfiguration, "workload-low");
    let queuing = json!({".": {}, "f:handSize": {}, "f:queueLengthLimit": {}, "f:queues": {}});
    let limited = json!({".": {}, "f:lendablePercent": {}, "f:limitResponse": {".": {}, "f:queuing": queuing, "f:type": {}},
        "f:nominalConcurrencyShares": {}});
    assert_eq!(fields(&low, 0)["f:spec"], json!({"f:limited": limited, "f:type": {}}));
    let exempt = find(Kind::FlowSchema, "exempt");
    let spec = json!({"f:matchingPrecedence": {}, "f:priorityLevelConfiguration": {"f:name": {}}, "f:rules": {}});
    assert_eq!(fields(&exempt, 1)["f:spec"], spec);
    let said = "This FlowSchema references the PriorityLevelConfiguration object named \"exempt\" and it exists";
    assert_eq!(exempt["status"]["conditions"][0]["message"], said);
}

#[test]
fn a_cluster_with_controllers_has_its_aggregated_roles_filled() {
    let mut edit = OBJECTS.iter().find(|o| o.kind() == Kind::ClusterRole && o.name() == "edit").cloned().expect("it is there");
    super::policy::aggregate(&mut edit, &OBJECTS);
    let rules = edit.to_json()["rules"].as_array().cloned().unwrap_or_default();
    assert!(rules.contains(&json!({"apiGroups": [""], "resources": ["pods/eviction"], "verbs": ["create"]})), "its own");
    assert!(rules.iter().any(|r| r["resources"][0] == "configmaps" && r["verbs"] == json!(["get", "list", "watch"])), "those of view");
}
