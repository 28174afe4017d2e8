//! The container runtime as the kubelet sees it: images pulled, containers made and started, ends noticed.
//! A look at the runtime every second notices what ended; after its own work the kubelet looks at once.
//! Source: pkg/kubelet/kuberuntime, images/image_manager.go, pleg/generic.go.

use sim_apimachinery::duration::go_string;
use sim_workload::{ExitReason, Happening, Process};

use super::pod_state::{Ended, PodState, Role, State, Worker};
use super::status::full_image;
use super::{Kubelet, Timer};
use crate::component::Context;
use crate::time::{MILLISECOND, Nanos, SECOND, SimTime};

const PULL_BACKOFF_MIN: Nanos = 10 * SECOND;
const PULL_BACKOFF_MAX: Nanos = 300 * SECOND;

impl Kubelet {
    /// Begins to start a container: first its image. False when nothing could be begun.
    pub(super) fn start_container(&mut self, uid: &str, index: usize, context: &mut Context<'_>) -> bool {
        let Some(state) = self.pods.get_mut(uid) else { return false };
        if let Some((reason, message)) = super::env::configuration_problem(state, index) {
            return self.refuse_start(uid, index, &reason, message, context);
        }
        let spec = state.container_spec(index).clone();
        let image = spec.image.clone().unwrap_or_default();
        let policy = spec.image_pull_policy.as_deref().unwrap_or("IfNotPresent").to_owned();
        let present = self.has_image(&image);
        if !is_image_name(&image) {
            let text =
                format!("Failed to apply default image tag \"{image}\": couldn't parse image name \"{image}\": invalid reference format");
            self.tell(uid, Some(index), true, "InspectFailed", text.clone(), context);
            return self.refuse_start(uid, index, "InvalidImageName", text, context);
        }
        match (policy.as_str(), present) {
            ("Never", false) => {
                let text = format!("Container image \"{image}\" is not present with pull policy of Never");
                self.tell(uid, Some(index), true, "ErrImageNeverPull", text.clone(), context);
                self.refuse_start(uid, index, "ErrImageNeverPull", text, context)
            }
            ("Always", _) | (_, false) => self.pull(uid, index, &image, context),
            _ => {
                self.mark_busy(uid, index);
                let text = format!("Container image \"{image}\" already present on machine and can be accessed by the pod");
                self.tell(uid, Some(index), false, "Pulled", text, context);
                self.create(uid, index, context);
                true
            }
        }
    }

    fn mark_busy(&mut self, uid: &str, index: usize) {
        if let Some(state) = self.pods.get_mut(uid) {
            state.busy = Some(index);
        }
    }

    fn has_image(&self, image: &str) -> bool {
        let full = full_image(image);
        self.images.keys().any(|known| full_image(known) == full)
    }

    /// The container cannot be started: its state and an event say why. The sync is tried again later.
    fn refuse_start(&mut self, uid: &str, index: usize, reason: &str, message: String, context: &mut Context<'_>) -> bool {
        let Some(state) = self.pods.get_mut(uid) else { return false };
        let container = &mut state.containers[index];
        if let State::Ended(ended) = container.state.clone() {
            container.last = Some(ended);
        }
        container.state = State::Waiting { reason: reason.into(), message: Some(message.clone()) };
        let text = if matches!(reason, "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError") {
            message
        } else {
            reason.to_owned()
        };
        self.tell(uid, Some(index), true, "Failed", format!("Error: {text}"), context);
        false
    }

