//! One pod as its kubelet has it: the worker's stage and what it is busy with, the runtime's truth, and what is cached.
//! A worker does one sync at a time. An update that arrives meanwhile waits in one slot; before the next sync the worker
//! waits until the cache is newer than the end of the last one. Source: kubelet pod_workers.go.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Pod, PodStatus};
use sim_apimachinery::ObjectKey;
use sim_workload::Disk;

use super::admission::{Amounts, amounts};
use super::containers::{Records, Sandbox};
use super::probes::{ProbeKind, ProbeWorker};
use super::restart::BackOff;
use crate::random::Random;
use crate::time::{Nanos, SECOND, SimTime};
use crate::trace::StepId;

/// How far a pod has come with its kubelet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Its containers are kept as the pod says.
    Syncing,
    /// Its containers are being stopped.
    Terminating,
    /// Nothing of it runs; its volumes are being taken away.
    Terminated,
    /// Done with.
    Finished,
}

/// One piece of a sync, done in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// Ask for the ConfigMaps, Secrets and claims the pod names.
    Fetch,
    /// Wait until all volumes are mounted.
    Mount,
    /// Compare the containers with what they should be, and add what follows from it.
    Actions,
    /// Forget all containers: a rule starts the pod anew.
    StartAnew,
    /// Make the sandbox.
    CreateSandbox,
    /// It is made.
    SandboxCreated,
    /// Stop these containers, with the message of the event, and wait until they are gone.
    Kill(Vec<(String, String)>),
    /// Begin to stop all containers; the pod ends.
    KillPod,
    /// Wait until the containers being stopped are gone.
    AwaitKills,
    /// Take a container that is being started anew to its image.
    EnsureImage(String),
    /// Stop the sandbox.
    StopSandbox,
    /// It is stopped.
    SandboxStopped,
    /// Begin to start a container, unless it has to wait.
    StartContainer(String),
    /// Its image has been pulled (or not).
    Pulled { container: String, began: SimTime, outcome: Result<(), String> },
    /// Make the container.
    CreateContainer(String),
    /// It is made.
    ContainerCreated(String),
    /// It is started.
    ContainerStarted(String),
    /// Its hook has run; with an error, the container is killed.
    PostStarted { container: String, failed: bool },
    /// All containers are stopped: the pod's last status.
    Stopped,
    /// Take away volumes and cgroups.
    Unmount,
    /// They are gone.
    Unmounted,
}

/// A sync under way.
#[derive(Clone, Debug)]
pub struct Run {
    /// Names it; what waits for an older one is ignored.
    pub ticket: u64,
    /// When it began.
    pub began: SimTime,
    /// What is still to do.
    pub tasks: VecDeque<Task>,
    /// Answers it waits for.
    pub answers: usize,
    /// Whether it changed anything in the runtime.
    pub acted: bool,
    /// What failed: `None` is success; otherwise the earliest moment a back-off ends, if it was one.
    pub failed: Option<Option<SimTime>>,
    /// What its next task follows from.
    pub cause: StepId,
    /// What each start of a container follows from, however many are started in a row.
    pub starts: Option<StepId>,
}

impl Run {
    /// One that has nothing to do yet.
    pub fn new(ticket: u64, began: SimTime, cause: StepId) -> Run {
        Run { ticket, began, tasks: VecDeque::new(), answers: 0, acted: false, failed: None, cause, starts: None }
    }
}

/// A container being stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kill {
    /// Where it is.
    pub step: KillStep,
    /// Seconds of grace left when the signal is sent.
    pub grace: Nanos,
    /// When it began.
    pub began: SimTime,
    /// The step that told of it.
    pub cause: StepId,
}

/// Where the stopping of a container is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KillStep {
    /// Its preStop hook runs.
    PreStop,
    /// It waits for the containers that must be gone before it.
    Ordering,
    /// The runtime is asked.
    Stopping,
    /// It has SIGTERM.
    Signalled,
}

