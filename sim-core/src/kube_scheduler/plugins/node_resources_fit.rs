//! NodeResourcesFit: what a pod asks for must be left on the node; the more is left, the better (LeastAllocated over CPU
//! and memory). Source: pkg/scheduler/framework/plugins/noderesources/{fit,least_allocated}.go.
//! Not modelled: the strategies MostAllocated and RequestedToCapacityRatio, ignored extended resources.

use std::borrow::Cow;

use crate::kube_scheduler::framework::{Plugin, Rejection, Verdict};
use crate::kube_scheduler::node_info::NodeInfo;
use crate::kube_scheduler::pod_info::PodInfo;

/// Refuses nodes that lack a resource, and says which.
pub fn filter(pod: &PodInfo, node: &NodeInfo) -> Verdict {
    let mut lacking = Lacking::default();
    if node.pods.len() as i64 + 1 > node.allocatable.pods {
        lacking.reasons.push("Too many pods".into());
    }
    let (wanted, taken, there) = (&pod.requests, &node.requested, &node.allocatable);
    lacking.check("Insufficient cpu", wanted.milli_cpu, taken.milli_cpu, there.milli_cpu);
    lacking.check("Insufficient memory", wanted.memory, taken.memory, there.memory);
    lacking.check("Insufficient ephemeral-storage", wanted.ephemeral_storage, taken.ephemeral_storage, there.ephemeral_storage);
    for (name, amount) in &wanted.extended {
        let of = |r: &crate::kube_scheduler::resources::Resources| r.extended.get(name).copied().unwrap_or(0);
        if *amount > 0 && *amount > of(there) - of(taken) {
            lacking.unresolvable |= *amount > of(there);
            lacking.reasons.push(format!("Insufficient {name}").into());
        }
    }
    let mut reasons = lacking.reasons.into_iter();
    match reasons.next() {
        None => Ok(()),
        Some(reason) => {
            let unresolvable = lacking.unresolvable;
            Err(Rejection { plugin: Plugin::NodeResourcesFit, unresolvable, reason, more: reasons.collect() })
        }
    }
}

#[derive(Default)]
struct Lacking {
    reasons: Vec<Cow<'static, str>>,
    unresolvable: bool,
}

impl Lacking {
    fn check(&mut self, reason: &'static str, wanted: i64, taken: i64, there: i64) {
        if wanted > 0 && wanted > there - taken {
            self.unresolvable |= wanted > there;
            self.reasons.push(reason.into());
        }
    }
}

/// The share of CPU and memory that is left with the pod on the node, 0 to 100.
pub fn score(pod: &PodInfo, node: &NodeInfo) -> i64 {
    let (there, taken) = (&node.allocatable, node.nonzero);
    let resources = [(there.milli_cpu, taken.0 + pod.nonzero.0), (there.memory, taken.1 + pod.nonzero.1)];
    let counted = resources.iter().filter(|(there, _)| *there > 0);
    let (sum, weights) = counted.fold((0, 0), |(sum, n), (there, taken)| (sum + least_allocated(*taken, *there), n + 1));
    if weights == 0 { 0 } else { sum / weights }
}

fn least_allocated(taken: i64, there: i64) -> i64 {
    if taken > there {
        return 0;
    }
    let left = there - taken;
    left.checked_mul(100).map_or_else(|| left / (there / 100), |hundredfold| hundredfold / there)
}
