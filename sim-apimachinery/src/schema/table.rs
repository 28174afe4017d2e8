//! Reads `table.txt`. The lines are found once; a type's line is parsed when the type is first asked for.
//! The format is told in `schema/generate.py`, which writes the file.

use std::collections::BTreeMap;
use std::sync::{LazyLock, OnceLock};

use serde_json::Value;

use super::{Definition, Field, ListType, PatchStrategy, Presence, Scalar, Type, TypeRef};

const TEXT: &str = include_str!("table.txt");

struct Table {
    kinds: Vec<(&'static str, usize)>,
    lines: Vec<&'static str>,
    definitions: Vec<OnceLock<Definition>>,
    refs: Vec<Type>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut kinds = Vec::new();
    let mut lines = Vec::new();
    for line in TEXT.lines().filter(|l| !l.starts_with('#')) {
        match line.strip_prefix("K ").and_then(|rest| rest.rsplit_once(' ')) {
            Some((key, number)) => kinds.push((key, number.parse().expect("generated: a number"))),
            None => lines.push(line),
        }
    }
    let definitions = lines.iter().map(|_| OnceLock::new()).collect();
    let refs = (0..lines.len()).map(|number| Type::Ref { number, atomic: None }).collect();
    Table { kinds, lines, definitions, refs }
});

pub(super) fn kind(group: &str, version: &str, kind: &str) -> Option<TypeRef<'static>> {
    let key = format!("{group}/{version}/{kind}");
    let at = TABLE.kinds.binary_search_by(|(found, _)| (*found).cmp(&key)).ok()?;
    TABLE.refs.get(TABLE.kinds[at].1).map(TypeRef)
}

pub(super) fn named(name: &str) -> Option<TypeRef<'static>> {
    let first_word = |line: &&'static str| line.split(' ').next().unwrap_or_default();
    let at = TABLE.lines.binary_search_by(|line| first_word(line).cmp(name)).ok()?;
    TABLE.refs.get(at).map(TypeRef)
}

pub(super) fn definition(number: usize) -> &'static Definition {
    TABLE.definitions[number].get_or_init(|| parse(TABLE.lines[number]))
}

fn parse(line: &str) -> Definition {
    let mut words = line.split(' ');
    let mut definition = Definition { name: words.next().unwrap_or_default().to_owned(), ..Definition::default() };
    for word in words {
        match word.split_once(':') {
            Some((name, rest)) => {
                definition.fields.insert(name.to_owned(), field(rest));
                definition.order.push(name.to_owned());
            }
            None if word == "A" => definition.atomic = true,
            None => definition.alias = Some(of_text(word, &Attributes::default())),
        }
    }
    definition
}

#[derive(Default)]
struct Attributes {
    required: bool,
    atomic: bool,
    granular: bool,
    set: bool,
    keys: Vec<String>,
    patch: PatchStrategy,
    default: Option<Value>,
    go_type: Option<String>,
    embedded: Option<String>,
    presence: Presence,
}

fn field(text: &str) -> Field {
    let (type_text, attributes) = text.split_once('|').unwrap_or((text, ""));
    let attributes = parse_attributes(attributes);
    let field_type = of_text(type_text, &attributes);
    let Attributes { required, patch, default, go_type, embedded, presence, .. } = attributes;
    Field { field_type, required, patch, default, go_type, embedded, presence }
}

fn parse_attributes(mut text: &str) -> Attributes {
    let mut found = Attributes::default();
    while let Some(letter) = text.chars().next() {
        let rest = &text[letter.len_utf8()..];
        let (argument, rest) = match rest.strip_prefix('(').and_then(|r| r.split_once(')')) {
            Some((argument, rest)) => (argument, rest),
            None => ("", rest),
        };
        note(&mut found, letter, argument);
        text = rest;
    }
    found
}

fn note(found: &mut Attributes, letter: char, argument: &str) {
    match letter {
        'r' => found.required = true,
        'a' => found.atomic = true,
        'g' => found.granular = true,
        'e' => found.set = true,
        'k' => found.keys = argument.split(',').map(str::to_owned).collect(),
        'M' => found.patch.merge = true,
        'm' => {
            found.patch.merge = true;
            found.patch.merge_key = Some(argument.to_owned());
        }
        'R' => found.patch.retain_keys = true,
        'P' => found.patch.replace = true,
        'D' => found.default = Some(argument.into()),
        'n' => found.embedded = Some(argument.to_owned()),
        'o' => found.presence = Presence::WhenNotZero,
        'z' => found.presence = Presence::Always(serde_json::from_str(argument).expect("generated: JSON")),
        't' => found.go_type = Some(argument.to_owned()),
        other => unreachable!("generated: attribute {other}"),
    }
}

fn of_text(text: &str, attributes: &Attributes) -> Type {
    let inner = || Box::new(of_text(&text[1..], &Attributes::default()));
    match text.as_bytes().first() {
        Some(b'[') => Type::List { item: inner(), list_type: list_type(attributes) },
        Some(b'{') => Type::Map { value: inner(), atomic: attributes.atomic },
        Some(b'*') => Type::Ref { number: text[1..].parse().expect("generated: a number"), atomic: reference_atomic(attributes) },
        _ => SCALARS.get(text).map_or(Type::Any, |scalar| Type::Scalar(*scalar)),
    }
}

fn reference_atomic(attributes: &Attributes) -> Option<bool> {
    if attributes.granular { Some(false) } else { attributes.atomic.then_some(true) }
}

fn list_type(attributes: &Attributes) -> ListType {
    match (attributes.set, attributes.keys.is_empty()) {
        (true, _) => ListType::Set,
        (_, false) => ListType::Map(attributes.keys.clone()),
        _ => ListType::Atomic,
    }
}

static SCALARS: LazyLock<BTreeMap<&str, Scalar>> = LazyLock::new(|| {
    BTreeMap::from([
        ("s", Scalar::String),
        ("b", Scalar::Boolean),
        ("i", Scalar::Int32),
        ("l", Scalar::Int64),
        ("d", Scalar::Double),
        ("y", Scalar::Bytes),
        ("t", Scalar::Time),
        ("u", Scalar::MicroTime),
        ("q", Scalar::Quantity),
        ("x", Scalar::IntOrString),
    ])
});

/// How many types there are.
#[cfg(test)]
pub(super) fn len() -> usize {
    TABLE.lines.len()
}
