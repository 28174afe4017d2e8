//! How Go prints the internal types of a definition in an error: all fields, by their Go names, in Go's order.

use serde_json::Value;

use super::super::problems::json;

/// How a field of a Go struct is printed.
enum Shape {
    Text,
    Flag,
    /// A pointer, list or map: `null` if it is not there, else as JSON.
    Plain,
    Schema,
    SchemaList,
    SchemaMap,
    SchemaOrList,
    SchemaOrFlag,
    Rules,
}

use Shape::{Flag, Plain, Rules, Schema, SchemaList, SchemaMap, SchemaOrFlag, SchemaOrList, Text};

/// `JSONSchemaProps`: Go's name, JSON's name, how it is printed.
const SCHEMA: [(&str, &str, Shape); 43] = [
    ("ID", "id", Text),
    ("Schema", "$schema", Text),
    ("Ref", "$ref", Plain),
    ("Description", "description", Text),
    ("Type", "type", Text),
    ("Nullable", "nullable", Flag),
    ("Format", "format", Text),
    ("Title", "title", Text),
    ("Default", "default", Plain),
    ("Maximum", "maximum", Plain),
    ("ExclusiveMaximum", "exclusiveMaximum", Flag),
    ("Minimum", "minimum", Plain),
    ("ExclusiveMinimum", "exclusiveMinimum", Flag),
    ("MaxLength", "maxLength", Plain),
    ("MinLength", "minLength", Plain),
    ("Pattern", "pattern", Text),
    ("MaxItems", "maxItems", Plain),
    ("MinItems", "minItems", Plain),
    ("UniqueItems", "uniqueItems", Flag),
    ("MultipleOf", "multipleOf", Plain),
    ("Enum", "enum", Plain),
    ("MaxProperties", "maxProperties", Plain),
    ("MinProperties", "minProperties", Plain),
    ("Required", "required", Plain),
    ("Items", "items", SchemaOrList),
    ("AllOf", "allOf", SchemaList),
    ("OneOf", "oneOf", SchemaList),
    ("AnyOf", "anyOf", SchemaList),
    ("Not", "not", Schema),
    ("Properties", "properties", SchemaMap),
    ("AdditionalProperties", "additionalProperties", SchemaOrFlag),
    ("PatternProperties", "patternProperties", SchemaMap),
    ("Dependencies", "dependencies", Plain),
    ("AdditionalItems", "additionalItems", SchemaOrFlag),
    ("Definitions", "definitions", SchemaMap),
    ("ExternalDocs", "externalDocs", Plain),
    ("Example", "example", Plain),
    ("XPreserveUnknownFields", "x-kubernetes-preserve-unknown-fields", Plain),
    ("XEmbeddedResource", "x-kubernetes-embedded-resource", Flag),
    ("XIntOrString", "x-kubernetes-int-or-string", Flag),
    ("XListMapKeys", "x-kubernetes-list-map-keys", Plain),
    ("XListType", "x-kubernetes-list-type", Plain),
    ("XMapType", "x-kubernetes-map-type", Plain),
];

/// A schema.
pub(super) fn schema(value: &Value) -> String {
    let mut parts: Vec<String> = SCHEMA.iter().map(|(go, name, shape)| format!("\"{go}\":{}", field(value.get(name), shape))).collect();
    parts.push(format!("\"XValidations\":{}", field(value.get("x-kubernetes-validations"), &Rules)));
    format!("{{{}}}", parts.join(","))
}

/// The Go names of the fields of a schema that are set, in order.
pub(super) fn set_fields(value: &Value) -> Vec<&'static str> {
    let is_set = |v: &Value| !v.is_null() && *v != Value::Bool(false) && v.as_str() != Some("");
    let known = SCHEMA.iter().filter(|(_, name, _)| value.get(name).is_some_and(is_set)).map(|(go, ..)| *go);
    known.chain(value.get("x-kubernetes-validations").map(|_| "XValidations")).collect()
}

