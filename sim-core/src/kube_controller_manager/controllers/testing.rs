//! A desk for one controller: it is told of objects, and what it would do is looked at. Nothing is sent.

use serde_json::Value;
use sim_apimachinery::{Answer, Kind, Object, ObjectKey, Verb};

use crate::client_go::{Caches, Controller, Plan, Step, View, Wake};
use crate::component::{ChangeType, WatchEvent};
use crate::random::Random;
use crate::time::{Nanos, SECOND, SimTime};

/// An object from its JSON.
pub fn object(value: &Value) -> Object {
    let kind = value["kind"].as_str().and_then(|k| Kind::from_word(&k.to_lowercase())).expect("a kind");
    Object::from_json(kind, value.clone()).expect("it can be decoded")
}

/// The controller with the caches it sees.
pub struct Desk<C> {
    /// The controller.
    pub controller: C,
    /// What it sees.
    pub caches: Caches,
    /// The time.
    pub now: SimTime,
    random: Random,
    revision: u64,
}

impl<C: Controller> Desk<C> {
    /// A controller that has seen nothing yet, at a fixed moment.
    pub fn new(controller: C) -> Self {
        let now = SimTime(1_767_225_600 * SECOND);
        Desk { controller, caches: Caches::default(), now, random: Random::named(1, "desk"), revision: 0 }
    }

    /// Tells of an object that is there now; the names that are to be looked at, in order.
    pub fn tell(&mut self, object: Object) -> Vec<String> {
        self.event(ChangeType::Modified, object).into_iter().map(|(key, _)| key.name.to_string()).collect()
    }

    /// Tells of an object's deletion.
    pub fn tell_gone(&mut self, object: Object) -> Vec<String> {
        self.event(ChangeType::Deleted, object).into_iter().map(|(key, _)| key.name.to_string()).collect()
    }

    /// Tells of a change; the keys that are to be looked at, and when.
    pub fn event(&mut self, change: ChangeType, object: Object) -> Vec<(ObjectKey, Nanos)> {
        self.revision += 1;
        let seen = self.caches.apply(&WatchEvent { change, object, revision: self.revision });
        let mut wake = Wake::default();
        self.controller.on_event(&seen, &mut View { caches: &self.caches, now: self.now, random: &mut self.random }, &mut wake);
        wake.keys
    }

    /// What it would do about a key.
    pub fn reconcile(&mut self, kind: Kind, namespace: &str, name: &str) -> Plan {
        let key = ObjectKey::new(kind, namespace, name);
        self.controller.reconcile(&key, &mut View { caches: &self.caches, now: self.now, random: &mut self.random })
    }

    /// What it would do next, after these answers.
    pub fn resume(&mut self, key: &ObjectKey, stage: u8, answers: &[Answer]) -> Plan {
        self.controller.resume(key, stage, answers, &mut View { caches: &self.caches, now: self.now, random: &mut self.random })
    }

    /// What a plan asks, in order.
    pub fn verbs<'a>(&self, plan: &'a Plan) -> Vec<&'a Verb> {
        let asks = plan.steps.iter().flat_map(|step| match step {
            Step::Ask(ask) => std::slice::from_ref(ask),
            Step::SlowStart(asks) | Step::Together(asks) => asks.as_slice(),
            Step::Tell(_) => &[],
        });
        asks.map(|ask| &ask.verb).collect()
    }
}
