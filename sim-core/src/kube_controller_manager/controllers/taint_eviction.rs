//! Evicts pods from nodes whose taints they do not tolerate, or not for long (taint-eviction-controller).
//! Reads nodes and pods; asks for a condition and then the deletion of a pod. Source: pkg/controller/tainteviction.
//! Invariant: the time a pod may stay counts from when the taint was added.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Node, Pod, PodCondition, Taint};
use sim_apimachinery::{DeleteOptions, Kind, Object, ObjectKey, Part, Patch, TypedPatch, Verb};

use crate::client_go::{Ask, CacheEvent, Controller, EventDraft, ObjectReference, Plan, Then, Tolerate, View, Wake};
use crate::component::ChangeType;
use crate::time::{Nanos, SECOND, SimTime};

/// The controller.
#[derive(Clone, Debug, Default)]
pub struct TaintEvictionController;

impl Controller for TaintEvictionController {
    fn name(&self) -> &'static str {
        "taint-eviction-controller"
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::Node, Kind::Pod]
    }

    fn on_event(&mut self, event: &CacheEvent, view: &mut View<'_>, wake: &mut Wake) {
        match &event.object {
            Object::Node(node) if event.change != ChangeType::Deleted => {
                let before = event.old.as_ref().map(|o| matches!(o, Object::Node(n) if !no_execute(n).is_empty()));
                if before == Some(true) || !no_execute(node).is_empty() {
                    for pod in view.caches.pods_on_node(event.object.name()) {
                        wake.now(Object::Pod(pod.clone()).key());
                    }
                }
            }
            Object::Pod(pod) if event.change != ChangeType::Deleted => {
                let tainted = node_of(pod).and_then(|n| view.caches.get::<Node>("", n)).is_some_and(|n| !no_execute(n).is_empty());
                if tainted {
                    wake.now(event.object.key());
                }
            }
            _ => {}
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, view: &mut View<'_>) -> Plan {
        let Some(pod) = view.caches.get::<Pod>(&key.namespace, &key.name).cloned() else { return Plan::nothing() };
        if pod.metadata.deletion_timestamp.is_some() {
            return Plan::nothing();
        }
        let Some(node) = node_of(&pod).and_then(|n| view.caches.get::<Node>("", n)) else { return Plan::nothing() };
        match deadline(&pod, &no_execute(node), view.now) {
            None => Plan::nothing(),
            Some(at) if at > view.now => Plan { then: Then::After(at.since(view.now)), ..Plan::nothing() },
            Some(_) => evict(key, &pod, view.now),
        }
    }

    fn workers(&self) -> usize {
        8
    }
}

fn node_of(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref().filter(|n| !n.is_empty())
}

fn no_execute(node: &Node) -> Vec<Taint> {
    node.spec.iter().flat_map(|s| s.taints.iter().flatten()).filter(|t| t.effect == "NoExecute").cloned().collect()
}

/// When the pod must go: at once if a taint is not tolerated, else after the shortest time any toleration gives.
fn deadline(pod: &Pod, taints: &[Taint], now: SimTime) -> Option<SimTime> {
    let mut first: Option<SimTime> = None;
    for taint in taints {
        let since = taint.time_added.as_ref().map_or(now, SimTime::from_time);
        let at = match stay(pod, taint) {
            Stay::Never => now,
            Stay::For(time) => since.plus(time),
            Stay::Forever => continue,
        };
        first = Some(first.map_or(at, |f| f.min(at)));
    }
    first
}

enum Stay {
    Never,
    For(Nanos),
    Forever,
}

fn stay(pod: &Pod, taint: &Taint) -> Stay {
    let tolerations = pod.spec.iter().flat_map(|s| s.tolerations.iter().flatten());
    let matching: Vec<_> = tolerations
        .filter(|t| {
            let text = |v: &Option<String>| v.clone().unwrap_or_default();
            (text(&t.key).is_empty() || text(&t.key) == taint.key)
                && (text(&t.effect).is_empty() || text(&t.effect) == taint.effect)
                && (t.operator.as_deref() == Some("Exists") || text(&t.value) == taint.value.clone().unwrap_or_default())
        })
        .collect();
    if matching.is_empty() {
        return Stay::Never;
    }
    match matching.iter().filter_map(|t| t.toleration_seconds).min() {
        Some(seconds) => Stay::For(seconds.max(0) as u64 * SECOND),
        None => Stay::Forever,
    }
}

fn evict(key: &ObjectKey, pod: &Arc<Pod>, now: SimTime) -> Plan {
    let condition = PodCondition {
        type_: "DisruptionTarget".into(),
        status: "True".into(),
        reason: Some("DeletionByTaintManager".into()),
        message: Some("Taint manager: deleting due to NoExecute taint".into()),
        last_transition_time: Some(now.to_time()),
        ..Default::default()
    };
    let about = ObjectReference::to(&Object::Pod(pod.clone()));
    let mut plan = Plan { decision: "it may not stay on its node any longer".into(), ..Plan::nothing() };
    plan.tell(EventDraft::normal(about, "TaintManagerEviction", format!("Marking for deletion Pod {}", key.path())));
    let patch = Patch::Typed(TypedPatch::PodConditions(vec![condition]));
    plan.ask(Ask::new(Verb::Patch { key: key.clone(), part: Part::Status, patch }, "it says why it goes").tolerating(Tolerate::NotFound));
    plan.ask(
        Ask::new(Verb::Delete { key: key.clone(), options: DeleteOptions::default() }, "its node is tainted")
            .tolerating(Tolerate::NotFound),
    );
    plan
}
