//! The words of explanations: what a state is called, readable paths of fields, numbers of seconds.

use std::collections::{BTreeMap, BTreeSet};

use crate::align::Match;
use crate::comparer::{Comparer, Comparison};
use crate::normal::FieldId;
use crate::side::{Side, State, Timeline};
use crate::tolerances::Tolerances;

/// So many changed fields name a state.
const FIELDS_NAMED: usize = 3;
/// Longer values are shortened.
const VALUE_CHARS_MAX: usize = 60;
/// So many different ways are told.
const HOWS_MAX: usize = 3;

/// What all states of a comparison are called.
pub(super) struct Names<'c> {
    pub(super) tolerances: &'c Tolerances,
    real: Vec<Vec<String>>,
    other: Vec<Vec<String>>,
}

impl<'c> Names<'c> {
    pub(super) fn new(comparer: &'c Comparer, comparison: &Comparison) -> Names<'c> {
        let names = |side: &Side| {
            let of_object = |object: &Timeline| (0..object.states.len()).map(|i| state_name(comparer, object, i)).collect();
            side.objects.iter().map(of_object).collect()
        };
        Names { tolerances: comparer.tolerances(), real: names(&comparison.real), other: names(&comparison.other) }
    }

    /// What a state of a match's real object is called.
    pub(super) fn real(&self, one: &Match, state: usize) -> String {
        one.real.and_then(|x| self.real.get(x)?.get(state)).cloned().unwrap_or_default()
    }

    /// What a state of a match's other object is called.
    pub(super) fn other(&self, one: &Match, state: usize) -> String {
        one.other.and_then(|y| self.other.get(y)?.get(state)).cloned().unwrap_or_default()
    }
}

/// `created`, `deleted`, or what it changed.
pub(crate) fn state_name(comparer: &Comparer, object: &Timeline, index: usize) -> String {
    let Some(state) = object.states.get(index) else { return String::new() };
    if state.deleted {
        return "deleted".into();
    }
    let Some(before) = index.checked_sub(1).map(|i| &object.states[i]) else { return "created".into() };
    if before.deleted {
        return "created again".into();
    }
    let (now, then) = (Readable::new(comparer, state), Readable::new(comparer, before));
    let mut changed: Vec<(u32, String)> = now.fields_not_in(&then).map(|(p, v)| (telling(&p), field(&p, &v))).collect();
    if changed.is_empty() {
        changed = then.fields_not_in(&now).map(|(p, _)| (telling(&p), format!("{} gone", p.trim_start_matches('.')))).collect();
    }
    changed.sort();
    changed.dedup();
    let names: Vec<String> = changed.into_iter().take(FIELDS_NAMED).map(|(_, text)| text).collect();
    if names.is_empty() { "changed".into() } else { names.join(", ") }
}

fn field(path: &str, value: &str) -> String {
    format!("{}={}", path.trim_start_matches('.'), short(value))
}

/// How much a field tells of what happened: less is more.
fn telling(path: &str) -> u32 {
    let leaf = path.rsplit('.').next().unwrap_or_default();
    match leaf {
        "deleting" | "phase" | "nodeName" => 0,
        "status" | "replicas" | "ready" | "restartCount" => 1,
        "generation" | "observedGeneration" | "message" => 9,
        "reason" => 5,
        _ if path.starts_with(".spec") => 3,
        _ if path.starts_with(".status") => 2,
        _ => 4,
    }
}

fn short(value: &str) -> String {
    if value.chars().count() <= VALUE_CHARS_MAX {
        return value.to_owned();
    }
    value.chars().take(VALUE_CHARS_MAX).chain(['…']).collect()
}

/// A state's fields with paths that people read: entries of lists are named by their type or name, not by their place.
pub(super) struct Readable<'c> {
    fields: BTreeMap<String, &'c str>,
    ids: BTreeSet<FieldId>,
}

