//! Does a real run look like one more seed? The simulator is run with many seeds; each run is aligned with the real recording; for
//! each real state the times of its counterparts span a range, and the real time should lie in it.
//!
//! Counted are the real states that have a counterpart in at least half of the seeds (the others are missing steps, which the
//! figure `states` is about). Covered is a state whose real time lies within [least, most] of its counterparts' times, widened on
//! both sides by the tolerance `times.clock`: how exactly a recording tells a time. Not by the tolerances of the figure `timing`,
//! which are wider.

use std::sync::Arc;

use crate::comparer::Comparer;
use crate::side::Side;

/// How much of a real recording's times lies within the spread of many seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct Coverage {
    /// How many seeds were run.
    pub seeds: usize,
    /// States of the real recording.
    pub states: usize,
    /// Those that have a counterpart in at least half of the seeds.
    pub aligned: usize,
    /// Those of the aligned whose time is covered.
    pub covered: usize,
    /// Those that are covered without the tolerance.
    pub covered_exactly: usize,
    /// The tolerance, in seconds.
    pub clock: f64,
    /// The aligned states that are not covered, the worst first.
    pub uncovered: Vec<Uncovered>,
}

/// A state whose real time no seed comes to. Times are in seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Uncovered {
    /// The object's name in the real recording.
    pub object: String,
    /// Kind and name without the random part.
    pub group: String,
    /// What the state is called.
    pub what: String,
    /// When it came in the real recording.
    pub real: f64,
    /// When it came in the earliest and in the latest of the seeds.
    pub least: f64,
    pub most: f64,
}

impl Uncovered {
    /// How far the real time lies outside, in seconds; negative if it is earlier than all seeds.
    pub fn outside(&self) -> f64 {
        if self.real < self.least { self.real - self.least } else { self.real - self.most }
    }
}

/// The times of the counterparts of one real state.
#[derive(Clone, Copy)]
struct Spread {
    count: usize,
    least: f64,
    most: f64,
}

impl Coverage {
    /// Holds a real recording against runs of many seeds.
    pub fn of(comparer: &Comparer, real: &Arc<Side>, seeds: &[Arc<Side>]) -> Coverage {
        let spreads = spreads(comparer, real, seeds);
        let clock = comparer.tolerances().clock;
        let mut coverage = Coverage {
            seeds: seeds.len(),
            states: real.state_count(),
            aligned: 0,
            covered: 0,
            covered_exactly: 0,
            clock,
            uncovered: vec![],
        };
        for (object, (timeline, spreads)) in real.objects.iter().zip(&spreads).enumerate() {
            for (index, (state, spread)) in timeline.states.iter().zip(spreads).enumerate() {
                if spread.count == 0 || spread.count * 2 < seeds.len() {
                    continue;
                }
                coverage.aligned += 1;
                let within = |slack: f64| state.time >= spread.least - slack && state.time <= spread.most + slack;
                coverage.covered_exactly += usize::from(within(0.0));
                if within(clock) {
                    coverage.covered += 1;
                    continue;
                }
                coverage.uncovered.push(Uncovered {
                    object: timeline.name.clone(),
                    group: timeline.group.to_string(),
                    what: comparer.state_name(real, object, index),
                    real: state.time,
                    least: spread.least,
                    most: spread.most,
                });
            }
        }
        coverage.uncovered.sort_by(|a, b| b.outside().abs().total_cmp(&a.outside().abs()));
        coverage
    }

    /// The share of the aligned states that is covered; 1 if there are none.
    pub fn share(&self) -> f64 {
        share(self.covered, self.aligned)
    }

    /// The same without the tolerance.
    pub fn share_exactly(&self) -> f64 {
        share(self.covered_exactly, self.aligned)
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

fn spreads(comparer: &Comparer, real: &Arc<Side>, seeds: &[Arc<Side>]) -> Vec<Vec<Spread>> {
    let none = Spread { count: 0, least: f64::INFINITY, most: f64::NEG_INFINITY };
    let mut spreads: Vec<Vec<Spread>> = real.objects.iter().map(|object| vec![none; object.states.len()]).collect();
    for seed in seeds {
        for one in comparer.compare(real, seed).matches {
            let (Some(x), Some(y)) = (one.real, one.other) else { continue };
            for pair in one.pairs {
                let time = seed.objects[y].states[pair.other].time;
                let spread = &mut spreads[x][pair.real];
                *spread = Spread { count: spread.count + 1, least: spread.least.min(time), most: spread.most.max(time) };
            }
        }
    }
    spreads
}
