//! What a pod takes from other objects: which ConfigMaps, Secrets and claims it names, and what was fetched of them.
//! Every sync that mounts volumes or starts containers fetches them anew; texts of failures are the kubelet's own.
//! Not modelled: immutable ConfigMaps (they are fetched like others), certificates and cluster trust bundles.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{ConfigMap, KeyToPath, Pod, Secret};
use sim_apimachinery::{Answer, Kind, Object, ObjectKey, Reply, Verb};

use super::containers::all_containers;
use super::sync_pod::Flow;
use super::{Asked, Kubelet, Uid};
use crate::component::Context;

/// What was fetched: the object, or that there is none.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    objects: BTreeMap<ObjectKey, Option<Object>>,
}

impl Sources {
    /// Keeps an answer.
    pub fn put(&mut self, key: ObjectKey, object: Option<Object>) {
        self.objects.insert(key, object);
    }

    /// An object that was fetched and is there.
    pub fn object(&self, kind: Kind, namespace: &str, name: &str) -> Option<&Object> {
        self.objects.get(&ObjectKey::new(kind, namespace, name))?.as_ref()
    }

    /// Forgets all that no pod names any more.
    pub fn retain(&mut self, named: &BTreeSet<ObjectKey>) {
        self.objects.retain(|key, _| named.contains(key));
    }

    /// All texts of a ConfigMap, or the error.
    pub fn config_map(&self, namespace: &str, name: &str) -> Result<BTreeMap<String, String>, String> {
        let object = self.object(Kind::ConfigMap, namespace, name).ok_or_else(|| format!("configmap \"{name}\" not found"))?;
        let Some(map) = object.as_typed::<ConfigMap>() else { return Ok(BTreeMap::new()) };
        let mut texts = map.data.clone().unwrap_or_default();
        texts.extend(map.binary_data.iter().flatten().map(|(k, v)| (k.clone(), String::from_utf8_lossy(&v.0).into_owned())));
        Ok(texts)
    }

    /// All texts of a Secret, or the error.
    pub fn secret(&self, namespace: &str, name: &str) -> Result<BTreeMap<String, String>, String> {
        let object = self.object(Kind::Secret, namespace, name).ok_or_else(|| format!("secret \"{name}\" not found"))?;
        let Some(secret) = object.as_typed::<Secret>() else { return Ok(BTreeMap::new()) };
        Ok(secret.data.iter().flatten().map(|(k, v)| (k.clone(), String::from_utf8_lossy(&v.0).into_owned())).collect())
    }
}

impl Kubelet {
    /// Asks for what a pod names; the sync goes on when all of it is answered.
    pub(super) fn fetch(&mut self, uid: &Uid, context: &mut Context) -> Flow {
        let Some(worker) = self.pods.get(uid) else { return Flow::End };
        let keys = named_by(&worker.pod);
        if keys.is_empty() {
            return Flow::Go;
        }
        let ticket = self.new_ticket(uid);
        if let Some(run) = self.pods.get_mut(uid).and_then(|w| w.run.as_mut()) {
            run.answers = keys.len();
        }
        for key in keys {
            self.ask(Verb::Get { key: key.clone() }, Asked::Source(uid.clone(), ticket, key), context);
        }
        Flow::Wait
    }

    pub(super) fn source_answered(&mut self, uid: &Uid, ticket: u64, key: ObjectKey, answer: Answer, context: &mut Context) {
        let object = match answer {
            Ok(Reply::Object(object)) => Some(object),
            _ => None,
        };
        self.sources.put(key, object);
        let Some(run) = self.pods.get_mut(uid).and_then(|w| w.run.as_mut()).filter(|r| r.ticket == ticket) else { return };
        run.answers = run.answers.saturating_sub(1);
        if run.answers == 0 {
            self.resume(uid, ticket, context);
        }
    }
}

/// Everything a pod names, once each.
pub fn named_by(pod: &Pod) -> BTreeSet<ObjectKey> {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let mut keys = BTreeSet::new();
    let mut add = |kind: Kind, name: &str| {
        if !name.is_empty() {
            keys.insert(ObjectKey::new(kind, namespace, name));
        }
    };
    for (_, container) in all_containers(pod) {
        for from in container.env_from.iter().flatten() {
            from.config_map_ref.iter().for_each(|r| add(Kind::ConfigMap, &r.name));
            from.secret_ref.iter().for_each(|r| add(Kind::Secret, &r.name));
        }
        for source in container.env.iter().flatten().filter_map(|e| e.value_from.as_ref()) {
            source.config_map_key_ref.iter().for_each(|r| add(Kind::ConfigMap, &r.name));
            source.secret_key_ref.iter().for_each(|r| add(Kind::Secret, &r.name));
        }
    }
    for volume in pod.spec.iter().flat_map(|s| s.volumes.iter().flatten()) {
        volume.config_map.iter().for_each(|v| add(Kind::ConfigMap, &v.name));
        volume.secret.iter().for_each(|v| add(Kind::Secret, v.secret_name.as_deref().unwrap_or_default()));
        volume.persistent_volume_claim.iter().for_each(|v| add(Kind::PersistentVolumeClaim, &v.claim_name));
        for projection in volume.projected.iter().flat_map(|p| p.sources.iter().flatten()) {
            projection.config_map.iter().for_each(|p| add(Kind::ConfigMap, &p.name));
            projection.secret.iter().for_each(|p| add(Kind::Secret, &p.name));
        }
    }
    pod.spec.iter().flat_map(|s| s.image_pull_secrets.iter().flatten()).for_each(|r| add(Kind::Secret, &r.name));
    keys
}

/// The files a volume makes of texts: all of them, or the items asked for by key and path.
pub fn files(
    what: &str,
    texts: BTreeMap<String, String>,
    items: Option<&Vec<KeyToPath>>,
    optional: bool,
) -> Result<BTreeMap<String, String>, String> {
    let Some(items) = items.filter(|i| !i.is_empty()) else { return Ok(texts) };
    let mut files = BTreeMap::new();
    for item in items {
        match texts.get(&item.key) {
            Some(text) => _ = files.insert(item.path.clone(), text.clone()),
            None if optional => {}
            None => {
                return Err(format!(
                    "{what} references non-existent {} key: {}",
                    if what == "configmap" { "config" } else { "secret" },
                    item.key
                ));
            }
        }
    }
    Ok(files)
}
