//! NodeAffinity: node selectors and required terms are filters, preferred terms are scores.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{NodeSelectorRequirement, NodeSelectorTerm, Pod};
use sim_apimachinery::selector::{Operator, Requirement};

use crate::kube_scheduler::node_info::NodeInfo;

const REFUSED: &str = "node(s) didn't match Pod's node affinity/selector";

pub fn filter(pod: &Pod, node: &NodeInfo) -> Option<&'static str> {
    let spec = pod.spec.as_ref()?;
    let nothing = BTreeMap::new();
    let labels = node.node.metadata.labels.as_ref().unwrap_or(&nothing);
    if spec.node_selector.iter().flatten().any(|(k, v)| labels.get(k) != Some(v)) {
        return Some(REFUSED);
    }
    let required = spec.affinity.as_ref()?.node_affinity.as_ref()?.required_during_scheduling_ignored_during_execution.as_ref()?;
    (!required.node_selector_terms.iter().any(|t| term_matches(t, node))).then_some(REFUSED)
}

fn term_matches(term: &NodeSelectorTerm, node: &NodeInfo) -> bool {
    let nothing = BTreeMap::new();
    let labels = node.node.metadata.labels.as_ref().unwrap_or(&nothing);
    let name = node.node.metadata.name.as_deref().unwrap_or_default();
    let expressions = term.match_expressions.as_deref().unwrap_or_default();
    let fields = term.match_fields.as_deref().unwrap_or_default();
    let any = !expressions.is_empty() || !fields.is_empty();
    any && expressions.iter().all(|e| meets(e, labels.get(&e.key).map(String::as_str)))
        && fields.iter().all(|f| f.key == "metadata.name" && meets(f, Some(name)))
}

fn meets(expression: &NodeSelectorRequirement, value: Option<&str>) -> bool {
    let operator = match expression.operator.as_str() {
        "In" => Operator::In,
        "NotIn" => Operator::NotIn,
        "Exists" => Operator::Exists,
        "DoesNotExist" => Operator::DoesNotExist,
        "Gt" => Operator::Gt,
        "Lt" => Operator::Lt,
        _ => return false,
    };
    Requirement::new(&expression.key, operator, expression.values.clone().unwrap_or_default()).admits(value)
}

pub fn scores(pod: &Pod, nodes: &[&NodeInfo]) -> Vec<i64> {
    let preferred = pod.spec.as_ref().and_then(|s| s.affinity.as_ref()).and_then(|a| a.node_affinity.as_ref());
    let terms = preferred.and_then(|n| n.preferred_during_scheduling_ignored_during_execution.clone()).unwrap_or_default();
    let sums: Vec<i64> =
        nodes.iter().map(|n| terms.iter().filter(|t| term_matches(&t.preference, n)).map(|t| i64::from(t.weight)).sum()).collect();
    let most = sums.iter().copied().max().unwrap_or(0);
    sums.iter().map(|sum| if most == 0 { 0 } else { 100 * sum / most }).collect()
}
