//! Keeps the status of disruption budgets: how many pods are healthy, and how many may be evicted now (disruption-controller).
//! Reads budgets, pods and their controllers; asks only for status writes. Source: pkg/controller/disruption.
//! Not modelled: controllers known only by their scale subresource, the events about unmanaged pods and several budgets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use sim_apimachinery::intstr::{percent, scaled_value};
use sim_apimachinery::object::controller_of;
use sim_apimachinery::selector::Selector;
use sim_apimachinery::{Kind, Object, ObjectKey, Part, Verb};

use super::service_pods::is_ready;
use crate::client_go::{Ask, CacheEvent, Controller, EventDraft, ObjectReference, Plan, Then, View, Wake};
use crate::component::ChangeType;
use crate::time::{MINUTE, Nanos, SimTime};

/// An evicted pod that is still there after this long counts again.
const EVICTION_TIMEOUT: Nanos = 2 * MINUTE;

/// The controller.
#[derive(Clone, Debug, Default)]
pub struct DisruptionController;

impl Controller for DisruptionController {
    fn name(&self) -> &'static str {
        "disruption-controller"
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::PodDisruptionBudget, Kind::Pod, Kind::ReplicaSet, Kind::Deployment]
    }

    fn on_event(&mut self, event: &CacheEvent, view: &mut View<'_>, wake: &mut Wake) {
        match &event.object {
            Object::PodDisruptionBudget(_) if event.change != ChangeType::Deleted => wake.now(event.object.key()),
            Object::Pod(pod) => {
                for budget in view.caches.in_namespace::<PodDisruptionBudget>(event.object.namespace()) {
                    if selects(budget, pod) {
                        wake.now(Object::PodDisruptionBudget(budget.clone()).key());
                    }
                }
            }
            _ => {}
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, view: &mut View<'_>) -> Plan {
        let Some(budget) = view.caches.get::<PodDisruptionBudget>(&key.namespace, &key.name).cloned() else { return Plan::nothing() };
        let pods: Vec<Arc<Pod>> = view.caches.in_namespace::<Pod>(&key.namespace).filter(|p| selects(&budget, p)).cloned().collect();
        let mut plan = Plan::nothing();
        if pods.is_empty() {
            let about = ObjectReference::to(&Object::PodDisruptionBudget(budget.clone()));
            plan.tell(EventDraft::normal(about, "NoPods", "No matching pods found"));
        }
        let before = budget.status.clone().unwrap_or_default();
        let disrupted = still_disrupted(&before, &pods, view.now);
        let status = judge(&budget, &before, &pods, disrupted, view);
        if let Some(first) = status.disrupted_pods.iter().flatten().map(|(_, at)| SimTime::from_time(at)).min() {
            plan.then = Then::After(first.plus(EVICTION_TIMEOUT).since(view.now).max(1));
        }
        if status != before {
            let mut next = (*budget).clone();
            plan.decision = format!(
                "{} healthy, {} needed, {} may go",
                n(status.current_healthy),
                n(status.desired_healthy),
                n(status.disruptions_allowed)
            );
            next.status = Some(status);
            plan.ask(Ask::new(Verb::Update { object: next.into(), part: Part::Status }, "its pods changed"));
        }
        plan
    }

    fn workers(&self) -> usize {
        1
    }
}

fn n(value: Option<i32>) -> i32 {
    value.unwrap_or(0)
}

fn selects(budget: &PodDisruptionBudget, pod: &Pod) -> bool {
    let nothing = BTreeMap::new();
    let selector = budget.spec.as_ref().and_then(|s| s.selector.as_ref()).and_then(|s| Selector::from_label_selector(s).ok());
    selector.is_some_and(|s| s.matches(pod.metadata.labels.as_ref().unwrap_or(&nothing)))
}

type Disrupted = BTreeMap<String, k8s_openapi::apimachinery::pkg::apis::meta::v1::Time>;

