//! Kinds that are served at two versions, as JSON: autoscalers as autoscaling/v1, events as events.k8s.io/v1.
//! Everything else is served as it is held.

mod autoscaling_v1;
mod events_v1;

use serde_json::{Map, Value};

use crate::Kind;

/// A value as a client wrote it at `group/version`, as the kind is held.
pub fn to_held(kind: Kind, api_version: &str, mut value: Value) -> Value {
    let convert: fn(&mut Map<String, Value>) = match (kind, api_version) {
        (Kind::HorizontalPodAutoscaler, "autoscaling/v1") => autoscaling_v1::to_v2,
        (Kind::Event, "events.k8s.io/v1") => events_v1::to_core,
        (Kind::Pod, _) => agree_on_addresses,
        _ => return value,
    };
    if let Some(object) = value.as_object_mut() {
        convert(object);
        object.insert("apiVersion".into(), kind.resource().api_version().into());
    }
    value
}

/// A pod has a list of addresses and the first of them on its own. Where the two differ the single one counts.
fn agree_on_addresses(pod: &mut Map<String, Value>) {
    let Some(status) = pod.get_mut("status").and_then(Value::as_object_mut) else { return };
    let first = status.get("podIPs").and_then(|ips| ips.get(0)).and_then(|ip| ip.get("ip")).cloned();
    match (status.get("podIP").filter(|ip| *ip != "").cloned(), first) {
        (Some(own), first) if first.as_ref() != Some(&own) => _ = status.insert("podIPs".into(), serde_json::json!([{"ip": own}])),
        (None, Some(first)) => _ = status.insert("podIP".into(), first),
        _ => {}
    }
}

/// A value as the kind is held, as it is served at `group/version`.
pub fn from_held(kind: Kind, api_version: &str, mut value: Value) -> Value {
    let convert: fn(&mut Map<String, Value>) = match (kind, api_version) {
        (Kind::HorizontalPodAutoscaler, "autoscaling/v1") => autoscaling_v1::from_v2,
        (Kind::Event, "events.k8s.io/v1") => events_v1::from_core,
        _ => return value,
    };
    if let Some(object) = value.as_object_mut() {
        convert(object);
        object.insert("apiVersion".into(), api_version.into());
    }
    value
}

/// Whether a kind looks different at `group/version` than it is held.
pub fn is_converted(kind: Kind, api_version: &str) -> bool {
    matches!((kind, api_version), (Kind::HorizontalPodAutoscaler, "autoscaling/v1") | (Kind::Event, "events.k8s.io/v1"))
}

#[cfg(test)]
mod tests;
