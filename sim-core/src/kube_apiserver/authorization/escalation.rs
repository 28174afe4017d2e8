//! Nobody gives away rights that he does not have: who writes a role must hold all its rules or the verb `escalate`; who
//! writes a binding must hold the rules of its role or the verb `bind`. Members of `system:masters` and the cluster's own
//! components may always. Changes that only let an object be collected (owner references, finalizers) are free.
//! Source: pkg/registry/rbac/{escalation_check,helpers}.go, */policybased/storage.go; component-helpers/auth/rbac.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule, RoleRef};
use sim_apimachinery::{Kind, Object, Reason, Status, UserInfo};

use super::rbac::{RBAC, aggregate};
use super::{Attributes, SYSTEM_MASTERS};
use crate::kube_apiserver::{ApiServer, Call, Outcome};

impl ApiServer {
    /// Refuses a write of a role or binding that would give more rights than its writer has. Other kinds pass.
    pub(in crate::kube_apiserver) fn check_escalation(&self, current: Option<&Object>, next: &Object, call: &Call<'_>) -> Outcome<()> {
        let Some(user) = call.user.as_deref().filter(|u| !u.groups.iter().any(|g| g == SYSTEM_MASTERS)) else { return Ok(()) };
        if current.is_some_and(|current| only_collection_fields_differ(current, next)) {
            return Ok(());
        }
        let was_there = current.is_some();
        match next {
            Object::Role(role) => self.check_role(user, next, was_there, role.rules.as_deref().unwrap_or_default(), false),
            Object::ClusterRole(role) => {
                let aggregates = |o: &Object| matches!(o, Object::ClusterRole(r) if aggregates(r));
                let aggregated = aggregates(next) || current.is_some_and(aggregates);
                self.check_role(user, next, was_there, role.rules.as_deref().unwrap_or_default(), aggregated)
            }
            Object::RoleBinding(binding) => self.check_binding(user, next, &binding.role_ref),
            Object::ClusterRoleBinding(binding) => self.check_binding(user, next, &binding.role_ref),
            _ => Ok(()),
        }
    }

    fn check_role(&self, user: &UserInfo, role: &Object, was_there: bool, rules: &[PolicyRule], aggregated: bool) -> Outcome<()> {
        let name = if was_there { role.name() } else { "" };
        if self.may(user, "escalate", role.kind().resource().plural, role.namespace(), name) {
            return Ok(());
        }
        self.confirm_held(user, role, rules)?;
        if aggregated && self.confirm_held(user, role, &full_authority()).is_err() {
            return Err(forbidden(role, "must have cluster-admin privileges to use the aggregationRule"));
        }
        Ok(())
    }

    fn check_binding(&self, user: &UserInfo, binding: &Object, role: &RoleRef) -> Outcome<()> {
        let namespace = binding.namespace();
        let resource = match role.kind.as_str() {
            "ClusterRole" => "clusterroles",
            "Role" => "roles",
            other => return Err(Box::new(Status::new(Reason::InternalError, format!("unsupported role reference kind: {other:?}")))),
        };
        if self.may(user, "bind", resource, namespace, &role.name) {
            return Ok(());
        }
        // The error names the resource of the request, as the store of roles is asked in its context.
        let Some(rules) = self.role_rules(role, namespace) else { return Err(Box::new(Status::not_found(binding.kind(), &role.name))) };
        self.confirm_held(user, binding, rules)
    }

    fn may(&self, user: &UserInfo, verb: &str, resource: &str, namespace: &str, name: &str) -> bool {
        let asked = Attributes::for_resource(&user.clone().into(), verb, RBAC, resource);
        self.authorize(&Attributes { namespace: namespace.into(), name: name.into(), ..asked }).allowed
    }

    fn confirm_held(&self, user: &UserInfo, object: &Object, wanted: &[PolicyRule]) -> Outcome<()> {
        let held = self.rules_for(user, object.namespace());
        let missing: Vec<PolicyRule> =
            wanted.iter().flat_map(broken_down).filter(|rule| !held.rules.iter().any(|h| covers(h, rule))).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let lines: Vec<String> = compacted(missing).into_iter().collect();
        let mut why = format!(
            "user {:?} (groups=[{}]) is attempting to grant RBAC permissions not currently held:\n{}",
            user.name,
            quoted(&user.groups),
            lines.join("\n")
        );
        if !held.missing.is_empty() {
            let resource = object.kind().resource().qualified();
            let errors = held.missing.iter().map(|(_, name)| format!("{resource} {name:?} not found")).collect();
            why.push_str(&format!("; resolution errors: [{}]", aggregate(errors)));
        }
        Err(forbidden(object, &why))
    }
}

fn forbidden(object: &Object, why: &str) -> Box<Status> {
    Box::new(Status::forbidden(object.kind(), object.name(), why))
}

fn aggregates(role: &ClusterRole) -> bool {
    role.aggregation_rule.as_ref().and_then(|r| r.cluster_role_selectors.as_ref()).is_some_and(|s| !s.is_empty())
}

