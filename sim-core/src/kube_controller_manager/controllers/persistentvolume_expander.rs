//! Says of a claim that is to become larger that somebody else must see to it (persistentvolume-expander-controller): none of
//! the volumes that Kubernetes itself knows can be expanded by it. Reads claims and volumes; asks for nothing.
//! Source: pkg/controller/volume/expand.
//! Not modelled: drivers that expand volumes, so a claim stays as large as it is; FlexVolumes.

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use sim_apimachinery::quantity::value;
use sim_apimachinery::{Kind, Object, ObjectKey};

use crate::client_go::{CacheEvent, Controller, EventDraft, ObjectReference, Plan, View, Wake};

const STORAGE: &str = "storage";
const MESSAGE: &str = "waiting for an external controller to expand this PVC";

/// The controller.
#[derive(Clone, Debug, Default)]
pub struct ExpandController;

impl Controller for ExpandController {
    fn name(&self) -> &'static str {
        "persistentvolume-expander-controller"
    }

    fn event_source(&self) -> &'static str {
        "volume_expand"
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::PersistentVolumeClaim, Kind::PersistentVolume]
    }

    fn on_event(&mut self, event: &CacheEvent, _view: &mut View<'_>, wake: &mut Wake) {
        if let (Some(Object::PersistentVolumeClaim(old)), Object::PersistentVolumeClaim(new)) = (&event.old, &event.object)
            && wanted(new) > wanted(old)
        {
            wake.now(event.object.key());
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, view: &mut View<'_>) -> Plan {
        let Some(claim) = view.caches.get::<PersistentVolumeClaim>(&key.namespace, &key.name) else { return Plan::nothing() };
        let bound = claim.spec.as_ref().and_then(|s| s.volume_name.as_deref()).filter(|n| !n.is_empty());
        let Some(volume) = bound.and_then(|name| view.caches.get::<PersistentVolume>("", name)) else { return Plan::nothing() };
        if !is_bound(volume, claim) {
            return Plan::retry(format!("persistent Volume is not bound to PVC being updated : {}/{}", key.namespace, key.name));
        }
        if wanted(claim) <= present(claim) {
            return Plan::nothing();
        }
        let about = ObjectReference::to(&Object::PersistentVolumeClaim(claim.clone()));
        let has_driver = volume.spec.as_ref().is_some_and(|s| s.csi.is_some());
        let warning = !has_driver;
        let mut plan = Plan { decision: "nobody here can expand its volume".into(), ..Plan::nothing() };
        plan.tell(EventDraft { warning, ..EventDraft::normal(about, "ExternalExpanding", MESSAGE) });
        plan
    }
}

fn size(quantity: Option<&Quantity>) -> i64 {
    quantity.map_or(0, value)
}

fn wanted(claim: &PersistentVolumeClaim) -> i64 {
    let resources = claim.spec.as_ref().and_then(|s| s.resources.as_ref());
    size(resources.and_then(|r| r.requests.as_ref()).and_then(|r| r.get(STORAGE)))
}

fn present(claim: &PersistentVolumeClaim) -> i64 {
    size(claim.status.as_ref().and_then(|s| s.capacity.as_ref()).and_then(|c| c.get(STORAGE)))
}

fn is_bound(volume: &PersistentVolume, claim: &PersistentVolumeClaim) -> bool {
    let of = volume.spec.as_ref().and_then(|s| s.claim_ref.as_ref());
    of.is_some_and(|of| of.namespace == claim.metadata.namespace && of.uid == claim.metadata.uid)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::client_go::Step;
    use crate::kube_controller_manager::controllers::testing::{Desk, object};

    fn claim(size: &str) -> Object {
        object(&json!({"kind": "PersistentVolumeClaim", "metadata": {"name": "c", "namespace": "n", "uid": "u"},
            "spec": {"volumeName": "v", "resources": {"requests": {"storage": size}}}, "status": {"capacity": {"storage": "1Gi"}}}))
    }

    fn desk(source: &Value) -> Desk<ExpandController> {
        let mut spec = json!({"claimRef": {"namespace": "n", "name": "c", "uid": "u"}});
        spec.as_object_mut().expect("a map").extend(source.as_object().expect("a map").clone());
        let mut desk = Desk::new(ExpandController);
        desk.tell(object(&json!({"kind": "PersistentVolume", "metadata": {"name": "v"}, "spec": spec})));
        desk
    }

    #[test]
    fn a_claim_that_is_to_grow_is_told_to_wait_for_somebody_else() {
        for (source, warning) in
            [(json!({"hostPath": {"path": "/x"}}), true), (json!({"csi": {"driver": "d", "volumeHandle": "h"}}), false)]
        {
            let mut desk = desk(&source);
            assert_eq!(desk.tell(claim("1Gi")), Vec::<String>::new());
            assert_eq!(desk.tell(claim("2Gi")), ["c"]);
            let plan = desk.reconcile(Kind::PersistentVolumeClaim, "n", "c");
            let [Step::Tell(event)] = plan.steps.as_slice() else { panic!("{plan:?}") };
            assert_eq!((event.reason, event.warning), ("ExternalExpanding", warning));
            assert_eq!(desk.tell(claim("1Gi")), Vec::<String>::new());
        }
    }
}
