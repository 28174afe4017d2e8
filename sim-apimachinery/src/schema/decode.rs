//! What is wrong with an object's JSON, in the words of the API server's decoder: fields that no type has (strict
//! decoding), and values of the wrong type.
//! Not modelled: the order of errors is that of sorted keys, while the real decoder goes in the order of the text;
//! duplicate fields, which a parsed value no longer shows.

use std::fmt;

use serde_json::Value;

use super::{Field, Scalar, Shape, TypeRef, time_text};
use crate::quantity::Quantity;

/// The real decoder stops to count unknown fields here.
const UNKNOWN_FIELDS_MAX: usize = 100;
const QUANTITY_RULE: &str = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

/// The fields of a value that its type does not have, each as `unknown field "spec.containers[0].foo"`.
pub fn unknown_fields(of: TypeRef<'_>, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect_unknown(of, value, &mut String::new(), &mut found);
    found.truncate(UNKNOWN_FIELDS_MAX);
    found
}

fn collect_unknown(of: TypeRef<'_>, value: &Value, path: &mut String, found: &mut Vec<String>) {
    match (of.shape(), value) {
        (Shape::Struct(..) | Shape::Map(..), Value::Object(map)) => {
            for (name, inner) in map {
                let length = path.len();
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(name);
                match of.child(name) {
                    Some(child) => collect_unknown(child, inner, path, found),
                    None => found.push(format!("unknown field {path:?}")),
                }
                path.truncate(length);
            }
        }
        (Shape::List(item, _), Value::Array(list)) => {
            for (index, inner) in list.iter().enumerate() {
                let length = path.len();
                path.push_str(&format!("[{index}]"));
                collect_unknown(item, inner, path, found);
                path.truncate(length);
            }
        }
        _ => {}
    }
}

/// A value its type cannot hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeError {
    /// What the decoder says, such as
    /// `json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32`.
    pub message: String,
    /// Whether the decoder stops here. It reports the first such error, or else the first of all.
    pub fatal: bool,
}

impl fmt::Display for TypeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// All values of the wrong type.
pub fn type_errors(of: TypeRef<'_>, value: &Value) -> Vec<TypeError> {
    let mut walk = Walk { path: Vec::new(), found: Vec::new() };
    walk.value(of, value, &Place { of: "", go_type: None });
    walk.found
}

/// The one error the decoder reports, if the value does not fit.
pub fn decode_error(of: TypeRef<'_>, value: &Value) -> Option<TypeError> {
    let mut errors = type_errors(of, value);
    let at = errors.iter().position(|e| e.fatal).unwrap_or(0);
    (!errors.is_empty()).then(|| errors.swap_remove(at))
}

/// Where a value stands: in which Go struct, and as what Go type if the field says so.
struct Place<'a> {
    of: &'a str,
    go_type: Option<&'a str>,
}

struct Walk {
    path: Vec<String>,
    found: Vec<TypeError>,
}

impl Walk {
    fn value(&mut self, of: TypeRef<'_>, value: &Value, place: &Place<'_>) {
        if value.is_null() {
            return;
        }
        match (of.shape(), value) {
            (Shape::Any, _) => {}
            (Shape::Scalar(scalar), _) => self.scalar(scalar, value, place),
            (Shape::Struct(definition, _), Value::Object(map)) => {
                for (name, inner) in map {
                    if let Some(field) = definition.fields.get(name) {
                        self.field(name, field, inner, definition.go_name());
                    }
                }
            }
            (Shape::Map(item, _), Value::Object(map)) => {
                let go_type = place.go_type.and_then(|t| t.split_once(']')).map(|(_, rest)| rest);
                map.values().for_each(|inner| self.value(item, inner, &Place { of: place.of, go_type }));
            }
            (Shape::List(item, _), Value::Array(list)) => {
                let go_type = place.go_type.and_then(|t| t.strip_prefix("[]"));
                list.iter().for_each(|inner| self.value(item, inner, &Place { of: place.of, go_type }));
            }
            _ => {
                let expected = place.go_type.map_or_else(|| of.go_type(), str::to_owned);
                self.mismatch(json_type(value), &expected, place, false);
            }
        }
    }

