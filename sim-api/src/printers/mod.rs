//! The table that `kubectl get` prints: columns and cells of every kind (meta.k8s.io `Table`), and the conversions beside it,
//! `PartialObjectMetadata` and its list. Source: Kubernetes' pkg/printers/internalversion and the API server's response
//! handlers. Cells are made from the object as it is held, ages from the clock that is passed in.
//! The wide row is always made; clients hide the columns with a priority.

mod cluster;
mod columns;
mod custom;
mod json_path;
mod network;
mod pod;
mod policy;
mod storage;
mod view;
mod workloads;

pub use custom::invalid_column;
pub use json_path::JsonPath;

use jiff::Timestamp;
use serde_json::{Value, json};
use sim_object::Kind;

use view::View;

/// What a row carries beside its cells (`includeObject`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IncludeObject {
    /// The object's metadata.
    #[default]
    Metadata,
    /// The whole object.
    Object,
    /// Nothing.
    None,
}

impl IncludeObject {
    /// Reads the query parameter; the error is the message of a 400.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "" | "Metadata" => Ok(Self::Metadata),
            "Object" => Ok(Self::Object),
            "None" => Ok(Self::None),
            other => Err(format!(
                "Unable to convert to Table as requested: includeObject: Invalid value: {other:?}: must be 'Metadata', 'Object', 'None', or empty"
            )),
        }
    }
}

/// Whose columns a table has.
#[derive(Clone, Copy, Debug)]
pub enum Printer<'a> {
    /// A built-in kind's, by its name; also `Scale` and `ComponentStatus`. Names without columns of their own get two.
    Named(&'a str),
    /// A custom kind's: `additionalPrinterColumns` of the version that was asked for.
    Custom(&'a [Value]),
}

impl Printer<'static> {
    /// The printer of a built-in kind.
    pub fn of(kind: Kind) -> Self {
        match kind {
            Kind::Custom(_) => Printer::Custom(&[]),
            other => Printer::Named(other.resource().kind),
        }
    }
}

/// An object that becomes a row.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The object at the version at which it is held: the cells are made from it.
    pub stored: &'a Value,
    /// The object at the version that was asked for: the row carries it.
    pub shown: &'a Value,
}

/// How a table is wanted.
#[derive(Clone, Copy, Debug)]
pub struct TableOptions<'a> {
    /// Now, for ages.
    pub now: Timestamp,
    /// What the rows carry.
    pub include: IncludeObject,
    /// Whether columns are told: false from the second event of a watch on.
    pub headers: bool,
    /// Version of meta.k8s.io: `v1` or `v1beta1`.
    pub version: &'a str,
}

/// The table of these objects. `metadata` is that of the list, or of the one object, of which only `resourceVersion`,
/// `continue` and `remainingItemCount` are taken.
pub fn table(printer: Printer<'_>, rows: &[Row<'_>], metadata: &Value, options: &TableOptions<'_>) -> Value {
    let api_version = format!("meta.k8s.io/{}", options.version);
    let mut rows: Vec<(&Row<'_>, Value)> = rows.iter().map(|row| (row, row_of(printer, row, options))).collect();
    if matches!(printer, Printer::Named("FlowSchema")) {
        rows.sort_by_key(|(row, _)| policy::flow_schema_order(row.stored));
    }
    let no_rows = rows.is_empty() && matches!(printer, Printer::Named(name) if columns::is_default(name));
    let rows: Vec<Value> = rows.into_iter().map(|(_, made)| made).collect();
    json!({
        "kind": "Table",
        "apiVersion": api_version,
        "metadata": list_metadata(metadata),
        "columnDefinitions": if options.headers { headers(printer) } else { Value::Null },
        "rows": if no_rows { Value::Null } else { Value::Array(rows) },
    })
}

fn headers(printer: Printer<'_>) -> Value {
    match printer {
        Printer::Named(name) => columns::of(name),
        Printer::Custom(definitions) => custom::headers(definitions),
    }
}

