//! Containers of the three kinds. Source: `validateContainers`, `validateInitContainers`, `validateEphemeralContainers`
//! and `validateContainerCommon` in pkg/apis/core/validation.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Container, ContainerPort, ContainerResizePolicy, PodSpec};

use super::volumes::Volumes;
use super::{Options, environment, ephemeral, mounts, probes, resources, security};
use crate::names;
use crate::validation::errors::Errors;
use crate::validation::path::Path;

/// What a container's check needs to know of its pod.
pub struct Surroundings<'a> {
    /// The pod's volumes that are all right.
    pub volumes: Volumes<'a>,
    /// The pod's resource claims.
    pub claims: BTreeSet<&'a str>,
    /// The pod's spec.
    pub spec: &'a PodSpec,
    /// What is let pass.
    pub options: &'a Options,
}

/// What is wrong with the containers, init containers and ephemeral containers of a pod.
pub fn containers(pod: &Surroundings<'_>, at: &Path<'_>, errors: &mut Errors) {
    regular(pod, &at.child("containers"), errors);
    init(pod, &at.child("initContainers"), errors);
    ephemeral::containers(pod, &at.child("ephemeralContainers"), errors);
}

fn regular(pod: &Surroundings<'_>, list: &Path<'_>, errors: &mut Errors) {
    if pod.spec.containers.is_empty() {
        return errors.required(list, "");
    }
    let mut seen = BTreeSet::new();
    for (index, container) in pod.spec.containers.iter().enumerate() {
        let at = list.index(index);
        common(container, pod, &at, errors);
        if !seen.insert(container.name.as_str()) {
            errors.duplicate(&at.child("name"), &container.name);
        }
        probes::hooks_and_probes(container, pod.spec.termination_grace_period_seconds, &at, errors);
        restart_policy(container, &at, errors);
    }
    host_port_conflicts(&pod.spec.containers, list, errors);
}

fn init(pod: &Surroundings<'_>, list: &Path<'_>, errors: &mut Errors) {
    let mut seen: BTreeSet<&str> = pod.spec.containers.iter().map(|c| c.name.as_str()).collect();
    for (index, container) in pod.spec.init_containers.iter().flatten().enumerate() {
        let at = list.index(index);
        common(container, pod, &at, errors);
        restart_policy(container, &at, errors);
        if seen.contains(container.name.as_str()) {
            errors.duplicate(&at.child("name"), &container.name);
        } else if !container.name.is_empty() {
            seen.insert(&container.name);
        }
        host_port_conflicts(std::slice::from_ref(container), list, errors);
        if is_sidecar(container) {
            probes::hooks_and_probes(container, pod.spec.termination_grace_period_seconds, &at, errors);
        } else {
            only_for_sidecars(container, pod.options, &at, errors);
        }
    }
}

/// Whether an init container runs as long as its pod.
pub fn is_sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

fn only_for_sidecars(container: &Container, options: &Options, at: &Path<'_>, errors: &mut Errors) {
    for (field, is_set) in [
        ("lifecycle", container.lifecycle.is_some()),
        ("livenessProbe", container.liveness_probe.is_some()),
        ("readinessProbe", container.readiness_probe.is_some()),
        ("startupProbe", container.startup_probe.is_some()),
    ] {
        if is_set {
            errors.forbidden(&at.child(field), "may not be set for init containers without restartPolicy=Always");
        }
    }
    for (index, policy) in container.resize_policy.iter().flatten().enumerate() {
        if policy.restart_policy == "RestartContainer" && !options.restarting_init_resize {
            let text = "must not be set to 'RestartContainer' for non-sidecar initContainers";
            errors.invalid(&at.child("resizePolicy").index(index).child("restartPolicy"), "RestartContainer", text);
        }
    }
}

/// What is wrong with any container.
pub fn common(container: &Container, pod: &Surroundings<'_>, at: &Path<'_>, errors: &mut Errors) {
    match container.name.as_str() {
        "" => errors.required(&at.child("name"), ""),
        name => errors.invalid_each(&at.child("name"), name, names::dns1123_label(name)),
    }
    if container.image.as_deref().unwrap_or_default().is_empty() {
        errors.required(&at.child("image"), "");
    }
    let supported = ["File", "FallbackToLogsOnError"];
    match container.termination_message_policy.as_deref().unwrap_or_default() {
        "" => errors.required(&at.child("terminationMessagePolicy"), ""),
        policy if supported.contains(&policy) => {}
        other => errors.not_supported(&at.child("terminationMessagePolicy"), other, &supported),
    }
    ports(container.ports.as_deref().unwrap_or_default(), &at.child("ports"), errors);
    environment::variables(container.env.as_deref().unwrap_or_default(), &at.child("env"), errors);
    environment::sources(container.env_from.as_deref().unwrap_or_default(), &at.child("envFrom"), errors);
    mounts::mounts(container, &pod.volumes, &at.child("volumeMounts"), errors);
    mounts::devices(container, &pod.volumes, &at.child("volumeDevices"), errors);
    pull_policy(container.image_pull_policy.as_deref().unwrap_or_default(), &at.child("imagePullPolicy"), errors);
    if let Some(wanted) = &container.resources {
        resources::container_requirements(wanted, &pod.claims, &at.child("resources"), pod.options, errors);
    }
    resize_policy(container.resize_policy.as_deref().unwrap_or_default(), pod.spec, &at.child("resizePolicy"), errors);
    if let Some(context) = &container.security_context {
        security::container_context(context, pod.spec.host_users != Some(false), &at.child("securityContext"), errors);
    }
}

