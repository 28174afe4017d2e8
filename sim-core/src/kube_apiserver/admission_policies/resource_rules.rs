//! What the rules of policies and webhooks must be like: operations, groups, versions, resources, scope.
//! Source: `validateMatchResources`, `validateRuleWithOperations`, `validateResources` in
//! pkg/apis/admissionregistration/validation/validation.go.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde_json::Value;
use sim_apimachinery::names;
use sim_apimachinery::validation::errors::Errors;
use sim_apimachinery::validation::labels::label_selector;
use sim_apimachinery::validation::path::Path;

use super::rules::{list, one_of};
use crate::kube_apiserver::apiextensions::problems::{Problems, child};

pub(super) fn match_resources(resources: &Value, at: &str, problems: &mut Problems) {
    one_of(resources, at, "matchPolicy", &["Equivalent", "Exact"], true, problems);
    for name in ["namespaceSelector", "objectSelector"] {
        match resources.get(name) {
            None => problems.required(&child(at, name), ""),
            Some(_) => selector(resources, at, name, problems),
        }
    }
    for name in ["resourceRules", "excludeResourceRules"] {
        for (index, rule) in list(resources, name).iter().enumerate() {
            named_rule(rule, &format!("{at}.{name}[{index}]"), problems);
        }
    }
}

/// A selector of labels, if it is there.
pub(super) fn selector(of: &Value, at: &str, name: &str, problems: &mut Problems) {
    let read = |value: &Value| serde_json::from_value::<LabelSelector>(value.clone()).ok();
    let Some(selector) = of.get(name).and_then(read) else { return };
    let (at, mut errors) = (child(at, name), Errors::new());
    label_selector(&selector, &Path::root(&at), &mut errors);
    problems.0.extend(errors.into_causes());
}

fn named_rule(rule: &Value, at: &str, problems: &mut Problems) {
    let mut seen: Vec<&str> = vec![];
    for (index, name) in list(rule, "resourceNames").iter().filter_map(Value::as_str).enumerate() {
        let wrong = names::path_segment(name);
        wrong.iter().for_each(|w| problems.invalid_text(&format!("{at}.resourceNames[{index}]"), name, w));
        if seen.contains(&name) {
            problems.duplicate(&format!("{at}.resourceNames[{index}]"), &Value::from(name));
        }
        seen.push(name);
    }
    rule_with_operations(rule, at, problems);
}

pub(super) fn mutable_operations(resources: &Value, at: &str, problems: &mut Problems) {
    for rule in list(resources, "resourceRules") {
        for operation in list(rule, "operations").iter().filter(|o| *o == "DELETE") {
            let known = ["*", "CONNECT", "CREATE", "UPDATE"].map(str::to_owned);
            problems.not_supported(&format!("{at}.resourceRules.operations"), operation, &known);
        }
    }
}

pub(super) fn rule_with_operations(rule: &Value, at: &str, problems: &mut Problems) {
    let operations = list(rule, "operations");
    lone_star(rule, at, "operations", "operations", problems);
    for (index, operation) in operations.iter().enumerate() {
        let known = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
        if !operation.as_str().is_some_and(|o| known.contains(&o)) {
            problems.not_supported(&format!("{at}.operations[{index}]"), operation, &known.map(str::to_owned));
        }
    }
    lone_star(rule, at, "apiGroups", "API groups", problems);
    lone_star(rule, at, "apiVersions", "API versions", problems);
    for (index, version) in list(rule, "apiVersions").iter().enumerate() {
        if version == "" {
            problems.required(&format!("{at}.apiVersions[{index}]"), "");
        }
    }
    resources(rule, &child(at, "resources"), problems);
    one_of(rule, at, "scope", &["*", "Cluster", "Namespaced"], false, problems);
}

/// Something must be said; `*` says all, so it stands alone.
fn lone_star(rule: &Value, at: &str, name: &str, words: &str, problems: &mut Problems) {
    let said = list(rule, name);
    if said.is_empty() {
        problems.required(&child(at, name), "");
    }
    if said.len() > 1 && said.iter().any(|s| s == "*") {
        problems.invalid(&child(at, name), &Value::from(said), &format!("if '*' is present, must not specify other {words}"));
    }
}

fn resources(rule: &Value, at: &str, problems: &mut Problems) {
    let said = list(rule, "resources");
    if said.is_empty() {
        problems.required(at, "");
    }
    let (mut any_sub, mut any_resource): (Vec<&str>, Vec<&str>) = (vec![], vec![]);
    let mut is_plain = false;
    for (index, resource) in said.iter().filter_map(Value::as_str).enumerate() {
        let at = format!("{at}[{index}]");
        let Some((name, sub)) = resource.split_once('/') else {
            if resource.is_empty() {
                problems.required(&at, "");
            } else {
                is_plain = resource != "*";
            }
            continue;
        };
        if any_sub.contains(&name) {
            problems.invalid_text(&at, resource, &format!("if '{name}/*' is present, must not specify {resource}"));
        }
        if any_resource.contains(&sub) {
            problems.invalid_text(&at, resource, &format!("if '*/{sub}' is present, must not specify {resource}"));
        }
        if sub == "*" {
            any_sub.push(name);
        }
        if name == "*" {
            any_resource.push(sub);
        }
    }
    if said.len() > 1 && said.iter().any(|s| s == "*/*") {
        problems.invalid(at, &Value::from(said), "if '*/*' is present, must not specify other resources");
    }
    if is_plain && said.iter().any(|s| s == "*") {
        problems.invalid(at, &Value::from(said), "if '*' is present, must not specify other resources without subresources");
    }
}
