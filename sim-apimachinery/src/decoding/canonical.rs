//! A decoded body as the server holds it: fields of the type only, canonical quantities and times, no nulls, and nothing that
//! a Go struct cannot tell from an absent field (an empty text in a field that is no pointer).
//! A map or struct that was given twice is merged, as Go's decoder does; of other values the last counts.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::json::Node;
use crate::quantity;
use crate::schema::{Scalar, Shape, TypeRef};

/// The value of that type. The node must fit the type; what does not is taken as it is.
pub fn canonical(of: TypeRef<'_>, node: &Node) -> Value {
    match (of.shape(), node) {
        (Shape::Struct(..), Node::Map(entries)) => Value::Object(fields(of, entries)),
        (Shape::Map(value_type, _), Node::Map(entries)) => Value::Object(values(value_type, entries)),
        (Shape::List(item, _), Node::List(items)) => Value::Array(items.iter().map(|i| canonical_or_zero(item, i)).collect()),
        (Shape::Scalar(scalar), _) => scalar_value(scalar, node),
        _ => node.to_value(),
    }
}

fn fields(of: TypeRef<'_>, entries: &[(String, Node)]) -> Map<String, Value> {
    let mut out = Map::new();
    for (name, node) in entries {
        match (of.child(name), node) {
            (None, _) => {}
            (Some(_), Node::Null) => _ = out.remove(name),
            (Some(child), node) => {
                let value = canonical(child, node);
                put(&mut out, name, value);
            }
        }
    }
    if let Some(definition) = of.definition() {
        out.retain(|name, value| definition.fields.get(name).is_none_or(|field| !field.holds_nothing(value)));
    }
    out
}

fn put(out: &mut Map<String, Value>, name: &str, value: Value) {
    match (out.get_mut(name), value) {
        (Some(Value::Object(before)), Value::Object(more)) => more.into_iter().for_each(|(key, value)| put(before, &key, value)),
        (_, value) => _ = out.insert(name.to_owned(), value),
    }
}

fn values(value_type: TypeRef<'_>, entries: &[(String, Node)]) -> Map<String, Value> {
    entries.iter().map(|(name, node)| (name.clone(), canonical_or_zero(value_type, node))).collect()
}

/// In lists and maps null is the type's zero value.
fn canonical_or_zero(of: TypeRef<'_>, node: &Node) -> Value {
    if *node != Node::Null {
        return canonical(of, node);
    }
    match of.shape() {
        Shape::Struct(..) => Value::Object(Map::new()),
        Shape::Scalar(Scalar::Boolean) => Value::Bool(false),
        Shape::Scalar(Scalar::Int32 | Scalar::Int64 | Scalar::Double | Scalar::IntOrString) => 0.into(),
        Shape::Scalar(Scalar::Quantity) => "0".into(),
        Shape::Scalar(Scalar::String | Scalar::Bytes) => "".into(),
        Shape::List(..) => Value::Array(vec![]),
        Shape::Map(..) => Value::Object(Map::new()),
        Shape::Scalar(Scalar::Time | Scalar::MicroTime) | Shape::Any => Value::Null,
    }
}

fn scalar_value(scalar: Scalar, node: &Node) -> Value {
    match (scalar, node) {
        (Scalar::Quantity, Node::Text(text) | Node::Number(text)) => {
            let text = if text.is_empty() { "0" } else { text };
            quantity::canonical(text).unwrap_or_else(|_| text.to_owned()).into()
        }
        (Scalar::Time, Node::Text(text)) => time(text, "%Y-%m-%dT%H:%M:%SZ"),
        (Scalar::MicroTime, Node::Text(text)) => time(text, "%Y-%m-%dT%H:%M:%S.%6fZ"),
        (Scalar::Bytes, Node::Text(text)) => text.replace(['\r', '\n'], "").into(),
        _ => node.to_value(),
    }
}

fn time(text: &str, format: &str) -> Value {
    match text.replacen(',', ".", 1).parse::<Timestamp>() {
        Ok(time) => time.strftime(format).to_string().into(),
        Err(_) => text.into(),
    }
}
