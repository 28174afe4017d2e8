//! The scheduling queue: pods ready to be tried, pods that back off, pods that wait for something to change, gated pods.
//! Ready pods come by priority and then by age. A pod that failed waits for an event that could help it, and then for the
//! rest of its back-off (1, 2, 4, 8, 10 s); when nothing else is ready, it need not wait. Source: pkg/scheduler/backend/queue.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;

use crate::time::{MINUTE, Nanos, SECOND, SimTime};
use crate::trace::StepId;

const BACKOFF_MIN: Nanos = SECOND;
const BACKOFF_MAX: Nanos = 10 * SECOND;
/// A pod that waited this long is tried again whatever happened.
const LEFTOVER: Nanos = 5 * MINUTE;

/// A pod that waits to be placed.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Its uid.
    pub uid: String,
    /// The pod.
    pub pod: Arc<Pod>,
    /// The plugins that refused it last.
    pub rejectors: BTreeSet<String>,
    /// Why it is tried.
    pub cause: StepId,
    attempts: u32,
    since: SimTime,
}

impl Waiting {
    /// A pod never tried before.
    pub fn new(uid: &str, pod: Arc<Pod>, now: SimTime, cause: StepId) -> Self {
        Waiting { uid: uid.to_owned(), pod, rejectors: BTreeSet::new(), cause, attempts: 0, since: now }
    }

    /// Whether this plugin was among those that refused it.
    pub fn rejected_by(&self, plugin: &str) -> bool {
        self.rejectors.contains(plugin)
    }

    fn backoff_over(&self) -> SimTime {
        let doubled = BACKOFF_MIN.checked_shl(self.attempts.saturating_sub(1).min(10)).unwrap_or(BACKOFF_MAX);
        self.since.plus(doubled.min(BACKOFF_MAX))
    }

    fn order(&self) -> (Reverse<i32>, SimTime, String) {
        let priority = self.pod.spec.as_ref().and_then(|s| s.priority).unwrap_or(0);
        (Reverse(priority), self.since, self.uid.clone())
    }
}

/// The queue.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    ready: BTreeMap<(Reverse<i32>, SimTime, String), Waiting>,
    backing_off: BTreeMap<(SimTime, String), Waiting>,
    unschedulable: BTreeMap<String, Waiting>,
    gated: BTreeMap<String, Arc<Pod>>,
}

impl Queue {
    /// A pod appeared or changed.
    pub fn add(&mut self, uid: &str, pod: Arc<Pod>, gated: bool, now: SimTime, cause: StepId) {
        if gated {
            self.remove(uid);
            self.gated.insert(uid.to_owned(), pod);
            return;
        }
        self.gated.remove(uid);
        if let Some(waiting) = self.find(uid) {
            waiting.pod = pod;
            return;
        }
        let waiting = Waiting::new(uid, pod, now, cause);
        self.ready.insert(waiting.order(), waiting);
    }

    fn find(&mut self, uid: &str) -> Option<&mut Waiting> {
        let Queue { ready, backing_off, unschedulable, .. } = self;
        unschedulable.get_mut(uid).or_else(|| ready.values_mut().chain(backing_off.values_mut()).find(|w| w.uid == uid))
    }

    /// A pod is gone or placed.
    pub fn remove(&mut self, uid: &str) {
        self.gated.remove(uid);
        if self.unschedulable.remove(uid).is_none() {
            self.ready.retain(|_, w| w.uid != uid);
            self.backing_off.retain(|_, w| w.uid != uid);
        }
    }

    /// The next pod to try.
    pub fn pop(&mut self) -> Option<Waiting> {
        let waiting = match self.ready.pop_first() {
            Some((_, waiting)) => waiting,
            None => self.backing_off.pop_first()?.1,
        };
        Some(waiting)
    }

    /// A pod could not be placed.
    pub fn put_back(&mut self, mut waiting: Waiting, now: SimTime) {
        waiting.attempts += 1;
        waiting.since = now;
        if waiting.rejectors.is_empty() {
            self.backing_off.insert((waiting.backoff_over(), waiting.uid.clone()), waiting);
        } else {
            self.unschedulable.insert(waiting.uid.clone(), waiting);
        }
    }

    /// Something changed that may help those pods `helps` says.
    pub fn something_changed(&mut self, now: SimTime, helps: impl Fn(&Waiting) -> bool) {
        let moved: Vec<String> = self.unschedulable.values().filter(|w| helps(w)).map(|w| w.uid.clone()).collect();
        for uid in moved {
            if let Some(waiting) = self.unschedulable.remove(&uid) {
                self.move_on(waiting, now);
            }
        }
    }

    fn move_on(&mut self, waiting: Waiting, now: SimTime) {
        let over = waiting.backoff_over();
        if over <= now {
            self.ready.insert(waiting.order(), waiting);
        } else {
            self.backing_off.insert((over, waiting.uid.clone()), waiting);
        }
    }

    /// Moves pods whose time has come.
    pub fn release_due(&mut self, now: SimTime) {
        while let Some((&(at, _), _)) = self.backing_off.first_key_value() {
            if at > now {
                break;
            }
            if let Some((_, waiting)) = self.backing_off.pop_first() {
                self.ready.insert(waiting.order(), waiting);
            }
        }
        self.something_changed(now, |w| now.since(w.since) >= LEFTOVER);
    }

    /// Whether a pod can be tried now.
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// When the next pod's time comes.
    pub fn next_due(&self) -> Option<SimTime> {
        let backoff = self.backing_off.keys().next().map(|(at, _)| *at);
        let leftover = self.unschedulable.values().map(|w| w.since.plus(LEFTOVER)).min();
        backoff.into_iter().chain(leftover).min()
    }
}
