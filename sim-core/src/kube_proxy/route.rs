//! One connection: which rules it meets, and which endpoint they choose.

use super::{Endpoint, KubeProxy, Port, ServiceView};
use crate::random::Random;
use crate::time::SimTime;

/// Where a connection comes from and which way it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The node whose rules it meets.
    pub node: &'a str,
    /// The client's address, for session affinity.
    pub client: &'a str,
    /// It comes from outside of the cluster.
    pub outside: bool,
}

/// Where it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Namespace of the service.
    pub namespace: String,
    /// The service.
    pub service: String,
    /// Address of a pod.
    pub address: String,
    /// Port of a container.
    pub port: u16,
}

/// Why it ends nowhere, as the client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No rule and nobody listens: the connection is refused.
    NobodyListens,
    /// The service has no endpoints: its rules reject.
    NoEndpoints(String),
    /// A policy keeps to the node's own endpoints and there are none: packets are dropped, the client waits in vain.
    NoLocalEndpoints(String),
}

impl KubeProxy {
    /// A connection to an address of a service.
    pub fn route_address(
        &mut self,
        now: SimTime,
        entry: &Entry<'_>,
        address: &str,
        port: u16,
        random: &mut Random,
    ) -> Result<Route, Refusal> {
        let name = self.by_address.get(address).cloned().ok_or(Refusal::NobodyListens)?;
        let view = self.view(entry.node, &name.0, &name.1, now).cloned().ok_or(Refusal::NobodyListens)?;
        let external = view.external.iter().any(|a| a == address);
        if !external && !view.addresses.iter().any(|a| a == address) {
            return Err(Refusal::NobodyListens);
        }
        let found = view.port(port).ok_or(Refusal::NobodyListens)?;
        // Pods reach external addresses as if they were the cluster's own, but by the external policy of all nodes.
        let local = if external { view.external_local && entry.outside } else { view.internal_local };
        self.choose(now, entry, &view, found, local, random)
    }

    /// A connection to a port of a node.
    pub fn route_node_port(&mut self, now: SimTime, entry: &Entry<'_>, port: u16, random: &mut Random) -> Result<Route, Refusal> {
        let name = self.by_node_port.get(&port).cloned().ok_or(Refusal::NobodyListens)?;
        let view = self.view(entry.node, &name.0, &name.1, now).cloned().ok_or(Refusal::NobodyListens)?;
        let found = view.ports.iter().find(|p| p.node_port == port).ok_or(Refusal::NobodyListens)?;
        self.choose(now, entry, &view, found, view.external_local && entry.outside, random)
    }

    /// Nodes a load balancer sends to: under the policy `Local`, those with ready endpoints of their own.
    pub fn balancer_takes(&self, node: &str, namespace: &str, name: &str, now: SimTime) -> bool {
        let Some(view) = self.view(node, namespace, name, now) else { return true };
        !view.external_local || view.ports.iter().any(|p| p.endpoints.iter().any(|e| e.ready && e.node == node))
    }

    fn choose(
        &mut self,
        now: SimTime,
        entry: &Entry<'_>,
        view: &ServiceView,
        port: &Port,
        local: bool,
        random: &mut Random,
    ) -> Result<Route, Refusal> {
        let usable = usable(&port.endpoints, local.then_some(entry.node));
        let name = format!("{}/{}", view.namespace, view.name);
        if usable.is_empty() {
            let elsewhere = local && !self::usable(&port.endpoints, None).is_empty();
            return Err(if elsewhere { Refusal::NoLocalEndpoints(name) } else { Refusal::NoEndpoints(name) });
        }
        let session = (entry.node.to_owned(), view.namespace.clone(), view.name.clone(), entry.client.to_owned());
        let kept = view.affinity.and_then(|timeout| {
            let (address, last) = self.sessions.get(&session)?;
            usable.iter().find(|e| e.address == *address && now.since(*last) < timeout).copied()
        });
        let chosen = match kept {
            Some(kept) => kept,
            None => usable[random.below(usable.len() as u64) as usize],
        };
        if view.affinity.is_some() {
            self.sessions.insert(session, (chosen.address.clone(), now));
        }
        Ok(Route { namespace: view.namespace.clone(), service: view.name.clone(), address: chosen.address.clone(), port: chosen.port })
    }
}

/// Those that take connections: the ready ones, or if there are none those that serve while they terminate.
fn usable<'a>(endpoints: &'a [Endpoint], node: Option<&str>) -> Vec<&'a Endpoint> {
    let here = |e: &&Endpoint| node.is_none_or(|n| e.node == n);
    let ready: Vec<&Endpoint> = endpoints.iter().filter(here).filter(|e| e.ready).collect();
    if !ready.is_empty() {
        return ready;
    }
    endpoints.iter().filter(here).filter(|e| e.serving_while_terminating).collect()
}
