//! The binding cycle: what follows once a node is chosen. The pod is assumed there at once; its volumes are bound first if
//! it has any to bind; then it is bound, which is told in the event `Scheduled`. A failure takes the assumption back.
//! Sources: bindingCycle in pkg/scheduler/schedule_one.go, plugins volumebinding and defaultbinder.
//! Not modelled: Permit plugins.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ObjectReference as ApiReference, PersistentVolumeClaim};
use sim_apimachinery::{Answer, Object, ObjectKey, Part, Patch, TypedPatch, Verb};

use super::cycle::Search;
use super::failure::{Failure, Nomination, reference_to};
use super::hints::ClusterEvent;
use super::node_info::Slot;
use super::plugins::volume_binding::{self, SELECTED_NODE, VolumeBind};
use super::pod_info::PodInfo;
use super::queue::QueuedPod;
use super::{Asked, KubeScheduler, verdicts};
use crate::client_go::EventDraft;
use crate::component::Context;
use crate::time::SimTime;
use crate::trace::{StepId, What};

/// A pod on its way to its node.
#[derive(Clone, Debug)]
pub struct Binding {
    pod: Arc<PodInfo>,
    node: Arc<str>,
    volumes: Vec<VolumeBind>,
    stage: Stage,
    cause: StepId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// So many requests about its volumes are under way.
    Asking(usize, SimTime),
    /// Its claims are to be bound by others.
    Waiting(SimTime),
    /// The bind request is under way.
    Binding,
}

impl Binding {
    /// When waiting for its claims ends.
    pub fn deadline(&self) -> Option<SimTime> {
        match self.stage {
            Stage::Waiting(deadline) => Some(deadline),
            _ => None,
        }
    }
}

impl KubeScheduler {
    pub(super) fn assume_and_bind(&mut self, queued: &QueuedPod, found: &Search, slot: Slot, context: &mut Context<'_>) {
        let pod = queued.info.clone();
        let node = self.cache.nodes[slot as usize].name.clone();
        let message = format!("Successfully assigned {} to {node}", pod.key.path());
        let decision = verdicts::decision(queued, found, &self.cache, self.config.recorded_nodes_max, message);
        let cause = context.record(&self.component.clone(), What::Scheduled(Arc::new(decision)));
        let volumes = volume_binding::binds_on(&found.state.volumes, &self.cache.nodes[slot as usize], &self.cache).unwrap_or_default();
        if let Some(left_over) = self.bindings.remove(&pod.key) {
            self.cache.forget_volumes(&left_over.volumes);
        }
        self.cache.place(&pod, &node, true);
        self.cache.assume_volumes(&volumes, &node);
        let at = self.busy_until;
        let mut binding = Binding { pod: pod.clone(), node: node.clone(), volumes, stage: Stage::Binding, cause };
        if binding.volumes.is_empty() {
            self.bindings.insert(pod.key.clone(), binding);
            return self.send_bind(&pod.key, at, context);
        }
        let nomination = TypedPatch::PodNomination { node: Some(node.to_string()), conditions: vec![] };
        let verb = Verb::Patch { key: pod.key.clone(), part: Part::Status, patch: Patch::Typed(nomination) };
        self.ask(at, Asked::Nothing, verb, cause, context);
        let requests: Vec<Verb> = binding.volumes.iter().filter_map(|bind| self.volume_request(bind, &node)).collect();
        let deadline = at.plus(self.config.bind_timeout);
        binding.stage = if requests.is_empty() { Stage::Waiting(deadline) } else { Stage::Asking(requests.len(), deadline) };
        self.bindings.insert(pod.key.clone(), binding);
        for verb in requests {
            self.ask(at, Asked::Binding(pod.key.clone(), pod.uid.clone()), verb, cause, context);
        }
        self.check_claims(&pod.key, context);
    }

    fn volume_request(&self, bind: &VolumeBind, node: &str) -> Option<Verb> {
        let claim = self.cache.listers.get::<PersistentVolumeClaim>(&bind.claim().namespace, &bind.claim().name)?;
        let object: Object = match bind {
            VolumeBind::Provision { .. } => {
                let mut claim = (**claim).clone();
                let annotations = claim.metadata.annotations.get_or_insert_default();
                if annotations.insert(SELECTED_NODE.to_owned(), node.to_owned()).as_deref() == Some(node) {
                    return None;
                }
                claim.into()
            }
            VolumeBind::Volume { volume, .. } => {
                let mut volume = (**volume).clone();
                let spec = volume.spec.get_or_insert_default();
                spec.claim_ref = Some(ApiReference {
                    api_version: Some("v1".to_owned()),
                    kind: Some("PersistentVolumeClaim".to_owned()),
                    namespace: claim.metadata.namespace.clone(),
                    name: claim.metadata.name.clone(),
                    uid: claim.metadata.uid.clone(),
                    resource_version: claim.metadata.resource_version.clone(),
                    field_path: None,
                });
                let by_controller = ("pv.kubernetes.io/bound-by-controller".to_owned(), "yes".to_owned());
                volume.metadata.annotations.get_or_insert_default().extend([by_controller]);
                volume.into()
            }
        };
        Some(Verb::Update { object, part: Part::Main })
    }

