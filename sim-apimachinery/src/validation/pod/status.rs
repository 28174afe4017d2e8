//! What an update of a pod's status may not do. Source: `ValidatePodStatusUpdate` in pkg/apis/core/validation.
//! Not checked: users of containers, health of devices, statuses of claims that were made for extended resources.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::{Container, ContainerStatus, Pod, PodCondition, PodSpec, PodStatus};

use super::is_assigned;
use super::update::annotations_update;
use crate::names;
use crate::validation::errors::Errors;
use crate::validation::go_value::{Raw, json_list, json_string};
use crate::validation::metadata;
use crate::validation::path::Path;

/// What is wrong with a pod whose status is being written, all else being as it was.
pub fn update(next: &Pod, current: &Pod, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    annotations_update(next, current, errors);
    let (no_spec, no_status) = (PodSpec::default(), PodStatus::default());
    let spec = current.spec.as_ref().unwrap_or(&no_spec);
    let (after, before) = (next.status.as_ref().unwrap_or(&no_status), current.status.as_ref().unwrap_or(&no_status));
    let at = Path::root("status");
    conditions(after.conditions.as_deref().unwrap_or_default(), &at.child("conditions"), errors);
    nomination(after, before, spec, &at.child("nominatedNodeName"), errors);
    if let Some(generation) = after.observed_generation.filter(|g| *g < 0) {
        errors.invalid(&at.child("observedGeneration"), generation, "must be a non-negative integer");
    }
    if after.qos_class != before.qos_class {
        let class = after.qos_class.as_deref().unwrap_or_default();
        errors.invalid(&at.child("qosClass"), Raw(json_string(class)), "field is immutable");
    }
    transitions(after, before, spec, &at, errors);
    resource_claims(after, spec, &at.child("resourceClaimStatuses"), errors);
    addresses(after, before, &at, errors);
}

fn conditions(conditions: &[PodCondition], list: &Path<'_>, errors: &mut Errors) {
    for (index, condition) in conditions.iter().enumerate() {
        let at = list.index(index);
        if let Some(generation) = condition.observed_generation.filter(|g| *g < 0) {
            errors.invalid(&at.child("observedGeneration"), generation, "must be a non-negative integer");
        }
        let kind = condition.type_.as_str();
        if !matches!(kind, "PodScheduled" | "Ready" | "Initialized") {
            errors.invalid_each(&at.child("Type"), kind, names::qualified_name(kind));
        }
    }
}

fn nomination(after: &PodStatus, before: &PodStatus, spec: &PodSpec, at: &Path<'_>, errors: &mut Errors) {
    let name = after.nominated_node_name.as_deref().unwrap_or_default();
    if name.is_empty() || before.nominated_node_name.as_deref() == Some(name) {
        return;
    }
    errors.invalid_each(at, name, names::dns1123_subdomain(name));
    if is_assigned(spec) {
        errors.forbidden(at, "may not be set on pods that are already bound to a node");
    }
}

/// A container that has ended stays so, unless its policies restart it.
fn transitions(after: &PodStatus, before: &PodStatus, spec: &PodSpec, at: &Path<'_>, errors: &mut Errors) {
    let init = spec.init_containers.as_deref().unwrap_or_default();
    let restarts_all = |c: &Container| c.restart_policy_rules.iter().flatten().any(|r| r.action == "RestartAllContainers");
    if !super::containers(spec).any(restarts_all) {
        let lists = [
            ("containerStatuses", &after.container_statuses, &before.container_statuses, spec.containers.as_slice()),
            ("initContainerStatuses", &after.init_container_statuses, &before.init_container_statuses, init),
        ];
        for (field, after, before, containers) in lists {
            let allowed = |old: &ContainerStatus, code: i32| {
                containers.iter().find(|c| c.name == old.name).is_some_and(|c| should_restart(c, spec, code))
            };
            stay_ended(after.as_deref(), before.as_deref(), allowed, &at.child(field), errors);
        }
    }
    let (after, before) = (after.ephemeral_container_statuses.as_deref(), before.ephemeral_container_statuses.as_deref());
    stay_ended(after, before, |_, _| false, &at.child("ephemeralContainerStatuses"), errors);
}

