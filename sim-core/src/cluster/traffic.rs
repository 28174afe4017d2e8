//! Traffic: HTTP requests from outside or from pods, to pods, services, nodes' ports and host names, and what containers ask
//! of each other. A request is routed by the rules its node has at this moment and handled by the container's process; its
//! effects are real. The answer is there after its latency, unless the container is gone by then: then it is a reset.
//! Not modelled: connections that are kept open, bandwidth, packets.

use std::sync::Arc;

use sim_apimachinery::{Kind, Object};
use sim_workload::{BackendAnswer, BackendCommand, BackendError, Backends, HttpRequest, HttpResult, Process};

use super::outcome::{HttpFailure, HttpOutcome};
use super::{Cluster, Event};
use crate::kube_proxy::{Entry, Refusal, Route};
use crate::time::{Nanos, SECOND};
use crate::trace::{StepId, What};

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// A pod, past its service, as through the API server's proxy.
    Pod { namespace: String, name: String, port: u16 },
    /// A service by name and service port: through its load balancer from outside if it has one, else by its cluster address.
    Service { namespace: String, name: String, port: u16 },
    /// A port of a node; of any node if none is named.
    NodePort { node: Option<String>, port: u16 },
    /// A host name, resolved by the cluster's DNS as in the pod that asks; or an address.
    Host { name: String, port: u16 },
}

/// Who sends a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Client {
    /// Somebody outside, with the way in that the target offers.
    #[default]
    Anyone,
    /// A client outside of the cluster with this address.
    Outside(String),
    /// A pod.
    Pod { namespace: String, name: String },
}

/// One request.
#[derive(Clone, Debug)]
pub struct HttpCall {
    /// Who asks.
    pub from: Client,
    /// Where to.
    pub target: Target,
    /// What: the port in it is filled in by routing.
    pub request: HttpRequest,
    /// How long the client waits.
    pub timeout: Nanos,
}

/// A request whose answer is on its way.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    from: Arc<str>,
    path: Arc<str>,
    cause: StepId,
    /// What comes back if nothing happens on the way.
    outcome: HttpOutcome,
    serving: Option<Serving>,
    sent: crate::time::SimTime,
}

/// Who answers a request.
#[derive(Clone, Debug)]
struct Serving {
    namespace: String,
    pod: String,
    container: String,
    instance: String,
    /// Whether the request changed how it answers from now on, or when it ends.
    is_changed: bool,
}

/// Where a request ends up.
struct Arrival {
    namespace: String,
    pod: String,
    port: u16,
}

/// How long the network takes to say that an address is not there.
const NO_ROUTE: Nanos = 3 * SECOND;
/// A client outside that names no address of its own.
const SOMEBODY: &str = "203.0.113.1";

/// Lets a process reach others while the cluster is lent to it.
struct Network<'a> {
    cluster: &'a mut Cluster,
    namespace: String,
    pod: String,
    cause: StepId,
}

impl Backends for Network<'_> {
    fn call(&mut self, host: &str, port: u16, command: BackendCommand) -> Result<BackendAnswer, BackendError> {
        let from = Client::Pod { namespace: self.namespace.clone(), name: self.pod.clone() };
        let target = Target::Host { name: host.to_owned(), port };
        let found = self.cluster.route(&from, &target, Nanos::MAX).map_err(|_| BackendError::Refused)?;
        let container = self.cluster.container_on(&found.namespace, &found.pod, found.port).ok_or(BackendError::Refused)?;
        let now = self.cluster.now.0;
        let cause = self.cause;
        self.cluster
            .with_process(&found.namespace, &found.pod, &container, cause, |process| process.command(now, &command))
            .unwrap_or(Err(BackendError::Refused))
    }
}

impl Cluster {
    /// Sends a request now; what came of it can be taken later with the token.
    pub fn http(&mut self, call: &HttpCall, cause: StepId) -> u64 {
        let token = self.next_token;
        self.next_token += 1;
        let (outcome, serving) = self.exchange(call, cause);
        let from: Arc<str> = match &call.from {
            Client::Anyone => "client".into(),
            Client::Outside(address) => address.as_str().into(),
            Client::Pod { namespace, name } => format!("{namespace}/{name}").into(),
        };
        let at = self.now.plus(outcome.latency);
        let path = call.request.path.as_str().into();
        self.flights.insert(token, Flight { from, path, cause, outcome, serving, sent: self.now });
        self.push(at, Event::HttpDone { token });
        token
    }

