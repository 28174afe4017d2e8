//! Forms of calls that bind names: `cel.bind`, `optMap`, `sortBy`, and the macros with two variables.
//! Source: cel-go ext/{bindings,comprehensions,lists}.go, cel/library.go.

use std::collections::BTreeMap;
use std::sync::Arc;

use cel::IdedExpr;
use cel::common::ast::{CallExpr, Expr};

use super::{EvaluationError, Outcome, Run, pairs};
use crate::functions;
use crate::value::{Key, Value};

impl Run<'_> {
    /// Forms whose arguments are not all values: they bind names.
    pub(super) fn special(&mut self, call: &CallExpr) -> Option<Outcome> {
        let receiver = call.target.as_deref();
        let name = |e: &IdedExpr| if let Expr::Ident(n) = &e.expr { Some(n.clone()) } else { None };
        match (call.func_name.as_str(), receiver, call.args.as_slice()) {
            ("bind", Some(on), [variable, value, body]) if name(on).as_deref() == Some("cel") => {
                let variable = name(variable)?;
                Some(self.node(value).and_then(|value| self.with(&[(variable, value)], body)))
            }
            ("optMap" | "optFlatMap", Some(on), [variable, body]) => {
                let variable = name(variable)?;
                Some(self.node(on).and_then(|on| match on {
                    Value::Optional(Some(inner)) => {
                        let mapped = self.with(&[(variable, Value::clone(&inner))], body)?;
                        let is_flat = call.func_name == "optFlatMap";
                        Ok(if is_flat { mapped } else { Value::Optional(Some(Arc::new(mapped))) })
                    }
                    Value::Optional(None) => Ok(Value::Optional(None)),
                    _ => Err(EvaluationError::no_such_overload()),
                }))
            }
            ("sortBy", Some(on), [variable, key]) => {
                let variable = name(variable)?;
                Some(self.node(on).and_then(|on| self.sort_by(&on, &variable, key)))
            }
            (function, Some(on), [first, second, rest @ ..]) if is_two_variable(function, rest.len()) => {
                let (first, second) = (name(first)?, name(second)?);
                Some(self.node(on).and_then(|on| self.two_variable(function, &on, [first, second], rest)))
            }
            _ => None,
        }
    }

    fn with(&mut self, names: &[(String, Value)], body: &IdedExpr) -> Outcome {
        let base = self.locals.len();
        self.locals.extend_from_slice(names);
        let outcome = self.node(body);
        self.locals.truncate(base);
        outcome
    }

    fn sort_by(&mut self, on: &Value, variable: &str, key: &IdedExpr) -> Outcome {
        let Value::List(items) = on else { return Err(EvaluationError::no_such_overload()) };
        let mut keyed = vec![];
        for item in items.iter() {
            keyed.push((self.with(&[(variable.to_owned(), item.clone())], key)?, item.clone()));
        }
        keyed.sort_by(|(a, _), (b, _)| functions::compare(a, b).unwrap_or(std::cmp::Ordering::Equal));
        Ok(Value::list(keyed.into_iter().map(|(_, item)| item).collect()))
    }

    fn two_variable(&mut self, function: &str, on: &Value, names: [String; 2], rest: &[IdedExpr]) -> Outcome {
        let items = pairs(on).ok_or_else(EvaluationError::no_such_overload)?;
        let [first, second] = names;
        let (filter, body) = if rest.len() == 2 { (Some(&rest[0]), &rest[1]) } else { (None, &rest[0]) };
        let (mut found, mut error) = (vec![], None);
        for (key, value) in items {
            let bound = [(first.clone(), key.clone()), (second.clone(), value)];
            if let Some(filter) = filter
                && !matches!(self.with(&bound, filter)?, Value::Bool(true))
            {
                continue;
            }
            match (function, self.with(&bound, body)) {
                ("all", Ok(Value::Bool(false))) => return Ok(Value::Bool(false)),
                ("exists", Ok(Value::Bool(true))) => return Ok(Value::Bool(true)),
                ("existsOne" | "exists_one", Ok(Value::Bool(false))) => {}
                ("all" | "exists", Err(e)) => error = Some(e),
                (_, outcome) => found.push((key, outcome?)),
            }
        }
        match (function, error) {
            (_, Some(error)) => Err(error),
            ("all", None) => Ok(Value::Bool(true)),
            ("exists", None) => Ok(Value::Bool(false)),
            ("existsOne" | "exists_one", None) => Ok(Value::Bool(found.len() == 1)),
            ("transformList", None) => Ok(Value::list(found.into_iter().map(|(_, v)| v).collect())),
            ("transformMap", None) => {
                let entries = found.iter().filter_map(|(k, v)| Key::of(k).map(|k| (k, v.clone())));
                Ok(Value::Map(Arc::new(entries.collect())))
            }
            _ => merged_entries(found),
        }
    }
}

/// `transformMapEntry`: each result is a map of its own; no key may come twice.
fn merged_entries(found: Vec<(Value, Value)>) -> Outcome {
    let mut map = BTreeMap::new();
    for (_, entry) in found {
        let Value::Map(entry) = entry else { return Err(EvaluationError::no_such_overload()) };
        for (key, value) in entry.iter() {
            if map.insert(key.clone(), value.clone()).is_some() {
                let key = functions::text_of(&key.value()).unwrap_or_default();
                return Err(EvaluationError::new(format!("insert failed: key {key} already exists")));
            }
        }
    }
    Ok(Value::Map(Arc::new(map)))
}

/// Whether a call with two variables is one of the macros with two variables; `rest` counts its other arguments.
pub(crate) fn is_two_variable(function: &str, rest: usize) -> bool {
    match function {
        "all" | "exists" | "existsOne" | "exists_one" => rest == 1,
        "transformList" | "transformMap" | "transformMapEntry" => rest == 1 || rest == 2,
        _ => false,
    }
}
