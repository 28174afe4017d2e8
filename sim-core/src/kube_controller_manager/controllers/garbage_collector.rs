//! Collects what is left of deleted owners (generic-garbage-collector).
//! Reads every kind that owns or is owned; asks for deletions, and for owner references and finalizers to be removed.
//! Invariant: nothing is deleted before the API server itself said that no owner is left. Source: pkg/controller/garbagecollector.
//! Not modelled: owners in other namespaces (they count as absent).

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use sim_apimachinery::{Answer, CustomKind, DeleteOptions, Kind, Object, ObjectKey, Part, Patch, Propagation, Reply, TypedPatch, Verb};

use crate::client_go::{Ask, CacheEvent, Controller, Plan, Step, Then, Tolerate, View, Wake};
use crate::component::ChangeType;

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";
/// Stage of a plan that asked for owners the cache does not know.
const OWNERS_READ: u8 = 1;

/// The kinds that own or are owned.
const COLLECTED: [Kind; 21] = [
    Kind::Pod,
    Kind::ReplicaSet,
    Kind::Deployment,
    Kind::StatefulSet,
    Kind::DaemonSet,
    Kind::ControllerRevision,
    Kind::ReplicationController,
    Kind::Job,
    Kind::CronJob,
    Kind::Service,
    Kind::Endpoints,
    Kind::EndpointSlice,
    Kind::ConfigMap,
    Kind::Secret,
    Kind::PersistentVolumeClaim,
    Kind::PersistentVolume,
    Kind::HorizontalPodAutoscaler,
    Kind::PodDisruptionBudget,
    Kind::ServiceAccount,
    Kind::Node,
    Kind::CustomResourceDefinition,
];

/// The collector: who is there, and who depends on whom.
#[derive(Clone, Debug, Default)]
pub struct GarbageCollector {
    present: BTreeMap<String, ObjectKey>,
    dependents: BTreeMap<String, BTreeSet<ObjectKey>>,
    /// The custom kinds by group and kind.
    custom: BTreeMap<(String, String), Kind>,
}

impl Controller for GarbageCollector {
    fn name(&self) -> &'static str {
        "garbage-collector-controller"
    }

    fn watches(&self) -> &'static [Kind] {
        &COLLECTED
    }

    fn watches_custom(&self) -> bool {
        true
    }

    fn on_event(&mut self, event: &CacheEvent, _view: &mut View<'_>, wake: &mut Wake) {
        let key = event.object.key();
        let uid = event.object.uid().to_owned();
        if let Object::CustomResourceDefinition(crd) = &event.object {
            let name = (crd.spec.group.clone(), crd.spec.names.kind.clone());
            match CustomKind::of_definition(crd).filter(|_| event.change != ChangeType::Deleted) {
                Some(kind) => _ = self.custom.insert(name, Kind::Custom(kind)),
                None => _ = self.custom.remove(&name),
            }
        }
        for reference in event.old.iter().flat_map(references) {
            if let Some(dependents) = self.dependents.get_mut(&reference.uid) {
                dependents.remove(&key);
            }
        }
        if event.change == ChangeType::Deleted {
            self.present.remove(&uid);
            for dependent in self.dependents.get(&uid).into_iter().flatten() {
                wake.now(dependent.clone());
            }
            references(&event.object).filter_map(|r| self.present.get(&r.uid)).for_each(|owner| wake.now(owner.clone()));
            return;
        }
        self.present.insert(uid, key.clone());
        let mut lacks_owner = false;
        for reference in references(&event.object) {
            self.dependents.entry(reference.uid.clone()).or_default().insert(key.clone());
            lacks_owner |= !self.present.contains_key(&reference.uid);
        }
        let held = finalizers(&event.object).any(|f| f == FOREGROUND || f == ORPHAN);
        if lacks_owner || event.object.is_deleting() && held {
            wake.now(key);
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, view: &mut View<'_>) -> Plan {
        let Some(object) = view.caches.get_key(key).cloned() else { return Plan::nothing() };
        if object.is_deleting() {
            if finalizers(&object).any(|f| f == ORPHAN) {
                return self.orphan(&object);
            }
            if finalizers(&object).any(|f| f == FOREGROUND) {
                return self.delete_dependents(&object, view);
            }
            return Plan::nothing();
        }
        if references(&object).next().is_none() {
            return Plan::nothing();
        }
        let unseen = references(&object).filter(|r| !self.present.contains_key(&r.uid));
        let unknown: Option<Vec<Ask>> = unseen.map(|r| self.read_owner(&object, r)).collect();
        // Of an owner whose kind nobody knows it cannot be said that it is gone.
        let Some(unknown) = unknown else { return Plan::nothing() };
        if unknown.is_empty() {
            return self.judge(&object, &BTreeSet::new(), view);
        }
        Plan { steps: vec![Step::Together(unknown)], then: Then::Resume(OWNERS_READ), ..Plan::nothing() }
    }

    fn resume(&mut self, key: &ObjectKey, _stage: u8, answers: &[Answer], view: &mut View<'_>) -> Plan {
        let Some(object) = view.caches.get_key(key).cloned() else { return Plan::nothing() };
        let alive = answers.iter().filter_map(|a| match a {
            Ok(Reply::Object(owner)) => Some(owner.uid().to_owned()),
            _ => None,
        });
        self.judge(&object, &alive.collect(), view)
    }

    fn workers(&self) -> usize {
        20
    }
}

