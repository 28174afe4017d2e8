//! Keeps a Service's EndpointSlices: which pods serve it, and whether they are ready, serving, terminating.
//! Reads services, pods and slices; asks for slice writes. Source: pkg/controller/endpointslice and staging endpointslice.
//! Invariant: endpoints stay in the slice they are in, in the order they came; at most 100 to a slice.
//! Not modelled: dual-stack, topology hints, zones, port names that differ between pods of one service.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use sim_apimachinery::{DeleteOptions, Kind, Object, ObjectKey, Part, Verb};

use super::service_pods::{ip, is_over, is_ready, port_number, rfc3339, selected, target, trigger_time, wake_services};
use crate::client_go::rate_limit::RetryLimit;
use crate::client_go::{Ask, CacheEvent, Controller, Plan, Tolerate, View, Wake};
use crate::component::ChangeType;
use crate::time::SECOND;

const SERVICE_NAME: &str = "kubernetes.io/service-name";
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const CONTROLLER: &str = "endpointslice-controller.k8s.io";
const TRIGGER_TIME: &str = "endpoints.kubernetes.io/last-change-trigger-time";
const ENDPOINTS_MAX: usize = 100;

/// The controller; it remembers which change each service's slices last told of.
#[derive(Clone, Debug, Default)]
pub struct EndpointSliceController {
    told: BTreeMap<ObjectKey, crate::time::SimTime>,
}

impl Controller for EndpointSliceController {
    fn name(&self) -> &'static str {
        "endpoint-slice-controller"
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::Service, Kind::Pod, Kind::EndpointSlice]
    }

    fn guarded(&self) -> &'static [Kind] {
        &[Kind::EndpointSlice]
    }

    fn on_event(&mut self, event: &CacheEvent, view: &mut View<'_>, wake: &mut Wake) {
        if let Object::EndpointSlice(slice) = &event.object {
            let service = slice.metadata.labels.as_ref().and_then(|l| l.get(SERVICE_NAME));
            if let Some(service) = service.filter(|_| event.change == ChangeType::Deleted) {
                wake.after(ObjectKey::new(Kind::Service, event.object.namespace(), service), SECOND);
            }
            return;
        }
        wake_services(event, view, wake);
    }

    fn reconcile(&mut self, key: &ObjectKey, view: &mut View<'_>) -> Plan {
        let Some(service) = view.caches.get::<Service>(&key.namespace, &key.name).cloned() else {
            self.told.remove(key);
            return Plan::nothing();
        };
        let Some(pods) = selected(&service, view) else { return Plan::nothing() };
        if service.metadata.deletion_timestamp.is_some() {
            return Plan::nothing();
        }
        let trigger = trigger_time(&service, &pods).filter(|t| self.told.get(key) != Some(t));
        let wanted: Vec<Endpoint> = pods.iter().filter(|p| !is_over(p)).filter_map(|p| endpoint(&service, p)).collect();
        let ports = ports(&service, &pods);
        let slices = own_slices(&service, view);
        let plan = plan(&service, &slices, wanted, &ports, trigger.map(rfc3339));
        if let Some(trigger) = trigger.filter(|_| !plan.is_empty()) {
            self.told.insert(key.clone(), trigger);
        }
        plan
    }

    fn retry_limit(&self) -> RetryLimit {
        RetryLimit { base: SECOND, ..RetryLimit::default() }
    }

    fn max_retries(&self) -> Option<u32> {
        Some(15)
    }
}

fn own_slices(service: &Service, view: &View<'_>) -> Vec<Arc<EndpointSlice>> {
    let uid = service.metadata.uid.as_deref().unwrap_or_default();
    let managed = |s: &&Arc<EndpointSlice>| s.metadata.labels.as_ref().and_then(|l| l.get(MANAGED_BY)).is_some_and(|m| m == CONTROLLER);
    view.caches.owned_by::<EndpointSlice>(uid).filter(managed).cloned().collect()
}

fn endpoint(service: &Service, pod: &Pod) -> Option<Endpoint> {
    let address = ip(pod)?;
    let publish = service.spec.as_ref().and_then(|s| s.publish_not_ready_addresses) == Some(true);
    let (serving, terminating) = (is_ready(pod), pod.metadata.deletion_timestamp.is_some());
    let spec = pod.spec.as_ref()?;
    let named = spec.subdomain.is_some() && spec.subdomain == service.metadata.name;
    Some(Endpoint {
        addresses: vec![address.to_owned()],
        conditions: Some(EndpointConditions {
            ready: Some(publish || serving && !terminating),
            serving: Some(serving),
            terminating: Some(terminating),
        }),
        hostname: spec.hostname.clone().filter(|_| named),
        node_name: spec.node_name.clone(),
        target_ref: Some(target(pod)),
        ..Default::default()
    })
}

fn ports(service: &Service, pods: &[Arc<Pod>]) -> Vec<EndpointPort> {
    let ports = service.spec.iter().flat_map(|s| s.ports.iter().flatten());
    ports
        .map(|p| EndpointPort {
            name: Some(p.name.clone().unwrap_or_default()),
            protocol: p.protocol.clone(),
            port: port_number(p, pods.iter().find(|pod| ip(pod).is_some()).map(|p| &**p)),
            app_protocol: p.app_protocol.clone(),
        })
        .collect()
}

fn uid_of(endpoint: &Endpoint) -> String {
    endpoint.target_ref.as_ref().and_then(|t| t.uid.clone()).unwrap_or_default()
}

