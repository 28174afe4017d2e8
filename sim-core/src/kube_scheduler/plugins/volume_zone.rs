//! VolumeZone: a bound volume with zone or region labels ties the pod to nodes there.
//! Source: pkg/scheduler/framework/plugins/volumezone.

use super::volume_binding::VolumeState;
use crate::kube_scheduler::cache::SchedulerCache;
use crate::kube_scheduler::framework::{Plugin, Rejection, Verdict};
use crate::kube_scheduler::node_info::NodeInfo;

const LABELS: [(&str, &str); 4] = [
    ("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone"),
    ("topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region"),
    ("failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"),
    ("failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"),
];

/// Refuses nodes in other zones than a bound volume; a node that says no zone and no region takes any.
pub fn filter(state: &VolumeState, node: &NodeInfo, _cache: &SchedulerCache) -> Verdict {
    if state.bound.is_empty() || !LABELS.iter().any(|(label, _)| node.labels().contains_key(*label)) {
        return Ok(());
    }
    let volumes = state.bound.iter().flatten();
    for labels in volumes.filter_map(|v| v.metadata.labels.as_ref()) {
        for (label, other) in LABELS {
            let Some(values) = labels.get(label) else { continue };
            let of_node = node.labels().get(label).or_else(|| node.labels().get(other));
            if !of_node.is_some_and(|v| values.split("__").any(|w| w == v)) {
                return Err(Rejection::unresolvable(Plugin::VolumeZone, "node(s) had no available volume zone"));
            }
        }
    }
    Ok(())
}
