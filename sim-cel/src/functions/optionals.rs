//! Optional values.

use std::sync::Arc;

use crate::evaluate::{EvaluationError, Outcome, find};
use crate::value::{Key, Value};

pub(super) fn call(name: &str, args: &[Value]) -> Option<Outcome> {
    Some(match (name, args) {
        ("optional.of", [value]) => Ok(some(value)),
        ("optional.none", []) => Ok(Value::Optional(None)),
        ("optional.ofNonZeroValue", [value]) => Ok(if is_zero(value) { Value::Optional(None) } else { some(value) }),
        ("hasValue", [Value::Optional(inner)]) => Ok(Value::Bool(inner.is_some())),
        ("value", [Value::Optional(inner)]) => inner.as_deref().cloned().ok_or_else(|| EvaluationError::new("optional.none() dereference")),
        ("or", [Value::Optional(Some(inner)), _]) => Ok(Value::Optional(Some(inner.clone()))),
        ("or", [Value::Optional(None), other @ Value::Optional(_)]) => Ok(other.clone()),
        ("orValue", [Value::Optional(inner), other]) => Ok(inner.as_deref().unwrap_or(other).clone()),
        _ => return None,
    })
}

fn some(value: &Value) -> Value {
    Value::Optional(Some(Arc::new(value.clone())))
}

/// `operand.?key` and `operand[?key]`.
pub(crate) fn get(operand: &Value, key: &Value) -> Value {
    let found = match (operand, key) {
        (Value::Optional(Some(inner)), _) => return get(inner, key),
        (Value::Map(map), Value::String(name)) => find(map, name).cloned(),
        (Value::Map(map), _) => Key::of(key).and_then(|k| map.get(&k).cloned()),
        (Value::List(items), Value::Int(i)) => usize::try_from(*i).ok().and_then(|i| items.get(i).cloned()),
        _ => None,
    };
    Value::Optional(found.map(Arc::new))
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null | Value::Optional(None) => true,
        Value::Bool(b) => !b,
        Value::Int(i) => *i == 0,
        Value::Uint(u) => *u == 0,
        Value::Double(d) => *d == 0.0,
        Value::String(s) => s.is_empty(),
        Value::Bytes(b) => b.is_empty(),
        Value::List(l) => l.is_empty(),
        Value::Map(m) => m.is_empty(),
        Value::Duration(d) => *d == 0,
        _ => false,
    }
}
