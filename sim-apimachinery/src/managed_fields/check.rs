//! Whether an intent fits its type, in the words of the server that would apply it.
//! Source: structured-merge-diff/typed/validate.go, schema of kube-openapi (quantities, times and int-or-strings are any
//! scalar there).

use serde_json::Value;

use super::typed::item_path;
use crate::schema::{ListType, Scalar, Shape, TypeRef};

/// What is wrong with an intent, if anything: one error, or a list of them.
pub fn intent_error(of: TypeRef<'_>, intent: &Value) -> Option<String> {
    let mut errors = Vec::new();
    check(of, intent, &mut String::new(), &mut errors);
    match errors.as_slice() {
        [] => None,
        [only] => Some(only.clone()),
        many => Some(format!("errors:\n{}", many.iter().map(|e| format!("  {e}")).collect::<Vec<_>>().join("\n"))),
    }
}

fn check(of: TypeRef<'_>, value: &Value, path: &mut String, errors: &mut Vec<String>) {
    if value.is_null() {
        return;
    }
    match (of.shape(), value) {
        (Shape::Any, _) => {}
        (Shape::Scalar(scalar), _) => errors.extend(scalar_error(scalar, value).map(|e| format!("{path}: {e}"))),
        (Shape::Struct(..) | Shape::Map(..), Value::Object(map)) => {
            for (name, inner) in map {
                within(path, &format!(".{name}"), |path| match of.child(name) {
                    Some(child) => check(child, inner, path, errors),
                    None => errors.push(format!("{path}: field not declared in schema")),
                });
            }
        }
        (Shape::Struct(..) | Shape::Map(..), _) => errors.push(format!("{path}: expected map, got {}", plain(value))),
        (Shape::List(item, list_type), Value::Array(list)) => check_items(item, list_type, list, path, errors),
        (Shape::List(..), _) => errors.push(format!("{path}: expected list, got {}", plain(value))),
    }
}

fn within(path: &mut String, step: &str, visit: impl FnOnce(&mut String)) {
    let length = path.len();
    path.push_str(step);
    visit(path);
    path.truncate(length);
}

fn check_items(item: TypeRef<'_>, list_type: &ListType, list: &[Value], path: &mut String, errors: &mut Vec<String>) {
    let mut seen = Vec::new();
    for (index, inner) in list.iter().enumerate() {
        let step = if *list_type == ListType::Atomic {
            format!("[{index}]")
        } else {
            match item_path(item, list_type, inner) {
                Err(why) => {
                    errors.push(format!("{path}: element {index}: {why}"));
                    return;
                }
                Ok(element) if seen.contains(&element) => {
                    errors.push(format!("{path}: duplicate entries for key {element}"));
                    return;
                }
                Ok(element) => {
                    let shown = element.to_string();
                    seen.push(element);
                    shown
                }
            }
        };
        within(path, &step, |path| check(item, inner, path, errors));
    }
}

fn scalar_error(scalar: Scalar, value: &Value) -> Option<String> {
    match scalar {
        Scalar::String | Scalar::Bytes if !value.is_string() => Some(format!("expected string, got {}", with_fields(value))),
        Scalar::Boolean if !value.is_boolean() => Some(format!("expected boolean, got {}", plain(value))),
        Scalar::Int32 | Scalar::Int64 | Scalar::Double if !value.is_number() => {
            Some(format!("expected numeric (int or float), got {}", go_type(value)))
        }
        _ if value.is_object() || value.is_array() => Some(format!("expected any scalar, got {}", plain(value))),
        _ => None,
    }
}

/// A value as Go prints the structure that holds it, with `%#v`.
fn with_fields(value: &Value) -> String {
    let shown = match value {
        Value::Object(_) => format!("{}{{…}}", go_type(value)),
        Value::Array(_) => format!("{}{{…}}", go_type(value)),
        other => other.to_string(),
    };
    format!("&value.valueUnstructured{{Value:{shown}}}")
}

/// The same with `%v`.
fn plain(value: &Value) -> String {
    format!("&{{{}}}", crate::patch::strategic::go_format(value))
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(n) if n.is_i64() => "int64",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}
