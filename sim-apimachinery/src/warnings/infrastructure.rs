//! Services, networks, storage, runtime classes. Sources: pkg/api/{service,storage,node}, pkg/registry/{networking,storage}.

use k8s_openapi::api::core::v1::{Node, Pod, Service, ServiceSpec};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{IPBlock, NetworkPolicy};
use k8s_openapi::api::storage::v1::StorageClass;

use super::node_labels::{deprecated, of_selector};
use crate::ip::{warning_for_address, warnings_for_cidr};
use crate::object::Object;

const INGRESS_CLASS: &str = "kubernetes.io/ingress.class";
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const CONTROLLERS_OF_SLICES: [&str; 2] = ["endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io"];
const TOPOLOGY_HINTS: &str = "service.kubernetes.io/topology-aware-hints";
const TOPOLOGY_MODE: &str = "service.kubernetes.io/topology-mode";
const TOKENS: &str = "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible logging of tokens in volume attributes";

/// What to warn of when the object is stored.
pub fn of(next: &Object, current: Option<&Object>) -> Vec<String> {
    match next {
        Object::Service(o) => service(o),
        Object::Ingress(o) if current.is_none() => {
            let annotated = o.metadata.annotations.as_ref().is_some_and(|a| a.contains_key(INGRESS_CLASS));
            let text = format!("annotation {INGRESS_CLASS:?} is deprecated, please use 'spec.ingressClassName' instead");
            let named = o.spec.as_ref().is_some_and(|s| s.ingress_class_name.is_some());
            if annotated && !named { vec![text] } else { vec![] }
        }
        Object::NetworkPolicy(o) => network_policy(o),
        Object::EndpointSlice(o) => endpoint_slice(o, current.is_none()),
        Object::Node(o) => node(o),
        Object::ResourceSlice(o) => lowercase("spec.driver", &o.spec.driver).into_iter().collect(),
        Object::StorageClass(o) => storage_class(o),
        Object::CSIStorageCapacity(o) => o.node_topology.as_ref().map(|s| of_selector(s, "nodeTopology")).unwrap_or_default(),
        Object::CSIDriver(o) => {
            let asks = o.spec.token_requests.as_ref().is_some_and(|t| !t.is_empty());
            let same = matches!(current, Some(Object::CSIDriver(c)) if c.spec.token_requests == o.spec.token_requests);
            if asks && !same && o.spec.service_account_token_in_secrets.is_none() { vec![TOKENS.into()] } else { vec![] }
        }
        Object::RuntimeClass(o) => {
            let labels = o.scheduling.iter().flat_map(|s| s.node_selector.iter().flat_map(|m| m.keys()));
            labels.filter_map(|l| deprecated(l)).map(|why| format!("scheduling.nodeSelector: {why}")).collect()
        }
        _ => vec![],
    }
}

/// What to warn of when the status is stored.
pub fn of_status(next: &Object) -> Vec<String> {
    if let Object::Pod(o) = next {
        return pod_addresses(o);
    }
    let addresses: Vec<Option<&String>> = match next {
        Object::Service(o) => {
            let balancer = o.status.as_ref().and_then(|s| s.load_balancer.as_ref());
            balancer.iter().flat_map(|b| b.ingress.iter().flatten().map(|i| i.ip.as_ref())).collect()
        }
        Object::Ingress(o) => {
            let balancer = o.status.as_ref().and_then(|s| s.load_balancer.as_ref());
            balancer.iter().flat_map(|b| b.ingress.iter().flatten().map(|i| i.ip.as_ref())).collect()
        }
        _ => vec![],
    };
    let of_address = |(index, ip): (usize, Option<&String>)| warning_for_address(&format!("status.loadBalancer.ingress[{index}]"), ip?);
    addresses.into_iter().enumerate().filter_map(of_address).collect()
}

fn pod_addresses(pod: &Pod) -> Vec<String> {
    let Some(status) = &pod.status else { return vec![] };
    let own = status.pod_ips.iter().flatten().map(|a| &a.ip).enumerate().map(|(at, ip)| ("podIPs", at, ip));
    let hosts = status.host_ips.iter().flatten().map(|a| &a.ip).enumerate().map(|(at, ip)| ("hostIPs", at, ip));
    own.chain(hosts).filter_map(|(field, at, ip)| warning_for_address(&format!("status.{field}[{at}].ip"), ip)).collect()
}

fn list(values: &Option<Vec<String>>) -> &[String] {
    values.as_deref().unwrap_or_default()
}

fn text(value: &Option<String>) -> &str {
    value.as_deref().unwrap_or_default()
}

fn addresses<'a>(field: &'a str, values: &'a [String]) -> impl Iterator<Item = String> + 'a {
    values.iter().enumerate().filter_map(move |(index, ip)| warning_for_address(&format!("{field}[{index}]"), ip))
}

