//! NodePorts: a host port can be had once on a node, per protocol and address.

use crate::kube_scheduler::framework::{Plugin, Rejection, Verdict};
use crate::kube_scheduler::node_info::NodeInfo;
use crate::kube_scheduler::pod_info::PodInfo;

/// Refuses nodes where a port is taken.
pub fn filter(pod: &PodInfo, node: &NodeInfo) -> Verdict {
    if pod.host_ports.iter().any(|wanted| node.ports.iter().any(|taken| wanted.conflicts_with(taken))) {
        return Err(Rejection::new(Plugin::NodePorts, "node(s) didn't have free ports for the requested pod ports"));
    }
    Ok(())
}
