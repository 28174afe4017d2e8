//! Keeps a Service's Endpoints, the older form of its slices (endpoints-controller).
//! Ready pods are addresses, others are not-ready addresses, terminating ones are left out. Source: pkg/controller/endpoint.
//! Not modelled: the cut at 1,000 addresses.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{EndpointAddress, EndpointPort, EndpointSubset, Endpoints, Pod, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sim_apimachinery::{DeleteOptions, Kind, Object, ObjectKey, Part, Verb};

use super::service_pods::{ip, is_over, is_ready, port_number, rfc3339, selected, target, trigger_time, wake_services};
use crate::client_go::{Ask, CacheEvent, Controller, EventDraft, ObjectReference, Plan, Tolerate, View, Wake};
use crate::time::SimTime;

const MANAGED_BY: (&str, &str) = ("endpoints.kubernetes.io/managed-by", "endpoint-controller");
const TRIGGER_TIME: &str = "endpoints.kubernetes.io/last-change-trigger-time";

/// The controller; it remembers which change each object last told of.
#[derive(Clone, Debug, Default)]
pub struct EndpointsController {
    told: BTreeMap<ObjectKey, SimTime>,
}

impl Controller for EndpointsController {
    fn name(&self) -> &'static str {
        "endpoint-controller"
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::Service, Kind::Pod, Kind::Endpoints]
    }

    fn on_event(&mut self, event: &CacheEvent, view: &mut View<'_>, wake: &mut Wake) {
        wake_services(event, view, wake);
    }

    fn reconcile(&mut self, key: &ObjectKey, view: &mut View<'_>) -> Plan {
        let current = view.caches.get::<Endpoints>(&key.namespace, &key.name).cloned();
        let Some(service) = view.caches.get::<Service>(&key.namespace, &key.name).cloned() else {
            self.told.remove(key);
            return current.map_or_else(Plan::nothing, |_| deletion(key));
        };
        let Some(pods) = selected(&service, view) else { return Plan::nothing() };
        let subsets = subsets(&service, &pods);
        let labels = labels(&service);
        let trigger = trigger_time(&service, &pods).filter(|t| self.told.get(key) != Some(t));
        let same = current
            .as_ref()
            .is_some_and(|c| c.subsets.clone().unwrap_or_default() == subsets && c.metadata.labels.as_ref() == Some(&labels));
        if same {
            return Plan::nothing();
        }
        if let Some(trigger) = trigger {
            self.told.insert(key.clone(), trigger);
        }
        write(&service, current, subsets, labels, trigger)
    }

    fn max_retries(&self) -> Option<u32> {
        Some(15)
    }
}

fn labels(service: &Service) -> BTreeMap<String, String> {
    let mut labels = service.metadata.labels.clone().unwrap_or_default();
    labels.insert(MANAGED_BY.0.into(), MANAGED_BY.1.into());
    if service.spec.as_ref().and_then(|s| s.cluster_ip.as_deref()) == Some("None") {
        labels.insert("service.kubernetes.io/headless".into(), String::new());
    }
    labels
}

fn subsets(service: &Service, pods: &[Arc<Pod>]) -> Vec<EndpointSubset> {
    let publish = service.spec.as_ref().and_then(|s| s.publish_not_ready_addresses) == Some(true);
    let (mut ready, mut unready) = (Vec::new(), Vec::new());
    for pod in pods.iter().filter(|p| !is_over(p) && (publish || p.metadata.deletion_timestamp.is_none())) {
        let Some(address) = ip(pod) else { continue };
        let address = EndpointAddress {
            ip: address.to_owned(),
            node_name: pod.spec.as_ref().and_then(|s| s.node_name.clone()),
            target_ref: Some(target(pod)),
            hostname: None,
        };
        if publish || is_ready(pod) { ready.push(address) } else { unready.push(address) }
    }
    if ready.is_empty() && unready.is_empty() {
        return vec![];
    }
    let by_ip = |a: &EndpointAddress| a.ip.split('.').map(|p| p.parse::<u16>().unwrap_or(0)).collect::<Vec<_>>();
    ready.sort_by_key(by_ip);
    unready.sort_by_key(by_ip);
    let any = pods.iter().find(|p| ip(p).is_some()).map(|p| &**p);
    let ports = service.spec.iter().flat_map(|s| s.ports.iter().flatten());
    let ports = ports.filter_map(|p| {
        Some(EndpointPort {
            name: p.name.clone(),
            port: port_number(p, any)?,
            protocol: p.protocol.clone(),
            app_protocol: p.app_protocol.clone(),
        })
    });
    vec![EndpointSubset {
        addresses: (!ready.is_empty()).then_some(ready),
        not_ready_addresses: (!unready.is_empty()).then_some(unready),
        ports: Some(ports.collect()),
    }]
}

fn write(
    service: &Arc<Service>,
    current: Option<Arc<Endpoints>>,
    subsets: Vec<EndpointSubset>,
    labels: BTreeMap<String, String>,
    trigger: Option<SimTime>,
) -> Plan {
    let about = Object::Service(service.clone());
    let key = about.key();
    let mut next = current.as_ref().map_or_else(|| fresh(&key), |c| (**c).clone());
    next.subsets = (!subsets.is_empty()).then_some(subsets);
    next.metadata.labels = Some(labels);
    let annotations = next.metadata.annotations.get_or_insert_default();
    match trigger {
        Some(trigger) => _ = annotations.insert(TRIGGER_TIME.into(), rfc3339(trigger)),
        None => _ = annotations.remove(TRIGGER_TIME),
    }
    if annotations.is_empty() {
        next.metadata.annotations = None;
    }
    let reference =
        ObjectReference { api_version: "v1".into(), kind: "Endpoints".into(), uid: String::new(), ..ObjectReference::to(&about) };
    let (verb, reason, word) = match current {
        Some(_) => (Verb::Update { object: next.into(), part: Part::Main }, "FailedToUpdateEndpoint", "update"),
        None => (Verb::Create { object: next.into() }, "FailedToCreateEndpoint", "create"),
    };
    let failed = EventDraft::warning(reference, reason, "").then_error(format!("Failed to {word} endpoint for service {}: ", key.path()));
    let mut plan = Plan { decision: "its pods changed".into(), ..Plan::nothing() };
    plan.ask(Ask::new(verb, "its pods changed").tolerating(Tolerate::NamespaceTerminating).or_telling(failed));
    plan
}

fn fresh(key: &ObjectKey) -> Endpoints {
    let metadata = ObjectMeta { name: Some(key.name.to_string()), namespace: Some(key.namespace.to_string()), ..Default::default() };
    Endpoints { metadata, subsets: None }
}

fn deletion(key: &ObjectKey) -> Plan {
    let key = ObjectKey { kind: Kind::Endpoints, ..key.clone() };
    let mut plan = Plan { decision: "its service is gone".into(), ..Plan::nothing() };
    plan.ask(Ask::new(Verb::Delete { key, options: DeleteOptions::default() }, "its service is gone").tolerating(Tolerate::NotFound));
    plan
}
