//! Deployments, replica sets, stateful sets, daemon sets, jobs and cron jobs.

use serde_json::Value;
use sim_apimachinery::Kind;

use super::metadata::{conditions, controller, events, head, labels_and_annotations, lines};
use super::page::Page;
use super::pod::{pods_status, template};
use super::view::{World, date, int, items, joined, or, or_none, pairs, selector, text, truth};

/// A deployment.
pub fn deployment(page: &mut Page, object: &Value, world: &World<'_>) {
    dated_head(page, object);
    labels_and_annotations(page, object);
    page.line(0, format!("Selector:\t{}", selector(object, "/spec/selector")));
    let status = |field: &str| int(object, &format!("/status/{field}"));
    page.line(
        0,
        format!(
            "Replicas:\t{} desired | {} updated | {} total | {} available | {} unavailable",
            int(object, "/spec/replicas"),
            status("updatedReplicas"),
            status("replicas"),
            status("availableReplicas"),
            status("unavailableReplicas")
        ),
    );
    page.line(0, format!("StrategyType:\t{}", text(object, "/spec/strategy/type")));
    page.line(0, format!("MinReadySeconds:\t{}", int(object, "/spec/minReadySeconds")));
    if let Some(rolling) = object.pointer("/spec/strategy/rollingUpdate") {
        let (down, up) = (or(rolling, "/maxUnavailable", "0"), or(rolling, "/maxSurge", "0"));
        page.line(0, format!("RollingUpdateStrategy:\t{down} max unavailable, {up} max surge"));
    }
    template(page, &object["spec"]["template"]);
    conditions(page, object);
    replica_sets(page, object, world);
    events(page, object, world);
}

fn dated_head(page: &mut Page, object: &Value) {
    page.line(0, format!("Name:\t{}", text(object, "/metadata/name")));
    page.line(0, format!("Namespace:\t{}", text(object, "/metadata/namespace")));
    page.line(0, format!("CreationTimestamp:\t{}", date(text(object, "/metadata/creationTimestamp"))));
}

/// The new replica set is the oldest with the deployment's template; the others are old.
fn replica_sets(page: &mut Page, deployment: &Value, world: &World<'_>) {
    let uid = text(deployment, "/metadata/uid");
    let own = |s: &Value| items(s, "/metadata/ownerReferences").iter().any(|o| text(o, "/uid") == uid);
    let mut sets: Vec<Value> = world.list_in(Kind::ReplicaSet, text(deployment, "/metadata/namespace")).into_iter().filter(own).collect();
    sets.sort_by_key(|s| text(s, "/metadata/creationTimestamp").to_owned());
    let wanted = unhashed(deployment);
    let new = sets.iter().position(|s| unhashed(s) == wanted);
    let shown = |chosen: &dyn Fn(usize) -> bool| {
        let texts: Vec<String> = sets.iter().enumerate().filter(|(at, _)| chosen(*at)).map(|(_, s)| replica_set_line(s)).collect();
        or_none(&texts.join(", ")).to_owned()
    };
    if !sets.is_empty() {
        page.line(0, format!("OldReplicaSets:\t{}", shown(&|at| Some(at) != new)));
        page.line(0, format!("NewReplicaSet:\t{}", shown(&|at| Some(at) == new)));
    }
}

fn unhashed(object: &Value) -> Value {
    let mut template = object["spec"]["template"].clone();
    if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.remove("pod-template-hash");
    }
    template
}

fn replica_set_line(set: &Value) -> String {
    format!("{} ({}/{} replicas created)", text(set, "/metadata/name"), int(set, "/status/replicas"), int(set, "/spec/replicas"))
}

