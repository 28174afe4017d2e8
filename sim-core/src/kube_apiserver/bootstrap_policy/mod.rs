//! The roles and bindings every cluster starts with, read from `policy.txt` once per process and planted in every store.
//! What `admin`, `edit` and `view` aggregate is filled in by the clusterrole-aggregation controller, as in a real cluster.
//! Not modelled: reconciliation of changed defaults at a restart of the API server (`rbac.authorization.kubernetes.io/autoupdate`).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use k8s_openapi::api::rbac::v1::{AggregationRule, ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use sim_apimachinery::Object;

const RBAC: &str = "rbac.authorization.k8s.io";
const AGGREGATE: &str = "rbac.authorization.k8s.io/aggregate-to-";

static POLICY: LazyLock<Vec<Object>> = LazyLock::new(|| parse(include_str!("policy.txt")));

/// All roles and bindings, without uid and time.
pub fn objects() -> &'static [Object] {
    &POLICY
}

/// The rules of `system:node`, by which the node authorizer allows what is the same for all nodes.
pub fn node_rules() -> &'static [PolicyRule] {
    static RULES: LazyLock<Vec<PolicyRule>> = LazyLock::new(|| {
        let node = objects().iter().find_map(|o| match o {
            Object::ClusterRole(role) if o.name() == "system:node" => role.rules.clone(),
            _ => None,
        });
        node.unwrap_or_default()
    });
    &RULES
}

/// Reads the table; each line that is not indented begins an object.
fn parse(text: &str) -> Vec<Object> {
    let mut objects = Vec::new();
    let lines: Vec<&str> = text.lines().filter(|l| !l.starts_with('#') && !l.is_empty()).collect();
    let mut rest = lines.as_slice();
    while let Some((head, after)) = rest.split_first() {
        let end = after.iter().position(|l| !l.starts_with(' ')).unwrap_or(after.len());
        objects.push(object(head, &after[..end]));
        rest = &after[end..];
    }
    objects
}

fn object(head: &str, body: &[&str]) -> Object {
    let words: Vec<&str> = head.split(' ').collect();
    match words.as_slice() {
        ["ClusterRole", name] => {
            let mut metadata = metadata(name);
            let labels = metadata.labels.get_or_insert_default();
            labels.extend(body.iter().filter_map(|l| aggregated_to(l)).map(|to| (format!("{AGGREGATE}{to}"), "true".to_owned())));
            let aggregation_rule = body.iter().find_map(|l| l.trim().strip_prefix("aggregates ")).map(aggregation);
            let rules = aggregation_rule.is_none().then(|| rules(body));
            ClusterRole { metadata, aggregation_rule, rules }.into()
        }
        ["Role", name] => Role { metadata: metadata(name), rules: Some(rules(body)) }.into(),
        ["ClusterRoleBinding", name, "->", kind, role] => {
            ClusterRoleBinding { metadata: metadata(name), role_ref: role_ref(kind, role), subjects: subjects(body) }.into()
        }
        ["RoleBinding", name, "->", kind, role] => {
            RoleBinding { metadata: metadata(name), role_ref: role_ref(kind, role), subjects: subjects(body) }.into()
        }
        _ => unreachable!("policy.txt is checked by a test: {head}"),
    }
}

fn metadata(full_name: &str) -> ObjectMeta {
    let pair = |key: &str, value: &str| Some(BTreeMap::from([(key.to_owned(), value.to_owned())]));
    let (namespace, name) = full_name.split_once('/').map_or((None, full_name), |(ns, name)| (Some(ns.to_owned()), name));
    ObjectMeta {
        name: Some(name.into()),
        namespace,
        labels: pair("kubernetes.io/bootstrapping", "rbac-defaults"),
        annotations: pair("rbac.authorization.kubernetes.io/autoupdate", "true"),
        ..Default::default()
    }
}

fn aggregated_to(line: &str) -> Option<&str> {
    line.trim().strip_prefix("aggregated to ")
}

