//! Makes objects of two clusters comparable: random names, addresses and dates become blanks, volatile fields go, lists whose
//! order means nothing are sorted, and what remains is a set of `path=value` fields.
//! The rules are those of the score `fidelity.py`, so that the figures are.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::recording::{Recording, Watch, text};
use crate::tolerances::Tolerances;

/// Names one `path=value` of [`Fields`].
pub(crate) type FieldId = u32;

/// All fields that were seen, each once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields {
    ids: BTreeMap<String, BTreeMap<String, FieldId>>,
    all: Vec<(String, String)>,
}

impl Fields {
    fn id(&mut self, path: &str, value: String) -> FieldId {
        if let Some(id) = self.ids.get(path).and_then(|values| values.get(&value)) {
            return *id;
        }
        let id = self.all.len() as FieldId;
        self.all.push((path.to_owned(), value.clone()));
        self.ids.entry(path.to_owned()).or_default().insert(value, id);
        id
    }

    /// Path (such as `.status.phase`) and value (JSON) of a field.
    pub(crate) fn get(&self, id: FieldId) -> (&str, &str) {
        self.all.get(id as usize).map_or(("", ""), |(path, value)| (path, value))
    }

    /// All `path=value` of an object, sorted by their ids.
    pub(crate) fn of(&mut self, body: &Value) -> Vec<FieldId> {
        let mut found = Vec::new();
        self.collect(body, &mut String::new(), &mut found);
        found.sort_unstable();
        found.dedup();
        found
    }

    fn collect(&mut self, value: &Value, path: &mut String, found: &mut Vec<FieldId>) {
        let length = path.len();
        match value {
            Value::Object(map) if !map.is_empty() => {
                for (key, inner) in map {
                    path.push('.');
                    path.push_str(key);
                    self.collect(inner, path, found);
                    path.truncate(length);
                }
            }
            Value::Array(list) if !list.is_empty() => {
                for (index, inner) in list.iter().enumerate() {
                    path.push_str(&format!("[{index}]"));
                    self.collect(inner, path, found);
                    path.truncate(length);
                }
            }
            leaf => found.push(self.id(path, leaf.to_string())),
        }
    }
}

/// Blanks of one recording: its generated names, and the patterns of the tolerances.
pub(crate) struct Blanks<'t> {
    tolerances: &'t Tolerances,
    /// Generated names with what to put in their place, the longest first.
    names: Vec<(String, String)>,
    known: BTreeMap<String, String>,
}

impl<'t> Blanks<'t> {
    pub(crate) fn of(recording: &Recording, tolerances: &'t Tolerances) -> Blanks<'t> {
        let mut names = BTreeMap::new();
        for watch in recording.watches() {
            if let Some(prefix) = watch.generate_name().filter(|prefix| watch.name().starts_with(prefix)) {
                names.insert(watch.name().to_owned(), format!("{prefix}*"));
            }
        }
        let mut names: Vec<_> = names.into_iter().collect();
        names.sort_by_key(|(name, _)| std::cmp::Reverse(name.chars().count()));
        Blanks { tolerances, names, known: BTreeMap::new() }
    }

    /// A text without what is random in it.
    pub(crate) fn blank(&mut self, text: &str) -> String {
        if let Some(known) = self.known.get(text) {
            return known.clone();
        }
        let mut blanked = text.to_owned();
        for (name, blank) in &self.names {
            if blanked.contains(name.as_str()) {
                blanked = blanked.replace(name.as_str(), blank);
            }
        }
        for (pattern, with) in &self.tolerances.blank {
            blanked = match pattern.replace_all(&blanked, with.as_str()) {
                std::borrow::Cow::Borrowed(_) => continue,
                std::borrow::Cow::Owned(replaced) => replaced,
            };
        }
        self.known.insert(text.to_owned(), blanked.clone());
        blanked
    }

    /// What of a watched object is compared.
    pub(crate) fn body(&mut self, watch: &Watch) -> Value {
        let mut body = Map::new();
        for (key, value) in watch.object.as_object().into_iter().flatten() {
            if key != "kind" && key != "apiVersion" && self.is_compared(key, value) {
                body.insert(key.clone(), self.clean(value));
            }
        }
        if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("name");
        }
        let mut body = Value::Object(body);
        self.tolerances.paths.iter().for_each(|path| remove(&mut body, path));
        if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut)
            && metadata.get("annotations").is_some_and(|a| a.as_object().is_some_and(Map::is_empty))
        {
            metadata.remove("annotations");
        }
        if !text(&watch.object["metadata"], "deletionTimestamp").is_empty() {
            body["deleting"] = true.into();
        }
        body
    }

    fn is_compared(&self, key: &str, value: &Value) -> bool {
        !value.is_null() && !self.tolerances.fields.contains(key)
    }

    fn clean(&mut self, value: &Value) -> Value {
        match value {
            Value::Object(map) => {
                let mut kept = Map::new();
                for (key, inner) in map {
                    if self.is_compared(key, inner) {
                        kept.insert(key.clone(), self.clean(inner));
                    }
                }
                Value::Object(kept)
            }
            Value::Array(list) => sorted(list.iter().map(|inner| self.clean(inner)).collect()),
            Value::String(text) => Value::String(self.blank(text)),
            other => other.clone(),
        }
    }
}

/// Conditions by their type; endpoints, which come in any order, by all they hold; other lists as they are.
fn sorted(mut list: Vec<Value>) -> Value {
    if !list.is_empty() && list.iter().all(|entry| entry.get("type").is_some()) {
        list.sort_by_key(|entry| entry["type"].as_str().map_or_else(|| entry["type"].to_string(), str::to_owned));
    } else if !list.is_empty() && list.iter().all(|entry| entry.get("targetRef").is_some()) {
        list.sort_by_key(in_order);
    }
    Value::Array(list)
}

/// JSON with its keys in order, whatever the order in memory.
fn in_order(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let keys: BTreeMap<_, _> = map.iter().collect();
            let inner: Vec<_> = keys.into_iter().map(|(key, value)| format!("{}:{}", Value::from(key.as_str()), in_order(value))).collect();
            format!("{{{}}}", inner.join(","))
        }
        Value::Array(list) => format!("[{}]", list.iter().map(in_order).collect::<Vec<_>>().join(",")),
        leaf => leaf.to_string(),
    }
}

fn remove(value: &mut Value, path: &[String]) {
    let Some((last, way)) = path.split_last() else { return };
    let place = way.iter().try_fold(value, |place, key| place.get_mut(key.as_str()));
    if let Some(map) = place.and_then(Value::as_object_mut) {
        map.remove(last);
    }
}
