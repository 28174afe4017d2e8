//! Strategic merge patch: maps merge, lists with a merge key merge item by item, all other lists are replaced.
//! Directives: `$patch` (replace, delete, merge), `$deleteFromPrimitiveList/…`, `$setElementOrder/…`, `$retainKeys`.
//! And what `kubectl apply` sends: the patch that brings the last applied state to the new one, over what is there now.
//! Source: apimachinery pkg/util/strategicpatch. The merge keys are those of the core types, by field name.

use serde_json::{Map, Value};

/// Field names of lists whose items merge, and the key that tells them apart. Fields of the same name agree in all kinds
/// but `ports`, which a container tells apart by `containerPort` and a service by `port`.
const MERGE_KEYS: [(&str, &str); 21] = [
    ("containers", "name"),
    ("initContainers", "name"),
    ("ephemeralContainers", "name"),
    ("env", "name"),
    ("volumes", "name"),
    ("volumeMounts", "mountPath"),
    ("volumeDevices", "devicePath"),
    ("imagePullSecrets", "name"),
    ("schedulingGates", "name"),
    ("resourceClaims", "name"),
    ("secrets", "name"),
    ("webhooks", "name"),
    ("matchConditions", "name"),
    ("hostAliases", "ip"),
    ("podIPs", "ip"),
    ("hostIPs", "ip"),
    ("topologySpreadConstraints", "topologyKey"),
    ("conditions", "type"),
    ("addresses", "type"),
    ("ownerReferences", "uid"),
    ("taints", "key"),
];
/// Lists of plain values that merge as sets.
const MERGED_SETS: [&str; 2] = ["finalizers", "podCIDRs"];

fn merge_key(field: &str, items: &[&Value]) -> Option<&'static str> {
    if field == "ports" {
        let is_container = items.iter().any(|i| i.get("containerPort").is_some());
        return Some(if is_container { "containerPort" } else { "port" });
    }
    MERGE_KEYS
        .iter()
        .find(|(name, _)| *name == field)
        .map(|(_, key)| *key)
        .filter(|key| items.iter().all(|i| i.get(key).is_some() || i.get("$patch").is_some()))
}

/// Applies a strategic merge patch.
pub fn apply(before: &Value, patch: &Value) -> Result<Value, String> {
    let (Value::Object(before), Value::Object(patch)) = (before, patch) else { return Ok(patch.clone()) };
    merge_maps(before, patch).map(Value::Object)
}

fn merge_maps(before: &Map<String, Value>, patch: &Map<String, Value>) -> Result<Map<String, Value>, String> {
    match patch.get("$patch").and_then(Value::as_str) {
        Some("replace") => return Ok(patch.iter().filter(|(k, _)| *k != "$patch").map(|(k, v)| (k.clone(), v.clone())).collect()),
        Some("delete") => return Ok(Map::new()),
        Some("merge") | None => {}
        Some(other) => return Err(format!("unrecognized patch type: {other}")),
    }
    let mut after = before.clone();
    if let Some(Value::Array(keys)) = patch.get("$retainKeys") {
        after.retain(|k, _| keys.iter().any(|kept| kept == k));
    }
    for (key, value) in patch {
        if let Some(field) = key.strip_prefix("$deleteFromPrimitiveList/") {
            delete_from(&mut after, field, value);
        } else if !key.starts_with('$') {
            merge_field(&mut after, key, value)?;
        }
    }
    for (key, order) in patch {
        if let Some(field) = key.strip_prefix("$setElementOrder/") {
            set_order(&mut after, field, order);
        }
    }
    Ok(after)
}

fn merge_field(after: &mut Map<String, Value>, key: &str, value: &Value) -> Result<(), String> {
    let merged = match (after.get(key), value) {
        (_, Value::Null) => {
            after.remove(key);
            return Ok(());
        }
        (Some(Value::Object(before)), Value::Object(patch)) => Value::Object(merge_maps(before, patch)?),
        (None, Value::Object(patch)) => Value::Object(merge_maps(&Map::new(), patch)?),
        (before, Value::Array(patch)) => {
            let before = before.and_then(Value::as_array).cloned().unwrap_or_default();
            Value::Array(merge_lists(key, before, patch)?)
        }
        _ => value.clone(),
    };
    after.insert(key.to_owned(), merged);
    Ok(())
}

fn merge_lists(field: &str, before: Vec<Value>, patch: &[Value]) -> Result<Vec<Value>, String> {
    if patch.iter().any(|i| i.get("$patch").and_then(Value::as_str) == Some("replace")) {
        return Ok(patch.iter().filter(|i| i.get("$patch").is_none()).cloned().collect());
    }
    if MERGED_SETS.contains(&field) {
        let mut after = before;
        for item in patch {
            if !after.contains(item) {
                after.push(item.clone());
            }
        }
        return Ok(after);
    }
    let all: Vec<&Value> = before.iter().chain(patch).collect();
    let Some(key) = merge_key(field, &all) else { return Ok(patch.to_vec()) };
    let mut after = before;
    for item in patch {
        let Value::Object(item) = item else { return Ok(patch.to_vec()) };
        let position = after.iter().position(|a| a.get(key) == item.get(key));
        match (item.get("$patch").and_then(Value::as_str), position) {
            (Some("delete"), Some(at)) => _ = after.remove(at),
            (Some("delete"), None) => {}
            (_, Some(at)) => {
                let before = after[at].as_object().cloned().unwrap_or_default();
                after[at] = Value::Object(merge_maps(&before, item)?);
            }
            (_, None) => after.push(Value::Object(merge_maps(&Map::new(), item)?)),
        }
    }
    Ok(after)
}

