//! Amounts of resources, and what a pod asks for.
//! The rule for a pod: the larger of (all containers and sidecars) and (the peak while init containers run), plus overhead;
//! requests of the pod as a whole override CPU and memory; for a pod that is being resized the largest of what is wished,
//! allocated and actual counts. Sources: component-helpers/resource/helpers.go, scheduler framework types.
//! Not modelled: resources of dynamic resource claims.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Container, ContainerStatus, Pod};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use sim_apimachinery::quantity::{milli, value};

/// CPU a container without a request counts for when nodes are scored, in millicores.
const MISSING_MILLI_CPU: i64 = 100;
/// Memory a container without a request counts for when nodes are scored, in bytes.
const MISSING_MEMORY: i64 = 200 * 1024 * 1024;

/// Amounts, as the scheduler adds them up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// CPU in millicores.
    pub milli_cpu: i64,
    /// Memory in bytes.
    pub memory: i64,
    /// Ephemeral storage in bytes.
    pub ephemeral_storage: i64,
    /// How many pods (of a node's allocatable).
    pub pods: i64,
    /// Everything else: extended resources, huge pages.
    pub extended: BTreeMap<Arc<str>, i64>,
}

impl Resources {
    /// From a resource list.
    pub fn from_list(list: Option<&BTreeMap<String, Quantity>>) -> Self {
        let mut sum = Resources::default();
        for (name, quantity) in list.into_iter().flatten() {
            match name.as_str() {
                "cpu" => sum.milli_cpu = milli(quantity),
                "memory" => sum.memory = value(quantity),
                "ephemeral-storage" => sum.ephemeral_storage = value(quantity),
                "pods" => sum.pods = value(quantity),
                other => _ = sum.extended.insert(other.into(), value(quantity)),
            }
        }
        sum
    }

    /// Adds (`sign` 1) or takes away (`sign` -1).
    pub fn add(&mut self, other: &Resources, sign: i64) {
        self.milli_cpu = self.milli_cpu.saturating_add(sign.saturating_mul(other.milli_cpu));
        self.memory = self.memory.saturating_add(sign.saturating_mul(other.memory));
        self.ephemeral_storage = self.ephemeral_storage.saturating_add(sign.saturating_mul(other.ephemeral_storage));
        for (name, amount) in &other.extended {
            let sum = self.extended.entry(name.clone()).or_insert(0);
            *sum = sum.saturating_add(sign.saturating_mul(*amount));
        }
    }

    /// The larger of both, resource by resource.
    fn raise_to(&mut self, other: &Resources) {
        self.milli_cpu = self.milli_cpu.max(other.milli_cpu);
        self.memory = self.memory.max(other.memory);
        self.ephemeral_storage = self.ephemeral_storage.max(other.ephemeral_storage);
        for (name, amount) in &other.extended {
            let sum = self.extended.entry(name.clone()).or_insert(0);
            *sum = (*sum).max(*amount);
        }
    }

    /// Whether nothing is asked for.
    pub fn is_zero(&self) -> bool {
        self.milli_cpu == 0 && self.memory == 0 && self.ephemeral_storage == 0 && self.extended.values().all(|v| *v == 0)
    }

    /// Whether any amount is smaller than in `other`.
    pub fn is_below_somewhere(&self, other: &Resources) -> bool {
        self.milli_cpu < other.milli_cpu
            || self.memory < other.memory
            || self.ephemeral_storage < other.ephemeral_storage
            || other.extended.iter().any(|(name, amount)| self.extended.get(name).copied().unwrap_or(0) < *amount)
    }
}

/// What a pod asks for, as filters count it.
pub fn requests_of(pod: &Pod) -> Resources {
    sum_of(pod, false)
}

/// What scores count: CPU and memory with a stand-in for containers that ask for nothing.
pub fn nonzero_requests_of(pod: &Pod) -> (i64, i64) {
    let sum = sum_of(pod, true);
    (sum.milli_cpu, sum.memory)
}

fn sum_of(pod: &Pod, stand_in: bool) -> Resources {
    let Some(spec) = &pod.spec else { return Resources::default() };
    let whole = spec.resources.as_ref().and_then(|r| r.requests.as_ref());
    let stand_in = stand_in && whole.is_none_or(BTreeMap::is_empty);
    let statuses = pod.status.as_ref().and_then(|s| s.container_statuses.as_deref()).unwrap_or_default();
    let init_statuses = pod.status.as_ref().and_then(|s| s.init_container_statuses.as_deref()).unwrap_or_default();
    let mut sum = Resources::default();
    for container in &spec.containers {
        sum.add(&of_container(pod, container, statuses, stand_in), 1);
    }
    let (mut sidecars, mut peak) = (Resources::default(), Resources::default());
    for container in spec.init_containers.as_deref().unwrap_or_default() {
        let mut wanted = of_container(pod, container, init_statuses, stand_in);
        if container.restart_policy.as_deref() == Some("Always") {
            sum.add(&wanted, 1);
            sidecars.add(&wanted, 1);
            wanted = sidecars.clone();
        } else {
            wanted.add(&sidecars, 1);
        }
        peak.raise_to(&wanted);
    }
    sum.raise_to(&peak);
    override_with(&mut sum, whole);
    sum.add(&Resources::from_list(spec.overhead.as_ref()), 1);
    sum
}

fn override_with(sum: &mut Resources, whole: Option<&BTreeMap<String, Quantity>>) {
    let Some(list) = whole else { return };
    let amounts = Resources::from_list(Some(list));
    if list.contains_key("cpu") {
        sum.milli_cpu = amounts.milli_cpu;
    }
    if list.contains_key("memory") {
        sum.memory = amounts.memory;
    }
    for (name, amount) in amounts.extended.into_iter().filter(|(n, _)| n.starts_with("hugepages-")) {
        sum.extended.insert(name, amount);
    }
}

fn of_container(pod: &Pod, container: &Container, statuses: &[ContainerStatus], stand_in: bool) -> Resources {
    let list = container.resources.as_ref().and_then(|r| r.requests.as_ref());
    let mut wanted = Resources::from_list(list);
    if let Some(status) = statuses.iter().find(|s| s.name == container.name) {
        let infeasible = resize_is_infeasible(pod);
        let mut granted = Resources::from_list(status.allocated_resources.as_ref());
        granted.raise_to(&Resources::from_list(status.resources.as_ref().and_then(|r| r.requests.as_ref())));
        if infeasible {
            wanted = granted;
        } else {
            wanted.raise_to(&granted);
        }
    }
    let lacks = |name: &str| list.is_none_or(|l| !l.contains_key(name));
    if stand_in && lacks("cpu") {
        wanted.milli_cpu = MISSING_MILLI_CPU;
    }
    if stand_in && lacks("memory") {
        wanted.memory = MISSING_MEMORY;
    }
    wanted
}

fn resize_is_infeasible(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|s| s.conditions.as_deref()).unwrap_or_default();
    conditions.iter().any(|c| c.type_ == "PodResizePending" && c.reason.as_deref() == Some("Infeasible"))
}
