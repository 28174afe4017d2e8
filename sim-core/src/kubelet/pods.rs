//! Pods come, change and go: what a watch tells becomes updates of pod workers.
//! A change of nothing but the status does not concern the worker. A pod that is new to the node is admitted or refused.
//! Source: kubelet.go HandlePodAdditions and the rest, pod_workers.go UpdatePod, config/config.go.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Node, Pod, PodStatus};
use sim_apimachinery::{Object, Typed};

use super::admission::{Room, amounts, refusal};
use super::pod_worker::{Luck, PodWorker, Stage, Verdict};
use super::resources::qos_class;
use super::runtime::seen_as_lost;
use super::status::is_terminal;
use super::{Kubelet, Timer, Uid};
use crate::component::{ChangeType, Context, WatchEvent};
use crate::time::{SECOND, SimTime};

impl Kubelet {
    pub(super) fn on_watch_events(&mut self, events: &[WatchEvent], context: &mut Context) {
        let cause = context.cause;
        for event in events {
            context.cause = cause;
            self.on_watch_event(event, context);
        }
    }

    fn on_watch_event(&mut self, event: &WatchEvent, context: &mut Context) {
        self.caches.apply(event);
        match &event.object {
            Object::Pod(pod) => self.on_pod(event.change, pod, context),
            Object::Node(node) => self.on_node(event.change, node, context),
            _ => {}
        }
    }

    pub(super) fn on_pod(&mut self, change: ChangeType, pod: &Arc<Pod>, context: &mut Context) {
        let uid: Uid = pod.metadata.uid.as_deref().unwrap_or_default().into();
        if change == ChangeType::Deleted {
            return self.on_pod_deleted(&uid, pod, context);
        }
        match self.pods.get_mut(&uid) {
            Some(worker) => {
                let concerns = concerns_worker(&worker.pod, pod);
                worker.pod = pod.clone();
                if concerns {
                    worker.requests = amounts(pod);
                }
                if worker.stage == Stage::Finished {
                    self.push_status(&uid, context);
                } else if concerns {
                    self.dispatch(&uid, context);
                } else {
                    self.look_at_status(&uid, context);
                }
            }
            None => self.add_pod(uid, pod, context),
        }
    }

    fn on_pod_deleted(&mut self, uid: &Uid, pod: &Arc<Pod>, context: &mut Context) {
        let Some(worker) = self.pods.get_mut(uid) else { return };
        worker.deleted = true;
        if worker.pod.metadata.deletion_timestamp.is_none() {
            worker.pod = pod.clone();
        }
        if worker.stage == Stage::Finished { self.forget_pod(uid) } else { self.dispatch(uid, context) }
    }

    /// Forgets a pod that is gone everywhere.
    pub(super) fn forget_pod(&mut self, uid: &Uid) {
        if let Some(worker) = self.pods.remove(uid) {
            let name = (worker.key.namespace.clone(), worker.key.name.clone());
            if self.names.get(&name) == Some(uid) {
                self.names.remove(&name);
            }
        }
        self.status.forget(uid);
        self.sources.retain(&self.named_sources());
    }

    fn add_pod(&mut self, uid: Uid, pod: &Arc<Pod>, context: &mut Context) {
        let luck = Luck::of(self.chance, self.arrivals);
        self.arrivals += 1;
        let mut worker = PodWorker::new(pod.clone(), context.now, context.cause, luck);
        self.names.insert((worker.key.namespace.clone(), worker.key.name.clone()), uid.clone());
        let terminal = is_terminal(pod.status.as_ref().and_then(|s| s.phase.as_deref()));
        if let Some(old) = self.orphans.remove(&uid) {
            adopt(&mut worker, old);
        }
        if let Some(status) = pod.status.as_ref().filter(|s| s.start_time.is_some()) {
            worker.started_at = status.start_time.as_ref().map_or(context.now, SimTime::from_time);
            self.status.known(&uid, status.clone());
            worker.status = Some(status.clone());
        }
        if terminal && !worker.any_running() {
            worker.stage = Stage::Finished;
            self.pods.insert(uid.clone(), worker);
            return self.push_status(&uid, context);
        }
        let fresh = worker.status.is_none();
        let refused = if fresh && !worker.is_deleting() { self.refuse(pod) } else { None };
        self.pods.insert(uid.clone(), worker);
        match refused {
            Some((reason, text)) => self.reject(&uid, reason, &text, context),
            None => {
                self.plan_deadline(&uid);
                self.dispatch(&uid, context);
            }
        }
    }

    fn refuse(&self, pod: &Pod) -> Option<(&'static str, String)> {
        let counts = |w: &&PodWorker| w.stage < Stage::Terminated && w.verdict.is_none();
        let others: Vec<_> = self.pods.values().filter(counts).map(|w| (&*w.pod, w.requests)).collect();
        let name = self.config.node.clone();
        let own_labels = self.caches.get::<Node>("", &name).and_then(|n| n.metadata.labels.clone());
        let labels = own_labels.unwrap_or_else(|| self.node_labels());
        let allocatable = self.allocatable_numbers();
        refusal(pod, &Room { allocatable: &allocatable, others: &others, labels: &labels, pressure: self.faults.pressure })
    }

