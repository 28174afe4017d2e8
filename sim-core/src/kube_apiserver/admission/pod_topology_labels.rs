//! Copies a node's zone and region to the labels of pods that are put on it (PodTopologyLabels).
//! Source: plugin/pkg/admission/podtopologylabels.

use std::collections::BTreeMap;

use sim_apimachinery::{Kind, Object, ObjectKey};

use super::{ApiServer, Asked, Call, Outcome, Plugin};

const LABELS: [&str; 2] = ["topology.kubernetes.io/region", "topology.kubernetes.io/zone"];

pub(super) const PLUGIN: Plugin = Plugin { name: "PodTopologyLabels", change: Some(change), check: None };

fn change(server: &mut ApiServer, object: &mut Object, asked: &Asked<'_>, _call: &mut Call<'_>) -> Outcome<()> {
    let Object::Pod(pod) = &*object else { return Ok(()) };
    let node = pod.spec.as_ref().and_then(|s| s.node_name.as_deref()).filter(|n| !n.is_empty());
    let Some(node) = node.filter(|_| asked.is_create()) else { return Ok(()) };
    let labels = topology_labels(server, node);
    if !labels.is_empty() {
        object.metadata_mut().labels.get_or_insert_default().extend(labels);
    }
    Ok(())
}

/// What a node's labels say about where it is.
pub(in super::super) fn topology_labels(server: &ApiServer, node: &str) -> BTreeMap<String, String> {
    let found = server.etcd.get(&ObjectKey::new(Kind::Node, "", node));
    let labels = found.and_then(|n| n.metadata().labels.as_ref());
    labels.into_iter().flatten().filter(|(key, _)| LABELS.contains(&key.as_str())).map(|(k, v)| (k.clone(), v.clone())).collect()
}
