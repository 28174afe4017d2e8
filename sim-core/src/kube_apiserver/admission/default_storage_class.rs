//! Gives a claim that names no class the newest class that is marked as the default (DefaultStorageClass).
//! Source: plugin/pkg/admission/storage/storageclass/setdefault.

use std::cmp::Reverse;
use std::sync::Arc;

use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sim_apimachinery::{Kind, Object, Typed};

use super::{ApiServer, Asked, Call, Outcome, Plugin};

const DEFAULTS: [&str; 2] = ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];
const OLD_CLASS: &str = "volume.beta.kubernetes.io/storage-class";

pub(super) const PLUGIN: Plugin = Plugin { name: "DefaultStorageClass", change: Some(change), check: None };

fn change(server: &mut ApiServer, object: &mut Object, asked: &Asked<'_>, _call: &mut Call<'_>) -> Outcome<()> {
    let Object::PersistentVolumeClaim(claim) = object else { return Ok(()) };
    let named = claim.spec.as_ref().is_some_and(|s| s.storage_class_name.is_some())
        || claim.metadata.annotations.as_ref().is_some_and(|a| a.contains_key(OLD_CLASS));
    if !asked.is_create() || named {
        return Ok(());
    }
    let classes = || server.etcd.list(Kind::StorageClass, "").filter_map(StorageClass::from_object).map(|c| &c.metadata);
    let marked = |m: &&ObjectMeta| DEFAULTS.iter().any(|key| is_marked(m, key));
    if let Some(name) = newest(classes().filter(marked)) {
        Arc::make_mut(claim).spec.get_or_insert_default().storage_class_name = Some(name);
    }
    Ok(())
}

/// The newest of the classes that are marked with an annotation; of equally old ones the first by name.
pub(super) fn newest_default<'a>(classes: impl Iterator<Item = &'a ObjectMeta>, annotation: &str) -> Option<String> {
    newest(classes.filter(|m| is_marked(m, annotation)))
}

fn is_marked(metadata: &ObjectMeta, annotation: &str) -> bool {
    metadata.annotations.as_ref().and_then(|a| a.get(annotation)).is_some_and(|value| value == "true")
}

fn newest<'a>(classes: impl Iterator<Item = &'a ObjectMeta>) -> Option<String> {
    classes.min_by_key(|m| (m.creation_timestamp.as_ref().map(|t| Reverse(t.0)), m.name.clone()))?.name.clone()
}
