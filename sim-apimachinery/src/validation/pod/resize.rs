//! Changing the resources of a pod that runs. Source: `ValidatePodResize` and what it calls in pkg/apis/core/validation.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, ResourceRequirements};

use super::annotations::MIRROR;
use super::resources::Quantities;
use super::{Options, containers::is_sidecar, is_windows, metadata_and_spec, refuse_all, update::same};
use crate::defaults::qos_class;
use crate::validation::errors::Errors;
use crate::validation::go_value::{Raw, json_string};
use crate::validation::metadata;
use crate::validation::path::Path;

/// What is wrong with a pod whose resources are being changed, all else being as it was.
pub fn update(next: &Pod, current: &Pod, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    metadata_and_spec(next, &Options::for_update(current.spec.as_ref(), Some(&current.metadata)), errors);
    let nothing = PodSpec::default();
    let (after, before) = (next.spec.as_ref().unwrap_or(&nothing), current.spec.as_ref().unwrap_or(&nothing));
    if current.metadata.annotations.iter().flatten().any(|(key, _)| key == MIRROR) {
        return refuse_all("static pods cannot be resized", errors);
    }
    if is_windows(before) {
        return refuse_all("windows pods cannot be resized", errors);
    }
    let at = Path::root("spec");
    class_stays(next, current, &at, errors);
    if !node_knows_resize(current) {
        errors.forbidden(&at, "Pod running on node without support for resize");
    }
    let mut rest = after.clone();
    if has_own_resources(before) || has_own_resources(after) {
        pod_level(&mut rest, before, &at, errors);
    }
    if !same_containers(after, before, &at, errors) {
        return;
    }
    container_resources(&mut rest, after, before, &at, errors);
    if errors.is_empty() && !same(&rest, before) {
        errors.forbidden(&at, "only cpu and memory resources are mutable");
    }
}

fn class_stays(next: &Pod, current: &Pod, at: &Path<'_>, errors: &mut Errors) {
    let told = current.status.as_ref().and_then(|s| s.qos_class.as_deref()).filter(|c| !c.is_empty());
    if told.unwrap_or_else(|| qos_class(current)) != qos_class(next) {
        let shown = next.status.as_ref().and_then(|s| s.qos_class.as_deref()).unwrap_or_default();
        errors.invalid(at, Raw(json_string(shown)), "Pod QOS Class may not change as a result of resizing");
    }
}

/// A kubelet that resizes tells the resources of containers that run.
fn node_knows_resize(pod: &Pod) -> bool {
    let statuses = pod.status.iter().flat_map(|s| s.container_statuses.iter().flatten());
    let mut running = statuses.into_iter().filter(|s| s.state.as_ref().is_some_and(|s| s.running.is_some()));
    running.next().is_none_or(|s| s.resources.is_some())
}

fn has_own_resources(spec: &PodSpec) -> bool {
    let some = |map: &Option<Quantities>| map.as_ref().is_some_and(|m| !m.is_empty());
    spec.resources.as_ref().is_some_and(|r| some(&r.requests) || some(&r.limits))
}

fn pod_level(rest: &mut PodSpec, before: &PodSpec, at: &Path<'_>, errors: &mut Errors) {
    let inside = at.child("resources");
    let (Some(after), old) = (rest.resources.as_mut(), before.resources.clone().unwrap_or_default()) else {
        return errors.forbidden(&inside, "pod-level resources cannot be removed");
    };
    if is_removed(after.requests.as_ref(), old.requests.as_ref()) {
        errors.forbidden(&inside.child("requests"), "pod-level resource requests cannot be removed");
    }
    if is_removed(after.limits.as_ref(), old.limits.as_ref()) {
        errors.forbidden(&inside.child("limits"), "pod-level resource limits cannot be removed");
    }
    *after = ResourceRequirements { claims: after.claims.clone(), ..with_cpu_and_memory_of(after, &old) };
    if before.resources.is_none() && *after == ResourceRequirements::default() {
        rest.resources = None;
    }
    if rest.resources != before.resources {
        errors.forbidden(at, "only cpu and memory resources are mutable at pod-level");
    }
}

fn is_removed(after: Option<&Quantities>, before: Option<&Quantities>) -> bool {
    before.into_iter().flatten().any(|(name, _)| after.is_none_or(|a| !a.contains_key(name)))
}

