//! Keeps as many pods as a ReplicaSet asks for.
//! Reads replica sets and pods from its caches; asks for pods to be made and deleted, and for its own status.
//! Invariant: while creations or deletions it asked for have not been seen on its watch (expectations), it asks for no
//! more. Source: pkg/controller/replicaset.

pub(super) mod expectations;
mod ranking;
pub(super) mod status;

use std::sync::Arc;

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use sim_apimachinery::object::controller_of;
use sim_apimachinery::selector::Selector;
use sim_apimachinery::{Answer, DeleteOptions, Kind, Object, ObjectKey, Part, Patch, Reply, Status, TypedPatch, Verb};

use self::expectations::Expectations;
use crate::client_go::{Ask, CacheEvent, Controller, EventDraft, ObjectReference, Plan, Step, Then, Tolerate, View, Wake};
use crate::component::ChangeType;
use crate::time::SECOND;

/// At most this many creations or deletions in one reconcile.
const BURST_REPLICAS: usize = 500;
/// Stage of a plan that asked for the live owner before adopting pods.
const ADOPT: u8 = 1;

/// The replica set controller.
#[derive(Clone, Debug, Default)]
pub struct ReplicaSetController {
    expectations: Expectations,
}

impl Controller for ReplicaSetController {
    fn name(&self) -> &'static str {
        "replicaset-controller"
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::ReplicaSet, Kind::Pod]
    }

    fn guarded(&self) -> &'static [Kind] {
        &[Kind::Pod, Kind::ReplicaSet]
    }

    fn on_event(&mut self, event: &CacheEvent, view: &mut View<'_>, wake: &mut Wake) {
        match &event.object {
            Object::ReplicaSet(_) => {
                if event.change == ChangeType::Deleted {
                    self.expectations.forget(&event.object.key());
                }
                wake.now(event.object.key());
            }
            Object::Pod(pod) => self.on_pod(event, pod, view, wake),
            _ => {}
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, view: &mut View<'_>) -> Plan {
        let Some(set) = view.caches.get::<ReplicaSet>(&key.namespace, &key.name).cloned() else {
            self.expectations.forget(key);
            return Plan::nothing();
        };
        let orphans = adoptable(&set, view);
        if !orphans.is_empty() {
            let get = Ask::new(Verb::Get { key: key.clone() }, "is the owner still alive, before it adopts pods");
            return Plan {
                decision: format!("{} pods match and have no owner", orphans.len()),
                steps: vec![Step::Ask(get)],
                then: Then::Resume(ADOPT),
            };
        }
        self.manage(key, &set, view)
    }

    fn resume(&mut self, key: &ObjectKey, _stage: u8, answers: &[Answer], view: &mut View<'_>) -> Plan {
        let Some(set) = view.caches.get::<ReplicaSet>(&key.namespace, &key.name).cloned() else { return Plan::nothing() };
        let alive = matches!(answers.first(), Some(Ok(Reply::Object(o))) if o.uid() == set.metadata.uid.as_deref().unwrap_or_default() && !o.is_deleting());
        if !alive {
            return Plan::retry(format!("{} has just been deleted", key.path()));
        }
        let steps = adoptable(&set, view).iter().map(|pod| Step::Ask(adoption(&set, pod))).collect();
        Plan { decision: "adopt matching pods".into(), steps, then: Then::After(0) }
    }

    fn on_answer(&mut self, key: &ObjectKey, ask: &Ask, answer: &Answer) {
        self.expectations.answered(key, ask, answer);
    }

    fn on_skipped(&mut self, key: &ObjectKey, skipped: usize) {
        self.expectations.skipped(key, skipped);
    }

    fn on_failure(&mut self, key: &ObjectKey, ask: &Ask, failure: &Status, view: &mut View<'_>) -> Option<Plan> {
        let creating = matches!(ask.verb, Verb::Create { .. });
        if !creating && !matches!(ask.verb, Verb::Delete { .. }) {
            return None;
        }
        let set = view.caches.get::<ReplicaSet>(&key.namespace, &key.name)?.clone();
        let reason = if creating { "FailedCreate" } else { "FailedDelete" };
        let mut plan = Plan { then: Then::Retry(failure.message.clone()), ..Plan::nothing() };
        if let Some(ask) = self.status_write(&set, view, Some((reason, &failure.message))) {
            plan.ask(ask);
        }
        Some(plan)
    }
}

