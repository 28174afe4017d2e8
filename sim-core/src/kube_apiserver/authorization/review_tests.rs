//! Reviews are answered, and refused, as the API server does.

use super::*;
use crate::kube_apiserver::ApiServerConfig;
use crate::time::SimTime;

fn server() -> ApiServer {
    let mut apiserver = ApiServer::new(&ApiServerConfig { service_network: [10, 96] }, 1);
    apiserver.bootstrap(SimTime(1_795_222_842_000_000_000), true);
    apiserver
}

fn alice() -> Arc<UserInfo> {
    Arc::new(UserInfo { name: "alice".into(), groups: vec!["system:authenticated".into()], ..Default::default() })
}

fn ask(kind: &str, spec: Value) -> Outcome<Value> {
    review(kind, json!({"kind": kind, "metadata": {}, "spec": spec}), "", &alice(), &server())
}

#[test]
fn a_self_review_says_what_allows() {
    let answer = ask("SelfSubjectAccessReview", json!({"nonResourceAttributes": {"path": "/api", "verb": "get"}})).expect("it is valid");
    let reason =
        r#"RBAC: allowed by ClusterRoleBinding "system:discovery" of ClusterRole "system:discovery" to Group "system:authenticated""#;
    assert_eq!(answer["status"], json!({"allowed": true, "reason": reason}));
    let answer = ask("SelfSubjectAccessReview", json!({"resourceAttributes": {"verb": "list", "resource": "pods"}})).expect("it is valid");
    assert_eq!(answer["status"], json!({"allowed": false}));
}

#[test]
fn a_review_is_about_the_subject_it_names() {
    let spec = json!({"user": "root", "groups": ["system:masters"], "resourceAttributes": {"verb": "delete", "resource": "nodes"}});
    assert_eq!(ask("SubjectAccessReview", spec).expect("it is valid")["status"], json!({"allowed": true}));
}

#[test]
fn what_is_missing_is_said() {
    let status = ask("SubjectAccessReview", json!({})).expect_err("it says nothing");
    assert_eq!(
        status.message,
        ".authorization.k8s.io \"\" is invalid: [spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or \
         resourceAttributes must be specified, spec.user: Invalid value: \"\": at least one of user or group must be specified]"
    );
    let both = json!({"resourceAttributes": {"verb": "get"}, "nonResourceAttributes": {"path": "/x", "verb": "get"}});
    let status = ask("SelfSubjectAccessReview", both).expect_err("it says too much");
    assert_eq!(
        status.causes[0].message,
        "Invalid value: {\"Path\":\"/x\",\"Verb\":\"get\"}: cannot be specified in combination with resourceAttributes"
    );
}

#[test]
fn selectors_that_are_not_understood_are_ignored_aloud() {
    let spec = json!({"resourceAttributes": {"verb": "list", "resource": "pods", "fieldSelector": {"requirements": [
        {"key": "a", "operator": "In", "values": ["b"]}, {"key": "a", "operator": "Exists"}
    ]}}});
    let answer = ask("SelfSubjectAccessReview", spec).expect("it is valid");
    assert_eq!(answer["status"]["evaluationError"], "spec.resourceAttributes.fieldSelector partially ignored due to parse error");
}

#[test]
fn rules_are_listed_with_their_paths() {
    let answer = ask("SelfSubjectRulesReview", json!({"namespace": "default"})).expect("it is valid");
    let rules = answer["status"]["resourceRules"].as_array().expect("a list");
    let basic = json!({"verbs": ["create"], "apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"]});
    assert!(rules.contains(&basic), "{rules:?}");
    assert_eq!(answer["status"]["incomplete"], false);
    assert_eq!(ask("SelfSubjectRulesReview", json!({})).expect_err("no namespace").message, "no namespace on request");
}
