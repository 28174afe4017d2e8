//! Fills cluster roles that aggregate others: an `aggregationRule` selects roles by their labels, and their rules become the
//! role's own (clusterrole-aggregation-controller). So a role labelled `rbac.authorization.k8s.io/aggregate-to-view` extends
//! `view`, and with it `edit` and `admin`. Reads cluster roles; asks only for server-side applies of `rules`.
//! Invariant: the rules are those of the selected roles, selector by selector, in the order of the roles' names, each once.
//! Source: pkg/controller/clusterroleaggregation. Every change there wakes all aggregating roles; here only those that the
//! changed role concerns, which comes to the same.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};
use serde_json::{Value, json};
use sim_apimachinery::selector::Selector;
use sim_apimachinery::{Kind, Object, ObjectKey, Part, Patch, Verb};

use crate::client_go::{Ask, CacheEvent, Controller, Plan, View, Wake};

/// The controller; it remembers which roles aggregate others.
#[derive(Clone, Debug, Default)]
pub struct ClusterRoleAggregation {
    aggregating: BTreeSet<Arc<str>>,
}

impl Controller for ClusterRoleAggregation {
    fn name(&self) -> &'static str {
        "clusterrole-aggregation-controller"
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::ClusterRole]
    }

    fn field_manager(&self) -> Option<&'static str> {
        Some(self.name())
    }

    fn on_event(&mut self, event: &CacheEvent, view: &mut View<'_>, wake: &mut Wake) {
        let name: Arc<str> = event.object.name().into();
        let present = view.caches.get::<ClusterRole>("", &name);
        match present.is_some_and(|role| role.aggregation_rule.is_some()) {
            true => {
                self.aggregating.insert(name.clone());
                wake.now(event.object.key());
            }
            false => _ = self.aggregating.remove(&name),
        }
        let labelled: Vec<&Object> = event.old.iter().chain([&event.object]).filter(|o| o.metadata().labels.is_some()).collect();
        for other in self.aggregating.iter().filter(|other| **other != name) {
            let Some(role) = view.caches.get::<ClusterRole>("", other) else { continue };
            let selectors = selectors(role).unwrap_or_default();
            if labelled.iter().any(|object| selectors.iter().any(|s| selects(s, object))) {
                wake.now(ObjectKey::new(Kind::ClusterRole, "", other));
            }
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, view: &mut View<'_>) -> Plan {
        let Some(role) = view.caches.get::<ClusterRole>("", &key.name) else { return Plan::nothing() };
        if role.aggregation_rule.is_none() {
            return Plan::nothing();
        }
        let rules = match selectors(role) {
            Ok(selectors) => aggregated(&key.name, &selectors, view),
            Err(why) => return Plan::retry(why),
        };
        if role.rules.as_deref().unwrap_or_default() == rules {
            return Plan::nothing();
        }
        let mut plan =
            Plan { decision: format!("{} is to have the {} rules of the roles it selects", key.name, rules.len()), ..Plan::nothing() };
        let patch = Patch::Apply { intent: intent(&key.name, &rules), force: true };
        plan.ask(Ask::new(Verb::Patch { key: key.clone(), part: Part::Main, patch }, "roles it selects have changed"));
        plan
    }
}

fn selectors(role: &ClusterRole) -> Result<Vec<Selector>, String> {
    let all = role.aggregation_rule.iter().flat_map(|r| r.cluster_role_selectors.iter().flatten());
    all.map(Selector::from_label_selector).collect()
}

fn selects(selector: &Selector, object: &Object) -> bool {
    selector.matches(object.metadata().labels.as_ref().unwrap_or(&Default::default()))
}

fn aggregated(own: &str, selectors: &[Selector], view: &View<'_>) -> Vec<PolicyRule> {
    let nothing = Default::default();
    let mut rules: Vec<PolicyRule> = Vec::new();
    for selector in selectors {
        // The cache is in the order of names.
        let selected = view.caches.all::<ClusterRole>().filter(|r| selector.matches(r.metadata.labels.as_ref().unwrap_or(&nothing)));
        for rule in selected.filter(|r| r.metadata.name.as_deref() != Some(own)).flat_map(|r| r.rules.iter().flatten()) {
            if !rules.contains(rule) {
                rules.push(rule.clone());
            }
        }
    }
    rules
}

fn intent(name: &str, rules: &[PolicyRule]) -> Value {
    let mut intent = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name}});
    if !rules.is_empty() {
        intent["rules"] = json!(rules);
    }
    intent
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube_controller_manager::controllers::testing::{Desk, object};

    fn role(name: &str, labels: &Value, aggregates: Option<&str>, verb: Option<&str>) -> Object {
        let mut value =
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name, "labels": labels}});
        if let Some(label) = aggregates {
            value["aggregationRule"] = json!({"clusterRoleSelectors": [{"matchLabels": {label: "true"}}]});
        }
        if let Some(verb) = verb {
            value["rules"] = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": [verb]}]);
        }
        object(&value)
    }

    #[test]
    fn rules_come_in_the_order_of_names_and_each_once() {
        let mut desk = Desk::new(ClusterRoleAggregation::default());
        desk.tell(role("whole", &json!({"in": "true"}), Some("in"), None));
        desk.tell(role("b", &json!({"in": "true"}), None, Some("get")));
        desk.tell(role("a", &json!({"in": "true"}), None, Some("list")));
        desk.tell(role("c", &json!({"in": "true"}), None, Some("get")));
        desk.tell(role("d", &json!({"out": "true"}), None, Some("delete")));
        let plan = desk.reconcile(Kind::ClusterRole, "", "whole");
        let [Verb::Patch { patch: Patch::Apply { intent, force: true }, .. }] = desk.verbs(&plan)[..] else { panic!("{plan:?}") };
        let verbs: Vec<&Value> = intent["rules"].as_array().into_iter().flatten().map(|r| &r["verbs"][0]).collect();
        assert_eq!(verbs, [&json!("list"), &json!("get")]);
    }

    #[test]
    fn only_roles_that_select_the_changed_one_are_looked_at() {
        let mut desk = Desk::new(ClusterRoleAggregation::default());
        desk.tell(role("one", &json!({}), Some("in"), None));
        desk.tell(role("other", &json!({}), Some("elsewhere"), None));
        assert_eq!(desk.tell(role("a", &json!({"in": "true"}), None, Some("get"))), ["one"]);
        assert_eq!(desk.tell(role("a", &json!({}), None, Some("get"))), ["one"], "it was selected before");
        assert_eq!(desk.tell(role("a", &json!({}), None, Some("list"))), Vec::<String>::new());
    }

    #[test]
    fn nothing_is_asked_when_the_rules_are_there() {
        let mut desk = Desk::new(ClusterRoleAggregation::default());
        desk.tell(role("whole", &json!({}), Some("in"), Some("get")));
        desk.tell(role("a", &json!({"in": "true"}), None, Some("get")));
        assert!(desk.reconcile(Kind::ClusterRole, "", "whole").is_empty());
    }
}
