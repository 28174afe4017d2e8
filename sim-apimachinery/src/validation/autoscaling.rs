//! Autoscalers. Source: pkg/apis/autoscaling/validation.
//! Not checked yet: metrics and behavior.

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;

use super::errors::Errors;
use super::metadata;
use super::path::Path;
use crate::names;

/// What is wrong with a new autoscaler.
pub fn create(autoscaler: &HorizontalPodAutoscaler, errors: &mut Errors) {
    metadata::validate(&autoscaler.metadata, true, names::dns1123_subdomain, errors);
    spec(autoscaler, errors);
}

/// What is wrong with an autoscaler's next state.
pub fn update(next: &HorizontalPodAutoscaler, current: &HorizontalPodAutoscaler, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    spec(next, errors);
}

fn spec(autoscaler: &HorizontalPodAutoscaler, errors: &mut Errors) {
    let at = Path::root("spec");
    let (min, max) = (autoscaler.spec.min_replicas.unwrap_or(1), autoscaler.spec.max_replicas);
    if min < 1 {
        errors.invalid(&at.child("minReplicas"), min, "must be greater than or equal to 1");
    }
    if max < 1 {
        errors.invalid(&at.child("maxReplicas"), max, "must be greater than 0");
    } else if max < min {
        errors.invalid(&at.child("maxReplicas"), max, "must be greater than or equal to `minReplicas`");
    }
}
