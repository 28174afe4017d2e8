//! Lets claims grow only if they are bound and their class allows it (PersistentVolumeClaimResize).
//! Source: plugin/pkg/admission/storage/persistentvolume/resize.

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use k8s_openapi::api::storage::v1::StorageClass;
use sim_apimachinery::quantity::Quantity;
use sim_apimachinery::{Kind, Object, ObjectKey, Typed};

use super::{ApiServer, Asked, Call, Outcome, Plugin, forbidden};

pub(super) const PLUGIN: Plugin = Plugin { name: "PersistentVolumeClaimResize", change: None, check: Some(check) };

fn check(server: &mut ApiServer, object: &Object, asked: &Asked<'_>, _call: &mut Call<'_>) -> Outcome<()> {
    let (Object::PersistentVolumeClaim(claim), Some(Object::PersistentVolumeClaim(old))) = (object, asked.old) else { return Ok(()) };
    if !asked.is_main() || size(claim) <= size(old) {
        return Ok(());
    }
    if old.status.as_ref().and_then(|s| s.phase.as_deref()) != Some("Bound") {
        return Err(forbidden(object, "Only bound persistent volume claims can be expanded"));
    }
    if !may_grow(server, claim, old) {
        let text = "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize";
        return Err(forbidden(object, text));
    }
    Ok(())
}

fn size(claim: &PersistentVolumeClaim) -> Quantity {
    let requests = claim.spec.as_ref().and_then(|s| s.resources.as_ref()).and_then(|r| r.requests.as_ref());
    let asked = requests.and_then(|r| r.get("storage")).and_then(|q| Quantity::parse(&q.0).ok());
    asked.unwrap_or_else(|| Quantity::from_bytes(0))
}

fn may_grow(server: &ApiServer, claim: &PersistentVolumeClaim, old: &PersistentVolumeClaim) -> bool {
    let class = |c: &PersistentVolumeClaim| c.spec.as_ref().and_then(|s| s.storage_class_name.clone()).unwrap_or_default();
    let name = class(claim);
    if name.is_empty() || name != class(old) {
        return false;
    }
    let found = server.etcd.get(&ObjectKey::new(Kind::StorageClass, "", &name)).and_then(StorageClass::from_object);
    found.is_some_and(|c| c.allow_volume_expansion == Some(true))
}
