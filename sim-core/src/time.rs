//! Virtual time: nanoseconds since the Unix epoch, as integers, and a queue of timers.
//! Only the hallway moves time. Kubernetes shows most times in whole seconds; `to_time` truncates as it does.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};

/// A length of time in nanoseconds.
pub type Nanos = u64;
/// One microsecond.
pub const MICROSECOND: Nanos = 1_000;
/// One millisecond.
pub const MILLISECOND: Nanos = 1_000_000;
/// One second.
pub const SECOND: Nanos = 1_000_000_000;
/// One minute.
pub const MINUTE: Nanos = 60 * SECOND;

/// A moment of virtual time, in nanoseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SimTime(pub u64);

impl SimTime {
    /// The moment this much later.
    pub fn plus(self, nanos: Nanos) -> SimTime {
        SimTime(self.0.saturating_add(nanos))
    }

    /// How long ago `earlier` was; 0 if it is still to come.
    pub fn since(self, earlier: SimTime) -> Nanos {
        self.0.saturating_sub(earlier.0)
    }

    /// Whole seconds since the epoch.
    pub fn seconds(self) -> u64 {
        self.0 / SECOND
    }

    /// The moment without its part of a second, as an API object keeps it.
    pub fn truncated(self) -> SimTime {
        SimTime(self.seconds() * SECOND)
    }

    /// As `metav1.Time`, whole seconds.
    pub fn to_time(self) -> Time {
        Time(Timestamp::new(self.seconds() as i64, 0).unwrap_or(Timestamp::UNIX_EPOCH))
    }

    /// As `metav1.MicroTime`.
    pub fn to_micro_time(self) -> MicroTime {
        let micros = (self.0 % SECOND) / MICROSECOND * MICROSECOND;
        MicroTime(Timestamp::new(self.seconds() as i64, micros as i32).unwrap_or(Timestamp::UNIX_EPOCH))
    }

    /// The moment an API time names.
    pub fn from_time(time: &Time) -> SimTime {
        SimTime(u64::try_from(time.0.as_nanosecond()).unwrap_or(0))
    }

    /// The moment a `MicroTime` names.
    pub fn from_micro_time(time: &MicroTime) -> SimTime {
        SimTime(u64::try_from(time.0.as_nanosecond()).unwrap_or(0))
    }
}

/// Things to do later, in order of time and then of entry. A component asks the hallway to be woken at `next`.
#[derive(Clone, Debug)]
pub struct TimerQueue<T> {
    entries: BTreeMap<(SimTime, u64), T>,
    entered: u64,
}

impl<T> Default for TimerQueue<T> {
    fn default() -> Self {
        TimerQueue { entries: BTreeMap::new(), entered: 0 }
    }
}

impl<T> TimerQueue<T> {
    /// Adds a thing to do at a moment; the ticket cancels it.
    pub fn add(&mut self, at: SimTime, what: T) -> (SimTime, u64) {
        self.entered += 1;
        self.entries.insert((at, self.entered), what);
        (at, self.entered)
    }

    /// Forgets a thing; nothing happens if it is done already.
    pub fn cancel(&mut self, ticket: (SimTime, u64)) -> Option<T> {
        self.entries.remove(&ticket)
    }

    /// When the first thing is due.
    pub fn next(&self) -> Option<SimTime> {
        self.entries.keys().next().map(|(at, _)| *at)
    }

    /// Takes the first thing that is due by `now`.
    pub fn pop_due(&mut self, now: SimTime) -> Option<T> {
        let first = *self.entries.keys().next()?;
        if first.0 <= now { self.entries.remove(&first) } else { None }
    }

    /// Whether such a thing is to be done at exactly this moment.
    pub fn has(&self, at: SimTime, is: impl Fn(&T) -> bool) -> bool {
        self.entries.range((at, 0)..=(at, u64::MAX)).any(|(_, what)| is(what))
    }

    /// How many things wait.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