/// A replica set.
pub fn replica_set(page: &mut Page, object: &Value, world: &World<'_>) {
    page.line(0, format!("Name:\t{}", text(object, "/metadata/name")));
    page.line(0, format!("Namespace:\t{}", text(object, "/metadata/namespace")));
    page.line(0, format!("Selector:\t{}", selector(object, "/spec/selector")));
    labels_and_annotations(page, object);
    controller(page, object);
    page.line(0, format!("Replicas:\t{} current / {} desired", int(object, "/status/replicas"), int(object, "/spec/replicas")));
    page.line(0, format!("Pods Status:\t{}", pods_status(object, world)));
    template(page, &object["spec"]["template"]);
    conditions(page, object);
    events(page, object, world);
}

/// A stateful set.
pub fn stateful_set(page: &mut Page, object: &Value, world: &World<'_>) {
    dated_head(page, object);
    page.line(0, format!("Selector:\t{}", selector(object, "/spec/selector")));
    labels_and_annotations(page, object);
    page.line(0, format!("Replicas:\t{} desired | {} total", int(object, "/spec/replicas"), int(object, "/status/replicas")));
    page.line(0, format!("Update Strategy:\t{}", text(object, "/spec/updateStrategy/type")));
    if let Some(partition) = object.pointer("/spec/updateStrategy/rollingUpdate/partition") {
        page.line(1, format!("Partition:\t{partition}"));
    }
    page.line(0, format!("Pods Status:\t{}", pods_status(object, world)));
    template(page, &object["spec"]["template"]);
    claim_templates(page, items(object, "/spec/volumeClaimTemplates"));
    events(page, object, world);
}

fn claim_templates(page: &mut Page, claims: &[Value]) {
    page.line(0, format!("Volume Claims:{}", if claims.is_empty() { "\t<none>" } else { "" }));
    for claim in claims {
        page.line(1, format!("Name:\t{}", text(claim, "/metadata/name")));
        page.line(1, format!("StorageClass:\t{}", text(claim, "/spec/storageClassName")));
        for (title, path) in [("  Labels", "/metadata/labels"), ("  Annotations", "/metadata/annotations")] {
            lines(page, title, pairs(claim, path).iter().map(|(k, v)| format!("{k}={v}")).collect());
        }
        page.line(1, format!("Capacity:\t{}", or(claim, "/spec/resources/requests/storage", "<default>")));
        let modes: Vec<&str> = items(claim, "/spec/accessModes").iter().filter_map(Value::as_str).collect();
        page.line(1, format!("Access Modes:\t[{}]", modes.join(" ")));
    }
}

/// A daemon set.
pub fn daemon_set(page: &mut Page, object: &Value, world: &World<'_>) {
    page.line(0, format!("Name:\t{}", text(object, "/metadata/name")));
    page.line(0, format!("Namespace:\t{}", text(object, "/metadata/namespace")));
    page.line(0, format!("Selector:\t{}", selector(object, "/spec/selector")));
    page.line(0, format!("Node-Selector:\t{}", joined(&pairs(object, "/spec/template/spec/nodeSelector"))));
    labels_and_annotations(page, object);
    for (title, field) in [
        ("Desired Number of Nodes Scheduled", "desiredNumberScheduled"),
        ("Current Number of Nodes Scheduled", "currentNumberScheduled"),
        ("Number of Nodes Scheduled with Up-to-date Pods", "updatedNumberScheduled"),
        ("Number of Nodes Scheduled with Available Pods", "numberAvailable"),
        ("Number of Nodes Misscheduled", "numberMisscheduled"),
    ] {
        page.line(0, format!("{title}: {}", int(object, &format!("/status/{field}"))));
    }
    page.line(0, format!("Pods Status:\t{}", pods_status(object, world)));
    template(page, &object["spec"]["template"]);
    events(page, object, world);
}

