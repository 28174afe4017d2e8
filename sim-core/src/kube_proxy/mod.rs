//! kube-proxy: which pod a connection to a service reaches, by what it has been told of services and endpoint slices.
//! One view for all nodes (their rules are written within moments of each other); the view is as old as its watch.
//! Endpoints that are ready come first; if there is none, those that still serve while they terminate.
//! Not modelled: traffic policies `Local`, session affinity, topology hints. Source: pkg/proxy.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use sim_apimachinery::{Kind, Object};

use crate::client_go::Caches;
use crate::component::{Watch, WatchEvent, WatchFilter};
use crate::random::Random;
use crate::time::SimTime;

const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// The network's view of services.
#[derive(Clone, Debug, Default)]
pub struct KubeProxy {
    caches: Caches,
}

impl KubeProxy {
    /// A view of nothing.
    pub fn new() -> Self {
        KubeProxy::default()
    }

    /// What it watches.
    pub fn watches(&self) -> Vec<Watch> {
        [Kind::Service, Kind::EndpointSlice].into_iter().map(|kind| Watch { kind, filter: WatchFilter::All }).collect()
    }

    /// Takes in what watches tell.
    pub fn handle_events(&mut self, _now: SimTime, events: &[WatchEvent]) {
        for event in events {
            self.caches.apply(event);
        }
    }

    /// Where a connection to a service's port goes: address and port of a pod. The error is what the client sees.
    pub fn route(&self, _now: SimTime, namespace: &str, name: &str, port: u16, random: &mut Random) -> Result<(String, u16), String> {
        let Some(service) = self.caches.get::<Service>(namespace, name) else {
            return Err(format!("could not resolve host: {name}"));
        };
        let ports = service.spec.iter().flat_map(|s| s.ports.iter().flatten());
        let Some(wanted) = ports.clone().find(|p| p.port == i32::from(port)) else {
            return Err(format!("connection refused: the service {name} has no port {port}"));
        };
        let endpoints = self.endpoints(namespace, name, wanted.name.as_deref(), wanted.target_port.as_ref());
        if endpoints.is_empty() {
            return Err(format!("connection refused: the service {name} has no endpoints"));
        }
        let index = random.below(endpoints.len() as u64) as usize;
        Ok(endpoints[index].clone())
    }

    fn endpoints(&self, namespace: &str, name: &str, port_name: Option<&str>, target: Option<&IntOrString>) -> Vec<(String, u16)> {
        let mut by_class: BTreeMap<u8, Vec<(String, u16)>> = BTreeMap::new();
        let of_service =
            |s: &&std::sync::Arc<EndpointSlice>| s.metadata.labels.as_ref().and_then(|l| l.get(SERVICE_NAME)).is_some_and(|n| n == name);
        for slice in self.caches.in_namespace::<EndpointSlice>(namespace).filter(of_service) {
            let ports = slice.ports.as_deref().unwrap_or_default();
            let named = ports.iter().find(|p| p.name.as_deref().unwrap_or_default() == port_name.unwrap_or_default());
            let by_target = match target {
                Some(IntOrString::Int(number)) => Some(*number),
                _ => None,
            };
            let Some(port) = named.and_then(|p| p.port).or(by_target).and_then(|p| u16::try_from(p).ok()) else { continue };
            for endpoint in slice.endpoints.iter().flatten() {
                let conditions = endpoint.conditions.clone().unwrap_or_default();
                let class = match (conditions.ready, conditions.serving, conditions.terminating) {
                    (None | Some(true), ..) => 0,
                    (_, Some(true), Some(true)) => 1,
                    _ => continue,
                };
                by_class.entry(class).or_default().extend(endpoint.addresses.iter().map(|a| (a.clone(), port)));
            }
        }
        by_class.into_values().next().unwrap_or_default()
    }

    /// The services it knows, for pages.
    pub fn services(&self) -> impl Iterator<Item = &Object> {
        self.caches.objects(Kind::Service)
    }
}
