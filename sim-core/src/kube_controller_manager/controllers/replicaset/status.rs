//! The status of a replica set: counts of its pods, and the condition ReplicaFailure.
//! Source: pkg/controller/replicaset/replica_set_utils.go.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{ReplicaSet, ReplicaSetCondition, ReplicaSetStatus};
use k8s_openapi::api::core::v1::Pod;
use sim_apimachinery::{Part, Verb};

use super::{ReplicaSetController, is_active, owned};
use crate::client_go::{Ask, Plan, Then, View};
use crate::time::{Nanos, SECOND, SimTime};

/// Whether the pod's condition Ready is true.
pub fn is_ready(pod: &Pod) -> bool {
    ready_since(pod).is_some()
}

/// Since when the pod is ready, if it is.
pub fn ready_since(pod: &Pod) -> Option<SimTime> {
    let condition = pod.status.as_ref()?.conditions.as_ref()?.iter().find(|c| c.type_ == "Ready" && c.status == "True")?;
    Some(condition.last_transition_time.as_ref().map_or(SimTime(0), SimTime::from_time))
}

fn min_ready(set: &ReplicaSet) -> Nanos {
    set.spec.as_ref().and_then(|s| s.min_ready_seconds).unwrap_or(0).max(0) as u64 * SECOND
}

fn is_available(pod: &Pod, min_ready: Nanos, now: SimTime) -> bool {
    ready_since(pod).is_some_and(|since| min_ready == 0 || since.plus(min_ready) <= now)
}

impl ReplicaSetController {
    /// The write of the status, if it would change anything.
    pub(super) fn status_write(&self, set: &Arc<ReplicaSet>, view: &View<'_>, failure: Option<(&str, &str)>) -> Option<Ask> {
        let before = set.status.clone().unwrap_or_default();
        let status = count(set, &before, view, failure);
        if status == before && before.observed_generation == set.metadata.generation {
            return None;
        }
        let n = |v: Option<i32>| v.unwrap_or(0);
        let reason =
            format!("{} replicas, {} ready, {} available", status.replicas, n(status.ready_replicas), n(status.available_replicas));
        let mut next = (**set).clone();
        next.status = Some(status);
        Some(Ask::new(Verb::Update { object: next.into(), part: Part::Status }, reason))
    }

    /// Pods that are ready but not yet available become so without an event.
    pub(super) fn look_again_for_availability(&self, set: &Arc<ReplicaSet>, view: &View<'_>, plan: &mut Plan) {
        let wait = min_ready(set);
        if wait == 0 {
            return;
        }
        let left = owned(set, view)
            .filter(|p| is_active(p))
            .filter_map(|p| ready_since(p))
            .map(|since| since.plus(wait).since(view.now))
            .filter(|l| *l > 0)
            .min();
        if let Some(left) = left {
            plan.then = Then::After(left);
        }
    }
}

fn count(set: &Arc<ReplicaSet>, before: &ReplicaSetStatus, view: &View<'_>, failure: Option<(&str, &str)>) -> ReplicaSetStatus {
    let wait = min_ready(set);
    let template = set
        .spec
        .as_ref()
        .and_then(|s| s.template.as_ref())
        .and_then(|t| t.metadata.as_ref())
        .and_then(|m| m.labels.clone())
        .unwrap_or_default();
    let (mut replicas, mut labeled, mut ready, mut available, mut terminating) = (0, 0, 0, 0, 0);
    for pod in owned(set, view) {
        if !is_active(pod) {
            terminating += i32::from(is_terminating(pod));
            continue;
        }
        replicas += 1;
        let labels = pod.metadata.labels.as_ref();
        labeled += i32::from(template.iter().all(|(k, v)| labels.and_then(|l| l.get(k)) == Some(v)));
        ready += i32::from(is_ready(pod));
        available += i32::from(is_available(pod, wait, view.now));
    }
    let some = |n: i32| (n != 0).then_some(n);
    ReplicaSetStatus {
        replicas,
        fully_labeled_replicas: some(labeled),
        ready_replicas: some(ready),
        available_replicas: some(available),
        terminating_replicas: Some(terminating),
        observed_generation: set.metadata.generation,
        conditions: conditions(before, view.now, failure),
    }
}

fn is_terminating(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
        && !matches!(pod.status.as_ref().and_then(|s| s.phase.as_deref()), Some("Succeeded" | "Failed"))
}

fn conditions(before: &ReplicaSetStatus, now: SimTime, failure: Option<(&str, &str)>) -> Option<Vec<ReplicaSetCondition>> {
    let mut conditions = before.conditions.clone().unwrap_or_default();
    let known = conditions.iter().any(|c| c.type_ == "ReplicaFailure");
    match failure {
        Some((reason, message)) if !known => conditions.push(ReplicaSetCondition {
            type_: "ReplicaFailure".into(),
            status: "True".into(),
            reason: Some(reason.into()),
            message: Some(message.into()),
            last_transition_time: Some(now.to_time()),
        }),
        None => conditions.retain(|c| c.type_ != "ReplicaFailure"),
        Some(_) => {}
    }
    (!conditions.is_empty()).then_some(conditions)
}