fn stay_ended(
    after: Option<&[ContainerStatus]>,
    before: Option<&[ContainerStatus]>,
    allowed: impl Fn(&ContainerStatus, i32) -> bool,
    list: &Path<'_>,
    errors: &mut Errors,
) {
    let ended = |status: &ContainerStatus| status.state.as_ref().and_then(|s| s.terminated.as_ref()).map(|t| t.exit_code);
    for (index, old) in before.unwrap_or_default().iter().enumerate() {
        let Some(code) = ended(old) else { continue };
        let again = after.unwrap_or_default().iter().any(|new| new.name == old.name && ended(new).is_none());
        if again && !allowed(old, code) {
            errors.forbidden(&list.index(index).child("state"), "may not be transitioned to non-terminated state");
        }
    }
}

/// Whether a container that ended so is started again. Source: pkg/api/v1/pod `ContainerShouldRestart`.
fn should_restart(container: &Container, spec: &PodSpec, code: i32) -> bool {
    for rule in container.restart_policy_rules.iter().flatten() {
        let Some(codes) = &rule.exit_codes else { continue };
        let listed = codes.values.iter().flatten().any(|v| *v == code);
        if listed == (codes.operator == "In") {
            return matches!(rule.action.as_str(), "Restart" | "RestartAllContainers");
        }
    }
    match container.restart_policy.as_deref().or(spec.restart_policy.as_deref()) {
        Some("Never") => false,
        Some("OnFailure") => code != 0,
        _ => true,
    }
}

fn resource_claims(status: &PodStatus, spec: &PodSpec, list: &Path<'_>, errors: &mut Errors) {
    let statuses = status.resource_claim_statuses.as_deref().unwrap_or_default();
    for (index, claim) in statuses.iter().enumerate() {
        let at = list.index(index);
        if !spec.resource_claims.iter().flatten().any(|c| c.name == claim.name) {
            errors.invalid(&at.child("name"), &claim.name, "must match the name of an entry in `spec.resourceClaims`");
        }
        if statuses[..index].iter().any(|c| c.name == claim.name) {
            errors.duplicate(&at.child("name"), &claim.name);
        }
        if let Some(name) = &claim.resource_claim_name {
            errors.invalid_each(&at.child("resourceClaimName"), Raw(json_string(name)), names::dns1123_subdomain(name));
        }
    }
}

fn addresses(after: &PodStatus, before: &PodStatus, at: &Path<'_>, errors: &mut Errors) {
    let pods = |status: &PodStatus| -> Vec<String> { status.pod_ips.iter().flatten().map(|ip| ip.ip.clone()).collect() };
    let hosts = |status: &PodStatus| -> Vec<String> { status.host_ips.iter().flatten().map(|ip| ip.ip.clone()).collect() };
    let host_ips = hosts(after);
    list_of_addresses(&pods(after), &pods(before), &at.child("podIPs"), errors);
    if let Some(first) = host_ips.first().filter(|first| after.host_ip.as_deref().unwrap_or_default() != *first) {
        let list = at.child("hostIPs");
        errors.invalid(&list.index(0).child("ip"), first, "must be equal to `hostIP`");
    }
    list_of_addresses(&host_ips, &hosts(before), &at.child("hostIPs"), errors);
}

fn list_of_addresses(after: &[String], before: &[String], list: &Path<'_>, errors: &mut Errors) {
    for (index, address) in after.iter().enumerate().filter(|(_, a)| !before.contains(a)) {
        errors.invalid_each(&list.index(index), address, names::ip_address(address));
    }
    if after.len() < 2 {
        return;
    }
    let mut families: Vec<bool> = Vec::new();
    for address in after {
        match address.parse::<IpAddr>() {
            Ok(read) => families.push(read.is_ipv6()),
            Err(_) => return errors.internal(list, &format!("failed to check for dual stack with error:invalid ip address: {address}")),
        }
    }
    if families.len() > 2 || families[0] == families[1] {
        let shown = json_list(after.iter().map(|a| format!("{{\"IP\":{}}}", json_string(a))));
        errors.invalid(list, Raw(shown), "may specify no more than one IP for each IP family");
    }
}
