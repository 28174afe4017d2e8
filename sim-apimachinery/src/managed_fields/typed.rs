//! What an object's fields are, seen with its type: which paths it sets, and how two objects differ.
//! Values of a type nobody described are scalars, atomic lists and maps of such.
//! Source of the rules: structured-merge-diff/typed (tofieldset.go, compare.go).

use serde_json::Value;

use super::path::{PathElement, Scalar};
use super::set::Set;
use crate::schema::{ListType, Shape, TypeRef};

/// What a value is to ownership.
pub(super) enum Node<'a> {
    /// One value.
    Leaf,
    /// A list whose items are owned one by one.
    List(TypeRef<'a>, &'a ListType),
    /// A struct or map whose fields are owned one by one.
    Map,
}

/// What the value of that type is; a value of another shape than its type is a leaf.
pub(super) fn node<'a>(of: TypeRef<'a>, value: &Value) -> Node<'a> {
    match (of.shape(), value) {
        (Shape::Struct(_, false) | Shape::Map(_, false), Value::Object(_) | Value::Null) => Node::Map,
        (Shape::Any, Value::Object(_)) if !of.is_sealed() => Node::Map,
        (Shape::List(_, ListType::Atomic), _) => Node::Leaf,
        (Shape::List(item, list_type), Value::Array(_) | Value::Null) => Node::List(item, list_type),
        _ => Node::Leaf,
    }
}

/// How an item of a list is told from the others; the error says why it cannot be.
pub(super) fn item_path(item_type: TypeRef<'_>, list_type: &ListType, item: &Value) -> Result<PathElement, String> {
    match list_type {
        ListType::Map(keys) => key_path(item_type, keys, item),
        _ => set_path(item),
    }
}

fn key_path(item_type: TypeRef<'_>, keys: &[String], item: &Value) -> Result<PathElement, String> {
    let map = match item {
        Value::Object(map) => map,
        Value::Null => return Err("associative list with keys may not have a null element".into()),
        _ => return Err("associative list with keys may not have non-map elements".into()),
    };
    let value = |key: &String| map.get(key).cloned().or_else(|| item_type.field(key)?.default.clone());
    let mut found: Vec<(String, Scalar)> = keys.iter().filter_map(|k| Some((k.clone(), Scalar::of(&value(k)?)?))).collect();
    if found.is_empty() {
        let names: Vec<String> = keys.iter().map(|k| format!("{k:?}")).collect();
        return Err(format!(
            "associative list with keys has an element that omits all key fields [{}] (and doesn't have default values for any key fields)",
            names.join(" ")
        ));
    }
    found.sort();
    Ok(PathElement::Key(found))
}

fn set_path(item: &Value) -> Result<PathElement, String> {
    match item {
        Value::Object(_) => Err("associative list without keys has an element that's a map type".into()),
        Value::Array(_) => Err("not supported: associative list with lists as elements".into()),
        Value::Null => Err("associative list without keys has an element that's an explicit null".into()),
        scalar => Scalar::of(scalar).map(PathElement::Value).ok_or_else(String::new),
    }
}

/// The paths that a value sets.
pub fn field_set(of: TypeRef<'_>, value: &Value) -> Set {
    let mut set = Set::default();
    fields_of(of, value, &mut Vec::new(), &mut set);
    set
}

fn fields_of(of: TypeRef<'_>, value: &Value, path: &mut Vec<PathElement>, set: &mut Set) {
    match node(of, value) {
        Node::Leaf => set.insert(path),
        Node::List(item_type, list_type) => list_fields(item_type, list_type, value, path, set),
        Node::Map => {
            for (name, inner) in value.as_object().into_iter().flatten() {
                path.push(PathElement::Field(name.clone()));
                if let Some(child) = of.child(name) {
                    fields_of(child, inner, path, set);
                }
                let is_nothing = inner.is_null() || inner.as_object().is_some_and(serde_json::Map::is_empty);
                if is_nothing || of.field(name).is_none() {
                    set.insert(path);
                }
                path.pop();
            }
        }
    }
}

fn list_fields(item_type: TypeRef<'_>, list_type: &ListType, value: &Value, path: &mut Vec<PathElement>, set: &mut Set) {
    let items = indexed(item_type, list_type, value);
    for (element, values) in &items {
        path.push(element.clone());
        if let [only] = values[..] {
            fields_of(item_type, only, path, set);
        }
        set.insert(path);
        path.pop();
    }
}

