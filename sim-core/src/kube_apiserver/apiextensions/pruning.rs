//! Dropping the fields of a custom object that its schema does not know, and saying which they were.
//! Source: apiextensions-apiserver pkg/apiserver/schema/pruning. Metadata of the object itself and of embedded resources is
//! not pruned here: it is typed.

use serde_json::Value;

use super::schema::{META_FIELDS, SchemaRef};

/// Drops unknown fields of a whole object; the paths of what was dropped, sorted.
pub(crate) fn prune_object(object: &mut Value, schema: SchemaRef<'_>) -> Vec<String> {
    let mut pruning = Pruning::default();
    match object {
        Value::Object(_) => pruning.node(object, Some(schema), true),
        _ => return vec![],
    }
    pruning.dropped.sort();
    pruning.dropped
}

/// Whether a value has fields its schema does not know. `is_root` says that it is an object with metadata of its own.
pub(crate) fn is_pruned(value: &Value, schema: SchemaRef<'_>, is_root: bool) -> bool {
    let mut pruned = value.clone();
    Pruning::default().node(&mut pruned, Some(schema), is_root);
    pruned == *value
}

#[derive(Default)]
struct Pruning {
    path: String,
    dropped: Vec<String>,
}

impl Pruning {
    fn node(&mut self, value: &mut Value, schema: Option<SchemaRef<'_>>, is_root: bool) {
        if let Some(open) = schema.filter(|s| s.is_open()) {
            return self.open(value, open, is_root);
        }
        match value {
            Value::Object(map) => {
                let keeps_metadata = is_root || schema.is_some_and(SchemaRef::is_embedded);
                let mut unknown: Vec<String> = vec![];
                for (name, inner) in map.iter_mut() {
                    if keeps_metadata && schema.is_some() && META_FIELDS.contains(&name.as_str()) {
                        continue;
                    }
                    match schema.and_then(|s| child(s, name)) {
                        Some(inner_schema) => self.inside(name, inner, inner_schema),
                        None => unknown.push(name.clone()),
                    }
                }
                for name in unknown {
                    map.remove(&name);
                    let is_own_metadata = META_FIELDS.contains(&name.as_str()) && self.path.is_empty();
                    if !is_own_metadata {
                        self.dropped.push(join(&self.path, &name));
                    }
                }
            }
            Value::Array(items) => self.items(items, |this, item| this.node(item, schema.and_then(SchemaRef::items), false)),
            _ => {}
        }
    }

    /// A value whose unknown fields are kept: only what is below a described field is pruned.
    fn open(&mut self, value: &mut Value, schema: SchemaRef<'_>, is_root: bool) {
        match value {
            Value::Object(map) => {
                for (name, inner) in map.iter_mut() {
                    let is_metadata = (is_root || schema.is_embedded()) && META_FIELDS.contains(&name.as_str());
                    if let Some(inner_schema) = child(schema, name).filter(|_| !is_metadata) {
                        self.inside(name, inner, inner_schema);
                    }
                }
            }
            Value::Array(items) => {
                if let Some(item) = schema.items() {
                    self.items(items, |this, value| this.open(value, item, false));
                }
            }
            _ => {}
        }
    }

    fn inside(&mut self, name: &str, value: &mut Value, schema: Option<SchemaRef<'_>>) {
        let length = self.path.len();
        self.path = join(&self.path, name);
        self.node(value, schema, false);
        self.path.truncate(length);
    }

    fn items(&mut self, items: &mut [Value], mut visit: impl FnMut(&mut Self, &mut Value)) {
        let length = self.path.len();
        for (index, item) in items.iter_mut().enumerate() {
            self.path.push_str(&format!("[{index}]"));
            visit(self, item);
            self.path.truncate(length);
        }
    }
}

/// The schema below a field: `Some(None)` for a field that is known, but not what is in it.
fn child<'a>(schema: SchemaRef<'a>, name: &str) -> Option<Option<SchemaRef<'a>>> {
    schema.property(name).map(Some).or_else(|| schema.additional())
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(schema: &Value, value: Value, left: &Value, dropped: &[&str]) {
        let mut pruned = value;
        let names = prune_object(&mut pruned, SchemaRef(schema));
        assert_eq!(&pruned, left);
        assert_eq!(names, dropped);
    }

    #[test]
    fn unknown_fields_go_and_are_named() {
        let item = json!({"type": "object", "properties": {"a": {"type": "string"}}});
        let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
            "list": {"type": "array", "items": item}, "map": {"type": "object", "additionalProperties": {"type": "string"}}}}}});
        let value =
            json!({"kind": "X", "metadata": {"name": "x"}, "extra": 1, "spec": {"list": [{"a": "1", "b": 2}], "map": {"k": "v"}, "z": 0}});
        let left = json!({"kind": "X", "metadata": {"name": "x"}, "spec": {"list": [{"a": "1"}], "map": {"k": "v"}}});
        check(&schema, value, &left, &["extra", "spec.list[0].b", "spec.z"]);
    }

    #[test]
    fn an_open_schema_keeps_all_but_prunes_below_what_it_describes() {
        let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"spec": {"type": "object", "properties": {"a": {"type": "string"}}}}});
        check(&schema, json!({"any": {"thing": 1}, "spec": {"b": 1}}), &json!({"any": {"thing": 1}, "spec": {}}), &["spec.b"]);
    }
}
