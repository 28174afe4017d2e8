//! The five figures that say how alike two recordings are, each from 0 to 1, as the score `fidelity.py` defines them.

use crate::align::Match;
use crate::side::Side;
use crate::tolerances::Tolerances;

/// How alike two recordings are; 1 is alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// Per object, the sequence of distinct states, aligned, with credit for single fields.
    pub states: f64,
    /// The events, as often as they were told.
    pub events: f64,
    /// The different events.
    pub event_kinds: f64,
    /// The order of the aligned states of all objects.
    pub order: f64,
    /// The share of aligned states whose times differ by no more than is tolerated.
    pub timing: f64,
}

/// The figures' names, in the order of [`Figures::all`].
pub const FIGURES: [&str; 5] = ["states", "events", "event kinds", "order", "timing"];

impl Figures {
    /// All figures, in the order of [`FIGURES`].
    pub fn all(&self) -> [f64; 5] {
        [self.states, self.events, self.event_kinds, self.order, self.timing]
    }

    /// Figures from their values, in the order of [`FIGURES`].
    pub fn from_all([states, events, event_kinds, order, timing]: [f64; 5]) -> Figures {
        Figures { states, events, event_kinds, order, timing }
    }

    /// Figure by figure the better of two.
    pub fn best(&self, other: &Figures) -> Figures {
        Figures::from_all(std::array::from_fn(|i| self.all()[i].max(other.all()[i])))
    }

    /// What share of a ceiling is reached; more than 1 where it is surpassed.
    pub fn share_of(&self, ceiling: &Figures) -> Figures {
        let share = |(own, most): (f64, f64)| if most > 0.0 { own / most } else { 1.0 };
        Figures::from_all(std::array::from_fn(|i| share((self.all()[i], ceiling.all()[i]))))
    }

    /// The least figure.
    pub fn least(&self) -> f64 {
        self.all().into_iter().fold(f64::INFINITY, f64::min)
    }
}

/// What the figures are parts of; a difference's weight is one over these.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Totals {
    /// States of both sides.
    pub states: f64,
    /// Events of both sides, as often as they were told.
    pub events: f64,
    /// Different events of each side, added.
    pub event_kinds: f64,
    /// Pairs of aligned states that have an order.
    pub ordered: f64,
    /// Aligned states.
    pub aligned: f64,
}

pub(crate) fn figures(real: &Side, other: &Side, matches: &[Match], tolerances: &Tolerances) -> (Figures, Totals) {
    let mut times: Vec<(f64, f64)> = aligned(real, other, matches).collect();
    times.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let on_time = times.iter().filter(|(a, b)| tolerances.same_time(*a, *b)).count() as f64;
    let (in_order, ordered) = order(&times, tolerances.concurrent);
    let states = (real.state_count() + other.state_count()) as f64;
    let alike: f64 = matches.iter().map(|m| m.score).sum();
    let (told, told_both) = (real.event_count() as f64 + other.event_count() as f64, events_in_both(real, other));
    let kinds = (real.events.len() + other.events.len()) as f64;
    let kinds_both = real.events.keys().filter(|key| other.events.contains_key(key)).count() as f64;
    let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 1.0 };
    let figures = Figures {
        states: share(2.0 * alike, states),
        events: share(2.0 * told_both, told),
        event_kinds: share(2.0 * kinds_both, kinds),
        order: share(in_order, ordered),
        timing: share(on_time, times.len() as f64),
    };
    (figures, Totals { states, events: told, event_kinds: kinds, ordered, aligned: times.len() as f64 })
}

fn events_in_both(real: &Side, other: &Side) -> f64 {
    real.events.iter().filter_map(|(key, count)| other.events.get(key).map(|o| *count.min(o) as f64)).sum()
}

/// The times of all aligned states: real and other.
fn aligned<'a>(real: &'a Side, other: &'a Side, matches: &'a [Match]) -> impl Iterator<Item = (f64, f64)> + 'a {
    matches.iter().flat_map(move |m| {
        m.pairs.iter().filter_map(move |pair| {
            let (x, y) = (&real.objects[m.real?], &other.objects[m.other?]);
            Some((x.states[pair.real].time, y.states[pair.other].time))
        })
    })
}

/// Of the pairs of states further apart than `concurrent` on the real side: how many come in the same order on the other, and
/// how many there are. `times` is sorted. A Fenwick tree counts them.
fn order(times: &[(f64, f64)], concurrent: f64) -> (f64, f64) {
    let mut others: Vec<f64> = times.iter().map(|t| t.1).collect();
    others.sort_by(f64::total_cmp);
    let rank = |time: f64| others.partition_point(|other| *other <= time);
    let mut tree = vec![0_u32; times.len() + 1];
    let (mut before, mut in_order, mut all) = (0, 0_u64, 0_u64);
    for (time, other) in times {
        while time - times[before].0 > concurrent {
            let mut at = rank(times[before].1);
            while at < tree.len() {
                tree[at] += 1;
                at += at & at.wrapping_neg();
            }
            before += 1;
        }
        all += before as u64;
        let mut at = rank(*other);
        while at > 0 {
            in_order += u64::from(tree[at]);
            at -= at & at.wrapping_neg();
        }
    }
    (in_order as f64, all as f64)
}
