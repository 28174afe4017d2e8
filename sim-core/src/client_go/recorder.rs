//! Tells events: one at a time, in order, without anybody waiting for it.
//! The same event again is a patch of its count; from the tenth different message about the same thing on, messages are
//! combined; one source may tell 25 events about one object and then one every five minutes. New-style events (the
//! scheduler's) become a series instead. Source: client-go tools/record/events_cache.go and tools/events.
//! Not modelled: the retry after a failed write (an event that cannot be written is lost).

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Event, EventSeries, EventSource, ObjectReference as ApiReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sim_apimachinery::{Answer, Kind, ObjectKey, Part, Patch, Reply, Request, TypedPatch, Verb};

use super::plan::{EventDraft, MessageText, ObjectReference};
use super::rate_limit::TokenBucket;
use crate::time::{MINUTE, SECOND, SimTime};
use crate::trace::StepId;

const SPAM_BURST: u64 = 25;
const SPAM_INTERVAL: u64 = 300 * SECOND;
const SIMILAR_MAX: usize = 10;
const SIMILAR_GAP: u64 = 10 * MINUTE;
const SERIES_GAP: u64 = 6 * MINUTE;

/// Which kind of events a component tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventStyle {
    /// core/v1, with counts: controllers and kubelet.
    Core,
    /// events.k8s.io/v1, with series: the scheduler.
    Series,
}

