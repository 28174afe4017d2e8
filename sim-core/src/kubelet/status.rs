//! The status a kubelet reports of a pod. Source: pkg/kubelet/kubelet_pods.go and status/generate.go.

use k8s_openapi::api::core::v1::{
    ContainerState as ApiState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting, ContainerStatus, HostIP,
    PodCondition, PodIP, PodStatus, ResourceRequirements, VolumeMountStatus,
};

use super::pod_state::{Ended, PodState, Role, Sandbox, State, Worker};
use crate::time::SimTime;

/// Puts a pod's status together. Times of transitions are kept where a condition's status is as it was.
pub fn generate(pod: &PodState, node_ip: &str, now: SimTime) -> PodStatus {
    let phase = phase(pod);
    let mut status = PodStatus {
        phase: Some(phase.into()),
        observed_generation: pod.observed_generation,
        host_ip: Some(node_ip.into()),
        host_ips: Some(vec![HostIP { ip: node_ip.into() }]),
        start_time: pod.start_time.map(SimTime::to_time),
        qos_class: pod.pod.status.as_ref().and_then(|s| s.qos_class.clone()),
        allocated_resources: pod_resources(pod).and_then(|r| r.requests),
        resources: pod_resources(pod),
        ..Default::default()
    };
    if let Some((reason, message)) = &pod.rejected {
        status.phase = Some("Failed".into());
        status.reason = Some(reason.clone());
        status.message = Some(message.clone());
        status.host_ip = None;
        status.host_ips = None;
        return status;
    }
    if pod.deadline_exceeded {
        status.phase = Some("Failed".into());
        status.reason = Some("DeadlineExceeded".into());
        status.message = Some("Pod was active on the node longer than the specified deadline".into());
    }
    let shows_ip = pod.ip.is_some()
        && !matches!(pod.sandbox, Sandbox::None)
        && pod.containers.iter().any(|c| !matches!(c.state, State::Waiting { .. }) || c.last.is_some());
    if let Some(ip) = pod.ip.as_ref().filter(|_| shows_ip) {
        status.pod_ip = Some(ip.clone());
        status.pod_ips = Some(vec![PodIP { ip: ip.clone() }]);
    }
    let (init, app): (Vec<usize>, Vec<usize>) = (0..pod.containers.len()).partition(|i| pod.containers[*i].role != Role::App);
    let mut apps: Vec<ContainerStatus> = app.iter().map(|i| container_status(pod, *i)).collect();
    apps.sort_by(|a, b| a.name.cmp(&b.name));
    status.container_statuses = Some(apps);
    status.init_container_statuses = (!init.is_empty()).then(|| init.iter().map(|i| container_status(pod, *i)).collect());
    status.conditions = Some(conditions(pod, status.phase.as_deref().unwrap_or_default(), now));
    status
}

/// The phase its containers give a pod.
fn phase(pod: &PodState) -> &'static str {
    let apps: Vec<_> = pod.containers.iter().filter(|c| c.role == Role::App).collect();
    let init_failed = pod
        .containers
        .iter()
        .any(|c| c.role == Role::Init && pod.restart_policy() == "Never" && matches!(&c.state, State::Ended(e) if e.code != 0));
    if init_failed {
        return "Failed";
    }
    let stopping = matches!(pod.worker, Worker::Terminated | Worker::Finished);
    let ended: Vec<&Ended> = apps
        .iter()
        .filter_map(|c| match &c.state {
            State::Ended(e) => Some(e),
            _ => None,
        })
        .collect();
    if stopping {
        let all = ended.len() == apps.len() && !ended.is_empty();
        return if all && ended.iter().all(|e| e.code == 0) { "Succeeded" } else { "Failed" };
    }
    let init_pending = pod.containers.iter().any(|c| match c.role {
        Role::Init => !matches!(&c.state, State::Ended(e) if e.code == 0),
        Role::Sidecar => !matches!(c.state, State::Running { .. }) && c.restarts == 0,
        Role::App => false,
    });
    if init_pending && !apps.iter().any(|c| c.last.is_some() || !matches!(c.state, State::Waiting { .. })) {
        return "Pending";
    }
    if apps.iter().any(|c| matches!(c.state, State::Waiting { .. }) && c.last.is_none()) {
        return "Pending";
    }
    if apps.iter().any(|c| matches!(c.state, State::Running { .. })) {
        return "Running";
    }
    let waits_again = apps.iter().any(|c| matches!(c.state, State::Waiting { .. }));
    match pod.restart_policy() {
        "Always" => "Running",
        _ if waits_again => "Running",
        "OnFailure" if ended.iter().any(|e| e.code != 0) => "Running",
        _ if ended.iter().all(|e| e.code == 0) => "Succeeded",
        _ => "Failed",
    }
}

