//! What a reconcile returns: an ordered list of requests, each with its reason, and when to look again.
//! A plan sends nothing. The runtime sends it, one step at a time, and tells the trace why.

use std::sync::Arc;

use sim_apimachinery::{Object, Status, Verb};

use crate::time::Nanos;

/// The decision of one reconcile.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The decision in a few words, with its numbers; empty when there was nothing to decide.
    pub decision: String,
    /// What to do, in order.
    pub steps: Vec<Step>,
    /// What comes after.
    pub then: Then,
}

/// One step of a plan.
#[derive(Clone, Debug)]
pub enum Step {
    /// Send a request and wait for its answer.
    Ask(Ask),
    /// Send requests in batches of 1, 2, 4, …, each batch at once; after a failure the rest is left out (slow start).
    SlowStart(Vec<Ask>),
    /// Send requests all at once and wait for all.
    Together(Vec<Ask>),
    /// Tell an event; nobody waits for it.
    Tell(EventDraft),
}

/// One request of a plan.
#[derive(Clone, Debug)]
pub struct Ask {
    /// What is asked.
    pub verb: Verb,
    /// Why.
    pub reason: String,
    /// Which failures are no failure.
    pub tolerate: Tolerate,
    /// Events to tell when it succeeded.
    pub on_success: Vec<EventDraft>,
    /// Events to tell when it failed (and the failure is not tolerated).
    pub on_failure: Vec<EventDraft>,
}

impl Ask {
    /// A request with its reason; every failure counts, no events.
    pub fn new(verb: Verb, reason: impl Into<String>) -> Self {
        Ask { verb, reason: reason.into(), tolerate: Tolerate::Nothing, on_success: vec![], on_failure: vec![] }
    }

    /// With failures that are no failure.
    pub fn tolerating(mut self, tolerate: Tolerate) -> Self {
        self.tolerate = tolerate;
        self
    }

    /// With an event for success.
    pub fn telling(mut self, event: EventDraft) -> Self {
        self.on_success.push(event);
        self
    }

    /// With an event for failure.
    pub fn or_telling(mut self, event: EventDraft) -> Self {
        self.on_failure.push(event);
        self
    }
}

/// Failures that count as success.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tolerate {
    /// None.
    #[default]
    Nothing,
    /// The thing is gone already.
    NotFound,
    /// The thing is there already.
    AlreadyExists,
    /// The namespace is being deleted.
    NamespaceTerminating,
    /// Any.
    Anything,
}

impl Tolerate {
    /// Whether this failure is no failure.
    pub fn allows(self, status: &Status) -> bool {
        use sim_apimachinery::Reason;
        match self {
            Tolerate::Nothing => false,
            Tolerate::NotFound => status.reason == Reason::NotFound,
            Tolerate::AlreadyExists => status.reason == Reason::AlreadyExists,
            Tolerate::NamespaceTerminating => status.has_cause("NamespaceTerminating"),
            Tolerate::Anything => true,
        }
    }
}

/// What comes after a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Then {
    /// Done: the key's failures are forgotten.
    #[default]
    Forget,
    /// Done, and look again after this long.
    After(Nanos),
    /// Failed for this reason: look again after the back-off.
    Retry(String),
    /// Done, and look again after the limiter's delay without counting a failure (the autoscaler's fixed interval).
    Again,
    /// Not decided yet: `Controller::resume` goes on with the answers of this plan.
    Resume(u8),
}

impl Plan {
    /// Nothing to do.
    pub fn nothing() -> Self {
        Plan::default()
    }

    /// A failure without any request.
    pub fn retry(why: impl Into<String>) -> Self {
        Plan { then: Then::Retry(why.into()), ..Plan::default() }
    }

    /// Whether it asks and tells nothing.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Adds a request.
    pub fn ask(&mut self, ask: Ask) {
        self.steps.push(Step::Ask(ask));
    }

    /// Adds an event.
    pub fn tell(&mut self, event: EventDraft) {
        self.steps.push(Step::Tell(event));
    }
}

/// What an event is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectReference {
    /// `apps/v1`.
    pub api_version: String,
    /// `Deployment`.
    pub kind: String,
    /// Its namespace, empty in cluster scope.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Its uid.
    pub uid: String,
    /// Its resourceVersion as the teller saw it.
    pub resource_version: String,
    /// The part it is about, such as `spec.containers{web}`; empty for the whole.
    pub field_path: String,
}

impl ObjectReference {
    /// A reference to an object.
    pub fn to(object: &Object) -> Self {
        let metadata = object.metadata();
        ObjectReference {
            api_version: object.api_version(),
            kind: object.kind_name().to_owned(),
            namespace: object.namespace().into(),
            name: object.name().into(),
            uid: object.uid().to_owned(),
            resource_version: metadata.resource_version.clone().unwrap_or_default(),
            field_path: String::new(),
        }
    }
}

/// An event to be told.
#[derive(Clone, Debug)]
pub struct EventDraft {
    /// What it is about.
    pub about: ObjectReference,
    /// `Warning` rather than `Normal`.
    pub warning: bool,
    /// CamelCase reason.
    pub reason: &'static str,
    /// The text.
    pub message: MessageText,
    /// For new-style events: what was being done (`Binding`, `Scheduling`).
    pub action: &'static str,
    /// A second object (new-style events).
    pub related: Option<ObjectReference>,
}

/// The text of an event, part of which may be known only when the request it goes with is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageText {
    /// Known.
    Plain(String),
    /// This text and then the name of the object in the answer.
    ThenName(String),
    /// This text and then the message of the failure.
    ThenError(String),
}

impl EventDraft {
    /// A `Normal` event.
    pub fn normal(about: ObjectReference, reason: &'static str, message: impl Into<String>) -> Self {
        EventDraft { about, warning: false, reason, message: MessageText::Plain(message.into()), action: "", related: None }
    }

    /// A `Warning` event.
    pub fn warning(about: ObjectReference, reason: &'static str, message: impl Into<String>) -> Self {
        EventDraft { warning: true, ..EventDraft::normal(about, reason, message) }
    }

    /// With a text that ends in the answered object's name.
    pub fn then_name(mut self, before: impl Into<String>) -> Self {
        self.message = MessageText::ThenName(before.into());
        self
    }

    /// With a text that ends in the failure's message.
    pub fn then_error(mut self, before: impl Into<String>) -> Self {
        self.message = MessageText::ThenError(before.into());
        self
    }
}
