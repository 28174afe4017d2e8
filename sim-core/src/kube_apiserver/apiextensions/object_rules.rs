//! What a custom object must be like to be stored: its own type, its scale, its schema, its lists, its rules.
//! Source: apiextensions-apiserver pkg/registry/customresource/{validator,strategy}.go.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::Value;
use sim_apimachinery::{Cause, Object, Part, Status, names};

use super::super::{ApiServer, Call, Outcome};
use super::problems::{Problems, quoted};
use super::{CustomResource, definition_rules, embedded, list_types, validate};

const NOT_CHECKED: &str =
    "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";

impl ApiServer {
    /// What is wrong with a definition or a custom object, besides its metadata; nothing for other kinds.
    pub(in crate::kube_apiserver) fn extension_errors(
        &self,
        object: &Object,
        old: Option<&Object>,
        part: Part,
        call: &mut Call<'_>,
    ) -> Outcome<Vec<Cause>> {
        match object {
            Object::CustomResourceDefinition(crd) if part == Part::Main => {
                let old = match old {
                    Some(Object::CustomResourceDefinition(old)) => Some(&**old),
                    _ => None,
                };
                call.warnings.extend(format_warnings(crd, old));
                Ok(definition_rules::validate(crd, old))
            }
            Object::Custom(_) => match self.resource_of(object.kind()) {
                Some(resource) => custom_errors(&resource, object, old, part, call),
                None => Ok(vec![]),
            },
            _ => Ok(crate::kube_apiserver::device_selectors::errors(object, old)),
        }
    }
}

fn custom_errors(resource: &CustomResource, object: &Object, old: Option<&Object>, part: Part, call: &mut Call<'_>) -> Outcome<Vec<Cause>> {
    check_type(resource, object)?;
    finalizer_warnings(object, old, call);
    let (value, before) = (object.to_json(), old.map(Object::to_json));
    let schema = resource.schema();
    let mut problems = Problems::default();
    if part == Part::Status {
        let status = value.get("status").zip(schema.property("status"));
        if let Some((status, schema)) = status {
            let before = before.as_ref().and_then(|b| b.get("status"));
            problems.0.extend(validate::validate(status, before, schema, "status"));
        }
    } else {
        problems.0.extend(validate::validate(&value, before.as_ref(), schema, ""));
        replicas(resource, &value, true, &mut problems);
    }
    replicas(resource, &value, false, &mut problems);
    if part != Part::Status {
        embedded::validate(&value, schema, "", false, &mut problems);
    }
    let mut lists = Problems::default();
    if let Some(before) = &before {
        list_types::validate(before, schema, "", &mut lists);
    }
    if lists.0.is_empty() {
        list_types::validate(&value, schema, "", &mut problems);
    }
    if let Some(rules) = &resource.version().rules {
        if problems.is_blocking() {
            problems.invalid("", &Value::Null, NOT_CHECKED);
        } else {
            let (mut broken, warnings) = rules.validate(&value, before.as_ref(), "");
            problems.0.append(&mut broken.0);
            call.warnings.extend(warnings);
        }
    }
    Ok(problems.0)
}

/// The object is of the kind and version of its path; the refusal names the kind it says it is.
fn check_type(resource: &CustomResource, object: &Object) -> Outcome<()> {
    let mut problems = Problems::default();
    if object.kind_name() != resource.kind_name() {
        problems.invalid_text("kind", object.kind_name(), &format!("must be {}", resource.kind_name()));
    }
    if object.api_version() != resource.api_version() {
        problems.invalid_text("apiVersion", &object.api_version(), &format!("must be {}", resource.api_version()));
    }
    if problems.0.is_empty() {
        return Ok(());
    }
    let mut status = Status::invalid(resource.kind(), object.name(), problems.0);
    status.message = status.message.replacen(resource.kind_name(), object.kind_name(), 1);
    status.kind = object.kind_name().to_owned();
    Err(Box::new(status))
}

