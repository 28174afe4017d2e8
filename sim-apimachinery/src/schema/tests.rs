use serde_json::json;

use super::*;

fn of(group: &str, version: &str, kind: &str) -> TypeRef<'static> {
    lookup(group, version, kind).expect("a built-in kind")
}

#[test]
fn every_line_of_the_table_parses_and_its_references_hold() {
    for number in 0..table::len() {
        for field in table::definition(number).fields.values() {
            TypeRef::new(&field.field_type).shape();
        }
    }
    assert!(table::len() > 700);
}

#[test]
fn every_kind_of_the_registry_has_a_type() {
    for kind in crate::Kind::ALL {
        let r = kind.resource();
        assert!(lookup(r.group, r.version, r.kind).is_some(), "{} {}", r.api_version(), r.kind);
    }
}

#[test]
fn a_field_knows_its_list_keys_and_patch_strategy() {
    let pod = of("", "v1", "Pod").child("spec").unwrap();
    let ports = pod.child("containers").and_then(TypeRef::item).unwrap().field("ports").unwrap();
    assert_eq!(ports.patch.merge_key.as_deref(), Some("containerPort"));
    let Shape::List(item, ListType::Map(keys)) = TypeRef::new(&ports.field_type).shape() else { panic!("a list map") };
    assert_eq!(keys, &["containerPort", "protocol"]);
    assert_eq!(item.field("protocol").unwrap().default, Some(json!("TCP")));
    assert!(of("apps", "v1", "Deployment").child("spec").unwrap().field("strategy").unwrap().patch.retain_keys);
}

#[test]
fn unknown_fields_are_told_with_their_paths() {
    let deployment = json!({"metadata": {"foo": 1, "labels": {"any": "x"}}, "spec": {"replicaz": 3, "template": {"spec": {
        "containers": [{"name": "c", "bogus": true, "resources": {"limit": {}}}]}}}});
    let expected = [
        "unknown field \"metadata.foo\"",
        "unknown field \"spec.replicaz\"",
        "unknown field \"spec.template.spec.containers[0].bogus\"",
        "unknown field \"spec.template.spec.containers[0].resources.limit\"",
    ];
    assert_eq!(strict_errors(of("apps", "v1", "Deployment"), &(&deployment).into()), expected);
}

#[test]
fn a_custom_resource_is_described_by_its_own_schema() {
    let schema = Schema::from_open_api(&json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "ports": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port"],
                  "items": {"type": "object", "properties": {"port": {"type": "integer"}}}},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}}}));
    let object = json!({"apiVersion": "x/v1", "kind": "X", "metadata": {"name": "a", "nam": 1},
        "spec": {"ports": [{"port": 1, "x": 2}], "free": {"a": [1]}, "other": 1}});
    let expected = ["unknown field \"metadata.nam\"", "unknown field \"spec.other\"", "unknown field \"spec.ports[0].x\""];
    assert_eq!(strict_errors(schema.root(), &(&object).into()), expected);
}
