//! What is wrong with a value that a strategic merge patch made, in the words of the converter that restores structs from
//! maps. It knows no paths.
//! Source: apimachinery pkg/runtime/converter.go.

use serde_json::Value;

use super::{Scalar, Shape, TypeRef, decode_error};
use crate::json::Node;

/// The first error of the converter, if the value does not fit.
pub fn restore_error(of: TypeRef<'_>, value: &Value) -> Option<String> {
    if value.is_null() {
        return None;
    }
    match (of.shape(), value) {
        (Shape::Any, _) => None,
        (Shape::Scalar(scalar), _) => scalar_error(of, scalar, value),
        (Shape::Struct(..) | Shape::Map(..), Value::Object(map)) => {
            map.iter().find_map(|(name, inner)| of.child(name).and_then(|child| restore_error(child, inner)))
        }
        (Shape::List(item, _), Value::Array(list)) => list.iter().find_map(|inner| restore_error(item, inner)),
        (Shape::Struct(..), _) => Some(format!("cannot restore struct from: {}", kind_of(value))),
        (Shape::Map(..), _) => Some(format!("cannot restore map from {}", kind_of(value))),
        (Shape::List(..), _) => Some(format!("cannot restore slice from {}", kind_of(value))),
    }
}

fn scalar_error(of: TypeRef<'_>, scalar: Scalar, value: &Value) -> Option<String> {
    let target = match scalar {
        Scalar::String => "string",
        Scalar::Boolean => "bool",
        Scalar::Int32 => "int32",
        Scalar::Int64 => "int64",
        Scalar::Double => "float64",
        _ => return decode_error(of, &Node::from(value)).map(|e| e.message),
    };
    let is_integer = matches!(scalar, Scalar::Int32 | Scalar::Int64);
    match (scalar, value) {
        (Scalar::String, Value::String(_)) | (Scalar::Boolean, Value::Bool(_)) | (Scalar::Double, Value::Number(_)) => None,
        (_, Value::Number(n)) if is_integer => {
            let whole = n.as_i64().is_some() || n.as_f64().is_some_and(|f| f.trunc() == f);
            (!whole).then(|| format!("cannot convert float64 to {target}"))
        }
        (Scalar::String, Value::Number(n)) if n.is_i64() => Some("cannot convert int64 to string".into()),
        _ => Some(format!("unrecognized type: {target}")),
    }
}

/// Go's word for a kind of value.
fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "invalid",
        Value::Bool(_) => "bool",
        Value::Number(n) if n.is_i64() => "int64",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "slice",
        Value::Object(_) => "map",
    }
}
