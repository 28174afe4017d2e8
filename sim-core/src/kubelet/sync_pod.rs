//! A sync of a pod: what is done, in order, to bring a pod's containers to what they should be, or to bring them down.
//! A sync is a list of tasks; one that takes time ends the turn and the sync goes on when its ticket comes back.
//! Source: kubelet.go SyncPod, SyncTerminatingPod, SyncTerminatedPod; kuberuntime_manager.go SyncPod.

use super::config::SYNC_FREQUENCY;
use super::pod_worker::{Run, Stage, Task, Verdict};
use super::pods::active_deadline;
use super::probes::ProbeKind;
use super::status::{generate, is_terminal};
use super::{Kubelet, Timer, Uid, Work, volumes};
use crate::component::Context;
use crate::random::{Latency, Random};
use crate::time::{MILLISECOND, MINUTE, Nanos, SECOND, SimTime};

/// How often a sync that waits for mounts looks.
const MOUNT_POLL: Nanos = 300 * MILLISECOND;
/// How long it waits at most.
const MOUNT_TIMEOUT: Nanos = 123 * SECOND;
/// The first and the longest delay between attempts to mount.
const MOUNT_BACKOFF: (Nanos, Nanos) = (500 * MILLISECOND, 122 * SECOND);
/// How long a pod waits after a failed sync.
const SYNC_BACKOFF: Nanos = 10 * SECOND;

/// Whether a sync goes on at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// The next task.
    Go,
    /// Something will come back.
    Wait,
    /// The sync is over.
    End,
}

impl Kubelet {
    pub(super) fn begin_sync(&mut self, uid: &Uid, context: &mut Context) {
        let ticket = self.ticket();
        let Some(worker) = self.pods.get_mut(uid) else { return };
        let before = context.cause;
        context.cause = worker.pending.take().unwrap_or(before);
        worker.due = None;
        worker.run = Some(Run::new(ticket, context.now, context.cause));
        let tasks = match worker.stage {
            Stage::Syncing => self.begin_running(uid, context),
            Stage::Terminating => self.begin_terminating(uid, context),
            Stage::Terminated => self.begin_terminated(uid, context),
            Stage::Finished => vec![],
        };
        if let Some(run) = self.pods.get_mut(uid).and_then(|w| w.run.as_mut()) {
            run.tasks.extend(tasks);
            run.cause = context.cause;
        }
        self.drive(uid, context);
        context.cause = before;
    }

    fn begin_running(&mut self, uid: &Uid, context: &mut Context) -> Vec<Task> {
        self.check_deadline(uid, context);
        let Some(worker) = self.pods.get_mut(uid) else { return vec![] };
        if worker.verdict.is_some() {
            worker.stage = Stage::Terminating;
            worker.pending = Some(context.cause);
            return vec![];
        }
        let status = generate(worker, &self.config.node_config.address, context.now, false);
        let terminal = is_terminal(status.phase.as_deref());
        if terminal {
            worker.stage = Stage::Terminating;
            worker.pending = Some(context.cause);
        }
        let mounted = worker.mounted;
        self.store_and_poke(uid, status, context);
        match (terminal, mounted) {
            (true, _) => vec![],
            (false, true) => vec![Task::Actions],
            (false, false) => vec![Task::Fetch, Task::Mount, Task::Actions],
        }
    }

    /// Stores a new status; readiness workers of containers that are not ready yet are woken, before or after that.
    fn store_and_poke(&mut self, uid: &Uid, status: k8s_openapi::api::core::v1::PodStatus, context: &mut Context) {
        let waiting = |s: &&k8s_openapi::api::core::v1::ContainerStatus| {
            s.started == Some(true) && !s.ready && s.state.as_ref().is_some_and(|s| s.running.is_some())
        };
        let statuses = status.init_container_statuses.iter().flatten().chain(status.container_statuses.iter().flatten());
        let pokes: Vec<String> = statuses.filter(waiting).map(|s| s.name.clone()).collect();
        let Some(worker) = self.pods.get_mut(uid) else { return };
        let chance = self.config.latencies.poke_before_status_per_million.of(worker.begun_by);
        let early = !pokes.is_empty() && worker.luck.worker.chance(chance);
        if early {
            pokes.iter().for_each(|name| self.poke(uid, name, context));
        }
        self.set_status(uid, status, context);
        if !early {
            pokes.iter().for_each(|name| self.poke(uid, name, context));
        }
    }

