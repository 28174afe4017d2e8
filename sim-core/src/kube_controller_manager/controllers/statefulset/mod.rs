//! Keeps pods with names of their own, in order (statefulset-controller).
//! Reads stateful sets, pods, claims and revisions from its caches; asks for revisions, claims and pods to be made, for pods
//! to be deleted, and for its own status. Source: pkg/controller/statefulset.
//! Not modelled: the retention policy `whenScaled: Delete`, adoption of pods that nobody owns, repair of labels that were
//! changed, maxUnavailable (its gate is off).

mod identity;
pub(super) mod revisions;
mod status;

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::{ControllerRevision, StatefulSet};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use sim_apimachinery::{Kind, Object, ObjectKey, Part, Verb};

use self::identity::ordinal_of;
use self::revisions::Revisions;
use super::pod_control::{self, is_deleting, is_terminal, phase};
use super::replicaset::status::{is_ready, ready_since};
use crate::client_go::{Ask, CacheEvent, Controller, EventDraft, ObjectReference, Plan, Step, Then, Tolerate, View, Wake};
use crate::component::ChangeType;
use crate::time::{Nanos, SECOND, SimTime};

/// At most this many pods are made or deleted at once.
const BURST: usize = 500;

/// The stateful set controller.
#[derive(Clone, Debug, Default)]
pub struct StatefulSetController;

impl Controller for StatefulSetController {
    fn name(&self) -> &'static str {
        "statefulset-controller"
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::StatefulSet, Kind::Pod, Kind::PersistentVolumeClaim, Kind::ControllerRevision]
    }

    fn guarded(&self) -> &'static [Kind] {
        &[Kind::Pod, Kind::PersistentVolumeClaim, Kind::StatefulSet]
    }

    fn on_event(&mut self, event: &CacheEvent, view: &mut View<'_>, wake: &mut Wake) {
        match &event.object {
            Object::StatefulSet(_) => wake.now(event.object.key()),
            Object::Pod(pod) => {
                let Some(key) = pod_control::owner_key(&event.object, Kind::StatefulSet) else { return };
                let was_ready = event.old.as_ref().is_some_and(|o| matches!(o, Object::Pod(p) if is_ready(p)));
                let wait = view.caches.get::<StatefulSet>(&key.namespace, &key.name).map_or(0, |s| min_ready(s));
                if event.change == ChangeType::Modified && !was_ready && is_ready(pod) && wait > 0 {
                    wake.after(key.clone(), wait);
                }
                wake.now(key);
            }
            _ => {}
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, view: &mut View<'_>) -> Plan {
        let Some(set) = view.caches.get::<StatefulSet>(&key.namespace, &key.name).cloned() else { return Plan::nothing() };
        let kept: Vec<Arc<ControllerRevision>> =
            view.caches.owned_by::<ControllerRevision>(set.metadata.uid.as_deref().unwrap_or_default()).cloned().collect();
        let mut plan = Plan::nothing();
        let revisions = Revisions::of(&set, &kept, &mut plan);
        let mut pods: Vec<Arc<Pod>> = view.caches.owned_by::<Pod>(set.metadata.uid.as_deref().unwrap_or_default()).cloned().collect();
        pods.retain(|p| ordinal_of(&set, p).is_some());
        let mut sync = Sync { set: &set, revisions: &revisions, view, counts: status::Counts::of(&set, &pods, &revisions, view.now), plan };
        if set.metadata.deletion_timestamp.is_none() {
            sync.pods(&pods);
        }
        let Sync { counts, mut plan, .. } = sync;
        if let Some(next) = status::next(&set, counts, &revisions) {
            plan.ask(Ask::new(Verb::Update { object: next.into(), part: Part::Status }, "pods have come, gone or changed"));
        }
        plan.steps.extend(revisions.cleanup(&set, &kept, &pods));
        if let Some(left) = availability_left(&set, &pods, view.now) {
            plan.then = Then::After(left);
        }
        plan
    }
}

fn min_ready(set: &StatefulSet) -> Nanos {
    set.spec.as_ref().and_then(|s| s.min_ready_seconds).unwrap_or(0).max(0) as u64 * SECOND
}

