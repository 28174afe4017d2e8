//! kube-scheduler: puts pods on nodes, one after the other.
//! Filters say where a pod can be, scores where it had best be; the pod counts as placed at once (assumed) and is bound in
//! the background. Every decision is kept as data in the trace. Source: pkg/scheduler.
//! Cost: nodes are held with the sum of their pods, kept up to date pod by pod; placing a pod looks at nodes, not at pods.
//! Not modelled yet: PodTopologySpread, InterPodAffinity, the volume plugins beyond unbound claims, preemption, and gates
//! other than waiting for them to go. Pods that ask for these are placed without regard to them, with a warning in the trace.

mod messages;
mod node_info;
mod plugins;
mod queue;

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Node, PersistentVolumeClaim, Pod, PodCondition};
use sim_apimachinery::{Answer, Kind, Object, ObjectKey, Part, Patch, Request, Typed, TypedPatch, Verb};

use self::node_info::NodeInfo;
use self::queue::{Queue, Waiting};
use crate::client_go::rate_limit::TokenBucket;
use crate::client_go::{Caches, EventDraft, EventRecorder, EventStyle, ObjectReference};
use crate::component::{ChangeType, Context, Input, Watch, WatchEvent, WatchFilter};
use crate::random::Latency;
use crate::time::{SimTime, TimerQueue};
use crate::trace::{NodeVerdict, SchedulingDecision, What};

const MANAGER: &str = "kube-scheduler";
const RECORDER_TOKEN: u64 = 0;
/// With fewer nodes than this, all are looked at.
const ALL_NODES_BELOW: usize = 100;
/// How many nodes a decision keeps.
const VERDICTS_MAX: usize = 50;

/// How the scheduler is set up.
#[derive(Clone, Debug)]
pub struct SchedulerConfig {
    /// How long one pod takes.
    pub cycle: Latency,
    /// Where it runs, for its events.
    pub host: Arc<str>,
}

impl Default for SchedulerConfig {
    fn default() -> Self {
        SchedulerConfig { cycle: Latency([400, 700, 1_000, 1_500, 3_000]), host: "docker-desktop".into() }
    }
}

/// What an answer is about.
#[derive(Clone, Debug)]
enum Asked {
    Bind { pod: Arc<Pod>, node: Arc<str> },
    Condition,
}

/// The scheduler.
#[derive(Clone, Debug)]
pub struct KubeScheduler {
    config: SchedulerConfig,
    manager: Arc<str>,
    component: Arc<str>,
    caches: Caches,
    nodes: BTreeMap<Arc<str>, NodeInfo>,
    placed: BTreeMap<String, Arc<str>>,
    queue: Queue,
    busy_until: SimTime,
    timers: TimerQueue<()>,
    asked: BTreeMap<u64, Asked>,
    next_token: u64,
    recorder: EventRecorder,
    bucket: TokenBucket,
    next_start: usize,
}

impl KubeScheduler {
    /// A scheduler that has seen nothing yet.
    pub fn new(config: SchedulerConfig) -> Self {
        KubeScheduler {
            manager: MANAGER.into(),
            component: "kube-scheduler".into(),
            caches: Caches::default(),
            nodes: BTreeMap::new(),
            placed: BTreeMap::new(),
            queue: Queue::default(),
            busy_until: SimTime(0),
            timers: TimerQueue::default(),
            asked: BTreeMap::new(),
            next_token: RECORDER_TOKEN + 1,
            recorder: EventRecorder::new("default-scheduler", MANAGER, Some(config.host.clone()), EventStyle::Series),
            bucket: TokenBucket::per_second(50, 100),
            next_start: 0,
            config,
        }
    }

    /// What it watches.
    pub fn watches(&self) -> Vec<Watch> {
        [Kind::Node, Kind::PersistentVolumeClaim, Kind::Pod].into_iter().map(|kind| Watch { kind, filter: WatchFilter::All }).collect()
    }

    /// Takes an input.
    pub fn handle(&mut self, input: Input, context: &mut Context<'_>) {
        match input {
            Input::Start => *self = KubeScheduler::new(self.config.clone()),
            Input::Watch(events) => events.iter().for_each(|e| self.on_event(e, context)),
            Input::Answer { token, answer } => self.on_answer(token, answer, context),
            Input::Wake => while self.timers.pop_due(context.now).is_some() {},
        }
        self.run(context);
        self.send_events(context);
    }