type Identity = (ObjectReference, bool, &'static str, String);
type Similar = (ObjectReference, bool, &'static str);

#[derive(Clone, Debug)]
struct Told {
    key: ObjectKey,
    count: i32,
    last: SimTime,
}

#[derive(Clone, Debug, Default)]
struct Messages {
    different: VecDeque<String>,
    last: SimTime,
}

/// Tells the events of one component.
#[derive(Clone, Debug)]
pub struct EventRecorder {
    component: Arc<str>,
    manager: Arc<str>,
    host: Option<Arc<str>>,
    style: EventStyle,
    told: BTreeMap<Identity, Told>,
    spam: BTreeMap<ObjectReference, TokenBucket>,
    similar: BTreeMap<Similar, Messages>,
    waiting: VecDeque<(Request, StepId)>,
    busy: bool,
    sequence: u64,
}

impl EventRecorder {
    /// A recorder for a component; `manager` is the client's name, `host` the node it runs on if it says so.
    pub fn new(component: &str, manager: &str, host: Option<Arc<str>>, style: EventStyle) -> Self {
        EventRecorder {
            component: component.into(),
            manager: manager.into(),
            host,
            style,
            told: BTreeMap::new(),
            spam: BTreeMap::new(),
            similar: BTreeMap::new(),
            waiting: VecDeque::new(),
            busy: false,
            sequence: 0,
        }
    }

    /// Takes in an event; `answer` completes its text if the text waits for one.
    pub fn tell(&mut self, now: SimTime, draft: &EventDraft, answer: Option<&Answer>, cause: StepId) {
        let message = complete(&draft.message, answer);
        let (message, combined) = match self.style {
            EventStyle::Core => self.combined(now, draft, message),
            EventStyle::Series => (cut(message, 1024), false),
        };
        let source = without_version(&draft.about);
        if self.style == EventStyle::Core && !self.spam_allows(now, &source) {
            return;
        }
        // Combined events are one event, whatever the latest of them says.
        let identity = (source, draft.warning, draft.reason, if combined { String::new() } else { message.clone() });
        let again = self.told.get_mut(&identity).filter(|t| self.style == EventStyle::Core || now.since(t.last) <= SERIES_GAP);
        let verb = match again {
            Some(told) => {
                told.count += 1;
                told.last = now;
                again_patch(self.style, told, message, now)
            }
            None => self.first(now, draft, identity, message),
        };
        self.waiting.push_back((Request::new(&self.manager, verb), cause));
    }

    /// The next request to send, if none is under way.
    pub fn next_request(&mut self) -> Option<(Request, StepId)> {
        if self.busy {
            return None;
        }
        let next = self.waiting.pop_front()?;
        self.busy = true;
        Some(next)
    }

    /// The request under way was answered.
    pub fn answered(&mut self) {
        self.busy = false;
    }

    fn spam_allows(&mut self, now: SimTime, about: &ObjectReference) -> bool {
        let mut key = about.clone();
        key.field_path = String::new();
        self.spam.entry(key).or_insert_with(|| TokenBucket::every(SPAM_INTERVAL, SPAM_BURST)).try_take(now)
    }

    /// The message to tell, and whether it stands for several.
    fn combined(&mut self, now: SimTime, draft: &EventDraft, message: String) -> (String, bool) {
        let seen = self.similar.entry((without_version(&draft.about), draft.warning, draft.reason)).or_default();
        if now.since(seen.last) > SIMILAR_GAP {
            seen.different.clear();
        }
        seen.last = now;
        if !seen.different.contains(&message) {
            seen.different.push_back(message.clone());
        }
        if seen.different.len() < SIMILAR_MAX {
            return (message, false);
        }
        // No more are remembered; the real recorder forgets any one of them (`PopAny`), here it is the oldest.
        seen.different.pop_front();
        (format!("(combined from similar events): {message}"), true)
    }

    fn first(&mut self, now: SimTime, draft: &EventDraft, identity: Identity, message: String) -> Verb {
        self.sequence += 1;
        let namespace: &str = if draft.about.namespace.is_empty() { "default" } else { &draft.about.namespace };
        let name = format!("{}.{:x}", draft.about.name, now.0 + self.sequence);
        self.told.insert(identity, Told { key: ObjectKey::new(Kind::Event, namespace, &name), count: 1, last: now });
        Verb::Create { object: self.event(now, draft, namespace, name, message).into() }
    }

    fn event(&self, now: SimTime, draft: &EventDraft, namespace: &str, name: String, message: String) -> Event {
        let series = self.style == EventStyle::Series;
        let host = self.host.as_deref().map(str::to_owned);
        Event {
            metadata: ObjectMeta { name: Some(name), namespace: Some(namespace.to_owned()), ..Default::default() },
            involved_object: reference(&draft.about),
            related: draft.related.as_ref().map(reference),
            type_: Some(if draft.warning { "Warning" } else { "Normal" }.to_owned()),
            reason: Some(draft.reason.to_owned()),
            message: Some(message),
            source: Some(if series {
                EventSource::default()
            } else {
                EventSource { component: Some(self.component.to_string()), host: host.clone() }
            }),
            first_timestamp: (!series).then(|| now.to_time()),
            last_timestamp: (!series).then(|| now.to_time()),
            count: (!series).then_some(1),
            event_time: series.then(|| now.to_micro_time()),
            action: (!draft.action.is_empty()).then(|| draft.action.to_owned()),
            reporting_component: Some(self.component.to_string()),
            reporting_instance: if series { Some(format!("{}-{}", self.component, host.unwrap_or_default())) } else { host },
            series: None::<EventSeries>,
        }
    }
}

fn again_patch(style: EventStyle, told: &Told, message: String, now: SimTime) -> Verb {
    let last = now.0 as i64;
    let patch = match style {
        EventStyle::Core => TypedPatch::EventCount { count: told.count, message, last },
        EventStyle::Series => TypedPatch::EventSeries { count: told.count, last },
    };
    Verb::Patch { key: told.key.clone(), part: Part::Main, patch: Patch::Typed(patch) }
}

fn complete(text: &MessageText, answer: Option<&Answer>) -> String {
    match (text, answer) {
        (MessageText::Plain(text), _) => text.clone(),
        (MessageText::ThenName(before), Some(Ok(Reply::Object(object)))) => format!("{before}{}", object.name()),
        (MessageText::ThenError(before), Some(Err(status))) => format!("{before}{}", status.message),
        (MessageText::ThenName(before) | MessageText::ThenError(before), _) => before.clone(),
    }
}

fn cut(mut message: String, max: usize) -> String {
    if message.len() > max {
        let end = (0..=max - 4).rev().find(|i| message.is_char_boundary(*i)).unwrap_or(0);
        message.truncate(end);
        message.push_str(" ...");
    }
    message
}

fn without_version(about: &ObjectReference) -> ObjectReference {
    ObjectReference { resource_version: String::new(), ..about.clone() }
}

fn reference(about: &ObjectReference) -> ApiReference {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    ApiReference {
        api_version: some(&about.api_version),
        kind: some(&about.kind),
        namespace: some(&about.namespace),
        name: some(&about.name),
        uid: some(&about.uid),
        resource_version: some(&about.resource_version),
        field_path: some(&about.field_path),
    }
}