impl<'c> Readable<'c> {
    pub(super) fn new(comparer: &'c Comparer, state: &State) -> Readable<'c> {
        let ids = comparer.bodies.get(state.body);
        let mut names: BTreeMap<&str, &str> = BTreeMap::new();
        for id in ids {
            let (path, value) = comparer.fields.get(*id);
            let named = path.strip_suffix("].type").or_else(|| path.strip_suffix("].name"));
            if let Some(entry) = named {
                names.entry(entry).or_insert(value.trim_matches('"'));
            }
        }
        let fields = ids.iter().map(|id| comparer.fields.get(*id)).map(|(path, value)| (readable(path, &names), value));
        Readable { fields: fields.collect(), ids: ids.iter().copied().collect() }
    }

    /// Readable paths and values that the other does not have.
    pub(super) fn fields_not_in<'a>(&'a self, other: &'a Readable<'c>) -> impl Iterator<Item = (String, String)> + 'a {
        let same = self.ids == other.ids;
        let differing = self.fields.iter().filter(move |(path, value)| !same && other.fields.get(*path) != Some(value));
        differing.map(|(path, value)| (path.clone(), (*value).to_owned()))
    }

    /// A field of this side, or the largest map or list around it that the other side has nothing of.
    pub(super) fn lifted(&self, path: String, value: String, other: &Readable<'c>) -> (String, String) {
        if other.fields.contains_key(&path) {
            return (path, short(&value));
        }
        let ends = path.char_indices().skip(1).filter(|(_, c)| matches!(c, '.' | '[')).map(|(at, _)| at);
        for end in ends {
            if !other.has_under(&path[..end]) {
                return (path[..end].to_owned(), "{…}".into());
            }
        }
        (path, short(&value))
    }

    fn has_under(&self, prefix: &str) -> bool {
        let next = self.fields.range(prefix.to_owned()..).next();
        let direct = next.is_some_and(|(path, _)| path == prefix);
        direct
            || [".", "["].iter().any(|end| {
                let from = format!("{prefix}{end}");
                self.fields.range(from.clone()..).next().is_some_and(|(path, _)| path.starts_with(&from))
            })
    }
}

/// `.status.conditions[0].status` as `.status.conditions[Ready].status`.
fn readable(path: &str, names: &BTreeMap<&str, &str>) -> String {
    let mut out = String::new();
    let mut from = 0;
    for (at, _) in path.match_indices(']') {
        let Some(open) = path[..at].rfind('[') else { continue };
        if let Some(name) = names.get(&path[..at]) {
            out.push_str(&path[from..=open]);
            out.push_str(name);
            from = at;
        }
    }
    out.push_str(&path[from..]);
    out
}

/// A path without the places in lists: what 5 endpoints have in common is one field.
pub(super) fn generic(path: &str) -> String {
    let mut out = String::new();
    for (i, part) in path.trim_start_matches('.').split('[').enumerate() {
        match part.split_once(']') {
            Some((index, rest)) if i > 0 && index.parse::<u32>().is_ok() => {
                out.push_str("[]");
                out.push_str(rest);
            }
            _ if i > 0 => {
                out.push('[');
                out.push_str(part);
            }
            _ => out.push_str(part),
        }
    }
    out
}

/// Ways something differs, the most frequent first.
pub(super) fn joined(hows: &BTreeMap<String, u64>) -> String {
    let mut all: Vec<_> = hows.iter().collect();
    all.sort_by_key(|(how, count)| (std::cmp::Reverse(**count), how.as_str()));
    let more = all.len().saturating_sub(HOWS_MAX);
    let told = |(how, count): &(&String, &u64)| if **count > 1 && hows.len() > 1 { format!("{how} ({count} ×)") } else { (*how).clone() };
    let mut text = all.iter().take(HOWS_MAX).map(told).collect::<Vec<_>>().join("; ");
    if more > 0 {
        text.push_str(&format!("; {more} more"));
    }
    text
}

/// By how much a time differs.
pub(super) fn late(least: f64, most: f64) -> String {
    let range = |a: f64, b: f64| {
        let (a, b) = (seconds(a), seconds(b));
        if a == b { a } else { format!("{a} to {b}") }
    };
    match (least < 0.0, most < 0.0) {
        (false, _) => format!("{} late", range(least, most)),
        (_, true) => format!("{} early", range(-most, -least)),
        _ => format!("{} early to {} late", seconds(-least), seconds(most)),
    }
}

/// `1.25 s`, `31 s`, `40 ms`.
pub(super) fn seconds(value: f64) -> String {
    match value {
        v if v < 0.0995 => format!("{:.0} ms", v * 1000.0),
        v if v < 9.95 => format!("{v:.2} s"),
        v => format!("{v:.1} s"),
    }
}
