//! Endpoints and endpoint slices. Sources: pkg/apis/core/validation, pkg/apis/discovery/validation.

use std::collections::BTreeSet;
use std::net::IpAddr;

use k8s_openapi::api::core::v1::{EndpointAddress, EndpointPort as OldPort, EndpointSubset, Endpoints};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointHints, EndpointPort, EndpointSlice};

use super::errors::Errors;
use super::path::Path;
use super::values::{address, is_ipv4, sloppy_address};
use super::{labels, metadata};
use crate::names;

const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];
const TYPES: [&str; 3] = ["FQDN", "IPv4", "IPv6"];
const ENDPOINTS_MAX: usize = 1000;
const ADDRESSES_MAX: usize = 100;
const PORTS_MAX: usize = 20_000;
const HINTS_MAX: usize = 8;
const TOPOLOGY_MAX: usize = 16;

/// What is wrong with endpoints, new or changed; what stays as it was is not looked at again.
pub fn endpoints(next: &Endpoints, current: Option<&Endpoints>, errors: &mut Errors) {
    if let Some(current) = current {
        metadata::validate_update(&next.metadata, &current.metadata, errors);
    }
    metadata::validate(&next.metadata, true, names::dns1123_subdomain, errors);
    if current.is_some_and(|c| c.subsets == next.subsets) {
        return;
    }
    let list = Path::root("subsets");
    for (index, found) in next.subsets.iter().flatten().enumerate() {
        subset(found, &list.index(index), errors);
    }
}

fn subset(subset: &EndpointSubset, at: &Path<'_>, errors: &mut Errors) {
    let (ready, not_ready) = (subset.addresses.as_deref().unwrap_or_default(), subset.not_ready_addresses.as_deref().unwrap_or_default());
    if ready.is_empty() && not_ready.is_empty() {
        errors.required(at, "must specify `addresses` or `notReadyAddresses`");
    }
    for (field, found) in [("addresses", ready), ("notReadyAddresses", not_ready)] {
        let list = at.child(field);
        for (index, one) in found.iter().enumerate() {
            old_address(one, &list.index(index), errors);
        }
    }
    let ports = subset.ports.as_deref().unwrap_or_default();
    let list = at.child("ports");
    for (index, port) in ports.iter().enumerate() {
        old_port(port, ports.len() > 1, &list.index(index), errors);
    }
}

fn old_address(found: &EndpointAddress, at: &Path<'_>, errors: &mut Errors) {
    address(&found.ip, &at.child("ip"), errors);
    if let Some(host) = found.hostname.as_deref().filter(|h| !h.is_empty()) {
        errors.invalid_each(&at.child("hostname"), host, names::dns1123_label(host));
    }
    if let Some(node) = &found.node_name {
        errors.invalid_each(&at.child("nodeName"), node, names::dns1123_subdomain(node));
    }
    reachable(&found.ip, &at.child("ip"), errors);
}

