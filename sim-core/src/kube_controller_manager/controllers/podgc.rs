//! Deletes pods whose node is gone, and terminating ones whose node is not ready and tainted `node.kubernetes.io/out-of-service`
//! (pod-garbage-collector-controller).
//! Looks on a grid of 20 seconds, and waits 40 seconds before it believes that a node is gone. Source: pkg/controller/podgc.
//! Not modelled: the limit of terminated pods.

use k8s_openapi::api::core::v1::{Node, Pod, PodCondition};
use sim_apimachinery::{Answer, DeleteOptions, Kind, Object, ObjectKey, Part, Patch, TypedPatch, Verb};

use crate::client_go::{Ask, CacheEvent, Controller, Plan, Step, Then, Tolerate, View, Wake};
use crate::component::ChangeType;
use crate::time::{Nanos, SECOND, SimTime};

const PERIOD: Nanos = 20 * SECOND;
const QUARANTINE: Nanos = 40 * SECOND;
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";
/// Stage of a plan that asked whether the node is really gone.
const NODE_READ: u8 = 1;

/// The controller.
#[derive(Clone, Debug, Default)]
pub struct PodGarbageCollector {
    began: SimTime,
}

impl Controller for PodGarbageCollector {
    fn name(&self) -> &'static str {
        "pod-garbage-collector-controller"
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::Node, Kind::Pod]
    }

    fn on_start(&mut self, now: SimTime, _wake: &mut Wake) {
        self.began = now;
    }

    fn on_event(&mut self, event: &CacheEvent, view: &mut View<'_>, wake: &mut Wake) {
        let next_look = PERIOD - view.now.since(self.began) % PERIOD;
        match &event.object {
            Object::Node(_) if event.change == ChangeType::Deleted => wake.after(event.object.key(), QUARANTINE + next_look),
            Object::Node(node) if is_out_of_service(node) => wake.after(event.object.key(), next_look),
            Object::Pod(pod) if event.change != ChangeType::Deleted && pod.metadata.deletion_timestamp.is_some() => {
                let node = pod.spec.as_ref().and_then(|s| s.node_name.as_deref()).unwrap_or_default();
                if view.caches.get::<Node>("", node).is_some_and(|n| is_out_of_service(n)) {
                    wake.after(ObjectKey::new(Kind::Node, "", node), next_look);
                }
            }
            _ => {}
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, view: &mut View<'_>) -> Plan {
        if view.caches.pods_on_node(&key.name).next().is_none() {
            return Plan::nothing();
        }
        if let Some(node) = view.caches.get::<Node>("", &key.name) {
            return if is_out_of_service(node) { terminating(key, view) } else { Plan::nothing() };
        }
        let get = Ask::new(Verb::Get { key: key.clone() }, "is the node really gone").tolerating(Tolerate::NotFound);
        Plan { steps: vec![Step::Ask(get)], then: Then::Resume(NODE_READ), ..Plan::nothing() }
    }

    fn resume(&mut self, key: &ObjectKey, _stage: u8, answers: &[Answer], view: &mut View<'_>) -> Plan {
        if answers.first().is_some_and(Result::is_ok) {
            return Plan::nothing();
        }
        let pods: Vec<_> = view.caches.pods_on_node(&key.name).cloned().collect();
        let mut plan = Plan { decision: format!("the node {} is gone, {} pods were on it", key.name, pods.len()), ..Plan::nothing() };
        for pod in pods {
            collect(&pod, "its node is gone", vec![gone(view.now)], &mut plan);
        }
        plan
    }

    fn workers(&self) -> usize {
        1
    }
}

/// Whether a node is not ready and somebody has said that it will not be back soon.
fn is_out_of_service(node: &Node) -> bool {
    let tainted = node.spec.iter().flat_map(|s| s.taints.iter().flatten()).any(|t| t.key == OUT_OF_SERVICE);
    let conditions = || node.status.iter().flat_map(|s| s.conditions.iter().flatten());
    tainted && !conditions().any(|c| c.type_ == "Ready" && c.status == "True")
}

fn terminating(key: &ObjectKey, view: &View<'_>) -> Plan {
    let pods = view.caches.pods_on_node(&key.name).filter(|p| p.metadata.deletion_timestamp.is_some());
    let mut plan = Plan::nothing();
    for pod in pods {
        plan.decision = format!("the node {} is out of service", key.name);
        collect(pod, "its node is out of service", vec![], &mut plan);
    }
    plan
}

fn gone(now: SimTime) -> PodCondition {
    PodCondition {
        type_: "DisruptionTarget".into(),
        status: "True".into(),
        reason: Some("DeletionByPodGC".into()),
        message: Some("PodGC: node no longer exists".into()),
        last_transition_time: Some(now.to_time()),
        ..Default::default()
    }
}

fn collect(pod: &std::sync::Arc<Pod>, why: &str, conditions: Vec<PodCondition>, plan: &mut Plan) {
    let key = Object::Pod(pod.clone()).key();
    let over = matches!(pod.status.as_ref().and_then(|s| s.phase.as_deref()), Some("Succeeded" | "Failed"));
    if !over {
        let patch = Patch::Typed(TypedPatch::PodPhase { phase: "Failed".into(), conditions });
        plan.ask(Ask::new(Verb::Patch { key: key.clone(), part: Part::Status, patch }, why).tolerating(Tolerate::NotFound));
    }
    let options = DeleteOptions { grace_period_seconds: Some(0), ..Default::default() };
    plan.ask(Ask::new(Verb::Delete { key, options }, why).tolerating(Tolerate::NotFound));
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::kube_controller_manager::controllers::testing::{Desk, object};

    fn node(taints: &Value, ready: &str) -> Object {
        object(&json!({"kind": "Node", "metadata": {"name": "w"}, "spec": {"taints": taints},
            "status": {"conditions": [{"type": "Ready", "status": ready}]}}))
    }

    #[test]
    fn terminating_pods_of_a_node_out_of_service_are_deleted_by_force() {
        let pod = |deleted: Value| {
            object(&json!({"kind": "Pod", "metadata": {"name": "p", "namespace": "n", "deletionTimestamp": deleted},
            "spec": {"nodeName": "w", "containers": []}, "status": {"phase": "Running"}}))
        };
        let taints = json!([{"key": OUT_OF_SERVICE, "value": "nodeshutdown", "effect": "NoExecute"}]);
        let mut desk = Desk::new(PodGarbageCollector::default());
        desk.controller.began = desk.now;
        desk.tell(pod(Value::Null));
        assert_eq!(desk.tell(node(&taints, "Unknown")), ["w"]);
        assert!(desk.reconcile(Kind::Node, "", "w").is_empty(), "the pod is not terminating");
        assert_eq!(desk.tell(pod(json!("2026-01-01T00:00:00Z"))), ["w"]);
        let plan = desk.reconcile(Kind::Node, "", "w");
        let [Verb::Patch { .. }, Verb::Delete { options, .. }] = desk.verbs(&plan)[..] else { panic!("{plan:?}") };
        assert_eq!(options.grace_period_seconds, Some(0));
        assert_eq!(desk.tell(node(&taints, "True")), Vec::<String>::new(), "it is back");
        assert!(desk.reconcile(Kind::Node, "", "w").is_empty());
    }
}
