//! Mirrors Endpoints that users make for Services without a selector into EndpointSlices, which is what proxies and DNS read
//! (endpointslice-mirroring-controller). Reads services, endpoints and slices; asks for writes of slices.
//! Invariant: there is one slice for each address family and set of ports, and its endpoints are in the order of addresses.
//! Source: pkg/controller/endpointslicemirroring.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{EndpointAddress, EndpointSubset, Endpoints, Service};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use sim_apimachinery::{DeleteOptions, Kind, Object, ObjectKey, Part, Verb};

use crate::client_go::rate_limit::RetryLimit;
use crate::client_go::{Ask, CacheEvent, Controller, EventDraft, ObjectReference, Plan, Tolerate, View, Wake};
use crate::component::ChangeType;
use crate::time::SECOND;

const SERVICE_NAME: &str = "kubernetes.io/service-name";
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const CONTROLLER: &str = "endpointslicemirroring-controller.k8s.io";
const SKIP: &str = "endpointslice.kubernetes.io/skip-mirror";
/// Endpoints that were used for leader election are no endpoints.
const LEADER: &str = "control-plane.alpha.kubernetes.io/leader";
/// Annotations that stay behind.
const NOT_MIRRORED: [&str; 2] = ["endpoints.kubernetes.io/last-change-trigger-time", "kubectl.kubernetes.io/last-applied-configuration"];
/// Addresses of a subset that are mirrored (`--mirroring-max-endpoints-per-subset`).
const ADDRESSES_MAX: usize = 1000;

/// The controller; it remembers which slices are of which Endpoints.
#[derive(Clone, Debug, Default)]
pub struct EndpointSliceMirroring {
    slices: BTreeMap<ObjectKey, BTreeSet<Arc<str>>>,
}

/// The endpoints of one address family and set of ports.
#[derive(Clone, Debug, Default)]
struct Group {
    ports: Vec<EndpointPort>,
    endpoints: BTreeMap<String, Endpoint>,
}

/// What is wanted, by family and ports; and what could not be taken over.
#[derive(Clone, Debug, Default)]
struct Wanted {
    groups: BTreeMap<(String, String), Group>,
    invalid: usize,
    skipped: usize,
}

impl Controller for EndpointSliceMirroring {
    fn name(&self) -> &'static str {
        "endpointslice-mirroring-controller"
    }

    fn event_source(&self) -> &'static str {
        "endpoint-slice-mirroring-controller"
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::Service, Kind::Endpoints, Kind::EndpointSlice]
    }

    fn guarded(&self) -> &'static [Kind] {
        &[Kind::EndpointSlice]
    }

    fn on_event(&mut self, event: &CacheEvent, _view: &mut View<'_>, wake: &mut Wake) {
        let key = ObjectKey { kind: Kind::Endpoints, ..event.object.key() };
        match (&event.object, &event.old) {
            (Object::Service(new), old) => {
                let before = match old {
                    Some(Object::Service(old)) if event.change == ChangeType::Modified => has_selector(old),
                    _ => true,
                };
                if has_selector(new) != before {
                    wake.now(key);
                }
            }
            (Object::Endpoints(new), old) => {
                let before = matches!(old, Some(Object::Endpoints(old)) if is_mirrored(old));
                if is_mirrored(new) || before {
                    wake.now(key);
                }
            }
            (Object::EndpointSlice(_), _) => self.note(event, wake),
            _ => {}
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, view: &mut View<'_>) -> Plan {
        let names = self.slices.get(key).into_iter().flatten();
        let slices: Vec<Arc<EndpointSlice>> =
            names.filter_map(|name| view.caches.get::<EndpointSlice>(&key.namespace, name)).cloned().collect();
        let service = view.caches.get::<Service>(&key.namespace, &key.name).filter(|s| !has_selector(s));
        match view.caches.get::<Endpoints>(&key.namespace, &key.name).filter(|e| is_mirrored(e) && service.is_some()) {
            Some(endpoints) => mirror(endpoints, &slices),
            None => {
                let mut plan = Plan::nothing();
                for slice in &slices {
                    plan.decision = "there is nothing left to mirror".into();
                    plan.ask(deletion(slice));
                }
                plan
            }
        }
    }

    fn retry_limit(&self) -> RetryLimit {
        RetryLimit { base: SECOND, max: 100 * SECOND, ..RetryLimit::default() }
    }

    fn max_retries(&self) -> Option<u32> {
        Some(15)
    }
}

