//! What an update of a pod may change, and how Kubernetes says that it may not.
//! Source: `ValidatePodUpdate` and what it calls in pkg/apis/core/validation.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, NodeAffinity, NodeSelectorTerm, Pod, PodSchedulingGate, PodSpec, Toleration};

use super::{Options, annotations, metadata_and_spec, scheduling};
use crate::names;
use crate::validation::errors::Errors;
use crate::validation::go_value::{Raw, json_list, json_map};
use crate::validation::internal::{blamed, printed_pod_spec, unified_diff};
use crate::validation::metadata;
use crate::validation::path::Path;

const MAY_CHANGE: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// What is wrong with a pod's next state.
pub fn update(next: &Pod, current: &Pod, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    metadata_and_spec(next, &Options::for_update(current.spec.as_ref(), Some(&current.metadata)), errors);
    annotations_update(next, current, errors);
    let nothing = PodSpec::default();
    let (next, current) = (next.spec.as_ref().unwrap_or(&nothing), current.spec.as_ref().unwrap_or(&nothing));
    let at = Path::root("spec");
    let (init, init_before) = (next.init_containers.as_deref().unwrap_or_default(), current.init_containers.as_deref().unwrap_or_default());
    let same_count = images(&next.containers, &current.containers, &at.child("containers"), errors)
        && images(init, init_before, &at.child("initContainers"), errors);
    if !same_count || !deadline(next, current, &at.child("activeDeadlineSeconds"), errors) {
        return;
    }
    let tolerations = next.tolerations.as_deref().unwrap_or_default();
    only_added_tolerations(tolerations, current.tolerations.as_deref().unwrap_or_default(), &at.child("tolerations"), errors);
    let gates = next.scheduling_gates.as_deref().unwrap_or_default();
    only_removed_gates(gates, current.scheduling_gates.as_deref().unwrap_or_default(), &at.child("schedulingGates"), errors);
    if next == current {
        return;
    }
    let rest = without_what_may_change(next, current, &at, errors);
    if !same(&rest, current) {
        let difference = unified_diff(&printed_pod_spec(current), &printed_pod_spec(&rest));
        errors.forbidden(&at, &format!("{MAY_CHANGE}\n{difference}"));
    }
}

/// Whether two specs say the same: lists and maps that are empty or absent are alike.
pub fn same(a: &PodSpec, b: &PodSpec) -> bool {
    a == b
        || printed_pod_spec(a).replace("[]", "null").replace("{}", "null")
            == printed_pod_spec(b).replace("[]", "null").replace("{}", "null")
}

pub(super) fn annotations_update(next: &Pod, current: &Pod, errors: &mut Errors) {
    let nothing = BTreeMap::new();
    let (after, before) =
        (next.metadata.annotations.as_ref().unwrap_or(&nothing), current.metadata.annotations.as_ref().unwrap_or(&nothing));
    if after.is_empty() && before.is_empty() {
        return;
    }
    let at = Path::root("metadata");
    let at = at.child("annotations");
    annotations::annotations_update(after, before, &at, errors);
    let options = Options::for_update(current.spec.as_ref(), Some(&current.metadata));
    let nothing = PodSpec::default();
    annotations::annotations(after, next.spec.as_ref().unwrap_or(&nothing), &at, &options, errors);
}

/// Whether there are as many containers as before.
fn images(next: &[Container], current: &[Container], list: &Path<'_>, errors: &mut Errors) -> bool {
    if next.len() != current.len() {
        errors.forbidden(list, "pod updates may not add or remove containers");
        return false;
    }
    for (index, container) in next.iter().enumerate() {
        let image = container.image.as_deref().unwrap_or_default();
        let entry = list.index(index);
        if image.is_empty() {
            errors.required(&entry.child("image"), "");
        }
        if image.trim() != image {
            errors.invalid(&entry.child("image"), image, "must not have leading or trailing whitespace");
        }
    }
    true
}

/// Whether to go on.
fn deadline(next: &PodSpec, current: &PodSpec, at: &Path<'_>, errors: &mut Errors) -> bool {
    let most = i64::from(i32::MAX);
    match (next.active_deadline_seconds, current.active_deadline_seconds) {
        (Some(after), _) if !(0..=most).contains(&after) => {
            errors.invalid_each(at, after, names::in_range(after, 0, most));
            return false;
        }
        (Some(after), Some(before)) if before < after => {
            errors.invalid(at, after, "must be less than or equal to previous value");
            return false;
        }
        (None, Some(_)) => errors.invalid(at, None::<i64>, "must not update from a positive integer to nil value"),
        _ => {}
    }
    true
}

fn only_added_tolerations(next: &[Toleration], current: &[Toleration], at: &Path<'_>, errors: &mut Errors) {
    let kept = |old: &Toleration| next.iter().any(|new| Toleration { toleration_seconds: new.toleration_seconds, ..old.clone() } == *new);
    if !current.iter().all(kept) {
        return errors.forbidden(at, "existing toleration can not be modified except its tolerationSeconds");
    }
    scheduling::tolerations(next, at, errors);
}

