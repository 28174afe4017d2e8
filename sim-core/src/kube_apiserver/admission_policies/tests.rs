//! Policies through the whole API server, with the refusals of a real one.

use serde_json::{Value, json};
use sim_apimachinery::{DeleteOptions, Kind, Object, ObjectKey, Reason, Verb};

use crate::kube_apiserver::apiextensions::tests::Cluster;

fn create(cluster: &mut Cluster, kind: Kind, value: Value) -> Result<Option<Object>, Box<sim_apimachinery::Status>> {
    let object = Object::from_json(kind, value).expect("it decodes");
    cluster.send(Verb::Create { object })
}

fn policy(spec: Value) -> Value {
    let rules = json!([{"apiGroups": [""], "apiVersions": ["*"], "operations": ["CREATE", "DELETE"], "resources": ["configmaps"]}]);
    let mut all = json!({"matchConstraints": {"resourceRules": rules}});
    all.as_object_mut().expect("a map").extend(spec.as_object().expect("a map").clone());
    json!({"metadata": {"name": "p"}, "spec": all})
}

fn config_map(name: &str, data: Value) -> Value {
    json!({"metadata": {"name": name, "namespace": "default"}, "data": data})
}

fn bind(cluster: &mut Cluster, actions: Value) {
    let binding = json!({"metadata": {"name": "b"}, "spec": {"policyName": "p", "validationActions": actions}});
    create(cluster, Kind::ValidatingAdmissionPolicyBinding, binding).expect("stored");
}

#[test]
fn a_bound_policy_refuses_with_its_message_and_reason() {
    let mut cluster = Cluster::new();
    let validations = json!([
        {"expression": "!has(object.data) || !('forbidden' in object.data)"},
        {"expression": "variables.n != 'm2'", "messageExpression": "'bad name: ' + variables.n", "reason": "Forbidden"},
        {"expression": "object.data.must == 'x' || object.metadata.name != 'm8'"}]);
    let variables = json!([{"name": "n", "expression": "object.metadata.name"}]);
    let spec = policy(json!({"validations": validations, "variables": variables}));
    create(&mut cluster, Kind::ValidatingAdmissionPolicy, spec).expect("stored");
    create(&mut cluster, Kind::ConfigMap, config_map("free", json!({"forbidden": "1"}))).expect("a policy without binding does nothing");
    bind(&mut cluster, json!(["Deny"]));
    let who = "is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request:";
    let mut refused = |name: &str, data: Value, reason: Reason, text: &str| {
        let status = create(&mut cluster, Kind::ConfigMap, config_map(name, data)).expect_err("it is refused");
        assert_eq!((status.message, status.reason), (format!("configmaps \"{name}\" {who} {text}"), reason));
    };
    let expression = "failed expression: !has(object.data) || !('forbidden' in object.data)";
    refused("x", json!({"forbidden": "1", "must": "x"}), Reason::Invalid, expression);
    refused("m2", json!({"must": "x"}), Reason::Forbidden, "bad name: m2");
    let error = "expression 'object.data.must == 'x' || object.metadata.name != 'm8'' resulted in error: no such key: data";
    refused("m8", json!({}), Reason::Invalid, error);
}

#[test]
fn a_policy_may_keep_an_object_from_going() {
    let mut cluster = Cluster::new();
    create(&mut cluster, Kind::ConfigMap, config_map("keep", json!({"a": "1"}))).expect("stored");
    let validations =
        json!([{"expression": "request.operation != 'DELETE' || oldObject.metadata.name != 'keep'", "message": "keep is kept"}]);
    create(&mut cluster, Kind::ValidatingAdmissionPolicy, policy(json!({"validations": validations}))).expect("stored");
    bind(&mut cluster, json!(["Deny"]));
    let key = ObjectKey::new(Kind::ConfigMap, "default", "keep");
    let refused = cluster.send(Verb::Delete { key, options: DeleteOptions::default() }).expect_err("it is kept");
    assert!(refused.message.ends_with("denied request: keep is kept"), "{}", refused.message);
}

