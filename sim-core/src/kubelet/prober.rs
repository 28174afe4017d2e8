//! Runs probe workers: their tickers, their checks, and what follows from a result.
//! A readiness result changes the stored status at once; a startup result too; a failed liveness or startup probe makes a
//! sync, which stops the container. Source: kubelet prober/worker.go, prober_manager.go, status_manager.go.

use sim_workload::NoBackends;

use super::conditions::refresh_ready;
use super::containers::{Role, all_containers, container};
use super::probe_check::{Outcome, Target, check};
use super::probes::{ProbeKind, ProbeWorker, Tick};
use super::{Kubelet, Timer, Uid};
use crate::component::Context;
use crate::trace::BEGINNING;
use k8s_openapi::api::core::v1::{ContainerStatus, PodStatus};

impl Kubelet {
    /// Begins the workers of all probes of a pod that have none yet; each ticks at once.
    pub(super) fn add_probes(&mut self, uid: &Uid, context: &mut Context) {
        let Some(worker) = self.pods.get(uid) else { return };
        let mut fresh = Vec::new();
        for (role, spec) in all_containers(&worker.pod) {
            let probes = [
                (ProbeKind::Startup, &spec.startup_probe),
                (ProbeKind::Readiness, &spec.readiness_probe),
                (ProbeKind::Liveness, &spec.liveness_probe),
            ];
            for (kind, probe) in probes {
                let missing = !worker.probes.contains_key(&(spec.name.clone(), kind));
                if let Some(probe) = probe.as_ref().filter(|_| missing && role != Role::Init) {
                    fresh.push((spec.name.clone(), kind, probe.clone()));
                }
            }
        }
        for (name, kind, probe) in fresh {
            if let Some(worker) = self.pods.get_mut(uid) {
                worker.probes.insert((name.clone(), kind), ProbeWorker::new(kind, probe, context.now));
            }
            self.run_worker(uid, &name, kind, context);
        }
    }

    pub(super) fn probe_ticked(&mut self, uid: &Uid, name: &str, kind: ProbeKind, ticket: u64, context: &mut Context) {
        let probe = self.pods.get(uid).and_then(|w| w.probes.get(&(name.to_owned(), kind)));
        if probe.is_some_and(|p| p.ticket == ticket) {
            self.run_worker(uid, name, kind, context);
        }
    }

    /// A sync wakes the readiness worker of a container that is not ready yet.
    pub(super) fn poke(&mut self, uid: &Uid, name: &str, context: &mut Context) {
        if self.pods.get(uid).is_some_and(|w| w.probes.contains_key(&(name.to_owned(), ProbeKind::Readiness))) {
            self.run_worker(uid, name, ProbeKind::Readiness, context);
        }
    }

    /// One run of a worker. What it finds follows from what started the process or changed it last.
    fn run_worker(&mut self, uid: &Uid, name: &str, kind: ProbeKind, context: &mut Context) {
        let before = context.cause;
        let started = self.origin(uid, name).map(|origin| origin.changed).filter(|step| *step != BEGINNING);
        context.cause = started.unwrap_or(before);
        self.run_probe(uid, name, kind, context);
        context.cause = before;
    }

    /// Its ticker begins anew.
    fn run_probe(&mut self, uid: &Uid, name: &str, kind: ProbeKind, context: &mut Context) {
        let ticket = self.ticket();
        let Some(worker) = self.pods.get_mut(uid) else { return };
        let key = (name.to_owned(), kind);
        let deleting = worker.is_deleting();
        let restartable = worker.restart_policy() != "Never";
        let Some(probe) = worker.probes.get_mut(&key) else { return };
        let status = worker.status.as_ref().and_then(|s| status_of(s, name));
        let (tick, changed) = probe.tick(status, deleting, restartable, context.now);
        if tick == Tick::Stop {
            // The result stays; the ticker does not.
            probe.ticket = ticket;
        } else {
            probe.ticket = ticket;
            probe.next = context.now.plus(probe.period());
            let next = probe.next;
            self.later(next, Timer::Probe(uid.clone(), name.to_owned(), kind, ticket), context);
        }
        if changed {
            self.publish(uid, name, kind, context);
        }
        if tick == Tick::Run {
            self.check_now(uid, name, kind, context);
        }
    }

