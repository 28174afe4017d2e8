//! Looking into objects as the API shows them, and at the world as it was at a moment.

use std::collections::BTreeMap;

use serde_json::Value;
use sim_apimachinery::{Kind, Object, duration};
use sim_core::time::{SECOND, SimTime};

use crate::moment::objects_at;
use crate::session::Played;

/// The world at a moment.
pub struct World<'a> {
    played: &'a Played,
    /// The moment.
    pub at: SimTime,
}

impl World<'_> {
    /// The world of a run at a moment.
    pub fn new(played: &Played, at: SimTime) -> World<'_> {
        World { played, at }
    }

    /// The objects of a kind there were, as the API shows them, by namespace and name.
    pub fn list(&self, kind: Kind) -> Vec<Value> {
        objects_at(self.played, kind, self.at).values().map(Object::to_json).collect()
    }

    /// The objects of a kind in a namespace.
    pub fn list_in(&self, kind: Kind, namespace: &str) -> Vec<Value> {
        self.list(kind).into_iter().filter(|o| text(o, "/metadata/namespace") == namespace).collect()
    }

    /// How long ago a time was, in kubectl's short form.
    pub fn since(&self, time: &str) -> String {
        match moment(time) {
            Some(then) => duration::human(self.at.since(then) / SECOND),
            None => "<unknown>".into(),
        }
    }
}

/// A moment that the API wrote down.
pub fn moment(time: &str) -> Option<SimTime> {
    serde_json::from_value(time.into()).ok().map(|t| SimTime::from_time(&t))
}

/// A text inside a value, empty if it is not there.
pub fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

/// A number inside a value, 0 if it is not there.
pub fn int(value: &Value, path: &str) -> i64 {
    value.pointer(path).and_then(Value::as_i64).unwrap_or(0)
}

/// A truth inside a value, false if it is not there.
pub fn flag(value: &Value, path: &str) -> bool {
    value.pointer(path).and_then(Value::as_bool).unwrap_or(false)
}

/// A list inside a value, empty if it is not there.
pub fn items<'a>(value: &'a Value, path: &str) -> &'a [Value] {
    value.pointer(path).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The entries of a map inside a value in order of their keys, values as text.
pub fn pairs(value: &Value, path: &str) -> BTreeMap<String, String> {
    let map = value.pointer(path).and_then(Value::as_object);
    map.into_iter().flatten().map(|(k, v)| (k.clone(), plain(v))).collect()
}

/// A scalar as Go's `%v` prints it.
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "<nil>".into(),
        other => other.to_string(),
    }
}

/// A scalar inside a value as text, or a word for its absence.
pub fn or<'a>(value: &Value, path: &str, absent: &'a str) -> std::borrow::Cow<'a, str> {
    match value.pointer(path) {
        None | Some(Value::Null) => absent.into(),
        Some(found) => plain(found).into(),
    }
}

/// `<none>` for an empty text.
pub fn or_none(text: &str) -> &str {
    if text.is_empty() { "<none>" } else { text }
}

/// A time as RFC 1123 writes it, with the zone as a number.
pub fn date(time: &str) -> String {
    match moment(time) {
        Some(at) => at.to_time().0.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string(),
        None => "Mon, 01 Jan 0001 00:00:00 +0000".into(),
    }
}

/// `a=b,c=d`, or `<none>`.
pub fn joined(pairs: &BTreeMap<String, String>) -> String {
    let texts: Vec<String> = pairs.iter().map(|(k, v)| format!("{k}={v}")).collect();
    or_none(&texts.join(",")).to_owned()
}

/// A label selector in its short form, or `<none>`.
pub fn selector(value: &Value, path: &str) -> String {
    let parsed = value.pointer(path).and_then(|v| serde_json::from_value(v.clone()).ok());
    let parsed = parsed.and_then(|s| sim_apimachinery::selector::Selector::from_label_selector(&s).ok());
    or_none(&parsed.map(|s| s.to_string()).unwrap_or_default()).to_owned()
}

/// `True` or `False`, or `<unset>`.
pub fn truth(value: Option<&Value>) -> &'static str {
    match value.and_then(Value::as_bool) {
        Some(true) => "True",
        Some(false) => "False",
        None => "<unset>",
    }
}