fn field(value: Option<&Value>, shape: &Shape) -> String {
    let Some(value) = value.filter(|v| !v.is_null()) else {
        return match shape {
            Text => "\"\"".into(),
            Flag => "false".into(),
            _ => "null".into(),
        };
    };
    let list = |items: Vec<String>| format!("[{}]", items.join(","));
    match shape {
        Text | Flag | Plain => json(value),
        Schema => schema(value),
        SchemaList => list(value.as_array().into_iter().flatten().map(schema).collect()),
        SchemaMap => {
            let entries = value.as_object().into_iter().flatten();
            let parts: Vec<String> = entries.map(|(k, v)| format!("{}:{}", json(&Value::from(k.as_str())), schema(v))).collect();
            format!("{{{}}}", parts.join(","))
        }
        SchemaOrList if value.is_array() => {
            format!("{{\"Schema\":null,\"JSONSchemas\":{}}}", field(Some(value), &SchemaList))
        }
        SchemaOrList => format!("{{\"Schema\":{},\"JSONSchemas\":null}}", schema(value)),
        SchemaOrFlag => match value.as_bool() {
            Some(flag) => format!("{{\"Allows\":{flag},\"Schema\":null}}"),
            None => format!("{{\"Allows\":true,\"Schema\":{}}}", schema(value)),
        },
        Rules => list(value.as_array().into_iter().flatten().map(rule).collect()),
    }
}

/// A rule of `x-kubernetes-validations`.
pub(super) fn rule(rule: &Value) -> String {
    let fields = [
        ("Rule", "rule", Text),
        ("Message", "message", Text),
        ("MessageExpression", "messageExpression", Text),
        ("Reason", "reason", Plain),
        ("FieldPath", "fieldPath", Text),
        ("OptionalOldSelf", "optionalOldSelf", Plain),
    ];
    record(rule, &fields)
}

fn record(value: &Value, fields: &[(&str, &str, Shape)]) -> String {
    let parts: Vec<String> = fields.iter().map(|(go, name, shape)| format!("\"{go}\":{}", field(value.get(name), shape))).collect();
    format!("{{{}}}", parts.join(","))
}

/// The versions, without what is common to all.
pub(super) fn versions(versions: &[Value]) -> String {
    let parts: Vec<String> = versions.iter().map(version).collect();
    format!("[{}]", parts.join(","))
}

fn version(value: &Value) -> String {
    let plain = |go: &str, name: &str, shape: Shape| format!("\"{go}\":{}", field(value.get(name), &shape));
    let schema_part = match value.get("schema") {
        Some(holder) => format!("{{\"OpenAPIV3Schema\":{}}}", field(holder.get("openAPIV3Schema"), &Schema)),
        None => "null".into(),
    };
    let parts = [
        plain("Name", "name", Text),
        plain("Served", "served", Flag),
        plain("Storage", "storage", Flag),
        plain("Deprecated", "deprecated", Flag),
        plain("DeprecationWarning", "deprecationWarning", Plain),
        format!("\"Schema\":{schema_part}"),
        format!("\"Subresources\":{}", subresources(value.get("subresources"))),
        format!("\"AdditionalPrinterColumns\":{}", columns(value.get("additionalPrinterColumns"))),
        format!("\"SelectableFields\":{}", selectable(value.get("selectableFields"))),
    ];
    format!("{{{}}}", parts.join(","))
}

fn subresources(value: Option<&Value>) -> String {
    let Some(value) = value else { return "null".into() };
    let paths = [
        ("SpecReplicasPath", "specReplicasPath", Text),
        ("StatusReplicasPath", "statusReplicasPath", Text),
        ("LabelSelectorPath", "labelSelectorPath", Plain),
    ];
    let scale = value.get("scale").map_or_else(|| "null".to_owned(), |s| record(s, &paths));
    format!("{{\"Status\":{},\"Scale\":{scale}}}", field(value.get("status"), &Plain))
}

fn columns(value: Option<&Value>) -> String {
    let Some(items) = value.and_then(Value::as_array) else { return "null".into() };
    let column = |c: &Value| {
        let words = [("Name", "name", Text), ("Type", "type", Text), ("Format", "format", Text), ("Description", "description", Text)];
        let head = record(c, &words);
        let priority = c.get("priority").and_then(Value::as_i64).unwrap_or(0);
        let path = record(c, &[("JSONPath", "jsonPath", Text)]);
        format!("{},\"Priority\":{priority},{}", &head[..head.len() - 1], &path[1..])
    };
    format!("[{}]", items.iter().map(column).collect::<Vec<String>>().join(","))
}

fn selectable(value: Option<&Value>) -> String {
    let Some(items) = value.and_then(Value::as_array) else { return "null".into() };
    let parts: Vec<String> = items.iter().map(|f| record(f, &[("JSONPath", "jsonPath", Text)])).collect();
    format!("[{}]", parts.join(","))
}
