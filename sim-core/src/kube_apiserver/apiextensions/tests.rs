//! Definitions and custom objects through the whole API server.

use std::sync::Arc;

use serde_json::{Value, json};
use sim_apimachinery::{DeleteOptions, FieldValidation, Kind, Object, ObjectKey, Part, Patch, Reply, Request, Status, Verb};

use crate::kube_apiserver::{ApiServer, ApiServerConfig};
use crate::time::SimTime;
use crate::trace::{BEGINNING, Trace};

pub struct Cluster {
    pub api: ApiServer,
    trace: Trace,
}

impl Cluster {
    pub fn new() -> Self {
        let mut cluster =
            Cluster { api: ApiServer::new(&ApiServerConfig { service_network: [10, 96] }, 1), trace: Trace::new(SimTime::default()) };
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}});
        cluster.send(Verb::Create { object: Object::from_json(Kind::Namespace, namespace).expect("a namespace") }).expect("stored");
        cluster
    }

    pub fn send(&mut self, verb: Verb) -> Result<Option<Object>, Box<Status>> {
        let request = Request::new(&Arc::from("test"), verb);
        match self.api.handle(SimTime::default(), request, BEGINNING, &mut self.trace)? {
            Reply::Object(object) => Ok(Some(object)),
            _ => Ok(None),
        }
    }

    /// Sends a request that is not meant; the error's message if it is refused.
    pub fn rehearse(&mut self, object: Object) -> Option<String> {
        let request = Request { dry_run: true, ..Request::new(&Arc::from("test"), Verb::Create { object }) };
        self.api.handle(SimTime::default(), request, BEGINNING, &mut self.trace).err().map(|status| status.message)
    }

    pub fn define(&mut self, plural: &str, kind: &str, versions: Value) -> Result<Value, Box<Status>> {
        let names = json!({"plural": plural, "kind": kind});
        let spec = json!({"group": "example.com", "names": names, "scope": "Namespaced", "versions": versions});
        let crd = json!({"metadata": {"name": format!("{plural}.example.com")}, "spec": spec});
        let object = Object::from_json(Kind::CustomResourceDefinition, crd).expect("a definition");
        Ok(self.send(Verb::Create { object })?.expect("an object").to_json())
    }

    pub fn custom(&self, version: &str, name: &str, rest: Value) -> Object {
        let mut body =
            json!({"apiVersion": format!("example.com/{version}"), "kind": "Thing", "metadata": {"name": name, "namespace": "default"}});
        body.as_object_mut().expect("a map").extend(rest.as_object().expect("a map").clone());
        let resource = self.api.custom_resource("example.com", version, "things").expect("it is served");
        resource.decode(body, FieldValidation::Ignore).expect("it decodes").0
    }

    pub fn key(&self, version: &str, name: &str) -> ObjectKey {
        let kind = self.api.custom_resource("example.com", version, "things").expect("it is served").kind();
        ObjectKey::new(kind, "default", name)
    }

    pub fn get(&mut self, version: &str, name: &str) -> Value {
        let key = self.key(version, name);
        self.send(Verb::Get { key }).expect("it is there").expect("an object").to_json()
    }

    pub fn definition(&mut self, name: &str) -> Option<Value> {
        let key = ObjectKey::new(Kind::CustomResourceDefinition, "", name);
        self.send(Verb::Get { key }).ok().flatten().map(|o| o.to_json())
    }
}

pub(super) fn version(name: &str, is_storage: bool, spec: Value) -> Value {
    let schema = json!({"type": "object", "properties": {"spec": spec}});
    json!({"name": name, "served": true, "storage": is_storage, "schema": {"openAPIV3Schema": schema}})
}

fn spec_of(properties: Value) -> Value {
    json!({"type": "object", "properties": properties})
}

#[test]
fn a_definition_is_established_after_it_is_created() {
    let mut cluster = Cluster::new();
    let created = cluster.define("things", "Thing", json!([version("v1", true, spec_of(json!({})))])).expect("stored");
    assert_eq!(created["status"]["storedVersions"], json!(["v1"]));
    assert_eq!(created["spec"]["names"]["singular"], "thing");
    let crd = cluster.definition("things.example.com").expect("it is there");
    let conditions = crd["status"]["conditions"].as_array().expect("conditions");
    let words: Vec<&str> = conditions.iter().map(|c| c["reason"].as_str().unwrap_or_default()).collect();
    assert_eq!(words, ["NoConflicts", "InitialNamesAccepted"]);
    assert!(cluster.api.custom_resource("example.com", "v1", "things").is_some());
    let service = ObjectKey::new(Kind::APIService, "", "v1.example.com");
    assert!(cluster.send(Verb::Get { key: service }).is_ok());
}

