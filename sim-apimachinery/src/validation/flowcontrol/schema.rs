//! Flow schemas: which requests are of which flow.

use k8s_openapi::api::flowcontrol::v1::{
    FlowSchema, FlowSchemaSpec, NonResourcePolicyRule, PolicyRulesWithSubjects, ResourcePolicyRule, Subject,
};

use super::super::errors::Errors;
use super::super::go_value::{Raw, go_object, json, json_string};
use super::super::metadata;
use super::super::path::Path;
use super::conditions_have_types;
use crate::names;

const PRECEDENCE_MAX: i32 = 10_000;
const VERBS: &[&str] = &["create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"];

/// What is wrong with a flow schema, new or next.
pub fn create(schema: &FlowSchema, errors: &mut Errors) {
    metadata::validate(&schema.metadata, false, names::dns1123_subdomain, errors);
    let spec = schema.spec.clone().unwrap_or_default();
    let name = schema.metadata.name.as_deref().unwrap_or_default();
    spec_of(name, &spec, errors);
    if let Some(fixed) = mandatory_schema(name).filter(|fixed| *fixed != spec) {
        let shown = Raw(json(&serde_json::to_value(&spec).unwrap_or_default()));
        debug_assert!(fixed.matching_precedence.is_some(), "a mandatory schema says when it is asked");
        errors.invalid(&Path::root("spec"), shown, &format!("spec of '{name}' must equal the fixed value"));
    }
    status(schema, errors);
}

/// What is wrong with the status of a flow schema.
pub fn status(schema: &FlowSchema, errors: &mut Errors) {
    let conditions = schema.status.as_ref().and_then(|s| s.conditions.as_deref()).unwrap_or_default();
    conditions_have_types(conditions.iter().map(|c| c.type_.as_deref().unwrap_or_default()), errors);
}

/// The schemas that every server has, and that nobody changes.
pub fn mandatory_schema(name: &str) -> Option<FlowSchemaSpec> {
    let (precedence, level, groups): (i32, &str, &[&str]) = match name {
        "exempt" => (1, "exempt", &["system:masters"]),
        "catch-all" => (PRECEDENCE_MAX, "catch-all", &["system:unauthenticated", "system:authenticated"]),
        _ => return None,
    };
    let value = serde_json::json!({
        "matchingPrecedence": precedence,
        "priorityLevelConfiguration": {"name": level},
        "distinguisherMethod": if name == "catch-all" { serde_json::json!({"type": "ByUser"}) } else { serde_json::Value::Null },
        "rules": [{
            "subjects": groups.iter().map(|g| serde_json::json!({"kind": "Group", "group": {"name": g}})).collect::<Vec<_>>(),
            "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "clusterScope": true, "namespaces": ["*"]}],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
        }],
    });
    serde_json::from_value(value).ok()
}

fn spec_of(name: &str, spec: &FlowSchemaSpec, errors: &mut Errors) {
    let at = Path::root("spec");
    let precedence = spec.matching_precedence.unwrap_or(0);
    let field = at.child("matchingPrecedence");
    if precedence <= 0 {
        errors.invalid(&field, precedence, "must be a positive value");
    }
    if precedence > PRECEDENCE_MAX {
        errors.invalid(&field, precedence, &format!("must not be greater than {PRECEDENCE_MAX}"));
    }
    if precedence == 1 && name != "exempt" {
        errors.invalid(&field, precedence, "only the schema named 'exempt' may have matchingPrecedence 1");
    }
    if let Some(method) = spec.distinguisher_method.as_ref().filter(|m| !matches!(m.type_.as_str(), "ByNamespace" | "ByUser")) {
        let shown = go_object(&[("Type", json_string(&method.type_))]);
        errors.not_supported(&at.child("distinguisherMethod").child("type"), shown, &["ByNamespace", "ByUser"]);
    }
    let field = at.child("priorityLevelConfiguration");
    match spec.priority_level_configuration.name.as_str() {
        "" => errors.required(&field.child("name"), "must reference a priority level"),
        level => errors.invalid_each(&field.child("name"), level, names::dns1123_subdomain(level)),
    }
    for (index, found) in spec.rules.iter().flatten().enumerate() {
        rules(found, &at.child("rules").index(index), errors);
    }
}

fn rules(found: &PolicyRulesWithSubjects, at: &Path<'_>, errors: &mut Errors) {
    let subjects = at.child("subjects");
    found.subjects.iter().enumerate().for_each(|(index, s)| subject(s, &subjects.index(index), errors));
    if found.subjects.is_empty() {
        errors.required(&subjects, "subjects must contain at least one value");
    }
    let resource = found.resource_rules.as_deref().unwrap_or_default();
    let other = found.non_resource_rules.as_deref().unwrap_or_default();
    if resource.is_empty() && other.is_empty() {
        errors.required(at, "at least one of resourceRules and nonResourceRules has to be non-empty");
    }
    let list = at.child("resourceRules");
    resource.iter().enumerate().for_each(|(index, r)| resource_rule(r, &list.index(index), errors));
    let list = at.child("nonResourceRules");
    other.iter().enumerate().for_each(|(index, r)| non_resource_rule(r, &list.index(index), errors));
}

