//! What objects use of a resource quota: which of its names a kind counts towards, how much one object uses, and which
//! scopes it is in. Shared by admission, which charges, and the controller, which counts anew.
//! Source: pkg/quota/v1/evaluator. Events are never counted.
//! Not modelled: device classes of resource claims (claims are counted, their devices are not).

mod pods;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, ResourceQuota, ResourceQuotaSpec, ScopedResourceSelectorRequirement, Service, ServiceSpec,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;

use crate::quantity::Quantity;
use crate::{Kind, Object, Part};

pub use pods::missing_in_pod;

/// Amounts by resource name.
pub type Usage = BTreeMap<String, Quantity>;

const CLASS_SUFFIX: &str = ".storageclass.storage.k8s.io/";
const SERVICE_NAMES: [&str; 3] = ["services", "services.nodeports", "services.loadbalancers"];
const CLAIM_NAMES: [&str; 2] = ["persistentvolumeclaims", "requests.storage"];
/// Kinds that are also counted by their plain plural.
const PLAIN_NAMES: [Kind; 4] = [Kind::ConfigMap, Kind::ResourceQuota, Kind::ReplicationController, Kind::Secret];

/// Whether a write of this kind can change what quotas count: `current` is the state before, `None` for a new object.
pub fn handles(next: &Object, current: Option<&Object>, part: Part) -> bool {
    let creates = current.is_none() && part == Part::Main;
    match (next, current) {
        (Object::Event(_), _) => false,
        (Object::Pod(_), None) => creates,
        (Object::Pod(next), Some(Object::Pod(current))) => {
            part == Part::Resize || part == Part::Main && pods::is_terminating(next) != pods::is_terminating(current)
        }
        (Object::Service(_), _) => part == Part::Main,
        (Object::PersistentVolumeClaim(next), Some(Object::PersistentVolumeClaim(current))) => match part {
            Part::Main => true,
            Part::Status => claim_status_counts(next, current),
            _ => false,
        },
        _ => creates,
    }
}

/// Whether objects of a kind count towards a quota's resource of this name.
pub fn counts_towards(kind: Kind, name: &str) -> bool {
    if name.strip_prefix("count/").is_some_and(|rest| rest == kind.resource().qualified()) {
        return kind != Kind::Event;
    }
    match kind {
        Kind::Pod => pods::counts(name),
        Kind::Service => SERVICE_NAMES.contains(&name),
        Kind::PersistentVolumeClaim => {
            CLAIM_NAMES.contains(&name) || name.split_once(CLASS_SUFFIX).is_some_and(|(_, rest)| CLAIM_NAMES.contains(&rest))
        }
        _ => PLAIN_NAMES.contains(&kind) && name == kind.resource().plural,
    }
}

/// What one object uses. `now` is in nanoseconds since the epoch: a pod whose grace is over uses nothing.
pub fn usage(object: &Object, now: u64) -> Usage {
    let kind = object.kind();
    let mut usage = Usage::new();
    usage.insert(format!("count/{}", kind.resource().qualified()), whole(1));
    match object {
        Object::Pod(pod) => pods::add_usage(pod, now, &mut usage),
        Object::Service(service) => service_usage(service, &mut usage),
        Object::PersistentVolumeClaim(claim) => claim_usage(claim, &mut usage),
        _ if PLAIN_NAMES.contains(&kind) => _ = usage.insert(kind.resource().plural.into(), whole(1)),
        _ => {}
    }
    usage
}

/// The scopes of a quota, all as selectors.
pub fn scopes(spec: &ResourceQuotaSpec) -> Vec<ScopedResourceSelectorRequirement> {
    let plain = spec.scopes.iter().flatten().map(|scope| ScopedResourceSelectorRequirement {
        scope_name: scope.clone(),
        operator: "Exists".into(),
        values: None,
    });
    let selected = spec.scope_selector.iter().flat_map(|s| s.match_expressions.iter().flatten()).cloned();
    plain.chain(selected).collect()
}

/// Whether an object is in all scopes of a quota.
pub fn in_scopes(quota: &ResourceQuota, object: &Object) -> bool {
    quota.spec.as_ref().is_none_or(|spec| scopes(spec).iter().all(|scope| in_scope(scope, object)))
}

fn in_scope(scope: &ScopedResourceSelectorRequirement, object: &Object) -> bool {
    match object {
        Object::Pod(pod) => pods::in_scope(scope, pod),
        Object::PersistentVolumeClaim(claim) if scope.scope_name == "VolumeAttributesClass" => {
            let classes = attributes_classes(claim);
            classes.iter().any(|class| selects(scope, Some(class))) || classes.is_empty() && selects(scope, None)
        }
        _ => false,
    }
}

