//! The scheduling queue: pods that wait for a place. Active ones come out by priority and then by age; ones that failed
//! wait for their back-off or for something to happen that may help them; gated ones wait for their gates to go.
//! Promise: a pod is in exactly one place. Sources: pkg/scheduler/backend/queue/{scheduling_queue,backoff_queue}.go.
//! When nothing is active, pods come straight from the back-off (not from that of errors): PopFromBackoffQ.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sim_apimachinery::ObjectKey;

use super::framework::Plugin;
use super::plugins::scheduling_gates;
use super::pod_info::PodInfo;
use crate::time::{MINUTE, Nanos, SECOND, SimTime};
use crate::trace::StepId;

/// A pod that no event helped is tried again after this long.
const UNSCHEDULABLE_MAX: Nanos = 5 * MINUTE;
/// How often the queue looks for such pods.
const UNSCHEDULABLE_CHECK: Nanos = 30 * SECOND;

type Rank = (Reverse<i32>, SimTime, u64);

/// Where a pod is in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Active(Rank),
    Backoff(SimTime, Rank),
    ErrorBackoff(SimTime, Rank),
    Unschedulable,
    InFlight,
}

/// A pod that waits for a place, or is being placed.
#[derive(Clone, Debug)]
pub struct QueuedPod {
    /// The pod.
    pub info: Arc<PodInfo>,
    /// When it entered the queue or was last tried.
    pub timestamp: SimTime,
    /// How often it was tried.
    pub attempts: u32,
    /// The plugins that refused it last.
    pub rejectors: BTreeSet<Plugin>,
    /// The node that preemption made room on.
    pub nominated: Option<Arc<str>>,
    /// Whether it is not to be tried: it has gates, or its preemption is under way.
    pub gated: bool,
    /// The step that last brought it forward.
    pub cause: StepId,
    unschedulable_count: u32,
    error_count: u32,
    preempting: bool,
    place: Place,
}

/// The queue.
#[derive(Clone, Debug)]
pub struct SchedulingQueue {
    pods: BTreeMap<ObjectKey, QueuedPod>,
    active: BTreeMap<Rank, ObjectKey>,
    backoff: BTreeMap<(SimTime, Rank), ObjectKey>,
    error_backoff: BTreeMap<(SimTime, Rank), ObjectKey>,
    unschedulable: BTreeSet<ObjectKey>,
    nominated: BTreeMap<Arc<str>, BTreeSet<ObjectKey>>,
    backoff_limits: (Nanos, Nanos),
    next_check: Option<SimTime>,
    entered: u64,
}

impl SchedulingQueue {
    /// An empty queue with these first and longest back-offs.
    pub fn new(backoff_limits: (Nanos, Nanos)) -> Self {
        SchedulingQueue {
            pods: BTreeMap::new(),
            active: BTreeMap::new(),
            backoff: BTreeMap::new(),
            error_backoff: BTreeMap::new(),
            unschedulable: BTreeSet::new(),
            nominated: BTreeMap::new(),
            backoff_limits,
            next_check: None,
            entered: 0,
        }
    }

    /// A pod in the queue.
    pub fn get(&self, key: &ObjectKey) -> Option<&QueuedPod> {
        self.pods.get(key)
    }

    /// Adds a pod that is new.
    pub fn add(&mut self, info: Arc<PodInfo>, now: SimTime, cause: StepId) {
        let key = info.key.clone();
        let nominated = info.nominated_node().map(Arc::from);
        let pod = QueuedPod {
            gated: scheduling_gates::holds_back(&info),
            info,
            timestamp: now,
            attempts: 0,
            rejectors: BTreeSet::new(),
            nominated: None,
            cause,
            unschedulable_count: 0,
            error_count: 0,
            preempting: false,
            place: Place::InFlight,
        };
        self.pods.insert(key.clone(), pod);
        self.nominate(&key, nominated);
        self.activate(&key, now, cause);
    }

