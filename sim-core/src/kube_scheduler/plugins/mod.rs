//! The plugins, one file each, in the order the default profile calls them.

mod image_locality;
mod node_affinity;
mod node_ports;
mod node_resources;
mod node_unschedulable;
mod taint_toleration;

use k8s_openapi::api::core::v1::{Pod, Toleration};

use super::node_info::{NodeInfo, Resources, host_ports, nonzero};

/// What is worked out once for a pod, not for every node.
pub struct PodFacts {
    pub requested: Resources,
    pub nonzero: (i64, i64),
    pub ports: Vec<(String, i32)>,
    pub tolerations: Vec<Toleration>,
}

impl PodFacts {
    pub fn of(pod: &Pod) -> Self {
        PodFacts {
            requested: Resources::requested_by(pod),
            nonzero: nonzero(pod),
            ports: host_ports(pod),
            tolerations: pod.spec.as_ref().and_then(|s| s.tolerations.clone()).unwrap_or_default(),
        }
    }
}

/// The first plugin that refuses the node, with its reasons.
pub fn filter(facts: &PodFacts, pod: &Pod, node: &NodeInfo) -> Option<(&'static str, Vec<String>)> {
    let one = |plugin: &'static str, reason: Option<&'static str>| reason.map(|r| (plugin, vec![r.to_owned()]));
    one("NodeUnschedulable", node_unschedulable::filter(facts, node))
        .or_else(|| one("NodeName", node_name(pod, node)))
        .or_else(|| one("TaintToleration", taint_toleration::filter(facts, node)))
        .or_else(|| one("NodeAffinity", node_affinity::filter(pod, node)))
        .or_else(|| one("NodePorts", node_ports::filter(facts, node)))
        .or_else(|| node_resources::filter(facts, node).map(|reasons| ("NodeResourcesFit", reasons)))
}

fn node_name(pod: &Pod, node: &NodeInfo) -> Option<&'static str> {
    let wanted = pod.spec.as_ref().and_then(|s| s.node_name.as_deref()).filter(|n| !n.is_empty())?;
    (node.node.metadata.name.as_deref() != Some(wanted)).then_some("node(s) didn't match the requested node name")
}

/// Per node: plugin, score 0..=100, weight.
pub fn score(facts: &PodFacts, pod: &Pod, nodes: &[&NodeInfo], all_nodes: usize) -> Vec<Vec<(&'static str, i64, i64)>> {
    let taints = taint_toleration::scores(facts, nodes);
    let affinity = node_affinity::scores(pod, nodes);
    let locality = image_locality::scores(pod, nodes, all_nodes);
    nodes
        .iter()
        .enumerate()
        .map(|(index, node)| {
            vec![
                ("TaintToleration", taints[index], 3),
                ("NodeAffinity", affinity[index], 2),
                ("NodeResourcesFit", node_resources::least_allocated(facts, node), 1),
                ("NodeResourcesBalancedAllocation", node_resources::balanced(facts, node), 1),
                ("ImageLocality", locality[index], 1),
            ]
        })
        .collect()
}