    fn check_deadline(&mut self, uid: &Uid, context: &mut Context) {
        let Some(worker) = self.pods.get_mut(uid) else { return };
        if worker.verdict.is_none() && active_deadline(worker).is_some_and(|at| at <= context.now) {
            let message = "Pod was active on the node longer than the specified deadline";
            worker.verdict = Some(Verdict { reason: "DeadlineExceeded".into(), message: message.into(), disruption: false });
            self.tell(uid, None, false, "DeadlineExceeded", message, context);
        }
    }

    fn begin_terminating(&mut self, uid: &Uid, context: &mut Context) -> Vec<Task> {
        let Some(worker) = self.pods.get_mut(uid) else { return vec![] };
        let status = generate(worker, &self.config.node_config.address, context.now, false);
        worker.probes.retain(|(_, kind), _| *kind == ProbeKind::Readiness);
        self.set_status(uid, status, context);
        vec![Task::KillPod, Task::AwaitKills, Task::StopSandbox, Task::SandboxStopped, Task::Stopped]
    }

    fn begin_terminated(&mut self, uid: &Uid, context: &mut Context) -> Vec<Task> {
        let Some(worker) = self.pods.get_mut(uid) else { return vec![] };
        let status = generate(worker, &self.config.node_config.address, context.now, true);
        self.set_status(uid, status, context);
        vec![Task::Unmount, Task::Unmounted]
    }

    /// Goes on with a sync whose ticket came back.
    pub(super) fn resume(&mut self, uid: &Uid, ticket: u64, context: &mut Context) {
        if self.pods.get(uid).and_then(|w| w.run.as_ref()).is_some_and(|r| r.ticket == ticket) {
            self.drive(uid, context);
        }
    }

    /// Does tasks until one takes time.
    pub(super) fn drive(&mut self, uid: &Uid, context: &mut Context) {
        let before = context.cause;
        self.do_tasks(uid, context);
        context.cause = before;
    }

    fn do_tasks(&mut self, uid: &Uid, context: &mut Context) {
        loop {
            let Some(run) = self.pods.get_mut(uid).and_then(|w| w.run.as_mut()) else { return };
            context.cause = run.cause;
            let Some(task) = run.tasks.pop_front() else { return self.end_sync(uid, context) };
            let flow = self.perform(uid, task, context);
            if let Some(run) = self.pods.get_mut(uid).and_then(|w| w.run.as_mut()) {
                run.cause = context.cause;
            }
            match flow {
                Flow::Go => {}
                Flow::Wait => return,
                Flow::End => return self.end_sync(uid, context),
            }
        }
    }

    fn perform(&mut self, uid: &Uid, task: Task, context: &mut Context) -> Flow {
        let latencies = self.config.latencies.clone();
        match task {
            Task::Fetch => self.fetch(uid, context),
            Task::Mount => self.mount(uid, context),
            Task::Actions => self.begin_actions(uid, context),
            Task::StartAnew => self.start_anew(uid),
            Task::CreateSandbox => self.work(uid, latencies.create_sandbox, context),
            Task::SandboxCreated => self.sandbox_created(uid, context),
            Task::Kill(containers) => self.kill_some(uid, containers, context),
            Task::KillPod => self.kill_pod(uid, context),
            Task::AwaitKills => self.await_kills(uid),
            Task::StopSandbox if self.pods.get(uid).is_some_and(|w| w.sandbox.ready) => self.work(uid, latencies.stop_sandbox, context),
            Task::StopSandbox => Flow::Go,
            Task::SandboxStopped => self.sandbox_stopped(uid, context),
            Task::StartContainer(name) => self.start_container(uid, &name, context),
            Task::EnsureImage(name) => self.ensure_image(uid, &name, context),
            Task::Pulled { container, began, outcome } => self.pulled(uid, &container, began, outcome, context),
            Task::CreateContainer(name) => self.create_container(uid, &name, context),
            Task::ContainerCreated(name) => self.container_created(uid, &name, context),
            Task::ContainerStarted(name) => self.container_started(uid, &name, context),
            Task::PostStarted { container, failed } => self.post_started(uid, &container, failed, context),
            Task::Stopped => self.stopped(uid, context),
            Task::Unmount => self.unmount(uid, context),
            Task::Unmounted => self.unmounted(uid, context),
        }
    }

    fn begin_actions(&mut self, uid: &Uid, context: &mut Context) -> Flow {
        if let Some(run) = self.pods.get_mut(uid).and_then(|w| w.run.as_mut()) {
            run.starts = None;
        }
        self.add_actions(uid, context)
    }

