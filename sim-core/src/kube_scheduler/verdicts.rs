//! What a try came to, as the trace keeps it: the verdict of every node of a small cluster, of the best few of a large one.

use super::cache::SchedulerCache;
use super::cycle::Search;
use super::node_info::Slot;
use super::queue::QueuedPod;
use crate::trace::{NodeVerdict, SchedulingDecision};

/// So many nodes are kept of a large cluster.
const KEPT_OF_MANY: usize = 3;

/// The decision as data.
pub fn decision(queued: &QueuedPod, found: &Search, cache: &SchedulerCache, nodes_max: usize, message: String) -> SchedulingDecision {
    let all = found.feasible.len() + found.rejected.len() <= nodes_max;
    SchedulingDecision {
        pod: queued.info.key.path(),
        attempt: queued.attempts,
        nodes_total: cache.node_count() as u32,
        nodes_examined: (found.feasible.len() + found.rejected.len()) as u32,
        nodes_feasible: found.feasible.len() as u32,
        nodes: if all { every_node(found, cache) } else { best_nodes(found, cache) },
        chosen: found.chosen.map(|slot| cache.nodes[slot as usize].name.clone()),
        message,
        preemption: None,
    }
}

fn every_node(found: &Search, cache: &SchedulerCache) -> Vec<NodeVerdict> {
    let accepted = found.feasible.iter().enumerate().map(|(i, slot)| (*slot, accepted(found, i, cache)));
    let rejected = found.rejected.iter().map(|(slot, rejection)| {
        let reasons = rejection.reasons().map(|r| r.to_string()).collect();
        let node = cache.nodes[*slot as usize].name.clone();
        (*slot, NodeVerdict { node, rejected: Some((rejection.plugin.name(), reasons)), scores: vec![] })
    });
    let mut all: Vec<(Slot, NodeVerdict)> = accepted.chain(rejected).collect();
    all.sort_by_key(|(slot, _)| *slot);
    all.into_iter().map(|(_, verdict)| verdict).collect()
}

fn best_nodes(found: &Search, cache: &SchedulerCache) -> Vec<NodeVerdict> {
    let mut best: Vec<usize> = Vec::with_capacity(KEPT_OF_MANY + 1);
    let total = |i: usize| (found.chosen == Some(found.feasible[i]), found.totals.get(i).copied().unwrap_or(0));
    for i in 0..found.feasible.len() {
        if best.len() == KEPT_OF_MANY && best.last().is_some_and(|last| total(i) <= total(*last)) {
            continue;
        }
        let at = best.iter().position(|j| total(i) > total(*j)).unwrap_or(best.len());
        best.insert(at, i);
        best.truncate(KEPT_OF_MANY);
    }
    best.into_iter().map(|i| accepted(found, i, cache)).collect()
}

fn accepted(found: &Search, index: usize, cache: &SchedulerCache) -> NodeVerdict {
    let score = |s: &super::framework::PluginScores| (s.plugin.name(), s.scores[index], s.plugin.weight());
    NodeVerdict {
        node: cache.nodes[found.feasible[index] as usize].name.clone(),
        rejected: None,
        scores: found.scores.iter().map(score).collect(),
    }
}
