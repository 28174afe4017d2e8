//! Puts finalizers on volumes, claims and attributes classes, so that what is in use is not deleted
//! (StorageObjectInUseProtection). Source: plugin/pkg/admission/storage/storageobjectinuseprotection.

use sim_apimachinery::{Kind, Object};

use super::{ApiServer, Asked, Call, Outcome, Plugin};

pub(super) const PLUGIN: Plugin = Plugin { name: "StorageObjectInUseProtection", change: Some(change), check: None };

fn change(_server: &mut ApiServer, object: &mut Object, asked: &Asked<'_>, _call: &mut Call<'_>) -> Outcome<()> {
    let finalizer = match object.kind() {
        Kind::PersistentVolumeClaim => "kubernetes.io/pvc-protection",
        Kind::PersistentVolume => "kubernetes.io/pv-protection",
        Kind::VolumeAttributesClass => "kubernetes.io/vac-protection",
        _ => return Ok(()),
    };
    if asked.is_create() {
        let finalizers = object.metadata_mut().finalizers.get_or_insert_default();
        if !finalizers.iter().any(|f| f == finalizer) {
            finalizers.push(finalizer.into());
        }
    }
    Ok(())
}
