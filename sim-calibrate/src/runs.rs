//! What one run differs from another by as a whole, and what one look of an autoscaler costs for each pod: numbers that no table of
//! intervals holds. All of it is compared between what was seen and what is simulated, so what it gets wrong it gets wrong in both.

use std::collections::BTreeMap;

use sim_core::cluster::Profile;
use sim_core::random::Latency;

use crate::samples::{Look, Samples};
use crate::statistics::{Sorted, rounded};

/// One such number: what of the samples tells it, and what in a profile it moves.
#[derive(Clone, Copy, Debug)]
pub struct Number {
    /// What it is, and its unit.
    pub about: &'static str,
    /// From what was seen; nothing if that does not tell it.
    pub of: fn(&Samples) -> Option<f64>,
    /// From how many samples.
    pub count: fn(&Samples) -> usize,
    /// A difference that counts as much as the number itself, if that is smaller.
    pub least: f64,
    /// Moves a profile that gave the second number toward the first, by this part of what it lacks.
    pub approach: fn(&mut Profile, f64, f64, f64),
}

/// All of them.
pub const NUMBERS: [Number; 4] = [
    Number {
        about: "pace: runs of a story differ by, in %",
        of: |samples| spread(&samples.runs).map(|spread| 100.0 * spread),
        count: |samples| samples.runs.len(),
        least: 0.1,
        approach: move_pace,
    },
    Number {
        about: "kubelet.workShare: pods of a batch run apart by, in ms",
        of: |samples| mean(&samples.batches),
        count: |samples| samples.batches.len(),
        least: 1.0,
        approach: move_shares,
    },
    Number {
        about: "links.metricsPerPod: a look takes more for each pod, in ms",
        of: |samples| per_pod(&samples.looks),
        count: |samples| samples.looks.len(),
        least: 1.0,
        approach: |profile, wanted, simulated, gain| {
            let micros = &mut profile.links.metrics_per_pod;
            *micros = rounded(*micros as f64 + gain * 1000.0 * (wanted - simulated));
        },
    },
    Number {
        about: "links.schemaPerKind: apply takes more than another command, in ms",
        of: |samples| Some(mean(samples.of.get("apply")?)? - Sorted::of(samples.of.get("command")?.iter().copied()).quantile(0.5)),
        count: |samples| samples.of.get("apply").map_or(0, Vec::len),
        least: 1.0,
        approach: |profile, wanted, simulated, gain| {
            if simulated > 0.0 {
                let micros = &mut profile.links.schema_per_kind;
                *micros = rounded(*micros as f64 * (1.0 + gain * ((wanted / simulated).clamp(RATIO.0, RATIO.1) - 1.0)));
            }
        },
    },
];

/// The classes a run's pace is told by: long ones that are work for the most part, with a sample in almost every run.
const TOLD_BY: [&str; 4] = ["start", "apply", "command", "look"];
/// The pace of a run that is neither slow nor fast.
const MIDDLE: f64 = 1000.0;
/// A share of the CPUs like all others'.
const EVEN: f64 = 100.0;
/// A pace is never moved by more than this in one round.
const RATIO: (f64, f64) = (0.5, 2.0);

/// The mean of each class in one run of a story.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    story: usize,
    means: BTreeMap<&'static str, f64>,
}

impl Run {
    /// That of one recording.
    pub fn of(story: usize, samples: &Samples) -> Run {
        let told = TOLD_BY.into_iter().filter_map(|class| Some((class, mean(samples.of.get(class)?)?)));
        Run { story, means: told.collect() }
    }
}

/// The standard deviation of how slow runs are, as a share of the mean run of their story; nothing without two runs of a story.
fn spread(runs: &[Run]) -> Option<f64> {
    let (mut squares, mut free) = (0.0, 0);
    for story in runs.iter().map(|r| r.story).collect::<std::collections::BTreeSet<_>>() {
        let own: Vec<&Run> = runs.iter().filter(|r| r.story == story).collect();
        if own.len() < 2 {
            continue;
        }
        squares += own.iter().map(|run| slowness(run, &own)).map(|s| (s - 1.0) * (s - 1.0)).sum::<f64>();
        free += own.len() - 1;
    }
    (free > 0).then(|| (squares / free as f64).sqrt())
}

