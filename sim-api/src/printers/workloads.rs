//! Rows of the kinds that run pods, and of those that scale and guard them.

use serde_json::Value;

use super::view::{View, cells, human_duration, seconds_between};

pub(super) fn cells(name: &str, object: View<'_>) -> Option<Vec<Value>> {
    Some(match name {
        "Deployment" => deployment(object),
        "ReplicaSet" => replicas(object, "spec.selector", false),
        "ReplicationController" => replicas(object, "spec.selector", true),
        "StatefulSet" => stateful_set(object),
        "DaemonSet" => daemon_set(object),
        "Job" => job(object),
        "CronJob" => cron_job(object),
        "ControllerRevision" => cells![object.name(), owner(object), object.number("revision"), object.age()],
        "PodTemplate" => pod_template(object),
        "Scale" => cells![object.name(), object.number("spec.replicas"), object.number("status.replicas"), object.age()],
        "HorizontalPodAutoscaler" => autoscaler(object),
        "PodDisruptionBudget" => disruption_budget(object),
        _ => return None,
    })
}

fn deployment(object: View<'_>) -> Vec<Value> {
    let ready = format!("{}/{}", object.number("status.readyReplicas"), object.number("spec.replicas"));
    let (names, images) = containers(object, "spec.template.spec.containers");
    let selector = object.selector("spec.selector").unwrap_or_else(|| "<invalid>".to_owned());
    let (updated, available) = (object.number("status.updatedReplicas"), object.number("status.availableReplicas"));
    cells![object.name(), ready, updated, available, object.age(), names, images, selector]
}

fn replicas(object: View<'_>, selector: &str, plain_labels: bool) -> Vec<Value> {
    let (names, images) = containers(object, "spec.template.spec.containers");
    let selector = if plain_labels { object.labels(selector) } else { object.selector_or_none(selector) };
    cells![
        object.name(),
        object.number("spec.replicas"),
        object.number("status.replicas"),
        object.number("status.readyReplicas"),
        object.age(),
        names,
        images,
        selector,
    ]
}

fn stateful_set(object: View<'_>) -> Vec<Value> {
    let ready = format!("{}/{}", object.number("status.readyReplicas"), object.number("spec.replicas"));
    let (names, images) = containers(object, "spec.template.spec.containers");
    cells![object.name(), ready, object.age(), names, images]
}

fn daemon_set(object: View<'_>) -> Vec<Value> {
    let (names, images) = containers(object, "spec.template.spec.containers");
    cells![
        object.name(),
        object.number("status.desiredNumberScheduled"),
        object.number("status.currentNumberScheduled"),
        object.number("status.numberReady"),
        object.number("status.updatedNumberScheduled"),
        object.number("status.numberAvailable"),
        object.labels("spec.template.spec.nodeSelector"),
        object.age(),
        names,
        images,
        object.selector_or_none("spec.selector"),
    ]
}

fn job(object: View<'_>) -> Vec<Value> {
    let (names, images) = containers(object, "spec.template.spec.containers");
    let selector = object.selector_or_none("spec.selector");
    cells![object.name(), job_status(object), completions(object), job_duration(object), object.age(), names, images, selector]
}

