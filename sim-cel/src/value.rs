//! Values while an expression is evaluated, and how they come from JSON and go back.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use sim_apimachinery::quantity::Quantity;

use crate::types::{Type, escape};

/// A value.
#[derive(Clone, Debug)]
pub enum Value {
    /// Null.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// An unsigned integer.
    Uint(u64),
    /// A number.
    Double(f64),
    /// A text.
    String(Arc<str>),
    /// Bytes.
    Bytes(Arc<[u8]>),
    /// A length of time, in nanoseconds.
    Duration(i64),
    /// A moment.
    Timestamp(Timestamp),
    /// A list.
    List(Arc<Vec<Value>>),
    /// A map or an object.
    Map(Arc<BTreeMap<Key, Value>>),
    /// A value or none.
    Optional(Option<Arc<Value>>),
    /// A type, by its name.
    Type(Arc<str>),
    /// A quantity.
    Quantity(Quantity),
    /// An IP address.
    Ip(std::net::IpAddr),
    /// A network.
    Cidr(ipnet::IpNet),
    /// A URL.
    Url(Arc<crate::functions::urls::Url>),
    /// A semantic version.
    Semver(Arc<crate::functions::semver::Semver>),
    /// A named format.
    Format(Arc<str>),
    /// A question to the authorizer, as far as it is asked.
    Authorizer(Arc<AuthorizerQuery>),
    /// The authorizer's answer.
    Decision(bool),
}

/// What the authorizer is asked: of a path, or of a resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthorizerQuery {
    /// The path, if it is one.
    pub path: Option<String>,
    /// The API group.
    pub group: String,
    /// The resource, plural.
    pub resource: String,
    /// The subresource.
    pub subresource: String,
    /// The namespace, empty for all.
    pub namespace: String,
    /// The name, empty for any.
    pub name: String,
    /// The service account as which it is asked, with its namespace first; else it is the user who asks.
    pub service_account: Option<(String, String)>,
    /// The verb.
    pub verb: String,
}

/// The key of a map.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// A text.
    String(Arc<str>),
}

impl Key {
    /// A value as a key, if it can be one.
    pub fn of(value: &Value) -> Option<Key> {
        Some(match value {
            Value::Bool(b) => Key::Bool(*b),
            Value::Int(i) => Key::Int(i128::from(*i)),
            Value::Uint(u) => Key::Int(i128::from(*u)),
            Value::Double(d) if d.fract() == 0.0 && d.abs() < 9e15 => Key::Int(*d as i128),
            Value::String(s) => Key::String(s.clone()),
            _ => return None,
        })
    }

    /// The key as a value.
    pub fn value(&self) -> Value {
        match self {
            Key::Bool(b) => Value::Bool(*b),
            Key::Int(i) => i64::try_from(*i).map_or_else(|_| Value::Uint(u64::try_from(*i).unwrap_or(u64::MAX)), Value::Int),
            Key::String(s) => Value::String(s.clone()),
        }
    }
}

impl Value {
    /// A text.
    pub fn text(text: &str) -> Value {
        Value::String(text.into())
    }

    /// A list.
    pub fn list(items: Vec<Value>) -> Value {
        Value::List(Arc::new(items))
    }

    /// A JSON value of a type; what the type does not say is taken as it is.
    pub fn from_json(json: &serde_json::Value, of: &Type) -> Value {
        match (json, of) {
            (serde_json::Value::Null, _) => Value::Null,
            (serde_json::Value::Bool(b), _) => Value::Bool(*b),
            (serde_json::Value::Number(n), Type::Double) => Value::Double(n.as_f64().unwrap_or_default()),
            (serde_json::Value::Number(n), _) => match (n.as_i64(), n.as_u64(), n.as_f64()) {
                (Some(i), ..) => Value::Int(i),
                (None, Some(u), _) => Value::Uint(u),
                (None, None, f) => Value::Double(f.unwrap_or_default()),
            },
            (serde_json::Value::String(s), Type::Timestamp) => s.parse().map_or_else(|_| date(s), Value::Timestamp),
            (serde_json::Value::String(s), Type::Duration) => crate::duration_nanos(s).map_or_else(|| Value::text(s), Value::Duration),
            (serde_json::Value::String(s), Type::Bytes) => Value::Bytes(crate::functions::base64_bytes(s).unwrap_or_default().into()),
            (serde_json::Value::String(s), _) => Value::text(s),
            (serde_json::Value::Array(items), _) => {
                let item = if let Type::List(item) = of { item } else { &Type::Dyn };
                Value::list(items.iter().map(|i| Value::from_json(i, item)).collect())
            }
            (serde_json::Value::Object(map), _) => Value::Map(Arc::new(map.iter().map(|(k, v)| entry(k, v, of)).collect())),
        }
    }

