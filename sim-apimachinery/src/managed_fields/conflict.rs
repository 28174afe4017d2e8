//! Conflicts of an apply, in the API server's words.
//! Source: k8s.io/apimachinery/pkg/util/managedfields/internal/conflict.go.

use std::collections::BTreeMap;

use super::path::PathElement;
use super::set::Set;
use super::{Manager, Operation};
use crate::status::{Cause, Reason, Status};

/// A field that another manager holds with another value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Who holds it.
    pub manager: Manager,
    /// The field.
    pub path: Vec<PathElement>,
}

pub(super) fn of(manager: &Manager, fields: &Set) -> Vec<Conflict> {
    fields.paths().into_iter().map(|path| Conflict { manager: manager.clone(), path }).collect()
}

fn shown(path: &[PathElement]) -> String {
    path.iter().map(ToString::to_string).collect()
}

/// The manager as it is named; the real server knows no time here either.
fn told(manager: &Manager) -> String {
    let mut text = format!("{:?}", manager.name);
    if !manager.subresource.is_empty() {
        text += &format!(" with subresource {:?}", manager.subresource);
    }
    if manager.operation == Operation::Update {
        text += &format!(" using {}", manager.api_version);
    }
    text
}

/// The answer to an apply with conflicts: one line for one, a list by manager for many.
pub fn conflict_status(conflicts: &[Conflict]) -> Status {
    let message = match conflicts {
        [only] => format!("Apply failed with 1 conflict: conflict with {}: {}", told(&only.manager), shown(&only.path)),
        many => format!("Apply failed with {} conflicts: {}", many.len(), by_manager(many)),
    };
    let mut status = Status::new(Reason::Conflict, message);
    let cause = |c: &Conflict| Cause {
        reason: "FieldManagerConflict".into(),
        message: format!("conflict with {}", told(&c.manager)),
        field: shown(&c.path),
    };
    status.causes = conflicts.iter().map(cause).collect();
    status
}

fn by_manager(conflicts: &[Conflict]) -> String {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for conflict in conflicts {
        found.entry(identifier(&conflict.manager)).or_default().push(shown(&conflict.path));
    }
    let managers = conflicts.iter().map(|c| (identifier(&c.manager), &c.manager)).collect::<BTreeMap<_, _>>();
    let lines = found.into_iter().flat_map(|(key, paths)| {
        let head = format!("conflicts with {}:", managers.get(&key).map_or_else(String::new, |m| told(m)));
        std::iter::once(head).chain(paths.into_iter().map(|p| format!("- {p}")))
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The text by which the real server sorts managers.
fn identifier(manager: &Manager) -> String {
    let Manager { name, operation, api_version, subresource } = manager;
    format!("{{\"manager\":{name:?},\"operation\":\"{operation:?}\",\"apiVersion\":{api_version:?},\"subresource\":{subresource:?}}}")
}
