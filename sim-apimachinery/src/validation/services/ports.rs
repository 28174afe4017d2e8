//! The ports of services: each for itself, and together.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::super::errors::Errors;
use super::super::go_value::{go_object, json_string};
use super::super::path::Path;
use super::kind;
use crate::names;

/// What is wrong with each port.
pub fn each(spec: &ServiceSpec, at: &Path<'_>, errors: &mut Errors) {
    let ports = spec.ports.as_deref().unwrap_or_default();
    let list = at.child("ports");
    let mut seen = BTreeSet::new();
    for (index, port) in ports.iter().enumerate() {
        let at = list.index(index);
        match port.name.as_deref().unwrap_or_default() {
            "" if ports.len() > 1 => errors.required(&at.child("name"), ""),
            "" => {}
            name => {
                errors.invalid_each(&at.child("name"), name, names::dns1123_label(name));
                if !seen.insert(name) {
                    errors.duplicate(&at.child("name"), name);
                }
            }
        }
        one(port, &at, errors);
    }
}

fn one(port: &ServicePort, at: &Path<'_>, errors: &mut Errors) {
    errors.invalid_each(&at.child("port"), port.port, names::port_number(port.port));
    match port.protocol.as_deref().unwrap_or_default() {
        "" => errors.required(&at.child("protocol"), ""),
        "TCP" | "UDP" | "SCTP" => {}
        other => errors.not_supported(&at.child("protocol"), other, &["SCTP", "TCP", "UDP"]),
    }
    let target = at.child("targetPort");
    match port.target_port.as_ref() {
        Some(IntOrString::String(name)) => errors.invalid_each(&target, name, names::port_name(name)),
        Some(IntOrString::Int(number)) => errors.invalid_each(&target, *number, names::port_number(*number)),
        None => errors.invalid_each(&target, 0, names::port_number(0)),
    }
    if let Some(protocol) = &port.app_protocol {
        errors.invalid_each(&at.child("appProtocol"), protocol, names::qualified_name(protocol));
    }
}

/// What is wrong between ports: node ports where there are none, and what is there twice.
pub fn together(spec: &ServiceSpec, at: &Path<'_>, errors: &mut Errors) {
    let ports = spec.ports.as_deref().unwrap_or_default();
    let list = at.child("ports");
    let node_port = |port: &ServicePort| port.node_port.unwrap_or(0);
    if kind(spec) == "ClusterIP" {
        for (index, _) in ports.iter().enumerate().filter(|(_, p)| node_port(p) != 0) {
            errors.forbidden(&list.index(index).child("nodePort"), "may not be used when `type` is 'ClusterIP'");
        }
    }
    let mut seen = BTreeSet::new();
    for (index, port) in ports.iter().enumerate().filter(|(_, p)| node_port(p) != 0) {
        if !seen.insert((port.protocol.as_deref(), node_port(port))) {
            errors.duplicate(&list.index(index).child("nodePort"), node_port(port));
        }
    }
    let mut seen = BTreeSet::new();
    for (index, port) in ports.iter().enumerate() {
        let protocol = port.protocol.as_deref().unwrap_or_default();
        if !seen.insert((protocol, port.port)) {
            let shown = go_object(&[
                ("Name", json_string("")),
                ("Protocol", json_string(protocol)),
                ("AppProtocol", "null".into()),
                ("Port", port.port.to_string()),
                ("TargetPort", "0".into()),
                ("NodePort", "0".into()),
            ]);
            errors.duplicate(&list.index(index), shown);
        }
    }
}