/// Running, ready, and ready for long enough.
fn is_available(set: &StatefulSet, pod: &Pod, now: SimTime) -> bool {
    phase(pod) == "Running" && ready_since(pod).is_some_and(|since| since.plus(min_ready(set)) <= now || min_ready(set) == 0)
}

fn availability_left(set: &StatefulSet, pods: &[Arc<Pod>], now: SimTime) -> Option<Nanos> {
    let wait = Some(min_ready(set)).filter(|w| *w > 0)?;
    pods.iter().filter_map(|p| ready_since(p)).map(|since| since.plus(wait).since(now)).filter(|left| *left > 0).min()
}

/// One look at a set: what it decides goes into the plan.
struct Sync<'a, 'v> {
    set: &'a Arc<StatefulSet>,
    revisions: &'a Revisions,
    view: &'a View<'v>,
    counts: status::Counts,
    plan: Plan,
}

impl Sync<'_, '_> {
    fn start(&self) -> i32 {
        self.set.spec.as_ref().and_then(|s| s.ordinals.as_ref()).and_then(|o| o.start).unwrap_or(0)
    }

    fn wanted(&self) -> i32 {
        self.set.spec.as_ref().and_then(|s| s.replicas).unwrap_or(1).max(0)
    }

    fn in_order(&self) -> bool {
        self.set.spec.as_ref().and_then(|s| s.pod_management_policy.as_deref()) != Some("Parallel")
    }

    fn pods(&mut self, pods: &[Arc<Pod>]) {
        let range = self.start()..self.start().saturating_add(self.wanted());
        let by_ordinal: BTreeMap<i32, &Arc<Pod>> = pods.iter().filter_map(|p| Some((ordinal_of(self.set, p)?, p))).collect();
        let find = |ordinal: i32| by_ordinal.get(&ordinal).map(|p| Arc::clone(p));
        let replicas: Vec<(i32, Option<Arc<Pod>>)> = range.clone().take(BURST.max(self.wanted() as usize)).map(|o| (o, find(o))).collect();
        let mut condemned: Vec<Arc<Pod>> =
            pods.iter().filter(|p| ordinal_of(self.set, p).is_some_and(|o| !range.contains(&o))).cloned().collect();
        condemned.sort_by_key(|p| std::cmp::Reverse(ordinal_of(self.set, p)));
        if self.raise(&replicas) || self.lower(&replicas, &condemned) {
            return;
        }
        self.roll(&replicas);
    }

    /// Makes the pods that are missing; answers whether this is all for now.
    fn raise(&mut self, replicas: &[(i32, Option<Arc<Pod>>)]) -> bool {
        for (ordinal, pod) in replicas {
            let stop = match pod {
                None => {
                    self.create(*ordinal);
                    true
                }
                Some(pod) if is_terminal(pod) => {
                    if !is_deleting(pod) {
                        self.delete(pod, "it has ended");
                    }
                    true
                }
                Some(pod) => {
                    let healthy = !is_deleting(pod) && is_available(self.set, pod, self.view.now);
                    if !healthy && self.in_order() && self.plan.decision.is_empty() {
                        self.plan.decision = format!("wait for {}", pod.metadata.name.as_deref().unwrap_or_default());
                    }
                    !healthy
                }
            };
            if stop && self.in_order() {
                return true;
            }
        }
        false
    }

    /// Deletes the pods that are too many, the highest first.
    fn lower(&mut self, replicas: &[(i32, Option<Arc<Pod>>)], condemned: &[Arc<Pod>]) -> bool {
        if condemned.is_empty() {
            return false;
        }
        let now = self.view.now;
        let unhealthy = |p: &Arc<Pod>| is_deleting(p) || !is_available(self.set, p, now);
        let rising = condemned.iter().rev();
        let first_unavailable = replicas.iter().filter_map(|(_, p)| p.as_ref()).chain(rising).find(|p| unhealthy(p)).cloned();
        for pod in condemned {
            if is_deleting(pod) {
                if self.in_order() {
                    return true;
                }
                continue;
            }
            let is_first = first_unavailable.as_ref().is_some_and(|f| Arc::ptr_eq(f, pod));
            if self.in_order() && !is_available(self.set, pod, now) && !is_first {
                return true;
            }
            self.delete(pod, "its ordinal is beyond the wanted replicas");
            if self.in_order() {
                return true;
            }
        }
        self.in_order()
    }

