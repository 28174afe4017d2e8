//! Service addresses: cluster IPs and node ports, unique among the services that are there.
//! IPv4 only; addresses come from a /16, its lower part left to chosen addresses as in the real allocator.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Service;
use sim_apimachinery::{Object, Reason, Status};

use super::{ApiServer, Outcome};
use crate::random::Random;

const NODE_PORT_FIRST: i32 = 30000;
const NODE_PORT_COUNT: u64 = 2768;
/// Host numbers below this are left for addresses that users choose.
const DYNAMIC_FIRST: u64 = 257;
const DYNAMIC_COUNT: u64 = 65_535 - DYNAMIC_FIRST;

/// What is taken.
#[derive(Clone, Debug, Default)]
pub struct ServiceAllocator {
    network: [u8; 2],
    addresses: BTreeSet<String>,
    ports: BTreeSet<i32>,
}

impl ServiceAllocator {
    /// Nothing taken in `network.0.0/16`.
    pub fn new(network: [u8; 2]) -> Self {
        ServiceAllocator { network, ..ServiceAllocator::default() }
    }

    /// Gives back what a service held.
    pub fn release(&mut self, object: &Object) {
        let Object::Service(service) = object else { return };
        let Some(spec) = &service.spec else { return };
        for address in spec.cluster_ips.iter().flatten() {
            self.addresses.remove(address);
        }
        for port in spec.ports.iter().flatten().filter_map(|p| p.node_port) {
            self.ports.remove(&port);
        }
    }

    fn address(&mut self, random: &mut Random) -> Outcome<String> {
        let first = random.below(DYNAMIC_COUNT);
        for step in 0..DYNAMIC_COUNT {
            let host = DYNAMIC_FIRST + (first + step) % DYNAMIC_COUNT;
            let address = format!("{}.{}.{}.{}", self.network[0], self.network[1], host >> 8, host & 0xff);
            if self.addresses.insert(address.clone()) {
                return Ok(address);
            }
        }
        Err(Box::new(Status::new(Reason::InternalError, "failed to allocate a serviceIP: range is full")))
    }

    fn port(&mut self, random: &mut Random) -> Outcome<i32> {
        let first = random.below(NODE_PORT_COUNT);
        for step in 0..NODE_PORT_COUNT {
            let port = NODE_PORT_FIRST + ((first + step) % NODE_PORT_COUNT) as i32;
            if self.ports.insert(port) {
                return Ok(port);
            }
        }
        Err(Box::new(Status::new(Reason::InternalError, "failed to allocate a nodePort: range is full")))
    }
}

impl ApiServer {
    /// Gives a service the addresses it still needs; `current` is its state before, if it was there.
    pub(super) fn allocate(&mut self, object: &mut Object, current: Option<&Object>) -> Outcome<()> {
        let Object::Service(service) = object else { return Ok(()) };
        let service = Arc::make_mut(service);
        if let Some(Object::Service(before)) = current {
            inherit(service, before);
        }
        let Some(spec) = service.spec.as_mut() else { return Ok(()) };
        let kind = spec.type_.as_deref().unwrap_or("ClusterIP").to_owned();
        if kind == "ExternalName" {
            spec.cluster_ip = None;
            spec.cluster_ips = None;
            return Ok(());
        }
        match spec.cluster_ip.as_deref() {
            None | Some("") => spec.cluster_ip = Some(self.services.address(&mut self.random)?),
            Some("None") => {}
            Some(chosen) => _ = self.services.addresses.insert(chosen.to_owned()),
        }
        spec.cluster_ips = spec.cluster_ip.clone().map(|ip| vec![ip]);
        spec.ip_families.get_or_insert_with(|| vec!["IPv4".into()]);
        spec.ip_family_policy.get_or_insert_with(|| "SingleStack".into());
        let wants_ports = kind == "NodePort" || kind == "LoadBalancer" && spec.allocate_load_balancer_node_ports != Some(false);
        for port in spec.ports.iter_mut().flatten() {
            match port.node_port.filter(|p| *p != 0) {
                Some(chosen) => _ = self.services.ports.insert(chosen),
                None if wants_ports => port.node_port = Some(self.services.port(&mut self.random)?),
                None => port.node_port = None,
            }
        }
        Ok(())
    }
}

/// What an update leaves out stays as it was.
fn inherit(service: &mut Service, before: &Service) {
    let (Some(spec), Some(old)) = (service.spec.as_mut(), before.spec.as_ref()) else { return };
    if spec.cluster_ip.as_deref().unwrap_or_default().is_empty() && spec.type_.as_deref() != Some("ExternalName") {
        spec.cluster_ip = old.cluster_ip.clone();
    }
    for port in spec.ports.iter_mut().flatten().filter(|p| p.node_port.is_none()) {
        port.node_port = old.ports.iter().flatten().find(|o| o.port == port.port && o.protocol == port.protocol).and_then(|o| o.node_port);
    }
}
