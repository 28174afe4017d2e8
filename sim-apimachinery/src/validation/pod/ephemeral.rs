//! Ephemeral containers, and the subresource that adds them.
//! Source: `validateEphemeralContainers` and `ValidatePodEphemeralContainersUpdate` in pkg/apis/core/validation.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Container, EphemeralContainer, Pod};

use super::annotations::MIRROR;
use super::containers::{Surroundings, common};
use super::update::annotations_update;
use super::{Options, metadata_and_spec, only_for_pods};
use crate::validation::errors::Errors;
use crate::validation::go_value::shown;
use crate::validation::internal::{printed, unified_diff};
use crate::validation::metadata;
use crate::validation::path::Path;

const NOT_SET: &str = "cannot be set for an Ephemeral Container";

/// What is wrong with the ephemeral containers of a pod.
pub fn containers(pod: &Surroundings<'_>, list: &Path<'_>, errors: &mut Errors) {
    let others: BTreeSet<&str> =
        pod.spec.containers.iter().chain(pod.spec.init_containers.iter().flatten()).map(|c| c.name.as_str()).collect();
    let mut seen = others.clone();
    for (index, ephemeral) in pod.spec.ephemeral_containers.iter().flatten().enumerate() {
        let at = list.index(index);
        let container = as_container(ephemeral);
        common(&container, pod, &at, errors);
        only_for_pods(&container, &at, errors);
        if !seen.insert(&ephemeral.name) {
            errors.duplicate(&at.child("name"), &ephemeral.name);
        }
        let target = ephemeral.target_container_name.as_deref().unwrap_or_default();
        if !target.is_empty() && !others.contains(target) {
            errors.not_found(&at.child("targetContainerName"), target, "");
        }
        not_allowed(ephemeral, &at, errors);
    }
}

fn not_allowed(container: &EphemeralContainer, at: &Path<'_>, errors: &mut Errors) {
    for (field, is_set) in [
        ("ports", container.ports.is_some()),
        ("resources", container.resources.as_ref().is_some_and(|r| *r != Default::default())),
        ("resizePolicy", container.resize_policy.is_some()),
        ("restartPolicy", container.restart_policy.is_some()),
        ("restartPolicyRules", container.restart_policy_rules.is_some()),
        ("livenessProbe", container.liveness_probe.is_some()),
        ("readinessProbe", container.readiness_probe.is_some()),
        ("startupProbe", container.startup_probe.is_some()),
        ("lifecycle", container.lifecycle.is_some()),
    ] {
        if is_set {
            errors.forbidden(&at.child(field), NOT_SET);
        }
    }
    for (index, mount) in container.volume_mounts.iter().flatten().enumerate() {
        for (field, path) in [("subPath", &mount.sub_path), ("subPathExpr", &mount.sub_path_expr)] {
            if path.as_deref().is_some_and(|p| !p.is_empty()) {
                errors.forbidden(&at.child("volumeMounts").index(index).child(field), NOT_SET);
            }
        }
    }
}

/// The container that an ephemeral container is but for its target.
pub fn as_container(from: &EphemeralContainer) -> Container {
    let from = from.clone();
    Container {
        args: from.args,
        command: from.command,
        env: from.env,
        env_from: from.env_from,
        image: from.image,
        image_pull_policy: from.image_pull_policy,
        lifecycle: from.lifecycle,
        liveness_probe: from.liveness_probe,
        name: from.name,
        ports: from.ports,
        readiness_probe: from.readiness_probe,
        resize_policy: from.resize_policy,
        resources: from.resources,
        restart_policy: from.restart_policy,
        restart_policy_rules: from.restart_policy_rules,
        security_context: from.security_context,
        startup_probe: from.startup_probe,
        stdin: from.stdin,
        stdin_once: from.stdin_once,
        termination_message_path: from.termination_message_path,
        termination_message_policy: from.termination_message_policy,
        tty: from.tty,
        volume_devices: from.volume_devices,
        volume_mounts: from.volume_mounts,
        working_dir: from.working_dir,
    }
}

/// What is wrong with a pod whose ephemeral containers are being added to, all else being as it was.
pub fn update(next: &Pod, current: &Pod, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    metadata_and_spec(next, &Options::for_update(current.spec.as_ref(), Some(&current.metadata)), errors);
    annotations_update(next, current, errors);
    if current.metadata.annotations.iter().flatten().any(|(key, _)| key == MIRROR) {
        return super::refuse_all("static pods do not support ephemeral containers", errors);
    }
    let at = Path::root("spec");
    let at = at.child("ephemeralContainers");
    let list =
        |pod: &'_ Pod| -> Vec<EphemeralContainer> { pod.spec.as_ref().and_then(|s| s.ephemeral_containers.clone()).unwrap_or_default() };
    let after = list(next);
    for before in list(current) {
        let name = shown(before.name.as_str());
        match after.iter().rfind(|c| c.name == before.name) {
            None => errors.forbidden(&at, &format!("existing ephemeral containers {name} may not be removed\n")),
            Some(after) if *after != before => {
                let (old, new) = (printed("EphemeralContainer", &before), printed("EphemeralContainer", after));
                let text = format!("existing ephemeral containers {name} may not be changed\n{}", unified_diff(&old, &new));
                errors.forbidden(&at, &text);
            }
            Some(_) => {}
        }
    }
}
