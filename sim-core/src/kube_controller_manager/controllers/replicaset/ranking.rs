//! Which pods go first when there are too many. Source: pkg/controller/controller_utils.go (ActivePodsWithRanks).

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use sim_apimachinery::object::controller_of;

use super::status::ready_since;
use super::{is_active, owner_uid};
use crate::client_go::View;
use crate::time::SimTime;

const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// Picks `count` of the active pods of a set, those that go first in front.
pub fn victims(set: &ReplicaSet, mut active: Vec<Arc<Pod>>, count: usize, view: &View<'_>) -> Vec<Arc<Pod>> {
    if count < active.len() {
        let crowd = crowding(set, view);
        let rank = |p: &Pod| node_of(p).and_then(|n| crowd.get(n)).copied().unwrap_or(0);
        active.sort_by(|a, b| compare(a, b, rank(a), rank(b), view.now));
    }
    active.truncate(count);
    active
}

/// How many active pods of the same deployment each node has.
fn crowding(set: &ReplicaSet, view: &View<'_>) -> BTreeMap<String, usize> {
    let mut crowd = BTreeMap::new();
    let mut count = |uid: &str| {
        for pod in view.caches.owned_by::<Pod>(uid).filter(|p| is_active(p)) {
            if let Some(node) = node_of(pod) {
                *crowd.entry(node.to_owned()).or_insert(0) += 1;
            }
        }
    };
    match controller_of(&set.metadata) {
        Some(owner) => view.caches.owned_by::<ReplicaSet>(&owner.uid).for_each(|s| count(s.metadata.uid.as_deref().unwrap_or_default())),
        None => count(set.metadata.uid.as_deref().unwrap_or_default()),
    }
    crowd
}

fn compare(a: &Pod, b: &Pod, rank_a: usize, rank_b: usize, now: SimTime) -> Ordering {
    let key = |p: &Pod| (node_of(p).is_some(), phase_order(p), ready_since(p).is_some(), deletion_cost(p));
    key(a)
        .cmp(&key(b))
        .then(rank_b.cmp(&rank_a))
        .then_with(|| match (ready_since(a), ready_since(b)) {
            (Some(since_a), Some(since_b)) if since_a != since_b => by_age(since_a, since_b, now, a, b),
            _ => Ordering::Equal,
        })
        .then_with(|| Reverse(restarts(a)).cmp(&Reverse(restarts(b))))
        .then_with(|| match (created(a), created(b)) {
            (Some(made_a), Some(made_b)) if made_a != made_b => by_age(made_a, made_b, now, a, b),
            (x, y) => x.cmp(&y),
        })
        .then_with(|| uid(a).cmp(uid(b)))
}

/// Younger first, but ages in the same power of two count as equal and the uid decides.
fn by_age(since_a: SimTime, since_b: SimTime, now: SimTime, a: &Pod, b: &Pod) -> Ordering {
    let bucket = |since: SimTime| now.since(since).checked_ilog2();
    bucket(since_a).cmp(&bucket(since_b)).then_with(|| uid(a).cmp(uid(b)))
}

fn phase_order(pod: &Pod) -> u8 {
    match pod.status.as_ref().and_then(|s| s.phase.as_deref()) {
        Some("Pending") | None => 0,
        Some("Unknown") => 1,
        _ => 2,
    }
}

fn deletion_cost(pod: &Pod) -> i32 {
    pod.metadata.annotations.as_ref().and_then(|a| a.get(DELETION_COST)).and_then(|v| v.parse().ok()).unwrap_or(0)
}

fn restarts(pod: &Pod) -> (i32, i32) {
    let most = |s: Option<&Vec<ContainerStatus>>| s.into_iter().flatten().map(|c| c.restart_count).max().unwrap_or(0);
    let status = pod.status.as_ref();
    (most(status.and_then(|s| s.container_statuses.as_ref())), most(status.and_then(|s| s.init_container_statuses.as_ref())))
}

fn node_of(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref().filter(|n| !n.is_empty())
}

fn created(pod: &Pod) -> Option<SimTime> {
    pod.metadata.creation_timestamp.as_ref().map(SimTime::from_time)
}

fn uid(pod: &Pod) -> &str {
    debug_assert!(owner_uid(pod).is_some(), "only owned pods are ranked");
    pod.metadata.uid.as_deref().unwrap_or_default()
}
