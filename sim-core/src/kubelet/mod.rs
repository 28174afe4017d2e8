//! The kubelet of one node: brings the pods bound to it up, keeps them up, and stops them.
//! Each pod has a worker; a look at the runtime every second (PLEG) notices what ended; probes run on their own clocks.
//! Containers are processes of the room `workload`. Source: pkg/kubelet.
//! Invariant: the API server gets one status write at a time, each the newest there is.
//! Not modelled: static pods, in-place resize, image garbage collection, device plugins, node-pressure eviction of running
//! pods (pressure only shows in conditions and in admission), ephemeral containers; heartbeats of a healthy node are not
//! written one by one.

pub mod config;
mod env;
mod kill;
mod node;
mod pod_state;
mod probes;
mod runtime;
mod status;
mod sync;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use sim_apimachinery::{Answer, DeleteOptions, Kind, Object, ObjectKey, Part, Patch, Reason, Reply, Request, TypedPatch, Verb};
use sim_workload::{Process, ProfileSet};

pub use self::config::{KubeletConfig, KubeletLatencies, NodeConfig, NodeFault, RegistryConfig};
use self::pod_state::{PodState, State, Worker};
use crate::client_go::rate_limit::TokenBucket;
use crate::client_go::{Caches, EventDraft, EventRecorder, EventStyle, ObjectReference};
use crate::component::{ChangeType, Context, Input, Watch, WatchEvent, WatchFilter};
use crate::time::{Nanos, SECOND, SimTime, TimerQueue};
use crate::trace::{StepId, What};

const MANAGER: &str = "kubelet";
const RECORDER_TOKEN: u64 = 0;

/// Something the kubelet does later.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Timer {
    /// A pod's worker begins or goes on.
    Sync(String),
    /// Volumes of a pod are mounted.
    Mounted(String),
    /// A sandbox is made.
    SandboxReady(String),
    /// A container is ready to be made: its image is there.
    Pulled(String, usize, Option<String>),
    /// A container is made.
    Created(String, usize),
    /// A container runs.
    Started(String, usize),
    /// A look at the runtime.
    Relist,
    /// The runtime tells of one pod at once.
    Observe(String),
    /// A probe is due.
    Probe(String, usize),
    /// A process does something.
    Process(String, usize),
    /// A container that is being stopped gets no more time.
    Kill(String, usize),
    /// The preStop hook of a container is over.
    Stop(String, usize),
    /// All of a stopping pod is gone.
    Stopped(String),
    /// A pod's status is written.
    Status,
    /// The node's own upkeep.
    Node,
}

/// What an answer is about.
#[derive(Clone, Debug)]
enum Asked {
    Status(String),
    Delete(String),
    Reference(String, Kind, String),
    Node,
}

/// The kubelet.
#[derive(Clone, Debug)]
pub struct Kubelet {
    config: Arc<KubeletConfig>,
    profiles: Arc<ProfileSet>,
    manager: Arc<str>,
    component: Arc<str>,
    caches: Caches,
    pods: BTreeMap<String, PodState>,
    images: BTreeMap<String, u64>,
    timers: TimerQueue<(Timer, StepId)>,
    began: SimTime,
    relist_due: Option<SimTime>,
    unobserved: BTreeSet<String>,
    status_queue: VecDeque<String>,
    status_busy: bool,
    asked: BTreeMap<u64, Asked>,
    next_token: u64,
    recorder: EventRecorder,
    bucket: TokenBucket,
    slots: Vec<SimTime>,
    next_ip: u32,
    down: bool,
    node: node::NodeState,
}

impl Kubelet {
    /// A kubelet that has seen nothing yet.
    pub fn new(config: Arc<KubeletConfig>, profiles: Arc<ProfileSet>) -> Self {
        let cores = usize::try_from(config.spec.cpu_millis / 1000).unwrap_or(1).max(1);
        Kubelet {
            manager: MANAGER.into(),
            component: format!("kubelet/{}", config.node).into(),
            caches: Caches::default(),
            pods: BTreeMap::new(),
            images: config.spec.images.clone(),
            timers: TimerQueue::default(),
            began: SimTime(0),
            relist_due: None,
            unobserved: BTreeSet::new(),
            status_queue: VecDeque::new(),
            status_busy: false,
            asked: BTreeMap::new(),
            next_token: RECORDER_TOKEN + 1,
            recorder: EventRecorder::new("kubelet", MANAGER, Some(config.node.clone()), EventStyle::Core),
            bucket: TokenBucket::per_second(50, 100),
            slots: vec![SimTime(0); cores.min(8)],
            next_ip: 2,
            down: false,
            node: node::NodeState::default(),
            config,
            profiles,
        }
    }

