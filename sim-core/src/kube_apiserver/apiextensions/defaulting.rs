//! Filling in the defaults of a custom object's schema, and dropping nulls that the schema does not allow and defaults.
//! Source: apiextensions-apiserver pkg/apiserver/schema/defaulting. A null that is neither allowed nor has a default stays, and
//! is refused by validation.

use serde_json::Value;

use super::schema::SchemaRef;

/// Fills in what is missing, in place.
pub(crate) fn fill(value: &mut Value, schema: SchemaRef<'_>) {
    match value {
        Value::Object(map) => {
            for (name, property) in schema.properties() {
                let Some(default) = property.default_value() else { continue };
                if map.get(name).is_none_or(|v| is_forbidden_null(v, property)) {
                    map.insert(name.to_owned(), default.clone());
                }
            }
            for (name, inner) in map.iter_mut() {
                if let Some(inner_schema) = schema.field(name) {
                    replace_null(inner, inner_schema);
                    fill(inner, inner_schema);
                }
            }
        }
        Value::Array(items) => {
            if let Some(item) = schema.items() {
                for inner in items {
                    replace_null(inner, item);
                    fill(inner, item);
                }
            }
        }
        _ => {}
    }
}

fn replace_null(value: &mut Value, schema: SchemaRef<'_>) {
    if let Some(default) = schema.default_value().filter(|_| is_forbidden_null(value, schema)) {
        *value = default.clone();
    }
}

fn is_forbidden_null(value: &Value, schema: SchemaRef<'_>) -> bool {
    value.is_null() && !schema.says("nullable")
}

/// Nulls of fields that may not be null and have no default are as good as not there.
pub(crate) fn drop_nulls(value: &mut Value, schema: SchemaRef<'_>) {
    match value {
        Value::Object(map) => {
            map.retain(|name, inner| match schema.field(name) {
                Some(field) => !is_forbidden_null(inner, field) || field.default_value().is_some(),
                None => true,
            });
            for (name, inner) in map.iter_mut() {
                if let Some(inner_schema) = schema.field(name) {
                    drop_nulls(inner, inner_schema);
                }
            }
        }
        Value::Array(items) => {
            if let Some(item) = schema.items() {
                items.iter_mut().for_each(|inner| drop_nulls(inner, item));
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn default_value(value: &mut Value, schema: SchemaRef<'_>) {
        drop_nulls(value, schema);
        fill(value, schema);
    }

    #[test]
    fn defaults_fill_what_is_missing_at_every_depth() {
        let item = json!({"type": "object", "properties": {"port": {"type": "integer", "default": 80}}});
        let schema = json!({"type": "object", "properties": {
            "spec": {"type": "object", "default": {"a": "x"}, "properties": {"a": {"type": "string"}, "b": {"type": "string", "default": "y"}}},
            "list": {"type": "array", "items": item}}});
        let mut value = json!({"list": [{}, {"port": 1}]});
        default_value(&mut value, SchemaRef(&schema));
        assert_eq!(value, json!({"spec": {"a": "x", "b": "y"}, "list": [{"port": 80}, {"port": 1}]}));
    }

    #[test]
    fn a_null_takes_the_default_unless_null_is_allowed() {
        let schema = json!({"type": "object", "properties": {"a": {"type": "string", "default": "x"},
            "b": {"type": "string", "default": "x", "nullable": true}, "c": {"type": "string"}}});
        let mut value = json!({"a": null, "b": null, "c": null});
        default_value(&mut value, SchemaRef(&schema));
        assert_eq!(value, json!({"a": "x", "b": null}));
    }
}
