//! Pods, and the pod templates of workloads.

use serde_json::Value;

use super::containers::{containers, resources};
use super::metadata::{annotations, controller, events, multiline, tolerations};
use super::page::Page;
use super::view::{World, date, int, items, pairs, selector, text};
use super::volumes::volumes;

/// A pod.
pub fn pod(page: &mut Page, pod: &Value, world: &World<'_>) {
    placement(page, pod);
    state(page, pod, world);
    if let Some(own) = pod.pointer("/spec/resources") {
        page.line(0, "Resources:");
        resources(page, 1, own);
    }
    if !items(pod, "/spec/initContainers").is_empty() {
        containers(page, "Init Containers", items(pod, "/spec/initContainers"), items(pod, "/status/initContainerStatuses"), Some(pod));
    }
    containers(page, "Containers", items(pod, "/spec/containers"), items(pod, "/status/containerStatuses"), Some(pod));
    let ephemeral = items(pod, "/spec/ephemeralContainers");
    if !ephemeral.is_empty() {
        containers(page, "Ephemeral Containers", ephemeral, items(pod, "/status/ephemeralContainerStatuses"), Some(pod));
    }
    gates_and_conditions(page, pod);
    volumes(page, items(pod, "/spec/volumes"), false);
    page.line(0, format!("QoS Class:\t{}", text(pod, "/status/qosClass")));
    scheduling(page, &pod["spec"], "");
    events(page, pod, world);
}

fn placement(page: &mut Page, pod: &Value) {
    page.line(0, format!("Name:\t{}", text(pod, "/metadata/name")));
    page.line(0, format!("Namespace:\t{}", text(pod, "/metadata/namespace")));
    if pod.pointer("/spec/priority").is_some() {
        page.line(0, format!("Priority:\t{}", int(pod, "/spec/priority")));
    }
    for (title, path) in [
        ("Priority Class Name", "/spec/priorityClassName"),
        ("Runtime Class Name", "/spec/runtimeClassName"),
        ("Service Account", "/spec/serviceAccountName"),
    ] {
        if !text(pod, path).is_empty() {
            page.line(0, format!("{title}:\t{}", text(pod, path)));
        }
    }
    match text(pod, "/spec/nodeName") {
        "" => page.line(0, "Node:\t<none>"),
        node => page.line(0, format!("Node:\t{node}/{}", text(pod, "/status/hostIP"))),
    }
    if !text(pod, "/status/startTime").is_empty() {
        page.line(0, format!("Start Time:\t{}", date(text(pod, "/status/startTime"))));
    }
    multiline(page, "Labels", &pairs(pod, "/metadata/labels"));
    annotations(page, "Annotations", &pairs(pod, "/metadata/annotations"));
}

fn state(page: &mut Page, pod: &Value, world: &World<'_>) {
    let phase = text(pod, "/status/phase");
    match text(pod, "/metadata/deletionTimestamp") {
        since if !since.is_empty() && phase != "Failed" && phase != "Succeeded" => {
            page.line(0, format!("Status:\tTerminating (lasts {})", world.since(since)));
            page.line(0, format!("Termination Grace Period:\t{}s", int(pod, "/metadata/deletionGracePeriodSeconds")));
        }
        _ => page.line(0, format!("Status:\t{phase}")),
    }
    for (title, path) in
        [("Reason", "/status/reason"), ("Message", "/status/message"), ("SeccompProfile", "/spec/securityContext/seccompProfile/type")]
    {
        if !text(pod, path).is_empty() {
            page.line(0, format!("{title}:\t{}", text(pod, path)));
        }
    }
    page.line(0, format!("IP:\t{}", text(pod, "/status/podIP")));
    let addresses = items(pod, "/status/podIPs");
    page.line(0, if addresses.is_empty() { "IPs:\t<none>" } else { "IPs:" });
    addresses.iter().for_each(|a| page.line(1, format!("IP:\t{}", text(a, "/ip"))));
    controller(page, pod);
    if !text(pod, "/status/nominatedNodeName").is_empty() {
        page.line(0, format!("NominatedNodeName:\t{}", text(pod, "/status/nominatedNodeName")));
    }
}

