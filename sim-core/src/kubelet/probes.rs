//! Probes: one worker for each probe of each container, from the moment the pod is first synced.
//! A worker ticks at once and then every period, counted from its own beginning, not from the container's. A pod sync that
//! sees a container running but not ready pokes its readiness worker: it probes at once and its clock starts anew.
//! Source: pkg/kubelet/prober/{worker,prober}.go.

use k8s_openapi::api::core::v1::Probe;
use sim_workload::{HttpRequest, HttpResult, NoBackends};

use super::pod_state::{PodState, ProbeKind, ProbeWorker, Role, State, Worker};
use super::{Kubelet, Timer};
use crate::component::Context;
use crate::time::{SECOND, SimTime};

enum Outcome {
    Success,
    Failure(String),
}

impl Kubelet {
    pub(super) fn begin_probes(&mut self, uid: &str, context: &mut Context<'_>) {
        let Some(state) = self.pods.get_mut(uid) else { return };
        let mut workers = Vec::new();
        for index in 0..state.containers.len() {
            if state.containers[index].role == Role::Init {
                continue;
            }
            let spec = state.container_spec(index);
            let probes = [
                (ProbeKind::Startup, &spec.startup_probe),
                (ProbeKind::Readiness, &spec.readiness_probe),
                (ProbeKind::Liveness, &spec.liveness_probe),
            ];
            workers.extend(probes.into_iter().filter_map(|(kind, probe)| Some(new_worker(index, kind, probe.clone()?))));
        }
        state.probes = workers;
        for number in 0..self.pods.get(uid).map_or(0, |s| s.probes.len()) {
            self.schedule_probe(uid, number, context.now, context);
        }
    }

    fn schedule_probe(&mut self, uid: &str, number: usize, at: SimTime, context: &Context<'_>) {
        let Some(state) = self.pods.get_mut(uid) else { return };
        if let Some(ticket) = state.probes[number].ticket.take() {
            self.timers.cancel(ticket);
        }
        let cause = state.cause;
        let _same_cause_as_the_pods_last_work = context;
        state.probes[number].ticket = Some(self.timers.add(at, (Timer::Probe(uid.to_owned(), number), cause)));
    }

    pub(super) fn cancel_probes(&mut self, uid: &str) {
        let Some(state) = self.pods.get_mut(uid) else { return };
        for worker in state.probes.drain(..) {
            if let Some(ticket) = worker.ticket {
                self.timers.cancel(ticket);
            }
        }
    }

    /// A stopping pod is still asked whether it is ready, but no longer whether it lives.
    pub(super) fn keep_only_readiness(&mut self, uid: &str) {
        let Some(state) = self.pods.get_mut(uid) else { return };
        for worker in state.probes.iter_mut().filter(|w| w.kind != ProbeKind::Readiness) {
            if let Some(ticket) = worker.ticket.take() {
                self.timers.cancel(ticket);
            }
        }
    }

    /// A sync saw a container that runs and is not ready.
    pub(super) fn poke_readiness(&mut self, uid: &str, context: &mut Context<'_>) {
        let Some(state) = self.pods.get(uid) else { return };
        let due: Vec<usize> = (0..state.probes.len())
            .filter(|n| {
                let worker = &state.probes[*n];
                let container = &state.containers[worker.container];
                worker.kind == ProbeKind::Readiness && !container.ready && container.was_started && state.is_running(worker.container)
            })
            .collect();
        for number in due {
            self.schedule_probe(uid, number, context.now, context);
        }
    }

    pub(super) fn probe_due(&mut self, uid: &str, number: usize, context: &mut Context<'_>) {
        let Some(state) = self.pods.get_mut(uid) else { return };
        let Some(worker) = state.probes.get_mut(number) else { return };
        worker.ticket = None;
        let next = context.now.plus(worker.period());
        if matches!(state.worker, Worker::Terminated | Worker::Finished) {
            return;
        }
        self.schedule_probe(uid, number, next, context);
        self.probe(uid, number, context);
    }

