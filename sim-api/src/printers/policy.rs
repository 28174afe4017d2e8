//! Rows of who may do what, of admission, and of flow control.

use serde_json::{Value, json};

use super::view::{View, cells};

pub(super) fn cells(name: &str, object: View<'_>) -> Option<Vec<Value>> {
    Some(match name {
        "RoleBinding" | "ClusterRoleBinding" => role_binding(object),
        "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => {
            cells![object.name(), object.count("webhooks"), object.age()]
        }
        "ValidatingAdmissionPolicy" => admission_policy(object, "spec.validations"),
        "MutatingAdmissionPolicy" => admission_policy(object, "spec.mutations"),
        "ValidatingAdmissionPolicyBinding" | "MutatingAdmissionPolicyBinding" => {
            cells![object.name(), object.text("spec.policyName"), parameters(object), object.age()]
        }
        "PriorityClass" => priority_class(object),
        "FlowSchema" => flow_schema(object),
        "PriorityLevelConfiguration" => priority_level(object),
        _ => return None,
    })
}

fn role_binding(object: View<'_>) -> Vec<Value> {
    let subjects = |kind: &'static str| object.list("subjects").filter(move |subject| subject.text("kind") == kind);
    let names = |kind: &'static str| subjects(kind).map(|subject| subject.text("name")).collect::<Vec<_>>().join(", ");
    let accounts = subjects("ServiceAccount").map(|subject| format!("{}/{}", subject.text("namespace"), subject.text("name")));
    let accounts = accounts.collect::<Vec<_>>().join(", ");
    let role = format!("{}/{}", object.text("roleRef.kind"), object.text("roleRef.name"));
    cells![object.name(), role, object.age(), names("User"), names("Group"), accounts]
}

fn admission_policy(object: View<'_>, rules: &str) -> Vec<Value> {
    let kind = object
        .get("spec.paramKind")
        .map_or_else(|| "<unset>".to_owned(), |kind| format!("{}/{}", kind.text("apiVersion"), kind.text("kind")));
    cells![object.name(), object.count(rules), kind, object.age()]
}

fn parameters(object: View<'_>) -> String {
    let Some(reference) = object.get("spec.paramRef") else { return "<unset>".to_owned() };
    match (reference.text("namespace"), reference.text("name"), reference.get("selector")) {
        (_, "", Some(selector)) => go_label_selector(selector),
        (_, "", None) => "<unset>".to_owned(),
        ("", name, _) => format!("*/{name}"),
        (namespace, name, _) => format!("{namespace}/{name}"),
    }
}

/// A label selector as Go's generated `String` method writes it.
fn go_label_selector(selector: View<'_>) -> String {
    let labels = selector.get("matchLabels").and_then(|labels| labels.value().as_object());
    let pair = |(key, value): (&String, &Value)| format!("{key}: {},", value.as_str().unwrap_or_default());
    let labels: String = labels.into_iter().flatten().map(pair).collect();
    let expression = |e: View<'_>| {
        let (key, operator, values) = (e.text("key"), e.text("operator"), e.joined("values", " "));
        format!("LabelSelectorRequirement{{Key:{key},Operator:{operator},Values:[{values}],}},")
    };
    let expressions: String = selector.list("matchExpressions").map(expression).collect();
    format!("&LabelSelector{{MatchLabels:map[string]string{{{labels}}},MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}")
}

fn priority_class(object: View<'_>) -> Vec<Value> {
    let (value, is_default) = (object.number("value"), object.is_true("globalDefault"));
    cells![object.name(), value, is_default, object.age(), object.text("preemptionPolicy")]
}

fn flow_schema(object: View<'_>) -> Vec<Value> {
    let dangling = object.list("status.conditions").find(|condition| condition.text("type") == "Dangling");
    cells![
        object.name(),
        object.text("spec.priorityLevelConfiguration.name"),
        object.number("spec.matchingPrecedence"),
        object.get("spec.distinguisherMethod").map_or("<none>", |method| method.text("type")),
        object.age(),
        dangling.map_or("?", |condition| condition.text("status")),
    ]
}

/// Flow schemas are listed in the order in which they are matched.
pub(super) fn flow_schema_order(object: &Value) -> (i64, String) {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    (object["spec"]["matchingPrecedence"].as_i64().unwrap_or_default(), name.to_owned())
}

fn priority_level(object: View<'_>) -> Vec<Value> {
    let number = |there: bool, path: &str| if there { json!(object.number(path)) } else { json!("<none>") };
    let queuing = object.has("spec.limited.limitResponse.queuing");
    cells![
        object.name(),
        object.text("spec.type"),
        number(object.has("spec.limited"), "spec.limited.nominalConcurrencyShares"),
        number(queuing, "spec.limited.limitResponse.queuing.queues"),
        number(queuing, "spec.limited.limitResponse.queuing.handSize"),
        number(queuing, "spec.limited.limitResponse.queuing.queueLengthLimit"),
        object.age(),
    ]
}
