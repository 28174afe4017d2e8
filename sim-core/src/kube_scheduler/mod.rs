//! kube-scheduler: finds a node for every pod that has none. Pods come out of the queue one at a time; each is filtered
//! and scored against the nodes in the cache, assumed on the best one at once, and bound while the next is looked at.
//! Every try is told to the trace with the verdict of each node.
//! Simplified: a cycle looks at the cache as it is when it begins, and what it decides leaves when it ends.
//! Not modelled: leader election, several profiles, and what the files of this room name.

pub mod binding;
pub mod cache;
pub mod config;
pub mod counts;
pub mod cycle;
pub mod event_handlers;
pub mod failure;
pub mod framework;
pub mod hints;
pub mod messages;
pub mod node_info;
pub mod plugins;
pub mod pod_info;
pub mod preemption;
pub mod queue;
pub mod resources;
pub mod selectors;
pub mod topology;
pub mod verdicts;

use std::collections::BTreeMap;
use std::sync::Arc;

use sim_apimachinery::{Answer, Kind, ObjectKey, Request, Verb};

use self::binding::Binding;
use self::cache::SchedulerCache;
pub use self::config::SchedulerConfig;
use self::pod_info::PodInfo;
use self::queue::SchedulingQueue;
use crate::client_go::rate_limit::TokenBucket;
use crate::client_go::{EventDraft, EventRecorder, EventStyle};
use crate::component::{Context, Input, Watch, WatchFilter};
use crate::time::SimTime;
use crate::trace::StepId;

const NAME: &str = "kube-scheduler";
/// The token of the event recorder's requests.
const RECORDER_TOKEN: u64 = 0;
/// What it watches; pods come last, so that at a start everything else is known when the first pod is looked at.
const WATCHED: [Kind; 13] = [
    Kind::Namespace,
    Kind::Service,
    Kind::ReplicationController,
    Kind::ReplicaSet,
    Kind::StatefulSet,
    Kind::PodDisruptionBudget,
    Kind::StorageClass,
    Kind::PersistentVolume,
    Kind::PersistentVolumeClaim,
    Kind::CSINode,
    Kind::PriorityClass,
    Kind::Node,
    Kind::Pod,
];

/// Whose answer a request waits for.
#[derive(Clone, Debug)]
enum Asked {
    /// Of a pod's binding; the uid tells it from another pod of the same name.
    Binding(ObjectKey, Arc<str>),
    /// Of the mark on a victim of a pod's preemption.
    Marked(ObjectKey, Arc<PodInfo>),
    /// Of the deletion of such a victim.
    Deleted(ObjectKey, Arc<PodInfo>),
    /// Nobody's: the outcome does not matter.
    Nothing,
}

/// The scheduler.
#[derive(Clone, Debug)]
pub struct KubeScheduler {
    config: SchedulerConfig,
    component: Arc<str>,
    cache: SchedulerCache,
    queue: SchedulingQueue,
    bindings: BTreeMap<ObjectKey, Binding>,
    preemptions: BTreeMap<ObjectKey, preemption::Execution>,
    recorder: EventRecorder,
    client: TokenBucket,
    event_client: TokenBucket,
    asked: BTreeMap<u64, Asked>,
    next_token: u64,
    busy_until: SimTime,
    next_start: usize,
}

impl KubeScheduler {
    /// A scheduler that knows nothing yet.
    pub fn new(config: SchedulerConfig) -> Self {
        let (qps, burst) = config.client_qps;
        let host = Some(config.host.clone());
        KubeScheduler {
            component: NAME.into(),
            cache: SchedulerCache::default(),
            queue: SchedulingQueue::new(config.pod_backoff),
            bindings: BTreeMap::new(),
            preemptions: BTreeMap::new(),
            recorder: EventRecorder::new(&config.scheduler_name, NAME, host, EventStyle::Series),
            client: TokenBucket::per_second(qps, burst),
            event_client: TokenBucket::per_second(qps, burst),
            asked: BTreeMap::new(),
            next_token: RECORDER_TOKEN + 1,
            busy_until: SimTime(0),
            next_start: 0,
            config,
        }
    }

