//! What a definition's `openAPIV3Schema` may say, node by node, and its defaults.
//! Source: `validateCustomResourceDefinitionValidation`, `ValidateCustomResourceDefinitionOpenAPISchema` in
//! pkg/apis/apiextensions/validation/validation.go; pkg/apiserver/schema/defaulting/validation.go.

use serde_json::Value;

use super::super::problems::{Problems, child};
use super::super::schema::{META_FIELDS, SchemaRef};
use super::super::{embedded, pruning, validate};
use super::rules::{RuleBudget, RulePlace, node_rules};
use super::{go_words, structural_rules};

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
const ROOT_FIELDS: [&str; 22] = [
    "Description",
    "Type",
    "Format",
    "Title",
    "Maximum",
    "ExclusiveMaximum",
    "Minimum",
    "ExclusiveMinimum",
    "MaxLength",
    "MinLength",
    "Pattern",
    "MaxItems",
    "MinItems",
    "UniqueItems",
    "MultipleOf",
    "Required",
    "Items",
    "Properties",
    "ExternalDocs",
    "Example",
    "XPreserveUnknownFields",
    "XValidations",
];

/// The rules of one schema.
pub(super) struct SchemaRules;

/// Where a node stands: what that forbids.
#[derive(Clone)]
struct Context {
    is_root: bool,
    forbidden_defaults: Option<String>,
    inside_meta: bool,
    /// The outermost node within which items cannot be matched with what they were.
    uncorrelatable: Option<String>,
    /// Where rules stand; none in places they are not looked at.
    rules: Option<RulePlace>,
}

/// Errors of the schema itself and of its rules, which are told after all others.
#[derive(Default)]
struct Found {
    schema: Problems,
    rules: Problems,
}

impl SchemaRules {
    /// A whole schema.
    pub fn whole(&self, schema: SchemaRef<'_>, at: &str, has_status: bool, problems: &mut Problems) {
        if has_status {
            root_fields(schema, at, problems);
        }
        if schema.says("nullable") {
            problems.forbidden(&child(at, "nullable"), "nullable cannot be true at the root");
        }
        let is_readable = structural_rules::is_readable(schema.0);
        let mut structure = if is_readable { structural_rules::validate(schema, at) } else { Problems::default() };
        if structure.0.is_empty() && is_readable {
            defaults(schema, at, true, &mut structure);
        }
        let is_structural = structure.0.is_empty() && is_readable;
        problems.0.append(&mut structure.0);
        let rules = is_structural.then(RulePlace::root);
        let context = Context { is_root: true, forbidden_defaults: None, inside_meta: false, uncorrelatable: None, rules };
        let mut budget = RuleBudget::default();
        let mut found = self.node(schema, at, &context, &mut budget);
        problems.0.append(&mut found.schema.0);
        problems.0.append(&mut found.rules.0);
        if is_structural {
            budget.report(at, problems);
        }
    }

    fn node(&self, schema: SchemaRef<'_>, at: &str, context: &Context, budget: &mut RuleBudget) -> Found {
        let mut found = Found::default();
        standard(schema, at, context, &mut found.schema);
        if schema.says("uniqueItems") {
            let detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
            found.schema.forbidden(&child(at, "uniqueItems"), detail);
        }
        self.children(schema, at, context, budget, &mut found);
        extensions(schema, at, &mut found.schema);
        let rules = schema.list("x-kubernetes-validations");
        if !rules.is_empty() {
            super::rules::words(rules, schema, at, &mut found.schema);
            if let Some(place) = context.rules.filter(|_| found.schema.0.is_empty()) {
                node_rules(rules, (schema, place), at, context.uncorrelatable.as_deref(), budget, &mut found.rules);
            }
        }
        found
    }

