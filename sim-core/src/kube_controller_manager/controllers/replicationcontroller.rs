//! Keeps as many pods as a ReplicationController asks for (replication-controller).
//! Reads replication controllers and pods from its caches; asks for pods to be made and deleted, and for its own status.
//! Source: pkg/controller/replication, which is the ReplicaSet's controller behind an adapter.
//! Not modelled: adoption and release of pods, the finer ranks of pods to be deleted (cost, doubled-up nodes).

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Pod, ReplicationController, ReplicationControllerCondition, ReplicationControllerStatus};
use sim_apimachinery::{Answer, Kind, Object, ObjectKey, Part, Status, Verb};

use super::job::victims;
use super::pod_control::{self, is_deleting, is_terminal};
use super::replicaset::expectations::Expectations;
use super::replicaset::status::{is_ready, ready_since};
use crate::client_go::{Ask, CacheEvent, Controller, Plan, Step, Then, View, Wake};
use crate::component::ChangeType;
use crate::time::{Nanos, SECOND, SimTime};

/// At most this many creations or deletions in one reconcile.
const BURST_REPLICAS: usize = 500;

/// The controller.
#[derive(Clone, Debug, Default)]
pub struct ReplicationManager {
    expectations: Expectations,
}

impl Controller for ReplicationManager {
    fn name(&self) -> &'static str {
        "replication-controller"
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::ReplicationController, Kind::Pod]
    }

    fn on_event(&mut self, event: &CacheEvent, _view: &mut View<'_>, wake: &mut Wake) {
        match &event.object {
            Object::ReplicationController(_) => {
                if event.change == ChangeType::Deleted {
                    self.expectations.forget(&event.object.key());
                }
                wake.now(event.object.key());
            }
            Object::Pod(_) => {
                let Some(key) = pod_control::owner_key(&event.object, Kind::ReplicationController) else { return };
                match event.change {
                    ChangeType::Added if !event.object.is_deleting() => self.expectations.creation_seen(&key),
                    ChangeType::Modified if !event.object.is_deleting() => {}
                    _ => self.expectations.deletion_seen(&key, event.object.name()),
                }
                wake.now(key);
            }
            _ => {}
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, view: &mut View<'_>) -> Plan {
        let Some(owner) = view.caches.get::<ReplicationController>(&key.namespace, &key.name).cloned() else {
            self.expectations.forget(key);
            return Plan::nothing();
        };
        let pods: Vec<Arc<Pod>> = view.caches.owned_by::<Pod>(owner.metadata.uid.as_deref().unwrap_or_default()).cloned().collect();
        let active: Vec<Arc<Pod>> = pods.into_iter().filter(|p| !is_terminal(p) && !is_deleting(p)).collect();
        let mut plan = Plan::nothing();
        if self.expectations.satisfied(key, view.now) && owner.metadata.deletion_timestamp.is_none() {
            self.manage(key, &owner, &active, &mut plan, view.now);
        }
        plan.steps.extend(status_write(&owner, &active, view.now, None).map(Step::Ask));
        if let Some(left) = availability_left(&owner, &active, view.now) {
            plan.then = Then::After(left);
        }
        plan
    }

    fn on_answer(&mut self, key: &ObjectKey, ask: &Ask, answer: &Answer) {
        self.expectations.answered(key, ask, answer);
    }

    fn on_skipped(&mut self, key: &ObjectKey, skipped: usize) {
        self.expectations.skipped(key, skipped);
    }

    fn on_failure(&mut self, key: &ObjectKey, ask: &Ask, failure: &Status, view: &mut View<'_>) -> Option<Plan> {
        let reason = match &ask.verb {
            Verb::Create { .. } => "FailedCreate",
            Verb::Delete { .. } => "FailedDelete",
            _ => return None,
        };
        let owner = view.caches.get::<ReplicationController>(&key.namespace, &key.name)?.clone();
        let pods = view.caches.owned_by::<Pod>(owner.metadata.uid.as_deref().unwrap_or_default());
        let active: Vec<Arc<Pod>> = pods.filter(|p| !is_terminal(p) && !is_deleting(p)).cloned().collect();
        let mut plan = Plan { then: Then::Retry(failure.message.clone()), ..Plan::nothing() };
        plan.steps.extend(status_write(&owner, &active, view.now, Some((reason, &failure.message))).map(Step::Ask));
        Some(plan)
    }
}