/// Whether a requirement holds for a value that may be missing.
fn selects(scope: &ScopedResourceSelectorRequirement, value: Option<&str>) -> bool {
    let listed = value.is_some_and(|v| scope.values.iter().flatten().any(|one| one == v));
    match scope.operator.as_str() {
        "In" => listed,
        "NotIn" => !listed,
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        _ => false,
    }
}

/// Amounts as the API writes them.
pub fn to_quantities(usage: &Usage) -> BTreeMap<String, ApiQuantity> {
    usage.iter().map(|(name, amount)| (name.clone(), ApiQuantity(amount.to_string()))).collect()
}

/// Amounts from the API; what cannot be read is left out.
pub fn from_quantities(quantities: Option<&BTreeMap<String, ApiQuantity>>) -> Usage {
    let read = |(name, amount): (&String, &ApiQuantity)| Some((name.clone(), Quantity::parse(&amount.0).ok()?));
    quantities.into_iter().flatten().filter_map(read).collect()
}

/// Adds `more` to `total`, name by name.
pub fn add(total: &mut Usage, more: &Usage) {
    for (name, amount) in more {
        let sum = total.get(name).map_or(*amount, |old| old.plus(*amount));
        total.insert(name.clone(), sum);
    }
}

/// A whole number.
pub fn whole(number: i64) -> Quantity {
    Quantity::from_millis(number.saturating_mul(1000))
}

fn service_usage(service: &Service, usage: &mut Usage) {
    let spec = service.spec.clone().unwrap_or_default();
    let balanced = spec.type_.as_deref() == Some("LoadBalancer");
    usage.insert("services".into(), whole(1));
    usage.insert("services.loadbalancers".into(), whole(balanced.into()));
    usage.insert("services.nodeports".into(), whole(node_ports(&spec) as i64));
}

fn node_ports(spec: &ServiceSpec) -> usize {
    let ports = || spec.ports.iter().flatten();
    match spec.type_.as_deref() {
        Some("LoadBalancer") if spec.allocate_load_balancer_node_ports == Some(false) => {
            ports().filter(|p| p.node_port.is_some_and(|n| n != 0)).count()
        }
        Some("NodePort" | "LoadBalancer") => ports().count(),
        _ => 0,
    }
}

fn claim_usage(claim: &PersistentVolumeClaim, usage: &mut Usage) {
    let class = claim.metadata.annotations.as_ref().and_then(|a| a.get("volume.beta.kubernetes.io/storage-class"));
    let class = class.or(claim.spec.as_ref().and_then(|s| s.storage_class_name.as_ref())).filter(|c| !c.is_empty());
    let mut amounts = vec![("persistentvolumeclaims", whole(1))];
    amounts.extend(claim_storage(claim).map(|storage| ("requests.storage", storage)));
    for (name, amount) in amounts {
        usage.insert(name.into(), amount);
        if let Some(class) = class {
            usage.insert(format!("{class}{CLASS_SUFFIX}{name}"), amount);
        }
    }
}

/// What is asked for, or what an expansion that failed had been given.
fn claim_storage(claim: &PersistentVolumeClaim) -> Option<Quantity> {
    let storage = |map: Option<&BTreeMap<String, ApiQuantity>>| map?.get("storage").and_then(|q| Quantity::parse(&q.0).ok());
    let asked = storage(claim.spec.as_ref()?.resources.as_ref().and_then(|r| r.requests.as_ref()))?;
    let allocated = storage(claim.status.as_ref().and_then(|s| s.allocated_resources.as_ref()));
    Some(allocated.filter(|a| *a > asked).unwrap_or(asked))
}

fn claim_status_counts(next: &PersistentVolumeClaim, current: &PersistentVolumeClaim) -> bool {
    let allocated = |claim: &PersistentVolumeClaim| claim.status.as_ref().and_then(|s| s.allocated_resources.clone());
    allocated(next) != allocated(current) || attributes_classes(next) != attributes_classes(current)
}

fn attributes_classes(claim: &PersistentVolumeClaim) -> Vec<&str> {
    let status = claim.status.as_ref();
    let wanted = claim.spec.as_ref().and_then(|s| s.volume_attributes_class_name.as_deref());
    let present = status.and_then(|s| s.current_volume_attributes_class_name.as_deref());
    let coming = status.and_then(|s| s.modify_volume_status.as_ref()).and_then(|m| m.target_volume_attributes_class_name.as_deref());
    let mut classes: Vec<&str> = [wanted, present, coming].into_iter().flatten().filter(|c| !c.is_empty()).collect();
    classes.sort_unstable();
    classes.dedup();
    classes
}
