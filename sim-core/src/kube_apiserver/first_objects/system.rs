//! Namespaces, the server's own service, priority classes, and what says that the server is alive.
//! Sources: pkg/controlplane/controller/{systemnamespaces,kubernetesservice,clusterauthenticationtrust},
//! plugin priorityclasses in pkg/registry/scheduling/rest.

use serde_json::{Value, json};

use super::timestamp;
use crate::time::SimTime;

/// Renewed every ten seconds by a server; a lease that nobody reads need not be renewed one by one.
const IDENTITY_SECONDS: i32 = 3600;

/// The namespaces that every cluster has.
fn namespaces() -> Vec<Value> {
    let named = |name: &str| {
        json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}},
            "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"},
        })
    };
    ["kube-system", "kube-public", "default", "kube-node-lease"].map(named).to_vec()
}

/// All of them. `network` is the first two bytes of the service network, `identity` the name of the server's lease.
pub fn objects(now: SimTime, network: [u8; 2], identity: &str) -> Vec<Value> {
    let [a, b] = network;
    let mut objects = namespaces();
    objects.extend(priority_classes());
    objects.push(service(&format!("{a}.{b}.0.1")));
    objects.push(authentication());
    objects.push(token_tracking(now));
    objects.push(lease(identity, now));
    objects
}

fn priority_classes() -> Vec<Value> {
    let cluster = "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.";
    let node = "Used for system critical pods that must not be moved from their current node.";
    [("system-node-critical", 2_000_001_000, node), ("system-cluster-critical", 2_000_000_000, cluster)]
        .map(|(name, value, text)| {
            json!({
                "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name, "generation": 1},
                "value": value, "description": text, "preemptionPolicy": "PreemptLowerPriority",
            })
        })
        .to_vec()
}

/// The service `kubernetes`; the object that says that its address is taken is not made here.
fn service(address: &str) -> Value {
    let spec = json!({
        "ports": [{"name": "https", "protocol": "TCP", "port": 443, "targetPort": 6443}],
        "clusterIP": address, "clusterIPs": [address], "type": "ClusterIP", "sessionAffinity": "None",
        "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "internalTrafficPolicy": "Cluster",
    });
    let labels = json!({"component": "apiserver", "provider": "kubernetes"});
    let metadata = json!({"name": "kubernetes", "namespace": "default", "labels": labels});
    json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec, "status": {"loadBalancer": {}}})
}

fn config_map(name: &str, data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "kube-system"}, "data": data})
}

/// How an extension server tells who asks. The certificates are the server's business: none are shown here.
fn authentication() -> Value {
    config_map(
        "extension-apiserver-authentication",
        json!({
            "client-ca-file": "", "requestheader-allowed-names": "[]", "requestheader-client-ca-file": "",
            "requestheader-extra-headers-prefix": "[\"X-Remote-Extra-\"]", "requestheader-group-headers": "[\"X-Remote-Group\"]",
            "requestheader-username-headers": "[\"X-Remote-User\"]",
        }),
    )
}

/// Since which day the server notes the use of old tokens.
fn token_tracking(now: SimTime) -> Value {
    let time = timestamp(now);
    let day = time.as_str().and_then(|t| t.split('T').next()).unwrap_or_default();
    config_map("kube-apiserver-legacy-service-account-token-tracking", json!({"since": day}))
}

fn lease(identity: &str, now: SimTime) -> Value {
    let host = identity.trim_start_matches("apiserver-");
    let labels = json!({"apiserver.kubernetes.io/identity": "kube-apiserver", "kubernetes.io/hostname": "kube-apiserver"});
    let metadata = json!({"name": identity, "namespace": "kube-system", "labels": labels});
    let spec = json!({
        "holderIdentity": format!("{identity}_{host}"), "leaseDurationSeconds": IDENTITY_SECONDS, "renewTime": micro(now),
    });
    json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec})
}

fn micro(now: SimTime) -> Value {
    serde_json::to_value(now.to_micro_time()).unwrap_or_default()
}
