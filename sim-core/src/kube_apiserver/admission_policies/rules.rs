//! What policies, bindings and webhook configurations must be like.
//! Source: pkg/apis/admissionregistration/validation/validation.go. The objects are looked at as JSON, because the two kinds of
//! policies, of bindings and of configurations have most of their fields in common.
//! Not modelled: what a change may leave as it was.

use std::collections::BTreeMap;

use k8s_openapi::api::admissionregistration::v1::Variable;
use serde_json::Value;
use sim_apimachinery::{Cause, Kind, Object, names};
use sim_cel::{Sized, Type};

use super::program::{Declared, compile, compile_variables, composed, declared, with_own};
use super::resource_rules::{match_resources, mutable_operations};
use super::webhook_rules::webhooks;
use crate::kube_apiserver::apiextensions::problems::{Problems, child};

const CONDITIONS_MAX: usize = 64;
const AUDIT_EXPRESSION_MAX: usize = 5 * 1024;

/// What is wrong with an object of the group `admissionregistration.k8s.io`; nothing for other kinds.
pub(in crate::kube_apiserver) fn registration_errors(object: &Object) -> Vec<Cause> {
    let mut problems = Problems::default();
    let kind = object.kind();
    let value = || object.to_json();
    match kind {
        Kind::ValidatingAdmissionPolicy | Kind::MutatingAdmissionPolicy => policy(&value(), kind, &mut problems),
        Kind::ValidatingAdmissionPolicyBinding | Kind::MutatingAdmissionPolicyBinding => binding(&value(), kind, &mut problems),
        Kind::ValidatingWebhookConfiguration | Kind::MutatingWebhookConfiguration => webhooks(&value(), kind, &mut problems),
        _ => {}
    }
    problems.0
}

pub(super) fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

pub(super) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// One of several words, required or not.
pub(super) fn one_of(value: &Value, at: &str, name: &str, words: &[&str], is_required: bool, problems: &mut Problems) {
    let found = text(value, name);
    if found.is_empty() && is_required {
        problems.required(&child(at, name), "");
    } else if !found.is_empty() && !words.contains(&found) {
        let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        problems.not_supported(&child(at, name), &Value::from(found), &words);
    }
}

fn policy(value: &Value, kind: Kind, problems: &mut Problems) {
    let empty = Value::Object(Default::default());
    let spec = value.get("spec").unwrap_or(&empty);
    let is_mutating = kind == Kind::MutatingAdmissionPolicy;
    one_of(spec, "spec", "failurePolicy", &["Fail", "Ignore"], true, problems);
    if let Some(parameters) = spec.get("paramKind") {
        parameter_kind(parameters, "spec.paramKind", problems);
    }
    match spec.get("matchConstraints") {
        None => problems.required("spec.matchConstraints", ""),
        Some(resources) => {
            match_resources(resources, "spec.matchConstraints", problems);
            if list(resources, "resourceRules").is_empty() {
                problems.required("spec.matchConstraints.resourceRules", "");
            }
            if is_mutating {
                mutable_operations(resources, "spec.matchConstraints", problems);
            }
        }
    }
    let with = Declared { parameters: spec.get("paramKind").is_some(), authorizer: true, patch_types: false };
    conditions(spec, "spec.matchConditions", with.parameters, problems);
    let types = variables(spec, with, problems);
    if is_mutating {
        if list(spec, "mutations").is_empty() {
            problems.required("spec.mutations", "mutations must contain at least one item");
        }
        for (index, mutation) in list(spec, "mutations").iter().enumerate() {
            self::mutation(mutation, &format!("spec.mutations[{index}]"), with, &types, problems);
        }
        return one_of(spec, "spec", "reinvocationPolicy", &["IfNeeded", "Never"], true, problems);
    }
    let (validations, annotations) = (list(spec, "validations"), list(spec, "auditAnnotations"));
    if validations.is_empty() && annotations.is_empty() {
        let detail = "validations or auditAnnotations must contain at least one item";
        problems.required("spec.validations", detail);
        problems.required("spec.auditAnnotations", detail);
    }
    for (index, validation) in validations.iter().enumerate() {
        self::validation(validation, &format!("spec.validations[{index}]"), with, &types, problems);
    }
    let name = value.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let mut seen: Vec<&str> = vec![];
    for (index, annotation) in annotations.iter().enumerate() {
        let at = format!("spec.auditAnnotations[{index}]");
        audit_annotation(annotation, name, &at, with, &types, problems);
        let key = text(annotation, "key");
        if seen.contains(&key) {
            problems.duplicate(&child(&at, "key"), &Value::from(key));
        }
        seen.push(key);
    }
}

