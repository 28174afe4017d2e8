//! The status of workloads, as their controllers write it. Sources: pkg/apis/apps/validation, pkg/apis/core/validation.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::core::v1::ReplicationController;

use super::errors::Errors;
use super::metadata;
use super::path::Path;

const STATUS: Path<'_> = Path::root("status");

/// The counts of a status by field, in the order in which they are looked at.
struct Counts<'a>(&'a [(&'static str, i64)]);

impl Counts<'_> {
    fn of(&self, field: &str) -> i64 {
        self.0.iter().find(|(name, _)| *name == field).map_or(0, |(_, count)| *count)
    }

    fn check(&self, limits: &[(&str, &str, &str)], errors: &mut Errors) {
        for (field, count) in self.0 {
            errors.not_negative(&STATUS.child(field), *count);
        }
        for (field, most, text) in limits {
            if self.of(field) > self.of(most) {
                errors.invalid(&STATUS.child(field), self.of(field), text);
            }
        }
    }
}

const REPLICAS: &str = "cannot be greater than status.replicas";
const READY: &str = "cannot be greater than readyReplicas";

/// A deployment's.
pub fn deployment(next: &Deployment, current: &Deployment, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    let (status, before) = (next.status.clone().unwrap_or_default(), current.status.clone().unwrap_or_default());
    let counts = [
        ("observedGeneration", status.observed_generation.unwrap_or(0)),
        ("replicas", i64::from(status.replicas.unwrap_or(0))),
        ("updatedReplicas", i64::from(status.updated_replicas.unwrap_or(0))),
        ("readyReplicas", i64::from(status.ready_replicas.unwrap_or(0))),
        ("availableReplicas", i64::from(status.available_replicas.unwrap_or(0))),
        ("unavailableReplicas", i64::from(status.unavailable_replicas.unwrap_or(0))),
        ("terminatingReplicas", i64::from(status.terminating_replicas.unwrap_or(0))),
        ("collisionCount", i64::from(status.collision_count.unwrap_or(0))),
    ];
    let limits = [
        ("updatedReplicas", "replicas", REPLICAS),
        ("readyReplicas", "replicas", REPLICAS),
        ("availableReplicas", "replicas", REPLICAS),
        ("availableReplicas", "readyReplicas", READY),
    ];
    Counts(&counts).check(&limits, errors);
    collisions(status.collision_count, before.collision_count, errors);
}

/// A count of collisions only grows.
fn collisions(next: Option<i32>, before: Option<i32>, errors: &mut Errors) {
    if before.is_some_and(|b| next.is_none_or(|n| n < b)) {
        errors.invalid(&STATUS.child("collisionCount"), next.unwrap_or(0), "cannot be decremented");
    }
}

/// A replica set's.
pub fn replica_set(next: &ReplicaSet, current: &ReplicaSet, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    let status = next.status.clone().unwrap_or_default();
    let counts = [
        ("replicas", i64::from(status.replicas)),
        ("fullyLabeledReplicas", i64::from(status.fully_labeled_replicas.unwrap_or(0))),
        ("readyReplicas", i64::from(status.ready_replicas.unwrap_or(0))),
        ("availableReplicas", i64::from(status.available_replicas.unwrap_or(0))),
        ("observedGeneration", status.observed_generation.unwrap_or(0)),
        ("terminatingReplicas", i64::from(status.terminating_replicas.unwrap_or(0))),
    ];
    Counts(&counts).check(&REPLICA_LIMITS, errors);
}

const REPLICA_LIMITS: [(&str, &str, &str); 4] = [
    ("fullyLabeledReplicas", "replicas", REPLICAS),
    ("readyReplicas", "replicas", REPLICAS),
    ("availableReplicas", "replicas", REPLICAS),
    ("availableReplicas", "readyReplicas", READY),
];

/// A replication controller's.
pub fn replication_controller(next: &ReplicationController, current: &ReplicationController, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    let status = next.status.clone().unwrap_or_default();
    let counts = [
        ("replicas", i64::from(status.replicas)),
        ("fullyLabeledReplicas", i64::from(status.fully_labeled_replicas.unwrap_or(0))),
        ("readyReplicas", i64::from(status.ready_replicas.unwrap_or(0))),
        ("availableReplicas", i64::from(status.available_replicas.unwrap_or(0))),
        ("observedGeneration", status.observed_generation.unwrap_or(0)),
    ];
    Counts(&counts).check(&REPLICA_LIMITS, errors);
}

/// A stateful set's.
pub fn stateful_set(next: &StatefulSet, current: &StatefulSet, errors: &mut Errors) {
    let (status, before) = (next.status.clone().unwrap_or_default(), current.status.clone().unwrap_or_default());
    let counts = [
        ("replicas", i64::from(status.replicas)),
        ("readyReplicas", i64::from(status.ready_replicas.unwrap_or(0))),
        ("currentReplicas", i64::from(status.current_replicas.unwrap_or(0))),
        ("updatedReplicas", i64::from(status.updated_replicas.unwrap_or(0))),
        ("availableReplicas", i64::from(status.available_replicas.unwrap_or(0))),
        ("observedGeneration", status.observed_generation.unwrap_or(0)),
        ("collisionCount", i64::from(status.collision_count.unwrap_or(0))),
    ];
    let limits = [
        ("readyReplicas", "replicas", REPLICAS),
        ("currentReplicas", "replicas", REPLICAS),
        ("updatedReplicas", "replicas", REPLICAS),
        ("availableReplicas", "replicas", REPLICAS),
        ("availableReplicas", "readyReplicas", "cannot be greater than status.readyReplicas"),
    ];
    Counts(&counts).check(&limits, errors);
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    collisions(status.collision_count, before.collision_count, errors);
}

/// A daemon set's.
pub fn daemon_set(next: &DaemonSet, current: &DaemonSet, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    let (status, before) = (next.status.clone().unwrap_or_default(), current.status.clone().unwrap_or_default());
    let counts = [
        ("currentNumberScheduled", i64::from(status.current_number_scheduled)),
        ("numberMisscheduled", i64::from(status.number_misscheduled)),
        ("desiredNumberScheduled", i64::from(status.desired_number_scheduled)),
        ("numberReady", i64::from(status.number_ready)),
        ("observedGeneration", status.observed_generation.unwrap_or(0)),
        ("updatedNumberScheduled", i64::from(status.updated_number_scheduled.unwrap_or(0))),
        ("numberAvailable", i64::from(status.number_available.unwrap_or(0))),
        ("numberUnavailable", i64::from(status.number_unavailable.unwrap_or(0))),
        ("collisionCount", i64::from(status.collision_count.unwrap_or(0))),
    ];
    Counts(&counts).check(&[], errors);
    collisions(status.collision_count, before.collision_count, errors);
}
