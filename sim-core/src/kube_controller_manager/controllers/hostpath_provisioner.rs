//! The provisioner of Docker Desktop's storage class `hostpath`: makes a volume for each claim that is left to it, and
//! deletes volumes whose claim is gone. An external component in a real cluster; its waits are those of its own loop.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{HostPathVolumeSource, PersistentVolume, PersistentVolumeClaim, PersistentVolumeSpec};
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sim_apimachinery::{DeleteOptions, Kind, Object, ObjectKey, Verb};

use super::persistentvolume_binder::reference_to;
use crate::client_go::{Ask, CacheEvent, Controller, EventDraft, ObjectReference, Plan, Tolerate, View, Wake};
use crate::component::ChangeType;
use crate::time::MILLISECOND;

const NAME: &str = "docker.io/hostpath";
const PROVISIONER: &str = "volume.kubernetes.io/storage-provisioner";
const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";

/// The provisioner.
#[derive(Clone, Debug, Default)]
pub struct HostpathProvisioner;

impl Controller for HostpathProvisioner {
    fn name(&self) -> &'static str {
        "docker.io/hostpath_storage-provisioner"
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::PersistentVolume, Kind::PersistentVolumeClaim, Kind::StorageClass]
    }

    fn on_event(&mut self, event: &CacheEvent, _view: &mut View<'_>, wake: &mut Wake) {
        if event.change != ChangeType::Deleted {
            wake.after(event.object.key(), 50 * MILLISECOND);
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, view: &mut View<'_>) -> Plan {
        match key.kind {
            Kind::PersistentVolumeClaim => {
                let claim = view.caches.get::<PersistentVolumeClaim>(&key.namespace, &key.name).cloned();
                claim.and_then(|c| provision(&c, view)).unwrap_or_default()
            }
            Kind::PersistentVolume => view.caches.get::<PersistentVolume>("", &key.name).and_then(|v| delete(v)).unwrap_or_default(),
            _ => Plan::nothing(),
        }
    }

    fn workers(&self) -> usize {
        4
    }
}

fn provision(claim: &Arc<PersistentVolumeClaim>, view: &View<'_>) -> Option<Plan> {
    let ours = claim.metadata.annotations.as_ref().and_then(|a| a.get(PROVISIONER)).is_some_and(|p| p == NAME);
    let spec = claim.spec.as_ref()?;
    let name = format!("pvc-{}", claim.metadata.uid.as_deref()?);
    let there = view.caches.get::<PersistentVolume>("", &name).is_some();
    if !ours || there || claim.metadata.deletion_timestamp.is_some() || spec.volume_name.as_ref().is_some_and(|v| !v.is_empty()) {
        return None;
    }
    let class = view.caches.get::<StorageClass>("", spec.storage_class_name.as_deref()?)?;
    let path = format!("/var/lib/k8s-pvs/{}/{name}", claim.metadata.name.as_deref().unwrap_or_default());
    let volume = PersistentVolume {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            annotations: Some(BTreeMap::from([(PROVISIONED_BY.to_owned(), NAME.to_owned())])),
            ..Default::default()
        },
        spec: Some(PersistentVolumeSpec {
            access_modes: spec.access_modes.clone(),
            capacity: spec.resources.as_ref().and_then(|r| r.requests.clone()),
            claim_ref: Some(reference_to(claim)),
            host_path: Some(HostPathVolumeSource { path, type_: Some(String::new()) }),
            persistent_volume_reclaim_policy: class.reclaim_policy.clone(),
            storage_class_name: spec.storage_class_name.clone(),
            volume_mode: spec.volume_mode.clone(),
            ..Default::default()
        }),
        status: None,
    };
    let about = ObjectReference::to(&Object::PersistentVolumeClaim(claim.clone()));
    let key = Object::PersistentVolumeClaim(claim.clone()).key();
    let mut plan = Plan { decision: format!("make {name}"), ..Plan::nothing() };
    let text = format!("External provisioner is provisioning volume for claim \"{}\"", key.path());
    plan.tell(EventDraft::normal(about.clone(), "Provisioning", text));
    let told = EventDraft::normal(about, "ProvisioningSucceeded", format!("Successfully provisioned volume {name}"));
    plan.ask(Ask::new(Verb::Create { object: volume.into() }, "the claim waits for it").tolerating(Tolerate::AlreadyExists).telling(told));
    Some(plan)
}

fn delete(volume: &PersistentVolume) -> Option<Plan> {
    let ours = volume.metadata.annotations.as_ref().and_then(|a| a.get(PROVISIONED_BY)).is_some_and(|p| p == NAME);
    let released = volume.status.as_ref().and_then(|s| s.phase.as_deref()) == Some("Released");
    let deletes = volume.spec.as_ref().and_then(|s| s.persistent_volume_reclaim_policy.as_deref()) == Some("Delete");
    if !(ours && released && deletes) || volume.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let key = ObjectKey::new(Kind::PersistentVolume, "", volume.metadata.name.as_deref()?);
    let mut plan = Plan { decision: "its claim is gone, and its policy is Delete".into(), ..Plan::nothing() };
    plan.ask(Ask::new(Verb::Delete { key, options: DeleteOptions::default() }, "its claim is gone").tolerating(Tolerate::NotFound));
    Some(plan)
}
