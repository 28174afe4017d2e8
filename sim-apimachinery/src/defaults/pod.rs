//! Pods and pod templates. Source: pkg/apis/core/v1/defaults.go, and pkg/api/pod for what is dropped: fields of features
//! that are off by default. Lists and maps that are empty are not kept, as in the store.

use k8s_openapi::api::core::v1::{
    Container, ContainerPort, EnvVar, EphemeralContainer, HTTPGetAction, Lifecycle, Pod, PodSpec, PodTemplateSpec, Probe,
    ResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;

use super::canonicalise;
use super::image::pull_policy;
use super::pod_volumes::default_volume;
use crate::validation::pod::resources::{aggregate, is_huge_page, is_overcommit_allowed};

/// Sets a text that is not there or empty.
pub(super) fn fill(text: &mut Option<String>, with: &str) {
    if text.as_deref().unwrap_or_default().is_empty() {
        *text = Some(with.to_owned());
    }
}

/// Sets a number that is not there or 0.
fn fill_number(number: &mut Option<i32>, with: i32) {
    if number.unwrap_or(0) == 0 {
        *number = Some(with);
    }
}

/// Defaults of a pod.
pub fn default_pod(pod: &mut Pod) {
    let spec = pod.spec.get_or_insert_default();
    default_spec(spec);
    // A pod's, not a template's: what cannot be is the shortest that can.
    spec.termination_grace_period_seconds.iter_mut().filter(|seconds| **seconds < 0).for_each(|seconds| *seconds = 1);
    let containers = spec.containers.iter_mut().chain(spec.init_containers.iter_mut().flatten());
    for resources in containers.filter_map(|c| c.resources.as_mut()) {
        limits_are_requests(resources);
    }
    pod_level_resources(spec);
    spec.enable_service_links.get_or_insert(true);
    if spec.host_network == Some(true) {
        host_ports(spec);
    }
}

/// Defaults of a template inside a workload: fewer than a pod's.
pub fn default_pod_template(template: &mut PodTemplateSpec) {
    template.metadata.get_or_insert_default();
    default_spec(template.spec.get_or_insert_default());
}

fn default_spec(spec: &mut PodSpec) {
    fill(&mut spec.restart_policy, "Always");
    fill(&mut spec.dns_policy, "ClusterFirst");
    fill(&mut spec.scheduler_name, "default-scheduler");
    spec.security_context.get_or_insert_default();
    spec.termination_grace_period_seconds.get_or_insert(30);
    // The old name of the field is kept beside the new one.
    let account = spec.service_account_name.take().filter(|n| !n.is_empty()).or_else(|| spec.service_account.take());
    spec.service_account_name = account.filter(|n| !n.is_empty());
    spec.service_account.clone_from(&spec.service_account_name);
    drop_empty(spec);
    for container in spec.containers.iter_mut().chain(spec.init_containers.iter_mut().flatten()) {
        default_container(container);
    }
    spec.ephemeral_containers.iter_mut().flatten().for_each(default_ephemeral_container);
    if let Some(resources) = spec.resources.as_mut() {
        canonical(resources);
    }
    canonicalise(spec.overhead.as_mut());
    spec.volumes.iter_mut().flatten().for_each(default_volume);
    spec.scheduling_group = None;
}

fn canonical(resources: &mut ResourceRequirements) {
    for map in [&mut resources.limits, &mut resources.requests] {
        canonicalise(map.as_mut());
        if map.as_ref().is_some_and(|m| m.is_empty()) {
            *map = None;
        }
    }
}

/// What the store does not keep: empty lists, maps and texts.
fn drop_empty(spec: &mut PodSpec) {
    drop_if_empty(&mut spec.volumes);
    drop_if_empty(&mut spec.init_containers);
    drop_if_empty(&mut spec.ephemeral_containers);
    drop_if_empty(&mut spec.tolerations);
    drop_if_empty(&mut spec.image_pull_secrets);
    drop_if_empty(&mut spec.host_aliases);
    drop_if_empty(&mut spec.readiness_gates);
    drop_if_empty(&mut spec.scheduling_gates);
    drop_if_empty(&mut spec.topology_spread_constraints);
    drop_if_empty(&mut spec.resource_claims);
    for text in [&mut spec.node_name, &mut spec.hostname, &mut spec.subdomain, &mut spec.priority_class_name] {
        if text.as_deref() == Some("") {
            *text = None;
        }
    }
    for flag in [&mut spec.host_network, &mut spec.host_pid, &mut spec.host_ipc] {
        if *flag == Some(false) {
            *flag = None;
        }
    }
    if spec.node_selector.as_ref().is_some_and(|s| s.is_empty()) {
        spec.node_selector = None;
    }
}

pub(super) fn drop_if_empty<T>(list: &mut Option<Vec<T>>) {
    if list.as_ref().is_some_and(Vec::is_empty) {
        *list = None;
    }
}

fn default_container(container: &mut Container) {
    fill(&mut container.termination_message_path, "/dev/termination-log");
    fill(&mut container.termination_message_policy, "File");
    fill(&mut container.image_pull_policy, pull_policy(container.image.as_deref().unwrap_or_default()));
    drop_if_empty(&mut container.command);
    drop_if_empty(&mut container.args);
    drop_if_empty(&mut container.env);
    drop_if_empty(&mut container.env_from);
    drop_if_empty(&mut container.ports);
    drop_if_empty(&mut container.volume_mounts);
    drop_if_empty(&mut container.volume_devices);
    drop_if_empty(&mut container.resize_policy);
    container.ports.iter_mut().flatten().for_each(default_port);
    container.env.iter_mut().flatten().for_each(default_variable);
    canonical(container.resources.get_or_insert_default());
    for probe in [&mut container.liveness_probe, &mut container.readiness_probe, &mut container.startup_probe].into_iter().flatten() {
        default_probe(probe);
    }
    default_lifecycle(&mut container.lifecycle);
}

/// Container after container, since an ephemeral one is a type of its own.
fn default_ephemeral_container(ephemeral: &mut EphemeralContainer) {
    fill(&mut ephemeral.termination_message_path, "/dev/termination-log");
    fill(&mut ephemeral.termination_message_policy, "File");
    fill(&mut ephemeral.image_pull_policy, pull_policy(ephemeral.image.as_deref().unwrap_or_default()));
    drop_if_empty(&mut ephemeral.command);
    drop_if_empty(&mut ephemeral.args);
    drop_if_empty(&mut ephemeral.env);
    drop_if_empty(&mut ephemeral.env_from);
    drop_if_empty(&mut ephemeral.ports);
    drop_if_empty(&mut ephemeral.volume_mounts);
    drop_if_empty(&mut ephemeral.volume_devices);
    drop_if_empty(&mut ephemeral.resize_policy);
    ephemeral.ports.iter_mut().flatten().for_each(default_port);
    ephemeral.env.iter_mut().flatten().for_each(default_variable);
    canonical(ephemeral.resources.get_or_insert_default());
    for probe in [&mut ephemeral.liveness_probe, &mut ephemeral.readiness_probe, &mut ephemeral.startup_probe].into_iter().flatten() {
        default_probe(probe);
    }
    default_lifecycle(&mut ephemeral.lifecycle);
}

fn default_port(port: &mut ContainerPort) {
    fill(&mut port.protocol, "TCP");
    if port.host_port == Some(0) {
        port.host_port = None;
    }
}

fn default_variable(variable: &mut EnvVar) {
    if variable.value.as_deref() == Some("") {
        variable.value = None;
    }
    let Some(source) = variable.value_from.as_mut() else { return };
    if let Some(field) = source.field_ref.as_mut() {
        fill(&mut field.api_version, "v1");
    }
    if let Some(resource) = source.resource_field_ref.as_mut() {
        default_divisor(&mut resource.divisor);
    }
    if let Some(file) = source.file_key_ref.as_mut() {
        file.optional.get_or_insert(false);
    }
}

/// A divisor that is not said is shown as 0.
pub(super) fn default_divisor(divisor: &mut Option<ApiQuantity>) {
    let divisor = divisor.get_or_insert_with(|| ApiQuantity("0".into()));
    if let Ok(text) = crate::quantity::canonical(&divisor.0) {
        divisor.0 = text;
    }
}

fn default_probe(probe: &mut Probe) {
    fill_number(&mut probe.timeout_seconds, 1);
    fill_number(&mut probe.period_seconds, 10);
    fill_number(&mut probe.success_threshold, 1);
    fill_number(&mut probe.failure_threshold, 3);
    if probe.initial_delay_seconds == Some(0) {
        probe.initial_delay_seconds = None;
    }
    probe.http_get.iter_mut().for_each(default_get);
    if let Some(grpc) = probe.grpc.as_mut() {
        grpc.service.get_or_insert_with(String::new);
    }
}

fn default_get(get: &mut HTTPGetAction) {
    fill(&mut get.path, "/");
    fill(&mut get.scheme, "HTTP");
}

fn default_lifecycle(lifecycle: &mut Option<Lifecycle>) {
    let Some(found) = lifecycle.as_mut() else { return };
    for handler in [found.pre_stop.as_mut(), found.post_start.as_mut()].into_iter().flatten() {
        handler.http_get.iter_mut().for_each(default_get);
    }
}

/// Takes out of a pod's spec what belongs to features that are off: signals to stop with (`ContainerStopSignals`).
/// Whoever sent it owns it all the same. Source: `dropDisabledFields` in pkg/api/pod/util.go.
pub fn drop_disabled(spec: &mut PodSpec) {
    let containers = spec.containers.iter_mut().chain(spec.init_containers.iter_mut().flatten()).map(|c| &mut c.lifecycle);
    let debuggers = spec.ephemeral_containers.iter_mut().flatten().map(|c| &mut c.lifecycle);
    for lifecycle in containers.chain(debuggers) {
        let dropped = lifecycle.as_mut().is_some_and(|found| found.stop_signal.take().is_some());
        if dropped && *lifecycle == Some(Lifecycle::default()) {
            *lifecycle = None;
        }
    }
}

fn limits_are_requests(resources: &mut ResourceRequirements) {
    let Some(limits) = resources.limits.clone() else { return };
    let requests = resources.requests.get_or_insert_default();
    for (name, limit) in limits {
        requests.entry(name).or_insert(limit);
    }
}

/// A pod that limits itself as a whole asks for what its containers ask for, or for its limits; and it limits its huge
/// pages to what its containers may use.
fn pod_level_resources(spec: &mut PodSpec) {
    let written = |amount: &crate::quantity::Quantity| ApiQuantity(amount.to_string());
    let Some(mut own) = spec.resources.clone() else { return };
    if own.limits.is_none() && own.requests.is_none() {
        return;
    }
    let pages = aggregate(spec, |r| r.limits.as_ref()).into_iter().filter(|(name, _)| is_huge_page(name));
    for (name, amount) in pages {
        let asked = own.requests.as_ref().is_some_and(|r| r.contains_key(&name));
        if !asked {
            own.limits.get_or_insert_default().entry(name).or_insert_with(|| written(&amount));
        }
    }
    if let Some(limits) = own.limits.clone() {
        let requests = own.requests.get_or_insert_default();
        for (name, amount) in aggregate(spec, |r| r.requests.as_ref()) {
            if matches!(name.as_str(), "cpu" | "memory") && is_overcommit_allowed(&name) {
                requests.entry(name).or_insert_with(|| written(&amount));
            }
        }
        for (name, limit) in limits.into_iter().filter(|(name, _)| matches!(name.as_str(), "cpu" | "memory") || is_huge_page(name)) {
            requests.entry(name).or_insert(limit);
        }
    }
    own.requests = own.requests.filter(|r| !r.is_empty());
    spec.resources = Some(own);
}

fn host_ports(spec: &mut PodSpec) {
    let containers = spec.containers.iter_mut().chain(spec.init_containers.iter_mut().flatten());
    for port in containers.flat_map(|c| c.ports.iter_mut().flatten()) {
        fill_number(&mut port.host_port, port.container_port);
    }
}
