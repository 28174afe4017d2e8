//! Lets go of claims and volumes that are deleted and not used any more (pvc-protection, pv-protection).
//! Reads pods, claims and volumes; asks only for finalizers to be removed. Source: pkg/controller/volume/{pvc,pv}protection.

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Pod};
use sim_apimachinery::{Kind, Object, ObjectKey, Part, Patch, TypedPatch, Verb};

use crate::client_go::{Ask, CacheEvent, Controller, Plan, Tolerate, View, Wake};
use crate::component::ChangeType;

const CLAIM: &str = "kubernetes.io/pvc-protection";
const VOLUME: &str = "kubernetes.io/pv-protection";

/// Both controllers in one.
#[derive(Clone, Debug, Default)]
pub struct VolumeProtection;

impl Controller for VolumeProtection {
    fn name(&self) -> &'static str {
        "pvc-protection-controller"
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::Pod, Kind::PersistentVolumeClaim, Kind::PersistentVolume]
    }

    fn on_event(&mut self, event: &CacheEvent, _view: &mut View<'_>, wake: &mut Wake) {
        match &event.object {
            Object::Pod(pod) if event.change == ChangeType::Deleted || is_over(pod) => {
                claims_of(pod).for_each(|name| wake.now(ObjectKey::new(Kind::PersistentVolumeClaim, event.object.namespace(), name)));
            }
            Object::Pod(_) => {}
            object if event.change != ChangeType::Deleted && object.is_deleting() => wake.now(object.key()),
            _ => {}
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, view: &mut View<'_>) -> Plan {
        let Some(object) = view.caches.get_key(key).filter(|o| o.is_deleting()) else { return Plan::nothing() };
        let (finalizer, used) = match object {
            Object::PersistentVolumeClaim(claim) => (CLAIM, is_used(claim, view)),
            Object::PersistentVolume(volume) => (VOLUME, is_bound(volume)),
            _ => return Plan::nothing(),
        };
        if used || !object.metadata().finalizers.iter().flatten().any(|f| f == finalizer) {
            return Plan::nothing();
        }
        let patch = Patch::Typed(TypedPatch::Finalizers { add: vec![], remove: vec![finalizer.into()] });
        let mut plan = Plan { decision: "it is deleted and not used".into(), ..Plan::nothing() };
        plan.ask(Ask::new(Verb::Patch { key: key.clone(), part: Part::Main, patch }, "nothing uses it").tolerating(Tolerate::NotFound));
        plan
    }

    fn workers(&self) -> usize {
        1
    }
}

fn claims_of(pod: &Pod) -> impl Iterator<Item = &str> {
    let volumes = pod.spec.iter().flat_map(|s| s.volumes.iter().flatten());
    volumes.filter_map(|v| v.persistent_volume_claim.as_ref()).map(|c| c.claim_name.as_str())
}

fn is_over(pod: &Pod) -> bool {
    matches!(pod.status.as_ref().and_then(|s| s.phase.as_deref()), Some("Succeeded" | "Failed"))
}

fn is_used(claim: &PersistentVolumeClaim, view: &View<'_>) -> bool {
    let (namespace, name) = (claim.metadata.namespace.as_deref().unwrap_or_default(), claim.metadata.name.as_deref().unwrap_or_default());
    let placed = |p: &Pod| p.spec.as_ref().and_then(|s| s.node_name.as_deref()).is_some_and(|n| !n.is_empty());
    view.caches.in_namespace::<Pod>(namespace).any(|p| placed(p) && !is_over(p) && claims_of(p).any(|c| c == name))
}

fn is_bound(volume: &PersistentVolume) -> bool {
    volume.status.as_ref().and_then(|s| s.phase.as_deref()) == Some("Bound")
}
