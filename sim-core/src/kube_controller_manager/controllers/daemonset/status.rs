//! The status of a daemon set: counts of nodes.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{DaemonSet, DaemonSetStatus};

use super::pods::hash_of;
use super::{Site, is_available};
use crate::kube_controller_manager::controllers::replicaset::status::is_ready;
use crate::time::SimTime;

/// The daemon set with its next status, if it would change, and whether ready pods are still to become available.
pub fn next(set: &Arc<DaemonSet>, sites: &[Site], hash: &str, observe: bool, now: SimTime) -> (Option<DaemonSet>, bool) {
    let before = set.status.clone().unwrap_or_default();
    let (mut desired, mut current, mut misplaced, mut ready, mut available, mut updated) = (0, 0, 0, 0, 0, 0);
    for site in sites {
        if !site.fit.run {
            misplaced += i32::from(!site.pods.is_empty());
            continue;
        }
        desired += 1;
        let Some(pod) = site.pods.first() else { continue };
        current += 1;
        ready += i32::from(is_ready(pod));
        available += i32::from(is_available(set, pod, now));
        updated += i32::from(hash_of(pod) == hash);
    }
    let some = |n: i32| (n != 0).then_some(n);
    let status = DaemonSetStatus {
        current_number_scheduled: current,
        desired_number_scheduled: desired,
        number_misscheduled: misplaced,
        number_ready: ready,
        number_available: some(available),
        number_unavailable: some(desired - available),
        updated_number_scheduled: some(updated),
        observed_generation: if observe { set.metadata.generation } else { before.observed_generation },
        collision_count: before.collision_count,
        conditions: before.conditions.clone(),
    };
    let changed = set.status.as_ref() != Some(&status);
    (changed.then(|| DaemonSet { status: Some(status), ..(**set).clone() }), ready != available)
}