    /// When it must be woken.
    pub fn next_wake(&self) -> Option<SimTime> {
        self.timers.next()
    }

    fn on_event(&mut self, event: &WatchEvent, context: &Context<'_>) {
        let seen = self.caches.apply(event);
        match &seen.object {
            Object::Pod(pod) => self.on_pod(event.change, pod, context),
            Object::Node(node) => self.on_node(event.change, node, context),
            Object::PersistentVolumeClaim(_) => self.queue.something_changed(context.now, |w| w.rejected_by("VolumeBinding")),
            _ => {}
        }
    }

    fn on_pod(&mut self, change: ChangeType, pod: &Arc<Pod>, context: &Context<'_>) {
        let uid = uid_of(pod);
        let node = pod.spec.as_ref().and_then(|s| s.node_name.as_deref()).filter(|n| !n.is_empty());
        let over = matches!(pod.status.as_ref().and_then(|s| s.phase.as_deref()), Some("Succeeded" | "Failed"));
        match node {
            Some(node) if change != ChangeType::Deleted && !over => {
                self.queue.remove(&uid);
                self.place(&uid, pod, &node.into());
            }
            Some(_) => {
                self.unplace(&uid);
                self.queue.something_changed(context.now, |w| w.rejected_by("NodeResourcesFit") || w.rejected_by("NodePorts"));
            }
            None if change == ChangeType::Deleted => {
                self.queue.remove(&uid);
                self.unplace(&uid);
            }
            None if is_ours(pod) && !self.placed.contains_key(&uid) => {
                let gated = pod.spec.as_ref().and_then(|s| s.scheduling_gates.as_ref()).is_some_and(|g| !g.is_empty());
                self.queue.add(&uid, pod.clone(), gated, context.now, context.cause);
            }
            None => {}
        }
    }

    fn on_node(&mut self, change: ChangeType, node: &Arc<Node>, context: &Context<'_>) {
        let name: Arc<str> = node.metadata.name.as_deref().unwrap_or_default().into();
        if change == ChangeType::Deleted {
            self.nodes.remove(&name);
            return;
        }
        match self.nodes.get_mut(&name) {
            Some(info) => info.set_node(node.clone()),
            None => {
                let mut info = NodeInfo::new(node.clone());
                for pod in self.caches.pods_on_node(&name) {
                    info.add(pod);
                    self.placed.insert(uid_of(pod), name.clone());
                }
                self.nodes.insert(name, info);
            }
        }
        self.queue.something_changed(context.now, |_| true);
    }

    fn place(&mut self, uid: &str, pod: &Arc<Pod>, node: &Arc<str>) {
        if self.placed.get(uid) == Some(node) {
            return;
        }
        self.unplace(uid);
        if let Some(info) = self.nodes.get_mut(node) {
            info.add(pod);
            self.placed.insert(uid.to_owned(), node.clone());
        }
    }

    fn unplace(&mut self, uid: &str) {
        if let Some(node) = self.placed.remove(uid) {
            if let Some(info) = self.nodes.get_mut(&node) {
                info.remove(uid);
            }
        }
    }

    /// Places pods as long as one is ready and the scheduler is not busy with the one before.
    fn run(&mut self, context: &mut Context<'_>) {
        self.queue.release_due(context.now);
        while self.busy_until <= context.now {
            let Some(waiting) = self.queue.pop() else { break };
            self.busy_until = context.now.plus(self.config.cycle.draw(context.random));
            let before = std::mem::replace(&mut context.cause, waiting.cause);
            self.schedule(waiting, context);
            context.cause = before;
        }
        if self.queue.has_ready() {
            self.timers.add(self.busy_until.max(context.now), ());
        }
        if let Some(at) = self.queue.next_due() {
            self.timers.add(at.max(context.now), ());
        }
    }

