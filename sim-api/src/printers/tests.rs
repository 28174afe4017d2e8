//! Rows of a real API server, v1.36.2, made again: `rows.jsonl` holds objects and the cells they had; ages are left out.

use serde_json::{Value, json};

use super::*;

fn options(include: IncludeObject) -> TableOptions<'static> {
    TableOptions { now: "2026-11-21T02:00:00Z".parse().expect("a time"), include, headers: true, version: "v1" }
}

fn made(printer: Printer<'_>, object: &Value, include: IncludeObject) -> Value {
    let row = Row { stored: object, shown: object };
    table(printer, &[row], &object["metadata"], &options(include))
}

/// Cells with ages replaced, as they are in the recordings.
fn without_ages(table: &Value) -> Vec<Value> {
    let names: Vec<&str> = table["columnDefinitions"].as_array().into_iter().flatten().filter_map(|c| c["name"].as_str()).collect();
    let cells = table["rows"][0]["cells"].as_array().cloned().unwrap_or_default();
    let hide = |(at, cell): (usize, Value)| match names.get(at).copied().unwrap_or_default() {
        "Age" | "Last Seen" | "First Seen" | "Last Schedule" | "Created At" => json!("<age>"),
        "Duration" if cell.as_str().is_some_and(|text| text.contains('y')) => json!("<age>"),
        "Restarts" => match cell.as_str().and_then(|text| text.split_once(" (")) {
            Some((count, _)) => json!(format!("{count} (<age> ago)")),
            None => cell,
        },
        _ => cell,
    };
    cells.into_iter().enumerate().map(hide).collect()
}

#[test]
fn rows_are_those_of_a_real_api_server() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in include_str!("rows.jsonl").lines() {
        let recorded: Value = serde_json::from_str(line).expect("a recorded row");
        let kind = recorded["kind"].as_str().expect("a kind");
        let table = made(Printer::Named(kind), &recorded["object"], IncludeObject::None);
        count += 1;
        if Value::Array(without_ages(&table)) != recorded["cells"] || table["rows"][0]["conditions"] != recorded["conditions"] {
            wrong.push(format!("{kind}: {} instead of {}\n{}", table["rows"][0], recorded["cells"], recorded["object"]));
        }
    }
    assert!(wrong.is_empty() && count > 100, "{} of {count} rows differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_kind_has_as_many_cells_as_columns() {
    let object = json!({"metadata": {"name": "x", "creationTimestamp": "2026-11-21T01:00:00Z"}});
    for kind in Kind::ALL {
        let table = made(Printer::of(*kind), &object, IncludeObject::None);
        let (columns, cells) = (table["columnDefinitions"].as_array(), table["rows"][0]["cells"].as_array());
        let extra = usize::from(*kind == Kind::IPAddress);
        assert_eq!(columns.map(|c| c.len() + extra), cells.map(Vec::len), "{kind}");
    }
}

#[test]
fn a_row_carries_metadata_the_object_or_nothing() {
    let object = json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a"}, "data": {"k": "v"}});
    let row = |include| made(Printer::of(Kind::ConfigMap), &object, include)["rows"][0]["object"].clone();
    assert_eq!(row(IncludeObject::None), Value::Null);
    assert_eq!(row(IncludeObject::Object), object);
    assert_eq!(
        row(IncludeObject::Metadata),
        json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": {"name": "a"}})
    );
}

#[test]
fn the_bookmark_that_ends_the_initial_events_always_carries_metadata() {
    let object = json!({"metadata": {"annotations": {"k8s.io/initial-events-end": "true"}}});
    assert_eq!(made(Printer::of(Kind::Pod), &object, IncludeObject::None)["rows"][0]["object"]["kind"], "PartialObjectMetadata");
}

#[test]
fn an_unknown_word_for_the_rows_object_is_refused() {
    let message =
        "Unable to convert to Table as requested: includeObject: Invalid value: \"x\": must be 'Metadata', 'Object', 'None', or empty";
    assert_eq!(IncludeObject::parse("x"), Err(message.to_owned()));
}

#[test]
fn later_events_of_a_watch_have_no_columns() {
    let object = json!({"metadata": {"name": "a"}});
    let options = TableOptions { headers: false, ..options(IncludeObject::None) };
    let row = Row { stored: &object, shown: &object };
    assert_eq!(table(Printer::of(Kind::Pod), &[row], &Value::Null, &options)["columnDefinitions"], Value::Null);
}

#[test]
fn custom_columns_are_found_by_their_paths() {
    let object = json!({
        "metadata": {"name": "a", "creationTimestamp": "2026-11-21T01:59:30Z"},
        "spec": {"size": 3, "share": 0.5, "on": true, "list": ["x", "y"], "a.b": "dotted"},
        "status": {"conditions": [{"type": "Old", "status": "False"}, {"type": "Ready", "status": "True"}]},
    });
    let column = |kind: &str, path: &str| json!({"name": path, "type": kind, "jsonPath": path});
    let columns = [
        column("integer", ".spec.size"),
        column("string", ".spec.size"),
        column("number", ".spec.share"),
        column("boolean", ".spec.on"),
        column("string", ".spec.list"),
        column("string", ".spec.list[-1:]"),
        column("string", ".spec.list[9]"),
        column("string", ".spec['a.b']"),
        column("string", ".status.conditions[?(@.type==\"Ready\")].status"),
        column("date", ".metadata.creationTimestamp"),
        column("date", ".spec.on"),
        column("string", ".spec.nosuch"),
    ];
    let table = made(Printer::Custom(&columns), &object, IncludeObject::None);
    let cells = json!(["a", 3, "3", 0.5, true, "[\"x\",\"y\"]", "y", null, "dotted", "True", "30s", null, null]);
    assert_eq!(table["rows"][0]["cells"], cells);
    assert_eq!(table["columnDefinitions"][1]["description"], "Custom resource definition column (in JSONPath format): .spec.size");
}

#[test]
fn a_custom_kind_without_columns_shows_its_age() {
    let object = json!({"metadata": {"name": "a", "creationTimestamp": "2026-11-21T01:00:00Z"}});
    let table = made(Printer::Custom(&[]), &object, IncludeObject::None);
    assert_eq!(table["rows"][0]["cells"], json!(["a", "60m"]));
    assert_eq!(table["columnDefinitions"][1]["type"], "date");
}

#[test]
fn paths_that_cannot_be_read_are_errors() {
    for text in [".a[", ".a[?(@.b==1)", "....", ".a[x]", "nosuch", "'x", ".a[?(@.b==1)x"] {
        assert!(JsonPath::parse(text).is_err(), "{text}");
    }
}
