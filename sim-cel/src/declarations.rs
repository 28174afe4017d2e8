//! The functions an expression may call, as signatures: one line each, `receiver.name(arguments) result`.
//! Capital letters are types to be found; a name with a dot before its parenthesis is one word if it starts with `@`.
//! Source: cel-go checker/decls and ext, apiserver pkg/cel/library.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use cel::IdedExpr;
use cel::common::ast::Expr;

use crate::types::{Type, list, map, optional};

/// One way to call a function.
#[derive(Clone, Debug)]
pub(crate) struct Overload {
    pub is_member: bool,
    /// The receiver first, if it is a member.
    pub arguments: Vec<Type>,
    pub result: Type,
}

const SIGNATURES: &str = include_str!("signatures.txt");

static FUNCTIONS: LazyLock<BTreeMap<String, Vec<Overload>>> = LazyLock::new(|| {
    let mut functions: BTreeMap<String, Vec<Overload>> = BTreeMap::new();
    for line in SIGNATURES.lines().filter(|l| !l.is_empty() && !l.starts_with('#')) {
        let (name, overload) = read(line);
        functions.entry(name).or_default().push(overload);
    }
    functions
});

/// The overloads of a function.
pub(crate) fn overloads(name: &str) -> Option<&'static [Overload]> {
    FUNCTIONS.get(name).map(Vec::as_slice)
}

/// Whether there is a function of that name.
pub(crate) fn is_function(name: &str) -> bool {
    FUNCTIONS.contains_key(name)
}

/// The name of a type, if it is one that expressions may name.
pub(crate) fn type_named(name: &str) -> Option<&'static str> {
    const NAMES: [&str; 12] = [
        "bool",
        "int",
        "uint",
        "double",
        "string",
        "bytes",
        "list",
        "map",
        "null_type",
        "type",
        "google.protobuf.Duration",
        "google.protobuf.Timestamp",
    ];
    NAMES.into_iter().find(|n| *n == name)
}

/// `sets.contains`, if the receiver is nothing but a name.
pub(crate) fn qualified(receiver: &IdedExpr, function: &str) -> Option<String> {
    match &receiver.expr {
        Expr::Ident(name) => Some(format!("{name}.{function}")),
        Expr::Select(select) if !select.test => qualified(&select.operand, &select.field).map(|path| format!("{path}.{function}")),
        _ => None,
    }
}

fn read(line: &str) -> (String, Overload) {
    let (head, result) = line.rsplit_once(' ').unwrap_or((line, "dyn"));
    let open = head.find('(').unwrap_or(head.len());
    let (name, rest) = head.split_at(open);
    let inside = rest.trim_start_matches('(').trim_end_matches(')');
    let mut arguments: Vec<Type> = split(inside).iter().map(|t| read_type(t)).collect();
    let (name, is_member) = match name.strip_prefix('@') {
        Some(whole) => (if whole == "in" || whole == "not_strictly_false" { format!("@{whole}") } else { whole.to_owned() }, false),
        None => match name.rsplit_once('.') {
            Some((receiver, name)) => {
                arguments.insert(0, read_type(receiver));
                (name.to_owned(), true)
            }
            None => (name.to_owned(), false),
        },
    };
    (name, Overload { is_member, arguments, result: read_type(result) })
}

/// Splits at commas outside of brackets.
fn split(text: &str) -> Vec<String> {
    let (mut parts, mut depth, mut part) = (vec![], 0, String::new());
    for c in text.chars() {
        match c {
            '<' => depth += 1,
            '>' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(std::mem::take(&mut part));
                continue;
            }
            _ => {}
        }
        part.push(c);
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

fn read_type(text: &str) -> Type {
    let inner = |word: &str| text.strip_prefix(word).and_then(|t| t.strip_prefix('<')).and_then(|t| t.strip_suffix('>'));
    if let Some(item) = inner("list") {
        return list(read_type(item));
    }
    if let Some(value) = inner("optional") {
        return optional(read_type(value));
    }
    if let Some(both) = inner("map") {
        let parts = split(both);
        let part = |i: usize| parts.get(i).map_or(Type::Dyn, |p| read_type(p));
        return map(part(0), part(1));
    }
    match text {
        "null" => Type::Null,
        "bool" => Type::Bool,
        "int" => Type::Int,
        "uint" => Type::Uint,
        "double" => Type::Double,
        "string" => Type::String,
        "bytes" => Type::Bytes,
        "duration" => Type::Duration,
        "timestamp" => Type::Timestamp,
        "type" => Type::Type,
        "quantity" => Type::Opaque("kubernetes.Quantity"),
        "ip" => Type::Opaque("net.IP"),
        "cidr" => Type::Opaque("net.CIDR"),
        "url" => Type::Opaque("kubernetes.URL"),
        "semver" => Type::Opaque("kubernetes.Semver"),
        "format" => Type::Opaque("kubernetes.NamedFormat"),
        "authorizer" => Type::Opaque("kubernetes.authorization.Authorizer"),
        "decision" => Type::Opaque("kubernetes.authorization.Decision"),
        "A" => Type::Var(0),
        "B" => Type::Var(1),
        _ => Type::Dyn,
    }
}