impl EndpointSliceMirroring {
    /// Keeps in mind whose a slice is; one that others changed or deleted is looked at.
    fn note(&mut self, event: &CacheEvent, wake: &mut Wake) {
        let owner = |object: &Object| {
            let labels = object.metadata().labels.as_ref()?;
            let ours = labels.get(MANAGED_BY).is_some_and(|m| m == CONTROLLER);
            ours.then(|| ObjectKey::new(Kind::Endpoints, object.namespace(), labels.get(SERVICE_NAME).map_or("", String::as_str)))
        };
        let name: Arc<str> = event.object.name().into();
        let before = event.old.as_ref().and_then(owner);
        let now = owner(&event.object).filter(|_| event.change != ChangeType::Deleted);
        for key in before.iter().chain(now.iter()) {
            wake.now(key.clone());
        }
        if let Some(key) = before {
            let empty = self.slices.get_mut(&key).is_some_and(|names| names.remove(&name) && names.is_empty());
            if empty {
                self.slices.remove(&key);
            }
        }
        if let Some(key) = now {
            self.slices.entry(key).or_default().insert(name);
        }
    }
}

fn has_selector(service: &Service) -> bool {
    service.spec.as_ref().is_some_and(|s| s.selector.is_some())
}

fn is_mirrored(endpoints: &Endpoints) -> bool {
    let metadata = &endpoints.metadata;
    let skipped = metadata.labels.as_ref().and_then(|l| l.get(SKIP)).is_some_and(|v| v == "true");
    !skipped && !metadata.annotations.as_ref().is_some_and(|a| a.contains_key(LEADER))
}

impl Wanted {
    fn of(endpoints: &Endpoints) -> Wanted {
        let mut wanted = Wanted::default();
        for subset in endpoints.subsets.iter().flatten() {
            wanted.add(subset);
        }
        wanted.groups.retain(|_, group| !group.endpoints.is_empty());
        wanted
    }

    fn add(&mut self, subset: &EndpointSubset) {
        let ports = ports(subset);
        let all = subset.addresses.iter().flatten().map(|a| (a, true));
        let all = all.chain(subset.not_ready_addresses.iter().flatten().map(|a| (a, false)));
        let (mut taken, mut total, mut invalid) = (0, 0, 0);
        for (address, ready) in all {
            total += 1;
            if taken >= ADDRESSES_MAX {
                continue;
            }
            let Ok(ip) = address.ip.parse::<IpAddr>() else {
                invalid += 1;
                continue;
            };
            taken += 1;
            let family = if ip.is_ipv4() { "IPv4" } else { "IPv6" };
            let group = self.groups.entry((family.to_owned(), key_of(&ports))).or_default();
            group.ports.clone_from(&ports);
            group.endpoints.entry(order(&ip)).or_insert_with(|| endpoint(address, ip, ready));
        }
        self.invalid += invalid;
        self.skipped += total - taken - invalid;
    }
}

/// Addresses in their order.
fn order(ip: &IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => format!("{:08x}", u32::from(*ip)),
        IpAddr::V6(ip) => format!("{:032x}", u128::from(*ip)),
    }
}

fn ports(subset: &EndpointSubset) -> Vec<EndpointPort> {
    let ports = subset.ports.iter().flatten();
    ports
        .map(|p| EndpointPort {
            name: Some(p.name.clone().unwrap_or_default()),
            port: Some(p.port),
            protocol: p.protocol.clone(),
            app_protocol: p.app_protocol.clone(),
        })
        .collect()
}

fn key_of(ports: &[EndpointPort]) -> String {
    let mut texts: Vec<String> = ports.iter().map(|p| format!("{:?} {:?} {:?} {:?}", p.name, p.port, p.protocol, p.app_protocol)).collect();
    texts.sort_unstable();
    texts.join(";")
}

fn endpoint(address: &EndpointAddress, ip: IpAddr, ready: bool) -> Endpoint {
    Endpoint {
        addresses: vec![ip.to_string()],
        conditions: Some(EndpointConditions { ready: Some(ready), ..Default::default() }),
        hostname: address.hostname.clone().filter(|h| !h.is_empty()),
        node_name: address.node_name.clone(),
        target_ref: address.target_ref.clone(),
        ..Default::default()
    }
}