fn same_containers(after: &PodSpec, before: &PodSpec, at: &Path<'_>, errors: &mut Errors) -> bool {
    let found = errors.len();
    let init = |spec: &PodSpec| spec.init_containers.clone().unwrap_or_default();
    let lists = [("containers", after.containers.clone(), before.containers.clone()), ("initContainers", init(after), init(before))];
    for (field, after, before) in lists {
        let list = at.child(field);
        if after.len() != before.len() {
            errors.forbidden(&list, &format!("{field} may not be added or removed on resize"));
            continue;
        }
        for (index, _) in after.iter().zip(&before).enumerate().filter(|(_, (a, b))| a.name != b.name) {
            errors.forbidden(&list.index(index).child("name"), &format!("{field} may not be renamed or reordered on resize"));
        }
    }
    errors.len() == found
}

fn container_resources(rest: &mut PodSpec, after: &PodSpec, before: &PodSpec, at: &Path<'_>, errors: &mut Errors) {
    let init_after = after.init_containers.as_deref().unwrap_or_default();
    let init_before = before.init_containers.as_deref().unwrap_or_default();
    for (field, after, before) in [("initContainers", init_after, init_before), ("containers", &after.containers, &before.containers)] {
        for (index, (after, before)) in after.iter().zip(before).enumerate() {
            let list = at.child(field);
            let entry = list.index(index);
            nothing_removed(after, before, &entry.child("resources"), errors);
        }
    }
    for (container, before) in rest.containers.iter_mut().zip(&before.containers) {
        take_cpu_and_memory(container, before);
        if container != before {
            errors.forbidden(at, "only cpu and memory resources are mutable");
        }
    }
    for (index, (container, before)) in rest.init_containers.iter_mut().flatten().zip(init_before).enumerate() {
        let list = at.child("initContainers");
        let is_changed = container != before;
        take_cpu_and_memory(container, before);
        if container != before {
            errors.forbidden(&list.index(index), "only cpu and memory resources for init or sidecar containers are mutable");
        }
        let restarts = container.resize_policy.iter().flatten().filter(|p| p.restart_policy == "RestartContainer");
        for _ in restarts.filter(|_| is_changed && !is_sidecar(container)) {
            let text = "non-sidecar init containers with a resize policy of RestartContainer cannot be resized";
            errors.forbidden(&list.index(index), text);
        }
    }
}

fn nothing_removed(after: &Container, before: &Container, at: &Path<'_>, errors: &mut Errors) {
    let part = |c: &Container, part: fn(&ResourceRequirements) -> Option<Quantities>| c.resources.as_ref().and_then(part);
    if is_removed(part(after, |r| r.requests.clone()).as_ref(), part(before, |r| r.requests.clone()).as_ref()) {
        errors.forbidden(&at.child("requests"), "resource requests cannot be removed");
    }
    if is_removed(part(after, |r| r.limits.clone()).as_ref(), part(before, |r| r.limits.clone()).as_ref()) {
        errors.forbidden(&at.child("limits"), "resource limits cannot be removed");
    }
}

/// Claims are dropped too, as in Kubernetes, where a container with claims can therefore not be resized.
fn take_cpu_and_memory(container: &mut Container, before: &Container) {
    let old = before.resources.clone().unwrap_or_default();
    let resources = container.resources.get_or_insert_default();
    *resources = with_cpu_and_memory_of(resources, &old);
    if before.resources.is_none() && *resources == ResourceRequirements::default() {
        container.resources = None;
    }
}

fn with_cpu_and_memory_of(resources: &ResourceRequirements, old: &ResourceRequirements) -> ResourceRequirements {
    let mixed = |new: Option<&Quantities>, old: Option<&Quantities>| {
        let is_ours = |name: &str| matches!(name, "cpu" | "memory");
        let kept = new.into_iter().flatten().filter(|(name, _)| !is_ours(name));
        let taken = old.into_iter().flatten().filter(|(name, _)| is_ours(name));
        let all: BTreeMap<_, _> = kept.chain(taken).map(|(name, q)| (name.clone(), q.clone())).collect();
        (!all.is_empty() || old.is_some_and(BTreeMap::is_empty)).then_some(all)
    };
    ResourceRequirements {
        limits: mixed(resources.limits.as_ref(), old.limits.as_ref()),
        requests: mixed(resources.requests.as_ref(), old.requests.as_ref()),
        claims: None,
    }
}
