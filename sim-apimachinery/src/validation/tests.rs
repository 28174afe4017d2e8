use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use super::*;
use crate::Kind;

/// The errors of a new object, as the message of the answer lists them.
pub(super) fn wrong(kind: Kind, object: Value) -> Vec<String> {
    let object = Object::from_json(kind, object).expect("the test's object has the kind's shape");
    validate_create(&object).into_iter().map(|c| format!("{}: {}", c.field, c.message)).collect()
}

fn config_map(metadata: Value) -> Vec<String> {
    wrong(Kind::ConfigMap, json!({"metadata": metadata}))
}

#[test]
fn names_must_be_subdomains() {
    let text = "metadata.name: Invalid value: \"Bad_Name\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
    assert_eq!(config_map(json!({"name": "Bad_Name", "namespace": "n"})), [text]);
    assert_eq!(config_map(json!({"name": "a.b-c", "namespace": "n"})), [""; 0]);
}

#[test]
fn an_owner_is_named_fully() {
    let owner = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "d", "uid": ""});
    assert_eq!(
        config_map(json!({"name": "a", "namespace": "n", "ownerReferences": [owner]})),
        ["metadata.ownerReferences.uid: Invalid value: \"\": must not be empty"]
    );
}

#[test]
fn finalizers_are_fully_qualified() {
    assert_eq!(
        config_map(json!({"name": "a", "namespace": "n", "finalizers": ["mine"]})),
        ["metadata.finalizers[0]: Invalid value: \"mine\": name is neither a standard finalizer name nor is it fully qualified"]
    );
}

#[test]
fn an_update_tells_each_metadata_error_as_often_as_it_is_checked() {
    let named = |labels: Option<&str>| {
        let labels = labels.map(|key| [(key.to_owned(), "v".to_owned())].into());
        let metadata = ObjectMeta { name: Some("a".into()), namespace: Some("n".into()), labels, ..Default::default() };
        Object::from(ConfigMap { metadata, ..Default::default() })
    };
    let causes = validate_update(&named(Some("bad!")), &named(None));
    assert_eq!(causes.len(), 4, "{causes:?}");
    assert!(causes.iter().all(|c| *c == causes[0] && c.field == "metadata.labels"));
}
