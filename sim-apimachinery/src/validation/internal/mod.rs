//! Values as Go prints its internal types: the API server's own structs, which have no JSON names, in their own order,
//! with everything that is not set shown as null or zero. Error messages blame such values and show their differences.
//! `types.txt` has the fields of the core types below a pod's spec; `generate.py` says how it was made.
//! `resource_types.txt`, made in the same way, has those of devices' claims.
//! Not here: internal types of other groups.

mod diff;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use k8s_openapi::api::core::v1::PodSpec;
use serde_json::Value;

use super::go_value::{Raw, json_string};

pub use diff::unified_diff;

type Fields = Vec<(&'static str, &'static str, &'static str)>;

static TYPES: LazyLock<BTreeMap<&'static str, Fields>> = LazyLock::new(|| {
    let tables = [include_str!("types.txt"), include_str!("resource_types.txt")];
    tables.into_iter().flat_map(str::lines).filter_map(parse).collect()
});

fn parse(line: &'static str) -> Option<(&'static str, Fields)> {
    let (name, rest) = line.split_once(' ')?;
    let field = |text: &'static str| {
        let mut parts = text.split(':');
        Some((parts.next()?, parts.next()?, parts.next()?))
    };
    Some((name, rest.split(' ').filter_map(field).collect()))
}

