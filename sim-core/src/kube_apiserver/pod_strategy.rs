//! What is done to pods before they are stored: selectors take over labels that they name, old annotations become fields,
//! and a write to a subresource changes that and nothing else. Source: pkg/registry/core/pod/strategy.go.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{AppArmorProfile, Container, Pod, PodAffinityTerm, PodSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use sim_apimachinery::validation::errors::Errors;
use sim_apimachinery::validation::path::Path;
use sim_apimachinery::validation::pod::{APP_ARMOR, app_armor};
use sim_apimachinery::{Object, Part};

use super::strategy::disabled::drop_disabled;

type Labels = BTreeMap<String, String>;

/// After admission: a new pod's spec as it is stored. Warnings are added to `warnings`.
pub fn finish_create(object: &mut Object, warnings: &mut Vec<String>) {
    drop_disabled(object);
    let Object::Pod(pod) = object else { return };
    let Some(spec) = &pod.spec else { return };
    let annotated = pod.metadata.annotations.iter().flatten().any(|(key, _)| key.starts_with(APP_ARMOR));
    if spec.affinity.is_none() && spec.topology_spread_constraints.is_none() && !annotated {
        return;
    }
    let Pod { metadata, spec: Some(spec), .. } = Arc::make_mut(pod) else { return };
    let labels = metadata.labels.clone().unwrap_or_default();
    take_over_labels(spec, &labels);
    if annotated {
        app_armor_fields(spec, metadata.annotations.as_ref(), warnings);
    }
}

fn take_over_labels(spec: &mut PodSpec, labels: &Labels) {
    let pod = spec.affinity.as_mut().and_then(|a| a.pod_affinity.as_mut());
    if let Some(affinity) = pod {
        let weighted = affinity.preferred_during_scheduling_ignored_during_execution.iter_mut().flatten();
        weighted.for_each(|t| term(&mut t.pod_affinity_term, labels));
        affinity.required_during_scheduling_ignored_during_execution.iter_mut().flatten().for_each(|t| term(t, labels));
    }
    let anti = spec.affinity.as_mut().and_then(|a| a.pod_anti_affinity.as_mut());
    if let Some(affinity) = anti {
        let weighted = affinity.preferred_during_scheduling_ignored_during_execution.iter_mut().flatten();
        weighted.for_each(|t| term(&mut t.pod_affinity_term, labels));
        affinity.required_during_scheduling_ignored_during_execution.iter_mut().flatten().for_each(|t| term(t, labels));
    }
    for constraint in spec.topology_spread_constraints.iter_mut().flatten() {
        let keys = constraint.match_label_keys.clone().unwrap_or_default();
        extend(constraint.label_selector.as_mut(), &keys, "In", labels);
    }
}

fn term(term: &mut PodAffinityTerm, labels: &Labels) {
    let (same, other) = (term.match_label_keys.clone().unwrap_or_default(), term.mismatch_label_keys.clone().unwrap_or_default());
    extend(term.label_selector.as_mut(), &same, "In", labels);
    extend(term.label_selector.as_mut(), &other, "NotIn", labels);
}

fn extend(selector: Option<&mut LabelSelector>, keys: &[String], operator: &str, labels: &Labels) {
    let Some(selector) = selector else { return };
    for (key, value) in keys.iter().filter_map(|key| Some((key, labels.get(key)?))) {
        let values = Some(vec![value.clone()]);
        let wanted = LabelSelectorRequirement { key: key.clone(), operator: operator.into(), values };
        selector.match_expressions.get_or_insert_default().push(wanted);
    }
}