impl ReplicaSetController {
    fn on_pod(&mut self, event: &CacheEvent, pod: &Arc<Pod>, view: &View<'_>, wake: &mut Wake) {
        let namespace = event.object.namespace();
        let owner =
            |o: &Object| o.controller().filter(|c| c.kind == "ReplicaSet").map(|c| ObjectKey::new(Kind::ReplicaSet, namespace, &c.name));
        let current = owner(&event.object);
        if let Some(former) = event.old.as_ref().and_then(owner).filter(|f| Some(f) != current.as_ref()) {
            wake.now(former);
        }
        let Some(key) = current else {
            if event.change != ChangeType::Deleted {
                wake_matching(pod, view, wake);
            }
            return;
        };
        match event.change {
            ChangeType::Added if !event.object.is_deleting() => self.expectations.creation_seen(&key),
            ChangeType::Modified if !event.object.is_deleting() => {}
            _ => self.expectations.deletion_seen(&key, event.object.name()),
        }
        if event.change == ChangeType::Modified {
            wake_when_available(&key, event, pod, view, wake);
        }
        wake.now(key);
    }

    fn manage(&mut self, key: &ObjectKey, set: &Arc<ReplicaSet>, view: &mut View<'_>) -> Plan {
        let satisfied = self.expectations.satisfied(key, view.now);
        let released = released(set, view);
        let mut plan = Plan { steps: released, ..Plan::nothing() };
        if satisfied && set.metadata.deletion_timestamp.is_none() {
            self.manage_replicas(key, set, view, &mut plan);
        }
        if let Some(ask) = self.status_write(set, view, None) {
            plan.ask(ask);
        }
        self.look_again_for_availability(set, view, &mut plan);
        plan
    }

    fn manage_replicas(&mut self, key: &ObjectKey, set: &Arc<ReplicaSet>, view: &View<'_>, plan: &mut Plan) {
        let active: Vec<Arc<Pod>> = owned(set, view).filter(|p| is_active(p)).cloned().collect();
        let wanted = set.spec.as_ref().and_then(|s| s.replicas).unwrap_or(1).max(0) as usize;
        if active.len() < wanted {
            let count = (wanted - active.len()).min(BURST_REPLICAS);
            self.expectations.expect_creations(key, count, view.now);
            plan.decision = format!("{} of {wanted} pods: make {count}", active.len());
            plan.steps.push(Step::SlowStart((0..count).map(|_| creation(set)).collect()));
        } else if active.len() > wanted {
            let count = (active.len() - wanted).min(BURST_REPLICAS);
            let total = active.len();
            let victims = ranking::victims(set, active, count, view);
            self.expectations.expect_deletions(key, victims.iter().map(|p| name_of(&p.metadata)), view.now);
            plan.decision = format!("{total} of {wanted} pods: delete {count}");
            plan.steps.push(Step::Together(victims.iter().map(|p| deletion(set, p)).collect()));
        }
    }
}

pub(super) fn name_of(metadata: &ObjectMeta) -> String {
    metadata.name.clone().unwrap_or_default()
}

fn uid_of(set: &ReplicaSet) -> &str {
    set.metadata.uid.as_deref().unwrap_or_default()
}

fn namespace_of(metadata: &ObjectMeta) -> &str {
    metadata.namespace.as_deref().unwrap_or_default()
}

/// Neither over nor being deleted.
pub(super) fn is_active(pod: &Pod) -> bool {
    !matches!(pod.status.as_ref().and_then(|s| s.phase.as_deref()), Some("Succeeded" | "Failed"))
        && pod.metadata.deletion_timestamp.is_none()
}

/// Pods this set controls and still selects.
pub(super) fn owned<'a>(set: &'a ReplicaSet, view: &'a View<'_>) -> impl Iterator<Item = &'a Arc<Pod>> {
    let selector = selector_of(set);
    view.caches.owned_by::<Pod>(uid_of(set)).filter(move |p| selects(selector.as_ref(), p))
}

fn selector_of(set: &ReplicaSet) -> Option<Selector> {
    set.spec.as_ref().and_then(|s| Selector::from_label_selector(&s.selector).ok())
}

fn selects(selector: Option<&Selector>, pod: &Pod) -> bool {
    let nothing = Default::default();
    selector.is_some_and(|s| s.matches(pod.metadata.labels.as_ref().unwrap_or(&nothing)))
}

/// Active pods that match and that nobody controls.
fn adoptable(set: &Arc<ReplicaSet>, view: &View<'_>) -> Vec<Arc<Pod>> {
    if set.metadata.deletion_timestamp.is_some() {
        return vec![];
    }
    let selector = selector_of(set);
    view.caches.orphans::<Pod>(namespace_of(&set.metadata)).filter(|p| is_active(p) && selects(selector.as_ref(), p)).cloned().collect()
}

