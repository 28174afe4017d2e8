//! JSON patch, RFC 6902.

use serde_json::Value;

/// Applies operations to a value.
pub fn apply(before: &Value, operations: &Value) -> Result<Value, String> {
    let patch: json_patch::Patch =
        serde_json::from_value(operations.clone()).map_err(|e| format!("couldn't decode the JSON patch: {e}"))?;
    let mut after = before.clone();
    json_patch::patch(&mut after, &patch).map_err(|_| "the server rejected our request due to an error in our request".to_owned())?;
    Ok(after)
}