    fn children(&self, schema: SchemaRef<'_>, at: &str, context: &Context, budget: &mut RuleBudget, found: &mut Found) {
        let mut visit = |inner: SchemaRef<'_>, at: String, context: &Context| {
            let mut below = self.node(inner, &at, context, budget);
            found.schema.0.append(&mut below.schema.0);
            found.rules.0.append(&mut below.rules.0);
        };
        let inner = Context { is_root: false, ..context.clone() };
        let below_place = context.rules.map(|r| r.below(schema));
        let at_additional = child(at, "additionalProperties");
        let mut mutual = false;
        if let Some(additional) = schema.get("additionalProperties") {
            mutual = schema.properties().next().is_some() && *additional != Value::Bool(true);
            if additional.is_object() {
                let mut below = Context { rules: below_place, ..inner.clone() };
                if context.inside_meta {
                    below.forbidden_defaults = Some("inside additionalProperties applying to object metadata".into());
                }
                visit(SchemaRef(additional), at_additional.clone(), &below);
            }
        }
        for (name, property) in schema.properties() {
            let mut below = Context { rules: below_place, ..inner.clone() };
            if schema.text("x-kubernetes-map-type") == "atomic" {
                below.uncorrelatable.get_or_insert_with(|| at.to_owned());
            }
            if (context.is_root || schema.is_embedded()) && META_FIELDS.contains(&name) {
                below.inside_meta = true;
                if context.is_root {
                    below.forbidden_defaults = Some(format!("in top-level {name}"));
                }
            }
            visit(property, format!("{at}.properties[{name}]"), &below);
        }
        let bare = Context { rules: None, ..inner.clone() };
        if let Some(not) = schema.get("not") {
            visit(SchemaRef(not), child(at, "not"), &bare);
        }
        for word in ["allOf", "oneOf", "anyOf"] {
            for (index, nested) in schema.list(word).iter().enumerate() {
                visit(SchemaRef(nested), format!("{at}.{word}[{index}]"), &bare);
            }
        }
        if let Some(items) = schema.items() {
            let mut below = Context { rules: below_place, ..inner };
            if schema.text("x-kubernetes-list-type") != "map" {
                below.uncorrelatable.get_or_insert_with(|| at.to_owned());
            }
            visit(items, child(at, "items"), &below);
        }
        if mutual {
            found.schema.forbidden(&at_additional, "additionalProperties and properties are mutual exclusive");
        }
    }
}

fn root_fields(schema: SchemaRef<'_>, at: &str, problems: &mut Problems) {
    for field in go_words::set_fields(schema.0) {
        if field == "Type" && schema.value_type() != "object" {
            let detail = "only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled";
            return problems.invalid_text(&child(at, "type"), schema.value_type(), detail);
        }
        if !ROOT_FIELDS.contains(&field) {
            let detail = format!(
                "only [{}] fields are allowed at the root of the schema if the status subresource is enabled",
                ROOT_FIELDS.join(" ")
            );
            return problems.invalid_raw(at, &go_words::schema(schema.0), &detail);
        }
    }
}

/// What no version of OpenAPI in Kubernetes has.
fn standard(schema: SchemaRef<'_>, at: &str, context: &Context, problems: &mut Problems) {
    let found = schema.value_type();
    if !found.is_empty() && !TYPES.contains(&found) {
        problems.not_supported(&child(at, "type"), &Value::from(found), &TYPES.map(str::to_owned));
    }
    if let Some(reason) = context.forbidden_defaults.as_ref().filter(|_| schema.default_value().is_some()) {
        problems.forbidden(&child(at, "default"), &format!("must not be set {reason}"));
    }
    if !schema.text("id").is_empty() {
        problems.forbidden(&child(at, "id"), "id is not supported");
    }
    for word in ["additionalItems", "patternProperties", "definitions", "dependencies", "$ref"] {
        if schema.get(word).is_some_and(|v| v.as_object().is_none_or(|m| !m.is_empty())) {
            problems.forbidden(&child(at, word), &format!("{word} is not supported"));
        }
    }
    if found == "null" {
        problems.forbidden(&child(at, "type"), "type cannot be set to null, use nullable as an alternative");
    }
    if schema.get("items").is_some_and(Value::is_array) {
        problems.forbidden(&child(at, "items"), "items must be a schema object and not an array");
    }
    if context.inside_meta && schema.is_embedded() {
        problems.forbidden(&child(at, "x-kubernetes-embedded-resource"), "must not be used inside of resource meta");
    }
}

fn extensions(schema: SchemaRef<'_>, at: &str, problems: &mut Problems) {
    if schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(false)) {
        let at = child(at, "x-kubernetes-preserve-unknown-fields");
        problems.invalid(&at, &Value::Bool(false), "must be true or undefined");
    }
    for (word, wanted, known) in [
        ("x-kubernetes-map-type", "object", &["atomic", "granular"][..]),
        ("x-kubernetes-list-type", "array", &["atomic", "set", "map"][..]),
    ] {
        let Some(said) = schema.get(word).and_then(Value::as_str) else { continue };
        let found = schema.value_type();
        let detail = format!("must be {wanted} if {word} is specified");
        if found.is_empty() {
            problems.required(&child(at, "type"), &detail);
        } else if found != wanted {
            problems.invalid_text(&child(at, "type"), found, &detail);
        } else if said == "set" {
            set_items(schema, at, problems);
        }
        if !known.contains(&said) {
            let known: Vec<String> = known.iter().map(|k| (*k).to_owned()).collect();
            problems.not_supported(&child(at, word), &Value::from(said), &known);
        }
    }
    map_keys(schema, at, problems);
}

