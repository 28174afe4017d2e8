//! Fields of aligned states that have another value, or that only one side has.
//! What a state loses is shared evenly by its differing fields. A map or list that one side does not have at all is one field.

use std::collections::BTreeMap;

use super::words::{Readable, generic};
use super::{Class, Example, Gathered};
use crate::comparer::{Comparer, Comparison};
use crate::side::{State, Timeline};

const STATES: usize = 0;

pub(super) fn gather(comparer: &Comparer, comparison: &Comparison, found: &mut Gathered) {
    for one in &comparison.matches {
        let (Some(x), Some(y)) = (one.real, one.other) else { continue };
        let (real, other) = (&comparison.real.objects[x], &comparison.other.objects[y]);
        for pair in one.pairs.iter().filter(|p| p.likeness < 1.0) {
            let states = (&real.states[pair.real], &other.states[pair.other]);
            let loss = 2.0 * (1.0 - pair.likeness) / comparison.totals.states;
            of_pair(comparer, real, states, loss, found);
        }
    }
}

fn of_pair(comparer: &Comparer, object: &Timeline, (real, other): (&State, &State), loss: f64, found: &mut Gathered) {
    let rows = differing(comparer, real, other);
    let share = loss / rows.len().max(1) as f64;
    for (path, row) in rows {
        let group = found.group(Class::OtherField, &object.group.to_string(), generic(&path));
        let example = Example { object: object.name.clone(), real_time: Some(real.time), other_time: Some(other.time) };
        group.add(STATES, share, example);
        group.say(match row {
            (Some(a), Some(b)) => format!("{a} → {b}"),
            (Some(a), None) => format!("{a} → none"),
            (None, Some(b)) => format!("none → {b}"),
            (None, None) => "another place in its list".into(),
        });
    }
}

type Row = (Option<String>, Option<String>);

/// By readable path: the value on each side.
fn differing(comparer: &Comparer, real: &State, other: &State) -> BTreeMap<String, Row> {
    let (a, b) = (Readable::new(comparer, real), Readable::new(comparer, other));
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    for (path, value) in a.fields_not_in(&b) {
        let (path, value) = a.lifted(path, value, &b);
        rows.entry(path).or_default().0 = Some(value);
    }
    for (path, value) in b.fields_not_in(&a) {
        let (path, value) = b.lifted(path, value, &a);
        rows.entry(path).or_default().1 = Some(value);
    }
    if rows.is_empty() {
        rows.insert("the order of a list".into(), (None, None));
    }
    rows
}
