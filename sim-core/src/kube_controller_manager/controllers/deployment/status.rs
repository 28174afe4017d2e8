//! The status of a deployment: counts, the condition Available, and progress against the deadline.
//! Source: pkg/controller/deployment/{sync,progress}.go.

use k8s_openapi::api::apps::v1::{DeploymentCondition, DeploymentStatus};
use sim_apimachinery::{Object, Part, Verb};

use super::{Rollout, size};
use crate::client_go::{Ask, Step, Then};
use crate::time::{SECOND, SimTime};

impl Rollout {
    /// Counts again, judges progress, and writes the status if it changed.
    pub(super) fn sync_status(&mut self) {
        let before = self.deployment.status.clone().unwrap_or_default();
        let counted = self.count(&before);
        self.deployment.status = Some(counted);
        self.judge_availability();
        self.judge_progress(&before);
        self.copy_replica_failure();
        self.write_if_changed(&before);
    }

    /// Counts again without judging progress (a deployment that is being deleted).
    pub(super) fn sync_status_only(&mut self) {
        let before = self.deployment.status.clone().unwrap_or_default();
        let counted = self.count(&before);
        self.deployment.status = Some(counted);
        self.judge_availability();
        self.write_if_changed(&before);
    }

    /// Whether all replicas are new and available, by the counts as they are now.
    pub(super) fn is_complete_now(&self) -> bool {
        let before = self.deployment.status.clone().unwrap_or_default();
        self.is_complete(&self.count(&before))
    }

    fn count(&self, before: &DeploymentStatus) -> DeploymentStatus {
        let status = |s: &k8s_openapi::api::apps::v1::ReplicaSet| s.status.clone().unwrap_or_default();
        let total: i32 = self.all().map(|s| size(s)).sum();
        let available: i32 = self.all().map(|s| status(s).available_replicas.unwrap_or(0)).sum();
        let some = |n: i32| (n != 0).then_some(n);
        let mut terminating = Some(0);
        for set in self.all().filter(|s| s.metadata.uid.is_some()) {
            let own = status(set);
            let current = own.observed_generation.unwrap_or(0) >= set.metadata.generation.unwrap_or(0);
            terminating = match (terminating, own.terminating_replicas) {
                (Some(sum), Some(n)) => Some(sum + n),
                (sum, None) if !current => sum,
                _ => None,
            };
        }
        DeploymentStatus {
            observed_generation: self.deployment.metadata.generation,
            replicas: some(self.all().map(|s| status(s).replicas).sum()),
            updated_replicas: some(self.new.iter().map(|s| status(s).replicas).sum()),
            ready_replicas: some(self.all().map(|s| status(s).ready_replicas.unwrap_or(0)).sum()),
            available_replicas: some(available),
            unavailable_replicas: some((total - available).max(0)),
            terminating_replicas: terminating,
            collision_count: before.collision_count,
            conditions: before.conditions.clone(),
        }
    }

    fn judge_availability(&mut self) {
        let available = self.deployment.status.as_ref().and_then(|s| s.available_replicas).unwrap_or(0);
        if available >= self.replicas() - self.fenceposts().1 {
            self.set_condition("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.".into());
        } else {
            self.set_condition("Available", "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.".into());
        }
    }

    fn judge_progress(&mut self, before: &DeploymentStatus) {
        if !self.has_progress_deadline() {
            return self.remove_condition("Progressing");
        }
        let status = self.deployment.status.clone().unwrap_or_default();
        let current = self.condition("Progressing").cloned();
        let reason = current.as_ref().and_then(|c| c.reason.clone()).unwrap_or_default();
        if status.replicas == status.updated_replicas && reason == "NewReplicaSetAvailable" {
            return;
        }
        let subject = self.subject();
        if self.is_complete(&status) {
            self.set_condition("Progressing", "True", "NewReplicaSetAvailable", format!("{subject} has successfully progressed."));
        } else if self.is_progressing(before, &status) {
            self.refresh_progress(current.as_ref(), format!("{subject} is progressing."));
        } else if self.is_timed_out(current.as_ref()) {
            self.set_condition("Progressing", "False", "ProgressDeadlineExceeded", format!("{subject} has timed out progressing."));
        }
    }

