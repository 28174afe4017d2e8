//! Requests and limits: names, quantities, huge pages, extended resources, claims, and a pod's own against its containers'.
//! Source: `validateResourceRequirements` and `validatePodResourceConsistency` in pkg/apis/core/validation, and
//! pkg/apis/core/helper for what a resource's name means.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Container, PodSpec, ResourceClaim, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;

use super::Options;
use crate::names;
use crate::quantity::Quantity;
use crate::validation::errors::Errors;
use crate::validation::path::Path;

/// Amounts by resource.
pub type Quantities = BTreeMap<String, ApiQuantity>;

/// What is wrong with a resource's name.
pub type NameCheck = fn(&str, &Path<'_>, &mut Errors);

const STANDARD: [&str; 20] = [
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
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "storage",
    "requests.storage",
    "services.nodeports",
    "services.loadbalancers",
];
const COUNTED: [&str; 9] = [
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
];

/// Whether the name is that of huge pages: `hugepages-2Mi`.
pub fn is_huge_page(name: &str) -> bool {
    name.starts_with("hugepages-")
}

/// Whether the name is Kubernetes' own: without a domain, or of kubernetes.io.
pub fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

/// Whether the name is of somebody's own resource, such as a device's.
pub fn is_extended(name: &str) -> bool {
    !is_native(name) && !name.starts_with("requests.") && names::qualified_name(&format!("requests.{name}")).is_empty()
}

/// Whether containers may ask for more together than there is.
pub fn is_overcommit_allowed(name: &str) -> bool {
    is_native(name) && !is_huge_page(name)
}

/// Whether the resource only comes in whole numbers.
pub fn is_integer(name: &str) -> bool {
    COUNTED.contains(&name) || is_extended(name)
}

/// Whether the name is one that quotas, containers or claims know.
pub fn is_standard(name: &str) -> bool {
    STANDARD.contains(&name) || is_huge_page(name) || name.starts_with("requests.hugepages-")
}

/// What is wrong with any resource's name.
pub fn resource_name(name: &str, at: &Path<'_>, errors: &mut Errors) {
    let wrong = names::qualified_name(name);
    if !wrong.is_empty() {
        return errors.invalid_each(at, name, wrong);
    }
    if !name.contains('/') && !is_standard(name) {
        errors.invalid(at, name, "must be a standard resource type or fully qualified");
    }
}

/// What is wrong with the name of a container's resource.
pub fn container_resource_name(name: &str, at: &Path<'_>, errors: &mut Errors) {
    resource_name(name, at, errors);
    if !name.contains('/') {
        if !matches!(name, "cpu" | "memory" | "ephemeral-storage") && !is_huge_page(name) {
            errors.invalid(at, name, "must be a standard resource for containers");
        }
    } else if !is_native(name) && !is_extended(name) {
        errors.invalid(at, name, "doesn't follow extended resource name standard");
    }
}

fn pod_resource_name(name: &str, at: &Path<'_>, errors: &mut Errors) {
    let before = errors.len();
    resource_name(name, at, errors);
    if errors.len() == before && !is_pod_level(name) {
        errors.not_supported(at, name, &["cpu", "hugepages-", "memory"]);
    }
}

fn is_pod_level(name: &str) -> bool {
    matches!(name, "cpu" | "memory") || is_huge_page(name)
}

/// A quantity that must be readable, since decoding refuses the others; `None` and an error if it is not.
pub fn read(quantity: &ApiQuantity, at: &Path<'_>, errors: &mut Errors) -> Option<Quantity> {
    Quantity::parse(&quantity.0).map_err(|text| errors.invalid(at, &quantity.0, &text)).ok()
}

/// What is wrong with an amount of a resource.
pub fn resource_quantity(name: &str, amount: Quantity, at: &Path<'_>, errors: &mut Errors) {
    if amount < Quantity::from_millis(0) {
        errors.invalid(at, amount.to_string(), "must be greater than or equal to 0");
    }
    if is_integer(name) && amount.milli_value() % 1000 != 0 {
        errors.invalid(at, amount.to_string(), "must be an integer");
    }
}

/// What is wrong with a container's requests and limits.
pub fn container_requirements(
    resources: &ResourceRequirements,
    claims: &BTreeSet<&str>,
    at: &Path<'_>,
    options: &Options,
    errors: &mut Errors,
) {
    requirements(resources, container_resource_name, claims, at, options, errors);
}

fn requirements(
    resources: &ResourceRequirements,
    check_name: NameCheck,
    claims: &BTreeSet<&str>,
    at: &Path<'_>,
    options: &Options,
    errors: &mut Errors,
) {
    let nothing = BTreeMap::new();
    let limits = resources.limits.as_ref().unwrap_or(&nothing);
    let requests = resources.requests.as_ref().unwrap_or(&nothing);
    amounts(limits, None, check_name, at, options, errors);
    amounts(requests, Some(limits), check_name, at, options, errors);
    let named = |test: fn(&str) -> bool| limits.keys().chain(requests.keys()).any(|name| test(name));
    if named(is_huge_page) && !named(|name| matches!(name, "cpu" | "memory")) {
        errors.forbidden(at, "HugePages require cpu or memory");
    }
    claim_names(resources.claims.as_deref().unwrap_or_default(), claims, &at.child("claims"), errors);
}

/// Limits, or requests with the limits they are held against.
fn amounts(map: &Quantities, limits: Option<&Quantities>, check_name: NameCheck, at: &Path<'_>, options: &Options, errors: &mut Errors) {
    let list = at.child(if limits.is_some() { "requests" } else { "limits" });
    for (name, quantity) in map {
        let entry = list.key(name);
        check_name(name, &entry, errors);
        let Some(amount) = read(quantity, &entry, errors) else { continue };
        resource_quantity(name, amount, &entry, errors);
        if let Some(limits) = limits {
            against_limit(name, amount, limits, at, errors);
        }
        if is_huge_page(name) && !options.indivisible_huge_pages && !is_divisible(name, amount) {
            errors.invalid(&entry, amount.to_string(), &format!("{amount} is not positive integer multiple of {name}"));
        }
    }
}

fn against_limit(name: &str, amount: Quantity, limits: &Quantities, at: &Path<'_>, errors: &mut Errors) {
    let requests = at.child("requests");
    match limits.get(name).map(|l| Quantity::parse(&l.0)) {
        Some(Ok(limit)) if amount != limit && !is_overcommit_allowed(name) => {
            errors.invalid(&requests, amount.to_string(), &format!("must be equal to {name} limit of {limit}"));
        }
        Some(Ok(limit)) if amount > limit => {
            errors.invalid(&requests, amount.to_string(), &format!("must be less than or equal to {name} limit of {limit}"));
        }
        None if !is_overcommit_allowed(name) => {
            errors.required(&at.child("limits"), "Limit must be set for non overcommitable resources");
        }
        _ => {}
    }
}

fn is_divisible(name: &str, amount: Quantity) -> bool {
    let size = name.strip_prefix("hugepages-").and_then(|size| Quantity::parse(size).ok());
    size.is_some_and(|size| size.value() > 0 && size.milli_value() % 1000 == 0 && amount.value() % size.value() == 0)
}

/// Whether some amount of huge pages is no multiple of the page, which is let pass if it was so before.
pub fn has_indivisible_huge_pages(spec: &PodSpec) -> bool {
    let maps = super::containers(spec).filter_map(|c| c.resources.as_ref()).flat_map(|r| [r.limits.as_ref(), r.requests.as_ref()]);
    let mut amounts = maps.chain([spec.overhead.as_ref()]).flatten().flatten();
    amounts.any(|(name, q)| is_huge_page(name) && Quantity::parse(&q.0).is_ok_and(|q| !is_divisible(name, q)))
}

fn claim_names(claims: &[ResourceClaim], declared: &BTreeSet<&str>, at: &Path<'_>, errors: &mut Errors) {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for (index, claim) in claims.iter().enumerate() {
        let at = at.index(index);
        if claim.name.is_empty() {
            errors.required(&at, "");
            continue;
        }
        repeated_claim(claim, &mut seen, &at, errors);
        if !declared.contains(claim.name.as_str()) {
            let list: Vec<&str> = declared.iter().copied().collect();
            let rest = if list.is_empty() { " which is empty".to_owned() } else { format!(": {}", list.join(", ")) };
            errors.not_found(&at, &claim.name, &format!("must be one of the names in pod.spec.resourceClaims{rest}"));
        }
    }
}

