//! The pod's own subresources: binding and eviction.
//! Sources: pkg/registry/core/pod/storage/{storage,eviction}.go.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Pod, PodCondition};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use sim_apimachinery::selector::Selector;
use sim_apimachinery::{Cause, DeleteOptions, Kind, Object, ObjectKey, Part, Patch, Reason, Status, Typed, TypedPatch};

use super::{ApiServer, Call, Outcome};
use crate::time::SimTime;

impl ApiServer {
    /// Puts a pod on a node.
    pub(super) fn bind(&mut self, key: &ObjectKey, uid: &str, node: &Arc<str>, call: &mut Call<'_>) -> Outcome<()> {
        let current = self.get(key)?;
        let conflict = |why: String| Box::new(Status::conflict(Kind::Pod, &key.name, &why));
        if !uid.is_empty() && uid != current.uid() {
            return Err(conflict(format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {}", current.uid())));
        }
        if current.is_deleting() {
            return Err(conflict(format!("pod {} is being deleted, cannot be assigned to a host", key.name)));
        }
        let mut next = current.clone();
        let Object::Pod(pod) = &mut next else { return Err(Box::new(Status::not_found(Kind::Pod, &key.name))) };
        let pod = Arc::make_mut(pod);
        let spec = pod.spec.get_or_insert_default();
        if let Some(assigned) = spec.node_name.as_deref().filter(|n| !n.is_empty()) {
            return Err(conflict(format!("pod {} is already assigned to node \"{assigned}\"", key.name)));
        }
        if spec.scheduling_gates.as_ref().is_some_and(|g| !g.is_empty()) {
            return Err(conflict(format!("pod {} has non-empty .spec.schedulingGates", key.name)));
        }
        spec.node_name = Some(node.to_string());
        place(pod, call.now);
        self.store_next(&current, next, call).map(|_| ())
    }

    /// Deletes a pod unless a disruption budget forbids it.
    pub(super) fn evict(&mut self, key: &ObjectKey, options: &DeleteOptions, call: &mut Call<'_>) -> Outcome<()> {
        let current = self.get(key)?;
        let Object::Pod(pod) = &current else { return Err(Box::new(Status::not_found(Kind::Pod, &key.name))) };
        let pod = pod.clone();
        if !ignores_budgets(&pod) {
            self.spend_budget(&pod, call)?;
            let condition = PodCondition {
                type_: "DisruptionTarget".into(),
                status: "True".into(),
                reason: Some("EvictionByEvictionAPI".into()),
                message: Some("Eviction API: evicting".into()),
                last_transition_time: Some(call.now.to_time()),
                ..Default::default()
            };
            self.patch(key, Part::Status, Patch::Typed(TypedPatch::PodConditions(vec![condition])), call)?;
        }
        self.delete(key, options, call).map(|_| ())
    }

    fn spend_budget(&mut self, pod: &Pod, call: &mut Call<'_>) -> Outcome<()> {
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        let budgets: Vec<Arc<PodDisruptionBudget>> = self
            .etcd
            .list(Kind::PodDisruptionBudget, namespace)
            .filter_map(PodDisruptionBudget::from_object)
            .filter(|b| selects(b, pod))
            .cloned()
            .collect();
        match budgets.as_slice() {
            [] => Ok(()),
            [budget] => self.spend(budget, pod, call),
            _ => {
                let text = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
                Err(Box::new(Status::new(Reason::InternalError, text)))
            }
        }
    }

    fn spend(&mut self, budget: &Arc<PodDisruptionBudget>, pod: &Pod, call: &mut Call<'_>) -> Outcome<()> {
        let name = budget.metadata.name.as_deref().unwrap_or_default();
        let status = budget.status.clone().unwrap_or_default();
        if status.observed_generation.unwrap_or(0) < budget.metadata.generation.unwrap_or(0) {
            return Err(refused(format!("The disruption budget {name} is still being processed by the server."), 10));
        }
        if !is_ready(pod) && may_go_unready(budget) {
            return Ok(());
        }
        if status.disruptions_allowed.unwrap_or(0) <= 0 {
            let text = format!(
                "The disruption budget {name} needs {} healthy pods and has {} currently",
                status.desired_healthy.unwrap_or(0),
                status.current_healthy.unwrap_or(0)
            );
            return Err(refused(text, 0));
        }
        let mut next = (**budget).clone();
        let status = next.status.get_or_insert_default();
        status.disruptions_allowed = status.disruptions_allowed.map(|n| n - 1);
        let pod_name = pod.metadata.name.clone().unwrap_or_default();
        status.disrupted_pods.get_or_insert_default().insert(pod_name, call.now.to_time());
        let current = Object::PodDisruptionBudget(budget.clone());
        self.store_next(&current, next.into(), call).map(|_| ())
    }
}

fn place(pod: &mut Pod, now: SimTime) {
    let status = pod.status.get_or_insert_default();
    status.nominated_node_name = None;
    let conditions = status.conditions.get_or_insert_default();
    conditions.retain(|c| c.type_ != "PodScheduled");
    conditions.push(PodCondition {
        type_: "PodScheduled".into(),
        status: "True".into(),
        last_transition_time: Some(now.to_time()),
        ..Default::default()
    });
}

fn ignores_budgets(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref()).unwrap_or_default();
    matches!(phase, "Pending" | "Succeeded" | "Failed") || pod.metadata.deletion_timestamp.is_some()
}

fn selects(budget: &PodDisruptionBudget, pod: &Pod) -> bool {
    let nothing = Default::default();
    let labels = pod.metadata.labels.as_ref().unwrap_or(&nothing);
    budget
        .spec
        .as_ref()
        .and_then(|s| s.selector.as_ref())
        .and_then(|s| Selector::from_label_selector(s).ok())
        .is_some_and(|s| s.matches(labels))
}

fn is_ready(pod: &Pod) -> bool {
    pod.status.iter().flat_map(|s| s.conditions.iter().flatten()).any(|c| c.type_ == "Ready" && c.status == "True")
}

fn may_go_unready(budget: &PodDisruptionBudget) -> bool {
    let status = budget.status.clone().unwrap_or_default();
    let policy = budget.spec.as_ref().and_then(|s| s.unhealthy_pod_eviction_policy.as_deref()).unwrap_or("IfHealthyBudget");
    policy == "AlwaysAllow" || status.current_healthy >= status.desired_healthy && status.desired_healthy.unwrap_or(0) > 0
}

fn refused(cause: String, retry_after_seconds: i32) -> Box<Status> {
    let text = "Cannot evict pod as it would violate the pod's disruption budget.";
    let cause = Cause { reason: "DisruptionBudget".into(), message: cause, field: String::new() };
    Box::new(Status { causes: vec![cause], retry_after_seconds, ..Status::new(Reason::TooManyRequests, text) })
}
