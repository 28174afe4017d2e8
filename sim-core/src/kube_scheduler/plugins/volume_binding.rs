//! VolumeBinding: bound claims tie a pod to the nodes their volumes can be used on; claims that wait for their first
//! consumer get a volume, or a provisioner, that suits the node. Source: pkg/scheduler/framework/plugins/volumebinding.
//! Promise: a volume assumed for one claim is not given to another.
//! Not modelled: CSIStorageCapacity, scoring by capacity, claims of in-tree plugins migrated to CSI.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, TopologySelectorTerm};
use k8s_openapi::api::storage::v1::StorageClass;
use sim_apimachinery::{Kind, ObjectKey, quantity};

use crate::kube_scheduler::cache::SchedulerCache;
use crate::kube_scheduler::framework::{Plugin, Rejection, Verdict};
use crate::kube_scheduler::node_info::NodeInfo;
use crate::kube_scheduler::pod_info::{Claim, PodInfo};
use crate::kube_scheduler::selectors::{LabelMatch, NodeTerm};

/// On a claim: the node a provisioner is to make the volume for.
pub const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
const BIND_COMPLETED: &str = "pv.kubernetes.io/bind-completed";
const NO_PROVISIONER: &str = "kubernetes.io/no-provisioner";
const NONE_FOUND: &str = "node(s) didn't find available persistent volumes to bind";

/// The claims of a pod.
#[derive(Clone, Debug, Default)]
pub struct VolumeState {
    /// The volumes of bound claims; `None` for one that does not exist.
    pub bound: Vec<Option<Arc<PersistentVolume>>>,
    unbound: Vec<Unbound>,
}

#[derive(Clone, Debug)]
struct Unbound {
    key: ObjectKey,
    selected_node: Option<String>,
    /// Volumes that could be bound to it, the smallest first.
    candidates: Vec<Arc<PersistentVolume>>,
    /// Where its class makes volumes, if it does.
    provisioned: Option<Vec<TopologySelectorTerm>>,
}

/// What is to be done about a claim when its pod goes to a node.
#[derive(Clone, Debug, PartialEq)]
pub enum VolumeBind {
    /// Bind it to this volume.
    Volume { claim: ObjectKey, volume: Arc<PersistentVolume> },
    /// Have a volume made.
    Provision { claim: ObjectKey },
}

impl VolumeBind {
    /// The claim.
    pub fn claim(&self) -> &ObjectKey {
        match self {
            VolumeBind::Volume { claim, .. } | VolumeBind::Provision { claim } => claim,
        }
    }
}

/// Looks up the claims; a claim that is missing, going, lost or unbound without waiting for a consumer refuses the pod.
pub fn pre_filter(pod: &PodInfo, cache: &SchedulerCache) -> Result<VolumeState, Rejection> {
    let mut state = VolumeState::default();
    let mut unbound_immediate = false;
    for wanted in &pod.claims {
        let claim = usable_claim(pod, wanted, cache)?;
        let volume = claim.spec.as_ref().and_then(|s| s.volume_name.as_deref()).filter(|n| !n.is_empty());
        if is_bound(claim) {
            state.bound.push(volume.and_then(|v| cache.listers.get("", v)).cloned());
        } else if let (Some(class), None) = (waiting_class(claim, cache), volume) {
            state.unbound.push(unbound(pod, claim, class, cache));
        } else {
            unbound_immediate = true;
        }
    }
    if unbound_immediate {
        return Err(refused("pod has unbound immediate PersistentVolumeClaims".to_owned()));
    }
    Ok(state)
}

fn usable_claim<'a>(pod: &PodInfo, wanted: &Claim, cache: &'a SchedulerCache) -> Result<&'a Arc<PersistentVolumeClaim>, Rejection> {
    let name = &wanted.name;
    let Some(claim) = cache.listers.get::<PersistentVolumeClaim>(pod.namespace(), name) else {
        return Err(refused(if wanted.ephemeral {
            format!("waiting for ephemeral volume controller to create the persistentvolumeclaim \"{name}\"")
        } else {
            format!("persistentvolumeclaim \"{name}\" not found")
        }));
    };
    if claim.status.as_ref().and_then(|s| s.phase.as_deref()) == Some("Lost") {
        let volume = claim.spec.as_ref().and_then(|s| s.volume_name.as_deref()).unwrap_or("");
        return Err(refused(format!("persistentvolumeclaim \"{name}\" bound to non-existent persistentvolume \"{volume}\"")));
    }
    if claim.metadata.deletion_timestamp.is_some() {
        return Err(refused(format!("persistentvolumeclaim \"{name}\" is being deleted")));
    }
    Ok(claim)
}

fn refused(text: String) -> Rejection {
    Rejection::unresolvable(Plugin::VolumeBinding, text)
}

/// Whether a claim has its volume for good.
pub fn is_bound(claim: &PersistentVolumeClaim) -> bool {
    let has_volume = claim.spec.as_ref().and_then(|s| s.volume_name.as_deref()).is_some_and(|n| !n.is_empty());
    has_volume && claim.metadata.annotations.as_ref().is_some_and(|a| a.contains_key(BIND_COMPLETED))
}

fn waiting_class<'a>(claim: &PersistentVolumeClaim, cache: &'a SchedulerCache) -> Option<&'a Arc<StorageClass>> {
    let name = claim.spec.as_ref()?.storage_class_name.as_deref()?;
    cache.listers.get::<StorageClass>("", name).filter(|c| c.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer"))
}

