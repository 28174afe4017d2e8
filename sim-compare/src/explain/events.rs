//! Events that one side tells more often than the other, or not at all.

use super::{Class, Difference};
use crate::comparer::Comparison;
use crate::side::EventKey;

const EVENTS: usize = 1;
const EVENT_KINDS: usize = 2;

pub(super) fn differences(comparison: &Comparison) -> Vec<Difference> {
    let (real, other) = (&comparison.real.events, &comparison.other.events);
    let mut keys: Vec<&EventKey> = real.keys().chain(other.keys()).collect();
    keys.sort();
    keys.dedup();
    let count = |events: &std::collections::BTreeMap<EventKey, u64>, key| events.get(key).copied().unwrap_or(0);
    keys.into_iter()
        .map(|key| (key, count(real, key), count(other, key)))
        .filter(|(_, a, b)| a != b)
        .map(|(key, a, b)| difference(comparison, key, a, b))
        .collect()
}

fn difference(comparison: &Comparison, key: &EventKey, real: u64, other: u64) -> Difference {
    let class = match (real, other) {
        (_, 0) => Class::MissingEvent,
        (0, _) => Class::ExtraEvent,
        _ => Class::EventCount,
    };
    let mut losses = [0.0; 5];
    losses[EVENTS] = real.abs_diff(other) as f64 / comparison.totals.events;
    if class != Class::EventCount {
        losses[EVENT_KINDS] = 1.0 / comparison.totals.event_kinds;
    }
    Difference {
        class,
        object: format!("{} {}", key.kind, key.name),
        what: format!("{} {} ({}): {}", key.severity, key.reason, key.component, key.message),
        how: format!("{real} → {other}"),
        count: real.abs_diff(other),
        losses,
        examples: Vec::new(),
        real_too: false,
    }
}
