//! Judges nodes by what is heard of them: taints them by their conditions, and gives up on those that fall silent.
//! A node is silent 50 s after its last heartbeat, noticed on a grid of 5 s; heartbeats of healthy nodes are not simulated
//! one by one, the hallway tells when they stop and when they are back. Source: pkg/controller/nodelifecycle.
//! Not modelled: zones and their rates, partial disruption; when no node is left that is heard of, nothing is evicted.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Node, NodeCondition, Pod, PodCondition, Taint};
use sim_apimachinery::{Kind, Object, ObjectKey, Part, Patch, TypedPatch, Verb};

use crate::client_go::{Ask, CacheEvent, Controller, EventDraft, ObjectReference, Plan, Step, Then, Tolerate, View, Wake};
use crate::component::ChangeType;
use crate::time::{Nanos, SECOND, SimTime};

const MONITOR_PERIOD: Nanos = 5 * SECOND;
const GRACE: Nanos = 50 * SECOND;
const NOT_READY: &str = "node.kubernetes.io/not-ready";
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";

/// The controller: which nodes are silent, and since when.
#[derive(Clone, Debug, Default)]
pub struct NodeLifecycleController {
    silent: BTreeMap<Arc<str>, SimTime>,
}

impl NodeLifecycleController {
    /// The last heartbeat of a node was at `last`, and no other will come; `None` when heartbeats are back.
    pub fn set_silent(&mut self, node: &str, last: Option<SimTime>) {
        match last {
            Some(last) => _ = self.silent.insert(node.into(), last),
            None => _ = self.silent.remove(node),
        }
    }

    fn is_lost(&self, node: &str, now: SimTime) -> bool {
        self.silent.get(node).is_some_and(|last| now.since(*last) >= GRACE)
    }
}

impl Controller for NodeLifecycleController {
    fn name(&self) -> &'static str {
        "node-controller"
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::Node, Kind::Pod]
    }

    fn on_event(&mut self, event: &CacheEvent, _view: &mut View<'_>, wake: &mut Wake) {
        if matches!(event.object, Object::Node(_)) && event.change != ChangeType::Deleted {
            wake.now(event.object.key());
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, view: &mut View<'_>) -> Plan {
        let Some(node) = view.caches.get::<Node>("", &key.name).cloned() else { return Plan::nothing() };
        let mut plan = if self.is_lost(&key.name, view.now) && ready_status(&node) != "Unknown" {
            give_up(&node, view)
        } else {
            let all_lost = view.caches.all::<Node>().all(|n| self.is_lost(n.metadata.name.as_deref().unwrap_or_default(), view.now));
            taint(&node, view.now, !all_lost)
        };
        if let Some(last) = self.silent.get(&key.name).filter(|_| !self.is_lost(&key.name, view.now)) {
            let expires = last.plus(GRACE);
            let wait = expires.since(view.now).div_ceil(MONITOR_PERIOD) * MONITOR_PERIOD;
            plan.then = Then::After(wait.max(MONITOR_PERIOD));
        }
        plan
    }

    fn workers(&self) -> usize {
        8
    }
}

fn ready_status(node: &Node) -> String {
    conditions(node).iter().find(|c| c.type_ == "Ready").map(|c| c.status.clone()).unwrap_or_else(|| "Unknown".into())
}

fn conditions(node: &Node) -> Vec<NodeCondition> {
    node.status.as_ref().and_then(|s| s.conditions.clone()).unwrap_or_default()
}

/// The node fell silent: its conditions are unknown, and its pods are not ready.
fn give_up(node: &Arc<Node>, view: &View<'_>) -> Plan {
    let name = node.metadata.name.clone().unwrap_or_default();
    let unknown = |c: NodeCondition| NodeCondition {
        status: "Unknown".into(),
        reason: Some("NodeStatusUnknown".into()),
        message: Some("Kubelet stopped posting node status.".into()),
        last_transition_time: Some(view.now.to_time()),
        ..c
    };
    let judged = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];
    let changed = conditions(node).into_iter().filter(|c| judged.contains(&c.type_.as_str())).map(unknown).collect();
    let key = ObjectKey::new(Kind::Node, "", &name);
    let mut plan = Plan { decision: format!("nothing was heard of {name} for {} s", GRACE / SECOND), ..Plan::nothing() };
    let reference = ObjectReference { uid: name.clone(), ..ObjectReference::to(&Object::Node(node.clone())) };
    plan.ask(Ask::new(Verb::Patch { key, part: Part::Status, patch: Patch::Typed(TypedPatch::NodeConditions(changed)) }, "it is silent"));
    plan.tell(EventDraft::normal(reference, "NodeNotReady", format!("Node {name} status is now: NodeNotReady")));
    for pod in view.caches.pods_on_node(&name) {
        not_ready(pod, view.now, &mut plan);
    }
    plan
}

