//! `metrics.k8s.io/v1beta1`: usage of pods and nodes, as the metrics server tells it through the aggregation layer.
//! A node's usage is that of its pods. Not modelled: what the system's own processes on a node use, watches.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};
use sim_apimachinery::selector::Selector;
use sim_apimachinery::{Kind, Object, PodMetrics, Reply, Verb};
use sim_core::cluster::Cluster;

use crate::frontend::Outcome;
use crate::http::{Request, Response};
use crate::negotiation::negotiate;
use crate::respond::{bad_request, no_resource, value, wrong_method};
use crate::route::ResourcePath;

/// The group.
pub const GROUP: &str = "metrics.k8s.io";
/// The version.
pub const VERSION: &str = "v1beta1";

/// Answers for the metrics server.
pub fn answer(cluster: &mut Cluster, request: &Request, path: &ResourcePath) -> Outcome<Response> {
    if path.version != VERSION || !matches!(path.resource.as_str(), "pods" | "nodes") || !path.subresource.is_empty() {
        return Err(no_resource());
    }
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        return Err(wrong_method());
    }
    let accepted = negotiate(request)?;
    let labels = Selector::parse(request.query().get("labelSelector")).map_err(bad_request)?;
    let items = if path.resource == "pods" { pods(cluster, path, &labels)? } else { nodes(cluster, path, &labels)? };
    let shown = match (path.name.as_str(), items.into_iter().next(), path.resource.as_str()) {
        ("", ..) => return list(cluster, request, path, &labels),
        (_, Some(item), _) => item,
        (name, None, resource) => {
            let text = format!("{resource}.metrics.k8s.io {name:?} not found");
            return Err(Box::new(sim_apimachinery::Status {
                kind: resource.into(),
                group: GROUP.into(),
                name: name.into(),
                ..sim_apimachinery::Status::new(sim_apimachinery::Reason::NotFound, text)
            }));
        }
    };
    Ok(value(200, &shown, accepted.encoding))
}

fn list(cluster: &mut Cluster, request: &Request, path: &ResourcePath, labels: &Selector) -> Outcome<Response> {
    let (items, kind) = if path.resource == "pods" {
        (pods(cluster, path, labels)?, "PodMetricsList")
    } else {
        (nodes(cluster, path, labels)?, "NodeMetricsList")
    };
    let shown = json!({"kind": kind, "apiVersion": format!("{GROUP}/{VERSION}"), "metadata": {}, "items": items});
    Ok(value(200, &shown, negotiate(request)?.encoding))
}

fn usage_of_pods(cluster: &mut Cluster, namespace: &str) -> Outcome<Vec<PodMetrics>> {
    let verb = Verb::PodMetrics { namespace: namespace.into(), labels: String::new() };
    match cluster.serve(sim_apimachinery::Request::new(&"metrics".into(), verb), "").0? {
        Reply::PodMetrics(found) => Ok(found),
        _ => Ok(vec![]),
    }
}

fn pods(cluster: &mut Cluster, path: &ResourcePath, labels: &Selector) -> Outcome<Vec<Value>> {
    let found = usage_of_pods(cluster, &path.namespace)?;
    let chosen = |m: &&PodMetrics| {
        let object = cluster.object(Kind::Pod, &m.namespace, &m.name);
        (path.name.is_empty() || *m.name == *path.name) && object.is_some_and(|o| matches(o, labels))
    };
    Ok(found.iter().filter(chosen).map(|m| pod(cluster, m)).collect())
}

fn matches(object: &Object, labels: &Selector) -> bool {
    labels.matches(object.metadata().labels.as_ref().unwrap_or(&BTreeMap::new()))
}

