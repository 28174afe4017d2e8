//! One scheduling cycle: from the pod to the node it should go to, or to the reasons why there is none.
//! It looks at the cache only and changes nothing but the place where the next search begins.
//! Source: pkg/scheduler/schedule_one.go. Filters run one after another here, so exactly as many nodes are found as wanted;
//! the sixteen workers of Kubernetes may find a few more.
//! Not modelled: extenders, reuse of a score list for pods that are alike (OpportunisticBatching).

use super::cache::SchedulerCache;
use super::config::SchedulerConfig;
use super::framework::{CycleState, PluginScores, Rejection, Verdict, run_filters, run_pre_filters, run_scores, update_state};
use super::messages;
use super::node_info::{NodeInfo, Slot};
use super::pod_info::PodInfo;
use super::queue::SchedulingQueue;

/// So many nodes are always enough to choose from, and fewer nodes are all looked at.
const FEASIBLE_NODES_MIN: usize = 100;

/// What a search came to.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// What plugins worked out about the pod.
    pub state: CycleState,
    /// The whole pod was refused before nodes were looked at.
    pub refused: Option<Rejection>,
    /// Nodes that were refused.
    pub rejected: Vec<(Slot, Rejection)>,
    /// Nodes that can take the pod.
    pub feasible: Vec<Slot>,
    /// Nodes left out because the pod names others.
    pub left_out: usize,
    /// Scores of the feasible nodes, if there was a choice.
    pub scores: Vec<PluginScores>,
    /// Weighted sums.
    pub totals: Vec<i64>,
    /// The choice.
    pub chosen: Option<Slot>,
}

/// Looks for a node for a pod. `start` is where the search begins in the order of nodes; it moves on.
pub fn search(pod: &PodInfo, cache: &mut SchedulerCache, queue: &SchedulingQueue, config: &SchedulerConfig, start: &mut usize) -> Search {
    let mut found = Search::default();
    cache.node_order();
    if cache.node_count() == 0 {
        return found;
    }
    match run_pre_filters(pod, cache) {
        Ok(state) => found.state = state,
        Err(rejection) => {
            found.refused = Some(rejection);
            return found;
        }
    }
    find_feasible(pod, cache, queue, config, start, &mut found);
    if found.feasible.len() > 1 {
        found.scores = run_scores(pod, &found.feasible, cache, config);
        found.totals = totals(&found.scores, found.feasible.len());
        found.chosen = Some(found.feasible[top_of_heap(&found.totals)]);
    } else {
        found.chosen = found.feasible.first().copied();
    }
    found
}

impl Search {
    /// The text of the failure.
    pub fn message(&self, nodes: usize) -> String {
        match &self.refused {
            _ if nodes == 0 => messages::NO_NODES.to_owned(),
            Some(rejection) => messages::pre_filter_error(nodes, rejection),
            None => messages::fit_error(nodes, self.rejected.iter().map(|(_, r)| r), self.left_out),
        }
    }
}

fn find_feasible(
    pod: &PodInfo,
    cache: &SchedulerCache,
    queue: &SchedulingQueue,
    config: &SchedulerConfig,
    start: &mut usize,
    found: &mut Search,
) {
    let nominated = queue.get(&pod.key).and_then(|p| p.nominated.clone());
    let node = nominated.and_then(|name| cache.node(&name));
    if let Some(node) = node.filter(|n| passes_with_nominated(&found.state, pod, n, cache, queue).is_ok()) {
        return found.feasible.push(node.slot);
    }
    let named: Option<Vec<Slot>> =
        found.state.only_nodes.as_ref().map(|names| names.iter().filter_map(|n| cache.node(n)).map(|n| n.slot).collect());
    let order: &[Slot] = named.as_deref().unwrap_or(cache.order());
    found.left_out = cache.node_count() - order.len();
    let wanted = nodes_to_find(order.len(), config.percentage_of_nodes_to_score);
    let mut examined = 0;
    while examined < order.len() && found.feasible.len() < wanted {
        let slot = order[(*start + examined) % order.len()];
        match passes_with_nominated(&found.state, pod, &cache.nodes[slot as usize], cache, queue) {
            Ok(()) => found.feasible.push(slot),
            Err(rejection) => found.rejected.push((slot, rejection)),
        }
        examined += 1;
    }
    *start = (*start + examined) % cache.node_count().max(1);
}

/// How many nodes are enough: all of a small cluster, a percentage of a large one, which shrinks as it grows.
pub fn nodes_to_find(nodes: usize, percentage: u64) -> usize {
    if nodes < FEASIBLE_NODES_MIN || percentage >= 100 {
        return nodes;
    }
    let adaptive = 50_usize.saturating_sub(nodes / 125).max(5);
    let percentage = if percentage == 0 { adaptive } else { percentage as usize };
    (nodes * percentage / 100).max(FEASIBLE_NODES_MIN)
}

/// Whether a node passes the filters; where pods of the same or higher priority are expected, with them and without.
pub fn passes_with_nominated(
    state: &CycleState,
    pod: &PodInfo,
    node: &NodeInfo,
    cache: &SchedulerCache,
    queue: &SchedulingQueue,
) -> Verdict {
    if queue.has_nominated() {
        let is_expected = |p: &&super::queue::QueuedPod| p.info.key != pod.key && p.info.priority >= pod.priority;
        let expected: Vec<_> = queue.nominated_on(&node.name).filter(is_expected).collect();
        if !expected.is_empty() {
            let (mut state, mut node) = (state.clone(), node.clone());
            for other in expected {
                node.add_pod(&other.info);
                update_state(&mut state, pod, &other.info, node.slot, 1, cache);
            }
            run_filters(&state, pod, &node, cache)?;
        }
    }
    run_filters(state, pod, node, cache)
}

fn totals(scores: &[PluginScores], nodes: usize) -> Vec<i64> {
    let mut totals = vec![0; nodes];
    for plugin in scores {
        for (total, score) in totals.iter_mut().zip(&plugin.scores) {
            *total += score * plugin.plugin.weight();
        }
    }
    totals
}

/// The index that a heap of the totals, the largest first, has at its top: among equals this is not always the first.
fn top_of_heap(totals: &[i64]) -> usize {
    let mut heap: Vec<usize> = (0..totals.len()).collect();
    for root in (0..heap.len() / 2).rev() {
        let mut at = root;
        loop {
            let left = 2 * at + 1;
            if left >= heap.len() {
                break;
            }
            let is_right = left + 1 < heap.len() && totals[heap[left + 1]] > totals[heap[left]];
            let child = if is_right { left + 1 } else { left };
            if totals[heap[child]] <= totals[heap[at]] {
                break;
            }
            heap.swap(at, child);
            at = child;
        }
    }
    heap.first().copied().unwrap_or(0)
}