fn service(service: &Service) -> Vec<String> {
    let mut warnings = Vec::new();
    if service.metadata.annotations.as_ref().is_some_and(|a| a.contains_key(TOPOLOGY_HINTS)) {
        warnings.push(format!("annotation {TOPOLOGY_HINTS} is deprecated, please use {TOPOLOGY_MODE} instead"));
    }
    let Some(spec) = &service.spec else { return warnings };
    let is_external = text(&spec.type_) == "ExternalName";
    let is_headless = text(&spec.type_) == "ClusterIP" && text(&spec.cluster_ip) == "None";
    if !text(&spec.cluster_ip).is_empty() && text(&spec.cluster_ip) != "None" {
        warnings.extend(addresses("spec.clusterIPs", list(&spec.cluster_ips)));
    }
    if is_headless {
        ignored_without_address(spec, &mut warnings);
    }
    warnings.extend(addresses("spec.externalIPs", list(&spec.external_ips)));
    if !list(&spec.external_ips).is_empty() && !is_headless && !is_external {
        warnings.push("spec.externalIPs is deprecated and may no longer be implemented in some clusters".into());
    }
    warnings.extend(spec.load_balancer_ip.as_ref().and_then(|ip| warning_for_address("spec.loadBalancerIP", ip)));
    for (index, range) in list(&spec.load_balancer_source_ranges).iter().enumerate() {
        warnings.extend(warnings_for_cidr(&format!("spec.loadBalancerSourceRanges[{index}]"), range));
    }
    if is_external && !list(&spec.external_ips).is_empty() {
        warnings.push("spec.externalIPs is ignored when spec.type is \"ExternalName\"".into());
    }
    if !is_external && !text(&spec.external_name).is_empty() {
        warnings.push("spec.externalName is ignored when spec.type is not \"ExternalName\"".into());
    }
    if text(&spec.traffic_distribution) == "PreferClose" {
        warnings.push("spec.trafficDistribution: \"PreferClose\" is deprecated; use \"PreferSameZone\"".into());
    }
    warnings
}

fn ignored_without_address(spec: &ServiceSpec, warnings: &mut Vec<String>) {
    let ignored = [
        ("loadBalancerIP", !text(&spec.load_balancer_ip).is_empty()),
        ("externalIPs", !list(&spec.external_ips).is_empty()),
        ("SessionAffinity", text(&spec.session_affinity) != "None"),
    ];
    let set = ignored.into_iter().filter(|(_, is_set)| *is_set);
    warnings.extend(set.map(|(field, _)| format!("spec.{field} is ignored for headless services")));
}

fn network_policy(policy: &NetworkPolicy) -> Vec<String> {
    let Some(spec) = &policy.spec else { return vec![] };
    let ingress = spec.ingress.iter().flatten().map(|rule| ("ingress", "from", &rule.from));
    let egress = spec.egress.iter().flatten().map(|rule| ("egress", "to", &rule.to));
    let rules = ingress.enumerate().chain(egress.enumerate());
    let peers = rules.flat_map(|(rule, (direction, side, peers))| {
        let peers = peers.iter().flatten().enumerate();
        peers.map(move |(peer, p)| (format!("spec.{direction}[{rule}].{side}[{peer}].ipBlock"), p.ip_block.as_ref()))
    });
    peers.filter_map(|(field, block)| Some(ip_block(&field, block?))).flatten().collect()
}

fn ip_block(field: &str, block: &IPBlock) -> Vec<String> {
    let mut warnings = warnings_for_cidr(&format!("{field}.cidr"), &block.cidr);
    for (index, except) in list(&block.except).iter().enumerate() {
        warnings.extend(warnings_for_cidr(&format!("{field}.except[{index}]"), except));
    }
    warnings
}

/// What endpoints are found by: names are on their way out, addresses may be written oddly. What the cluster's own
/// controllers write is not looked at.
fn endpoint_slice(slice: &EndpointSlice, is_new: bool) -> Vec<String> {
    let mut warnings = Vec::new();
    if is_new && slice.address_type == "FQDN" {
        warnings.push("spec.addressType: FQDN endpoints are deprecated".into());
    }
    let manager = slice.metadata.labels.as_ref().and_then(|l| l.get(MANAGED_BY)).map_or("", String::as_str);
    if CONTROLLERS_OF_SLICES.contains(&manager) {
        return warnings;
    }
    for (index, endpoint) in slice.endpoints.iter().flatten().enumerate() {
        warnings.extend(addresses(&format!("endpoints[{index}].addresses"), &endpoint.addresses));
    }
    warnings
}

fn node(node: &Node) -> Vec<String> {
    let Some(spec) = &node.spec else { return vec![] };
    let mut warnings = Vec::new();
    if spec.config_source.is_some() {
        warnings.push("spec.configSource: the feature is removed".into());
    }
    if !text(&spec.external_id).is_empty() {
        warnings.push("spec.externalID: this field is deprecated, and is unused by Kubernetes".into());
    }
    for (index, range) in list(&spec.pod_cidrs).iter().enumerate() {
        warnings.extend(warnings_for_cidr(&format!("spec.podCIDRs[{index}]"), range));
    }
    warnings
}

/// Names of drivers are written small.
fn lowercase(field: &str, driver: &str) -> Option<String> {
    let is_small = driver == driver.to_lowercase();
    (!is_small).then(|| format!("{field}: driver names should be lowercase; {driver:?} contains uppercase characters"))
}

fn storage_class(class: &StorageClass) -> Vec<String> {
    let terms = class.allowed_topologies.iter().flatten().enumerate();
    let expressions =
        terms.flat_map(|(term, t)| t.match_label_expressions.iter().flatten().enumerate().map(move |(index, e)| (term, index, &e.key)));
    let warned = |(term, index, key): (usize, usize, &String)| {
        deprecated(key).map(|why| format!("allowedTopologies[{term}].matchLabelExpressions[{index}].key: {why}"))
    };
    expressions.filter_map(warned).collect()
}
