//! What a pod that fits nowhere is told. Source: pkg/scheduler/framework/types.go (FitError).

use std::collections::BTreeMap;

use crate::trace::NodeVerdict;

/// `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s). preemption: …`
pub fn unschedulable(nodes: usize, prefilter: Option<&str>, verdicts: &[NodeVerdict]) -> String {
    if nodes == 0 {
        return "no nodes available to schedule pods".into();
    }
    if let Some(text) = prefilter {
        return format!(
            "0/{nodes} nodes are available: {text}. preemption: 0/{nodes} nodes are available: {nodes} Preemption is not helpful for scheduling."
        );
    }
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut helpless, mut victimless) = (0, 0);
    for (plugin, texts) in verdicts.iter().filter_map(|v| v.rejected.as_ref()) {
        texts.iter().for_each(|t| *reasons.entry(t).or_insert(0) += 1);
        if matches!(&**plugin, "NodeResourcesFit" | "NodePorts") { victimless += 1 } else { helpless += 1 }
    }
    let mut lines: Vec<String> = reasons.iter().map(|(text, count)| format!("{count} {text}")).collect();
    lines.sort();
    let mut preemption: Vec<String> = Vec::new();
    if victimless > 0 {
        preemption.push(format!("{victimless} No preemption victims found for incoming pod"));
    }
    if helpless > 0 {
        preemption.push(format!("{helpless} Preemption is not helpful for scheduling"));
    }
    preemption.sort();
    format!("0/{nodes} nodes are available: {}. preemption: 0/{nodes} nodes are available: {}.", lines.join(", "), preemption.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_counted_and_sorted_as_texts() {
        let verdict = |plugin: &str, text: &str| NodeVerdict { rejected: Some((plugin.into(), vec![text.into()])), ..Default::default() };
        let verdicts = [
            verdict("TaintToleration", "node(s) had untolerated taint(s)"),
            verdict("NodeResourcesFit", "Insufficient cpu"),
            verdict("NodeResourcesFit", "Insufficient cpu"),
        ];
        assert_eq!(
            unschedulable(3, None, &verdicts),
            "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu. preemption: 0/3 nodes are available: 1 Preemption is not helpful for scheduling, 2 No preemption victims found for incoming pod."
        );
    }
}
