//! Ratcheting: what a change leaves as it was is not validated again. A field is the same as before by its name, an item of a
//! keyed list by its keys; items of other lists are never the same.
//! Source: apiserver pkg/cel/common/equality.go, apiextensions-apiserver pkg/apiserver/validation/ratcheting.go.

use serde_json::Value;

use super::schema::SchemaRef;

/// A field as it was.
pub(crate) fn field<'a>(schema: SchemaRef<'_>, old: &'a Value, name: &str) -> Option<&'a Value> {
    if schema.text("x-kubernetes-map-type") == "atomic" {
        return None;
    }
    old.as_object()?.get(name)
}

/// An item as it was: the one with the same keys.
pub(crate) fn item<'a>(schema: SchemaRef<'_>, old: &'a Value, items: &[Value], index: usize) -> Option<&'a Value> {
    if schema.text("x-kubernetes-list-type") != "map" {
        return None;
    }
    let keys = schema.texts("x-kubernetes-list-map-keys");
    let wanted = items.get(index)?;
    let same = |item: &&Value| keys.iter().all(|k| item.get(k) == wanted.get(k));
    old.as_array()?.iter().find(same)
}
