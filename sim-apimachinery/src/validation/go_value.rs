//! How Go prints the value that is to blame: strings quoted as `%q`, numbers and booleans plain, all else as JSON.
//! Source: `ErrorBody` in apimachinery pkg/util/validation/field/errors.go, strconv.Quote, encoding/json.
//! Internal types have no JSON names, so their structs show Go's field names, and nothing is left out: `go_struct!`.

use std::fmt::Write;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::Value;

/// A value as an error message shows it.
pub trait BadValue {
    /// Writes it.
    fn write(&self, out: &mut String);
}

impl BadValue for str {
    fn write(&self, out: &mut String) {
        quote(self, out);
    }
}
impl BadValue for String {
    fn write(&self, out: &mut String) {
        quote(self, out);
    }
}
impl<T: BadValue + ?Sized> BadValue for &T {
    fn write(&self, out: &mut String) {
        (**self).write(out);
    }
}
/// A pointer of Go's: nothing is `null`.
impl<T: BadValue> BadValue for Option<T> {
    fn write(&self, out: &mut String) {
        match self {
            Some(value) => value.write(out),
            None => out.push_str("null"),
        }
    }
}
macro_rules! plain {
    ($($type:ty)*) => {$(impl BadValue for $type {
        fn write(&self, out: &mut String) {
            let _ = write!(out, "{self}");
        }
    })*};
}
plain!(i32 i64 usize bool);

impl BadValue for IntOrString {
    fn write(&self, out: &mut String) {
        match self {
            IntOrString::Int(number) => number.write(out),
            IntOrString::String(text) => out.push_str(&json_string(text)),
        }
    }
}
impl BadValue for Value {
    fn write(&self, out: &mut String) {
        out.push_str(&json(self));
    }
}
impl BadValue for [String] {
    fn write(&self, out: &mut String) {
        out.push_str(&json_list(self.iter().map(|s| json_string(s))));
    }
}
impl BadValue for Vec<String> {
    fn write(&self, out: &mut String) {
        self.as_slice().write(out);
    }
}

/// A text that is shown as it is: JSON that is already written.
#[derive(Clone, Debug)]
pub struct Raw(pub String);

impl BadValue for Raw {
    fn write(&self, out: &mut String) {
        out.push_str(&self.0);
    }
}

/// A value written down, as JSON where a struct holds it.
pub fn shown(value: impl BadValue) -> String {
    let mut out = String::new();
    value.write(&mut out);
    out
}

/// A struct of Go as JSON: names and values that are already JSON, in Go's order.
pub fn go_object(fields: &[(&str, String)]) -> Raw {
    let parts: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    Raw(format!("{{{}}}", parts.join(",")))
}

/// A list as JSON, of items that are already JSON.
pub fn json_list(items: impl IntoIterator<Item = String>) -> String {
    let items: Vec<String> = items.into_iter().collect();
    format!("[{}]", items.join(","))
}

/// A string as Go's JSON writes it: `<`, `>` and `&` escaped too.
pub fn json_string(text: &str) -> String {
    let plain = serde_json::to_string(text).unwrap_or_default();
    let escaped = plain.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    escaped.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

/// A value as Go's JSON writes it, fields in the order of the map.
pub fn json(value: &Value) -> String {
    match value {
        Value::String(text) => json_string(text),
        Value::Array(items) => json_list(items.iter().map(json)),
        Value::Object(map) => {
            let parts: Vec<String> = map.iter().map(|(name, value)| format!("{}:{}", json_string(name), json(value))).collect();
            format!("{{{}}}", parts.join(","))
        }
        other => other.to_string(),
    }
}

/// A label selector, which has JSON names and leaves out what is empty.
pub fn label_selector(selector: &LabelSelector) -> Raw {
    let mut fields = Vec::new();
    if let Some(labels) = selector.match_labels.as_ref().filter(|l| !l.is_empty()) {
        fields.push(("matchLabels", json_map(labels)));
    }
    if let Some(expressions) = selector.match_expressions.as_ref().filter(|e| !e.is_empty()) {
        let items = expressions.iter().map(|e| {
            let mut parts = vec![("key", json_string(&e.key)), ("operator", json_string(&e.operator))];
            parts.extend(e.values.as_ref().filter(|v| !v.is_empty()).map(|v| ("values", shown(v))));
            go_object(&parts).0
        });
        fields.push(("matchExpressions", json_list(items)));
    }
    go_object(&fields)
}

/// A map of strings as JSON.
pub fn json_map(map: &std::collections::BTreeMap<String, String>) -> String {
    let parts: Vec<String> = map.iter().map(|(key, value)| format!("{}:{}", json_string(key), json_string(value))).collect();
    format!("{{{}}}", parts.join(","))
}

/// `strconv.Quote`.
pub fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            c => quote_other(c, out),
        }
    }
    out.push('"');
}

fn quote_other(c: char, out: &mut String) {
    let code = u32::from(c);
    let _ = match code {
        0..0x20 | 0x7f => write!(out, "\\x{code:02x}"),
        0x20..0x7f => return out.push(c),
        // What Go does not print: Rust's own escape knows the same classes of characters.
        _ if c.escape_debug().count() == 1 => return out.push(c),
        0x80..0x1_0000 => write!(out, "\\u{code:04x}"),
        _ => write!(out, "\\U{code:08x}"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_quoted_as_go_quotes_them() {
        assert_eq!(shown("a\"b\\c\n\u{1}é\u{200b}"), "\"a\\\"b\\\\c\\n\\x01é\\u200b\"");
        assert_eq!(shown("it's"), "\"it's\"");
    }

    #[test]
    fn json_escapes_what_html_would_read() {
        assert_eq!(json(&serde_json::json!({"a": "<&>", "b": [1, null]})), r#"{"a":"\u003c\u0026\u003e","b":[1,null]}"#);
    }
}
