//! What two recordings have in common: per object the distinct states it passes through, without what is random or a time,
//! and the events told.

use std::collections::BTreeMap;

use serde_json::Value;

/// Fields that differ between any two runs.
const VOLATILE: [&str; 26] = [
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "containerID",
    "imageID",
    "podIP",
    "podIPs",
    "clusterIP",
    "clusterIPs",
    "nodePort",
    "startedAt",
    "finishedAt",
    "lastTransitionTime",
    "lastUpdateTime",
    "lastProbeTime",
    "lastHeartbeatTime",
    "startTime",
    "deletionTimestamp",
    "eventTime",
    "firstTimestamp",
    "lastTimestamp",
    "addresses",
    "ip",
    "volumeName",
    "endpoints.kubernetes.io/last-change-trigger-time",
    "ca.crt",
];
/// How far apart the times of a state may be: so many seconds, and twice what the slowest step took, which tells how
/// busy the machine was.
const SECONDS: f64 = 1.0;

/// An object: its kind, and its name without what is random.
type Role = (String, String);

/// A recording, without what is random.
#[derive(Debug, Default)]
pub struct Trace {
    /// Per role the objects, each with its distinct states and their times.
    objects: BTreeMap<Role, Vec<Vec<(f64, String)>>>,
    /// How often each event was told of.
    events: BTreeMap<String, i64>,
    /// How long the slowest step took.
    slack: f64,
}

impl Trace {
    /// From the lines of one.
    pub fn of(lines: &[Value]) -> Trace {
        let mut by_uid: BTreeMap<String, (Role, Vec<(f64, String)>)> = BTreeMap::new();
        let mut counts: BTreeMap<String, (String, i64)> = BTreeMap::new();
        for line in lines.iter().filter(|l| l["type"].is_string()) {
            let object = &line["object"];
            let word = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
            match word("/kind").as_str() {
                // A host is no part of the scenario.
                "Node" | "Namespace" => {}
                "Event" => {
                    let text =
                        format!("{} {} {} {}", word("/involvedObject/kind"), word("/reason"), plain(&word("/message")), word("/type"));
                    counts.insert(word("/metadata/uid"), (text, object["count"].as_i64().unwrap_or(1)));
                }
                kind => {
                    let (_, states) =
                        by_uid.entry(word("/metadata/uid")).or_insert_with(|| ((kind.to_owned(), plain(&word("/metadata/name"))), vec![]));
                    let state = format!("{}{}", if line["type"] == "DELETED" { "gone " } else { "" }, stable(object));
                    if states.last().is_none_or(|(_, last)| *last != state) {
                        states.push((line["t"].as_f64().expect("a time"), state));
                    }
                }
            }
        }
        let time = |l: &Value| l["t"].as_f64().unwrap_or_default();
        let begun: Vec<f64> = lines.iter().filter(|l| l["action"].is_string()).map(time).collect();
        let done = lines.iter().filter(|l| l["done"].is_string()).map(time);
        let slack = begun.iter().zip(done).map(|(a, b)| b - a).fold(0.0, f64::max);
        let mut found = Trace { slack, ..Trace::default() };
        by_uid.into_values().for_each(|(role, states)| found.objects.entry(role).or_default().push(states));
        found.objects.values_mut().for_each(|all| all.sort_by(|a, b| a[0].0.total_cmp(&b[0].0)));
        counts.into_values().for_each(|(text, count)| *found.events.entry(text).or_insert(0) += count);
        found
    }

    /// How many states there are.
    pub fn states(&self) -> usize {
        self.objects.values().flatten().map(Vec::len).sum()
    }
}

