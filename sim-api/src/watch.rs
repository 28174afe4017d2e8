//! Watches over HTTP: a cursor into the store's history, and the frames that tell a client of each change.
//! A stream begins with what is there (at revision 0, none, or when initial events are asked for) or after a revision; each
//! event is one line of JSON. Source: apiserver/pkg/endpoints/handlers/watch.go, apiserver/pkg/storage/cacher.
//! Events of a custom resource that a webhook converts wait until it has answered: `calls` says what to ask it, `answered` takes
//! what it said. If it fails the client is told so, and the stream ends. Selectors look at objects as they are stored.
//! How long a stream lives is the server's business: `timeout_seconds` says what the client asked for.

use serde_json::{Value, json};
use sim_apimachinery::list_options::Selection;
use sim_apimachinery::{Kind, Object, Reason, Status};
use sim_core::cluster::Cluster;
use sim_core::component::ChangeType;
use sim_core::kube_apiserver::admission_webhooks::{Answers, WebhookAnswer, WebhookCall};

use crate::frontend::{Exchange, Outcome};
use crate::http::Answer;
use crate::negotiation::{Form, check_stream, negotiate};
use crate::respond::warning_headers;
use crate::served::Served;
use crate::verbs::{Shown, list_options};

/// One stream.
#[derive(Debug)]
pub struct Watch {
    kind: Kind,
    group: String,
    version: String,
    namespace: String,
    selection: Selection,
    shown: Shown,
    /// The revision up to which the client knows everything.
    cursor: u64,
    /// What is sent before anything else.
    first: Vec<u8>,
    /// What is to be told next.
    waiting: Vec<Waiting>,
    /// What conversion webhooks have said.
    answers: Answers,
    /// What they must be asked before more can be told.
    calls: Vec<WebhookCall>,
    ended: bool,
    /// Whether the client wants bookmarks.
    pub bookmarks: bool,
    /// How many seconds the client wants the stream to live, if it said so.
    pub timeout_seconds: Option<u64>,
    /// Values of the header `Warning`.
    pub warnings: Vec<String>,
}

/// Something to be told.
#[derive(Debug)]
enum Waiting {
    /// An event and the object as it is stored.
    Event(&'static str, Object),
    /// That all that was there at a revision has been told.
    InitialEnd(u64),
}

/// Begins a stream.
pub fn begin(exchange: &mut Exchange<'_>) -> Outcome<Answer> {
    let query = &exchange.query;
    let mut options = list_options(exchange)?;
    if !exchange.path.name.is_empty() {
        options.fields = format!("metadata.name={}", exchange.path.name);
    }
    let mut watch = Watch {
        kind: exchange.served.kind,
        group: exchange.served.group.to_owned(),
        version: exchange.served.version.to_owned(),
        namespace: exchange.path.namespace.clone(),
        selection: exchange.cluster.apiserver().selection(exchange.served.kind, &options, true)?,
        shown: Shown::new(negotiate(exchange.request)?.form, query.get("includeObject"))?,
        cursor: 0,
        first: vec![],
        waiting: vec![],
        answers: Answers::default(),
        calls: vec![],
        ended: false,
        bookmarks: query.flag("allowWatchBookmarks"),
        warnings: warning_headers(&exchange.warnings),
        timeout_seconds: query.get("timeoutSeconds").parse().ok().filter(|s| *s > 0),
    };
    let initial = query.has("sendInitialEvents").then(|| query.flag("sendInitialEvents"));
    watch.start(exchange.cluster, exchange.query.get("resourceVersion"), initial)?;
    check_stream(exchange.accepted, matches!(exchange.served.kind, Kind::Custom(_)))?;
    Ok(Answer::Watch(Box::new(watch)))
}

impl Watch {
    /// The kind it tells of.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether nothing more will come.
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    fn served(&self) -> Served<'_> {
        Served { kind: self.kind, group: &self.group, version: &self.version }
    }

    fn start(&mut self, cluster: &mut Cluster, revision: &str, initial: Option<bool>) -> Outcome<()> {
        let now = cluster.etcd().revision();
        let wanted = match revision {
            "" | "0" => None,
            text => Some(text.parse::<u64>().map_err(|e| unreadable(text, &e))?),
        };
        match (initial, wanted) {
            (Some(true), _) | (None, None) => self.begin_with_all(cluster, initial == Some(true)),
            (_, Some(revision)) if revision < cluster.etcd().compacted() => self.fail(&too_old(revision, cluster.etcd().compacted())),
            (_, Some(revision)) => self.cursor = revision,
            (Some(false), None) => self.cursor = now,
        }
        Ok(())
    }

    fn begin_with_all(&mut self, cluster: &mut Cluster, tell_end: bool) {
        self.cursor = cluster.etcd().revision();
        let present: Vec<Object> = cluster.etcd().list(self.kind, &self.namespace).filter(|o| self.matches(o)).cloned().collect();
        self.waiting.extend(present.into_iter().map(|object| Waiting::Event("ADDED", object)));
        if tell_end && self.bookmarks {
            self.waiting.push(Waiting::InitialEnd(self.cursor));
        }
    }

    fn frame_into_first(&mut self, event: &str, object: &Value) {
        let frame = frame(event, object);
        self.first.extend(frame);
    }

    /// Ends the stream with an error.
    fn fail(&mut self, status: &Status) {
        self.frame_into_first("ERROR", &status.to_json());
        self.ended = true;
    }

    fn matches(&self, object: &Object) -> bool {
        (self.namespace.is_empty() || self.kind == Kind::Namespace || object.namespace() == self.namespace)
            && self.selection.matches(object)
    }

