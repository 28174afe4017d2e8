//! One recording made ready to be compared: objects with their distinct states, and events counted.
//! Promises: objects keep the order in which they were first seen. Events are no objects here: they are counted by what they say.

use std::collections::BTreeMap;

use crate::normal::{Blanks, FieldId, Fields};
use crate::recording::{Change, Header, Recording, text};
use crate::tolerances::Tolerances;

/// An object with more distinct states than this is not compared: the alignment is quadratic.
pub const STATES_MAX: usize = 4000;

/// What objects are aligned by: kind, namespace, and the name without its random part.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    pub kind: String,
    pub namespace: String,
    /// Such as `fastapi-k8s-5997b7cfdf-*`.
    pub name: String,
}

impl std::fmt::Display for Group {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} {}", self.kind, self.name)
    }
}

/// One recording, ready.
#[derive(Clone, Debug)]
pub struct Side {
    /// The recording's header.
    pub header: Header,
    /// The objects in the order they were first seen.
    pub objects: Vec<Timeline>,
    /// How often each event was told.
    pub events: BTreeMap<EventKey, u64>,
    /// When what was done to the cluster was begun, in seconds, and what it was.
    pub actions: Vec<(f64, String)>,
    /// When the last line was written, in seconds.
    pub duration: f64,
}

impl Side {
    /// How many states all objects have.
    pub fn state_count(&self) -> usize {
        self.objects.iter().map(|object| object.states.len()).sum()
    }

    /// How many events were told, repeated ones counted as often as they were.
    pub fn event_count(&self) -> u64 {
        self.events.values().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

/// An object's life.
#[derive(Clone, Debug)]
pub struct Timeline {
    /// What it is aligned by.
    pub group: Group,
    /// Its whole name.
    pub name: String,
    /// Its states, each different from the one before.
    pub states: Vec<State>,
}

/// One state of an object.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct State {
    /// When it was received, in seconds.
    pub time: f64,
    /// Whether the object was gone with it.
    pub deleted: bool,
    pub(crate) body: BodyId,
}

/// Names a set of fields of [`Bodies`].
pub(crate) type BodyId = u32;

/// All sets of fields that were seen, each once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bodies {
    ids: BTreeMap<Vec<FieldId>, BodyId>,
    all: Vec<Vec<FieldId>>,
}

impl Bodies {
    fn id(&mut self, fields: Vec<FieldId>) -> BodyId {
        if let Some(id) = self.ids.get(&fields) {
            return *id;
        }
        let id = self.all.len() as BodyId;
        self.all.push(fields.clone());
        self.ids.insert(fields, id);
        id
    }

    /// The fields, sorted.
    pub(crate) fn get(&self, id: BodyId) -> &[FieldId] {
        self.all.get(id as usize).map_or(&[], Vec::as_slice)
    }
}

/// What makes two events the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventKey {
    /// Kind and blanked name of the object it is about.
    pub kind: String,
    pub name: String,
    /// `Normal` or `Warning`.
    pub severity: String,
    pub reason: String,
    pub message: String,
    /// Who told it.
    pub component: String,
}

pub(crate) fn prepare(recording: &Recording, tolerances: &Tolerances, fields: &mut Fields, bodies: &mut Bodies) -> Result<Side, String> {
    let mut blanks = Blanks::of(recording, tolerances);
    let actions = recording.lines.iter().filter_map(|line| match line {
        crate::recording::Line::Action { time, command } => Some((*time, command.clone())),
        _ => None,
    });
    Ok(Side {
        header: recording.header.clone(),
        objects: objects(recording, tolerances, &mut blanks, fields, bodies)?,
        events: events(recording, tolerances, &mut blanks),
        actions: actions.collect(),
        duration: recording.duration(),
    })
}

fn objects(
    recording: &Recording,
    tolerances: &Tolerances,
    blanks: &mut Blanks<'_>,
    fields: &mut Fields,
    bodies: &mut Bodies,
) -> Result<Vec<Timeline>, String> {
    let mut found: Vec<Timeline> = Vec::new();
    let mut places: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
    for watch in recording.watches().filter(|w| w.kind() != "Event" && !tolerances.kinds.contains(w.kind())) {
        let place = *places.entry((watch.kind(), watch.namespace(), watch.name())).or_insert_with(|| {
            let name = watch.generate_name().map_or_else(|| watch.name().to_owned(), |prefix| format!("{prefix}*"));
            let group = Group { kind: watch.kind().to_owned(), namespace: watch.namespace().to_owned(), name: blanks.blank(&name) };
            found.push(Timeline { group, name: watch.name().to_owned(), states: Vec::new() });
            found.len() - 1
        });
        let body = bodies.id(fields.of(&blanks.body(watch)));
        let deleted = watch.change == Change::Deleted;
        let states = &mut found[place].states;
        if deleted || states.last().is_none_or(|last| last.body != body) {
            states.push(State { time: watch.time, deleted, body });
        }
        if states.len() > STATES_MAX {
            return Err(format!("{} {} has more than {STATES_MAX} states, the most that are compared", watch.kind(), watch.name()));
        }
    }
    Ok(found)
}

fn events(recording: &Recording, tolerances: &Tolerances, blanks: &mut Blanks<'_>) -> BTreeMap<EventKey, u64> {
    let mut last = BTreeMap::new();
    for watch in recording.watches().filter(|w| w.kind() == "Event" && w.change != Change::Deleted) {
        let event = &watch.object;
        let about = event.get("involvedObject").filter(|v| !is_nothing(v)).unwrap_or(&event["regarding"]);
        if tolerances.events_about.contains(text(about, "kind")) {
            continue;
        }
        let first = |texts: [&str; 3]| texts.into_iter().find(|t| !t.is_empty()).unwrap_or_default().to_owned();
        let message = first([text(event, "message"), text(event, "note"), ""]);
        let key = EventKey {
            kind: text(about, "kind").to_owned(),
            name: blanks.blank(text(about, "name")),
            severity: text(event, "type").to_owned(),
            reason: text(event, "reason").to_owned(),
            message: blanks.blank(&message),
            component: first([text(&event["source"], "component"), text(event, "reportingComponent"), text(event, "reportingController")]),
        };
        let count = event["count"].as_u64().filter(|c| *c > 0).unwrap_or(1).max(event["series"]["count"].as_u64().unwrap_or(0));
        last.insert((watch.namespace(), watch.name()), (key, count));
    }
    let mut counted: BTreeMap<EventKey, u64> = BTreeMap::new();
    for (key, count) in last.into_values() {
        let sum = counted.entry(key).or_default();
        *sum = sum.saturating_add(count);
    }
    counted
}

fn is_nothing(value: &serde_json::Value) -> bool {
    value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty)
}
