//! What a kubelet tells of a pod: phase, container statuses and addresses, made from what it has seen of the runtime.
//! Source: kubelet_pods.go generateAPIPodStatus, getPhase, convertToAPIContainerStatuses. Times are whole seconds.
//! Not modelled: container users (the runtime of the recordings tells none), resource health.

use k8s_openapi::api::core::v1::{
    Container, ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting, ContainerStatus, HostIP, Pod, PodIP,
    PodStatus, ResourceRequirements, VolumeMountStatus,
};

use super::conditions;
use super::containers::{Instance, Role, State, all_containers, ephemeral_containers};
use super::pod_worker::PodWorker;
use super::resources::{Side, of_container, of_pod, qos_class, to_api};
use super::restart::{AfterExit, after_exit};
use crate::time::SimTime;

/// The status of a pod now. `stopped` says that its containers are stopped for good.
pub fn generate(worker: &PodWorker, host_ip: &str, now: SimTime, stopped: bool) -> PodStatus {
    let pod = &*worker.pod;
    let mut init = Vec::new();
    let mut apps = Vec::new();
    for (role, container) in all_containers(pod) {
        let status = container_status(worker, role, container);
        if role == Role::App { apps.push(status) } else { init.push(status) }
    }
    apps.sort_by(|a, b| a.name.cmp(&b.name));
    let ephemeral: Vec<ContainerStatus> =
        ephemeral_containers(pod).iter().map(|container| container_status(worker, Role::Ephemeral, container)).collect();
    let (phase, reason, message) = match &worker.verdict {
        Some(v) => ("Failed".to_owned(), Some(v.reason.clone()), Some(v.message.clone())),
        None => (phase(worker, &init, &apps, stopped).to_owned(), None, None),
    };
    let ip = if worker.host_network() { Some(host_ip.to_owned()) } else { worker.sandbox.ip.clone().filter(|_| was_told_ip(worker)) };
    let mut status = PodStatus {
        observed_generation: pod.metadata.generation,
        phase: Some(phase),
        reason,
        message,
        host_ip: Some(host_ip.to_owned()),
        host_ips: Some(vec![HostIP { ip: host_ip.to_owned() }]),
        pod_ips: ip.clone().map(|ip| vec![PodIP { ip }]),
        pod_ip: ip,
        start_time: Some(worker.started_at.to_time()),
        init_container_statuses: (!init.is_empty()).then_some(init),
        container_statuses: (!apps.is_empty()).then_some(apps),
        ephemeral_container_statuses: (!ephemeral.is_empty()).then_some(ephemeral),
        qos_class: Some(qos_class(pod).to_owned()),
        allocated_resources: to_api(&of_pod(pod, Side::Requests)),
        resources: pod_resources(pod),
        ..Default::default()
    };
    status.conditions = Some(conditions::generate(worker, &status, now));
    status
}

/// The address is known once a relist has seen the sandbox or what came after it.
fn was_told_ip(worker: &PodWorker) -> bool {
    worker.sandbox.seen_ready || worker.records.values().any(|r| r.seen().is_some())
}

fn pod_resources(pod: &Pod) -> Option<ResourceRequirements> {
    let (requests, limits) = (to_api(&of_pod(pod, Side::Requests)), to_api(&of_pod(pod, Side::Limits)));
    (requests.is_some() || limits.is_some()).then(|| ResourceRequirements { requests, limits, ..Default::default() })
}

fn container_status(worker: &PodWorker, role: Role, container: &Container) -> ContainerStatus {
    let record = worker.records.get(&container.name);
    let seen = record.and_then(|r| r.seen());
    let mut state = seen.map_or_else(|| not_created(&worker.pod), |(i, s)| api_state(i, s));
    let before = record.and_then(|r| r.seen_before());
    let mut last_state = before.map(|(i, s)| api_state(i, s)).filter(|s| s.terminated.is_some()).unwrap_or_default();
    let restarts = match seen.and_then(|(_, s)| s.exit_code()) {
        Some(code) => after_exit(&worker.pod, role, container, code) != AfterExit::Stay,
        None => seen.is_none(),
    };
    if let Some((reason, message)) = worker.waiting.get(&container.name).filter(|_| restarts) {
        if state.terminated.is_some() {
            last_state = state;
        }
        state = waiting(reason, Some(message));
    }
    let ready = match role {
        Role::Init => seen.and_then(|(_, s)| s.exit_code()) == Some(0),
        Role::Ephemeral => false,
        Role::Sidecar | Role::App => worker.is_ready(&container.name),
    };
    let created = seen.map(|(i, _)| i);
    let requests = of_container(container, Side::Requests).cloned();
    ContainerStatus {
        name: container.name.clone(),
        ready: ready && (state.running.is_some() || role == Role::Init),
        started: (role != Role::Ephemeral).then(|| worker.is_started(&container.name)),
        restart_count: created.map_or(0, |i| i.attempt),
        image: created.map_or_else(|| container.image.clone().unwrap_or_default(), |i| i.image.clone()),
        image_id: created.map(|i| i.image_id.clone()).unwrap_or_default(),
        container_id: created.map(|i| i.id.clone()),
        allocated_resources: requests.filter(|_| created.is_some()),
        resources: created.map(|_| container.resources.clone().unwrap_or_default()),
        volume_mounts: volume_mounts(container),
        state: Some(state),
        last_state: Some(last_state),
        ..Default::default()
    }
}

