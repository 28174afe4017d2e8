//! NodeResourcesBalancedAllocation: the better a pod evens out the use of CPU and memory on a node, the better; since
//! v1.36 the score says how much the balance changes. Source: plugins/noderesources/balanced_allocation.go.

use crate::kube_scheduler::node_info::NodeInfo;
use crate::kube_scheduler::pod_info::PodInfo;

/// Whether it has nothing to say: the pod asks for neither CPU nor memory.
pub fn skips(pod: &PodInfo) -> bool {
    pod.requests.milli_cpu == 0 && pod.requests.memory == 0
}

/// 75 when the balance stays, more when it gets better, less when it gets worse.
pub fn score(pod: &PodInfo, node: &NodeInfo) -> i64 {
    let (there, taken) = (&node.allocatable, &node.requested);
    let without = [(taken.milli_cpu, there.milli_cpu), (taken.memory, there.memory)];
    let with = [(taken.milli_cpu + pod.requests.milli_cpu, there.milli_cpu), (taken.memory + pod.requests.memory, there.memory)];
    50 + (50 + balance(with) - balance(without)) / 2
}

/// How even the shares are, 0 to 100.
fn balance(resources: [(i64, i64); 2]) -> i64 {
    let share = |(taken, there): (i64, i64)| (taken as f64 / there as f64).min(1.0);
    let deviation = match resources {
        [(_, a), (_, b)] if a > 0 && b > 0 => ((share(resources[0]) - share(resources[1])) / 2.0).abs(),
        _ => 0.0,
    };
    ((1.0 - deviation) * 100.0) as i64
}