/// An address that traffic can be sent to.
fn reachable(text: &str, at: &Path<'_>, errors: &mut Errors) {
    let Some(address) = sloppy_address(text) else { return errors.invalid(at, text, "must be a valid IP address") };
    let four = match address {
        IpAddr::V4(four) => Some(four),
        IpAddr::V6(six) => six.to_ipv4_mapped(),
    };
    let (loopback, link_local, multicast) = match (four, address) {
        (Some(four), _) => (four.is_loopback(), four.is_link_local(), four.octets()[..3] == [224, 0, 0]),
        (None, IpAddr::V6(six)) => (six.is_loopback(), six.segments()[0] & 0xffc0 == 0xfe80, six.segments()[0] & 0xff0f == 0xff02),
        (None, IpAddr::V4(_)) => (false, false, false),
    };
    if address.is_unspecified() || four.is_some_and(|f| f.is_unspecified()) {
        errors.invalid(at, text, &format!("may not be unspecified ({text})"));
    }
    if loopback {
        errors.invalid(at, text, "may not be in the loopback range (127.0.0.0/8, ::1/128)");
    }
    if link_local {
        errors.invalid(at, text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)");
    }
    if multicast {
        errors.invalid(at, text, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
    }
}

fn old_port(port: &OldPort, named: bool, at: &Path<'_>, errors: &mut Errors) {
    match port.name.as_deref().unwrap_or_default() {
        "" if named => errors.required(&at.child("name"), ""),
        "" => {}
        name => errors.invalid_each(&at.child("name"), name, names::dns1123_label(name)),
    }
    if !(1..=65_535).contains(&port.port) {
        errors.invalid(&at.child("port"), port.port, "must be between 1 and 65535, inclusive");
    }
    protocol(port.protocol.as_deref(), at, errors);
    if let Some(application) = &port.app_protocol {
        errors.invalid_each(&at.child("appProtocol"), application, names::qualified_name(application));
    }
}

fn protocol(found: Option<&str>, at: &Path<'_>, errors: &mut Errors) {
    match found.unwrap_or_default() {
        "" => errors.required(&at.child("protocol"), ""),
        other if !PROTOCOLS.contains(&other) => errors.not_supported(&at.child("protocol"), other, &PROTOCOLS),
        _ => {}
    }
}

/// What is wrong with a slice, new or changed; endpoints that stay as they were are not looked at again.
pub fn slice(next: &EndpointSlice, current: Option<&EndpointSlice>, errors: &mut Errors) {
    metadata::validate(&next.metadata, true, names::dns1123_subdomain, errors);
    match next.address_type.as_str() {
        "" => errors.required(&Path::root("addressType"), ""),
        other if !TYPES.contains(&other) => errors.not_supported(&Path::root("addressType"), other, &TYPES),
        _ => {}
    }
    ports(next.ports.as_deref().unwrap_or_default(), errors);
    if current.is_none_or(|c| c.endpoints != next.endpoints) {
        slice_endpoints(next, errors);
    }
    if current.is_some_and(|c| c.address_type != next.address_type) {
        errors.invalid(&Path::root("addressType"), &next.address_type, "field is immutable");
    }
}

fn ports(ports: &[EndpointPort], errors: &mut Errors) {
    let list = Path::root("ports");
    if ports.len() > PORTS_MAX {
        return errors.too_many(&list, ports.len(), PORTS_MAX);
    }
    let mut seen = BTreeSet::new();
    for (index, port) in ports.iter().enumerate() {
        let at = list.index(index);
        let name = port.name.as_deref().unwrap_or_default();
        if !name.is_empty() {
            errors.invalid_each(&at.child("name"), name, names::dns1123_label(name));
        }
        if !seen.insert(name) {
            errors.duplicate(&at.child("name"), name);
        }
        match port.protocol.as_deref() {
            None => errors.required(&at.child("protocol"), ""),
            Some(other) if !PROTOCOLS.contains(&other) => errors.not_supported(&at.child("protocol"), other, &PROTOCOLS),
            Some(_) => {}
        }
        if let Some(application) = &port.app_protocol {
            errors.invalid_each(&at.child("appProtocol"), application, names::qualified_name(application));
        }
    }
}

fn slice_endpoints(slice: &EndpointSlice, errors: &mut Errors) {
    let list = Path::root("endpoints");
    let endpoints = slice.endpoints.as_deref().unwrap_or_default();
    if endpoints.len() > ENDPOINTS_MAX {
        return errors.too_many(&list, endpoints.len(), ENDPOINTS_MAX);
    }
    for (index, found) in endpoints.iter().enumerate() {
        endpoint(found, &slice.address_type, &list.index(index), errors);
    }
}

fn endpoint(endpoint: &Endpoint, kind: &str, at: &Path<'_>, errors: &mut Errors) {
    let list = at.child("addresses");
    if endpoint.addresses.is_empty() {
        errors.required(&list, "must contain at least 1 address");
    } else if endpoint.addresses.len() > ADDRESSES_MAX {
        errors.too_many(&list, endpoint.addresses.len(), ADDRESSES_MAX);
    }
    for (index, found) in endpoint.addresses.iter().enumerate() {
        one_address(found, kind, &list, index, errors);
    }
    if let Some(node) = &endpoint.node_name {
        errors.invalid_each(&at.child("nodeName"), node, names::dns1123_subdomain(node));
    }
    if let Some(topology) = &endpoint.deprecated_topology {
        if topology.len() > TOPOLOGY_MAX {
            errors.too_many(&at.child("deprecatedTopology"), topology.len(), TOPOLOGY_MAX);
        }
        labels::labels(Some(topology), &at.child("deprecatedTopology"), errors);
    }
    if let Some(host) = &endpoint.hostname {
        errors.invalid_each(&at.child("hostname"), host, names::dns1123_label(host));
    }
    if let Some(found) = &endpoint.hints {
        hints(found, &at.child("hints"), errors);
    }
}

fn one_address(text: &str, kind: &str, list: &Path<'_>, index: usize, errors: &mut Errors) {
    let at = list.index(index);
    match kind {
        "IPv4" | "IPv6" => {
            let Some(found) = address(text, &at, errors) else { return };
            if kind == "IPv6" && found.to_string() != text {
                return errors.invalid(&at, text, &format!("must be in canonical form ({:?})", found.to_string()));
            }
            if is_ipv4(found) != (kind == "IPv4") {
                errors.invalid(list, text, &format!("must be an {kind} address"));
            }
            reachable(text, &at, errors);
        }
        "FQDN" => domain(text, &at, errors),
        _ => {}
    }
}

fn domain(text: &str, at: &Path<'_>, errors: &mut Errors) {
    let name = text.strip_suffix('.').unwrap_or(text);
    let wrong = names::dns1123_subdomain(name);
    if text.is_empty() {
        errors.required(at, "");
    } else if !wrong.is_empty() {
        errors.invalid(at, name, &wrong.join(","));
    } else if !name.contains('.') {
        errors.invalid(at, name, "should be a domain with at least two segments separated by dots");
    } else if let Some(label) = name.split('.').find(|l| !names::dns1123_label(l).is_empty()) {
        errors.invalid(at, label, &names::dns1123_label(label).join(","));
    }
}

fn hints(hints: &EndpointHints, at: &Path<'_>, errors: &mut Errors) {
    let zones: Vec<&str> = hints.for_zones.iter().flatten().map(|z| z.name.as_str()).collect();
    let nodes: Vec<&str> = hints.for_nodes.iter().flatten().map(|n| n.name.as_str()).collect();
    type Rule<'a> = (&'a str, Vec<&'a str>, fn(&str) -> Vec<String>);
    let rules: [Rule<'_>; 2] = [("forZones", zones, names::label_value), ("forNodes", nodes, names::dns1123_subdomain)];
    for (field, found, rule) in rules {
        let list = at.child(field);
        if found.len() > HINTS_MAX {
            return errors.too_many(&list, found.len(), HINTS_MAX);
        }
        for (index, name) in found.iter().enumerate() {
            let at = list.index(index);
            if found[..index].contains(name) {
                errors.duplicate(&at.child("name"), *name);
            }
            errors.invalid_each(&at.child("name"), *name, rule(name));
        }
    }
}
