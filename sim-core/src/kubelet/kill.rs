//! Stopping containers and pods: preStop, SIGTERM, the grace, SIGKILL, and what follows.
//! Containers stop all at once; in pods with sidecars, the sidecars stop after the others.
//! Source: pkg/kubelet/kuberuntime/kuberuntime_container.go and kubelet.go (SyncTerminatingPod, SyncTerminatedPod).

use k8s_openapi::api::core::v1::LifecycleHandler;
use sim_workload::{HttpRequest, HttpResult, NoBackends, Signal};

use super::pod_state::{Role, Sandbox, State, Worker};
use super::runtime::notice_end;
use super::{Kubelet, Timer};
use crate::component::Context;
use crate::time::{MILLISECOND, Nanos, SECOND};

/// A container gets at least this long.
const GRACE_MIN: Nanos = 2 * SECOND;

impl Kubelet {
    /// The pod is deleted, evicted or out of time: stop it.
    pub(super) fn terminate(&mut self, uid: &str, context: &mut Context<'_>) {
        let Some(state) = self.pods.get(uid) else { return };
        let own = state.pod.metadata.deletion_grace_period_seconds.or(state.spec().termination_grace_period_seconds).unwrap_or(30);
        self.terminate_with(uid, own.max(1) as u64 * SECOND, context);
    }

    pub(super) fn terminate_with(&mut self, uid: &str, grace: Nanos, context: &mut Context<'_>) {
        let Some(state) = self.pods.get_mut(uid) else { return };
        match state.worker {
            Worker::Syncing => {}
            Worker::Terminating => return,
            Worker::Terminated | Worker::Finished => return self.remove_if_over(uid, context),
        }
        state.worker = Worker::Terminating;
        state.grace = grace;
        state.busy = None;
        state.observed_generation = state.pod.metadata.generation;
        if let Some(ticket) = state.resync.take() {
            self.timers.cancel(ticket);
        }
        self.keep_only_readiness(uid);
        let running: Vec<usize> = self.running(uid, |r| r != Role::Sidecar);
        if running.is_empty() {
            self.stop_sidecars(uid, context);
        }
        for index in running {
            let name = self.pods[uid].containers[index].name.clone();
            self.begin_stop(uid, index, format!("Stopping container {name}"), grace, context);
        }
        self.refresh_status(uid, context);
        self.check_all_stopped(uid, context);
    }

    fn running(&self, uid: &str, wanted: impl Fn(Role) -> bool) -> Vec<usize> {
        let Some(state) = self.pods.get(uid) else { return vec![] };
        (0..state.containers.len()).filter(|i| wanted(state.containers[*i].role) && state.is_running(*i)).collect()
    }

    fn stop_sidecars(&mut self, uid: &str, context: &mut Context<'_>) {
        let grace = self.pods.get(uid).map_or(0, |s| s.grace);
        for index in self.running(uid, |r| r == Role::Sidecar) {
            if !self.pods[uid].containers[index].killing {
                let name = self.pods[uid].containers[index].name.clone();
                self.begin_stop(uid, index, format!("Stopping container {name}"), grace, context);
            }
        }
    }

    /// One container is to be stopped while its pod goes on; it may be started again.
    pub(super) fn stop_container(&mut self, uid: &str, index: usize, message: String, context: &mut Context<'_>) {
        let Some(state) = self.pods.get(uid) else { return };
        if !state.is_running(index) || state.containers[index].killing {
            return;
        }
        let grace = state.spec().termination_grace_period_seconds.unwrap_or(30).max(1) as u64 * SECOND;
        self.begin_stop(uid, index, message, grace, context);
    }

    fn begin_stop(&mut self, uid: &str, index: usize, message: String, grace: Nanos, context: &mut Context<'_>) {
        let Some(state) = self.pods.get_mut(uid) else { return };
        state.containers[index].killing = true;
        let already_ended = notice_end(state, index);
        if already_ended {
            return;
        }
        self.tell(uid, Some(index), false, "Killing", message, context);
        let hook = self.pods[uid].container_spec(index).lifecycle.as_ref().and_then(|l| l.pre_stop.clone());
        let took = match hook {
            Some(hook) => {
                let (ok, took) = self.run_hook(uid, index, &hook, context);
                if !ok {
                    self.tell(uid, Some(index), true, "FailedPreStopHook", "PreStopHook failed".into(), context);
                }
                took.min(grace)
            }
            None => 0,
        };
        self.later(context, took, Timer::Stop(uid.to_owned(), index));
        let left = grace.saturating_sub(took / SECOND * SECOND).max(GRACE_MIN);
        self.later(context, took + left, Timer::Kill(uid.to_owned(), index));
    }

