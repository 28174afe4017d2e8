//! `/openapi/v2`: all documents of version 3 as one document of version 2 (Swagger), in JSON and in protobuf.
//! Version 2 has references where version 3 has `allOf`, no defaults, and bodies that are parameters.

use std::sync::{Arc, LazyLock};

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha512};

use super::{Document, REFERENCE, archive, document_paths, gnostic, make, security_schemes};

/// The content type of the protobuf form.
pub const V2_PROTOBUF_MEDIA_TYPE: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

const KINDS: &str = "x-kubernetes-group-version-kind";

static BUILT_IN: LazyLock<(Document, Document)> = LazyLock::new(|| both(&[]));

/// The document in JSON.
pub fn v2_json(definitions: &[Value]) -> Document {
    if definitions.is_empty() { BUILT_IN.0.clone() } else { both(definitions).0 }
}

/// The document in the protobuf form that gnostic defines and client-go reads.
pub fn v2_protobuf(definitions: &[Value]) -> Document {
    if definitions.is_empty() { BUILT_IN.1.clone() } else { both(definitions).1 }
}

fn both(definitions: &[Value]) -> (Document, Document) {
    let made = v2(definitions);
    let json = serde_json::to_vec(&made).unwrap_or_default();
    let hash: String = Sha512::digest(&json).iter().map(|byte| format!("{byte:02X}")).collect();
    let document = |body: Vec<u8>| Document { body: Arc::from(body), hash: hash.clone() };
    (document(json), document(gnostic::encode(&made)))
}

fn v2(definitions: &[Value]) -> Value {
    let (mut paths, mut schemas) = (Map::new(), Map::new());
    for path in document_paths(definitions) {
        let Some(mut made) = make(definitions, &path) else { continue };
        let found = made["paths"].as_object_mut().map(std::mem::take).unwrap_or_default();
        paths.extend(found.into_iter().map(|(at, item)| (at, path_item(item))));
        let found = made.pointer_mut("/components/schemas").and_then(Value::as_object_mut).map(std::mem::take).unwrap_or_default();
        for (name, mut value) in found {
            // The archive knows all kinds of a type, a document of version 3 only some.
            if let Some(kinds) = archive::entry(&name).and_then(|entry| entry.get(KINDS).cloned()) {
                value[KINDS] = kinds;
            }
            schemas.insert(name, schema(value));
        }
    }
    json!({
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": "1.36"},
        "paths": paths,
        "definitions": schemas,
        "securityDefinitions": security_schemes(),
        "security": [{"BearerToken": []}],
    })
}

fn path_item(item: Value) -> Value {
    let Value::Object(fields) = item else { return item };
    let converted = fields.into_iter().map(|(key, value)| match key.as_str() {
        "parameters" => (key, parameters(value)),
        _ => (key, operation(value)),
    });
    converted.collect()
}

fn operation(mut operation: Value) -> Value {
    let body = operation.as_object_mut().and_then(|fields| fields.remove("requestBody"));
    let produces = json!(keys(operation.pointer("/responses/200/content").unwrap_or(&Value::Null)));
    let consumes = match &body {
        Some(body) => json!(keys(&body["content"])),
        None if operation.get("x-kubernetes-action").is_none() => produces.clone(),
        None => json!(["*/*"]),
    };
    let own = operation.get_mut("parameters").map(Value::take).map(parameters);
    let mut all: Vec<Value> = body.iter().map(body_parameter).collect();
    all.extend(own.and_then(|own| own.as_array().cloned()).unwrap_or_default());
    if !all.is_empty() {
        operation["parameters"] = all.into();
    }
    for answer in operation.get_mut("responses").and_then(Value::as_object_mut).into_iter().flat_map(|answers| answers.values_mut()) {
        let content = answer.as_object_mut().and_then(|answer| answer.remove("content"));
        if let Some(found) = content.as_ref().and_then(|content| content.as_object()?.values().next()) {
            answer["schema"] = schema(found["schema"].clone());
        }
    }
    if operation.get("x-kubernetes-action").is_some() || operation.pointer("/responses/200/schema/$ref").is_some() {
        operation["consumes"] = consumes;
    }
    operation["produces"] = produces;
    operation["schemes"] = json!(["https"]);
    operation
}

fn keys(content: &Value) -> Vec<String> {
    content.as_object().into_iter().flat_map(|content| content.keys().cloned()).collect()
}

fn body_parameter(body: &Value) -> Value {
    let content = body["content"].as_object().and_then(|content| content.values().next());
    let of = content.map_or(Value::Null, |content| schema(content["schema"].clone()));
    let mut parameter = json!({"in": "body", "name": "body", "schema": of});
    if body["required"] == true {
        parameter["required"] = true.into();
    }
    parameter
}

/// Parameters carry their schema's fields themselves.
fn parameters(list: Value) -> Value {
    let Value::Array(items) = list else { return list };
    let flat = items.into_iter().map(|mut item| {
        let of = item.as_object_mut().and_then(|fields| fields.remove("schema"));
        for (key, value) in of.as_ref().and_then(Value::as_object).into_iter().flatten() {
            item[key.as_str()] = value.clone();
        }
        item
    });
    flat.collect()
}

/// A schema of version 3 as one of version 2.
fn schema(value: Value) -> Value {
    let Value::Object(mut fields) = value else { return value };
    fields.remove("default");
    if let Some(Value::Array(parts)) = fields.get("allOf")
        && let [Value::Object(only)] = parts.as_slice()
    {
        let only = only.clone();
        fields.remove("allOf");
        fields.extend(only);
    }
    let choice = fields.remove("oneOf").is_some();
    if choice && !fields.contains_key("x-kubernetes-int-or-string") {
        fields.entry("type").or_insert_with(|| "string".into());
    }
    ["anyOf", "not", "nullable"].iter().for_each(|only_in_three| _ = fields.remove(*only_in_three));
    let converted = fields.into_iter().map(|(key, value)| {
        let value = match (key.as_str(), value) {
            ("properties", Value::Object(properties)) => properties.into_iter().map(|(name, value)| (name, schema(value))).collect(),
            ("items" | "additionalProperties", value) => schema(value),
            ("$ref", Value::String(text)) => text.replace(REFERENCE, "#/definitions/").into(),
            (_, value) => value,
        };
        (key, value)
    });
    converted.collect()
}
