//! When each watch was told of which revision, for those who look at a run: how far a component's cache is behind.
//! Remembered only if the settings ask for it: in a large cluster it is most of what happens.

use std::sync::Arc;

use super::Cluster;
use super::ComponentId;
use super::log::Log;
use super::watches::WatchId;
use crate::component::{Watch, WatchFilter};
use crate::time::SimTime;

/// From `time` on the owner of `watch` (its position among the names) knew `revision`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// When.
    pub time: SimTime,
    /// Which watch, by its position in `Cluster::watch_names`.
    pub watch: u32,
    /// The revision of the change it was told of; of a list, that of the store.
    pub revision: u64,
}

/// All deliveries so far.
#[derive(Clone, Debug, Default)]
pub struct Deliveries {
    remembers: bool,
    log: Log<Delivery>,
    names: Vec<(Arc<str>, Arc<str>, Arc<str>)>,
    first: Option<WatchId>,
}

impl Deliveries {
    /// Nothing delivered; `remembers` says whether anything will be kept.
    pub fn new(remembers: bool) -> Deliveries {
        Deliveries { remembers, ..Deliveries::default() }
    }

    /// A watch was told of a change.
    pub(super) fn add(&mut self, time: SimTime, watch: WatchId, revision: u64) {
        if !self.remembers {
            return;
        }
        let first = *self.first.get_or_insert(watch);
        self.log.add(Delivery { time, watch: watch.saturating_sub(first), revision });
    }

    /// Those after the first so many, oldest first.
    pub fn after(&self, known: usize) -> impl Iterator<Item = &Delivery> {
        self.log.after(known)
    }

    fn name(&mut self, component: &ComponentId, watch: &Watch) {
        if self.remembers {
            let filter = match &watch.filter {
                WatchFilter::All | WatchFilter::Custom => "".into(),
                WatchFilter::OnNode(node) => node.clone(),
                WatchFilter::Named(name) => name.clone(),
            };
            let kind = if watch.filter == WatchFilter::Custom { "custom" } else { watch.kind.resource().kind };
            self.names.push((component.name(), kind.into(), filter));
        }
    }
}

impl ComponentId {
    /// The name of the component, as the trace has it.
    pub fn name(&self) -> Arc<str> {
        match self {
            ComponentId::ControllerManager => "kube-controller-manager".into(),
            ComponentId::Scheduler => "kube-scheduler".into(),
            ComponentId::Kubelet(node) => format!("kubelet/{node}").into(),
            ComponentId::Proxy => "kube-proxy".into(),
            ComponentId::Dns => "coredns".into(),
            ComponentId::Metrics => "metrics-server".into(),
            ComponentId::User(_) => "user".into(),
        }
    }
}

impl Cluster {
    /// When each watch was told of what; empty unless the settings ask for it.
    pub fn deliveries(&self) -> &Deliveries {
        &self.deliveries
    }

    /// The watches of the deliveries, in the order in which they were opened: owner, kind, and the name that restricts it.
    pub fn watch_names(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.deliveries.names.iter().map(|(owner, kind, filter)| (&**owner, &**kind, &**filter))
    }

    /// Opens a watch from a revision on.
    pub(super) fn watch(&mut self, component: &ComponentId, watch: Watch, revision: u64) {
        self.deliveries.name(component, &watch);
        let id = self.watches.open(component.clone(), watch);
        self.deliveries.add(self.now, id, revision);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watches_are_numbered_from_the_first_one_remembered() {
        let mut log = Deliveries::new(true);
        [7, 9].into_iter().for_each(|watch| log.add(SimTime(1), watch, 1));
        assert_eq!(log.after(0).map(|d| d.watch).collect::<Vec<_>>(), [0, 2]);
    }

    #[test]
    fn nothing_is_kept_unasked() {
        let mut log = Deliveries::new(false);
        log.add(SimTime(1), 1, 1);
        assert_eq!(log.after(0).count(), 0);
    }
}