fn parameter_kind(kind: &Value, at: &str, problems: &mut Problems) {
    let (version_at, version) = (child(at, "apiVersion"), text(kind, "apiVersion"));
    let (group, short) = version.split_once('/').unwrap_or(("", version));
    let wrong = names::dns1123_subdomain(group);
    if version.is_empty() {
        problems.required(&version_at, "");
    } else if version.matches('/').count() > 1 {
        problems.invalid_text(&version_at, version, &format!("unexpected GroupVersion string: {version}"));
    } else {
        if !group.is_empty() && !wrong.is_empty() {
            problems.invalid_text(&version_at, group, &wrong.join(","));
        }
        let wrong = names::dns1035_label(short);
        if short.is_empty() {
            problems.invalid_text(&version_at, version, "version must be specified");
        } else if !wrong.is_empty() {
            problems.invalid_text(&version_at, short, &wrong.join(","));
        }
    }
    let (kind_at, name) = (child(at, "kind"), text(kind, "kind"));
    let wrong = names::dns1035_label(&name.to_lowercase());
    if name.is_empty() {
        problems.required(&kind_at, "");
    } else if !wrong.is_empty() {
        problems.invalid_text(&kind_at, name, &format!("may have mixed case, but should otherwise match: {}", wrong.join(",")));
    }
}

pub(super) fn conditions(of: &Value, at: &str, parameters: bool, problems: &mut Problems) {
    let conditions = list(of, "matchConditions");
    if conditions.len() > CONDITIONS_MAX {
        problems.too_many(at, conditions.len(), CONDITIONS_MAX as i64);
    }
    let variables = declared(Declared { parameters, authorizer: true, patch_types: false });
    let mut seen: Vec<&str> = vec![];
    for (index, condition) in conditions.iter().enumerate() {
        let at = format!("{at}[{index}]");
        let (name, source) = (text(condition, "name"), text(condition, "expression").trim());
        if source.is_empty() {
            problems.required(&child(&at, "expression"), "");
        } else {
            expression(source, &child(&at, "expression"), &variables, &[Type::Bool], problems);
        }
        if name.is_empty() {
            problems.required(&child(&at, "name"), "");
        }
        for wrong in names::qualified_name(name).into_iter().filter(|_| !name.is_empty()) {
            problems.invalid_text(&child(&at, "name"), name, &wrong);
        }
        if seen.contains(&name) && !name.is_empty() {
            problems.duplicate(&child(&at, "name"), &Value::from(name));
        }
        seen.push(name);
    }
}

/// Compiles an expression and looks at the type of its result.
fn expression(source: &str, at: &str, variables: &sim_cel::Variables, wanted: &[Type], problems: &mut Problems) {
    match compile(source, variables).program {
        Err(why) => problems.invalid_text(at, source, &format!("compilation failed: {why}")),
        Ok(program) => {
            let found = program.result_type();
            let fits = |w: &Type| w == found || matches!((w, found), (Type::Object(a), Type::Object(b)) if a.name == b.name);
            if wanted.iter().any(fits) {
                return;
            }
            let detail = match wanted {
                [one] => format!("must evaluate to {one} but got {found}"),
                _ => "must evaluate to one of [string null_type]".to_owned(),
            };
            problems.invalid_text(at, source, &detail);
        }
    }
}

