//! Which requests a webhook or a policy is about.

use std::collections::BTreeSet;

use k8s_openapi::api::admissionregistration::v1::{NamedRuleWithOperations, RuleWithOperations};

use super::super::errors::Errors;
use super::super::path::Path;
use crate::names;

const OPERATIONS: &[&str] = &["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];

/// A rule's parts.
struct Rule<'a> {
    operations: &'a [String],
    groups: &'a [String],
    versions: &'a [String],
    resources: &'a [String],
    scope: Option<&'a str>,
}

/// What is wrong with the rule of a webhook.
pub fn plain(found: &RuleWithOperations, at: &Path<'_>, errors: &mut Errors) {
    let rule = Rule {
        operations: found.operations.as_deref().unwrap_or_default(),
        groups: found.api_groups.as_deref().unwrap_or_default(),
        versions: found.api_versions.as_deref().unwrap_or_default(),
        resources: found.resources.as_deref().unwrap_or_default(),
        scope: found.scope.as_deref(),
    };
    rule_of(&rule, at, errors);
}

/// What is wrong with the rule of a policy.
pub fn named(found: &NamedRuleWithOperations, at: &Path<'_>, errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    let list = at.child("resourceNames");
    for (index, name) in found.resource_names.iter().flatten().enumerate() {
        errors.invalid_each(&list.index(index), name, names::path_segment(name));
        if !seen.insert(name) {
            errors.duplicate(&list.index(index), name);
        }
    }
    let rule = Rule {
        operations: found.operations.as_deref().unwrap_or_default(),
        groups: found.api_groups.as_deref().unwrap_or_default(),
        versions: found.api_versions.as_deref().unwrap_or_default(),
        resources: found.resources.as_deref().unwrap_or_default(),
        scope: found.scope.as_deref(),
    };
    rule_of(&rule, at, errors);
}

fn has_star(list: &[String]) -> bool {
    list.iter().any(|item| item == "*")
}

fn rule_of(rule: &Rule<'_>, at: &Path<'_>, errors: &mut Errors) {
    alone(rule.operations, "operations", "operations", at, errors);
    let list = at.child("operations");
    for (index, operation) in rule.operations.iter().enumerate().filter(|(_, o)| !OPERATIONS.contains(&o.as_str())) {
        errors.not_supported(&list.index(index), operation, OPERATIONS);
    }
    alone(rule.groups, "apiGroups", "API groups", at, errors);
    alone(rule.versions, "apiVersions", "API versions", at, errors);
    let list = at.child("apiVersions");
    for (index, _) in rule.versions.iter().enumerate().filter(|(_, v)| v.is_empty()) {
        errors.required(&list.index(index), "");
    }
    resources(rule.resources, &at.child("resources"), errors);
    if let Some(scope) = rule.scope.filter(|s| !matches!(*s, "*" | "Cluster" | "Namespaced")) {
        errors.not_supported(&at.child("scope"), scope, &["*", "Cluster", "Namespaced"]);
    }
}

/// A list that must not be empty and in which a star stands alone.
fn alone(list: &[String], field: &str, what: &str, at: &Path<'_>, errors: &mut Errors) {
    if list.is_empty() {
        errors.required(&at.child(field), "");
    } else if list.len() > 1 && has_star(list) {
        errors.invalid(&at.child(field), list, &format!("if '*' is present, must not specify other {what}"));
    }
}

fn resources(list: &[String], at: &Path<'_>, errors: &mut Errors) {
    if list.is_empty() {
        errors.required(at, "");
    }
    let (mut all_of, mut every) = (BTreeSet::new(), BTreeSet::new());
    let (mut single, mut plain) = (false, false);
    for (index, text) in list.iter().enumerate() {
        if text.is_empty() {
            errors.required(&at.index(index), "");
            continue;
        }
        single |= text == "*";
        let Some((resource, sub)) = text.split_once('/') else {
            plain = text != "*";
            continue;
        };
        if all_of.contains(resource) {
            errors.invalid(&at.index(index), text, &format!("if '{resource}/*' is present, must not specify {text}"));
        }
        if every.contains(sub) {
            errors.invalid(&at.index(index), text, &format!("if '*/{sub}' is present, must not specify {text}"));
        }
        if sub == "*" {
            all_of.insert(resource);
        }
        if resource == "*" {
            every.insert(sub);
        }
    }
    if list.len() > 1 && list.iter().any(|t| t == "*/*") {
        errors.invalid(at, list, "if '*/*' is present, must not specify other resources");
    }
    if single && plain {
        errors.invalid(at, list, "if '*' is present, must not specify other resources without subresources");
    }
}