    fn check_now(&mut self, uid: &Uid, name: &str, kind: ProbeKind, context: &mut Context) {
        let Some(worker) = self.pods.get_mut(uid) else { return };
        let costs = self.config.latencies.probe.draw(&mut worker.luck.worker);
        let pod = worker.pod.clone();
        let ip = worker.sandbox.ip.clone().unwrap_or_default();
        let Some((_, spec)) = container(&pod, name) else { return };
        let Some(probe) = worker.probes.get_mut(&(name.to_owned(), kind)) else { return };
        probe.busy = true;
        let (description, timeout) = (probe.probe.clone(), probe.timeout());
        let process = worker.records.get_mut(name).and_then(|r| r.process_mut());
        let target = Target { container: &spec, ip: &ip, process };
        let (outcome, takes) = check(&description, target, context.now, timeout, &mut NoBackends);
        self.touched(uid, name);
        self.refresh_touched(context);
        self.later(context.now.plus(costs + takes), Timer::ProbeDone(uid.clone(), name.to_owned(), kind, outcome), context);
    }

    pub(super) fn probe_done(&mut self, uid: &Uid, name: &str, kind: ProbeKind, outcome: Outcome, context: &mut Context) {
        let Some(probe) = self.pods.get_mut(uid).and_then(|w| w.probes.get_mut(&(name.to_owned(), kind))) else { return };
        probe.busy = false;
        let changed = match &outcome {
            Outcome::Success => probe.checked(true),
            Outcome::Failure(_) => probe.checked(false),
            Outcome::Unknown(_) => false,
        };
        match &outcome {
            Outcome::Success => {}
            Outcome::Failure(text) => {
                self.tell(uid, Some(name), true, "Unhealthy", &format!("{} probe failed: {text}", kind.name()), context);
            }
            Outcome::Unknown(text) => {
                let message = format!("{} probe errored and resulted in unknown state: {text}", kind.name());
                self.tell(uid, Some(name), true, "Unhealthy", &message, context);
            }
        }
        if changed {
            self.publish(uid, name, kind, context);
        }
    }

    /// A result changed.
    fn publish(&mut self, uid: &Uid, name: &str, kind: ProbeKind, context: &mut Context) {
        let Some(worker) = self.pods.get(uid) else { return };
        let result = worker.status.as_ref().and_then(|s| status_of(s, name)).and_then(|s| s.container_id.as_deref());
        let Some(probe) = worker.probes.get(&(name.to_owned(), kind)) else { return };
        let success = result.and_then(|id| probe.result_for(id));
        match kind {
            ProbeKind::Readiness => self.store_result(uid, name, context, |s| s.ready = success == Some(true)),
            ProbeKind::Startup => self.store_result(uid, name, context, |s| s.started = Some(success == Some(true))),
            ProbeKind::Liveness if success != Some(false) => return,
            ProbeKind::Liveness => {}
        }
        self.update(uid, context);
    }

    fn store_result(&mut self, uid: &Uid, name: &str, context: &mut Context, change: impl FnOnce(&mut ContainerStatus)) {
        let Some(worker) = self.pods.get(uid) else { return };
        let Some(mut status) = worker.status.clone() else { return };
        let lists = [&mut status.container_statuses, &mut status.init_container_statuses];
        if let Some(found) = lists.into_iter().flatten().flatten().find(|s| s.name == name) {
            change(found);
        }
        refresh_ready(&worker.pod, &mut status, context.now);
        self.set_status(uid, status, context);
    }
}

fn status_of<'a>(status: &'a PodStatus, name: &str) -> Option<&'a ContainerStatus> {
    status.container_statuses.iter().flatten().chain(status.init_container_statuses.iter().flatten()).find(|s| s.name == name)
}
