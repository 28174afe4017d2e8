//! Replacing the pods of an old template: some at a time may be unavailable, or some more may surge.
//! Source: `rollingUpdate` in pkg/controller/daemon/update.go.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use sim_apimachinery::intstr::scaled_value;

use super::pods::hash_of;
use super::{Site, is_available};
use crate::kube_controller_manager::controllers::pod_control::is_deleting;
use crate::time::SimTime;

/// Pods to delete and nodes that get one more pod.
#[derive(Clone, Debug, Default)]
pub struct Moves {
    /// To be deleted.
    pub delete: Vec<Arc<Pod>>,
    /// Names of nodes.
    pub create: Vec<String>,
}

/// How many pods may be unavailable and how many may be too many, for so many nodes.
pub fn limits(set: &DaemonSet, desired: i32) -> (i32, i32) {
    let rolling = set.spec.as_ref().and_then(|s| s.update_strategy.as_ref()).and_then(|s| s.rolling_update.clone()).unwrap_or_default();
    let scaled = |value: Option<IntOrString>, default: i32| value.map_or(default, |v| scaled_value(&v, desired, true));
    let (surge, unavailable) = (scaled(rolling.max_surge, 0), scaled(rolling.max_unavailable, 1));
    if surge == 0 && unavailable == 0 { (1, 0) } else { (unavailable, surge) }
}

/// Whether the strategy is to replace pods at all.
pub fn replaces(set: &DaemonSet) -> bool {
    set.spec.as_ref().and_then(|s| s.update_strategy.as_ref()).and_then(|s| s.type_.as_deref()) != Some("OnDelete")
}

/// The newest pod of a site from the present template and the oldest from another, neither being deleted.
fn split<'a>(site: &'a Site, hash: &str) -> (Vec<&'a Arc<Pod>>, Vec<&'a Arc<Pod>>) {
    site.pods.iter().filter(|p| !is_deleting(p)).partition(|p| hash_of(p) == hash)
}

/// What to do next.
pub fn moves(set: &DaemonSet, sites: &[Site], hash: &str, now: SimTime) -> Moves {
    let desired = sites.iter().filter(|s| s.fit.run).count() as i32;
    let (unavailable, surge) = limits(set, desired);
    if surge == 0 { in_place(set, sites, hash, unavailable, now) } else { surging(set, sites, hash, surge, now) }
}

fn in_place(set: &DaemonSet, sites: &[Site], hash: &str, max: i32, now: SimTime) -> Moves {
    let (mut unavailable, mut always, mut candidates) = (0, vec![], vec![]);
    for site in sites.iter().filter(|s| s.fit.run || !s.pods.is_empty()) {
        match split(site, hash) {
            (new, old) if new.len() == 1 && old.is_empty() => unavailable += i32::from(!is_available(set, new[0], now)),
            (new, old) if new.is_empty() && old.len() == 1 => {
                if !is_available(set, old[0], now) {
                    unavailable += 1;
                    always.push(old[0].clone());
                } else if unavailable < max {
                    candidates.push(old[0].clone());
                }
            }
            _ => unavailable += 1,
        }
    }
    candidates.truncate((max - unavailable).max(0) as usize);
    always.extend(candidates);
    Moves { delete: always, create: vec![] }
}

fn surging(set: &DaemonSet, sites: &[Site], hash: &str, max: i32, now: SimTime) -> Moves {
    let (mut moves, mut surging, mut candidates) = (Moves::default(), 0, vec![]);
    for site in sites.iter().filter(|s| s.fit.run) {
        let (new, old) = split(site, hash);
        match (new.first(), old.first()) {
            (Some(new), Some(old)) if is_available(set, new, now) => moves.delete.push((*old).clone()),
            (Some(_), Some(_)) => surging += 1,
            (None, Some(old)) if is_available(set, old, now) => candidates.push(site.node.clone()),
            (None, Some(_)) => moves.create.push(site.node.clone()),
            _ => {}
        }
    }
    candidates.truncate((max - surging).max(0) as usize);
    moves.create.extend(candidates);
    moves
}
