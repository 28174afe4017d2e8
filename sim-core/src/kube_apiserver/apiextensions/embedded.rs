//! Objects inside custom objects (`x-kubernetes-embedded-resource`): their metadata is typed, as that of any object.
//! Source: apiextensions-apiserver pkg/apiserver/schema/objectmeta.

use serde_json::Value;

use super::decode::typed_metadata;
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