/// Evicted pods that are still there and whose deletion has not been seen.
fn still_disrupted(before: &PodDisruptionBudgetStatus, pods: &[Arc<Pod>], now: SimTime) -> Disrupted {
    let waits = |name: &String| pods.iter().any(|p| p.metadata.name.as_ref() == Some(name) && p.metadata.deletion_timestamp.is_none());
    let recent = |at| now.since(SimTime::from_time(at)) < EVICTION_TIMEOUT;
    before.disrupted_pods.iter().flatten().filter(|(name, at)| waits(name) && recent(at)).map(|(k, v)| (k.clone(), v.clone())).collect()
}

fn judge(
    budget: &PodDisruptionBudget,
    before: &PodDisruptionBudgetStatus,
    pods: &[Arc<Pod>],
    disrupted: Disrupted,
    view: &View<'_>,
) -> PodDisruptionBudgetStatus {
    let healthy = pods.iter().filter(|p| is_ready(p) && p.metadata.deletion_timestamp.is_none());
    let healthy = healthy.filter(|p| !disrupted.contains_key(p.metadata.name.as_deref().unwrap_or_default())).count() as i32;
    let (expected, desired) = wanted(budget, pods, view);
    let allowed = if expected <= 0 { 0 } else { (healthy - desired).max(0) };
    let mut status = PodDisruptionBudgetStatus {
        current_healthy: Some(healthy),
        desired_healthy: Some(desired),
        expected_pods: Some(expected),
        disruptions_allowed: Some(allowed),
        disrupted_pods: (!disrupted.is_empty()).then_some(disrupted),
        observed_generation: budget.metadata.generation,
        conditions: before.conditions.clone(),
    };
    set_condition(&mut status, budget.metadata.generation, allowed > 0, view.now);
    status
}

/// How many pods there should be, and how many of them must stay healthy.
fn wanted(budget: &PodDisruptionBudget, pods: &[Arc<Pod>], view: &View<'_>) -> (i32, i32) {
    let spec = budget.spec.clone().unwrap_or_default();
    if let Some(most) = &spec.max_unavailable {
        let expected = scale_of_controllers(pods, view);
        return (expected, (expected - scaled_value(most, expected, true)).max(0));
    }
    match &spec.min_available {
        Some(IntOrString::String(text)) if percent(text).is_some() => {
            let expected = scale_of_controllers(pods, view);
            (expected, scaled_value(&IntOrString::String(text.clone()), expected, true))
        }
        Some(IntOrString::Int(least)) => (pods.len() as i32, *least),
        _ => (pods.len() as i32, 0),
    }
}

/// The sizes of the distinct controllers of the pods.
fn scale_of_controllers(pods: &[Arc<Pod>], view: &View<'_>) -> i32 {
    let mut seen = BTreeSet::new();
    let mut sum = 0;
    for pod in pods {
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        let Some(set) = controller_of(&pod.metadata).and_then(|o| view.caches.get::<ReplicaSet>(namespace, &o.name)) else { continue };
        let deployment = controller_of(&set.metadata).and_then(|o| view.caches.get::<Deployment>(namespace, &o.name));
        let (uid, size) = match deployment {
            Some(d) => (d.metadata.uid.clone(), d.spec.as_ref().and_then(|s| s.replicas)),
            None => (set.metadata.uid.clone(), set.spec.as_ref().and_then(|s| s.replicas)),
        };
        if seen.insert(uid) {
            sum += size.unwrap_or(1);
        }
    }
    sum
}

fn set_condition(status: &mut PodDisruptionBudgetStatus, generation: Option<i64>, allowed: bool, now: SimTime) {
    let (value, reason) = if allowed { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
    let conditions = status.conditions.get_or_insert_default();
    let kept = conditions.iter().find(|c| c.type_ == "DisruptionAllowed" && c.status == value).map(|c| c.last_transition_time.clone());
    conditions.retain(|c| c.type_ != "DisruptionAllowed");
    conditions.push(Condition {
        type_: "DisruptionAllowed".into(),
        status: value.into(),
        reason: reason.into(),
        message: String::new(),
        observed_generation: generation,
        last_transition_time: kept.unwrap_or_else(|| now.to_time()),
    });
}