    fn pull(&mut self, uid: &str, index: usize, image: &str, context: &mut Context<'_>) -> bool {
        let Some(state) = self.pods.get(uid) else { return false };
        if let Some((length, failed, error)) = state.containers[index].pull_backoff.clone() {
            if context.now.since(failed) < length {
                self.tell(uid, Some(index), false, "BackOff", format!("Back-off pulling image \"{image}\""), context);
                let message = format!("Back-off pulling image \"{image}\": ErrImagePull: {error}");
                return self.refuse_start(uid, index, "ImagePullBackOff", message, context);
            }
        }
        self.mark_busy(uid, index);
        self.tell(uid, Some(index), false, "Pulling", format!("Pulling image \"{image}\""), context);
        let registry = &self.config.registry;
        let missing = registry.missing.iter().any(|m| full_image(m) == full_image(image));
        let transfer = registry.image_bytes.saturating_mul(SECOND) / registry.bytes_per_second.max(1);
        let known = self.has_image(image);
        let travel = registry.latency.draw(context.random) + if missing || known { 0 } else { transfer };
        let error = missing.then(|| {
            let full = full_image(image);
            format!("failed to pull and unpack image \"{full}\": failed to resolve reference \"{full}\": {full}: not found")
        });
        self.later(context, travel, Timer::Pulled(uid.to_owned(), index, error.or(Some(format!("took {travel}")))));
        true
    }

    pub(super) fn pulled(&mut self, uid: &str, index: usize, outcome: Option<String>, context: &mut Context<'_>) {
        let Some(state) = self.pods.get_mut(uid).filter(|s| s.worker == Worker::Syncing) else { return };
        let image = state.container_spec(index).image.clone().unwrap_or_default();
        let outcome = outcome.unwrap_or_default();
        if let Some(took) = outcome.strip_prefix("took ").and_then(|n| n.parse::<u64>().ok()) {
            let bytes = self.config.registry.image_bytes;
            self.images.insert(image.clone(), bytes);
            state.containers[index].pull_backoff = None;
            let took = go_string(took / MILLISECOND * MILLISECOND);
            let text = format!("Successfully pulled image \"{image}\" in {took} ({took} including waiting). Image size: {bytes} bytes.");
            self.tell(uid, Some(index), false, "Pulled", text, context);
            return self.create(uid, index, context);
        }
        state.busy = None;
        let container = &mut state.containers[index];
        let length = container.pull_backoff.as_ref().map_or(PULL_BACKOFF_MIN, |b| (b.0 * 2).min(PULL_BACKOFF_MAX));
        container.pull_backoff = Some((length, context.now, outcome.clone()));
        self.tell(uid, Some(index), true, "Failed", format!("Failed to pull image \"{image}\": {outcome}"), context);
        self.refuse_start(uid, index, "ErrImagePull", outcome, context);
        self.refresh_status(uid, context);
        // The start of the sandbox asked for another sync meanwhile.
        self.later(context, SECOND, Timer::Sync(uid.to_owned()));
    }

    fn create(&mut self, uid: &str, index: usize, context: &mut Context<'_>) {
        let work = self.config.latencies.create.draw(context.random);
        let done = self.on_cpu(context.now, work);
        self.timers.add(done, (Timer::Created(uid.to_owned(), index), context.cause));
    }

    pub(super) fn created(&mut self, uid: &str, index: usize, context: &mut Context<'_>) {
        if self.pods.get(uid).is_none_or(|s| s.worker != Worker::Syncing) {
            return;
        }
        self.tell(uid, Some(index), false, "Created", "Container created".into(), context);
        let work = self.config.latencies.start.draw(context.random);
        let done = self.on_cpu(context.now, work);
        self.timers.add(done, (Timer::Started(uid.to_owned(), index), context.cause));
    }