    fn reject(&mut self, uid: &Uid, reason: &'static str, text: &str, context: &mut Context) {
        self.tell(uid, None, true, reason, text, context);
        let Some(worker) = self.pods.get_mut(uid) else { return };
        let message = format!("Pod was rejected: {text}");
        worker.verdict = Some(Verdict { reason: reason.to_owned(), message: message.clone(), disruption: false });
        worker.stage = Stage::Finished;
        let api = worker.pod.status.clone().unwrap_or_default();
        let status = PodStatus {
            phase: Some("Failed".into()),
            reason: Some(reason.to_owned()),
            message: Some(message),
            qos_class: Some(qos_class(&worker.pod).to_owned()),
            observed_generation: worker.pod.metadata.generation,
            conditions: api.conditions,
            start_time: Some(context.now.to_time()),
            ..Default::default()
        };
        self.set_status(uid, status, context);
    }

    pub(super) fn plan_deadline(&mut self, uid: &Uid) {
        let Some(worker) = self.pods.get(uid) else { return };
        if let Some(at) = active_deadline(worker) {
            self.timers.add(at, (Timer::Deadline(uid.clone()), worker.cause));
        }
    }

    /// An update is on its way to the worker.
    fn dispatch(&mut self, uid: &Uid, context: &mut Context) {
        let Some(worker) = self.pods.get_mut(uid) else { return };
        let takes = self.config.latencies.dispatch.draw(&mut worker.luck.worker);
        self.later(context.now.plus(takes), Timer::Dispatch(uid.clone()), context);
    }

    /// An update has reached the worker; it is taken up at once or waits in the slot. What ends a pod stays the reason of what
    /// is done next, whatever comes meanwhile.
    pub(super) fn update(&mut self, uid: &Uid, context: &mut Context) {
        let Some(worker) = self.pods.get_mut(uid) else { return };
        if worker.stage == Stage::Finished {
            return;
        }
        let ended_before = worker.pending.filter(|_| worker.stage > Stage::Syncing);
        worker.pending = ended_before.or(Some(context.cause));
        let ending = worker.stage == Stage::Syncing && (worker.is_deleting() || worker.verdict.is_some());
        if ending {
            worker.stage = Stage::Terminating;
            if worker.run.take().is_some() {
                worker.last_sync = context.now;
            }
        }
        self.try_sync(uid, context);
    }

    /// Begins the next sync, if one is wanted, none is under way, and the cache is new enough.
    pub(super) fn try_sync(&mut self, uid: &Uid, context: &mut Context) {
        let Some(worker) = self.pods.get(uid) else { return };
        if worker.pending.is_none() || worker.run.is_some() || worker.stage == Stage::Finished {
            return;
        }
        if worker.last_sync > SimTime(0) && self.cache_time(uid, context.now) <= worker.last_sync {
            return self.await_relist(uid, context.now);
        }
        self.begin_sync(uid, context);
    }

    /// What no pod owns after a restart of the kubelet is taken away.
    pub(super) fn housekeeping(&mut self, context: &mut Context) {
        let left = std::mem::take(&mut self.orphans);
        for (uid, mut worker) in left {
            let names: Vec<String> = worker.records.keys().cloned().collect();
            for name in names {
                self.processes.plan(&uid, &name, None);
            }
            if let Some(ip) = worker.sandbox.ip.take() {
                self.addresses.release(&ip);
            }
            context.record(&self.component, crate::trace::What::Node { key: worker.key.clone(), text: "orphaned pod removed".into() });
        }
    }

    /// All pods in the caches, as if they were told of just now.
    pub(super) fn retell_pods(&mut self, context: &mut Context) {
        let pods: Vec<Arc<Pod>> = self.caches.all::<Pod>().cloned().collect();
        let cause = context.cause;
        for pod in pods {
            context.cause = cause;
            self.on_pod(ChangeType::Added, &pod, context);
        }
    }
}

/// When a pod's time is over.
pub(super) fn active_deadline(worker: &PodWorker) -> Option<SimTime> {
    let seconds = worker.pod.spec.as_ref()?.active_deadline_seconds?;
    Some(worker.started_at.truncated().plus(u64::try_from(seconds).unwrap_or(0).saturating_mul(SECOND)))
}

/// A kubelet that restarted finds what it left.
fn adopt(worker: &mut PodWorker, old: PodWorker) {
    worker.sandbox = old.sandbox;
    worker.records = old.records;
    worker.disks = old.disks;
    worker.attempts = old.attempts;
    worker.started_at = old.started_at;
    worker.mounted = true;
    seen_as_lost(&mut worker.records);
}

fn concerns_worker(old: &Pod, new: &Pod) -> bool {
    let (a, b) = (&old.metadata, &new.metadata);
    old.spec != new.spec
        || a.labels != b.labels
        || a.annotations != b.annotations
        || a.deletion_timestamp != b.deletion_timestamp
        || a.deletion_grace_period_seconds != b.deletion_grace_period_seconds
        || readiness_gates(old) != readiness_gates(new)
}

/// The conditions readiness gates look at.
fn readiness_gates(pod: &Pod) -> Vec<(String, String)> {
    let gates = pod.spec.iter().flat_map(|s| s.readiness_gates.iter().flatten());
    let present = pod.status.as_ref().and_then(|s| s.conditions.as_deref()).unwrap_or_default();
    gates.filter_map(|g| present.iter().find(|c| c.type_ == g.condition_type)).map(|c| (c.type_.clone(), c.status.clone())).collect()
}

/// The node itself, if it is that object.
pub(super) fn as_node(object: &Object) -> Option<&Arc<Node>> {
    Node::from_object(object)
}
