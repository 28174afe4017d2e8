//! The roles and bindings every cluster starts with, read from `policy.txt`.
//! `admin`, `edit` and `view` aggregate others and have no rules of their own; `aggregate` fills them.
//! Not modelled: reconciliation of changed defaults at a restart of the API server (`rbac.authorization.kubernetes.io/autoupdate`).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use k8s_openapi::api::rbac::v1::{AggregationRule, ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use serde_json::json;
use sim_apimachinery::Object;

use super::{APISERVER, keys, owned};

const RBAC: &str = "rbac.authorization.k8s.io";
const BOOTSTRAPPING: &str = "kubernetes.io/bootstrapping";
const AUTO_UPDATE: &str = "rbac.authorization.kubernetes.io/autoupdate";
const AGGREGATE: &str = "rbac.authorization.k8s.io/aggregate-to-";

/// All roles and bindings.
pub fn objects() -> Vec<Object> {
    parse(include_str!("policy.txt"))
}

/// The rules of `system:node`, by which the node authorizer allows what is the same for all nodes.
pub fn node_rules() -> &'static [PolicyRule] {
    static RULES: LazyLock<Vec<PolicyRule>> = LazyLock::new(|| {
        let node = super::OBJECTS.iter().find_map(|o| match o {
            Object::ClusterRole(role) if o.name() == "system:node" => role.rules.clone(),
            _ => None,
        });
        node.unwrap_or_default()
    });
    &RULES
}

/// Gives a role that aggregates others their rules: in the order of the roles' names, each rule once.
/// An aggregated role that is aggregated itself (`view` in `edit` in `admin`) brings what it has aggregated.
pub fn aggregate(object: &mut Object, all: &[Object]) {
    let Object::ClusterRole(role) = object else { return };
    if role.aggregation_rule.is_none() {
        return;
    }
    let rules = aggregated_rules(role, all);
    let role = std::sync::Arc::make_mut(role);
    let fields = json!({"f:rules": {}});
    let entry = owned("clusterrole-aggregation-controller", "Apply", "rbac.authorization.k8s.io/v1", "", fields);
    role.metadata.managed_fields.get_or_insert_default().insert(0, entry);
    role.rules = Some(rules);
}

fn aggregated_rules(role: &ClusterRole, all: &[Object]) -> Vec<PolicyRule> {
    let selectors = role.aggregation_rule.iter().flat_map(|r| r.cluster_role_selectors.iter().flatten());
    let wanted: Vec<_> = selectors.flat_map(|s| s.match_labels.iter().flatten()).collect();
    let mut rules: Vec<PolicyRule> = Vec::new();
    for other in all {
        let Object::ClusterRole(other) = other else { continue };
        let labels = other.metadata.labels.as_ref();
        if !wanted.iter().any(|(key, value)| labels.and_then(|l| l.get(*key)) == Some(*value)) {
            continue;
        }
        let own = other.rules.clone().unwrap_or_default();
        for rule in if other.aggregation_rule.is_some() { aggregated_rules(other, all) } else { own } {
            if !rules.contains(&rule) {
                rules.push(rule);
            }
        }
    }
    rules
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
        ["ClusterRole", name] => cluster_role(name, body),
        ["Role", name] => Role { metadata: metadata(name, &["rules"]), rules: Some(rules(body)) }.into(),
        ["ClusterRoleBinding", name, "->", kind, role] => {
            let metadata = metadata(name, binding_fields(body));
            ClusterRoleBinding { metadata, role_ref: role_ref(kind, role), subjects: subjects(body) }.into()
        }
        ["RoleBinding", name, "->", kind, role] => {
            let metadata = metadata(name, binding_fields(body));
            RoleBinding { metadata, role_ref: role_ref(kind, role), subjects: subjects(body) }.into()
        }
        _ => unreachable!("policy.txt is checked by a test: {head}"),
    }
}

fn cluster_role(name: &str, body: &[&str]) -> Object {
    let aggregation_rule = body.iter().find_map(|l| l.trim().strip_prefix("aggregates ")).map(aggregation);
    let mut metadata = metadata(name, if aggregation_rule.is_none() { &["rules"] } else { &[] });
    for to in body.iter().filter_map(|l| aggregated_to(l)) {
        let label = format!("{AGGREGATE}{to}");
        if let Some(fields) = metadata.managed_fields.iter_mut().flatten().find_map(|entry| entry.fields_v1.as_mut()) {
            fields.0["f:metadata"]["f:labels"][format!("f:{label}")] = json!({});
        }
        metadata.labels.get_or_insert_default().insert(label, "true".to_owned());
    }
    if aggregation_rule.is_some()
        && let Some(fields) = metadata.managed_fields.iter_mut().flatten().find_map(|entry| entry.fields_v1.as_mut())
    {
        fields.0["f:aggregationRule"] = json!({".": {}, "f:clusterRoleSelectors": {}});
    }
    let rules = aggregation_rule.is_none().then(|| rules(body));
    ClusterRole { metadata, aggregation_rule, rules }.into()
}

fn binding_fields(body: &[&str]) -> &'static [&'static str] {
    if body.is_empty() { &["roleRef"] } else { &["roleRef", "subjects"] }
}

fn metadata(full_name: &str, own_fields: &[&str]) -> ObjectMeta {
    let pair = |key: &str, value: &str| Some(BTreeMap::from([(key.to_owned(), value.to_owned())]));
    let mut fields = json!({"f:metadata": {"f:annotations": keys([AUTO_UPDATE]), "f:labels": keys([BOOTSTRAPPING])}});
    for field in own_fields {
        fields[format!("f:{field}")] = json!({});
    }
    let (namespace, name) = full_name.split_once('/').map_or((None, full_name), |(ns, name)| (Some(ns.to_owned()), name));
    ObjectMeta {
        name: Some(name.into()),
        namespace,
        labels: pair(BOOTSTRAPPING, "rbac-defaults"),
        annotations: pair(AUTO_UPDATE, "true"),
        managed_fields: Some(vec![owned(APISERVER, "Update", "rbac.authorization.k8s.io/v1", "", fields)]),
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
