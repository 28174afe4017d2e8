//! The patches that components of the cluster send, applied to typed objects: the same as their JSON, without the JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, EventSeries, Node, NodeCondition, NodeStatus, Pod, PodCondition, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, Time};
use sim_apimachinery::{Object, TypedPatch};

/// Condition types a kubelet owns in a pod's status; all others it keeps as they are, in front.
const KUBELET_CONDITIONS: [&str; 9] = [
    "PodResizePending",
    "PodResizeInProgress",
    "PodReadyToStartContainers",
    "Initialized",
    "Ready",
    "ContainersReady",
    "PodScheduled",
    "AllContainersRestarting",
    "DisruptionTarget",
];
/// Condition types a kubelet owns in its node's status.
const NODE_CONDITIONS: [&str; 4] = ["MemoryPressure", "DiskPressure", "PIDPressure", "Ready"];

/// Applies a patch; a patch that does not fit the object's kind changes nothing.
pub fn apply(object: &mut Object, patch: TypedPatch) {
    match patch {
        TypedPatch::OwnerReferences { add, remove } => owner_references(object.metadata_mut(), add, &remove),
        TypedPatch::Finalizers { add, remove } => finalizers(object.metadata_mut(), add, &remove),
        TypedPatch::Annotations(changes) => merge(&mut object.metadata_mut().annotations, changes),
        TypedPatch::Labels(changes) => merge(&mut object.metadata_mut().labels, changes),
        other => match object {
            Object::Pod(pod) => pod_patch(Arc::make_mut(pod), other),
            Object::Node(node) => node_patch(Arc::make_mut(node), other),
            Object::Event(event) => event_patch(Arc::make_mut(event), other),
            _ => {}
        },
    }
}

fn pod_patch(pod: &mut Pod, patch: TypedPatch) {
    let status = pod.status.get_or_insert_default();
    match patch {
        TypedPatch::PodStatus(new) => kubelet_status(status, *new),
        TypedPatch::PodConditions(conditions) => set_pod_conditions(status, conditions),
        TypedPatch::PodPhase { phase, conditions } => {
            status.phase = Some(phase);
            set_pod_conditions(status, conditions);
        }
        TypedPatch::PodNomination { node, conditions } => {
            status.nominated_node_name = node;
            set_pod_conditions(status, conditions);
        }
        _ => {}
    }
}

fn kubelet_status(status: &mut PodStatus, mut new: PodStatus) {
    let sent = new.conditions.take().unwrap_or_default();
    let foreign = |c: &PodCondition| !KUBELET_CONDITIONS.contains(&c.type_.as_str()) || c.type_ == "DisruptionTarget";
    let kept = status.conditions.take().unwrap_or_default();
    let mut conditions: Vec<PodCondition> = kept.into_iter().filter(|c| foreign(c) && !sent.iter().any(|s| s.type_ == c.type_)).collect();
    conditions.extend(sent);
    new.conditions = (!conditions.is_empty()).then_some(conditions);
    new.qos_class = new.qos_class.or_else(|| status.qos_class.take());
    new.nominated_node_name = new.nominated_node_name.or_else(|| status.nominated_node_name.take());
    *status = new;
}

fn set_pod_conditions(status: &mut PodStatus, changes: Vec<PodCondition>) {
    let conditions = status.conditions.get_or_insert_default();
    for change in changes {
        match conditions.iter_mut().find(|c| c.type_ == change.type_) {
            Some(found) => *found = change,
            None => conditions.push(change),
        }
    }
}

fn node_patch(node: &mut Node, patch: TypedPatch) {
    match patch {
        TypedPatch::NodeStatus(new) => kubelet_node_status(node.status.get_or_insert_default(), *new),
        TypedPatch::NodeConditions(changes) => {
            let conditions = node.status.get_or_insert_default().conditions.get_or_insert_default();
            for change in changes {
                match conditions.iter_mut().find(|c| c.type_ == change.type_) {
                    Some(found) => *found = change,
                    None => conditions.push(change),
                }
            }
        }
        TypedPatch::NodeTaints(taints) => node.spec.get_or_insert_default().taints = (!taints.is_empty()).then_some(taints),
        _ => {}
    }
}

fn kubelet_node_status(status: &mut NodeStatus, mut new: NodeStatus) {
    let foreign = |c: &NodeCondition| !NODE_CONDITIONS.contains(&c.type_.as_str());
    let mut conditions: Vec<NodeCondition> = status.conditions.take().unwrap_or_default().into_iter().filter(foreign).collect();
    conditions.extend(new.conditions.take().unwrap_or_default());
    new.conditions = Some(conditions);
    *status = new;
}

fn event_patch(event: &mut Event, patch: TypedPatch) {
    let stamp = |nanos: i64| Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or(Timestamp::UNIX_EPOCH);
    match patch {
        TypedPatch::EventCount { count, message, last } => {
            event.message = Some(message);
            event.count = Some(count);
            event.last_timestamp = Some(Time(Timestamp::new(stamp(last).as_second(), 0).unwrap_or(Timestamp::UNIX_EPOCH)));
        }
        TypedPatch::EventSeries { count, last } => {
            event.series = Some(EventSeries { count: Some(count), last_observed_time: Some(MicroTime(stamp(last))) });
        }
        _ => {}
    }
}

fn owner_references(
    metadata: &mut ObjectMeta,
    add: Vec<k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference>,
    remove: &[String],
) {
    let mut references = metadata.owner_references.take().unwrap_or_default();
    references.retain(|r| !remove.contains(&r.uid));
    for reference in add {
        references.retain(|r| r.uid != reference.uid);
        references.push(reference);
    }
    metadata.owner_references = (!references.is_empty()).then_some(references);
}

fn finalizers(metadata: &mut ObjectMeta, add: Vec<String>, remove: &[String]) {
    let mut finalizers = metadata.finalizers.take().unwrap_or_default();
    finalizers.retain(|f| !remove.contains(f));
    for finalizer in add {
        if !finalizers.contains(&finalizer) {
            finalizers.push(finalizer);
        }
    }
    metadata.finalizers = (!finalizers.is_empty()).then_some(finalizers);
}

fn merge(map: &mut Option<BTreeMap<String, String>>, changes: BTreeMap<String, Option<String>>) {
    let target = map.get_or_insert_default();
    for (key, value) in changes {
        match value {
            Some(value) => _ = target.insert(key, value),
            None => _ = target.remove(&key),
        }
    }
    if target.is_empty() {
        *map = None;
    }
}
