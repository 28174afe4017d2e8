//! What a controller is: it says which events wake which keys, and decides what to do about a key.
//! A reconcile looks at the caches, never at what woke it, and sends nothing itself.

use sim_apimachinery::{Answer, Kind, ObjectKey, Status};

use super::caches::{CacheEvent, Caches};
use super::plan::{Ask, Plan};
use super::rate_limit::RetryLimit;
use crate::random::Random;
use crate::time::{Nanos, SimTime};

/// What a reconcile may look at.
pub struct View<'a> {
    /// What the process has been told of the cluster.
    pub caches: &'a Caches,
    /// The time.
    pub now: SimTime,
    /// Chance, for what is chance in Kubernetes.
    pub random: &'a mut Random,
}

/// The keys an event handler wants looked at.
#[derive(Clone, Debug, Default)]
pub struct Wake {
    /// Key and delay, 0 for at once.
    pub keys: Vec<(ObjectKey, Nanos)>,
    /// Keys to add with their back-off (the autoscaler's way of keeping its interval).
    pub rate_limited: Vec<ObjectKey>,
}

impl Wake {
    /// Look at a key at once.
    pub fn now(&mut self, key: ObjectKey) {
        self.keys.push((key, 0));
    }

    /// Look at a key after a delay.
    pub fn after(&mut self, key: ObjectKey, delay: Nanos) {
        self.keys.push((key, delay));
    }
}

/// A control loop.
pub trait Controller {
    /// Its name: `replicaset-controller`.
    fn name(&self) -> &'static str;

    /// The kinds it wants to be told of (their caches are shared with the other controllers of the process).
    fn watches(&self) -> &'static [Kind];

    /// Whether it wants to be told of the objects of all custom kinds too.
    fn watches_custom(&self) -> bool {
        false
    }

    /// The source of its events, if it is not its name.
    fn event_source(&self) -> &'static str {
        self.name()
    }

    /// The name its writes are owned by, if it is not that of its process.
    fn field_manager(&self) -> Option<&'static str> {
        None
    }

    /// An event changed the cache: which keys does it concern?
    fn on_event(&mut self, event: &CacheEvent, view: &mut View<'_>, wake: &mut Wake);

    /// Decides about a key.
    fn reconcile(&mut self, key: &ObjectKey, view: &mut View<'_>) -> Plan;

    /// Goes on after a plan that ended in `Then::Resume(stage)`; `answers` are those of its requests, in order.
    fn resume(&mut self, _key: &ObjectKey, _stage: u8, _answers: &[Answer], _view: &mut View<'_>) -> Plan {
        Plan::nothing()
    }

    /// A request of a plan was answered (also for those that failed or were tolerated).
    fn on_answer(&mut self, _key: &ObjectKey, _ask: &Ask, _answer: &Answer) {}

    /// Requests of a slow start were left out after a failure.
    fn on_skipped(&mut self, _key: &ObjectKey, _skipped: usize) {}

    /// A request failed and the failure is not tolerated: what to do instead of the rest of the plan? `None` stops and
    /// tries the key again after its back-off.
    fn on_failure(&mut self, _key: &ObjectKey, _ask: &Ask, _status: &Status, _view: &mut View<'_>) -> Option<Plan> {
        None
    }

    /// Something it wants done at a moment without any event, under this key (periodic loops).
    fn on_start(&mut self, _now: SimTime, _wake: &mut Wake) {}

    /// How many keys it works on at a time.
    fn workers(&self) -> usize {
        5
    }

    /// How long a key waits after a failure.
    fn retry_limit(&self) -> RetryLimit {
        RetryLimit::default()
    }

    /// How many retries until a key is dropped; `None` never drops.
    fn max_retries(&self) -> Option<u32> {
        None
    }

    /// Client-side limit of its requests: per second and burst.
    fn client_limit(&self) -> (u64, u64) {
        (20, 30)
    }

    /// Kinds whose cache must have caught up with the controller's own writes for a key before that key is looked at
    /// again (the read-your-writes guard of 1.36). Empty for controllers without it.
    fn guarded(&self) -> &'static [Kind] {
        &[]
    }
}
