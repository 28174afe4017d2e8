//! Objects inside custom objects (`x-kubernetes-embedded-resource`): their metadata is typed, as that of any object.
//! Source: apiextensions-apiserver pkg/apiserver/schema/objectmeta.

use serde_json::Value;

use sim_apimachinery::names;

use super::decode::typed_metadata;
use super::problems::{Problems, child};
use super::schema::SchemaRef;

/// Types the metadata of embedded objects: unknown fields of it are dropped and named, wrong types are an error.
pub(super) fn coerce(object: &mut Value, schema: SchemaRef<'_>) -> Result<Vec<String>, String> {
    let mut unknown = vec![];
    node(object, schema, "", false, &mut unknown)?;
    unknown.sort();
    Ok(unknown)
}

fn node(value: &mut Value, schema: SchemaRef<'_>, path: &str, is_embedded: bool, unknown: &mut Vec<String>) -> Result<(), String> {
    match value {
        Value::Object(map) => {
            for (name, inner) in map.iter_mut() {
                let at = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                if is_embedded {
                    meta_field(name, inner, &at, unknown)?;
                }
                if let Some(inner_schema) = schema.field(name).filter(|_| !(is_embedded && name == "metadata")) {
                    node(inner, inner_schema, &at, inner_schema.is_embedded(), unknown)?;
                }
            }
            Ok(())
        }
        Value::Array(items) => {
            let Some(item_schema) = schema.items() else { return Ok(()) };
            for (index, item) in items.iter_mut().enumerate() {
                node(item, item_schema, &format!("{path}[{index}]"), item_schema.is_embedded(), unknown)?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn meta_field(name: &str, value: &mut Value, at: &str, unknown: &mut Vec<String>) -> Result<(), String> {
    match name {
        "apiVersion" | "kind" if !value.is_string() => Err(format!("{at}: Invalid value: {value}: must be a string")),
        "metadata" => {
            let (typed, dropped) = typed_metadata(value, at).map_err(|e| format!("{at}: Invalid value: {value}: {e}"))?;
            unknown.extend(dropped);
            *value = serde_json::to_value(typed).map_err(|e| e.to_string())?;
            Ok(())
        }
        _ => Ok(()),
    }
}

/// What is wrong with embedded objects: they say what they are, and their names are good.
/// `is_embedded`: whether the value itself is one whatever its schema says.
pub(super) fn validate(value: &Value, schema: SchemaRef<'_>, path: &str, is_embedded: bool, problems: &mut Problems) {
    match value {
        Value::Object(map) => {
            if is_embedded || schema.is_embedded() {
                identity(map, path, problems);
            }
            for (name, inner) in map {
                if let Some(property) = schema.property(name) {
                    validate(inner, property, &child(path, name), false, problems);
                } else if let Some(additional) = schema.additional().flatten() {
                    validate(inner, additional, &format!("{path}[{name}]"), false, problems);
                }
            }
        }
        Value::Array(items) => {
            if let Some(item) = schema.items() {
                items.iter().enumerate().for_each(|(i, inner)| validate(inner, item, &format!("{path}[{i}]"), false, problems));
            }
        }
        _ => {}
    }
}

fn identity(map: &serde_json::Map<String, Value>, path: &str, problems: &mut Problems) {
    for word in ["apiVersion", "kind"] {
        let at = child(path, word);
        match map.get(word).map(|v| (v, v.as_str())) {
            None => problems.required(&at, ""),
            Some((value, None)) => problems.invalid(&at, value, "must be a string"),
            Some((_, Some(""))) => problems.invalid_text(&at, "", "must not be empty"),
            Some((_, Some(kind))) if word == "kind" => {
                let wrong = names::dns1035_label(&kind.to_lowercase());
                if !wrong.is_empty() {
                    let detail = format!("may have mixed case, but should otherwise match: {}", wrong.join(","));
                    problems.invalid_text(&at, kind, &detail);
                }
            }
            Some((_, Some(version))) if version.matches('/').count() > 1 => {
                problems.invalid_text(&at, version, &format!("unexpected GroupVersion string: {version}"));
            }
            Some(_) => {}
        }
    }
    for (key, label) in map.get("metadata").and_then(|m| m.get("labels")).and_then(Value::as_object).into_iter().flatten() {
        let at = format!("{}.labels", child(path, "metadata"));
        names::qualified_name(key).iter().for_each(|wrong| problems.invalid_text(&at, key, wrong));
        let text = label.as_str().unwrap_or_default();
        names::label_value(text).iter().for_each(|wrong| problems.invalid_text(&at, text, wrong));
    }
}
