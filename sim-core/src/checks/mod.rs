//! What must always be true of the world, whatever scenario is played and whatever fault is injected: rules about the
//! store's whole history. A broken rule is a mistake of ours, never of the scenario.
//! Reads the store only. Rules that hold "in the end" (counts in a status, endpoints) are expectations of scenarios.

mod lives;
mod places;

use crate::component::ChangeType;
use crate::etcd::{Change, Etcd};
use std::collections::BTreeMap;

use sim_apimachinery::{Object, ObjectKey};

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The rule, as a sentence that should have been true.
    pub rule: &'static str,
    /// The store's revision at which it was broken.
    pub revision: u64,
    /// What was found.
    pub found: String,
}

/// More than this many are not collected: the first ones tell enough.
const VIOLATIONS_MAX: usize = 20;

/// All broken rules of a history, oldest first.
pub fn violations(etcd: &Etcd) -> Vec<Violation> {
    let mut checker = Checker::default();
    for change in etcd.history() {
        checker.take(change);
        if checker.found.len() >= VIOLATIONS_MAX {
            return checker.found;
        }
    }
    checker.compare(etcd);
    checker.found
}

/// The world as the history makes it, change by change.
#[derive(Default)]
struct Checker {
    revision: u64,
    objects: BTreeMap<ObjectKey, Object>,
    lives: lives::Lives,
    places: places::Places,
    found: Vec<Violation>,
}

impl Checker {
    fn take(&mut self, change: &Change) {
        let object = &change.object;
        let key = object.key();
        let mut broken = |rule: &'static str, found: String| {
            self.found.push(Violation { rule, revision: change.revision, found: format!("{key}: {found}") });
        };
        if change.revision <= self.revision {
            broken("the revision grows with each change", format!("{} after {}", change.revision, self.revision));
        }
        self.revision = change.revision;
        if object.resource_version() != change.revision {
            broken("an object's resourceVersion is the revision of its last change", object.resource_version().to_string());
        }
        let before = self.objects.get(&key);
        if before != change.previous.as_ref() {
            broken("a change begins where the one before ended", "the state before it is another".into());
        }
        if before.is_some() == (change.change == ChangeType::Added) {
            broken("an object is added once", format!("{:?}", change.change));
        }
        self.lives.take(change, &mut broken);
        self.places.take(change, &mut broken);
        match change.change {
            ChangeType::Deleted => _ = self.objects.remove(&key),
            _ => _ = self.objects.insert(key.clone(), object.clone()),
        }
    }

    /// What the history makes is what the store holds.
    fn compare(&mut self, etcd: &Etcd) {
        let rule = "history replays to the state";
        for (key, object) in &self.objects {
            if etcd.get(key) != Some(object) {
                self.found.push(Violation { rule, revision: self.revision, found: format!("{key} is another in the store") });
            }
        }
        let kinds: std::collections::BTreeSet<_> = self.objects.keys().map(|k| k.kind).collect();
        let held: usize = kinds.iter().map(|k| etcd.count(*k)).sum();
        if held != self.objects.len() {
            let found = format!("{held} objects in the store, {} by history", self.objects.len());
            self.found.push(Violation { rule, revision: self.revision, found });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::etcd::Write;
    use crate::time::SimTime;
    use serde_json::{Value, json};
    use sim_apimachinery::Kind;

    fn broken_by(states: &[Value]) -> Vec<&'static str> {
        let mut etcd = Etcd::new();
        let write = || Write { time: SimTime(0), manager: "test".into(), step: 0, tracking: None };
        for (at, state) in states.iter().enumerate() {
            let object = Object::from_json(Kind::Pod, state.clone()).expect("a pod");
            match at {
                0 => _ = etcd.create(object, write()).expect("new"),
                _ => {
                    let revision = etcd.get(&object.key()).map_or(0, Object::resource_version);
                    _ = etcd.update(object, revision, write()).expect("there");
                }
            }
        }
        violations(&etcd).into_iter().map(|v| v.rule).collect()
    }

    fn pod(node: &str, phase: &str, restarts: i32) -> Value {
        json!({"metadata": {"name": "p", "namespace": "default", "uid": "u"}, "spec": {"nodeName": node, "containers": [{"name": "c"}]},
            "status": {"phase": phase, "containerStatuses": [{"name": "c", "restartCount": restarts, "ready": false, "image": "", "imageID": ""}]}})
    }

    #[test]
    fn a_good_life_breaks_no_rule() {
        assert!(broken_by(&[pod("", "Pending", 0), pod("a", "Running", 0), pod("a", "Running", 2), pod("a", "Failed", 2)]).is_empty());
    }

    #[test]
    fn each_broken_rule_is_found() {
        assert_eq!(broken_by(&[pod("a", "Running", 0), pod("b", "Running", 0)]), ["a pod stays on its node"]);
        assert_eq!(broken_by(&[pod("a", "Failed", 0), pod("a", "Running", 0)]), ["a pod that is over stays over"]);
        assert_eq!(broken_by(&[pod("a", "Running", 3), pod("a", "Running", 1)]), ["restarts are never taken back"]);
    }
}
