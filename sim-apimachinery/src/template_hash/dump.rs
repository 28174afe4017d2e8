//! Prints a pod template as Go's spew printer does (`%#v` with sorted keys, methods and pointer addresses off).
//! A value has its type in parentheses before it, except elements of lists and maps and what a pointer points to.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;

use crate::quantity::{self, Format, Quantity};

type Fields = Vec<(&'static str, String, &'static str)>;

/// Struct name to its fields: Go name, JSON name, Go type.
static STRUCTS: LazyLock<BTreeMap<&'static str, Fields>> = LazyLock::new(|| {
    let line = |line: &'static str| {
        let mut words = line.split(' ');
        let name = words.next().unwrap_or_default();
        let fields = words.filter_map(|w| w.split_once(':')).map(|(field, kind)| (field, json_name(name, field), kind)).collect();
        (name, fields)
    };
    include_str!("fields.txt").lines().map(line).collect()
});

/// Structs whose fields stand inside the one that embeds them.
const INLINE: [&str; 4] = ["VolumeSource", "ProbeHandler", "LocalObjectReference", "EphemeralContainerCommon"];

/// Fields whose JSON name does not follow from the Go name.
const IRREGULAR: [(&str, &str, &str); 13] = [
    ("", "ObjectMeta", "metadata"),
    ("", "DeprecatedServiceAccount", "serviceAccount"),
    ("", "CephFS", "cephfs"),
    ("", "StorageOS", "storageos"),
    ("", "WWIDs", "wwids"),
    ("", "DiscoveryCHAPAuth", "chapAuthDiscovery"),
    ("", "SessionCHAPAuth", "chapAuthSession"),
    ("", "CephMonitors", "monitors"),
    ("", "RBDImage", "image"),
    ("", "RBDPool", "pool"),
    ("RBDVolumeSource", "RadosUser", "user"),
    ("GlusterfsVolumeSource", "EndpointsName", "endpoints"),
    ("", "DataDiskURI", "diskURI"),
];

fn json_name(parent: &str, field: &str) -> String {
    if let Some((_, _, name)) = IRREGULAR.iter().find(|(of, name, _)| *name == field && (of.is_empty() || *of == parent)) {
        return (*name).to_owned();
    }
    let upper = field.chars().take_while(char::is_ascii_uppercase).count();
    let lowered = if upper > 1 && upper < field.len() && field.as_bytes()[upper].is_ascii_lowercase() { upper - 1 } else { upper };
    format!("{}{}", field[..lowered].to_ascii_lowercase(), &field[lowered..])
}

/// Prints a whole template, piece by piece.
pub fn template(value: &Value, out: &mut dyn FnMut(&str)) {
    out("(v1.PodTemplateSpec)");
    plain("v1.PodTemplateSpec", Some(value), out);
}

fn tagged(kind: &str, value: Option<&Value>, out: &mut dyn FnMut(&str)) {
    out("(");
    out(kind);
    out(")");
    plain(kind, value, out);
}

/// A value without its type.
fn plain(kind: &str, value: Option<&Value>, out: &mut dyn FnMut(&str)) {
    let value = value.filter(|v| !v.is_null());
    if let Some(pointee) = kind.strip_prefix('*') {
        return match value {
            Some(value) => plain(pointee, Some(value), out),
            None => out("<nil>"),
        };
    }
    if let Some(element) = kind.strip_prefix("[]") {
        return list(element, value, out);
    }
    match kind {
        "map[string]string" | "v1.ResourceList" => map(kind, value, out),
        "v1.Time" => out("{Time:(time.Time){wall:(uint64)0 ext:(int64)0 loc:(*time.Location)<nil>}}"),
        "resource.Quantity" => quantity(value, out),
        "intstr.IntOrString" => int_or_string(value, out),
        "bool" => out(if value == Some(&Value::Bool(true)) { "true" } else { "false" }),
        "int32" | "int64" => out(&value.and_then(Value::as_i64).unwrap_or(0).to_string()),
        _ => match STRUCTS.get(kind.trim_start_matches("v1.")) {
            Some(fields) => structure(fields, value, out),
            None => out(value.and_then(Value::as_str).unwrap_or_default()),
        },
    }
}