fn unbound(pod: &PodInfo, claim: &Arc<PersistentVolumeClaim>, class: &StorageClass, cache: &SchedulerCache) -> Unbound {
    let key = ObjectKey::new(Kind::PersistentVolumeClaim, pod.namespace(), claim.metadata.name.as_deref().unwrap_or(""));
    let selected = claim.metadata.annotations.as_ref().and_then(|a| a.get(SELECTED_NODE)).cloned();
    let selected_node = selected.or_else(|| cache.selected_nodes.get(&key).map(|n| n.to_string()));
    let mut candidates: Vec<Arc<PersistentVolume>> =
        cache.listers.all::<PersistentVolume>().filter(|v| could_bind(v, claim, &key, cache)).cloned().collect();
    candidates.sort_by_key(|v| (!is_claimed_by(v, claim), capacity_of(v), v.metadata.name.clone()));
    let provisioned = (class.provisioner != NO_PROVISIONER).then(|| class.allowed_topologies.clone().unwrap_or_default());
    Unbound { key, selected_node, candidates, provisioned }
}

fn capacity_of(volume: &PersistentVolume) -> i64 {
    volume.spec.as_ref().and_then(|s| s.capacity.as_ref()?.get("storage")).map_or(0, quantity::value)
}

fn is_claimed_by(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> bool {
    let claimed = volume.spec.as_ref().and_then(|s| s.claim_ref.as_ref());
    claimed.is_some_and(|r| {
        r.name == claim.metadata.name && r.namespace == claim.metadata.namespace && (r.uid.is_none() || r.uid == claim.metadata.uid)
    })
}

fn could_bind(volume: &PersistentVolume, claim: &PersistentVolumeClaim, key: &ObjectKey, cache: &SchedulerCache) -> bool {
    let (Some(has), Some(wants)) = (&volume.spec, &claim.spec) else { return false };
    let name = volume.metadata.name.as_deref().unwrap_or("");
    let mode = |m: &Option<String>| m.as_deref().unwrap_or("Filesystem").to_owned();
    let phase = volume.status.as_ref().and_then(|s| s.phase.as_deref());
    let modes = has.access_modes.as_deref().unwrap_or_default();
    let request = wants.resources.as_ref().and_then(|r| r.requests.as_ref()?.get("storage")).map_or(0, quantity::value);
    let no_labels = Default::default();
    is_claimed_by(volume, claim)
        || (has.claim_ref.is_none()
            && volume.metadata.deletion_timestamp.is_none()
            && matches!(phase, None | Some("Available" | ""))
            && has.storage_class_name.as_deref().unwrap_or("") == wants.storage_class_name.as_deref().unwrap_or("")
            && mode(&has.volume_mode) == mode(&wants.volume_mode)
            && wants.access_modes.iter().flatten().all(|m| modes.contains(m))
            && capacity_of(volume) >= request
            && wants
                .selector
                .as_ref()
                .is_none_or(|s| LabelMatch::from_selector(Some(s)).matches(volume.metadata.labels.as_ref().unwrap_or(&no_labels)))
            && cache.assumed_volumes.get(name).is_none_or(|by| by == key))
}

/// Refuses nodes where a volume of the pod cannot be used, found or made.
pub fn filter(state: &VolumeState, node: &NodeInfo, cache: &SchedulerCache) -> Verdict {
    if state.bound.is_empty() && state.unbound.is_empty() {
        return Ok(());
    }
    for volume in &state.bound {
        let Some(volume) = volume else {
            return Err(refused("node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)".to_owned()));
        };
        if !usable_on(volume, node) {
            return Err(refused("node(s) didn't match PersistentVolume's node affinity".to_owned()));
        }
    }
    binds_on(state, node, cache).map(|_| ())
}

/// What is to be done about the pod's unbound claims if it goes to a node.
pub fn binds_on(state: &VolumeState, node: &NodeInfo, _cache: &SchedulerCache) -> Result<Vec<VolumeBind>, Rejection> {
    let mut taken: BTreeSet<&str> = BTreeSet::new();
    let mut binds = Vec::new();
    for claim in &state.unbound {
        if claim.selected_node.as_ref().is_some_and(|selected| *selected != *node.name) {
            return Err(refused(NONE_FOUND.to_owned()));
        }
        let name = |v: &'_ PersistentVolume| v.metadata.name.clone().unwrap_or_default();
        let found = claim.candidates.iter().find(|v| !taken.contains(name(v).as_str()) && usable_on(v, node));
        if let Some(volume) = found.filter(|_| claim.selected_node.is_none()) {
            taken.insert(volume.metadata.name.as_deref().unwrap_or(""));
            binds.push(VolumeBind::Volume { claim: claim.key.clone(), volume: volume.clone() });
        } else if claim.provisioned.as_ref().is_some_and(|topologies| is_allowed(topologies, node)) {
            binds.push(VolumeBind::Provision { claim: claim.key.clone() });
        } else {
            return Err(refused(NONE_FOUND.to_owned()));
        }
    }
    Ok(binds)
}

fn usable_on(volume: &PersistentVolume, node: &NodeInfo) -> bool {
    let required = volume.spec.as_ref().and_then(|s| s.node_affinity.as_ref()?.required.as_ref());
    required.is_none_or(|r| r.node_selector_terms.iter().any(|t| NodeTerm::new(t).matches(node.labels(), &node.name)))
}

fn is_allowed(topologies: &[TopologySelectorTerm], node: &NodeInfo) -> bool {
    let meets = |term: &TopologySelectorTerm| {
        let mut expressions = term.match_label_expressions.iter().flatten();
        expressions.all(|e| node.labels().get(&e.key).is_some_and(|v| e.values.contains(v)))
    };
    topologies.is_empty() || topologies.iter().any(meets)
}
