//! A pod's spec as a whole. Source: `ValidatePodSpec` in pkg/apis/core/validation, in its order.
//! Not checked: scheduling groups, which are off by default and dropped before.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{HostAlias, PodDNSConfig, PodResourceClaim, PodSpec, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::annotations::MIRROR;
use super::containers::{Surroundings, containers};
use super::{Options, affinity, each_container, environment, resources, scheduling, security, volumes, windows};
use crate::names;
use crate::validation::errors::Errors;
use crate::validation::internal::blamed;
use crate::validation::labels::labels;
use crate::validation::path::Path;

const HOST_USERS: &str = "when `hostUsers` is false";

/// What is wrong with a pod's spec; a template has no metadata.
pub fn pod_spec(spec: &PodSpec, metadata: Option<&ObjectMeta>, at: &Path<'_>, options: &Options, errors: &mut Errors) {
    if spec.termination_grace_period_seconds.is_none() {
        errors.required(&at.child("terminationGracePeriodSeconds"), "");
    }
    let list = spec.volumes.as_deref().unwrap_or_default();
    let volumes = volumes::volumes(list, metadata, &at.child("volumes"), options, errors);
    let declared = spec.resource_claims.as_deref().unwrap_or_default();
    resource_claims(declared, metadata, &at.child("resourceClaims"), errors);
    let claims: BTreeSet<&str> = declared.iter().map(|c| c.name.as_str()).filter(|n| !n.is_empty()).collect();
    let pod = Surroundings { volumes, claims, spec, options };
    containers(&pod, at, errors);
    resources::pod_resources(spec, &pod.claims, at, options, errors);
    host_ports(spec, at, options, errors);
    policies(spec, at, errors);
    labels(spec.node_selector.as_ref(), &at.child("nodeSelector"), errors);
    security::pod_context(spec, &at.child("securityContext"), options, errors);
    if let Some(wanted) = &spec.affinity {
        affinity::affinity(wanted, &at.child("affinity"), options, errors);
    }
    dns_config(spec.dns_config.as_ref(), spec.dns_policy.as_deref(), &at.child("dnsConfig"), errors);
    scheduling::readiness_gates(spec.readiness_gates.as_deref().unwrap_or_default(), &at.child("readinessGates"), errors);
    scheduling::scheduling_gates(spec.scheduling_gates.as_deref().unwrap_or_default(), &at.child("schedulingGates"), errors);
    let spread = spec.topology_spread_constraints.as_deref().unwrap_or_default();
    scheduling::topology_spread(spread, &at.child("topologySpreadConstraints"), options, errors);
    windows::host_processes(spec, at, errors);
    host_users(spec, at, options, errors);
    hostname_override(spec, at, errors);
    named(spec, at, errors);
    scheduling::tolerations(spec.tolerations.as_deref().unwrap_or_default(), &at.child("tolerations"), errors);
    host_aliases(spec.host_aliases.as_deref().unwrap_or_default(), &at.child("hostAliases"), errors);
    classes(spec, at, options, errors);
    windows::operating_system(spec, at, errors);
    environment::files_are_in_empty_directories(spec, at, errors);
}

