//! Whether an object has to do with a node: it is a pod there, or such a pod uses it (secret, config map, claim, volume,
//! service account), or it names the node itself (attachment, resource slice).
//! Mirror pods relate to nothing but themselves, or a node could give itself rights by making one.
//! Costs a walk over the pods of one namespace; only kubelets from outside ask. Source: authorizer/node/graph.go.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{PersistentVolume, Pod};
use k8s_openapi::api::resource::v1::ResourceSlice;
use k8s_openapi::api::storage::v1::VolumeAttachment;
use serde_json::Value;
use sim_apimachinery::{Kind, ObjectKey, Typed};

use super::Attributes;
use crate::kube_apiserver::ApiServer;

const MIRROR: &str = "kubernetes.io/config.mirror";
/// Fields of a pod or volume that hold a reference to a secret with a `name`.
const SECRET_REFERENCES: [&str; 8] = [
    "secretRef",
    "secretKeyRef",
    "secret",
    "imagePullSecrets",
    "nodePublishSecretRef",
    "nodeStageSecretRef",
    "nodeExpandSecretRef",
    "secretName",
];
const CONFIG_MAP_REFERENCES: [&str; 3] = ["configMapRef", "configMapKeyRef", "configMap"];

impl ApiServer {
    /// Whether the object asked about has to do with the node.
    pub(super) fn is_related(&self, node: &str, asked: &Attributes) -> bool {
        let (namespace, name) = (asked.namespace.as_str(), asked.name.as_str());
        match asked.resource.as_str() {
            "pods" => self.typed::<Pod>(namespace, name).is_some_and(|p| is_on(p, node)),
            "serviceaccounts" => self.node_uses(node, namespace, |pod| account_of(pod) == Some(name)),
            "configmaps" => self.node_uses(node, namespace, |pod| mentions(pod, &CONFIG_MAP_REFERENCES, name)),
            "secrets" => {
                self.node_uses(node, namespace, |pod| mentions(pod, &SECRET_REFERENCES, name)) || self.volume_needs(node, namespace, name)
            }
            "persistentvolumeclaims" => self.node_uses(node, namespace, |pod| has_claim(pod, name)),
            "persistentvolumes" => self.typed::<PersistentVolume>("", name).is_some_and(|v| self.claim_is_used(node, v)),
            "resourceclaims" => self.node_uses(node, namespace, |pod| has_resource_claim(pod, name)),
            "volumeattachments" => self.typed::<VolumeAttachment>("", name).is_some_and(|a| a.spec.node_name == node),
            "resourceslices" => self.typed::<ResourceSlice>("", name).is_some_and(|s| s.spec.node_name.as_deref() == Some(node)),
            _ => false,
        }
    }

    fn typed<T: Typed>(&self, namespace: &str, name: &str) -> Option<&Arc<T>> {
        self.etcd.get(&ObjectKey::new(T::KIND, namespace, name)).and_then(T::from_object)
    }

    fn node_uses(&self, node: &str, namespace: &str, uses: impl Fn(&Pod) -> bool) -> bool {
        let pods = self.etcd.list(Kind::Pod, namespace).filter_map(Pod::from_object);
        pods.filter(|p| is_on(p, node) && !p.metadata.annotations.iter().flatten().any(|(k, _)| k == MIRROR)).any(|p| uses(p))
    }

    /// Whether a volume that a pod on the node uses needs this secret.
    fn volume_needs(&self, node: &str, namespace: &str, secret: &str) -> bool {
        let volumes = self.etcd.list(Kind::PersistentVolume, "").filter_map(PersistentVolume::from_object);
        volumes.filter(|v| volume_mentions(v, namespace, secret)).any(|v| self.claim_is_used(node, v))
    }

    fn claim_is_used(&self, node: &str, volume: &PersistentVolume) -> bool {
        let claim = volume.spec.as_ref().and_then(|s| s.claim_ref.as_ref());
        claim.is_some_and(|claim| {
            let name = claim.name.as_deref().unwrap_or_default();
            self.node_uses(node, claim.namespace.as_deref().unwrap_or_default(), |pod| has_claim(pod, name))
        })
    }
}

fn is_on(pod: &Pod, node: &str) -> bool {
    pod.spec.as_ref().is_some_and(|s| s.node_name.as_deref() == Some(node))
}

fn account_of(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.service_account_name.as_deref()
}

fn has_claim(pod: &Pod, name: &str) -> bool {
    let own = pod.metadata.name.as_deref().unwrap_or_default();
    pod.spec.iter().flat_map(|s| s.volumes.iter().flatten()).any(|volume| match &volume.persistent_volume_claim {
        Some(claim) => claim.claim_name == name,
        None => volume.ephemeral.is_some() && name == format!("{own}-{}", volume.name),
    })
}

fn has_resource_claim(pod: &Pod, name: &str) -> bool {
    let status = pod.status.as_ref();
    let made = |entry: &str| {
        status?.resource_claim_statuses.iter().flatten().find(|s| s.name == entry).and_then(|s| s.resource_claim_name.as_deref())
    };
    let mut claims = pod.spec.iter().flat_map(|s| s.resource_claims.iter().flatten());
    let extended = status.and_then(|s| s.extended_resource_claim_status.as_ref());
    claims.any(|c| c.resource_claim_name.as_deref().or_else(|| made(&c.name)) == Some(name))
        || extended.is_some_and(|e| e.resource_claim_name == name)
}

fn mentions(pod: &Pod, fields: &[&str], name: &str) -> bool {
    let spec = pod.spec.as_ref().and_then(|s| serde_json::to_value(s).ok());
    !name.is_empty() && spec.is_some_and(|spec| refers(&spec, fields, name))
}

/// Whether one of the fields, anywhere below, names it: as text, as an object's `name`, or in a list of such objects.
fn refers(value: &Value, fields: &[&str], name: &str) -> bool {
    let names = |v: &Value| v.as_str() == Some(name) || v["name"].as_str() == Some(name) || v["secretName"].as_str() == Some(name);
    match value {
        Value::Object(map) => map.iter().any(|(key, inner)| {
            let listed = || inner.as_array().is_some_and(|list| list.iter().any(names));
            (fields.contains(&key.as_str()) && (names(inner) || listed())) || refers(inner, fields, name)
        }),
        Value::Array(list) => list.iter().any(|inner| refers(inner, fields, name)),
        _ => false,
    }
}

/// A volume's secrets are in the namespace the reference names, or in the claim's.
fn volume_mentions(volume: &PersistentVolume, namespace: &str, secret: &str) -> bool {
    let Some(spec) = volume.spec.as_ref().and_then(|s| serde_json::to_value(s).ok()) else { return false };
    let home = spec["claimRef"]["namespace"].as_str().unwrap_or_default();
    let Some(sources) = spec.as_object() else { return false };
    let of_source = |source: &Value| {
        SECRET_REFERENCES.iter().any(|field| {
            let reference = &source[*field];
            let at = reference["namespace"].as_str().or(source["secretNamespace"].as_str()).filter(|n| !n.is_empty()).unwrap_or(home);
            at == namespace && (reference["name"].as_str() == Some(secret) || reference.as_str() == Some(secret))
        })
    };
    sources.values().any(of_source)
}
