//! Roles and bindings. Source: pkg/apis/rbac/validation.
//! Whether somebody may grant what a role allows is the authorizer's business.

use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject};

use super::errors::Errors;
use super::go_value::{go_object, json_string};
use super::labels::label_selector;
use super::metadata;
use super::path::Path;
use crate::names;

const GROUP: &str = "rbac.authorization.k8s.io";

/// What is wrong with a new role.
pub fn create_role(role: &Role, errors: &mut Errors) {
    metadata::validate(&role.metadata, true, names::path_segment, errors);
    rules(role.rules.as_deref(), true, errors);
}

/// What is wrong with a role's next state.
pub fn update_role(next: &Role, current: &Role, errors: &mut Errors) {
    create_role(next, errors);
    metadata::validate_update(&next.metadata, &current.metadata, errors);
}

/// What is wrong with a new cluster role.
pub fn create_cluster_role(role: &ClusterRole, errors: &mut Errors) {
    metadata::validate(&role.metadata, false, names::path_segment, errors);
    rules(role.rules.as_deref(), false, errors);
    let Some(aggregation) = &role.aggregation_rule else { return };
    let rule = Path::root("aggregationRule");
    let list = rule.child("clusterRoleSelectors");
    let selectors = aggregation.cluster_role_selectors.as_deref().unwrap_or_default();
    if selectors.is_empty() {
        errors.required(&list, "at least one clusterRoleSelector required if aggregationRule is non-nil");
    }
    for (index, selector) in selectors.iter().enumerate() {
        label_selector(selector, &list.index(index), errors);
    }
}

/// What is wrong with a cluster role's next state.
pub fn update_cluster_role(next: &ClusterRole, current: &ClusterRole, errors: &mut Errors) {
    create_cluster_role(next, errors);
    metadata::validate_update(&next.metadata, &current.metadata, errors);
}

fn rules(rules: Option<&[PolicyRule]>, namespaced: bool, errors: &mut Errors) {
    let list = Path::root("rules");
    for (index, found) in rules.into_iter().flatten().enumerate() {
        rule(found, namespaced, &list.index(index), errors);
    }
}

fn rule(rule: &PolicyRule, namespaced: bool, at: &Path<'_>, errors: &mut Errors) {
    let has = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|l| !l.is_empty());
    if rule.verbs.is_empty() {
        errors.required(&at.child("verbs"), "verbs must contain at least one value");
    }
    if let Some(urls) = rule.non_resource_urls.as_deref().filter(|u| !u.is_empty()) {
        let field = at.child("nonResourceURLs");
        if namespaced {
            errors.invalid(&field, urls, "namespaced rules cannot apply to non-resource URLs");
        }
        if has(&rule.api_groups) || has(&rule.resources) || has(&rule.resource_names) {
            errors.invalid(&field, urls, "rules cannot apply to both regular resources and non-resource URLs");
        }
        return;
    }
    if !has(&rule.api_groups) {
        errors.required(&at.child("apiGroups"), "resource rules must supply at least one api group");
    }
    if !has(&rule.resources) {
        errors.required(&at.child("resources"), "resource rules must supply at least one resource");
    }
}

/// What is wrong with a new binding.
pub fn create_binding(binding: &RoleBinding, errors: &mut Errors) {
    metadata::validate(&binding.metadata, true, names::path_segment, errors);
    role_reference(&binding.role_ref, &["Role", "ClusterRole"], errors);
    subjects(binding.subjects.as_deref(), true, errors);
}

/// What is wrong with a binding's next state.
pub fn update_binding(next: &RoleBinding, current: &RoleBinding, errors: &mut Errors) {
    create_binding(next, errors);
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    same_role(&next.role_ref, &current.role_ref, errors);
}

/// What is wrong with a new cluster binding.
pub fn create_cluster_binding(binding: &ClusterRoleBinding, errors: &mut Errors) {
    metadata::validate(&binding.metadata, false, names::path_segment, errors);
    role_reference(&binding.role_ref, &["ClusterRole"], errors);
    subjects(binding.subjects.as_deref(), false, errors);
}

/// What is wrong with a cluster binding's next state.
pub fn update_cluster_binding(next: &ClusterRoleBinding, current: &ClusterRoleBinding, errors: &mut Errors) {
    create_cluster_binding(next, errors);
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    same_role(&next.role_ref, &current.role_ref, errors);
}

fn same_role(next: &RoleRef, current: &RoleRef, errors: &mut Errors) {
    if next != current {
        let shown =
            go_object(&[("APIGroup", json_string(group(next))), ("Kind", json_string(&next.kind)), ("Name", json_string(&next.name))]);
        errors.invalid(&Path::root("roleRef"), shown, "cannot change roleRef");
    }
}

fn group(role: &RoleRef) -> &str {
    role.api_group.as_deref().unwrap_or_default()
}

fn role_reference(role: &RoleRef, kinds: &[&str], errors: &mut Errors) {
    let at = Path::root("roleRef");
    if group(role) != GROUP {
        errors.not_supported(&at.child("apiGroup"), group(role), &[GROUP]);
    }
    if !kinds.contains(&role.kind.as_str()) {
        errors.not_supported(&at.child("kind"), &role.kind, kinds);
    }
    match role.name.as_str() {
        "" => errors.required(&at.child("name"), ""),
        name => errors.invalid_each(&at.child("name"), name, names::path_segment(name)),
    }
}

fn subjects(subjects: Option<&[Subject]>, namespaced: bool, errors: &mut Errors) {
    let list = Path::root("subjects");
    for (index, found) in subjects.into_iter().flatten().enumerate() {
        subject(found, namespaced, &list.index(index), errors);
    }
}

fn subject(subject: &Subject, namespaced: bool, at: &Path<'_>, errors: &mut Errors) {
    if subject.name.is_empty() {
        errors.required(&at.child("name"), "");
    }
    let group = subject.api_group.as_deref().unwrap_or_default();
    match subject.kind.as_str() {
        "ServiceAccount" => {
            if !subject.name.is_empty() {
                errors.invalid_each(&at.child("name"), &subject.name, names::dns1123_subdomain(&subject.name));
            }
            if !group.is_empty() {
                errors.not_supported(&at.child("apiGroup"), group, &[""]);
            }
            if !namespaced && subject.namespace.as_deref().unwrap_or_default().is_empty() {
                errors.required(&at.child("namespace"), "");
            }
        }
        "User" | "Group" if group != GROUP => errors.not_supported(&at.child("apiGroup"), group, &[GROUP]),
        "User" | "Group" => {}
        other => errors.not_supported(&at.child("kind"), other, &["ServiceAccount", "User", "Group"]),
    }
}