    /// Puts tasks before all others.
    pub(super) fn push_tasks(&mut self, uid: &str, tasks: Vec<Task>) {
        if let Some(run) = self.pods.get_mut(uid).and_then(|w| w.run.as_mut()) {
            for task in tasks.into_iter().rev() {
                run.tasks.push_front(task);
            }
        }
    }

    /// The sync goes on after a while.
    pub(super) fn wait(&mut self, uid: &Uid, takes: Nanos, context: &mut Context) -> Flow {
        let ticket = self.new_ticket(uid);
        self.later(context.now.plus(takes), Timer::Resume(uid.clone(), ticket), context);
        Flow::Wait
    }

    /// The sync goes on when it has got some CPU time.
    pub(super) fn work(&mut self, uid: &Uid, takes: Latency, context: &mut Context) -> Flow {
        let ticket = self.new_ticket(uid);
        let Some(worker) = self.pods.get_mut(uid) else { return Flow::End };
        let takes = takes.draw(&mut worker.luck.runtime);
        if let Some(run) = worker.run.as_mut() {
            run.acted = true;
        }
        self.begin_work(takes, Work::Run(uid.clone(), ticket), context);
        Flow::Wait
    }

    pub(super) fn new_ticket(&mut self, uid: &str) -> u64 {
        let ticket = self.ticket();
        if let Some(run) = self.pods.get_mut(uid).and_then(|w| w.run.as_mut()) {
            run.ticket = ticket;
        }
        ticket
    }