    /// Sends a request and says at once what comes of it, if nothing happens on the way (the API server's pod proxy).
    pub fn http_now(&mut self, call: &HttpCall, cause: StepId) -> HttpOutcome {
        let (outcome, serving) = self.exchange(call, cause);
        let what = What::Http {
            from: "api".into(),
            to: outcome.pod.as_deref().unwrap_or("nowhere").into(),
            path: call.request.path.as_str().into(),
            status: outcome.status,
            latency: outcome.latency,
            error: outcome.error.as_ref().map(|error| error.text.as_str().into()),
        };
        let step = self.trace.push(self.now, &"traffic".into(), cause, what);
        self.retell(serving.as_ref(), cause, step);
        outcome
    }

    /// Whether requests are over that nobody has taken yet.
    pub fn has_http_done(&self) -> bool {
        !self.http_done.is_empty()
    }

    /// What came of a request, once it is over.
    pub fn take_http(&mut self, token: u64) -> Option<HttpOutcome> {
        self.http_done.remove(&token)
    }

    /// The answer arrives, or the news that it never will.
    pub(super) fn on_http_done(&mut self, token: u64) {
        let Some(flight) = self.flights.remove(&token) else { return };
        let mut outcome = flight.outcome;
        if let Some(Serving { namespace, pod, container, instance, .. }) = &flight.serving {
            let gone = match self.node_of(namespace, pod).and_then(|n| self.kubelets.get(&n)) {
                Some(kubelet) => kubelet.died_before(namespace, pod, container, instance, self.now),
                None => true,
            };
            if gone {
                outcome = HttpOutcome::failed(
                    HttpFailure::Reset,
                    "connection reset by peer: the pod was killed in flight",
                    outcome.pod,
                    outcome.latency,
                );
            }
        }
        let what = What::Http {
            from: flight.from,
            to: outcome.pod.as_deref().unwrap_or("nowhere").into(),
            path: flight.path,
            status: outcome.status,
            latency: self.now.since(flight.sent),
            error: outcome.error.as_ref().map(|error| error.text.as_str().into()),
        };
        let step = self.trace.push(self.now, &"traffic".into(), flight.cause, what);
        self.retell(flight.serving.as_ref(), flight.cause, step);
        self.http_done.insert(token, outcome);
    }

    /// What a request led to in its container follows from the step that tells of it.
    fn retell(&mut self, serving: Option<&Serving>, cause: StepId, step: StepId) {
        let Some(Serving { namespace, pod, container, instance, .. }) = serving.filter(|s| s.is_changed) else { return };
        if let Some(kubelet) = self.node_of(namespace, pod).and_then(|node| self.kubelets.get_mut(&node)) {
            kubelet.retell(namespace, pod, container, instance, cause, step);
        }
    }

    fn exchange(&mut self, call: &HttpCall, cause: StepId) -> (HttpOutcome, Option<Serving>) {
        let found = match self.route(&call.from, &call.target, call.timeout) {
            Ok(found) => found,
            Err(outcome) => return (*outcome, None),
        };
        let Arrival { namespace, pod, port } = found;
        if self.node_of(&namespace, &pod).and_then(|n| self.kubelets.get(&n)).is_some_and(|k| k.is_down()) {
            return (HttpOutcome::failed(HttpFailure::Timeout, "timeout: the pod's node does not answer", Some(pod), call.timeout), None);
        }
        let Some(container) = self.container_on(&namespace, &pod, port) else {
            return (HttpOutcome::failed(HttpFailure::Refused, "connection refused", Some(pod), 0), None);
        };
        let instance = self.kubelet_of(&namespace, &pod).and_then(|k| k.instance(&namespace, &pod, &container)).map(str::to_owned);
        let request = HttpRequest { port, ..call.request.clone() };
        let (mut result, mut is_changed) = (HttpResult::Refused, false);
        let now = self.now.0;
        if let Some(mut process) = self.process(&namespace, &pod, &container) {
            let mut network = Network { cluster: self, namespace: namespace.clone(), pod: pod.clone(), cause };
            let before = process.outlook();
            result = process.http(now, &request, &mut network);
            is_changed = !process.answers_as(&before) || process.ends_otherwise(&before);
            self.with_process(&namespace, &pod, &container, cause, |slot| *slot = process);
        }
        let serving = instance.map(|instance| Serving { namespace, pod: pod.clone(), container, instance, is_changed });
        match result {
            HttpResult::Refused => (HttpOutcome::failed(HttpFailure::Refused, "connection refused", Some(pod), 0), None),
            HttpResult::Answer { status, body, latency_nanos, .. } if latency_nanos <= call.timeout => {
                (HttpOutcome { status, body, error: None, latency: latency_nanos, pod: Some(pod) }, serving)
            }
            HttpResult::Timeout | HttpResult::Answer { .. } => {
                (HttpOutcome::failed(HttpFailure::Timeout, "timeout", Some(pod), call.timeout), serving)
            }
        }
    }

