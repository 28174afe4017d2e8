//! `ConversionReview`: what a converter's answer means, in the words of the real server for a single object.
//! Promise: of an object's metadata only labels and annotations come from the converter; kind, name, namespace and uid must be
//! as they were, and the version the one that was asked for.
//! Source: `getConvertedObjectsFromResponse`, `validateConvertedObject` and `restoreObjectMeta` in webhook_converter.go.

use serde_json::Value;
use sim_apimachinery::names;

/// What a converter was asked about one object.
pub(super) struct Question<'a> {
    /// The review's uid.
    pub uid: &'a str,
    /// The version of the review.
    pub version: &'a str,
    /// How many objects were sent.
    pub count: usize,
    /// The object.
    pub of: &'a Value,
    /// The `apiVersion` that was asked for.
    pub to: &'a str,
}

/// The objects of an answer, as many as were sent.
pub(super) fn converted_objects<'a>(answer: &'a Result<Value, String>, question: &Question<'_>) -> Result<&'a [Value], String> {
    let failed = |why: &str| format!("conversion webhook for {} failed: {why}", question.subject());
    let body = answer.as_ref().map_err(|why| failed(why))?;
    let objects = read(body, question).map_err(|why| failed(&why))?;
    if objects.len() == question.count {
        return Ok(objects);
    }
    Err(format!("conversion webhook for {} returned {} objects, expected {}", question.subject(), objects.len(), question.count))
}

fn read<'a>(body: &'a Value, question: &Question<'_>) -> Result<&'a [Value], String> {
    let text = |at: &str| body.pointer(at).and_then(Value::as_str).unwrap_or_default();
    // The older version of the review says less about itself.
    if question.version == "v1" {
        let (group, version) = group_version(text("/apiVersion"));
        let found = format!("{group}/{version}, Kind={}", text("/kind"));
        let wanted = "apiextensions.k8s.io/v1, Kind=ConversionReview";
        if found != wanted {
            return Err(format!("expected webhook response of {wanted}, got {found}"));
        }
    }
    if !body.get("response").is_some_and(Value::is_object) {
        return Err("no response provided".into());
    }
    if question.version == "v1" && text("/response/uid") != question.uid {
        return Err(format!("expected response.uid={:?}, got {:?}", question.uid, text("/response/uid")));
    }
    match (text("/response/result/status"), text("/response/result/message")) {
        ("Success", _) => Ok(body.pointer("/response/convertedObjects").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()),
        (status, "") => Err(format!("response.result.status was '{status}', not 'Success'")),
        (_, message) => Err(message.to_owned()),
    }
}

impl Question<'_> {
    /// The kind of the object as it was sent: `group/version, Kind=Kind`.
    fn subject(&self) -> String {
        let (group, version) = group_version(self.of.get("apiVersion").and_then(Value::as_str).unwrap_or_default());
        format!("{group}/{version}, Kind={}", word(self.of, "kind"))
    }

    /// The converted object with the labels and annotations it may have, or what is wrong with it.
    pub fn check(&self, converted: &Value) -> Result<Value, String> {
        let missing =
            |name: &str, is_there: bool| if is_there { Ok(()) } else { Err(format!("Object '{name}' is missing in '{converted}'")) };
        missing("Kind", converted.get("kind").and_then(Value::as_str).is_some_and(|k| !k.is_empty()))?;
        let invalid = |why: String| format!("conversion webhook for {} returned invalid {why}", self.subject());
        let (expected, got) = (self.to, word(converted, "apiVersion"));
        if expected != got {
            return Err(invalid(format!("object at index 0: invalid groupVersion (expected {expected}, received {got})")));
        }
        let (expected, got) = (word(self.of, "kind"), word(converted, "kind"));
        if expected != got {
            return Err(invalid(format!("object at index 0: invalid kind (expected {expected}, received {got})")));
        }
        for (what, name) in [("name", "name"), ("namespace", "namespace"), ("UID", "uid")] {
            let of = |object: &Value| word(object.get("metadata").unwrap_or(&Value::Null), name).to_owned();
            let (expected, got) = (of(self.of), of(converted));
            if expected != got {
                return Err(invalid(format!("object: must have the same {what}: {expected} != {got}")));
            }
        }
        check_metadata(self.of, converted).map_err(|why| invalid(format!("metadata: {why}")))?;
        Ok(converted.clone())
    }
}

fn check_metadata(original: &Value, converted: &Value) -> Result<(), String> {
    let Some(metadata) = converted.get("metadata") else { return Err("missing metadata in converted object".into()) };
    if !metadata.is_object() {
        return Err(format!("invalid metadata of type {} in converted object", go_type(metadata)));
    }
    for name in ["labels", "annotations"] {
        let Some(words) = metadata.get(name).filter(|w| !w.is_null()) else { continue };
        let Some(words) = words.as_object() else {
            return Err(format!("invalid metadata.{name} of type {} in converted object", go_type(words)));
        };
        for (key, value) in words {
            if !value.is_string() {
                return Err(format!("metadata.{name}[{key}] must be a string, but is {} in converted object", go_type(value)));
            }
        }
        let before = original.pointer(&format!("/metadata/{name}")).and_then(Value::as_object);
        if before.is_none_or(|before| before != words) {
            check_words(name, words)?;
        }
    }
    Ok(())
}

/// Labels and annotations that the converter changed must be valid.
fn check_words(name: &str, words: &serde_json::Map<String, Value>) -> Result<(), String> {
    let mut wrong: Vec<String> = vec![];
    for (key, value) in words {
        if name == "labels" {
            wrong.extend(names::qualified_name(key).iter().map(|why| format!("metadata.labels: Invalid value: {key:?}: {why}")));
            let value = value.as_str().unwrap_or_default();
            wrong.extend(names::label_value(value).iter().map(|why| format!("metadata.labels: Invalid value: {value:?}: {why}")));
        } else {
            let wrong_keys = names::qualified_name(&key.to_lowercase());
            wrong.extend(wrong_keys.iter().map(|why| format!("metadata.annotation: Invalid value: {key:?}: {why}")));
        }
    }
    match wrong.as_slice() {
        [] => Ok(()),
        [one] => Err(one.clone()),
        more => Err(format!("[{}]", more.join(", "))),
    }
}

fn word<'a>(object: &'a Value, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn group_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// The type of a value as Go names it.
fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}