    fn schedule(&mut self, mut waiting: Waiting, context: &mut Context<'_>) {
        let pod = waiting.pod.clone();
        if pod.metadata.deletion_timestamp.is_some() {
            return;
        }
        let mut decision = SchedulingDecision { pod: path_of(&pod), ..Default::default() };
        let claims = self.claim_problem(&pod);
        let feasible = if claims.is_none() { self.filter(&pod, &mut decision) } else { vec![] };
        match self.best(&pod, &feasible, &mut decision) {
            Some(node) => {
                decision.chosen = Some(node.clone());
                decision.message = format!("{} of {} nodes can take it; {node} is best", feasible.len(), self.nodes.len());
                context.cause = context.record(&self.component, What::Scheduled(Arc::new(decision)));
                self.place(&uid_of(&pod), &pod, &node);
                self.bind(&pod, &node, context);
            }
            None => {
                let message = messages::unschedulable(self.nodes.len(), claims.as_deref(), &decision.nodes);
                waiting.rejectors = decision.nodes.iter().filter_map(|n| n.rejected.as_ref().map(|r| r.0.to_string())).collect();
                if claims.is_some() {
                    waiting.rejectors.insert("VolumeBinding".into());
                }
                decision.message = message.clone();
                context.cause = context.record(&self.component, What::Scheduled(Arc::new(decision)));
                self.refuse(waiting, message, context);
            }
        }
    }

    /// Why the pod's claims keep it from any node.
    fn claim_problem(&self, pod: &Pod) -> Option<String> {
        let spec = pod.spec.as_ref()?;
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        for source in spec.volumes.iter().flatten().filter_map(|v| v.persistent_volume_claim.as_ref()) {
            let name = &source.claim_name;
            let Some(claim) = self.caches.object(Kind::PersistentVolumeClaim, namespace, name).and_then(PersistentVolumeClaim::from_object)
            else {
                return Some(format!("persistentvolumeclaim \"{name}\" not found"));
            };
            if claim.metadata.deletion_timestamp.is_some() {
                return Some(format!("persistentvolumeclaim \"{name}\" is being deleted"));
            }
            if claim.spec.as_ref().and_then(|s| s.volume_name.as_deref()).unwrap_or_default().is_empty() {
                return Some("pod has unbound immediate PersistentVolumeClaims".into());
            }
        }
        None
    }

    /// The nodes that can take the pod. In large clusters looking stops when enough are found.
    fn filter(&mut self, pod: &Pod, decision: &mut SchedulingDecision) -> Vec<Arc<str>> {
        let count = self.nodes.len();
        let wanted = if count < ALL_NODES_BELOW {
            count
        } else {
            let percent = 50_usize.saturating_sub(count / 125).max(5);
            (count * percent / 100).max(ALL_NODES_BELOW)
        };
        let facts = plugins::PodFacts::of(pod);
        let mut feasible = Vec::new();
        let mut looked_at = 0;
        let start = if count == 0 { 0 } else { self.next_start % count };
        for (name, info) in self.nodes.iter().skip(start).chain(self.nodes.iter().take(start)) {
            looked_at += 1;
            match plugins::filter(&facts, pod, info) {
                None => feasible.push(name.clone()),
                Some((plugin, reasons)) => {
                    decision.nodes.push(NodeVerdict { node: name.clone(), rejected: Some((plugin.into(), reasons)), scores: vec![] });
                }
            }
            if feasible.len() >= wanted {
                break;
            }
        }
        self.next_start = if count == 0 { 0 } else { (start + looked_at) % count };
        feasible
    }

    fn best(&self, pod: &Pod, feasible: &[Arc<str>], decision: &mut SchedulingDecision) -> Option<Arc<str>> {
        if feasible.len() <= 1 {
            decision.nodes.extend(feasible.iter().map(|n| NodeVerdict { node: n.clone(), ..Default::default() }));
            return feasible.first().cloned();
        }
        let facts = plugins::PodFacts::of(pod);
        let infos: Vec<&NodeInfo> = feasible.iter().filter_map(|n| self.nodes.get(n)).collect();
        let scores = plugins::score(&facts, pod, &infos, self.nodes.len());
        let mut best: Option<(i64, usize)> = None;
        for (index, scores) in scores.iter().enumerate() {
            let total = scores.iter().map(|(_, score, weight)| score * weight).sum();
            if best.is_none_or(|(most, _)| total > most) {
                best = Some((total, index));
            }
            if index < VERDICTS_MAX {
                let scores = scores.iter().map(|(name, score, weight)| ((*name).into(), *score, *weight)).collect();
                decision.nodes.push(NodeVerdict { node: feasible[index].clone(), rejected: None, scores });
            }
        }
        best.map(|(_, index)| feasible[index].clone())
    }