fn subject(subject: &Subject, at: &Path<'_>, errors: &mut Errors) {
    let present = [
        ("ServiceAccount", "serviceAccount", subject.service_account.is_some()),
        ("User", "user", subject.user.is_some()),
        ("Group", "group", subject.group.is_some()),
    ];
    let kind = subject.kind.as_str();
    let Some((_, field, is_there)) = present.into_iter().find(|(k, ..)| *k == kind) else {
        return errors.not_supported(&at.child("kind"), kind, &["Group", "ServiceAccount", "User"]);
    };
    let own = at.child(field);
    match (kind, is_there) {
        (_, false) => errors.required(&own, &format!("{field} is required when subject kind is '{kind}'")),
        ("ServiceAccount", true) => service_account(subject, &own, errors),
        (_, true) => {
            let name = subject.user.as_ref().map(|u| &u.name).filter(|_| kind == "User").or(subject.group.as_ref().map(|g| &g.name));
            if name.is_none_or(String::is_empty) {
                errors.required(&own.child("name"), "");
            }
        }
    }
    for (other, field, _) in present.into_iter().filter(|(k, _, is_there)| *k != kind && *is_there) {
        errors.forbidden(&at.child(field), &format!("{field} is forbidden when subject kind is not '{other}'"));
    }
}

fn service_account(subject: &Subject, at: &Path<'_>, errors: &mut Errors) {
    let Some(account) = &subject.service_account else { return };
    match account.name.as_str() {
        "" => errors.required(&at.child("name"), ""),
        "*" => {}
        name => errors.invalid_each(&at.child("name"), name, names::dns1123_subdomain(name)),
    }
    match account.namespace.as_str() {
        "" => errors.required(&at.child("namespace"), "must specify namespace for service account"),
        name => errors.invalid_each(&at.child("namespace"), name, names::dns1123_label(name)),
    }
}

fn has_star(list: &[String]) -> bool {
    list.iter().any(|item| item == "*")
}

fn verbs(list: &[String], at: &Path<'_>, errors: &mut Errors) {
    let field = at.child("verbs");
    if list.is_empty() {
        errors.required(&field, "verbs must contain at least one value");
    } else if has_star(list) {
        if list.len() > 1 {
            errors.invalid(&field, list, "if '*' is present, must not specify other verbs");
        }
    } else if !list.iter().all(|v| VERBS.contains(&v.as_str())) {
        errors.not_supported(&field, list, VERBS);
    }
}

fn non_resource_rule(rule: &NonResourcePolicyRule, at: &Path<'_>, errors: &mut Errors) {
    verbs(&rule.verbs, at, errors);
    let (list, field) = (&rule.non_resource_urls, at.child("nonResourceURLs"));
    if list.is_empty() {
        errors.required(&field, "nonResourceURLs must contain at least one value");
    } else if has_star(list) {
        if list.len() > 1 {
            errors.invalid(&field, list, "if '*' is present, must not specify other non-resource URLs");
        }
    } else {
        for (index, url) in list.iter().enumerate() {
            if let Some(why) = wrong_url(url) {
                errors.invalid(&field.index(index), url, why);
            }
        }
    }
}

fn wrong_url(url: &str) -> Option<&'static str> {
    let stars = url.matches('*').count();
    match url {
        "" => Some("must not be empty"),
        "/" => None,
        _ if !url.starts_with('/') => Some("must start with slash"),
        _ if url.contains(' ') => Some("must not contain white-space"),
        _ if url.contains("//") => Some("must not contain double slash"),
        _ if stars > 1 || stars == 1 && !url.ends_with("/*") => Some("wildcard can only do suffix matching"),
        _ => None,
    }
}

fn resource_rule(rule: &ResourcePolicyRule, at: &Path<'_>, errors: &mut Errors) {
    verbs(&rule.verbs, at, errors);
    for (field, list, one, others) in
        [("apiGroups", &rule.api_groups, "api group", "api groups"), ("resources", &rule.resources, "resource", "resources")]
    {
        if list.is_empty() {
            errors.required(&at.child(field), &format!("resource rules must supply at least one {one}"));
        } else if list.len() > 1 && has_star(list) {
            errors.invalid(&at.child(field), list, &format!("if '*' is present, must not specify other {others}"));
        }
    }
    let list = rule.namespaces.as_deref().unwrap_or_default();
    let field = at.child("namespaces");
    if list.is_empty() && rule.cluster_scope != Some(true) {
        errors.required(&field, "resource rules that are not cluster scoped must supply at least one namespace");
    } else if has_star(list) {
        if list.len() > 1 {
            errors.invalid(&field, list, "if '*' is present, must not specify other namespaces");
        }
    } else {
        for (index, name) in list.iter().enumerate() {
            let intro = |why: String| format!("each member of this list must be '*' or a DNS-1123 label; {why}");
            errors.invalid_each(&field.index(index), name, names::dns1123_label(name).into_iter().map(intro).collect());
        }
    }
}
