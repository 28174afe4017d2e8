//! A node with the sums of its pods, kept up to date pod by pod.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Node, Pod};
use sim_apimachinery::quantity::{milli, value};

/// Amounts of the resources scheduling counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// CPU in thousandths.
    pub cpu: i64,
    /// Memory in bytes.
    pub memory: i64,
    /// Everything else by name.
    pub other: BTreeMap<String, i64>,
}

impl Resources {
    /// What a pod asks for: its containers' sum, or its largest init container if that is more. Source: PodRequests.
    pub fn requested_by(pod: &Pod) -> Resources {
        let Some(spec) = &pod.spec else { return Resources::default() };
        let mut sum = Resources::default();
        let of = |c: &k8s_openapi::api::core::v1::Container| Resources::from_map(c.resources.as_ref().and_then(|r| r.requests.as_ref()));
        spec.containers.iter().for_each(|c| sum.add(&of(c)));
        let (sidecars, init): (Vec<_>, Vec<_>) =
            spec.init_containers.iter().flatten().partition(|c| c.restart_policy.as_deref() == Some("Always"));
        sidecars.into_iter().for_each(|c| sum.add(&of(c)));
        init.into_iter().for_each(|c| sum.at_least(&of(c)));
        sum.add(&Resources::from_map(spec.overhead.as_ref()));
        sum
    }

    fn from_map(map: Option<&BTreeMap<String, k8s_openapi::apimachinery::pkg::api::resource::Quantity>>) -> Resources {
        let mut found = Resources::default();
        for (name, quantity) in map.into_iter().flatten() {
            match name.as_str() {
                "cpu" => found.cpu = milli(quantity),
                "memory" => found.memory = value(quantity),
                "pods" => {}
                other => _ = found.other.insert(other.to_owned(), value(quantity)),
            }
        }
        found
    }

    /// Adds.
    pub fn add(&mut self, more: &Resources) {
        self.cpu += more.cpu;
        self.memory += more.memory;
        for (name, amount) in &more.other {
            *self.other.entry(name.clone()).or_insert(0) += amount;
        }
    }

    fn subtract(&mut self, less: &Resources) {
        self.cpu -= less.cpu;
        self.memory -= less.memory;
        for (name, amount) in &less.other {
            *self.other.entry(name.clone()).or_insert(0) -= amount;
        }
    }

    fn at_least(&mut self, other: &Resources) {
        self.cpu = self.cpu.max(other.cpu);
        self.memory = self.memory.max(other.memory);
        for (name, amount) in &other.other {
            let own = self.other.entry(name.clone()).or_insert(0);
            *own = (*own).max(*amount);
        }
    }
}

/// What scores count for a container that asks for nothing.
const UNASKED_CPU: i64 = 100;
const UNASKED_MEMORY: i64 = 200 << 20;

/// What scores count of a pod: each container without a request counts as a little.
pub fn nonzero(pod: &Pod) -> (i64, i64) {
    let mut sum = (0, 0);
    for container in pod.spec.iter().flat_map(|s| s.containers.iter()) {
        let asked = Resources::from_map(container.resources.as_ref().and_then(|r| r.requests.as_ref()));
        sum.0 += if asked.cpu == 0 { UNASKED_CPU } else { asked.cpu };
        sum.1 += if asked.memory == 0 { UNASKED_MEMORY } else { asked.memory };
    }
    sum
}

#[derive(Clone, Debug)]
struct Placed {
    requested: Resources,
    nonzero: (i64, i64),
    ports: Vec<(String, i32)>,
}

/// A node as the scheduler sees it.
#[derive(Clone, Debug)]
pub struct NodeInfo {
    /// The node.
    pub node: Arc<Node>,
    /// What it can give.
    pub allocatable: Resources,
    /// How many pods it takes.
    pub pods_max: usize,
    /// What its pods ask for.
    pub requested: Resources,
    /// What its pods count in scores.
    pub nonzero: (i64, i64),
    pods: BTreeMap<String, Placed>,
}

impl NodeInfo {
    /// A node without pods.
    pub fn new(node: Arc<Node>) -> Self {
        let mut info = NodeInfo {
            node: node.clone(),
            allocatable: Resources::default(),
            pods_max: 0,
            requested: Resources::default(),
            nonzero: (0, 0),
            pods: BTreeMap::new(),
        };
        info.set_node(node);
        info
    }

    /// The node changed.
    pub fn set_node(&mut self, node: Arc<Node>) {
        let allocatable = node.status.as_ref().and_then(|s| s.allocatable.as_ref());
        self.pods_max = allocatable.and_then(|a| a.get("pods")).map_or(0, |q| value(q).max(0) as usize);
        self.allocatable = Resources::from_map(allocatable);
        self.node = node;
    }

    /// A pod was placed here.
    pub fn add(&mut self, pod: &Pod) {
        let placed = Placed { requested: Resources::requested_by(pod), nonzero: nonzero(pod), ports: host_ports(pod) };
        self.requested.add(&placed.requested);
        self.nonzero = (self.nonzero.0 + placed.nonzero.0, self.nonzero.1 + placed.nonzero.1);
        self.pods.insert(pod.metadata.uid.clone().unwrap_or_default(), placed);
    }

    /// A pod is gone from here.
    pub fn remove(&mut self, uid: &str) {
        if let Some(placed) = self.pods.remove(uid) {
            self.requested.subtract(&placed.requested);
            self.nonzero = (self.nonzero.0 - placed.nonzero.0, self.nonzero.1 - placed.nonzero.1);
        }
    }

    /// How many pods are here.
    pub fn count(&self) -> usize {
        self.pods.len()
    }

    /// Whether a host port is taken.
    pub fn uses_port(&self, port: &(String, i32)) -> bool {
        self.pods.values().any(|p| p.ports.contains(port))
    }
}

/// The host ports a pod wants.
pub fn host_ports(pod: &Pod) -> Vec<(String, i32)> {
    let containers = pod.spec.iter().flat_map(|s| s.containers.iter());
    let ports = containers.flat_map(|c| c.ports.iter().flatten());
    ports.filter_map(|p| Some((p.protocol.clone().unwrap_or_else(|| "TCP".into()), p.host_port.filter(|n| *n > 0)?))).collect()
}
