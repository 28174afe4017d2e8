//! Webhook configurations, admission policies and their bindings. Source: pkg/apis/admissionregistration/validation.
//! Expressions are compiled by whoever calls: `Cel` is asked for each, where Kubernetes compiles it, and says what is wrong.

pub mod bindings;
pub mod policies;
mod rules;
mod webhook_client;
pub mod webhooks;

use std::collections::BTreeSet;

use k8s_openapi::api::admissionregistration::v1::{MatchCondition, MatchResources};

use super::errors::Errors;
use super::labels::label_selector;
use super::path::Path;
use crate::names;

const MATCH_CONDITIONS_MAX: usize = 64;

/// What an expression is for: it decides which variables it has and what it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Whether a webhook or policy is asked at all: a boolean.
    MatchCondition,
    /// A variable of a policy, of any type.
    Variable,
    /// A rule of a policy: a boolean.
    Validation,
    /// The message of a rule: a string.
    Message,
    /// The value of an audit annotation: a string, or null.
    AuditAnnotation,
    /// An object to be applied.
    ApplyConfiguration,
    /// A list of JSON patch operations.
    JsonPatch,
}

/// An expression to be compiled.
#[derive(Clone, Copy, Debug)]
pub struct Expression<'a> {
    /// Its text.
    pub text: &'a str,
    /// What it is for.
    pub purpose: Purpose,
    /// The name of the variable, if it is one.
    pub name: &'a str,
    /// Whether it may use `params`.
    pub has_params: bool,
}

/// Compiles expressions, in the order in which they are met. The answer is the detail of the error, if it is wrong.
pub trait Cel {
    /// What is wrong with an expression, if anything.
    fn wrong(&mut self, expression: Expression<'_>) -> Option<String>;
}

/// Takes every expression for a good one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unchecked;

impl Cel for Unchecked {
    fn wrong(&mut self, _: Expression<'_>) -> Option<String> {
        None
    }
}

/// Checks an expression and blames its text.
fn compile(expression: Expression<'_>, at: &Path<'_>, cel: &mut dyn Cel, errors: &mut Errors) {
    if let Some(why) = cel.wrong(expression) {
        errors.invalid(at, expression.text, &why);
    }
}

fn failure_policy(policy: Option<&str>, at: &Path<'_>, errors: &mut Errors) {
    if let Some(policy) = policy.filter(|p| !matches!(*p, "Ignore" | "Fail")) {
        errors.not_supported(&at.child("failurePolicy"), policy, &["Fail", "Ignore"]);
    }
}

fn match_policy(policy: Option<&str>, at: &Path<'_>, errors: &mut Errors) {
    if let Some(policy) = policy.filter(|p| !matches!(*p, "Exact" | "Equivalent")) {
        errors.not_supported(&at.child("matchPolicy"), policy, &["Equivalent", "Exact"]);
    }
}

fn match_conditions(conditions: &[MatchCondition], has_params: bool, list: &Path<'_>, cel: &mut dyn Cel, errors: &mut Errors) {
    if conditions.len() > MATCH_CONDITIONS_MAX {
        errors.too_many(list, conditions.len(), MATCH_CONDITIONS_MAX);
    }
    let mut seen = BTreeSet::new();
    for (index, condition) in conditions.iter().enumerate() {
        let at = list.index(index);
        match condition.expression.trim() {
            "" => errors.required(&at.child("expression"), ""),
            text => {
                let expression = Expression { text, purpose: Purpose::MatchCondition, name: "", has_params };
                compile(expression, &at.child("expression"), cel, errors);
            }
        }
        let name = condition.name.as_str();
        if name.is_empty() {
            errors.required(&at.child("name"), "");
            continue;
        }
        errors.invalid_each(&at.child("name"), name, names::qualified_name(name));
        if !seen.insert(name) {
            errors.duplicate(&at.child("name"), name);
        }
    }
}

fn match_resources(found: &MatchResources, at: &Path<'_>, errors: &mut Errors) {
    match found.match_policy.as_deref() {
        None => errors.required(&at.child("matchPolicy"), ""),
        policy => match_policy(policy, at, errors),
    }
    for (field, selector) in [("namespaceSelector", &found.namespace_selector), ("objectSelector", &found.object_selector)] {
        match selector {
            None => errors.required(&at.child(field), ""),
            Some(selector) => label_selector(selector, &at.child(field), errors),
        }
    }
    for (field, list) in [("resourceRules", &found.resource_rules), ("excludeResourceRules", &found.exclude_resource_rules)] {
        let at = at.child(field);
        list.iter().flatten().enumerate().for_each(|(index, rule)| rules::named(rule, &at.index(index), errors));
    }
}

/// Only creating and updating can be mutated.
fn mutating_operations(found: &MatchResources, at: &Path<'_>, errors: &mut Errors) {
    let rules = at.child("resourceRules");
    let field = rules.child("operations");
    for rule in found.resource_rules.iter().flatten() {
        for operation in rule.operations.iter().flatten().filter(|o| !matches!(o.as_str(), "*" | "CREATE" | "UPDATE" | "CONNECT")) {
            errors.not_supported(&field, operation, &["*", "CONNECT", "CREATE", "UPDATE"]);
        }
    }
}
