//! What services are given: cluster addresses, each an `IPAddress` object, and node ports, unique among the services there.
//! Sources: pkg/registry/core/service/storage/alloc.go, …/ipallocator, …/portallocator.
//! Invariant: what a request was given is given back unless the request ends well; what a service no longer needs goes when
//! it ends well. A dry run is given the network's own address and made-up ports, and takes nothing.
//! Families are those of `--service-cluster-ip-range`: IPv4. Addresses come from every ServiceCIDR of the family that is
//! ready. Not modelled: the repair loops that look for leaks.

mod families;
mod ports;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Service, ServiceSpec};
use k8s_openapi::api::networking::v1::{IPAddress, IPAddressSpec, ParentReference, ServiceCIDR};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sim_apimachinery::ip::Cidr;
use sim_apimachinery::validation::services::kind;
use sim_apimachinery::{Cause, Kind, Object, ObjectKey, Reason, Status, Typed};

use self::ports::PortOperation;
use super::{ApiServer, Call, Outcome};
use crate::random::Random;

/// The families of addresses that services can have here.
const FAMILIES: &[&str] = &["IPv4"];
/// The lower part of a network, left for addresses that users choose, has this many addresses at most.
const STATIC_ADDRESSES_MAX: u32 = 256;
const STATIC_ADDRESSES_MIN: u32 = 16;

/// What is taken, and what the request in progress has taken.
#[derive(Clone, Debug)]
pub struct ServiceAllocator {
    network: [u8; 2],
    ports: BTreeSet<i32>,
    random: Random,
    pending: Pending,
}

/// What a request in progress was given, and what is to be given back when it ends well.
#[derive(Clone, Debug, Default)]
struct Pending {
    addresses: Vec<String>,
    ports: Vec<i32>,
    released_addresses: Vec<String>,
    released_ports: Vec<i32>,
}

impl ServiceAllocator {
    /// Nothing taken; until there is a ServiceCIDR, addresses come from `network.0.0/16`.
    pub fn new(network: [u8; 2], seed: u64) -> Self {
        let random = Random::named(seed, "kube-apiserver/ipallocator");
        ServiceAllocator { network, ports: BTreeSet::new(), random, pending: Pending::default() }
    }

    /// The first two bytes of the first network.
    pub fn network(&self) -> [u8; 2] {
        self.network
    }

    /// An identifier for an object the server makes by itself.
    pub fn uuid(&mut self) -> String {
        self.random.uuid()
    }

    /// The name by which a server tells of itself.
    pub fn identity(&mut self) -> String {
        format!("apiserver-{}", self.random.hex(26))
    }
}

fn refused(service: &Service, field: &str, message: String) -> Box<Status> {
    let cause = Cause { reason: "FieldValueInvalid".into(), message: format!("Invalid value: {message}"), field: field.into() };
    Box::new(Status::invalid(Kind::Service, service.metadata.name.as_deref().unwrap_or_default(), vec![cause]))
}

fn internal(text: &str) -> Box<Status> {
    let cause = Cause { message: text.to_owned(), ..Cause::default() };
    Box::new(Status { causes: vec![cause], ..Status::new(Reason::InternalError, format!("Internal error occurred: {text}")) })
}

fn shown(addresses: Option<&Vec<String>>) -> String {
    serde_json::to_string(&addresses).unwrap_or_default()
}

impl ApiServer {
    /// Gives a service what it still needs; `current` is its state before, if it was there. Nothing happens to other kinds.
    pub(super) fn allocate(&mut self, object: &mut Object, current: Option<&Object>, call: &mut Call<'_>) -> Outcome<()> {
        let Object::Service(service) = object else { return Ok(()) };
        let service = Arc::make_mut(service);
        let before = current.and_then(Service::from_object);
        service.spec.get_or_insert_default();
        match before {
            None => self.allocate_new(service, call),
            Some(before) => self.allocate_next(service, before, call),
        }
    }

    fn allocate_new(&mut self, service: &mut Service, call: &mut Call<'_>) -> Outcome<()> {
        let name = service.metadata.name.clone().unwrap_or_default();
        let invalid = |causes| Box::new(Status::invalid(Kind::Service, &name, causes));
        let spec = service.spec.get_or_insert_default();
        families::normalise(spec, None);
        families::initialise(spec, None, FAMILIES).map_err(invalid)?;
        self.give_addresses(service, call)?;
        self.give_ports(service, None, call)
    }

    fn allocate_next(&mut self, service: &mut Service, before: &Service, call: &mut Call<'_>) -> Outcome<()> {
        let name = service.metadata.name.clone().unwrap_or_default();
        let invalid = |causes| Box::new(Status::invalid(Kind::Service, &name, causes));
        let nothing = ServiceSpec::default();
        let old = before.spec.as_ref().unwrap_or(&nothing);
        let spec = service.spec.get_or_insert_default();
        families::inherit(spec, old);
        families::normalise(spec, Some(old));
        families::initialise(spec, Some(old), FAMILIES).map_err(invalid)?;
        let (was, is) = (kind(old) == "ExternalName", kind(spec) == "ExternalName");
        if was && !is {
            self.give_addresses(service, call)?;
        } else if !was && is && !call.dry_run {
            let held = old.cluster_ips.iter().flatten().filter(|a| *a != "None").cloned();
            self.services.pending.released_addresses.extend(held);
        }
        self.give_ports(service, Some(old), call)?;
        families::drop_what_the_type_does_not_have(service.spec.get_or_insert_default(), old);
        Ok(())
    }

