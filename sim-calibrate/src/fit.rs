//! The fit: play, compare, move the tables, again; and the same on half of the recordings, scored on the other half.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use sim_compare::Recording;
use sim_core::cluster::Profile;
use sim_core::kubelet::PokeChances;
use sim_core::random::Latency;

use crate::classes::{CLASSES, Class, table};
use crate::runs::{NUMBERS, Number, Run};
use crate::samples::{Samples, Wakes};
use crate::statistics::{Sorted, distance, distance_of, rounded};

/// The places at which tables and samples are compared: not the ends, which grow with the number of samples.
const PLACES: [f64; 5] = [0.05, 0.25, 0.5, 0.75, 0.95];
/// With so many samples, the target lies half way between what the beginning profile gives and what was seen.
const HALF_WAY: f64 = 10.0;
/// A class with fewer samples keeps what it had.
const SAMPLES_MIN: usize = 5;
/// How much of the difference a table is moved by in one round: contention makes small moves large.
const GAIN: f64 = 0.6;
/// How much of it a chance is moved by: shares are counted, and counts of few pods vary.
const CHANCE_GAIN: f64 = 0.3;
/// A share missed by this much counts as much as a class missed by all its samples reach.
const SHARE_UNIT: f64 = 0.1;
/// The fit ends when so many rounds brought nothing.
const PATIENCE: u32 = 2;
/// The least a table may say, in microseconds.
const FLOOR: u64 = 10;

/// One story, and the recordings of it.
#[derive(Clone, Debug)]
pub struct Story {
    /// What it is called.
    pub name: String,
    /// What each recording shows.
    pub seen: Vec<Samples>,
}

/// Plays stories.
pub trait World: Sync {
    /// The recording of a story on a cluster with this profile.
    fn play(&self, story: usize, profile: &Profile, seed: u64) -> Result<Recording, String>;
}

/// How hard to try.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How many seeds each story is played with, from 1.
    pub seeds: u64,
    /// How many rounds at most.
    pub rounds: u32,
    /// Whether the fit is also made on half of the recordings and scored on the other.
    pub cross: bool,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Calibration {
    /// The profile.
    pub profile: Profile,
    /// Each class, in order.
    pub rows: Vec<Row>,
    /// The chances of the races by which pods become ready.
    pub races: Vec<Race>,
    /// Each of [`NUMBERS`]: seen, before and after.
    pub numbers: [[Option<f64>; 3]; NUMBERS.len()],
    /// The sum of the distances to the target in each round, as shares of how far the samples reach.
    pub rounds: Vec<f64>,
    /// How many recordings there were, and how many of them are in pairs.
    pub recordings: (usize, usize),
}

/// One class.
#[derive(Clone, Debug)]
pub struct Row {
    /// Which.
    pub class: Class,
    /// What was seen.
    pub seen: Sorted,
    /// The distance to what the beginning profile gives, and to what the new one gives, in milliseconds.
    pub distance: (f64, f64),
    /// The same of a profile made from one recording of each pair, measured on the other.
    pub held_out: Option<(f64, f64)>,
    /// The distance of the recordings of each pair from each other.
    pub real: Option<f64>,
    /// Whether there were enough samples to move its tables.
    pub moved: bool,
}

/// One chance.
#[derive(Clone, Debug)]
pub struct Race {
    /// What it is called.
    pub name: &'static str,
    /// Before and after, in a million.
    pub per_million: (u64, u64),
    /// The share it was fitted to: seen, before and after.
    pub share: (f64, f64, f64),
    /// From how many pods.
    pub pods: u64,
}

/// Estimates a profile's latencies. `begin` is what is known before.
pub fn calibrate(begin: &Profile, stories: &[Story], settings: &Settings, world: &dyn World) -> Result<Calibration, String> {
    let whole = fit(begin, stories, settings, world)?;
    let halves = [half(stories, 0), half(stories, 1)];
    let paired = halves[1].iter().map(|s| s.seen.len()).sum::<usize>();
    let crossed = if settings.cross && paired > 0 { Some(cross(begin, &halves, settings, world)?) } else { None };
    let real = (paired > 0).then(|| [pool(&halves[0]), pool(&halves[1])]);
    let rows = CLASSES.iter().map(|class| row(class, &whole, crossed.as_deref(), real.as_ref())).collect();
    let races = races(begin, &whole);
    let recordings = (stories.iter().map(|s| s.seen.len()).sum(), paired);
    let numbers = NUMBERS.map(|number| [&whole.seen, &whole.before, &whole.after].map(number.of));
    Ok(Calibration { rows, races, numbers, rounds: whole.scores, recordings, profile: whole.profile })
}

