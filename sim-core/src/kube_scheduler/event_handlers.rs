//! What a change in the cluster means for the scheduler: its cache and queue are brought up to date, and pods that wait
//! are woken if it may help them. Source: pkg/scheduler/eventhandlers.go.
//! Pods that have ended count as gone.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Node, Pod};
use sim_apimachinery::{Kind, Object, ObjectKey};

use super::KubeScheduler;
use super::hints::{ClusterEvent, helps};
use super::node_info::NodeInfo;
use super::pod_info::PodInfo;
use crate::component::{ChangeType, Context, WatchEvent};

impl KubeScheduler {
    /// Takes in one event of a watch.
    pub(super) fn on_watch_event(&mut self, event: &WatchEvent, context: &mut Context<'_>) {
        match &event.object {
            Object::Pod(pod) => self.on_pod(event.change, pod, context),
            Object::Node(node) => self.on_node(event.change, node, context),
            other => self.on_other(event, other.kind(), context),
        }
    }

    /// Moves on the waiting pods that an event may help.
    pub(super) fn wake_waiting(&mut self, event: &ClusterEvent<'_>, context: &Context<'_>) {
        let helped: Vec<ObjectKey> = self.queue.waiting().filter(|p| helps(event, p, &self.cache)).map(|p| p.info.key.clone()).collect();
        for key in helped {
            self.queue.move_on(&key, context.now, context.cause);
        }
    }

    fn on_pod(&mut self, change: ChangeType, pod: &Arc<Pod>, context: &mut Context<'_>) {
        let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref());
        let info = Arc::new(PodInfo::new(pod));
        if change == ChangeType::Deleted || matches!(phase, Some("Succeeded" | "Failed")) {
            return self.on_pod_gone(&info, context);
        }
        if let Some(node) = info.node_name() {
            return self.on_assigned(&info, node, context);
        }
        let is_own =
            pod.spec.as_ref().and_then(|s| s.scheduler_name.as_deref()).unwrap_or("default-scheduler") == &*self.config.scheduler_name;
        if !is_own || self.cache.placement(&info.key).is_some() {
            return;
        }
        match self.queue.get(&info.key).map(|q| q.info.clone()) {
            Some(old) if old.uid == info.uid => {
                let matters = pod_matters(&old.pod, pod);
                let nominated = info.nominated_node().map(Arc::from);
                if info.nominated_node() != old.nominated_node() {
                    self.queue.nominate(&info.key, nominated);
                }
                self.queue.update(info, matters, context.now, context.cause);
            }
            Some(_) => {
                self.queue.remove(&info.key);
                self.queue.add(info, context.now, context.cause);
            }
            None => self.queue.add(info, context.now, context.cause),
        }
    }

    fn on_assigned(&mut self, info: &Arc<PodInfo>, node: &str, context: &mut Context<'_>) {
        let before = self.cache.placement(&info.key).map(|(pod, _, assumed)| (pod.clone(), assumed));
        if !self.bindings.contains_key(&info.key) {
            self.queue.remove(&info.key);
        }
        self.cache.place(info, node, false);
        match before {
            Some((old, false)) => self.wake_waiting(&ClusterEvent::PodUpdated { old: &old, new: info }, context),
            _ => self.wake_waiting(&ClusterEvent::PodAdded(info), context),
        }
    }

    fn on_pod_gone(&mut self, info: &Arc<PodInfo>, context: &mut Context<'_>) {
        let was_nominated = self.queue.get(&info.key).is_some_and(|q| q.nominated.is_some());
        self.queue.remove(&info.key);
        let placed = self.cache.remove_pod(&info.key);
        if placed.is_some() || was_nominated {
            self.wake_waiting(&ClusterEvent::PodDeleted(placed.as_ref().unwrap_or(info)), context);
        }
    }

    fn on_node(&mut self, change: ChangeType, node: &Arc<Node>, context: &mut Context<'_>) {
        let name = node.metadata.name.as_deref().unwrap_or("");
        if change == ChangeType::Deleted {
            self.cache.remove_node(name);
            return self.wake_waiting(&ClusterEvent::NodeDeleted, context);
        }
        let old = self.cache.node(name).and_then(|n| n.node.clone());
        let matters = old.as_ref().is_none_or(|old| node_matters(old, node));
        if !matters {
            return self.cache.refresh_node(node);
        }
        self.cache.set_node(node);
        let bare = |node: &Arc<Node>| {
            let mut info = NodeInfo { name: name.into(), ..NodeInfo::default() };
            info.set_node(node);
            info
        };
        match old {
            Some(old) => self.wake_waiting(&ClusterEvent::NodeUpdated { old: &bare(&old), new: &bare(node) }, context),
            None => self.wake_waiting(&ClusterEvent::NodeAdded(&bare(node)), context),
        }
    }

    fn on_other(&mut self, event: &WatchEvent, kind: Kind, context: &mut Context<'_>) {
        self.cache.listers.apply(event);
        if matches!(kind, Kind::PersistentVolume | Kind::PersistentVolumeClaim | Kind::StorageClass | Kind::CSINode) {
            self.wake_waiting(&ClusterEvent::Other { change: event.change, object: &event.object }, context);
        }
        if kind == Kind::PersistentVolumeClaim {
            self.check_all_claims(&event.object.key(), context);
        }
    }
}

/// Whether a change of a waiting pod may help it: anything but its status and the bookkeeping of its metadata.
fn pod_matters(old: &Pod, new: &Pod) -> bool {
    let (a, b) = (&old.metadata, &new.metadata);
    old.spec != new.spec || a.labels != b.labels || a.annotations != b.annotations || a.deletion_timestamp != b.deletion_timestamp
}

/// Whether a change of a node can change any decision: a heartbeat cannot.
fn node_matters(old: &Node, new: &Node) -> bool {
    let (a, b) = (old.status.as_ref(), new.status.as_ref());
    old.spec != new.spec
        || old.metadata.labels != new.metadata.labels
        || a.and_then(|s| s.allocatable.as_ref()) != b.and_then(|s| s.allocatable.as_ref())
        || a.and_then(|s| s.images.as_ref()) != b.and_then(|s| s.images.as_ref())
}
