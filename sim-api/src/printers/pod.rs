//! A pod's row: how ready it is, one word for its state, and its restarts.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::view::{View, cells};

/// What is gathered on the way through a pod's containers.
struct Summary {
    reason: String,
    ready: i64,
    restarts: i64,
    last_restart: Option<Timestamp>,
}

pub(super) fn cells(pod: View<'_>) -> Vec<Value> {
    let summary = summarize(pod);
    let sidecars = pod.list("spec.initContainers").filter(|container| is_sidecar(*container)).count();
    let total = pod.list("spec.containers").len() + sidecars;
    let restarts = match summary.last_restart {
        Some(time) if summary.restarts != 0 => format!("{} ({} ago)", summary.restarts, ago(pod, time)),
        _ => summary.restarts.to_string(),
    };
    let ip = pod.list("status.podIPs").next().map_or("<none>", |ip| ip.text_or("ip", "<none>"));
    cells![
        pod.name(),
        format!("{}/{total}", summary.ready),
        final_reason(pod, summary.reason),
        restarts,
        pod.age(),
        ip,
        pod.text_or("spec.nodeName", "<none>"),
        pod.text_or("status.nominatedNodeName", "<none>"),
        readiness_gates(pod),
    ]
}

fn ago(pod: View<'_>, time: Timestamp) -> String {
    super::view::human_duration(super::view::seconds_between(time, pod.now()))
}

/// The conditions of the row: a pod that has ended can be left out by the client.
pub(super) fn row_conditions(pod: View<'_>) -> Option<Value> {
    let (reason, message) = match pod.text("status.phase") {
        "Succeeded" => ("Succeeded", "The pod has completed successfully."),
        "Failed" => ("Failed", "The pod failed."),
        _ => return None,
    };
    Some(json!([{"type": "Completed", "status": "True", "reason": reason, "message": message}]))
}

fn summarize(pod: View<'_>) -> Summary {
    let mut summary = Summary { reason: first_reason(pod), ready: 0, restarts: 0, last_restart: None };
    let mut sidecars = Summary { reason: String::new(), ready: 0, restarts: 0, last_restart: None };
    let initializing = scan_init_containers(pod, &mut summary, &mut sidecars);
    if !initializing || condition(pod, "Initialized") {
        (summary.restarts, summary.last_restart) = (sidecars.restarts, sidecars.last_restart);
        scan_containers(pod, &mut summary);
    }
    summary
}

fn first_reason(pod: View<'_>) -> String {
    let gated = |c: View<'_>| c.text("type") == "PodScheduled" && c.text("reason") == "SchedulingGated";
    if pod.list("status.conditions").any(gated) {
        return "SchedulingGated".to_owned();
    }
    pod.text_or("status.reason", pod.text("status.phase")).to_owned()
}

/// Goes through the init containers until one has not done its work; true if there is such a one.
fn scan_init_containers(pod: View<'_>, summary: &mut Summary, sidecars: &mut Summary) -> bool {
    let total = pod.list("spec.initContainers").len();
    for (number, status) in pod.list("status.initContainerStatuses").enumerate() {
        note_restarts(status, summary);
        let sidecar = pod.list("spec.initContainers").find(|c| c.name_field() == status.name_field()).is_some_and(is_sidecar);
        if sidecar {
            note_restarts(status, sidecars);
        }
        let terminated = status.get("state.terminated");
        if terminated.is_some_and(|t| t.number("exitCode") == 0) {
            continue;
        }
        if sidecar && status.is_true("started") {
            summary.ready += i64::from(status.is_true("ready"));
            continue;
        }
        summary.reason = match (terminated, status.text("state.waiting.reason")) {
            (Some(terminated), _) => format!("Init:{}", ended_reason(terminated)),
            (None, "" | "PodInitializing") => format!("Init:{number}/{total}"),
            (None, waiting) => format!("Init:{waiting}"),
        };
        return true;
    }
    false
}

fn scan_containers(pod: View<'_>, summary: &mut Summary) {
    let (mut running, mut error) = (false, None);
    for status in pod.list("status.containerStatuses").rev() {
        note_restarts(status, summary);
        let waiting = status.text("state.waiting.reason");
        if !waiting.is_empty() {
            summary.reason = waiting.to_owned();
        } else if let Some(terminated) = status.get("state.terminated") {
            summary.reason = ended_reason(terminated);
            if terminated.number("exitCode") != 0 {
                error = Some(summary.reason.clone());
            }
        } else if status.is_true("ready") && status.has("state.running") {
            running = true;
            summary.ready += 1;
        }
    }
    if summary.reason == "Completed" {
        let ready = running && condition_any(pod, "Ready");
        summary.reason = match error {
            _ if ready => "Running".to_owned(),
            Some(error) => error,
            None if running => "NotReady".to_owned(),
            None => "Completed".to_owned(),
        };
    }
}

fn ended_reason(terminated: View<'_>) -> String {
    match (terminated.text("reason"), terminated.number("signal")) {
        ("", 0) => format!("ExitCode:{}", terminated.number("exitCode")),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

fn note_restarts(status: View<'_>, summary: &mut Summary) {
    summary.restarts += status.number("restartCount");
    summary.last_restart = summary.last_restart.max(status.time("lastState.terminated.finishedAt"));
}

fn is_sidecar(container: View<'_>) -> bool {
    container.text("restartPolicy") == "Always"
}

/// Whether the first condition of that type is true.
fn condition(pod: View<'_>, name: &str) -> bool {
    pod.list("status.conditions").find(|c| c.text("type") == name).is_some_and(|c| c.text("status") == "True")
}

/// Whether any condition of that type is true.
fn condition_any(pod: View<'_>, name: &str) -> bool {
    pod.list("status.conditions").any(|c| c.text("type") == name && c.text("status") == "True")
}

fn final_reason(pod: View<'_>, reason: String) -> String {
    let ended = matches!(pod.text("status.phase"), "Succeeded" | "Failed");
    match pod.is_deleting() {
        true if pod.text("status.reason") == "NodeLost" => "Unknown".to_owned(),
        true if !ended => "Terminating".to_owned(),
        _ => reason,
    }
}

fn readiness_gates(pod: View<'_>) -> String {
    let gates = pod.list("spec.readinessGates");
    let total = gates.len();
    let open = gates.filter(|gate| condition(pod, gate.text("conditionType"))).count();
    if total == 0 { "<none>".to_owned() } else { format!("{open}/{total}") }
}

impl<'a> View<'a> {
    /// A container's name.
    fn name_field(self) -> &'a str {
        self.text("name")
    }
}
