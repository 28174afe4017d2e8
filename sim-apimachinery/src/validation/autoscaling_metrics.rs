//! An autoscaler's metrics: exactly one source each, of the type it says, with a target that fits.
//! Source: pkg/apis/autoscaling/validation.

use k8s_openapi::api::autoscaling::v2::{HorizontalPodAutoscalerSpec, MetricIdentifier, MetricSpec, MetricTarget};

use super::autoscaling;
use super::errors::Errors;
use super::path::Path;
use super::pod::resources::container_resource_name;
use super::values::quantity;
use crate::names;
use crate::quantity::Quantity;

const TYPES: [&str; 5] = ["ContainerResource", "External", "Object", "Pods", "Resource"];
const EITHER: &str = "must set either a target raw value or a target utilization";

/// All metrics.
pub fn all(spec: &HorizontalPodAutoscalerSpec, at: &Path<'_>, errors: &mut Errors) {
    let metrics = spec.metrics.as_deref().unwrap_or_default();
    for (index, found) in metrics.iter().enumerate() {
        metric(found, &at.index(index), errors);
    }
    if spec.min_replicas == Some(0) && !metrics.iter().any(|m| matches!(m.type_.as_str(), "Object" | "External")) {
        errors.forbidden(at, "must specify at least one Object or External metric to support scaling to zero replicas");
    }
}

fn metric(metric: &MetricSpec, at: &Path<'_>, errors: &mut Errors) {
    if metric.type_.is_empty() {
        errors.required(&at.child("type"), "must specify a metric source type");
    }
    if !TYPES.contains(&metric.type_.as_str()) {
        errors.not_supported(&at.child("type"), &metric.type_, &TYPES);
    }
    let present = sources(metric);
    if let Some(first) = present.first() {
        source(metric, first, &at.child(first), errors);
    }
    let expected = expected(&metric.type_);
    if let Some(expected) = expected.filter(|e| !present.contains(e)) {
        errors.required(&at.child(expected), "must populate information for the given metric source");
    }
    if expected.is_none() {
        errors.not_supported(&at.child("type"), &metric.type_, &TYPES);
    }
    if present.len() != 1 {
        for other in present.iter().filter(|p| Some(**p) != expected) {
            errors.forbidden(&at.child(other), "must populate the given metric source only");
        }
    }
}

/// The sources a metric has, in the order in which they are looked at.
fn sources(metric: &MetricSpec) -> Vec<&'static str> {
    let all = [
        ("object", metric.object.is_some()),
        ("external", metric.external.is_some()),
        ("pods", metric.pods.is_some()),
        ("resource", metric.resource.is_some()),
        ("containerResource", metric.container_resource.is_some()),
    ];
    all.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect()
}

fn expected(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "Object" => "object",
        "Pods" => "pods",
        "Resource" => "resource",
        "External" => "external",
        "ContainerResource" => "containerResource",
        _ => return None,
    })
}

fn source(metric: &MetricSpec, which: &str, at: &Path<'_>, errors: &mut Errors) {
    match which {
        "object" => metric.object.iter().for_each(|s| {
            autoscaling::reference(&s.described_object, &at.child("describedObject"), errors);
            identifier(&s.metric, at, errors);
            value_target(&s.target, "must set either a target value or averageValue", at, errors);
        }),
        "external" => metric.external.iter().for_each(|s| {
            identifier(&s.metric, at, errors);
            value_target(&s.target, "must set either a target value for metric or a per-pod target", at, errors);
            if s.target.value.is_some() && s.target.average_value.is_some() {
                let text = "may not set both a target value for metric and a per-pod target";
                errors.forbidden(&at.child("target").child("value"), text);
            }
        }),
        "pods" => metric.pods.iter().for_each(|s| {
            identifier(&s.metric, at, errors);
            target(&s.target, &at.child("target"), errors);
            if s.target.average_value.is_none() {
                errors.required(&at.child("target").child("averageValue"), "must specify a positive target averageValue");
            }
        }),
        "resource" => metric.resource.iter().for_each(|s| {
            if s.name.is_empty() {
                errors.required(&at.child("name"), "must specify a resource name");
            }
            resource_target(&s.target, at, errors);
        }),
        _ => metric.container_resource.iter().for_each(|s| {
            match s.name.as_str() {
                "" => errors.required(&at.child("name"), "must specify a resource name"),
                name => container_resource_name(name, &at.child("name"), errors),
            }
            match s.container.as_str() {
                "" => errors.required(&at.child("container"), "must specify a container"),
                name => errors.invalid_each(&at.child("container"), name, names::dns1123_label(name)),
            }
            resource_target(&s.target, at, errors);
        }),
    }
}

fn identifier(metric: &MetricIdentifier, at: &Path<'_>, errors: &mut Errors) {
    let at = at.child("metric");
    match metric.name.as_str() {
        "" => errors.required(&at.child("name"), "must specify a metric name"),
        name => errors.invalid_each(&at.child("name"), name, names::path_segment(name)),
    }
}

fn value_target(found: &MetricTarget, missing: &str, at: &Path<'_>, errors: &mut Errors) {
    let at = at.child("target");
    target(found, &at, errors);
    if found.value.is_none() && found.average_value.is_none() {
        errors.required(&at.child("averageValue"), missing);
    }
}

fn resource_target(found: &MetricTarget, at: &Path<'_>, errors: &mut Errors) {
    let at = at.child("target");
    target(found, &at, errors);
    match (found.average_utilization, &found.average_value) {
        (None, None) => errors.required(&at.child("averageUtilization"), EITHER),
        (Some(_), Some(_)) => errors.forbidden(&at.child("averageValue"), "may not set both a target raw value and a target utilization"),
        _ => {}
    }
}

fn target(target: &MetricTarget, at: &Path<'_>, errors: &mut Errors) {
    if target.type_.is_empty() {
        errors.required(&at.child("type"), "must specify a metric target type");
    }
    if !matches!(target.type_.as_str(), "Utilization" | "Value" | "AverageValue") {
        errors.invalid(&at.child("type"), &target.type_, "must be either Utilization, Value, or AverageValue");
    }
    for (field, value) in [("value", &target.value), ("averageValue", &target.average_value)] {
        if let Some(value) = value.as_ref().map(quantity).filter(|q| *q <= Quantity::from_millis(0)) {
            errors.invalid(&at.child(field), value.to_string(), "must be positive");
        }
    }
    if let Some(utilization) = target.average_utilization.filter(|u| *u < 1) {
        errors.invalid(&at.child("averageUtilization"), utilization, "must be greater than 0");
    }
}