    /// What it watches.
    pub fn watches(&self) -> Vec<Watch> {
        vec![
            Watch { kind: Kind::Service, filter: WatchFilter::All },
            Watch { kind: Kind::Node, filter: WatchFilter::Named(self.config.node.clone()) },
            Watch { kind: Kind::Pod, filter: WatchFilter::OnNode(self.config.node.clone()) },
        ]
    }

    /// Takes an input.
    pub fn handle(&mut self, input: Input, context: &mut Context<'_>) {
        match input {
            Input::Start => {
                self.began = context.now.plus(context.random.below(SECOND));
                self.begin_node(context);
            }
            Input::Watch(events) if !self.down => events.iter().for_each(|e| self.on_event(e, context)),
            Input::Answer { token, answer } => self.on_answer(token, answer, context),
            Input::Watch(_) => {}
            Input::Wake => self.wake_processes(context),
        }
        while let Some((timer, cause)) = self.timers.pop_due(context.now) {
            let before = std::mem::replace(&mut context.cause, cause);
            self.on_timer(timer, context);
            context.cause = before;
        }
        self.send_events(context);
    }

    /// When it must be woken.
    pub fn next_wake(&self) -> Option<SimTime> {
        self.timers.next()
    }

    /// A container's process, to be looked at.
    pub fn process(&self, namespace: &str, pod: &str, container: &str) -> Option<&Process> {
        let state = self.pod_named(namespace, pod)?;
        match &state.containers.iter().find(|c| c.name == container)?.state {
            State::Running { process, .. } => Some(process),
            _ => None,
        }
    }

    /// A container's process, to be changed; give the kubelet an `Input::Wake` afterwards.
    pub fn process_mut(&mut self, namespace: &str, pod: &str, container: &str) -> Option<&mut Process> {
        let state = self.pods.values_mut().find(|p| p.name() == pod && p.namespace() == namespace)?;
        match &mut state.containers.iter_mut().find(|c| c.name == container)?.state {
            State::Running { process, .. } => Some(process),
            _ => None,
        }
    }

    /// The container of a pod that listens on a port.
    pub fn container_listening(&self, namespace: &str, pod: &str, port: u16) -> Option<String> {
        let state = self.pod_named(namespace, pod)?;
        let listens = |s: &State| matches!(s, State::Running { process, .. } if process.is_listening(port));
        state.containers.iter().find(|c| listens(&c.state)).map(|c| c.name.clone())
    }

    /// The pod with this address: namespace and name.
    pub fn pod_with_ip(&self, ip: &str) -> Option<(String, String)> {
        let state = self.pods.values().find(|p| p.ip.as_deref() == Some(ip))?;
        Some((state.namespace().to_owned(), state.name().to_owned()))
    }

    /// What the metrics server reads: one sample per running container.
    pub fn samples(&self, now: SimTime) -> Vec<crate::component::Sample> {
        if self.down {
            return vec![];
        }
        let mut samples = Vec::new();
        for pod in self.pods.values() {
            for container in &pod.containers {
                if let State::Running { process, started, .. } = &container.state {
                    samples.push(crate::component::Sample {
                        namespace: pod.namespace().into(),
                        pod: pod.name().into(),
                        container: container.name.as_str().into(),
                        cpu_nanos: process.cpu_nanos(now.0),
                        memory_bytes: process.memory_bytes(now.0),
                        started: *started,
                    });
                }
            }
        }
        samples
    }

    fn pod_named(&self, namespace: &str, name: &str) -> Option<&PodState> {
        self.pods.values().find(|p| p.name() == name && p.namespace() == namespace)
    }

    fn on_event(&mut self, event: &WatchEvent, context: &mut Context<'_>) {
        self.caches.apply(event);
        let Object::Pod(pod) = &event.object else { return };
        let uid = pod.metadata.uid.clone().unwrap_or_default();
        match event.change {
            ChangeType::Deleted => self.on_removed(&uid, context),
            _ if self.pods.contains_key(&uid) => self.on_updated(&uid, pod, context),
            _ => self.on_added(uid, pod, context),
        }
    }