    fn send_bind(&mut self, key: &ObjectKey, at: SimTime, context: &mut Context<'_>) {
        let Some(binding) = self.bindings.get_mut(key) else { return };
        binding.stage = Stage::Binding;
        let verb = Verb::Bind { pod: key.clone(), uid: binding.pod.uid.to_string(), node: binding.node.clone(), with: Default::default() };
        let (cause, uid) = (binding.cause, binding.pod.uid.clone());
        self.ask(at, Asked::Binding(key.clone(), uid), verb, cause, context);
    }

    pub(super) fn on_binding_answer(&mut self, key: &ObjectKey, uid: &str, answer: Answer, context: &mut Context<'_>) {
        let Some(binding) = self.bindings.get_mut(key).filter(|b| &*b.pod.uid == uid) else { return };
        let is_bind = binding.stage == Stage::Binding;
        if let Err(status) = answer {
            let plugin = if is_bind { "Bind plugin \"DefaultBinder\"" } else { "PreBind plugin \"VolumeBinding\"" };
            let what = if is_bind { "" } else { "binding volumes: " };
            return self.binding_failed(key, format!("running {plugin}: {what}{}", status.message), context);
        }
        match binding.stage {
            Stage::Binding => self.bound(key, context),
            Stage::Asking(1, deadline) => {
                binding.stage = Stage::Waiting(deadline);
                self.check_claims(key, context);
            }
            Stage::Asking(left, deadline) => binding.stage = Stage::Asking(left - 1, deadline),
            Stage::Waiting(_) => {}
        }
    }

    fn bound(&mut self, key: &ObjectKey, context: &mut Context<'_>) {
        let Some(binding) = self.bindings.remove(key) else { return };
        self.cache.forget_volumes(&binding.volumes);
        if self.is_same(&binding.pod) {
            self.queue.remove(key);
        }
        let text = format!("Successfully assigned {} to {}", key.path(), binding.node);
        let event = EventDraft { action: "Binding", ..EventDraft::normal(reference_to(&binding.pod), "Scheduled", text) };
        self.recorder.tell(context.now, &event, None, binding.cause);
    }

    /// Binds pods whose claims are all bound by now; called when a claim changed.
    pub(super) fn check_all_claims(&mut self, claim: &ObjectKey, context: &mut Context<'_>) {
        let waits = |b: &Binding| b.volumes.iter().any(|v| v.claim() == claim);
        let keys: Vec<ObjectKey> = self.bindings.iter().filter(|(_, b)| waits(b)).map(|(key, _)| key.clone()).collect();
        keys.iter().for_each(|key| self.check_claims(key, context));
    }

    fn check_claims(&mut self, key: &ObjectKey, context: &mut Context<'_>) {
        let Some(binding) = self.bindings.get(key).filter(|b| matches!(b.stage, Stage::Waiting(_))) else { return };
        let is_done = |bind: &VolumeBind| {
            let claim = self.cache.listers.get::<PersistentVolumeClaim>(&bind.claim().namespace, &bind.claim().name);
            claim.is_some_and(|c| volume_binding::is_bound(c))
        };
        if binding.volumes.iter().all(is_done) {
            self.send_bind(key, context.now, context);
        }
    }

    /// Ends bindings that waited too long for their claims.
    pub(super) fn give_up_bindings(&mut self, context: &mut Context<'_>) {
        let is_over = |b: &Binding| b.deadline().is_some_and(|at| at <= context.now);
        let late: Vec<ObjectKey> = self.bindings.iter().filter(|(_, b)| is_over(b)).map(|(key, _)| key.clone()).collect();
        for key in late {
            let text = "running PreBind plugin \"VolumeBinding\": binding volumes: context deadline exceeded";
            self.binding_failed(&key, text.to_owned(), context);
        }
    }

    fn binding_failed(&mut self, key: &ObjectKey, message: String, context: &mut Context<'_>) {
        let Some(binding) = self.bindings.remove(key) else { return };
        self.cache.forget_volumes(&binding.volumes);
        if self.cache.placement(key).is_some_and(|(pod, _, assumed)| assumed && pod.uid == binding.pod.uid) {
            self.cache.remove_pod(key);
            self.wake_waiting(&ClusterEvent::PodDeleted(&binding.pod), context);
        }
        if !self.is_same(&binding.pod) {
            return;
        }
        let failure = Failure { message, reason: "SchedulerError", rejectors: BTreeSet::new(), nomination: Nomination::Clear };
        self.fail(key, failure, binding.cause, context);
    }

    /// Whether the pod in the queue is this one, and not another that has its name by now.
    fn is_same(&self, pod: &PodInfo) -> bool {
        self.queue.get(&pod.key).is_some_and(|queued| queued.info.uid == pod.uid)
    }
}
