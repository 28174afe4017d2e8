//! The cluster's DNS, as CoreDNS with its `kubernetes` plugin answers: services and their ports, headless services and the
//! pods behind them, pods by their address, and names outside of the cluster, which nobody knows here.
//! A pod's own resolver tries its search domains first (`ndots:5`). Answers are as old as the watch; they are not cached,
//! as in kubeadm's configuration for `cluster.local`.
//! Not modelled: reverse look-ups, AAAA records, upstream servers, the DNS pods themselves.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use sim_apimachinery::{Kind, Object};

use crate::component::{ChangeType, Watch, WatchEvent, WatchFilter};

const SERVICE_NAME: &str = "kubernetes.io/service-name";
const DOMAIN: &str = "cluster.local";
/// Names with fewer dots are tried in the search domains first.
const NDOTS: usize = 5;

type Name = (String, String);

/// What a question comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Addresses.
    Addresses(Vec<String>),
    /// Ports and the names of those who serve them.
    Services(Vec<(u16, String)>),
    /// Another name to ask for (`ExternalName`).
    Alias(String),
    /// The name is there but has no such records.
    NoData,
    /// There is no such name.
    NoSuchName,
}

/// What CoreDNS knows.
#[derive(Clone, Debug, Default)]
pub struct Dns {
    services: BTreeMap<Name, Arc<Service>>,
    slices: BTreeMap<Name, BTreeMap<String, Arc<EndpointSlice>>>,
}

impl Dns {
    /// A server that knows of nothing.
    pub fn new() -> Self {
        Dns::default()
    }

    /// What it watches.
    pub fn watches(&self) -> Vec<Watch> {
        [Kind::Service, Kind::EndpointSlice].into_iter().map(|kind| Watch { kind, filter: WatchFilter::All }).collect()
    }

    /// Takes in what watches tell.
    pub fn handle_events(&mut self, events: &[WatchEvent]) {
        for event in events {
            let gone = event.change == ChangeType::Deleted;
            let (namespace, own) = (event.object.namespace().to_owned(), event.object.name().to_owned());
            match &event.object {
                Object::Service(_) if gone => drop(self.services.remove(&(namespace, own))),
                Object::Service(service) => drop(self.services.insert((namespace, own), service.clone())),
                Object::EndpointSlice(slice) => {
                    let Some(service) = slice.metadata.labels.as_ref().and_then(|l| l.get(SERVICE_NAME)) else { continue };
                    let slices = self.slices.entry((namespace, service.clone())).or_default();
                    if gone { drop(slices.remove(&own)) } else { drop(slices.insert(own, slice.clone())) }
                }
                _ => {}
            }
        }
    }

    /// What a pod of a namespace gets for a host name: its addresses, or `None` where there is no such host.
    pub fn host(&self, name: &str, namespace: &str) -> Option<Vec<String>> {
        self.find_host(name, namespace).map(|(_, addresses)| addresses)
    }

    /// The same with the full name that was found.
    pub fn find_host(&self, name: &str, namespace: &str) -> Option<(String, Vec<String>)> {
        for full in candidates(name, namespace) {
            match self.resolve(&full) {
                Answer::Addresses(found) if !found.is_empty() => return Some((full, found)),
                Answer::Alias(other) => return self.find_host(&format!("{}.", other.trim_end_matches('.')), namespace),
                _ => {}
            }
        }
        None
    }

    /// The answer for a full name: addresses, or ports for names that begin with `_port._protocol`.
    pub fn resolve(&self, name: &str) -> Answer {
        let lower = name.trim_end_matches('.').to_ascii_lowercase();
        let Some(inside) = lower.strip_suffix(DOMAIN).and_then(|n| n.strip_suffix('.')) else { return Answer::NoSuchName };
        let labels: Vec<&str> = inside.split('.').collect();
        match labels.as_slice() {
            [port, protocol, service, namespace, "svc"] if port.starts_with('_') && protocol.starts_with('_') => {
                self.ports(&port[1..], &protocol[1..], service, namespace)
            }
            [pod, service, namespace, "svc"] => self.pod(pod, service, namespace),
            [service, namespace, "svc"] => self.service(service, namespace),
            [address, _, "pod"] => dashed(address),
            [namespace, "svc"] if self.services.keys().any(|(ns, _)| ns == namespace) => Answer::NoData,
            ["svc" | "pod"] => Answer::NoData,
            _ => Answer::NoSuchName,
        }
    }

