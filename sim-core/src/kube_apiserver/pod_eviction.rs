//! Evicting a pod (`pods/eviction`), minding disruption budgets. Source: pkg/registry/core/pod/storage/eviction.go.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Pod, PodCondition};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use sim_apimachinery::selector::Selector;
use sim_apimachinery::{Cause, DeleteOptions, Kind, Object, ObjectKey, Part, Reason, Status, Typed, TypedPatch};

use super::admission_webhooks::eviction;
use super::{ApiServer, Call, Outcome};
use crate::etcd::Tracking;
use crate::time::SimTime;

/// A budget that waits for so many evicted pods to go takes no more.
const DISRUPTED_PODS_MAX: usize = 2000;
const ALLOWED: &str = "DisruptionAllowed";

impl ApiServer {
    /// Deletes a pod unless a disruption budget forbids it.
    pub(super) fn evict(&mut self, key: &ObjectKey, options: &DeleteOptions, call: &mut Call<'_>) -> Outcome<()> {
        let current = self.get(key, call)?;
        let Object::Pod(pod) = &current else { return Err(Box::new(Status::not_found(Kind::Pod, &key.name))) };
        let pod = pod.clone();
        if !self.admits_all() {
            self.admit_posted("CREATE", key, "eviction", eviction(key, options), call)?;
        }
        if !ignores_budgets(&pod) {
            self.spend_budget(&pod, call)?;
        }
        if !call.dry_run {
            check_preconditions(&pod, options)?;
            let condition = disrupted(&pod, call.now);
            let mut next = current.clone();
            super::typed_patch::apply(&mut next, TypedPatch::PodConditions(vec![condition]));
            // Written by the storage itself: nobody comes to own the condition.
            let managers = Some(self.managers(&current));
            call.tracking = Some(Box::new(Tracking { api_version: None, part: Part::Status, written: None, managers }));
            self.store_next(&current, next, call)?;
        }
        let kept = DeleteOptions { resource_version: options.resource_version.clone().filter(|_| call.dry_run), ..options.clone() };
        self.delete_evicted(key, &kept, call).map(|_| ())
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
                Err(Box::new(Status::new(Reason::Unknown, text)))
            }
        }
    }

    fn spend(&mut self, budget: &Arc<PodDisruptionBudget>, pod: &Pod, call: &mut Call<'_>) -> Outcome<()> {
        if !is_ready(pod) && may_go_unready(budget) {
            return Ok(());
        }
        check_budget(budget)?;
        let mut next = (**budget).clone();
        let status = next.status.get_or_insert_default();
        status.disruptions_allowed = status.disruptions_allowed.map(|n| n - 1);
        if status.disruptions_allowed.unwrap_or(0) == 0 {
            not_allowed_any_more(status, call.now);
        }
        let pod_name = pod.metadata.name.clone().unwrap_or_default();
        status.disrupted_pods.get_or_insert_default().insert(pod_name, call.now.to_time());
        let current = Object::PodDisruptionBudget(budget.clone());
        let next: Object = next.into();
        // The server's own client writes the budget's status, whoever evicts.
        let asker = std::mem::replace(&mut call.manager, "kube-apiserver".into());
        let tracking = Tracking { api_version: None, part: Part::Status, written: None, managers: None };
        let managers = Some(Arc::new(self.managers_after(Some(&current), &next, &tracking, call)));
        call.manager = asker;
        call.tracking = Some(Box::new(Tracking { managers, ..tracking }));
        self.store_next(&current, next, call).map(|_| ())
    }
}

fn ignores_budgets(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref()).unwrap_or_default();
    matches!(phase, "Pending" | "Succeeded" | "Failed") || pod.metadata.deletion_timestamp.is_some()
}

/// The condition that tells why the pod goes; one that is already there keeps its time.
fn disrupted(pod: &Pod, now: SimTime) -> PodCondition {
    let mut conditions = pod.status.iter().flat_map(|s| s.conditions.iter().flatten());
    let before = conditions.find(|c| c.type_ == "DisruptionTarget" && c.status == "True");
    PodCondition {
        type_: "DisruptionTarget".into(),
        status: "True".into(),
        reason: Some("EvictionByEvictionAPI".into()),
        message: Some("Eviction API: evicting".into()),
        last_transition_time: before.and_then(|c| c.last_transition_time.clone()).or_else(|| Some(now.to_time())),
        ..Default::default()
    }
}