/// Compiles an expression that makes a patch; its result must be of the patch's own type.
fn patch_expression(source: &str, at: &str, variables: &sim_cel::Variables, is_json_patch: bool, problems: &mut Problems) {
    let wanted = if is_json_patch { "list(JSONPatch)" } else { "Object" };
    match compile(source, variables).program.map(|program| program.result_type().to_string()) {
        Err(why) => problems.invalid_text(at, source, &format!("compilation failed: {why}")),
        Ok(found) if found != wanted => problems.invalid_text(at, source, &format!("must evaluate to {wanted} but got {found}")),
        Ok(_) => {}
    }
}

fn variables(spec: &Value, with: Declared, problems: &mut Problems) -> BTreeMap<String, Sized> {
    let own: Vec<Variable> = list(spec, "variables").iter().filter_map(|v| serde_json::from_value(v.clone()).ok()).collect();
    let (compiled, types) = compile_variables(&own, with);
    for (index, (name, expression)) in compiled.iter().enumerate() {
        let at = format!("spec.variables[{index}]");
        let is_identifier =
            name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if name.trim().is_empty() {
            problems.required(&child(&at, "name"), "name is not specified");
        } else if !is_identifier {
            problems.invalid_text(&child(&at, "name"), name, "must be a valid CEL identifier");
        }
        let at = child(&at, "expression");
        match &expression.program {
            _ if expression.source.trim().is_empty() => problems.required(&at, "expression is not specified"),
            Err(why) => problems.invalid_text(&at, &expression.source, &format!("compilation failed: {why}")),
            Ok(_) => {}
        }
    }
    types
}

fn validation(validation: &Value, at: &str, with: Declared, types: &BTreeMap<String, Sized>, problems: &mut Problems) {
    let (source, message) = (text(validation, "expression"), text(validation, "message"));
    let at_expression = child(at, "expression");
    if source.trim().is_empty() {
        problems.required(&at_expression, "expression is not specified");
    } else {
        expression(source, &at_expression, &with_own(declared(with), types), &[Type::Bool], problems);
    }
    let (at_message, message_source) = (child(at, "messageExpression"), text(validation, "messageExpression"));
    if !message_source.is_empty() && message_source.trim().is_empty() {
        problems.invalid_text(&at_message, message_source, "must be non-empty if specified");
    } else if !message_source.is_empty() {
        let variables = with_own(declared(Declared { authorizer: false, ..with }), types);
        expression(message_source, &at_message, &variables, &[Type::String], problems);
    }
    if !message.is_empty() && message.trim().is_empty() {
        problems.invalid_text(&child(at, "message"), message, "must be non-empty if specified");
    } else if message.trim().contains(['\n', '\r']) {
        problems.invalid_text(&child(at, "message"), message, "must not contain line breaks");
    }
    one_of(validation, at, "reason", &["Forbidden", "Invalid", "RequestEntityTooLarge"], false, problems);
}

fn audit_annotation(annotation: &Value, policy: &str, at: &str, with: Declared, types: &BTreeMap<String, Sized>, problems: &mut Problems) {
    let key = format!("{policy}/{}", text(annotation, "key"));
    names::qualified_name(&key).iter().for_each(|wrong| problems.invalid_text(&child(at, "key"), &key, wrong));
    let (at, source) = (child(at, "valueExpression"), text(annotation, "valueExpression").trim());
    if source.is_empty() {
        problems.required(&at, "valueExpression is not specified");
    } else if source.len() > AUDIT_EXPRESSION_MAX {
        problems.required(&at, &format!("must not exceed {AUDIT_EXPRESSION_MAX} bytes in length"));
    } else {
        expression(source, &at, &with_own(declared(with), types), &[Type::String, Type::Null], problems);
    }
}

