//! Kubernetes' quantities.

use std::cmp::Ordering;

use sim_apimachinery::quantity::Quantity;

use crate::evaluate::{EvaluationError, Outcome};
use crate::value::Value;

pub(super) fn call(name: &str, args: &[Value]) -> Option<Outcome> {
    Some(match (name, args) {
        ("quantity", [Value::String(s)]) => Quantity::parse(s).map(Value::Quantity).map_err(EvaluationError::new),
        ("isQuantity", [Value::String(s)]) => Ok(Value::Bool(Quantity::parse(s).is_ok())),
        ("sign", [Value::Quantity(q)]) => Ok(Value::Int(order(q.cmp(&Quantity::from_millis(0))))),
        ("isInteger", [Value::Quantity(q)]) => Ok(Value::Bool(is_whole(q))),
        ("asInteger", [Value::Quantity(q)]) if is_whole(q) => Ok(Value::Int(q.value())),
        ("asInteger", [Value::Quantity(_)]) => Err(EvaluationError::new("cannot convert value to integer")),
        ("asApproximateFloat", [Value::Quantity(q)]) => Ok(Value::Double(q.milli_value() as f64 / 1000.0)),
        ("isLessThan", [Value::Quantity(a), Value::Quantity(b)]) => Ok(Value::Bool(a < b)),
        ("isGreaterThan", [Value::Quantity(a), Value::Quantity(b)]) => Ok(Value::Bool(a > b)),
        ("compareTo", [Value::Quantity(a), Value::Quantity(b)]) => Ok(Value::Int(order(a.cmp(b)))),
        ("add", [Value::Quantity(a), Value::Quantity(b)]) => Ok(Value::Quantity(a.plus(*b))),
        ("sub", [Value::Quantity(a), Value::Quantity(b)]) => Ok(Value::Quantity(a.minus(*b))),
        ("add", [Value::Quantity(a), Value::Int(b)]) => Ok(Value::Quantity(a.plus(whole(*b)))),
        ("sub", [Value::Quantity(a), Value::Int(b)]) => Ok(Value::Quantity(a.minus(whole(*b)))),
        _ => return None,
    })
}

fn order(order: Ordering) -> i64 {
    order as i64
}

fn whole(number: i64) -> Quantity {
    Quantity::from_bytes(number)
}

fn is_whole(quantity: &Quantity) -> bool {
    *quantity == whole(quantity.value())
}
