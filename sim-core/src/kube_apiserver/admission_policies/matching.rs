//! Which requests a policy is for: rules by operation, group, version and resource, selectors of namespaces and objects.
//! Source: apiserver pkg/admission/plugin/webhook/predicates, pkg/admission/plugin/policy/matching.
//! Not modelled: policies see built-in kinds at the version they are held at, whichever the client speaks.

use k8s_openapi::api::admissionregistration::v1::{MatchResources, NamedRuleWithOperations};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use sim_apimachinery::selector::Selector;
use sim_apimachinery::{Kind, Object, ObjectKey, Typed};

use super::Attributes;
use crate::kube_apiserver::ApiServer;

impl ApiServer {
    /// Whether a request is one of those that are named.
    pub(super) fn request_matches(&self, resources: &MatchResources, request: &Attributes<'_>) -> bool {
        let named = |rules: &Option<Vec<NamedRuleWithOperations>>| rules.iter().flatten().any(|r| rule_matches(r, request));
        let any_rule = resources.resource_rules.as_ref().is_none_or(Vec::is_empty);
        !named(&resources.exclude_resource_rules)
            && (any_rule || named(&resources.resource_rules))
            && self.namespace_matches(resources.namespace_selector.as_ref(), request)
            && objects_match(resources.object_selector.as_ref(), request)
    }

    /// Objects outside of namespaces match every selector of namespaces; a namespace is matched by its own labels.
    pub(in crate::kube_apiserver) fn namespace_matches(&self, selector: Option<&LabelSelector>, request: &Attributes<'_>) -> bool {
        let Some(selector) = selector.and_then(|s| Selector::from_label_selector(s).ok()) else { return true };
        let nothing = Default::default();
        if request.kind == Kind::Namespace && request.subresource.is_empty() {
            let object = request.object.or(request.old);
            return object.is_none_or(|o| selector.matches(o.metadata().labels.as_ref().unwrap_or(&nothing)));
        }
        if request.namespace.is_empty() {
            return true;
        }
        let key = ObjectKey::new(Kind::Namespace, "", request.namespace);
        let found = self.etcd.get(&key).and_then(Namespace::from_object);
        selector.matches(found.and_then(|n| n.metadata.labels.as_ref()).unwrap_or(&nothing))
    }
}

/// The object as it is to be or as it was has the labels. What has no labels is found by an empty selector alone.
pub(in crate::kube_apiserver) fn objects_match(selector: Option<&LabelSelector>, request: &Attributes<'_>) -> bool {
    let says = |s: &&LabelSelector| {
        s.match_labels.as_ref().is_some_and(|l| !l.is_empty()) || s.match_expressions.as_ref().is_some_and(|e| !e.is_empty())
    };
    let Some(selector) = selector.filter(says).and_then(|s| Selector::from_label_selector(s).ok()) else { return true };
    let nothing = Default::default();
    let fits = |o: &Object| selector.matches(o.metadata().labels.as_ref().unwrap_or(&nothing));
    let posted = request.posted.and_then(|p| p.get("metadata")).map(|metadata| {
        let labels = metadata.get("labels").and_then(serde_json::Value::as_object).into_iter().flatten();
        labels.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
    });
    request.object.into_iter().chain(request.old).any(fits) || posted.is_some_and(|labels| selector.matches(&labels))
}

fn rule_matches(rule: &NamedRuleWithOperations, request: &Attributes<'_>) -> bool {
    let names = rule.resource_names.as_deref().unwrap_or_default();
    rule_words(
        [rule.operations.as_deref(), rule.api_groups.as_deref(), rule.api_versions.as_deref(), rule.resources.as_deref()],
        rule.scope.as_deref(),
        request,
    ) && (names.is_empty() || names.iter().any(|n| n == request.name))
}

/// Operations, groups, versions, resources, and the scope.
pub(in crate::kube_apiserver) fn rule_words(words: [Option<&[String]>; 4], scope: Option<&str>, request: &Attributes<'_>) -> bool {
    let has = |list: Option<&[String]>, word: &str| list.unwrap_or_default().iter().any(|w| w == "*" || w == word);
    let (row, (group, version)) = (request.kind.resource(), request.seen_version());
    let [operations, groups, versions, resources] = words;
    let in_scope = match scope {
        Some("Namespaced") => !request.namespace.is_empty() && request.kind != Kind::Namespace,
        Some("Cluster") => request.namespace.is_empty() || request.kind == Kind::Namespace,
        _ => true,
    };
    has(operations, request.operation)
        && has(groups, group)
        && has(versions, version)
        && resources.unwrap_or_default().iter().any(|r| resource_matches(r, row.plural, request.subresource))
        && in_scope
}

/// `pods`, `pods/status`, `*`, `*/scale`, `pods/*`, `*/*`.
fn resource_matches(rule: &str, resource: &str, subresource: &str) -> bool {
    let (wanted, sub) = rule.split_once('/').unwrap_or((rule, ""));
    (wanted == "*" || wanted == resource) && (sub == "*" || sub == subresource)
}