    fn on_added(&mut self, uid: String, pod: &Arc<Pod>, context: &mut Context<'_>) {
        let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref()).unwrap_or_default();
        let mut state = PodState::new(pod.clone(), context.cause);
        if matches!(phase, "Succeeded" | "Failed") {
            state.worker = Worker::Terminated;
        } else if let Some(rejected) = self.refusal(pod) {
            state.rejected = Some(rejected);
        }
        self.pods.insert(uid.clone(), state);
        let delay = self.config.latencies.admit.draw(context.random);
        self.later(context, delay, Timer::Sync(uid));
    }

    fn on_updated(&mut self, uid: &str, pod: &Arc<Pod>, context: &mut Context<'_>) {
        let Some(state) = self.pods.get_mut(uid) else { return };
        let deleted_before = state.pod.metadata.deletion_timestamp.is_some();
        let changed = state.pod.spec != pod.spec || state.pod.metadata.generation != pod.metadata.generation;
        state.pod = pod.clone();
        if pod.metadata.deletion_timestamp.is_some() && !deleted_before {
            state.cause = context.cause;
            self.terminate(uid, context);
        } else if changed {
            state.observed_generation = pod.metadata.generation;
            self.later(context, 0, Timer::Sync(uid.to_owned()));
        }
    }

    fn on_removed(&mut self, uid: &str, context: &mut Context<'_>) {
        let Some(state) = self.pods.get(uid) else { return };
        if matches!(state.worker, Worker::Terminated | Worker::Finished) {
            self.forget(uid);
            return;
        }
        // Removed by force: what runs is killed with hardly any grace.
        self.terminate_with(uid, SECOND, context);
    }

    fn forget(&mut self, uid: &str) {
        self.pods.remove(uid);
        self.unobserved.remove(uid);
        self.status_queue.retain(|u| u != uid);
    }

    /// Does a thing later, for the reason it is running now.
    fn later(&mut self, context: &Context<'_>, delay: Nanos, timer: Timer) -> (SimTime, u64) {
        self.timers.add(context.now.plus(delay), (timer, context.cause))
    }

    fn on_timer(&mut self, timer: Timer, context: &mut Context<'_>) {
        match timer {
            Timer::Sync(uid) => self.sync(&uid, context),
            Timer::Mounted(uid) => self.mounted(&uid, context),
            Timer::SandboxReady(uid) => self.sandbox_ready(&uid, context),
            Timer::Pulled(uid, container, error) => self.pulled(&uid, container, error, context),
            Timer::Created(uid, container) => self.created(&uid, container, context),
            Timer::Started(uid, container) => self.started(&uid, container, context),
            Timer::Relist => self.relist(context),
            Timer::Observe(uid) => self.observe(&uid, context),
            Timer::Probe(uid, probe) => self.probe_due(&uid, probe, context),
            Timer::Process(uid, container) => self.advance(&uid, container, context),
            Timer::Kill(uid, container) => self.kill_now(&uid, container, context),
            Timer::Stop(uid, container) => self.send_term(&uid, container, context),
            Timer::Stopped(uid) => self.stopped(&uid, context),
            Timer::Status => self.send_status(context),
            Timer::Node => self.node_due(context),
        }
    }

    /// Puts the pod's status together again, and sees that the API server gets it.
    fn refresh_status(&mut self, uid: &str, context: &mut Context<'_>) {
        let Some(state) = self.pods.get_mut(uid) else { return };
        let status = status::generate(state, &self.config.spec.ip, context.now);
        let news = state.sent.as_ref() != Some(&status);
        state.status = status;
        state.cause = context.cause;
        if news && !state.status_dirty {
            state.status_dirty = true;
            self.status_queue.push_back(uid.to_owned());
            let delay = self.config.latencies.status.draw(context.random);
            self.later(context, delay, Timer::Status);
        }
    }

    fn send_status(&mut self, context: &mut Context<'_>) {
        if self.status_busy || self.down {
            return;
        }
        let Some(uid) = self.status_queue.pop_front() else { return };
        let Some(state) = self.pods.get_mut(&uid) else { return self.send_status(context) };
        state.status_dirty = false;
        if state.sent.as_ref() == Some(&state.status) {
            return self.send_status(context);
        }
        state.sent = Some(state.status.clone());
        let key = ObjectKey::new(Kind::Pod, state.namespace(), state.name());
        let patch = Patch::Typed(TypedPatch::PodStatus(Box::new(state.status.clone())));
        context.cause = state.cause;
        self.status_busy = true;
        self.ask(Asked::Status(uid), Verb::Patch { key, part: Part::Status, patch }, context);
    }

    fn ask(&mut self, asked: Asked, verb: Verb, context: &mut Context<'_>) {
        let token = self.next_token;
        self.next_token += 1;
        self.asked.insert(token, asked);
        let at = self.bucket.reserve(context.now);
        context.request_at(at, token, Request::new(&self.manager, verb));
    }

    fn on_answer(&mut self, token: u64, answer: Answer, context: &mut Context<'_>) {
        if token == RECORDER_TOKEN {
            self.recorder.answered();
            return;
        }
        match self.asked.remove(&token) {
            Some(Asked::Status(uid)) => {
                self.status_busy = false;
                if answer.is_err_and(|s| s.reason != Reason::NotFound) {
                    if let Some(state) = self.pods.get_mut(&uid) {
                        state.sent = None;
                        self.status_queue.push_back(uid.clone());
                        self.later(context, 10 * SECOND, Timer::Status);
                    }
                }
                self.send_status(context);
                self.remove_if_over(&uid, context);
            }
            Some(Asked::Delete(uid)) => {
                if answer.is_err_and(|s| s.reason == Reason::NotFound) {
                    self.forget(&uid);
                }
            }
            Some(Asked::Reference(uid, kind, name)) => self.reference_arrived(&uid, kind, name, answer, context),
            Some(Asked::Node) => self.node_answered(answer),
            None => {}
        }
    }

    /// Once everything of a deleted pod is over and told, it is removed from the API server.
    fn remove_if_over(&mut self, uid: &str, context: &mut Context<'_>) {
        let Some(state) = self.pods.get_mut(uid) else { return };
        let told = state.sent.as_ref() == Some(&state.status) && !self.status_busy;
        if state.worker != Worker::Finished || state.pod.metadata.deletion_timestamp.is_none() || !told {
            return;
        }
        let key = ObjectKey::new(Kind::Pod, state.namespace(), state.name());
        let options = DeleteOptions { grace_period_seconds: Some(0), uid: Some(uid.to_owned()), ..Default::default() };
        context.cause = state.cause;
        self.ask(Asked::Delete(uid.to_owned()), Verb::Delete { key, options }, context);
    }

    fn tell(
        &mut self,
        uid: &str,
        container: Option<usize>,
        warning: bool,
        reason: &'static str,
        message: String,
        context: &mut Context<'_>,
    ) {
        let Some(state) = self.pods.get(uid) else { return };
        let mut about = ObjectReference::to(&Object::Pod(state.pod.clone()));
        if let Some(index) = container {
            let list = if state.containers[index].role == pod_state::Role::App { "containers" } else { "initContainers" };
            about.field_path = format!("spec.{list}{{{}}}", state.containers[index].name);
        }
        let key = ObjectKey::new(Kind::Pod, state.namespace(), state.name());
        let text = format!("{reason}: {message}");
        context.record(&self.component, What::Node { key, text: text.into() });
        let draft = if warning { EventDraft::warning(about, reason, message) } else { EventDraft::normal(about, reason, message) };
        self.recorder.tell(context.now, &draft, None, context.cause);
    }

    fn send_events(&mut self, context: &mut Context<'_>) {
        if self.down {
            return;
        }
        if let Some((request, cause)) = self.recorder.next_request() {
            let before = std::mem::replace(&mut context.cause, cause);
            context.request(RECORDER_TOKEN, request);
            context.cause = before;
        }
    }

    fn reference_arrived(&mut self, uid: &str, kind: Kind, name: String, answer: Answer, context: &mut Context<'_>) {
        let Some(state) = self.pods.get_mut(uid) else { return };
        let object = match answer {
            Ok(Reply::Object(object)) => Some(object),
            _ => None,
        };
        state.references.insert((kind, name), object);
        state.references_wanted = state.references_wanted.saturating_sub(1);
        if state.references_wanted == 0 {
            self.references_there(uid, context);
        }
    }
}
