//! The status of a stateful set: counts of its pods by health and by revision.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetStatus};
use k8s_openapi::api::core::v1::Pod;

use super::is_available;
use super::revisions::{Revisions, of_pod};
use crate::kube_controller_manager::controllers::pod_control::{is_deleting, phase};
use crate::kube_controller_manager::controllers::replicaset::status::is_ready;
use crate::time::SimTime;

/// Counts of pods.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    replicas: i32,
    ready: i32,
    available: i32,
    current: i32,
    updated: i32,
}

impl Counts {
    /// Counts the pods that are there.
    pub fn of(set: &StatefulSet, pods: &[Arc<Pod>], revisions: &Revisions, now: SimTime) -> Counts {
        let mut counts = Counts::default();
        for pod in pods {
            counts.replicas += 1;
            let ready = phase(pod) == "Running" && is_ready(pod);
            counts.ready += i32::from(ready);
            counts.available += i32::from(ready && is_available(set, pod, now));
            if !is_deleting(pod) {
                counts.current += i32::from(of_pod(pod) == revisions.current);
                counts.updated += i32::from(of_pod(pod) == revisions.update);
            }
        }
        counts
    }

    /// One more is being made.
    pub fn created(&mut self, revision: &str, revisions: &Revisions) {
        self.replicas += 1;
        self.current += i32::from(revision == revisions.current);
        self.updated += i32::from(revision == revisions.update);
    }

    /// One is being deleted.
    pub fn deleted(&mut self, pod: &Pod, revisions: &Revisions) {
        self.current -= i32::from(of_pod(pod) == revisions.current);
        self.updated -= i32::from(of_pod(pod) == revisions.update);
    }
}

/// The set with its next status, if it would change.
pub fn next(set: &Arc<StatefulSet>, counts: Counts, revisions: &Revisions) -> Option<StatefulSet> {
    let before = set.status.clone().unwrap_or_default();
    let some = |n: i32| (n != 0).then_some(n);
    let mut status = StatefulSetStatus {
        observed_generation: set.metadata.generation,
        replicas: counts.replicas,
        ready_replicas: some(counts.ready),
        available_replicas: Some(counts.available),
        current_replicas: some(counts.current.max(0)),
        updated_replicas: some(counts.updated.max(0)),
        current_revision: Some(revisions.current.clone()),
        update_revision: Some(revisions.update.clone()),
        collision_count: Some(before.collision_count.unwrap_or(0)),
        conditions: before.conditions.clone(),
    };
    complete(set, &mut status);
    (status != before).then(|| StatefulSet { status: Some(status), ..(**set).clone() })
}

/// A rolling update is over when all pods are ready at the new revision.
fn complete(set: &StatefulSet, status: &mut StatefulSetStatus) {
    let rolling = set.spec.as_ref().and_then(|s| s.update_strategy.as_ref()).and_then(|s| s.type_.as_deref()) == Some("RollingUpdate");
    let wanted = set.spec.as_ref().and_then(|s| s.replicas).unwrap_or(1);
    let (updated, ready) = (status.updated_replicas.unwrap_or(0), status.ready_replicas.unwrap_or(0));
    if rolling && updated == wanted && ready == wanted && status.replicas == wanted {
        status.current_replicas = status.updated_replicas;
        status.current_revision = status.update_revision.clone();
    }
}