    /// The pod and container port a target means now, by the rules of the node where the request comes in.
    fn route(&mut self, from: &Client, target: &Target, timeout: Nanos) -> Result<Arrival, Box<HttpOutcome>> {
        let failed = |failure, text: String, latency| Box::new(HttpOutcome::failed(failure, text, None, latency));
        let inside = matches!(from, Client::Pod { .. });
        let (node, client) = self.entry(from);
        let entry = |outside: bool| Entry { node: &node, client: &client, outside };
        let mut random = self.routing.clone();
        let routed = match target {
            Target::Pod { namespace, name, port } => {
                let (namespace, name) = (namespace.clone(), name.clone());
                let there = self.object(Kind::Pod, &namespace, &name).is_some();
                let missing = || failed(HttpFailure::NoSuchPod, format!("pods \"{name}\" not found"), 0);
                return if there { Ok(Arrival { namespace, pod: name, port: *port }) } else { Err(missing()) };
            }
            Target::Service { namespace, name, port } => {
                let Some(view) = self.proxy.view(&node, namespace, name, self.now).cloned() else {
                    return Err(failed(HttpFailure::NoSuchHost, format!("could not resolve host: {name}"), 0));
                };
                let balanced = !inside && !view.external.is_empty();
                let address = if balanced { view.external.first() } else { view.addresses.first() };
                match address.cloned() {
                    Some(_) if balanced => self.through_balancer(namespace, name, *port, &client, &mut random),
                    Some(address) => self.proxy.route_address(self.now, &entry(false), &address, *port, &mut random),
                    None => self.headless(namespace, name, *port, &mut random),
                }
            }
            Target::NodePort { node: wanted, port } => {
                let node = wanted.clone().unwrap_or_else(|| node.clone());
                let entry = Entry { node: &node, client: &client, outside: !inside };
                if self.kubelets.get(node.as_str()).is_none_or(|k| k.is_down()) {
                    return Err(failed(HttpFailure::Timeout, format!("timeout: node {node} does not answer"), timeout));
                }
                self.proxy.route_node_port(self.now, &entry, *port, &mut random)
            }
            Target::Host { name, port } => {
                let namespace = if let Client::Pod { namespace, .. } = from { namespace.as_str() } else { "default" };
                let addresses =
                    if name.parse::<std::net::Ipv4Addr>().is_ok() { Some(vec![name.clone()]) } else { self.dns.host(name, namespace) };
                let Some(addresses) = addresses else {
                    return Err(failed(HttpFailure::NoSuchHost, format!("could not resolve host: {name}"), 0));
                };
                let address = addresses[random.below(addresses.len() as u64) as usize].clone();
                match self.pod_with_ip(&address) {
                    Some((namespace, pod)) => return Ok(Arrival { namespace, pod, port: *port }),
                    None => self.proxy.route_address(self.now, &entry(!inside), &address, *port, &mut random),
                }
            }
        };
        self.routing = random;
        match routed {
            Ok(route) => {
                let found = self.pod_with_ip(&route.address);
                let (namespace, pod) =
                    found.ok_or_else(|| failed(HttpFailure::NoRoute, format!("no route to host {}", route.address), NO_ROUTE))?;
                Ok(Arrival { namespace, pod, port: route.port })
            }
            Err(Refusal::NobodyListens) => Err(failed(HttpFailure::Refused, "connection refused".into(), 0)),
            Err(Refusal::NoEndpoints(name)) => {
                Err(failed(HttpFailure::NoEndpoints, format!("connection refused: the service {name} has no endpoints"), 0))
            }
            Err(Refusal::NoLocalEndpoints(name)) => Err(failed(
                HttpFailure::NoLocalEndpoints,
                format!("timeout: the service {name} has no endpoints on node {node}, and its traffic policy is Local"),
                timeout,
            )),
        }
    }