fn gates_and_conditions(page: &mut Page, pod: &Value) {
    let conditions = items(pod, "/status/conditions");
    let gates = items(pod, "/spec/readinessGates");
    if !gates.is_empty() {
        page.line(0, "Readiness Gates:");
        page.line(1, "Type\tStatus");
    }
    for gate in gates {
        let kind = text(gate, "/conditionType");
        let status = conditions.iter().find(|c| c["type"] == kind).map_or("<none>", |c| text(c, "/status"));
        page.line(1, format!("{kind} \t{status} "));
    }
    if !conditions.is_empty() {
        page.line(0, "Conditions:");
        page.line(1, "Type\tStatus");
    }
    for condition in conditions {
        page.line(1, format!("{} \t{} ", text(condition, "/type"), text(condition, "/status")));
    }
}

fn spread(page: &mut Page, spec: &Value, space: &str) {
    let mut constraints: Vec<&Value> = items(spec, "/topologySpreadConstraints").iter().collect();
    constraints.sort_by_key(|c| text(c, "/topologyKey").to_owned());
    for (at, constraint) in constraints.into_iter().enumerate() {
        let title = if at == 0 { format!("{space}Topology Spread Constraints:\t") } else { format!("{space}\t") };
        let (key, action, skew) = (text(constraint, "/topologyKey"), text(constraint, "/whenUnsatisfiable"), int(constraint, "/maxSkew"));
        let labels = match constraint.get("labelSelector") {
            Some(_) => format!(" for selector {}", selector(constraint, "/labelSelector")),
            None => String::new(),
        };
        page.line(0, format!("{title}{key}:{action} when max skew {skew} is exceeded{labels}"));
    }
}

fn scheduling(page: &mut Page, spec: &Value, space: &str) {
    multiline(page, &format!("{space}Node-Selectors"), &pairs(spec, "/nodeSelector"));
    tolerations(page, &format!("{space}Tolerations"), items(spec, "/tolerations"));
    if space.is_empty() {
        spread(page, spec, space);
    }
}

/// A workload's pod template.
pub fn template(page: &mut Page, template: &Value) {
    page.line(0, "Pod Template:");
    multiline(page, "  Labels", &pairs(template, "/metadata/labels"));
    let notes = pairs(template, "/metadata/annotations");
    if !notes.is_empty() {
        annotations(page, "  Annotations", &notes);
    }
    let spec = &template["spec"];
    if !text(spec, "/serviceAccountName").is_empty() {
        page.line(1, format!("Service Account:\t{}", text(spec, "/serviceAccountName")));
    }
    if !items(spec, "/initContainers").is_empty() {
        containers(page, "Init Containers", items(spec, "/initContainers"), &[], None);
    }
    containers(page, "Containers", items(spec, "/containers"), &[], None);
    volumes(page, items(spec, "/volumes"), true);
    spread(page, spec, "  ");
    if !text(spec, "/priorityClassName").is_empty() {
        page.line(1, format!("Priority Class Name:\t{}", text(spec, "/priorityClassName")));
    }
    scheduling(page, spec, "  ");
}

/// How many of a controller's pods run, wait, succeeded and failed.
pub fn pods_status(owner: &Value, world: &World<'_>) -> String {
    let uid = text(owner, "/metadata/uid");
    let own = |p: &Value| items(p, "/metadata/ownerReferences").iter().any(|o| o["controller"] == true && text(o, "/uid") == uid);
    let pods = world.list_in(sim_apimachinery::Kind::Pod, text(owner, "/metadata/namespace"));
    let phases: Vec<&str> = pods.iter().filter(|p| own(p)).map(|p| text(p, "/status/phase")).collect();
    let count = |phase: &str| phases.iter().filter(|p| **p == phase).count();
    format!("{} Running / {} Waiting / {} Succeeded / {} Failed", count("Running"), count("Pending"), count("Succeeded"), count("Failed"))
}
