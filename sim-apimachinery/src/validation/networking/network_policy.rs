//! Network policies.

use k8s_openapi::api::networking::v1::{IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::super::errors::Errors;
use super::super::labels::{Values, label_selector, label_selector_with};
use super::super::metadata;
use super::super::path::Path;
use crate::ip::{self, Cidr};
use crate::names;

/// What a policy that was stored before may keep.
#[derive(Clone, Debug, Default)]
struct Kept {
    values: Values,
    blocks: Vec<String>,
}

/// What is wrong with a new policy.
pub fn create(policy: &NetworkPolicy, errors: &mut Errors) {
    metadata::validate(&policy.metadata, true, names::dns1123_subdomain, errors);
    spec(&policy.spec.clone().unwrap_or_default(), &Kept::default(), errors);
}

/// What is wrong with a policy's next state.
pub fn update(next: &NetworkPolicy, current: &NetworkPolicy, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    let old = current.spec.clone().unwrap_or_default();
    let mut kept = Kept::default();
    let from = old.ingress.iter().flatten().flat_map(|r| r.from.iter().flatten());
    let to = old.egress.iter().flatten().flat_map(|r| r.to.iter().flatten());
    for block in from.chain(to).filter_map(|p| p.ip_block.as_ref()) {
        kept.blocks.push(block.cidr.clone());
        kept.blocks.extend(block.except.iter().flatten().cloned());
    }
    let mut found = Errors::new();
    label_selector(&old.pod_selector.unwrap_or_default(), &Path::root("podSelector"), &mut found);
    if !found.is_empty() {
        kept.values = Values::Any;
    }
    spec(&next.spec.clone().unwrap_or_default(), &kept, errors);
}

fn spec(spec: &NetworkPolicySpec, kept: &Kept, errors: &mut Errors) {
    let at = Path::root("spec");
    let selector = spec.pod_selector.clone().unwrap_or_default();
    label_selector_with(&selector, kept.values, &at.child("podSelector"), errors);
    for (index, rule) in spec.ingress.iter().flatten().enumerate() {
        let list = at.child("ingress");
        let at = list.index(index);
        ports(rule.ports.as_deref(), &at, errors);
        peers(rule.from.as_deref(), kept, &at.child("from"), errors);
    }
    for (index, rule) in spec.egress.iter().flatten().enumerate() {
        let list = at.child("egress");
        let at = list.index(index);
        ports(rule.ports.as_deref(), &at, errors);
        peers(rule.to.as_deref(), kept, &at.child("to"), errors);
    }
    let types = spec.policy_types.as_deref().unwrap_or_default();
    let list = at.child("policyTypes");
    if types.len() > 2 {
        return errors.invalid(&list, types, "may not specify more than two policyTypes");
    }
    for (index, found) in types.iter().enumerate().filter(|(_, t)| !matches!(t.as_str(), "Ingress" | "Egress")) {
        errors.not_supported(&list.index(index), found, &["Ingress", "Egress"]);
    }
}

fn ports(ports: Option<&[NetworkPolicyPort]>, at: &Path<'_>, errors: &mut Errors) {
    let list = at.child("ports");
    for (index, found) in ports.into_iter().flatten().enumerate() {
        port(found, &list.index(index), errors);
    }
}

fn port(port: &NetworkPolicyPort, at: &Path<'_>, errors: &mut Errors) {
    if let Some(protocol) = port.protocol.as_deref().filter(|p| !matches!(*p, "TCP" | "UDP" | "SCTP")) {
        errors.not_supported(&at.child("protocol"), protocol, &["TCP", "UDP", "SCTP"]);
    }
    let end = at.child("endPort");
    match (&port.port, port.end_port) {
        (Some(IntOrString::Int(first)), last) => {
            errors.invalid_each(&at.child("port"), *first, names::port_number(*first));
            if let Some(last) = last {
                if last < *first {
                    errors.invalid(&end, *first, "must be greater than or equal to `port`");
                }
                errors.invalid_each(&end, last, names::port_number(last));
            }
        }
        (Some(IntOrString::String(name)), last) => {
            if let Some(last) = last {
                errors.invalid(&end, last, "may not be specified when `port` is non-numeric");
            }
            errors.invalid_each(&at.child("port"), name, names::port_name(name));
        }
        (None, Some(last)) => errors.invalid(&end, last, "may not be specified when `port` is not specified"),
        (None, None) => {}
    }
}

fn peers(peers: Option<&[NetworkPolicyPeer]>, kept: &Kept, list: &Path<'_>, errors: &mut Errors) {
    for (index, peer) in peers.into_iter().flatten().enumerate() {
        let at = list.index(index);
        for (field, selector) in [("podSelector", &peer.pod_selector), ("namespaceSelector", &peer.namespace_selector)] {
            if let Some(selector) = selector {
                label_selector_with(selector, kept.values, &at.child(field), errors);
            }
        }
        if let Some(found) = &peer.ip_block {
            block(found, kept, &at.child("ipBlock"), errors);
        }
        let has_selector = peer.pod_selector.is_some() || peer.namespace_selector.is_some();
        match (has_selector, peer.ip_block.is_some()) {
            (false, false) => errors.required(&at, "must specify a peer"),
            (true, true) => errors.forbidden(&at, "may not specify both ipBlock and another peer"),
            _ => {}
        }
    }
}

fn block(block: &IPBlock, kept: &Kept, at: &Path<'_>, errors: &mut Errors) {
    if block.cidr.is_empty() {
        return errors.required(&at.child("cidr"), "");
    }
    let wrong = |text: &String| if kept.blocks.contains(text) { vec![] } else { ip::wrong_cidr(text) };
    errors.invalid_each(&at.child("cidr"), &block.cidr, wrong(&block.cidr));
    let Some(whole) = Cidr::parse(&block.cidr) else { return };
    let list = at.child("except");
    for (index, text) in block.except.iter().flatten().enumerate() {
        let at = list.index(index);
        errors.invalid_each(&at, text, wrong(text));
        if Cidr::parse(text).is_some_and(|part| !whole.contains(part.first) || whole.length >= part.length) {
            errors.invalid(&at, text, "must be a strict subset of `cidr`");
        }
    }
}
