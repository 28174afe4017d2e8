//! What of an object goes into a recording: all but `managedFields`, and never the value of a Secret.
//! Values of Secrets become `sha256:` and the SHA-256 of the value in hex, in `data`, in `stringData` and in what kubectl
//! remembers of the manifest, so that a change can be seen and equal values look equal. A value that can be guessed can be
//! found by trying. Not hidden: what people put into other objects, such as variables of containers.
//! The recording's own namespace is written as the scenario's, so that two recordings and a simulated run can be compared.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Where kubectl keeps the manifest.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// How a namespace is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Renaming {
    /// As it is in the cluster.
    pub from: String,
    /// As it is written.
    pub to: String,
}

/// Makes an object fit for a recording.
pub fn scrub(object: &mut Value, renaming: &Renaming) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    if object["kind"] == "Secret" {
        hide(object);
        hide_remembered(object);
    }
    if renaming.from != renaming.to {
        if object["kind"] == "Event" {
            rename_told(object, renaming);
        }
        rename(object, renaming);
    }
}

/// Messages of events name objects as `namespace/name`.
fn rename_told(event: &mut Value, renaming: &Renaming) {
    let before = format!("{}/", renaming.from);
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '/' || c == '.';
    for field in ["message", "note"] {
        let Some(Value::String(text)) = event.get_mut(field) else { continue };
        let mut told = String::new();
        for (number, part) in text.split(&before).enumerate() {
            let is_whole = number > 0 && !told.ends_with(is_name);
            told.push_str(match (number, is_whole) {
                (0, _) => "",
                (_, true) => "\u{0}",
                (_, false) => &before,
            });
            told.push_str(part);
        }
        *text = told.replace('\u{0}', &format!("{}/", renaming.to));
    }
}

/// Hashes the values of a Secret.
fn hide(secret: &mut Value) {
    for (field, encoded) in [("data", true), ("stringData", false)] {
        let values = secret.get_mut(field).and_then(Value::as_object_mut);
        for value in values.into_iter().flat_map(|map| map.values_mut()) {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let decoded = BASE64_STANDARD.decode(&text).ok().filter(|_| encoded);
            *value = hash(&decoded.unwrap_or_else(|| text.into_bytes())).into();
        }
    }
}

fn hash(bytes: &[u8]) -> String {
    let digest: String = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
    format!("sha256:{digest}")
}

fn hide_remembered(secret: &mut Value) {
    let remembered = secret.pointer_mut("/metadata/annotations").and_then(|a| a.get_mut(LAST_APPLIED));
    let Some(text) = remembered else { return };
    match text.as_str().and_then(|t| serde_json::from_str::<Value>(t).ok()) {
        Some(mut manifest) => {
            hide(&mut manifest);
            *text = format!("{manifest}\n").into();
        }
        // What cannot be read cannot be hidden in part.
        None => *text = hash(text.to_string().as_bytes()).into(),
    }
}

/// Writes the namespace as another wherever a field says it.
fn rename(value: &mut Value, renaming: &Renaming) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, renaming)),
        Value::Object(map) => {
            for (key, inner) in map {
                match inner {
                    Value::String(text) if key == "namespace" && *text == renaming.from => *text = renaming.to.clone(),
                    Value::String(text) if key == LAST_APPLIED => {
                        *text =
                            text.replace(&format!("\"namespace\":\"{}\"", renaming.from), &format!("\"namespace\":\"{}\"", renaming.to));
                    }
                    other => rename(other, renaming),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_value_of_a_secret_is_left_anywhere() {
        let remembered = json!({"kind": "Secret", "stringData": {"password": "hunter2"}, "data": {"key": "aHVudGVyMg=="}}).to_string();
        let mut secret = json!({"kind": "Secret", "metadata": {"name": "s", "managedFields": [1], "annotations": {LAST_APPLIED: remembered}},
            "data": {"password": "aHVudGVyMg==", "odd": "not base64!"}});
        scrub(&mut secret, &Renaming::default());
        let text = secret.to_string();
        for hidden in ["hunter2", "aHVudGVyMg", "not base64", "managedFields"] {
            assert!(!text.contains(hidden), "{hidden} in {text}");
        }
        // sha256 of hunter2, from `printf hunter2 | sha256sum`.
        let expected = "sha256:f52fbd32b2b3b86ff88ef6c490628285f482af15ddcb29541f94bcf526a3f6c7";
        assert_eq!(secret["data"]["password"], expected);
        assert_eq!(text.matches(expected).count(), 3, "equal values look equal: {text}");
    }

    #[test]
    fn an_annotation_that_cannot_be_read_is_hidden_whole() {
        let mut secret = json!({"kind": "Secret", "metadata": {"annotations": {LAST_APPLIED: "hunter2 is no JSON"}}});
        scrub(&mut secret, &Renaming::default());
        assert!(!secret.to_string().contains("hunter2"));
    }

    #[test]
    fn the_own_namespace_is_written_as_the_scenarios() {
        let remembered = "{\"metadata\":{\"namespace\":\"own\"}}\n";
        let mut object = json!({"kind": "Event", "metadata": {"namespace": "own", "name": "own", "annotations": {LAST_APPLIED: remembered}},
            "message": "assigned own/a to n; my-own/b, x/own/c, own/d", "involvedObject": {"namespace": "own"}, "subsets": [{"targetRef": {"namespace": "other"}}]});
        scrub(&mut object, &Renaming { from: "own".into(), to: "default".into() });
        let remembered = "{\"metadata\":{\"namespace\":\"default\"}}\n";
        let expected = json!({"kind": "Event", "metadata": {"namespace": "default", "name": "own", "annotations": {LAST_APPLIED: remembered}},
            "message": "assigned default/a to n; my-own/b, x/own/c, default/d",
            "involvedObject": {"namespace": "default"}, "subsets": [{"targetRef": {"namespace": "other"}}]});
        assert_eq!(object, expected);
    }
}
