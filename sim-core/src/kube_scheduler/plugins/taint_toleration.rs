//! TaintToleration: a node's `NoSchedule` and `NoExecute` taints must be tolerated; its `PreferNoSchedule` taints count
//! against it. Source: pkg/scheduler/framework/plugins/tainttoleration.

use k8s_openapi::api::core::v1::Taint;

use crate::kube_scheduler::cache::SchedulerCache;
use crate::kube_scheduler::framework::{Plugin, Rejection, Verdict, normalize};
use crate::kube_scheduler::node_info::{NodeInfo, Slot};
use crate::kube_scheduler::pod_info::PodInfo;
use crate::kube_scheduler::selectors::tolerates;

/// Refuses nodes with a taint the pod does not tolerate.
pub fn filter(pod: &PodInfo, node: &NodeInfo) -> Verdict {
    if node.taints().is_empty() || tolerates_all(pod, node.taints()) {
        return Ok(());
    }
    Err(Rejection::unresolvable(Plugin::TaintToleration, "node(s) had untolerated taint(s)"))
}

/// Whether a pod tolerates the taints that keep pods away.
pub fn tolerates_all(pod: &PodInfo, taints: &[Taint]) -> bool {
    let keeps_away = |t: &&Taint| t.effect == "NoSchedule" || t.effect == "NoExecute";
    taints.iter().filter(keeps_away).all(|taint| pod.tolerations().iter().any(|t| tolerates(t, taint)))
}

/// The fewer `PreferNoSchedule` taints the pod does not tolerate, the better.
pub fn score(pod: &PodInfo, nodes: &[Slot], cache: &SchedulerCache) -> Vec<i64> {
    let mut scores: Vec<i64> = nodes.iter().map(|s| intolerable(pod, cache.nodes[*s as usize].taints())).collect();
    normalize(&mut scores, true);
    scores
}

fn intolerable(pod: &PodInfo, taints: &[Taint]) -> i64 {
    let counts = |t: &&k8s_openapi::api::core::v1::Toleration| matches!(t.effect.as_deref(), None | Some("" | "PreferNoSchedule"));
    let tolerated = |taint: &Taint| pod.tolerations().iter().filter(counts).any(|t| tolerates(t, taint));
    taints.iter().filter(|t| t.effect == "PreferNoSchedule" && !tolerated(t)).count() as i64
}