fn full_authority() -> [PolicyRule; 2] {
    let all = || Some(vec!["*".to_owned()]);
    let (api_groups, resources, non_resource_urls) = (all(), all(), all());
    let verbs = vec!["*".to_owned()];
    [
        PolicyRule { api_groups, resources, verbs: verbs.clone(), ..Default::default() },
        PolicyRule { non_resource_urls, verbs, ..Default::default() },
    ]
}

/// Whether nothing changed but owner references and finalizers (and what every write changes).
fn only_collection_fields_differ(current: &Object, next: &Object) -> bool {
    if !matches!(next.kind(), Kind::Role | Kind::ClusterRole | Kind::RoleBinding | Kind::ClusterRoleBinding) {
        return true;
    }
    let (mut probe, before) = (next.clone(), current.metadata());
    let metadata = probe.metadata_mut();
    metadata.owner_references = before.owner_references.clone();
    metadata.finalizers = before.finalizers.clone();
    metadata.managed_fields = before.managed_fields.clone();
    metadata.resource_version = before.resource_version.clone();
    probe == *current
}

/// A rule as rules of one group, one resource, one verb and at most one name each.
fn broken_down(rule: &PolicyRule) -> Vec<PolicyRule> {
    let one = |word: &str| Some(vec![word.to_owned()]);
    let names = rule.resource_names.as_deref().unwrap_or_default();
    let names: Vec<Option<Vec<String>>> = if names.is_empty() { vec![None] } else { names.iter().map(|n| one(n)).collect() };
    let mut parts = Vec::new();
    for group in rule.api_groups.iter().flatten() {
        for resource in rule.resources.iter().flatten() {
            for verb in &rule.verbs {
                parts.extend(names.iter().map(|resource_names| PolicyRule {
                    api_groups: one(group),
                    resources: one(resource),
                    verbs: vec![verb.clone()],
                    resource_names: resource_names.clone(),
                    non_resource_urls: None,
                }));
            }
        }
    }
    for url in rule.non_resource_urls.iter().flatten() {
        parts.extend(rule.verbs.iter().map(|verb| PolicyRule {
            non_resource_urls: one(url),
            verbs: vec![verb.clone()],
            ..Default::default()
        }));
    }
    parts
}

/// Whether a rule somebody holds covers a broken-down one.
fn covers(held: &PolicyRule, wanted: &PolicyRule) -> bool {
    let list = |words: &Option<Vec<String>>| words.clone().unwrap_or_default();
    let all_in = |held: &[String], wanted: &[String]| held.iter().any(|w| w == "*") || wanted.iter().all(|w| held.contains(w));
    let names = list(&held.resource_names);
    let wanted_names = list(&wanted.resource_names);
    all_in(&held.verbs, &wanted.verbs)
        && all_in(&list(&held.api_groups), &list(&wanted.api_groups))
        && list(&wanted.resources).iter().all(|r| covers_resource(&list(&held.resources), r))
        && list(&wanted.non_resource_urls).iter().all(|url| held.non_resource_urls.iter().flatten().any(|h| covers_url(h, url)))
        && (names.is_empty() || (!wanted_names.is_empty() && wanted_names.iter().all(|n| names.contains(n))))
}

fn covers_resource(held: &[String], wanted: &str) -> bool {
    let everywhere = wanted.split_once('/').map(|(_, sub)| format!("*/{sub}"));
    held.iter().any(|h| h == "*" || h == wanted || Some(h) == everywhere.as_ref())
}

fn covers_url(held: &str, wanted: &str) -> bool {
    held == wanted || (held.ends_with('*') && wanted.starts_with(held.trim_end_matches('*')))
}

/// Rules in the compact form of messages; those that differ by verb only are put together.
fn compacted(missing: Vec<PolicyRule>) -> BTreeSet<String> {
    let (mut lines, mut simple) = (BTreeSet::new(), BTreeMap::<_, PolicyRule>::new());
    for rule in missing {
        if rule.non_resource_urls.is_some() {
            lines.insert(compact_text(&rule));
            continue;
        }
        let key = (rule.api_groups.clone(), rule.resources.clone(), rule.resource_names.clone());
        simple.entry(key).and_modify(|known| known.verbs.extend(rule.verbs.iter().cloned())).or_insert(rule);
    }
    lines.extend(simple.values().map(compact_text));
    lines
}

fn compact_text(rule: &PolicyRule) -> String {
    let list = |words: &Option<Vec<String>>| words.clone().unwrap_or_default();
    let parts = [
        ("APIGroups", list(&rule.api_groups)),
        ("Resources", list(&rule.resources)),
        ("NonResourceURLs", list(&rule.non_resource_urls)),
        ("ResourceNames", list(&rule.resource_names)),
        ("Verbs", rule.verbs.clone()),
    ];
    let filled: Vec<String> = parts.iter().filter(|(_, w)| !w.is_empty()).map(|(n, w)| format!("{n}:[{}]", quoted(w))).collect();
    format!("{{{}}}", filled.join(", "))
}

/// Words as Go's `%q` prints a list of them, without its brackets.
fn quoted(words: &[String]) -> String {
    words.iter().map(|w| format!("{w:?}")).collect::<Vec<_>>().join(" ")
}
