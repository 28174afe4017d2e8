//! The store: objects by key, one revision for all of them, and the history of every change.
//! Invariants: the revision grows by one with each change; history is in order of revision, and watches reach
//! back to the last compaction; a write that expects a revision fails if the object is at another.
//! Modelled as one logical store: health (slow, no quorum) is a property of it, members and their log are not.

use std::collections::BTreeMap;
use std::sync::Arc;

use sim_apimachinery::managed_fields::Managers;
use sim_apimachinery::{Kind, Object, ObjectKey, Part};

use crate::component::ChangeType;
use crate::time::{MINUTE, Nanos, SimTime, TimerQueue};
use crate::trace::StepId;

type Name = (Arc<str>, Arc<str>);

/// How long an event is kept (`--event-ttl`).
pub const EVENT_TTL: Nanos = 60 * MINUTE;

/// One change of one object.
#[derive(Clone, Debug)]
pub struct Change {
    /// The store's revision after it.
    pub revision: u64,
    /// What happened.
    pub change: ChangeType,
    /// The object after it; for a deletion its last state, with this revision.
    pub object: Object,
    /// The object before it.
    pub previous: Option<Object>,
    /// When.
    pub time: SimTime,
    /// Who wrote it, as a field manager.
    pub manager: Arc<str>,
    /// The step of the trace that tells of it.
    pub step: StepId,
    /// What it means for who owns which field; nothing if the server itself wrote.
    pub tracking: Option<Box<Tracking>>,
}

/// Whether the store answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// As it should.
    #[default]
    Healthy,
    /// Every request takes this much longer.
    Slow(Nanos),
    /// Too few members: nothing is written, and reads that need a quorum fail.
    NoQuorum,
}

/// What went wrong with a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// The key is taken.
    Exists,
    /// There is nothing under the key.
    Missing,
    /// It is at another revision.
    OtherRevision,
}

/// The store.
#[derive(Clone, Debug, Default)]
pub struct Etcd {
    revision: u64,
    compacted: u64,
    objects: BTreeMap<Kind, BTreeMap<Name, Object>>,
    history: Vec<Arc<Change>>,
    leases: TimerQueue<ObjectKey>,
    tickets: BTreeMap<ObjectKey, (SimTime, u64)>,
    health: Health,
}

impl Etcd {
    /// An empty store at revision 1.
    pub fn new() -> Self {
        Etcd { revision: 1, ..Etcd::default() }
    }

    /// The current revision.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The revision up to which history is forgotten.
    pub fn compacted(&self) -> u64 {
        self.compacted
    }

    /// Whether it answers.
    pub fn health(&self) -> Health {
        self.health
    }

    /// A fault begins or ends.
    pub fn set_health(&mut self, health: Health) {
        self.health = health;
    }

    /// The object under a key.
    pub fn get(&self, key: &ObjectKey) -> Option<&Object> {
        self.objects.get(&key.kind)?.get(&(key.namespace.clone(), key.name.clone()))
    }

    /// The objects of a kind by namespace and name; an empty namespace means all.
    pub fn list(&self, kind: Kind, namespace: &str) -> impl Iterator<Item = &Object> {
        let wanted: Arc<str> = namespace.into();
        let all = wanted.is_empty();
        let from: Name = (wanted.clone(), "".into());
        self.objects
            .get(&kind)
            .into_iter()
            .flat_map(move |m| m.range(from.clone()..))
            .take_while(move |((ns, _), _)| all || *ns == wanted)
            .map(|(_, object)| object)
    }

    /// The objects of every custom kind, by kind, namespace and name.
    pub fn list_custom(&self) -> impl Iterator<Item = &Object> {
        self.objects.iter().filter(|(kind, _)| matches!(kind, Kind::Custom(_))).flat_map(|(_, objects)| objects.values())
    }

    /// How many objects of a kind there are.
    pub fn count(&self, kind: Kind) -> usize {
        self.objects.get(&kind).map_or(0, BTreeMap::len)
    }

    /// Stores a new object; it comes back with its resourceVersion.
    pub fn create(&mut self, object: Object, write: Write) -> Result<Object, StoreError> {
        let key = object.key();
        if self.get(&key).is_some() {
            return Err(StoreError::Exists);
        }
        Ok(self.put(key, object, None, write))
    }

    /// Replaces an object that is still at `expected` (a resourceVersion).
    pub fn update(&mut self, object: Object, expected: u64, write: Write) -> Result<Object, StoreError> {
        let key = object.key();
        let current = self.get(&key).ok_or(StoreError::Missing)?;
        if current.resource_version() != expected {
            return Err(StoreError::OtherRevision);
        }
        let previous = current.clone();
        Ok(self.put(key, object, Some(previous), write))
    }