/// Why the kubelet ends a pod by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// `status.reason`.
    pub reason: String,
    /// `status.message`.
    pub message: String,
    /// Whether it also gets the condition `DisruptionTarget`.
    pub disruption: bool,
}

/// The luck of one pod. It depends on the seed and on how many pods came to the node before it, not on what others do: what
/// comes a little later has the same luck.
#[derive(Clone, Debug)]
pub struct Luck {
    /// Of the runtime's work and of the program.
    pub runtime: Random,
    /// Of everything else; how often it is asked depends on how syncs fall.
    pub worker: Random,
}

impl Luck {
    /// Of the pod that came to its node after so many others.
    pub fn of(chance: u64, before: u64) -> Luck {
        Luck { runtime: Random::named(chance, &format!("runtime/{before}")), worker: Random::named(chance, &format!("worker/{before}")) }
    }
}

/// What made a worker begin its sync: the readiness worker that the sync wakes races with it, and this decides the odds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BegunBy {
    /// An update reached it, and no other is on its way.
    Update,
    /// The first of two updates of one relist reached it; the kubelet's loop is busy with the second.
    FirstOfTwo,
    /// It had an update and waited for the cache, which was renewed: the kubelet's loop has nothing to do yet.
    Cache,
}

/// A pod on this node.
#[derive(Clone, Debug)]
pub struct PodWorker {
    /// What makes it begin the next sync.
    pub begun_by: BegunBy,
    /// The pod as last told by the API server.
    pub pod: Arc<Pod>,
    /// What it asks of the node.
    pub requests: Amounts,
    /// Its key.
    pub key: ObjectKey,
    /// Its uid.
    pub uid: Arc<str>,
    /// How far it has come.
    pub stage: Stage,
    /// What led to the update that waits, if one does.
    pub pending: Option<StepId>,
    /// The sync under way.
    pub run: Option<Run>,
    /// The end of the last sync.
    pub last_sync: SimTime,
    /// When the cache of this pod was last renewed on demand.
    pub relisted: SimTime,
    /// When it is to be looked at again, and what led to that.
    pub due: Option<(SimTime, StepId)>,
    /// Its sandbox.
    pub sandbox: Sandbox,
    /// Its containers.
    pub records: Records,
    /// Why containers could not be started, by container: reason and message.
    pub waiting: BTreeMap<String, (String, String)>,
    /// Crash back-off by container.
    pub backoff: BTreeMap<String, BackOff>,
    /// Containers being stopped.
    pub kills: BTreeMap<String, Kill>,
    /// Probe workers.
    pub probes: BTreeMap<(String, ProbeKind), ProbeWorker>,
    /// The status as the status manager has it.
    pub status: Option<PodStatus>,
    /// When the kubelet first handled it.
    pub started_at: SimTime,
    /// Whether its volumes are mounted.
    pub mounted: bool,
    /// Failed mounts in a row, and when the first wait for them began.
    pub mount_failures: u32,
    /// What is in its emptyDir volumes.
    pub disks: BTreeMap<String, Disk>,
    /// Why the kubelet ended it.
    pub verdict: Option<Verdict>,
    /// A grace period that replaces the pod's own.
    pub grace_override: Option<Nanos>,
    /// Whether it is gone from the API server.
    pub deleted: bool,
    /// What the next instance of a container is numbered when no record is left.
    pub attempts: BTreeMap<String, i32>,
    /// Whether all its containers are being started again by a rule.
    pub restarting_all: bool,
    /// What led to the last change of its status.
    pub cause: StepId,
    /// Its luck.
    pub luck: Luck,
}

