//! Every other kind: all its fields in order of their names, as kubectl shows kinds it has no page for.

use serde_json::{Map, Value};

use super::metadata::{events, head};
use super::page::Page;
use super::view::{World, plain};

/// Shown at the head already, or of no interest to people.
const LEFT_OUT: [&str; 5] =
    [".metadata.managedFields", ".metadata.name", ".metadata.namespace", ".metadata.labels", ".metadata.annotations"];

/// An object of any kind.
pub fn object(page: &mut Page, object: &Value, world: &World<'_>) {
    head(page, object);
    if let Some(fields) = object.as_object() {
        content(page, 0, fields, "");
    }
    events(page, object, world);
}

fn content(page: &mut Page, level: usize, fields: &Map<String, Value>, path: &str) {
    let sorted: std::collections::BTreeMap<&String, &Value> = fields.iter().collect();
    for (field, value) in sorted {
        let path = format!("{path}.{field}");
        if LEFT_OUT.contains(&path.as_str()) {
            continue;
        }
        match value {
            Value::Object(inner) => {
                page.line(level, format!("{}:", label(field)));
                content(page, level + 1, inner, &path);
            }
            Value::Array(inner) => {
                page.line(level, format!("{}:", label(field)));
                for item in inner {
                    match item {
                        Value::Object(inner) => content(page, level + 1, inner, &path),
                        scalar => page.line(level + 1, plain(scalar)),
                    }
                }
            }
            scalar => page.line(level, format!("{}:\t{}", label(field), plain(scalar))),
        }
    }
}

/// `apiVersion` is `API Version`, `creationTimestamp` is `Creation Timestamp`; names with signs stay as they are.
fn label(field: &str) -> String {
    if field.chars().any(|c| !c.is_alphabetic() && c != '-') {
        return field.to_owned();
    }
    let words: Vec<String> = words(field).iter().map(|w| capital(w)).collect();
    words.join(" ")
}

fn capital(word: &str) -> String {
    let upper = word.to_ascii_uppercase();
    if ["API", "URL", "UID", "GUID"].contains(&upper.as_str()) {
        return upper;
    }
    let mut letters = word.chars();
    letters.next().map_or(String::new(), |first| first.to_ascii_uppercase().to_string() + letters.as_str())
}

/// The words of a name in camel case: `podIPs` is `pod`, `IPs`; `externalIPAddress` is `external`, `IPAddress`.
fn words(field: &str) -> Vec<String> {
    let letters: Vec<char> = field.chars().collect();
    let mut words: Vec<String> = Vec::new();
    for (at, letter) in letters.iter().enumerate() {
        let after_lower = at > 0 && letter.is_uppercase() && letters[at - 1].is_lowercase();
        match words.last_mut() {
            Some(word) if !after_lower => word.push(*letter),
            _ => words.push(letter.to_string()),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_names_become_titles() {
        let titles = ["apiVersion", "creationTimestamp", "uid", "podIP", "app.kubernetes.io/name", "url"].map(label);
        assert_eq!(titles, ["API Version", "Creation Timestamp", "UID", "Pod IP", "app.kubernetes.io/name", "URL"]);
    }
}
