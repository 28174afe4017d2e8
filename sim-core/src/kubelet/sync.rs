//! A pod's worker: what must be done next to bring the pod up and keep it up.
//! Order: status, references (ConfigMaps, Secrets), volumes, sandbox, init containers one after the other, containers one
//! after the other. Source: pkg/kubelet/kubelet.go (SyncPod) and kuberuntime_manager.go.

use k8s_openapi::api::core::v1::Pod;
use sim_apimachinery::duration::go_string;
use sim_apimachinery::quantity::{milli, value};
use sim_apimachinery::{ObjectKey, Verb};

use super::pod_state::{PodState, Role, Sandbox, State, Worker};
use super::{Asked, Kubelet, Timer};
use crate::component::Context;
use crate::time::{Nanos, SECOND, SimTime};

/// Back-off of crashing containers and failing pulls.
const BACKOFF_MIN: Nanos = 10 * SECOND;
const BACKOFF_MAX: Nanos = 300 * SECOND;
/// A container that ran this long begins its back-off anew.
const BACKOFF_RESET: Nanos = 600 * SECOND;
/// How soon a sync that failed is tried again.
const RETRY: Nanos = 10 * SECOND;

impl Kubelet {
    pub(super) fn sync(&mut self, uid: &str, context: &mut Context<'_>) {
        let Some(state) = self.pods.get_mut(uid) else { return };
        match state.worker {
            Worker::Terminated => return self.finish(uid, context),
            Worker::Terminating | Worker::Finished => return,
            Worker::Syncing => {}
        }
        if let Some(ticket) = state.resync.take() {
            self.timers.cancel(ticket);
        }
        let Some(state) = self.pods.get_mut(uid) else { return };
        if let Some((reason, message)) = state.rejected.clone() {
            let reason: &'static str = refusal_reason(&reason);
            let text = message.trim_start_matches("Pod was rejected: ").to_owned();
            self.tell(uid, None, true, reason, text, context);
            self.refresh_status(uid, context);
            if let Some(state) = self.pods.get_mut(uid) {
                state.worker = Worker::Terminated;
            }
            return;
        }
        if state.start_time.is_none() {
            state.start_time = Some(context.now);
            if let Some(seconds) = state.spec().active_deadline_seconds {
                self.later(context, seconds.max(0) as u64 * SECOND, Timer::Sync(uid.to_owned()));
            }
            self.refresh_status(uid, context);
            self.begin_probes(uid, context);
            return self.fetch_references(uid, context);
        }
        if self.is_past_deadline(uid, context) {
            return;
        }
        self.poke_readiness(uid, context);
        self.go_on(uid, context);
        self.refresh_status(uid, context);
        self.end_if_terminal(uid, context);
    }

    /// Asks for the ConfigMaps and Secrets the pod names.
    fn fetch_references(&mut self, uid: &str, context: &mut Context<'_>) {
        let Some(state) = self.pods.get_mut(uid) else { return };
        let wanted = super::env::references(&state.pod);
        let namespace = state.namespace().to_owned();
        state.references_wanted = wanted.len();
        if wanted.is_empty() {
            return self.references_there(uid, context);
        }
        for (kind, name) in wanted {
            let key = ObjectKey::new(kind, &namespace, &name);
            self.ask(Asked::Reference(uid.to_owned(), kind, name), Verb::Get { key }, context);
        }
    }

    pub(super) fn references_there(&mut self, uid: &str, context: &mut Context<'_>) {
        let Some(state) = self.pods.get(uid).filter(|s| s.worker == Worker::Syncing) else { return };
        if state.volumes_mounted {
            self.go_on(uid, context);
            return self.refresh_status(uid, context);
        }
        if let Some(problem) = super::env::volume_problem(state) {
            self.tell(uid, None, true, "FailedMount", problem, context);
            return self.try_again(uid, RETRY, context);
        }
        let delay = self.config.latencies.volumes.draw(context.random);
        self.later(context, delay, Timer::Mounted(uid.to_owned()));
    }

    pub(super) fn mounted(&mut self, uid: &str, context: &mut Context<'_>) {
        let Some(state) = self.pods.get_mut(uid).filter(|s| s.worker == Worker::Syncing) else { return };
        state.volumes_mounted = true;
        self.go_on(uid, context);
    }

    /// The next thing to do for a pod, if nothing is under way.
    pub(super) fn go_on(&mut self, uid: &str, context: &mut Context<'_>) {
        let Some(state) = self.pods.get_mut(uid) else { return };
        if state.worker != Worker::Syncing || state.busy.is_some() || !state.volumes_mounted {
            if state.worker == Worker::Syncing && !state.volumes_mounted && state.references_wanted == 0 {
                self.fetch_references(uid, context);
            }
            return;
        }
        match state.sandbox {
            Sandbox::None => {
                state.sandbox = Sandbox::Creating;
                let work = self.config.latencies.sandbox.draw(context.random);
                let done = self.on_cpu(context.now, work);
                self.timers.add(done, (Timer::SandboxReady(uid.to_owned()), context.cause));
            }
            Sandbox::Creating => {}
            Sandbox::Ready => self.next_container(uid, context),
        }
    }

