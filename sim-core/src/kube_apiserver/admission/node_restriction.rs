//! Holds kubelets to their own node and to the pods on it (NodeRestriction).
//! Source: plugin/pkg/admission/noderestriction.
//! Not modelled: the fields of claims' statuses and of certificate requests, and the audiences of tokens.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Node, Pod};
use sim_apimachinery::validation::pod::MIRROR;
use sim_apimachinery::{Kind, Object, ObjectKey, Part, Status, Typed};

use super::{ApiServer, Asked, Call, Outcome, Plugin, forbidden};

const USERS: &str = "system:node:";
const GROUP: &str = "system:nodes";

/// Labels of Kubernetes' domains that a kubelet may set. Source: k8s.io/kubelet/pkg/apis/well_known_labels.go.
const KUBELET_LABELS: [&str; 16] = [
    "kubernetes.io/hostname",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
    "node.kubernetes.io/instance-type",
    "beta.kubernetes.io/instance-type",
    "kubernetes.io/os",
    "kubernetes.io/arch",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/arch",
    "kubernetes.io/metadata.name",
    "kubernetes.io/fluentd-ds-ready",
    "node.kubernetes.io/exclude-from-external-load-balancers",
    "node.kubernetes.io/windows-build",
    "beta.kubernetes.io/fluentd-ds-ready",
];
const KUBELET_DOMAINS: [&str; 2] = ["kubelet.kubernetes.io", "node.kubernetes.io"];

pub(super) const PLUGIN: Plugin = Plugin { name: "NodeRestriction", change: Some(change), check: None };

fn change(server: &mut ApiServer, object: &mut Object, asked: &Asked<'_>, call: &mut Call<'_>) -> Outcome<()> {
    let Some(user) = call.user.clone().filter(|u| u.groups.iter().any(|g| g == GROUP)) else { return Ok(()) };
    let Some(node) = user.name.strip_prefix(USERS) else { return Ok(()) };
    let refuse = |why: String| forbidden(object, &why);
    if node.is_empty() {
        return Err(refuse(format!("could not determine node from user \"{}\"", user.name)));
    }
    match (&*object, asked.old) {
        (Object::Pod(pod), None) => new_pod(server, pod, node, object),
        (Object::Pod(pod), Some(Object::Pod(old))) => pod_update(pod, old, node, asked.part).map_err(refuse),
        (Object::Node(next), old) => own_node(next, old, node).map_err(refuse),
        (Object::PersistentVolumeClaim(_), _) if asked.part != Part::Status => Err(refuse("may only update PVC status".into())),
        (Object::Lease(lease), _) => {
            let lease_of = (lease.metadata.namespace.as_deref(), lease.metadata.name.as_deref());
            own_lease(lease_of, node).map_err(refuse)
        }
        (Object::CSINode(found), _) if found.metadata.name.as_deref() != Some(node) => {
            Err(refuse("can only access CSINode with the same name as the requesting node".into()))
        }
        _ => Ok(()),
    }
}

fn new_pod(server: &ApiServer, pod: &Pod, node: &str, object: &Object) -> Outcome<()> {
    let refuse = |why: String| Err(forbidden(object, &why));
    if !pod.metadata.annotations.as_ref().is_some_and(|a| a.contains_key(MIRROR)) {
        return refuse(format!("pod does not have \"{MIRROR}\" annotation, node \"{node}\" can only create mirror pods"));
    }
    if pod.spec.as_ref().and_then(|s| s.node_name.as_deref()) != Some(node) {
        return refuse(format!("node \"{node}\" can only create pods with spec.nodeName set to itself"));
    }
    let [owner] = pod.metadata.owner_references.as_deref().unwrap_or_default() else {
        let many = pod.metadata.owner_references.as_ref().is_some_and(|o| o.len() > 1);
        let what = if many { "a single owner reference" } else { "an owner reference" };
        return refuse(format!("node \"{node}\" can only create pods with {what} set to itself"));
    };
    if owner.api_version != "v1" || owner.kind != "Node" || owner.name != node {
        return refuse(format!("node \"{node}\" can only create pods with an owner reference set to itself"));
    }
    if owner.controller != Some(true) {
        return refuse(format!("node \"{node}\" can only create pods with a controller owner reference set to itself"));
    }
    if owner.block_owner_deletion == Some(true) {
        return refuse(format!("node \"{node}\" must not set blockOwnerDeletion on an owner reference"));
    }
    match server.etcd.get(&ObjectKey::new(Kind::Node, "", node)).and_then(Node::from_object) {
        None => return Err(Box::new(Status::not_found(Kind::Node, node))),
        Some(found) if found.metadata.uid.as_deref() != Some(owner.uid.as_str()) => {
            let uid = found.metadata.uid.as_deref().unwrap_or_default();
            return refuse(format!("node {node} UID mismatch: expected {} got {uid}", owner.uid));
        }
        Some(_) => {}
    }
    match reference(pod) {
        Some(what) => refuse(format!("node \"{node}\" can not create pods that reference {what}")),
        None => Ok(()),
    }
}