    /// The sync failed; with the moment a back-off ends, if it was one.
    pub(super) fn fail(&mut self, uid: &str, until: Option<SimTime>) {
        if let Some(run) = self.pods.get_mut(uid).and_then(|w| w.run.as_mut()) {
            run.failed = Some(match (run.failed.flatten(), until) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            });
        }
    }

    /// Mounts what the pod wants; the sync sees it at its next poll.
    fn mount(&mut self, uid: &Uid, context: &mut Context) -> Flow {
        let Some(worker) = self.pods.get(uid) else { return Flow::End };
        let began = worker.run.as_ref().map_or(context.now, |r| r.began);
        let (pod, failures) = (worker.pod.clone(), worker.mount_failures);
        if volumes::volumes(&pod).is_empty() {
            return self.mounted(uid, context);
        }
        let missing = self.with_surroundings(uid, |pod, _, around| volumes::failures(pod, around)).unwrap_or_default();
        let waited = context.now.since(began);
        if missing.is_empty() {
            let latencies = &self.config.latencies;
            let Some(luck) = self.pods.get_mut(uid).map(|w| &mut w.luck.runtime) else { return Flow::End };
            let work = if failures == 0 { latencies.volume_reconcile.draw(luck) } else { 0 };
            let done = waited + work + latencies.volume_mount.draw(luck);
            let poll = done.div_ceil(MOUNT_POLL) * MOUNT_POLL;
            _ = self.mounted(uid, context);
            return self.wait(uid, poll - waited, context);
        }
        for (volume, text) in &missing {
            let message = format!("MountVolume.SetUp failed for volume \"{volume}\" : {text}");
            self.tell(uid, None, true, "FailedMount", &message, context);
        }
        if waited >= MOUNT_TIMEOUT {
            let names: Vec<&str> = missing.iter().map(|(v, _)| v.as_str()).collect();
            let inner = format!("unmounted volumes=[{}], unattached volumes=[], failed to process volumes=[]", names.join(" "));
            let message = format!("Unable to attach or mount volumes: {inner}: context deadline exceeded");
            self.tell(uid, None, true, "FailedMount", &message, context);
            self.fail(uid, None);
            return Flow::End;
        }
        let delay = MOUNT_BACKOFF.0.saturating_mul(1 << failures.min(10)).min(MOUNT_BACKOFF.1);
        if let Some(worker) = self.pods.get_mut(uid) {
            worker.mount_failures += 1;
        }
        self.push_tasks(uid, vec![Task::Fetch, Task::Mount]);
        self.wait(uid, delay, context)
    }

    fn mounted(&mut self, uid: &Uid, context: &mut Context) -> Flow {
        if let Some(worker) = self.pods.get_mut(uid) {
            worker.mounted = true;
            worker.mount_failures = 0;
        }
        self.note(uid, "volumes mounted".into(), context);
        Flow::Go
    }

    fn sandbox_created(&mut self, uid: &Uid, context: &mut Context) -> Flow {
        let Some(worker) = self.pods.get_mut(uid) else { return Flow::End };
        let node_network = worker.host_network();
        let ip = if node_network { Some(self.config.node_config.address.clone()) } else { self.addresses.take() };
        let Some(worker) = self.pods.get_mut(uid) else { return Flow::End };
        worker.sandbox.ready = true;
        worker.sandbox.seen_ready = false;
        worker.sandbox.ip = ip.clone();
        let stored = worker.status.clone();
        self.note(uid, format!("sandbox created, address {}", ip.unwrap_or_default()), context);
        self.changed_in_runtime(uid, context);
        if let Some(mut status) = stored {
            for condition in status.conditions.iter_mut().flatten().filter(|c| c.type_ == "PodReadyToStartContainers" && c.status != "True")
            {
                condition.status = "True".into();
                condition.last_transition_time = Some(context.now.to_time());
            }
            self.set_status(uid, status, context);
        }
        Flow::Go
    }

    fn sandbox_stopped(&mut self, uid: &Uid, context: &mut Context) -> Flow {
        let Some(worker) = self.pods.get_mut(uid) else { return Flow::End };
        worker.sandbox.ready = false;
        worker.sandbox.attempt += 1;
        worker.records.values_mut().flat_map(|r| r.current.iter_mut()).for_each(|i| i.seen = Some(i.state.clone()));
        let (ip, shared) = (worker.sandbox.ip.clone(), worker.host_network());
        if let Some(ip) = ip.filter(|_| !shared) {
            self.addresses.release(&ip);
        }
        self.changed_in_runtime(uid, context);
        Flow::Go
    }

    fn stopped(&mut self, uid: &Uid, context: &mut Context) -> Flow {
        let Some(worker) = self.pods.get_mut(uid) else { return Flow::End };
        worker.relist();
        worker.probes.clear();
        worker.stage = Stage::Terminated;
        let status = generate(worker, &self.config.node_config.address, context.now, true);
        self.note(uid, "all containers stopped".into(), context);
        if let Some(worker) = self.pods.get_mut(uid) {
            worker.pending = Some(context.cause);
        }
        self.set_status(uid, status, context);
        Flow::End
    }

    fn unmount(&mut self, uid: &Uid, context: &mut Context) -> Flow {
        let Some(worker) = self.pods.get_mut(uid) else { return Flow::End };
        let takes = self.config.latencies.unmount.draw(&mut worker.luck.runtime);
        self.wait(uid, takes, context)
    }

    fn unmounted(&mut self, uid: &Uid, context: &mut Context) -> Flow {
        let Some(worker) = self.pods.get_mut(uid) else { return Flow::End };
        worker.stage = Stage::Finished;
        worker.pending = None;
        worker.run = None;
        let deleted = worker.deleted;
        self.note(uid, "volumes and cgroups removed".into(), context);
        if deleted {
            self.forget_pod(uid)
        } else {
            self.push_status(uid, context)
        }
        Flow::End
    }

    fn end_sync(&mut self, uid: &Uid, context: &mut Context) {
        let Some(worker) = self.pods.get_mut(uid) else { return };
        let Some(run) = worker.run.take() else { return };
        worker.last_sync = context.now;
        if worker.stage == Stage::Syncing {
            let steady = is_steady(worker);
            worker.due = next_look(&run, steady, context.now, &mut worker.luck.worker).map(|at| (at, context.cause));
        }
        if run.acted && worker.stage == Stage::Syncing {
            let takes = self.config.latencies.relist_on_demand.draw(&mut worker.luck.worker);
            self.later(context.now.plus(takes), Timer::RelistPod(uid.clone()), context);
        }
        self.plan_tick();
        self.try_sync(uid, context);
    }
}

/// Whether looking at the pod again without news would change nothing.
fn is_steady(worker: &super::pod_worker::PodWorker) -> bool {
    let statuses = worker.status.iter().flat_map(|s| s.container_statuses.iter().flatten());
    statuses.into_iter().all(|s| s.ready) && worker.waiting.is_empty()
}

fn next_look(run: &Run, steady: bool, now: SimTime, luck: &mut Random) -> Option<SimTime> {
    let delay = match run.failed {
        None if steady => return None,
        None => luck.jitter(SYNC_FREQUENCY, 50),
        Some(None) => luck.jitter(SYNC_BACKOFF, 50),
        Some(Some(until)) => luck.jitter(until.since(now).min(MINUTE), 50),
    };
    Some(now.plus(delay))
}
