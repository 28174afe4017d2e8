//! What every room sees of the hallway: inputs that arrive, and wishes that are left in the outbox.
//! A component is plain data. It gets an input and the time, changes itself, and leaves its wishes; the hallway delivers
//! them, late where a link is slow. No component knows another.

use std::sync::Arc;

use sim_apimachinery::{Answer, Kind, Object, Request};

use crate::random::Random;
use crate::time::SimTime;
use crate::trace::{StepId, Trace, What};

/// What happened to an object, as a watch tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeType {
    /// It appeared (to this watcher).
    Added,
    /// It changed.
    Modified,
    /// It is gone; the object is its last state, with the revision of the deletion.
    Deleted,
}

/// One event of a watch.
#[derive(Clone, Debug)]
pub struct WatchEvent {
    /// What happened.
    pub change: ChangeType,
    /// The object after it (or its last state).
    pub object: Object,
    /// The store's revision of the change.
    pub revision: u64,
}

/// Which objects of a kind a watch tells of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WatchFilter {
    /// All.
    All,
    /// Pods with this `spec.nodeName`.
    OnNode(Arc<str>),
    /// The object of this name.
    Named(Arc<str>),
    /// The objects of every kind that a CustomResourceDefinition makes; the watch's own kind is that of the definitions.
    Custom,
}

/// One watch a component holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Watch {
    /// Of which kind.
    pub kind: Kind,
    /// Which of them.
    pub filter: WatchFilter,
}

/// Something that arrives at a component.
#[derive(Clone, Debug)]
pub enum Input {
    /// The component starts (again): it knows nothing but what it is told from now on.
    Start,
    /// A watch tells of changes, in order; many at once when a link was slow or the watch begins.
    Watch(Vec<WatchEvent>),
    /// The API server answered the request that carried this token.
    Answer { token: u64, answer: Answer },
    /// A moment the component asked to be woken at has come.
    Wake,
}

/// Something a component wants the hallway to do.
#[derive(Clone, Debug)]
pub enum Wish {
    /// Send a request to the API server, leaving at `at` (client-side rate limits make it later than now).
    Request { at: SimTime, token: u64, request: Request, cause: StepId },
    /// Answer what the main program of a container asks the network.
    Network { namespace: String, pod: String, container: String, cause: StepId },
}

/// What a component is given with every input.
pub struct Context<'a> {
    /// The time.
    pub now: SimTime,
    /// Why it is running: the step that led to this input.
    pub cause: StepId,
    /// The component's own stream of chance.
    pub random: &'a mut Random,
    /// Where its wishes go.
    pub outbox: &'a mut Vec<Wish>,
    /// Where what it did is told.
    pub trace: &'a mut Trace,
}

impl Context<'_> {
    /// Sends a request now.
    pub fn request(&mut self, token: u64, request: Request) {
        self.request_at(self.now, token, request);
    }

    /// Sends a request at a moment not before now.
    pub fn request_at(&mut self, at: SimTime, token: u64, request: Request) {
        assert!(at >= self.now, "a request cannot leave in the past");
        self.outbox.push(Wish::Request { at, token, request, cause: self.cause });
    }

    /// Tells the trace what was done, caused by what made the component run.
    pub fn record(&mut self, component: &Arc<str>, what: What) -> StepId {
        self.trace.push(self.now, component, self.cause, what)
    }
}

/// What one running container uses, as its kubelet tells the metrics server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The pod's namespace.
    pub namespace: Arc<str>,
    /// The pod's name.
    pub pod: Arc<str>,
    /// The container's name.
    pub container: Arc<str>,
    /// CPU in billionths of a core.
    pub cpu_nano_cores: u64,
    /// Memory in use.
    pub memory_bytes: u64,
}
