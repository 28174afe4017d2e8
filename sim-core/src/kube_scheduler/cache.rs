//! The scheduler's cache: nodes with the pods on them, those assumed included, and what else decisions look at.
//! Invariant: a pod is on at most one node; an assumed pod counts from the moment it is assumed until it is told of as
//! bound, deleted, or forgotten. Sources: pkg/scheduler/backend/cache/{cache,node_tree}.go.
//! Not modelled: the expiry of assumed pods (off by default in Kubernetes too).

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Namespace, Node};
use sim_apimachinery::ObjectKey;

use super::counts::{Counted, SelectorCounts, TermIndex};
use super::node_info::{NodeInfo, Slot};
use super::plugins::volume_binding::VolumeBind;
use super::pod_info::PodInfo;
use super::selectors::{Labels, NO_LABELS, node_labels};
use super::topology::Topology;
use crate::client_go::Caches;

/// A pod on a node.
#[derive(Clone, Debug)]
struct Placed {
    pod: Arc<PodInfo>,
    slot: Slot,
    assumed: bool,
}

/// All that decisions look at.
#[derive(Clone, Debug, Default)]
pub struct SchedulerCache {
    /// Everything but pods and nodes.
    pub listers: Caches,
    /// Nodes by place; places of nodes that are gone are free.
    pub nodes: Vec<NodeInfo>,
    /// Which nodes are together.
    pub topology: Topology,
    /// Pods per node by selector.
    pub counts: SelectorCounts,
    /// Affinity terms of the pods on nodes.
    pub terms: TermIndex,
    /// How many nodes have an image.
    pub image_nodes: BTreeMap<String, u32>,
    /// How many pods use a claim, by `namespace/name`, of those on nodes.
    pub claim_users: BTreeMap<String, u32>,
    /// Volumes assumed for claims whose binding is under way.
    pub assumed_volumes: BTreeMap<String, ObjectKey>,
    /// Nodes assumed for claims whose volume is to be made.
    pub selected_nodes: BTreeMap<ObjectKey, Arc<str>>,
    by_name: BTreeMap<Arc<str>, Slot>,
    free: Vec<Slot>,
    placed: BTreeMap<ObjectKey, Placed>,
    zones: Vec<(String, Vec<Slot>)>,
    order: Vec<Slot>,
    order_is_old: bool,
}

impl SchedulerCache {
    /// A node by its name, if it is known.
    pub fn node(&self, name: &str) -> Option<&NodeInfo> {
        self.by_name.get(name).map(|slot| &self.nodes[*slot as usize]).filter(|n| n.node.is_some())
    }

    /// The nodes in the order they are looked at: one of each zone in turn, within a zone as they were added.
    pub fn node_order(&mut self) -> &[Slot] {
        if std::mem::take(&mut self.order_is_old) {
            let longest = self.zones.iter().map(|(_, slots)| slots.len()).max().unwrap_or(0);
            let turn = |i: usize| self.zones.iter().filter_map(move |(_, slots)| slots.get(i).copied());
            self.order = (0..longest).flat_map(turn).collect();
        }
        &self.order
    }

    /// The nodes in that order, as of the last call of `node_order`.
    pub fn order(&self) -> &[Slot] {
        &self.order
    }

    /// How many nodes there are.
    pub fn node_count(&self) -> usize {
        self.zones.iter().map(|(_, slots)| slots.len()).sum()
    }

    /// The labels of a namespace.
    pub fn namespace_labels(&self, name: &str) -> &Labels {
        self.listers.get::<Namespace>("", name).and_then(|n| n.metadata.labels.as_ref()).unwrap_or(&NO_LABELS)
    }

    /// Takes in a node that is new or changed.
    pub fn set_node(&mut self, node: &Arc<Node>) {
        let slot = self.slot_of(node.metadata.name.as_deref().unwrap_or(""));
        let zone = zone_of(node);
        let was_in = self.nodes[slot as usize].node.as_deref().map(zone_of);
        self.count_images(slot, -1);
        self.nodes[slot as usize].set_node(node);
        self.count_images(slot, 1);
        self.topology.set(&self.nodes[slot as usize]);
        if was_in.as_ref() != Some(&zone) {
            self.leave_zone(slot);
            self.enter_zone(slot, zone);
        }
    }

    /// Takes in a change of a node that changes no decision.
    pub fn refresh_node(&mut self, node: &Arc<Node>) {
        if let Some(slot) = self.by_name.get(node.metadata.name.as_deref().unwrap_or("")) {
            self.nodes[*slot as usize].node = Some(node.clone());
        }
    }

    /// Volumes and nodes are taken for claims until `forget_volumes`.
    pub fn assume_volumes(&mut self, binds: &[VolumeBind], node: &Arc<str>) {
        for bind in binds {
            match bind {
                VolumeBind::Volume { claim, volume } => {
                    let name = volume.metadata.name.clone().unwrap_or_default();
                    self.assumed_volumes.insert(name, claim.clone());
                }
                VolumeBind::Provision { claim } => _ = self.selected_nodes.insert(claim.clone(), node.clone()),
            }
        }
    }

