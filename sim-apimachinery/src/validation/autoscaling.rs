//! Autoscalers: bounds, target, metrics, behavior. Source: pkg/apis/autoscaling/validation.

use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HPAScalingPolicy, HPAScalingRules, HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec,
};

use super::errors::Errors;
use super::path::Path;
use super::{autoscaling_metrics, metadata, values};
use crate::names;

const SPEC: Path<'_> = Path::root("spec");
const WINDOW_SECONDS_MAX: i32 = 3600;
const PERIOD_SECONDS_MAX: i32 = 1800;

/// What is wrong with a new autoscaler.
pub fn create(autoscaler: &HorizontalPodAutoscaler, errors: &mut Errors) {
    metadata::validate(&autoscaler.metadata, true, names::dns1123_subdomain, errors);
    spec(&autoscaler.spec, None, errors);
}

/// What is wrong with an autoscaler's next state.
pub fn update(next: &HorizontalPodAutoscaler, current: &HorizontalPodAutoscaler, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    spec(&next.spec, Some(&current.spec), errors);
}

/// What is wrong with an autoscaler's next status.
pub fn status_update(next: &HorizontalPodAutoscaler, current: &HorizontalPodAutoscaler, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    let status = next.status.clone().unwrap_or_default();
    let at = Path::root("status");
    errors.not_negative(&at.child("currentReplicas"), status.current_replicas.unwrap_or(0).into());
    errors.not_negative(&at.child("desiredReplicas"), status.desired_replicas.into());
}

fn spec(spec: &HorizontalPodAutoscalerSpec, before: Option<&HorizontalPodAutoscalerSpec>, errors: &mut Errors) {
    // Zero is for clusters that scale to zero, and for autoscalers that already do.
    let least = if before.is_some_and(|b| b.min_replicas == Some(0)) { 0 } else { 1 };
    let (min, max) = (spec.min_replicas, spec.max_replicas);
    if let Some(min) = min.filter(|m| *m < least) {
        errors.invalid(&SPEC.child("minReplicas"), min, &format!("must be greater than or equal to {least}"));
    }
    match max {
        0 => errors.required(&SPEC.child("maxReplicas"), "must be set and greater than 0"),
        1.. => {}
        _ => errors.invalid(&SPEC.child("maxReplicas"), max, "must be greater than or equal to 1"),
    }
    if min.is_some_and(|m| max < m) {
        errors.invalid(&SPEC.child("maxReplicas"), max, "must be greater than or equal to `minReplicas`");
    }
    target(spec, before, errors);
    autoscaling_metrics::all(spec, &SPEC.child("metrics"), errors);
    let at = SPEC.child("behavior");
    if let Some(behavior) = &spec.behavior {
        for (field, found) in [("scaleUp", &behavior.scale_up), ("scaleDown", &behavior.scale_down)] {
            found.iter().for_each(|r| rules(r, &at.child(field), errors));
        }
    }
}

/// The API version of a target that stays what it was is not looked at; the core group has only one kind to scale.
fn target(spec: &HorizontalPodAutoscalerSpec, before: Option<&HorizontalPodAutoscalerSpec>, errors: &mut Errors) {
    let reference = &spec.scale_target_ref;
    let at = SPEC.child("scaleTargetRef");
    kind_and_name(reference, &at, errors);
    let same = |b: &HorizontalPodAutoscalerSpec| {
        b.scale_target_ref.api_version == reference.api_version && b.scale_target_ref.kind == reference.kind
    };
    if let Err(text) = api_version(reference)
        && !before.is_some_and(same)
    {
        errors.invalid(&at.child("apiVersion"), reference.api_version.as_deref().unwrap_or_default(), &text);
    }
}

fn api_version(reference: &CrossVersionObjectReference) -> Result<(), String> {
    let text = reference.api_version.as_deref().unwrap_or_default();
    let group = parse_group(text)?;
    match group.is_empty() && reference.kind != "ReplicationController" {
        true => Err("apiVersion must specify API group".into()),
        false => Ok(()),
    }
}

/// The group of `group/version`.
fn parse_group(text: &str) -> Result<&str, String> {
    match text.matches('/').count() {
        0 => Ok(""),
        1 => Ok(text.split_once('/').map_or("", |(group, _)| group)),
        _ => Err(format!("unexpected GroupVersion string: {text}")),
    }
}

/// A reference whose group may be missing, as metrics have.
pub fn reference(reference: &CrossVersionObjectReference, at: &Path<'_>, errors: &mut Errors) {
    kind_and_name(reference, at, errors);
    let text = reference.api_version.as_deref().unwrap_or_default();
    if let Err(wrong) = parse_group(text) {
        errors.invalid(&at.child("apiVersion"), text, &wrong);
    }
}

fn kind_and_name(reference: &CrossVersionObjectReference, at: &Path<'_>, errors: &mut Errors) {
    for (field, value) in [("kind", &reference.kind), ("name", &reference.name)] {
        match value.as_str() {
            "" => errors.required(&at.child(field), ""),
            text => errors.invalid_each(&at.child(field), text, names::path_segment(text)),
        }
    }
}

fn rules(rules: &HPAScalingRules, at: &Path<'_>, errors: &mut Errors) {
    let window_at = at.child("stabilizationWindowSeconds");
    match rules.stabilization_window_seconds {
        Some(window) if window < 0 => errors.invalid(&window_at, window, "must be greater than or equal to zero"),
        Some(window) if window > WINDOW_SECONDS_MAX => {
            errors.invalid(&window_at, window, &format!("must be less than or equal to {WINDOW_SECONDS_MAX}"));
        }
        _ => {}
    }
    if let Some(other) = rules.select_policy.as_deref().filter(|p| !matches!(*p, "Max" | "Min" | "Disabled")) {
        errors.not_supported(&at.child("selectPolicy"), other, &["Disabled", "Max", "Min"]);
    }
    let list = at.child("policies");
    let policies = rules.policies.as_deref().unwrap_or_default();
    if policies.is_empty() {
        errors.required(&list, "must specify at least one Policy");
    }
    for (index, found) in policies.iter().enumerate() {
        policy(found, &list.index(index), errors);
    }
    if let Some(tolerance) = &rules.tolerance {
        values::not_negative(tolerance, &at.child("tolerance"), errors);
    }
}

fn policy(policy: &HPAScalingPolicy, at: &Path<'_>, errors: &mut Errors) {
    if !matches!(policy.type_.as_str(), "Pods" | "Percent") {
        errors.not_supported(&at.child("type"), &policy.type_, &["Percent", "Pods"]);
    }
    errors.positive(&at.child("value"), policy.value.into());
    let period = at.child("periodSeconds");
    errors.positive(&period, policy.period_seconds.into());
    if policy.period_seconds > PERIOD_SECONDS_MAX {
        errors.invalid(&period, policy.period_seconds, &format!("must be less than or equal to {PERIOD_SECONDS_MAX}"));
    }
}
