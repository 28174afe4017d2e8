//! The functions: one match by name, in groups by library. What a function cannot take is `no such overload`.

mod formats;
mod lists;
mod networks;
mod numbers;
pub(crate) mod optionals;
mod quantities;
pub(crate) mod semver;
mod strings;
pub(crate) mod times;
pub(crate) mod urls;

use std::cmp::Ordering;

use crate::evaluate::{EvaluationError, Outcome};
use crate::value::{Key, Value};

pub use strings::base64_bytes;
pub(crate) use strings::text_of;

/// Calls a function by its name, with its receiver if it is called on one.
pub(crate) fn call(name: &str, target: Option<&Value>, args: &[Value]) -> Outcome {
    let mut all: Vec<Value> = target.cloned().into_iter().collect();
    all.extend_from_slice(args);
    type Group = fn(&str, &[Value]) -> Option<Outcome>;
    let groups: [Group; 10] = [
        operators,
        numbers::call,
        strings::call,
        lists::call,
        times::call,
        optionals::call,
        quantities::call,
        networks::call,
        urls::call,
        semver::call,
    ];
    let found = groups.iter().find_map(|group| group(name, &all)).or_else(|| formats::call(name, &all));
    found.unwrap_or_else(|| Err(EvaluationError::no_such_overload()))
}

fn operators(name: &str, args: &[Value]) -> Option<Outcome> {
    Some(match (name, args) {
        ("_==_", [a, b]) => Ok(Value::Bool(a == b)),
        ("_!=_", [a, b]) => Ok(Value::Bool(a != b)),
        ("!_", [Value::Bool(b)]) => Ok(Value::Bool(!b)),
        ("_<_", [a, b]) => ordered(a, b, |o| o == Ordering::Less),
        ("_<=_", [a, b]) => ordered(a, b, |o| o != Ordering::Greater),
        ("_>_", [a, b]) => ordered(a, b, |o| o == Ordering::Greater),
        ("_>=_", [a, b]) => ordered(a, b, |o| o != Ordering::Less),
        ("@in", [item, Value::List(items)]) => Ok(Value::Bool(items.contains(item))),
        ("@in", [key, Value::Map(map)]) => Ok(Value::Bool(Key::of(key).is_some_and(|k| map.contains_key(&k)))),
        ("allowed", [Value::Decision(is_allowed)]) => Ok(Value::Bool(*is_allowed)),
        ("errored", [Value::Decision(_)]) => Ok(Value::Bool(false)),
        ("error" | "reason", [Value::Decision(_)]) => Ok(Value::text("")),
        ("dyn", [value]) => Ok(value.clone()),
        ("type", [value]) => Ok(Value::Type(value.type_name().into())),
        _ => return None,
    })
}

fn ordered(a: &Value, b: &Value, fits: fn(Ordering) -> bool) -> Outcome {
    match compare(a, b) {
        Some(order) => Ok(Value::Bool(fits(order))),
        None if is_number(a) && is_number(b) => Ok(Value::Bool(false)),
        None => Err(EvaluationError::no_such_overload()),
    }
}

fn is_number(value: &Value) -> bool {
    matches!(value, Value::Int(_) | Value::Uint(_) | Value::Double(_))
}

/// The order of two values, if they have one. Numbers compare across their types.
pub(crate) fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Bytes(a), Value::Bytes(b)) => Some(a.cmp(b)),
        (Value::Duration(a), Value::Duration(b)) => Some(a.cmp(b)),
        (Value::Timestamp(a), Value::Timestamp(b)) => Some(a.cmp(b)),
        (Value::Quantity(a), Value::Quantity(b)) => Some(a.cmp(b)),
        (Value::Double(a), Value::Double(b)) => a.partial_cmp(b),
        (Value::Double(a), other) => a.partial_cmp(&(whole(other)? as f64)),
        (other, Value::Double(b)) => (whole(other)? as f64).partial_cmp(b),
        (a, b) => Some(whole(a)?.cmp(&whole(b)?)),
    }
}

fn whole(value: &Value) -> Option<i128> {
    match value {
        Value::Int(i) => Some(i128::from(*i)),
        Value::Uint(u) => Some(i128::from(*u)),
        _ => None,
    }
}

/// `operand[index]`.
pub(crate) fn index(operand: &Value, index: &Value) -> Outcome {
    match operand {
        Value::List(items) => {
            let Some(Key::Int(at)) = Key::of(index) else { return Err(EvaluationError::no_such_overload()) };
            let found = usize::try_from(at).ok().and_then(|i| items.get(i));
            found.cloned().ok_or_else(|| EvaluationError::new(format!("index out of bounds: {at}")))
        }
        Value::Map(map) => {
            let found = Key::of(index).and_then(|k| map.get(&k));
            let shown = || text_of(index).unwrap_or_default();
            found.cloned().ok_or_else(|| EvaluationError::new(format!("no such key: {}", shown())))
        }
        Value::Optional(_) => Ok(optionals::get(operand, index)),
        _ => Err(EvaluationError::no_such_overload()),
    }
}
