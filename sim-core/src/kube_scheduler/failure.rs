//! What happens when a pod cannot be placed: room is made if that helps, the pod is told (event and condition), and it
//! goes back into the queue. Source: handleSchedulingFailure in pkg/scheduler/schedule_one.go.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::core::v1::PodCondition;
use sim_apimachinery::{ObjectKey, Part, Patch, TypedPatch, Verb};

use super::cycle::Search;
use super::framework::Plugin;
use super::pod_info::PodInfo;
use super::queue::QueuedPod;
use super::{Asked, KubeScheduler, verdicts};
use crate::client_go::{EventDraft, ObjectReference};
use crate::component::Context;
use crate::time::SimTime;
use crate::trace::{StepId, What};

/// Why a pod is not placed.
pub(super) struct Failure {
    /// For people.
    pub message: String,
    /// `Unschedulable` or `SchedulerError`.
    pub reason: &'static str,
    /// The plugins that refused it; none for an error.
    pub rejectors: BTreeSet<Plugin>,
    /// What becomes of its nomination.
    pub nomination: Nomination,
}

/// What becomes of the nomination of a pod.
pub(super) enum Nomination {
    /// It stays.
    Keep,
    /// There is none.
    Clear,
    /// This node.
    Set(Arc<str>),
}

impl KubeScheduler {
    /// No node can take the pod.
    pub(super) fn fail_to_fit(&mut self, queued: &QueuedPod, found: &Search, context: &mut Context<'_>) {
        let nodes = self.cache.node_count();
        let mut message = found.message(nodes);
        let mut rejectors: BTreeSet<Plugin> = found.rejected.iter().map(|(_, r)| r.plugin).collect();
        rejectors.extend(found.refused.as_ref().map(|r| r.plugin));
        if found.left_out > 0 {
            rejectors.insert(Plugin::NodeAffinity);
        }
        let outcome = if nodes == 0 { None } else { Some(self.look_for_victims(&queued.info, found, context)) };
        if let Some(text) = outcome.as_ref().and_then(|o| o.message.as_ref()) {
            message = format!("{message} {text}");
        }
        let mut decision = verdicts::decision(queued, found, &self.cache, self.config.recorded_nodes_max, message.clone());
        let candidate = outcome.as_ref().and_then(|o| o.candidate.as_ref());
        decision.preemption = candidate.map(|c| (c.node.clone(), c.victims.iter().map(|v| v.key.path()).collect()));
        let cause = context.record(&self.component.clone(), What::Scheduled(Arc::new(decision)));
        let nomination = match &outcome {
            Some(o) if o.candidate.is_some() => Nomination::Set(o.candidate.as_ref().map(|c| c.node.clone()).unwrap_or_default()),
            Some(o) if o.keeps_nomination => Nomination::Keep,
            _ => Nomination::Clear,
        };
        let key = queued.info.key.clone();
        if let Some(candidate) = outcome.and_then(|o| o.candidate) {
            self.execute_preemption(&queued.info, candidate, cause, context);
        }
        self.fail(&key, Failure { message, reason: "Unschedulable", rejectors, nomination }, cause, context);
    }

    /// Puts a pod back, tells its event and writes its condition.
    pub(super) fn fail(&mut self, key: &ObjectKey, failure: Failure, cause: StepId, context: &mut Context<'_>) {
        let Some(queued) = self.queue.get(key) else { return };
        let (pod, before) = (queued.info.clone(), queued.nominated.clone());
        let at = self.busy_until.max(context.now);
        let after = match failure.nomination {
            Nomination::Keep => before.clone(),
            Nomination::Clear => None,
            Nomination::Set(node) => Some(node),
        };
        self.queue.nominate(key, after.clone());
        self.queue.failed(key, failure.rejectors, at);
        let event = EventDraft::warning(reference_to(&pod), "FailedScheduling", failure.message.clone());
        self.recorder.tell(at, &EventDraft { action: "Scheduling", ..event }, None, cause);
        let condition = condition(&pod, failure.reason, &failure.message, at);
        if before != after || !has_condition(&pod, &condition) {
            let patch = TypedPatch::PodNomination { node: after.map(|n| n.to_string()), conditions: vec![condition] };
            let verb = Verb::Patch { key: key.clone(), part: Part::Status, patch: Patch::Typed(patch) };
            self.busy_until = self.ask(at, Asked::Nothing, verb, cause, context);
        }
    }
}

/// A reference to a pod as events name it.
pub(super) fn reference_to(pod: &PodInfo) -> ObjectReference {
    ObjectReference::to(&sim_apimachinery::Object::Pod(pod.pod.clone()))
}

fn condition(pod: &PodInfo, reason: &str, message: &str, at: SimTime) -> PodCondition {
    let before = current(pod).filter(|c| c.status == "False");
    PodCondition {
        type_: "PodScheduled".to_owned(),
        status: "False".to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_probe_time: None,
        last_transition_time: Some(before.and_then(|c| c.last_transition_time.clone()).unwrap_or_else(|| at.to_time())),
        observed_generation: pod.pod.metadata.generation,
    }
}

fn current(pod: &PodInfo) -> Option<&PodCondition> {
    let conditions = pod.pod.status.as_ref()?.conditions.as_deref()?;
    conditions.iter().find(|c| c.type_ == "PodScheduled")
}

fn has_condition(pod: &PodInfo, wanted: &PodCondition) -> bool {
    current(pod).is_some_and(|c| {
        (&c.status, &c.reason, &c.message, &c.observed_generation)
            == (&wanted.status, &wanted.reason, &wanted.message, &wanted.observed_generation)
    })
}
