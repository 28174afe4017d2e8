//! TaintToleration: nodes whose taints a pod does not tolerate are out; those with fewer untolerated wishes score higher.

use k8s_openapi::api::core::v1::Toleration;

use super::PodFacts;
use crate::kube_scheduler::node_info::NodeInfo;

/// Whether any of the tolerations tolerates a taint.
pub fn tolerated(tolerations: &[Toleration], key: &str, value: &str, effect: &str) -> bool {
    tolerations.iter().any(|t| {
        let own = |text: &Option<String>| text.clone().unwrap_or_default();
        let effect_matches = own(&t.effect).is_empty() || own(&t.effect) == effect;
        let key_matches = own(&t.key).is_empty() || own(&t.key) == key;
        let value_matches = t.operator.as_deref() == Some("Exists") || !own(&t.key).is_empty() && own(&t.value) == value;
        effect_matches && key_matches && value_matches
    })
}

fn untolerated(facts: &PodFacts, node: &NodeInfo, effects: &[&str]) -> usize {
    let taints = node.node.spec.iter().flat_map(|s| s.taints.iter().flatten());
    taints
        .filter(|t| effects.contains(&t.effect.as_str()))
        .filter(|t| !tolerated(&facts.tolerations, &t.key, t.value.as_deref().unwrap_or_default(), &t.effect))
        .count()
}

pub fn filter(facts: &PodFacts, node: &NodeInfo) -> Option<&'static str> {
    (untolerated(facts, node, &["NoSchedule", "NoExecute"]) > 0).then_some("node(s) had untolerated taint(s)")
}

pub fn scores(facts: &PodFacts, nodes: &[&NodeInfo]) -> Vec<i64> {
    let counts: Vec<i64> = nodes.iter().map(|n| untolerated(facts, n, &["PreferNoSchedule"]) as i64).collect();
    let most = counts.iter().copied().max().unwrap_or(0);
    counts.iter().map(|count| if most == 0 { 100 } else { 100 - 100 * count / most }).collect()
}