fn row(class: &Class, whole: &Fit, crossed: Option<&[Fit]>, real: Option<&[Samples; 2]>) -> Row {
    let seen = sorted(&whole.seen, class);
    let to = |samples: &Samples| distance(&seen, &sorted(samples, class));
    // The fit on one half is measured on the other.
    let held_out = crossed.zip(real).map(|(fits, halves)| {
        let of = |at: usize, samples: &Samples| distance(&sorted(&halves[1 - at], class), &sorted(samples, class));
        let mean = |pick: &dyn Fn(&Fit) -> &Samples| (of(0, pick(&fits[0])) + of(1, pick(&fits[1]))) / 2.0;
        (mean(&|fit| &fit.before), mean(&|fit| &fit.after))
    });
    Row {
        class: *class,
        distance: (to(&whole.before), to(&whole.after)),
        held_out,
        real: real.map(|halves| distance(&sorted(&halves[0], class), &sorted(&halves[1], class))),
        moved: !class.moves.is_empty() && seen.len() >= SAMPLES_MIN,
        seen,
    }
}

fn cross(begin: &Profile, halves: &[Vec<Story>; 2], settings: &Settings, world: &dyn World) -> Result<Vec<Fit>, String> {
    halves.iter().map(|stories| fit(begin, stories, settings, world)).collect()
}

/// Every second recording of each story that has several; stories with one are in neither half.
fn half(stories: &[Story], which: usize) -> Vec<Story> {
    let keep = |story: &Story| {
        let pairs = story.seen.len() / 2 * 2;
        let seen = story.seen[..pairs].iter().skip(which).step_by(2).cloned().collect();
        Story { name: story.name.clone(), seen }
    };
    stories.iter().map(keep).collect()
}

fn pool(stories: &[Story]) -> Samples {
    let mut all = Samples::default();
    for (story, seen) in stories.iter().enumerate().flat_map(|(at, s)| s.seen.iter().map(move |seen| (at, seen))) {
        all.add(seen, 1);
        all.runs.push(Run::of(story, seen));
    }
    all
}

fn sorted(samples: &Samples, class: &Class) -> Sorted {
    Sorted::of(samples.of.get(class.name).into_iter().flatten().copied())
}

/// A fit under way, and what came of it.
struct Fit {
    profile: Profile,
    seen: Samples,
    before: Samples,
    after: Samples,
    scores: Vec<f64>,
}

fn fit(begin: &Profile, stories: &[Story], settings: &Settings, world: &dyn World) -> Result<Fit, String> {
    let seen = pool(stories);
    let before = simulate(begin, stories, settings.seeds, world)?;
    let goal = Goal { seen: &seen, before: &before };
    let mut best = (goal.miss(&before), begin.clone(), before.clone());
    let mut scores = vec![best.0];
    let (mut profile, mut simulated, mut in_vain) = (begin.clone(), before.clone(), 0);
    for _ in 0..settings.rounds {
        goal.approach(&mut profile, &simulated);
        simulated = simulate(&profile, stories, settings.seeds, world)?;
        let miss = goal.miss(&simulated);
        scores.push(miss);
        if miss < best.0 {
            best = (miss, profile.clone(), simulated.clone());
            in_vain = 0;
        } else {
            in_vain += 1;
        }
        if in_vain == PATIENCE {
            break;
        }
    }
    let (_, profile, after) = best;
    Ok(Fit { profile, before, after, scores, seen })
}

/// Plays every story with every seed, on all CPUs; the order of the samples does not depend on that.
fn simulate(profile: &Profile, stories: &[Story], seeds: u64, world: &dyn World) -> Result<Samples, String> {
    let jobs: Vec<(usize, u64)> =
        (0..stories.len()).filter(|s| !stories[*s].seen.is_empty()).flat_map(|s| (1..=seeds).map(move |seed| (s, seed))).collect();
    let (next, done) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let work = || {
        while let Some(&(story, seed)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let played = world.play(story, profile, seed).map(|recording| Samples::of(&recording));
            done.lock().unwrap_or_else(|e| e.into_inner()).insert((story, seed), played);
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, |n| n.get()).min(jobs.len().max(1));
    std::thread::scope(|scope| (0..workers).for_each(|_| _ = scope.spawn(work)));
    let mut all = Samples::default();
    for ((story, _), samples) in done.into_inner().unwrap_or_else(|e| e.into_inner()) {
        let samples = samples?;
        all.add(&samples, stories[story].seen.len());
        all.runs.push(Run::of(story, &samples));
    }
    Ok(all)
}

/// Where a fit is to go: between what the beginning profile gives and what was seen, nearer to the latter the more was seen.
struct Goal<'a> {
    seen: &'a Samples,
    before: &'a Samples,
}

