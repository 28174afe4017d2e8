//! Turns a Deployment's template into ReplicaSets and moves replicas from the old ones to the new one.
//! Reads deployments, replica sets and pods from its caches; asks for replica set writes and its own status.
//! Invariant: one reconcile does at most one half of a rolling step (grow the new, or shrink the old).
//! Source: pkg/controller/deployment. Not modelled: the deprecated rollback annotation of extensions/v1beta1 clients.

mod conditions;
mod replica_sets;
mod rolling;
mod scaling;
mod status;

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;
use sim_apimachinery::intstr::scaled_value;
use sim_apimachinery::selector::Selector;
use sim_apimachinery::{Kind, Object, ObjectKey, Part, Reason, Status, Verb};

use crate::client_go::{Ask, CacheEvent, Controller, EventDraft, ObjectReference, Plan, Step, Then, View, Wake};
use crate::component::ChangeType;
use crate::time::SimTime;

pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";
pub(super) const REVISION_HISTORY: &str = "deployment.kubernetes.io/revision-history";
pub(super) const DESIRED_REPLICAS: &str = "deployment.kubernetes.io/desired-replicas";
pub(super) const MAX_REPLICAS: &str = "deployment.kubernetes.io/max-replicas";
pub(super) const TEMPLATE_HASH: &str = "pod-template-hash";

/// The deployment controller.
#[derive(Clone, Debug, Default)]
pub struct DeploymentController;

/// Everything one reconcile looks at, and the plan it makes.
pub(super) struct Rollout {
    /// The deployment, with what this reconcile already decided to write.
    pub deployment: Deployment,
    /// The replica set of the current template, if there is one.
    pub new: Option<Arc<ReplicaSet>>,
    /// The others, oldest first.
    pub old: Vec<Arc<ReplicaSet>>,
    /// What to do.
    pub plan: Plan,
    /// The time.
    pub now: SimTime,
}

impl Controller for DeploymentController {
    fn name(&self) -> &'static str {
        "deployment-controller"
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::Deployment, Kind::ReplicaSet, Kind::Pod]
    }

    fn on_event(&mut self, event: &CacheEvent, view: &mut View<'_>, wake: &mut Wake) {
        match &event.object {
            Object::Deployment(_) => wake.now(event.object.key()),
            Object::ReplicaSet(set) => on_replica_set(event, set, view, wake),
            Object::Pod(pod) if event.change == ChangeType::Deleted => on_pod_deleted(pod, view, wake),
            _ => {}
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, view: &mut View<'_>) -> Plan {
        let Some(deployment) = view.caches.get::<Deployment>(&key.namespace, &key.name) else { return Plan::nothing() };
        if selects_everything(deployment) {
            return selecting_all(deployment);
        }
        let Some(rollout) = Rollout::look(deployment, view) else { return Plan::nothing() };
        rollout.decide(view)
    }

    fn on_failure(&mut self, key: &ObjectKey, ask: &Ask, status: &Status, view: &mut View<'_>) -> Option<Plan> {
        let Verb::Create { object: Object::ReplicaSet(wanted) } = &ask.verb else { return None };
        let deployment = view.caches.get::<Deployment>(&key.namespace, &key.name)?;
        if status.reason == Reason::AlreadyExists {
            return Some(collided(deployment, wanted));
        }
        if status.has_cause("NamespaceTerminating") {
            return Some(Plan::nothing());
        }
        Some(conditions::create_failed(deployment, wanted, status, view.now))
    }

    fn max_retries(&self) -> Option<u32> {
        Some(15)
    }
}

