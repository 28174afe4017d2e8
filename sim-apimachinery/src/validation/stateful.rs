//! Stateful sets, and the controller revisions they and daemon sets keep. Source: pkg/apis/apps/validation.

use k8s_openapi::api::apps::v1::{
    ControllerRevision, RollingUpdateStatefulSetStrategy, StatefulSet, StatefulSetSpec, StatefulSetUpdateStrategy,
};
use k8s_openapi::api::core::v1::{PersistentVolumeClaimVolumeSource, PodTemplateSpec, Volume};

use super::errors::Errors;
use super::go_value::{Raw, go_object, json, json_string, label_selector, shown};
use super::path::Path;
use super::values::{at_most_100_percent, int_or_percent, number_of};
use super::workloads::{self, is_given, runs_for_ever};
use super::{claims, labels, metadata, pod};
use crate::names;
use crate::selector::Selector;

const SPEC: Path<'_> = Path::root("spec");
const FROZEN: &str = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";

/// What is wrong with a new stateful set.
pub fn create(set: &StatefulSet, errors: &mut Errors) {
    metadata::validate(&set.metadata, true, names::dns1123_label, errors);
    spec(&set.spec.clone().unwrap_or_default(), None, errors);
}

/// What is wrong with a stateful set's next state.
pub fn update(next: &StatefulSet, current: &StatefulSet, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    let (new, old) = (next.spec.clone().unwrap_or_default(), current.spec.clone().unwrap_or_default());
    spec(&new, Some(&old), errors);
    let mut probe = new;
    probe.replicas = old.replicas;
    probe.template = old.template.clone();
    probe.update_strategy = old.update_strategy.clone();
    probe.min_ready_seconds = old.min_ready_seconds;
    probe.ordinals = old.ordinals.clone();
    probe.revision_history_limit = old.revision_history_limit;
    probe.persistent_volume_claim_retention_policy = old.persistent_volume_claim_retention_policy.clone();
    if probe != old {
        errors.forbidden(&SPEC, FROZEN);
    }
}

/// What cannot change (claims, the service's name) is not looked at again.
fn spec(spec: &StatefulSetSpec, before: Option<&StatefulSetSpec>, errors: &mut Errors) {
    match spec.pod_management_policy.as_deref().unwrap_or_default() {
        "" => errors.required(&SPEC.child("podManagementPolicy"), ""),
        "OrderedReady" | "Parallel" => {}
        other => errors.invalid(&SPEC.child("podManagementPolicy"), other, "must be 'OrderedReady' or 'Parallel'"),
    }
    strategy(&spec.update_strategy.clone().unwrap_or_default(), &SPEC.child("updateStrategy"), errors);
    retention(spec, errors);
    if before.is_none() {
        for (index, claim) in spec.volume_claim_templates.iter().flatten().enumerate() {
            let list = SPEC.child("volumeClaimTemplates");
            claims::claim_spec(&claim.spec.clone().unwrap_or_default(), &list.index(index).child("spec"), errors);
        }
    }
    errors.not_negative(&SPEC.child("replicas"), spec.replicas.unwrap_or(0).into());
    errors.not_negative(&SPEC.child("minReadySeconds"), spec.min_ready_seconds.unwrap_or(0).into());
    if let Some(ordinals) = &spec.ordinals {
        errors.not_negative(&SPEC.child("ordinals.start"), ordinals.start.unwrap_or(0).into());
    }
    if let (None, Some(name)) = (before, spec.service_name.as_deref().filter(|n| !n.is_empty())) {
        errors.invalid_each(&SPEC.child("serviceName"), name, names::dns1123_label(name));
    }
    if workloads::selector(&spec.selector, "statefulset", errors) {
        template(spec, before, errors);
    } else {
        errors.invalid(&SPEC.child("selector"), label_selector(&spec.selector), "");
    }
    runs_for_ever(&spec.template, "StatefulSet", errors);
}

fn retention(spec: &StatefulSetSpec, errors: &mut Errors) {
    let Some(policy) = &spec.persistent_volume_claim_retention_policy else { return };
    let at = SPEC.child("persistentVolumeClaimRetentionPolicy");
    for (field, value) in [("whenDeleted", &policy.when_deleted), ("whenScaled", &policy.when_scaled)] {
        let value = value.as_deref().unwrap_or_default();
        if !matches!(value, "Retain" | "Delete") {
            errors.not_supported(&at.child(field), value, &["Retain", "Delete"]);
        }
    }
}

