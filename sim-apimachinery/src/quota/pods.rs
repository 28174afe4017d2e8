//! What a pod uses of a quota: the most it may need at any moment of its life, by requests and by limits.
//! Source: pkg/quota/v1/evaluator/core/pods.go and component-helpers' resource helpers.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{
    Container, Pod, PodAffinityTerm, PodSpec, ResourceRequirements, ScopedResourceSelectorRequirement, WeightedPodAffinityTerm,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;

use super::{Usage, from_quantities, selects, whole};

const NAMES: [&str; 10] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
];
/// What every container must say when a quota limits it.
const REQUIRED: [&str; 6] = ["cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"];
const BASIC: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

/// Whether pods count towards a resource of this name.
pub fn counts(name: &str) -> bool {
    let extended = name.strip_prefix("requests.").is_some_and(is_extended);
    NAMES.contains(&name) || name.starts_with("hugepages-") || name.starts_with("requests.hugepages-") || extended
}

/// A name that is not one of Kubernetes' own.
fn is_extended(name: &str) -> bool {
    name.contains('/') && (!name.contains("kubernetes.io/") || name.starts_with("deviceclass.resource.kubernetes.io/"))
}

/// What a pod uses; nothing but its place once it has ended.
pub fn add_usage(pod: &Pod, now: u64, usage: &mut Usage) {
    let Some(spec) = pod.spec.as_ref().filter(|_| !is_over(pod, now)) else { return };
    let requests = needed(spec, |r| r.requests.as_ref());
    let limits = needed(spec, |r| r.limits.as_ref());
    usage.extend(named(&requests, &limits));
}

fn is_over(pod: &Pod, now: u64) -> bool {
    let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref()).unwrap_or_default();
    let metadata = &pod.metadata;
    let grace_over = match (&metadata.deletion_timestamp, metadata.deletion_grace_period_seconds) {
        (Some(at), Some(grace)) => i128::from(now) > at.0.as_nanosecond() + i128::from(grace) * 1_000_000_000,
        _ => false,
    };
    matches!(phase, "Failed" | "Succeeded") || grace_over
}

/// Amounts under the names quotas have for them.
fn named(requests: &Usage, limits: &Usage) -> Usage {
    let mut usage = Usage::from([("pods".to_owned(), whole(1))]);
    for (name, amount) in requests {
        if BASIC.contains(&name.as_str()) || name.starts_with("hugepages-") {
            usage.insert(name.clone(), *amount);
            usage.insert(format!("requests.{name}"), *amount);
        } else if is_extended(name) {
            usage.insert(format!("requests.{name}"), *amount);
        }
    }
    usage.extend(limits.iter().filter(|(n, _)| BASIC.contains(&n.as_str())).map(|(n, q)| (format!("limits.{n}"), *q)));
    usage
}

type Part = fn(&ResourceRequirements) -> Option<&BTreeMap<String, ApiQuantity>>;

/// The most a pod needs: all containers at once, or one init container beside the sidecars before it.
fn needed(spec: &PodSpec, part: Part) -> Usage {
    let of = |c: &Container| from_quantities(c.resources.as_ref().and_then(part));
    let mut total = Usage::new();
    spec.containers.iter().for_each(|c| super::add(&mut total, &of(c)));
    let (mut sidecars, mut most) = (Usage::new(), Usage::new());
    for container in spec.init_containers.iter().flatten() {
        let mut beside = of(container);
        if container.restart_policy.as_deref() == Some("Always") {
            super::add(&mut total, &beside);
            super::add(&mut sidecars, &beside);
            beside = sidecars.clone();
        } else {
            super::add(&mut beside, &sidecars);
        }
        raise(&mut most, &beside);
    }
    raise(&mut total, &most);
    if let Some(own) = spec.resources.as_ref().and_then(part) {
        total.extend(from_quantities(Some(own)));
    }
    super::add(&mut total, &from_quantities(spec.overhead.as_ref()));
    total
}

fn raise(most: &mut Usage, other: &Usage) {
    for (name, amount) in other {
        if most.get(name).is_none_or(|old| old < amount) {
            most.insert(name.clone(), *amount);
        }
    }
}

/// What containers leave unsaid of the quota's resources they must say: the sentence about it, if there is any.
pub fn missing_in_pod<'a>(pod: &Pod, restricted: impl Iterator<Item = &'a str>) -> Option<String> {
    let spec = pod.spec.as_ref().filter(|s| s.resources.is_none())?;
    let required: BTreeSet<&str> = restricted.filter(|name| REQUIRED.contains(name)).collect();
    let mut missing: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for container in spec.containers.iter().chain(spec.init_containers.iter().flatten()) {
        let resources = container.resources.as_ref();
        let requests = from_quantities(resources.and_then(|r| r.requests.as_ref()));
        let said = named(&requests, &from_quantities(resources.and_then(|r| r.limits.as_ref())));
        for name in required.iter().filter(|name| !said.contains_key(**name)) {
            missing.entry(name).or_default().insert(&container.name);
        }
    }
    let one =
        |(name, containers): (&&str, &BTreeSet<&str>)| format!("{name} for: {}", containers.iter().copied().collect::<Vec<_>>().join(","));
    let sentences: Vec<String> = missing.iter().map(one).collect();
    (!sentences.is_empty()).then(|| format!("must specify {}", sentences.join("; ")))
}

/// Whether a pod is meant to end by itself.
pub fn is_terminating(pod: &Pod) -> bool {
    pod.spec.as_ref().and_then(|s| s.active_deadline_seconds).is_some_and(|seconds| seconds >= 0)
}

/// Whether a pod is in one scope.
pub fn in_scope(scope: &ScopedResourceSelectorRequirement, pod: &Pod) -> bool {
    let best_effort = || crate::defaults::qos_class(pod) == "BestEffort";
    match scope.scope_name.as_str() {
        "Terminating" => is_terminating(pod),
        "NotTerminating" => !is_terminating(pod),
        "BestEffort" => best_effort(),
        "NotBestEffort" => !best_effort(),
        "PriorityClass" => {
            let class = pod.spec.as_ref().and_then(|s| s.priority_class_name.as_deref()).filter(|c| !c.is_empty());
            selects(scope, class)
        }
        "CrossNamespacePodAffinity" => crosses_namespaces(pod),
        _ => false,
    }
}

fn crosses_namespaces(pod: &Pod) -> bool {
    let crosses = |t: &PodAffinityTerm| t.namespaces.as_ref().is_some_and(|n| !n.is_empty()) || t.namespace_selector.is_some();
    let any = |required: &Option<Vec<PodAffinityTerm>>, preferred: &Option<Vec<WeightedPodAffinityTerm>>| {
        required.iter().flatten().any(crosses) || preferred.iter().flatten().any(|t| crosses(&t.pod_affinity_term))
    };
    let affinity = pod.spec.as_ref().and_then(|s| s.affinity.as_ref());
    let near = affinity.and_then(|a| a.pod_affinity.as_ref()).is_some_and(|a| {
        any(&a.required_during_scheduling_ignored_during_execution, &a.preferred_during_scheduling_ignored_during_execution)
    });
    let far = affinity.and_then(|a| a.pod_anti_affinity.as_ref()).is_some_and(|a| {
        any(&a.required_during_scheduling_ignored_during_execution, &a.preferred_during_scheduling_ignored_during_execution)
    });
    near || far
}