/// The fields that the scale subresource reads are whole numbers that it can hold.
fn replicas(resource: &CustomResource, value: &Value, is_spec: bool, problems: &mut Problems) {
    let Some(scale) = &resource.version().scale else { return };
    let path = if is_spec { &scale.spec_replicas_path } else { &scale.status_replicas_path };
    if let Some(found) = at_path(value, path) {
        match found.as_i64() {
            None => {
                let trimmed = path.trim_start_matches('.');
                let detail = format!("{trimmed} accessor error: {} is of the type {}, expected int64", shown(found), go_type(found));
                problems.invalid(path, &Value::from(0), &format!(".{detail}"));
            }
            Some(count) if count < 0 => problems.invalid(path, found, "should be a non-negative integer"),
            Some(count) if count > i64::from(i32::MAX) => {
                problems.invalid(path, found, &format!("should be less than or equal to {}", i32::MAX));
            }
            Some(_) => {}
        }
    }
    let selector = scale.label_selector_path.as_deref().filter(|_| !is_spec);
    if let Some((path, found)) = selector.and_then(|p| at_path(value, p).map(|f| (p, f))).filter(|(_, f)| !f.is_string()) {
        let detail = format!("{path} accessor error: {} is of the type {}, expected string", shown(found), go_type(found));
        problems.invalid_text(path, "", &detail);
    }
}

/// The value at a path such as `.spec.replicas`.
pub(super) fn at_path<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.trim_start_matches('.').split('.').try_fold(value, |value, name| value.get(name))
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "string",
        Value::Bool(_) => "bool",
        Value::Number(_) => "float64",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
        Value::Null => "<nil>",
    }
}

/// A finalizer should say whose it is.
fn finalizer_warnings(object: &Object, old: Option<&Object>, call: &mut Call<'_>) {
    let had = |f: &String| old.is_some_and(|o| o.metadata().finalizers.iter().flatten().any(|h| h == f));
    let mut added: Vec<&String> = object.metadata().finalizers.iter().flatten().filter(|f| !had(f)).collect();
    added.sort();
    for finalizer in added {
        for wrong in names::qualified_name(finalizer) {
            call.warnings.push(format!("metadata.finalizers: {}: {wrong}", quoted(finalizer)));
        }
        if finalizer.contains('/') || matches!(finalizer.as_str(), "orphan" | "foregroundDeletion" | "kubernetes") {
            continue;
        }
        let including = if finalizer.contains('.') { " including a path (/)" } else { "" };
        let advice =
            format!("prefer a domain-qualified finalizer name{including} to avoid accidental conflicts with other finalizer writers");
        call.warnings.push(format!("metadata.finalizers: {}: {advice}", quoted(finalizer)));
    }
}

/// Formats that nobody checks, in a new definition or new in it.
fn format_warnings(crd: &CustomResourceDefinition, old: Option<&CustomResourceDefinition>) -> Vec<String> {
    let formats = |crd: &CustomResourceDefinition| {
        let mut found = vec![];
        for version in &crd.spec.versions {
            let schema = version.schema.as_ref().and_then(|s| serde_json::to_value(s).ok()).unwrap_or_default();
            unknown_formats(schema.get("openAPIV3Schema").unwrap_or(&Value::Null), &mut found);
        }
        found
    };
    let known = old.map(formats).unwrap_or_default();
    formats(crd).into_iter().filter(|f| !known.contains(f)).map(|f| format!("unrecognized format {}", quoted(&f))).collect()
}

fn unknown_formats(schema: &Value, found: &mut Vec<String>) {
    if let Some(format) = schema.get("format").and_then(Value::as_str).filter(|f| !f.is_empty() && !super::formats::is_recognized(f)) {
        found.push(format.to_owned());
    }
    for word in ["items", "not", "additionalProperties"] {
        schema.get(word).filter(|s| s.is_object()).into_iter().for_each(|s| unknown_formats(s, found));
    }
    for word in ["allOf", "anyOf", "oneOf"] {
        schema.get(word).and_then(Value::as_array).into_iter().flatten().for_each(|s| unknown_formats(s, found));
    }
    schema.get("properties").and_then(Value::as_object).into_iter().flatten().for_each(|(_, s)| unknown_formats(s, found));
}
