//! What a controller asked for and has not seen yet. While something is expected, its cache is known to be behind.
//! Source: pkg/controller/controller_utils.go (ControllerExpectations and UIDTrackingControllerExpectations).

use std::collections::{BTreeMap, BTreeSet};

use sim_apimachinery::{Answer, Kind, ObjectKey, Verb};

use crate::client_go::Ask;
use crate::time::{MINUTE, Nanos, SimTime};

/// After this long an expectation counts as met.
const TIMEOUT: Nanos = 5 * MINUTE;

#[derive(Clone, Debug, Default)]
struct Expected {
    creations: usize,
    deletions: BTreeSet<String>,
    since: SimTime,
}

/// Expectations by controller key.
#[derive(Clone, Debug, Default)]
pub struct Expectations(BTreeMap<ObjectKey, Expected>);

impl Expectations {
    /// A pod that was asked for, or its deletion, was refused: it will not be seen.
    pub fn answered(&mut self, owner: &ObjectKey, ask: &Ask, answer: &Answer) {
        match &ask.verb {
            _ if answer.is_ok() => {}
            Verb::Create { object } if object.kind() == Kind::Pod => self.creation_seen(owner),
            Verb::Delete { key: pod, .. } if pod.kind == Kind::Pod => self.deletion_seen(owner, &pod.name),
            _ => {}
        }
    }

    /// So many creations were not even asked for, because one before them failed.
    pub fn skipped(&mut self, owner: &ObjectKey, creations: usize) {
        (0..creations).for_each(|_| self.creation_seen(owner));
    }

    /// Whether nothing is expected any more, or for too long.
    pub fn satisfied(&self, key: &ObjectKey, now: SimTime) -> bool {
        self.0.get(key).is_none_or(|e| e.creations == 0 && e.deletions.is_empty() || now.since(e.since) > TIMEOUT)
    }

    /// So many creations were asked for.
    pub fn expect_creations(&mut self, key: &ObjectKey, count: usize, now: SimTime) {
        self.0.insert(key.clone(), Expected { creations: count, deletions: BTreeSet::new(), since: now });
    }

    /// These deletions were asked for.
    pub fn expect_deletions(&mut self, key: &ObjectKey, names: impl Iterator<Item = String>, now: SimTime) {
        self.0.insert(key.clone(), Expected { creations: 0, deletions: names.collect(), since: now });
    }

    /// So many creations and these deletions were asked for.
    pub fn expect_both(&mut self, key: &ObjectKey, creations: usize, deletions: impl Iterator<Item = String>, now: SimTime) {
        self.0.insert(key.clone(), Expected { creations, deletions: deletions.collect(), since: now });
    }

    /// A creation was seen, or failed.
    pub fn creation_seen(&mut self, key: &ObjectKey) {
        if let Some(expected) = self.0.get_mut(key) {
            expected.creations = expected.creations.saturating_sub(1);
        }
    }

    /// A deletion was seen, or failed; each name counts once.
    pub fn deletion_seen(&mut self, key: &ObjectKey, name: &str) {
        if let Some(expected) = self.0.get_mut(key) {
            expected.deletions.remove(name);
        }
    }

    /// The controller's object is gone.
    pub fn forget(&mut self, key: &ObjectKey) {
        self.0.remove(key);
    }
}
