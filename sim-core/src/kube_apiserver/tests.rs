//! Writes through the whole API server, and who comes to own what.

use std::sync::Arc;

use serde_json::{Value, json};
use sim_apimachinery::{DeleteOptions, Kind, Object, ObjectKey, Part, Patch, Reply, Request, Status, UserInfo, Verb};

use super::{ApiServer, ApiServerConfig};
use crate::time::SimTime;
use crate::trace::{BEGINNING, Trace};

struct Server {
    api: ApiServer,
    trace: Trace,
}

impl Server {
    fn new() -> Server {
        let api = ApiServer::new(&ApiServerConfig { service_network: [10, 96] }, 1);
        let mut server = Server { api, trace: Trace::new(SimTime::default()) };
        server.create(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}));
        server
    }

    fn ask(&mut self, manager: &str, verb: Verb) -> Result<Value, Box<Status>> {
        let mut request = Request::new(&Arc::from(manager), verb);
        request.user = Some(Arc::new(UserInfo::default()));
        match self.api.handle(SimTime::default(), request, BEGINNING, &mut self.trace)? {
            Reply::Object(object) => Ok(self.api.with_managed_fields(&object).to_json()),
            _ => Ok(Value::Null),
        }
    }

    fn create(&mut self, value: Value) -> Value {
        let kind = value["kind"].as_str().and_then(|k| Kind::ALL.iter().find(|kind| kind.resource().kind == k)).copied();
        let object = Object::from_json(kind.expect("a kind"), value).expect("an object");
        self.ask("creator", Verb::Create { object }).expect("created")
    }

    fn patch(&mut self, manager: &str, patch: Patch) -> Result<Value, Box<Status>> {
        let key = ObjectKey::new(Kind::ConfigMap, "default", "c");
        self.ask(manager, Verb::Patch { key, part: Part::Main, patch })
    }

    fn apply(&mut self, manager: &str, data: Value, force: bool) -> Result<Value, Box<Status>> {
        let intent = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data});
        self.patch(manager, Patch::Apply { intent, force })
    }
}

/// Each owner with what it owns.
fn owners(object: &Value) -> Vec<(String, String, Value)> {
    let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    entries.iter().map(|e| (text(e, "manager"), text(e, "operation"), e["fieldsV1"].clone())).collect()
}

fn owner(name: &str, operation: &str, fields: Value) -> (String, String, Value) {
    (name.into(), operation.into(), fields)
}

#[test]
fn an_apply_makes_an_object_and_others_share_its_fields() {
    let mut server = Server::new();
    let made = server.apply("golden", json!({"a": "1"}), false).expect("made");
    assert_eq!(owners(&made), [owner("golden", "Apply", json!({"f:data": {"f:a": {}}}))]);
    let shared = server.apply("two", json!({"a": "1", "z": "9"}), false).expect("shared");
    assert_eq!(
        owners(&shared),
        [owner("golden", "Apply", json!({"f:data": {"f:a": {}}})), owner("two", "Apply", json!({"f:data": {"f:a": {}, "f:z": {}}}))]
    );
    let refused = server.apply("golden", json!({"a": "5"}), false).expect_err("a conflict");
    assert_eq!(refused.message, "Apply failed with 1 conflict: conflict with \"two\": .data.a");
    let forced = server.apply("golden", json!({"a": "5"}), true).expect("forced");
    assert_eq!(forced["data"], json!({"a": "5", "z": "9"}));
    let emptied = server.apply("golden", json!({}), true).expect("emptied");
    assert_eq!(emptied["data"], json!({"z": "9"}));
}

#[test]
fn updates_own_what_they_change_and_history_tells_of_it() {
    let mut server = Server::new();
    server.create(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "default"}, "data": {"a": "1"}}));
    let patched = server.patch("patcher", Patch::Merge(json!({"data": {"b": "2"}}))).expect("patched");
    let expected =
        [owner("creator", "Update", json!({"f:data": {".": {}, "f:a": {}}})), owner("patcher", "Update", json!({"f:data": {"f:b": {}}}))];
    assert_eq!(owners(&patched), expected);
    let revision = server.api.etcd().revision();
    server.api.compact(revision);
    let again = server.patch("third", Patch::Merge(json!({"data": {"a": "3"}}))).expect("patched");
    let expected = [
        owner("creator", "Update", json!({"f:data": {}})),
        owner("patcher", "Update", json!({"f:data": {"f:b": {}}})),
        owner("third", "Update", json!({"f:data": {"f:a": {}}})),
    ];
    assert_eq!(owners(&again), expected);
    let cleared = json!([{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}]);
    let cleared = server.patch("third", Patch::Json(cleared)).expect("cleared");
    assert_eq!(owners(&cleared), []);
}

#[test]
fn what_the_server_adds_to_a_pod_nobody_owns() {
    let mut server = Server::new();
    server.create(json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "default"}}));
    let pod = server.create(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"},
        "spec": {"containers": [{"name": "c", "image": "i"}]}}));
    let fields = &owners(&pod)[0].2;
    assert_eq!(fields.pointer("/f:spec/f:volumes"), None);
    assert_eq!(fields.pointer("/f:status"), None);
    assert_ne!(fields.pointer("/f:spec/f:restartPolicy"), None);
    assert!(pod.pointer("/spec/volumes").is_some());
}

#[test]
fn a_pod_that_runs_nowhere_is_marked_and_gone() {
    let mut server = Server::new();
    server.create(json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "default"}}));
    server.create(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"},
        "spec": {"containers": [{"name": "c", "image": "i"}]}}));
    let key = ObjectKey::new(Kind::Pod, "default", "p");
    let options = DeleteOptions { resource_version: Some("1".into()), ..Default::default() };
    let refused = server.ask("x", Verb::Delete { key: key.clone(), options }).expect_err("another version");
    assert!(refused.message.starts_with("Operation cannot be fulfilled on Pod \"p\": the ResourceVersion in the precondition (1)"));
    let gone = server.ask("x", Verb::Delete { key: key.clone(), options: DeleteOptions::default() }).expect("gone");
    assert_eq!(gone["metadata"]["deletionGracePeriodSeconds"], 0);
    assert!(server.api.etcd().get(&key).is_none());
}

#[test]
fn patches_with_bad_results_are_refused_on_the_field_patch() {
    let mut server = Server::new();
    server.create(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "default"}, "data": {"a": "1"}}));
    let refused = server.patch("p", Patch::Strategic(json!({"data": []}))).expect_err("no map");
    assert_eq!(refused.message, " \"\" is invalid: patch: Invalid value: \"map[data:[]]\": cannot restore map from slice");
    let refused = server.patch("p", Patch::Json(json!([{"op": "remove", "path": "/metadata/name"}]))).expect_err("no name");
    assert_eq!(refused.message, "the name of the object (c based on URL) was undeterminable: name must be provided");
    let refused = server.patch("p", Patch::Json(json!([{"op": "test", "path": "/data/a", "value": "7"}]))).expect_err("a failed test");
    assert_eq!(refused.message, "the server rejected our request due to an error in our request");
    let refused = server.patch("p", Patch::Merge(json!({"metadata": {"resourceVersion": "1"}}))).expect_err("another version");
    assert_eq!(refused.code(), 409);
}
