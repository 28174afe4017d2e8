//! The conditions a kubelet writes into a pod's status, in their order, each with the generation it was made for.
//! A condition's transition time moves only when its status does. Source: kubelet status/generate.go.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodCondition, PodStatus};

use super::containers::{Role, all_containers};
use super::pod_worker::PodWorker;
use crate::time::SimTime;

/// All conditions of a status whose other fields are made.
pub fn generate(worker: &PodWorker, status: &PodStatus, now: SimTime) -> Vec<PodCondition> {
    let pod = &*worker.pod;
    let containers_ready = containers_ready(pod, status);
    let ready = ready(pod, &containers_ready);
    let mut conditions = Vec::new();
    if let Some(verdict) = worker.verdict.as_ref().filter(|v| v.disruption) {
        conditions.push(condition("DisruptionTarget", true, "TerminationByKubelet", verdict.message.clone()));
    }
    conditions.extend([sandbox_ready(worker), initialized(pod, status), ready, containers_ready, condition("PodScheduled", true, "", "")]);
    if worker.restarting_all {
        let text = "container exited with restart policy rule";
        conditions.push(condition("AllContainersRestarting", true, "RestartAllContainersStarted", text));
    }
    let old = worker.status.as_ref().or(pod.status.as_ref()).and_then(|s| s.conditions.as_deref()).unwrap_or_default();
    for condition in &mut conditions {
        condition.observed_generation = pod.metadata.generation;
        keep_time(condition, old, now);
    }
    conditions
}

/// Gives a condition the transition time of the old one if the status is the same.
pub fn keep_time(condition: &mut PodCondition, old: &[PodCondition], now: SimTime) {
    let same = old.iter().find(|o| o.type_ == condition.type_ && o.status == condition.status);
    condition.last_transition_time = same.and_then(|o| o.last_transition_time.clone()).or_else(|| Some(now.to_time()));
}

fn condition(type_: &str, status: bool, reason: &str, message: impl Into<String>) -> PodCondition {
    let message = message.into();
    PodCondition {
        type_: type_.to_owned(),
        status: if status { "True" } else { "False" }.to_owned(),
        reason: (!reason.is_empty()).then(|| reason.to_owned()),
        message: (!message.is_empty()).then_some(message),
        ..Default::default()
    }
}

fn sandbox_ready(worker: &PodWorker) -> PodCondition {
    condition("PodReadyToStartContainers", worker.sandbox.seen_ready, "", "")
}

fn status_of<'a>(statuses: &'a Option<Vec<ContainerStatus>>, name: &str) -> Option<&'a ContainerStatus> {
    statuses.iter().flatten().find(|s| s.name == name)
}

fn initialized(pod: &Pod, status: &PodStatus) -> PodCondition {
    let app_started =
        status.container_statuses.iter().flatten().any(|s| s.state.as_ref().is_some_and(|s| s.waiting.is_none()) || s.restart_count > 0);
    let incomplete: Vec<&str> = all_containers(pod)
        .into_iter()
        .filter(|(role, c)| match (role, status_of(&status.init_container_statuses, &c.name)) {
            (Role::App | Role::Ephemeral, _) => false,
            (Role::Init, Some(s)) => !s.ready,
            (Role::Sidecar, Some(s)) => s.started != Some(true),
            (_, None) => true,
        })
        .map(|(_, c)| c.name.as_str())
        .collect();
    match () {
        () if status.phase.as_deref() == Some("Succeeded") => condition("Initialized", true, "PodCompleted", ""),
        () if incomplete.is_empty() || app_started => condition("Initialized", true, "", ""),
        () => condition(
            "Initialized",
            false,
            "ContainersNotInitialized",
            format!("containers with incomplete status: [{}]", incomplete.join(" ")),
        ),
    }
}

fn containers_ready(pod: &Pod, status: &PodStatus) -> PodCondition {
    match status.phase.as_deref() {
        Some("Succeeded") => return condition("ContainersReady", false, "PodCompleted", ""),
        Some("Failed") => return condition("ContainersReady", false, "PodFailed", ""),
        _ => {}
    }
    let mut unready = Vec::new();
    for (role, container) in all_containers(pod) {
        let of = if role == Role::App { &status.container_statuses } else { &status.init_container_statuses };
        if role != Role::Init && status_of(of, &container.name).is_none_or(|s| !s.ready) {
            unready.push(container.name.as_str());
        }
    }
    if unready.is_empty() {
        return condition("ContainersReady", true, "", "");
    }
    condition("ContainersReady", false, "ContainersNotReady", format!("containers with unready status: [{}]", unready.join(" ")))
}

fn ready(pod: &Pod, containers_ready: &PodCondition) -> PodCondition {
    if containers_ready.status != "True" {
        return PodCondition { type_: "Ready".into(), ..containers_ready.clone() };
    }
    let present = pod.status.as_ref().and_then(|s| s.conditions.as_deref()).unwrap_or_default();
    let mut missing = Vec::new();
    for gate in pod.spec.iter().flat_map(|s| s.readiness_gates.iter().flatten()) {
        match present.iter().find(|c| c.type_ == gate.condition_type) {
            None => missing.push(format!("corresponding condition of pod readiness gate \"{}\" does not exist.", gate.condition_type)),
            Some(c) if c.status != "True" => {
                missing.push(format!("the status of pod readiness gate \"{}\" is not \"True\", but {}", gate.condition_type, c.status));
            }
            Some(_) => {}
        }
    }
    if missing.is_empty() {
        condition("Ready", true, "", "")
    } else {
        condition("Ready", false, "ReadinessGatesNotReady", missing.join(", "))
    }
}

/// Computes `ContainersReady` and `Ready` anew after the `ready` of a container changed in a stored status.
pub fn refresh_ready(pod: &Pod, status: &mut PodStatus, now: SimTime) {
    let containers_ready = containers_ready(pod, status);
    let ready = ready(pod, &containers_ready);
    let old = status.conditions.clone().unwrap_or_default();
    for mut fresh in [ready, containers_ready] {
        fresh.observed_generation = pod.metadata.generation;
        keep_time(&mut fresh, &old, now);
        if let Some(slot) = status.conditions.iter_mut().flatten().find(|c| c.type_ == fresh.type_) {
            *slot = fresh;
        }
    }
}
