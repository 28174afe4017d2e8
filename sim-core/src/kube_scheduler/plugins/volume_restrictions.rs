//! VolumeRestrictions: a claim with the access mode `ReadWriteOncePod` is for one pod in the cluster.
//! Source: pkg/scheduler/framework/plugins/volumerestrictions. Not modelled: conflicts of in-tree disks (GCE, AWS, iSCSI, RBD).

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::PersistentVolumeClaim;

use crate::kube_scheduler::cache::SchedulerCache;
use crate::kube_scheduler::framework::{Plugin, Rejection, Verdict};
use crate::kube_scheduler::node_info::NodeInfo;
use crate::kube_scheduler::pod_info::PodInfo;

/// The pod's claims that are for one pod only, and how many pods on nodes use them.
#[derive(Clone, Debug, Default)]
pub struct RestrictionState {
    claims: BTreeSet<(String, String)>,
    users: i64,
}

/// Counts the users of such claims.
pub fn pre_filter(pod: &PodInfo, cache: &SchedulerCache) -> RestrictionState {
    let is_for_one = |name: &str| {
        let claim = cache.listers.get::<PersistentVolumeClaim>(pod.namespace(), name);
        let modes = claim.and_then(|c| c.spec.as_ref()?.access_modes.as_ref());
        modes.is_some_and(|m| m.iter().any(|m| m == "ReadWriteOncePod"))
    };
    let names = pod.claims.iter().map(|c| c.name.as_str()).filter(|n| is_for_one(n));
    let claims: BTreeSet<(String, String)> = names.map(|n| (pod.namespace().to_owned(), n.to_owned())).collect();
    let users = claims.iter().filter(|(namespace, name)| cache.claim_users.contains_key(&format!("{namespace}/{name}"))).count();
    RestrictionState { claims, users: users as i64 }
}

/// Refuses every node while another pod uses such a claim.
pub fn filter(state: &RestrictionState, _pod: &PodInfo, _node: &NodeInfo) -> Verdict {
    if state.users <= 0 {
        return Ok(());
    }
    let text = "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod";
    Err(Rejection::new(Plugin::VolumeRestrictions, text))
}

/// Another pod came or left.
pub fn update(state: &mut RestrictionState, other: &PodInfo, sign: i64) {
    if state.claims.is_empty() {
        return;
    }
    let uses = |c: &crate::kube_scheduler::pod_info::Claim| state.claims.contains(&(other.namespace().to_owned(), c.name.clone()));
    state.users += sign * other.claims.iter().filter(|c| uses(c)).count() as i64;
}