    /// When work of this length would be done, given what the node's CPUs do already.
    pub(super) fn on_cpu(&mut self, now: SimTime, work: Nanos) -> SimTime {
        let slot = self.slots.iter_mut().min().expect("a node has at least one CPU");
        *slot = (*slot).max(now).plus(work);
        *slot
    }

    pub(super) fn sandbox_ready(&mut self, uid: &str, context: &mut Context<'_>) {
        let address = format!("{}.{}", self.config.spec.pod_network, self.next_ip);
        let Some(state) = self.pods.get_mut(uid).filter(|s| s.worker == Worker::Syncing) else { return };
        state.sandbox = Sandbox::Ready;
        if state.ip.is_none() {
            let on_host = state.spec().host_network == Some(true);
            state.ip = Some(if on_host { self.config.spec.ip.clone() } else { address });
            self.next_ip = if self.next_ip >= 254 { 2 } else { self.next_ip + 1 };
        }
        self.refresh_status(uid, context);
        self.go_on(uid, context);
    }

    /// Finds the container to start next, and starts it; or notes why none may be started now.
    fn next_container(&mut self, uid: &str, context: &mut Context<'_>) {
        let mut soonest: Option<Nanos> = None;
        let count = self.pods.get(uid).map_or(0, |s| s.containers.len());
        for index in 0..count {
            let Some(state) = self.pods.get(uid) else { return };
            match self.decide(state, index, context.now) {
                Decision::Start => {
                    if self.start_container(uid, index, context) {
                        return;
                    }
                    soonest = Some(soonest.map_or(RETRY, |s| s.min(RETRY)));
                }
                Decision::BackOff(left) => {
                    self.note_backoff(uid, index, context);
                    soonest = Some(soonest.map_or(left, |s| s.min(left)));
                }
                Decision::Nothing => {}
                Decision::WaitForIt => break,
            }
        }
        if let Some(delay) = soonest {
            let delay = context.random.jitter(delay, 50);
            self.try_again_at(uid, delay, context);
        }
    }

    fn decide(&self, state: &PodState, index: usize, now: SimTime) -> Decision {
        let container = &state.containers[index];
        let is_init = container.role != Role::App;
        match &container.state {
            State::Running { .. } => match container.role {
                Role::Init => Decision::WaitForIt,
                Role::Sidecar if !container.was_started => Decision::WaitForIt,
                _ => Decision::Nothing,
            },
            State::Ended(ended) if container.role == Role::Init && ended.code == 0 => Decision::Nothing,
            State::Ended(ended) => {
                if !restarts(state, index, ended.code) {
                    return if is_init { Decision::WaitForIt } else { Decision::Nothing };
                }
                self.after_crash(state, index, ended.finished, now)
            }
            State::Waiting { .. } => match &container.last {
                Some(last) => self.after_crash(state, index, last.finished, now),
                None => Decision::Start,
            },
        }
    }

    fn after_crash(&self, state: &PodState, index: usize, finished: SimTime, now: SimTime) -> Decision {
        match state.containers[index].backoff {
            Some((length, prolonged)) if finished.since(prolonged) <= BACKOFF_RESET && now.since(finished) < length => {
                Decision::BackOff(finished.plus(length).since(now))
            }
            _ => Decision::Start,
        }
    }

    /// The container may not be started yet: its state says so, and an event tells.
    fn note_backoff(&mut self, uid: &str, index: usize, context: &mut Context<'_>) {
        let Some(state) = self.pods.get_mut(uid) else { return };
        let formatted = state.formatted();
        let container = &mut state.containers[index];
        let name = container.name.clone();
        let length = container.backoff.map_or(BACKOFF_MIN, |b| b.0);
        let reported = state.sent.as_ref().is_some_and(|s| {
            s.container_statuses
                .iter()
                .chain(&s.init_container_statuses)
                .flatten()
                .any(|c| c.name == name && c.state.as_ref().is_some_and(|s| s.terminated.is_some()))
        });
        // The end itself is told first; only the next sync shows the back-off.
        if reported {
            if let State::Ended(ended) = container.state.clone() {
                container.last = Some(ended);
            }
            let message = format!("back-off {} restarting failed container={name} pod={formatted}", go_string(length));
            container.state = State::Waiting { reason: "CrashLoopBackOff".into(), message: Some(message) };
        }
        let text = format!("Back-off restarting failed container {name} in pod {formatted}");
        self.tell(uid, Some(index), true, "BackOff", text, context);
    }

