//! The work queue of a controller: first in first out, each key at most once, never the same key in two workers.
//! A key added while it is being worked on comes again when that is done. Delays and rate limits as in client-go.
//! Each key remembers the step that first asked for it since it was last taken: the cause of the next reconcile.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use sim_apimachinery::ObjectKey;

use super::rate_limit::{RetryLimit, TokenBucket};
use crate::time::{Nanos, SimTime, TimerQueue};
use crate::trace::StepId;

/// The queue.
#[derive(Clone, Debug)]
pub struct WorkQueue {
    ready: VecDeque<ObjectKey>,
    dirty: BTreeMap<ObjectKey, StepId>,
    processing: BTreeSet<ObjectKey>,
    delayed: TimerQueue<(ObjectKey, StepId)>,
    tickets: BTreeMap<ObjectKey, (SimTime, u64)>,
    failures: BTreeMap<ObjectKey, u32>,
    limit: RetryLimit,
    bucket: Option<TokenBucket>,
}

impl WorkQueue {
    /// An empty queue with these retry delays.
    pub fn new(limit: RetryLimit) -> Self {
        WorkQueue {
            ready: VecDeque::new(),
            dirty: BTreeMap::new(),
            processing: BTreeSet::new(),
            delayed: TimerQueue::default(),
            tickets: BTreeMap::new(),
            failures: BTreeMap::new(),
            bucket: limit.bucket.map(|(qps, burst)| TokenBucket::per_second(qps, burst)),
            limit,
        }
    }

    /// Adds a key now.
    pub fn add(&mut self, key: &ObjectKey, cause: StepId) {
        if self.dirty.contains_key(key) {
            return;
        }
        self.dirty.insert(key.clone(), cause);
        if !self.processing.contains(key) {
            self.ready.push_back(key.clone());
        }
    }

    /// Adds a key later; a key that waits already keeps the earlier time.
    pub fn add_after(&mut self, key: &ObjectKey, now: SimTime, delay: Nanos, cause: StepId) {
        if delay == 0 {
            return self.add(key, cause);
        }
        let at = now.plus(delay);
        if let Some(ticket) = self.tickets.get(key) {
            if ticket.0 <= at {
                return;
            }
            self.delayed.cancel(*ticket);
        }
        let ticket = self.delayed.add(at, (key.clone(), cause));
        self.tickets.insert(key.clone(), ticket);
    }

    /// Adds a key after its back-off, which grows with each call until `forget`.
    pub fn add_rate_limited(&mut self, key: &ObjectKey, now: SimTime, cause: StepId) {
        let failures = self.failures.entry(key.clone()).or_insert(0);
        let backoff = self.limit.backoff(*failures);
        *failures = failures.saturating_add(1);
        let paced = self.bucket.as_mut().map_or(0, |b| b.reserve(now).since(now));
        self.add_after(key, now, backoff.max(paced), cause);
    }

    /// How often a key was added with back-off since `forget`.
    pub fn retries(&self, key: &ObjectKey) -> u32 {
        self.failures.get(key).copied().unwrap_or(0)
    }

    /// The key's work succeeded.
    pub fn forget(&mut self, key: &ObjectKey) {
        self.failures.remove(key);
    }

    /// Moves keys whose delay is over into the queue.
    pub fn release_due(&mut self, now: SimTime) {
        while let Some((key, cause)) = self.delayed.pop_due(now) {
            self.tickets.remove(&key);
            self.add(&key, cause);
        }
    }

    /// Takes the next key to work on, with its cause.
    pub fn pop(&mut self) -> Option<(ObjectKey, StepId)> {
        let key = self.ready.pop_front()?;
        let cause = self.dirty.remove(&key).expect("a ready key is dirty");
        self.processing.insert(key.clone());
        Some((key, cause))
    }

    /// The work on a key is over; if it was added meanwhile it comes again.
    pub fn done(&mut self, key: &ObjectKey) {
        self.processing.remove(key);
        if self.dirty.contains_key(key) {
            self.ready.push_back(key.clone());
        }
    }

    /// When the first delay is over.
    pub fn next_due(&self) -> Option<SimTime> {
        self.delayed.next()
    }

    /// Whether nothing waits to be worked on now.
    pub fn is_idle(&self) -> bool {
        self.ready.is_empty() && self.processing.is_empty()
    }
}
