//! Who owns which field (`metadata.managedFields`), and server-side apply.
//! An update gives its manager the fields it changed and takes them from all others; an apply gives its manager the
//! fields of its intent, is refused where another manager holds a field with another value, and takes out what the
//! manager once applied and no longer says.
//! Not modelled: conversion between API versions (a kind has one stored shape; an entry's version is only shown).
//! Source of the rules: structured-merge-diff/merge, k8s.io/apimachinery/pkg/util/managedfields.

mod check;
mod conflict;
mod entries;
pub mod last_applied;
mod merge;
mod path;
mod set;
mod typed;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

pub use check::intent_error;
pub use conflict::{Conflict, conflict_status};
pub use entries::{decode, encode};
pub use path::PathElement;
pub use set::Set;
pub use typed::{Comparison, compare, field_set};

use crate::schema::TypeRef;

/// Update entries an object may have; the oldest are merged beyond that.
const UPDATE_MANAGERS_MAX: usize = 10;
/// The manager of what older updates set.
const ANCIENT: &str = "ancient-changes";
/// The manager of what was there before the first apply of an object that nobody managed.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// The subresource whose owners have no time: the real server loses it when it turns the owners of a scale into those of the
/// object (`ScaleHandler.ToParent`).
const SCALE: &str = "scale";

/// How a manager came to own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// By server-side apply.
    Apply,
    /// By any other write.
    Update,
}

/// Who owns. An applier is the same at every version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Manager {
    /// The field manager's name.
    pub name: String,
    /// How it came to own.
    pub operation: Operation,
    /// The version it wrote at, empty for appliers.
    pub api_version: String,
    /// The subresource it wrote to, empty for the main one.
    pub subresource: String,
}

impl Manager {
    /// A manager of that name.
    pub fn new(name: &str, operation: Operation, api_version: &str, subresource: &str) -> Self {
        let api_version = if operation == Operation::Apply { "" } else { api_version };
        let name = if name.is_empty() { "unknown" } else { name };
        Manager { name: name.into(), operation, api_version: api_version.into(), subresource: subresource.into() }
    }
}

/// What a manager owns, and since when.
#[derive(Clone, Debug, PartialEq)]
pub struct Owned {
    /// The fields.
    pub set: Set,
    /// The version they were written at.
    pub api_version: String,
    /// When the manager last changed something.
    pub time: Option<Timestamp>,
}

/// All owners of an object's fields.
pub type Managers = BTreeMap<Manager, Owned>;

/// A write to an object, as ownership sees it.
#[derive(Clone, Debug)]
pub struct Write<'a> {
    /// The object's type.
    pub of: TypeRef<'a>,
    /// Who writes.
    pub manager: Manager,
    /// The version it writes at.
    pub api_version: String,
    /// When.
    pub time: Timestamp,
    /// Fields a write of this kind does not reach (the status, in a write to the main part).
    pub ignored: Set,
    /// If there are any, the only fields a write of this kind reaches, with what is below them; `*` is any step.
    pub only: &'static [&'static [&'static str]],
}

impl Write<'_> {
    /// What of a set the write reaches.
    fn reached(&self, set: &Set) -> Set {
        let left = set.without(&self.ignored);
        if self.only.is_empty() { left } else { left.matching(self.only) }
    }

    fn compare(&self, old: &Value, new: &Value) -> Comparison {
        let Comparison { added, modified, removed } = compare(self.of, old, new);
        Comparison { added: self.reached(&added), modified: self.reached(&modified), removed: self.reached(&removed) }
    }
}

/// Fields nobody owns.
fn system_fields() -> Set {
    let metadata = |name| ["metadata", name];
    let names =
        ["name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation", "managedFields", "resourceVersion"];
    let paths: Vec<[&str; 2]> = names.into_iter().map(metadata).collect();
    let mut all: Vec<&[&str]> = vec![&["apiVersion"], &["kind"], &["metadata"]];
    all.extend(paths.iter().map(|p| &p[..]));
    Set::of_fields(&all)
}

/// Owners after `live` became `new` by an update. A creation starts from the kind's empty object.
pub fn update(write: &Write<'_>, live: &Value, new: &Value, mut managers: Managers) -> Managers {
    let comparison = write.compare(live, new);
    let changed = comparison.modified.union(&comparison.added);
    let taken = changed.difference(&system_fields());
    release(&mut managers, &changed.union(&comparison.removed), None);
    if !taken.is_empty() {
        let previous = managers.remove(&write.manager);
        let time = if write.manager.subresource == SCALE { previous.as_ref().and_then(|o| o.time) } else { Some(write.time) };
        let set = taken.union(&previous.map(|o| o.set).unwrap_or_default());
        let owned = Owned { set, api_version: write.api_version.clone(), time };
        managers.insert(write.manager.clone(), owned);
    }
    cap(managers)
}

/// Takes fields from all managers but one; managers without fields are gone.
fn release(managers: &mut Managers, fields: &Set, but: Option<&Manager>) {
    for (manager, owned) in managers.iter_mut() {
        if Some(manager) != but {
            owned.set = owned.set.difference(fields);
        }
    }
    managers.retain(|_, owned| !owned.set.is_empty());
}

