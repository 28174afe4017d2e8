//! Which webhooks are called, with what, and what their answers come to.

use serde_json::{Value, json};
use sim_apimachinery::{Kind, Object, Reason, Request, UserInfo, Verb};

use std::sync::Arc;

use super::{Attempt, Phase, Served, Verdict, WebhookCall, verdict};
use crate::kube_apiserver::apiextensions::tests::Cluster;
use crate::time::SimTime;
use crate::trace::{BEGINNING, Trace};

fn calls(hook: Value, object: &Object, dry_run: bool) -> Result<Vec<WebhookCall>, Box<sim_apimachinery::Status>> {
    let mut all = json!({"name": "a.example.com", "clientConfig": {"url": "https://127.0.0.1:1/m"}, "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}]});
    all.as_object_mut().expect("a map").extend(hook.as_object().expect("a map").clone());
    let configuration = json!({"metadata": {"name": "w"}, "webhooks": [all]});
    let mut cluster = Cluster::new();
    let namespace = Object::from_json(Kind::Namespace, json!({"metadata": {"name": "default"}})).expect("it decodes");
    // It may be there already.
    let _there = cluster.send(Verb::Create { object: namespace });
    let configuration = Object::from_json(Kind::MutatingWebhookConfiguration, configuration).expect("it decodes");
    cluster.send(Verb::Create { object: configuration }).expect("stored");
    let user = UserInfo { name: "alice".into(), ..UserInfo::default() };
    let request =
        Request { user: Some(Arc::new(user)), dry_run, ..Request::new(&"kubectl".into(), Verb::Create { object: object.clone() }) };
    let (now, mut trace) = (SimTime::default(), Trace::new(SimTime::default()));
    match cluster.api.serve_asking(now, request, &mut Attempt::default(), BEGINNING, &mut trace) {
        Served::Asks(calls) => Ok(calls),
        Served::Done(answer, _) => answer.map(|_| vec![]),
    }
}

fn config_map(name: &str) -> Object {
    let value = json!({"metadata": {"name": name, "namespace": "default", "labels": {"l": "1"}}, "data": {"a": "1"}});
    Object::from_json(Kind::ConfigMap, value).expect("it decodes")
}

fn one_call(hook: Value) -> WebhookCall {
    calls(hook, &config_map("x"), false).expect("no refusal").pop().expect("a call")
}

#[test]
fn a_webhook_is_sent_the_request_and_the_object() {
    let call = one_call(json!({}));
    let request = &call.review["request"];
    assert_eq!((&request["operation"], &request["userInfo"]["username"]), (&json!("CREATE"), &json!("alice")));
    assert_eq!((&request["resource"]["resource"], &request["namespace"]), (&json!("configmaps"), &json!("default")));
    assert_eq!(request["object"]["data"], json!({"a": "1"}));
    assert_eq!(call.address(), "https://127.0.0.1:1/m?timeout=10s");
}

#[test]
fn rules_selectors_and_conditions_decide_who_is_called() {
    let count = |hook: Value| calls(hook, &config_map("x"), false).expect("no refusal").len();
    assert_eq!(count(json!({"rules": [{"apiGroups": ["apps"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}]})), 0);
    assert_eq!(count(json!({"objectSelector": {"matchLabels": {"l": "2"}}})), 0);
    assert_eq!(count(json!({"matchConditions": [{"name": "c", "expression": "object.metadata.name == 'y'"}]})), 0);
    assert_eq!(count(json!({"objectSelector": {"matchLabels": {"l": "1"}}})), 1);
}

#[test]
fn an_answer_allows_changes_or_refuses() {
    let answer = |response: Value| json!({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "response": response});
    let call = one_call(json!({}));
    // [{"op":"remove","path":"/data"}]
    let patch = "W3sib3AiOiJyZW1vdmUiLCJwYXRoIjoiL2RhdGEifV0=";
    let uid = call.asked.uid.clone();
    let allowed = json!({"uid": uid, "allowed": true, "patchType": "JSONPatch", "patch": patch, "warnings": ["careful"]});
    assert_eq!(call.phase, Phase::Mutating);
    let wanted = Verdict { patch: Some(json!([{"op": "remove", "path": "/data"}])), warnings: vec!["careful".into()] };
    assert_eq!(verdict(&call, Ok(answer(allowed))), Ok(wanted));
    let refused = json!({"uid": uid, "allowed": false, "status": {"message": "no", "code": 403}});
    let status = verdict(&call, Ok(answer(refused))).expect_err("it is refused");
    assert_eq!(status.message, "admission webhook \"a.example.com\" denied the request: no");
    assert_eq!(status.reason, Reason::Forbidden);
    let status = verdict(&call, Ok(answer(json!({"uid": uid, "allowed": false})))).expect_err("it is refused");
    assert_eq!(status.message, "admission webhook \"a.example.com\" denied the request without explanation");
}

#[test]
fn a_call_that_fails_refuses_unless_it_is_to_be_ignored() {
    let why = || Err(one_call(json!({})).unreachable("dial tcp 127.0.0.1:1: connect: connection refused"));
    let status = verdict(&one_call(json!({})), why()).expect_err("it fails");
    let text = "Internal error occurred: failed calling webhook \"a.example.com\": failed to call webhook: Post \"https://127.0.0.1:1/m?timeout=10s\": dial tcp 127.0.0.1:1: connect: connection refused";
    assert_eq!(status.message, text);
    assert_eq!(verdict(&one_call(json!({"failurePolicy": "Ignore"})), why()), Ok(Verdict::default()));
}