fn resource_claims(claims: &[PodResourceClaim], metadata: Option<&ObjectMeta>, list: &Path<'_>, errors: &mut Errors) {
    let is_static = metadata.is_some_and(|m| m.annotations.iter().flatten().any(|(key, _)| key == MIRROR));
    for (index, claim) in claims.iter().enumerate() {
        if is_static {
            errors.forbidden(&Path::root(""), "static pods do not support resource claims");
            continue;
        }
        let at = list.index(index);
        if claim.name.is_empty() {
            errors.required(&at.child("name"), "");
        } else if claims[..index].iter().any(|c| c.name == claim.name) {
            errors.duplicate(&at.child("name"), &claim.name);
        } else {
            errors.invalid_each(&at.child("name"), &claim.name, names::dns1123_label(&claim.name));
        }
        match (&claim.resource_claim_name, &claim.resource_claim_template_name) {
            (Some(_), Some(_)) => {
                let text = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified";
                errors.invalid(&at, blamed("PodResourceClaim", claim), text);
            }
            (None, None) => {
                let text = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`";
                errors.invalid(&at, blamed("PodResourceClaim", claim), text);
            }
            _ => {}
        }
        let names = [("resourceClaimName", &claim.resource_claim_name), ("resourceClaimTemplateName", &claim.resource_claim_template_name)];
        for (field, name) in names {
            if let Some(name) = name {
                errors.invalid_each(&at.child(field), name, names::dns1123_subdomain(name));
            }
        }
    }
}

/// In the host's network a port of the host is the container's own.
fn host_ports(spec: &PodSpec, at: &Path<'_>, options: &Options, errors: &mut Errors) {
    if spec.host_network != Some(true) {
        return;
    }
    for (index, container) in spec.containers.iter().enumerate() {
        for (number, port) in container.ports.iter().flatten().enumerate() {
            let host_port = port.host_port.unwrap_or(0);
            if (options.is_pod || host_port != 0) && host_port != port.container_port {
                let list = at.child("containers");
                let container_at = list.index(index);
                let text = "must match `containerPort` when `hostNetwork` is true";
                errors.invalid(&container_at.child("ports").index(number).child("hostPort"), host_port, text);
            }
        }
    }
}

fn policies(spec: &PodSpec, at: &Path<'_>, errors: &mut Errors) {
    for (field, policy, supported) in [
        ("restartPolicy", &spec.restart_policy, &["Always", "OnFailure", "Never"][..]),
        ("dnsPolicy", &spec.dns_policy, &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"][..]),
    ] {
        match policy.as_deref().unwrap_or_default() {
            "" => errors.required(&at.child(field), ""),
            policy if supported.contains(&policy) => {}
            other => errors.not_supported(&at.child(field), other, supported),
        }
    }
}

fn dns_config(config: Option<&PodDNSConfig>, policy: Option<&str>, at: &Path<'_>, errors: &mut Errors) {
    const SERVERS_MAX: usize = 3;
    const SEARCHES_MAX: usize = 32;
    const SEARCH_CHARACTERS_MAX: usize = 2048;
    let servers_at = at.child("nameservers");
    let Some(config) = config else {
        if policy == Some("None") {
            errors.required(at, "must provide `dnsConfig` when `dnsPolicy` is None");
        }
        return;
    };
    let servers = config.nameservers.as_deref().unwrap_or_default();
    if policy == Some("None") && servers.is_empty() {
        return errors.required(&servers_at, "must provide at least one DNS nameserver when `dnsPolicy` is None");
    }
    if servers.len() > SERVERS_MAX {
        errors.invalid(&servers_at, servers, "must not have more than 3 nameservers");
    }
    for (index, server) in servers.iter().enumerate() {
        errors.invalid_each(&servers_at.index(index), server, names::ip_address(server));
    }
    let (searches, searches_at) = (config.searches.as_deref().unwrap_or_default(), at.child("searches"));
    if searches.len() > SEARCHES_MAX {
        errors.invalid(&searches_at, searches, "must not have more than 32 search paths");
    }
    if searches.join(" ").len() > SEARCH_CHARACTERS_MAX {
        errors.invalid(&searches_at, searches, "must not have more than 2048 characters (including spaces) in the search list");
    }
    for (index, search) in searches.iter().enumerate().filter(|(_, s)| *s != ".") {
        let domain = search.strip_suffix('.').unwrap_or(search);
        errors.invalid_each(&searches_at.index(index), domain, names::dns1123_subdomain_with_underscore(domain));
    }
    for (index, option) in config.options.iter().flatten().enumerate() {
        if option.name.as_deref().unwrap_or_default().is_empty() {
            errors.required(&at.child("options").index(index), "must not be empty");
        }
    }
}

fn host_users(spec: &PodSpec, at: &Path<'_>, options: &Options, errors: &mut Errors) {
    if spec.host_users != Some(false) {
        return;
    }
    // Two of the names are Kubernetes' own slips.
    for (field, is_set) in [("hostNetwork", spec.host_network), ("HostPID", spec.host_pid), ("HostIPC", spec.host_ipc)] {
        if is_set == Some(true) {
            errors.forbidden(&at.child(field), HOST_USERS);
        }
    }
    each_container(spec, at, |container, at| {
        if !options.devices_without_host_users && container.volume_devices.as_ref().is_some_and(|d| !d.is_empty()) {
            errors.forbidden(&at.child("volumeDevices"), HOST_USERS);
        }
    });
}

fn hostname_override(spec: &PodSpec, at: &Path<'_>, errors: &mut Errors) {
    const NAME_BYTES_MAX: usize = 64;
    let Some(name) = spec.hostname_override.as_deref() else { return };
    let at = at.child("hostnameOverride");
    if spec.set_hostname_as_fqdn == Some(true) {
        errors.forbidden(&at, "may not be specified when setHostnameAsFQDN is true");
    }
    if spec.host_network == Some(true) {
        errors.forbidden(&at, "may not be specified when hostNetwork is true");
    }
    if name.len() > NAME_BYTES_MAX {
        errors.too_long(&at, NAME_BYTES_MAX);
    }
    errors.invalid_each(&at, name, names::dns1123_subdomain(name));
}

fn named(spec: &PodSpec, at: &Path<'_>, errors: &mut Errors) {
    let set = |value: &'_ Option<String>| value.clone().filter(|v| !v.is_empty());
    for (field, name) in [("serviceAccountName", set(&spec.service_account_name)), ("nodeName", set(&spec.node_name))] {
        if let Some(name) = name {
            errors.invalid_each(&at.child(field), &name, names::dns1123_subdomain(&name));
        }
    }
    if let Some(seconds) = spec.active_deadline_seconds {
        errors.invalid_each(&at.child("activeDeadlineSeconds"), seconds, names::in_range(seconds, 1, i32::MAX.into()));
    }
    for (field, name) in [("hostname", set(&spec.hostname)), ("subdomain", set(&spec.subdomain))] {
        if let Some(name) = name {
            errors.invalid_each(&at.child(field), &name, names::dns1123_label(&name));
        }
    }
}

fn host_aliases(aliases: &[HostAlias], list: &Path<'_>, errors: &mut Errors) {
    for (index, alias) in aliases.iter().enumerate() {
        let at = list.index(index);
        errors.invalid_each(&at.child("ip"), &alias.ip, names::ip_address(&alias.ip));
        for (number, hostname) in alias.hostnames.iter().flatten().enumerate() {
            errors.invalid_each(&at.child("hostnames").index(number), hostname, names::dns1123_subdomain(hostname));
        }
    }
}

fn classes(spec: &PodSpec, at: &Path<'_>, options: &Options, errors: &mut Errors) {
    if let Some(class) = spec.priority_class_name.as_deref().filter(|c| !c.is_empty()) {
        errors.invalid_each(&at.child("priorityClassName"), class, names::dns1123_subdomain(class));
    }
    if let Some(class) = spec.runtime_class_name.as_deref() {
        errors.invalid_each(&at.child("runtimeClassName"), class, names::dns1123_subdomain(class));
    }
    match spec.preemption_policy.as_deref() {
        None | Some("PreemptLowerPriority" | "Never") => {}
        Some("") => errors.required(&at.child("preemptionPolicy"), ""),
        Some(other) => errors.not_supported(&at.child("preemptionPolicy"), other, &["PreemptLowerPriority", "Never"]),
    }
    if let Some(overhead) = &spec.overhead {
        let limits = ResourceRequirements { limits: Some(overhead.clone()), ..Default::default() };
        resources::container_requirements(&limits, &BTreeSet::new(), &at.child("overhead"), options, errors);
    }
}