/// A container that is not made yet: in a pod with init containers all of them wait as `PodInitializing`.
fn not_created(pod: &Pod) -> ContainerState {
    let has_init = pod.spec.as_ref().is_some_and(|s| s.init_containers.as_ref().is_some_and(|i| !i.is_empty()));
    waiting(if has_init { "PodInitializing" } else { "ContainerCreating" }, None)
}

fn waiting(reason: &str, message: Option<&str>) -> ContainerState {
    let message = message.filter(|m| !m.is_empty()).map(str::to_owned);
    ContainerState { waiting: Some(ContainerStateWaiting { reason: Some(reason.to_owned()), message }), ..Default::default() }
}

fn api_state(instance: &Instance, state: &State) -> ContainerState {
    match state {
        State::Created => waiting("ContainerCreating", None),
        State::Running { since } => {
            ContainerState { running: Some(ContainerStateRunning { started_at: Some(since.to_time()) }), ..Default::default() }
        }
        State::Exited { since, at, code, reason, message } => ContainerState {
            terminated: Some(ContainerStateTerminated {
                exit_code: *code,
                reason: Some(reason.clone()),
                message: message.clone(),
                started_at: Some(since.unwrap_or(SimTime(0)).to_time()),
                finished_at: Some(at.to_time()),
                container_id: Some(instance.id.clone()),
                signal: None,
            }),
            ..Default::default()
        },
    }
}

fn volume_mounts(container: &Container) -> Option<Vec<VolumeMountStatus>> {
    let mounts = container.volume_mounts.as_ref()?;
    let status = |m: &k8s_openapi::api::core::v1::VolumeMount| VolumeMountStatus {
        name: m.name.clone(),
        mount_path: m.mount_path.clone(),
        read_only: m.read_only,
        recursive_read_only: (m.read_only == Some(true)).then(|| "Disabled".to_owned()),
        ..Default::default()
    };
    Some(mounts.iter().map(status).collect())
}

/// `Pending`, `Running`, `Succeeded` or `Failed`.
fn phase(worker: &PodWorker, init: &[ContainerStatus], apps: &[ContainerStatus], stopped: bool) -> &'static str {
    let pod = &*worker.pod;
    let (mut init_pending, mut init_failed) = (0, 0);
    let (mut running, mut waiting, mut ended, mut succeeded, mut restartable) = (0, 0, 0, 0, 0);
    for (role, container) in all_containers(pod) {
        let Some(status) = init.iter().chain(apps).find(|s| s.name == container.name) else { continue };
        let state = status.state.clone().unwrap_or_default();
        let last = status.last_state.as_ref().and_then(|s| s.terminated.as_ref());
        let code = state.terminated.as_ref().or(last).map(|t| t.exit_code);
        let stays = |code: i32| after_exit(pod, role, container, code) == AfterExit::Stay;
        match role {
            Role::Init => match (&state.terminated, code) {
                (Some(t), _) if t.exit_code == 0 => {}
                (_, Some(code)) if code != 0 && stays(code) => init_failed += 1,
                _ => init_pending += 1,
            },
            Role::Sidecar => match (state.running.is_some(), status.started == Some(true), code) {
                (true, true, _) => running += 1,
                (true, false, _) | (false, _, None) => init_pending += 1,
                (false, _, Some(_)) => {}
            },
            Role::App | Role::Ephemeral => match (state.running.is_some(), code) {
                (true, _) => running += 1,
                (false, Some(code)) => {
                    ended += 1;
                    succeeded += usize::from(code == 0);
                    restartable += usize::from(!stays(code));
                }
                (false, None) => waiting += 1,
            },
        }
    }
    match () {
        () if init_failed > 0 => "Failed",
        () if stopped && running == 0 && waiting > 0 && ended == 0 => "Failed",
        () if stopped && running == 0 => {
            if succeeded == ended && waiting == 0 {
                "Succeeded"
            } else {
                "Failed"
            }
        }
        () if init_pending > 0 && running == ended => "Pending",
        () if waiting > 0 => "Pending",
        () if running > 0 => "Running",
        () if ended > 0 && restartable > 0 => "Running",
        () if ended > 0 => {
            if succeeded == ended {
                "Succeeded"
            } else {
                "Failed"
            }
        }
        () => "Pending",
    }
}

/// Whether a phase is an end.
pub fn is_terminal(phase: Option<&str>) -> bool {
    matches!(phase, Some("Succeeded" | "Failed"))
}
