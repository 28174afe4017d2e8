//! Events of events.k8s.io/v1 are core events under other names. Source: pkg/apis/events/v1/conversion.go.

use serde_json::{Map, Value};

/// A field's name in events.k8s.io/v1 and in core/v1.
const NAMES: [(&str, &str); 7] = [
    ("regarding", "involvedObject"),
    ("note", "message"),
    ("reportingController", "reportingComponent"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
];

/// As core/v1 has it.
pub fn to_core(event: &mut Map<String, Value>) {
    rename(event, NAMES.iter().map(|(new, old)| (*new, *old)));
    event.entry("involvedObject").or_insert_with(|| Value::Object(Map::new()));
}

/// As events.k8s.io/v1 has it.
pub fn from_core(event: &mut Map<String, Value>) {
    rename(event, NAMES.iter().map(|(new, old)| (*old, *new)));
}

fn rename<'a>(event: &mut Map<String, Value>, names: impl Iterator<Item = (&'a str, &'a str)>) {
    for (from, to) in names {
        if let Some(value) = event.remove(from) {
            event.insert(to.into(), value);
        }
    }
}
