//! One step of a path into an object, ordered, printed and written as `metadata.managedFields` has it: `f:name` for a
//! field, `k:{"name":"x"}` for a list's item by its keys, `v:"x"` for one by its value, `i:0` for one by its index.
//! Source of the rules: structured-merge-diff/fieldpath.

use std::fmt;

use serde_json::{Map, Value};

/// A key's value: a scalar with an order (numbers, texts, truth values, nothing).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scalar {
    /// An integer.
    Int(i64),
    /// Another number, as it is written.
    Number(String),
    /// A string.
    Text(String),
    /// A truth value.
    Bool(bool),
    /// Null.
    Null,
}

impl Scalar {
    /// The scalar of a value; lists and maps are none.
    pub fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Null => Some(Scalar::Null),
            Value::Bool(b) => Some(Scalar::Bool(*b)),
            Value::Number(n) => Some(n.as_i64().map_or_else(|| Scalar::Number(n.to_string()), Scalar::Int)),
            Value::String(s) => Some(Scalar::Text(s.clone())),
            Value::Array(_) | Value::Object(_) => None,
        }
    }

    fn to_value(&self) -> Value {
        match self {
            Scalar::Int(n) => (*n).into(),
            Scalar::Number(text) => serde_json::from_str(text).unwrap_or(Value::Null),
            Scalar::Text(text) => text.clone().into(),
            Scalar::Bool(b) => (*b).into(),
            Scalar::Null => Value::Null,
        }
    }
}

/// One step of a path. The order is that of the real sets: fields, keys, values, indexes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathElement {
    /// A field of a struct or a key of a map.
    Field(String),
    /// An item of a list that is told apart by keys, sorted by name.
    Key(Vec<(String, Scalar)>),
    /// An item of a list that is told apart by its value.
    Value(Scalar),
    /// An item by its place.
    Index(i64),
}

impl PathElement {
    /// Whether it is the field of that name.
    pub fn is_field(&self, name: &str) -> bool {
        matches!(self, PathElement::Field(field) if field == name)
    }

    /// The key of an object in `managedFields`.
    pub fn encode(&self) -> String {
        match self {
            PathElement::Field(name) => format!("f:{name}"),
            PathElement::Key(keys) => {
                let map: Map<String, Value> = keys.iter().map(|(name, value)| (name.clone(), value.to_value())).collect();
                format!("k:{}", Value::Object(map))
            }
            PathElement::Value(value) => format!("v:{}", value.to_value()),
            PathElement::Index(index) => format!("i:{index}"),
        }
    }

    /// Reads what `encode` writes; anything else is none.
    pub fn decode(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        match kind {
            "f" => Some(PathElement::Field(rest.to_owned())),
            "k" => {
                let map: Map<String, Value> = serde_json::from_str(rest).ok()?;
                let keys: Option<Vec<_>> = map.iter().map(|(name, value)| Some((name.clone(), Scalar::of(value)?))).collect();
                keys.map(PathElement::Key)
            }
            "v" => serde_json::from_str(rest).ok().and_then(|v| Scalar::of(&v)).map(PathElement::Value),
            "i" => rest.parse().ok().map(PathElement::Index),
            _ => None,
        }
    }
}

impl fmt::Display for PathElement {
    /// As conflicts tell it: `.spec`, `[name="web"]`, `[="x"]`, `[0]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PathElement::Field(name) => write!(f, ".{name}"),
            PathElement::Key(keys) => {
                let parts: Vec<String> = keys.iter().map(|(name, value)| format!("{name}={}", value.to_value())).collect();
                write!(f, "[{}]", parts.join(","))
            }
            PathElement::Value(value) => write!(f, "[={}]", value.to_value()),
            PathElement::Index(index) => write!(f, "[{index}]"),
        }
    }
}
