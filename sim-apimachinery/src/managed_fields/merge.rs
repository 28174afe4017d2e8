//! Merging an intent into an object, and taking fields out of one, both by type.
//! Source of the rules: structured-merge-diff/typed (merge.go, remove.go).

use serde_json::{Map, Value};

use super::path::PathElement;
use super::set::Set;
use super::typed::{Node, item_path, node};
use crate::schema::{ListType, TypeRef};

/// A list that cannot be merged, with the path to it.
pub(super) type Problem = String;

/// The intent merged into the live object. The error is a list in the intent whose items cannot be told apart.
pub(super) fn merge(of: TypeRef<'_>, live: &Value, intent: &Value) -> Result<Value, Problem> {
    Ok(merge_at(of, Some(live), Some(intent))?.unwrap_or(Value::Null))
}

fn is_hollow(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Array(list)) => list.is_empty(),
        Some(Value::Object(map)) => map.is_empty(),
        Some(_) => false,
    }
}

fn merge_at(of: TypeRef<'_>, live: Option<&Value>, intent: Option<&Value>) -> Result<Option<Value>, Problem> {
    let shown = intent.filter(|v| !v.is_null()).or(live).unwrap_or(&Value::Null);
    if is_hollow(live) && is_hollow(intent) {
        return Ok(intent.or(live).cloned());
    }
    match node(of, shown) {
        Node::Leaf => Ok(intent.or(live).cloned()),
        Node::Map => merge_maps(of, live, intent),
        Node::List(item_type, list_type) => merge_lists(item_type, list_type, live, intent),
    }
}

fn merge_maps(of: TypeRef<'_>, live: Option<&Value>, intent: Option<&Value>) -> Result<Option<Value>, Problem> {
    let (live, intent) = (live.and_then(Value::as_object), intent.and_then(Value::as_object));
    let mut out = Map::new();
    let keys: std::collections::BTreeSet<&String> = live.into_iter().chain(intent).flat_map(|m| m.keys()).collect();
    for key in keys {
        let (ours, theirs) = (live.and_then(|m| m.get(key)), intent.and_then(|m| m.get(key)));
        let Some(child) = of.child(key) else { continue };
        if let Some(value) = merge_at(child, ours, theirs).map_err(|p| format!(".{key}{p}"))? {
            out.insert(key.clone(), value);
        }
    }
    Ok((!out.is_empty()).then_some(Value::Object(out)))
}

struct Items<'v> {
    paths: Vec<PathElement>,
    values: Vec<&'v Value>,
}

impl<'v> Items<'v> {
    fn read(item_type: TypeRef<'_>, list_type: &ListType, list: Option<&'v Value>, unique: bool) -> Result<Self, Problem> {
        let mut items = Items { paths: Vec::new(), values: Vec::new() };
        for (index, value) in list.and_then(Value::as_array).into_iter().flatten().enumerate() {
            let path = item_path(item_type, list_type, value).map_err(|e| format!(": element {index}: {e}"))?;
            if unique && items.paths.contains(&path) {
                return Err(format!(": duplicate entries for key {path}"));
            }
            items.paths.push(path);
            items.values.push(value);
        }
        Ok(items)
    }

    /// The item at a path, unless there is none or more than one.
    fn only(&self, path: &PathElement) -> Option<&'v Value> {
        let mut found = self.paths.iter().zip(&self.values).filter(|(p, _)| *p == path);
        let first = found.next();
        first.filter(|_| found.next().is_none()).map(|(_, v)| *v)
    }

    fn has(&self, path: &PathElement) -> bool {
        self.paths.contains(path)
    }
}

/// The intent's items keep the intent's order; items that only the live list has stay where they stood among the shared.
fn merge_lists(
    item_type: TypeRef<'_>,
    list_type: &ListType,
    live: Option<&Value>,
    intent: Option<&Value>,
) -> Result<Option<Value>, Problem> {
    let theirs = Items::read(item_type, list_type, intent, true)?;
    let ours = Items::read(item_type, list_type, live, false)?;
    let mut shared = theirs.paths.iter().filter(|p| ours.has(p));
    let mut next_shared = shared.next();
    let mut merged: Vec<&PathElement> = Vec::new();
    let mut out = Vec::new();
    let (mut l, mut r) = (0, 0);
    while l < ours.paths.len() || r < theirs.paths.len() {
        if let (Some(mine), Some(wanted)) = (ours.paths.get(l), theirs.paths.get(r)) {
            if mine == wanted {
                merged.push(wanted);
                out.extend(merge_item(item_type, wanted, &ours, &theirs)?);
                (l, r) = (l + 1, r + 1);
                next_shared = shared.next();
                continue;
            }
            if theirs.has(mine) && next_shared.is_some_and(|n| n != mine) {
                l += 1;
                continue;
            }
        }
        if let Some(mine) = ours.paths.get(l) {
            if !theirs.has(mine) {
                out.push(ours.values[l].clone());
                l += 1;
                continue;
            }
            if merged.contains(&mine) {
                l += 1;
            }
        }
        if let Some(wanted) = theirs.paths.get(r) {
            merged.push(wanted);
            out.extend(merge_item(item_type, wanted, &ours, &theirs)?);
            r += 1;
            if next_shared == Some(wanted) {
                next_shared = shared.next();
            }
        }
    }
    Ok((!out.is_empty()).then_some(Value::Array(out)))
}

fn merge_item(item_type: TypeRef<'_>, path: &PathElement, ours: &Items<'_>, theirs: &Items<'_>) -> Result<Option<Value>, Problem> {
    merge_at(item_type, ours.only(path), theirs.only(path)).map_err(|p| format!("{path}{p}"))
}

/// The value without these fields and items. A list or map that loses what is in it stays, empty.
pub(super) fn remove(of: TypeRef<'_>, value: &Value, gone: &Set) -> Value {
    match (node(of, value), value) {
        (Node::Map, Value::Object(map)) => Value::Object(remove_fields(of, map, gone)),
        (Node::List(item_type, list_type), Value::Array(list)) => {
            Value::Array(list.iter().filter_map(|item| remove_item(item_type, list_type, item, gone)).collect())
        }
        _ => value.clone(),
    }
}

fn remove_fields(of: TypeRef<'_>, map: &Map<String, Value>, gone: &Set) -> Map<String, Value> {
    let mut out = Map::new();
    for (name, value) in map {
        let element = PathElement::Field(name.clone());
        if gone.has_member(&element) {
            continue;
        }
        let left = match (gone.below(&element), of.child(name)) {
            (Some(below), Some(child)) => remove(child, value, below),
            _ => value.clone(),
        };
        out.insert(name.clone(), left);
    }
    out
}

fn remove_item(item_type: TypeRef<'_>, list_type: &ListType, item: &Value, gone: &Set) -> Option<Value> {
    let Ok(element) = item_path(item_type, list_type, item) else { return Some(item.clone()) };
    if gone.has_member(&element) {
        return None;
    }
    Some(gone.below(&element).map_or_else(|| item.clone(), |below| remove(item_type, item, below)))
}