fn check_preconditions(pod: &Pod, options: &DeleteOptions) -> Outcome<()> {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let refused = |what: &str, asked: &str, found: &str, end: &str| {
        let why = format!(
            "the {what} in the precondition ({asked}) does not match the {what} in record ({found}). The object might have been {end}"
        );
        let text = format!("Operation cannot be fulfilled on Pod \"{name}\": {why}");
        Err(Box::new(Status { kind: "Pod".into(), name: name.into(), ..Status::new(Reason::Conflict, text) }))
    };
    let uid = pod.metadata.uid.as_deref().unwrap_or_default();
    if let Some(asked) = options.uid.as_deref().filter(|asked| !asked.is_empty() && *asked != uid) {
        return refused("UID", asked, uid, "deleted and then recreated");
    }
    let version = pod.metadata.resource_version.as_deref().unwrap_or_default();
    if let Some(asked) = options.resource_version.as_deref().filter(|asked| !asked.is_empty() && *asked != version) {
        return refused("ResourceVersion", asked, version, "modified");
    }
    Ok(())
}

fn selects(budget: &PodDisruptionBudget, pod: &Pod) -> bool {
    let nothing = Default::default();
    let labels = pod.metadata.labels.as_ref().unwrap_or(&nothing);
    let selector = budget.spec.as_ref().and_then(|s| s.selector.as_ref());
    selector.and_then(|s| Selector::from_label_selector(s).ok()).is_some_and(|s| s.matches(labels))
}

fn is_ready(pod: &Pod) -> bool {
    pod.status.iter().flat_map(|s| s.conditions.iter().flatten()).any(|c| c.type_ == "Ready" && c.status == "True")
}

fn may_go_unready(budget: &PodDisruptionBudget) -> bool {
    let status = budget.status.clone().unwrap_or_default();
    let policy = budget.spec.as_ref().and_then(|s| s.unhealthy_pod_eviction_policy.as_deref()).unwrap_or("IfHealthyBudget");
    policy == "AlwaysAllow" || status.current_healthy >= status.desired_healthy && status.desired_healthy.unwrap_or(0) > 0
}

fn check_budget(budget: &PodDisruptionBudget) -> Outcome<()> {
    let name = budget.metadata.name.as_deref().unwrap_or_default();
    let status = budget.status.clone().unwrap_or_default();
    let allowed = status.disruptions_allowed.unwrap_or(0);
    if status.observed_generation.unwrap_or(0) < budget.metadata.generation.unwrap_or(0) {
        return Err(refused(format!("The disruption budget {name} is still being processed by the server."), 10));
    }
    let forbidden = |why: &str| {
        let text = format!("poddisruptionbudget.policy \"{name}\" is forbidden: {why}");
        let (group, kind) = ("policy".into(), "poddisruptionbudget".into());
        Err(Box::new(Status { group, kind, name: name.into(), ..Status::new(Reason::Forbidden, text) }))
    };
    if allowed < 0 {
        return forbidden("pdb disruptions allowed is negative");
    }
    if status.disrupted_pods.as_ref().is_some_and(|p| p.len() > DISRUPTED_PODS_MAX) {
        return forbidden("DisruptedPods map too big - too many evictions not confirmed by PDB controller");
    }
    if allowed == 0 { Err(refused(why_not(name, &status), 0)) } else { Ok(()) }
}

fn why_not(name: &str, status: &PodDisruptionBudgetStatus) -> String {
    let condition = status.conditions.iter().flatten().find(|c| c.type_ == ALLOWED && c.status == "False" && !c.message.is_empty());
    let begin = format!("The disruption budget {name}");
    let (desired, healthy) = (status.desired_healthy.unwrap_or(0), status.current_healthy.unwrap_or(0));
    match condition {
        Some(c) if c.reason == "SyncFailed" => {
            format!("{begin} does not allow evicting pods currently because it failed sync: {}", c.message)
        }
        _ if healthy <= desired => format!("{begin} needs {desired} healthy pods and has {healthy} currently"),
        Some(c) => format!("{begin} does not allow evicting pods currently ({}): {}", c.reason, c.message),
        None => format!("{begin} does not allow evicting pods currently"),
    }
}

fn not_allowed_any_more(status: &mut PodDisruptionBudgetStatus, now: SimTime) {
    let observed_generation = status.observed_generation;
    let conditions = status.conditions.get_or_insert_default();
    let before = conditions.iter().position(|c| c.type_ == ALLOWED);
    let kept = before.map(|at| &conditions[at]).filter(|c| c.status == "False").map(|c| c.last_transition_time.clone());
    let condition = Condition {
        type_: ALLOWED.into(),
        status: "False".into(),
        reason: "InsufficientPods".into(),
        message: String::new(),
        observed_generation,
        last_transition_time: kept.unwrap_or_else(|| now.to_time()),
    };
    match before {
        Some(at) => conditions[at] = condition,
        None => conditions.push(condition),
    }
}

fn refused(cause: String, retry_after_seconds: i32) -> Box<Status> {
    let text = "Cannot evict pod as it would violate the pod's disruption budget.";
    let cause = Cause { reason: "DisruptionBudget".into(), message: cause, field: String::new() };
    Box::new(Status { causes: vec![cause], retry_after_seconds, ..Status::new(Reason::TooManyRequests, text) })
}