    pub(super) fn prolong_backoff(container: &mut super::pod_state::ContainerState, now: SimTime) {
        let finished = match (&container.state, &container.last) {
            (State::Ended(e), _) => e.finished,
            (_, Some(e)) => e.finished,
            _ => return,
        };
        let length = match container.backoff {
            Some((length, prolonged)) if finished.since(prolonged) <= BACKOFF_RESET => (length * 2).min(BACKOFF_MAX),
            _ => BACKOFF_MIN,
        };
        container.backoff = Some((length, now));
    }

    pub(super) fn try_again(&mut self, uid: &str, delay: Nanos, context: &mut Context<'_>) {
        let delay = context.random.jitter(delay, 50);
        self.try_again_at(uid, delay, context);
    }

    fn try_again_at(&mut self, uid: &str, delay: Nanos, context: &mut Context<'_>) {
        // The worker's queue is looked at once a second.
        let at = self.relist_after(context.now.plus(delay));
        if let Some(state) = self.pods.get_mut(uid) {
            if state.resync.is_some_and(|(due, _)| due <= at) {
                return;
            }
            if let Some(ticket) = state.resync.take() {
                self.timers.cancel(ticket);
            }
            state.resync = Some(self.timers.add(at, (Timer::Sync(uid.to_owned()), context.cause)));
        }
    }

    /// A pod whose containers have all ended for good is over.
    pub(super) fn end_if_terminal(&mut self, uid: &str, context: &mut Context<'_>) {
        let Some(state) = self.pods.get_mut(uid) else { return };
        let phase = state.status.phase.as_deref().unwrap_or_default();
        if state.worker == Worker::Syncing && matches!(phase, "Succeeded" | "Failed") {
            state.worker = Worker::Terminated;
            state.sandbox = Sandbox::None;
            self.cancel_probes(uid);
            self.refresh_status(uid, context);
        }
    }

    fn is_past_deadline(&mut self, uid: &str, context: &mut Context<'_>) -> bool {
        let Some(state) = self.pods.get_mut(uid) else { return true };
        let (Some(seconds), Some(start)) = (state.spec().active_deadline_seconds, state.start_time) else { return false };
        if context.now.since(start) < seconds.max(0) as u64 * SECOND {
            return false;
        }
        state.deadline_exceeded = true;
        self.tell(uid, None, false, "DeadlineExceeded", "Pod was active on the node longer than the specified deadline".into(), context);
        self.terminate(uid, context);
        true
    }

    /// Whether there is room for a pod; if not, the reason and message of its failure.
    pub(super) fn refusal(&self, pod: &Pod) -> Option<(String, String)> {
        let active = || self.pods.values().filter(|p| p.rejected.is_none() && matches!(p.worker, Worker::Syncing | Worker::Terminating));
        let node = &self.config.spec;
        let too_much = |name: &str, wanted: i64, used: i64, capacity: i64| {
            (wanted > 0 && wanted + used > capacity).then(|| {
                let text = format!(
                    "Pod was rejected: Node didn't have enough resource: {name}, requested: {wanted}, used: {used}, capacity: {capacity}"
                );
                (format!("OutOf{name}"), text)
            })
        };
        let (cpu, memory) = requests(pod);
        let used = active().map(|p| requests(&p.pod)).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
        too_much("pods", 1, active().count() as i64, node.pods)
            .or_else(|| too_much("cpu", cpu, used.0, node.cpu_millis))
            .or_else(|| too_much("memory", memory, used.1, node.memory_bytes))
    }
}

enum Decision {
    Start,
    BackOff(Nanos),
    Nothing,
    WaitForIt,
}

fn refusal_reason(reason: &str) -> &'static str {
    match reason {
        "OutOfcpu" => "OutOfcpu",
        "OutOfmemory" => "OutOfmemory",
        "OutOfpods" => "OutOfpods",
        _ => "UnexpectedAdmissionError",
    }
}

/// Whether an ended container is started again.
fn restarts(state: &PodState, index: usize, code: i32) -> bool {
    match state.containers[index].role {
        Role::Sidecar => true,
        Role::Init => state.restart_policy() != "Never",
        Role::App => match state.restart_policy() {
            "Always" => true,
            "OnFailure" => code != 0,
            _ => false,
        },
    }
}

/// CPU in thousandths and memory in bytes that a pod asks for.
fn requests(pod: &Pod) -> (i64, i64) {
    let Some(spec) = &pod.spec else { return (0, 0) };
    let mut sum = (0, 0);
    for requests in spec.containers.iter().filter_map(|c| c.resources.as_ref()).filter_map(|r| r.requests.as_ref()) {
        sum.0 += requests.get("cpu").map_or(0, milli);
        sum.1 += requests.get("memory").map_or(0, value);
    }
    sum
}
