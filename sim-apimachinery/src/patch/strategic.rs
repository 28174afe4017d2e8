//! Strategic merge patch: maps merge, lists with a merge key merge item by item, all other lists are replaced.
//! Directives: `$patch` (replace, delete, merge), `$deleteFromPrimitiveList/…`, `$setElementOrder/…`, `$retainKeys`.
//! What a field does is said by the schema of its type.
//! Source of the rules: apimachinery pkg/util/strategicpatch/patch.go.

use serde_json::{Map, Value};

use super::lists;
use crate::schema::{PatchStrategy, TypeRef};

/// Why a patch is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatchError {
    /// The patch has no good form: the server answers 400.
    Format(&'static str),
    /// What it says cannot be: the server answers 422, without the reason.
    Content(&'static str),
    /// Anything else: the server answers 500.
    Other(String),
}

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_LIST: &str = "$deleteFromPrimitiveList/";
const ELEMENT_ORDER: &str = "$setElementOrder/";
const BAD_RETAIN_KEYS: PatchError = PatchError::Format("invalid patch format of retainKeys");

pub(super) type Outcome<T> = Result<T, PatchError>;

/// Applies a strategic merge patch to an object of that type.
pub fn apply(of: TypeRef<'_>, before: &Value, patch: &Value) -> Outcome<Value> {
    let (Value::Object(before), Value::Object(patch)) = (before, patch) else { return Ok(patch.clone()) };
    merge_maps(of, before.clone(), patch.clone()).map(Value::Object)
}

pub(super) fn merge_maps(of: TypeRef<'_>, mut before: Map<String, Value>, mut patch: Map<String, Value>) -> Outcome<Map<String, Value>> {
    if let Some(directive) = patch.get(DIRECTIVE) {
        return match directive.as_str() {
            Some("replace") => {
                patch.remove(DIRECTIVE);
                Ok(patch)
            }
            Some("delete") => Ok(Map::new()),
            _ => Err(bad_directive(directive, &patch)),
        };
    }
    retain_keys(&mut before, &mut patch)?;
    set_orders(of, &mut before, &mut patch)?;
    for (key, value) in patch {
        merge_field(of, &mut before, key, value)?;
    }
    Ok(before)
}

pub(super) fn bad_directive(directive: &Value, patch: &Map<String, Value>) -> PatchError {
    let shown = match directive {
        Value::String(text) => text.clone(),
        Value::Number(n) if n.is_i64() => format!("%!s(int64={n})"),
        Value::Number(n) => format!("%!s(float64={n})"),
        Value::Bool(b) => format!("%!s(bool={b})"),
        Value::Null => "%!s(<nil>)".into(),
        other => go_format(other),
    };
    PatchError::Other(format!("unknown patch type: {shown} in map: {}", go_format(&Value::Object(patch.clone()))))
}

fn retain_keys(before: &mut Map<String, Value>, patch: &mut Map<String, Value>) -> Outcome<()> {
    let Some(kept) = patch.remove(RETAIN_KEYS) else { return Ok(()) };
    let Value::Array(kept) = kept else { return Err(BAD_RETAIN_KEYS) };
    let is_kept = |key: &str| kept.iter().any(|k| k.as_str() == Some(key));
    let is_field = |key: &str, value: &Value| !value.is_null() && !key.starts_with(DELETE_LIST) && !key.starts_with(ELEMENT_ORDER);
    if patch.iter().any(|(key, value)| is_field(key, value) && !is_kept(key)) {
        return Err(BAD_RETAIN_KEYS);
    }
    before.retain(|key, _| is_kept(key));
    Ok(())
}

/// How a field is merged: the type of its value and its strategy.
fn field_of<'a>(of: TypeRef<'a>, key: &str) -> Outcome<(TypeRef<'a>, PatchStrategy)> {
    let unknown = || {
        let name = of.definition().map_or("", |d| d.go_name());
        PatchError::Other(format!("unable to find api field in struct {name} for the json field {key:?}"))
    };
    let child = of.child(key).ok_or_else(unknown)?;
    Ok((child, of.field(key).map(|f| f.patch.clone()).unwrap_or_default()))
}