    fn probe(&mut self, uid: &str, number: usize, context: &mut Context<'_>) {
        let Some(state) = self.pods.get_mut(uid) else { return };
        let worker = state.probes[number].clone();
        let index = worker.container;
        let (id, started) = match &state.containers[index].state {
            State::Running { id, started, .. } => (id.clone(), *started),
            _ => return self.probe_without_container(uid, number, context),
        };
        if worker.id != id {
            let fresh = &mut state.probes[number];
            fresh.id = id;
            fresh.on_hold = false;
            fresh.streak = (false, 0);
            fresh.result = Some(worker.kind == ProbeKind::Liveness);
        }
        if state.probes[number].on_hold || !is_due(state, &worker, started, context.now) {
            return;
        }
        match self.ask_container(uid, number, context) {
            Outcome::Success => self.count_result(uid, number, true, context),
            Outcome::Failure(text) => {
                let name = match worker.kind {
                    ProbeKind::Startup => "Startup",
                    ProbeKind::Liveness => "Liveness",
                    ProbeKind::Readiness => "Readiness",
                };
                self.tell(uid, Some(index), true, "Unhealthy", format!("{name} probe failed: {text}"), context);
                self.count_result(uid, number, false, context);
            }
        }
    }

    /// The container does not run: what was true of it is not any more, and the pod is looked at.
    fn probe_without_container(&mut self, uid: &str, number: usize, context: &mut Context<'_>) {
        let Some(state) = self.pods.get_mut(uid) else { return };
        let worker = &mut state.probes[number];
        let known = !worker.id.is_empty();
        if known && worker.result == Some(true) {
            worker.result = Some(false);
            if state.worker == Worker::Syncing {
                self.sync(uid, context);
            }
        }
    }

    fn count_result(&mut self, uid: &str, number: usize, success: bool, context: &mut Context<'_>) {
        let Some(state) = self.pods.get_mut(uid) else { return };
        let worker = &mut state.probes[number];
        worker.streak = if worker.streak.0 == success { (success, worker.streak.1 + 1) } else { (success, 1) };
        let needed = if success { worker.probe.success_threshold.unwrap_or(1) } else { worker.probe.failure_threshold.unwrap_or(3) };
        if worker.streak.1 < needed || worker.result == Some(success) && !(worker.kind == ProbeKind::Startup && !success) {
            return;
        }
        worker.result = Some(success);
        let (kind, index) = (worker.kind, worker.container);
        match (kind, success) {
            (ProbeKind::Readiness, ready) => self.set_ready(uid, index, ready, context),
            (ProbeKind::Startup, true) => self.set_started(uid, index, context),
            (_, false) => self.restart_unhealthy(uid, number, context),
            (ProbeKind::Liveness, true) => {}
        }
    }

    fn set_ready(&mut self, uid: &str, index: usize, ready: bool, context: &mut Context<'_>) {
        if let Some(state) = self.pods.get_mut(uid) {
            state.containers[index].ready = ready;
        }
        self.refresh_status(uid, context);
    }

    fn set_started(&mut self, uid: &str, index: usize, context: &mut Context<'_>) {
        let Some(state) = self.pods.get_mut(uid) else { return };
        let has_readiness = state.container_spec(index).readiness_probe.is_some();
        state.containers[index].was_started = true;
        state.containers[index].ready = !has_readiness;
        if state.worker == Worker::Syncing {
            self.sync(uid, context);
        }
    }

    fn restart_unhealthy(&mut self, uid: &str, number: usize, context: &mut Context<'_>) {
        let Some(state) = self.pods.get_mut(uid) else { return };
        let worker = &mut state.probes[number];
        worker.on_hold = true;
        worker.streak = (false, 0);
        let (kind, index) = (worker.kind, worker.container);
        let which = if kind == ProbeKind::Startup { "startup" } else { "liveness" };
        let container = &state.containers[index];
        let message = match container.role {
            Role::Sidecar => format!("Init container {} failed {which} probe", container.name),
            _ if state.restart_policy() == "Never" => format!("Container {} failed {which} probe", container.name),
            _ => format!("Container {} failed {which} probe, will be restarted", container.name),
        };
        self.stop_container(uid, index, message, context);
    }