    /// The claims are bound, or will not be.
    pub fn forget_volumes(&mut self, binds: &[VolumeBind]) {
        for bind in binds {
            self.selected_nodes.remove(bind.claim());
            if let VolumeBind::Volume { volume, .. } = bind {
                self.assumed_volumes.remove(volume.metadata.name.as_deref().unwrap_or(""));
            }
        }
    }

    /// A node is gone; the pods on it stay known until they are told of as gone.
    pub fn remove_node(&mut self, name: &str) {
        let Some(slot) = self.by_name.get(name).copied() else { return };
        self.count_images(slot, -1);
        self.leave_zone(slot);
        let info = &mut self.nodes[slot as usize];
        info.node = None;
        info.images.clear();
        self.topology.set(info);
        self.free_if_empty(slot);
    }

    /// Where a pod is, and whether that is only assumed.
    pub fn placement(&self, key: &ObjectKey) -> Option<(&Arc<PodInfo>, &Arc<str>, bool)> {
        let placed = self.placed.get(key)?;
        Some((&placed.pod, &self.nodes[placed.slot as usize].name, placed.assumed))
    }

    /// Puts a pod on a node (taking it off where it was).
    pub fn place(&mut self, pod: &Arc<PodInfo>, node: &str, assumed: bool) {
        self.remove_pod(&pod.key);
        let slot = self.slot_of(node);
        self.placed.insert(pod.key.clone(), Placed { pod: pod.clone(), slot, assumed });
        self.nodes[slot as usize].add_pod(pod);
        self.count_pod(pod, slot, 1);
    }

    /// Takes a pod off its node.
    pub fn remove_pod(&mut self, key: &ObjectKey) -> Option<Arc<PodInfo>> {
        let Placed { pod, slot, .. } = self.placed.remove(key)?;
        self.nodes[slot as usize].remove_pod(&pod);
        self.count_pod(&pod, slot, -1);
        self.free_if_empty(slot);
        Some(pod)
    }

    /// Starts counting the pods a selector selects.
    pub fn ensure_counted(&mut self, what: &Counted) {
        if self.counts.get(what).is_some() {
            return;
        }
        let namespace = what.namespace.clone();
        let from = namespace.as_deref().map_or(Bound::Unbounded, |n| Bound::Included(ObjectKey::new(sim_apimachinery::Kind::Pod, n, "")));
        let pods = self.placed.range((from, Bound::Unbounded));
        let pods = pods.take_while(|(key, _)| namespace.as_ref().is_none_or(|n| *n == key.namespace));
        self.counts.count(what, pods.map(|(_, p)| (&p.pod, p.slot)));
    }

    fn count_pod(&mut self, pod: &PodInfo, slot: Slot, sign: i64) {
        self.counts.change(pod, slot, sign);
        self.terms.change(pod, slot, sign);
        for claim in &pod.claims {
            let path = format!("{}/{}", pod.namespace(), claim.name);
            let users = self.claim_users.entry(path.clone()).or_insert(0);
            *users = users.saturating_add_signed(sign as i32);
            if *users == 0 {
                self.claim_users.remove(&path);
            }
        }
    }

    fn count_images(&mut self, slot: Slot, sign: i32) {
        for name in self.nodes[slot as usize].images.keys() {
            let nodes = self.image_nodes.entry(name.clone()).or_insert(0);
            *nodes = nodes.saturating_add_signed(sign);
        }
        if sign < 0 {
            self.image_nodes.retain(|_, nodes| *nodes > 0);
        }
    }

    fn slot_of(&mut self, name: &str) -> Slot {
        if let Some(slot) = self.by_name.get(name) {
            return *slot;
        }
        let name: Arc<str> = name.into();
        let slot = self.free.pop().unwrap_or(self.nodes.len() as Slot);
        let info = NodeInfo { name: name.clone(), slot, ..NodeInfo::default() };
        if slot as usize == self.nodes.len() {
            self.nodes.push(info);
        } else {
            self.nodes[slot as usize] = info;
        }
        self.by_name.insert(name, slot);
        slot
    }

    fn free_if_empty(&mut self, slot: Slot) {
        let info = &self.nodes[slot as usize];
        if info.node.is_none() && info.pods.is_empty() {
            self.by_name.remove(&info.name);
            self.free.push(slot);
        }
    }

    fn enter_zone(&mut self, slot: Slot, zone: String) {
        match self.zones.iter_mut().find(|(name, _)| *name == zone) {
            Some((_, slots)) => slots.push(slot),
            None => self.zones.push((zone, vec![slot])),
        }
        self.order_is_old = true;
    }

    fn leave_zone(&mut self, slot: Slot) {
        for (_, slots) in &mut self.zones {
            slots.retain(|s| *s != slot);
        }
        self.zones.retain(|(_, slots)| !slots.is_empty());
        self.order_is_old = true;
    }
}

fn zone_of(node: &Node) -> String {
    let label = |new: &str, old: &str| {
        let labels = node_labels(node);
        labels.get(new).or_else(|| labels.get(old)).cloned().unwrap_or_default()
    };
    let region = label("topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region");
    let zone = label("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone");
    if region.is_empty() && zone.is_empty() { String::new() } else { format!("{region}:\0:{zone}") }
}