/// What is printed.
enum Node {
    Plain(String),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

/// A value of that internal type on one line, as errors blame it. The value is given as the API shows it.
pub fn blamed(type_name: &str, value: &impl serde::Serialize) -> Raw {
    let value = serde_json::to_value(value).unwrap_or_default();
    let mut out = String::new();
    compact(&of_type(type_name, Some(&value)), &mut out);
    Raw(out)
}

/// A value of that internal type on many lines.
pub fn printed(type_name: &str, value: &impl serde::Serialize) -> String {
    pretty_value(type_name, &serde_json::to_value(value).unwrap_or_default())
}

/// A pod's spec on many lines. Some of its fields lie in the security context of the internal type.
pub fn printed_pod_spec(spec: &PodSpec) -> String {
    let mut value = serde_json::to_value(spec).unwrap_or_default();
    let Some(fields) = value.as_object_mut() else { return String::new() };
    let names = ["hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "hostUsers"];
    let moved: Vec<(&str, Value)> = names.into_iter().filter_map(|n| Some((n, fields.remove(n)?))).collect();
    let context = fields.entry("securityContext").or_insert_with(|| Value::Object(Default::default()));
    if let Some(context) = context.as_object_mut() {
        context.extend(moved.into_iter().map(|(name, value)| (name.to_owned(), value)));
    }
    pretty_value("PodSpec", &value)
}

fn pretty_value(type_name: &str, value: &Value) -> String {
    let mut out = String::new();
    pretty(&of_type(type_name, Some(value)), 0, &mut out);
    out
}

fn of_type(kind: &str, value: Option<&Value>) -> Node {
    let value = value.filter(|v| !v.is_null());
    match (kind.as_bytes().first(), value) {
        (Some(b'*' | b'[' | b'{'), None) => Node::Plain("null".into()),
        (Some(b'*'), Some(_)) => of_type(&kind[1..], value),
        (Some(b'['), Some(value)) => Node::List(value.as_array().into_iter().flatten().map(|v| of_type(&kind[1..], Some(v))).collect()),
        (Some(b'{'), Some(value)) => {
            let entries = value.as_object().into_iter().flatten();
            Node::Object(entries.map(|(key, v)| (key.clone(), of_type(&kind[1..], Some(v)))).collect())
        }
        _ => scalar_or_struct(kind, value),
    }
}

fn scalar_or_struct(kind: &str, value: Option<&Value>) -> Node {
    let zero = match kind {
        "s" => "\"\"",
        "b" => "false",
        "i" | "x" => "0",
        "q" => "\"0\"",
        "l" => return tagged(value, &["matchLabels", "matchExpressions"]),
        _ => return structure(kind, value),
    };
    Node::Plain(value.map_or_else(|| zero.to_owned(), super::go_value::json))
}

fn structure(kind: &str, value: Option<&Value>) -> Node {
    let mut fields = Vec::new();
    for (go, json, field_kind) in TYPES.get(kind).into_iter().flatten() {
        let field = value.and_then(|v| v.get(json));
        if *field_kind != "m" {
            fields.push(((*go).to_owned(), of_type(field_kind, field)));
        } else if let Node::Object(metadata) =
            tagged(value.and_then(|v| v.get("metadata")), &["name", "namespace", "labels", "annotations"])
        {
            fields.extend(metadata);
        }
    }
    Node::Object(fields)
}

/// A type that has JSON names also inside: what is set is shown, and nothing else, these fields first.
fn tagged(value: Option<&Value>, order: &[&str]) -> Node {
    match value {
        Some(Value::Object(map)) => {
            let rank = |key: &str| order.iter().position(|o| *o == key).unwrap_or(order.len());
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            entries.sort_by_key(|(key, _)| rank(key));
            Node::Object(entries.into_iter().map(|(key, v)| (key.clone(), tagged(Some(v), &[]))).collect())
        }
        Some(Value::Array(items)) => Node::List(items.iter().map(|v| tagged(Some(v), &[])).collect()),
        Some(plain) => Node::Plain(super::go_value::json(plain)),
        None => Node::Object(vec![]),
    }
}

fn compact(node: &Node, out: &mut String) {
    match node {
        Node::Plain(text) => out.push_str(text),
        Node::List(items) => surround(('[', ']'), items.iter(), out, compact),
        Node::Object(fields) => surround(('{', '}'), fields.iter(), out, |(name, value), out| {
            out.push_str(&json_string(name));
            out.push(':');
            compact(value, out);
        }),
    }
}

fn surround<T>((open, close): (char, char), items: impl Iterator<Item = T>, out: &mut String, mut write: impl FnMut(T, &mut String)) {
    out.push(open);
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(item, out);
    }
    out.push(close);
}

fn pretty(node: &Node, depth: usize, out: &mut String) {
    let mut lines = |open: char, close: char, count: usize, write: &mut dyn FnMut(usize, &mut String)| {
        out.push(open);
        for index in 0..count {
            out.push_str(if index > 0 { ",\n" } else { "\n" });
            out.extend(std::iter::repeat_n(' ', depth + 1));
            write(index, out);
        }
        if count > 0 {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', depth));
        }
        out.push(close);
    };
    match node {
        Node::Plain(text) => out.push_str(text),
        Node::List(items) => lines('[', ']', items.len(), &mut |index, out| pretty(&items[index], depth + 1, out)),
        Node::Object(fields) => lines('{', '}', fields.len(), &mut |index, out| {
            out.push_str(&json_string(&fields[index].0));
            out.push_str(": ");
            pretty(&fields[index].1, depth + 1, out);
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_claim_is_blamed_with_go_names() {
        let shown = blamed("PodResourceClaim", &json!({"name": "x", "resourceClaimName": "a"}));
        assert_eq!(shown.0, r#"{"Name":"x","ResourceClaimName":"a","ResourceClaimTemplateName":null}"#);
    }

    #[test]
    fn every_field_of_a_pod_spec_is_printed() {
        let text = printed_pod_spec(&PodSpec { host_network: Some(true), ..Default::default() });
        assert!(text.starts_with("{\n \"Volumes\": null,\n \"InitContainers\": null,\n"), "{text}");
        assert!(text.contains("\n \"SecurityContext\": {\n  \"HostNetwork\": true,\n  \"HostPID\": false,\n"), "{text}");
        assert!(text.ends_with("\n \"SchedulingGroup\": null\n}"), "{text}");
    }
}