/// How slow a run is among the runs of its story: the mean over the classes they all show.
fn slowness(run: &Run, all: &[&Run]) -> f64 {
    let share = |(class, own): (&&'static str, &f64)| {
        let means: Vec<f64> = all.iter().filter_map(|r| r.means.get(class).copied()).collect();
        let mean = mean(&means).filter(|mean| means.len() == all.len() && *mean > 0.0)?;
        Some(own / mean)
    };
    let shares: Vec<f64> = run.means.iter().filter_map(share).collect();
    mean(&shares).unwrap_or(1.0)
}

/// Spreads a profile's paces, so that runs differ by what they should: `wanted` and `simulated` are standard deviations.
fn move_pace(profile: &mut Profile, wanted: f64, simulated: f64, gain: f64) {
    if simulated > 0.0 {
        let by = 1.0 + gain * ((wanted / simulated).clamp(RATIO.0, RATIO.1) - 1.0);
        profile.pace = Latency(profile.pace.0.map(|pace| (MIDDLE + (pace as f64 - MIDDLE) * by).round().clamp(1.0, 10_000.0) as u64));
    }
}

/// The mean of some numbers.
fn mean(numbers: &[f64]) -> Option<f64> {
    (!numbers.is_empty()).then(|| numbers.iter().sum::<f64>() / numbers.len() as f64)
}

/// Spreads the shares of the CPUs that pieces of work get, so that the pods of a batch run so far apart. Twice a share and half
/// a share are as far from an even one.
fn move_shares(profile: &mut Profile, wanted: f64, simulated: f64, gain: f64) {
    if simulated <= 0.0 {
        return;
    }
    let by = 1.0 + gain * ((wanted / simulated).clamp(RATIO.0, RATIO.1) - 1.0);
    let moved = |share: u64| {
        let share = share.max(1) as f64 / EVEN;
        let times = 1.0 + (share.max(1.0 / share) - 1.0) * by;
        (EVEN * if share >= 1.0 { times } else { 1.0 / times }).round().clamp(1.0, 10_000.0) as u64
    };
    profile.kubelet.work_share = Latency(profile.kubelet.work_share.0.map(moved));
}

/// Milliseconds a look takes more for each pod (least squares, a look that stands for many counts as many); nothing if all
/// looks saw as many pods.
fn per_pod(looks: &[Look]) -> Option<f64> {
    let weight: f64 = looks.iter().map(|l| l.looks).sum();
    let mean = |of: &dyn Fn(&Look) -> f64| looks.iter().map(|l| of(l) * l.looks).sum::<f64>() / weight;
    let (pods, takes) = (mean(&|l| l.pods), mean(&|l| l.takes));
    let across = mean(&|l| (l.pods - pods) * (l.pods - pods));
    let along = mean(&|l| (l.pods - pods) * (l.takes - takes));
    (looks.len() > 2 && across > 0.1).then(|| along / across)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(story: usize, start: f64) -> Run {
        Run { story, means: BTreeMap::from([("start", start)]) }
    }

    #[test]
    fn runs_are_held_against_others_of_their_story_only() {
        let runs = [run(0, 90.0), run(0, 110.0), run(1, 900.0), run(1, 1100.0), run(2, 5.0)];
        let spread = spread(&runs).expect("there are pairs");
        assert!((spread - 0.02_f64.sqrt()).abs() < 1e-9, "{spread}");
        assert_eq!(super::spread(&[run(0, 1.0), run(1, 2.0)]), None);
    }

    #[test]
    fn what_each_pod_costs_is_the_slope() {
        let look = |pods: f64, looks: f64| Look { pods, takes: 7.0 + 2.5 * pods, looks };
        let slope = per_pod(&[look(2.0, 1.0), look(10.0, 18.0), look(4.0, 1.0)]).expect("pods differ");
        assert!((slope - 2.5).abs() < 1e-9, "{slope}");
        assert_eq!(per_pod(&[look(2.0, 1.0), look(2.0, 1.0), look(2.0, 1.0)]), None);
    }

    #[test]
    fn shares_spread_about_an_even_one_by_the_same_factor_up_and_down() {
        let mut profile = Profile::docker_desktop();
        profile.kubelet.work_share = Latency([50, 80, 100, 125, 200]);
        move_shares(&mut profile, 30.0, 20.0, 1.0);
        assert_eq!(profile.kubelet.work_share, Latency([40, 73, 100, 138, 250]));
    }

    #[test]
    fn paces_spread_about_their_middle() {
        let mut profile = Profile { pace: Latency([900, 950, 1000, 1050, 1200]), ..Profile::docker_desktop() };
        move_pace(&mut profile, 0.3, 0.2, 1.0);
        assert_eq!(profile.pace, Latency([850, 925, 1000, 1075, 1300]));
    }
}
