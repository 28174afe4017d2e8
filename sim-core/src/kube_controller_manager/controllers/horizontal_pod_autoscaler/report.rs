//! Conditions and events of an autoscaler.

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscalerCondition;

use super::Look;
use crate::client_go::{EventDraft, Plan};

impl Look {
    /// Sets a condition; its time of transition stays while its status does.
    pub(super) fn set(&mut self, kind: &str, on: bool, reason: &str, message: &str) {
        let now = self.now.to_time();
        let conditions = self.status().conditions.get_or_insert_default();
        let status = if on { "True" } else { "False" };
        let index = conditions.iter().position(|c| c.type_ == kind).unwrap_or_else(|| {
            conditions.push(HorizontalPodAutoscalerCondition { type_: kind.into(), ..Default::default() });
            conditions.len() - 1
        });
        let condition = &mut conditions[index];
        if condition.status != status {
            condition.last_transition_time = Some(now);
        }
        condition.status = status.into();
        condition.reason = Some(reason.into());
        condition.message = Some(message.into());
    }

    /// A metric could not be had, and so nothing is scaled.
    pub(super) fn metric_failed(&mut self, reason: &'static str, error: &str, metric: &str, count: usize) {
        self.set("ScalingActive", false, reason, &format!("the HPA was unable to compute the replica count: {error}"));
        let about = self.reference();
        self.plan.decision = format!("no metric tells how many replicas are needed: {error}");
        self.plan.tell(EventDraft::warning(about.clone(), reason, error.to_owned()));
        let text =
            format!("invalid metrics ({count} invalid out of {count}), first error is: failed to get {metric} metric value: {error}");
        self.plan.tell(EventDraft::warning(about, "FailedComputeMetricsReplicas", text));
    }

    /// The target's scale could not be read.
    pub(super) fn scale_failed(mut self, error: &str) -> Plan {
        self.set(
            "AbleToScale",
            false,
            "FailedGetScale",
            &format!("the HPA controller was unable to get the target's current scale: {error}"),
        );
        let about = self.reference();
        self.plan.tell(EventDraft::warning(about, "FailedGetScale", error.to_owned()));
        self.finish()
    }

    /// The target's scale could not be written.
    pub(super) fn update_failed(mut self, _replicas: i32, error: &str) -> Plan {
        self.set("AbleToScale", false, "FailedUpdateScale", &format!("the HPA controller was unable to update the target scale: {error}"));
        self.finish()
    }
}