/// A list's items by how they are told apart, in order of first sight; items that cannot be told are left out.
pub(super) fn indexed<'v>(item_type: TypeRef<'_>, list_type: &ListType, value: &'v Value) -> Vec<(PathElement, Vec<&'v Value>)> {
    let mut found: Vec<(PathElement, Vec<&Value>)> = Vec::new();
    for item in value.as_array().into_iter().flatten() {
        let Ok(element) = item_path(item_type, list_type, item) else { continue };
        match found.iter_mut().find(|(e, _)| *e == element) {
            Some((_, values)) => values.push(item),
            None => found.push((element, vec![item])),
        }
    }
    found
}

/// How one object became another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Paths that are new.
    pub added: Set,
    /// Paths whose value changed.
    pub modified: Set,
    /// Paths that are gone.
    pub removed: Set,
}

/// How `old` became `new`, both of that type.
pub fn compare(of: TypeRef<'_>, old: &Value, new: &Value) -> Comparison {
    let mut comparison = Comparison::default();
    compare_at(of, Some(old), Some(new), &mut Vec::new(), &mut comparison);
    comparison
}

fn is_hollow(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Array(list)) => list.is_empty(),
        Some(Value::Object(map)) => map.is_empty(),
        Some(_) => false,
    }
}

fn compare_at(of: TypeRef<'_>, old: Option<&Value>, new: Option<&Value>, path: &mut Vec<PathElement>, found: &mut Comparison) {
    if old == new {
        return;
    }
    let shown = new.filter(|v| !v.is_null()).or(old).unwrap_or(&Value::Null);
    let is_leaf = is_hollow(old) && is_hollow(new);
    match node(of, shown) {
        Node::Map if !is_leaf => compare_maps(of, old, new, path, found),
        Node::List(item_type, list_type) if !is_leaf => compare_lists(item_type, list_type, old, new, path, found),
        _ if old.is_some() && new.is_some() && old != new => found.modified.insert(path),
        _ => {}
    }
    match (old, new) {
        (None, Some(_)) => found.added.insert(path),
        (Some(_), None) => found.removed.insert(path),
        _ => {}
    }
}

fn compare_maps(of: TypeRef<'_>, old: Option<&Value>, new: Option<&Value>, path: &mut Vec<PathElement>, found: &mut Comparison) {
    let (old, new) = (old.and_then(Value::as_object), new.and_then(Value::as_object));
    let keys: std::collections::BTreeSet<&String> = old.into_iter().chain(new).flat_map(|m| m.keys()).collect();
    for key in keys {
        let Some(child) = of.child(key) else { continue };
        path.push(PathElement::Field(key.clone()));
        compare_at(child, old.and_then(|m| m.get(key)), new.and_then(|m| m.get(key)), path, found);
        path.pop();
    }
}

fn compare_lists(
    item_type: TypeRef<'_>,
    list_type: &ListType,
    old: Option<&Value>,
    new: Option<&Value>,
    path: &mut Vec<PathElement>,
    found: &mut Comparison,
) {
    let items = |value: Option<&Value>| value.map(|v| owned(indexed(item_type, list_type, v))).unwrap_or_default();
    let (old, new) = (items(old), items(new));
    let mut elements: Vec<&PathElement> = old.iter().map(|(e, _)| e).collect();
    elements.extend(new.iter().map(|(e, _)| e).filter(|e| !old.iter().any(|(o, _)| o == *e)));
    for element in elements {
        let of_element =
            |list: &[(PathElement, Vec<Value>)]| list.iter().find(|(e, _)| e == element).map_or_else(Vec::new, |(_, v)| v.clone());
        let (before, after) = (of_element(&old), of_element(&new));
        path.push(element.clone());
        compare_items(item_type, &before, &after, path, found);
        path.pop();
    }
}

fn owned(items: Vec<(PathElement, Vec<&Value>)>) -> Vec<(PathElement, Vec<Value>)> {
    items.into_iter().map(|(e, values)| (e, values.into_iter().cloned().collect())).collect()
}

/// Items that share a key are one thing; a single item is looked into.
fn compare_items(item_type: TypeRef<'_>, before: &[Value], after: &[Value], path: &mut Vec<PathElement>, found: &mut Comparison) {
    match (before, after) {
        ([] | [_], [] | [_]) => compare_at(item_type, before.first(), after.first(), path, found),
        ([_, _, ..], [_, _, ..]) if before != after => found.modified.insert(path),
        ([_, _, ..], [_, _, ..]) => {}
        ([_, _, ..], _) => {
            found.removed.insert(path);
            after.first().into_iter().for_each(|item| compare_at(item_type, None, Some(item), path, found));
        }
        (_, [_, _, ..]) => {
            before.first().into_iter().for_each(|item| compare_at(item_type, Some(item), None, path, found));
            found.added.insert(path);
        }
    }
}
