//! What converters are asked, when, and what their answers come to.

use std::sync::Arc;

use serde_json::{Value, json};
use sim_apimachinery::{Kind, Object, Part, Patch, Reply, Request, Status, Verb};

use crate::kube_apiserver::admission_webhooks::{Attempt, Served, WebhookCall};
use crate::kube_apiserver::apiextensions::tests::Cluster;
use crate::time::SimTime;
use crate::trace::{BEGINNING, Trace};

/// A cluster whose `things` are stored at v2 and converted by a webhook.
fn cluster() -> Cluster {
    let mut cluster = Cluster::new();
    let schema = |field: &str| json!({"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "properties": {field: {"type": "string"}, "replicas": {"type": "integer"}}}}}});
    let scale = json!({"scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}});
    let version = |name: &str, field: &str| json!({"name": name, "served": true, "storage": name == "v2", "schema": schema(field), "subresources": scale});
    let conversion = json!({"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"], "clientConfig": {"url": "https://127.0.0.1:1/convert"}}});
    let spec = json!({"group": "example.com", "names": {"plural": "things", "kind": "Thing"}, "scope": "Namespaced",
        "versions": [version("v1", "host"), version("v2", "hostname")], "conversion": conversion});
    let crd = json!({"metadata": {"name": "things.example.com"}, "spec": spec});
    let object = Object::from_json(Kind::CustomResourceDefinition, crd).expect("a definition");
    cluster.send(Verb::Create { object }).expect("stored");
    cluster
}

/// What a converter that does its work answers.
fn converted(call: &WebhookCall) -> Value {
    let wanted = call.review["request"]["desiredAPIVersion"].clone();
    let (from, to) = if wanted == "example.com/v1" { ("hostname", "host") } else { ("host", "hostname") };
    let convert = |object: &Value| {
        let mut next = object.clone();
        next["apiVersion"] = wanted.clone();
        next["metadata"]["labels"] = json!({"converted": "yes"});
        if let Some(value) = next["spec"].as_object_mut().and_then(|spec| spec.remove(from)) {
            next["spec"][to] = value;
        }
        next
    };
    let objects: Vec<Value> = call.review["request"]["objects"].as_array().expect("a list").iter().map(convert).collect();
    answer(call, json!({"result": {"status": "Success"}, "convertedObjects": objects}))
}

fn answer(call: &WebhookCall, mut response: Value) -> Value {
    response["uid"] = call.review["request"]["uid"].clone();
    json!({"kind": "ConversionReview", "apiVersion": "apiextensions.k8s.io/v1", "response": response})
}

/// Sends a request and lets a converter answer for as long as it is asked; how often that was, and the answer.
fn ask(cluster: &mut Cluster, verb: Verb, react: impl Fn(&WebhookCall) -> Result<Value, String>) -> (usize, Result<Reply, Box<Status>>) {
    let (mut attempt, mut count) = (Attempt::default(), 0);
    loop {
        let user = sim_apimachinery::UserInfo { name: "alice".into(), ..Default::default() };
        let request = Request { user: Some(Arc::new(user)), ..Request::new(&"kubectl".into(), verb.clone()) };
        let revision = cluster.api.etcd().revision();
        match cluster.api.serve_asking(SimTime::default(), request, &mut attempt, BEGINNING, &mut Trace::new(SimTime::default())) {
            Served::Done(answer, _) => return (count, answer),
            Served::Asks(calls) => {
                assert_eq!(cluster.api.etcd().revision(), revision, "nothing has happened yet");
                count += calls.len();
                calls.iter().for_each(|call| attempt.add(call.answered(react(call))));
            }
        }
        assert!(count < 20, "it never ends");
    }
}

fn done(cluster: &mut Cluster, verb: Verb) -> (usize, Value) {
    match ask(cluster, verb, |call| Ok(converted(call))) {
        (count, Ok(Reply::Object(object))) => (count, object.to_json()),
        other => panic!("{other:?}"),
    }
}

fn refusal(cluster: &mut Cluster, verb: Verb, react: impl Fn(&WebhookCall) -> Result<Value, String>) -> String {
    let status = ask(cluster, verb, react).1.expect_err("it fails");
    assert_eq!(status.reason.code(), 500, "{status:?}");
    status.message
}

#[test]
fn a_write_is_converted_to_the_stored_version_and_its_answer_back() {
    let mut cluster = cluster();
    let object = cluster.custom("v1", "a", json!({"spec": {"host": "h"}}));
    let (count, made) = done(&mut cluster, Verb::Create { object });
    assert_eq!((count, &made["apiVersion"], &made["spec"]), (2, &json!("example.com/v1"), &json!({"host": "h"})));
    let key = cluster.key("v2", "a");
    let stored = cluster.api.etcd().get(&key).expect("it is stored").to_json();
    assert_eq!((&stored["apiVersion"], &stored["spec"]), (&json!("example.com/v2"), &json!({"hostname": "h"})));
    assert_eq!(stored["metadata"]["labels"], json!({"converted": "yes"}), "labels are the converter's to change");
    let (count, read) = done(&mut cluster, Verb::Get { key });
    assert_eq!((count, &read["spec"]["hostname"]), (0, &json!("h")), "it is stored so");
    let key = cluster.key("v1", "a");
    let (count, read) = done(&mut cluster, Verb::Get { key: key.clone() });
    assert_eq!((count, &read["spec"]["host"], &read["metadata"]["uid"]), (1, &json!("h"), &stored["metadata"]["uid"]));
    let patch = Patch::Merge(json!({"spec": {"host": "i"}}));
    let (count, changed) = done(&mut cluster, Verb::Patch { key: key.clone(), part: Part::Main, patch });
    assert_eq!((count, &changed["spec"]["host"]), (3, &json!("i")), "read, stored, read");
    let (_, gone) = done(&mut cluster, Verb::Delete { key: key.clone(), options: Default::default() });
    assert_eq!(gone["spec"]["host"], "i");
    assert!(cluster.api.etcd().get(&key).is_none());
}

#[test]
fn the_scale_and_lists_are_converted() {
    let mut cluster = cluster();
    for name in ["a", "b", "c"] {
        let object = cluster.custom("v2", name, json!({"spec": {"hostname": name, "replicas": 2}}));
        assert_eq!(done(&mut cluster, Verb::Create { object }).0, 0);
    }
    let key = cluster.key("v1", "a");
    let kind = key.kind;
    let list = Verb::List { kind, namespace: "default".into(), options: Default::default() };
    let (count, listed) = ask(&mut cluster, list, |call| Ok(converted(call)));
    let Ok(Reply::List(page)) = listed else { panic!("{listed:?}") };
    let hosts: Vec<Value> = page.items.iter().map(|o| o.to_json()["spec"]["host"].clone()).collect();
    assert_eq!((count, hosts), (1, vec![json!("a"), json!("b"), json!("c")]));
    let scale = Verb::UpdateScale { key: key.clone(), replicas: 5, uid: None, resource_version: None };
    let (count, scaled) = ask(&mut cluster, scale, |call| Ok(converted(call)));
    assert!(matches!(&scaled, Ok(Reply::Scale(scale)) if scale.replicas == 5), "{scaled:?}");
    assert_eq!(count, 3);
    let stored = cluster.api.etcd().get(&key).expect("it is there").to_json();
    assert_eq!(stored["spec"], json!({"hostname": "a", "replicas": 5}));
}

#[test]
fn what_is_wrong_with_an_answer_is_told() {
    let mut cluster = cluster();
    let object = cluster.custom("v2", "a", json!({"spec": {"hostname": "h"}}));
    done(&mut cluster, Verb::Create { object });
    let key = cluster.key("v1", "a");
    let get = || Verb::Get { key: key.clone() };
    let begin = "conversion webhook for example.com/v2, Kind=Thing";
    let told = refusal(&mut cluster, get(), |call| Err(call.unreachable("dial tcp 127.0.0.1:1: connect: connection refused")));
    assert_eq!(
        told,
        format!("{begin} failed: Post \"https://127.0.0.1:1/convert?timeout=30s\": dial tcp 127.0.0.1:1: connect: connection refused")
    );
    type Change = fn(&mut Value);
    let cases: [(Change, &str); 11] = [
        (
            |a| a["kind"] = "Other".into(),
            "failed: expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got apiextensions.k8s.io/v1, Kind=Other",
        ),
        (|a| a["response"] = Value::Null, "failed: no response provided"),
        (|a| a["response"]["result"] = json!({"status": "Failure", "message": "no way"}), "failed: no way"),
        (|a| a["response"]["result"] = Value::Null, "failed: response.result.status was '', not 'Success'"),
        (|a| a["response"]["convertedObjects"] = json!([]), "returned 0 objects, expected 1"),
        (
            |a| a["response"]["convertedObjects"][0]["apiVersion"] = "example.com/v2".into(),
            "returned invalid object at index 0: invalid groupVersion (expected example.com/v1, received example.com/v2)",
        ),
        (
            |a| a["response"]["convertedObjects"][0]["kind"] = "Other".into(),
            "returned invalid object at index 0: invalid kind (expected Thing, received Other)",
        ),
        (
            |a| a["response"]["convertedObjects"][0]["metadata"]["name"] = "b".into(),
            "returned invalid object: must have the same name: a != b",
        ),
        (
            |a| a["response"]["convertedObjects"][0]["metadata"]["labels"] = json!({"a": 1}),
            "returned invalid metadata: metadata.labels[a] must be a string, but is int64 in converted object",
        ),
        (
            |a| a["response"]["convertedObjects"][0]["metadata"]["annotations"] = json!("x"),
            "returned invalid metadata: invalid metadata.annotations of type string in converted object",
        ),
        (
            |a| a["response"]["convertedObjects"][0]["metadata"]["labels"] = json!({"a": "!"}),
            "returned invalid metadata: metadata.labels: Invalid value: \"!\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
        ),
    ];
    for (change, wanted) in cases {
        let told = refusal(&mut cluster, get(), |call| {
            let mut answer = converted(call);
            change(&mut answer);
            Ok(answer)
        });
        assert_eq!(told, format!("{begin} {wanted}"));
    }
}

#[test]
fn a_converter_that_fails_on_the_way_back_leaves_the_object_stored() {
    let mut cluster = cluster();
    let object = cluster.custom("v1", "a", json!({"spec": {"host": "h"}}));
    let told = refusal(&mut cluster, Verb::Create { object }, |call| {
        if call.review["request"]["desiredAPIVersion"] == "example.com/v1" { Err("EOF".into()) } else { Ok(converted(call)) }
    });
    assert_eq!(told, "conversion webhook for example.com/v2, Kind=Thing failed: EOF");
    assert!(cluster.api.etcd().get(&cluster.key("v2", "a")).is_some());
}
