//! Ports of a pod that its containers define more than once. Source: pkg/api/pod/warnings.go.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ContainerPort, PodSpec};

use super::warnings::each_container;
use crate::validation::path::Path;

/// Warns of ports that are there twice, or that may be in each other's way.
pub(super) fn ports(spec: &PodSpec, at: &Path<'_>, found: &mut Vec<String>) {
    let mut all: Vec<(String, ContainerPort)> = Vec::new();
    each_container(spec, at, &mut |container, at| {
        for (index, port) in container.ports.iter().flatten().enumerate() {
            all.push((at.child("ports").index(index).to_string(), port.clone()));
        }
    });
    for (index, (at, port)) in all.iter().enumerate() {
        if !host_ip(port).is_empty() && host_port(port) == 0 {
            found.push(format!("{at}: hostIP set without hostPort: {}", printed(port)));
        }
        let same = |other: &&(String, ContainerPort)| other.1.container_port == port.container_port && other.1.protocol == port.protocol;
        let told = |(other_at, other): &(String, ContainerPort)| collision(port, other).map(|what| format!("{at}: {what} with {other_at}"));
        found.extend(all[..index].iter().filter(same).filter_map(told));
    }
    let mut named: BTreeMap<&str, &str> = BTreeMap::new();
    for (at, port) in &all {
        let Some(name) = port.name.as_deref().filter(|n| !n.is_empty()) else { continue };
        match named.get(name) {
            Some(other) => found.push(format!(
                "{at}: duplicate port name {name:?} with {other}, services and probes that select ports by name will use {other}"
            )),
            None => {
                named.insert(name, at);
            }
        }
    }
}

fn host_ip(port: &ContainerPort) -> &str {
    port.host_ip.as_deref().unwrap_or_default()
}

fn host_port(port: &ContainerPort) -> i32 {
    port.host_port.unwrap_or(0)
}

/// What is wrong between two ports of the same number and protocol.
fn collision(port: &ContainerPort, other: &ContainerPort) -> Option<&'static str> {
    let same_host_port = host_port(port) == host_port(other);
    if same_host_port && host_ip(port) == host_ip(other) {
        Some("duplicate port definition")
    } else if host_port(port) == 0 || host_port(other) == 0 {
        Some("overlapping port definition")
    } else if same_host_port && host_ip(port).is_empty() != host_ip(other).is_empty() {
        Some("dangerously ambiguous port definition")
    } else {
        None
    }
}

/// As Go prints it.
fn printed(port: &ContainerPort) -> String {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    format!(
        "{{Name:{} HostPort:{} ContainerPort:{} Protocol:{} HostIP:{}}}",
        text(&port.name),
        host_port(port),
        port.container_port,
        text(&port.protocol),
        text(&port.host_ip)
    )
}
