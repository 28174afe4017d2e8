//! Makes the claims of generic ephemeral volumes: one for each such volume of a pod, owned by the pod, so that it goes with it
//! (ephemeral-volume-controller). Reads pods and claims; asks only for creations.
//! Source: pkg/controller/volume/ephemeral.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimTemplate, Pod, Volume};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use sim_apimachinery::{Kind, Object, ObjectKey, Verb};

use crate::client_go::{Ask, CacheEvent, Controller, EventDraft, ObjectReference, Plan, Then, View, Wake};
use crate::component::ChangeType;

/// The controller.
#[derive(Clone, Debug, Default)]
pub struct EphemeralVolumeController;

impl Controller for EphemeralVolumeController {
    fn name(&self) -> &'static str {
        "ephemeral-volume-controller"
    }

    fn event_source(&self) -> &'static str {
        "ephemeral_volume"
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::Pod, Kind::PersistentVolumeClaim]
    }

    fn on_event(&mut self, event: &CacheEvent, view: &mut View<'_>, wake: &mut Wake) {
        match &event.object {
            Object::Pod(pod) if event.change == ChangeType::Added && needs_claims(pod) => wake.now(event.object.key()),
            Object::PersistentVolumeClaim(_) if event.change == ChangeType::Deleted => {
                let Some(owner) = event.object.controller().filter(|o| o.kind == "Pod") else { return };
                if view.caches.get::<Pod>(event.object.namespace(), &owner.name).is_some_and(|pod| needs_claims(pod)) {
                    wake.now(ObjectKey::new(Kind::Pod, event.object.namespace(), &owner.name));
                }
            }
            _ => {}
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, view: &mut View<'_>) -> Plan {
        let Some(pod) = view.caches.get::<Pod>(&key.namespace, &key.name).filter(|pod| needs_claims(pod)) else {
            return Plan::nothing();
        };
        let mut plan = Plan::nothing();
        for (volume, template) in ephemeral(pod) {
            let name = format!("{}-{}", key.name, volume.name);
            let about = ObjectReference::to(&Object::Pod(pod.clone()));
            match view.caches.get::<PersistentVolumeClaim>(&key.namespace, &name) {
                Some(claim) if is_owned(claim, pod) => {}
                Some(_) => {
                    let (namespace, pod) = (&key.namespace, &key.name);
                    let why = format!("PVC {namespace}/{name} was not created for pod {namespace}/{pod} (pod is not owner)");
                    let text = format!("ephemeral volume {}: {why}", volume.name);
                    plan.tell(EventDraft::warning(about, "FailedBinding", text));
                    plan.then = Then::Retry(why);
                    return plan;
                }
                None => {
                    plan.decision = "claims of its ephemeral volumes are missing".into();
                    let failed = format!("ephemeral volume {}: create PVC {name}: ", volume.name);
                    let failed = EventDraft::warning(about, "FailedBinding", "").then_error(failed);
                    let ask =
                        Ask::new(Verb::Create { object: claim(&name, pod, template).into() }, "the pod's volume is to be filled by it");
                    plan.ask(ask.or_telling(failed));
                }
            }
        }
        plan
    }
}

fn ephemeral(pod: &Pod) -> impl Iterator<Item = (&Volume, &PersistentVolumeClaimTemplate)> {
    let volumes = pod.spec.iter().flat_map(|s| s.volumes.iter().flatten());
    volumes.filter_map(|v| Some((v, v.ephemeral.as_ref()?.volume_claim_template.as_ref()?)))
}

fn needs_claims(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_none() && ephemeral(pod).next().is_some()
}

fn is_owned(claim: &PersistentVolumeClaim, pod: &Pod) -> bool {
    let owners = claim.metadata.owner_references.iter().flatten();
    owners.into_iter().any(|o| o.controller == Some(true) && Some(&o.uid) == pod.metadata.uid.as_ref())
}

fn claim(name: &str, pod: &Arc<Pod>, template: &PersistentVolumeClaimTemplate) -> PersistentVolumeClaim {
    let owner = OwnerReference {
        api_version: "v1".into(),
        kind: "Pod".into(),
        name: pod.metadata.name.clone().unwrap_or_default(),
        uid: pod.metadata.uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    };
    let own = template.metadata.clone().unwrap_or_default();
    let metadata = ObjectMeta {
        name: Some(name.into()),
        namespace: pod.metadata.namespace.clone(),
        labels: own.labels,
        annotations: own.annotations,
        owner_references: Some(vec![owner]),
        ..Default::default()
    };
    PersistentVolumeClaim { metadata, spec: Some(template.spec.clone()), status: None }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kube_controller_manager::controllers::testing::{Desk, object};

    fn pod() -> Object {
        let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}}}});
        object(&json!({"kind": "Pod", "metadata": {"name": "p", "namespace": "n", "uid": "u"}, "spec": {"containers": [],
            "volumes": [{"name": "plain", "emptyDir": {}}, {"name": "data", "ephemeral": {"volumeClaimTemplate": template}}]}}))
    }

    #[test]
    fn a_pod_gets_the_claims_of_its_ephemeral_volumes() {
        let mut desk = Desk::new(EphemeralVolumeController);
        assert_eq!(desk.tell(pod()), ["p"]);
        let plan = desk.reconcile(Kind::Pod, "n", "p");
        let [Verb::Create { object: claim }] = desk.verbs(&plan)[..] else { panic!("{plan:?}") };
        assert_eq!((claim.name(), claim.controller().map(|o| o.uid.as_str())), ("p-data", Some("u")));
        assert_eq!(claim.metadata().labels.as_ref().and_then(|l| l.get("a")).map(String::as_str), Some("b"));
        let claim = claim.clone();
        desk.tell(claim.clone());
        assert!(desk.reconcile(Kind::Pod, "n", "p").is_empty());
        assert_eq!(desk.tell_gone(claim), ["p"], "it is made again");
    }

    #[test]
    fn a_claim_of_somebody_else_is_not_taken() {
        let mut desk = Desk::new(EphemeralVolumeController);
        desk.tell(pod());
        desk.tell(object(&json!({"kind": "PersistentVolumeClaim", "metadata": {"name": "p-data", "namespace": "n"}, "spec": {}})));
        let plan = desk.reconcile(Kind::Pod, "n", "p");
        assert!(desk.verbs(&plan).is_empty());
        assert_eq!(plan.then, Then::Retry("PVC n/p-data was not created for pod n/p (pod is not owner)".into()));
    }
}