fn set_orders(of: TypeRef<'_>, before: &mut Map<String, Value>, patch: &mut Map<String, Value>) -> Outcome<()> {
    let directives: Vec<String> = patch.keys().filter(|k| k.starts_with(ELEMENT_ORDER)).cloned().collect();
    for directive in directives {
        let order = as_list(patch.remove(&directive).unwrap_or_default())?;
        let key = directive.trim_start_matches(ELEMENT_ORDER);
        let (original, changes) = (before.get(key).cloned().map(as_list).transpose()?, patch.get(key).cloned().map(as_list).transpose()?);
        let (child, strategy) = field_of(of, key)?;
        let merge_key = strategy.merge_key.as_deref();
        lists::check_order(changes.as_deref().unwrap_or_default(), &order, merge_key)?;
        let merged = match (&original, changes) {
            (None, None) => continue,
            (Some(original), None) => original.clone(),
            (None, Some(changes)) => changes.into_iter().filter_map(without_directives).collect(),
            (Some(original), Some(changes)) => merge_list_field(child, &strategy, original.clone(), changes, false)?,
        };
        let sorted = lists::in_order(merged, &order, original.as_deref().unwrap_or_default(), merge_key)?;
        before.insert(key.to_owned(), Value::Array(sorted));
        patch.remove(key);
    }
    Ok(())
}

fn as_list(value: Value) -> Outcome<Vec<Value>> {
    let word = match value {
        Value::Array(list) => return Ok(list),
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(n) if n.is_i64() => "int64",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Object(_) => "map[string]interface {}",
    };
    Err(PatchError::Other(format!("expected a []interface {{}}, but received a {word}")))
}

fn merge_field(of: TypeRef<'_>, before: &mut Map<String, Value>, key: String, value: Value) -> Outcome<()> {
    let (key, is_deletion) = match key.strip_prefix(DELETE_LIST) {
        Some(key) => (key.to_owned(), true),
        None => (key, false),
    };
    if value.is_null() {
        before.remove(&key);
        return Ok(());
    }
    let merged = match (before.get(&key), value) {
        (Some(Value::Object(old)), Value::Object(new)) => {
            let (child, strategy) = field_of(of, &key)?;
            if strategy.replace { Value::Object(new) } else { Value::Object(merge_maps(child, old.clone(), new)?) }
        }
        (Some(Value::Array(old)), Value::Array(new)) => {
            let (child, strategy) = field_of(of, &key)?;
            Value::Array(merge_list_field(child, &strategy, old.clone(), new, is_deletion)?)
        }
        (_, _) if is_deletion => return Ok(()),
        (_, value) => match without_directives(without_nulls(value)) {
            Some(value) => value,
            None => return Ok(()),
        },
    };
    before.insert(key, merged);
    Ok(())
}

fn merge_list_field(of: TypeRef<'_>, strategy: &PatchStrategy, old: Vec<Value>, new: Vec<Value>, is_deletion: bool) -> Outcome<Vec<Value>> {
    if strategy.merge || is_deletion { lists::merge(of, strategy.merge_key.as_deref(), old, new, is_deletion) } else { Ok(new) }
}

/// A new value without the fields that are null.
pub(super) fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => map.into_iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k, without_nulls(v))).collect(),
        Value::Array(list) => Value::Array(list.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

/// A new value without directives; none if it is one to delete.
pub(super) fn without_directives(value: Value) -> Option<Value> {
    match value {
        Value::Object(map) => {
            if map.contains_key(DIRECTIVE) {
                return None;
            }
            let is_field = |k: &str| k != RETAIN_KEYS && !k.starts_with(ELEMENT_ORDER) && !k.starts_with(DELETE_LIST);
            let fields = map.into_iter().filter(|(k, _)| is_field(k));
            Some(Value::Object(fields.filter_map(|(k, v)| Some((k, without_directives(v)?))).collect()))
        }
        Value::Array(list) => Some(Value::Array(list.into_iter().filter_map(without_directives).collect())),
        other => Some(other),
    }
}

/// A value as Go prints it with `%v`: `map[a:1 b:[x y]]`.
pub fn go_format(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".into(),
        Value::String(text) => text.clone(),
        Value::Array(list) => format!("[{}]", list.iter().map(go_format).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            format!("map[{}]", map.iter().map(|(k, v)| format!("{k}:{}", go_format(v))).collect::<Vec<_>>().join(" "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
