//! Named formats: `format.dns1123Label().validate(text)`. Source: apiserver pkg/cel/library/format.go.
//! Not modelled: the formats `uri`, `uuid`, `byte`, `date` and `datetime` are checked by their shape.

use std::sync::Arc;

use sim_apimachinery::names;

use crate::evaluate::Outcome;
use crate::value::Value;

const NAMES: [&str; 13] = [
    "dns1123Label",
    "dns1123Subdomain",
    "dns1035Label",
    "qualifiedName",
    "dns1123LabelPrefix",
    "dns1123SubdomainPrefix",
    "dns1035LabelPrefix",
    "labelValue",
    "uri",
    "uuid",
    "byte",
    "date",
    "datetime",
];

pub(super) fn call(name: &str, args: &[Value]) -> Option<Outcome> {
    match (name, args) {
        ("format.named", [Value::String(s)]) => {
            let found = NAMES.contains(&&**s).then(|| Arc::new(Value::Format(s.clone())));
            Some(Ok(Value::Optional(found)))
        }
        ("validate", [Value::Format(format), Value::String(s)]) => {
            let wrong: Vec<Value> = problems(format, s).iter().map(|t| Value::text(t)).collect();
            Some(Ok(Value::Optional((!wrong.is_empty()).then(|| Arc::new(Value::list(wrong))))))
        }
        (_, []) => name.strip_prefix("format.").filter(|n| NAMES.contains(n)).map(|n| Ok(Value::Format(n.into()))),
        _ => None,
    }
}

fn problems(format: &str, text: &str) -> Vec<String> {
    let prefix = |text: &str| text.strip_suffix('-').map_or_else(|| text.to_owned(), |t| format!("{t}a"));
    let shape = |pattern: &str, what: &str| {
        let fits = regex::Regex::new(pattern).is_ok_and(|r| r.is_match(text));
        if fits { vec![] } else { vec![what.to_owned()] }
    };
    match format {
        "dns1123Label" => names::dns1123_label(text),
        "dns1123Subdomain" => names::dns1123_subdomain(text),
        "dns1035Label" => names::dns1035_label(text),
        "qualifiedName" => names::qualified_name(text),
        "labelValue" => names::label_value(text),
        "dns1123LabelPrefix" => names::dns1123_label(&prefix(text)),
        "dns1123SubdomainPrefix" => names::dns1123_subdomain(&prefix(text)),
        "dns1035LabelPrefix" => names::dns1035_label(&prefix(text)),
        "uri" => shape(r"^([a-zA-Z][a-zA-Z0-9+.-]*:\S*|/\S*)$", "invalid uri"),
        "uuid" => shape(r"(?i)^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$", "does not match the UUID format"),
        "byte" => shape(r"^[A-Za-z0-9+/]*={0,2}$", "invalid base64"),
        "date" => shape(r"^\d{4}-\d{2}-\d{2}$", "invalid date"),
        _ => shape(r"(?i)^\d{4}-\d{2}-\d{2}t\d{2}:\d{2}:\d{2}(\.\d+)?(z|[+-]\d{2}:\d{2})$", "invalid datetime"),
    }
}