fn job_status(object: View<'_>) -> &'static str {
    let has = |name: &str| object.list("status.conditions").find(|c| c.text("type") == name).is_some_and(|c| c.text("status") == "True");
    let ended = [("Complete", "Complete"), ("Failed", "Failed")];
    let going = [("Suspended", "Suspended"), ("FailureTarget", "FailureTarget"), ("SuccessCriteriaMet", "SuccessCriteriaMet")];
    if let Some((_, word)) = ended.iter().find(|(condition, _)| has(condition)) {
        return word;
    }
    if object.is_deleting() {
        return "Terminating";
    }
    going.iter().find(|(condition, _)| has(condition)).map_or("Running", |(_, word)| word)
}

fn completions(object: View<'_>) -> String {
    let succeeded = object.number("status.succeeded");
    let parallelism = object.number("spec.parallelism");
    match object.get("spec.completions") {
        Some(_) => format!("{succeeded}/{}", object.number("spec.completions")),
        None if parallelism > 1 => format!("{succeeded}/1 of {parallelism}"),
        None => format!("{succeeded}/1"),
    }
}

fn job_duration(object: View<'_>) -> String {
    let Some(start) = object.time("status.startTime") else { return String::new() };
    human_duration(seconds_between(start, object.time("status.completionTime").unwrap_or(object.now())))
}

fn cron_job(object: View<'_>) -> Vec<Value> {
    let (names, images) = containers(object, "spec.jobTemplate.spec.template.spec.containers");
    let last = if object.has("status.lastScheduleTime") { object.since("status.lastScheduleTime") } else { "<none>".to_owned() };
    let suspend = match object.get("spec.suspend") {
        None => "<unset>",
        Some(suspend) if suspend.value() == true => "True",
        Some(_) => "False",
    };
    cells![
        object.name(),
        object.text("spec.schedule"),
        object.set_or("spec.timeZone", "<none>"),
        suspend,
        object.count("status.active"),
        last,
        object.age(),
        names,
        images,
        object.selector_or_none("spec.jobTemplate.spec.selector"),
    ]
}

fn owner(object: View<'_>) -> String {
    let Some(owner) = object.list("metadata.ownerReferences").find(|owner| owner.is_true("controller")) else {
        return "<none>".to_owned();
    };
    let group = owner.text("apiVersion").split_once('/').map(|(group, _)| group);
    let kind = group.map_or_else(|| owner.text("kind").to_owned(), |group| format!("{}.{group}", owner.text("kind")));
    format!("{}/{}", kind.to_lowercase(), owner.text("name"))
}

fn pod_template(object: View<'_>) -> Vec<Value> {
    let (names, images) = containers(object, "template.spec.containers");
    cells![object.name(), names, images, object.labels("template.metadata.labels")]
}

/// Names and images of the containers at a path.
fn containers(object: View<'_>, path: &str) -> (String, String) {
    let joined = |field: &str| object.list(path).map(|c| c.text(field)).collect::<Vec<_>>().join(",");
    (joined("name"), joined("image"))
}

fn disruption_budget(object: View<'_>) -> Vec<Value> {
    let (at_least, at_most) = (object.set_or("spec.minAvailable", "N/A"), object.set_or("spec.maxUnavailable", "N/A"));
    cells![object.name(), at_least, at_most, object.number("status.disruptionsAllowed"), object.age()]
}

fn autoscaler(object: View<'_>) -> Vec<Value> {
    cells![
        object.name(),
        format!("{}/{}", object.text("spec.scaleTargetRef.kind"), object.text("spec.scaleTargetRef.name")),
        metrics(object),
        object.set_or("spec.minReplicas", "<unset>"),
        object.number("spec.maxReplicas"),
        object.number("status.currentReplicas"),
        object.age(),
    ]
}

fn metrics(object: View<'_>) -> String {
    let statuses: Vec<View<'_>> = object.list("status.currentMetrics").collect();
    let all: Vec<String> = object.list("spec.metrics").enumerate().map(|(at, spec)| metric(spec, statuses.get(at).copied())).collect();
    match all.len() {
        0 => "<none>".to_owned(),
        1 | 2 => all.join(", "),
        count => format!("{} + {} more...", all[..2].join(", "), count - 2),
    }
}

const UNKNOWN: &str = "<unknown>";

fn metric(spec: View<'_>, status: Option<View<'_>>) -> String {
    let (field, resource) = match spec.text("type") {
        "External" => ("external", false),
        "Pods" => ("pods", false),
        "Object" => ("object", false),
        "Resource" => ("resource", true),
        "ContainerResource" => ("containerResource", true),
        _ => return "<unknown type>".to_owned(),
    };
    let current = status.and_then(|status| status.get(field));
    let Some(source) = spec.get(field) else { return "<unknown type>".to_owned() };
    if resource { resource_metric(source, current) } else { value_metric(source, current, field) }
}

fn value_metric(source: View<'_>, current: Option<View<'_>>, field: &str) -> String {
    let read = |path: &str, must_be_set: bool| match current {
        Some(status) if !must_be_set || status.has(path) => status.quantity_or_nil(path),
        _ => UNKNOWN.to_owned(),
    };
    if field == "pods" {
        return format!("{}/{}", read("current.averageValue", false), source.quantity_or_nil("target.averageValue"));
    }
    if source.has("target.averageValue") {
        return format!("{}/{} (avg)", read("current.averageValue", true), source.quantity_or_nil("target.averageValue"));
    }
    format!("{}/{}", read("current.value", false), source.quantity_or_nil("target.value"))
}

fn resource_metric(source: View<'_>, current: Option<View<'_>>) -> String {
    let name = source.text("name");
    if source.has("target.averageValue") {
        let now = current.map_or_else(|| UNKNOWN.to_owned(), |status| status.quantity_or_nil("current.averageValue"));
        return format!("{name}: {now}/{}", source.quantity_or_nil("target.averageValue"));
    }
    let percent = |of: View<'_>, path: &str| of.get(path).map(|found| format!("{}%", found.value()));
    let now = current.and_then(|status| percent(status, "current.averageUtilization"));
    let target = percent(source, "target.averageUtilization");
    format!("{name}: {}/{}", now.as_deref().unwrap_or(UNKNOWN), target.as_deref().unwrap_or("<auto>"))
}