fn row_of(printer: Printer<'_>, row: &Row<'_>, options: &TableOptions<'_>) -> Value {
    let view = View::new(row.stored, options.now);
    let cells = match printer {
        Printer::Named(name) => cells(name, view).unwrap_or_else(|| default_cells(view)),
        Printer::Custom(definitions) => custom::cells(definitions, View::new(row.shown, options.now)),
    };
    let mut made = json!({"cells": cells, "object": row_object(row.shown, options)});
    if let Some(conditions) = matches!(printer, Printer::Named("Pod")).then(|| pod::row_conditions(view)).flatten() {
        made["conditions"] = conditions;
    }
    made
}

/// The cells of a kind that has columns of its own.
fn cells(name: &str, view: View<'_>) -> Option<Vec<Value>> {
    if columns::is_default(name) {
        return None;
    }
    if name == "Pod" {
        return Some(pod::cells(view));
    }
    workloads::cells(name, view)
        .or_else(|| network::cells(name, view))
        .or_else(|| storage::cells(name, view))
        .or_else(|| cluster::cells(name, view))
        .or_else(|| policy::cells(name, view))
}

fn default_cells(view: View<'_>) -> Vec<Value> {
    vec![view.name().into(), view.text("metadata.creationTimestamp").into()]
}

/// The annotation of the bookmark that ends the initial events: its row always carries metadata.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

fn row_object(shown: &Value, options: &TableOptions<'_>) -> Value {
    let ends_initial_events = shown["metadata"]["annotations"][INITIAL_EVENTS_END] == "true";
    match options.include {
        IncludeObject::Object => shown.clone(),
        IncludeObject::None if !ends_initial_events => Value::Null,
        _ => partial_object_metadata(shown, options.version),
    }
}

fn list_metadata(metadata: &Value) -> Value {
    let kept = ["resourceVersion", "continue", "remainingItemCount"];
    let found = kept.iter().filter_map(|key| Some((*key, metadata.get(*key)?)));
    found.filter(|(_, value)| **value != "").map(|(key, value)| (key.to_owned(), value.clone())).collect()
}

/// An object's metadata alone, as `PartialObjectMetadata` of meta.k8s.io at `version`.
pub fn partial_object_metadata(object: &Value, version: &str) -> Value {
    let mut metadata = object.get("metadata").cloned().unwrap_or_else(|| json!({}));
    drop_converted(object, &mut metadata);
    json!({"kind": "PartialObjectMetadata", "apiVersion": format!("meta.k8s.io/{version}"), "metadata": metadata})
}

/// Annotations in which an old version keeps fields it has no place for: the internal object, whose metadata this is, does not
/// have them.
const CONVERTED: [(&str, &str, &[&str]); 2] = [
    ("apps/v1", "DaemonSet", &["deprecated.daemonset.template.generation"]),
    (
        "autoscaling/v1",
        "HorizontalPodAutoscaler",
        &[
            "autoscaling.alpha.kubernetes.io/behavior",
            "autoscaling.alpha.kubernetes.io/conditions",
            "autoscaling.alpha.kubernetes.io/current-metrics",
            "autoscaling.alpha.kubernetes.io/metrics",
        ],
    ),
];

fn drop_converted(object: &Value, metadata: &mut Value) {
    let Some((.., names)) = CONVERTED.iter().find(|(api, kind, _)| object["apiVersion"] == *api && object["kind"] == *kind) else { return };
    let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) else { return };
    names.iter().for_each(|name| _ = annotations.remove(*name));
    if annotations.is_empty()
        && let Some(metadata) = metadata.as_object_mut()
    {
        metadata.remove("annotations");
    }
}

/// A list's metadata alone, as `PartialObjectMetadataList`. Without items the list is null, as the API server sends it.
pub fn partial_object_metadata_list(items: &[&Value], metadata: &Value, version: &str) -> Value {
    let made: Vec<Value> = items.iter().map(|item| partial_object_metadata(item, version)).collect();
    let items = if made.is_empty() { Value::Null } else { Value::Array(made) };
    json!({"kind": "PartialObjectMetadataList", "apiVersion": format!("meta.k8s.io/{version}"), "metadata": list_metadata(metadata), "items": items})
}

#[cfg(test)]
mod tests;
