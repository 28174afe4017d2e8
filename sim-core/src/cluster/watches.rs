//! Watches: which component is told of which changes, and when.
//! Indexed by kind, and pods by node, so that a change costs as much as it has watchers. Each watch is a line of its own:
//! what it tells arrives in order, each thing a little after it was stored; a line can be slowed or held by a fault.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use sim_apimachinery::{Kind, Object};

use super::ComponentId;
use crate::component::{ChangeType, Watch, WatchEvent, WatchFilter};
use crate::etcd::Change;
use crate::time::{Nanos, SimTime};
use crate::trace::StepId;

/// Names a watch.
pub type WatchId = u32;

/// One open watch.
#[derive(Clone, Debug)]
pub struct OpenWatch {
    /// Who watches.
    pub component: ComponentId,
    /// What.
    pub watch: Watch,
    /// What is under way to it: when it arrives, what, and the step that caused it.
    pub line: VecDeque<(SimTime, WatchEvent, StepId)>,
    last: SimTime,
    /// A fault: nothing arrives until it is released.
    pub held: bool,
    /// A fault: everything arrives this much later.
    pub delay: Nanos,
}

impl OpenWatch {
    /// Puts an event on the line; `at` is when it would arrive, if nothing before it is later.
    pub fn push(&mut self, at: SimTime, event: WatchEvent, cause: StepId) -> SimTime {
        let at = at.plus(self.delay).max(self.last);
        self.last = at;
        self.line.push_back((at, event, cause));
        at
    }

    /// Lists anew: of each object only its last state is told, whatever happened to it in between.
    pub fn relist(&mut self) {
        let mut last = BTreeMap::new();
        for (at, event, cause) in std::mem::take(&mut self.line) {
            last.insert(event.object.key(), (at, event, cause));
        }
        let mut line: Vec<_> = last.into_values().collect();
        line.sort_by_key(|(_, event, _)| event.revision);
        let at = line.iter().map(|(at, ..)| *at).max().unwrap_or_default();
        self.line = line.into_iter().map(|(_, event, cause)| (at, event, cause)).collect();
    }

    /// Takes what has arrived, if the watch is not held.
    pub fn arrived(&mut self, now: SimTime) -> Option<(WatchEvent, StepId)> {
        if self.held || self.line.front()?.0 > now {
            return None;
        }
        self.line.pop_front().map(|(_, event, cause)| (event, cause))
    }
}

/// All open watches.
#[derive(Clone, Debug, Default)]
pub struct Watches {
    open: BTreeMap<WatchId, OpenWatch>,
    by_kind: BTreeMap<Kind, Vec<WatchId>>,
    by_node: BTreeMap<Arc<str>, Vec<WatchId>>,
    custom: Vec<WatchId>,
    opened: WatchId,
}

impl Watches {
    /// Opens a watch.
    pub fn open(&mut self, component: ComponentId, watch: Watch) -> WatchId {
        self.opened += 1;
        match &watch.filter {
            WatchFilter::OnNode(node) => self.by_node.entry(node.clone()).or_default().push(self.opened),
            WatchFilter::Custom => self.custom.push(self.opened),
            _ => self.by_kind.entry(watch.kind).or_default().push(self.opened),
        }
        let open = OpenWatch { component, watch, line: VecDeque::new(), last: SimTime(0), held: false, delay: 0 };
        self.open.insert(self.opened, open);
        self.opened
    }

    /// Closes all watches of a component.
    pub fn close_all(&mut self, component: &ComponentId) {
        self.open.retain(|_, w| w.component != *component);
        let Watches { open, by_kind, by_node, custom, .. } = self;
        custom.retain(|id| open.contains_key(id));
        by_kind.values_mut().for_each(|ids| ids.retain(|id| open.contains_key(id)));
        by_node.values_mut().for_each(|ids| ids.retain(|id| open.contains_key(id)));
    }

    /// A watch by its name.
    pub fn get_mut(&mut self, id: WatchId) -> Option<&mut OpenWatch> {
        self.open.get_mut(&id)
    }

    /// All watches.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (WatchId, &mut OpenWatch)> {
        self.open.iter_mut().map(|(id, w)| (*id, w))
    }

    /// The watches a change concerns, with what each is told of it.
    pub fn concerned(&self, change: &Change) -> Vec<(WatchId, WatchEvent)> {
        let object = &change.object;
        let mut told = Vec::new();
        for id in self.by_kind.get(&object.kind()).into_iter().flatten() {
            let Some(open) = self.open.get(id) else { continue };
            let concerns = match &open.watch.filter {
                WatchFilter::All => true,
                WatchFilter::Named(name) => **name == *object.name(),
                WatchFilter::OnNode(_) | WatchFilter::Custom => false,
            };
            if concerns {
                told.push((*id, event(change, change.change)));
            }
        }
        if matches!(object.kind(), Kind::Custom(_)) {
            told.extend(self.custom.iter().map(|id| (*id, event(change, change.change))));
        }
        if let Some(node) = node_of(object) {
            let known = change.previous.as_ref().and_then(node_of) == Some(node);
            let seen_as = if known || change.change == ChangeType::Deleted { change.change } else { ChangeType::Added };
            told.extend(self.by_node.get(node).into_iter().flatten().map(|id| (*id, event(change, seen_as))));
        }
        told
    }
}

/// Whether an object is among those a watch tells of.
pub fn admits(filter: &WatchFilter, object: &Object) -> bool {
    match filter {
        WatchFilter::All => true,
        WatchFilter::Named(name) => **name == *object.name(),
        WatchFilter::OnNode(node) => node_of(object) == Some(&**node),
        WatchFilter::Custom => matches!(object.kind(), Kind::Custom(_)),
    }
}

fn event(change: &Change, seen_as: ChangeType) -> WatchEvent {
    WatchEvent { change: seen_as, object: change.object.clone(), revision: change.revision }
}

fn node_of(object: &Object) -> Option<&str> {
    match object {
        Object::Pod(pod) => pod.spec.as_ref()?.node_name.as_deref().filter(|n| !n.is_empty()),
        _ => None,
    }
}
