//! What kube-proxy knows of one service: its addresses, ports and policies, and the endpoints of each port.
//! Built from the Service and its EndpointSlices, and shared by all nodes.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Service, ServicePort};
use k8s_openapi::api::discovery::v1::EndpointSlice;

use crate::time::{Nanos, SECOND};

/// How long a client keeps its pod under `sessionAffinity: ClientIP` if the service does not say.
const AFFINITY_TIMEOUT: Nanos = 10_800 * SECOND;

/// One place where a port of a service is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The pod's address.
    pub address: String,
    /// The container's port.
    pub port: u16,
    /// The node it is on.
    pub node: String,
    /// It takes connections.
    pub ready: bool,
    /// It terminates but still serves.
    pub serving_while_terminating: bool,
}

/// One port of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its number at the service's addresses.
    pub number: u16,
    /// Its number at every node, 0 if none.
    pub node_port: u16,
    /// Who serves it.
    pub endpoints: Vec<Endpoint>,
}

/// A service as the rules of a node have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceView {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its cluster addresses; none for a headless one, which has no rules.
    pub addresses: Vec<String>,
    /// Addresses and names of its load balancer, and its external addresses.
    pub external: Vec<String>,
    /// Its ports.
    pub ports: Vec<Port>,
    /// `internalTrafficPolicy: Local`.
    pub internal_local: bool,
    /// `externalTrafficPolicy: Local`.
    pub external_local: bool,
    /// With `sessionAffinity: ClientIP`: how long a client keeps its pod.
    pub affinity: Option<Nanos>,
}

impl ServiceView {
    /// The view of a service with these slices.
    pub fn new(service: &Service, slices: &BTreeMap<String, Arc<EndpointSlice>>) -> ServiceView {
        let spec = service.spec.clone().unwrap_or_default();
        let address = |a: &String| !a.is_empty() && a != "None";
        let status = service.status.as_ref().and_then(|s| s.load_balancer.as_ref()).and_then(|b| b.ingress.as_ref());
        let balancer = status.into_iter().flatten().flat_map(|i| i.ip.iter().chain(&i.hostname)).cloned();
        let timeout = spec.session_affinity_config.and_then(|c| c.client_ip).and_then(|c| c.timeout_seconds);
        let local = |policy: &Option<String>| policy.as_deref() == Some("Local");
        ServiceView {
            namespace: service.metadata.namespace.clone().unwrap_or_default(),
            name: service.metadata.name.clone().unwrap_or_default(),
            addresses: spec.cluster_ip.iter().filter(|a| address(a)).cloned().collect(),
            external: balancer.chain(spec.external_ips.unwrap_or_default()).collect(),
            ports: spec.ports.iter().flatten().filter_map(|p| port(p, slices)).collect(),
            internal_local: local(&spec.internal_traffic_policy),
            external_local: local(&spec.external_traffic_policy),
            affinity: (spec.session_affinity.as_deref() == Some("ClientIP"))
                .then(|| timeout.and_then(|t| u64::try_from(t).ok()).map_or(AFFINITY_TIMEOUT, |t| t * SECOND)),
        }
    }

    /// The port with this number.
    pub fn port(&self, number: u16) -> Option<&Port> {
        self.ports.iter().find(|p| p.number == number)
    }
}

fn port(port: &ServicePort, slices: &BTreeMap<String, Arc<EndpointSlice>>) -> Option<Port> {
    let name = port.name.as_deref().unwrap_or_default();
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for slice in slices.values() {
        let same = slice.ports.iter().flatten().find(|p| p.name.as_deref().unwrap_or_default() == name);
        let Some(number) = same.and_then(|p| p.port).and_then(|p| u16::try_from(p).ok()) else { continue };
        for found in slice.endpoints.iter().flatten() {
            let conditions = found.conditions.clone().unwrap_or_default();
            let terminating = conditions.terminating == Some(true);
            let node = found.node_name.clone().unwrap_or_default();
            for address in &found.addresses {
                endpoints.push(Endpoint {
                    address: address.clone(),
                    port: number,
                    node: node.clone(),
                    ready: conditions.ready != Some(false),
                    serving_while_terminating: terminating && conditions.serving == Some(true),
                });
            }
        }
    }
    endpoints.sort_by(|a, b| (&a.address, a.port).cmp(&(&b.address, b.port)));
    let node_port = port.node_port.and_then(|p| u16::try_from(p).ok()).unwrap_or(0);
    Some(Port { number: u16::try_from(port.port).ok()?, node_port, endpoints })
}