fn not_ready(pod: &Arc<Pod>, now: SimTime, plan: &mut Plan) {
    let ready = pod.status.iter().flat_map(|s| s.conditions.iter().flatten()).find(|c| c.type_ == "Ready" && c.status == "True");
    let Some(ready) = ready else { return };
    let condition = PodCondition { status: "False".into(), last_transition_time: Some(now.to_time()), ..ready.clone() };
    let object = Object::Pod(pod.clone());
    let patch = Patch::Typed(TypedPatch::PodConditions(vec![condition]));
    plan.steps.push(Step::Ask(
        Ask::new(Verb::Patch { key: object.key(), part: Part::Status, patch }, "its node is silent").tolerating(Tolerate::NotFound),
    ));
    plan.tell(EventDraft::warning(ObjectReference::to(&object), "NodeNotReady", "Node is not ready"));
}

/// The taints a node's conditions ask for.
fn taint(node: &Arc<Node>, now: SimTime, may_evict: bool) -> Plan {
    let current = node.spec.as_ref().and_then(|s| s.taints.clone()).unwrap_or_default();
    let wanted = wanted_taints(node, may_evict);
    let ours = |t: &Taint| t.key.starts_with("node.kubernetes.io/") && OWN.contains(&t.key.as_str());
    let mut next: Vec<Taint> = current.iter().filter(|t| !ours(t)).cloned().collect();
    for (key, effect) in &wanted {
        let known = current.iter().find(|t| t.key == *key && t.effect == *effect).cloned();
        let time_added = Some(now.to_time()).filter(|_| *effect == "NoExecute");
        next.push(known.unwrap_or(Taint { key: (*key).into(), effect: (*effect).into(), value: None, time_added }));
    }
    let names = |taints: &[Taint]| {
        let mut names: Vec<String> = taints.iter().map(|t| format!("{}:{}", t.key, t.effect)).collect();
        names.sort();
        names
    };
    if names(&current) == names(&next) {
        return Plan::nothing();
    }
    let object = Object::Node(node.clone());
    let mut plan = Plan { decision: format!("its conditions ask for the taints {:?}", names(&next)), ..Plan::nothing() };
    let patch = Patch::Typed(TypedPatch::NodeTaints(next));
    plan.ask(
        Ask::new(Verb::Patch { key: object.key(), part: Part::Main, patch }, "taints follow conditions").tolerating(Tolerate::NotFound),
    );
    plan
}

const OWN: [&str; 7] = [
    NOT_READY,
    UNREACHABLE,
    "node.kubernetes.io/memory-pressure",
    "node.kubernetes.io/disk-pressure",
    "node.kubernetes.io/pid-pressure",
    "node.kubernetes.io/network-unavailable",
    "node.kubernetes.io/unschedulable",
];

fn wanted_taints(node: &Node, may_evict: bool) -> Vec<(&'static str, &'static str)> {
    let mut wanted = Vec::new();
    for condition in conditions(node) {
        match (condition.type_.as_str(), condition.status.as_str()) {
            ("Ready", "False") => wanted.push((NOT_READY, "NoSchedule")),
            ("Ready", "Unknown") => wanted.push((UNREACHABLE, "NoSchedule")),
            ("MemoryPressure", "True") => wanted.push(("node.kubernetes.io/memory-pressure", "NoSchedule")),
            ("DiskPressure", "True") => wanted.push(("node.kubernetes.io/disk-pressure", "NoSchedule")),
            ("PIDPressure", "True") => wanted.push(("node.kubernetes.io/pid-pressure", "NoSchedule")),
            ("NetworkUnavailable", "True") => wanted.push(("node.kubernetes.io/network-unavailable", "NoSchedule")),
            _ => {}
        }
    }
    if node.spec.as_ref().and_then(|s| s.unschedulable) == Some(true) {
        wanted.push(("node.kubernetes.io/unschedulable", "NoSchedule"));
    }
    match ready_status(node).as_str() {
        "False" if may_evict => wanted.push((NOT_READY, "NoExecute")),
        "Unknown" if may_evict => wanted.push((UNREACHABLE, "NoExecute")),
        _ => {}
    }
    wanted
}
