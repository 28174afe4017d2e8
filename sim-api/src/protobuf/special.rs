//! Messages that JSON writes in a form of their own: times, quantities, raw JSON, schemas that may be something else.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::messages::{Type, of_kind};
use super::value::Reader;
use super::wire::{Field, fields, text};
use super::{MAGIC, decode};

/// A value of such a type.
pub(super) fn value(reader: Reader, of: &Type, bytes: &[u8]) -> Result<Value, String> {
    match of {
        Type::Time => time(bytes, false),
        Type::MicroTime => time(bytes, true),
        Type::Quantity => quantity(bytes),
        Type::IntOrString => int_or_string(bytes),
        Type::Json => raw_json(bytes),
        Type::Duration => Ok(duration(bytes)?),
        Type::SchemaOrList => schema_or(reader, bytes, |found| schema(reader, found)),
        Type::SchemaOrStrings => schema_or(reader, bytes, |found| text(found).map(Value::from)),
        Type::SchemaOrBoolean => schema_or_boolean(reader, bytes),
        _ => Err("proto: wrong wireType".to_owned()),
    }
}

fn number_at(bytes: &[u8], wanted: u64) -> Result<Option<i64>, String> {
    let found = fields(bytes)?.into_iter().rev().find_map(|(number, field)| match field {
        Field::Number(value) if number == wanted => Some(value as i64),
        _ => None,
    });
    Ok(found)
}

fn bytes_at(bytes: &[u8], wanted: u64) -> Result<Option<&[u8]>, String> {
    let found = fields(bytes)?.into_iter().rev().find_map(|(number, field)| match field {
        Field::Bytes(value) if number == wanted => Some(value),
        _ => None,
    });
    Ok(found)
}

/// Seconds and nanoseconds; a time of nothing is null.
fn time(bytes: &[u8], micro: bool) -> Result<Value, String> {
    let Some(seconds) = number_at(bytes, 1)? else { return Ok(Value::Null) };
    let nanos = i32::try_from(number_at(bytes, 2)?.unwrap_or(0)).unwrap_or(0);
    let found = Timestamp::new(seconds, if micro { nanos } else { 0 }).map_err(|error| error.to_string())?;
    Ok(if micro { format!("{found:.6}") } else { format!("{found:.0}") }.into())
}

fn quantity(bytes: &[u8]) -> Result<Value, String> {
    let found = bytes_at(bytes, 1)?.map(text).transpose()?.unwrap_or_default();
    Ok(if found.is_empty() { json!("0") } else { json!(found) })
}

fn int_or_string(bytes: &[u8]) -> Result<Value, String> {
    match number_at(bytes, 1)? {
        Some(1) => Ok(bytes_at(bytes, 3)?.map(text).transpose()?.unwrap_or_default().into()),
        _ => Ok(number_at(bytes, 2)?.unwrap_or(0).into()),
    }
}

/// Raw bytes are JSON, or another object in protobuf.
fn raw_json(bytes: &[u8]) -> Result<Value, String> {
    match bytes_at(bytes, 1)? {
        None | Some([]) => Ok(Value::Null),
        Some(raw) if raw.starts_with(&MAGIC) => decode(raw),
        Some(raw) => serde_json::from_slice(raw).map_err(|error| format!("invalid JSON inside the body: {error}")),
    }
}

fn duration(bytes: &[u8]) -> Result<Value, String> {
    let nanos = number_at(bytes, 1)?.unwrap_or(0);
    let text = sim_apimachinery::duration::go_string(nanos.unsigned_abs());
    Ok(if nanos < 0 { format!("-{text}") } else { text }.into())
}

fn schema(reader: Reader, bytes: &[u8]) -> Result<Value, String> {
    let of = of_kind("apiextensions.k8s.io", "v1", "JSONSchemaProps").ok_or("no such message: JSONSchemaProps")?;
    reader.message(of, bytes)
}

/// Field 1 is a schema; without it, field 2 is repeated, and each occurrence is read by `item`.
fn schema_or(reader: Reader, bytes: &[u8], item: impl Fn(&[u8]) -> Result<Value, String>) -> Result<Value, String> {
    if let Some(single) = bytes_at(bytes, 1)? {
        return schema(reader, single);
    }
    let items = fields(bytes)?.into_iter().filter_map(|(number, field)| match field {
        Field::Bytes(found) if number == 2 => Some(item(found)),
        _ => None,
    });
    items.collect()
}

fn schema_or_boolean(reader: Reader, bytes: &[u8]) -> Result<Value, String> {
    match bytes_at(bytes, 2)? {
        Some(found) => schema(reader, found),
        None => Ok(json!(number_at(bytes, 1)?.unwrap_or(0) != 0)),
    }
}
