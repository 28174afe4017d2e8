//! What happened, when, and what caused it.
//! Every step has a cause, so a chain of causes ends at a scenario line or a user's request. Object states are not copied
//! here: a change names its revision, and the store keeps the history.

pub mod recording;

use std::sync::Arc;

use sim_apimachinery::{ObjectKey, Status};

use crate::time::SimTime;

/// Names a step of the trace; 0 is the beginning of the world.
pub type StepId = u32;

/// The step everything begins with.
pub const BEGINNING: StepId = 0;

/// One step.
#[derive(Clone, Debug)]
pub struct Step {
    /// When.
    pub time: SimTime,
    /// Which component, such as `kube-scheduler` or `replicaset-controller`.
    pub component: Arc<str>,
    /// The step that led to it.
    pub cause: StepId,
    /// What was done.
    pub what: What,
}

/// Everything that can be told.
#[derive(Clone, Debug)]
pub enum What {
    /// The world began.
    Began,
    /// A user (or a scenario line) did something; `line` is its line in the scenario file, 0 if none.
    Action { text: Arc<str>, line: u32 },
    /// What the user got for it.
    ActionDone { text: Arc<str>, exit: i32, output: String },
    /// An object changed in the store.
    Change { key: ObjectKey, revision: u64 },
    /// The API server refused a request.
    Refused { request: String, status: Box<Status> },
    /// A controller looked at an object and decided; `reasons` say why, one for each thing it asks for.
    Reconciled { key: ObjectKey, decision: Arc<str>, reasons: Vec<String> },
    /// The scheduler tried to place a pod.
    Scheduled(Arc<SchedulingDecision>),
    /// A kubelet did something to a container or pod.
    Node { key: ObjectKey, text: Arc<str> },
    /// An HTTP request of simulated traffic is over: who asked, which pod it reached, and its fate. `latency` is in nanoseconds.
    Http { from: Arc<str>, to: Arc<str>, path: Arc<str>, status: u16, latency: u64, error: Option<Arc<str>> },
    /// A fault began or ended.
    Fault { text: Arc<str> },
    /// Anything else worth telling about an object.
    Note { key: Option<ObjectKey>, text: Arc<str> },
}

/// How the scheduler judged each node for a pod: filters, scores, and the choice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SchedulingDecision {
    /// `namespace/name` of the pod.
    pub pod: String,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// How many nodes the cluster has.
    pub nodes_total: u32,
    /// How many of them were looked at.
    pub nodes_examined: u32,
    /// How many of those could take the pod.
    pub nodes_feasible: u32,
    /// What each node came to, in the order they were looked at; in a large cluster only the best few.
    pub nodes: Vec<NodeVerdict>,
    /// Pods (`namespace/name`) that are to be removed to make room, and on which node.
    pub preemption: Option<(Arc<str>, Vec<String>)>,
    /// The node chosen, if any.
    pub chosen: Option<Arc<str>>,
    /// The message of the failure, or of the choice.
    pub message: String,
}

/// What one node came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeVerdict {
    /// The node.
    pub node: Arc<str>,
    /// The plugin that rejected it, and its reasons.
    pub rejected: Option<(&'static str, Vec<String>)>,
    /// Per scoring plugin: name, normalised score 0..=100, weight.
    pub scores: Vec<(&'static str, i64, i64)>,
}

/// All steps so far.
#[derive(Clone, Debug)]
pub struct Trace {
    steps: Vec<Arc<Step>>,
}

impl Trace {
    /// A trace that begins now.
    pub fn new(now: SimTime) -> Trace {
        let began = Step { time: now, component: "world".into(), cause: BEGINNING, what: What::Began };
        Trace { steps: vec![Arc::new(began)] }
    }

    /// Adds a step and names it.
    pub fn push(&mut self, time: SimTime, component: &Arc<str>, cause: StepId, what: What) -> StepId {
        let id = self.steps.len() as StepId;
        assert!(cause < id, "a cause comes before its effect");
        self.steps.push(Arc::new(Step { time, component: component.clone(), cause, what }));
        id
    }

    /// Forgets the steps after the first so many: what they told of did not happen after all.
    pub fn truncate(&mut self, steps: usize) {
        self.steps.truncate(steps.max(1));
    }

    /// A step by its name.
    pub fn step(&self, id: StepId) -> Option<&Step> {
        self.steps.get(id as usize).map(|s| &**s)
    }

    /// All steps in order.
    pub fn steps(&self) -> impl DoubleEndedIterator<Item = (StepId, &Step)> {
        self.steps.iter().enumerate().map(|(i, s)| (i as StepId, &**s))
    }

    /// How many steps there are.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Never: the beginning is always there.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The chain of causes of a step, the step itself first, the beginning last.
    pub fn causes(&self, id: StepId) -> Vec<StepId> {
        let mut chain = vec![id];
        let mut at = id;
        while at != BEGINNING {
            at = self.step(at).map_or(BEGINNING, |s| s.cause);
            chain.push(at);
        }
        chain
    }
}
