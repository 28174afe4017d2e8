//! Arithmetic and conversions between numbers. Overflow is an error, as in CEL.

use crate::evaluate::{EvaluationError, Outcome};
use crate::value::Value;

pub(super) fn call(name: &str, args: &[Value]) -> Option<Outcome> {
    Some(match (name, args) {
        ("-_", [Value::Int(a)]) => integer(a.checked_neg()),
        ("-_", [Value::Double(a)]) => Ok(Value::Double(-a)),
        (_, [Value::Int(a), Value::Int(b)]) => return ints(name, *a, *b),
        (_, [Value::Uint(a), Value::Uint(b)]) => return uints(name, *a, *b),
        (_, [Value::Double(a), Value::Double(b)]) => return doubles(name, *a, *b),
        ("int", [value]) => to_int(value),
        ("uint", [value]) => to_uint(value),
        ("double", [value]) => to_double(value),
        ("bool", [Value::Bool(b)]) => Ok(Value::Bool(*b)),
        ("bool", [Value::String(s)]) => match &**s {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Value::Bool(true)),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Value::Bool(false)),
            _ => unconverted("string", "bool"),
        },
        _ => return None,
    })
}

fn integer(value: Option<i64>) -> Outcome {
    value.map(Value::Int).ok_or_else(|| EvaluationError::new("integer overflow"))
}

fn ints(name: &str, a: i64, b: i64) -> Option<Outcome> {
    Some(match name {
        "_+_" => integer(a.checked_add(b)),
        "_-_" => integer(a.checked_sub(b)),
        "_*_" => integer(a.checked_mul(b)),
        "_/_" if b == 0 => Err(EvaluationError::new("division by zero")),
        "_/_" => integer(a.checked_div(b)),
        "_%_" if b == 0 => Err(EvaluationError::new("modulus by zero")),
        "_%_" => integer(a.checked_rem(b)),
        _ => return None,
    })
}

fn uints(name: &str, a: u64, b: u64) -> Option<Outcome> {
    let checked = |value: Option<u64>| value.map(Value::Uint).ok_or_else(|| EvaluationError::new("unsigned integer overflow"));
    Some(match name {
        "_+_" => checked(a.checked_add(b)),
        "_-_" => checked(a.checked_sub(b)),
        "_*_" => checked(a.checked_mul(b)),
        "_/_" if b == 0 => Err(EvaluationError::new("division by zero")),
        "_/_" => checked(a.checked_div(b)),
        "_%_" if b == 0 => Err(EvaluationError::new("modulus by zero")),
        "_%_" => checked(a.checked_rem(b)),
        _ => return None,
    })
}

fn doubles(name: &str, a: f64, b: f64) -> Option<Outcome> {
    Some(Ok(Value::Double(match name {
        "_+_" => a + b,
        "_-_" => a - b,
        "_*_" => a * b,
        "_/_" => a / b,
        _ => return None,
    })))
}

fn unconverted(from: &str, to: &str) -> Outcome {
    Err(EvaluationError::new(format!("type conversion error from '{from}' to '{to}'")))
}

fn to_int(value: &Value) -> Outcome {
    match value {
        Value::Int(i) => Ok(Value::Int(*i)),
        Value::Uint(u) => integer(i64::try_from(*u).ok()),
        Value::Double(d) if d.abs() < 9.223_372_036_854_775e18 => Ok(Value::Int(*d as i64)),
        Value::Double(_) => Err(EvaluationError::new("integer overflow")),
        Value::String(s) => s.parse().map_or_else(|_| unconverted("string", "int"), |i| Ok(Value::Int(i))),
        Value::Timestamp(t) => Ok(Value::Int(t.as_second())),
        Value::Duration(d) => Ok(Value::Int(*d)),
        _ => Err(EvaluationError::no_such_overload()),
    }
}

fn to_uint(value: &Value) -> Outcome {
    let overflow = || EvaluationError::new("unsigned integer overflow");
    match value {
        Value::Uint(u) => Ok(Value::Uint(*u)),
        Value::Int(i) => u64::try_from(*i).map(Value::Uint).map_err(|_| overflow()),
        Value::Double(d) if (0.0..1.844_674_407_370_955e19).contains(d) => Ok(Value::Uint(*d as u64)),
        Value::Double(_) => Err(overflow()),
        Value::String(s) => s.parse().map_or_else(|_| unconverted("string", "uint"), |u| Ok(Value::Uint(u))),
        _ => Err(EvaluationError::no_such_overload()),
    }
}

fn to_double(value: &Value) -> Outcome {
    match value {
        Value::Double(d) => Ok(Value::Double(*d)),
        Value::Int(i) => Ok(Value::Double(*i as f64)),
        Value::Uint(u) => Ok(Value::Double(*u as f64)),
        Value::String(s) => s.parse().map_or_else(|_| unconverted("string", "double"), |d| Ok(Value::Double(d))),
        _ => Err(EvaluationError::no_such_overload()),
    }
}
