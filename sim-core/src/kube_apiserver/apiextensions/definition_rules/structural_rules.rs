//! When a schema is structural: every field it restricts is also described, with a type, outside of `allOf`, `anyOf`, `oneOf`
//! and `not`. Source: apiextensions-apiserver pkg/apiserver/schema/{validation,complete}.go.

use serde_json::{Value, json};

use super::super::problems::{Problems, child};
use super::super::schema::SchemaRef;

#[derive(Clone, Copy, PartialEq)]
enum Level {
    Root,
    Item,
    Field,
}

/// What keeps a schema from being structural, sorted.
pub(super) fn validate(schema: SchemaRef<'_>, at: &str) -> Problems {
    let mut problems = Problems::default();
    invariants(schema, Level::Root, at, &mut problems);
    completeness(schema.0, schema, at, at, &mut problems);
    problems.0.sort_by_key(|c| format!("{}: {}", c.field, c.message));
    problems
}

/// Whether a schema says nothing that no structural schema has; one that does is refused for that alone.
pub(super) fn is_readable(schema: &Value) -> bool {
    const UNSUPPORTED: [&str; 6] = ["id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref"];
    let node = SchemaRef(schema);
    let is_said = |word: &&str| node.get(word).is_some_and(|v| v.as_object().is_none_or(|m| !m.is_empty()) && v.as_str() != Some(""));
    if UNSUPPORTED.iter().any(is_said) || node.value_type() == "null" || node.get("items").is_some_and(Value::is_array) {
        return false;
    }
    let lists = ["allOf", "anyOf", "oneOf"].into_iter().flat_map(|word| node.list(word));
    let single = ["not", "items", "additionalProperties"].into_iter().filter_map(|word| node.get(word)).filter(|v| v.is_object());
    let properties = node.properties().map(|(_, p)| p.0);
    lists.chain(single).chain(properties).all(is_readable)
}

fn key(at: &str, name: &str) -> String {
    format!("{at}.properties[{name}]")
}

fn invariants(schema: SchemaRef<'_>, level: Level, at: &str, problems: &mut Problems) {
    if schema.value_type() == "array" && schema.items().is_none() {
        problems.required(&child(at, "items"), "must be specified");
    }
    if let Some(items) = schema.items() {
        invariants(items, Level::Item, &child(at, "items"), problems);
    }
    for (name, property) in schema.properties() {
        invariants(property, Level::Field, &key(at, name), problems);
    }
    if let Some(additional) = schema.additional() {
        let at = child(at, "additionalProperties");
        if level == Level::Root {
            problems.forbidden(&at, "must not be used at the root");
        }
        if let Some(additional) = additional {
            invariants(additional, Level::Field, &at, problems);
        }
        if schema.is_embedded() {
            problems.forbidden(&at, "must not be used if x-kubernetes-embedded-resource is set");
        }
    }
    extensions(schema, at, problems);
    value_rules(schema.0, is_int_or_string(schema.get("anyOf")), first_all_of_is_int_or_string(schema), at, problems);
    types(schema, level, at, problems);
    meta_types(schema, level, at, problems);
    if schema.is_embedded() && !schema.is_open() && schema.properties().next().is_none() {
        let detail = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
        problems.required(&child(at, "properties"), detail);
    }
}

fn extensions(schema: SchemaRef<'_>, at: &str, problems: &mut Problems) {
    if !schema.is_int_or_string() {
        return;
    }
    for word in ["x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"] {
        if schema.says(word) {
            problems.invalid(&child(at, word), &Value::Bool(true), "must be false if x-kubernetes-int-or-string is true");
        }
    }
}

fn types(schema: SchemaRef<'_>, level: Level, at: &str, problems: &mut Problems) {
    let (at, found) = (child(at, "type"), schema.value_type());
    if schema.is_embedded() && found != "object" {
        let detail = "must be object if x-kubernetes-embedded-resource is true";
        if found.is_empty() {
            problems.required(&at, detail);
        } else {
            problems.invalid_text(&at, found, detail);
        }
    } else if found.is_empty() && !schema.is_int_or_string() && !schema.is_open() {
        let detail = match level {
            Level::Root => "must not be empty at the root",
            Level::Item => "must not be empty for specified array items",
            Level::Field => "must not be empty for specified object fields",
        };
        problems.required(&at, detail);
    }
    if level == Level::Root && !found.is_empty() && found != "object" {
        problems.invalid_text(&at, found, "must be object at the root");
    }
}

fn meta_types(schema: SchemaRef<'_>, level: Level, at: &str, problems: &mut Problems) {
    let is_object = level == Level::Root || schema.is_embedded();
    for name in ["kind", "apiVersion"] {
        if let Some(field) = schema.property(name).filter(|f| is_object && f.value_type() != "string") {
            problems.invalid_text(&child(&key(at, name), "type"), field.value_type(), "must be string");
        }
    }
    let Some(metadata) = schema.property("metadata") else { return };
    let at = key(at, "metadata");
    if is_object && metadata.value_type() != "object" {
        problems.invalid_text(&child(&at, "type"), metadata.value_type(), "must be object");
    }
    let only_names = metadata.properties().all(|(name, _)| matches!(name, "name" | "generateName"));
    let says_more = metadata.0.as_object().into_iter().flatten().any(|(word, value)| {
        !matches!(word.as_str(), "type" | "properties" | "default") && !value.is_null() && *value != Value::Bool(false)
    });
    if level == Level::Root && (!only_names || says_more) {
        problems.forbidden(&at, "must not specify anything other than name and generateName, but metadata is implicitly specified");
    }
}