    fn field(&mut self, name: &str, field: &Field, value: &Value, of: &str) {
        let length = self.path.len();
        self.path.extend(field.embedded.clone());
        self.path.push(name.to_owned());
        self.value(TypeRef::new(&field.field_type), value, &Place { of, go_type: field.go_type.as_deref() });
        self.path.truncate(length);
    }

    fn scalar(&mut self, scalar: Scalar, value: &Value, place: &Place<'_>) {
        let expected = place.go_type.unwrap_or_else(|| super::go_scalar(scalar)).to_owned();
        match (scalar, value) {
            (Scalar::String, Value::String(_)) | (Scalar::Boolean, Value::Bool(_)) | (Scalar::Double, Value::Number(_)) => {}
            (Scalar::Int32 | Scalar::Int64, Value::Number(number)) => self.integer(scalar, number, &expected, place, false),
            (Scalar::Bytes, Value::String(text)) => self.fatal(base64_error(text)),
            (Scalar::Bytes, Value::Array(_)) => {}
            (Scalar::Time | Scalar::MicroTime, Value::String(text)) => {
                self.fatal(time_text::error(text, scalar == Scalar::MicroTime));
            }
            (Scalar::Time | Scalar::MicroTime, _) => self.mismatch(json_type(value), "string", place, true),
            (Scalar::Quantity, _) => self.fatal(quantity_error(value)),
            (Scalar::IntOrString, Value::String(_)) => {}
            (Scalar::IntOrString, Value::Number(number)) => self.integer(Scalar::Int32, number, "int32", place, true),
            (Scalar::IntOrString, _) => self.mismatch(json_type(value), "int32", place, true),
            _ => self.mismatch(json_type(value), &expected, place, false),
        }
    }

    fn integer(&mut self, scalar: Scalar, number: &serde_json::Number, expected: &str, place: &Place<'_>, fatal: bool) {
        let fits = match scalar {
            Scalar::Int32 => number.as_i64().is_some_and(|n| i32::try_from(n).is_ok()),
            _ => number.is_i64(),
        };
        if !fits {
            self.mismatch(&format!("number {number}"), expected, place, fatal);
        }
    }

    fn mismatch(&mut self, got: &str, expected: &str, place: &Place<'_>, fatal: bool) {
        let into = match self.path.is_empty() {
            true => "Go value".to_owned(),
            false => format!("Go struct field {}.{}", place.of, self.path.join(".")),
        };
        self.found.push(TypeError { message: format!("json: cannot unmarshal {got} into {into} of type {expected}"), fatal });
    }

    fn fatal(&mut self, message: Option<String>) {
        self.found.extend(message.map(|message| TypeError { message, fatal: true }));
    }
}

fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn quantity_error(value: &Value) -> Option<String> {
    let fits = match value {
        Value::String(text) => text.is_empty() || Quantity::parse(text).is_ok(),
        Value::Number(number) => Quantity::parse(&number.to_string()).is_ok(),
        _ => false,
    };
    (!fits).then(|| QUANTITY_RULE.to_owned())
}

/// What Go's decoder says of a text that is not padded standard base64.
fn base64_error(text: &str) -> Option<String> {
    let is_letter = |b: u8| b.is_ascii_alphanumeric() || b == b'+' || b == b'/';
    let bytes: Vec<(usize, u8)> = text.bytes().enumerate().filter(|(_, b)| !matches!(b, b'\r' | b'\n')).collect();
    let letters = bytes.iter().take_while(|(_, b)| is_letter(*b)).count();
    let padding = (4 - letters % 4) % 4;
    let rest = &bytes[letters..];
    let is_good = padding != 3 && rest.len() == padding && rest.iter().all(|(_, b)| *b == b'=');
    let after_padding = rest.iter().take(padding.min(2)).take_while(|(_, b)| *b == b'=').count();
    let at = match rest.get(after_padding) {
        _ if padding == 3 => rest.first(),
        found => found,
    };
    let end = match rest.is_empty() {
        true => letters / 4 * 4,
        false => text.len(),
    };
    (!is_good).then(|| format!("illegal base64 data at input byte {}", at.map_or(end, |(at, _)| *at)))
}
