//! What is wrong with an object's JSON, in the words of the API server's decoder: fields that no type has and fields given
//! twice (strict decoding), and values of the wrong type, all in the order of the text.

use std::fmt;

use super::{Field, Scalar, Shape, TypeRef, time_text};
use crate::json::Node;
use crate::quantity::Quantity;

/// The real decoder stops to count strict errors here.
const STRICT_ERRORS_MAX: usize = 100;
const QUANTITY_RULE: &str = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

/// What strict decoding refuses in a value: `unknown field "spec.containers[0].foo"`, `duplicate field "spec.replicas"`.
pub fn strict_errors(of: TypeRef<'_>, value: &Node) -> Vec<String> {
    let mut found = Vec::new();
    collect_strict(of, value, &mut String::new(), &mut found);
    found.truncate(STRICT_ERRORS_MAX);
    found
}

fn collect_strict(of: TypeRef<'_>, value: &Node, path: &mut String, found: &mut Vec<String>) {
    match (of.shape(), value) {
        (Shape::Struct(..) | Shape::Map(..) | Shape::Any, Node::Map(map)) => {
            for (at, (name, inner)) in map.iter().enumerate() {
                let length = path.len();
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(name);
                let child = of.child(name);
                if child.is_none() {
                    note(found, format!("unknown field {path:?}"));
                } else if map[..at].iter().any(|(earlier, _)| earlier == name) {
                    note(found, format!("duplicate field {path:?}"));
                }
                if let Some(child) = child {
                    collect_strict(child, inner, path, found);
                }
                path.truncate(length);
            }
        }
        (Shape::List(item, _), Node::List(list)) => strict_items(item, list, path, found),
        (Shape::Any, Node::List(list)) => strict_items(of, list, path, found),
        _ => {}
    }
}

fn strict_items(item: TypeRef<'_>, list: &[Node], path: &mut String, found: &mut Vec<String>) {
    for (index, inner) in list.iter().enumerate() {
        let length = path.len();
        path.push_str(&format!("[{index}]"));
        collect_strict(item, inner, path, found);
        path.truncate(length);
    }
}

fn note(found: &mut Vec<String>, error: String) {
    if found.len() < STRICT_ERRORS_MAX && !found.contains(&error) {
        found.push(error);
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
pub fn type_errors(of: TypeRef<'_>, value: &Node) -> Vec<TypeError> {
    let mut walk = Walk { path: Vec::new(), found: Vec::new() };
    walk.value(of, value, &Place { of: "", go_type: None });
    walk.found
}

/// The one error the decoder reports, if the value does not fit.
pub fn decode_error(of: TypeRef<'_>, value: &Node) -> Option<TypeError> {
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
    fn value(&mut self, of: TypeRef<'_>, value: &Node, place: &Place<'_>) {
        if matches!(value, Node::Null) {
            return;
        }
        match (of.shape(), value) {
            (Shape::Any, _) => {}
            (Shape::Scalar(scalar), _) => self.scalar(scalar, value, place),
            (Shape::Struct(definition, _), Node::Map(map)) => {
                for (name, inner) in map {
                    if let Some(field) = definition.fields.get(name) {
                        self.field(name, field, inner, definition.go_name());
                    }
                }
            }
            (Shape::Map(item, _), Node::Map(map)) => {
                let go_type = place.go_type.and_then(|t| t.split_once(']')).map(|(_, rest)| rest);
                map.iter().for_each(|(_, inner)| self.value(item, inner, &Place { of: place.of, go_type }));
            }
            (Shape::List(item, _), Node::List(list)) => {
                let go_type = place.go_type.and_then(|t| t.strip_prefix("[]"));
                list.iter().for_each(|inner| self.value(item, inner, &Place { of: place.of, go_type }));
            }
            _ => {
                let expected = place.go_type.map_or_else(|| of.go_type(), str::to_owned);
                self.mismatch(value.go_type(), &expected, place, false);
            }
        }
    }

    fn field(&mut self, name: &str, field: &Field, value: &Node, of: &str) {
        let length = self.path.len();
        self.path.extend(field.embedded.clone());
        self.path.push(name.to_owned());
        self.value(TypeRef::new(&field.field_type), value, &Place { of, go_type: field.go_type.as_deref() });
        self.path.truncate(length);
    }

    fn scalar(&mut self, scalar: Scalar, value: &Node, place: &Place<'_>) {
        let expected = place.go_type.unwrap_or_else(|| super::go_scalar(scalar)).to_owned();
        match (scalar, value) {
            (Scalar::String, Node::Text(_)) | (Scalar::Boolean, Node::Bool(_)) | (Scalar::Double, Node::Number(_)) => {}
            (Scalar::Int32 | Scalar::Int64, Node::Number(number)) => self.integer(scalar, number, &expected, place, false),
            (Scalar::Bytes, Node::Text(text)) => self.fatal(base64_error(text)),
            (Scalar::Bytes, Node::List(_)) => {}
            (Scalar::Time | Scalar::MicroTime, Node::Text(text)) => {
                self.fatal(time_text::error(text, scalar == Scalar::MicroTime));
            }
            (Scalar::Time | Scalar::MicroTime, _) => self.mismatch(value.go_type(), "string", place, true),
            (Scalar::Quantity, _) => self.fatal(quantity_error(value)),
            (Scalar::IntOrString, Node::Text(_)) => {}
            (Scalar::IntOrString, Node::Number(number)) => self.integer(Scalar::Int32, number, "int32", place, true),
            (Scalar::IntOrString, _) => self.mismatch(value.go_type(), "int32", place, true),
            _ => self.mismatch(value.go_type(), &expected, place, false),
        }
    }

    fn integer(&mut self, scalar: Scalar, number: &str, expected: &str, place: &Place<'_>, fatal: bool) {
        let fits = match scalar {
            Scalar::Int32 => number.parse::<i32>().is_ok(),
            _ => number.parse::<i64>().is_ok(),
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

fn quantity_error(value: &Node) -> Option<String> {
    let fits = match value {
        Node::Text(text) => text.is_empty() || Quantity::parse(text).is_ok(),
        Node::Number(number) => Quantity::parse(number).is_ok(),
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
