//! Lists, maps and sets: the standard functions, Kubernetes' lists, the extension `lists` version 3, and `sets`.

use std::cmp::Ordering;

use crate::evaluate::{EvaluationError, Outcome};
use crate::value::Value;

use super::compare;

/// The longest list `lists.range` makes.
const RANGE_MAX: i64 = 1_000_000;

pub(super) fn call(name: &str, args: &[Value]) -> Option<Outcome> {
    Some(match (name, args) {
        ("_+_", [Value::List(a), Value::List(b)]) => Ok(Value::list(a.iter().chain(b.iter()).cloned().collect())),
        ("size", [Value::List(items)]) => Ok(int(items.len())),
        ("size", [Value::Map(map)]) => Ok(int(map.len())),
        ("isSorted", [Value::List(items)]) => Ok(Value::Bool(items.is_sorted_by(|a, b| compare(a, b) != Some(Ordering::Greater)))),
        ("sum", [Value::List(items)]) => sum(items),
        ("min", [Value::List(items)]) => extreme(items, Ordering::Less, "min called on empty list"),
        ("max", [Value::List(items)]) => extreme(items, Ordering::Greater, "max called on empty list"),
        ("indexOf", [Value::List(items), item]) => Ok(place(items.iter().position(|i| i == item))),
        ("lastIndexOf", [Value::List(items), item]) => Ok(place(items.iter().rposition(|i| i == item))),
        ("slice", [Value::List(items), Value::Int(from), Value::Int(to)]) => slice(items, *from, *to),
        ("flatten", [Value::List(items)]) => Ok(Value::list(flatten(items, 1))),
        ("flatten", [Value::List(items), Value::Int(depth)]) if *depth >= 0 => Ok(Value::list(flatten(items, *depth))),
        ("flatten", [Value::List(_), Value::Int(_)]) => Err(EvaluationError::new("level must be non-negative")),
        ("lists.range", [Value::Int(n)]) if *n <= RANGE_MAX => Ok(Value::list((0..*n).map(Value::Int).collect())),
        ("distinct", [Value::List(items)]) => Ok(Value::list(distinct(items))),
        ("reverse", [Value::List(items)]) => Ok(Value::list(items.iter().rev().cloned().collect())),
        ("sort", [Value::List(items)]) => {
            let mut sorted = Vec::clone(items);
            sorted.sort_by(|a, b| compare(a, b).unwrap_or(Ordering::Equal));
            Ok(Value::list(sorted))
        }
        ("first", [Value::List(items)]) => Ok(Value::Optional(items.first().cloned().map(Into::into))),
        ("last", [Value::List(items)]) => Ok(Value::Optional(items.last().cloned().map(Into::into))),
        ("sets.contains", [Value::List(a), Value::List(b)]) => Ok(Value::Bool(b.iter().all(|i| a.contains(i)))),
        ("sets.intersects", [Value::List(a), Value::List(b)]) => Ok(Value::Bool(b.iter().any(|i| a.contains(i)))),
        ("sets.equivalent", [Value::List(a), Value::List(b)]) => {
            Ok(Value::Bool(b.iter().all(|i| a.contains(i)) && a.iter().all(|i| b.contains(i))))
        }
        _ => return None,
    })
}

fn int(n: usize) -> Value {
    Value::Int(i64::try_from(n).unwrap_or(i64::MAX))
}

fn place(index: Option<usize>) -> Value {
    index.map_or(Value::Int(-1), int)
}

fn sum(items: &[Value]) -> Outcome {
    let mut total = match items.first() {
        None | Some(Value::Int(_)) => Value::Int(0),
        Some(Value::Uint(_)) => Value::Uint(0),
        Some(Value::Double(_)) => Value::Double(0.0),
        Some(Value::Duration(_)) => Value::Duration(0),
        Some(_) => return Err(EvaluationError::no_such_overload()),
    };
    for item in items {
        total = super::call("_+_", None, &[total, item.clone()])?;
    }
    Ok(total)
}

fn extreme(items: &[Value], wanted: Ordering, empty: &str) -> Outcome {
    let better = |a: &Value, b: &Value| compare(a, b) == Some(wanted);
    let found = items.iter().fold(None, |best: Option<&Value>, item| match best {
        Some(best) if !better(item, best) => Some(best),
        _ => Some(item),
    });
    found.cloned().ok_or_else(|| EvaluationError::new(empty))
}

fn slice(items: &[Value], from: i64, to: i64) -> Outcome {
    if from < 0 || to < 0 {
        return Err(EvaluationError::new(format!("cannot slice({from}, {to}), negative indexes not supported")));
    }
    if from > to {
        return Err(EvaluationError::new(format!("cannot slice({from}, {to}), start index must be less than or equal to end index")));
    }
    let (start, end) = (usize::try_from(from).unwrap_or(usize::MAX), usize::try_from(to).unwrap_or(usize::MAX));
    let found = items.get(start..end).map(|part| Value::list(part.to_vec()));
    found.ok_or_else(|| EvaluationError::new(format!("cannot slice({from}, {to}), list is length {}", items.len())))
}

fn flatten(items: &[Value], depth: i64) -> Vec<Value> {
    let flat = |item: &Value| match item {
        Value::List(inner) if depth > 0 => flatten(inner, depth - 1),
        other => vec![other.clone()],
    };
    items.iter().flat_map(flat).collect()
}

fn distinct(items: &[Value]) -> Vec<Value> {
    let mut found: Vec<Value> = vec![];
    for item in items {
        if !found.contains(item) {
            found.push(item.clone());
        }
    }
    found
}
