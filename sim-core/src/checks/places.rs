//! Rules about what can be given to one only: room on nodes, cluster addresses, volumes.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Node, Pod};
use sim_apimachinery::{Object, ObjectKey, quantity};

use crate::component::ChangeType;
use crate::etcd::Change;

/// What of a node is taken: CPU in thousandths, bytes of memory, pods.
type Amounts = [i64; 3];

/// Who holds what.
#[derive(Default)]
pub struct Places {
    addresses: BTreeMap<String, ObjectKey>,
    volumes: BTreeMap<String, ObjectKey>,
    room: BTreeMap<String, Amounts>,
    taken: BTreeMap<String, Amounts>,
    pods: BTreeMap<ObjectKey, (String, Amounts)>,
}

impl Places {
    /// Looks at one change.
    pub fn take(&mut self, change: &Change, broken: &mut dyn FnMut(&'static str, String)) {
        let gone = change.change == ChangeType::Deleted;
        let key = change.object.key();
        match &change.object {
            Object::Service(service) => {
                let address = service.spec.as_ref().and_then(|s| s.cluster_ip.clone()).filter(|a| !a.is_empty() && a != "None");
                hold(&mut self.addresses, address, &key, gone, "a cluster address belongs to one service", broken);
            }
            Object::PersistentVolumeClaim(claim) => {
                let volume = claim.spec.as_ref().and_then(|s| s.volume_name.clone()).filter(|v| !v.is_empty());
                hold(&mut self.volumes, volume, &key, gone, "a volume belongs to one claim", broken);
            }
            Object::Node(node) => _ = self.room.insert(key.name.to_string(), room(node)),
            Object::Pod(pod) => self.pod(&key, pod, change, broken),
            _ => {}
        }
    }

    /// Only what the scheduler bound counts: a user may put pods onto a node that has no room, and its kubelet refuses them.
    fn pod(&mut self, key: &ObjectKey, pod: &Pod, change: &Change, broken: &mut dyn FnMut(&'static str, String)) {
        let node = pod.spec.as_ref().and_then(|s| s.node_name.clone()).unwrap_or_default();
        let over = matches!(pod.status.as_ref().and_then(|s| s.phase.as_deref()), Some("Succeeded" | "Failed"));
        let bound_now = !node.is_empty() && !self.pods.contains_key(key) && change.change == ChangeType::Modified && !over;
        if bound_now && previous_node(change).is_empty() {
            let amounts = asked(pod);
            add(self.taken.entry(node.clone()).or_default(), amounts, 1);
            self.pods.insert(key.clone(), (node.clone(), amounts));
            let (taken, room) = (self.taken[&node], self.room.get(&node).copied().unwrap_or([i64::MAX; 3]));
            if taken.iter().zip(room).any(|(taken, room)| *taken > room) {
                broken("the scheduler gives away no more than a node has", format!("{taken:?} of {room:?} on {node}"));
            }
        }
        if (over || change.change == ChangeType::Deleted)
            && let Some((node, amounts)) = self.pods.remove(key)
        {
            add(self.taken.entry(node).or_default(), amounts, -1);
        }
    }
}

fn previous_node(change: &Change) -> String {
    match &change.previous {
        Some(Object::Pod(before)) => before.spec.as_ref().and_then(|s| s.node_name.clone()).unwrap_or_default(),
        _ => String::new(),
    }
}

fn hold(
    held: &mut BTreeMap<String, ObjectKey>,
    what: Option<String>,
    key: &ObjectKey,
    gone: bool,
    rule: &'static str,
    broken: &mut dyn FnMut(&'static str, String),
) {
    let Some(what) = what else { return };
    if gone {
        held.remove(&what);
        return;
    }
    if let Some(other) = held.insert(what.clone(), key.clone()).filter(|other| other != key) {
        broken(rule, format!("{what} is held by {other}"));
    }
}

fn room(node: &Node) -> Amounts {
    let allocatable = node.status.as_ref().and_then(|s| s.allocatable.clone()).unwrap_or_default();
    let amount =
        |name: &str, milli: bool| allocatable.get(name).map_or(i64::MAX, |q| if milli { quantity::milli(q) } else { quantity::value(q) });
    [amount("cpu", true), amount("memory", false), amount("pods", false)]
}

/// What a pod's containers ask for; init containers need no more, or the rule is milder than the scheduler's.
fn asked(pod: &Pod) -> Amounts {
    let mut sum = [0, 0, 1];
    for container in pod.spec.iter().flat_map(|s| &s.containers) {
        let requests = container.resources.as_ref().and_then(|r| r.requests.clone()).unwrap_or_default();
        sum[0] += requests.get("cpu").map_or(0, quantity::milli);
        sum[1] += requests.get("memory").map_or(0, quantity::value);
    }
    sum
}

fn add(to: &mut Amounts, amounts: Amounts, times: i64) {
    to.iter_mut().zip(amounts).for_each(|(to, amount)| *to += amount * times);
}