#[test]
fn mutations_merge_or_patch() {
    let mut cluster = Cluster::new();
    let rules = json!([{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}]);
    let mutations = json!([
        {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": "Object{metadata: Object.metadata{labels: {'a': 'b'}}}"}},
        {"patchType": "JSONPatch", "jsonPatch": {"expression": "[JSONPatch{op: 'add', path: '/metadata/labels/c', value: 'd'}]"}}]);
    let spec = json!({"matchConstraints": {"resourceRules": rules}, "reinvocationPolicy": "Never", "mutations": mutations});
    let policy = json!({"metadata": {"name": "p"}, "spec": spec});
    create(&mut cluster, Kind::MutatingAdmissionPolicy, policy).expect("stored");
    let binding = json!({"metadata": {"name": "b"}, "spec": {"policyName": "p"}});
    create(&mut cluster, Kind::MutatingAdmissionPolicyBinding, binding).expect("stored");
    let stored = create(&mut cluster, Kind::ConfigMap, config_map("x", json!({}))).expect("stored").expect("an object");
    assert_eq!(stored.to_json()["metadata"]["labels"], json!({"a": "b", "c": "d"}));
}

#[test]
fn a_policy_must_compile() {
    let mut cluster = Cluster::new();
    for (validation, text) in [
        (json!({"expression": "1 + 1"}), "spec.validations[0].expression: Invalid value: \"1 + 1\": must evaluate to bool but got int"),
        (
            json!({"expression": "true", "messageExpression": "object.data.nope"}),
            "spec.validations[0].messageExpression: Invalid value: \"object.data.nope\": must evaluate to string but got dyn",
        ),
        (
            json!({"expression": "variables.nope"}),
            "spec.validations[0].expression: Invalid value: \"variables.nope\": compilation failed: ERROR: <input>:1:1: undeclared reference to 'variables' (in container '')\n | variables.nope\n | ^",
        ),
    ] {
        let spec = policy(json!({"validations": [validation]}));
        let status = create(&mut cluster, Kind::ValidatingAdmissionPolicy, spec).expect_err("it is refused");
        assert_eq!(status.message, format!("ValidatingAdmissionPolicy.admissionregistration.k8s.io \"p\" is invalid: {text}"));
    }
}

#[test]
fn selectors_of_webhooks_are_checked() {
    let hook = json!({
        "name": "a.b.c", "clientConfig": {"url": "https://x"}, "sideEffects": "None", "admissionReviewVersions": ["v1"],
        "objectSelector": {"matchExpressions": [{"key": "a", "operator": "X"}]},
    });
    let value = json!({"metadata": {"name": "w"}, "webhooks": [hook]});
    let object = Object::from_json(Kind::ValidatingWebhookConfiguration, value).expect("it is written here");
    let told: Vec<String> = super::registration_errors(&object).into_iter().map(|c| format!("{}: {}", c.field, c.message)).collect();
    let field = "webhooks[0].objectSelector.matchExpressions[0].operator";
    assert_eq!(told, [format!("{field}: Invalid value: \"X\": not a valid selector operator")]);
}

#[test]
fn a_variable_sees_only_the_variables_before_it() {
    let mut cluster = Cluster::new();
    let variables = json!([{"name": "a", "expression": "variables.b"}, {"name": "b", "expression": "1"}]);
    let spec = policy(json!({"variables": variables, "validations": [{"expression": "true"}]}));
    let status = create(&mut cluster, Kind::ValidatingAdmissionPolicy, spec).expect_err("it is refused");
    let text = "spec.variables[0].expression: Invalid value: \"variables.b\": compilation failed: ERROR: <input>:1:10: undefined field 'b'\n | variables.b\n | .........^";
    assert_eq!(status.message, format!("ValidatingAdmissionPolicy.admissionregistration.k8s.io \"p\" is invalid: {text}"));
}

#[test]
fn the_expression_of_a_mutation_makes_a_patch() {
    let mut cluster = Cluster::new();
    for (mutation, at, text) in [
        (json!({"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": "1"}}), "applyConfiguration", "Object but got int"),
        (json!({"patchType": "JSONPatch", "jsonPatch": {"expression": "'a'"}}), "jsonPatch", "list(JSONPatch) but got string"),
        (json!({"patchType": "JSONPatch", "jsonPatch": {"expression": "[1]"}}), "jsonPatch", "list(JSONPatch) but got list(int)"),
    ] {
        let source = mutation[at]["expression"].as_str().expect("a text").to_owned();
        let rules = json!([{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]);
        let spec = json!({"matchConstraints": {"resourceRules": rules}, "reinvocationPolicy": "Never", "mutations": [mutation]});
        let value = json!({"metadata": {"name": "p"}, "spec": spec});
        let status = create(&mut cluster, Kind::MutatingAdmissionPolicy, value).expect_err("it is refused");
        let wrong = format!("spec.mutations[0].{at}.expression: Invalid value: \"{source}\": must evaluate to {text}");
        assert_eq!(status.message, format!("MutatingAdmissionPolicy.admissionregistration.k8s.io \"p\" is invalid: {wrong}"));
    }
}
