//! NodePorts: a host port is given once.

use super::PodFacts;
use crate::kube_scheduler::node_info::NodeInfo;

pub fn filter(facts: &PodFacts, node: &NodeInfo) -> Option<&'static str> {
    facts.ports.iter().any(|p| node.uses_port(p)).then_some("node(s) didn't have free ports for the requested pod ports")
}
