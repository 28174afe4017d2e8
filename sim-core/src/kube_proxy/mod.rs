//! kube-proxy: where a connection to a service goes, by the rules that each node has at that moment.
//! One history of all services is kept for all nodes; a node's rules are a cursor into it: they are as old as the watch,
//! the wait between two runs of the proxy (a second at least), and the time a run takes on that node.
//! Endpoints that are ready come first; if there is none, those that still serve while they terminate. Traffic policies
//! `Local` keep to the node's own endpoints, session affinity keeps a client at its pod.
//! Not modelled: topology hints, IPVS, connections that outlive their rules, protocols other than TCP, IPv6.
//! Source: pkg/proxy/iptables, pkg/util/async/bounded_frequency_runner.go.

mod route;
mod view;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use sim_apimachinery::{Kind, Object};

pub use self::route::{Entry, Refusal, Route};
pub use self::view::{Endpoint, Port, ServiceView};
use crate::component::{ChangeType, Watch, WatchEvent, WatchFilter};
use crate::random;
use crate::time::{MILLISECOND, Nanos, SECOND, SimTime};

const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// Two runs of a proxy are at least this far apart (`--iptables-min-sync-period`).
const SYNC_PERIOD_MIN: Nanos = SECOND;
/// Nodes take up to this long for a run.
const RUN_MAX: Nanos = 40 * MILLISECOND;
/// States older than every node's cursor are forgotten.
const HISTORY: Nanos = 10 * SECOND;

type Name = (String, String);

/// The states of one service, each from a moment on; `None` when it is gone.
type States = VecDeque<(SimTime, Option<Arc<ServiceView>>)>;

/// What a client was given before, under session affinity: node, namespace, service, client.
type Session = (String, String, String, String);

/// All proxies.
#[derive(Clone, Debug, Default)]
pub struct KubeProxy {
    services: BTreeMap<Name, Arc<Service>>,
    slices: BTreeMap<Name, BTreeMap<String, Arc<EndpointSlice>>>,
    states: BTreeMap<Name, States>,
    by_address: BTreeMap<String, Name>,
    by_node_port: BTreeMap<u16, Name>,
    sessions: BTreeMap<Session, (String, SimTime)>,
    last_run: Option<SimTime>,
    /// When they started: what they are told then is one run.
    started: Option<SimTime>,
}

impl KubeProxy {
    /// Proxies that know of nothing.
    pub fn new() -> Self {
        KubeProxy::default()
    }

    /// What it watches.
    pub fn watches(&self) -> Vec<Watch> {
        [Kind::Service, Kind::EndpointSlice].into_iter().map(|kind| Watch { kind, filter: WatchFilter::All }).collect()
    }

    /// The proxies start again: rules stay as they are until they have heard of everything anew.
    pub fn begin(&mut self, now: SimTime) {
        let known: Vec<Name> = std::mem::take(&mut self.services).into_keys().collect();
        self.slices.clear();
        (self.last_run, self.started) = (None, Some(now));
        for name in known {
            self.remember(now, now, name);
        }
    }

    /// Takes in what watches tell: rules follow with the next run.
    pub fn handle_events(&mut self, now: SimTime, events: &[WatchEvent]) {
        let run = match self.last_run {
            Some(planned) if planned > now => planned,
            Some(last) if self.started != Some(now) => now.max(last.plus(SYNC_PERIOD_MIN)),
            _ => now,
        };
        for event in events {
            if let Some(name) = self.take_in(event) {
                self.last_run = Some(run);
                self.remember(now, run, name);
            }
        }
    }

    /// The service that an event changes.
    fn take_in(&mut self, event: &WatchEvent) -> Option<Name> {
        let object = &event.object;
        let gone = event.change == ChangeType::Deleted;
        let namespace = object.namespace().to_owned();
        match object {
            Object::Service(service) => {
                let name = (namespace, object.name().to_owned());
                if gone {
                    drop(self.services.remove(&name))
                } else {
                    drop(self.services.insert(name.clone(), service.clone()))
                }
                Some(name)
            }
            Object::EndpointSlice(slice) => {
                let service = slice.metadata.labels.as_ref().and_then(|l| l.get(SERVICE_NAME))?.clone();
                let name = (namespace, service);
                let slices = self.slices.entry(name.clone()).or_default();
                let key = object.name().to_owned();
                if gone {
                    drop(slices.remove(&key))
                } else {
                    drop(slices.insert(key, slice.clone()))
                }
                Some(name)
            }
            _ => None,
        }
    }

    fn remember(&mut self, now: SimTime, run: SimTime, name: Name) {
        let none = BTreeMap::new();
        let view = self.services.get(&name).map(|s| Arc::new(ServiceView::new(s, self.slices.get(&name).unwrap_or(&none))));
        for view in view.iter() {
            for address in view.addresses.iter().chain(&view.external) {
                self.by_address.insert(address.clone(), name.clone());
            }
            for port in view.ports.iter().filter(|p| p.node_port != 0) {
                self.by_node_port.insert(port.node_port, name.clone());
            }
        }
        let states = self.states.entry(name).or_default();
        while states.get(1).is_some_and(|(from, _)| from.plus(HISTORY) < now) {
            states.pop_front();
        }
        match states.back_mut() {
            Some((from, last)) if *from == run => *last = view,
            _ => states.push_back((run, view)),
        }
    }

    /// How long a run takes on a node: by its name, so that nodes differ and stay as they are.
    fn run_time(node: &str) -> Nanos {
        (random::hash(node) >> 16) % RUN_MAX
    }

    /// A service as a node's rules have it now.
    pub fn view(&self, node: &str, namespace: &str, name: &str, now: SimTime) -> Option<&Arc<ServiceView>> {
        let states = self.states.get(&(namespace.to_owned(), name.to_owned()))?;
        let late = Self::run_time(node);
        states.iter().rev().find(|(from, _)| from.plus(late) <= now)?.1.as_ref()
    }

    /// The services it knows, for pages.
    pub fn services(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.services.values()
    }
}

#[cfg(test)]
mod tests;