fn set_items(schema: SchemaRef<'_>, at: &str, problems: &mut Problems) {
    let Some(items) = schema.items() else { return };
    let word = match items.value_type() {
        "array" if !matches!(items.text("x-kubernetes-list-type"), "" | "atomic") => "x-kubernetes-list-type",
        "object" if items.text("x-kubernetes-map-type") != "atomic" => "x-kubernetes-map-type",
        _ => return,
    };
    let shown = items.get("x-kubernetes-list-type").cloned().unwrap_or(Value::Null);
    let detail = "must be atomic as item of a list with x-kubernetes-list-type=set";
    problems.invalid(&format!("{at}.items.{word}"), &shown, detail);
}

fn map_keys(schema: SchemaRef<'_>, at: &str, problems: &mut Problems) {
    let (list_type, keys) = (schema.text("x-kubernetes-list-type"), schema.texts("x-kubernetes-list-map-keys"));
    let (type_at, keys_at) = (child(at, "x-kubernetes-list-type"), child(at, "x-kubernetes-list-map-keys"));
    if !keys.is_empty() && list_type != "map" {
        let detail = "must be map if x-kubernetes-list-map-keys is non-empty";
        match list_type {
            "" => problems.required(&type_at, detail),
            other => problems.invalid_text(&type_at, other, detail),
        }
    }
    let items = schema.items();
    if list_type == "map" {
        if keys.is_empty() {
            problems.required(&keys_at, "must not be empty if x-kubernetes-list-type is map");
        }
        match items {
            None => problems.required(&child(at, "items"), "must have a schema if x-kubernetes-list-type is map"),
            Some(items) if items.value_type() != "object" => {
                let detail = "must be object if parent array's x-kubernetes-list-type is map";
                problems.invalid_text(&format!("{at}.items.type"), items.value_type(), detail);
            }
            Some(items) => keys_of_items(items, &keys, at, &keys_at, problems),
        }
    }
    if let Some(items) = items.filter(|_| matches!(list_type, "set" | "map")) {
        if items.says("nullable") {
            let detail = format!("cannot be nullable when x-kubernetes-list-type is {list_type}");
            problems.forbidden(&format!("{at}.items.nullable"), &detail);
        }
        if list_type == "map" {
            required_keys(items, &keys, at, problems);
        }
    }
}

fn keys_of_items(items: SchemaRef<'_>, keys: &[&str], at: &str, keys_at: &str, problems: &mut Problems) {
    let shown = Value::from(keys.to_vec());
    for (index, key) in keys.iter().enumerate() {
        match items.property(key) {
            Some(field) if matches!(field.value_type(), "array" | "object") => {
                let detail = "must be a scalar type if parent array's x-kubernetes-list-type is map";
                problems.invalid_text(&format!("{at}.items.properties[{key}].type"), items.value_type(), detail);
            }
            Some(_) => {}
            None => problems.invalid(keys_at, &shown, "entries must all be names of item properties"),
        }
        if keys[..index].contains(key) {
            problems.invalid(keys_at, &shown, "must not contain duplicate entries");
        }
    }
}

fn required_keys(items: SchemaRef<'_>, keys: &[&str], at: &str, problems: &mut Problems) {
    let required = items.texts("required");
    for key in keys {
        let Some(field) = items.property(key) else { continue };
        let at = format!("{at}.items.properties[{key}]");
        if !required.contains(key) && field.default_value().is_none() {
            let detail = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
            problems.required(&child(&at, "default"), detail);
        }
        if field.says("nullable") {
            problems.forbidden(&child(&at, "nullable"), "this property is in x-kubernetes-list-map-keys, so it cannot be nullable");
        }
    }
}

/// Defaults fit their own schema and have no unknown fields.
fn defaults(schema: SchemaRef<'_>, at: &str, is_root: bool, problems: &mut Problems) {
    if let Some(default) = schema.default_value() {
        let at = child(at, "default");
        if !pruning::is_pruned(default, schema, schema.is_embedded()) {
            problems.invalid(&at, default, "must not have unknown fields");
        }
        embedded::validate(default, schema, &at, is_root, problems);
        let wrong = validate::validate(default, None, schema, &at);
        let is_good = wrong.is_empty();
        problems.0.extend(wrong);
        if is_good {
            super::rules::default_rules(default, schema, &at, is_root, problems);
        }
    }
    if let Some(items) = schema.items() {
        defaults(items, &child(at, "items"), false, problems);
    }
    for (name, property) in schema.properties() {
        defaults(property, &format!("{at}.properties[{name}]"), false, problems);
    }
}