impl PodWorker {
    /// A worker for a pod that was just given to the node.
    pub fn new(pod: Arc<Pod>, now: SimTime, cause: StepId, luck: Luck) -> PodWorker {
        let metadata = &pod.metadata;
        let name = metadata.name.as_deref().unwrap_or_default();
        let key = ObjectKey::new(sim_apimachinery::Kind::Pod, metadata.namespace.as_deref().unwrap_or_default(), name);
        PodWorker {
            uid: metadata.uid.as_deref().unwrap_or_default().into(),
            key,
            stage: Stage::Syncing,
            begun_by: BegunBy::Update,
            pending: None,
            run: None,
            last_sync: SimTime(0),
            relisted: SimTime(0),
            due: None,
            sandbox: Sandbox::default(),
            records: Records::new(),
            waiting: BTreeMap::new(),
            backoff: BTreeMap::new(),
            kills: BTreeMap::new(),
            probes: BTreeMap::new(),
            status: None,
            started_at: now,
            mounted: false,
            mount_failures: 0,
            disks: BTreeMap::new(),
            verdict: None,
            grace_override: None,
            deleted: false,
            attempts: BTreeMap::new(),
            restarting_all: false,
            cause,
            luck,
            requests: amounts(&pod),
            pod,
        }
    }

    /// Whether the API server wants it gone.
    pub fn is_deleting(&self) -> bool {
        self.deleted || self.pod.metadata.deletion_timestamp.is_some()
    }

    /// The grace period for stopping it: an override, the deletion's, or the pod's own; at least a second.
    pub fn grace(&self) -> Nanos {
        let spec = self.pod.spec.as_ref().and_then(|s| s.termination_grace_period_seconds);
        let seconds = if self.deleted && self.pod.metadata.deletion_timestamp.is_none() {
            Some(1)
        } else {
            self.pod.metadata.deletion_grace_period_seconds.or(spec)
        };
        let own = u64::try_from(seconds.unwrap_or(30)).unwrap_or(0).saturating_mul(SECOND);
        self.grace_override.unwrap_or(own).max(SECOND)
    }

    /// `name_namespace(uid)`, as messages name it.
    pub fn full_name(&self) -> String {
        format!("{}_{}({})", self.key.name, self.key.namespace, self.uid)
    }

    /// `Always`, `OnFailure` or `Never`.
    pub fn restart_policy(&self) -> &str {
        self.pod.spec.as_ref().and_then(|s| s.restart_policy.as_deref()).unwrap_or("Always")
    }

    /// Whether any container's process runs.
    pub fn any_running(&self) -> bool {
        self.records.values().any(|r| r.is_running())
    }

    /// Whether the pod uses its node's network.
    pub fn host_network(&self) -> bool {
        self.pod.spec.as_ref().is_some_and(|s| s.host_network == Some(true))
    }

    /// Brings the cache up to date; says for how many containers (and the sandbox) there is something to tell.
    pub fn relist(&mut self) -> usize {
        let mut told = usize::from(self.sandbox.ready && !self.sandbox.seen_ready);
        if self.sandbox.seen_ready && !self.sandbox.ready {
            told += 1;
        }
        self.sandbox.seen_ready = self.sandbox.ready;
        for record in self.records.values_mut() {
            for instance in record.current.iter_mut().chain(record.previous.iter_mut()) {
                if instance.seen.as_ref() != Some(&instance.state) {
                    instance.seen = Some(instance.state.clone());
                    told += 1;
                }
            }
        }
        told
    }

    /// Whether a probe of this container must succeed before it counts as started, and has: running without a startup
    /// probe, or with one that succeeded.
    pub fn is_started(&self, name: &str) -> bool {
        let Some((instance, state)) = self.records.get(name).and_then(|r| r.seen()) else { return false };
        let succeeded = |worker: &ProbeWorker| worker.result_for(&instance.id) == Some(true);
        state.is_running() && self.probes.get(&(name.to_owned(), ProbeKind::Startup)).is_none_or(succeeded)
    }

    /// Whether a running container is ready: its readiness probe succeeded, or it has none and is started.
    pub fn is_ready(&self, name: &str) -> bool {
        let Some((instance, state)) = self.records.get(name).and_then(|r| r.seen()) else { return false };
        if !state.is_running() || !self.is_started(name) {
            return false;
        }
        self.probes.get(&(name.to_owned(), ProbeKind::Readiness)).is_none_or(|w| w.result_for(&instance.id) == Some(true))
    }
}
