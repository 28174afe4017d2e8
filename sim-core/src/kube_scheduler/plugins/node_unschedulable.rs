//! NodeUnschedulable: a cordoned node takes only pods that tolerate `node.kubernetes.io/unschedulable`.

use k8s_openapi::api::core::v1::Taint;

use crate::kube_scheduler::framework::{Plugin, Rejection, Verdict};
use crate::kube_scheduler::node_info::NodeInfo;
use crate::kube_scheduler::pod_info::PodInfo;
use crate::kube_scheduler::selectors::tolerates;

/// Refuses cordoned nodes.
pub fn filter(pod: &PodInfo, node: &NodeInfo) -> Verdict {
    if !node.is_unschedulable() || tolerates_cordon(pod) {
        return Ok(());
    }
    Err(Rejection::unresolvable(Plugin::NodeUnschedulable, "node(s) were unschedulable"))
}

/// Whether a pod may go to a cordoned node.
pub fn tolerates_cordon(pod: &PodInfo) -> bool {
    let cordon = Taint { key: "node.kubernetes.io/unschedulable".to_owned(), effect: "NoSchedule".to_owned(), ..Taint::default() };
    pod.tolerations().iter().any(|t| tolerates(t, &cordon))
}
