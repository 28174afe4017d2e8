//! Writes JSON objects in Kubernetes' protobuf: the way back of `decode`, by the same table.
//! Fields of nothing are left out, which readers take for the same.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::MAGIC;
use super::messages::{Definition, Type, definition, of_kind};

/// Values inside each other, at most.
const DEPTH_MAX: usize = 100;

/// An object with `apiVersion` and `kind` in protobuf; none if its kind has no message.
pub fn encode(object: &Value) -> Option<Vec<u8>> {
    let api_version = object.get("apiVersion")?.as_str()?;
    let kind = object.get("kind")?.as_str()?;
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let message = message(of_kind(group, version, kind)?, object, 0)?;
    let mut type_meta = Vec::new();
    bytes(&mut type_meta, 1, api_version.as_bytes());
    bytes(&mut type_meta, 2, kind.as_bytes());
    let mut made = MAGIC.to_vec();
    bytes(&mut made, 1, &type_meta);
    bytes(&mut made, 2, &message);
    bytes(&mut made, 3, b"");
    bytes(&mut made, 4, b"");
    Some(made)
}

fn number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn bytes(out: &mut Vec<u8>, field: u64, content: &[u8]) {
    number(out, field << 3 | 2);
    number(out, content.len() as u64);
    out.extend_from_slice(content);
}

fn integer(out: &mut Vec<u8>, field: u64, value: i64) {
    number(out, field << 3);
    number(out, value as u64);
}

fn message(of: usize, value: &Value, depth: usize) -> Option<Vec<u8>> {
    if depth > DEPTH_MAX {
        return None;
    }
    let mut out = Vec::new();
    match definition(of)? {
        Definition::Wrapper(items) => add(&mut out, 1, items, value, depth)?,
        Definition::Object(fields) => {
            let object = value.as_object()?;
            for (field, known) in fields {
                match (known.name, &known.of) {
                    (Some(name), of) => object.get(name).map_or(Some(()), |value| add(&mut out, *field, of, value, depth))?,
                    (None, Type::Message(inner)) => {
                        bytes(&mut out, *field, &message(*inner, &Value::Object(only(object, *inner)), depth + 1)?)
                    }
                    (None, _) => {}
                }
            }
        }
    }
    Some(out)
}

/// Those fields of an object that a struct written in place has, itself or through structs in place inside it.
fn only(object: &Map<String, Value>, inner: usize) -> Map<String, Value> {
    let Some(Definition::Object(fields)) = definition(inner) else { return Map::new() };
    let mut found = Map::new();
    for field in fields.values() {
        match (field.name, &field.of) {
            (Some(name), _) => found.extend(object.get(name).map(|value| (name.to_owned(), value.clone()))),
            (None, Type::Message(deeper)) if *deeper != inner => found.extend(only(object, *deeper)),
            (None, _) => {}
        }
    }
    found
}

/// Adds a field; a value that does not fit its type makes the whole object one that cannot be written.
fn add(out: &mut Vec<u8>, field: u64, of: &Type, value: &Value, depth: usize) -> Option<()> {
    if value.is_null() {
        return Some(());
    }
    match of {
        Type::List(item) => value.as_array()?.iter().try_for_each(|value| add(out, field, item, value, depth)),
        Type::Map(inner) => value.as_object()?.iter().try_for_each(|(key, value)| {
            let mut entry = Vec::new();
            bytes(&mut entry, 1, key.as_bytes());
            add(&mut entry, 2, inner, value, depth)?;
            bytes(out, field, &entry);
            Some(())
        }),
        Type::Message(of) => {
            bytes(out, field, &message(*of, value, depth + 1)?);
            Some(())
        }
        scalar => plain(out, field, scalar, value, depth),
    }
}

fn plain(out: &mut Vec<u8>, field: u64, of: &Type, value: &Value, depth: usize) -> Option<()> {
    match of {
        Type::String => bytes(out, field, value.as_str()?.as_bytes()),
        Type::Bytes => bytes(out, field, &STANDARD.decode(value.as_str()?).ok()?),
        Type::Boolean => integer(out, field, i64::from(value.as_bool()?)),
        Type::Integer => integer(out, field, value.as_i64()?),
        Type::Double => {
            number(out, field << 3 | 1);
            out.extend_from_slice(&value.as_f64()?.to_le_bytes());
        }
        special => bytes(out, field, &inner(special, value, depth)?),
    }
    Some(())
}

/// The message behind a value that JSON writes in a form of its own.
fn inner(of: &Type, value: &Value, depth: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    match of {
        Type::Time | Type::MicroTime => {
            let time: Timestamp = value.as_str()?.parse().ok()?;
            integer(&mut out, 1, time.as_second());
            integer(&mut out, 2, i64::from(time.subsec_nanosecond()));
        }
        Type::Quantity => bytes(&mut out, 1, value.as_str().map_or_else(|| value.to_string(), str::to_owned).as_bytes()),
        Type::IntOrString => match value.as_str() {
            Some(text) => {
                integer(&mut out, 1, 1);
                bytes(&mut out, 3, text.as_bytes());
            }
            None => integer(&mut out, 2, value.as_i64()?),
        },
        Type::Json => bytes(&mut out, 1, value.to_string().as_bytes()),
        Type::Duration => integer(&mut out, 1, i64::try_from(sim_apimachinery::duration::parse(value.as_str()?).ok()?).ok()?),
        _ => schema_or(&mut out, of, value, depth)?,
    }
    Some(out)
}

fn schema_or(out: &mut Vec<u8>, of: &Type, value: &Value, depth: usize) -> Option<()> {
    let schema = Type::Message(of_kind("apiextensions.k8s.io", "v1", "JSONSchemaProps")?);
    match (of, value) {
        (Type::SchemaOrBoolean, Value::Bool(allowed)) => {
            integer(out, 1, i64::from(*allowed));
            Some(())
        }
        (Type::SchemaOrBoolean, _) => {
            integer(out, 1, 1);
            add(out, 2, &schema, value, depth)
        }
        (Type::SchemaOrList, Value::Array(items)) => items.iter().try_for_each(|item| add(out, 2, &schema, item, depth)),
        (Type::SchemaOrStrings, Value::Array(items)) => items.iter().try_for_each(|item| add(out, 2, &Type::String, item, depth)),
        _ => add(out, 1, &schema, value, depth),
    }
}