fn aggregation(of: &str) -> AggregationRule {
    let match_labels = Some(BTreeMap::from([(format!("{AGGREGATE}{of}"), "true".to_owned())]));
    AggregationRule { cluster_role_selectors: Some(vec![LabelSelector { match_labels, match_expressions: None }]) }
}

fn rules(body: &[&str]) -> Vec<PolicyRule> {
    body.iter().filter(|l| l.contains('|')).map(|l| rule(l)).collect()
}

fn rule(line: &str) -> PolicyRule {
    let columns: Vec<&str> = line.split('|').map(str::trim).collect();
    let words = |at: usize| -> Vec<String> { columns[at].split(',').map(|w| if w == "core" { "" } else { w }.to_owned()).collect() };
    if columns[1] == "url" {
        return PolicyRule { verbs: words(0), non_resource_urls: Some(words(2)), ..Default::default() };
    }
    let resource_names = (columns.len() > 3).then(|| words(3));
    PolicyRule { verbs: words(0), api_groups: Some(words(1)), resources: Some(words(2)), resource_names, ..Default::default() }
}

fn role_ref(kind: &str, name: &str) -> RoleRef {
    RoleRef { api_group: Some(RBAC.into()), kind: kind.into(), name: name.into() }
}

fn subjects(body: &[&str]) -> Option<Vec<Subject>> {
    let subject = |line: &&str| {
        let (kind, name) = line.trim().split_once(' ').unwrap_or_default();
        let (namespace, name) = match name.split_once('/') {
            Some((namespace, name)) if kind == "ServiceAccount" => (Some(namespace.to_owned()), name),
            _ => (None, name),
        };
        let api_group = namespace.is_none().then(|| RBAC.to_owned());
        Subject { api_group, kind: kind.into(), name: name.into(), namespace }
    };
    (!body.is_empty()).then(|| body.iter().map(subject).collect())
}

#[cfg(test)]
mod tests {
    use sim_apimachinery::Kind;

    use super::*;

    fn find(kind: Kind, name: &str) -> serde_json::Value {
        objects().iter().find(|o| o.kind() == kind && o.name() == name).map(Object::to_json).unwrap_or_default()
    }

    #[test]
    fn there_are_as_many_as_in_the_recorded_cluster() {
        let count = |kind| objects().iter().filter(|o| o.kind() == kind).count();
        assert_eq!([Kind::ClusterRole, Kind::ClusterRoleBinding, Kind::Role, Kind::RoleBinding].map(count), [71, 52, 7, 7]);
    }

    #[test]
    fn rules_and_subjects_are_those_of_the_recorded_cluster() {
        let discovery = find(Kind::ClusterRole, "system:discovery");
        assert_eq!(discovery["rules"][0]["verbs"], serde_json::json!(["get"]));
        assert_eq!(discovery["rules"][0]["nonResourceURLs"][3], "/apis/*");
        let basic = find(Kind::ClusterRole, "system:basic-user");
        let expected = serde_json::json!([
            {"verbs": ["create"], "apiGroups": ["authorization.k8s.io"], "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]},
            {"verbs": ["create"], "apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"]}
        ]);
        assert_eq!(basic["rules"], expected);
        let binding = find(Kind::ClusterRoleBinding, "system:controller:deployment-controller");
        let subject = serde_json::json!([{"kind": "ServiceAccount", "name": "deployment-controller", "namespace": "kube-system"}]);
        assert_eq!(binding["subjects"], subject);
    }

    #[test]
    fn aggregated_roles_have_no_rules_of_their_own() {
        let edit = find(Kind::ClusterRole, "edit");
        assert_eq!(edit["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-admin"], "true");
        let selector = serde_json::json!([{"matchLabels": {"rbac.authorization.k8s.io/aggregate-to-edit": "true"}}]);
        assert_eq!(edit["aggregationRule"]["clusterRoleSelectors"], selector);
        assert!(edit.get("rules").is_none());
    }
}
