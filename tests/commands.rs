//! What a user's commands print, and how long they take until they change something.

use std::sync::Arc;

use serde_json::{Value, json};
use sim_core::scenario;

use crate::play::{play, recorded, root};

/// The lines of a recording of these steps.
fn lines(steps: Value) -> Vec<Value> {
    let file = json!({"apiVersion": "ksim.dev/v1", "kind": "Scenario", "metadata": {"name": "any"}, "about": "any", "settle": "1s", "steps": steps});
    let read = &mut |file: &str| std::fs::read_to_string(root().join(file)).map_err(|e| e.to_string());
    let loaded = Arc::new(scenario::load("any.yaml", &file.to_string(), read).unwrap_or_else(|p| panic!("{p:?}")));
    let (_, player) = play(&loaded, 1);
    recorded(&loaded, &player).lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

fn done<'a>(lines: &'a [Value], command: &str) -> &'a Value {
    lines.iter().find(|l| l["done"] == command).unwrap_or_else(|| panic!("no {command:?} in {lines:#?}"))
}

fn config_map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"app": name}}})
}

#[test]
fn get_tells_the_names_takes_time_and_changes_nothing() {
    let lines = lines(json!([
        {"at": "0s", "apply": {"objects": [config_map("b"), config_map("a")]}},
        {"at": "5s", "get": {"kind": "cm", "selector": "app in (a,b)"}},
        {"at": "6s", "get": {"kind": "cm", "name": "b"}},
    ]));
    let list = done(&lines, "kubectl get cm -l app in (a,b) -o name");
    assert_eq!(list["out"], "configmap/a\nconfigmap/b\n");
    assert!((5.03..5.3).contains(&list["t"].as_f64().expect("a time")), "{list}");
    assert_eq!(done(&lines, "kubectl get cm b -o name")["out"], "configmap/b\n");
    let changes = lines.iter().filter(|l| l["type"].is_string() && l["t"].as_f64() > Some(5.0) && l["object"]["kind"] == "ConfigMap");
    assert_eq!(changes.count(), 0);
}

#[test]
fn get_of_what_is_not_there_fails_the_step() {
    let lines = lines(json!([{"get": {"kind": "cm", "name": "nothing"}}, {"apply": {"objects": [config_map("later")]}}]));
    assert!(lines.iter().all(|l| l["object"]["metadata"]["name"] != "later"), "the run ended before");
}

#[test]
fn an_apply_reads_the_schemas_of_its_groups_first() {
    let first_change = |object: Value| {
        let lines = lines(json!([{"at": "5s", "apply": {"objects": [object.clone()]}}]));
        let line = lines.iter().find(|l| l["type"] == "ADDED" && l["object"]["metadata"]["name"] == object["metadata"]["name"]);
        line.and_then(|l| l["t"].as_f64()).expect("it is made")
    };
    let autoscaler = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "one"},
        "spec": {"maxReplicas": 2, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}});
    let (core, autoscaling) = (first_change(config_map("one")), first_change(autoscaler));
    assert!(core - autoscaling > 0.02, "the core group has many kinds: {core}, {autoscaling}");
}

/// Source: apiextensions-apiserver pkg/apiserver/customresource_handler.go (no strategic merge patches).
#[test]
fn a_custom_object_takes_no_strategic_patch() {
    let definition = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "backups.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "backups", "kind": "Backup"}, "versions": [{"name": "v1",
            "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}});
    let backup = json!({"apiVersion": "example.com/v1", "kind": "Backup", "metadata": {"name": "nightly"}, "spec": {"keep": 7}});
    let changed = |kind: &str| {
        let patch = json!({"object": {"kind": "backup", "name": "nightly"}, "type": kind, "patch": {"spec": {"keep": 14}}});
        let lines = lines(json!([
            {"at": "0s", "apply": {"objects": [definition]}},
            {"at": "5s", "apply": {"objects": [backup]}},
            {"at": "6s", "patch": patch},
            {"at": "7s", "apply": {"objects": [config_map("later")]}},
        ]));
        lines.iter().any(|l| l["object"]["metadata"]["name"] == "later")
    };
    assert_eq!(["merge", "strategic"].map(changed), [true, false], "the step fails, and the run with it");
}