/// Keeps what is in the slices up to date, fills what is new into them, and makes slices for the rest.
fn plan(
    service: &Arc<Service>,
    slices: &[Arc<EndpointSlice>],
    wanted: Vec<Endpoint>,
    ports: &[EndpointPort],
    trigger: Option<String>,
) -> Plan {
    let by_uid: BTreeMap<String, &Endpoint> = wanted.iter().map(|e| (uid_of(e), e)).collect();
    let mut placed: BTreeSet<String> = BTreeSet::new();
    let mut next: Vec<(Arc<EndpointSlice>, Vec<Endpoint>)> = Vec::new();
    for slice in slices {
        let kept: Vec<Endpoint> = slice
            .endpoints
            .iter()
            .flatten()
            .map(uid_of)
            .filter(|uid| placed.insert(uid.clone()) || !by_uid.contains_key(uid))
            .filter_map(|uid| by_uid.get(&uid).map(|e| (*e).clone()))
            .collect();
        next.push((slice.clone(), kept));
    }
    let mut new: Vec<Endpoint> = wanted.iter().filter(|e| !placed.contains(&uid_of(e))).cloned().collect();
    for (_, kept) in &mut next {
        let room = ENDPOINTS_MAX.saturating_sub(kept.len()).min(new.len());
        kept.extend(new.drain(..room));
    }
    let mut plan = Plan::nothing();
    let mut filled = next.iter().filter(|(_, kept)| !kept.is_empty()).count();
    for (slice, kept) in next {
        if kept.is_empty() && (filled > 0 || !new.is_empty()) {
            plan.ask(deletion(&slice));
        } else {
            filled += usize::from(kept.is_empty());
            update(&slice, kept, ports, trigger.as_ref(), &mut plan);
        }
    }
    while !new.is_empty() || filled == 0 {
        let rest = new.split_off(new.len().min(ENDPOINTS_MAX));
        plan.ask(creation(service, std::mem::replace(&mut new, rest), ports, trigger.as_ref()));
        filled += 1;
    }
    if !plan.is_empty() {
        let ready = wanted.iter().filter(|e| e.conditions.as_ref().and_then(|c| c.ready) == Some(true)).count();
        plan.decision = format!("{} endpoints, {ready} ready", wanted.len());
    }
    plan
}

fn update(slice: &Arc<EndpointSlice>, endpoints: Vec<Endpoint>, ports: &[EndpointPort], trigger: Option<&String>, plan: &mut Plan) {
    let mut object = (**slice).clone();
    let ports = if endpoints.is_empty() { None } else { Some(ports.to_vec()) };
    let some = (!endpoints.is_empty()).then_some(endpoints);
    let before = slice.endpoints.clone().filter(|e| !e.is_empty());
    if before == some && (slice.ports.clone().filter(|p| !p.is_empty()) == ports || some.is_none()) {
        return;
    }
    object.endpoints = some;
    object.ports = ports;
    set_trigger(&mut object.metadata, trigger);
    plan.ask(Ask::new(Verb::Update { object: object.into(), part: Part::Main }, "its pods changed"));
}

fn set_trigger(metadata: &mut ObjectMeta, trigger: Option<&String>) {
    let annotations = metadata.annotations.get_or_insert_default();
    match trigger {
        Some(text) => _ = annotations.insert(TRIGGER_TIME.into(), text.clone()),
        None => _ = annotations.remove(TRIGGER_TIME),
    }
    if annotations.is_empty() {
        metadata.annotations = None;
    }
}

fn creation(service: &Arc<Service>, endpoints: Vec<Endpoint>, ports: &[EndpointPort], trigger: Option<&String>) -> Ask {
    let name = service.metadata.name.clone().unwrap_or_default();
    let mut labels = service.metadata.labels.clone().unwrap_or_default();
    labels.insert(MANAGED_BY.into(), CONTROLLER.into());
    labels.insert(SERVICE_NAME.into(), name.clone());
    if service.spec.as_ref().and_then(|s| s.cluster_ip.as_deref()) == Some("None") {
        labels.insert("service.kubernetes.io/headless".into(), String::new());
    }
    let owner = OwnerReference {
        api_version: "v1".into(),
        kind: "Service".into(),
        name: name.clone(),
        uid: service.metadata.uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    };
    let mut metadata = ObjectMeta {
        generate_name: Some(format!("{name}-")),
        namespace: service.metadata.namespace.clone(),
        labels: Some(labels),
        owner_references: Some(vec![owner]),
        ..Default::default()
    };
    set_trigger(&mut metadata, trigger);
    let empty = endpoints.is_empty();
    let slice = EndpointSlice {
        metadata,
        address_type: "IPv4".into(),
        endpoints: (!empty).then_some(endpoints),
        ports: (!empty).then(|| ports.to_vec()),
    };
    Ask::new(Verb::Create { object: slice.into() }, "the service has no slice for them").tolerating(Tolerate::NamespaceTerminating)
}

fn deletion(slice: &EndpointSlice) -> Ask {
    let key = ObjectKey::new(
        Kind::EndpointSlice,
        slice.metadata.namespace.as_deref().unwrap_or_default(),
        slice.metadata.name.as_deref().unwrap_or_default(),
    );
    Ask::new(Verb::Delete { key, options: DeleteOptions::default() }, "nothing is left in it").tolerating(Tolerate::NotFound)
}
