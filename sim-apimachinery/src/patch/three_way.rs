//! What `kubectl apply` makes of an object: what the last manifest had and the new one has not goes, what the new one says
//! holds, everything else stays.
//! Source: kubectl pkg/cmd/apply, strategicpatch.CreateThreeWayMergePatch.

use serde_json::{Map, Value, json};

use super::strategic::{self, PatchError};
use crate::schema::{self, TypeRef};

/// The state after an apply. The error is the server's.
pub fn three_way(last: &Value, new: &Value, current: &Value) -> Result<Value, String> {
    let of = schema::of_object(current).unwrap_or_else(schema::any_object);
    let told = |error: PatchError| match error {
        PatchError::Format(text) | PatchError::Content(text) => text.to_owned(),
        PatchError::Other(text) => text,
    };
    let cleaned = strategic::apply(of, current, &deletions(of, last, new)).map_err(told)?;
    strategic::apply(of, &cleaned, new).map_err(told)
}

/// The patch that removes what only the old value has.
fn deletions(of: TypeRef<'_>, old: &Value, new: &Value) -> Value {
    let mut patch = Map::new();
    let (Value::Object(old), Value::Object(new)) = (old, new) else { return Value::Object(patch) };
    for (key, before) in old {
        let Some(child) = of.child(key) else { continue };
        let inner = match new.get(key) {
            None => Value::Null,
            Some(after) => match (before, after, of.field(key).and_then(|f| f.patch.merge_key.as_deref())) {
                (Value::Array(before), Value::Array(after), Some(merge_key)) => list_deletions(child, merge_key, before, after),
                _ => deletions(child, before, after),
            },
        };
        let says_nothing = inner.as_object().is_some_and(Map::is_empty) || inner.as_array().is_some_and(Vec::is_empty);
        if !says_nothing {
            patch.insert(key.clone(), inner);
        }
    }
    Value::Object(patch)
}

fn list_deletions(of: TypeRef<'_>, merge_key: &str, old: &[Value], new: &[Value]) -> Value {
    let mut items = Vec::new();
    for before in old {
        match new.iter().find(|n| n.get(merge_key) == before.get(merge_key)) {
            None => items.push(json!({ merge_key: before.get(merge_key), "$patch": "delete" })),
            Some(after) => {
                let Some(Value::Object(mut inner)) = of.item().map(|item| deletions(item, before, after)) else { continue };
                if !inner.is_empty() {
                    inner.insert(merge_key.to_owned(), before.get(merge_key).cloned().unwrap_or_default());
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

    #[test]
    fn apply_removes_what_the_last_manifest_had_and_keeps_what_others_added() {
        let pod = |data: Value, spec: Value| json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": data}, "spec": spec});
        let last = pod(json!({"a": "1", "b": "2"}), json!({"containers": [{"name": "x", "env": [{"name": "K"}]}]}));
        let new = pod(json!({"a": "3"}), json!({"containers": [{"name": "x"}]}));
        let current = pod(
            json!({"a": "1", "b": "2", "c": "4"}),
            json!({"containers": [{"name": "x", "image": "i", "env": [{"name": "K"}, {"name": "L"}]}]}),
        );
        let merged = three_way(&last, &new, &current).expect("merged");
        assert_eq!(merged["metadata"]["labels"], json!({"a": "3", "c": "4"}));
        assert_eq!(merged["spec"]["containers"][0]["image"], "i");
    }
}
