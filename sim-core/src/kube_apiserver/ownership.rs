//! Who owns which field of an object: `metadata.managedFields`, told when somebody asks.
//! Stored objects carry none, but for those the API server planted before anybody asked. Each change in the store's history remembers who wrote what (`etcd::Tracking`); the owners at
//! a revision are a fold over the object's changes up to it, and the last result for each object is kept. So a write by a
//! component costs nothing here, and a reader pays once.
//! Before history is forgotten, the owners at its end are worked out and kept.
//! Source of the rules: apimachinery pkg/util/managedfields, apiserver pkg/endpoints/handlers/{create,update,patch}.go.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use serde_json::Value;
use sim_apimachinery::managed_fields::{self, Managers, Operation};
use sim_apimachinery::{Kind, Object, ObjectKey};

use super::apiextensions::Registry;
use super::shape::Shape;
use super::{ApiServer, Call};
use crate::component::ChangeType;
use crate::etcd::{Change, Etcd, Tracking};
use crate::time::SimTime;

/// What is known of owners: the last result of each object, and the results where history begins.
#[derive(Clone, Debug, Default)]
pub(super) struct Ownership {
    latest: Arc<BTreeMap<ObjectKey, (u64, Arc<Managers>)>>,
    beginnings: Arc<BTreeMap<u64, Arc<Managers>>>,
}

impl ApiServer {
    /// The object with its `metadata.managedFields`, as a client sees it; for any revision that history still knows.
    /// An object that carries them already comes back as it is.
    pub fn with_managed_fields(&mut self, object: &Object) -> Object {
        let mut shown = object.clone();
        if shown.metadata().managed_fields.is_none() {
            let entries = managed_fields::encode(&self.managers(object));
            if !entries.is_empty() {
                shown.metadata_mut().managed_fields = Some(entries);
            }
        }
        if shown.metadata().managed_fields.as_ref().is_some_and(Vec::is_empty) {
            shown.metadata_mut().managed_fields = None;
        }
        shown
    }

    /// The owners of the fields of a stored object; the same `Arc` as long as the object stays as it is.
    pub fn owners(&mut self, object: &Object) -> Arc<Managers> {
        self.managers(object)
    }

    /// The owners of the fields of a stored object.
    pub(super) fn managers(&mut self, object: &Object) -> Arc<Managers> {
        self.ownership.at(&self.etcd, &self.custom, &object.key(), object.resource_version())
    }

    /// Keeps what forgetting history up to a revision would lose.
    pub(super) fn keep_owners(&mut self, revision: u64) {
        let mut last: BTreeMap<ObjectKey, u64> = BTreeMap::new();
        for change in self.etcd.history().iter().take_while(|c| c.revision <= revision) {
            let key = change.object.key();
            match change.change {
                ChangeType::Deleted => _ = last.remove(&key),
                _ => _ = last.insert(key, change.revision),
            }
        }
        let owners: Vec<_> = last.into_iter().map(|(key, at)| (at, self.ownership.at(&self.etcd, &self.custom, &key, at))).collect();
        Arc::make_mut(&mut self.ownership.beginnings).extend(owners);
    }

    /// The owners after a write that is not stored (yet): `previous` became `object`.
    pub(super) fn managers_after(&mut self, previous: Option<&Object>, object: &Object, tracking: &Tracking, call: &Call<'_>) -> Managers {
        if let Some(managers) = &tracking.managers {
            return (**managers).clone();
        }
        let before = previous.map(|p| (*self.managers(p)).clone()).unwrap_or_default();
        let time = whole_second(call.now);
        fold(&Step { previous, object, tracking, manager: &call.manager, time, custom: &self.custom }, before)
    }
}

/// A time as entries show it.
pub(super) fn whole_second(time: SimTime) -> Timestamp {
    let exact = time.to_time().0;
    Timestamp::new(exact.as_second(), 0).unwrap_or(exact)
}

impl Ownership {
    /// Forgets what was worked out of changes after a revision, which have been undone.
    pub(super) fn forget(&mut self, undone: &[ObjectKey], revision: u64) {
        for key in undone.iter().filter(|key| self.latest.get(*key).is_some_and(|(at, _)| *at > revision)).collect::<Vec<_>>() {
            Arc::make_mut(&mut self.latest).remove(key);
        }
    }

    fn at(&mut self, etcd: &Etcd, custom: &Registry, key: &ObjectKey, revision: u64) -> Arc<Managers> {
        let (known, steps) = self.known(etcd, key, revision);
        if steps.is_empty() {
            return known;
        }
        let mut managers = (*known).clone();
        for change in steps.iter().rev() {
            managers = after(change, custom, managers);
        }
        let managers = Arc::new(managers);
        if self.latest.get(key).is_none_or(|(at, _)| *at < revision) {
            Arc::make_mut(&mut self.latest).insert(key.clone(), (revision, managers.clone()));
        }
        managers
    }