fn strategy(strategy: &StatefulSetUpdateStrategy, at: &Path<'_>, errors: &mut Errors) {
    match (strategy.type_.as_deref().unwrap_or_default(), &strategy.rolling_update) {
        ("", _) => errors.required(at, ""),
        ("OnDelete", Some(rolling)) => {
            errors.invalid(&at.child("rollingUpdate"), rolling_shown(rolling), "only allowed for updateStrategy 'RollingUpdate'");
        }
        ("RollingUpdate", Some(found)) => rolling(found, &at.child("rollingUpdate"), errors),
        ("OnDelete" | "RollingUpdate", None) => {}
        (other, rolling) => {
            let rolling = rolling.as_ref().map(rolling_shown);
            let value = go_object(&[("Type", json_string(other)), ("RollingUpdate", shown(rolling))]);
            errors.invalid(at, value, "must be 'RollingUpdate' or 'OnDelete'");
        }
    }
}

fn rolling_shown(rolling: &RollingUpdateStatefulSetStrategy) -> Raw {
    go_object(&[("Partition", rolling.partition.unwrap_or(0).to_string()), ("MaxUnavailable", shown(rolling.max_unavailable.clone()))])
}

fn rolling(rolling: &RollingUpdateStatefulSetStrategy, at: &Path<'_>, errors: &mut Errors) {
    errors.not_negative(&at.child("partition"), rolling.partition.unwrap_or(0).into());
    if let Some(most) = &rolling.max_unavailable {
        let at = at.child("maxUnavailable");
        int_or_percent(most, &at, errors);
        if number_of(most) == 0 {
            errors.invalid(&at, most, "cannot be 0");
        }
        at_most_100_percent(most, &at, errors);
    }
}

/// The template with the claims' volumes in it; a template that was wrong before may stay so.
fn template(spec: &StatefulSetSpec, before: Option<&StatefulSetSpec>, errors: &mut Errors) {
    let nothing = Default::default();
    let found = spec.template.metadata.as_ref().and_then(|m| m.labels.as_ref()).unwrap_or(&nothing);
    if !is_given(&spec.selector) || Selector::from_label_selector(&spec.selector).is_ok_and(|s| !s.matches(found)) {
        workloads::mismatch(&spec.template, errors);
    }
    let at = SPEC.child("template");
    let length = errors.len();
    pod::template(&with_claims(spec), before.map(|b| &b.template), &at, errors);
    if errors.len() > length && before.is_some_and(was_wrong) {
        errors.truncate(length);
    }
    let metadata = spec.template.metadata.clone().unwrap_or_default();
    labels::labels(metadata.labels.as_ref(), &at.child("labels"), errors);
    metadata::annotations(metadata.annotations.as_ref(), &at.child("annotations"), errors);
}

fn was_wrong(before: &StatefulSetSpec) -> bool {
    let mut errors = Errors::new();
    pod::template(&with_claims(before), None, &SPEC, &mut errors);
    !errors.is_empty()
}

fn with_claims(spec: &StatefulSetSpec) -> PodTemplateSpec {
    let mut template = spec.template.clone();
    let Some(pod) = template.spec.as_mut() else { return template };
    pod.hostname = None;
    pod.subdomain = None;
    let names: Vec<String> = spec.volume_claim_templates.iter().flatten().map(|c| c.metadata.name.clone().unwrap_or_default()).collect();
    let claim = |name: &String| Volume {
        name: name.clone(),
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource { claim_name: name.clone(), ..Default::default() }),
        ..Default::default()
    };
    let others = pod.volumes.take().unwrap_or_default().into_iter().filter(|v| !names.contains(&v.name));
    let volumes: Vec<Volume> = names.iter().map(claim).chain(others).collect();
    pod.volumes = (!volumes.is_empty()).then_some(volumes);
    template
}

/// What is wrong with a new controller revision.
pub fn revision_create(revision: &ControllerRevision, errors: &mut Errors) {
    metadata::validate(&revision.metadata, true, names::dns1123_subdomain, errors);
    errors.not_negative(&Path::root("revision"), revision.revision);
    let data = revision.data.as_ref().map(|d| &d.0);
    if data.is_none_or(serde_json::Value::is_null) {
        errors.required(&Path::root("data"), "data is mandatory");
    } else if !data.is_some_and(serde_json::Value::is_object) {
        errors.required(&Path::root("data"), "data must be a valid JSON object");
    }
}

/// What is wrong with a controller revision's next state.
pub fn revision_update(next: &ControllerRevision, current: &ControllerRevision, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    metadata::validate(&next.metadata, true, names::dns1123_subdomain, errors);
    errors.not_negative(&Path::root("revision"), next.revision);
    if next.data != current.data {
        let value = next.data.as_ref().map_or_else(|| "null".into(), |d| json(&d.0));
        errors.invalid(&Path::root("data"), Raw(value), "field is immutable");
    }
}
