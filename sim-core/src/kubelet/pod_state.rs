//! What a kubelet knows of one pod: its containers, sandbox, probes and where its work stands.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, PodStatus, Probe};
use sim_apimachinery::{Kind, Object};
use sim_workload::{Disk, Process};

use crate::time::{Nanos, SimTime};
use crate::trace::StepId;

/// What role a container has in its pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Runs to completion before the next.
    Init,
    /// Starts among the init containers and goes on.
    Sidecar,
    /// The pod's own.
    App,
}

/// An ended instance of a container.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    pub id: String,
    pub code: i32,
    pub reason: String,
    pub message: Option<String>,
    pub started: SimTime,
    pub finished: SimTime,
}

/// Where a container stands.
#[derive(Clone, Debug)]
pub enum State {
    /// Not running; the reason and message that its status shows.
    Waiting { reason: String, message: Option<String> },
    /// Its process runs; or has ended, and the kubelet has not noticed yet.
    Running { id: String, started: SimTime, process: Box<Process>, ended: Option<(SimTime, i32, String)> },
    /// It has ended, and the kubelet knows.
    Ended(Ended),
}

/// One container.
#[derive(Clone, Debug)]
pub struct ContainerState {
    pub name: String,
    pub role: Role,
    /// Its place in the list of its role.
    pub index: usize,
    pub state: State,
    pub last: Option<Ended>,
    pub restarts: i32,
    pub was_started: bool,
    pub ready: bool,
    /// Crash back-off: its length and when it was last prolonged.
    pub backoff: Option<(Nanos, SimTime)>,
    pub pull_backoff: Option<(Nanos, SimTime, String)>,
    /// A kill is under way: the reason to restart, or none when the pod stops.
    pub killing: bool,
    pub image_id: String,
}

/// Which probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProbeKind {
    Startup,
    Liveness,
    Readiness,
}

/// One probe's worker.
#[derive(Clone, Debug)]
pub struct ProbeWorker {
    pub container: usize,
    pub kind: ProbeKind,
    pub probe: Probe,
    /// The instance it looks at.
    pub id: String,
    pub result: Option<bool>,
    pub streak: (bool, i32),
    pub on_hold: bool,
    pub ticket: Option<(SimTime, u64)>,
}

impl ProbeWorker {
    pub fn period(&self) -> Nanos {
        self.probe.period_seconds.unwrap_or(10).max(1) as u64 * crate::time::SECOND
    }
}

/// The sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sandbox {
    None,
    Creating,
    Ready,
}

/// Where the pod's worker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worker {
    /// It brings the pod up and keeps it up.
    Syncing,
    /// It stops the pod.
    Terminating,
    /// All containers have ended; the rest is cleaning up.
    Terminated,
    /// The API server was asked to remove it.
    Finished,
}

/// One pod.
#[derive(Clone, Debug)]
pub struct PodState {
    pub pod: Arc<Pod>,
    pub worker: Worker,
    pub sandbox: Sandbox,
    pub ip: Option<String>,
    pub volumes_mounted: bool,
    pub containers: Vec<ContainerState>,
    pub probes: Vec<ProbeWorker>,
    pub start_time: Option<SimTime>,
    /// What was last put together, and what the API server last got.
    pub status: PodStatus,
    pub sent: Option<PodStatus>,
    pub status_dirty: bool,
    pub observed_generation: Option<i64>,
    pub rejected: Option<(String, String)>,
    /// A container is being pulled, made or started: the sync is in the middle of it.
    pub busy: Option<usize>,
    pub references: BTreeMap<(Kind, String), Option<Object>>,
    pub references_wanted: usize,
    pub disks: BTreeMap<String, Disk>,
    pub cause: StepId,
    pub grace: Nanos,
    pub resync: Option<(SimTime, u64)>,
    pub deadline_exceeded: bool,
}

impl PodState {
    pub fn new(pod: Arc<Pod>, cause: StepId) -> Self {
        let containers = containers_of(&pod);
        PodState {
            status: PodStatus::default(),
            sent: None,
            status_dirty: false,
            observed_generation: pod.metadata.generation,
            worker: Worker::Syncing,
            sandbox: Sandbox::None,
            ip: None,
            volumes_mounted: false,
            containers,
            probes: vec![],
            start_time: None,
            rejected: None,
            busy: None,
            references: BTreeMap::new(),
            references_wanted: 0,
            disks: BTreeMap::new(),
            cause,
            grace: 0,
            resync: None,
            deadline_exceeded: false,
            pod,
        }
    }

    pub fn spec(&self) -> &PodSpec {
        self.pod.spec.as_ref().expect("a pod on a node has a spec")
    }

    pub fn name(&self) -> &str {
        self.pod.metadata.name.as_deref().unwrap_or_default()
    }

    pub fn namespace(&self) -> &str {
        self.pod.metadata.namespace.as_deref().unwrap_or_default()
    }

    pub fn uid(&self) -> &str {
        self.pod.metadata.uid.as_deref().unwrap_or_default()
    }

    /// `name_namespace(uid)`, as the kubelet prints pods.
    pub fn formatted(&self) -> String {
        format!("{}_{}({})", self.name(), self.namespace(), self.uid())
    }

    pub fn container_spec(&self, container: usize) -> &Container {
        let state = &self.containers[container];
        match state.role {
            Role::App => &self.spec().containers[state.index],
            _ => &self.spec().init_containers.as_ref().expect("an init container's list")[state.index],
        }
    }

    pub fn restart_policy(&self) -> &str {
        self.spec().restart_policy.as_deref().unwrap_or("Always")
    }

    pub fn is_running(&self, container: usize) -> bool {
        matches!(self.containers[container].state, State::Running { .. })
    }
}

fn containers_of(pod: &Pod) -> Vec<ContainerState> {
    let Some(spec) = &pod.spec else { return vec![] };
    let has_init = spec.init_containers.as_ref().is_some_and(|c| !c.is_empty());
    let init = spec.init_containers.iter().flatten().enumerate().map(|(i, c)| {
        let role = if c.restart_policy.as_deref() == Some("Always") { Role::Sidecar } else { Role::Init };
        new_container(c, role, i, "PodInitializing")
    });
    let app = spec
        .containers
        .iter()
        .enumerate()
        .map(|(i, c)| new_container(c, Role::App, i, if has_init { "PodInitializing" } else { "ContainerCreating" }));
    init.chain(app).collect()
}

fn new_container(container: &Container, role: Role, index: usize, reason: &str) -> ContainerState {
    ContainerState {
        name: container.name.clone(),
        role,
        index,
        state: State::Waiting { reason: reason.into(), message: None },
        last: None,
        restarts: 0,
        was_started: false,
        ready: false,
        backoff: None,
        pull_backoff: None,
        killing: false,
        image_id: String::new(),
    }
}