    /// The nearest known owners before a revision, and the changes since, newest first.
    fn known(&self, etcd: &Etcd, key: &ObjectKey, revision: u64) -> (Arc<Managers>, Vec<Arc<Change>>) {
        let mut steps: Vec<Arc<Change>> = Vec::new();
        let mut at = revision;
        loop {
            let remembered = self.latest.get(key).filter(|(known, _)| *known == at).map(|(_, managers)| managers);
            if let Some(managers) = remembered.or_else(|| self.beginnings.get(&at)) {
                return (managers.clone(), steps);
            }
            let Some(change) = etcd.change(at) else { return (Arc::default(), steps) };
            if let Some(managers) = change.tracking.as_ref().and_then(|t| t.managers.clone()) {
                return (managers, steps);
            }
            steps.push(change.clone());
            match &change.previous {
                Some(previous) => at = previous.resource_version(),
                None => {
                    // Objects that the API server planted itself say who owns them.
                    let planted =
                        change.object.metadata().managed_fields.as_deref().and_then(|entries| managed_fields::decode(entries).ok());
                    steps.truncate(steps.len() - usize::from(planted.is_some()));
                    return (planted.map(Arc::new).unwrap_or_default(), steps);
                }
            }
        }
    }
}

fn after(change: &Change, custom: &Registry, managers: Managers) -> Managers {
    let Some(tracking) = &change.tracking else { return managers };
    if change.change == ChangeType::Deleted {
        return managers;
    }
    let step = Step {
        previous: change.previous.as_ref(),
        object: &change.object,
        tracking,
        manager: &change.manager,
        time: whole_second(change.time),
        custom,
    };
    fold(&step, managers)
}

/// One write, as ownership sees it.
struct Step<'a> {
    previous: Option<&'a Object>,
    object: &'a Object,
    tracking: &'a Tracking,
    manager: &'a Arc<str>,
    time: Timestamp,
    custom: &'a Registry,
}

/// The owners after an update. Objects that nobody owns anything of stay so, unless they are new.
fn fold(step: &Step<'_>, managers: Managers) -> Managers {
    if managers.is_empty() && step.previous.is_some() {
        return managers;
    }
    let kind = step.object.kind();
    let shape = Shape::of(kind, step.tracking.api_version.as_deref(), step.custom);
    let write = shape.write(step.manager, Operation::Update, step.tracking, step.time);
    let live = step.previous.map_or_else(|| shape.empty(), |p| shape.value(p));
    let new = step.tracking.written.as_ref().map_or_else(|| shape.value(step.object), |written| shape.sent_value(written));
    match convert_error(&shape, step.custom, &managers, [&live, &new]) {
        None => managed_fields::update(&write, &live, &new, managers),
        // A real server drops the owners it cannot compute any more, and serves the request all the same.
        Some(_) => Managers::default(),
    }
}

/// Why an object cannot be seen at a version that one of its owners wrote at: converting a custom object changes no field, so one
/// that only the newer version declares is in the way. The values are those before and after the write.
pub(super) fn convert_error(shape: &Shape, custom: &Registry, managers: &Managers, values: [&Value; 2]) -> Option<String> {
    if !matches!(shape.kind(), Kind::Custom(_)) || custom.converter_of(shape.kind()).is_some() {
        return None;
    }
    managers.values().filter(|owned| owned.api_version != shape.api_version()).find_map(|owned| {
        let other = Shape::of(shape.kind(), Some(&owned.api_version), custom);
        let words = ["failed to convert old object", "failed to convert new object"];
        let why = |(word, value): (&str, &Value)| Some(format!("{word}: {}", managed_fields::intent_error(other.type_ref(), value)?));
        words.into_iter().zip(values).find_map(why)
    })
}

/// What a client wrote into `metadata.managedFields`.
pub(super) enum Sent {
    /// Nothing, or nothing that can be read: the live owners hold.
    Nothing,
    /// That all owners are to be forgotten.
    Reset,
    /// These owners.
    Owners(Managers),
}

/// Reads the entries a client sent.
pub(super) fn sent(entries: Option<Vec<ManagedFieldsEntry>>) -> Sent {
    match entries.as_deref() {
        None => Sent::Nothing,
        Some([]) => Sent::Reset,
        Some([only]) if *only == ManagedFieldsEntry::default() => Sent::Reset,
        Some(entries) => match managed_fields::decode(entries) {
            Ok(managers) if !managers.is_empty() => Sent::Owners(managers),
            _ => Sent::Nothing,
        },
    }
}

impl ApiServer {
    /// The owners after a create or update in which the client sent owners of its own.
    pub(super) fn settled(
        &self,
        previous: Option<&Object>,
        object: &Object,
        base: Managers,
        tracking: &Tracking,
        call: &Call<'_>,
    ) -> Managers {
        let time = whole_second(call.now);
        fold(&Step { previous, object, tracking, manager: &call.manager, time, custom: &self.custom }, base)
    }
}
