//! What the endpoints and the endpointslice controller share: which services a pod belongs to, and how a pod looks as an
//! endpoint.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{ObjectReference, Pod, Service, ServicePort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use sim_apimachinery::selector::Selector;
use sim_apimachinery::{Kind, Object, ObjectKey};

use crate::client_go::{CacheEvent, View, Wake};
use crate::component::ChangeType;
use crate::time::SimTime;

/// Wakes the services whose endpoints an event about a service or pod may change.
pub fn wake_services(event: &CacheEvent, view: &View<'_>, wake: &mut Wake) {
    match &event.object {
        Object::Service(_) => wake.now(event.object.key()),
        Object::Pod(pod) => {
            if let Some(Object::Pod(old)) = &event.old {
                if event.change == ChangeType::Modified && !differs(old, pod) {
                    return;
                }
                wake_selecting(old, view, wake);
            }
            wake_selecting(pod, view, wake);
        }
        _ => {}
    }
}

/// Whether a change of a pod matters to its services.
fn differs(old: &Pod, new: &Pod) -> bool {
    new.metadata.deletion_timestamp.is_some()
        || old.metadata.labels != new.metadata.labels
        || is_ready(old) != is_ready(new)
        || ip(old) != ip(new)
        || is_over(old) != is_over(new)
}

fn wake_selecting(pod: &Pod, view: &View<'_>, wake: &mut Wake) {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    for service in view.caches.in_namespace::<Service>(namespace) {
        if selects(service, pod) {
            let key = ObjectKey::new(Kind::Service, namespace, service.metadata.name.as_deref().unwrap_or_default());
            if !wake.keys.iter().any(|(k, _)| *k == key) {
                wake.now(key);
            }
        }
    }
}

fn selects(service: &Service, pod: &Pod) -> bool {
    let Some(selector) = service.spec.as_ref().and_then(|s| s.selector.as_ref()).filter(|s| !s.is_empty()) else { return false };
    let labels = pod.metadata.labels.as_ref();
    selector.iter().all(|(k, v)| labels.and_then(|l| l.get(k)) == Some(v))
}

/// The pods a service selects; nothing when it has no selector.
pub fn selected(service: &Service, view: &View<'_>) -> Option<Vec<Arc<Pod>>> {
    let pairs = service.spec.as_ref()?.selector.as_ref().filter(|s| !s.is_empty())?;
    let selector = Selector::from_pairs(pairs);
    let nothing = Default::default();
    let namespace = service.metadata.namespace.as_deref().unwrap_or_default();
    let pods = view.caches.in_namespace::<Pod>(namespace).filter(|p| selector.matches(p.metadata.labels.as_ref().unwrap_or(&nothing)));
    Some(pods.cloned().collect())
}

/// The pod's address.
pub fn ip(pod: &Pod) -> Option<&str> {
    pod.status.as_ref()?.pod_ip.as_deref().filter(|ip| !ip.is_empty())
}

/// Whether its condition Ready is true.
pub fn is_ready(pod: &Pod) -> bool {
    pod.status.iter().flat_map(|s| s.conditions.iter().flatten()).any(|c| c.type_ == "Ready" && c.status == "True")
}

/// Whether it has succeeded or failed.
pub fn is_over(pod: &Pod) -> bool {
    matches!(pod.status.as_ref().and_then(|s| s.phase.as_deref()), Some("Succeeded" | "Failed"))
}

/// A reference to the pod, as endpoints have it.
pub fn target(pod: &Pod) -> ObjectReference {
    ObjectReference {
        kind: Some("Pod".into()),
        namespace: pod.metadata.namespace.clone(),
        name: pod.metadata.name.clone(),
        uid: pod.metadata.uid.clone(),
        ..Default::default()
    }
}

/// The number a service port means on a pod.
pub fn port_number(port: &ServicePort, pod: Option<&Pod>) -> Option<i32> {
    match &port.target_port {
        None => Some(port.port),
        Some(IntOrString::Int(0)) => Some(port.port),
        Some(IntOrString::Int(number)) => Some(*number),
        Some(IntOrString::String(name)) => {
            let spec = pod?.spec.as_ref()?;
            let ports = spec.containers.iter().flat_map(|c| c.ports.iter().flatten());
            ports.filter(|p| p.name.as_ref() == Some(name) && p.protocol == port.protocol).map(|p| p.container_port).next()
        }
    }
}

/// When the newest of these changes happened: the service was made, or a pod's readiness changed.
pub fn trigger_time(service: &Service, pods: &[Arc<Pod>]) -> Option<SimTime> {
    let made = service.metadata.creation_timestamp.as_ref().map(SimTime::from_time);
    let ready = pods.iter().flat_map(|p| p.status.iter().flat_map(|s| s.conditions.iter().flatten()));
    let ready =
        ready.filter(|c| c.type_ == "Ready" && c.status == "True").filter_map(|c| c.last_transition_time.as_ref().map(SimTime::from_time));
    ready.chain(made).max()
}

/// RFC 3339, whole seconds.
pub fn rfc3339(at: SimTime) -> String {
    at.to_time().0.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