#[test]
fn a_name_that_is_taken_is_not_accepted() {
    let mut cluster = Cluster::new();
    cluster.define("things", "Thing", json!([version("v1", true, spec_of(json!({})))])).expect("stored");
    cluster.define("others", "Thing", json!([version("v1", true, spec_of(json!({})))])).expect("stored");
    let crd = cluster.definition("others.example.com").expect("it is there");
    assert_eq!(crd["status"]["conditions"][0]["reason"], "ListKindConflict");
    assert_eq!(crd["status"]["conditions"][0]["message"], "\"ThingList\" is already in use");
    assert_eq!(crd["status"]["conditions"][1]["reason"], "NotAccepted");
    assert!(cluster.api.custom_resource("example.com", "v1", "others").is_none());
}

#[test]
fn an_object_is_read_at_each_version_by_that_versions_schema() {
    let mut cluster = Cluster::new();
    let beta = version("v1beta1", false, spec_of(json!({"a": {"type": "string"}, "b": {"type": "string"}})));
    let v1 = version("v1", true, spec_of(json!({"a": {"type": "string"}, "c": {"type": "string", "default": "cc"}})));
    cluster.define("things", "Thing", json!([beta, v1])).expect("stored");
    let object = cluster.custom("v1beta1", "one", json!({"spec": {"a": "1", "b": "2"}}));
    let created = cluster.send(Verb::Create { object }).expect("stored").expect("an object").to_json();
    assert_eq!((&created["apiVersion"], &created["spec"]), (&json!("example.com/v1beta1"), &json!({"a": "1"})));
    assert_eq!(cluster.get("v1", "one")["spec"], json!({"a": "1", "c": "cc"}));
    let key = cluster.key("v1beta1", "one");
    let patch = Patch::Merge(json!({"spec": {"a": "2"}}));
    let patched = cluster.send(Verb::Patch { key, part: Part::Main, patch }).expect("stored").expect("an object");
    assert_eq!(patched.to_json()["spec"], json!({"a": "2"}));
    assert_eq!(patched.metadata().generation, Some(2));
}

#[test]
fn a_definition_goes_after_its_last_object() {
    let mut cluster = Cluster::new();
    cluster.define("things", "Thing", json!([version("v1", true, spec_of(json!({})))])).expect("stored");
    let object = cluster.custom("v1", "held", json!({"spec": {}}));
    let mut held = object.clone();
    held.metadata_mut().finalizers = Some(vec!["example.com/f".into()]);
    cluster.send(Verb::Create { object: held }).expect("stored");
    let crd = ObjectKey::new(Kind::CustomResourceDefinition, "", "things.example.com");
    cluster.send(Verb::Delete { key: crd, options: DeleteOptions::default() }).expect("deletion begins");
    let waiting = cluster.definition("things.example.com").expect("it waits");
    assert_eq!(waiting["status"]["conditions"][2]["reason"], "InstanceDeletionInProgress");
    let mut late = object;
    late.metadata_mut().name = Some("late".into());
    let refused = cluster.send(Verb::Create { object: late }).expect_err("it is going");
    let text = "things.example.com \"late\" is forbidden: create not allowed while custom resource definition is terminating";
    assert_eq!(refused.message, text);
    let key = cluster.key("v1", "held");
    let patch = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    cluster.send(Verb::Patch { key, part: Part::Main, patch }).expect("it goes");
    assert!(cluster.definition("things.example.com").is_none());
    assert!(cluster.api.custom_resource("example.com", "v1", "things").is_none());
}

/// Compares answers with those of a real API server, and tells all that differ at once.
fn compare(differences: Vec<String>) {
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}

fn recorded(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

#[test]
fn definitions_are_refused_as_a_real_api_server_refuses_them() {
    let mut cluster = Cluster::new();
    let mut differences = vec![];
    for case in recorded(include_str!("recorded_definitions.jsonl")) {
        let crd = json!({"metadata": case["metadata"], "spec": case["spec"]});
        let object = Object::from_json(Kind::CustomResourceDefinition, crd).expect("a definition");
        let message = cluster.rehearse(object);
        if message.as_deref() != case["message"].as_str() {
            differences.push(format!("{}:\n  real {}\n  ours {message:?}", case["case"], case["message"]));
        }
    }
    compare(differences);
}

#[test]
fn rules_refuse_objects_as_a_real_api_server_refuses_them() {
    let mut cluster = Cluster::new();
    let mut cases = recorded(include_str!("recorded_objects.jsonl")).into_iter();
    let definition = cases.next().expect("a definition")["definition"].clone();
    let object = Object::from_json(Kind::CustomResourceDefinition, definition).expect("a definition");
    cluster.send(Verb::Create { object }).expect("stored");
    let mut differences = vec![];
    for case in cases {
        let metadata = json!({"name": case["name"], "namespace": "default"});
        let body = json!({"apiVersion": "golden.example.com/v1", "kind": "Cel", "metadata": metadata, "spec": case["spec"]});
        let resource = cluster.api.custom_resource("golden.example.com", "v1", "cels").expect("it is served");
        let (object, _) = resource.decode(body, FieldValidation::Ignore).expect("it decodes");
        let message = cluster.rehearse(object);
        if message.as_deref() != case["message"].as_str() {
            differences.push(format!("{}:\n  real {}\n  ours {message:?}", case["case"], case["message"]));
        }
    }
    compare(differences);
}