    /// The frames of all that happened since the last call.
    pub fn poll(&mut self, cluster: &mut Cluster) -> Vec<u8> {
        if matches!(self.shown.form(), Form::MetadataList(_)) {
            // No single object can be shown so: a real server's stream breaks at its first event.
            self.ended |= cluster.etcd().revision() > self.cursor || !self.first.is_empty() || !self.waiting.is_empty();
            return vec![];
        }
        let mut out = std::mem::take(&mut self.first);
        if self.ended {
            return out;
        }
        let is_too_old = !self.gather(cluster);
        out.extend(self.tell(cluster));
        if is_too_old && !self.ended {
            let status = too_old(self.cursor, cluster.etcd().compacted());
            self.ended = true;
            out.extend(frame("ERROR", &status.to_json()));
        }
        out
    }

    /// Takes note of what happened since the last call; false if that is not known any more.
    fn gather(&mut self, cluster: &Cluster) -> bool {
        let revision = cluster.etcd().revision();
        if revision <= self.cursor {
            return true;
        }
        let Some(changes) = cluster.etcd().changes_after(self.cursor) else { return false };
        for change in changes.iter().filter(|c| c.object.kind() == self.kind) {
            if let Some((event, object)) = self.event(change.change, change.previous.as_ref(), &change.object) {
                self.waiting.push(Waiting::Event(event, object));
            }
        }
        self.cursor = revision;
        true
    }

    /// The frames of all that waits, unless a conversion webhook must be asked first.
    fn tell(&mut self, cluster: &mut Cluster) -> Vec<u8> {
        if self.waiting.is_empty() || !self.calls.is_empty() {
            return vec![];
        }
        let of_event = |waiting: &Waiting| match waiting {
            Waiting::Event(_, object) => Some(object.clone()),
            Waiting::InitialEnd(_) => None,
        };
        let stored: Vec<Object> = self.waiting.iter().filter_map(of_event).collect();
        let now = cluster.now().0;
        let read = match cluster.apiserver().convert_for_watch(&stored, self.kind, &mut self.answers, now) {
            Ok(read) => read,
            Err(_) if !self.answers.open.is_empty() => {
                self.calls = std::mem::take(&mut self.answers.open);
                return vec![];
            }
            Err(status) => {
                self.ended = true;
                return frame("ERROR", &status.to_json());
            }
        };
        self.answers = Answers::default();
        let (mut read, mut out) = (read.into_iter(), vec![]);
        for waiting in std::mem::take(&mut self.waiting) {
            match waiting {
                Waiting::Event(event, object) => {
                    let shown = self.show(cluster, &read.next().unwrap_or(object));
                    out.extend(frame(event, &shown));
                }
                Waiting::InitialEnd(revision) => out.extend(frame("BOOKMARK", &self.bookmark_object(revision, true))),
            }
        }
        out
    }

    /// What conversion webhooks must be asked before more can be told.
    pub fn calls(&self) -> &[WebhookCall] {
        &self.calls
    }

    /// A conversion webhook has answered.
    pub fn answered(&mut self, answer: WebhookAnswer) {
        self.calls.retain(|call| call.asked != answer.asked);
        self.answers.add(answer);
    }

    /// What a change is to this client: an object can come into its sight, and leave it.
    fn event(&self, change: ChangeType, previous: Option<&Object>, object: &Object) -> Option<(&'static str, Object)> {
        let before = previous.is_some_and(|p| self.matches(p));
        let after = change != ChangeType::Deleted && self.matches(object);
        match (before, after) {
            (false, true) => Some(("ADDED", object.clone())),
            (true, true) => Some(("MODIFIED", object.clone())),
            (true, false) if change == ChangeType::Deleted => Some(("DELETED", object.clone())),
            (true, false) => {
                let mut last = previous?.clone();
                last.metadata_mut().resource_version.clone_from(&object.metadata().resource_version);
                Some(("DELETED", last))
            }
            (false, false) => None,
        }
    }

    fn show(&mut self, cluster: &mut Cluster, object: &Object) -> Value {
        let (group, version) = (self.group.clone(), self.version.clone());
        self.shown.event(cluster, &Served { kind: self.kind, group: &group, version: &version }, object)
    }

    /// A frame that tells how far the stream is.
    pub fn bookmark(&mut self, cluster: &Cluster) -> Vec<u8> {
        if !self.waiting.is_empty() {
            // It would tell that the client knows what it has not been told.
            return vec![];
        }
        self.cursor = self.cursor.max(cluster.etcd().revision());
        let object = self.bookmark_object(self.cursor, false);
        frame("BOOKMARK", &object)
    }

    fn bookmark_object(&mut self, revision: u64, initial_end: bool) -> Value {
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        if initial_end {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let served = self.served();
        let object = crate::verbs::empty_object(&served, metadata);
        self.shown.bookmark(self.kind, object)
    }

    /// The form in which events are shown.
    pub fn form(&self) -> Form {
        self.shown.form()
    }
}

fn frame(event: &str, object: &Value) -> Vec<u8> {
    let mut line = serde_json::to_vec(&json!({"type": event, "object": object})).unwrap_or_default();
    line.push(b'\n');
    line
}

fn unreadable(text: &str, error: &std::num::ParseIntError) -> Box<Status> {
    let why = match error.kind() {
        std::num::IntErrorKind::PosOverflow => "value out of range",
        _ => "invalid syntax",
    };
    Box::new(Status::new(Reason::Unknown, format!("resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: {why}")))
}

fn too_old(revision: u64, compacted: u64) -> Box<Status> {
    Box::new(Status::new(Reason::Expired, format!("too old resource version: {revision} ({compacted})")))
}