/// Makes the slices what they should be: what fits is kept, what is left over is used again or deleted.
fn mirror(endpoints: &Arc<Endpoints>, slices: &[Arc<EndpointSlice>]) -> Plan {
    let wanted = Wanted::of(endpoints);
    let mut by_group: BTreeMap<(String, String), Vec<&Arc<EndpointSlice>>> = BTreeMap::new();
    for slice in slices {
        let key = (slice.address_type.clone(), key_of(slice.ports.as_deref().unwrap_or_default()));
        by_group.entry(key).or_default().push(slice);
    }
    let (mut pairs, mut missing) = (Vec::new(), Vec::new());
    for (key, group) in &wanted.groups {
        match by_group.get_mut(key).filter(|found| !found.is_empty()) {
            Some(found) => pairs.push((found.remove(0), key, group)),
            None => missing.push((key, group)),
        }
    }
    let mut left: Vec<&Arc<EndpointSlice>> = by_group.into_values().flatten().collect();
    let mut plan = Plan::nothing();
    for (key, group) in missing {
        match left.iter().position(|slice| slice.address_type == key.0) {
            Some(at) => pairs.push((left.remove(at), key, group)),
            None if endpoints.metadata.deletion_timestamp.is_none() => plan.ask(creation(endpoints, &key.0, group)),
            None => {}
        }
    }
    for (slice, key, group) in pairs {
        let next = EndpointSlice { metadata: named(endpoints, slice), ..wanted_slice(endpoints, &key.0, group) };
        if !is_same(slice, &next) {
            plan.ask(Ask::new(Verb::Update { object: next.into(), part: Part::Main }, "its Endpoints changed"));
        }
    }
    left.iter().for_each(|slice| plan.ask(deletion(slice)));
    if !plan.is_empty() {
        let count: usize = wanted.groups.values().map(|g| g.endpoints.len()).sum();
        plan.decision = format!("{count} addresses are to be mirrored");
    }
    tell_left_out(endpoints, &wanted, &mut plan);
    plan
}

fn tell_left_out(endpoints: &Arc<Endpoints>, wanted: &Wanted, plan: &mut Plan) {
    let about = ObjectReference::to(&Object::Endpoints(endpoints.clone()));
    if wanted.invalid > 0 {
        let text = format!("Skipped {} invalid IP addresses when mirroring to EndpointSlices", wanted.invalid);
        plan.tell(EventDraft::warning(about.clone(), "InvalidIPAddress", text));
    }
    if wanted.skipped > 0 {
        let text = format!(
            "A max of {ADDRESSES_MAX} addresses can be mirrored to EndpointSlices per Endpoints subset. {} addresses were skipped",
            wanted.skipped + wanted.invalid
        );
        plan.tell(EventDraft::warning(about, "TooManyAddressesToMirror", text));
    }
}

fn is_same(slice: &EndpointSlice, next: &EndpointSlice) -> bool {
    let sorted = |slice: &EndpointSlice| {
        let mut endpoints = slice.endpoints.clone().unwrap_or_default();
        endpoints.sort_by(|a, b| a.addresses.cmp(&b.addresses));
        endpoints
    };
    let (a, b) = (&slice.metadata, &next.metadata);
    let ports = |slice: &EndpointSlice| key_of(slice.ports.as_deref().unwrap_or_default());
    sorted(slice) == sorted(next)
        && ports(slice) == ports(next)
        && (&a.labels, &a.annotations, &a.owner_references) == (&b.labels, &b.annotations, &b.owner_references)
}

fn wanted_slice(endpoints: &Endpoints, family: &str, group: &Group) -> EndpointSlice {
    let name = endpoints.metadata.name.clone().unwrap_or_default();
    let mut labels = endpoints.metadata.labels.clone().unwrap_or_default();
    labels.insert(SERVICE_NAME.into(), name.clone());
    labels.insert(MANAGED_BY.into(), CONTROLLER.into());
    let mut annotations = endpoints.metadata.annotations.clone().unwrap_or_default();
    annotations.retain(|name, _| !NOT_MIRRORED.contains(&name.as_str()));
    let owner = OwnerReference {
        api_version: "v1".into(),
        kind: "Endpoints".into(),
        name: name.clone(),
        uid: endpoints.metadata.uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    };
    let metadata = ObjectMeta {
        generate_name: Some(format!("{name}-")),
        namespace: endpoints.metadata.namespace.clone(),
        labels: Some(labels),
        annotations: (!annotations.is_empty()).then_some(annotations),
        owner_references: Some(vec![owner]),
        ..Default::default()
    };
    let endpoints = group.endpoints.values().cloned().collect();
    EndpointSlice { metadata, address_type: family.into(), endpoints: Some(endpoints), ports: Some(group.ports.clone()) }
}

/// The metadata of a slice that is there, with what is mirrored of its Endpoints'.
fn named(endpoints: &Endpoints, slice: &EndpointSlice) -> ObjectMeta {
    let wanted = wanted_slice(endpoints, "", &Group::default()).metadata;
    let (labels, annotations, owner_references) = (wanted.labels, wanted.annotations, wanted.owner_references);
    ObjectMeta { labels, annotations, owner_references, ..slice.metadata.clone() }
}

fn creation(endpoints: &Endpoints, family: &str, group: &Group) -> Ask {
    let object = wanted_slice(endpoints, family, group).into();
    Ask::new(Verb::Create { object }, "there is no slice for these addresses").tolerating(Tolerate::NamespaceTerminating)
}

fn deletion(slice: &Arc<EndpointSlice>) -> Ask {
    let key = Object::EndpointSlice(slice.clone()).key();
    Ask::new(Verb::Delete { key, options: DeleteOptions::default() }, "it mirrors nothing").tolerating(Tolerate::NotFound)
}

#[cfg(test)]
mod tests;
