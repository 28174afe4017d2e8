//! Binds claims to volumes (persistentvolume-binder-controller).
//! Reads claims, volumes and storage classes; asks for the writes of a binding in their fixed order: the volume's claim, the
//! volume's phase, the claim's volume, the claim's phase. Source: pkg/controller/volume/persistentvolume.
//! Not modelled: WaitForFirstConsumer beyond leaving the claim alone until the scheduler chose a node, block volumes' own rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ObjectReference as ApiReference, PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::api::storage::v1::StorageClass;
use sim_apimachinery::quantity::value;
use sim_apimachinery::{Kind, Object, ObjectKey, Part, Patch, TypedPatch, Verb};

use crate::client_go::{Ask, CacheEvent, Controller, EventDraft, ObjectReference, Plan, Tolerate, View, Wake};
use crate::component::ChangeType;

const BIND_COMPLETED: &str = "pv.kubernetes.io/bind-completed";
const BOUND_BY_CONTROLLER: &str = "pv.kubernetes.io/bound-by-controller";
const PROVISIONER: &str = "volume.kubernetes.io/storage-provisioner";
const PROVISIONER_BETA: &str = "volume.beta.kubernetes.io/storage-provisioner";
const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";

/// The controller.
#[derive(Clone, Debug, Default)]
pub struct PersistentVolumeBinder;

impl Controller for PersistentVolumeBinder {
    fn name(&self) -> &'static str {
        "persistentvolume-controller"
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::PersistentVolume, Kind::PersistentVolumeClaim, Kind::StorageClass]
    }

    fn on_event(&mut self, event: &CacheEvent, view: &mut View<'_>, wake: &mut Wake) {
        wake.now(event.object.key());
        match &event.object {
            Object::PersistentVolume(volume) => match volume.spec.as_ref().and_then(|s| s.claim_ref.as_ref()) {
                Some(claim) => wake.now(claim_key(claim)),
                // A volume without a claim may suit any that waits.
                None => unbound_claims(view).for_each(|key| wake.now(key)),
            },
            Object::PersistentVolumeClaim(claim) if event.change == ChangeType::Deleted => {
                if let Some(volume) = claim.spec.as_ref().and_then(|s| s.volume_name.as_deref()) {
                    wake.now(ObjectKey::new(Kind::PersistentVolume, "", volume));
                }
            }
            Object::StorageClass(_) => unbound_claims(view).for_each(|key| wake.now(key)),
            _ => {}
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, view: &mut View<'_>) -> Plan {
        match key.kind {
            Kind::PersistentVolumeClaim => match view.caches.get::<PersistentVolumeClaim>(&key.namespace, &key.name).cloned() {
                Some(claim) => sync_claim(&claim, view),
                None => Plan::nothing(),
            },
            Kind::PersistentVolume => match view.caches.get::<PersistentVolume>("", &key.name).cloned() {
                Some(volume) => sync_volume(&volume, view),
                None => Plan::nothing(),
            },
            _ => Plan::nothing(),
        }
    }

    fn workers(&self) -> usize {
        1
    }
}

fn claim_key(reference: &ApiReference) -> ObjectKey {
    ObjectKey::new(
        Kind::PersistentVolumeClaim,
        reference.namespace.as_deref().unwrap_or_default(),
        reference.name.as_deref().unwrap_or_default(),
    )
}

fn unbound_claims<'a>(view: &'a View<'_>) -> impl Iterator<Item = ObjectKey> + 'a {
    let unbound = |c: &&Arc<PersistentVolumeClaim>| c.status.as_ref().and_then(|s| s.phase.as_deref()) == Some("Pending");
    view.caches.all::<PersistentVolumeClaim>().filter(unbound).map(|c| Object::PersistentVolumeClaim(c.clone()).key())
}

fn has_annotation(annotations: Option<&BTreeMap<String, String>>, key: &str) -> bool {
    annotations.is_some_and(|a| a.contains_key(key))
}

fn sync_claim(claim: &Arc<PersistentVolumeClaim>, view: &View<'_>) -> Plan {
    if claim.metadata.deletion_timestamp.is_some() {
        return Plan::nothing();
    }
    let spec = claim.spec.clone().unwrap_or_default();
    match spec.volume_name.as_deref().filter(|n| !n.is_empty()) {
        Some(name) => match view.caches.get::<PersistentVolume>("", name) {
            Some(volume) if is_for(volume, claim) || volume.spec.as_ref().is_some_and(|s| s.claim_ref.is_none()) => bind(claim, volume),
            Some(_) => Plan::nothing(),
            None if has_annotation(claim.metadata.annotations.as_ref(), BIND_COMPLETED) => lost(claim),
            None => Plan::nothing(),
        },
        None => match best_volume(claim, view) {
            Some(volume) => bind(claim, &volume),
            None => provision(claim, view),
        },
    }
}