    pub(super) fn started(&mut self, uid: &str, index: usize, context: &mut Context<'_>) {
        let now = context.now;
        let Some(state) = self.pods.get(uid).filter(|s| s.worker == Worker::Syncing) else { return };
        let spec = super::env::process_spec(state, index, &self.config, &self.caches);
        let image = state.container_spec(index).image.clone().unwrap_or_default();
        let mut process = Process::start(self.profiles.find(&image), spec, now.0, context.random.bits());
        let limits = state.container_spec(index).resources.as_ref().and_then(|r| r.limits.clone()).unwrap_or_default();
        process.set_cpu_limit(limits.get("cpu").map(|q| sim_apimachinery::quantity::milli(q).max(1) as u64));
        process.set_memory_limit(limits.get("memory").map(|q| sim_apimachinery::quantity::value(q).max(1) as u64));
        let id = format!("containerd://{}", context.random.hex(64));
        let image_id = image_id(&image);
        let Some(state) = self.pods.get_mut(uid) else { return };
        for (path, disk) in super::env::mounted_disks(state, index) {
            process.mount(&path, disk);
        }
        let started_at_once = state.container_spec(index).startup_probe.is_none();
        let has_readiness = state.container_spec(index).readiness_probe.is_some();
        let container = &mut state.containers[index];
        let again = container.last.is_some() || matches!(container.state, State::Ended(_));
        if again {
            Kubelet::prolong_backoff_after(container, now);
            container.restarts += 1;
            if let State::Ended(ended) = container.state.clone() {
                container.last = Some(ended);
            }
        }
        container.image_id = image_id;
        container.was_started = started_at_once;
        container.ready = started_at_once && !has_readiness;
        container.killing = false;
        container.state = State::Running { id, started: now, process: Box::new(process), ended: None };
        state.busy = None;
        self.unobserved.insert(uid.to_owned());
        self.expect_relist(now, context.cause);
        self.tell(uid, Some(index), false, "Started", "Container started".into(), context);
        self.wake_process(uid, index, context);
        self.post_start(uid, index, context);
        self.go_on(uid, context);
        if self.pods.get(uid).is_some_and(|s| s.busy.is_none()) {
            let delay = self.config.latencies.relist.draw(context.random);
            self.later(context, delay, Timer::Observe(uid.to_owned()));
        }
    }

    fn prolong_backoff_after(container: &mut super::pod_state::ContainerState, now: SimTime) {
        Kubelet::prolong_backoff(container, now);
    }

    /// The postStart hook runs right after the start; its failure stops the container.
    fn post_start(&mut self, uid: &str, index: usize, context: &mut Context<'_>) {
        let Some(state) = self.pods.get(uid) else { return };
        let Some(hook) = state.container_spec(index).lifecycle.as_ref().and_then(|l| l.post_start.clone()) else { return };
        if !self.run_hook(uid, index, &hook, context).0 {
            self.tell(uid, Some(index), true, "FailedPostStartHook", "PostStartHook failed".into(), context);
            self.stop_container(uid, index, "FailedPostStartHook".into(), context);
        }
    }

    /// Sees that a process is looked at when it next does something.
    pub(super) fn wake_process(&mut self, uid: &str, index: usize, context: &Context<'_>) {
        let Some(State::Running { process, ended: None, .. }) = self.pods.get(uid).map(|s| &s.containers[index].state) else { return };
        if let Some(at) = process.next_wake() {
            let at = SimTime(at).max(context.now);
            let timer = (Timer::Process(uid.to_owned(), index), context.cause);
            self.timers.add(at, timer);
        }
    }

    /// Somebody outside changed processes: look at all of them.
    pub(super) fn wake_processes(&mut self, context: &mut Context<'_>) {
        let running: Vec<(String, usize)> = self
            .pods
            .iter()
            .flat_map(|(uid, state)| (0..state.containers.len()).filter(|i| state.is_running(*i)).map(move |i| (uid.clone(), i)))
            .filter(|(uid, i)| matches!(&self.pods[uid].containers[*i].state, State::Running { process, ended: None, .. } if process.next_wake().is_some()))
            .collect();
        for (uid, index) in running {
            self.wake_process_once(&uid, index, context);
        }
    }