    fn give_addresses(&mut self, service: &mut Service, call: &mut Call<'_>) -> Outcome<()> {
        let spec = service.spec.get_or_insert_default();
        let list = spec.cluster_ips.get_or_insert_default();
        if kind_of(spec.type_.as_deref()) == "ExternalName" || list.first().is_some_and(|a| a == "None") {
            if list.is_empty() {
                spec.cluster_ips = None;
            }
            return Ok(());
        }
        let families = spec.ip_families.clone().unwrap_or_default();
        list.resize(families.len().max(list.len()), String::new());
        for index in 0..families.len() {
            let wanted = service.spec.as_ref().and_then(|s| s.cluster_ips.as_ref()?.get(index)).cloned().unwrap_or_default();
            let given = if wanted.is_empty() { self.any_address(service, call)? } else { self.this_address(service, &wanted, call)? };
            let spec = service.spec.get_or_insert_default();
            if index == 0 {
                spec.cluster_ip = Some(given.clone());
            }
            if let Some(place) = spec.cluster_ips.get_or_insert_default().get_mut(index) {
                *place = given;
            }
        }
        Ok(())
    }

    /// The networks services have their addresses from, those that are ready.
    fn networks(&self) -> Vec<Cidr> {
        let ready = |c: &&Arc<ServiceCIDR>| {
            let conditions = c.status.as_ref().and_then(|s| s.conditions.as_deref()).unwrap_or_default();
            c.metadata.deletion_timestamp.is_none() && conditions.iter().find(|c| c.type_ == "Ready").is_none_or(|c| c.status == "True")
        };
        let blocks = self.etcd.list(Kind::ServiceCIDR, "").filter_map(ServiceCIDR::from_object).filter(ready);
        let texts: Vec<String> = blocks.flat_map(|c| c.spec.iter().flat_map(|s| s.cidrs.clone().unwrap_or_default())).collect();
        let mut found: Vec<Cidr> = texts.iter().filter_map(|t| Cidr::parse(t)).filter(|c| c.first.is_ipv4()).collect();
        if found.is_empty() {
            let [a, b] = self.services.network;
            found.push(Cidr { first: Ipv4Addr::new(a, b, 0, 0).into(), length: 16 });
        }
        found
    }

    fn this_address(&mut self, service: &Service, wanted: &str, call: &mut Call<'_>) -> Outcome<String> {
        let list = shown(service.spec.as_ref().and_then(|s| s.cluster_ips.as_ref()));
        let fail = |why: &str| refused(service, "spec.clusterIPs", format!("{list}: failed to allocate IP {wanted}: {why}"));
        let Some(address) = sim_apimachinery::ip::parse(wanted) else {
            return Err(internal(&format!("failed to parse service IP {wanted:?}")));
        };
        let networks = self.networks();
        let Some(network) = networks.iter().find(|n| hosts(n).is_some_and(|(first, last)| between(address, first, last))) else {
            let inside = networks.iter().find(|n| n.contains(address)).or_else(|| networks.first().filter(|_| call.dry_run));
            return Err(fail(&match inside {
                Some(block) => format!("the provided IP ({address}) is not in the valid range. The range of valid IPs is {block}"),
                None => "the provided network does not match the current range".to_owned(),
            }));
        };
        debug_assert!(network.contains(address), "hosts of a network are in it");
        if call.dry_run {
            return Ok(wanted.to_owned());
        }
        if self.etcd.get(&ObjectKey::new(Kind::IPAddress, "", &address.to_string())).is_some() {
            return Err(fail("provided IP is already allocated"));
        }
        self.take_address(service, &address.to_string(), call).map_err(|why| fail(&why))?;
        Ok(wanted.to_owned())
    }

    fn any_address(&mut self, service: &Service, call: &mut Call<'_>) -> Outcome<String> {
        let networks = self.networks();
        if call.dry_run {
            return Ok(networks.first().map(|n| n.first.to_string()).unwrap_or_default());
        }
        let Some(free) = networks.iter().find_map(|n| self.free_address(n)) else {
            let name = service.metadata.name.as_deref().unwrap_or_default();
            return Err(internal(&format!("failed to allocate a serviceIP for Service {name:?}: range is full")));
        };
        let list = shown(service.spec.as_ref().and_then(|s| s.cluster_ips.as_ref()));
        self.take_address(service, &free, call)
            .map_err(|why| refused(service, "spec.clusterIPs", format!("{list}: failed to allocate IP: {why}")))?;
        Ok(free)
    }

