//! NodeAffinity: a pod's node selector and required node affinity must be met; its preferences count for a node.
//! A pod whose affinity names nodes (as a DaemonSet's pods do) is only tried on those.
//! Source: pkg/scheduler/framework/plugins/nodeaffinity. Not modelled: affinity added by the scheduler's configuration.

use std::collections::BTreeSet;

use sim_apimachinery::selector::Operator;

use crate::kube_scheduler::cache::SchedulerCache;
use crate::kube_scheduler::framework::{Plugin, Rejection, Verdict, normalize};
use crate::kube_scheduler::node_info::{NodeInfo, Slot};
use crate::kube_scheduler::pod_info::PodInfo;

/// The nodes the pod can be on by the names its affinity gives; `None` if any.
pub fn pre_filter(pod: &PodInfo) -> Result<Option<Vec<String>>, Rejection> {
    let Some(terms) = &pod.node_wishes.required else { return Ok(None) };
    let mut names = BTreeSet::new();
    for term in terms {
        let mut of_term: Option<BTreeSet<String>> = None;
        for requirement in term.names.iter().filter(|r| r.operator == Operator::In) {
            let values = requirement.values.iter().cloned().collect();
            of_term = Some(of_term.map_or(values, |had| had.into_iter().filter(|n| requirement.values.contains(n)).collect()));
        }
        match of_term {
            Some(found) => names.extend(found),
            None => return Ok(None),
        }
    }
    if names.is_empty() && !terms.is_empty() {
        return Err(Rejection::unresolvable(Plugin::NodeAffinity, "pod affinity terms conflict"));
    }
    Ok((!names.is_empty()).then(|| names.into_iter().collect()))
}

/// Refuses nodes that the selector or the required affinity does not admit.
pub fn filter(pod: &PodInfo, node: &NodeInfo) -> Verdict {
    if admits(pod, node) {
        return Ok(());
    }
    Err(Rejection::unresolvable(Plugin::NodeAffinity, "node(s) didn't match Pod's node affinity/selector"))
}

/// Whether the pod's selector and required affinity admit a node.
pub fn admits(pod: &PodInfo, node: &NodeInfo) -> bool {
    let selector = pod.pod.spec.as_ref().and_then(|s| s.node_selector.as_ref());
    selector.into_iter().flatten().all(|(k, v)| node.labels().get(k) == Some(v))
        && pod.node_wishes.required.as_ref().is_none_or(|terms| terms.iter().any(|t| t.matches(node.labels(), &node.name)))
}

/// Whether the pod neither has a selector nor requires any affinity.
pub fn admits_all(pod: &PodInfo) -> bool {
    let selector = pod.pod.spec.as_ref().and_then(|s| s.node_selector.as_ref());
    pod.node_wishes.required.is_none() && selector.is_none_or(std::collections::BTreeMap::is_empty)
}

/// The sum of the weights of the preferences a node meets; `None` if the pod has none.
pub fn score(pod: &PodInfo, nodes: &[Slot], cache: &SchedulerCache) -> Option<Vec<i64>> {
    let wishes = &pod.node_wishes.preferred;
    if wishes.is_empty() {
        return None;
    }
    let of_node = |node: &NodeInfo| wishes.iter().filter(|(_, t)| t.matches(node.labels(), &node.name)).map(|(w, _)| w).sum();
    let mut scores: Vec<i64> = nodes.iter().map(|s| of_node(&cache.nodes[*s as usize])).collect();
    normalize(&mut scores, false);
    Some(scores)
}
