//! Conditions of a deployment: set, kept and replaced as the real controller does, which moves changed ones to the end.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition, ReplicaSet};
use sim_apimachinery::{Object, Part, Status, Verb};

use super::Rollout;
use crate::client_go::{Ask, EventDraft, ObjectReference, Plan, Step, Then};
use crate::time::SimTime;

impl Rollout {
    pub(super) fn condition(&self, kind: &str) -> Option<&DeploymentCondition> {
        self.deployment.status.as_ref()?.conditions.iter().flatten().find(|c| c.type_ == kind)
    }

    pub(super) fn set_condition(&mut self, kind: &str, status: &str, reason: &str, message: String) {
        let now = self.now;
        set(&mut self.deployment, now, kind, status, reason, message);
    }

    pub(super) fn remove_condition(&mut self, kind: &str) {
        if let Some(conditions) = self.deployment.status.get_or_insert_default().conditions.as_mut() {
            conditions.retain(|c| c.type_ != kind);
        }
    }

    /// Pausing and resuming stop and restart the progress deadline.
    pub(super) fn note_pause(&mut self) {
        if !self.has_progress_deadline() {
            return;
        }
        let reason = self.condition("Progressing").and_then(|c| c.reason.clone()).unwrap_or_default();
        if reason == "ProgressDeadlineExceeded" {
            return;
        }
        let paused = self.spec().paused == Some(true);
        if paused && reason != "DeploymentPaused" {
            self.set_condition("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused".into());
            self.write_status("it is paused".into());
        } else if !paused && reason == "DeploymentPaused" {
            self.set_condition("Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed".into());
            self.write_status("it is resumed".into());
        }
    }
}

/// Sets a condition: nothing happens when status and reason are the same; the time of transition stays when the status is.
pub(super) fn set(deployment: &mut Deployment, now: SimTime, kind: &str, status: &str, reason: &str, message: String) {
    let conditions = deployment.status.get_or_insert_default().conditions.get_or_insert_default();
    let current = conditions.iter().find(|c| c.type_ == kind).cloned();
    if current.as_ref().is_some_and(|c| c.status == status && c.reason.as_deref() == Some(reason)) {
        return;
    }
    let kept = current.filter(|c| c.status == status).and_then(|c| c.last_transition_time);
    conditions.retain(|c| c.type_ != kind);
    conditions.push(DeploymentCondition {
        type_: kind.into(),
        status: status.into(),
        reason: Some(reason.into()),
        message: Some(message),
        last_update_time: Some(now.to_time()),
        last_transition_time: kept.or_else(|| Some(now.to_time())),
    });
}

/// The API server refused the new replica set.
pub(super) fn create_failed(deployment: &Arc<Deployment>, wanted: &ReplicaSet, status: &Status, now: SimTime) -> Plan {
    let name = wanted.metadata.name.as_deref().unwrap_or_default();
    let message = format!("Failed to create new replica set \"{name}\": {}", status.message);
    let mut next = (**deployment).clone();
    set(&mut next, now, "Progressing", "False", "ReplicaSetCreateError", message.clone());
    let reference = ObjectReference::to(&Object::Deployment(deployment.clone()));
    let tell = Step::Tell(EventDraft::warning(reference, "ReplicaSetCreateError", message.clone()));
    let ask = Step::Ask(Ask::new(Verb::Update { object: next.into(), part: Part::Status }, "the failure is told in its conditions"));
    Plan { decision: message.clone(), steps: vec![ask, tell], then: Then::Retry(message) }
}
