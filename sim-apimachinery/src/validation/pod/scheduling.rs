//! Tolerations, topology spread, and the gates of scheduling and readiness.
//! Source: `ValidateTolerations`, `validateTopologySpreadConstraints` and their like in pkg/apis/core/validation.

use k8s_openapi::api::core::v1::{PodReadinessGate, PodSchedulingGate, Toleration, TopologySpreadConstraint};

use super::Options;
use super::affinity::label_keys;
use crate::names;
use crate::validation::errors::Errors;
use crate::validation::labels::label_selector;
use crate::validation::path::Path;

/// What is wrong with tolerations.
pub fn tolerations(tolerations: &[Toleration], list: &Path<'_>, errors: &mut Errors) {
    for (index, toleration) in tolerations.iter().enumerate() {
        let at = list.index(index);
        let key = toleration.key.as_deref().unwrap_or_default();
        let operator = toleration.operator.as_deref().unwrap_or_default();
        let effect = toleration.effect.as_deref().unwrap_or_default();
        if !key.is_empty() {
            errors.invalid_each(&at.child("key"), key, names::qualified_name(key));
        }
        if key.is_empty() && operator != "Exists" {
            let text = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            errors.invalid(&at.child("operator"), operator, text);
        }
        if toleration.toleration_seconds.is_some() && effect != "NoExecute" {
            errors.invalid(&at.child("effect"), effect, "effect must be 'NoExecute' when `tolerationSeconds` is set");
        }
        operator_and_value(operator, toleration.value.as_deref().unwrap_or_default(), &at.child("operator"), errors);
        if !effect.is_empty() {
            taint_effect(effect, &at.child("effect"), errors);
        }
    }
}

fn operator_and_value(operator: &str, value: &str, at: &Path<'_>, errors: &mut Errors) {
    match operator {
        "Equal" | "" => {
            let wrong = names::label_value(value);
            if !wrong.is_empty() {
                errors.invalid(at, value, &wrong.join(";"));
            }
        }
        "Exists" if !value.is_empty() => errors.invalid(at, value, "value must be empty when `operator` is 'Exists'"),
        "Exists" => {}
        "Lt" | "Gt" => errors.not_supported(at, operator, &["Equal", "Exists", "Lt", "Gt"]),
        other => errors.not_supported(at, other, &["Equal", "Exists"]),
    }
}

/// What is wrong with the effect of a taint or toleration.
pub fn taint_effect(effect: &str, at: &Path<'_>, errors: &mut Errors) {
    if !matches!(effect, "NoSchedule" | "PreferNoSchedule" | "NoExecute") {
        errors.not_supported(at, effect, &["NoSchedule", "PreferNoSchedule", "NoExecute"]);
    }
}

/// What is wrong with topology spread constraints.
pub fn topology_spread(constraints: &[TopologySpreadConstraint], list: &Path<'_>, options: &Options, errors: &mut Errors) {
    for (index, constraint) in constraints.iter().enumerate() {
        let at = list.index(index);
        let action = constraint.when_unsatisfiable.as_str();
        errors.positive(&at.child("maxSkew"), constraint.max_skew.into());
        if constraint.topology_key.is_empty() {
            errors.required(&at.child("topologyKey"), "can not be empty");
        }
        if !matches!(action, "DoNotSchedule" | "ScheduleAnyway") {
            errors.not_supported(&at.child("whenUnsatisfiable"), action, &["DoNotSchedule", "ScheduleAnyway"]);
        }
        let same = |c: &TopologySpreadConstraint| c.topology_key == constraint.topology_key && c.when_unsatisfiable == action;
        if constraints[index + 1..].iter().any(same) {
            let pair = format!("{{{}, {action}}}", constraint.topology_key);
            errors.duplicate(&at.child("{topologyKey, whenUnsatisfiable}"), pair);
        }
        min_domains(constraint, &at.child("minDomains"), errors);
        inclusion(constraint.node_affinity_policy.as_deref(), &at.child("nodeAffinityPolicy"), errors);
        inclusion(constraint.node_taints_policy.as_deref(), &at.child("nodeTaintsPolicy"), errors);
        let keys = constraint.match_label_keys.as_deref().unwrap_or_default();
        label_keys(keys, &[], constraint.label_selector.as_ref(), &at, errors);
        if let Some(selector) = constraint.label_selector.as_ref().filter(|_| !options.spread_selector) {
            label_selector(selector, &at.child("labelSelector"), errors);
        }
    }
}

fn min_domains(constraint: &TopologySpreadConstraint, at: &Path<'_>, errors: &mut Errors) {
    let Some(domains) = constraint.min_domains else { return };
    errors.positive(at, domains.into());
    if constraint.when_unsatisfiable != "DoNotSchedule" {
        let text = format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {}", constraint.when_unsatisfiable);
        errors.invalid(at, domains, &text);
    }
}

fn inclusion(policy: Option<&str>, at: &Path<'_>, errors: &mut Errors) {
    if let Some(other) = policy.filter(|p| !matches!(*p, "Honor" | "Ignore")) {
        errors.not_supported(at, other, &["Honor", "Ignore"]);
    }
}

/// What is wrong with gates of scheduling.
pub fn scheduling_gates(gates: &[PodSchedulingGate], list: &Path<'_>, errors: &mut Errors) {
    for (index, gate) in gates.iter().enumerate() {
        let at = list.index(index);
        errors.invalid_each(&at, &gate.name, names::qualified_name(&gate.name));
        if gates[..index].iter().any(|g| g.name == gate.name) {
            errors.duplicate(&at, &gate.name);
        }
    }
}

/// What is wrong with gates of readiness.
pub fn readiness_gates(gates: &[PodReadinessGate], list: &Path<'_>, errors: &mut Errors) {
    for (index, gate) in gates.iter().enumerate() {
        let kind = gate.condition_type.as_str();
        errors.invalid_each(&list.index(index).child("conditionType"), kind, names::qualified_name(kind));
    }
}