fn repeated_claim(claim: &ResourceClaim, seen: &mut BTreeSet<String>, at: &Path<'_>, errors: &mut Errors) {
    if seen.contains(&claim.name) {
        return errors.duplicate(at, &claim.name);
    }
    let request = claim.request.as_deref().unwrap_or_default();
    let key = if request.is_empty() { claim.name.clone() } else { format!("{}/{request}", claim.name) };
    if !request.is_empty() {
        errors.invalid_each(&at.child("request"), request, names::dns1123_label(request));
    }
    if seen.contains(&key) {
        errors.duplicate(at, &key);
    } else if request.is_empty() {
        for _ in seen.iter().filter(|other| other.split_once('/').is_some_and(|(name, _)| name == claim.name)) {
            errors.duplicate(at, &claim.name);
        }
    }
    seen.insert(key);
}

/// What is wrong with the resources of the pod as a whole.
pub fn pod_resources(spec: &PodSpec, claims: &BTreeSet<&str>, at: &Path<'_>, options: &Options, errors: &mut Errors) {
    let Some(resources) = &spec.resources else { return };
    let at = at.child("resources");
    if super::is_windows(spec) {
        return errors.forbidden(&at, "may not be set for a windows pod");
    }
    if resources.claims.is_some() {
        errors.forbidden(&at.child("claims"), "claims may not be set for Resources at pod-level");
    }
    requirements(resources, pod_resource_name, claims, &at, options, errors);
    consistency(spec, resources, &at, errors);
}

