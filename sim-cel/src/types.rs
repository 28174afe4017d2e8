//! The types of CEL, as the checker sees them, and how its messages name them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A type.
#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    /// Any type; checked when it is evaluated.
    Dyn,
    /// `null_type`.
    Null,
    /// `bool`.
    Bool,
    /// `int`.
    Int,
    /// `uint`.
    Uint,
    /// `double`.
    Double,
    /// `string`.
    String,
    /// `bytes`.
    Bytes,
    /// `google.protobuf.Duration`.
    Duration,
    /// `google.protobuf.Timestamp`.
    Timestamp,
    /// The type of types.
    Type,
    /// A list.
    List(Box<Type>),
    /// A map.
    Map(Box<Type>, Box<Type>),
    /// An optional value.
    Optional(Box<Type>),
    /// An object with declared fields.
    Object(Arc<ObjectType>),
    /// A type of a library, such as `kubernetes.Quantity`.
    Opaque(&'static str),
    /// A type that is still to be found.
    Var(usize),
}

/// An object's fields, by their escaped names.
#[derive(Debug, PartialEq)]
pub struct ObjectType {
    /// Its name.
    pub name: String,
    /// Its fields.
    pub fields: BTreeMap<String, Sized>,
}

/// A type and how many elements a value of it may have: items, entries, bytes. `None` if nobody said.
#[derive(Clone, Debug, PartialEq)]
pub struct Sized {
    /// The type.
    pub of: Type,
    /// The most elements.
    pub max: Option<u64>,
    /// The sizes of what is inside: of items, or of keys and values.
    pub inside: Vec<Sized>,
}

impl Sized {
    /// A type of which nothing is known but itself.
    pub fn new(of: Type) -> Sized {
        Sized { of, max: None, inside: vec![] }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Dyn | Type::Var(_) => f.write_str("dyn"),
            Type::Null => f.write_str("null"),
            Type::Bool => f.write_str("bool"),
            Type::Int => f.write_str("int"),
            Type::Uint => f.write_str("uint"),
            Type::Double => f.write_str("double"),
            Type::String => f.write_str("string"),
            Type::Bytes => f.write_str("bytes"),
            Type::Duration => f.write_str("google.protobuf.Duration"),
            Type::Timestamp => f.write_str("google.protobuf.Timestamp"),
            Type::Type => f.write_str("type"),
            Type::List(item) => write!(f, "list({item})"),
            Type::Map(key, value) => write!(f, "map({key}, {value})"),
            Type::Optional(value) => write!(f, "optional_type({value})"),
            Type::Object(object) => f.write_str(&object.name),
            Type::Opaque(name) => f.write_str(name),
        }
    }
}

/// A list of a type.
pub(crate) fn list(item: Type) -> Type {
    Type::List(Box::new(item))
}

/// A map of types.
pub(crate) fn map(key: Type, value: Type) -> Type {
    Type::Map(Box::new(key), Box::new(value))
}

/// An optional of a type.
pub(crate) fn optional(value: Type) -> Type {
    Type::Optional(Box::new(value))
}

/// A field's name as CEL writes it: `a-b` is `a__dash__b`. Source: apiserver pkg/cel/escaping.go.
pub fn escape(name: &str) -> Option<String> {
    const KEYWORDS: [&str; 24] = [
        "true",
        "false",
        "null",
        "in",
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
        "__proto__",
        "__dunder__",
        "__dot__",
    ];
    let mut chars = name.chars();
    let first_is_good = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if !first_is_good || !name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-/ ".contains(c)) || name.contains(' ') {
        return None;
    }
    if KEYWORDS[..21].contains(&name) {
        return Some(format!("__{name}__"));
    }
    let escaped = name.replace("__", "__underscores__").replace('.', "__dot__").replace('-', "__dash__").replace('/', "__slash__");
    Some(escaped)
}

/// The field's own name.
pub(crate) fn unescape(name: &str) -> String {
    let inner = name.strip_prefix("__").and_then(|n| n.strip_suffix("__"));
    if let Some(inner) = inner.filter(|i| !i.is_empty() && i.chars().all(|c| c.is_ascii_alphabetic())) {
        return inner.to_owned();
    }
    name.replace("__dot__", ".").replace("__dash__", "-").replace("__slash__", "/").replace("__underscores__", "__")
}
