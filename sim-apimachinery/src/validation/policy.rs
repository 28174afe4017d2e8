//! Disruption budgets and priority classes. Sources: pkg/apis/policy/validation, pkg/apis/scheduling/validation.

use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::scheduling::v1::PriorityClass;

use super::errors::Errors;
use super::go_value::{go_object, json_string, label_selector, shown};
use super::path::Path;
use super::values::{at_most_100_percent, int_or_percent};
use super::{conditions, labels, metadata};
use crate::names;

fn null() -> String {
    "null".into()
}

const USER_PRIORITY_MAX: i32 = 1_000_000_000;
/// The classes whose names begin with `system-`.
const SYSTEM: [(&str, i32); 2] = [("system-node-critical", 2_000_001_000), ("system-cluster-critical", 2_000_000_000)];

/// What is wrong with a disruption budget; its metadata is not looked at here.
pub fn budget(budget: &PodDisruptionBudget, errors: &mut Errors) {
    let at = Path::root("spec");
    let spec = budget.spec.clone().unwrap_or_default();
    if spec.min_available.is_some() && spec.max_unavailable.is_some() {
        let policy = spec.unhealthy_pod_eviction_policy.as_deref().map(json_string);
        let value = go_object(&[
            ("MinAvailable", shown(spec.min_available.clone())),
            ("Selector", spec.selector.as_ref().map_or_else(null, |s| label_selector(s).0)),
            ("MaxUnavailable", shown(spec.max_unavailable.clone())),
            ("UnhealthyPodEvictionPolicy", policy.unwrap_or_else(null)),
        ]);
        errors.invalid(&at, value, "minAvailable and maxUnavailable cannot be both set");
    }
    for (field, value) in [("minAvailable", &spec.min_available), ("maxUnavailable", &spec.max_unavailable)] {
        if let Some(value) = value {
            int_or_percent(value, &at.child(field), errors);
            at_most_100_percent(value, &at.child(field), errors);
        }
    }
    if let Some(selector) = &spec.selector {
        labels::label_selector(selector, &at.child("selector"), errors);
    }
    let policy = spec.unhealthy_pod_eviction_policy.as_deref();
    if let Some(other) = policy.filter(|p| !matches!(*p, "IfHealthyBudget" | "AlwaysAllow")) {
        errors.not_supported(&at.child("unhealthyPodEvictionPolicy"), other, &["AlwaysAllow", "IfHealthyBudget"]);
    }
}

/// What is wrong with a disruption budget's next status.
pub fn budget_status(budget: &PodDisruptionBudget, errors: &mut Errors) {
    let status = budget.status.clone().unwrap_or_default();
    let at = Path::root("status");
    conditions::conditions(status.conditions.as_deref().unwrap_or_default(), &at.child("conditions"), errors);
    let counts = [
        ("disruptionsAllowed", status.disruptions_allowed),
        ("currentHealthy", status.current_healthy),
        ("desiredHealthy", status.desired_healthy),
        ("expectedPods", status.expected_pods),
    ];
    for (field, count) in counts {
        errors.not_negative(&at.child(field), count.unwrap_or(0).into());
    }
}

/// What is wrong with a new priority class.
pub fn class_create(class: &PriorityClass, errors: &mut Errors) {
    metadata::validate(&class.metadata, false, names::dns1123_subdomain, errors);
    let (name, value) = (class.metadata.name.as_deref().unwrap_or_default(), class.value.unwrap_or(0));
    if name.starts_with("system-") {
        if let Some(text) = not_a_system_class(name, value, class.global_default == Some(true)) {
            let text = format!("priority class names with 'system-' prefix are reserved for system use only. error: {text}");
            errors.forbidden(&Path::root("metadata").child("name"), &text);
        }
    } else if value > USER_PRIORITY_MAX {
        errors.forbidden(&Path::root("value"), &format!("maximum allowed value of a user defined priority is {USER_PRIORITY_MAX}"));
    }
    let policy = class.preemption_policy.as_deref().unwrap_or("PreemptLowerPriority");
    match policy {
        "PreemptLowerPriority" | "Never" => {}
        "" => errors.required(&Path::root("preemptionPolicy"), ""),
        other => errors.not_supported(&Path::root("preemptionPolicy"), other, &["PreemptLowerPriority", "Never"]),
    }
}

fn not_a_system_class(name: &str, value: i32, is_default: bool) -> Option<String> {
    let Some((_, expected)) = SYSTEM.iter().find(|(known, _)| *known == name) else {
        return Some(format!("{name} is not a known system priority class"));
    };
    match (value == *expected, is_default) {
        (false, _) => Some(format!("value of {name} PriorityClass must be {expected}")),
        (true, true) => Some(format!("globalDefault of {name} PriorityClass must be false")),
        (true, false) => None,
    }
}

/// What is wrong with a priority class's next state.
pub fn class_update(next: &PriorityClass, current: &PriorityClass, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    if next.value.unwrap_or(0) != current.value.unwrap_or(0) {
        errors.forbidden(&Path::root("value"), "may not be changed in an update.");
    }
    if next.preemption_policy != current.preemption_policy {
        errors.invalid(&Path::root("preemptionPolicy"), next.preemption_policy.as_ref(), "field is immutable");
    }
}
