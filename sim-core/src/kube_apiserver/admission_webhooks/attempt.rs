//! A request that webhooks are asked about, from its first attempt to its last.
//! The API server does no IO. A request goes on until it needs the answer of a webhook that is not known; then nothing of it
//! has happened, whoever serves it makes the calls, and the request is done again with the answers. Each attempt draws the
//! same names and uids. What a webhook said of an object that has changed since then does not count: it is asked again.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sim_apimachinery::{Answer, Kind, Reason, Request, Status, Verb};

use super::{Phase, WebhookCall};
use crate::kube_apiserver::ApiServer;
use crate::random::Random;
use crate::time::SimTime;
use crate::trace::{StepId, Trace};

/// What a webhook was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Which webhook, in which phase and round.
    pub key: String,
    /// The uid of the question.
    pub uid: String,
    /// The resourceVersion of the object there was; empty if there was none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WebhookAnswer {
    /// The question.
    pub asked: Asked,
    /// The body of the answer, or why there is none, as `failed to call webhook` tells it.
    pub body: Result<Value, String>,
}

/// What is known of a request besides itself when it is tried again.
#[derive(Clone, Debug, Default)]
pub struct Attempt {
    answers: Vec<WebhookAnswer>,
    random: Option<Random>,
}

impl Attempt {
    /// Adds what a webhook said.
    pub fn add(&mut self, answer: WebhookAnswer) {
        self.answers.push(answer);
    }
}

/// What an attempt came to.
#[derive(Debug)]
pub enum Served {
    /// The answer, and what the user is warned of.
    Done(Answer, Vec<String>),
    /// Nothing has happened: these webhooks must be called first.
    Asks(Vec<WebhookCall>),
}

/// What a request in progress knows of webhooks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answers {
    known: Vec<WebhookAnswer>,
    /// Calls to make before the request can go on.
    pub open: Vec<WebhookCall>,
}

impl Answers {
    /// The answer to a question, if it was given and still counts.
    pub fn find(&self, key: &str, version: &str) -> Option<&WebhookAnswer> {
        self.known.iter().rev().find(|a| a.asked.key == key && a.asked.version == version)
    }
}

impl ApiServer {
    /// Answers a request, or says which webhooks must be called before it can be answered.
    pub fn serve_asking(&mut self, now: SimTime, request: Request, attempt: &mut Attempt, cause: StepId, trace: &mut Trace) -> Served {
        if !kind_of(&request.verb).is_some_and(|kind| self.may_concern_webhooks(kind)) {
            let (answer, warnings) = self.serve(now, request, cause, trace);
            return Served::Done(answer, warnings);
        }
        let (before, steps) = (self.clone(), trace.len());
        let is_first = attempt.random.is_none();
        let drawn = attempt.random.get_or_insert_with(|| before.random.clone()).clone();
        let main = std::mem::replace(&mut self.random, drawn);
        let answers = Answers { known: attempt.answers.clone(), open: vec![] };
        let (answer, warnings, open) = self.serve_with(now, request, answers, cause, trace);
        let used = std::mem::replace(&mut self.random, main);
        if !open.is_empty() {
            *self = before;
            trace.truncate(steps);
        }
        if is_first {
            // What the first attempt drew nobody else may draw.
            self.random = used;
        }
        if open.is_empty() { Served::Done(answer, warnings) } else { Served::Asks(open) }
    }

    /// Whether any webhooks are configured.
    pub fn has_webhooks(&self) -> bool {
        self.etcd.count(Kind::MutatingWebhookConfiguration) + self.etcd.count(Kind::ValidatingWebhookConfiguration) > 0
    }

    /// Whether a webhook might have to be asked about a write of this kind.
    fn may_concern_webhooks(&self, kind: Kind) -> bool {
        if !self.has_webhooks() {
            return false;
        }
        let plural = kind.resource().plural;
        let named = |resource: &String| resource.split('/').next().is_some_and(|r| r == "*" || r == plural);
        [Phase::Mutating, Phase::Validating]
            .into_iter()
            .flat_map(|phase| self.hooks(phase))
            .any(|hook| hook.rules.iter().flat_map(|rule| rule.resources.iter().flatten()).any(named))
    }
}

/// The kind a write is about; nothing for a read.
fn kind_of(verb: &Verb) -> Option<Kind> {
    match verb {
        Verb::Create { object } | Verb::Update { object, .. } => Some(object.kind()),
        Verb::Patch { key, .. } | Verb::Delete { key, .. } | Verb::UpdateScale { key, .. } => Some(key.kind),
        Verb::DeleteCollection { kind, .. } => Some(*kind),
        Verb::Evict { .. } => Some(Kind::Pod),
        _ => None,
    }
}

/// What ends an attempt whose webhooks must be called first; no client sees it.
pub fn unanswered() -> Box<Status> {
    Box::new(Status::new(Reason::InternalError, "Internal error occurred: webhooks must be called first"))
}