/// An object without what differs between any two runs, as text with its fields in order.
fn stable(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().filter(|(key, _)| !VOLATILE.contains(&key.as_str())).map(|(key, inner)| (key.clone(), stable(inner)));
            // Annotations of which only times were left away are none.
            Value::Object(kept.filter(|(key, inner)| key != "annotations" || inner.as_object().is_none_or(|a| !a.is_empty())).collect())
        }
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(stable).collect();
            // Conditions are a set.
            if items.iter().all(|i| i["type"].is_string()) {
                items.sort_by_key(|i| i["type"].to_string());
            }
            // So are endpoints: they come in the order of their pods' random names.
            if items.iter().all(|i| i["targetRef"].is_object()) {
                items.sort_by_key(Value::to_string);
            }
            Value::Array(items)
        }
        Value::String(text) => plain(text).into(),
        other => other.clone(),
    }
}

/// A text without the random ends of names.
fn plain(text: &str) -> String {
    let random = |word: &str| word.len() == 5 && word.chars().all(|c| "bcdfghjklmnpqrstvwxz2456789".contains(c));
    text.split('-')
        .map(|word| word.split(['/', ' ', '"']).map(|w| if random(w) { "*" } else { w }).collect::<Vec<_>>().join(" "))
        .collect::<Vec<_>>()
        .join("-")
}

/// What differs: objects, their states, times beyond the tolerance, events.
pub fn differences(expected: &Trace, found: &Trace) -> Vec<String> {
    let mut told = Vec::new();
    for role in expected.objects.keys().chain(found.objects.keys().filter(|r| !expected.objects.contains_key(*r))) {
        let nothing = vec![];
        let (a, b) = (expected.objects.get(role).unwrap_or(&nothing), found.objects.get(role).unwrap_or(&nothing));
        if a.len() != b.len() {
            told.push(format!("{role:?}: {} objects expected, {} found", a.len(), b.len()));
        }
        a.iter().zip(b).for_each(|(a, b)| told.extend(differences_of(role, a, b, SECONDS + 2.0 * found.slack)));
    }
    let events = expected.events.keys().chain(found.events.keys().filter(|e| !expected.events.contains_key(*e)));
    for event in events.filter(|e| expected.events.get(*e) != found.events.get(*e)) {
        told.push(format!("event {event}: {:?} expected, {:?} found", expected.events.get(event), found.events.get(event)));
    }
    told
}

fn differences_of(role: &Role, a: &[(f64, String)], b: &[(f64, String)], seconds: f64) -> Vec<String> {
    if a.len() != b.len() {
        return vec![format!("{role:?}: {} states expected, {} found", a.len(), b.len())];
    }
    let mut told = Vec::new();
    for ((at, wanted), (found_at, found)) in a.iter().zip(b) {
        if wanted != found {
            told.push(format!("{role:?} at {at}:\n  expected {wanted}\n  found    {found}"));
        }
        if (at - found_at).abs() > seconds {
            told.push(format!("{role:?}: a state of {at} s came at {found_at} s"));
        }
    }
    told
}

#[test]
fn traces_that_differ_are_told_apart() {
    let line = |t: f64, uid: &str, name: &str, phase: &str| serde_json::json!({"t": t, "type": "ADDED", "object": {"kind": "Pod", "metadata": {"uid": uid, "name": name}, "status": {"phase": phase}}});
    let one = Trace::of(&[line(1.0, "a", "web-bcdfg", "Pending"), line(2.0, "a", "web-bcdfg", "Running")]);
    let same = Trace::of(&[line(1.5, "z", "web-zzzzz", "Pending"), line(2.5, "z", "web-zzzzz", "Running")]);
    assert_eq!(differences(&one, &same), Vec::<String>::new());
    let late = Trace::of(&[line(1.0, "a", "web-bcdfg", "Pending"), line(9.0, "a", "web-bcdfg", "Running")]);
    let other = Trace::of(&[line(1.0, "a", "web-bcdfg", "Pending"), line(2.0, "a", "web-bcdfg", "Failed")]);
    let fewer = Trace::of(&[line(1.0, "a", "web-bcdfg", "Pending")]);
    let named = Trace::of(&[line(1.0, "a", "api-bcdfg", "Pending"), line(2.0, "a", "api-bcdfg", "Running")]);
    for different in [&late, &other, &fewer, &named] {
        assert!(!differences(&one, different).is_empty(), "{different:?}");
    }
}
