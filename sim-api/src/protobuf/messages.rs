//! Reads `messages.txt`, whose format `tables/protobuf.py` tells. A message's line is parsed when it is first met.

use std::collections::BTreeMap;
use std::sync::{LazyLock, OnceLock};

const TEXT: &str = include_str!("messages.txt");

/// The package that holds what is a kind of every group: options, statuses.
const META: &str = "k8s.io.apimachinery.pkg.apis.meta.v1";

/// A field's type.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Type {
    String,
    Boolean,
    /// An integer of 32 or 64 bits.
    Integer,
    Double,
    Bytes,
    Time,
    MicroTime,
    Quantity,
    IntOrString,
    /// JSON as it is.
    Json,
    Duration,
    SchemaOrList,
    SchemaOrBoolean,
    SchemaOrStrings,
    /// The message of that number.
    Message(usize),
    List(Box<Type>),
    Map(Box<Type>),
}

/// A field of a message.
#[derive(Clone, Debug)]
pub(super) struct FieldType {
    /// Its name in JSON; none if it is a struct written in place.
    pub name: Option<&'static str>,
    /// Its type.
    pub of: Type,
    /// Whether JSON shows it even if it holds nothing.
    pub always: bool,
}

/// A message.
#[derive(Debug)]
pub(super) enum Definition {
    /// An object, by the numbers of its fields.
    Object(BTreeMap<u64, FieldType>),
    /// A list that protobuf can only hold in a message: its field 1.
    Wrapper(Type),
}

struct Table {
    packages: BTreeMap<&'static str, &'static str>,
    lines: Vec<(&'static str, &'static str)>,
    by_name: BTreeMap<&'static str, usize>,
    parsed: Vec<OnceLock<Definition>>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let (mut packages, mut lines) = (BTreeMap::new(), Vec::new());
    for line in TEXT.lines().filter(|line| !line.starts_with('#')) {
        match line.strip_prefix("P ").and_then(|rest| rest.split_once(' ')) {
            Some((version, package)) => _ = packages.insert(version, package),
            None => lines.push(line.split_once(' ').unwrap_or((line, ""))),
        }
    }
    let by_name = lines.iter().enumerate().map(|(at, (name, _))| (*name, at)).collect();
    let parsed = lines.iter().map(|_| OnceLock::new()).collect();
    Table { packages, lines, by_name, parsed }
});

/// The number of the message of a kind, if it is known.
pub(super) fn of_kind(group: &str, version: &str, kind: &str) -> Option<usize> {
    let package = TABLE.packages.get(format!("{group}/{version}").as_str());
    let named = |package: &str| TABLE.by_name.get(format!("{package}.{kind}").as_str()).copied();
    package.and_then(|package| named(package)).or_else(|| named(META))
}

/// The message of that number.
pub(super) fn definition(number: usize) -> Option<&'static Definition> {
    let (_, text) = TABLE.lines.get(number)?;
    Some(TABLE.parsed.get(number)?.get_or_init(|| parse(text)))
}

fn parse(text: &'static str) -> Definition {
    if let Some(of) = text.strip_prefix("= ") {
        return Definition::Wrapper(type_of(of));
    }
    let fields = text.split(' ').filter_map(|word| {
        let mut parts = word.splitn(3, ':');
        let (number, name, of) = (parts.next()?, parts.next()?, parts.next()?);
        let always = of.ends_with('!');
        let name = (name != "-").then_some(name);
        Some((number.parse().ok()?, FieldType { name, of: type_of(of.trim_end_matches('!')), always }))
    });
    Definition::Object(fields.collect())
}

fn type_of(text: &str) -> Type {
    let inner = || Box::new(type_of(&text[1..]));
    match text.as_bytes().first() {
        Some(b'[') => Type::List(inner()),
        Some(b'{') => Type::Map(inner()),
        Some(b'*') => Type::Message(text[1..].parse().unwrap_or(usize::MAX)),
        Some(b's') => Type::String,
        Some(b'b') => Type::Boolean,
        Some(b'i' | b'l') => Type::Integer,
        Some(b'd') => Type::Double,
        Some(b'y') => Type::Bytes,
        Some(b't') => Type::Time,
        Some(b'u') => Type::MicroTime,
        Some(b'q') => Type::Quantity,
        Some(b'x') => Type::IntOrString,
        Some(b'n') => Type::Duration,
        Some(b'A') => Type::SchemaOrList,
        Some(b'B') => Type::SchemaOrBoolean,
        Some(b'S') => Type::SchemaOrStrings,
        _ => Type::Json,
    }
}
