//! Messages as JSON values: what Go's encoder would write for the decoded struct.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::messages::{Definition, FieldType, Type, definition};
use super::special;
use super::wire::{Field, fields, text, varint};

/// Messages inside each other, at most.
const DEPTH_MAX: usize = 100;

/// Reads messages, no deeper than a limit.
#[derive(Clone, Copy)]
pub(super) struct Reader {
    depth: usize,
}

impl Reader {
    pub(super) fn new() -> Self {
        Reader { depth: 0 }
    }

    fn deeper(self) -> Result<Reader, String> {
        if self.depth >= DEPTH_MAX {
            return Err("exceeded max depth".to_owned());
        }
        Ok(Reader { depth: self.depth + 1 })
    }

    /// A message of that number.
    pub(super) fn message(self, number: usize, bytes: &[u8]) -> Result<Value, String> {
        let reader = self.deeper()?;
        match definition(number).ok_or("a message of an unknown type")? {
            Definition::Object(known) => {
                let mut object = Map::new();
                for (number, field) in fields(bytes)? {
                    if let Some(of) = known.get(&number) {
                        reader.add(&mut object, of, field)?;
                    }
                }
                leave_out_null(&mut object, known.values());
                Ok(Value::Object(object))
            }
            Definition::Wrapper(of) => {
                let mut object = Map::new();
                let items = FieldType { name: Some("items"), of: of.clone(), always: false };
                for (_, field) in fields(bytes)?.into_iter().filter(|(number, _)| *number == 1) {
                    reader.add(&mut object, &items, field)?;
                }
                Ok(object.remove("items").unwrap_or_else(|| json!([])))
            }
        }
    }

    /// Adds one occurrence of a field to an object.
    fn add(self, object: &mut Map<String, Value>, of: &FieldType, field: Field<'_>) -> Result<(), String> {
        let Some(name) = of.name else {
            if let (Type::Message(number), Field::Bytes(bytes)) = (&of.of, field) {
                let inner = self.message(*number, bytes)?;
                object.extend(inner.as_object().cloned().unwrap_or_default());
            }
            return Ok(());
        };
        match &of.of {
            Type::List(item) => {
                let items = self.items(item, field)?;
                let list = object.entry(name).or_insert_with(|| json!([]));
                list.as_array_mut().into_iter().for_each(|list| list.extend(items.iter().cloned()));
            }
            Type::Map(value) => {
                let (key, value) = self.entry(value, field)?;
                let map = object.entry(name).or_insert_with(|| json!({}));
                map.as_object_mut().into_iter().for_each(|map| _ = map.insert(key.clone(), value.clone()));
            }
            single => {
                let value = self.single(single, field)?;
                if of.always || !is_nothing(&value) {
                    merge(object, name, value);
                } else {
                    object.remove(name);
                }
            }
        }
        Ok(())
    }

    /// The items of one occurrence of a list: one, or many numbers packed into bytes.
    fn items(self, item: &Type, field: Field<'_>) -> Result<Vec<Value>, String> {
        if let (Type::Integer | Type::Boolean, Field::Bytes(mut packed)) = (item, field) {
            let mut items = Vec::new();
            while !packed.is_empty() {
                items.push(self.single(item, Field::Number(varint(&mut packed)?))?);
            }
            return Ok(items);
        }
        Ok(vec![self.single(item, field)?])
    }

    fn entry(self, value: &Type, field: Field<'_>) -> Result<(String, Value), String> {
        let Field::Bytes(bytes) = field else { return Err(wrong_wire_type()) };
        let (mut key, mut found) = (String::new(), None);
        for (number, field) in fields(bytes)? {
            match (number, field) {
                (1, Field::Bytes(bytes)) => key = text(bytes)?,
                (2, field) => found = Some(self.single(value, field)?),
                _ => {}
            }
        }
        Ok((key, found.map_or_else(|| self.empty(value), Ok)?))
    }

    /// The value of a map entry that has none.
    fn empty(self, of: &Type) -> Result<Value, String> {
        match of {
            Type::Integer => Ok(json!(0)),
            Type::Boolean => Ok(json!(false)),
            other => self.single(other, Field::Bytes(&[])),
        }
    }

    fn single(self, of: &Type, field: Field<'_>) -> Result<Value, String> {
        match (of, field) {
            (Type::Boolean, Field::Number(number)) => Ok(json!(number != 0)),
            (Type::Integer, Field::Number(number)) => Ok(json!(number as i64)),
            (Type::Double, Field::Eight(bytes)) => Ok(json!(f64::from_le_bytes(bytes))),
            (Type::String, Field::Bytes(bytes)) => text(bytes).map(Value::from),
            (Type::Bytes, Field::Bytes(bytes)) => Ok(STANDARD.encode(bytes).into()),
            (Type::Message(number), Field::Bytes(bytes)) => self.message(*number, bytes),
            (Type::List(_) | Type::Map(_), _) => Err("a list of lists".to_owned()),
            (special, Field::Bytes(bytes)) => special::value(self, special, bytes),
            _ => Err(wrong_wire_type()),
        }
    }
}

fn wrong_wire_type() -> String {
    "proto: wrong wireType".to_owned()
}

/// A message that comes twice is one message; of other fields the last counts.
fn merge(object: &mut Map<String, Value>, name: &str, value: Value) {
    match (object.get_mut(name), value) {
        (Some(Value::Object(known)), Value::Object(more)) => known.extend(more),
        (_, value) => _ = object.insert(name.to_owned(), value),
    }
}

/// What Go leaves out of a field that may be left out: zeros, but not an empty struct.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(_) | Value::Object(_) => false,
    }
}

/// Times that hold nothing are null in JSON, and stay out.
fn leave_out_null<'a>(object: &mut Map<String, Value>, known: impl Iterator<Item = &'a FieldType>) {
    for field in known.filter(|field| field.always) {
        if let Some(name) = field.name.filter(|name| object.get(*name) == Some(&Value::Null)) {
            object.remove(name);
        }
    }
}