    /// Takes in a change of a pod; `matters` says that it may help the pod.
    pub fn update(&mut self, info: Arc<PodInfo>, matters: bool, now: SimTime, cause: StepId) {
        let key = info.key.clone();
        let Some(pod) = self.pods.get_mut(&key) else { return self.add(info, now, cause) };
        let reranked = pod.info.priority != info.priority;
        pod.info = info;
        match pod.place {
            Place::Unschedulable if matters => self.move_on(&key, now, cause),
            Place::Active(_) if reranked => self.activate(&key, now, cause),
            _ => {}
        }
    }

    /// A pod is gone or placed.
    pub fn remove(&mut self, key: &ObjectKey) {
        self.nominate(key, None);
        self.leave(key);
        self.pods.remove(key);
    }

    /// Takes the next pod to try.
    pub fn pop(&mut self) -> Option<ObjectKey> {
        let key = match self.active.first_key_value() {
            Some((_, key)) => key.clone(),
            None => self.backoff.first_key_value()?.1.clone(),
        };
        self.leave(&key);
        self.pods.get_mut(&key).expect("a pod in a place is in the queue").attempts += 1;
        Some(key)
    }

    /// Whether a pod can be taken now.
    pub fn has_next(&self) -> bool {
        !self.active.is_empty() || !self.backoff.is_empty()
    }

    /// A pod that was tried failed: `rejectors` say no, or there was an error if there are none.
    pub fn failed(&mut self, key: &ObjectKey, rejectors: BTreeSet<Plugin>, now: SimTime) {
        let Some(pod) = self.pods.get_mut(key) else { return };
        pod.timestamp = now;
        pod.rejectors = rejectors;
        if pod.rejectors.is_empty() {
            pod.error_count += 1;
            let cause = pod.cause;
            self.move_on(key, now, cause);
        } else {
            pod.unschedulable_count += 1;
            pod.error_count = 0;
            self.hold(key, now);
        }
    }

    /// The pods that wait for something to help them, with the plugins that refused them.
    pub fn waiting(&self) -> impl Iterator<Item = &QueuedPod> {
        self.unschedulable.iter().filter_map(|key| self.pods.get(key))
    }

    /// Something may have helped a waiting pod: it goes on, after its back-off.
    pub fn move_on(&mut self, key: &ObjectKey, now: SimTime, cause: StepId) {
        let Some(pod) = self.pods.get_mut(key) else { return };
        pod.cause = cause;
        pod.gated = pod.preempting || scheduling_gates::holds_back(&pod.info);
        let expiry = pod.backoff_expiry(self.backoff_limits);
        if pod.gated || expiry <= now {
            return self.activate(key, now, cause);
        }
        let is_error = pod.error_count > 0;
        self.leave(key);
        let rank = self.rank(key);
        let place = if is_error { Place::ErrorBackoff(expiry, rank) } else { Place::Backoff(expiry, rank) };
        if is_error { &mut self.error_backoff } else { &mut self.backoff }.insert((expiry, rank), key.clone());
        self.set_place(key, place);
    }

    /// Says which node preemption made room on for a pod, or that there is none.
    pub fn nominate(&mut self, key: &ObjectKey, node: Option<Arc<str>>) {
        let Some(pod) = self.pods.get_mut(key) else { return };
        let before = std::mem::replace(&mut pod.nominated, node.clone());
        if let Some(keys) = before.as_ref().and_then(|n| self.nominated.get_mut(n)) {
            keys.remove(key);
        }
        self.nominated.retain(|_, keys| !keys.is_empty());
        if let Some(node) = node {
            self.nominated.entry(node).or_default().insert(key.clone());
        }
    }

    /// The pods that a node is nominated for.
    pub fn nominated_on(&self, node: &str) -> impl Iterator<Item = &QueuedPod> {
        self.nominated.get(node).into_iter().flatten().filter_map(|key| self.pods.get(key))
    }

    /// Whether any node is nominated for any pod.
    pub fn has_nominated(&self) -> bool {
        !self.nominated.is_empty()
    }

    /// The requests of a pod's preemption are under way (it is not tried meanwhile), or over.
    pub fn set_preempting(&mut self, key: &ObjectKey, under_way: bool) {
        if let Some(pod) = self.pods.get_mut(key) {
            pod.preempting = under_way;
            pod.gated = under_way || scheduling_gates::holds_back(&pod.info);
        }
    }

