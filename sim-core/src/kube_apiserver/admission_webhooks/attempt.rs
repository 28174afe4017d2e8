//! A request that webhooks are asked about, from its first attempt to its last.
//! The API server does no IO. A request goes on until it needs the answer of a webhook that is not known; then nothing of it
//! has happened, whoever serves it makes the calls, and the request is done again with the answers. Each attempt draws the
//! same names and uids. What a webhook said of an object that has changed since then does not count: it is asked again.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sim_apimachinery::{Answer, Kind, Reason, Request, Status, Verb};

use super::{Phase, WebhookCall};
use crate::etcd::Etcd;
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
pub struct Answers {
    known: Vec<WebhookAnswer>,
    /// Calls to make before the request can go on.
    pub open: Vec<WebhookCall>,
}

impl Answers {
    /// Adds what a webhook said.
    pub fn add(&mut self, answer: WebhookAnswer) {
        self.known.push(answer);
    }

    /// The answer to a question, if it was given and still counts.
    pub fn find(&self, key: &str, version: &str) -> Option<&WebhookAnswer> {
        self.known.iter().rev().find(|a| a.asked.key == key && a.asked.version == version)
    }

    /// All answers, the last first.
    pub fn known(&self) -> impl Iterator<Item = &WebhookAnswer> {
        self.known.iter().rev()
    }
}

/// The API server as it was before an attempt, but for the store, which undoes its changes one by one.
struct Before {
    rest: ApiServer,
    revision: u64,
}

impl ApiServer {
    /// Answers a request, or says which webhooks must be called before it can be answered.
    pub fn serve_asking(&mut self, now: SimTime, request: Request, attempt: &mut Attempt, cause: StepId, trace: &mut Trace) -> Served {
        let (kind, reads) = kind_of(&request.verb);
        if !kind.is_some_and(|kind| self.converts(kind) || !reads && self.may_concern_webhooks(kind)) {
            let (answer, warnings) = self.serve(now, request, cause, trace);
            return Served::Done(answer, warnings);
        }
        let (before, steps) = ((!reads).then(|| self.before()), trace.len());
        let is_first = attempt.random.is_none();
        let drawn = attempt.random.get_or_insert_with(|| self.random.clone()).clone();
        let main = std::mem::replace(&mut self.random, drawn);
        let answers = Answers { known: attempt.answers.clone(), open: vec![] };
        let (answer, warnings, open) = self.serve_with(now, request, answers, cause, trace);
        let used = std::mem::replace(&mut self.random, main);
        if !open.is_empty() {
            before.into_iter().for_each(|before| self.undo(before));
            trace.truncate(steps);
        }
        if is_first && !reads {
            // What the first attempt drew nobody else may draw.
            self.random = used;
        }
        if open.is_empty() { Served::Done(answer, warnings) } else { Served::Asks(open) }
    }

    /// What an attempt may change besides the store, which is small: it does not grow with the number of pods.
    fn before(&self) -> Before {
        let rest = ApiServer {
            etcd: Etcd::default(),
            ownership: Default::default(),
            services: self.services.clone(),
            bindings: self.bindings.clone(),
            random: self.random.clone(),
            custom: self.custom.clone(),
            policies: self.policies.clone(),
            upkeep: self.upkeep.clone(),
        };
        Before { rest, revision: self.etcd.revision() }
    }

    /// Lets an attempt not have happened.
    fn undo(&mut self, before: Before) {
        let mut etcd = std::mem::take(&mut self.etcd);
        let mut ownership = std::mem::take(&mut self.ownership);
        ownership.forget(&etcd.undo_to(before.revision), before.revision);
        // What was drawn stays drawn: the caller says how random numbers go on.
        let random = std::mem::replace(&mut self.random, before.rest.random.clone());
        *self = ApiServer { etcd, ownership, random, ..before.rest };
    }

    /// Whether any webhooks are configured, of admission or of conversion.
    pub fn has_webhooks(&self) -> bool {
        self.has_admission_webhooks() || self.custom.has_converters()
    }

    pub(super) fn has_admission_webhooks(&self) -> bool {
        self.etcd.count(Kind::MutatingWebhookConfiguration) + self.etcd.count(Kind::ValidatingWebhookConfiguration) > 0
    }

    /// Whether a conversion webhook might have to be asked about objects of this kind, or before its definition goes.
    fn converts(&self, kind: Kind) -> bool {
        self.custom.has_converters()
            && (kind == Kind::CustomResourceDefinition || self.resource_of(kind).is_some_and(|r| r.definition().converter.is_some()))
    }

    /// Whether a webhook might have to be asked about a write of this kind.
    fn may_concern_webhooks(&self, kind: Kind) -> bool {
        if !self.has_admission_webhooks() {
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

/// The kind a request is about, and whether it only reads.
fn kind_of(verb: &Verb) -> (Option<Kind>, bool) {
    match verb {
        Verb::Create { object } | Verb::Update { object, .. } => (Some(object.kind()), false),
        Verb::Patch { key, .. } | Verb::Delete { key, .. } | Verb::UpdateScale { key, .. } => (Some(key.kind), false),
        Verb::DeleteCollection { kind, .. } => (Some(*kind), false),
        Verb::Evict { .. } | Verb::Bind { .. } => (Some(Kind::Pod), false),
        Verb::Connect { key, .. } => (Some(key.kind), false),
        Verb::Get { key } | Verb::GetScale { key } => (Some(key.kind), true),
        Verb::List { kind, .. } => (Some(*kind), true),
        Verb::PodMetrics { .. } | Verb::ReviewAccess { .. } => (None, true),
    }
}

/// What ends an attempt whose webhooks must be called first; no client sees it.
pub fn unanswered() -> Box<Status> {
    Box::new(Status::new(Reason::InternalError, "Internal error occurred: webhooks must be called first"))
}
