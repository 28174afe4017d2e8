//! Stopping containers: the `Killing` event, the preStop hook inside the grace, SIGTERM, and SIGKILL when the grace is over.
//! In a pod that ends, sidecars wait for the app containers and for the sidecars declared after them.
//! Source: kuberuntime_container.go killContainer, kuberuntime_termination_order.go.
//! Not modelled: stop signals other than SIGTERM; a pod killed in the middle of a container's creation loses that container.

use sim_workload::Signal;

use super::containers::{Record, Role, State, all_containers, container};
use super::pod_worker::{Kill, KillStep, Run, Stage, Task};
use super::probe_check::Outcome;
use super::probes::ProbeKind;
use super::sync_pod::Flow;
use super::{Kubelet, Timer, Uid, Work};
use crate::component::Context;
use crate::time::{Nanos, SECOND, SimTime};

/// The runtime is never given less.
const GRACE_MIN: Nanos = 2 * SECOND;

impl Kubelet {
    /// Stops some containers of a pod that goes on, and waits for them.
    pub(super) fn kill_some(&mut self, uid: &Uid, containers: Vec<(String, String)>, context: &mut Context) -> Flow {
        let cause = context.cause;
        for (name, message) in containers {
            context.cause = cause;
            let grace = self.grace_of(uid, &name);
            self.begin_kill(uid, &name, &message, grace, context);
        }
        self.push_tasks(uid, vec![Task::AwaitKills]);
        Flow::Go
    }

    /// Stops all containers of a pod that ends; the first time it is called it only takes its time.
    pub(super) fn kill_pod(&mut self, uid: &Uid, context: &mut Context) -> Flow {
        let Some(worker) = self.pods.get_mut(uid) else { return Flow::End };
        if let Some(run) = worker.run.as_mut().filter(|r| !r.acted) {
            run.acted = true;
            let takes = self.config.latencies.begin_kill.draw(&mut worker.luck.runtime);
            self.push_tasks(uid, vec![Task::KillPod]);
            return self.wait(uid, takes, context);
        }
        let created = |r: &Record| r.current.as_ref().is_some_and(|i| i.state == State::Created);
        for record in worker.records.values_mut().filter(|r| created(r)) {
            never_started(record, context.now);
        }
        let grace = worker.grace();
        let names: Vec<String> = worker.records.iter().filter(|(_, r)| r.is_running()).map(|(n, _)| n.clone()).collect();
        let cause = context.cause;
        for name in names {
            context.cause = cause;
            self.begin_kill(uid, &name, &format!("Stopping container {name}"), grace, context);
        }
        Flow::Go
    }

    /// The grace of a container that is stopped because of a probe, or else its pod's.
    fn grace_of(&self, uid: &str, name: &str) -> Nanos {
        let Some(worker) = self.pods.get(uid) else { return 0 };
        let record = worker.records.get(name).and_then(|r| r.current.as_ref());
        let failed = [ProbeKind::Startup, ProbeKind::Liveness]
            .into_iter()
            .filter_map(|kind| worker.probes.get(&(name.to_owned(), kind)))
            .find(|probe| record.is_some_and(|i| probe.result_for(&i.id) == Some(false)));
        let own = failed.and_then(|p| p.probe.termination_grace_period_seconds).and_then(|s| u64::try_from(s).ok());
        own.map_or_else(|| worker.grace(), |seconds| seconds * SECOND)
    }

    fn begin_kill(&mut self, uid: &Uid, name: &str, message: &str, grace: Nanos, context: &mut Context) {
        let Some(worker) = self.pods.get_mut(uid) else { return };
        if !worker.records.get(name).is_some_and(|r| r.is_running()) || worker.kills.contains_key(name) {
            return;
        }
        let kill = Kill { step: KillStep::PreStop, grace, began: context.now, cause: context.cause };
        worker.kills.insert(name.to_owned(), kill);
        let pre_stop = container(&worker.pod, name).and_then(|(_, c)| c.lifecycle.as_ref()?.pre_stop.clone());
        self.tell(uid, Some(name), false, "Killing", message, context);
        if let Some(kill) = self.pods.get_mut(uid).and_then(|w| w.kills.get_mut(name)) {
            kill.cause = context.cause;
        }
        let Some(hook) = pre_stop.filter(|_| grace > 0) else { return self.pre_stop_done(uid, name, context) };
        let (outcome, takes) = self.run_hook(uid, name, &hook, grace, context);
        if outcome != Outcome::Success {
            self.tell(uid, Some(name), true, "FailedPreStopHook", "PreStopHook failed", context);
        }
        self.later(context.now.plus(takes.min(grace)), Timer::PreStopDone(uid.clone(), name.to_owned()), context);
    }

    /// The hook is over (or there was none): the rest of the grace begins, whole seconds deducted.
    pub(super) fn pre_stop_done(&mut self, uid: &Uid, name: &str, context: &mut Context) {
        let Some(kill) = self.pods.get_mut(uid).and_then(|w| w.kills.get_mut(name)) else { return };
        if kill.step != KillStep::PreStop {
            return;
        }
        let used = context.now.since(kill.began) / SECOND * SECOND;
        kill.grace = kill.grace.saturating_sub(used);
        kill.step = KillStep::Ordering;
        self.stop_if_in_turn(uid, name, context);
    }

