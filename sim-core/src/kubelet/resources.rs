//! What pods ask of a node: requests and limits of containers and pods, and the quality-of-service class.
//! Sources: component-helpers resource/helpers.go, pkg/apis/core/v1/helper/qos.
//! Not modelled: devices, huge pages and dynamic resources are counted but never used up by anything.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, Pod};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;
use sim_apimachinery::quantity::{Quantity, milli, value};

use super::containers::{Role, all_containers};

/// A list of resources, exact.
pub type Resources = BTreeMap<String, Quantity>;

/// Which side of a container's resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What it is promised.
    Requests,
    /// What it may use.
    Limits,
}

/// One container's requests or limits.
pub fn of_container(container: &Container, side: Side) -> Option<&BTreeMap<String, ApiQuantity>> {
    let resources = container.resources.as_ref()?;
    match side {
        Side::Requests => resources.requests.as_ref(),
        Side::Limits => resources.limits.as_ref(),
    }
}

/// A container's CPU limit in thousandths of a core.
pub fn cpu_limit(container: &Container) -> Option<u64> {
    of_container(container, Side::Limits)?.get("cpu").and_then(|q| u64::try_from(milli(q)).ok())
}

/// A container's memory limit in bytes.
pub fn memory_limit(container: &Container) -> Option<u64> {
    of_container(container, Side::Limits)?.get("memory").and_then(|q| u64::try_from(value(q)).ok())
}

/// What a pod asks for as a whole: app containers and sidecars together, or the largest moment of its initialisation.
pub fn of_pod(pod: &Pod, side: Side) -> Resources {
    let (mut together, mut sidecars, mut initial) = (Resources::new(), Resources::new(), Resources::new());
    for (role, container) in all_containers(pod) {
        let own = parsed(of_container(container, side));
        match role {
            Role::App => add(&mut together, &own),
            Role::Ephemeral => {}
            Role::Sidecar => {
                add(&mut together, &own);
                add(&mut sidecars, &own);
                largest(&mut initial, &sidecars);
            }
            Role::Init => {
                let mut moment = own;
                add(&mut moment, &sidecars);
                largest(&mut initial, &moment);
            }
        }
    }
    largest(&mut together, &initial);
    let spec = pod.spec.as_ref();
    if let Some(whole) = spec.and_then(|s| s.resources.as_ref()) {
        let own = parsed(if side == Side::Requests { whole.requests.as_ref() } else { whole.limits.as_ref() });
        together.extend(own);
    }
    if side == Side::Requests {
        add(&mut together, &parsed(spec.and_then(|s| s.overhead.as_ref())));
    }
    together
}

fn parsed(list: Option<&BTreeMap<String, ApiQuantity>>) -> Resources {
    list.into_iter().flatten().filter_map(|(n, q)| Some((n.clone(), Quantity::parse(&q.0).ok()?))).collect()
}

fn add(to: &mut Resources, more: &Resources) {
    for (name, quantity) in more {
        let sum = to.get(name).map_or(*quantity, |old| old.plus(*quantity));
        to.insert(name.clone(), sum);
    }
}

fn largest(to: &mut Resources, other: &Resources) {
    for (name, quantity) in other {
        let most = to.get(name).map_or(*quantity, |old| (*old).max(*quantity));
        to.insert(name.clone(), most);
    }
}

/// As the API writes it; nothing when empty.
pub fn to_api(resources: &Resources) -> Option<BTreeMap<String, ApiQuantity>> {
    (!resources.is_empty()).then(|| resources.iter().map(|(n, q)| (n.clone(), ApiQuantity(q.to_string()))).collect())
}

/// `Guaranteed`, `Burstable` or `BestEffort`.
pub fn qos_class(pod: &Pod) -> &'static str {
    let containers = all_containers(pod);
    let amount = |c: &Container, side, name: &str| of_container(c, side).and_then(|l| l.get(name)).map_or(0, milli);
    let names = ["cpu", "memory"];
    let sides = [Side::Requests, Side::Limits];
    if !containers.iter().any(|(_, c)| names.iter().any(|n| sides.iter().any(|s| amount(c, *s, n) > 0))) {
        return "BestEffort";
    }
    let full = |c: &Container, n: &str| {
        let (request, limit) = (amount(c, Side::Requests, n), amount(c, Side::Limits, n));
        limit > 0 && (request == limit || request == 0)
    };
    if containers.iter().all(|(_, c)| names.iter().all(|n| full(c, n))) { "Guaranteed" } else { "Burstable" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pod: serde_json::Value, cpu: &str, class: &str) {
        let pod: Pod = serde_json::from_value(pod).expect("a pod");
        let requests = of_pod(&pod, Side::Requests);
        assert_eq!((requests.get("cpu").map(|q| q.to_string()).unwrap_or_default().as_str(), qos_class(&pod)), (cpu, class));
    }

    #[test]
    fn a_sidecar_counts_during_and_after_initialisation() {
        let cpu = |name: &str, amount: &str| serde_json::json!({"name": name, "resources": {"requests": {"cpu": amount}}});
        let mut sidecar = cpu("s", "100m");
        sidecar["restartPolicy"] = "Always".into();
        let spec = |init| serde_json::json!({"spec": {"initContainers": init, "containers": [cpu("a", "200m")]}});
        check(spec(serde_json::json!([sidecar.clone(), cpu("i", "500m")])), "600m", "Burstable");
        check(spec(serde_json::json!([cpu("i", "500m"), sidecar])), "500m", "Burstable");
        check(serde_json::json!({"spec": {"containers": [{"name": "a"}]}}), "", "BestEffort");
    }
}
