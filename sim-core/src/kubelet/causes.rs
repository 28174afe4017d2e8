//! What each step a kubelet tells follows from. One rule: a step that was told is the cause of what follows in the same turn, and
//! whatever waits carries the cause it was left with: timers, work, an update of a pod, what a relist will notice.
//! So a chain leads from a report back over what the runtime did to the change, the request or the fault it all began with.
//! A process has causes of its own: the step it was started by or that last changed how it answers, by which its probes are
//! judged, and the step that set the end it is heading for, by which it exits.
//! Where several things led to one step, the last of them is told.
//! Not told: which of several requests a shell's own script ended by; which command did what it does later than it was begun.

use sim_workload::{Outlook, Process};

use super::{Kubelet, Timer, Uid, Work};
use crate::component::Context;
use crate::time::{MICROSECOND, Nanos, SimTime};
use crate::trace::StepId;

/// What led to how a container's process is.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// It was started by this, or answers otherwise since.
    pub changed: StepId,
    /// It ends because of this.
    pub end: StepId,
    touched: (SimTime, StepId),
    outlook: Option<Outlook>,
}

impl Origin {
    /// Of a process that this step started.
    pub fn started(process: &Process, step: StepId) -> Origin {
        Origin { changed: step, end: step, touched: (SimTime(0), step), outlook: Some(process.outlook()) }
    }

    /// Somebody outside did something to the process, or had a look at it.
    pub fn touched(&mut self, process: &Process, now: SimTime, cause: StepId) {
        self.touched = (now, cause);
        self.compare(process, cause);
    }

    /// The process went on, for this reason: a command in the container may have changed what it will do.
    pub fn compare(&mut self, process: &Process, cause: StepId) {
        let Some(before) = &self.outlook else { return };
        let (same, otherwise) = (process.answers_as(before), process.ends_otherwise(before));
        if !same {
            self.changed = cause;
        }
        if otherwise {
            self.end = cause;
        }
        if !same || otherwise {
            self.outlook = Some(process.outlook());
        }
    }

    /// What is told of a cause has a step of its own by now.
    pub fn retell(&mut self, cause: StepId, step: StepId) {
        for known in [&mut self.changed, &mut self.end] {
            if *known == cause {
                *known = step;
            }
        }
    }

    /// Why it has exited. What was done to it at this very moment counts: a command in the container that ends its shell.
    pub fn exit(&self, now: SimTime) -> StepId {
        if self.touched.0 == now { self.end.max(self.touched.1) } else { self.end }
    }

    /// Why it does what it does now.
    pub fn doing(&self, now: SimTime) -> StepId {
        if self.touched.0 == now { self.touched.1 } else { self.changed }
    }
}

impl Kubelet {
    /// Something is to be done at a moment, for the reason there is now.
    pub(super) fn later(&mut self, at: SimTime, timer: Timer, context: &Context) {
        self.timers.add(at, (timer, context.cause));
    }

    /// The node's CPUs have work to do, for the reason there is now. What share of them it gets is its pod's luck.
    pub(super) fn begin_work(&mut self, takes: Nanos, work: Work, context: &Context) {
        let (Work::Run(uid, _) | Work::Stop(uid, _)) = &work;
        let Some(worker) = self.pods.get_mut(uid) else { return };
        let share = self.config.latencies.work_share.draw(&mut worker.luck.runtime) / MICROSECOND;
        self.cpu.begin(context.now, takes, share, (work, context.cause));
    }

    /// What led to how a container's process is; nothing while there is none.
    pub(super) fn origin(&self, uid: &Uid, name: &str) -> Option<&Origin> {
        let record = self.pods.get(uid).or_else(|| self.orphans.get(uid))?.records.get(name)?;
        record.current.as_ref().map(|instance| &instance.origin)
    }

    /// A request that changed a container's process is told of now: its step stands for what had led to it.
    pub fn retell(&mut self, namespace: &str, pod: &str, container: &str, instance: &str, cause: StepId, step: StepId) {
        let Some(worker) = self.uid_of(namespace, pod).and_then(|uid| self.pods.get_mut(&uid)) else { return };
        let found = worker.records.get_mut(container).and_then(|record| record.current.as_mut()).filter(|i| i.id == instance);
        if let Some(instance) = found {
            instance.origin.retell(cause, step);
        }
    }
}