    /// A free address of the upper part of a network, from a random one on; then of the lower part.
    fn free_address(&mut self, network: &Cidr) -> Option<String> {
        let (first, last) = hosts(network)?;
        let size = last - first + 1;
        let lower = if size < STATIC_ADDRESSES_MIN * 2 { 0 } else { (size / 16).clamp(STATIC_ADDRESSES_MIN, STATIC_ADDRESSES_MAX) };
        let parts = [(first + lower, last - (first + lower) + 1), (first, lower)];
        for (from, count) in parts.into_iter().filter(|(_, count)| *count > 0) {
            let start = u32::try_from(self.random.below(u64::from(count))).unwrap_or(0);
            let found = (0..count).map(|step| Ipv4Addr::from(from + (start + step) % count).to_string()).find(|address| {
                let key = ObjectKey::new(Kind::IPAddress, "", address);
                self.etcd.get(&key).is_none()
            });
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// Stores the object that says whose an address is. The error is why it cannot be stored.
    fn take_address(&mut self, service: &Service, address: &str, call: &mut Call<'_>) -> Result<(), String> {
        let name = service.metadata.name.clone().unwrap_or_default();
        if name.is_empty() {
            return Err(format!("IPAddress.networking.k8s.io {address:?} is invalid: spec.parentRef.name: Required value"));
        }
        let labels = [("ipaddress.kubernetes.io/ip-family", "IPv4"), ("ipaddress.kubernetes.io/managed-by", "ipallocator.k8s.io")];
        let metadata = ObjectMeta {
            name: Some(address.to_owned()),
            uid: Some(self.services.random.uuid()),
            creation_timestamp: Some(call.now.to_time()),
            labels: Some(labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()),
            ..ObjectMeta::default()
        };
        let parent_ref = ParentReference { group: None, resource: "services".into(), namespace: service.metadata.namespace.clone(), name };
        let object = IPAddress { metadata, spec: IPAddressSpec { parent_ref } };
        let manager: Arc<str> = "kube-apiserver".into();
        let mut own = Call::of_component(call.now, &manager, call.trace);
        own.cause = call.cause;
        self.store_new(object.into(), &mut own).map_err(|status| status.message)?;
        self.services.pending.addresses.push(address.to_owned());
        Ok(())
    }

    fn drop_address(&mut self, address: &str, call: &mut Call<'_>) {
        let manager: Arc<str> = "kube-apiserver".into();
        let mut own = Call::of_component(call.now, &manager, call.trace);
        own.cause = call.cause;
        // An address that somebody has deleted already is free.
        let _gone = self.remove(&ObjectKey::new(Kind::IPAddress, "", address), &mut own);
    }

    fn give_ports(&mut self, service: &mut Service, old: Option<&ServiceSpec>, call: &Call<'_>) -> Outcome<()> {
        let name = service.metadata.name.clone().unwrap_or_default();
        let spec = service.spec.get_or_insert_default();
        let mut operation = PortOperation::new(&mut self.services.ports, &mut self.random, call.dry_run);
        let outcome = match old {
            None => ports::give(spec, &mut operation),
            Some(old) => ports::change(spec, old, &mut operation),
        };
        let (taken, released) = operation.finish();
        self.services.pending.ports.extend(taken);
        self.services.pending.released_ports.extend(released);
        outcome.map_err(|failure| failure.into_status(&name))
    }

    /// The end of a request: what it was given stays, or goes back.
    pub(super) fn settle_allocation(&mut self, ended_well: bool, call: &mut Call<'_>) {
        let pending = std::mem::take(&mut self.services.pending);
        let (addresses, ports) =
            if ended_well { (pending.released_addresses, pending.released_ports) } else { (pending.addresses, pending.ports) };
        addresses.iter().for_each(|address| self.drop_address(address, call));
        ports.iter().for_each(|port| _ = self.services.ports.remove(port));
    }

    /// What a service held goes with it.
    pub(super) fn release(&mut self, object: &Object, call: &mut Call<'_>) {
        let Object::Service(service) = object else { return };
        let Some(spec) = &service.spec else { return };
        for port in ports::held(spec) {
            self.services.ports.remove(&port);
        }
        for address in spec.cluster_ips.iter().flatten().filter(|a| *a != "None") {
            self.drop_address(address, call);
        }
    }
}

fn kind_of(type_: Option<&str>) -> &str {
    type_.unwrap_or("ClusterIP")
}

/// The first and the last address of a network that a service can have.
fn hosts(network: &Cidr) -> Option<(u32, u32)> {
    let IpAddr::V4(first) = network.first else { return None };
    let (first, size) = (u32::from(first), 1_u64 << (32 - network.length));
    let last = u32::try_from(u64::from(first) + size - 1).ok()?;
    match size {
        // Networks of one or two addresses have no address of their own and no broadcast address.
        1 | 2 => Some((first, last)),
        _ => Some((first + 1, last - 1)),
    }
}

fn between(address: IpAddr, first: u32, last: u32) -> bool {
    matches!(address, IpAddr::V4(v4) if (first..=last).contains(&u32::from(v4)))
}

#[cfg(test)]
mod tests;
