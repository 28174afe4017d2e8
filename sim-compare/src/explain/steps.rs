//! Objects and states that only one side has, and aligned states whose times differ by more than is tolerated.

use super::words::Names;
use super::{Class, Example, Gathered};
use crate::align::Match;
use crate::comparer::Comparison;
use crate::side::{Side, Timeline};

const STATES: usize = 0;
const TIMING: usize = 4;

pub(super) fn gather(comparison: &Comparison, names: &Names, found: &mut Gathered) {
    for one in &comparison.matches {
        match (one.real, one.other) {
            (Some(x), Some(y)) => {
                let (real, other) = (&comparison.real.objects[x], &comparison.other.objects[y]);
                unpaired(comparison, one, real, other, names, found);
                times(comparison, one, real, other, names, found);
            }
            (Some(x), None) => alone(comparison, &comparison.real, x, Class::MissingObject, found),
            (None, Some(y)) => alone(comparison, &comparison.other, y, Class::ExtraObject, found),
            (None, None) => {}
        }
    }
}

/// An object that only one side has.
fn alone(comparison: &Comparison, side: &Side, index: usize, class: Class, found: &mut Gathered) {
    let object = &side.objects[index];
    let states = object.states.len();
    let group = found.group(class, &object.group.to_string(), "the whole object".into());
    let time = object.states.first().map(|s| s.time);
    let example = match class {
        Class::MissingObject => Example { object: object.name.clone(), real_time: time, other_time: None },
        _ => Example { object: object.name.clone(), real_time: None, other_time: time },
    };
    group.add(STATES, states as f64 / comparison.totals.states, example);
    group.say(format!("{states} states"));
}

fn unpaired(comparison: &Comparison, one: &Match, real: &Timeline, other: &Timeline, names: &Names, found: &mut Gathered) {
    let loss = 1.0 / comparison.totals.states;
    let label = real.group.to_string();
    let paired: Vec<usize> = one.pairs.iter().map(|p| p.real).collect();
    for (i, state) in real.states.iter().enumerate().filter(|(i, _)| paired.binary_search(i).is_err()) {
        let example = Example { object: real.name.clone(), real_time: Some(state.time), other_time: None };
        found.group(Class::MissingStep, &label, names.real(one, i)).add(STATES, loss, example);
    }
    let paired: Vec<usize> = one.pairs.iter().map(|p| p.other).collect();
    for (j, state) in other.states.iter().enumerate().filter(|(j, _)| paired.binary_search(j).is_err()) {
        let example = Example { object: other.name.clone(), real_time: None, other_time: Some(state.time) };
        found.group(Class::ExtraStep, &label, names.other(one, j)).add(STATES, loss, example);
    }
}

fn times(comparison: &Comparison, one: &Match, real: &Timeline, other: &Timeline, names: &Names, found: &mut Gathered) {
    for pair in &one.pairs {
        let (a, b) = (real.states[pair.real].time, other.states[pair.other].time);
        if names.tolerances.same_time(a, b) {
            continue;
        }
        let group = found.group(Class::OtherTime, &real.group.to_string(), names.real(one, pair.real));
        let example = Example { object: real.name.clone(), real_time: Some(a), other_time: Some(b) };
        group.add(TIMING, 1.0 / comparison.totals.aligned, example);
        let (least, most) = group.late.unwrap_or((b - a, b - a));
        group.late = Some((least.min(b - a), most.max(b - a)));
    }
}
