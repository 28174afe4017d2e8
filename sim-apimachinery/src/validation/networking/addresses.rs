//! IP addresses and service CIDRs.

use k8s_openapi::api::networking::v1::{IPAddress, ParentReference, ServiceCIDR, ServiceCIDRSpec};

use super::super::errors::Errors;
use super::super::go_value::{go_object, json_string, shown};
use super::super::metadata;
use super::super::path::Path;
use super::segment;
use crate::ip::{self, Cidr};
use crate::names;

const IMMUTABLE: &str = "field is immutable";

/// What is wrong with a new address.
pub fn create_address(address: &IPAddress, errors: &mut Errors) {
    metadata::validate(&address.metadata, false, ip::wrong_canonical_address, errors);
    let spec = Path::root("spec");
    let at = spec.child("parentRef");
    let nothing = ParentReference::default();
    let Some(parent) = Some(&address.spec.parent_ref).filter(|p| **p != nothing) else {
        return errors.required(&at, "");
    };
    if let Some(group) = parent.group.as_deref().filter(|g| !g.is_empty()) {
        errors.invalid_each(&at.child("group"), group, names::dns1123_subdomain(group));
    }
    segment(&parent.resource, &at.child("resource"), errors);
    segment(&parent.name, &at.child("name"), errors);
    if let Some(namespace) = parent.namespace.as_deref().filter(|n| !n.is_empty()) {
        errors.invalid_each(&at.child("namespace"), namespace, names::path_segment(namespace));
    }
}

/// What is wrong with an address' next state.
pub fn update_address(next: &IPAddress, current: &IPAddress, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    let parent = |a: &IPAddress| a.spec.parent_ref.clone();
    let spec = Path::root("spec");
    errors.immutable(&spec.child("parentRef"), &parent(next), &parent(current), |p| {
        let text = |t: &Option<String>| json_string(t.as_deref().unwrap_or_default());
        go_object(&[
            ("Group", text(&p.group)),
            ("Resource", json_string(&p.resource)),
            ("Namespace", text(&p.namespace)),
            ("Name", json_string(&p.name)),
        ])
    });
}

/// What is wrong with a new service CIDR.
pub fn create_cidr(cidr: &ServiceCIDR, errors: &mut Errors) {
    metadata::validate(&cidr.metadata, false, names::dns1123_subdomain, errors);
    blocks(cidr.spec.as_ref(), errors);
}

fn blocks(spec: Option<&ServiceCIDRSpec>, errors: &mut Errors) {
    let list: &[String] = spec.and_then(|s| s.cidrs.as_deref()).unwrap_or_default();
    let root = Path::root("spec");
    let at = root.child("cidrs");
    match list.len() {
        0 => return errors.required(&at, "at least one CIDR required"),
        1 | 2 => {}
        _ => return errors.invalid(&at, go_object(&[("CIDRs", shown(list))]), "may only hold up to 2 values"),
    }
    for (index, text) in list.iter().enumerate() {
        errors.invalid_each(&at.index(index), text, ip::wrong_canonical_cidr(text));
    }
    let families: Vec<bool> = list.iter().filter_map(|t| Cidr::parse(t)).map(|c| c.first.is_ipv4()).collect();
    if let [a, b] = families.as_slice()
        && a == b
    {
        errors.invalid(&at, list, "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64");
    }
}

/// What is wrong with a service CIDR's next state: a second block may come, and nothing else changes.
pub fn update_cidr(next: &ServiceCIDR, current: &ServiceCIDR, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    let of = |c: &ServiceCIDR| c.spec.as_ref().and_then(|s| s.cidrs.clone()).unwrap_or_default();
    let (now, before) = (of(next), of(current));
    let root = Path::root("spec");
    let at = root.child("cidrs");
    let grows = before.len() == 1 && now.len() == 2;
    if now.len() != before.len() && !grows {
        return errors.invalid(&at, &now, IMMUTABLE);
    }
    for (index, (text, _)) in now.iter().zip(&before).enumerate().filter(|(_, (n, b))| n != b) {
        errors.invalid(&at.index(index), text, IMMUTABLE);
    }
    if grows {
        blocks(next.spec.as_ref(), errors);
    }
}
