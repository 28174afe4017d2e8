//! Labels of nodes that have better ones now. Source: pkg/api/node/util.go.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

/// What to say of a label that is deprecated.
pub fn deprecated(label: &str) -> Option<&'static str> {
    Some(match label {
        "beta.kubernetes.io/arch" => "deprecated since v1.14; use \"kubernetes.io/arch\" instead",
        "beta.kubernetes.io/os" => "deprecated since v1.14; use \"kubernetes.io/os\" instead",
        "failure-domain.beta.kubernetes.io/region" => "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead",
        "failure-domain.beta.kubernetes.io/zone" => "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead",
        "beta.kubernetes.io/instance-type" => "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead",
        "app.kubernetes.io/created-by" => "deprecated since v1.9",
        "scheduler.alpha.kubernetes.io/preferAvoidPods" => "deprecated since v1.22; use Taints and Tolerations instead",
        "node-role.kubernetes.io/master" => "use \"node-role.kubernetes.io/control-plane\" instead",
        _ => return None,
    })
}

/// What to warn of in a selector of nodes that is this field.
pub fn of_selector(selector: &LabelSelector, field: &str) -> Vec<String> {
    let expressions = selector.match_expressions.iter().flatten().enumerate();
    let named = expressions
        .filter_map(|(index, e)| deprecated(&e.key).map(|why| format!("{field}.matchExpressions[{index}].key: {} is {why}", e.key)));
    let labels = selector.match_labels.iter().flatten();
    named.chain(labels.filter_map(|(l, _)| deprecated(l).map(|why| format!("{field}.matchLabels.{l}: {why}")))).collect()
}