/// AppArmor's old annotations become fields where there are none.
fn app_armor_fields(spec: &mut PodSpec, annotations: Option<&Labels>, warnings: &mut Vec<String>) {
    if spec.os.as_ref().is_some_and(|os| os.name == "windows") {
        return;
    }
    let of_pod = spec.security_context.as_ref().and_then(|c| c.app_armor_profile.clone());
    for container in spec.init_containers.iter_mut().flatten().chain(&mut spec.containers) {
        let key = format!("{APP_ARMOR}{}", container.name);
        let said = annotations.and_then(|a| a.get(&key));
        let own = container.security_context.as_ref().and_then(|c| c.app_armor_profile.as_ref());
        if let (Some(said), None) = (said, own)
            && becomes_field(container, said, of_pod.as_ref())
        {
            warnings.push(format!("metadata.annotations[{key}]: deprecated since v1.30; use the \"appArmorProfile\" field instead"));
        }
    }
}

/// Whether it is to be warned of: the field was set, or it could not be.
fn becomes_field(container: &mut Container, said: &str, of_pod: Option<&AppArmorProfile>) -> bool {
    let of = |kind: &str, path: Option<&str>| AppArmorProfile { type_: kind.into(), localhost_profile: path.map(str::to_owned) };
    let profile = match said {
        "unconfined" => Some(of("Unconfined", None)),
        "runtime/default" => Some(of("RuntimeDefault", None)),
        other => other.strip_prefix("localhost/").map(|path| of("Localhost", Some(path))),
    };
    let is_valid = |p: &AppArmorProfile| {
        let mut errors = Errors::new();
        app_armor(p, &Path::root("appArmorProfile"), &mut errors);
        errors.is_empty()
    };
    match profile.filter(is_valid) {
        None => true,
        Some(profile) if Some(&profile) == of_pod => false,
        Some(profile) => {
            container.security_context.get_or_insert_default().app_armor_profile = Some(profile);
            true
        }
    }
}

/// A write to a subresource keeps all else as it is stored.
pub fn keep_the_rest(current: &Object, next: &mut Object, part: Part) {
    drop_disabled(next);
    let (Object::Pod(old), Object::Pod(new)) = (current, &mut *next) else { return };
    let kept = match part {
        Part::EphemeralContainers => only_ephemeral_containers(old, new),
        Part::Resize => only_resources(old, new),
        _ => return,
    };
    if let Some(pod) = kept {
        *next = Object::from(pod);
    }
}

fn only_ephemeral_containers(old: &Pod, new: &Pod) -> Option<Pod> {
    let mut kept = with_metadata_of(old, new);
    kept.spec.get_or_insert_default().ephemeral_containers = new.spec.as_ref().and_then(|s| s.ephemeral_containers.clone());
    Some(kept)
}

/// The stored pod with the writer's resourceVersion, which is checked elsewhere, and managed fields.
fn with_metadata_of(old: &Pod, new: &Pod) -> Pod {
    let mut kept = old.clone();
    kept.metadata.resource_version.clone_from(&new.metadata.resource_version);
    kept.metadata.managed_fields.clone_from(&new.metadata.managed_fields);
    kept
}

/// Containers that were added, removed, renamed or moved are left to validation, which refuses them.
fn only_resources(old: &Pod, new: &Pod) -> Option<Pod> {
    let (before, after) = (old.spec.as_ref()?, new.spec.as_ref()?);
    let init = |spec: &PodSpec| spec.init_containers.clone().unwrap_or_default();
    if before.containers.len() != after.containers.len() || init(before).len() != init(after).len() {
        return None;
    }
    let mut kept = with_metadata_of(old, new);
    let spec = kept.spec.get_or_insert_default();
    spec.resources.clone_from(&after.resources);
    spec.containers = with_resources(&before.containers, &after.containers);
    let init = with_resources(&init(before), &init(after));
    spec.init_containers = (!init.is_empty()).then_some(init);
    Some(kept)
}

fn with_resources(old: &[Container], new: &[Container]) -> Vec<Container> {
    if old.iter().zip(new).any(|(a, b)| a.name != b.name) {
        return new.to_vec();
    }
    let merged = |(a, b): (&Container, &Container)| {
        let (resources, resize_policy) = (b.resources.clone(), b.resize_policy.clone());
        Container { resources, resize_policy, ..a.clone() }
    };
    old.iter().zip(new).map(merged).collect()
}