    /// The node whose rules a request meets first, and its client's address. Who comes from outside may come in anywhere.
    fn entry(&mut self, from: &Client) -> (String, String) {
        if let Client::Pod { namespace, name } = from
            && let Some(node) = self.node_of(namespace, name)
        {
            let address = self.kubelets.get(&node).and_then(|k| k.pod_ip(namespace, name)).unwrap_or_default();
            return (node.to_string(), address.to_owned());
        }
        let up: Vec<&Arc<str>> = self.kubelets.iter().filter(|(_, k)| !k.is_down()).map(|(n, _)| n).collect();
        let at = if up.len() > 1 { self.routing.below(up.len() as u64) as usize } else { 0 };
        let node = up.get(at).map(|n| n.to_string()).unwrap_or_default();
        let client = if let Client::Outside(address) = from { address.clone() } else { SOMEBODY.to_owned() };
        (node, client)
    }

    /// A load balancer takes a node that is up, and under the policy `Local` one that has endpoints of its own.
    fn through_balancer(
        &mut self,
        namespace: &str,
        name: &str,
        port: u16,
        client: &str,
        random: &mut crate::random::Random,
    ) -> Result<Route, Refusal> {
        let takes = |node: &&Arc<str>| self.proxy.balancer_takes(node, namespace, name, self.now);
        let up: Vec<Arc<str>> = self.kubelets.iter().filter(|(_, k)| !k.is_down()).map(|(n, _)| n).filter(takes).cloned().collect();
        let Some(node) = up.get(if up.len() > 1 { random.below(up.len() as u64) as usize } else { 0 }) else {
            return Err(Refusal::NoEndpoints(format!("{namespace}/{name}")));
        };
        let entry = Entry { node, client, outside: true };
        let view = self.proxy.view(node, namespace, name, self.now).cloned().ok_or(Refusal::NobodyListens)?;
        let address = view.external.first().cloned().ok_or(Refusal::NobodyListens)?;
        self.proxy.route_address(self.now, &entry, &address, port, random)
    }

    /// A headless service has no rules: DNS gives the pods' own addresses, and the port is the pods' own.
    fn headless(&self, namespace: &str, name: &str, port: u16, random: &mut crate::random::Random) -> Result<Route, Refusal> {
        match self.dns.host(&format!("{name}.{namespace}.svc.cluster.local."), namespace) {
            Some(all) => {
                let address = all[random.below(all.len() as u64) as usize].clone();
                Ok(Route { namespace: namespace.into(), service: name.into(), address, port })
            }
            None => Err(Refusal::NoEndpoints(format!("{namespace}/{name}"))),
        }
    }

    fn pod_with_ip(&self, ip: &str) -> Option<(String, String)> {
        self.kubelets.values().find_map(|k| k.pod_with_ip(ip))
    }

    /// The container of a pod that listens on a port.
    pub(super) fn container_on(&self, namespace: &str, pod: &str, port: u16) -> Option<String> {
        let kubelet = self.kubelet_of(namespace, pod)?;
        kubelet.container_listening(namespace, pod, port)
    }

    pub(super) fn kubelet_of(&self, namespace: &str, pod: &str) -> Option<&crate::kubelet::Kubelet> {
        self.kubelets.get(&*self.node_of(namespace, pod)?)
    }

    pub(super) fn node_of(&self, namespace: &str, pod: &str) -> Option<Arc<str>> {
        match self.object(Kind::Pod, namespace, pod)? {
            Object::Pod(p) => p.spec.as_ref()?.node_name.as_deref().map(Arc::from),
            _ => None,
        }
    }

    pub(super) fn process(&self, namespace: &str, pod: &str, container: &str) -> Option<Process> {
        self.kubelet_of(namespace, pod)?.process(namespace, pod, container).cloned()
    }
}
