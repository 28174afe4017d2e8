//! What may help a pod that could not be placed: for each plugin, the events of the cluster that could make it change its
//! mind, and a look at whether this one could. Sources: `EventsToRegister` and the queueing hints of each plugin.
//! Not modelled: hints of plugins that are not modelled; hints of volumes ask less than Kubernetes' (they may wake a pod
//! that then fails again).

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use sim_apimachinery::{Kind, Object};

use super::cache::SchedulerCache;
use super::framework::Plugin;
use super::node_info::NodeInfo;
use super::plugins::{node_affinity, node_resources_fit, node_unschedulable, taint_toleration};
use super::pod_info::PodInfo;
use super::queue::QueuedPod;
use super::selectors::{AffinityTerm, LabelMatch};
use crate::component::ChangeType;

/// Something that happened.
#[derive(Clone, Debug)]
pub enum ClusterEvent<'a> {
    /// A pod is on a node now.
    PodAdded(&'a PodInfo),
    /// A pod on a node changed.
    PodUpdated { old: &'a PodInfo, new: &'a PodInfo },
    /// A pod has left its node (or its nomination).
    PodDeleted(&'a PodInfo),
    /// A node is there.
    NodeAdded(&'a NodeInfo),
    /// A node changed; without its pods.
    NodeUpdated { old: &'a NodeInfo, new: &'a NodeInfo },
    /// A node is gone.
    NodeDeleted,
    /// Another object changed.
    Other { change: ChangeType, object: &'a Object },
}

/// Whether an event may help a waiting pod: any of the plugins that refused it thinks so.
pub fn helps(event: &ClusterEvent<'_>, waiting: &QueuedPod, cache: &SchedulerCache) -> bool {
    let pod = &*waiting.info;
    let rejectors: &BTreeSet<Plugin> = &waiting.rejectors;
    !waiting.gated && rejectors.iter().any(|plugin| changes_mind(*plugin, event, pod, cache))
}

fn changes_mind(plugin: Plugin, event: &ClusterEvent<'_>, pod: &PodInfo, cache: &SchedulerCache) -> bool {
    use ClusterEvent::*;
    match plugin {
        Plugin::NodeResourcesFit => fit(event, pod),
        Plugin::NodeName => matches!(event, NodeAdded(_)),
        Plugin::NodeAffinity => now_passes(event, |n| node_affinity::admits(pod, n)),
        Plugin::TaintToleration => now_passes(event, |n| taint_toleration::tolerates_all(pod, n.taints())),
        Plugin::NodeUnschedulable => now_passes(event, |n| !n.is_unschedulable() || node_unschedulable::tolerates_cordon(pod)),
        Plugin::NodePorts => match event {
            NodeAdded(_) => true,
            PodDeleted(gone) => gone.host_ports.iter().any(|p| pod.host_ports.iter().any(|q| q.conflicts_with(p))),
            _ => false,
        },
        Plugin::InterPodAffinity => affinity(event, pod, cache),
        Plugin::PodTopologySpread => spread(event, pod),
        Plugin::VolumeRestrictions => match event {
            PodDeleted(gone) => {
                gone.namespace() == pod.namespace() && pod.claims.iter().any(|c| gone.claims.iter().any(|d| d.name == c.name))
            }
            NodeAdded(_) => true,
            _ => concerns_claim(event, pod),
        },
        Plugin::NodeVolumeLimits => match event {
            PodDeleted(gone) => !gone.claims.is_empty(),
            Other { object, .. } => matches!(object.kind(), Kind::CSINode | Kind::VolumeAttachment) || concerns_claim(event, pod),
            _ => false,
        },
        Plugin::VolumeBinding | Plugin::VolumeZone => volumes(event, pod),
        Plugin::DefaultPreemption => matches!(event, PodDeleted(_)),
        Plugin::SchedulingGates | Plugin::NodeResourcesBalancedAllocation | Plugin::ImageLocality => false,
    }
}

fn now_passes(event: &ClusterEvent<'_>, passes: impl Fn(&NodeInfo) -> bool) -> bool {
    match event {
        ClusterEvent::NodeAdded(new) => passes(new),
        ClusterEvent::NodeUpdated { old, new } => passes(new) && !passes(old),
        _ => false,
    }
}

fn fit(event: &ClusterEvent<'_>, pod: &PodInfo) -> bool {
    let fits_alone = |node: &NodeInfo| {
        let bare = NodeInfo { allocatable: node.allocatable.clone(), ..NodeInfo::default() };
        node_resources_fit::filter(pod, &bare).is_ok()
    };
    match event {
        ClusterEvent::PodDeleted(_) => true,
        ClusterEvent::PodUpdated { old, new } => new.requests.is_below_somewhere(&old.requests),
        ClusterEvent::NodeAdded(new) => fits_alone(new),
        ClusterEvent::NodeUpdated { old, new } => {
            let more_pods = new.allocatable.pods > old.allocatable.pods;
            fits_alone(new) && (more_pods || old.allocatable.is_below_somewhere(&new.allocatable))
        }
        _ => false,
    }
}

fn affinity(event: &ClusterEvent<'_>, pod: &PodInfo, cache: &SchedulerCache) -> bool {
    let terms = &pod.terms;
    let meant = |list: &[AffinityTerm], other: &PodInfo| {
        list.iter().any(|t| t.matches(other.namespace(), cache.namespace_labels(other.namespace()), other.labels()))
    };
    match event {
        ClusterEvent::PodAdded(new) => meant(&terms.required_affinity, new),
        ClusterEvent::PodDeleted(gone) => meant(&terms.required_anti_affinity, gone) || meant(&gone.terms.required_anti_affinity, pod),
        ClusterEvent::PodUpdated { old, new } => {
            old.labels() != new.labels()
                && ((!meant(&terms.required_affinity, old) && meant(&terms.required_affinity, new))
                    || (meant(&terms.required_anti_affinity, old) && !meant(&terms.required_anti_affinity, new)))
        }
        ClusterEvent::NodeAdded(_) => true,
        ClusterEvent::NodeUpdated { old, new } => {
            let mut keys = terms.required_affinity.iter().chain(&terms.required_anti_affinity).map(|t| &*t.topology_key);
            keys.any(|k| old.labels().get(k) != new.labels().get(k))
        }
        _ => false,
    }
}

fn spread(event: &ClusterEvent<'_>, pod: &PodInfo) -> bool {
    let all = pod.pod.spec.as_ref().and_then(|s| s.topology_spread_constraints.as_deref()).unwrap_or_default();
    let selected = |other: &PodInfo| {
        let mut selectors = all.iter().map(|c| LabelMatch::from_selector(c.label_selector.as_ref()));
        other.namespace() == pod.namespace() && selectors.any(|s| s.matches(other.labels()))
    };
    match event {
        ClusterEvent::PodAdded(other) | ClusterEvent::PodDeleted(other) => selected(other),
        ClusterEvent::PodUpdated { old, new } => {
            (old.labels() != new.labels() && selected(old) != selected(new))
                || (new.is_terminating() && !old.is_terminating() && selected(new))
        }
        ClusterEvent::NodeAdded(node) => all.iter().all(|c| node.labels().contains_key(&c.topology_key)),
        ClusterEvent::NodeUpdated { old, new } => {
            let changed = |key: &str| old.labels().get(key) != new.labels().get(key);
            all.iter().any(|c| changed(&c.topology_key)) || old.taints() != new.taints()
        }
        ClusterEvent::NodeDeleted => true,
        ClusterEvent::Other { .. } => false,
    }
}

fn concerns_claim(event: &ClusterEvent<'_>, pod: &PodInfo) -> bool {
    let ClusterEvent::Other { object: Object::PersistentVolumeClaim(claim), .. } = event else { return false };
    is_own(claim, pod)
}

fn is_own(claim: &PersistentVolumeClaim, pod: &PodInfo) -> bool {
    let name = claim.metadata.name.as_deref().unwrap_or("");
    claim.metadata.namespace.as_deref() == Some(pod.namespace()) && pod.claims.iter().any(|c| c.name == name)
}

fn volumes(event: &ClusterEvent<'_>, pod: &PodInfo) -> bool {
    match event {
        ClusterEvent::NodeAdded(_) => true,
        ClusterEvent::NodeUpdated { old, new } => old.labels() != new.labels(),
        ClusterEvent::Other { change, object } if *change != ChangeType::Deleted => match object {
            Object::PersistentVolumeClaim(claim) => is_own(claim, pod),
            other => matches!(other.kind(), Kind::PersistentVolume | Kind::StorageClass | Kind::CSINode),
        },
        _ => false,
    }
}
