//! Admission policies. What did not change and was stored before is not compiled again.

use std::collections::BTreeSet;

use k8s_openapi::api::admissionregistration::v1::{
    AuditAnnotation, MatchCondition, MatchResources, MutatingAdmissionPolicy, Mutation, ParamKind, ValidatingAdmissionPolicy, Validation,
    Variable,
};

use super::super::errors::Errors;
use super::super::go_value::{Raw, go_object, json_list, json_string};
use super::super::metadata;
use super::super::path::Path;
use super::{Cel, Expression, Purpose, compile, failure_policy, match_conditions, match_resources, mutating_operations};
use crate::names;

const AUDIT_ANNOTATIONS_MAX: usize = 20;
const AUDIT_VALUE_BYTES_MAX: usize = 5 * 1024;
const NOTHING_TO_DO: &str = "validations or auditAnnotations must contain at least one item";
const RESERVED: &[&str] = &[
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// What is wrong with a validating policy; `current` is what it was.
pub fn check_validating(
    next: &ValidatingAdmissionPolicy,
    current: Option<&ValidatingAdmissionPolicy>,
    cel: &mut dyn Cel,
    errors: &mut Errors,
) {
    metadata::validate(&next.metadata, false, names::dns1123_subdomain, errors);
    let spec = next.spec.clone().unwrap_or_default();
    let at = Path::root("spec");
    let has_params = spec.param_kind.is_some();
    common(spec.failure_policy.as_deref(), spec.param_kind.as_ref(), spec.match_constraints.as_ref(), errors);
    let same = current
        .and_then(|c| c.spec.as_ref())
        .is_some_and(|old| old.param_kind == spec.param_kind && conditions(&old.match_conditions) == conditions(&spec.match_conditions));
    if !same {
        match_conditions(conditions(&spec.match_conditions), has_params, &at.child("matchConditions"), cel, errors);
    }
    variables(spec.variables.as_deref().unwrap_or_default(), has_params, &at.child("variables"), cel, errors);
    let validations = spec.validations.as_deref().unwrap_or_default();
    let annotations = spec.audit_annotations.as_deref().unwrap_or_default();
    if validations.is_empty() && annotations.is_empty() {
        errors.required(&at.child("validations"), NOTHING_TO_DO);
        return errors.required(&at.child("auditAnnotations"), NOTHING_TO_DO);
    }
    let list = at.child("validations");
    validations.iter().enumerate().for_each(|(index, v)| validation(v, has_params, &list.index(index), cel, errors));
    let name = next.metadata.name.as_deref().unwrap_or_default();
    audit_annotations(annotations, name, has_params, &at.child("auditAnnotations"), cel, errors);
}

/// What is wrong with a mutating policy; `current` is what it was.
pub fn check_mutating(next: &MutatingAdmissionPolicy, current: Option<&MutatingAdmissionPolicy>, cel: &mut dyn Cel, errors: &mut Errors) {
    metadata::validate(&next.metadata, false, names::dns1123_subdomain, errors);
    let spec = next.spec.clone().unwrap_or_default();
    let at = Path::root("spec");
    let has_params = spec.param_kind.is_some();
    common(spec.failure_policy.as_deref(), spec.param_kind.as_ref(), spec.match_constraints.as_ref(), errors);
    if let Some(found) = &spec.match_constraints {
        mutating_operations(found, &at.child("matchConstraints"), errors);
    }
    let same = current
        .and_then(|c| c.spec.as_ref())
        .is_some_and(|old| old.param_kind == spec.param_kind && conditions(&old.match_conditions) == conditions(&spec.match_conditions));
    if !same {
        match_conditions(conditions(&spec.match_conditions), has_params, &at.child("matchConditions"), cel, errors);
    }
    variables(spec.variables.as_deref().unwrap_or_default(), has_params, &at.child("variables"), cel, errors);
    let list = at.child("mutations");
    let mutations = spec.mutations.as_deref().unwrap_or_default();
    if mutations.is_empty() {
        errors.required(&list, "mutations must contain at least one item");
    }
    mutations.iter().enumerate().for_each(|(index, m)| mutation(m, has_params, &list.index(index), cel, errors));
    match spec.reinvocation_policy.as_deref().unwrap_or_default() {
        "" => errors.required(&at.child("reinvocationPolicy"), ""),
        "Never" | "IfNeeded" => {}
        other => errors.not_supported(&at.child("reinvocationPolicy"), other, &["IfNeeded", "Never"]),
    }
}

fn conditions(found: &Option<Vec<MatchCondition>>) -> &[MatchCondition] {
    found.as_deref().unwrap_or_default()
}

fn common(policy: Option<&str>, param: Option<&ParamKind>, constraints: Option<&MatchResources>, errors: &mut Errors) {
    let at = Path::root("spec");
    match policy {
        None => errors.required(&at.child("failurePolicy"), ""),
        policy => failure_policy(policy, &at, errors),
    }
    if let Some(param) = param {
        param_kind(param, &at.child("paramKind"), errors);
    }
    let field = at.child("matchConstraints");
    match constraints {
        None => errors.required(&field, ""),
        Some(found) => {
            match_resources(found, &field, errors);
            if found.resource_rules.as_ref().is_none_or(Vec::is_empty) {
                errors.required(&field.child("resourceRules"), "");
            }
        }
    }
}

fn param_kind(found: &ParamKind, at: &Path<'_>, errors: &mut Errors) {
    let api_version = found.api_version.as_deref().unwrap_or_default();
    let field = at.child("apiVersion");
    let parts: Vec<&str> = if api_version == "/" { vec!["", ""] } else { api_version.split('/').collect() };
    match parts.as_slice() {
        _ if api_version.is_empty() => errors.required(&field, ""),
        [version] => group_version("", version, api_version, &field, errors),
        [group, version] => group_version(group, version, api_version, &field, errors),
        _ => errors.invalid(&field, api_version, &format!("unexpected GroupVersion string: {api_version}")),
    }
    let kind = found.kind.as_deref().unwrap_or_default();
    let wrong = names::dns1035_label(&kind.to_lowercase());
    if kind.is_empty() {
        errors.required(&at.child("kind"), "");
    } else if !wrong.is_empty() {
        let text = format!("may have mixed case, but should otherwise match: {}", wrong.join(","));
        errors.invalid(&at.child("kind"), kind, &text);
    }
}

fn group_version(group: &str, version: &str, whole: &str, at: &Path<'_>, errors: &mut Errors) {
    let wrong = names::dns1123_subdomain(group);
    if !group.is_empty() && !wrong.is_empty() {
        errors.invalid(at, group, &wrong.join(","));
    }
    let wrong = names::dns1035_label(version);
    if version.is_empty() {
        errors.invalid(at, whole, "version must be specified");
    } else if !wrong.is_empty() {
        errors.invalid(at, version, &wrong.join(","));
    }
}

fn is_identifier(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    name.bytes().next().is_some_and(|b| inner(b) && !b.is_ascii_digit()) && name.bytes().all(inner) && !RESERVED.contains(&name)
}

fn variables(list: &[Variable], has_params: bool, at: &Path<'_>, cel: &mut dyn Cel, errors: &mut Errors) {
    for (index, variable) in list.iter().enumerate() {
        let at = at.index(index);
        let name = variable.name.as_str();
        if name.trim().is_empty() {
            errors.required(&at.child("name"), "name is not specified");
        } else if !is_identifier(name) {
            errors.invalid(&at.child("name"), name, "must be a valid CEL identifier");
        }
        if variable.expression.trim().is_empty() {
            errors.required(&at.child("expression"), "expression is not specified");
        } else {
            let expression = Expression { text: &variable.expression, purpose: Purpose::Variable, name, has_params };
            compile(expression, &at.child("expression"), cel, errors);
        }
    }
}

fn validation(found: &Validation, has_params: bool, at: &Path<'_>, cel: &mut dyn Cel, errors: &mut Errors) {
    const EMPTY: &str = "must be non-empty if specified";
    if found.expression.trim().is_empty() {
        errors.required(&at.child("expression"), "expression is not specified");
    } else {
        let expression = Expression { text: &found.expression, purpose: Purpose::Validation, name: "", has_params };
        compile(expression, &at.child("expression"), cel, errors);
    }
    let text = found.message_expression.as_deref().unwrap_or_default();
    if !text.is_empty() && text.trim().is_empty() {
        errors.invalid(&at.child("messageExpression"), text, EMPTY);
    } else if !text.is_empty() {
        let expression = Expression { text, purpose: Purpose::Message, name: "", has_params };
        compile(expression, &at.child("messageExpression"), cel, errors);
    }
    let message = found.message.as_deref().unwrap_or_default();
    if !message.is_empty() && message.trim().is_empty() {
        errors.invalid(&at.child("message"), message, EMPTY);
    } else if message.trim().contains(['\n', '\r']) {
        errors.invalid(&at.child("message"), message, "must not contain line breaks");
    }
    if let Some(reason) = found.reason.as_deref().filter(|r| !REASONS.contains(r)) {
        errors.not_supported(&at.child("reason"), reason, REASONS);
    }
}

const REASONS: &[&str] = &["Forbidden", "Invalid", "RequestEntityTooLarge"];

fn audit_annotations(list: &[AuditAnnotation], policy: &str, has_params: bool, at: &Path<'_>, cel: &mut dyn Cel, errors: &mut Errors) {
    if list.len() > AUDIT_ANNOTATIONS_MAX {
        let shown =
            list.iter().map(|a| go_object(&[("Key", json_string(&a.key)), ("ValueExpression", json_string(&a.value_expression))]).0);
        errors.invalid(at, Raw(json_list(shown)), &format!("must not have more than {AUDIT_ANNOTATIONS_MAX} auditAnnotations"));
    }
    let mut seen = BTreeSet::new();
    for (index, found) in list.iter().enumerate() {
        let at = at.index(index);
        if policy.is_empty() {
            errors.invalid(&at.child("key"), &found.key, "requires metadata.name be non-empty");
        } else {
            let qualified = format!("{policy}/{}", found.key);
            errors.invalid_each(&at.child("key"), &qualified, names::qualified_name(&qualified));
        }
        let field = at.child("valueExpression");
        let text = found.value_expression.trim();
        if text.is_empty() {
            errors.required(&field, "valueExpression is not specified");
        } else if text.len() > AUDIT_VALUE_BYTES_MAX {
            errors.required(&field, &format!("must not exceed {AUDIT_VALUE_BYTES_MAX} bytes in length"));
        } else if let Some(why) = cel.wrong(Expression { text, purpose: Purpose::AuditAnnotation, name: "", has_params }) {
            errors.invalid(&field, &found.value_expression, &why);
        }
        if !seen.insert(found.key.as_str()) {
            errors.duplicate(&at.child("key"), &found.key);
        }
    }
}

fn mutation(found: &Mutation, has_params: bool, at: &Path<'_>, cel: &mut dyn Cel, errors: &mut Errors) {
    let patch = found.json_patch.as_ref().map(|p| p.expression.as_deref().unwrap_or_default());
    let apply = found.apply_configuration.as_ref().map(|a| a.expression.as_deref().unwrap_or_default());
    let parts = [
        ("JSONPatch", "jsonPatch", patch, Purpose::JsonPatch),
        ("ApplyConfiguration", "applyConfiguration", apply, Purpose::ApplyConfiguration),
    ];
    let kind = found.patch_type.as_str();
    if kind.is_empty() {
        return errors.required(&at.child("patchType"), "");
    }
    let Some((_, field, own, purpose)) = parts.into_iter().find(|(k, ..)| *k == kind) else {
        return errors.not_supported(&at.child("patchType"), kind, &["ApplyConfiguration", "JSONPatch"]);
    };
    let own_at = at.child(field);
    match own.map(str::trim) {
        None => errors.required(&own_at, &format!("must be specified when patchType is {kind}")),
        Some("") => errors.required(&own_at.child("expression"), ""),
        Some(text) => compile(Expression { text, purpose, name: "", has_params }, &own_at.child("expression"), cel, errors),
    }
    for (_, field, ..) in parts.into_iter().filter(|(k, _, other, _)| *k != kind && other.is_some()) {
        errors.invalid(&at.child(field), format!("{{{field}}}"), &format!("must not be specified when patchType is {kind}"));
    }
}
