//! Which expressions are warned of, and how.

use serde_json::{Value, json};
use sim_apimachinery::{Kind, Patch, Verb};

use super::*;
use crate::kube_controller_manager::controllers::testing::{Desk, object};

/// A policy for these resources (group, version, plural) with these expressions, at generation 1.
fn policy(resources: &[[&str; 3]], expressions: &[&str], more: &Value) -> Value {
    let rules: Vec<Value> = resources
        .iter()
        .map(|[group, version, plural]| json!({"apiGroups": [group], "apiVersions": [version], "operations": ["CREATE"], "resources": [plural]}))
        .collect();
    let validations: Vec<Value> = expressions.iter().map(|e| json!({"expression": e})).collect();
    let mut spec = json!({"matchConstraints": {"resourceRules": rules}, "validations": validations});
    spec.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
    json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "p", "generation": 1}, "spec": spec})
}

/// The status the controller asks for.
fn status(policy: &Value) -> Value {
    let mut desk = Desk::new(ValidatingAdmissionPolicyStatus);
    assert_eq!(desk.tell(object(policy)), ["p"]);
    let plan = desk.reconcile(Kind::ValidatingAdmissionPolicy, "", "p");
    let [Verb::Patch { patch: Patch::Apply { intent, force: true }, .. }] = desk.verbs(&plan)[..] else { panic!("{plan:?}") };
    intent["status"].clone()
}

fn warnings(resources: &[[&str; 3]], expression: &str, more: &Value) -> Vec<String> {
    let status = status(&policy(resources, &[expression], more));
    let warnings = status["typeChecking"]["expressionWarnings"].as_array().cloned().unwrap_or_default();
    warnings.iter().map(|w| w["warning"].as_str().expect("a text").to_owned()).collect()
}

const DEPLOYMENTS: [&str; 3] = ["apps", "v1", "deployments"];

#[test]
fn what_is_right_is_only_observed() {
    let told = status(&policy(&[DEPLOYMENTS], &["object.spec.replicas <= 5 && request.operation == 'CREATE'"], &json!({})));
    assert_eq!(told, json!({"observedGeneration": 1, "typeChecking": {}}));
}

#[test]
fn a_field_that_is_not_there_is_told_with_its_place() {
    let told = status(&policy(&[DEPLOYMENTS], &["true", "object.spec.replicas > 1 && object.spec.foo == 1"], &json!({})));
    let source = "object.spec.replicas > 1 && object.spec.foo == 1";
    let warning = format!("apps/v1, Kind=Deployment: ERROR: <input>:1:40: undefined field 'foo'\n | {source}\n | {}^\n", ".".repeat(39));
    assert_eq!(told["typeChecking"]["expressionWarnings"], json!([{"fieldRef": "spec.validations[1].expression", "warning": warning}]));
}

#[test]
fn types_that_do_not_fit_are_told_of_each_kind_in_order() {
    let found = warnings(&[["", "v1", "pods"], DEPLOYMENTS], "object.spec.replicas == 'x'", &json!({}));
    let [both] = &found[..] else { panic!("{found:?}") };
    assert!(
        both.contains("undefined field 'replicas'") && both.contains("found no matching overload for '_==_' applied to '(int, string)'"),
        "{both}"
    );
    assert!(both.find("Kind=Pod") < both.find("Kind=Deployment"), "{both}");
    assert!(both.starts_with("/v1, Kind=Pod: "), "{both}");
}

#[test]
fn variables_have_types_and_stars_are_not_checked() {
    let variables = json!({"variables": [{"name": "spec", "expression": "object.spec"}]});
    assert!(warnings(&[DEPLOYMENTS], "variables.spec.replicas > 1", &variables).is_empty());
    let found = warnings(&[DEPLOYMENTS], "variables.spec.nope > 1", &variables);
    assert!(found[0].contains("undefined field 'nope'"), "{found:?}");
    assert!(warnings(&[["*", "*", "deployments"]], "object.nope", &json!({})).is_empty());
    assert!(warnings(&[["apps", "v1", "*"]], "object.nope", &json!({})).is_empty());
}

#[test]
fn custom_resources_are_checked_against_their_schema() {
    let properties = json!({"size": {"type": "integer"}});
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}});
    let version = json!({"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}});
    let definition = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "boxes.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "boxes", "kind": "Box"}, "versions": [version]}});
    let mut desk = Desk::new(ValidatingAdmissionPolicyStatus);
    assert!(desk.tell(object(&definition)).is_empty(), "a definition wakes nobody");
    desk.tell(object(&policy(&[["example.com", "v1", "boxes"]], &["object.spec.size > 1 && object.spec.colour == ''"], &json!({}))));
    let plan = desk.reconcile(Kind::ValidatingAdmissionPolicy, "", "p");
    let text = format!("{:?}", desk.verbs(&plan));
    assert!(text.contains("example.com/v1, Kind=Box") && text.contains("undefined field 'colour'"), "{text}");
}

#[test]
fn a_generation_is_looked_at_once() {
    let mut seen = policy(&[DEPLOYMENTS], &["object.nope"], &json!({}));
    seen["status"] = json!({"observedGeneration": 1});
    let mut desk = Desk::new(ValidatingAdmissionPolicyStatus);
    desk.tell(object(&seen));
    assert!(desk.reconcile(Kind::ValidatingAdmissionPolicy, "", "p").is_empty());
}
