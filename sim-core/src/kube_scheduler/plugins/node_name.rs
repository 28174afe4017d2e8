//! NodeName: a pod that names its node goes there and nowhere else.

use crate::kube_scheduler::framework::{Plugin, Rejection, Verdict};
use crate::kube_scheduler::node_info::NodeInfo;
use crate::kube_scheduler::pod_info::PodInfo;

/// Refuses every node but the one named.
pub fn filter(pod: &PodInfo, node: &NodeInfo) -> Verdict {
    match pod.node_name() {
        Some(name) if name != &*node.name => Err(Rejection::unresolvable(Plugin::NodeName, "node(s) didn't match the requested node name")),
        _ => Ok(()),
    }
}