    /// The value as JSON, for patches. What JSON does not have is a text.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Value::Null | Value::Optional(None) => serde_json::Value::Null,
            Value::Bool(b) => (*b).into(),
            Value::Int(i) => (*i).into(),
            Value::Uint(u) => (*u).into(),
            Value::Double(d) => (*d).into(),
            Value::Optional(Some(inner)) => inner.to_json(),
            Value::List(items) => items.iter().map(Value::to_json).collect(),
            Value::Map(map) => {
                let text = |k: &Key| crate::functions::text_of(&k.value()).unwrap_or_default();
                serde_json::Value::Object(map.iter().map(|(k, v)| (text(k), v.to_json())).collect())
            }
            other => crate::functions::text_of(other).unwrap_or_default().into(),
        }
    }

    /// The name of its type.
    pub fn type_name(&self) -> &str {
        match self {
            Value::Null => "null_type",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Uint(_) => "uint",
            Value::Double(_) => "double",
            Value::String(_) => "string",
            Value::Bytes(_) => "bytes",
            Value::Duration(_) => "google.protobuf.Duration",
            Value::Timestamp(_) => "google.protobuf.Timestamp",
            Value::List(_) => "list",
            Value::Map(_) => "map",
            Value::Optional(_) => "optional_type",
            Value::Type(_) => "type",
            Value::Quantity(_) => "kubernetes.Quantity",
            Value::Ip(_) => "net.IP",
            Value::Cidr(_) => "net.CIDR",
            Value::Url(_) => "kubernetes.URL",
            Value::Semver(_) => "kubernetes.Semver",
            Value::Format(_) => "kubernetes.NamedFormat",
            Value::Authorizer(_) => "kubernetes.authorization.Authorizer",
            Value::Decision(_) => "kubernetes.authorization.Decision",
        }
    }

    /// How many elements it has, for what is counted; 1 for all else.
    pub(crate) fn size(&self) -> u64 {
        let size = match self {
            Value::String(s) => s.len(),
            Value::Bytes(b) => b.len(),
            Value::List(l) => l.len(),
            Value::Map(m) => m.len(),
            _ => 1,
        };
        size as u64
    }
}

fn entry(name: &str, value: &serde_json::Value, of: &Type) -> (Key, Value) {
    let typed = match of {
        Type::Map(_, inner) => Value::from_json(value, inner),
        Type::Object(object) => {
            let field = escape(name).and_then(|n| object.fields.get(&n));
            Value::from_json(value, field.map_or(&Type::Dyn, |f| &f.of))
        }
        _ => Value::from_json(value, &Type::Dyn),
    };
    (Key::String(name.into()), typed)
}

/// A date without a time is its midnight.
fn date(text: &str) -> Value {
    format!("{text}T00:00:00Z").parse().map_or_else(|_| Value::text(text), Value::Timestamp)
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::String(a), Value::String(b)) | (Value::Type(a), Value::Type(b)) | (Value::Format(a), Value::Format(b)) => a == b,
            (Value::Bytes(a), Value::Bytes(b)) => a == b,
            (Value::Duration(a), Value::Duration(b)) => a == b,
            (Value::Timestamp(a), Value::Timestamp(b)) => a == b,
            (Value::List(a), Value::List(b)) => a == b,
            (Value::Map(a), Value::Map(b)) => a == b,
            (Value::Optional(a), Value::Optional(b)) => a == b,
            (Value::Quantity(a), Value::Quantity(b)) => a == b,
            (Value::Ip(a), Value::Ip(b)) => a == b,
            (Value::Cidr(a), Value::Cidr(b)) => a == b,
            (Value::Url(a), Value::Url(b)) => a == b,
            (Value::Semver(a), Value::Semver(b)) => a == b,
            _ => crate::functions::compare(self, other) == Some(std::cmp::Ordering::Equal),
        }
    }
}