fn pod_resources(pod: &PodState) -> Option<ResourceRequirements> {
    let mut total = ResourceRequirements::default();
    let add = |into: &mut Option<std::collections::BTreeMap<_, _>>,
               from: &Option<std::collections::BTreeMap<String, k8s_openapi::apimachinery::pkg::api::resource::Quantity>>| {
        for (name, quantity) in from.iter().flatten().filter(|(n, _)| matches!(n.as_str(), "cpu" | "memory")) {
            let parsed = sim_apimachinery::quantity::Quantity::parse(&quantity.0).ok();
            let sum: &mut k8s_openapi::apimachinery::pkg::api::resource::Quantity = into
                .get_or_insert_default()
                .entry(name.clone())
                .or_insert_with(|| k8s_openapi::apimachinery::pkg::api::resource::Quantity("0".into()));
            if let (Some(a), Ok(b)) = (parsed, sim_apimachinery::quantity::Quantity::parse(&sum.0)) {
                sum.0 = b.plus(a).to_string();
            }
        }
    };
    for container in &pod.spec().containers {
        if let Some(resources) = &container.resources {
            add(&mut total.requests, &resources.requests);
            add(&mut total.limits, &resources.limits);
        }
    }
    (total.requests.is_some() || total.limits.is_some()).then_some(total)
}

fn container_status(pod: &PodState, index: usize) -> ContainerStatus {
    let container = &pod.containers[index];
    let spec = pod.container_spec(index);
    let running = matches!(container.state, State::Running { .. });
    let was_here = !container.image_id.is_empty();
    let resources = spec.resources.clone().filter(|r| r.limits.is_some() || r.requests.is_some());
    let waiting_id = match (&container.state, &container.last) {
        (State::Waiting { .. }, Some(last)) => Some(last.id.clone()),
        (State::Running { id, .. }, _) => Some(id.clone()),
        (State::Ended(e), _) => Some(e.id.clone()),
        _ => None,
    };
    ContainerStatus {
        name: container.name.clone(),
        ready: container.ready,
        restart_count: container.restarts,
        started: Some(running && container.was_started),
        image: if was_here { full_image(spec.image.as_deref().unwrap_or_default()) } else { spec.image.clone().unwrap_or_default() },
        image_id: if was_here { container.image_id.clone() } else { String::new() },
        container_id: waiting_id.filter(|_| was_here),
        state: Some(api_state(&container.state)),
        last_state: Some(
            container.last.as_ref().map_or_else(ApiState::default, |e| ApiState { terminated: Some(terminated(e)), ..Default::default() }),
        ),
        allocated_resources: resources.as_ref().and_then(|r| r.requests.clone()).filter(|_| was_here),
        resources: resources.filter(|_| was_here),
        volume_mounts: mounts(spec),
        ..Default::default()
    }
}

fn mounts(spec: &k8s_openapi::api::core::v1::Container) -> Option<Vec<VolumeMountStatus>> {
    let mounts: Vec<VolumeMountStatus> = spec
        .volume_mounts
        .iter()
        .flatten()
        .map(|m| VolumeMountStatus {
            name: m.name.clone(),
            mount_path: m.mount_path.clone(),
            read_only: m.read_only,
            recursive_read_only: (m.read_only == Some(true)).then(|| "Disabled".into()),
            ..Default::default()
        })
        .collect();
    (!mounts.is_empty()).then_some(mounts)
}

/// The name containerd knows an image by.
pub fn full_image(image: &str) -> String {
    let with_tag = if image.contains('@') || image.rsplit('/').next().unwrap_or_default().contains(':') {
        image.to_owned()
    } else {
        format!("{image}:latest")
    };
    let first = with_tag.split('/').next().unwrap_or_default();
    match with_tag.split('/').count() {
        1 => format!("docker.io/library/{with_tag}"),
        _ if first.contains('.') || first.contains(':') || first == "localhost" => with_tag,
        _ => format!("docker.io/{with_tag}"),
    }
}

