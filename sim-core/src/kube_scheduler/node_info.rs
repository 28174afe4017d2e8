//! A node as the scheduler sees it: what it offers and what the pods on it take, kept up to date pod by pod.
//! A node may be imaginary: pods may be told of before their node is.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Node, Taint};

use super::pod_info::{HostPort, PodInfo};
use super::resources::Resources;
use super::selectors::{Labels, NO_LABELS, node_labels};

/// The place of a node in the cache's table.
pub type Slot = u32;

/// What a node offers and what is taken.
#[derive(Clone, Debug, Default)]
pub struct NodeInfo {
    /// Its name.
    pub name: Arc<str>,
    /// Its place.
    pub slot: Slot,
    /// The node as last told; `None` if only its pods are known.
    pub node: Option<Arc<Node>>,
    /// What it offers.
    pub allocatable: Resources,
    /// What its pods ask for.
    pub requested: Resources,
    /// What its pods count for in scores: millicores and bytes.
    pub nonzero: (i64, i64),
    /// The pods on it, assumed ones included.
    pub pods: Vec<Arc<PodInfo>>,
    /// Ports taken.
    pub ports: Vec<HostPort>,
    /// Images on it, by normalised name, with their size in bytes.
    pub images: BTreeMap<String, i64>,
}

impl NodeInfo {
    /// Takes in a node.
    pub fn set_node(&mut self, node: &Arc<Node>) {
        let status = node.status.as_ref();
        self.allocatable = Resources::from_list(status.and_then(|s| s.allocatable.as_ref()));
        self.images.clear();
        for image in status.and_then(|s| s.images.as_deref()).unwrap_or_default() {
            for name in image.names.iter().flatten() {
                self.images.insert(name.clone(), image.size_bytes.unwrap_or(0));
            }
        }
        self.node = Some(node.clone());
    }

    /// Its labels.
    pub fn labels(&self) -> &Labels {
        self.node.as_deref().map_or(&NO_LABELS, node_labels)
    }

    /// Its taints.
    pub fn taints(&self) -> &[Taint] {
        let spec = self.node.as_ref().and_then(|n| n.spec.as_ref());
        spec.and_then(|s| s.taints.as_deref()).unwrap_or_default()
    }

    /// Whether it is cordoned.
    pub fn is_unschedulable(&self) -> bool {
        self.node.as_ref().and_then(|n| n.spec.as_ref()).is_some_and(|s| s.unschedulable == Some(true))
    }

    /// Puts a pod on it.
    pub fn add_pod(&mut self, pod: &Arc<PodInfo>) {
        self.count(pod, 1);
        self.ports.extend(pod.host_ports.iter().cloned());
        self.pods.push(pod.clone());
    }

    /// Takes a pod off it; nothing happens if it is not there.
    pub fn remove_pod(&mut self, pod: &PodInfo) {
        let Some(at) = self.pods.iter().position(|p| p.uid == pod.uid && p.key == pod.key) else { return };
        let pod = self.pods.swap_remove(at);
        self.count(&pod, -1);
        for port in &pod.host_ports {
            if let Some(at) = self.ports.iter().position(|p| p == port) {
                self.ports.swap_remove(at);
            }
        }
    }

    fn count(&mut self, pod: &PodInfo, sign: i64) {
        self.requested.add(&pod.requests, sign);
        self.nonzero.0 += sign * pod.nonzero.0;
        self.nonzero.1 += sign * pod.nonzero.1;
    }
}
