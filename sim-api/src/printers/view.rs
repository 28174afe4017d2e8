//! How printers look at an object: by paths such as `spec.nodeName`, with Go's zero values for what is not there.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde_json::Value;
use sim_apimachinery::quantity::canonical;
use sim_apimachinery::selector::Selector;

/// A value and the time at which it is looked at.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    value: &'a Value,
    now: Timestamp,
}

impl<'a> View<'a> {
    pub(super) fn new(value: &'a Value, now: Timestamp) -> Self {
        View { value, now }
    }

    /// The value itself.
    pub(super) fn value(self) -> &'a Value {
        self.value
    }

    /// The value at a path of field names; none if it is null or not there.
    pub(super) fn get(self, path: &str) -> Option<View<'a>> {
        let found = path.split('.').try_fold(self.value, |value, name| value.get(name))?;
        (!found.is_null()).then_some(View { value: found, now: self.now })
    }

    /// The entry of a map, whose key may hold dots.
    pub(super) fn entry(self, path: &str, key: &str) -> Option<View<'a>> {
        let found = self.get(path)?.value.get(key)?;
        Some(View { value: found, now: self.now })
    }

    pub(super) fn has(self, path: &str) -> bool {
        self.get(path).is_some()
    }

    /// The string there, or the empty one.
    pub(super) fn text(self, path: &str) -> &'a str {
        self.get(path).and_then(|found| found.value.as_str()).unwrap_or_default()
    }

    /// The string there, or this if there is none or it is empty.
    pub(super) fn text_or(self, path: &str, otherwise: &'a str) -> &'a str {
        Some(self.text(path)).filter(|text| !text.is_empty()).unwrap_or(otherwise)
    }

    /// The value there as text if it is there at all, even an empty one; numbers in digits.
    pub(super) fn set_or(self, path: &str, otherwise: &str) -> String {
        match self.get(path).map(|found| found.value) {
            None => otherwise.to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    }

    pub(super) fn number(self, path: &str) -> i64 {
        self.get(path).and_then(|found| found.value.as_i64()).unwrap_or_default()
    }

    pub(super) fn is_true(self, path: &str) -> bool {
        self.get(path).is_some_and(|found| found.value == true)
    }

    /// The items of the list there.
    pub(super) fn list(self, path: &str) -> impl DoubleEndedIterator<Item = View<'a>> + ExactSizeIterator {
        let items = self.get(path).and_then(|found| found.value.as_array()).map(Vec::as_slice).unwrap_or_default();
        items.iter().map(move |value| View { value, now: self.now })
    }

    /// How many entries the list or map there has.
    pub(super) fn count(self, path: &str) -> i64 {
        let length = match self.get(path).map(|found| found.value) {
            Some(Value::Array(items)) => items.len(),
            Some(Value::Object(entries)) => entries.len(),
            _ => 0,
        };
        i64::try_from(length).unwrap_or(i64::MAX)
    }

    /// The strings of the list there, joined.
    pub(super) fn joined(self, path: &str, separator: &str) -> String {
        let words: Vec<&str> = self.list(path).map(|item| item.value.as_str().unwrap_or_default()).collect();
        words.join(separator)
    }

    pub(super) fn name(self) -> &'a str {
        self.text("metadata.name")
    }

    pub(super) fn is_deleting(self) -> bool {
        self.has("metadata.deletionTimestamp")
    }

    /// How long the object has existed.
    pub(super) fn age(self) -> String {
        self.since("metadata.creationTimestamp")
    }

    /// How long ago the time there was.
    pub(super) fn since(self, path: &str) -> String {
        match self.time(path) {
            Some(time) => human_duration(seconds_between(time, self.now)),
            None => "<unknown>".to_owned(),
        }
    }

    pub(super) fn time(self, path: &str) -> Option<Timestamp> {
        self.text(path).parse().ok()
    }

    /// Now.
    pub(super) fn now(self) -> Timestamp {
        self.now
    }

    /// The quantity of that name in the map there, 0 if there is none.
    pub(super) fn quantity(self, path: &str, name: &str) -> String {
        self.entry(path, name).map_or_else(|| "0".to_owned(), View::as_quantity)
    }

    /// The quantity there; what Go prints for none.
    pub(super) fn quantity_or_nil(self, path: &str) -> String {
        self.get(path).map_or_else(|| "<nil>".to_owned(), View::as_quantity)
    }

    fn as_quantity(self) -> String {
        let text = self.value.as_str().map_or_else(|| self.value.to_string(), str::to_owned);
        canonical(&text).unwrap_or(text)
    }

    /// The map of labels there, as `a=b,c=d`.
    pub(super) fn labels(self, path: &str) -> String {
        let entries = self.get(path).and_then(|found| found.value.as_object());
        let mut pairs: Vec<String> =
            entries.into_iter().flatten().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
        pairs.sort();
        if pairs.is_empty() { "<none>".to_owned() } else { pairs.join(",") }
    }

    /// The label selector there as a selector, if it is one. A missing one selects nothing and prints as nothing.
    pub(super) fn selector(self, path: &str) -> Option<String> {
        let Some(found) = self.get(path) else { return Some(String::new()) };
        let typed: LabelSelector = serde_json::from_value(found.value.clone()).ok()?;
        Some(Selector::from_label_selector(&typed).ok()?.to_string())
    }

    /// The label selector there, with a word for none and for one that cannot be read.
    pub(super) fn selector_or_none(self, path: &str) -> String {
        match self.selector(path) {
            None => "<error>".to_owned(),
            Some(text) if text.is_empty() => "<none>".to_owned(),
            Some(text) => text,
        }
    }
}

/// Seconds from one time to another, towards zero.
pub(super) fn seconds_between(from: Timestamp, to: Timestamp) -> i64 {
    to.duration_since(from).as_secs()
}

/// Go's `duration.HumanDuration`: a clock that is a second ahead is forgiven.
pub(super) fn human_duration(seconds: i64) -> String {
    match u64::try_from(seconds) {
        Ok(seconds) => sim_apimachinery::duration::human(seconds),
        Err(_) if seconds < -1 => "<invalid>".to_owned(),
        Err(_) => "0s".to_owned(),
    }
}

/// A list of words that is cut after the third.
pub(super) fn first_three(words: &[String]) -> String {
    let shown = words[..words.len().min(3)].join(",");
    if words.len() > 3 {
        return format!("{shown} + {} more...", words.len() - 3);
    }
    if shown.is_empty() { "<unset>".to_owned() } else { shown }
}

/// Makes the cells of a row of anything a JSON value can be made from.
macro_rules! cells {
    ($($cell:expr),* $(,)?) => { vec![$(serde_json::Value::from($cell)),*] };
}
pub(super) use cells;