    /// Replaces the highest pod that is not at the new revision, one at a time.
    fn roll(&mut self, replicas: &[(i32, Option<Arc<Pod>>)]) {
        let strategy = self.set.spec.as_ref().and_then(|s| s.update_strategy.clone()).unwrap_or_default();
        if strategy.type_.as_deref() == Some("OnDelete") {
            return;
        }
        let partition = strategy.rolling_update.and_then(|r| r.partition).unwrap_or(0).max(0) as usize;
        for (_, pod) in replicas.iter().skip(partition).rev() {
            let Some(pod) = pod else { return };
            let revision = revisions::of_pod(pod);
            if revision != self.revisions.update && !is_deleting(pod) {
                self.delete(pod, "it is not at the new revision");
                return;
            }
            if is_deleting(pod) || !is_available(self.set, pod, self.view.now) {
                return;
            }
        }
    }

    fn create(&mut self, ordinal: i32) {
        let (template, revision) = self.revisions.template_for(self.set, ordinal - self.start());
        let pod = identity::pod(self.set, &template, revision, ordinal);
        let name = pod.metadata.name.clone().unwrap_or_default();
        let (set_name, about) = (self.set.metadata.name.clone().unwrap_or_default(), self.about());
        for claim in identity::claims(self.set, ordinal) {
            let claim_name = claim.metadata.name.clone().unwrap_or_default();
            let namespace = claim.metadata.namespace.clone().unwrap_or_default();
            if self.view.caches.get::<PersistentVolumeClaim>(&namespace, &claim_name).is_some() {
                continue;
            }
            let told = format!("Create Claim {claim_name} Pod {name} in StatefulSet {set_name} success");
            let failed = format!("Create Claim {claim_name} for Pod {name} in StatefulSet {set_name} failed error: ");
            let ask = Ask::new(Verb::Create { object: claim.into() }, format!("{name} needs its claim"))
                .tolerating(Tolerate::AlreadyExists)
                .telling(EventDraft::normal(about.clone(), "SuccessfulCreate", told))
                .or_telling(EventDraft::warning(about.clone(), "FailedCreate", "").then_error(failed));
            self.plan.ask(ask);
        }
        self.counts.created(revision, self.revisions);
        self.plan.decision = format!("make {name}");
        let ask = Ask::new(Verb::Create { object: pod.into() }, format!("{name} is missing"))
            .tolerating(Tolerate::AlreadyExists)
            .telling(EventDraft::normal(
                about.clone(),
                "SuccessfulCreate",
                format!("Create Pod {name} in StatefulSet {set_name} successful"),
            ))
            .or_telling(
                EventDraft::warning(about, "FailedCreate", "")
                    .then_error(format!("Create Pod {name} in StatefulSet {set_name} failed error: ")),
            );
        self.plan.ask(ask);
    }

    fn delete(&mut self, pod: &Arc<Pod>, reason: &str) {
        let name = pod.metadata.name.clone().unwrap_or_default();
        let (set_name, about) = (self.set.metadata.name.clone().unwrap_or_default(), self.about());
        self.counts.deleted(pod, self.revisions);
        self.plan.decision = format!("delete {name}: {reason}");
        let ask = Ask::new(Verb::Delete { key: pod_control::key_of(pod), options: Default::default() }, reason)
            .tolerating(Tolerate::NotFound)
            .telling(EventDraft::normal(
                about.clone(),
                "SuccessfulDelete",
                format!("Delete Pod {name} in StatefulSet {set_name} successful"),
            ))
            .or_telling(
                EventDraft::warning(about, "FailedDelete", "")
                    .then_error(format!("Delete Pod {name} in StatefulSet {set_name} failed error: ")),
            );
        self.plan.steps.push(Step::Ask(ask));
    }

    fn about(&self) -> ObjectReference {
        ObjectReference::to(&Object::StatefulSet(self.set.clone()))
    }
}
