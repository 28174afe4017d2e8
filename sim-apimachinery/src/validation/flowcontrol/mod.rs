//! Flow schemas and priority levels. Source: pkg/apis/flowcontrol/validation.

pub mod level;
pub mod schema;

use std::collections::BTreeSet;

use super::errors::Errors;
use super::path::Path;

/// Conditions have types, each once.
fn conditions_have_types<'a>(types: impl Iterator<Item = &'a str>, errors: &mut Errors) {
    let status = Path::root("status");
    let list = status.child("conditions");
    let mut seen = BTreeSet::new();
    for (index, found) in types.enumerate() {
        let at = list.index(index);
        if !seen.insert(found) {
            errors.duplicate(&at.child("type"), found);
        }
        if found.is_empty() {
            errors.required(&at.child("type"), "");
        }
    }
}
