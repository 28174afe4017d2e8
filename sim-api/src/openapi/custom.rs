//! Schemas of custom resources: the definition's own, with what every Kubernetes object has, and that of its list.
//! Source: apiextensions' pkg/controller/openapi/builder. Schemas are published as they are written; that a definition whose
//! schema is not structural publishes an empty one is not modelled.

use serde_json::{Value, json};

use super::{REFERENCE, archive};
use crate::discovery::ServedResource;

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
const LIST_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";
/// A schema whose `apiVersion` and `kind` are described as everywhere.
const TYPE_META_HOLDER: &str = "io.k8s.api.core.v1.Pod";
const OBJECT_META_TEXT: &str =
    "Standard object's metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";
const LIST_META_TEXT: &str =
    "Standard list metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds";

/// The name of a custom type's schema: the group's parts in reverse, version, kind.
pub(super) fn schema_name(group: &str, version: &str, kind: &str) -> String {
    let reversed: Vec<&str> = group.split('.').rev().collect();
    format!("{}.{version}.{kind}", reversed.join("."))
}

/// Whether the document of a path shows this definition.
pub(super) fn is_of_path(definition: &Value, path: &str) -> bool {
    let rest = path.strip_prefix("apis/").and_then(|rest| rest.split_once('/'));
    rest.is_some_and(|(group, _)| definition["spec"]["group"] == group)
}

fn definition_of<'a>(definitions: &'a [Value], group: &str, resource: &ServedResource) -> Option<&'a Value> {
    definitions.iter().find(|d| d["spec"]["group"] == group && d["status"]["acceptedNames"]["plural"] == resource.plural.as_str())
}

/// The kind of the resource's list.
pub(super) fn list_kind(definitions: &[Value], group: &str, resource: &ServedResource) -> String {
    let given = definition_of(definitions, group, resource).and_then(|d| d["spec"]["names"]["listKind"].as_str());
    given.map_or_else(|| format!("{}List", resource.kind), str::to_owned)
}

/// The schemas of a custom resource and of its list, by name.
pub(super) fn schemas(definitions: &[Value], group: &str, version: &str, resource: &ServedResource) -> Vec<(String, Value)> {
    let definition = definition_of(definitions, group, resource);
    let versions = definition.and_then(|d| d["spec"]["versions"].as_array());
    let own = versions.into_iter().flatten().find(|v| v["name"] == version).and_then(|v| v.pointer("/schema/openAPIV3Schema"));
    let list_kind = list_kind(definitions, group, resource);
    let name = schema_name(group, version, &resource.kind);
    let kind_of = |kind: &str| json!([{"group": group, "version": version, "kind": kind}]);
    vec![
        (name.clone(), object_schema(own, kind_of(&resource.kind))),
        (schema_name(group, version, &list_kind), list_schema(&name, resource, &list_kind, kind_of(&list_kind))),
    ]
}

fn object_schema(own: Option<&Value>, kind: Value) -> Value {
    let Some(own) = own else { return json!({"type": "object", "x-kubernetes-group-version-kind": kind}) };
    let mut schema = own.clone();
    add_embedded(&mut schema, 0);
    if !schema["properties"].is_object() {
        schema["properties"] = json!({});
    }
    add_type_meta(&mut schema);
    schema["properties"]["metadata"] = described_reference(OBJECT_META, OBJECT_META_TEXT);
    schema["x-kubernetes-group-version-kind"] = kind;
    schema
}

fn list_schema(item: &str, resource: &ServedResource, list_kind: &str, kind: Value) -> Value {
    let more = "More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md";
    let items = json!({
        "type": "array",
        "description": format!("List of {}. {more}", resource.plural),
        "items": {"$ref": format!("{REFERENCE}{item}")},
    });
    let mut schema = json!({
        "type": "object",
        "description": format!("{list_kind} is a list of {}", resource.kind),
        "required": ["items"],
        "properties": {"items": items, "metadata": described_reference(LIST_META, LIST_META_TEXT)},
        "x-kubernetes-group-version-kind": kind,
    });
    add_type_meta(&mut schema);
    schema
}

fn described_reference(name: &str, description: &str) -> Value {
    json!({"description": description, "allOf": [{"$ref": format!("{REFERENCE}{name}")}]})
}

fn add_type_meta(schema: &mut Value) {
    let holder = archive::entry(TYPE_META_HOLDER).unwrap_or_default();
    for field in ["apiVersion", "kind"] {
        schema["properties"][field] = holder["properties"][field].clone();
    }
}

/// Objects inside objects (`x-kubernetes-embedded-resource`) have type and metadata too.
fn add_embedded(schema: &mut Value, depth: usize) {
    const DEPTH_MAX: usize = 64;
    if depth > DEPTH_MAX {
        return;
    }
    for property in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flat_map(|map| map.values_mut()) {
        add_embedded(property, depth + 1);
    }
    for inner in ["items", "additionalProperties"] {
        schema.get_mut(inner).filter(|found| found.is_object()).into_iter().for_each(|found| add_embedded(found, depth + 1));
    }
    if schema.get("x-kubernetes-embedded-resource") == Some(&Value::Bool(true)) {
        if !schema["properties"].is_object() {
            schema["properties"] = json!({});
        }
        add_type_meta(schema);
        schema["properties"]["metadata"] = described_reference(OBJECT_META, OBJECT_META_TEXT);
        require(schema, ["kind", "apiVersion"]);
    }
}

fn require(schema: &mut Value, fields: [&str; 2]) {
    let mut required = schema["required"].as_array().cloned().unwrap_or_default();
    for field in fields.map(Value::from) {
        if !required.contains(&field) {
            required.push(field);
        }
    }
    schema["required"] = required.into();
}