    /// What it wants to be told of.
    pub fn watches(&self) -> Vec<Watch> {
        WATCHED.iter().map(|kind| Watch { kind: *kind, filter: WatchFilter::All }).collect()
    }

    /// Takes an input.
    pub fn handle(&mut self, input: Input, context: &mut Context<'_>) {
        match input {
            Input::Start => *self = KubeScheduler { next_token: self.next_token, ..KubeScheduler::new(self.config.clone()) },
            Input::Watch(events) => events.iter().for_each(|event| self.on_watch_event(event, context)),
            Input::Answer { token, answer } => self.on_answer(token, answer, context),
            Input::Wake => {}
        }
        self.give_up_bindings(context);
        self.queue.release_due(context.now);
        while self.queue.has_next() && self.busy_until <= context.now {
            self.schedule_one(context);
        }
        self.send_events(context);
    }

    /// When it must be woken.
    pub fn next_wake(&self) -> Option<SimTime> {
        let next_pod = self.queue.has_next().then_some(self.busy_until);
        let binding = self.bindings.values().filter_map(Binding::deadline).min();
        [next_pod, self.queue.next_due(), binding].into_iter().flatten().min()
    }

    /// What it knows (for checks and views).
    pub fn cache(&self) -> &SchedulerCache {
        &self.cache
    }

    fn schedule_one(&mut self, context: &mut Context<'_>) {
        let Some(key) = self.queue.pop() else { return };
        let Some(queued) = self.queue.get(&key).cloned() else { return };
        let pod = queued.info.clone();
        if pod.is_terminating() || self.cache.placement(&key).is_some() {
            return self.skip(&pod, context);
        }
        context.cause = queued.cause;
        let found = cycle::search(&pod, &mut self.cache, &self.queue, &self.config, &mut self.next_start);
        self.busy_until = context.now.plus(self.config.cycle.draw(context.random));
        match found.chosen {
            Some(slot) => self.assume_and_bind(&queued, &found, slot, context),
            None => self.fail_to_fit(&queued, &found, context),
        }
    }

    /// A pod that is being deleted is not placed; one that is placed already only leaves the queue.
    fn skip(&mut self, pod: &PodInfo, context: &mut Context<'_>) {
        if pod.is_terminating() {
            let text = format!("skip schedule deleting pod: {}", pod.key.path());
            let about = failure::reference_to(pod);
            let event = EventDraft { action: "Scheduling", ..EventDraft::warning(about, "FailedScheduling", text) };
            self.recorder.tell(context.now, &event, None, context.cause);
        }
        self.queue.remove(&pod.key);
    }

    fn on_answer(&mut self, token: u64, answer: Answer, context: &mut Context<'_>) {
        if token == RECORDER_TOKEN {
            return self.recorder.answered();
        }
        match self.asked.remove(&token) {
            Some(Asked::Binding(key, uid)) => self.on_binding_answer(&key, &uid, answer, context),
            Some(Asked::Marked(key, victim)) => self.on_marked(&key, victim, context),
            Some(Asked::Deleted(key, victim)) => self.on_deleted(&key, &victim, answer.is_ok(), context),
            Some(Asked::Nothing) | None => {}
        }
    }

    /// Sends a request when the client's rate allows, not before `at`; says when it leaves.
    fn ask(&mut self, at: SimTime, asked: Asked, verb: Verb, cause: StepId, context: &mut Context<'_>) -> SimTime {
        let token = self.next_token;
        self.next_token += 1;
        self.asked.insert(token, asked);
        let at = self.client.reserve(at.max(context.now));
        let before = std::mem::replace(&mut context.cause, cause);
        context.request_at(at, token, Request::new(&self.component, verb));
        context.cause = before;
        at
    }

    fn send_events(&mut self, context: &mut Context<'_>) {
        if let Some((request, cause)) = self.recorder.next_request() {
            let at = self.event_client.reserve(context.now);
            let before = std::mem::replace(&mut context.cause, cause);
            context.request_at(at, RECORDER_TOKEN, request);
            context.cause = before;
        }
    }
}

#[cfg(test)]
mod tests;