/// What is wrong with a pull policy.
pub fn pull_policy(policy: &str, at: &Path<'_>, errors: &mut Errors) {
    match policy {
        "" => errors.required(at, ""),
        "Always" | "IfNotPresent" | "Never" => {}
        other => errors.not_supported(at, other, &["Always", "IfNotPresent", "Never"]),
    }
}

fn ports(ports: &[ContainerPort], list: &Path<'_>, errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    for (index, port) in ports.iter().enumerate() {
        let at = list.index(index);
        if let Some(name) = port.name.as_deref().filter(|n| !n.is_empty()) {
            let wrong = names::port_name(name);
            if wrong.is_empty() && !seen.insert(name) {
                errors.duplicate(&at.child("name"), name);
            }
            errors.invalid_each(&at.child("name"), name, wrong);
        }
        match port.container_port {
            0 => errors.required(&at.child("containerPort"), ""),
            number => errors.invalid_each(&at.child("containerPort"), number, names::port_number(number)),
        }
        if let Some(number) = port.host_port.filter(|p| *p != 0) {
            errors.invalid_each(&at.child("hostPort"), number, names::port_number(number));
        }
        protocol(port.protocol.as_deref().unwrap_or_default(), &at.child("protocol"), errors);
    }
}

/// What is wrong with a port's protocol.
pub fn protocol(protocol: &str, at: &Path<'_>, errors: &mut Errors) {
    match protocol {
        "" => errors.required(at, ""),
        "TCP" | "UDP" | "SCTP" => {}
        other => errors.not_supported(at, other, &["SCTP", "TCP", "UDP"]),
    }
}

fn host_port_conflicts(containers: &[Container], list: &Path<'_>, errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    for (index, container) in containers.iter().enumerate() {
        for (number, port) in container.ports.iter().flatten().enumerate() {
            let Some(host_port) = port.host_port.filter(|p| *p != 0) else { continue };
            let protocol = port.protocol.as_deref().unwrap_or_default();
            let key = format!("{protocol}/{}/{host_port}", port.host_ip.as_deref().unwrap_or_default());
            if seen.contains(&key) {
                let at = list.index(index);
                errors.duplicate(&at.child("ports").index(number).child("hostPort"), &key);
            }
            seen.insert(key);
        }
    }
}

fn resize_policy(policies: &[ContainerResizePolicy], spec: &PodSpec, at: &Path<'_>, errors: &mut Errors) {
    for (index, policy) in policies.iter().enumerate() {
        let (name, restart) = (policy.resource_name.as_str(), policy.restart_policy.as_str());
        if policies[..index].iter().any(|p| p.resource_name == name) {
            errors.duplicate(&at.index(index), name);
        }
        match name {
            "cpu" | "memory" => {}
            "" => errors.required(at, ""),
            other => errors.not_supported(at, other, &["cpu", "memory"]),
        }
        match restart {
            "NotRequired" | "RestartContainer" => {}
            "" => errors.required(at, ""),
            other => errors.not_supported(at, other, &["NotRequired", "RestartContainer"]),
        }
        if spec.restart_policy.as_deref() == Some("Never") && restart != "NotRequired" {
            errors.invalid(at, restart, "must be 'NotRequired' when pod `restartPolicy` is 'Never'");
        }
    }
}

fn restart_policy(container: &Container, at: &Path<'_>, errors: &mut Errors) {
    const RULES_MAX: usize = 20;
    const CODES_MAX: usize = 255;
    const ACTIONS: [&str; 2] = ["Restart", "RestartAllContainers"];
    let rules = container.restart_policy_rules.as_deref().unwrap_or_default();
    match container.restart_policy.as_deref() {
        None if rules.is_empty() => return,
        None => errors.required(&at.child("restartPolicy"), "must specify restartPolicy when restart rules are used"),
        Some("Always" | "Never" | "OnFailure") => {}
        Some(other) => errors.not_supported(&at.child("restartPolicy"), other, &["Always", "Never", "OnFailure"]),
    }
    let list = at.child("restartPolicyRules");
    if rules.len() > RULES_MAX {
        errors.too_many(&list, rules.len(), RULES_MAX);
    }
    for (index, rule) in rules.iter().enumerate() {
        let at = list.index(index);
        if !ACTIONS.contains(&rule.action.as_str()) {
            errors.not_supported(&at.child("action"), &rule.action, &ACTIONS);
        }
        let Some(codes) = &rule.exit_codes else {
            errors.required(&at.child("exitCodes"), "must be specified");
            continue;
        };
        let at = at.child("exitCodes");
        if !matches!(codes.operator.as_str(), "In" | "NotIn") {
            errors.not_supported(&at.child("operator"), &codes.operator, &["In", "NotIn"]);
        }
        let count = codes.values.as_ref().map_or(0, Vec::len);
        if count > CODES_MAX {
            errors.too_many(&at.child("values"), count, CODES_MAX);
        }
    }
}