    fn stop_if_in_turn(&mut self, uid: &Uid, name: &str, context: &mut Context) {
        let Some(worker) = self.pods.get_mut(uid) else { return };
        let waits = worker.stage == Stage::Terminating && must_wait(worker, name);
        let Some(kill) = worker.kills.get_mut(name).filter(|k| k.step == KillStep::Ordering) else { return };
        if waits {
            let at = kill.began.plus(kill.grace).max(context.now);
            return self.later(at, Timer::GraceOver(uid.clone(), name.to_owned()), context);
        }
        kill.step = KillStep::Stopping;
        let work = self.config.latencies.stop_container.draw(&mut worker.luck.runtime);
        self.begin_work(work, Work::Stop(uid.clone(), name.to_owned()), context);
    }

    /// The runtime sends SIGTERM.
    pub(super) fn signal_container(&mut self, uid: &Uid, name: &str, context: &mut Context) {
        let Some(worker) = self.pods.get_mut(uid) else { return };
        let Some(kill) = worker.kills.get_mut(name).filter(|k| k.step == KillStep::Stopping) else { return };
        kill.step = KillStep::Signalled;
        let deadline = context.now.plus(kill.grace.max(GRACE_MIN));
        if let Some(process) = worker.records.get_mut(name).and_then(|r| r.process_mut()) {
            process.signal(context.now.0, Signal::Term);
        }
        self.later(deadline, Timer::GraceOver(uid.clone(), name.to_owned()), context);
        self.touched(uid, name);
        self.refresh_touched(context);
    }

    /// The grace is over: a container that waits for others is stopped now, one that has SIGTERM gets SIGKILL.
    pub(super) fn grace_over(&mut self, uid: &Uid, name: &str, context: &mut Context) {
        let Some(worker) = self.pods.get_mut(uid) else { return };
        let Some(kill) = worker.kills.get_mut(name) else { return };
        match kill.step {
            KillStep::Ordering => {
                kill.step = KillStep::Stopping;
                kill.grace = 0;
                let work = self.config.latencies.stop_container.draw(&mut worker.luck.runtime);
                self.begin_work(work, Work::Stop(uid.clone(), name.to_owned()), context);
            }
            KillStep::Signalled => {
                if let Some(process) = worker.records.get_mut(name).and_then(|r| r.process_mut()) {
                    process.signal(context.now.0, Signal::Kill);
                }
                self.touched(uid, name);
                self.refresh_touched(context);
            }
            _ => {}
        }
    }

    /// A container's process is gone: its kill is over, others may be in turn, and the sync may go on.
    pub(super) fn container_gone(&mut self, uid: &Uid, name: &str, context: &mut Context) {
        let Some(worker) = self.pods.get_mut(uid) else { return };
        worker.kills.remove(name);
        let waiting: Vec<String> = worker.kills.iter().filter(|(_, k)| k.step == KillStep::Ordering).map(|(n, _)| n.clone()).collect();
        for other in waiting {
            self.stop_if_in_turn(uid, &other, context);
        }
        let Some(worker) = self.pods.get_mut(uid) else { return };
        let awaited = |r: &&mut Run| r.tasks.front() == Some(&Task::AwaitKills);
        if let Some(run) = worker.run.as_mut().filter(|_| worker.kills.is_empty()).filter(awaited) {
            run.cause = context.cause;
            self.drive(uid, context);
        }
    }

    /// Waits until the containers being stopped are gone; the kubelet then looks at the pod itself.
    pub(super) fn await_kills(&mut self, uid: &Uid) -> Flow {
        let Some(worker) = self.pods.get_mut(uid) else { return Flow::End };
        if worker.kills.is_empty() {
            if let Some(run) = worker.run.as_mut() {
                run.acted = true;
            }
            return Flow::Go;
        }
        self.push_tasks(uid, vec![Task::AwaitKills]);
        _ = self.new_ticket(uid);
        Flow::Wait
    }
}

/// Whether a sidecar has to wait for app containers or later sidecars.
fn must_wait(worker: &super::pod_worker::PodWorker, name: &str) -> bool {
    let containers = all_containers(&worker.pod);
    let Some(at) = containers.iter().position(|(role, c)| c.name == name && *role == Role::Sidecar) else { return false };
    let later = containers.iter().skip(at + 1).filter(|(role, _)| *role != Role::Init);
    later.into_iter().any(|(_, c)| worker.records.get(&c.name).is_some_and(|r| r.is_running()))
}

/// A container that was made and never started is not found any more when its pod ends; that it was a restart stays known.
fn never_started(record: &mut Record, now: SimTime) {
    let Some(instance) = record.current.as_mut().filter(|_| record.previous.is_some()) else {
        record.current = None;
        return;
    };
    instance.state = State::Exited {
        since: None,
        at: now,
        code: 137,
        reason: "ContainerStatusUnknown".into(),
        message: Some("The container could not be located when the pod was terminated".into()),
    };
}