impl Rollout {
    fn look(deployment: &Arc<Deployment>, view: &View<'_>) -> Option<Rollout> {
        let uid = deployment.metadata.uid.as_deref()?;
        let mut sets: Vec<Arc<ReplicaSet>> = view.caches.owned_by::<ReplicaSet>(uid).cloned().collect();
        sets.sort_by_key(|s| (s.metadata.creation_timestamp.clone().map(|t| t.0), s.metadata.name.clone()));
        let template = &deployment.spec.as_ref()?.template;
        let position = sets.iter().position(|s| replica_sets::same_template(s, template));
        let new = position.map(|i| sets.remove(i));
        Some(Rollout { deployment: (**deployment).clone(), new, old: sets, plan: Plan::nothing(), now: view.now })
    }

    /// The order of `syncDeployment`.
    fn decide(mut self, view: &mut View<'_>) -> Plan {
        if self.deployment.metadata.deletion_timestamp.is_some() {
            self.sync_status_only();
            return self.plan;
        }
        self.note_pause();
        if self.spec().paused == Some(true) {
            self.sync_scale_only();
            return self.plan;
        }
        if self.is_scaling_event() {
            self.sync_scale_only();
            return self.plan;
        }
        match self.spec().strategy.as_ref().and_then(|s| s.type_.as_deref()) {
            Some("Recreate") => self.recreate(view),
            _ => self.roll(),
        }
        self.plan
    }

    pub(super) fn spec(&self) -> &DeploymentSpec {
        self.deployment.spec.as_ref().expect("look() saw a spec")
    }

    pub(super) fn replicas(&self) -> i32 {
        self.spec().replicas.unwrap_or(1)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<ReplicaSet>> {
        self.old.iter().chain(self.new.iter())
    }

    pub(super) fn reference(&self) -> ObjectReference {
        ObjectReference::to(&Object::Deployment(Arc::new(self.deployment.clone())))
    }

    /// Asks for a write of the deployment's status (annotations travel along).
    pub(super) fn write_status(&mut self, reason: String) {
        let object = Object::Deployment(Arc::new(self.deployment.clone()));
        self.plan.ask(Ask::new(Verb::Update { object, part: Part::Status }, reason));
    }

    pub(super) fn has_progress_deadline(&self) -> bool {
        self.spec().progress_deadline_seconds.is_some_and(|s| s != i32::MAX)
    }

    /// Surge and unavailability in pods: surge rounds up, unavailability down, and one of them is at least 1.
    pub(super) fn fenceposts(&self) -> (i32, i32) {
        let replicas = self.replicas();
        let strategy = self.spec().strategy.as_ref();
        if strategy.and_then(|s| s.type_.as_deref()) == Some("Recreate") {
            return (0, 0);
        }
        let rolling = strategy.and_then(|s| s.rolling_update.as_ref());
        let surge = rolling.and_then(|r| r.max_surge.as_ref()).map_or(0, |v| scaled_value(v, replicas, true));
        let unavailable = rolling.and_then(|r| r.max_unavailable.as_ref()).map_or(0, |v| scaled_value(v, replicas, false));
        let unavailable = if surge == 0 && unavailable == 0 { 1 } else { unavailable };
        (surge, if replicas == 0 { 0 } else { unavailable.min(replicas) })
    }
}

pub(super) fn size(set: &ReplicaSet) -> i32 {
    set.spec.as_ref().and_then(|s| s.replicas).unwrap_or(0)
}

pub(super) fn available(set: &ReplicaSet) -> i32 {
    set.status.as_ref().and_then(|s| s.available_replicas).unwrap_or(0)
}

pub(super) fn annotation<'a>(annotations: Option<&'a BTreeMap<String, String>>, key: &str) -> Option<&'a str> {
    annotations?.get(key).map(String::as_str)
}

fn deployment_key(namespace: &str, name: &str) -> ObjectKey {
    ObjectKey::new(Kind::Deployment, namespace, name)
}

