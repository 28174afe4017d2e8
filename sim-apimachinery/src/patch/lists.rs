//! Lists in a strategic merge patch: how they merge, and in which order their items stand afterwards.
//! Source of the rules: apimachinery pkg/util/strategicpatch/patch.go (mergeSlice, normalizeElementOrder).

use serde_json::{Map, Value};

use super::strategic::{Outcome, PatchError, bad_directive, go_format, merge_maps, without_directives, without_nulls};
use crate::schema::TypeRef;

/// The list after a patch of it; `of` is the type of the list.
pub(super) fn merge(of: TypeRef<'_>, merge_key: Option<&str>, old: Vec<Value>, new: Vec<Value>, is_deletion: bool) -> Outcome<Vec<Value>> {
    if old.is_empty() && new.is_empty() {
        return Ok(old);
    }
    check_types(&[&old, &new])?;
    let is_map = old.iter().chain(&new).any(Value::is_object);
    if !is_map {
        if is_deletion {
            return Ok(old.into_iter().filter(|item| !new.contains(item)).collect());
        }
        let merged = unique(old.iter().chain(&new));
        return in_order(merged, &new, &old, None);
    }
    let Some(key) = merge_key else {
        let name = of.item().and_then(|i| i.definition()).map_or_else(String::new, |d| d.go_name().to_owned());
        return Err(PatchError::Other(format!("cannot merge lists without merge key for {name}")));
    };
    let (old, new) = special_items(key, old, new)?;
    let merged = merge_items(of, key, old.clone(), &new)?;
    in_order(merged, &new, &old, Some(key))
}

fn unique<'v>(items: impl Iterator<Item = &'v Value>) -> Vec<Value> {
    let mut found: Vec<Value> = Vec::new();
    for item in items {
        if !found.contains(item) {
            found.push(item.clone());
        }
    }
    found
}

/// All items must be of one kind, and lists of lists are not merged.
fn check_types(lists: &[&[Value]]) -> Outcome<()> {
    let kind = |value: &Value| match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(n) if n.is_i64() => 2,
        Value::Number(_) => 3,
        Value::String(_) => 4,
        Value::Array(_) => 5,
        Value::Object(_) => 6,
    };
    let mut items = lists.iter().flat_map(|l| l.iter());
    let first = items.next().map(kind);
    if first == Some(5) {
        return Err(PatchError::Content("lists of lists are not supported"));
    }
    if items.any(|item| Some(kind(item)) != first) {
        let shown: Vec<Value> = lists.iter().map(|l| Value::Array(l.to_vec())).collect();
        return Err(PatchError::Other(format!("list element types are not identical: {}", go_format(&Value::Array(shown)))));
    }
    Ok(())
}

/// Obeys items that are directives, and takes them out.
fn special_items(key: &str, mut old: Vec<Value>, new: Vec<Value>) -> Outcome<(Vec<Value>, Vec<Value>)> {
    let mut plain = Vec::new();
    let mut is_replaced = false;
    for item in new {
        let Some(directive) = item.get("$patch") else {
            plain.push(item);
            continue;
        };
        let map = item.as_object().cloned().unwrap_or_default();
        match directive.as_str() {
            Some("delete") => {
                let wanted = map.get(key).ok_or_else(|| no_merge_key(&map, key))?;
                old.retain(|item| item.get(key) != Some(wanted));
            }
            Some("replace") => is_replaced = true,
            Some("merge") => return Err(PatchError::Other("merging lists cannot yet be specified in the patch".into())),
            _ => return Err(bad_directive(directive, &map)),
        }
    }
    Ok(if is_replaced { (plain, vec![]) } else { (old, plain) })
}

fn no_merge_key(map: &Map<String, Value>, key: &str) -> PatchError {
    PatchError::Other(format!("map: {} does not contain declared merge key: {key}", go_format(&Value::Object(map.clone()))))
}

fn merge_items(of: TypeRef<'_>, key: &str, mut old: Vec<Value>, new: &[Value]) -> Outcome<Vec<Value>> {
    for item in new {
        let Value::Object(map) = item else { continue };
        let wanted = map.get(key).ok_or_else(|| no_merge_key(map, key))?;
        match old.iter_mut().find(|o| o.get(key) == Some(wanted)) {
            Some(Value::Object(found)) => {
                let merged = merge_maps(of.item().unwrap_or(of), std::mem::take(found), map.clone())?;
                *found = merged;
            }
            _ => old.extend(without_directives(without_nulls(item.clone()))),
        }
    }
    Ok(old)
}

fn same(a: &Value, b: &Value, merge_key: Option<&str>) -> bool {
    match merge_key {
        Some(key) => a.get(key) == b.get(key),
        None => a == b,
    }
}

fn index(list: &[Value], item: &Value, merge_key: Option<&str>) -> Option<usize> {
    list.iter().position(|found| same(found, item, merge_key))
}

/// The merged list in its final order: items the patch names in the patch's order, the server's others where they stood
/// among those that both have.
pub(super) fn in_order(merged: Vec<Value>, order: &[Value], server: &[Value], merge_key: Option<&str>) -> Outcome<Vec<Value>> {
    if let Some(key) = merge_key
        && let Some(Value::Object(map)) = order.iter().find(|item| item.get(key).is_none())
    {
        return Err(no_merge_key(map, key));
    }
    let (mut named, mut others): (Vec<Value>, Vec<Value>) = merged.into_iter().partition(|item| index(order, item, merge_key).is_some());
    named.sort_by_key(|item| index(order, item, merge_key));
    others.sort_by_key(|item| index(server, item, merge_key));
    let (mut named, mut others) = (named.into_iter().peekable(), others.into_iter().peekable());
    let mut out = Vec::new();
    loop {
        let other_first = match (others.peek(), named.peek()) {
            (None, None) => return Ok(out),
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(other), Some(name)) => {
                matches!((index(server, other, merge_key), index(server, name, merge_key)), (Some(a), Some(b)) if a < b)
            }
        };
        out.extend(if other_first { others.next() } else { named.next() });
    }
}

/// The items of a patch must stand in the order that it asks for.
pub(super) fn check_order(patch: &[Value], order: &[Value], merge_key: Option<&str>) -> Outcome<()> {
    let mut wanted = patch.iter().filter(|item| merge_key.is_none() || item.get("$patch").is_none()).peekable();
    for item in order {
        if wanted.peek().is_some_and(|w| same(w, item, merge_key)) {
            wanted.next();
        }
    }
    if wanted.next().is_none() {
        return Ok(());
    }
    let shown = |list: &[Value]| go_format(&Value::Array(list.to_vec()));
    Err(PatchError::Other(format!("The order in patch list:\n{}\n doesn't match $setElementOrder list:\n{}\n", shown(patch), shown(order))))
}