impl ReplicationManager {
    fn manage(&mut self, key: &ObjectKey, owner: &Arc<ReplicationController>, active: &[Arc<Pod>], plan: &mut Plan, now: SimTime) {
        let spec = owner.spec.clone().unwrap_or_default();
        let (wanted, object) = (spec.replicas.unwrap_or(1).max(0) as usize, Object::ReplicationController(owner.clone()));
        if active.len() < wanted {
            let count = (wanted - active.len()).min(BURST_REPLICAS);
            self.expectations.expect_creations(key, count, now);
            plan.decision = format!("{} of {wanted} pods: make {count}", active.len());
            let mut pod = pod_control::pod_of(&object, &spec.template.unwrap_or_default());
            pod.metadata.generate_name = Some(format!("{}-", object.name()));
            let asks = (0..count).map(|_| pod_control::creation(&object, pod.clone(), "a pod is missing")).collect();
            plan.steps.push(Step::SlowStart(asks));
        } else if active.len() > wanted {
            let victims = victims(active, (active.len() - wanted).min(BURST_REPLICAS));
            self.expectations.expect_deletions(key, victims.iter().map(|p| p.metadata.name.clone().unwrap_or_default()), now);
            plan.decision = format!("{} of {wanted} pods: delete {}", active.len(), victims.len());
            let asks = victims.iter().map(|p| pod_control::deletion(&object, p, "it is one too many")).collect();
            plan.steps.push(Step::Together(asks));
        }
    }
}

fn min_ready(owner: &ReplicationController) -> Nanos {
    owner.spec.as_ref().and_then(|s| s.min_ready_seconds).unwrap_or(0).max(0) as u64 * SECOND
}

/// How long until a ready pod becomes available without an event.
fn availability_left(owner: &ReplicationController, active: &[Arc<Pod>], now: SimTime) -> Option<Nanos> {
    let wait = Some(min_ready(owner)).filter(|w| *w > 0)?;
    active.iter().filter_map(|p| ready_since(p)).map(|since| since.plus(wait).since(now)).filter(|left| *left > 0).min()
}

/// The write of the status, if it would change anything.
fn status_write(owner: &Arc<ReplicationController>, active: &[Arc<Pod>], now: SimTime, failure: Option<(&str, &str)>) -> Option<Ask> {
    let before = owner.status.clone().unwrap_or_default();
    let template = owner.spec.as_ref().and_then(|s| s.template.as_ref()).and_then(|t| t.metadata.as_ref());
    let wanted = template.and_then(|m| m.labels.clone()).unwrap_or_default();
    let labeled = |p: &Pod| wanted.iter().all(|(k, v)| p.metadata.labels.as_ref().and_then(|l| l.get(k)) == Some(v));
    let available = |p: &Pod| ready_since(p).is_some_and(|since| min_ready(owner) == 0 || since.plus(min_ready(owner)) <= now);
    let some = |n: usize| (n != 0).then_some(n as i32);
    let status = ReplicationControllerStatus {
        replicas: active.len() as i32,
        fully_labeled_replicas: some(active.iter().filter(|p| labeled(p)).count()),
        ready_replicas: some(active.iter().filter(|p| is_ready(p)).count()),
        available_replicas: some(active.iter().filter(|p| available(p)).count()),
        observed_generation: owner.metadata.generation,
        conditions: conditions(&before, now, failure),
    };
    let next = ReplicationController { status: Some(status), ..(**owner).clone() };
    let reason = "pods have come, gone or changed";
    (next.status.as_ref() != Some(&before)).then(|| Ask::new(Verb::Update { object: next.into(), part: Part::Status }, reason))
}

fn conditions(
    before: &ReplicationControllerStatus,
    now: SimTime,
    failure: Option<(&str, &str)>,
) -> Option<Vec<ReplicationControllerCondition>> {
    let mut conditions = before.conditions.clone().unwrap_or_default();
    match failure {
        Some((reason, message)) if !conditions.iter().any(|c| c.type_ == "ReplicaFailure") => {
            conditions.push(ReplicationControllerCondition {
                type_: "ReplicaFailure".into(),
                status: "True".into(),
                reason: Some(reason.into()),
                message: Some(message.into()),
                last_transition_time: Some(now.to_time()),
            });
        }
        None => conditions.retain(|c| c.type_ != "ReplicaFailure"),
        Some(_) => {}
    }
    (!conditions.is_empty()).then_some(conditions)
}