fn on_replica_set(event: &CacheEvent, set: &ReplicaSet, view: &View<'_>, wake: &mut Wake) {
    if let Some(old) = &event.old {
        if event.change == ChangeType::Modified && old.resource_version() == event.object.resource_version() {
            return;
        }
        wake_owner(old, wake);
    }
    if !wake_owner(&event.object, wake) && event.change != ChangeType::Deleted {
        let labels = set.metadata.labels.clone().unwrap_or_default();
        for deployment in view.caches.in_namespace::<Deployment>(event.object.namespace()) {
            let selector = deployment.spec.as_ref().and_then(|s| Selector::from_label_selector(&s.selector).ok());
            if selector.is_some_and(|s| s.matches(&labels)) {
                wake.now(deployment_key(event.object.namespace(), deployment.metadata.name.as_deref().unwrap_or_default()));
            }
        }
    }
}

fn wake_owner(object: &Object, wake: &mut Wake) -> bool {
    let Some(owner) = object.controller().filter(|o| o.kind == "Deployment") else { return false };
    let key = deployment_key(object.namespace(), &owner.name);
    if !wake.keys.iter().any(|(k, _)| *k == key) {
        wake.now(key);
    }
    true
}

/// A Recreate deployment waits for its last old pod to be gone.
fn on_pod_deleted(pod: &Pod, view: &View<'_>, wake: &mut Wake) {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let owner = sim_apimachinery::object::controller_of(&pod.metadata).filter(|o| o.kind == "ReplicaSet");
    let Some(set) = owner.and_then(|o| view.caches.get::<ReplicaSet>(namespace, &o.name)) else { return };
    let Some(owner) = sim_apimachinery::object::controller_of(&set.metadata) else { return };
    let Some(deployment) = view.caches.get::<Deployment>(namespace, &owner.name) else { return };
    let recreates = deployment.spec.as_ref().and_then(|s| s.strategy.as_ref()).and_then(|s| s.type_.as_deref()) == Some("Recreate");
    if !recreates {
        return;
    }
    let uid = deployment.metadata.uid.as_deref().unwrap_or_default();
    let pods_left = view
        .caches
        .owned_by::<ReplicaSet>(uid)
        .any(|s| view.caches.owned_by::<Pod>(s.metadata.uid.as_deref().unwrap_or_default()).next().is_some());
    if !pods_left {
        wake.now(deployment_key(namespace, &owner.name));
    }
}

fn selects_everything(deployment: &Deployment) -> bool {
    let selector = deployment.spec.as_ref().map(|s| &s.selector);
    selector
        .is_some_and(|s| s.match_labels.as_ref().is_none_or(BTreeMap::is_empty) && s.match_expressions.as_ref().is_none_or(Vec::is_empty))
}

fn selecting_all(deployment: &Arc<Deployment>) -> Plan {
    let object = Object::Deployment(deployment.clone());
    let text = "This deployment is selecting all pods. A non-empty selector is required.";
    let mut plan = Plan { decision: "its selector is empty".into(), ..Plan::nothing() };
    plan.tell(EventDraft::warning(ObjectReference::to(&object), "SelectingAll", text));
    let mut next = (**deployment).clone();
    let status = next.status.get_or_insert_default();
    if status.observed_generation.unwrap_or(0) < next.metadata.generation.unwrap_or(0) {
        status.observed_generation = next.metadata.generation;
        plan.ask(Ask::new(Verb::Update { object: next.into(), part: Part::Status }, "it was observed"));
    }
    plan
}

/// The replica set's name is taken by another template: count the collision and try again with another hash.
fn collided(deployment: &Arc<Deployment>, wanted: &ReplicaSet) -> Plan {
    let mut next = (**deployment).clone();
    let status = next.status.get_or_insert_default();
    status.collision_count = Some(status.collision_count.unwrap_or(0) + 1);
    let name = wanted.metadata.name.as_deref().unwrap_or_default();
    let ask = Ask::new(Verb::Update { object: next.into(), part: Part::Status }, format!("the name {name} is taken by another template"));
    Plan { decision: "the hash collided".into(), steps: vec![Step::Ask(ask)], then: Then::Retry("hash collision".into()) }
}
