//! A daemon set's pods: new ones, and for which node each is.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, Pod, PodSpec, Toleration};
use sim_apimachinery::Object;

use crate::kube_controller_manager::controllers::pod_control;
use crate::time::SimTime;

const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";
/// The label that says from which revision a pod was made.
pub const HASH: &str = "controller-revision-hash";
const TOLERATED: [(&str, &str); 6] = [
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
];

/// What every pod of a daemon set tolerates.
pub fn tolerations(host_network: bool) -> Vec<Toleration> {
    let network = host_network.then_some(("node.kubernetes.io/network-unavailable", "NoSchedule"));
    let toleration = |(key, effect): (&str, &str)| Toleration {
        key: Some(key.into()),
        operator: Some("Exists".into()),
        effect: Some(effect.into()),
        ..Default::default()
    };
    TOLERATED.into_iter().chain(network).map(toleration).collect()
}

/// A new pod for a node.
pub fn new_pod(set: &Arc<DaemonSet>, node: &str, hash: &str) -> Pod {
    let owner = Object::DaemonSet(set.clone());
    let template = set.spec.as_ref().map(|s| s.template.clone()).unwrap_or_default();
    let mut pod = pod_control::pod_of(&owner, &template);
    pod.metadata.generate_name = Some(format!("{}-", owner.name()));
    let labels = pod.metadata.labels.get_or_insert_default();
    if let Some(generation) = set.metadata.annotations.as_ref().and_then(|a| a.get(TEMPLATE_GENERATION)) {
        labels.insert("pod-template-generation".into(), generation.clone());
    }
    labels.insert(HASH.into(), hash.into());
    let spec = pod.spec.get_or_insert_default();
    pin(spec, node);
    let more = tolerations(spec.host_network == Some(true));
    let own = spec.tolerations.get_or_insert_default();
    own.extend(more.into_iter().filter(|t| !own.contains(t)).collect::<Vec<_>>());
    pod
}

/// Pins a pod to a node: this takes the place of all node selector terms it had.
fn pin(spec: &mut PodSpec, node: &str) {
    let only = NodeSelectorRequirement { key: "metadata.name".into(), operator: "In".into(), values: Some(vec![node.into()]) };
    let term = NodeSelectorTerm { match_fields: Some(vec![only]), ..Default::default() };
    let affinity = spec.affinity.get_or_insert_default().node_affinity.get_or_insert_default();
    affinity.required_during_scheduling_ignored_during_execution = Some(NodeSelector { node_selector_terms: vec![term] });
}

/// The node a pod is on, or is meant for.
pub fn node_of(pod: &Pod) -> Option<&str> {
    let spec = pod.spec.as_ref()?;
    let assigned = spec.node_name.as_deref().filter(|n| !n.is_empty());
    assigned.or_else(|| {
        let required = spec.affinity.as_ref()?.node_affinity.as_ref()?.required_during_scheduling_ignored_during_execution.as_ref()?;
        let mut fields = required.node_selector_terms.iter().flat_map(|t| t.match_fields.iter().flatten());
        fields.find(|f| f.key == "metadata.name")?.values.as_ref()?.first().map(String::as_str)
    })
}

/// Whether a pod has been assigned to its node.
pub fn is_assigned(pod: &Pod) -> bool {
    pod.spec.as_ref().and_then(|s| s.node_name.as_deref()).is_some_and(|n| !n.is_empty())
}

/// The order in which pods of one node are kept: assigned ones, then old ones.
pub fn seniority(pod: &Pod) -> (bool, SimTime, String) {
    let created = pod.metadata.creation_timestamp.as_ref().map_or(SimTime(u64::MAX), SimTime::from_time);
    (!is_assigned(pod), created, pod.metadata.name.clone().unwrap_or_default())
}

/// The revision a pod was made from.
pub fn hash_of(pod: &Pod) -> &str {
    pod.metadata.labels.as_ref().and_then(|l| l.get(HASH)).map_or("", String::as_str)
}