fn mutation(mutation: &Value, at: &str, with: Declared, types: &BTreeMap<String, Sized>, problems: &mut Problems) {
    let patch_type = text(mutation, "patchType");
    let (own, other) = match patch_type {
        "JSONPatch" => ("jsonPatch", "applyConfiguration"),
        "ApplyConfiguration" => ("applyConfiguration", "jsonPatch"),
        _ => return one_of(mutation, at, "patchType", &["ApplyConfiguration", "JSONPatch"], true, problems),
    };
    match mutation.get(own) {
        None => problems.required(&child(at, own), &format!("must be specified when patchType is {patch_type}")),
        Some(change) => {
            let (at, source) = (format!("{at}.{own}.expression"), text(change, "expression").trim());
            let variables = composed(declared(Declared { patch_types: true, ..with }), types);
            if source.is_empty() {
                problems.required(&at, "");
            } else {
                patch_expression(source, &at, &variables, own == "jsonPatch", problems);
            }
        }
    }
    if mutation.get(other).is_some() {
        let detail = format!("must not be specified when patchType is {patch_type}");
        problems.invalid_text(&child(at, other), &format!("{{{other}}}"), &detail);
    }
}

fn binding(value: &Value, kind: Kind, problems: &mut Problems) {
    let empty = Value::Object(Default::default());
    let spec = value.get("spec").unwrap_or(&empty);
    let policy = text(spec, "policyName");
    if policy.is_empty() {
        problems.required("spec.policyName", "");
    } else {
        let wrong = names::dns1123_subdomain(policy);
        wrong.iter().for_each(|w| problems.invalid_text("spec.policyName", policy, w));
    }
    if let Some(reference) = spec.get("paramRef") {
        parameter_reference(reference, problems);
    }
    if let Some(resources) = spec.get("matchResources") {
        match_resources(resources, "spec.matchResources", problems);
        if kind == Kind::MutatingAdmissionPolicyBinding {
            mutable_operations(resources, "spec.matchResources", problems);
        }
    }
    if kind == Kind::ValidatingAdmissionPolicyBinding {
        actions(list(spec, "validationActions"), problems);
    }
}

fn parameter_reference(reference: &Value, problems: &mut Problems) {
    let at = "spec.paramRef";
    let (name, selector) = (text(reference, "name"), reference.get("selector"));
    let (exclusive, both) = ("name and selector are mutually exclusive", !name.is_empty() && selector.is_some());
    if !name.is_empty() {
        names::path_segment(name).iter().for_each(|wrong| problems.invalid_text(&child(at, "name"), name, wrong));
    }
    if both {
        problems.forbidden(&child(at, "name"), exclusive);
    }
    super::resource_rules::selector(reference, at, "selector", problems);
    if both {
        problems.forbidden(&child(at, "selector"), exclusive);
    }
    if name.is_empty() && selector.is_none() {
        problems.required(at, "one of name or selector must be specified");
    }
    one_of(reference, at, "parameterNotFoundAction", &["Deny", "Allow"], true, problems);
}

fn actions(actions: &[Value], problems: &mut Problems) {
    let at = "spec.validationActions";
    for (index, action) in actions.iter().enumerate() {
        let at = format!("{at}[{index}]");
        if !action.as_str().is_some_and(|a| matches!(a, "Audit" | "Deny" | "Warn")) {
            problems.not_supported(&at, action, &["Audit", "Deny", "Warn"].map(str::to_owned));
        }
        if actions[..index].contains(action) {
            problems.duplicate(&at, action);
        }
    }
    let has = |word: &str| actions.iter().any(|a| a == word);
    if has("Deny") && has("Warn") {
        let detail = "must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)";
        problems.invalid(at, &Value::from(actions), detail);
    }
    if actions.is_empty() {
        problems.required(at, "at least one validation action is required");
    }
}
