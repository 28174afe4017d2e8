//! What is wrong with a definition or a custom object, as causes in Kubernetes' words. Paths are texts, because they come from
//! the definition and not from a type. Source: apimachinery pkg/util/validation/field/errors.go.

use serde_json::Value;
use sim_apimachinery::Cause;

/// What was found, in order.
#[derive(Debug, Default)]
pub(crate) struct Problems(pub Vec<Cause>);

impl Problems {
    fn push(&mut self, reason: &str, at: &str, head: String, detail: &str) {
        let message = if detail.is_empty() { head } else { format!("{head}: {detail}") };
        let field = if at.is_empty() { "<nil>" } else { at };
        self.0.push(Cause { reason: reason.into(), message, field: field.into() });
    }

    /// `Required value`.
    pub fn required(&mut self, at: &str, detail: &str) {
        self.push("FieldValueRequired", at, "Required value".into(), detail);
    }

    /// `Invalid value: …`.
    pub fn invalid(&mut self, at: &str, value: &Value, detail: &str) {
        self.push("FieldValueInvalid", at, format!("Invalid value: {}", shown(value)), detail);
    }

    /// `Invalid value: …` of a text.
    pub fn invalid_text(&mut self, at: &str, text: &str, detail: &str) {
        self.invalid(at, &Value::from(text), detail);
    }

    /// `Invalid value: …` of something that is already written down.
    pub fn invalid_raw(&mut self, at: &str, raw: &str, detail: &str) {
        self.push("FieldValueInvalid", at, format!("Invalid value: {raw}"), detail);
    }

    /// `Invalid value: detail`, where the value is not told.
    pub fn invalid_untold(&mut self, at: &str, detail: &str) {
        self.push("FieldValueInvalid", at, "Invalid value".into(), detail);
    }

    /// `Invalid value: …` because of its type.
    pub fn type_invalid(&mut self, at: &str, value: &Value, detail: &str) {
        self.push("FieldValueTypeInvalid", at, format!("Invalid value: {}", shown(value)), detail);
    }

    /// `Unsupported value: …`, with the values that are supported in the order given.
    pub fn not_supported(&mut self, at: &str, value: &Value, supported: &[String]) {
        let quoted: Vec<String> = supported.iter().map(|s| quoted(s)).collect();
        let detail = if quoted.is_empty() { String::new() } else { format!("supported values: {}", quoted.join(", ")) };
        self.push("FieldValueNotSupported", at, format!("Unsupported value: {}", shown(value)), &detail);
    }

    /// `Duplicate value: …`.
    pub fn duplicate(&mut self, at: &str, value: &Value) {
        self.push("FieldValueDuplicate", at, format!("Duplicate value: {}", shown(value)), "");
    }

    /// `Duplicate value`, where the value is not told.
    pub fn duplicate_untold(&mut self, at: &str) {
        self.push("FieldValueDuplicate", at, "Duplicate value".into(), "");
    }

    /// `Forbidden: …`.
    pub fn forbidden(&mut self, at: &str, detail: &str) {
        self.push("FieldValueForbidden", at, "Forbidden".into(), detail);
    }

    /// `Too long: may not be more than N bytes`.
    pub fn too_long(&mut self, at: &str, most: i64) {
        let unit = if most == 1 { "byte" } else { "bytes" };
        self.push("FieldValueTooLong", at, "Too long".into(), &format!("may not be more than {most} {unit}"));
    }

    /// `Too many: N: must have at most M items`.
    pub fn too_many(&mut self, at: &str, actual: usize, most: i64) {
        let unit = if most == 1 { "item" } else { "items" };
        self.push("FieldValueTooMany", at, format!("Too many: {actual}"), &format!("must have at most {most} {unit}"));
    }

    /// Whether any of it keeps rules in CEL from being looked at.
    pub fn is_blocking(&self) -> bool {
        const BLOCKING: [&str; 5] =
            ["FieldValueNotSupported", "FieldValueRequired", "FieldValueTooLong", "FieldValueTooMany", "FieldValueTypeInvalid"];
        self.0.iter().any(|c| BLOCKING.contains(&c.reason.as_str()))
    }
}

/// A value as Go shows it in an error: texts quoted, all else as JSON.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        other => json(other),
    }
}

/// `strconv.Quote`, for what texts in definitions hold.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() && u32::from(c) < 0x80 => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// JSON as Go's encoder writes it: `<`, `>` and `&` are escaped.
pub(crate) fn json(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// A field below a path.
pub(crate) fn child(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
