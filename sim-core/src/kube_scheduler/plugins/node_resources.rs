//! NodeResourcesFit and NodeResourcesBalancedAllocation: what a node has left, and how evenly it would be used.

use super::PodFacts;
use crate::kube_scheduler::node_info::NodeInfo;

pub fn filter(facts: &PodFacts, node: &NodeInfo) -> Option<Vec<String>> {
    let mut reasons = Vec::new();
    if node.count() + 1 > node.pods_max {
        reasons.push("Too many pods".to_owned());
    }
    let wanted = &facts.requested;
    if wanted.cpu > 0 && wanted.cpu > node.allocatable.cpu - node.requested.cpu {
        reasons.push("Insufficient cpu".into());
    }
    if wanted.memory > 0 && wanted.memory > node.allocatable.memory - node.requested.memory {
        reasons.push("Insufficient memory".into());
    }
    for (name, amount) in wanted.other.iter().filter(|(_, a)| **a > 0) {
        let free = node.allocatable.other.get(name).copied().unwrap_or(0) - node.requested.other.get(name).copied().unwrap_or(0);
        if *amount > free {
            reasons.push(format!("Insufficient {name}"));
        }
    }
    (!reasons.is_empty()).then_some(reasons)
}

/// LeastAllocated: the more is left, the better.
pub fn least_allocated(facts: &PodFacts, node: &NodeInfo) -> i64 {
    let left = |capacity: i64, asked: i64| if capacity == 0 || asked > capacity { 0 } else { (capacity - asked) * 100 / capacity };
    let cpu = left(node.allocatable.cpu, node.nonzero.0 + facts.nonzero.0);
    let memory = left(node.allocatable.memory, node.nonzero.1 + facts.nonzero.1);
    (cpu + memory) / 2
}

/// In millionths: how far apart the used shares of CPU and memory are, halved.
fn spread(cpu: i64, memory: i64, node: &NodeInfo) -> i64 {
    let share = |asked: i64, capacity: i64| {
        if capacity == 0 { 1_000_000 } else { (i128::from(asked) * 1_000_000 / i128::from(capacity)).min(1_000_000) as i64 }
    };
    (share(cpu, node.allocatable.cpu) - share(memory, node.allocatable.memory)).abs() / 2
}

/// Whether the pod would make the node's use more even: 75 when it makes no difference (the form of 1.36).
pub fn balanced(facts: &PodFacts, node: &NodeInfo) -> i64 {
    if facts.requested.cpu == 0 && facts.requested.memory == 0 {
        return 0;
    }
    let before = spread(node.requested.cpu, node.requested.memory, node);
    let after = spread(node.requested.cpu + facts.requested.cpu, node.requested.memory + facts.requested.memory, node);
    // b(x) is 100 · (1 − spread); the score 50 + (50 + b(with) − b(without)) / 2.
    let difference = (before - after) * 100;
    (75 * 1_000_000 + difference / 2) / 1_000_000
}