    fn bind(&mut self, pod: &Arc<Pod>, node: &Arc<str>, context: &mut Context<'_>) {
        let key = ObjectKey::new(
            Kind::Pod,
            pod.metadata.namespace.as_deref().unwrap_or_default(),
            pod.metadata.name.as_deref().unwrap_or_default(),
        );
        let verb = Verb::Bind { pod: key, uid: uid_of(pod), node: node.clone() };
        self.ask(Asked::Bind { pod: pod.clone(), node: node.clone() }, verb, context);
    }

    fn refuse(&mut self, waiting: Waiting, message: String, context: &mut Context<'_>) {
        let pod = waiting.pod.clone();
        let about = ObjectReference::to(&Object::Pod(pod.clone()));
        let draft = EventDraft { action: "Scheduling", ..EventDraft::warning(about, "FailedScheduling", message.clone()) };
        self.recorder.tell(context.now, &draft, None, context.cause);
        let condition = PodCondition {
            type_: "PodScheduled".into(),
            status: "False".into(),
            reason: Some("Unschedulable".into()),
            message: Some(message),
            last_transition_time: Some(context.now.to_time()),
            observed_generation: pod.metadata.generation,
            ..Default::default()
        };
        if !has_condition(&pod, &condition) {
            let key = ObjectKey::new(
                Kind::Pod,
                pod.metadata.namespace.as_deref().unwrap_or_default(),
                pod.metadata.name.as_deref().unwrap_or_default(),
            );
            let patch = Patch::Typed(TypedPatch::PodConditions(vec![condition]));
            self.ask(Asked::Condition, Verb::Patch { key, part: Part::Status, patch }, context);
        }
        self.queue.put_back(waiting, context.now);
    }

    fn ask(&mut self, asked: Asked, verb: Verb, context: &mut Context<'_>) {
        let token = self.next_token;
        self.next_token += 1;
        self.asked.insert(token, asked);
        let at = self.bucket.reserve(context.now.max(self.busy_until));
        context.request_at(at, token, Request::new(&self.manager, verb));
    }

    fn on_answer(&mut self, token: u64, answer: Answer, context: &mut Context<'_>) {
        if token == RECORDER_TOKEN {
            return self.recorder.answered();
        }
        let Some(Asked::Bind { pod, node }) = self.asked.remove(&token) else { return };
        match answer {
            Ok(_) => {
                let text = format!("Successfully assigned {} to {node}", path_of(&pod));
                let draft =
                    EventDraft { action: "Binding", ..EventDraft::normal(ObjectReference::to(&Object::Pod(pod)), "Scheduled", text) };
                self.recorder.tell(context.now, &draft, None, context.cause);
            }
            Err(_) => {
                let uid = uid_of(&pod);
                self.unplace(&uid);
                let known = self.caches.object(
                    Kind::Pod,
                    pod.metadata.namespace.as_deref().unwrap_or_default(),
                    pod.metadata.name.as_deref().unwrap_or_default(),
                );
                if let Some(Object::Pod(current)) = known.filter(|o| o.uid() == uid) {
                    self.queue.put_back(Waiting::new(&uid, current.clone(), context.now, context.cause), context.now);
                }
            }
        }
    }

    fn send_events(&mut self, context: &mut Context<'_>) {
        if let Some((request, cause)) = self.recorder.next_request() {
            let before = std::mem::replace(&mut context.cause, cause);
            context.request(RECORDER_TOKEN, request);
            context.cause = before;
        }
    }
}

fn is_ours(pod: &Pod) -> bool {
    pod.spec.as_ref().and_then(|s| s.scheduler_name.as_deref()).unwrap_or("default-scheduler") == "default-scheduler"
}

fn uid_of(pod: &Pod) -> String {
    pod.metadata.uid.clone().unwrap_or_default()
}

fn path_of(pod: &Pod) -> String {
    format!("{}/{}", pod.metadata.namespace.as_deref().unwrap_or_default(), pod.metadata.name.as_deref().unwrap_or_default())
}

fn has_condition(pod: &Pod, wanted: &PodCondition) -> bool {
    let found = pod.status.iter().flat_map(|s| s.conditions.iter().flatten()).find(|c| c.type_ == wanted.type_);
    found.is_some_and(|c| c.status == wanted.status && c.reason == wanted.reason && c.message == wanted.message)
}
