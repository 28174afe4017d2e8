//! Discovery against the answers of a real API server, v1.36.2 (`recorded.jsonl`), and what definitions add to it.

use serde_json::{Value, json};

use super::*;

#[test]
fn answers_are_those_of_a_real_api_server() {
    for line in include_str!("recorded.jsonl").lines() {
        let recorded: Value = serde_json::from_str(line).expect("a recorded answer");
        let made = match recorded["path"].as_str().expect("a path") {
            "/apis" => Some(group_list(&[])),
            "/apis/apps" => group(&[], "apps"),
            "/api/v1" => resource_list(&[], "", "v1"),
            "/apis/apps/v1" => resource_list(&[], "apps", "v1"),
            other => panic!("{other} is not tested"),
        };
        assert_eq!(made.as_ref(), Some(&recorded["answer"]), "{}", recorded["path"]);
    }
}

fn definition(established: bool) -> Value {
    json!({
        "spec": {
            "group": "example.com", "scope": "Namespaced", "names": {"kind": "Life"},
            "versions": [
                {"name": "v1beta1", "served": true, "storage": false},
                {"name": "v1", "served": true, "storage": true, "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.replicas"}}},
                {"name": "v2alpha1", "served": true, "storage": false},
                {"name": "v3", "served": false, "storage": false},
            ],
        },
        "status": {
            "acceptedNames": {"plural": "lifes", "singular": "life", "kind": "Life", "shortNames": ["lf"], "categories": ["all"]},
            "conditions": [{"type": "Established", "status": if established { "True" } else { "False" }}],
        },
    })
}

#[test]
fn a_definition_adds_its_group_with_the_newest_version_preferred() {
    let found = group(&[definition(true)], "example.com").expect("a group");
    let versions: Vec<&str> = found["versions"].as_array().into_iter().flatten().filter_map(|v| v["version"].as_str()).collect();
    assert_eq!(versions, ["v1", "v1beta1", "v2alpha1"]);
    assert_eq!(found["preferredVersion"], json!({"groupVersion": "example.com/v1", "version": "v1"}));
}

#[test]
fn a_definition_that_is_not_established_adds_nothing() {
    assert_eq!(group(&[definition(false)], "example.com"), None);
    assert_eq!(group_list(&[definition(false)]), group_list(&[]));
}

#[test]
fn a_custom_resource_tells_its_names_and_subresources() {
    let found = resource_list(&[definition(true)], "example.com", "v1").expect("a version");
    let verbs = json!(["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"]);
    let change = json!(["get", "patch", "update"]);
    let expected = json!([
        {"name": "lifes", "singularName": "life", "namespaced": true, "kind": "Life", "verbs": verbs, "shortNames": ["lf"],
         "categories": ["all"], "storageVersionHash": found["resources"][0]["storageVersionHash"]},
        {"name": "lifes/status", "singularName": "", "namespaced": true, "kind": "Life", "verbs": change},
        {"name": "lifes/scale", "singularName": "", "namespaced": true, "group": "autoscaling", "version": "v1", "kind": "Scale", "verbs": change},
    ]);
    assert_eq!(found["resources"], expected);
    assert_eq!(resource_list(&[definition(true)], "example.com", "v3"), None);
}

#[test]
fn the_aggregated_form_has_subresources_inside_their_resource() {
    let core = aggregated(&[], true);
    let pods = core["items"][0]["versions"][0]["resources"].as_array().into_iter().flatten().find(|r| r["resource"] == "pods");
    let pods = pods.expect("pods");
    assert_eq!(pods["responseKind"], json!({"group": "", "version": "v1", "kind": "Pod"}));
    assert_eq!(pods["subresources"][3]["responseKind"], json!({"group": "policy", "version": "v1", "kind": "Eviction"}));
    let groups = aggregated(&[definition(true)], false);
    assert_eq!(
        groups["items"].as_array().and_then(|items| items.last()).map(|item| &item["metadata"]),
        Some(&json!({"name": "example.com"}))
    );
}

#[test]
fn the_version_is_that_of_the_reference() {
    assert_eq!(version_info()["gitVersion"], "v1.36.2");
}

#[test]
fn health_is_told_in_short_and_check_by_check() {
    let asked = |path: &str, query: &[(&str, &str)], failing: &[&str]| {
        let query: Vec<_> = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        health(path, &query, failing)
    };
    assert_eq!(asked("/livez", &[], &[]), Some((200, "ok".into())));
    assert_eq!(asked("/livez/ping", &[], &[]), Some((200, "ok".into())));
    assert_eq!(asked("/livez/shutdown", &[], &[]), None);
    assert_eq!(asked("/nosuch", &[], &[]), None);
    let (_, verbose) = asked("/readyz", &[("verbose", ""), ("exclude", "etcd"), ("exclude", "x")], &[]).expect("a path");
    assert!(verbose.starts_with("[+]ping ok\n[+]log ok\n[+]etcd excluded: ok\n"), "{verbose}");
    assert!(verbose.ends_with("warn: some health checks cannot be excluded: no matches for \"x\"\nreadyz check passed\n"), "{verbose}");
    let (status, text) = asked("/healthz", &[], &["etcd"]).expect("a path");
    assert!(status == 500 && text.contains("[-]etcd failed: reason withheld\n") && text.ends_with("healthz check failed\n"), "{text}");
}