    fn subject(&self) -> String {
        match &self.new {
            Some(set) => format!("ReplicaSet \"{}\"", set.metadata.name.as_deref().unwrap_or_default()),
            None => format!("Deployment \"{}\"", self.deployment.metadata.name.as_deref().unwrap_or_default()),
        }
    }

    fn is_complete(&self, status: &DeploymentStatus) -> bool {
        let replicas = Some(self.replicas()).filter(|r| *r != 0);
        status.updated_replicas == replicas && status.replicas == replicas && status.available_replicas == replicas
    }

    fn is_progressing(&self, before: &DeploymentStatus, status: &DeploymentStatus) -> bool {
        let n = |v: Option<i32>| v.unwrap_or(0);
        let old = |s: &DeploymentStatus| n(s.replicas) - n(s.updated_replicas);
        n(status.updated_replicas) > n(before.updated_replicas)
            || old(status) < old(before)
            || n(status.ready_replicas) > n(before.ready_replicas)
            || n(status.available_replicas) > n(before.available_replicas)
    }

    /// Progress was made: the condition's time starts anew, even if nothing else of it changes.
    fn refresh_progress(&mut self, current: Option<&DeploymentCondition>, message: String) {
        let kept = current.filter(|c| c.status == "True").and_then(|c| c.last_transition_time.clone());
        self.remove_condition("Progressing");
        self.set_condition("Progressing", "True", "ReplicaSetUpdated", message);
        let conditions = self.deployment.status.as_mut().and_then(|s| s.conditions.as_mut());
        if let (Some(kept), Some(last)) = (kept, conditions.and_then(|c| c.last_mut())) {
            last.last_transition_time = Some(kept);
        }
    }

    fn is_timed_out(&self, current: Option<&DeploymentCondition>) -> bool {
        let Some(current) = current else { return false };
        match current.reason.as_deref() {
            Some("ProgressDeadlineExceeded") => true,
            Some("NewReplicaSetAvailable") => false,
            _ => self.deadline(current).is_some_and(|at| at < self.now),
        }
    }

    fn deadline(&self, condition: &DeploymentCondition) -> Option<SimTime> {
        let seconds = u64::try_from(self.spec().progress_deadline_seconds?).ok()?;
        Some(SimTime::from_time(condition.last_update_time.as_ref()?).plus(seconds * SECOND))
    }

    fn copy_replica_failure(&mut self) {
        let failure = self.new.iter().chain(self.old.iter()).find_map(|set| {
            let conditions = set.status.as_ref()?.conditions.as_ref()?;
            conditions.iter().find(|c| c.type_ == "ReplicaFailure").cloned()
        });
        match failure {
            Some(found) => {
                self.set_condition("ReplicaFailure", &found.status, &found.reason.unwrap_or_default(), found.message.unwrap_or_default())
            }
            None => self.remove_condition("ReplicaFailure"),
        }
    }

    fn write_if_changed(&mut self, before: &DeploymentStatus) {
        if self.deployment.status.as_ref() != Some(before) {
            return self.write_counts();
        }
        self.look_again_for_deadline();
    }

    fn write_counts(&mut self) {
        let status = self.deployment.status.clone().unwrap_or_default();
        let n = |v: Option<i32>| v.unwrap_or(0);
        let reason = format!(
            "{} replicas, {} updated, {} ready, {} available",
            n(status.replicas),
            n(status.updated_replicas),
            n(status.ready_replicas),
            n(status.available_replicas)
        );
        let object = Object::Deployment(std::sync::Arc::new(self.deployment.clone()));
        self.plan.steps.push(Step::Ask(Ask::new(Verb::Update { object, part: Part::Status }, reason)));
    }

    /// Nothing else would notice that the deadline passes.
    fn look_again_for_deadline(&mut self) {
        let status = self.deployment.status.clone().unwrap_or_default();
        let Some(condition) = self.condition("Progressing").cloned() else { return };
        if !self.has_progress_deadline() || self.is_complete(&status) || self.is_timed_out(Some(&condition)) {
            return;
        }
        if let Some(at) = self.deadline(&condition) {
            let left = at.since(self.now);
            self.plan.then = if left < SECOND { Then::Again } else { Then::After(left + SECOND) };
        }
    }
}