impl Goal<'_> {
    fn weight(samples: usize) -> f64 {
        samples as f64 / (samples as f64 + HALF_WAY)
    }

    /// The sum over the classes that move anything of the distance to the goal, as a share of how far the samples reach, and
    /// of what the shares of pods by their last sync are missed by.
    fn miss(&self, simulated: &Samples) -> f64 {
        let classes = self.movable().map(|(class, seen, before)| {
            let (weight, now) = (Goal::weight(seen.len()), sorted(simulated, class));
            let goal = |at: f64| weight * seen.quantile(at) + (1.0 - weight) * before.quantile(at);
            distance_of(&goal, &|at| now.quantile(at)) / (seen.reach() + 1.0)
        });
        let shares = CHANCES.map(|(_, _, share)| (self.seen.wakes.share(share) - simulated.wakes.share(share)).abs() / SHARE_UNIT);
        let numbers = NUMBERS.iter().filter_map(|number| {
            let (goal, now) = (self.number(number)?, (number.of)(simulated)?);
            Some((now - goal).abs() / goal.abs().max(number.least))
        });
        classes.sum::<f64>() + shares.iter().sum::<f64>() + numbers.sum::<f64>()
    }

    /// Where a number is to go.
    fn number(&self, number: &Number) -> Option<f64> {
        let weight = Goal::weight((number.count)(self.seen));
        Some(weight * (number.of)(self.seen)? + (1.0 - weight) * (number.of)(self.before)?)
    }

    fn movable(&self) -> impl Iterator<Item = (&'static Class, Sorted, Sorted)> {
        let all = CLASSES.iter().map(|class| (class, sorted(self.seen, class), sorted(self.before, class)));
        all.filter(|(class, seen, before)| !class.moves.is_empty() && seen.len() >= SAMPLES_MIN && before.len() > 0)
    }

    /// Moves the tables of a profile that gave these samples.
    fn approach(&self, profile: &mut Profile, simulated: &Samples) {
        for (class, seen, before) in self.movable() {
            let (weight, now) = (Goal::weight(seen.len()), sorted(simulated, class));
            if now.len() == 0 {
                continue;
            }
            let by =
                PLACES.map(|at| GAIN * 1000.0 * (weight * seen.quantile(at) + (1.0 - weight) * before.quantile(at) - now.quantile(at)));
            move_tables(profile, class.moves, by);
        }
        approach_wakes(profile, self.seen.wakes, simulated.wakes);
        for number in &NUMBERS {
            if let Some((goal, now)) = self.number(number).zip((number.of)(simulated)) {
                (number.approach)(profile, goal, now, GAIN);
            }
        }
    }
}

/// Moves tables by so many microseconds together, each by its share.
fn move_tables(profile: &mut Profile, names: &[&str], by: [f64; 5]) {
    let old: Vec<Latency> = names.iter().filter_map(|name| table(profile, name).copied()).collect();
    let sums: Vec<u64> = (0..5).map(|at| old.iter().map(|t| t.0[at]).sum::<u64>().max(1)).collect();
    for (name, old) in names.iter().zip(old) {
        let mut moved = std::array::from_fn(|at| {
            let share = old.0[at] as f64 / sums[at] as f64;
            rounded(old.0[at] as f64 + by[at] * share).max(FLOOR)
        });
        moved.sort_unstable();
        if let Some(place) = table(profile, name) {
            *place = Latency(moved);
        }
    }
}

/// Each chance of a sync that wakes the readiness worker in vain decides how many pods are ready by one other sync than the second.
fn approach_wakes(profile: &mut Profile, seen: Wakes, simulated: Wakes) {
    if seen.pods() < SAMPLES_MIN as u64 {
        return;
    }
    let weight = CHANCE_GAIN * Goal::weight(seen.pods() as usize);
    for (_, chance, share) in CHANCES {
        let chance = chance(&mut profile.kubelet.poke_before_status_per_million);
        *chance = moved_chance(*chance, ratio(seen.share(share), simulated.share(share)), weight);
    }
}

/// A chance, and the pods it decides about.
type Chance = (&'static str, fn(&mut PokeChances) -> &mut u64, fn(&Wakes) -> u64);

const CHANCES: [Chance; 3] = [
    ("kubelet.pokeBeforeStatusPerMillion.update", |c| &mut c.update, |w| w.first),
    ("kubelet.pokeBeforeStatusPerMillion.firstOfTwo", |c| &mut c.first_of_two, |w| w.third),
    ("kubelet.pokeBeforeStatusPerMillion.cache", |c| &mut c.cache, |w| w.third_after_cache),
];

/// How many times the odds are larger.
fn ratio(seen: f64, simulated: f64) -> f64 {
    let odds = |share: f64| share.clamp(0.01, 0.99) / (1.0 - share.clamp(0.01, 0.99));
    odds(seen) / odds(simulated)
}

fn moved_chance(per_million: u64, ratio: f64, weight: f64) -> u64 {
    let share = (per_million as f64 / 1e6).clamp(0.01, 0.99);
    // The odds are multiplied by a part of what they lack: no logarithm, so that all machines come to the same.
    let odds = share / (1.0 - share) * (1.0 + weight * (ratio.clamp(0.25, 4.0) - 1.0));
    ((odds / (1.0 + odds)) * 1000.0).round() as u64 * 1000
}

fn races(begin: &Profile, whole: &Fit) -> Vec<Race> {
    let chance_in = |profile: &Profile, chance: fn(&mut PokeChances) -> &mut u64| {
        let mut chances = profile.kubelet.poke_before_status_per_million;
        *chance(&mut chances)
    };
    let race = |(name, chance, share): Chance| Race {
        name,
        per_million: (chance_in(begin, chance), chance_in(&whole.profile, chance)),
        share: (whole.seen.wakes.share(share), whole.before.wakes.share(share), whole.after.wakes.share(share)),
        pods: whole.seen.wakes.pods(),
    };
    CHANCES.into_iter().map(race).collect()
}