    fn ask_container(&mut self, uid: &str, number: usize, context: &Context<'_>) -> Outcome {
        let now = context.now.0;
        let Some(state) = self.pods.get_mut(uid) else { return Outcome::Failure(String::new()) };
        let worker = state.probes[number].clone();
        let ip = state.ip.clone().unwrap_or_default();
        let ports = state.container_spec(worker.container).ports.clone().unwrap_or_default();
        let timeout = worker.probe.timeout_seconds.unwrap_or(1).max(1) as u64 * SECOND;
        let State::Running { process, ended, .. } = &mut state.containers[worker.container].state else {
            return Outcome::Failure(String::new());
        };
        let dead = ended.is_some();
        let refused = |port: u16| format!("dial tcp {ip}:{port}: connect: connection refused");
        if let Some(get) = &worker.probe.http_get {
            let port = super::env::port_number(&get.port, &ports).unwrap_or(0);
            let host = get.host.clone().unwrap_or_else(|| ip.clone());
            let path = get.path.clone().unwrap_or_else(|| "/".into());
            let url = format!("{}://{host}:{port}{path}", get.scheme.as_deref().unwrap_or("HTTP").to_ascii_lowercase());
            if dead {
                return Outcome::Failure(format!("Get \"{url}\": {}", refused(port)));
            }
            let request = HttpRequest { method: "GET".into(), path, port, ..Default::default() };
            return match process.http(now, &request, &mut NoBackends) {
                HttpResult::Refused => Outcome::Failure(format!("Get \"{url}\": {}", refused(port))),
                HttpResult::Timeout => Outcome::Failure(timed_out(&url)),
                HttpResult::Answer { latency_nanos, .. } if latency_nanos > timeout => Outcome::Failure(timed_out(&url)),
                HttpResult::Answer { status, .. } if (200..400).contains(&status) => Outcome::Success,
                HttpResult::Answer { status, .. } => Outcome::Failure(format!("HTTP probe failed with statuscode: {status}")),
            };
        }
        if let Some(socket) = &worker.probe.tcp_socket {
            let port = super::env::port_number(&socket.port, &ports).unwrap_or(0);
            return if !dead && process.is_listening(port) { Outcome::Success } else { Outcome::Failure(refused(port)) };
        }
        if let Some(grpc) = &worker.probe.grpc {
            let port = u16::try_from(grpc.port).unwrap_or(0);
            let text = format!(
                "timeout: failed to connect service \"{ip}:{port}\" within {timeout_s}s: context deadline exceeded",
                timeout_s = timeout / SECOND
            );
            return if !dead && process.is_listening(port) { Outcome::Success } else { Outcome::Failure(text) };
        }
        let Some(exec) = &worker.probe.exec else { return Outcome::Success };
        if dead {
            return Outcome::Failure("container is not running".into());
        }
        let result = process.exec(now, exec.command.as_deref().unwrap_or_default());
        if result.duration_nanos > timeout {
            return Outcome::Failure(format!(
                "command timed out: \"{}\" timed out after {}s",
                exec.command.clone().unwrap_or_default().join(" "),
                timeout / SECOND
            ));
        }
        if result.code == 0 { Outcome::Success } else { Outcome::Failure(format!("{}{}", result.stdout, result.stderr)) }
    }
}

fn timed_out(url: &str) -> String {
    format!("Get \"{url}\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)")
}

fn new_worker(container: usize, kind: ProbeKind, probe: Probe) -> ProbeWorker {
    ProbeWorker { container, kind, probe, id: String::new(), result: None, streak: (false, 0), on_hold: false, ticket: None }
}

/// Whether the probe may run: its delay is over (in whole seconds since the start as the status tells it), and the startup
/// probe has succeeded, or this is the startup probe and it has not.
fn is_due(state: &PodState, worker: &ProbeWorker, started: SimTime, now: SimTime) -> bool {
    let running_for = now.since(started.truncated()) / SECOND;
    if running_for < worker.probe.initial_delay_seconds.unwrap_or(0).max(0) as u64 {
        return false;
    }
    let was_started = state.containers[worker.container].was_started;
    match worker.kind {
        ProbeKind::Startup => !was_started,
        _ => was_started,
    }
}