fn api_state(state: &State) -> ApiState {
    match state {
        State::Waiting { reason, message } => ApiState {
            waiting: Some(ContainerStateWaiting { reason: Some(reason.clone()), message: message.clone() }),
            ..Default::default()
        },
        State::Running { started, .. } => {
            ApiState { running: Some(ContainerStateRunning { started_at: Some(started.to_time()) }), ..Default::default() }
        }
        State::Ended(ended) => ApiState { terminated: Some(terminated(ended)), ..Default::default() },
    }
}

fn terminated(ended: &Ended) -> ContainerStateTerminated {
    ContainerStateTerminated {
        exit_code: ended.code,
        reason: Some(ended.reason.clone()),
        message: ended.message.clone(),
        started_at: Some(ended.started.to_time()),
        finished_at: Some(ended.finished.to_time()),
        container_id: Some(ended.id.clone()),
        ..Default::default()
    }
}

fn conditions(pod: &PodState, phase: &str, now: SimTime) -> Vec<PodCondition> {
    let initialized = initialized(pod, phase);
    let containers_ready = containers_ready(pod, phase);
    let ready = gates(pod, &containers_ready);
    let sandbox = if pod.sandbox == Sandbox::Ready && !matches!(phase, "Succeeded" | "Failed") { "True" } else { "False" };
    let list = [
        ("PodReadyToStartContainers", (sandbox, None, None)),
        ("Initialized", initialized),
        ("Ready", ready),
        ("ContainersReady", containers_ready),
        ("PodScheduled", ("True", None, None)),
    ];
    let before = pod.status.conditions.as_ref().or_else(|| pod.pod.status.as_ref().and_then(|s| s.conditions.as_ref()));
    list.into_iter()
        .map(|(kind, (value, reason, message))| {
            let kept =
                before.into_iter().flatten().find(|c| c.type_ == kind && c.status == value).and_then(|c| c.last_transition_time.clone());
            PodCondition {
                type_: kind.into(),
                status: value.into(),
                reason,
                message,
                observed_generation: pod.observed_generation,
                last_transition_time: kept.or_else(|| Some(now.to_time())),
                ..Default::default()
            }
        })
        .collect()
}

type Judged = (&'static str, Option<String>, Option<String>);

fn initialized(pod: &PodState, phase: &str) -> Judged {
    if phase == "Succeeded" {
        return ("True", Some("PodCompleted".into()), None);
    }
    let started = pod.containers.iter().any(|c| c.role == Role::App && (c.last.is_some() || !matches!(c.state, State::Waiting { .. })));
    let incomplete: Vec<&str> = pod
        .containers
        .iter()
        .filter(|c| match c.role {
            Role::Init => !matches!(&c.state, State::Ended(e) if e.code == 0),
            Role::Sidecar => !c.was_started,
            Role::App => false,
        })
        .map(|c| c.name.as_str())
        .collect();
    if incomplete.is_empty() || started {
        return ("True", None, None);
    }
    ("False", Some("ContainersNotInitialized".into()), Some(format!("containers with incomplete status: [{}]", incomplete.join(" "))))
}

fn containers_ready(pod: &PodState, phase: &str) -> Judged {
    match phase {
        "Succeeded" => return ("False", Some("PodCompleted".into()), None),
        "Failed" => return ("False", Some("PodFailed".into()), None),
        _ => {}
    }
    let unready: Vec<&str> = pod.containers.iter().filter(|c| c.role != Role::Init && !c.ready).map(|c| c.name.as_str()).collect();
    if unready.is_empty() {
        return ("True", None, None);
    }
    ("False", Some("ContainersNotReady".into()), Some(format!("containers with unready status: [{}]", unready.join(" "))))
}

fn gates(pod: &PodState, ready: &Judged) -> Judged {
    if ready.0 == "False" {
        return ready.clone();
    }
    let found = pod.pod.status.as_ref().and_then(|s| s.conditions.as_ref());
    for gate in pod.spec().readiness_gates.iter().flatten().map(|g| &g.condition_type) {
        let text = match found.and_then(|c| c.iter().find(|c| c.type_ == *gate)) {
            None => format!("corresponding condition of pod readiness gate \"{gate}\" does not exist."),
            Some(c) if c.status != "True" => format!("the status of pod readiness gate \"{gate}\" is not \"True\", but {}", c.status),
            Some(_) => continue,
        };
        return ("False", Some("ReadinessGatesNotReady".into()), Some(text));
    }
    ("True", None, None)
}
