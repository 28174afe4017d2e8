//! JSON patch, RFC 6902, as the server's library does it: a `replace` of a missing key of a map adds it, `test` finds null
//! where nothing is, indexes may be negative or have leading zeros, and what is copied has a limit.
//! Source of the rules: evanphx/json-patch v4.

use serde_json::{Map, Value};

/// How many operations a patch may have.
pub const OPERATIONS_MAX: usize = 10_000;
/// How many bytes of JSON the `copy` operations of a patch may add.
const COPIED_BYTES_MAX: usize = 3 << 20;

/// Applies a list of operations. The error says which operation fails and why; the server does not show it.
pub fn apply(before: &Value, operations: &[Value]) -> Result<Value, String> {
    let mut document = before.clone();
    let mut copied = 0;
    for (index, operation) in operations.iter().enumerate() {
        step(&mut document, operation, &mut copied).map_err(|why| format!("operation {index}: {why}"))?;
    }
    Ok(document)
}

fn step(document: &mut Value, operation: &Value, copied: &mut usize) -> Result<(), String> {
    let text = |name: &str| operation.get(name).and_then(Value::as_str).ok_or_else(|| format!("{name} is missing"));
    let value = || operation.get("value").cloned().unwrap_or(Value::Null);
    match text("op")? {
        "add" => place(document, text("path")?)?.add(value()),
        "remove" => place(document, text("path")?)?.remove().map(drop),
        "replace" if text("path")?.is_empty() => replace_all(document, value()),
        "replace" => place(document, text("path")?)?.replace(value()),
        "move" => {
            let moved = place(document, text("from")?)?.remove()?;
            place(document, text("path")?)?.add(moved)
        }
        "copy" => {
            let found = place(document, text("from")?)?.get()?;
            *copied += found.to_string().len();
            if *copied > COPIED_BYTES_MAX {
                return Err("too much is copied".into());
            }
            place(document, text("path")?)?.add(found)
        }
        "test" => test(document, text("path")?, &value()),
        other => Err(format!("unexpected kind {other}")),
    }
}

fn replace_all(document: &mut Value, value: Value) -> Result<(), String> {
    if !value.is_object() && !value.is_array() {
        return Err("the document must be a map or a list".into());
    }
    *document = value;
    Ok(())
}

fn test(document: &mut Value, path: &str, wanted: &Value) -> Result<(), String> {
    let found = if path.is_empty() { document.clone() } else { place(document, path)?.get()? };
    if found == *wanted { Ok(()) } else { Err("the test failed".into()) }
}

/// A key of a map or an index of a list.
struct Place<'v> {
    container: &'v mut Value,
    key: String,
}

fn place<'v>(document: &'v mut Value, path: &str) -> Result<Place<'v>, String> {
    let missing = || format!("there is no {path}");
    let mut parts: Vec<String> = path.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~")).collect();
    let key = parts.pop().ok_or_else(missing)?;
    let mut container = document;
    for part in parts {
        container = match container {
            Value::Object(map) => map.get_mut(&part).ok_or_else(missing)?,
            Value::Array(list) => {
                let index = index_of(&part, list.len())?;
                &mut list[index]
            }
            _ => return Err(missing()),
        };
    }
    match container {
        Value::Object(_) | Value::Array(_) => Ok(Place { container, key }),
        _ => Err(missing()),
    }
}

/// The index of an item that is there.
fn index_of(text: &str, length: usize) -> Result<usize, String> {
    let index: i64 = text.parse().map_err(|_| format!("{text} is no index"))?;
    let index = if index < 0 { index + i64::try_from(length).unwrap_or(i64::MAX) } else { index };
    usize::try_from(index).ok().filter(|i| *i < length).ok_or_else(|| format!("{text} is out of range"))
}

impl Place<'_> {
    fn get(&self) -> Result<Value, String> {
        match &*self.container {
            Value::Array(list) => index_of(&self.key, list.len()).map(|i| list[i].clone()),
            map => Ok(map.get(&self.key).cloned().unwrap_or(Value::Null)),
        }
    }

    fn add(self, value: Value) -> Result<(), String> {
        match self.container {
            Value::Array(list) if self.key == "-" => list.push(value),
            Value::Array(list) => {
                let index = index_of(&self.key, list.len() + 1)?;
                list.insert(index, value);
            }
            map => _ = map.as_object_mut().map(|m| m.insert(self.key, value)),
        }
        Ok(())
    }

    fn replace(self, value: Value) -> Result<(), String> {
        match self.container {
            Value::Array(list) => {
                let index = index_of(&self.key, list.len())?;
                list[index] = value;
            }
            map => _ = map.as_object_mut().map(|m| m.insert(self.key, value)),
        }
        Ok(())
    }

    fn remove(self) -> Result<Value, String> {
        match self.container {
            Value::Array(list) => index_of(&self.key, list.len()).map(|index| list.remove(index)),
            map => map.as_object_mut().and_then(|m: &mut Map<_, _>| m.remove(&self.key)).ok_or_else(|| format!("there is no {}", self.key)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_quirks_of_the_servers_library_are_kept() {
        let before = json!({"data": {"a": "1", "x/y": "z"}, "list": ["p", "q"]});
        let check = |operation: Value, after: Option<Value>| {
            let found = apply(&before, std::slice::from_ref(&operation)).ok();
            assert_eq!(found, after, "{operation}");
        };
        check(
            json!({"op": "replace", "path": "/data/b", "value": 2}),
            Some(json!({"data": {"a": "1", "b": 2, "x/y": "z"}, "list": ["p", "q"]})),
        );
        check(json!({"op": "remove", "path": "/data/b"}), None);
        check(json!({"op": "test", "path": "/data/b", "value": null}), Some(before.clone()));
        check(json!({"op": "test", "path": "/data/x~1y", "value": "z"}), Some(before.clone()));
        check(json!({"op": "remove", "path": "/list/-1"}), Some(json!({"data": {"a": "1", "x/y": "z"}, "list": ["p"]})));
        check(json!({"op": "remove", "path": "/list/01"}), Some(json!({"data": {"a": "1", "x/y": "z"}, "list": ["p"]})));
        check(
            json!({"op": "add", "path": "/list/2", "value": "r"}),
            Some(json!({"data": {"a": "1", "x/y": "z"}, "list": ["p", "q", "r"]})),
        );
        check(json!({"op": "add", "path": "/list/3", "value": "r"}), None);
        check(json!({"op": "add", "path": "", "value": {}}), None);
        check(json!({"op": "merge", "path": "/data/a", "value": "1"}), None);
        check(json!({"op": "add", "value": "1"}), None);
    }
}
