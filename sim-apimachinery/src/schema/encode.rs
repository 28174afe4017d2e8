//! JSON as the API server writes it: fields that are always there get their zero value, others that hold nothing are left
//! out, and fields that no type has are gone.

use serde_json::{Map, Value};

use super::{Presence, Shape, TypeRef};

/// The value as it comes out of the server's decoder and encoder.
pub fn as_encoded(of: TypeRef<'_>, value: Value) -> Value {
    match (of.shape(), value) {
        (Shape::Struct(..), Value::Object(map)) => Value::Object(encode_struct(of, map)),
        (Shape::Map(inner, _), Value::Object(map)) => {
            Value::Object(map.into_iter().map(|(name, value)| (name, as_encoded(inner, value))).collect())
        }
        (Shape::List(item, _), Value::Array(list)) => Value::Array(list.into_iter().map(|value| as_encoded(item, value)).collect()),
        (_, value) => value,
    }
}

fn encode_struct(of: TypeRef<'_>, mut map: Map<String, Value>) -> Map<String, Value> {
    let Some(definition) = of.definition() else { return map };
    let mut out = Map::new();
    for (name, field) in &definition.fields {
        let value = map.remove(name).filter(|v| !v.is_null()).map(|v| as_encoded(TypeRef::new(&field.field_type), v));
        let shown = match (&field.presence, value) {
            (Presence::Always(zero), None) => Some(zero.clone()),
            (Presence::WhenNotZero, Some(value)) if is_zero(&value) => None,
            (_, value) => value,
        };
        if let Some(value) = shown {
            out.insert(name.clone(), value);
        }
    }
    if definition.open {
        out.extend(map);
    }
    out
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(b) => !b,
        Value::Number(n) => n.as_f64() == Some(0.0),
        Value::String(s) => s.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

/// The object that nobody has set anything in.
pub fn empty(of: TypeRef<'_>) -> Value {
    as_encoded(of, Value::Object(Map::new()))
}