/// An API object that a pod refers to. Source: pkg/api/pod `HasAPIObjectReference`.
fn reference(pod: &Pod) -> Option<&'static str> {
    let spec = pod.spec.as_ref()?;
    if spec.service_account_name.as_deref().is_some_and(|n| !n.is_empty()) {
        return Some("serviceaccounts");
    }
    let containers = || spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let sources = || containers().flat_map(|c| c.env.iter().flatten()).filter_map(|v| v.value_from.as_ref());
    let many = || containers().flat_map(|c| c.env_from.iter().flatten());
    let volumes = || spec.volumes.iter().flatten();
    let secrets = sources().any(|s| s.secret_key_ref.is_some()) || many().any(|s| s.secret_ref.is_some());
    if secrets || spec.image_pull_secrets.is_some() || volumes().any(|v| v.secret.is_some()) {
        return Some("secrets");
    }
    let maps = sources().any(|s| s.config_map_key_ref.is_some()) || many().any(|s| s.config_map_ref.is_some());
    if maps || volumes().any(|v| v.config_map.is_some()) {
        return Some("configmaps");
    }
    if volumes().any(|v| v.persistent_volume_claim.is_some() || v.ephemeral.is_some()) {
        return Some("persistentvolumeclaims");
    }
    if spec.resource_claims.as_ref().is_some_and(|c| !c.is_empty()) {
        return Some("resourceclaims");
    }
    volumes().any(|v| v.csi.is_some()).then_some("csidrivers")
}

fn pod_update(pod: &Pod, old: &Pod, node: &str, part: Part) -> Result<(), String> {
    match part {
        Part::Main => return Err(format!("unexpected operation \"UPDATE\", node \"{node}\" can only create and delete mirror pods")),
        Part::Status => {}
        Part::Resize => return Err("unexpected pod subresource \"resize\", only 'status' and 'eviction' are allowed".into()),
        _ => return Err("unexpected pod subresource \"ephemeralcontainers\", only 'status' and 'eviction' are allowed".into()),
    }
    if old.spec.as_ref().and_then(|s| s.node_name.as_deref()) != Some(node) {
        return Err(format!("node \"{node}\" can only update pod status for pods with spec.nodeName set to itself"));
    }
    if pod.metadata.labels.clone().unwrap_or_default() != old.metadata.labels.clone().unwrap_or_default() {
        return Err(format!("node \"{node}\" cannot update labels through pod status"));
    }
    let claims = |p: &Pod| p.status.as_ref().and_then(|s| s.resource_claim_statuses.clone()).unwrap_or_default();
    if claims(pod) != claims(old) {
        return Err(format!("node \"{node}\" cannot update resource claim statues"));
    }
    Ok(())
}

fn own_node(next: &Node, old: Option<&Object>, node: &str) -> Result<(), String> {
    let name = next.metadata.name.as_deref().unwrap_or_default();
    if name != node {
        return Err(format!("node \"{node}\" is not allowed to modify node \"{name}\""));
    }
    let old = old.and_then(Node::from_object);
    let labels = |n: &Node| n.metadata.labels.clone().unwrap_or_default();
    let (after, before) = (labels(next), old.map(|o| labels(o)).unwrap_or_default());
    let names: BTreeSet<&String> = after.keys().chain(before.keys()).filter(|k| after.get(*k) != before.get(*k)).collect();
    let refused: Vec<&str> = names.into_iter().map(String::as_str).filter(|key| is_refused(key)).collect();
    let Some(old) = old else {
        let text = format!("node \"{node}\" is not allowed to set the following labels: {}", refused.join(", "));
        return if refused.is_empty() { Ok(()) } else { Err(text) };
    };
    let taints = |n: &Node| n.spec.as_ref().and_then(|s| s.taints.clone()).unwrap_or_default();
    if taints(next) != taints(old) {
        return Err(format!("node \"{node}\" is not allowed to modify taints"));
    }
    if next.metadata.owner_references.clone().unwrap_or_default() != old.metadata.owner_references.clone().unwrap_or_default() {
        return Err(format!("node \"{node}\" is not allowed to modify ownerReferences"));
    }
    if !refused.is_empty() {
        return Err(format!("is not allowed to modify labels: {}", refused.join(", ")));
    }
    Ok(())
}

fn is_refused(key: &str) -> bool {
    let domain = key.split_once('/').map_or("", |(domain, _)| domain);
    let within = |of: &str| domain == of || domain.strip_suffix(of).is_some_and(|rest| rest.ends_with('.'));
    let own = KUBELET_LABELS.contains(&key) || KUBELET_DOMAINS.iter().any(|d| within(d));
    within("node-restriction.kubernetes.io") || (within("kubernetes.io") || within("k8s.io")) && !own
}

fn own_lease((namespace, name): (Option<&str>, Option<&str>), node: &str) -> Result<(), String> {
    if namespace != Some("kube-node-lease") {
        return Err("can only access leases in the \"kube-node-lease\" system namespace".into());
    }
    if name != Some(node) {
        return Err("can only access node lease with the same name as the requesting node".into());
    }
    Ok(())
}