/// A job.
pub fn job(page: &mut Page, object: &Value, world: &World<'_>) {
    page.line(0, format!("Name:\t{}", text(object, "/metadata/name")));
    page.line(0, format!("Namespace:\t{}", text(object, "/metadata/namespace")));
    page.line(0, format!("Selector:\t{}", selector(object, "/spec/selector")));
    labels_and_annotations(page, object);
    controller(page, object);
    let optional = [
        ("Parallelism", "/spec/parallelism"),
        ("Completions", "/spec/completions"),
        ("Completion Mode", "/spec/completionMode"),
        ("Suspend", "/spec/suspend"),
        ("Backoff Limit", "/spec/backoffLimit"),
        ("TTL Seconds After Finished", "/spec/ttlSecondsAfterFinished"),
    ];
    for (title, path) in optional {
        if object.pointer(path).is_some() || title == "Completions" {
            page.line(0, format!("{title}:\t{}", or(object, path, "<unset>")));
        }
    }
    job_times(page, object);
    let status = |field: &str| int(object, &format!("/status/{field}"));
    let ready = object.pointer("/status/ready").map(|r| format!(" ({r} Ready)")).unwrap_or_default();
    let (active, succeeded, failed) = (status("active"), status("succeeded"), status("failed"));
    page.line(0, format!("Pods Statuses:\t{active} Active{ready} / {succeeded} Succeeded / {failed} Failed"));
    if text(object, "/spec/completionMode") == "Indexed" {
        page.line(0, format!("Completed Indexes:\t{}", or_none(text(object, "/status/completedIndexes"))));
    }
    template(page, &object["spec"]["template"]);
    events(page, object, world);
}

fn job_times(page: &mut Page, object: &Value) {
    let (start, end) = (text(object, "/status/startTime"), text(object, "/status/completionTime"));
    for (title, time) in [("Start Time", start), ("Completed At", end)] {
        if !time.is_empty() {
            page.line(0, format!("{title}:\t{}", date(time)));
        }
    }
    if let (Some(start), Some(end)) = (super::view::moment(start), super::view::moment(end)) {
        let seconds = end.since(start) / sim_core::time::SECOND;
        page.line(0, format!("Duration:\t{}", sim_apimachinery::duration::human(seconds)));
    }
    if let Some(seconds) = object.pointer("/spec/activeDeadlineSeconds") {
        page.line(0, format!("Active Deadline Seconds:\t{seconds}s"));
    }
}

/// A cron job.
pub fn cron_job(page: &mut Page, object: &Value, world: &World<'_>) {
    head(page, object);
    page.line(0, format!("Schedule:\t{}", text(object, "/spec/schedule")));
    page.line(0, format!("Concurrency Policy:\t{}", text(object, "/spec/concurrencyPolicy")));
    page.line(0, format!("Suspend:\t{}", truth(object.pointer("/spec/suspend"))));
    for (title, path, unit) in [
        ("Time Zone", "/spec/timeZone", ""),
        ("Successful Job History Limit", "/spec/successfulJobsHistoryLimit", ""),
        ("Failed Job History Limit", "/spec/failedJobsHistoryLimit", ""),
        ("Starting Deadline Seconds", "/spec/startingDeadlineSeconds", "s"),
    ] {
        let unit = if object.pointer(path).is_some() { unit } else { "" };
        page.line(0, format!("{title}:\t{}{unit}", or(object, path, "<unset>")));
    }
    let job = &object["spec"]["jobTemplate"]["spec"];
    let chosen = if job.get("selector").is_some() { selector(job, "/selector") } else { "<unset>".into() };
    page.line(0, format!("Selector:\t{chosen}"));
    page.line(0, format!("Parallelism:\t{}", or(job, "/parallelism", "<unset>")));
    page.line(0, format!("Completions:\t{}", or(job, "/completions", "<unset>")));
    template(page, &job["template"]);
    match text(object, "/status/lastScheduleTime") {
        "" => page.line(0, "Last Schedule Time:\t<unset>"),
        time => page.line(0, format!("Last Schedule Time:\t{}", date(time))),
    }
    let active: Vec<&str> = items(object, "/status/active").iter().map(|j| text(j, "/name")).collect();
    page.line(0, format!("Active Jobs:\t{}", or_none(&active.join(", "))));
    events(page, object, world);
}