fn pod(cluster: &Cluster, metrics: &PodMetrics) -> Value {
    let containers: Vec<Value> =
        metrics.containers.iter().map(|(name, cpu, memory)| json!({"name": **name, "usage": usage(*cpu, *memory)})).collect();
    let labels = cluster.object(Kind::Pod, &metrics.namespace, &metrics.name).and_then(|o| o.metadata().labels.clone());
    let mut metadata = json!({"name": *metrics.name, "namespace": *metrics.namespace, "creationTimestamp": stamp(cluster.now().0)});
    if let Some(labels) = labels {
        metadata["labels"] = json!(labels);
    }
    json!({"kind": "PodMetrics", "apiVersion": format!("{GROUP}/{VERSION}"), "metadata": metadata, "timestamp": stamp(metrics.timestamp),
        "window": format!("{}s", metrics.window / 1_000_000_000), "containers": containers})
}

fn nodes(cluster: &mut Cluster, path: &ResourcePath, labels: &Selector) -> Outcome<Vec<Value>> {
    let found = usage_of_pods(cluster, "")?;
    let mut used: BTreeMap<String, (u64, u64, u64)> = BTreeMap::new();
    for metrics in &found {
        let Some(Object::Pod(pod)) = cluster.object(Kind::Pod, &metrics.namespace, &metrics.name) else { continue };
        let node = pod.spec.as_ref().and_then(|s| s.node_name.clone()).unwrap_or_default();
        let sum = used.entry(node).or_default();
        for (_, cpu, memory) in &metrics.containers {
            *sum = (sum.0 + cpu, sum.1 + memory, sum.2.max(metrics.timestamp));
        }
    }
    let wanted = |o: &&Object| (path.name.is_empty() || o.name() == path.name) && matches(o, labels);
    Ok(cluster
        .etcd()
        .list(Kind::Node, "")
        .filter(wanted)
        .map(|o| node(cluster, o, used.get(o.name()).copied().unwrap_or_default()))
        .collect())
}

fn node(cluster: &Cluster, object: &Object, (cpu, memory, at): (u64, u64, u64)) -> Value {
    let at = if at == 0 { cluster.now().0 } else { at };
    let mut metadata = json!({"name": object.name(), "creationTimestamp": stamp(cluster.now().0)});
    if let Some(labels) = &object.metadata().labels {
        metadata["labels"] = json!(labels);
    }
    json!({"kind": "NodeMetrics", "apiVersion": format!("{GROUP}/{VERSION}"), "metadata": metadata, "timestamp": stamp(at), "window": "15s",
        "usage": usage(cpu, memory)})
}

fn usage(cpu_nanocores: u64, memory_bytes: u64) -> Value {
    let cpu = if cpu_nanocores == 0 { "0".to_owned() } else { format!("{cpu_nanocores}n") };
    json!({"cpu": cpu, "memory": format!("{}Ki", memory_bytes / 1024)})
}

fn stamp(nanos: u64) -> String {
    Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or(Timestamp::UNIX_EPOCH).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The group as legacy discovery shows it.
pub fn group() -> Value {
    let version = json!({"groupVersion": format!("{GROUP}/{VERSION}"), "version": VERSION});
    json!({"kind": "APIGroup", "apiVersion": "v1", "name": GROUP, "versions": [version], "preferredVersion": version})
}

/// Its resources as legacy discovery shows them.
pub fn resources() -> Value {
    let one = |name: &str, kind: &str, namespaced: bool| json!({"name": name, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": ["get", "list"]});
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": format!("{GROUP}/{VERSION}"),
        "resources": [one("nodes", "NodeMetrics", false), one("pods", "PodMetrics", true)]})
}

/// The group as aggregated discovery shows it.
pub fn aggregated() -> Value {
    let one = |name: &str, kind: &str, scope: &str| json!({"resource": name, "responseKind": {"group": GROUP, "version": VERSION, "kind": kind}, "scope": scope, "singularResource": "", "verbs": ["get", "list"]});
    json!({"metadata": {"name": GROUP, "creationTimestamp": null}, "versions": [{"version": VERSION, "freshness": "Current",
        "resources": [one("nodes", "NodeMetrics", "Cluster"), one("pods", "PodMetrics", "Namespaced")]}]})
}
