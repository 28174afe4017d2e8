//! Lists that are sets or maps have no item twice. Source: apiextensions-apiserver pkg/apiserver/schema/listtype.

use serde_json::{Map, Value};

use super::problems::{Problems, child};
use super::schema::SchemaRef;

/// What is wrong with the lists in a value.
pub(crate) fn validate(value: &Value, schema: SchemaRef<'_>, path: &str, problems: &mut Problems) {
    match value {
        Value::Object(map) => {
            for (name, inner) in map {
                if let Some(property) = schema.property(name) {
                    validate(inner, property, &child(path, name), problems);
                } else if let Some(additional) = schema.additional().flatten() {
                    validate(inner, additional, &format!("{path}[{name}]"), problems);
                }
            }
        }
        Value::Array(items) => {
            match schema.text("x-kubernetes-list-type") {
                "set" => set(items, path, problems),
                "map" => keyed(items, &schema.texts("x-kubernetes-list-map-keys"), path, problems),
                _ => {}
            }
            if let Some(item) = schema.items() {
                items.iter().enumerate().for_each(|(i, inner)| validate(inner, item, &format!("{path}[{i}]"), problems));
            }
        }
        _ => {}
    }
}

/// Each value that is there again is told once, at its second place.
fn repeated(values: &[Value]) -> Vec<usize> {
    let again = |index: &usize| values[..*index].iter().filter(|v| *v == &values[*index]).count() == 1;
    (0..values.len()).filter(again).collect()
}

fn set(items: &[Value], path: &str, problems: &mut Problems) {
    for index in repeated(items) {
        problems.duplicate(&format!("{path}[{index}]"), &items[index]);
    }
}

fn keyed(items: &[Value], keys: &[&str], path: &str, problems: &mut Problems) {
    if let Some(index) = items.iter().position(|i| !i.is_object() && !i.is_null()) {
        return problems.invalid(&format!("{path}[{index}]"), &items[index], "must be an object for an array of list-type map");
    }
    let key_of = |item: &Value| {
        let found = keys.iter().filter_map(|k| item.get(k).map(|v| ((*k).to_owned(), v.clone())));
        Value::Object(found.collect::<Map<String, Value>>())
    };
    let values: Vec<Value> = items.iter().map(key_of).collect();
    for index in repeated(&values) {
        problems.duplicate(&format!("{path}[{index}]"), &values[index]);
    }
}