    fn service(&self, name: &str, namespace: &str) -> Answer {
        let Some(service) = self.find(name, namespace) else { return Answer::NoSuchName };
        let spec = service.spec.clone().unwrap_or_default();
        if spec.type_.as_deref() == Some("ExternalName") {
            return Answer::Alias(spec.external_name.unwrap_or_default());
        }
        match spec.cluster_ip.as_deref() {
            Some("None") => {
                let all: Vec<String> = self.points(name, namespace).into_iter().map(|p| p.address).collect();
                if all.is_empty() { Answer::NoSuchName } else { Answer::Addresses(all) }
            }
            Some(address) if !address.is_empty() => Answer::Addresses(vec![address.to_owned()]),
            _ => Answer::NoData,
        }
    }

    /// A pod behind a headless service, by its host name or by its address with dashes.
    fn pod(&self, pod: &str, service: &str, namespace: &str) -> Answer {
        if !self.find(service, namespace).is_some_and(|s| is_headless(s)) {
            return Answer::NoSuchName;
        }
        let found: Vec<String> = self.points(service, namespace).into_iter().filter(|p| p.host == pod).map(|p| p.address).collect();
        if found.is_empty() { Answer::NoSuchName } else { Answer::Addresses(found) }
    }

    fn ports(&self, port: &str, protocol: &str, name: &str, namespace: &str) -> Answer {
        let Some(service) = self.find(name, namespace) else { return Answer::NoSuchName };
        let ports = service.spec.as_ref().and_then(|s| s.ports.clone()).unwrap_or_default();
        let same = |p: &&k8s_openapi::api::core::v1::ServicePort| {
            p.name.as_deref().unwrap_or_default() == port && p.protocol.as_deref().unwrap_or("TCP").eq_ignore_ascii_case(protocol)
        };
        let Some(found) = ports.iter().find(same) else { return Answer::NoSuchName };
        let own = format!("{name}.{namespace}.svc.{DOMAIN}.");
        if !is_headless(service) {
            return Answer::Services(vec![(u16::try_from(found.port).unwrap_or(0), own)]);
        }
        let serves = |p: Point| p.ports.get(port).map(|number| (*number, format!("{}.{own}", p.host)));
        Answer::Services(self.points(name, namespace).into_iter().filter_map(serves).collect())
    }

    fn find(&self, name: &str, namespace: &str) -> Option<&Arc<Service>> {
        self.services.get(&(namespace.to_owned(), name.to_owned()))
    }

    /// The ready endpoints of a service, in order of their addresses.
    fn points(&self, name: &str, namespace: &str) -> Vec<Point> {
        let mut found = Vec::new();
        for slice in self.slices.get(&(namespace.to_owned(), name.to_owned())).into_iter().flat_map(BTreeMap::values) {
            let ports: BTreeMap<String, u16> = slice
                .ports
                .iter()
                .flatten()
                .filter_map(|p| Some((p.name.clone().unwrap_or_default(), u16::try_from(p.port?).ok()?)))
                .collect();
            let ready = |c: &Option<k8s_openapi::api::discovery::v1::EndpointConditions>| c.as_ref().and_then(|c| c.ready) != Some(false);
            for endpoint in slice.endpoints.iter().flatten().filter(|e| ready(&e.conditions)) {
                for address in &endpoint.addresses {
                    let host = endpoint.hostname.clone().unwrap_or_else(|| address.replace(['.', ':'], "-"));
                    found.push(Point { address: address.clone(), host, ports: ports.clone() });
                }
            }
        }
        found.sort_by(|a, b| a.address.cmp(&b.address));
        found.dedup_by(|a, b| a.address == b.address);
        found
    }
}

struct Point {
    address: String,
    host: String,
    ports: BTreeMap<String, u16>,
}

fn is_headless(service: &Service) -> bool {
    service.spec.as_ref().and_then(|s| s.cluster_ip.as_deref()) == Some("None")
}

/// `10-1-2-3` of `10-1-2-3.default.pod.cluster.local`: whatever it says (`pods insecure`).
fn dashed(label: &str) -> Answer {
    let address = label.replace('-', ".");
    if address.parse::<std::net::Ipv4Addr>().is_ok() { Answer::Addresses(vec![address]) } else { Answer::NoSuchName }
}