fn delete_from(after: &mut Map<String, Value>, field: &str, values: &Value) {
    if let (Some(Value::Array(list)), Value::Array(values)) = (after.get_mut(field), values) {
        list.retain(|item| !values.contains(item));
    }
}

fn set_order(after: &mut Map<String, Value>, field: &str, order: &Value) {
    let (Some(Value::Array(list)), Value::Array(order)) = (after.get_mut(field), order) else { return };
    let all: Vec<&Value> = list.iter().collect();
    let key = merge_key(field, &all);
    let place = |item: &Value| {
        order.iter().position(|wanted| match key {
            Some(key) => wanted.get(key) == item.get(key),
            None => wanted == item,
        })
    };
    list.sort_by_key(|item| place(item).unwrap_or(usize::MAX));
}

/// The state after `kubectl apply`: what the last manifest had and the new one has not goes, what the new one says holds,
/// everything else stays.
pub fn three_way(last: &Value, new: &Value, current: &Value) -> Result<Value, String> {
    let deletions = deletions("", last, new);
    let cleaned = apply(current, &deletions)?;
    apply(&cleaned, new)
}

/// The patch that removes what only the old value has.
fn deletions(field: &str, old: &Value, new: &Value) -> Value {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            let mut patch = Map::new();
            for (key, before) in old {
                match new.get(key) {
                    None => _ = patch.insert(key.clone(), Value::Null),
                    Some(after) => {
                        let inner = deletions(key, before, after);
                        if inner.as_object().is_some_and(|m| !m.is_empty()) || inner.as_array().is_some_and(|l| !l.is_empty()) {
                            patch.insert(key.clone(), inner);
                        }
                    }
                }
            }
            Value::Object(patch)
        }
        (Value::Array(old), Value::Array(new)) => list_deletions(field, old, new),
        _ => Value::Object(Map::new()),
    }
}

fn list_deletions(field: &str, old: &[Value], new: &[Value]) -> Value {
    let all: Vec<&Value> = old.iter().chain(new).collect();
    let Some(key) = merge_key(field, &all) else { return Value::Object(Map::new()) };
    let mut items = Vec::new();
    for before in old {
        match new.iter().find(|n| n.get(key) == before.get(key)) {
            None => items.push(serde_json::json!({ key: before.get(key), "$patch": "delete" })),
            Some(after) => {
                if let Value::Object(mut inner) = deletions("", before, after)
                    && !inner.is_empty()
                {
                    inner.insert(key.to_owned(), before.get(key).cloned().unwrap_or_default());
                    items.push(Value::Object(inner));
                }
            }
        }
    }
    Value::Array(items)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lists_with_a_merge_key_merge_item_by_item() {
        let before =
            json!({"containers": [{"name": "a", "image": "x", "env": [{"name": "K", "value": "1"}]}, {"name": "b"}], "args": [1, 2]});
        let patch = json!({"containers": [{"name": "a", "image": "y"}, {"name": "b", "$patch": "delete"}, {"name": "c"}], "args": [3]});
        let after = json!({"containers": [{"name": "a", "image": "y", "env": [{"name": "K", "value": "1"}]}, {"name": "c"}], "args": [3]});
        assert_eq!(apply(&before, &patch), Ok(after));
    }

    #[test]
    fn directives_are_obeyed() {
        let check = |before: Value, patch: Value, after: Value| assert_eq!(apply(&before, &patch), Ok(after));
        check(json!({"a": {"b": 1}}), json!({"a": {"$patch": "replace", "c": 2}}), json!({"a": {"c": 2}}));
        check(json!({"s": {"type": "R", "x": 1}}), json!({"s": {"$retainKeys": ["type"], "type": "Q"}}), json!({"s": {"type": "Q"}}));
        check(json!({"finalizers": ["a", "b"]}), json!({"$deleteFromPrimitiveList/finalizers": ["a"]}), json!({"finalizers": ["b"]}));
        check(
            json!({"env": [{"name": "a"}, {"name": "b"}]}),
            json!({"$setElementOrder/env": [{"name": "b"}, {"name": "a"}]}),
            json!({"env": [{"name": "b"}, {"name": "a"}]}),
        );
    }

    #[test]
    fn apply_removes_what_the_last_manifest_had_and_keeps_what_others_added() {
        let last = json!({"data": {"a": "1", "b": "2"}, "containers": [{"name": "x", "env": [{"name": "K"}]}]});
        let new = json!({"data": {"a": "3"}, "containers": [{"name": "x"}]});
        let current = json!({"data": {"a": "1", "b": "2", "c": "4"}, "containers": [{"name": "x", "image": "i", "env": [{"name": "K"}, {"name": "L"}]}]});
        let after = json!({"data": {"a": "3", "c": "4"}, "containers": [{"name": "x", "image": "i"}]});
        let merged = three_way(&last, &new, &current).unwrap();
        assert_eq!(merged["data"], after["data"]);
        assert_eq!(merged["containers"][0]["image"], "i");
    }
}