fn owner_reference(set: &ReplicaSet) -> OwnerReference {
    OwnerReference {
        api_version: "apps/v1".into(),
        kind: "ReplicaSet".into(),
        name: name_of(&set.metadata),
        uid: uid_of(set).into(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

fn adoption(set: &ReplicaSet, pod: &Pod) -> Ask {
    let key = ObjectKey::new(Kind::Pod, namespace_of(&pod.metadata), &name_of(&pod.metadata));
    let patch = Patch::Typed(TypedPatch::OwnerReferences { add: vec![owner_reference(set)], remove: vec![] });
    Ask::new(Verb::Patch { key, part: Part::Main, patch }, "it matches the selector and nobody owns it").tolerating(Tolerate::NotFound)
}

/// Pods it controls but no longer selects are let go.
fn released(set: &Arc<ReplicaSet>, view: &View<'_>) -> Vec<Step> {
    if set.metadata.deletion_timestamp.is_some() {
        return vec![];
    }
    let selector = selector_of(set);
    let stray = view.caches.owned_by::<Pod>(uid_of(set)).filter(|p| is_active(p) && !selects(selector.as_ref(), p));
    stray
        .map(|pod| {
            let key = ObjectKey::new(Kind::Pod, namespace_of(&pod.metadata), &name_of(&pod.metadata));
            let patch = Patch::Typed(TypedPatch::OwnerReferences { add: vec![], remove: vec![uid_of(set).into()] });
            Step::Ask(Ask::new(Verb::Patch { key, part: Part::Main, patch }, "its labels match no more").tolerating(Tolerate::NotFound))
        })
        .collect()
}

fn creation(set: &Arc<ReplicaSet>) -> Ask {
    let template = set.spec.as_ref().and_then(|s| s.template.clone()).unwrap_or_default();
    let metadata = template.metadata.unwrap_or_default();
    let pod = Pod {
        metadata: ObjectMeta {
            generate_name: Some(format!("{}-", name_of(&set.metadata))),
            namespace: set.metadata.namespace.clone(),
            labels: metadata.labels,
            annotations: metadata.annotations,
            finalizers: metadata.finalizers,
            owner_references: Some(vec![owner_reference(set)]),
            ..Default::default()
        },
        spec: template.spec,
        status: None,
    };
    let about = ObjectReference::to(&Object::ReplicaSet(set.clone()));
    Ask::new(Verb::Create { object: pod.into() }, "a pod is missing")
        .tolerating(Tolerate::NamespaceTerminating)
        .telling(EventDraft::normal(about.clone(), "SuccessfulCreate", "").then_name("Created pod: "))
        .or_telling(EventDraft::warning(about, "FailedCreate", "").then_error("Error creating: "))
}

fn deletion(set: &Arc<ReplicaSet>, pod: &Pod) -> Ask {
    let name = name_of(&pod.metadata);
    let key = ObjectKey::new(Kind::Pod, namespace_of(&pod.metadata), &name);
    let about = ObjectReference::to(&Object::ReplicaSet(set.clone()));
    Ask::new(Verb::Delete { key, options: DeleteOptions::default() }, format!("{name} is one too many"))
        .tolerating(Tolerate::NotFound)
        .telling(EventDraft::normal(about.clone(), "SuccessfulDelete", format!("Deleted pod: {name}")))
        .or_telling(EventDraft::warning(about, "FailedDelete", "").then_error("Error deleting: "))
}

fn wake_matching(pod: &Pod, view: &View<'_>, wake: &mut Wake) {
    let namespace = namespace_of(&pod.metadata);
    for set in view.caches.in_namespace::<ReplicaSet>(namespace) {
        if selects(selector_of(set).as_ref(), pod) {
            wake.now(ObjectKey::new(Kind::ReplicaSet, namespace, &name_of(&set.metadata)));
        }
    }
}

/// A pod that turned ready counts as available only after `minReadySeconds`.
fn wake_when_available(key: &ObjectKey, event: &CacheEvent, pod: &Pod, view: &View<'_>, wake: &mut Wake) {
    let was_ready = event.old.as_ref().is_some_and(|o| matches!(o, Object::Pod(p) if status::is_ready(p)));
    let min_ready = view.caches.get::<ReplicaSet>(&key.namespace, &key.name).and_then(|s| s.spec.as_ref()?.min_ready_seconds).unwrap_or(0);
    if !was_ready && status::is_ready(pod) && min_ready > 0 {
        wake.after(key.clone(), min_ready as u64 * SECOND);
    }
}

/// The owner of a pod, if it is a replica set.
pub(super) fn owner_uid(pod: &Pod) -> Option<&str> {
    controller_of(&pod.metadata).map(|o| o.uid.as_str())
}
