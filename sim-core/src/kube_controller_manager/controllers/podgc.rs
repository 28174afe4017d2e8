//! Deletes pods whose node is gone (pod-garbage-collector-controller).
//! Looks on a grid of 20 seconds, and waits 40 seconds before it believes that a node is gone. Source: pkg/controller/podgc.
//! Not modelled: the limit of terminated pods, the out-of-service taint.

use k8s_openapi::api::core::v1::{Node, Pod, PodCondition};
use sim_apimachinery::{Answer, DeleteOptions, Kind, Object, ObjectKey, Part, Patch, TypedPatch, Verb};

use crate::client_go::{Ask, CacheEvent, Controller, Plan, Step, Then, Tolerate, View, Wake};
use crate::component::ChangeType;
use crate::time::{Nanos, SECOND, SimTime};

const PERIOD: Nanos = 20 * SECOND;
const QUARANTINE: Nanos = 40 * SECOND;
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
        if matches!(event.object, Object::Node(_)) && event.change == ChangeType::Deleted {
            let into = view.now.since(self.began) % PERIOD;
            wake.after(event.object.key(), QUARANTINE + PERIOD - into);
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, view: &mut View<'_>) -> Plan {
        if view.caches.get::<Node>("", &key.name).is_some() || view.caches.pods_on_node(&key.name).next().is_none() {
            return Plan::nothing();
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
            collect(&pod, view.now, &mut plan);
        }
        plan
    }

    fn workers(&self) -> usize {
        1
    }
}

fn collect(pod: &std::sync::Arc<Pod>, now: SimTime, plan: &mut Plan) {
    let key = Object::Pod(pod.clone()).key();
    let over = matches!(pod.status.as_ref().and_then(|s| s.phase.as_deref()), Some("Succeeded" | "Failed"));
    if !over {
        let condition = PodCondition {
            type_: "DisruptionTarget".into(),
            status: "True".into(),
            reason: Some("DeletionByPodGC".into()),
            message: Some("PodGC: node no longer exists".into()),
            last_transition_time: Some(now.to_time()),
            ..Default::default()
        };
        let patch = Patch::Typed(TypedPatch::PodPhase { phase: "Failed".into(), conditions: vec![condition] });
        plan.ask(Ask::new(Verb::Patch { key: key.clone(), part: Part::Status, patch }, "its node is gone").tolerating(Tolerate::NotFound));
    }
    let options = DeleteOptions { grace_period_seconds: Some(0), ..Default::default() };
    plan.ask(Ask::new(Verb::Delete { key, options }, "its node is gone").tolerating(Tolerate::NotFound));
}