fn only_removed_gates(next: &[PodSchedulingGate], current: &[PodSchedulingGate], list: &Path<'_>, errors: &mut Errors) {
    for (index, gate) in next.iter().enumerate().filter(|(_, g)| !current.iter().any(|c| c.name == g.name)) {
        let text = format!("only deletion is allowed, but found new scheduling gate '{}'", gate.name);
        errors.forbidden(&list.index(index).child("name"), &text);
    }
}

/// The next spec with all that may change as it was.
fn without_what_may_change(next: &PodSpec, current: &PodSpec, at: &Path<'_>, errors: &mut Errors) -> PodSpec {
    let mut rest = next.clone();
    let before = current.containers.iter().chain(current.init_containers.iter().flatten());
    for (container, before) in rest.containers.iter_mut().chain(rest.init_containers.iter_mut().flatten()).zip(before) {
        container.image.clone_from(&before.image);
    }
    rest.active_deadline_seconds = current.active_deadline_seconds;
    rest.scheduling_gates.clone_from(&current.scheduling_gates);
    rest.tolerations.clone_from(&current.tolerations);
    if current.termination_grace_period_seconds.is_some_and(|s| s < 0) && rest.termination_grace_period_seconds == Some(1) {
        rest.termination_grace_period_seconds = current.termination_grace_period_seconds;
    }
    if current.scheduling_gates.as_ref().is_some_and(|g| !g.is_empty()) {
        gated(&mut rest, current, at, errors);
    }
    rest
}

/// As long as it is not scheduled a pod may become choosier about nodes.
fn gated(rest: &mut PodSpec, current: &PodSpec, at: &Path<'_>, errors: &mut Errors) {
    if rest.node_selector != current.node_selector {
        let nothing = BTreeMap::new();
        let next = rest.node_selector.as_ref().unwrap_or(&nothing);
        if current.node_selector.iter().flatten().any(|(key, value)| next.get(key) != Some(value)) {
            let text = "only additions to spec.nodeSelector are allowed (no mutations or deletions)";
            let value = rest.node_selector.as_ref().map_or_else(|| "null".into(), json_map);
            errors.invalid(&at.child("nodeSelector"), Raw(value), text);
        }
        rest.node_selector.clone_from(&current.node_selector);
    }
    let before = current.affinity.as_ref().and_then(|a| a.node_affinity.clone());
    let after = rest.affinity.as_ref().and_then(|a| a.node_affinity.clone());
    if before != after {
        let at = at.child("affinity");
        node_affinity(after.as_ref(), before.as_ref(), &at.child("nodeAffinity"), errors);
        rest.affinity.get_or_insert_default().node_affinity = before;
        if current.affinity.is_none() && rest.affinity.as_ref().is_some_and(|a| *a == Default::default()) {
            rest.affinity = None;
        }
    }
}

fn node_affinity(next: Option<&NodeAffinity>, current: Option<&NodeAffinity>, at: &Path<'_>, errors: &mut Errors) {
    let terms = |affinity: Option<&NodeAffinity>| -> Option<Vec<NodeSelectorTerm>> {
        Some(affinity?.required_during_scheduling_ignored_during_execution.as_ref()?.node_selector_terms.clone())
    };
    let Some(before) = terms(current) else { return };
    let after = terms(next);
    let required = at.child("requiredDuringSchedulingIgnoredDuringExecution");
    let list = required.child("nodeSelectorTerms");
    let now = after.clone().unwrap_or_default();
    if !before.is_empty() && before.len() != now.len() {
        let value = after.map_or_else(|| "null".into(), |t| json_list(t.iter().map(|t| blamed("NodeSelectorTerm", t).0)));
        return errors.invalid(&list, Raw(value), "no additions/deletions to non-empty NodeSelectorTerms list are allowed");
    }
    for (index, (before, after)) in before.iter().zip(&now).enumerate() {
        if !has_only_additions(after, before) {
            let text = "only additions are allowed (no mutations or deletions)";
            errors.invalid(&list.index(index), blamed("NodeSelectorTerm", after), text);
        }
    }
}

fn has_only_additions(next: &NodeSelectorTerm, current: &NodeSelectorTerm) -> bool {
    let lists =
        |term: &NodeSelectorTerm| (term.match_expressions.clone().unwrap_or_default(), term.match_fields.clone().unwrap_or_default());
    let ((labels, fields), (labels_before, fields_before)) = (lists(next), lists(current));
    if labels_before.is_empty() && fields_before.is_empty() {
        return labels.is_empty() && fields.is_empty();
    }
    labels.starts_with(&labels_before) && fields.starts_with(&fields_before)
}
