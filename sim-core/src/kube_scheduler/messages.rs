//! The texts of failures, to the letter. Source: pkg/scheduler/framework/types.go (FitError), schedule_one.go.

use std::collections::BTreeMap;

use super::framework::Rejection;

/// There is no node at all.
pub const NO_NODES: &str = "no nodes available to schedule pods";
/// Why a node is refused for preemption where removing pods cannot help.
pub const NOT_HELPFUL: &str = "Preemption is not helpful for scheduling";
/// Why a node is refused for preemption where no pods can be removed.
pub const NO_VICTIMS: &str = "No preemption victims found for incoming pod";

/// `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s).`
pub fn fit_error<'a>(nodes: usize, rejections: impl Iterator<Item = &'a Rejection>, left_out: usize) -> String {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for rejection in rejections {
        for reason in rejection.reasons() {
            *reasons.entry(reason).or_insert(0) += 1;
        }
    }
    if left_out > 0 {
        *reasons.entry("node(s) didn't satisfy plugin(s) [NodeAffinity]").or_insert(0) += left_out;
    }
    counted(nodes, reasons)
}

/// The same form for reasons that are counted already; the parts are sorted as texts, so 10 comes before 2.
pub fn counted(nodes: usize, reasons: BTreeMap<&str, usize>) -> String {
    let mut parts: Vec<String> = reasons.into_iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    parts.sort();
    if parts.is_empty() {
        return format!("0/{nodes} nodes are available:");
    }
    format!("0/{nodes} nodes are available: {}.", parts.join(", "))
}

/// The whole pod was refused before nodes were looked at.
pub fn pre_filter_error(nodes: usize, rejection: &Rejection) -> String {
    format!("0/{nodes} nodes are available: {}.", rejection.reason)
}