fn consistency(spec: &PodSpec, resources: &ResourceRequirements, at: &Path<'_>, errors: &mut Errors) {
    let own = |map: Option<&Quantities>, name: &str| map.and_then(|m| m.get(name)).and_then(|q| Quantity::parse(&q.0).ok());
    for (name, sum) in aggregate(spec, |r| r.requests.as_ref()) {
        if let Some(request) = own(resources.requests.as_ref(), &name).filter(|request| sum > *request) {
            let text = format!("must be greater than or equal to aggregate container requests of {sum}");
            errors.invalid(&at.child("requests").key(&name), request.to_string(), &text);
        }
    }
    for (name, sum) in aggregate(spec, |r| r.limits.as_ref()).into_iter().filter(|(name, _)| is_huge_page(name)) {
        if let Some(limit) = own(resources.limits.as_ref(), &name).filter(|limit| sum > *limit) {
            let text = format!("must be greater than or equal to aggregate container limits of {sum}");
            errors.invalid(&at.child("limits").key(&name), limit.to_string(), &text);
        }
    }
    for (index, container) in spec.containers.iter().enumerate() {
        let limits = container.resources.as_ref().and_then(|r| r.limits.as_ref());
        for (name, limit) in limits.into_iter().flatten() {
            let (Ok(limit), Some(most)) = (Quantity::parse(&limit.0), own(resources.limits.as_ref(), name)) else { continue };
            if limit > most {
                let list = at.child("containers");
                let entry = list.index(index);
                let text = format!("must be less than or equal to pod limits of {most}");
                errors.invalid(&entry.key(name).child("limits"), limit.to_string(), &text);
            }
        }
    }
}

/// What the containers of a pod ask for together: all that run at once, or what the largest init container needs with the
/// sidecars before it, whichever is more. Source: component-helpers resource `AggregateContainerRequests`.
pub fn aggregate(spec: &PodSpec, part: impl Fn(&ResourceRequirements) -> Option<&Quantities>) -> BTreeMap<String, Quantity> {
    let of = |container: &Container| -> Vec<(String, Quantity)> {
        let map = container.resources.as_ref().and_then(&part);
        map.into_iter().flatten().filter_map(|(name, q)| Some((name.clone(), Quantity::parse(&q.0).ok()?))).collect()
    };
    let mut total = BTreeMap::new();
    spec.containers.iter().for_each(|c| add(&mut total, of(c)));
    let (mut sidecars, mut largest) = (BTreeMap::new(), BTreeMap::new());
    for container in spec.init_containers.iter().flatten() {
        let mut needs = sidecars.clone();
        add(&mut needs, of(container));
        if container.restart_policy.as_deref() == Some("Always") {
            add(&mut total, of(container));
            sidecars.clone_from(&needs);
        }
        raise(&mut largest, needs);
    }
    raise(&mut total, largest);
    total
}

/// What a pod asks for: its own requests where it has them, else its containers', and its overhead.
/// Source: component-helpers resource `PodRequests`.
pub fn total_requests(spec: &PodSpec) -> BTreeMap<String, Quantity> {
    let read = |q: &ApiQuantity| Quantity::parse(&q.0).ok();
    let mut total = aggregate(spec, |r| r.requests.as_ref());
    let own = spec.resources.iter().flat_map(|r| r.requests.iter().flatten()).filter(|(name, _)| is_pod_level(name));
    total.extend(own.filter_map(|(name, q)| Some((name.clone(), read(q)?))));
    let overhead = spec.overhead.iter().flatten().filter_map(|(name, q)| Some((name.clone(), read(q)?)));
    add(&mut total, overhead.collect());
    total
}

fn add(total: &mut BTreeMap<String, Quantity>, amounts: Vec<(String, Quantity)>) {
    for (name, amount) in amounts {
        let sum = total.get(&name).map_or(amount, |before| before.plus(amount));
        total.insert(name, sum);
    }
}

fn raise(total: &mut BTreeMap<String, Quantity>, amounts: BTreeMap<String, Quantity>) {
    for (name, amount) in amounts {
        if total.get(&name).is_none_or(|before| amount > *before) {
            total.insert(name, amount);
        }
    }
}