    fn wake_process_once(&mut self, uid: &str, index: usize, context: &Context<'_>) {
        let Some(State::Running { process, .. }) = self.pods.get(uid).map(|s| &s.containers[index].state) else { return };
        let Some(at) = process.next_wake() else { return };
        let wanted = Timer::Process(uid.to_owned(), index);
        let at = SimTime(at).max(context.now);
        if !self.timers.has(at, |(timer, _)| *timer == wanted) {
            self.timers.add(at, (wanted, context.cause));
        }
    }

    pub(super) fn advance(&mut self, uid: &str, index: usize, context: &mut Context<'_>) {
        let now = context.now;
        let Some(state) = self.pods.get_mut(uid) else { return };
        let State::Running { process, ended, .. } = &mut state.containers[index].state else { return };
        for happening in process.advance(now.0) {
            if let Happening::Exited { code, reason, .. } = happening {
                let reason = match reason {
                    ExitReason::Completed => "Completed",
                    ExitReason::OOMKilled => "OOMKilled",
                    ExitReason::Error => "Error",
                };
                *ended = Some((now, code, reason.to_owned()));
            }
        }
        if ended.is_none() {
            return self.wake_process(uid, index, context);
        }
        let killing = state.containers[index].killing;
        if killing {
            return self.container_gone(uid, index, context);
        }
        self.unobserved.insert(uid.to_owned());
        self.expect_relist(now, context.cause);
    }

    /// The next moment on the kubelet's one-second grid.
    pub(super) fn relist_after(&self, at: SimTime) -> SimTime {
        let into = at.since(self.began) % SECOND;
        if at < self.began { self.began } else { at.plus(SECOND - into) }
    }

    fn expect_relist(&mut self, now: SimTime, cause: crate::trace::StepId) {
        let at = self.relist_after(now);
        if self.relist_due.is_none_or(|due| due <= now) {
            self.relist_due = Some(at);
            self.timers.add(at, (Timer::Relist, cause));
        }
    }

    /// The periodic look at the runtime: every pod in which something happened is synced.
    pub(super) fn relist(&mut self, context: &mut Context<'_>) {
        self.relist_due = None;
        for uid in std::mem::take(&mut self.unobserved) {
            let delay = self.config.latencies.relist.draw(context.random);
            self.later(context, delay, Timer::Observe(uid));
        }
    }

    /// The kubelet learns what became of a pod's containers, and syncs the pod.
    pub(super) fn observe(&mut self, uid: &str, context: &mut Context<'_>) {
        let Some(state) = self.pods.get_mut(uid) else { return };
        for index in 0..state.containers.len() {
            notice_end(state, index);
        }
        match state.worker {
            Worker::Syncing => self.sync(uid, context),
            _ => self.refresh_status(uid, context),
        }
    }
}

/// A container whose process has ended is ended for the kubelet too.
pub(super) fn notice_end(state: &mut PodState, index: usize) -> bool {
    let State::Running { id, started, process, ended: Some((at, code, reason)) } = &mut state.containers[index].state else { return false };
    let ended = Ended { id: id.clone(), code: *code, reason: reason.clone(), message: None, started: *started, finished: *at };
    let disks = process.take_disks();
    state.disks.extend(disks);
    let container = &mut state.containers[index];
    container.state = State::Ended(ended);
    container.ready = container.role == Role::Init && matches!(&container.state, State::Ended(e) if e.code == 0);
    container.was_started = false;
    true
}

fn is_image_name(image: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-/".contains(c);
    let path = image.split('@').next().unwrap_or_default();
    let (name, tag) = match path.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')) {
        Some((name, tag)) => (name, tag),
        None => (path, "latest"),
    };
    let host_port = |c: char| c == ':' && name.contains('/');
    !name.is_empty()
        && !name.ends_with('/')
        && name.chars().all(|c| allowed(c) || host_port(c))
        && !tag.is_empty()
        && tag.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

/// An image's id: the same for the same name on every node.
fn image_id(image: &str) -> String {
    let mut random = crate::random::Random::named(0, &full_image(image));
    format!("sha256:{}", random.hex(64))
}