impl GarbageCollector {
    /// Deletes the object if no owner is left, or forgets those that are not.
    fn judge(&self, object: &Object, alive: &BTreeSet<String>, view: &View<'_>) -> Plan {
        let (mut solid, mut gone, mut waiting) = (0, Vec::new(), Vec::new());
        for reference in references(object) {
            let owner = self.present.get(&reference.uid).and_then(|k| view.caches.get_key(k));
            match owner {
                Some(owner) if owner.is_deleting() && finalizers(owner).any(|f| f == FOREGROUND) => waiting.push(reference.uid.clone()),
                Some(_) => solid += 1,
                None if alive.contains(&reference.uid) => solid += 1,
                None => gone.push(reference.uid.clone()),
            }
        }
        let key = object.key();
        if solid > 0 {
            gone.extend(waiting);
            if gone.is_empty() {
                return Plan::nothing();
            }
            let patch = Patch::Typed(TypedPatch::OwnerReferences { add: vec![], remove: gone });
            let mut plan = Plan { decision: "some of its owners are gone".into(), ..Plan::nothing() };
            plan.ask(Ask::new(Verb::Patch { key, part: Part::Main, patch }, "other owners keep it").tolerating(Tolerate::NotFound));
            return plan;
        }
        let has_dependents = self.dependents.get(object.uid()).is_some_and(|d| !d.is_empty());
        let policy = if !waiting.is_empty() && has_dependents { Propagation::Foreground } else { Propagation::Background };
        let mut plan = Plan { decision: "no owner of it is left".into(), ..Plan::nothing() };
        plan.ask(deletion(object, policy, "no owner of it is left"));
        plan
    }

    /// The question whether an owner is there; `None` if its kind is not known.
    fn read_owner(&self, object: &Object, reference: &OwnerReference) -> Option<Ask> {
        let group = reference.api_version.split_once('/').map_or("", |(group, _)| group);
        let custom = || self.custom.get(&(group.to_owned(), reference.kind.clone())).copied();
        let kind = Kind::find(group, &reference.kind).or_else(custom)?;
        let namespace = if kind.is_namespaced() { object.namespace() } else { "" };
        let key = ObjectKey::new(kind, namespace, &reference.name);
        Some(Ask::new(Verb::Get { key }, "is its owner really gone").tolerating(Tolerate::NotFound))
    }

    /// Foreground deletion: dependents that block go first, then the finalizer.
    fn delete_dependents(&self, owner: &Object, view: &View<'_>) -> Plan {
        let dependents = self.dependents.get(owner.uid()).into_iter().flatten().filter_map(|k| view.caches.get_key(k));
        let blocking: Vec<&Object> =
            dependents.filter(|d| references(d).any(|r| r.uid == owner.uid() && r.block_owner_deletion == Some(true))).collect();
        let mut plan = Plan::nothing();
        if blocking.is_empty() {
            plan.decision = "all its dependents are gone".into();
            plan.ask(without_finalizer(owner, FOREGROUND));
            return plan;
        }
        plan.decision = format!("{} dependents go first", blocking.len());
        let deletions =
            blocking.into_iter().filter(|d| !d.is_deleting()).map(|d| deletion(d, Propagation::Foreground, "its owner waits for it"));
        plan.steps.push(Step::Together(deletions.collect()));
        plan
    }

    /// Orphaning: dependents forget the owner, then the finalizer goes.
    fn orphan(&self, owner: &Object) -> Plan {
        let forget = |key: &ObjectKey| {
            let patch = Patch::Typed(TypedPatch::OwnerReferences { add: vec![], remove: vec![owner.uid().to_owned()] });
            Ask::new(Verb::Patch { key: key.clone(), part: Part::Main, patch }, "its owner leaves it behind").tolerating(Tolerate::NotFound)
        };
        let dependents = self.dependents.get(owner.uid()).into_iter().flatten().map(forget).collect();
        let mut plan = Plan { decision: "its dependents are left behind".into(), ..Plan::nothing() };
        plan.steps.push(Step::Together(dependents));
        plan.ask(without_finalizer(owner, ORPHAN));
        plan
    }
}

fn references(object: &Object) -> impl Iterator<Item = &OwnerReference> {
    object.metadata().owner_references.iter().flatten()
}

fn finalizers(object: &Object) -> impl Iterator<Item = &String> {
    object.metadata().finalizers.iter().flatten()
}

fn deletion(object: &Object, policy: Propagation, why: &str) -> Ask {
    let options = DeleteOptions { propagation: Some(policy), uid: Some(object.uid().to_owned()), ..Default::default() };
    Ask::new(Verb::Delete { key: object.key(), options }, why).tolerating(Tolerate::Anything)
}

fn without_finalizer(object: &Object, finalizer: &str) -> Ask {
    let patch = Patch::Typed(TypedPatch::Finalizers { add: vec![], remove: vec![finalizer.to_owned()] });
    Ask::new(Verb::Patch { key: object.key(), part: Part::Main, patch }, "nothing holds it any more").tolerating(Tolerate::NotFound)
}