    /// Moves pods on whose back-off is over, or that have waited too long for something to happen.
    pub fn release_due(&mut self, now: SimTime) {
        for from_errors in [false, true] {
            while let Some(((at, _), key)) = if from_errors { &self.error_backoff } else { &self.backoff }.first_key_value() {
                if *at > now {
                    break;
                }
                let (key, cause) = (key.clone(), self.pods[key].cause);
                self.activate(&key, now, cause);
            }
        }
        if self.next_check.is_some_and(|at| at <= now) {
            let is_old = |p: &&QueuedPod| !p.gated && now.since(p.timestamp) > UNSCHEDULABLE_MAX;
            let old: Vec<(ObjectKey, StepId)> = self.waiting().filter(is_old).map(|p| (p.info.key.clone(), p.cause)).collect();
            old.iter().for_each(|(key, cause)| self.move_on(key, now, *cause));
            self.plan_check(now);
        }
    }

    /// When a back-off or a wait is over.
    pub fn next_due(&self) -> Option<SimTime> {
        let first = |queue: &BTreeMap<(SimTime, Rank), ObjectKey>| queue.keys().next().map(|(at, _)| *at);
        [first(&self.backoff), first(&self.error_backoff), self.next_check].into_iter().flatten().min()
    }

    fn activate(&mut self, key: &ObjectKey, now: SimTime, cause: StepId) {
        let Some(pod) = self.pods.get_mut(key) else { return };
        pod.cause = cause;
        pod.gated = pod.preempting || scheduling_gates::holds_back(&pod.info);
        if pod.gated {
            return self.hold(key, now);
        }
        self.leave(key);
        let rank = self.rank(key);
        self.active.insert(rank, key.clone());
        self.set_place(key, Place::Active(rank));
    }

    fn hold(&mut self, key: &ObjectKey, now: SimTime) {
        self.leave(key);
        self.unschedulable.insert(key.clone());
        self.set_place(key, Place::Unschedulable);
        if self.next_check.is_none() && !self.pods[key].gated {
            self.plan_check(now);
        }
    }

    /// Plans the first check, on a beat of 30 s, at which some pod will have waited too long.
    fn plan_check(&mut self, now: SimTime) {
        let oldest = self.waiting().filter(|p| !p.gated).map(|p| p.timestamp).min();
        let after = |t: SimTime| (t.plus(UNSCHEDULABLE_MAX).0.max(now.0) / UNSCHEDULABLE_CHECK + 1) * UNSCHEDULABLE_CHECK;
        self.next_check = oldest.map(|t| SimTime(after(t)));
    }

    fn rank(&mut self, key: &ObjectKey) -> Rank {
        self.entered += 1;
        let pod = &self.pods[key];
        (Reverse(pod.info.priority), pod.timestamp, self.entered)
    }

    fn set_place(&mut self, key: &ObjectKey, place: Place) {
        if let Some(pod) = self.pods.get_mut(key) {
            pod.place = place;
        }
    }

    fn leave(&mut self, key: &ObjectKey) {
        let Some(pod) = self.pods.get_mut(key) else { return };
        match std::mem::replace(&mut pod.place, Place::InFlight) {
            Place::Active(rank) => _ = self.active.remove(&rank),
            Place::Backoff(at, rank) => _ = self.backoff.remove(&(at, rank)),
            Place::ErrorBackoff(at, rank) => _ = self.error_backoff.remove(&(at, rank)),
            Place::Unschedulable => _ = self.unschedulable.remove(key),
            Place::InFlight => {}
        }
    }
}

impl QueuedPod {
    /// Whether it waits for something to happen.
    pub fn is_unschedulable(&self) -> bool {
        self.place == Place::Unschedulable
    }

    /// When its back-off is over, cut to the second: 1, 2, 4, 8, 10, 10, … s after the last try.
    fn backoff_expiry(&self, (first, longest): (Nanos, Nanos)) -> SimTime {
        let failures = if self.error_count > 0 { self.error_count } else { self.unschedulable_count };
        let Some(doublings) = failures.checked_sub(1) else { return SimTime(0) };
        let wait = first.saturating_mul(1 << doublings.min(30)).min(longest);
        self.timestamp.plus(wait).truncated()
    }
}
