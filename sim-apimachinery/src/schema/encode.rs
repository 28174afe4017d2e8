//! JSON as the API server writes it: fields that are always there get their zero value, others that hold nothing are left
//! out, fields that no type has are gone, and a whole number is written without a point. An empty list comes out of the store
//! as no list at all.

use serde_json::{Map, Number, Value};

use super::{Field, Presence, Scalar, Shape, TypeRef};

/// Go's zero time as text. It is written as null.
pub const ZERO_TIME: &str = "0001-01-01T00:00:00Z";

/// The value as it comes out of the server's store and encoder.
pub fn as_encoded(of: TypeRef<'_>, value: Value) -> Value {
    encode(of, value, true)
}

/// The value as it comes out of the server's decoder and encoder: a list that was sent empty still is one.
pub fn as_sent(of: TypeRef<'_>, value: Value) -> Value {
    encode(of, value, false)
}

fn encode(of: TypeRef<'_>, value: Value, is_stored: bool) -> Value {
    match (of.shape(), value) {
        (Shape::Struct(..), Value::Object(map)) => Value::Object(encode_struct(of, map, is_stored)),
        (Shape::Map(inner, _), Value::Object(map)) => {
            Value::Object(map.into_iter().map(|(name, value)| (name, encode(inner, value, is_stored))).collect())
        }
        (Shape::List(item, _), Value::Array(list)) => Value::Array(list.into_iter().map(|value| encode(item, value, is_stored)).collect()),
        (Shape::Scalar(Scalar::Double), Value::Number(number)) => Value::Number(without_point(number)),
        (_, value) => value,
    }
}

/// A floating point number as Go writes it.
fn without_point(number: Number) -> Number {
    /// Whole numbers up to here are exact.
    const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        Some(value) if number.is_f64() && value.fract() == 0.0 && value.abs() <= WHOLE_MAX => Number::from(value as i64),
        _ => number,
    }
}

fn encode_struct(of: TypeRef<'_>, mut map: Map<String, Value>, is_stored: bool) -> Map<String, Value> {
    let Some(definition) = of.definition() else { return map };
    let mut out = Map::new();
    for (name, field) in &definition.fields {
        let value = map.remove(name).filter(|v| !v.is_null()).map(|v| encode(TypeRef::new(&field.field_type), v, is_stored));
        let shown = match (&field.presence, value) {
            (Presence::Always(zero), None) => Some(zero.clone()),
            (Presence::Always(Value::Null), Some(Value::Array(list))) if is_stored && list.is_empty() => Some(Value::Null),
            (Presence::Always(Value::Null), Some(Value::String(text))) if text == ZERO_TIME => Some(Value::Null),
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

impl Field {
    /// Whether the value is the one that a field of this kind has when nobody sets it. A list or map that is there but empty is
    /// another than none.
    pub(crate) fn holds_nothing(&self, value: &Value) -> bool {
        match &self.presence {
            Presence::WhenSet | Presence::Always(Value::Null) => value.is_null(),
            Presence::WhenNotZero => !value.is_array() && !value.is_object() && is_zero(value),
            Presence::Always(Value::Object(_)) => value.as_object().is_some_and(Map::is_empty),
            Presence::Always(zero) => zero == value,
        }
    }
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