    /// Removes an object; its last state comes back with the revision of its removal.
    pub fn delete(&mut self, key: &ObjectKey, write: Write) -> Result<Object, StoreError> {
        let removed = self.objects.get_mut(&key.kind).and_then(|m| m.remove(&(key.namespace.clone(), key.name.clone())));
        let previous = removed.ok_or(StoreError::Missing)?;
        if let Some(ticket) = self.tickets.remove(key) {
            self.leases.cancel(ticket);
        }
        let mut last = previous.clone();
        self.revision += 1;
        last.metadata_mut().resource_version = Some(self.revision.to_string());
        self.remember(ChangeType::Deleted, last.clone(), Some(previous), write);
        Ok(last)
    }

    /// The changes after a revision, oldest first; `None` when they were compacted away.
    pub fn changes_after(&self, revision: u64) -> Option<&[Arc<Change>]> {
        if revision < self.compacted {
            return None;
        }
        let from = self.history.partition_point(|c| c.revision <= revision);
        Some(&self.history[from..])
    }

    /// The change that made a revision.
    pub fn change(&self, revision: u64) -> Option<&Arc<Change>> {
        let at = self.history.partition_point(|c| c.revision < revision);
        self.history.get(at).filter(|c| c.revision == revision)
    }

    /// All changes, oldest first, compacted ones too.
    pub fn history(&self) -> &[Arc<Change>] {
        &self.history
    }

    /// Forgets history up to a revision, for those who watch: from there on they must list anew. Readers of the past
    /// (`history`, `change`) keep all of it.
    pub fn compact(&mut self, revision: u64) {
        self.compacted = self.compacted.max(revision.min(self.revision));
    }

    /// Takes back all changes after a revision, as if they had not been made; the keys of what they changed. Nobody may have seen
    /// them. An event has its lease anew from the change that is its last now.
    pub fn undo_to(&mut self, revision: u64) -> Vec<ObjectKey> {
        let mut undone = vec![];
        while let Some(change) = self.history.pop_if(|change| change.revision > revision) {
            let key = change.object.key();
            let objects = self.objects.entry(key.kind).or_default();
            match &change.previous {
                Some(previous) => _ = objects.insert((key.namespace.clone(), key.name.clone()), previous.clone()),
                None => _ = objects.remove(&(key.namespace.clone(), key.name.clone())),
            }
            undone.push(key);
        }
        self.revision = self.revision.min(revision);
        for key in undone.iter().filter(|key| key.kind == Kind::Event) {
            let written = self.get(key).and_then(|event| self.change(event.resource_version())).map(|change| change.time);
            match (written, self.tickets.remove(key)) {
                (Some(written), ticket) => {
                    ticket.into_iter().for_each(|ticket| _ = self.leases.cancel(ticket));
                    self.renew_lease(key, written);
                }
                (None, ticket) => ticket.into_iter().for_each(|ticket| _ = self.leases.cancel(ticket)),
            }
        }
        undone
    }

    /// When the first lease ends.
    pub fn next_expiry(&self) -> Option<SimTime> {
        self.leases.next()
    }

    /// Takes the keys whose lease is over; the caller deletes them.
    pub fn expired(&mut self, now: SimTime) -> Vec<ObjectKey> {
        std::iter::from_fn(|| self.leases.pop_due(now)).collect()
    }

    fn put(&mut self, key: ObjectKey, mut object: Object, previous: Option<Object>, write: Write) -> Object {
        self.revision += 1;
        object.metadata_mut().resource_version = Some(self.revision.to_string());
        if key.kind == Kind::Event {
            self.renew_lease(&key, write.time);
        }
        self.objects.entry(key.kind).or_default().insert((key.namespace, key.name), object.clone());
        let change = if previous.is_some() { ChangeType::Modified } else { ChangeType::Added };
        self.remember(change, object.clone(), previous, write);
        object
    }

    fn renew_lease(&mut self, key: &ObjectKey, now: SimTime) {
        if let Some(ticket) = self.tickets.remove(key) {
            self.leases.cancel(ticket);
        }
        let ticket = self.leases.add(now.plus(EVENT_TTL), key.clone());
        self.tickets.insert(key.clone(), ticket);
    }

    fn remember(&mut self, change: ChangeType, object: Object, previous: Option<Object>, write: Write) {
        let Write { time, manager, step, tracking } = write;
        self.history.push(Arc::new(Change { revision: self.revision, change, object, previous, time, manager, step, tracking }));
    }
}

/// Who writes, when, and which step of the trace will tell of it.
#[derive(Clone, Debug)]
pub struct Write {
    /// The time.
    pub time: SimTime,
    /// The field manager.
    pub manager: Arc<str>,
    /// The step.
    pub step: StepId,
    /// What it means for who owns which field; nothing if the server itself writes.
    pub tracking: Option<Box<Tracking>>,
}

/// What is remembered of a write, so that `metadata.managedFields` can be told later.
#[derive(Clone, Debug)]
pub struct Tracking {
    /// The `apiVersion` it was written in, if not the one it is held at.
    pub api_version: Option<Arc<str>>,
    /// The part that was written.
    pub part: Part,
    /// The object as the writer sent it, if the server may have changed it.
    pub written: Option<Object>,
    /// The owners after it, where they are known already.
    pub managers: Option<Arc<Managers>>,
}