fn structure(fields: &Fields, value: Option<&Value>, out: &mut dyn FnMut(&str)) {
    out("{");
    for (index, (field, json, kind)) in fields.iter().enumerate() {
        if index > 0 {
            out(" ");
        }
        out(field);
        out(":");
        let embedded = INLINE.contains(field) && kind.ends_with(field);
        tagged(kind, if embedded { value } else { value.and_then(|v| v.get(json)) }, out);
    }
    out("}");
}

fn list(element: &str, value: Option<&Value>, out: &mut dyn FnMut(&str)) {
    let Some(items) = value.and_then(Value::as_array).filter(|i| !i.is_empty()) else { return out("<nil>") };
    out("[");
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out(" ");
        }
        plain(element, Some(item), out);
    }
    out("]");
}

fn map(kind: &str, value: Option<&Value>, out: &mut dyn FnMut(&str)) {
    let Some(entries) = value.and_then(Value::as_object).filter(|e| !e.is_empty()) else { return out("<nil>") };
    let element = if kind == "v1.ResourceList" { "resource.Quantity" } else { "string" };
    let sorted: BTreeMap<&String, &Value> = entries.iter().collect();
    out("map[");
    for (index, (key, item)) in sorted.into_iter().enumerate() {
        if index > 0 {
            out(" ");
        }
        out(key);
        out(":");
        plain(element, Some(item), out);
    }
    out("]");
}

fn int_or_string(value: Option<&Value>, out: &mut dyn FnMut(&str)) {
    match value {
        Some(Value::String(text)) => out(&format!("{{Type:(intstr.Type)1 IntVal:(int32)0 StrVal:(string){text}}}")),
        number => out(&format!("{{Type:(intstr.Type)0 IntVal:(int32){} StrVal:(string)}}", number.and_then(Value::as_i64).unwrap_or(0))),
    }
}

/// The inside of a quantity that was read from its canonical text. An absent one is all zero.
fn quantity(value: Option<&Value>, out: &mut dyn FnMut(&str)) {
    let text = value.and_then(Value::as_str).and_then(|t| quantity::canonical(t).ok());
    let (amount, scale, kept, format) = text.as_deref().map_or((0, 0, String::new(), ""), parts);
    out(&format!(
        "{{i:(resource.int64Amount){{value:(int64){amount} scale:(resource.Scale){scale}}} d:(resource.infDecAmount){{Dec:(*inf.Dec)<nil>}} s:(string){kept} Format:(resource.Format){format}}}"
    ));
}

/// Digits, decimal scale, the cached text (kept only in some forms), and the format's name.
fn parts(text: &str) -> (i128, i32, String, &'static str) {
    if text == "0" {
        return (0, 0, "0".into(), "DecimalSI");
    }
    let end = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let digits: i128 = number.parse().unwrap_or(0);
    if let Some(power) = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].iter().position(|s| *s == suffix) {
        let kept = if digits & 7 != 0 { text.to_owned() } else { String::new() };
        return (digits << (10 * (power + 1)), 0, kept, "BinarySI");
    }
    let decimal = [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];
    let known = decimal.iter().find(|(name, _)| *name == suffix).map(|(_, scale)| *scale);
    let scale = known.unwrap_or_else(|| suffix.trim_start_matches(['e', 'E']).parse().unwrap_or(0));
    let binary = Quantity::parse(text).is_ok_and(|q| q.format() == Format::BinarySi);
    let kept = scale % 3 == 0 && !number.ends_with("000") && !number.starts_with('0');
    let format = if binary {
        "BinarySI"
    } else if known.is_some() {
        "DecimalSI"
    } else {
        "DecimalExponent"
    };
    (digits, scale, if kept { text.to_owned() } else { String::new() }, format)
}
