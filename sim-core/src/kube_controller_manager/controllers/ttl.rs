//! Tells each node's kubelet by an annotation for how long it may keep Secrets and ConfigMaps before it asks again, the longer
//! the more nodes there are (ttl-controller). Reads nodes; asks for their annotation.
//! A node is looked at when it appears or changes, so after the cluster has grown it is told with its next change.
//! Source: pkg/controller/ttl.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Node;
use sim_apimachinery::{Kind, Object, ObjectKey, Part, Patch, TypedPatch, Verb};

use crate::client_go::{Ask, CacheEvent, Controller, Plan, Tolerate, View, Wake};
use crate::component::ChangeType;

const ANNOTATION: &str = "node.alpha.kubernetes.io/ttl";
/// From so many nodes on, up to so many, for so many seconds; where two fit, what held before holds.
const BOUNDARIES: [(usize, usize, u32); 5] = [(0, 100, 0), (90, 500, 15), (450, 1000, 30), (900, 2000, 60), (1800, usize::MAX, 300)];

/// The controller; it remembers which step the size of the cluster is on.
#[derive(Clone, Debug, Default)]
pub struct TtlController {
    step: usize,
}

impl Controller for TtlController {
    fn name(&self) -> &'static str {
        "ttl-controller"
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::Node]
    }

    fn on_event(&mut self, event: &CacheEvent, view: &mut View<'_>, wake: &mut Wake) {
        let Object::Node(node) = &event.object else { return };
        let count = view.caches.count(Kind::Node);
        match event.change {
            ChangeType::Added if count > BOUNDARIES[self.step].1 => self.step += 1,
            ChangeType::Deleted if count < BOUNDARIES[self.step].0 => self.step -= 1,
            _ => {}
        }
        if event.change != ChangeType::Deleted && !self.is_told(node) {
            wake.now(event.object.key());
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, view: &mut View<'_>) -> Plan {
        let Some(node) = view.caches.get::<Node>("", &key.name).filter(|node| !self.is_told(node)) else { return Plan::nothing() };
        let seconds = BOUNDARIES[self.step].2;
        let decision = format!("{} may keep what it read for {seconds} s", node.metadata.name.as_deref().unwrap_or_default());
        let mut plan = Plan { decision, ..Plan::nothing() };
        let patch = Patch::Typed(TypedPatch::Annotations(BTreeMap::from([(ANNOTATION.to_owned(), Some(seconds.to_string()))])));
        let verb = Verb::Patch { key: key.clone(), part: Part::Main, patch };
        plan.ask(Ask::new(verb, "its kubelet reads it there").tolerating(Tolerate::NotFound));
        plan
    }
}

impl TtlController {
    fn is_told(&self, node: &Node) -> bool {
        let told = node.metadata.annotations.as_ref().and_then(|a| a.get(ANNOTATION)).and_then(|text| text.parse::<u32>().ok());
        told == Some(BOUNDARIES[self.step].2)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kube_controller_manager::controllers::testing::{Desk, object};

    fn node(name: &str) -> Object {
        object(&json!({"kind": "Node", "metadata": {"name": name}}))
    }

    fn told(desk: &mut Desk<TtlController>, name: &str) -> Option<String> {
        let plan = desk.reconcile(Kind::Node, "", name);
        match desk.verbs(&plan)[..] {
            [Verb::Patch { patch: Patch::Typed(TypedPatch::Annotations(all)), .. }] => all[ANNOTATION].clone(),
            _ => None,
        }
    }

    #[test]
    fn a_node_is_told_how_long_it_may_keep_what_it_read() {
        let mut desk = Desk::new(TtlController::default());
        assert_eq!(desk.tell(node("a")), ["a"]);
        assert_eq!(told(&mut desk, "a").as_deref(), Some("0"));
        let told_node = object(&json!({"kind": "Node", "metadata": {"name": "a", "annotations": {ANNOTATION: "0"}}}));
        assert_eq!(desk.tell(told_node), Vec::<String>::new());
        assert_eq!(told(&mut desk, "a"), None);
    }

    #[test]
    fn the_time_grows_with_the_cluster_and_shrinks_later() {
        let mut desk = Desk::new(TtlController::default());
        let name = |number: usize| format!("n{number}");
        (0..101).for_each(|n| _ = desk.tell(node(&name(n))));
        assert_eq!(told(&mut desk, "n0").as_deref(), Some("15"));
        (0..11).for_each(|n| _ = desk.tell_gone(node(&name(n))));
        assert_eq!(told(&mut desk, "n50").as_deref(), Some("15"), "90 nodes are still many");
        desk.tell_gone(node(&name(11)));
        assert_eq!(told(&mut desk, "n50").as_deref(), Some("0"));
    }
}
