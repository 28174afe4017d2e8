//! Whether a node takes a pod it was given: room, labels, host ports, pressure. A pod that is refused becomes `Failed`.
//! Source: kubelet lifecycle/predicate.go, eviction manager's Admit.
//! Not modelled: preemption in favour of critical pods, sysctls, AppArmor, topology and device managers.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use sim_apimachinery::quantity::Quantity;

use super::resources::{Side, of_pod, qos_class};

/// Priority from which a pod is critical.
const CRITICAL: i32 = 2_000_000_000;

/// Which kinds of pressure a node is under.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pressure {
    /// Memory is short.
    pub memory: bool,
    /// Disk is short.
    pub disk: bool,
    /// Process ids are short.
    pub pid: bool,
}

/// What nodes run out of, with the reason of the refusal.
const COUNTED: [(&str, &str); 3] = [("cpu", "OutOfcpu"), ("memory", "OutOfmemory"), ("ephemeral-storage", "OutOfephemeral-storage")];

/// What a pod asks of each of `COUNTED`: thousandths of a core, bytes, bytes.
pub type Amounts = [u64; 3];

/// What a pod asks for.
pub fn amounts(pod: &Pod) -> Amounts {
    let wanted = of_pod(pod, Side::Requests);
    COUNTED.map(|(name, _)| wanted.get(name).map_or(0, |q| units(name, q)))
}

/// What a pod is measured against.
#[derive(Clone, Debug)]
pub struct Room<'a> {
    /// What pods can have in all.
    pub allocatable: &'a BTreeMap<String, u64>,
    /// The pods admitted before that still count.
    pub others: &'a [(&'a Pod, Amounts)],
    /// The node's labels.
    pub labels: &'a BTreeMap<String, String>,
    /// The node's trouble.
    pub pressure: Pressure,
}

/// Reason and text of a refusal, or nothing.
pub fn refusal(pod: &Pod, room: &Room) -> Option<(&'static str, String)> {
    pressure(pod, room.pressure).or_else(|| resources(pod, room)).or_else(|| labels(pod, room)).or_else(|| ports(pod, room))
}

fn pressure(pod: &Pod, pressure: Pressure) -> Option<(&'static str, String)> {
    let spec = pod.spec.as_ref()?;
    if spec.priority.unwrap_or(0) >= CRITICAL || pressure == Pressure::default() {
        return None;
    }
    let only_memory = pressure.memory && !pressure.disk && !pressure.pid;
    let tolerates = |t: &k8s_openapi::api::core::v1::Toleration| {
        t.operator.as_deref() == Some("Exists") && t.key.as_deref().is_none_or(|k| k == "node.kubernetes.io/memory-pressure")
    };
    if only_memory && (qos_class(pod) != "BestEffort" || spec.tolerations.iter().flatten().any(tolerates)) {
        return None;
    }
    let names = [(pressure.memory, "MemoryPressure"), (pressure.disk, "DiskPressure"), (pressure.pid, "PIDPressure")];
    let met: Vec<&str> = names.iter().filter(|(there, _)| *there).map(|(_, name)| *name).collect();
    Some(("Evicted", format!("The node had condition: [{}]. ", met.join(" "))))
}

fn resources(pod: &Pod, room: &Room) -> Option<(&'static str, String)> {
    let short = |what: &str, requested: u64, used: u64, capacity: u64| {
        format!("Node didn't have enough resource: {what}, requested: {requested}, used: {used}, capacity: {capacity}")
    };
    let pods = room.allocatable.get("pods").copied().unwrap_or(0);
    if room.others.len() as u64 + 1 > pods {
        return Some(("OutOfpods", short("pods", 1, room.others.len() as u64, pods)));
    }
    for (at, ((name, reason), requested)) in COUNTED.into_iter().zip(amounts(pod)).enumerate() {
        let used: u64 = room.others.iter().map(|(_, amounts)| amounts[at]).sum();
        let capacity = room.allocatable.get(name).copied().unwrap_or(0);
        if requested > 0 && requested.saturating_add(used) > capacity {
            return Some((reason, short(name, requested, used, capacity)));
        }
    }
    None
}

fn units(name: &str, quantity: &Quantity) -> u64 {
    u64::try_from(if name == "cpu" { quantity.milli_value() } else { quantity.value() }).unwrap_or(0)
}

fn labels(pod: &Pod, room: &Room) -> Option<(&'static str, String)> {
    let selector = pod.spec.as_ref()?.node_selector.as_ref()?;
    let fits = selector.iter().all(|(name, value)| room.labels.get(name) == Some(value));
    (!fits).then(|| ("NodeAffinity", "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector".to_owned()))
}

fn ports(pod: &Pod, room: &Room) -> Option<(&'static str, String)> {
    let wanted = host_ports(pod);
    let taken = !wanted.is_empty() && room.others.iter().any(|(p, _)| host_ports(p).iter().any(|port| wanted.contains(port)));
    taken.then(|| ("NodePorts", "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports".to_owned()))
}

fn host_ports(pod: &Pod) -> Vec<(i32, String)> {
    let Some(spec) = &pod.spec else { return vec![] };
    let ports = spec.containers.iter().flat_map(|c| c.ports.iter().flatten());
    let own = |p: &k8s_openapi::api::core::v1::ContainerPort| {
        let port = if spec.host_network == Some(true) { Some(p.host_port.unwrap_or(p.container_port)) } else { p.host_port };
        port.filter(|n| *n > 0).map(|n| (n, p.protocol.clone().unwrap_or_else(|| "TCP".into())))
    };
    ports.filter_map(own).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(cpu: &str, others: usize, expected: Option<(&str, &str)>) {
        let pod: Pod = serde_json::from_value(serde_json::json!({
            "spec": {"containers": [{"name": "a", "resources": {"requests": {"cpu": cpu}}}]}
        }))
        .expect("a pod");
        let allocatable = BTreeMap::from([("cpu".to_owned(), 2000), ("memory".to_owned(), 1 << 30), ("pods".to_owned(), 110)]);
        let others: Vec<_> = std::iter::repeat_n((&pod, amounts(&pod)), others).collect();
        let room = Room { allocatable: &allocatable, others: &others, labels: &BTreeMap::new(), pressure: Pressure::default() };
        let found = refusal(&pod, &room);
        assert_eq!(found.as_ref().map(|(r, t)| (*r, t.as_str())), expected);
    }

    #[test]
    fn a_pod_that_does_not_fit_is_refused_with_the_numbers() {
        check("900m", 1, None);
        check("900m", 2, Some(("OutOfcpu", "Node didn't have enough resource: cpu, requested: 900, used: 1800, capacity: 2000")));
    }
}
