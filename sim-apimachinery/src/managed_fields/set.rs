//! Sets of fields: a tree in which each node may itself be a member. `spec.replicas` in a set says nothing of `spec`.
//! Source of the rules: structured-merge-diff/fieldpath/set.go.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::path::PathElement;
use crate::schema::TypeRef;

/// A set of paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Set {
    members: BTreeSet<PathElement>,
    children: BTreeMap<PathElement, Set>,
}

impl Set {
    /// The set of these paths of field names.
    pub fn of_fields(paths: &[&[&str]]) -> Self {
        let mut set = Set::default();
        for path in paths {
            set.insert(&path.iter().map(|p| PathElement::Field((*p).to_owned())).collect::<Vec<_>>());
        }
        set
    }

    /// Adds a path; its parents are not added. The whole object is never a member.
    pub fn insert(&mut self, path: &[PathElement]) {
        match path {
            [] => {}
            [last] => _ = self.members.insert(last.clone()),
            [first, rest @ ..] => self.children.entry(first.clone()).or_default().insert(rest),
        }
    }

    /// Whether the path is a member.
    pub fn has(&self, path: &[PathElement]) -> bool {
        match path {
            [] => false,
            [last] => self.members.contains(last),
            [first, rest @ ..] => self.children.get(first).is_some_and(|s| s.has(rest)),
        }
    }

    /// Whether this step itself is a member.
    pub fn has_member(&self, element: &PathElement) -> bool {
        self.members.contains(element)
    }

    /// What the set holds below a step, if anything.
    pub fn below(&self, element: &PathElement) -> Option<&Set> {
        self.children.get(element).filter(|s| !s.is_empty())
    }

    /// Whether it has no member.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty() && self.children.values().all(Set::is_empty)
    }

    /// What is in either.
    #[must_use]
    pub fn union(&self, other: &Set) -> Set {
        let mut out = self.clone();
        out.members.extend(other.members.iter().cloned());
        for (element, below) in &other.children {
            let merged = out.children.get(element).map_or_else(|| below.clone(), |s| s.union(below));
            out.children.insert(element.clone(), merged);
        }
        out
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(&self, other: &Set) -> Set {
        let members = self.members.intersection(&other.members).cloned().collect();
        let common = |(element, below): (&PathElement, &Set)| Some((element.clone(), below.intersection(other.children.get(element)?)));
        Set { members, children: self.children.iter().filter_map(common).filter(|(_, s)| !s.is_empty()).collect() }
    }

    /// What is in this and not in the other; a parent in the other takes nothing below it away.
    #[must_use]
    pub fn difference(&self, other: &Set) -> Set {
        let members = self.members.difference(&other.members).cloned().collect();
        let rest = |(element, below): (&PathElement, &Set)| {
            let left = other.children.get(element).map_or_else(|| below.clone(), |o| below.difference(o));
            (element.clone(), left)
        };
        Set { members, children: self.children.iter().map(rest).filter(|(_, s)| !s.is_empty()).collect() }
    }

    /// What is in this, without the members of the other and all that is below them.
    #[must_use]
    pub fn without(&self, other: &Set) -> Set {
        let members = self.members.difference(&other.members).cloned().collect();
        let kept = self.children.iter().filter(|(element, _)| !other.members.contains(element));
        let rest = kept.map(|(element, below)| {
            let left = other.children.get(element).map_or_else(|| below.clone(), |o| below.without(o));
            (element.clone(), left)
        });
        Set { members, children: rest.filter(|(_, s)| !s.is_empty()).collect() }
    }

    /// The members at or below one of these paths of steps; `*` is any step.
    #[must_use]
    pub fn matching(&self, patterns: &[&[&str]]) -> Set {
        let mut out = Set::default();
        for path in self.paths() {
            let fits = |pattern: &&[&str]| {
                pattern.len() <= path.len() && pattern.iter().zip(&path).all(|(want, step)| *want == "*" || step.is_field(want))
            };
            if patterns.iter().any(fits) {
                out.insert(&path);
            }
        }
        out
    }

    /// The set with each struct's field on the way to a member made a member too (keys of maps and items are not).
    #[must_use]
    pub fn with_named_parents(&self, of: TypeRef<'_>) -> Set {
        let mut members = self.members.clone();
        let named = |element: &&PathElement| matches!(element, PathElement::Field(name) if of.field(name).is_some());
        members.extend(self.children.keys().filter(named).cloned());
        let below = |(element, below): (&PathElement, &Set)| {
            let child = match element {
                PathElement::Field(name) => of.child(name),
                _ => of.item(),
            };
            (element.clone(), child.map_or_else(|| below.clone(), |t| below.with_named_parents(t)))
        };
        Set { members, children: self.children.iter().map(below).collect() }
    }

    /// All members, parents before children.
    pub fn paths(&self) -> Vec<Vec<PathElement>> {
        let mut found = Vec::new();
        self.collect(&mut Vec::new(), &mut found);
        found
    }

    fn collect(&self, prefix: &mut Vec<PathElement>, found: &mut Vec<Vec<PathElement>>) {
        for member in &self.members {
            found.push(prefix.iter().chain([member]).cloned().collect());
        }
        for (element, below) in &self.children {
            prefix.push(element.clone());
            below.collect(prefix, found);
            prefix.pop();
        }
    }

    /// As `fieldsV1` has it.
    pub fn to_fields_v1(&self) -> Value {
        Value::Object(self.to_map(false))
    }

    fn to_map(&self, is_member: bool) -> Map<String, Value> {
        let mut map = Map::new();
        if is_member {
            map.insert(".".into(), Value::Object(Map::new()));
        }
        for member in &self.members {
            map.insert(member.encode(), Value::Object(Map::new()));
        }
        for (element, below) in &self.children {
            map.insert(element.encode(), Value::Object(below.to_map(self.members.contains(element))));
        }
        map
    }

    /// Reads `fieldsV1`; what is no path is passed over.
    pub fn from_fields_v1(value: &Value) -> Set {
        let mut set = Set::default();
        for (key, below) in value.as_object().into_iter().flatten().filter(|(key, _)| *key != ".") {
            let Some(element) = PathElement::decode(key) else { continue };
            let inner = below.as_object();
            if inner.is_none_or(|m| m.is_empty() || m.contains_key(".")) {
                set.members.insert(element.clone());
            }
            let children = Set::from_fields_v1(below);
            if !children.is_empty() {
                set.children.insert(element, children);
            }
        }
        set
    }
}