/// The one pattern in which a type may be said below `anyOf`.
fn is_int_or_string(any_of: Option<&Value>) -> bool {
    any_of == Some(&json!([{"type": "integer"}, {"type": "string"}]))
}

fn first_all_of_is_int_or_string(schema: SchemaRef<'_>) -> bool {
    schema.list("allOf").first().is_some_and(|first| is_int_or_string(first.get("anyOf")))
}

fn value_rules(schema: &Value, skip_any_of: bool, skip_first_all_of: bool, at: &str, problems: &mut Problems) {
    let list = |word: &str| SchemaRef(schema).list(word).iter().enumerate();
    if !skip_any_of {
        list("anyOf").for_each(|(i, s)| nested(s, false, &format!("{at}.anyOf[{i}]"), problems));
    }
    list("allOf").for_each(|(i, s)| nested(s, skip_first_all_of && i == 0, &format!("{at}.allOf[{i}]"), problems));
    list("oneOf").for_each(|(i, s)| nested(s, false, &format!("{at}.oneOf[{i}]"), problems));
    if let Some(not) = SchemaRef(schema).get("not") {
        nested(not, false, &child(at, "not"), problems);
    }
    let pattern = SchemaRef(schema).text("pattern");
    if !pattern.is_empty()
        && let Some(why) = sim_cel::regex_error(pattern)
    {
        problems.invalid_text(&child(at, "pattern"), pattern, &format!("must be a valid regular expression, but isn't: {why}"));
    }
}

/// What may not be said below `allOf`, `anyOf`, `oneOf` and `not`.
fn nested(schema: &Value, skip_any_of: bool, at: &str, problems: &mut Problems) {
    value_rules(schema, skip_any_of, false, at, problems);
    let node = SchemaRef(schema);
    if let Some(items) = node.items() {
        nested(items.0, false, &child(at, "items"), problems);
    }
    for (name, property) in node.properties() {
        nested(property.0, false, &key(at, name), problems);
    }
    let mut forbid = |word: &str, is_said: bool, must_be: &str| {
        if is_said {
            problems.forbidden(&child(at, word), &format!("must be {must_be} to be structural"));
        }
    };
    forbid("type", !node.value_type().is_empty(), "empty");
    forbid("additionalProperties", node.additional().is_some(), "undefined");
    forbid("default", node.default_value().is_some(), "undefined");
    forbid("title", !node.text("title").is_empty(), "empty");
    forbid("description", !node.text("description").is_empty(), "empty");
    for word in ["nullable", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource", "x-kubernetes-int-or-string"] {
        forbid(word, node.says(word), "false");
    }
    forbid("x-kubernetes-list-map-keys", !node.list("x-kubernetes-list-map-keys").is_empty(), "empty");
    for word in ["x-kubernetes-list-type", "x-kubernetes-map-type"] {
        forbid(word, node.get(word).is_some(), "undefined");
    }
    forbid("x-kubernetes-validations", !node.list("x-kubernetes-validations").is_empty(), "empty");
    if node.property("metadata").is_some() {
        problems.forbidden(&key(at, "metadata"), "must not be specified in a nested context");
    }
}

/// Everything that is restricted must be described. `rules` restricts what `schema` describes.
fn completeness(rules: &Value, schema: SchemaRef<'_>, at: &str, rules_at: &str, problems: &mut Problems) {
    let rules = SchemaRef(rules);
    if let Some(not) = rules.get("not") {
        nested_completeness(not, Some(schema), at, &child(rules_at, "not"), problems);
    }
    for word in ["allOf", "anyOf", "oneOf"] {
        for (index, inner) in rules.list(word).iter().enumerate() {
            nested_completeness(inner, Some(schema), at, &format!("{rules_at}.{word}[{index}]"), problems);
        }
    }
}

fn nested_completeness(rules: &Value, schema: Option<SchemaRef<'_>>, at: &str, rules_at: &str, problems: &mut Problems) {
    let Some(schema) = schema else { return problems.required(at, &format!("because it is defined in {rules_at}")) };
    completeness(rules, schema, at, rules_at, problems);
    let rules = SchemaRef(rules);
    if let Some(items) = rules.items() {
        nested_completeness(items.0, schema.items(), &child(at, "items"), &child(rules_at, "items"), problems);
    }
    for (name, property) in rules.properties() {
        let (at, rules_at) = (key(at, name), key(rules_at, name));
        nested_completeness(property.0, schema.property(name), &at, &rules_at, problems);
    }
}