/// The full names a pod's resolver asks for, in order.
fn candidates(name: &str, namespace: &str) -> Vec<String> {
    if let Some(full) = name.strip_suffix('.') {
        return vec![full.to_owned()];
    }
    let mut found: Vec<String> = [format!("{namespace}.svc.{DOMAIN}"), format!("svc.{DOMAIN}"), DOMAIN.to_owned()]
        .iter()
        .map(|domain| format!("{name}.{domain}"))
        .collect();
    let dots = name.matches('.').count();
    found.insert(if dots >= NDOTS { 0 } else { found.len() }, name.to_owned());
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn server() -> Dns {
        let mut dns = Dns::new();
        let mut tell = |kind, value: Value| {
            let object = Object::from_json(kind, value).expect("valid");
            dns.handle_events(&[WatchEvent { change: ChangeType::Added, object, revision: 1 }]);
        };
        let service = |name: &str, spec: Value| json!({"metadata": {"name": name, "namespace": "shop"}, "spec": spec});
        tell(Kind::Service, service("web", json!({"clusterIP": "10.96.0.9", "ports": [{"name": "http", "port": 80}]})));
        tell(Kind::Service, service("db", json!({"clusterIP": "None", "ports": [{"name": "sql", "port": 5432}]})));
        tell(Kind::Service, service("far", json!({"type": "ExternalName", "externalName": "web.shop.svc.cluster.local"})));
        let endpoints = json!([
            {"addresses": ["10.0.0.2"], "hostname": "db-0", "conditions": {"ready": true}},
            {"addresses": ["10.0.0.1"], "conditions": {"ready": true}},
            {"addresses": ["10.0.0.3"], "hostname": "db-2", "conditions": {"ready": false}}]);
        tell(
            Kind::EndpointSlice,
            json!({"metadata": {"name": "db-x", "namespace": "shop", "labels": {SERVICE_NAME: "db"}}, "addressType": "IPv4",
                "ports": [{"name": "sql", "port": 5432}], "endpoints": endpoints}),
        );
        dns
    }

    #[test]
    fn a_service_is_found_by_each_of_its_names() {
        let dns = server();
        for name in ["web", "web.shop", "web.shop.svc", "web.shop.svc.cluster.local", "web.shop.svc.cluster.local.", "far"] {
            assert_eq!(dns.host(name, "shop"), Some(vec!["10.96.0.9".to_owned()]), "{name}");
        }
        assert_eq!((dns.host("web", "other"), dns.host("web.", "shop"), dns.host("example.org", "shop")), (None, None, None));
        assert!(dns.host("web.shop", "other").is_some());
    }

    #[test]
    fn a_headless_service_is_its_ready_pods() {
        let dns = server();
        assert_eq!(dns.host("db", "shop"), Some(vec!["10.0.0.1".to_owned(), "10.0.0.2".to_owned()]));
        assert_eq!(dns.host("db-0.db", "shop"), Some(vec!["10.0.0.2".to_owned()]));
        assert_eq!(dns.host("10-0-0-1.db", "shop"), Some(vec!["10.0.0.1".to_owned()]));
        assert_eq!(dns.host("db-2.db", "shop"), None, "a pod that is not ready");
        assert_eq!(dns.host("x.web", "shop"), None, "a service with an address has no pods in DNS");
    }

    #[test]
    fn ports_have_records_of_their_own() {
        let dns = server();
        let own = "web.shop.svc.cluster.local.";
        assert_eq!(dns.resolve(&format!("_http._tcp.{own}")), Answer::Services(vec![(80, own.into())]));
        let db = "db.shop.svc.cluster.local.";
        let expected = vec![(5432, format!("10-0-0-1.{db}")), (5432, format!("db-0.{db}"))];
        assert_eq!(dns.resolve(&format!("_sql._tcp.{db}")), Answer::Services(expected));
        assert_eq!(dns.resolve(&format!("_no._tcp.{db}")), Answer::NoSuchName);
    }

    #[test]
    fn pods_have_names_of_their_addresses() {
        assert_eq!(server().resolve("10-1-2-3.shop.pod.cluster.local"), Answer::Addresses(vec!["10.1.2.3".into()]));
    }
}
