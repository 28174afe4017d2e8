//! Events, by the rules of the API they come through: core/v1 asks little, events.k8s.io/v1 asks for the new style.
//! Source: pkg/apis/core/validation/events.go.

use k8s_openapi::api::core::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};

use super::errors::Errors;
use super::go_value::{Raw, json_string};
use super::path::Path;
use super::{internal, metadata};
use crate::names;

const MISMATCH: &str = "does not match event.namespace";
const SHORT_MAX: usize = 128;
const NOTE_MAX: usize = 1024;

/// What is wrong with a new event; `new_style` when it comes through events.k8s.io/v1.
pub fn create(event: &Event, new_style: bool, errors: &mut Errors) {
    any(event, new_style, errors);
    if !new_style {
        return;
    }
    metadata::validate(&event.metadata, true, names::dns1123_subdomain, errors);
    series(event, errors);
    if event.event_time.is_none() {
        errors.required(&Path::root("eventTime"), "");
    }
    let kind = event.type_.as_deref().unwrap_or_default();
    if !matches!(kind, "Normal" | "Warning") {
        errors.invalid(&Path::root("type"), "", &format!("has invalid value: {kind}"));
    }
    let source = event.source.clone().unwrap_or_default();
    let deprecated = [
        ("firstTimestamp", event.first_timestamp.is_some()),
        ("lastTimestamp", event.last_timestamp.is_some()),
        ("count", event.count.unwrap_or(0) != 0),
        ("source", source.component.is_some_and(|c| !c.is_empty()) || source.host.is_some_and(|h| !h.is_empty())),
    ];
    for (field, _) in deprecated.into_iter().filter(|(_, set)| *set) {
        errors.invalid(&Path::root(field), "", "needs to be unset");
    }
}

/// What is wrong with an event's next state.
pub fn update(next: &Event, current: &Event, new_style: bool, errors: &mut Errors) {
    any(next, new_style, errors);
    if !new_style {
        return;
    }
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    if next.series != current.series {
        series(next, errors);
    }
    let mut frozen = |field: &str, same: bool, shown: Raw| {
        if !same {
            errors.invalid(&Path::root(field), shown, "field is immutable");
        }
    };
    let text = |t: &Option<String>| Raw(super::go_value::shown(t.as_deref().unwrap_or_default()));
    let time = |t: &Option<Time>| Raw(t.as_ref().map_or("null".into(), |t| json_string(&t.0.to_string())));
    let (object, before) = (&next.involved_object, &current.involved_object);
    frozen("involvedObject", object == before, internal::blamed("ObjectReference", object));
    frozen("reason", next.reason == current.reason, text(&next.reason));
    frozen("message", next.message == current.message, text(&next.message));
    let source = next.source.clone().unwrap_or_default();
    frozen("source", source == current.source.clone().unwrap_or_default(), internal::blamed("EventSource", &source));
    frozen("firstTimestamp", next.first_timestamp == current.first_timestamp, time(&next.first_timestamp));
    frozen("lastTimestamp", next.last_timestamp == current.last_timestamp, time(&next.last_timestamp));
    frozen("count", next.count.unwrap_or(0) == current.count.unwrap_or(0), Raw(next.count.unwrap_or(0).to_string()));
    frozen("reason", next.reason == current.reason, text(&next.reason));
    frozen("type", next.type_ == current.type_, text(&next.type_));
    frozen("eventTime", next.event_time == current.event_time, micro(&next.event_time));
    frozen("action", next.action == current.action, text(&next.action));
    frozen(
        "related",
        next.related == current.related,
        next.related.as_ref().map_or_else(|| Raw("null".into()), |r| internal::blamed("ObjectReference", r)),
    );
    frozen("reportingController", next.reporting_component == current.reporting_component, text(&next.reporting_component));
    frozen("reportingInstance", next.reporting_instance == current.reporting_instance, text(&next.reporting_instance));
}

fn micro(time: &Option<MicroTime>) -> Raw {
    let text = time.as_ref().map(|t| t.0.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string());
    Raw(text.map_or("null".into(), |t| json_string(&t)))
}

fn series(event: &Event, errors: &mut Errors) {
    let Some(series) = &event.series else { return };
    if series.count.unwrap_or(0) < 2 {
        errors.invalid(&Path::root("series.count"), "", "should be at least 2");
    }
    if series.last_observed_time.is_none() {
        errors.required(&Path::root("series.lastObservedTime"), "");
    }
}

fn any(event: &Event, new_style: bool, errors: &mut Errors) {
    let namespace = event.metadata.namespace.as_deref().unwrap_or_default();
    let of = event.involved_object.namespace.as_deref().unwrap_or_default();
    let fits = match (event.event_time.is_some(), of.is_empty()) {
        (false, true) => matches!(namespace, "" | "default"),
        (false, false) => of == namespace,
        (true, true) => matches!(namespace, "default" | "kube-system"),
        (true, false) => true,
    };
    if !fits {
        errors.invalid(&Path::root("involvedObject").child("namespace"), of, MISMATCH);
    }
    if event.event_time.is_some() {
        reporter(event, new_style, errors);
    }
    errors.invalid_each(&Path::root("namespace"), namespace, names::dns1123_subdomain(namespace));
}

fn reporter(event: &Event, new_style: bool, errors: &mut Errors) {
    let controller = event.reporting_component.as_deref().unwrap_or_default();
    let at = Path::root(if new_style { "reportingController" } else { "reportingComponent" });
    if controller.is_empty() {
        errors.required(&at, "");
    }
    errors.invalid_each(&at, controller, names::qualified_name(controller));
    for (field, value) in [("reportingInstance", &event.reporting_instance), ("action", &event.action), ("reason", &event.reason)] {
        let at = Path::root(field);
        let length = value.as_ref().map_or(0, String::len);
        if length == 0 {
            errors.required(&at, "");
        }
        if length > SHORT_MAX {
            errors.invalid(&at, "", &format!("can have at most {SHORT_MAX} characters"));
        }
    }
    if event.message.as_ref().is_some_and(|m| m.len() > NOTE_MAX) {
        errors.invalid(&Path::root("message"), "", &format!("can have at most {NOTE_MAX} characters"));
    }
}