    /// Runs a lifecycle hook: whether it succeeded, and how long it takes.
    pub(super) fn run_hook(&mut self, uid: &str, index: usize, hook: &LifecycleHandler, context: &Context<'_>) -> (bool, Nanos) {
        let now = context.now.0;
        let Some(State::Running { process, .. }) = self.pods.get_mut(uid).map(|s| &mut s.containers[index].state) else {
            return (false, 0);
        };
        if let Some(sleep) = &hook.sleep {
            return (true, sleep.seconds.max(0) as u64 * SECOND);
        }
        if let Some(exec) = &hook.exec {
            let result = process.exec(now, exec.command.as_deref().unwrap_or_default());
            return (result.code == 0, result.duration_nanos);
        }
        if let Some(get) = &hook.http_get {
            let port = super::env::port_number(&get.port, &[]).unwrap_or(80);
            let request =
                HttpRequest { method: "GET".into(), path: get.path.clone().unwrap_or_else(|| "/".into()), port, ..Default::default() };
            return match process.http(now, &request, &mut NoBackends) {
                HttpResult::Answer { status, latency_nanos, .. } => ((200..400).contains(&status), latency_nanos),
                HttpResult::Timeout => (false, 30 * SECOND),
                HttpResult::Refused => (false, 0),
            };
        }
        (true, 0)
    }

    pub(super) fn send_term(&mut self, uid: &str, index: usize, context: &mut Context<'_>) {
        self.signal(uid, index, Signal::Term, context);
    }

    pub(super) fn kill_now(&mut self, uid: &str, index: usize, context: &mut Context<'_>) {
        if self.pods.get(uid).is_some_and(|s| s.containers.get(index).is_some_and(|c| c.killing)) {
            self.signal(uid, index, Signal::Kill, context);
        }
    }

    fn signal(&mut self, uid: &str, index: usize, signal: Signal, context: &mut Context<'_>) {
        let Some(State::Running { process, ended: None, .. }) = self.pods.get_mut(uid).map(|s| &mut s.containers[index].state) else {
            return;
        };
        process.signal(context.now.0, signal);
        self.advance(uid, index, context);
    }

    /// A container that was being stopped has ended: the runtime tells at once.
    pub(super) fn container_gone(&mut self, uid: &str, index: usize, context: &mut Context<'_>) {
        let Some(state) = self.pods.get_mut(uid) else { return };
        notice_end(state, index);
        state.containers[index].killing = false;
        if state.worker == Worker::Syncing {
            let delay = self.config.latencies.relist.draw(context.random);
            self.later(context, delay, Timer::Observe(uid.to_owned()));
            return;
        }
        if self.running(uid, |r| r != Role::Sidecar).is_empty() {
            self.stop_sidecars(uid, context);
        }
        self.check_all_stopped(uid, context);
    }

    fn check_all_stopped(&mut self, uid: &str, context: &mut Context<'_>) {
        if self.running(uid, |_| true).is_empty() {
            let work = self.config.latencies.stop.draw(context.random);
            let done = self.on_cpu(context.now, work);
            self.timers.add(done, (Timer::Stopped(uid.to_owned()), context.cause));
        }
    }

    /// All containers and the sandbox are gone: tell it, and clean up after the next look at the runtime.
    pub(super) fn stopped(&mut self, uid: &str, context: &mut Context<'_>) {
        let Some(state) = self.pods.get_mut(uid).filter(|s| s.worker == Worker::Terminating) else { return };
        state.worker = Worker::Terminated;
        state.sandbox = Sandbox::None;
        for container in &mut state.containers {
            container.ready = false;
        }
        self.cancel_probes(uid);
        self.refresh_status(uid, context);
        let at = self.relist_after(context.now).plus(context.random.between(10 * MILLISECOND, 40 * MILLISECOND));
        self.timers.add(at, (Timer::Sync(uid.to_owned()), context.cause));
    }

    /// The last of a pod is cleaned up.
    pub(super) fn finish(&mut self, uid: &str, context: &mut Context<'_>) {
        let Some(state) = self.pods.get_mut(uid) else { return };
        state.worker = Worker::Finished;
        self.refresh_status(uid, context);
        let known = self.caches.object(sim_apimachinery::Kind::Pod, self.pods[uid].namespace(), self.pods[uid].name());
        if known.is_none_or(|o| o.uid() != uid) {
            return self.forget(uid);
        }
        self.remove_if_over(uid, context);
    }
}
