//! NodeUnschedulable: a cordoned node takes no pods, unless they tolerate its taint.

use super::PodFacts;
use super::taint_toleration::tolerated;
use crate::kube_scheduler::node_info::NodeInfo;

pub fn filter(facts: &PodFacts, node: &NodeInfo) -> Option<&'static str> {
    let cordoned = node.node.spec.as_ref().and_then(|s| s.unschedulable) == Some(true);
    (cordoned && !tolerated(&facts.tolerations, "node.kubernetes.io/unschedulable", "", "NoSchedule"))
        .then_some("node(s) were unschedulable")
}
