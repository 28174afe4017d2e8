//! What all kinds share on a page: labels, annotations, the controller, tolerations, conditions, events.

use std::collections::BTreeMap;

use serde_json::Value;
use sim_apimachinery::Kind;

use super::page::Page;
use super::view::{World, date, int, items, pairs, text};

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Longer annotations are broken and cut.
const ANNOTATION_LENGTH_MAX: usize = 140;

/// Name, and namespace where there is one.
pub fn name(page: &mut Page, object: &Value) {
    page.line(0, format!("Name:\t{}", text(object, "/metadata/name")));
}

/// Name, namespace, labels and annotations.
pub fn head(page: &mut Page, object: &Value) {
    name(page, object);
    page.line(0, format!("Namespace:\t{}", text(object, "/metadata/namespace")));
    labels_and_annotations(page, object);
}

/// Labels and annotations.
pub fn labels_and_annotations(page: &mut Page, object: &Value) {
    multiline(page, "Labels", &pairs(object, "/metadata/labels"));
    annotations(page, "Annotations", &pairs(object, "/metadata/annotations"));
}

/// `key=value` lines under each other.
pub fn multiline(page: &mut Page, title: &str, pairs: &BTreeMap<String, String>) {
    lines(page, title, pairs.iter().map(|(k, v)| format!("{k}={v}")).collect());
}

/// Lines under each other, the first beside the title.
pub fn lines(page: &mut Page, title: &str, lines: Vec<String>) {
    if lines.is_empty() {
        page.line(0, format!("{title}:\t<none>"));
    }
    for (at, line) in lines.iter().enumerate() {
        page.line(0, if at == 0 { format!("{title}:\t{line}") } else { format!("\t{line}") });
    }
}

/// Annotations; what `kubectl apply` keeps there is left out.
pub fn annotations(page: &mut Page, title: &str, pairs: &BTreeMap<String, String>) {
    let mut shown = Vec::new();
    for (key, value) in pairs.iter().filter(|(k, _)| *k != LAST_APPLIED) {
        let value = value.strip_suffix('\n').unwrap_or(value);
        if value.len() + key.len() + 2 > ANNOTATION_LENGTH_MAX || value.contains('\n') {
            shown.push(format!("{key}:"));
            shown.extend(value.split('\n').map(|l| format!("  {}", shorten(l, ANNOTATION_LENGTH_MAX - 2))));
        } else {
            shown.push(format!("{key}: {value}"));
        }
    }
    lines(page, title, shown);
}

fn shorten(text: &str, length: usize) -> String {
    let cut: String = text.chars().take(length).collect();
    if cut.len() < text.len() { format!("{cut}...") } else { cut }
}

/// `Controlled By`, if there is a controller.
pub fn controller(page: &mut Page, object: &Value) {
    let owner = items(object, "/metadata/ownerReferences").iter().find(|o| o["controller"] == true);
    if let Some(owner) = owner {
        page.line(0, format!("Controlled By:\t{}/{}", text(owner, "/kind"), text(owner, "/name")));
    }
}

/// `Status`, or since when the object is going.
pub fn status_or_terminating(page: &mut Page, object: &Value, world: &World<'_>) {
    match text(object, "/metadata/deletionTimestamp") {
        "" => page.line(0, format!("Status:\t{}", text(object, "/status/phase"))),
        since => page.line(0, format!("Status:\tTerminating (lasts {})", world.since(since))),
    }
}

/// Tolerations in order of their keys.
pub fn tolerations(page: &mut Page, title: &str, tolerations: &[Value]) {
    let mut sorted: Vec<&Value> = tolerations.iter().collect();
    sorted.sort_by_key(|t| text(t, "/key").to_owned());
    lines(page, title, sorted.into_iter().map(toleration).collect());
}