/// Whether a volume is bound to (or reserved for) this claim.
fn is_for(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> bool {
    let Some(reference) = volume.spec.as_ref().and_then(|s| s.claim_ref.as_ref()) else { return false };
    let same = reference.name == claim.metadata.name && reference.namespace == claim.metadata.namespace;
    same && (reference.uid.is_none() || reference.uid == claim.metadata.uid)
}

/// The smallest volume that fits, those reserved for the claim first.
fn best_volume(claim: &PersistentVolumeClaim, view: &View<'_>) -> Option<Arc<PersistentVolume>> {
    let fits = |v: &&Arc<PersistentVolume>| v.metadata.deletion_timestamp.is_none() && fits(v, claim);
    view.caches.all::<PersistentVolume>().filter(fits).min_by_key(|v| (!is_for(v, claim), capacity(v), v.metadata.name.clone())).cloned()
}

fn capacity(volume: &PersistentVolume) -> i64 {
    volume.spec.as_ref().and_then(|s| s.capacity.as_ref()).and_then(|c| c.get("storage")).map_or(0, value)
}

fn fits(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> bool {
    let (Some(offered), Some(wanted)) = (&volume.spec, &claim.spec) else { return false };
    let free = offered.claim_ref.is_none() || is_for(volume, claim);
    let size = wanted.resources.as_ref().and_then(|r| r.requests.as_ref()).and_then(|r| r.get("storage")).map_or(0, value);
    let modes = offered.access_modes.as_deref().unwrap_or_default();
    let class = |c: &Option<String>| c.clone().unwrap_or_default();
    free && capacity(volume) >= size
        && wanted.access_modes.iter().flatten().all(|m| modes.contains(m))
        && class(&offered.storage_class_name) == class(&wanted.storage_class_name)
        && offered.volume_mode == wanted.volume_mode
}

/// The four writes of a binding; those that are done already are left out.
fn bind(claim: &Arc<PersistentVolumeClaim>, volume: &Arc<PersistentVolume>) -> Plan {
    let volume_name = volume.metadata.name.clone().unwrap_or_default();
    let mut plan = Plan { decision: format!("{volume_name} fits the claim"), ..Plan::nothing() };
    let mut next = (**volume).clone();
    let spec = next.spec.get_or_insert_default();
    if spec.claim_ref.as_ref().is_none_or(|r| r.uid.is_none()) {
        if spec.claim_ref.is_none() {
            next.metadata.annotations.get_or_insert_default().insert(BOUND_BY_CONTROLLER.into(), "yes".into());
        }
        spec.claim_ref = Some(reference_to(claim));
        plan.ask(Ask::new(Verb::Update { object: next.clone().into(), part: Part::Main }, "it is the claim's now"));
    }
    if volume.status.as_ref().and_then(|s| s.phase.as_deref()) != Some("Bound") {
        next.status.get_or_insert_default().phase = Some("Bound".into());
        plan.ask(Ask::new(Verb::Update { object: next.into(), part: Part::Status }, "it is bound"));
    }
    let mut next = (**claim).clone();
    let annotated = has_annotation(claim.metadata.annotations.as_ref(), BIND_COMPLETED);
    if !annotated {
        let annotations = next.metadata.annotations.get_or_insert_default();
        annotations.insert(BIND_COMPLETED.into(), "yes".into());
        let spec = next.spec.get_or_insert_default();
        if spec.volume_name.as_deref().unwrap_or_default().is_empty() {
            annotations.insert(BOUND_BY_CONTROLLER.into(), "yes".into());
            spec.volume_name = Some(volume_name);
        }
        plan.ask(Ask::new(Verb::Update { object: next.clone().into(), part: Part::Main }, "the volume is the claim's now"));
    }
    let status = next.status.get_or_insert_default();
    if status.phase.as_deref() != Some("Bound") {
        status.phase = Some("Bound".into());
        status.capacity = volume.spec.as_ref().and_then(|s| s.capacity.clone());
        status.access_modes = volume.spec.as_ref().and_then(|s| s.access_modes.clone());
        plan.ask(Ask::new(Verb::Update { object: next.into(), part: Part::Status }, "it is bound"));
    }
    if plan.is_empty() { Plan::nothing() } else { plan }
}

/// A reference to the claim, as a volume has it.
pub(super) fn reference_to(claim: &PersistentVolumeClaim) -> ApiReference {
    ApiReference {
        api_version: Some("v1".into()),
        kind: Some("PersistentVolumeClaim".into()),
        namespace: claim.metadata.namespace.clone(),
        name: claim.metadata.name.clone(),
        uid: claim.metadata.uid.clone(),
        resource_version: claim.metadata.resource_version.clone(),
        ..Default::default()
    }
}

/// No volume fits: leave the claim to its class's provisioner, or say that it waits.
fn provision(claim: &Arc<PersistentVolumeClaim>, view: &View<'_>) -> Plan {
    let about = ObjectReference::to(&Object::PersistentVolumeClaim(claim.clone()));
    let name = claim.spec.as_ref().and_then(|s| s.storage_class_name.clone()).unwrap_or_default();
    if name.is_empty() {
        let mut plan = Plan::nothing();
        plan.tell(EventDraft::normal(about, "FailedBinding", "no persistent volumes available for this claim and no storage class is set"));
        return plan;
    }
    let Some(class) = view.caches.get::<StorageClass>("", &name) else {
        let mut plan = Plan::nothing();
        plan.tell(EventDraft::warning(about, "ProvisioningFailed", format!("storageclass.storage.k8s.io \"{name}\" not found")));
        return plan;
    };
    let annotations = claim.metadata.annotations.as_ref();
    let waits = class.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer");
    if waits && !has_annotation(annotations, SELECTED_NODE) {
        let mut plan = Plan::nothing();
        plan.tell(EventDraft::normal(about, "WaitForFirstConsumer", "waiting for first consumer to be created before binding"));
        return plan;
    }
    if has_annotation(annotations, PROVISIONER) {
        return Plan::nothing();
    }
    let provisioner = &class.provisioner;
    let mut plan = Plan { decision: format!("no volume fits; {provisioner} is to make one"), ..Plan::nothing() };
    let marks =
        BTreeMap::from([(PROVISIONER.to_owned(), Some(provisioner.clone())), (PROVISIONER_BETA.to_owned(), Some(provisioner.clone()))]);
    let key = Object::PersistentVolumeClaim(claim.clone()).key();
    let patch = Patch::Typed(TypedPatch::Annotations(marks));
    plan.ask(Ask::new(Verb::Patch { key, part: Part::Main, patch }, "its class names the provisioner"));
    let text = format!(
        "Waiting for a volume to be created either by the external provisioner '{provisioner}' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered."
    );
    plan.tell(EventDraft::normal(about, "ExternalProvisioning", text));
    plan
}

fn lost(claim: &Arc<PersistentVolumeClaim>) -> Plan {
    if claim.status.as_ref().and_then(|s| s.phase.as_deref()) == Some("Lost") {
        return Plan::nothing();
    }
    let mut next = (**claim).clone();
    next.status.get_or_insert_default().phase = Some("Lost".into());
    let about = ObjectReference::to(&Object::PersistentVolumeClaim(claim.clone()));
    let mut plan = Plan { decision: "its volume is gone".into(), ..Plan::nothing() };
    plan.ask(Ask::new(Verb::Update { object: next.into(), part: Part::Status }, "its volume is gone"));
    plan.tell(EventDraft::warning(about, "ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!"));
    plan
}

/// A volume without a claim is available; one whose claim is gone is released.
fn sync_volume(volume: &Arc<PersistentVolume>, view: &View<'_>) -> Plan {
    let phase = volume.status.as_ref().and_then(|s| s.phase.as_deref()).unwrap_or_default();
    let wanted = match volume.spec.as_ref().and_then(|s| s.claim_ref.as_ref()) {
        None => "Available",
        Some(reference) => {
            let key = claim_key(reference);
            match view.caches.get::<PersistentVolumeClaim>(&key.namespace, &key.name) {
                Some(claim) if reference.uid.is_none() || reference.uid == claim.metadata.uid => return Plan::nothing(),
                _ if reference.uid.is_none() => "Available",
                _ => "Released",
            }
        }
    };
    if phase == wanted {
        return Plan::nothing();
    }
    let mut next = (**volume).clone();
    next.status.get_or_insert_default().phase = Some(wanted.into());
    let mut plan = Plan { decision: format!("it is {wanted}"), ..Plan::nothing() };
    plan.ask(Ask::new(Verb::Update { object: next.into(), part: Part::Status }, format!("it is {wanted}")).tolerating(Tolerate::NotFound));
    plan
}