/// Merges the oldest updates of a version into one entry, until there are few enough.
fn cap(mut managers: Managers) -> Managers {
    let mut updaters: Vec<Manager> = managers.keys().filter(|m| m.operation == Operation::Update).cloned().collect();
    if updaters.len() <= UPDATE_MANAGERS_MAX {
        return managers;
    }
    let second = |m: &Manager| managers.get(m).and_then(|o| o.time).map_or(0, Timestamp::as_second);
    updaters.sort_by_key(|m| (second(m), m.clone()));
    let mut count = updaters.len();
    let mut first_of_version: BTreeMap<String, Manager> = BTreeMap::new();
    for manager in updaters {
        if count <= UPDATE_MANAGERS_MAX {
            break;
        }
        let Some(owned) = managers.get(&manager).cloned() else { continue };
        let Some(first) = first_of_version.get(&owned.api_version).cloned() else {
            first_of_version.insert(owned.api_version.clone(), manager);
            continue;
        };
        let bucket = Manager::new(ANCIENT, Operation::Update, &owned.api_version, "");
        let older = managers.remove(&first).or_else(|| managers.get(&bucket).cloned()).map(|o| o.set).unwrap_or_default();
        managers.remove(&manager);
        managers.insert(bucket, Owned { set: owned.set.union(&older), ..owned });
        count -= 1;
    }
    managers
}

/// What an apply makes of an object.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The next state, or none if the intent changes no value.
    pub object: Option<Value>,
    /// The owners.
    pub managers: Managers,
}

/// Why an apply is refused.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// Other managers hold fields with other values.
    Conflicts(Vec<Conflict>),
    /// The intent's lists cannot be told apart: what is wrong, with its path.
    Typed(String),
}

/// Applies an intent to the live object. An object that nobody manages is first given to `before-first-apply`.
/// `empty` is the kind's empty object.
pub fn apply(write: &Write<'_>, live: &Value, empty: &Value, intent: &Value, managers: Managers, force: bool) -> Result<Applied, Refusal> {
    let managers = match managers.is_empty() {
        true => {
            let manager = Manager::new(BEFORE_FIRST_APPLY, Operation::Update, &write.api_version, &write.manager.subresource);
            update(&Write { manager, ..write.clone() }, empty, live, managers)
        }
        false => managers,
    };
    let merged = merge::merge(write.of, live, intent).map_err(Refusal::Typed)?;
    let (next, managers) = own(write, merged, intent, managers);
    let managers = settle(write, live, &next, managers, force)?;
    let changed = (next != *live).then_some(next);
    Ok(Applied { managers: stamped(write, managers, changed.is_some()), object: changed })
}

/// Gives the manager its intent's fields and takes out what it no longer says.
fn own(write: &Write<'_>, merged: Value, intent: &Value, mut managers: Managers) -> (Value, Managers) {
    let set = write.reached(&field_set(write.of, intent));
    let last = managers.get(&write.manager).cloned();
    let owned = Owned { set, api_version: write.api_version.clone(), time: last.as_ref().and_then(|o| o.time) };
    managers.insert(write.manager.clone(), owned);
    let next = match last {
        Some(last) if !last.set.is_empty() => prune(write.of, &merged, &last.set, &managers),
        _ => merged,
    };
    (next, managers)
}

fn prune(of: TypeRef<'_>, merged: &Value, last: &Set, managers: &Managers) -> Value {
    let named = |set: &Set| set.with_named_parents(of);
    let last = named(last);
    let all = named(&field_set(of, merged));
    let pruned = merge::remove(of, merged, &last);
    let owned = managers.values().fold(Set::default(), |all, o| all.union(&o.set));
    let kept = named(&field_set(of, &pruned)).union(&named(&owned));
    let pruned = merge::remove(of, merged, &all.difference(&kept));
    let gone = all.difference(&named(&field_set(of, &pruned))).intersection(&last);
    merge::remove(of, merged, &gone)
}

/// Takes changed fields from the other managers, or tells the conflicts.
fn settle(write: &Write<'_>, live: &Value, next: &Value, mut managers: Managers, force: bool) -> Result<Managers, Refusal> {
    let comparison = write.compare(live, next);
    let changed = comparison.modified.union(&comparison.added);
    let others = managers.iter().filter(|(m, _)| **m != write.manager);
    let conflicts: Vec<Conflict> = others.flat_map(|(m, owned)| conflict::of(m, &owned.set.intersection(&changed))).collect();
    if !force && !conflicts.is_empty() {
        return Err(Refusal::Conflicts(conflicts));
    }
    release(&mut managers, &changed.union(&comparison.removed), Some(&write.manager));
    Ok(managers)
}

fn stamped(write: &Write<'_>, mut managers: Managers, is_change: bool) -> Managers {
    if let Some(owned) = managers.get_mut(&write.manager) {
        owned.set = owned.set.difference(&system_fields());
        if is_change && write.manager.subresource != SCALE {
            owned.time = Some(write.time);
        }
    }
    managers.retain(|_, owned| !owned.set.is_empty());
    managers
}

#[cfg(test)]
mod tests;
