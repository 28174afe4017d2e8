//! How the kubelet learns what the runtime did: a relist of all containers about once a second, and a relist of one pod
//! right after a sync that did something. Each tells the pod's worker of what changed.
//! The grid of relists is kept as numbers: a relist that would find nothing and that nobody waits for is not made.
//! Source: kubelet pleg/generic.go. Not modelled: a relist that takes long or fails, overflow of the event channel.

use std::collections::{BTreeMap, BTreeSet};

use super::pod_worker::BegunBy;
use super::{Kubelet, PodWorker, Timer, Uid};
use crate::component::Context;
use crate::time::{Nanos, SECOND, SimTime};
use crate::trace::{BEGINNING, StepId};

/// Moments at equal distances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    first: SimTime,
    period: Nanos,
}

impl Default for Grid {
    fn default() -> Self {
        Grid { first: SimTime(0), period: SECOND }
    }
}

impl Grid {
    /// A grid with a first moment.
    pub fn new(first: SimTime, period: Nanos) -> Self {
        Grid { first, period: period.max(1) }
    }

    /// The same first moment, other distances.
    pub fn with_period(&self, period: Nanos) -> Self {
        Grid::new(self.first, period)
    }

    /// The first moment after this one.
    pub fn after(&self, now: SimTime) -> SimTime {
        if now < self.first { self.first } else { self.first.plus((now.since(self.first) / self.period + 1) * self.period) }
    }

    /// The last moment not after this one, if there was one.
    pub fn before(&self, now: SimTime) -> SimTime {
        if now < self.first { SimTime(0) } else { self.first.plus(now.since(self.first) / self.period * self.period) }
    }
}

/// What the relists have to do.
#[derive(Clone, Debug, Default)]
pub struct Pleg {
    /// When relists of everything are made.
    pub grid: Grid,
    planned: Option<SimTime>,
    unseen: BTreeMap<Uid, StepId>,
    waiting: BTreeSet<Uid>,
}

impl Pleg {
    /// Forgets what it was asked for.
    pub fn reset(&mut self) {
        *self = Pleg { grid: self.grid, ..Pleg::default() };
    }
}

impl Kubelet {
    /// The runtime of a pod changed: the next relist must look at it.
    pub(super) fn changed_in_runtime(&mut self, uid: &Uid, context: &Context) {
        self.pleg.unseen.insert(uid.clone(), context.cause);
        self.plan_relist(context.now);
    }

    /// A worker waits for the cache to be renewed.
    pub(super) fn await_relist(&mut self, uid: &Uid, now: SimTime) {
        self.pleg.waiting.insert(uid.clone());
        self.plan_relist(now);
    }

    fn plan_relist(&mut self, now: SimTime) {
        let at = self.pleg.grid.after(now);
        if self.pleg.planned.is_none_or(|planned| planned > at) {
            self.pleg.planned = Some(at);
            self.timers.add(at, (Timer::Relist, BEGINNING));
        }
    }

    /// The cache of a pod is as old as this.
    pub(super) fn cache_time(&self, uid: &str, now: SimTime) -> SimTime {
        let own = self.pods.get(uid).map_or(SimTime(0), |w| w.relisted);
        self.pleg.grid.before(now).max(own)
    }

    pub(super) fn relist(&mut self, context: &mut Context) {
        self.pleg.planned = None;
        let unseen = std::mem::take(&mut self.pleg.unseen);
        let waiting = std::mem::take(&mut self.pleg.waiting);
        for (uid, cause) in unseen {
            context.cause = cause;
            self.look_at(&uid, context);
        }
        for uid in waiting {
            self.go_on(&uid, context);
        }
    }

    pub(super) fn relist_pod(&mut self, uid: &Uid, context: &mut Context) {
        if let Some(worker) = self.pods.get_mut(uid) {
            worker.relisted = context.now;
            // What changed since the sync that asked for this counts for more.
            context.cause = self.pleg.unseen.remove(uid).unwrap_or(BEGINNING).max(context.cause);
            self.look_at(uid, context);
            self.go_on(uid, context);
        }
    }

    /// A worker that waited for the cache goes on.
    fn go_on(&mut self, uid: &Uid, context: &mut Context) {
        self.set_begun_by(uid, BegunBy::Cache);
        self.try_sync(uid, context);
        self.set_begun_by(uid, BegunBy::Update);
    }

    fn set_begun_by(&mut self, uid: &Uid, begun_by: BegunBy) {
        if let Some(worker) = self.pods.get_mut(uid) {
            worker.begun_by = begun_by;
        }
    }

    /// Renews the cache of a pod and tells its worker; several events reach it as one or as two updates.
    /// A worker that waits for the cache has taken up its update already: it goes on first, and what it is told of now
    /// waits for the sync after that.
    fn look_at(&mut self, uid: &Uid, context: &mut Context) {
        let Some(worker) = self.pods.get_mut(uid) else { return };
        let events = worker.relist();
        self.go_on(uid, context);
        let Some(worker) = self.pods.get_mut(uid).filter(|_| events > 0) else { return };
        let merged = events > 1 && worker.luck.worker.chance(self.config.latencies.events_merged_per_million);
        if events > 1 && !merged {
            self.set_begun_by(uid, BegunBy::FirstOfTwo);
            self.update(uid, context);
            self.set_begun_by(uid, BegunBy::Update);
        }
        self.update(uid, context);
    }

    /// The one-second tick: pods that are due are looked at again.
    pub(super) fn tick(&mut self, context: &mut Context) {
        self.tick_planned = None;
        let is_due = |w: &PodWorker| w.due.filter(|(at, _)| *at < context.now).map(|(_, cause)| cause);
        let due: Vec<(Uid, StepId)> = self.pods.iter().filter_map(|(uid, w)| Some((uid.clone(), is_due(w)?))).collect();
        for (uid, cause) in due {
            context.cause = cause;
            if let Some(worker) = self.pods.get_mut(&uid) {
                worker.due = None;
            }
            self.update(&uid, context);
        }
        self.plan_tick();
    }

    /// Plans the tick at which the first pod is due.
    pub(super) fn plan_tick(&mut self) {
        let Some(due) = self.pods.values().filter_map(|w| Some(w.due?.0)).min() else { return };
        let at = self.ticks.after(due);
        if self.tick_planned.is_none_or(|planned| planned > at) {
            self.tick_planned = Some(at);
            self.timers.add(at, (Timer::Tick, BEGINNING));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_knows_its_neighbours() {
        let grid = Grid::new(SimTime(100), 10);
        assert_eq!((grid.after(SimTime(5)), grid.before(SimTime(5))), (SimTime(100), SimTime(0)));
        assert_eq!((grid.after(SimTime(100)), grid.before(SimTime(100))), (SimTime(110), SimTime(100)));
        assert_eq!((grid.after(SimTime(119)), grid.before(SimTime(119))), (SimTime(120), SimTime(110)));
    }
}
