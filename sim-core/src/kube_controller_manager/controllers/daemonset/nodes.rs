//! On which nodes a daemon set's pods belong. Source: `NodeShouldRunDaemonPod` in pkg/controller/daemon.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{Node, NodeSelectorRequirement, NodeSelectorTerm, PodSpec, Taint, Toleration};
use sim_apimachinery::selector::{Operator, Requirement};

use super::pods::tolerations;

/// What a daemon set does on a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fit {
    /// A pod is made there.
    pub run: bool,
    /// A pod that is there stays.
    pub stay: bool,
}

/// How a daemon set and a node fit.
pub fn fit(set: &DaemonSet, node: &Node) -> Fit {
    let spec = set.spec.as_ref().and_then(|s| s.template.spec.clone()).unwrap_or_default();
    let name = node.metadata.name.as_deref().unwrap_or_default();
    let named = spec.node_name.as_deref().filter(|n| !n.is_empty());
    if named.is_some_and(|n| n != name) || !admits(&spec, node, name) {
        return Fit::default();
    }
    let mut tolerated = spec.tolerations.clone().unwrap_or_default();
    tolerated.extend(tolerations(spec.host_network == Some(true)));
    let taints = || node.spec.iter().flat_map(|s| s.taints.iter().flatten());
    let free_of =
        |effects: &[&str]| taints().filter(|t| effects.contains(&t.effect.as_str())).all(|t| tolerated.iter().any(|o| tolerates(o, t)));
    Fit { run: free_of(&["NoSchedule", "NoExecute"]), stay: free_of(&["NoExecute"]) }
}

fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let text = |t: &Option<String>| t.clone().unwrap_or_default();
    let fits = |wanted: String, is: &str| wanted.is_empty() || wanted == is;
    fits(text(&toleration.effect), &taint.effect)
        && fits(text(&toleration.key), &taint.key)
        && (toleration.operator.as_deref() == Some("Exists") || text(&toleration.value) == text(&taint.value))
}

fn admits(spec: &PodSpec, node: &Node, name: &str) -> bool {
    let labels = node.metadata.labels.clone().unwrap_or_default();
    let required = spec
        .affinity
        .as_ref()
        .and_then(|a| a.node_affinity.as_ref())
        .and_then(|a| a.required_during_scheduling_ignored_during_execution.as_ref());
    spec.node_selector.iter().flatten().all(|(k, v)| labels.get(k) == Some(v))
        && required.is_none_or(|r| r.node_selector_terms.iter().any(|t| term_matches(t, &labels, name)))
}

fn term_matches(term: &NodeSelectorTerm, labels: &BTreeMap<String, String>, name: &str) -> bool {
    let expressions = term.match_expressions.as_deref().unwrap_or_default();
    let fields = term.match_fields.as_deref().unwrap_or_default();
    let named = BTreeMap::from([("metadata.name".to_owned(), name.to_owned())]);
    !(expressions.is_empty() && fields.is_empty())
        && expressions.iter().all(|r| requirement_holds(r, labels))
        && fields.iter().all(|r| requirement_holds(r, &named))
}

fn requirement_holds(requirement: &NodeSelectorRequirement, labels: &BTreeMap<String, String>) -> bool {
    let operator = match requirement.operator.as_str() {
        "In" => Operator::In,
        "NotIn" => Operator::NotIn,
        "Exists" => Operator::Exists,
        "DoesNotExist" => Operator::DoesNotExist,
        "Gt" => Operator::Gt,
        "Lt" => Operator::Lt,
        _ => return false,
    };
    Requirement::new(&requirement.key, operator, requirement.values.clone().unwrap_or_default()).matches(labels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn check(pod: Value, node: Value, run: bool, stay: bool) {
        let set: DaemonSet = serde_json::from_value(json!({"metadata": {}, "spec": {"selector": {}, "template": {"spec": pod}}})).unwrap();
        let node: Node = serde_json::from_value(node).unwrap();
        assert_eq!(fit(&set, &node), Fit { run, stay }, "{set:?} {node:?}");
    }

    #[test]
    fn taints_keep_pods_away_unless_they_tolerate_them() {
        let node = |key: &str, effect: &str| json!({"metadata": {"name": "a"}, "spec": {"taints": [{"key": key, "effect": effect}]}});
        check(json!({"containers": []}), json!({"metadata": {"name": "a"}}), true, true);
        check(json!({"containers": []}), node("own", "NoSchedule"), false, true);
        check(json!({"containers": []}), node("own", "NoExecute"), false, false);
        check(json!({"containers": []}), node("node.kubernetes.io/unschedulable", "NoSchedule"), true, true);
        check(json!({"containers": []}), node("node.kubernetes.io/network-unavailable", "NoSchedule"), false, true);
        check(json!({"containers": [], "tolerations": [{"operator": "Exists"}]}), node("own", "NoExecute"), true, true);
    }

    #[test]
    fn selectors_choose_nodes() {
        let ssd = json!({"metadata": {"name": "a", "labels": {"disk": "ssd"}}});
        check(json!({"containers": [], "nodeSelector": {"disk": "ssd"}}), ssd.clone(), true, true);
        check(json!({"containers": [], "nodeSelector": {"disk": "hdd"}}), ssd.clone(), false, false);
        let affinity = |name: &str| {
            let term = json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]});
            json!({"containers": [], "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}})
        };
        check(affinity("a"), ssd.clone(), true, true);
        check(affinity("b"), ssd, false, false);
    }
}