fn toleration(toleration: &Value) -> String {
    let (key, value, effect) = (text(toleration, "/key"), text(toleration, "/value"), text(toleration, "/effect"));
    let mut shown = key.to_owned();
    if !value.is_empty() {
        shown += &format!("={value}");
    }
    if !effect.is_empty() {
        shown += &format!(":{effect}");
    }
    if text(toleration, "/operator") == "Exists" && value.is_empty() {
        shown += if shown.is_empty() { "op=Exists" } else { " op=Exists" };
    }
    if let Some(seconds) = toleration["tolerationSeconds"].as_i64() {
        shown += &format!(" for {seconds}s");
    }
    shown
}

/// A workload's conditions: type, status, reason.
pub fn conditions(page: &mut Page, object: &Value) {
    let conditions = items(object, "/status/conditions");
    if conditions.is_empty() {
        return;
    }
    page.line(0, "Conditions:");
    page.line(1, "Type\tStatus\tReason");
    page.line(1, "----\t------\t------");
    for c in conditions {
        page.line(1, format!("{} \t{}\t{}", text(c, "/type"), text(c, "/status"), text(c, "/reason")));
    }
}

/// Conditions with their times.
pub fn dated_conditions(page: &mut Page, object: &Value, before: &str) {
    let conditions = items(object, "/status/conditions");
    if conditions.is_empty() {
        return;
    }
    page.line(0, "Conditions:");
    page.line(1, format!("Type\tStatus\t{before}\tLastTransitionTime\tReason\tMessage"));
    page.line(1, "----\t------\t-----------------\t------------------\t------\t-------");
    let probed = format!("/{}{}", before[..1].to_ascii_lowercase(), &before[1..]);
    for c in conditions {
        let (time, moved) = (date(text(c, &probed)), date(text(c, "/lastTransitionTime")));
        let (reason, message) = (text(c, "/reason"), text(c, "/message"));
        page.line(1, format!("{} \t{} \t{time} \t{moved} \t{reason} \t{message}", text(c, "/type"), text(c, "/status")));
    }
}

/// The events about an object, oldest first.
pub fn events(page: &mut Page, object: &Value, world: &World<'_>) {
    let (namespace, name, uid) = (text(object, "/metadata/namespace"), text(object, "/metadata/name"), text(object, "/metadata/uid"));
    let kind = text(object, "/kind");
    let about = |e: &Value| {
        let same_uid = text(e, "/involvedObject/uid") == uid || kind == "Node" && text(e, "/involvedObject/uid") == name;
        text(e, "/involvedObject/kind") == kind
            && text(e, "/involvedObject/name") == name
            && text(e, "/involvedObject/namespace") == namespace
            && (same_uid || text(e, "/involvedObject/uid").is_empty())
    };
    let mut found: Vec<Value> = world.list(Kind::Event).into_iter().filter(about).collect();
    if found.is_empty() {
        return page.line(0, "Events:\t<none>");
    }
    found.sort_by_key(|e| text(e, "/lastTimestamp").to_owned());
    page.line(0, "Events:");
    page.line(1, "Type\tReason\tAge\tFrom\tMessage");
    page.line(1, "----\t------\t----\t----\t-------");
    found.iter().for_each(|e| event(page, e, world));
}

fn event(page: &mut Page, event: &Value, world: &World<'_>) {
    let first = match text(event, "/eventTime") {
        "" => text(event, "/firstTimestamp"),
        time => time,
    };
    let age = if event.pointer("/series/count").is_some() {
        let last = world.since(text(event, "/series/lastObservedTime"));
        format!("{last} (x{} over {})", int(event, "/series/count"), world.since(first))
    } else if int(event, "/count") > 1 {
        format!("{} (x{} over {})", world.since(text(event, "/lastTimestamp")), int(event, "/count"), world.since(first))
    } else {
        world.since(first)
    };
    let source = match text(event, "/source/component") {
        "" => text(event, "/reportingComponent"),
        component => component,
    };
    let message = text(event, "/message").trim();
    let message = match text(event, "/involvedObject/fieldPath") {
        "" => message.to_owned(),
        path => format!("{path}: {message}"),
    };
    page.line(1, format!("{}\t{}\t{age}\t{source}\t{message}", text(event, "/type"), text(event, "/reason")));
}
