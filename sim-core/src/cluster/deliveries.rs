//! When each watch was told of which revision, for those who look at a run: how far a component's cache is behind.
//! Remembered only if the settings ask for it: in a large cluster it is most of what happens. Kept in pieces that clones share.

use std::sync::Arc;

use super::Cluster;
use super::ComponentId;
use super::watches::WatchId;
use crate::component::{Watch, WatchFilter};
use crate::time::SimTime;

/// How many deliveries a piece holds.
const PIECE: usize = 4096;

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
    full: Vec<Arc<Vec<Delivery>>>,
    open: Vec<Delivery>,
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
        self.open.push(Delivery { time, watch: watch.saturating_sub(first), revision });
        if self.open.len() == PIECE {
            self.full.push(Arc::new(std::mem::replace(&mut self.open, Vec::with_capacity(PIECE))));
        }
    }

    /// Those after the first so many, oldest first.
    pub fn after(&self, known: usize) -> impl Iterator<Item = &Delivery> {
        let pieces = self.full.iter().skip(known / PIECE).flat_map(|piece| piece.iter());
        let known_pieces = (known / PIECE).min(self.full.len());
        pieces.chain(&self.open).skip(known - known_pieces * PIECE)
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
    fn deliveries_are_read_on_from_anywhere() {
        let mut log = Deliveries::new(true);
        (0..10_000).for_each(|n| log.add(SimTime(n), 7, n));
        for known in [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 9_999, 10_000] {
            let rest: Vec<u64> = log.after(known).map(|d| d.revision).collect();
            assert_eq!(rest, (known as u64..10_000).collect::<Vec<_>>(), "after {known}");
        }
        assert!(log.after(0).all(|d| d.watch == 0), "watches are numbered from the first one remembered");
    }

    #[test]
    fn nothing_is_kept_unasked() {
        let mut log = Deliveries::new(false);
        log.add(SimTime(1), 1, 1);
        assert_eq!(log.after(0).count(), 0);
    }
}
