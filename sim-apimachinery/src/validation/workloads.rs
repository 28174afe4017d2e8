//! Deployments, replica sets, daemon sets and replication controllers; what a selector and its template owe each other.
//! Source: pkg/apis/apps/validation, `ValidateReplicationController` in pkg/apis/core/validation.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{
    DaemonSet, DaemonSetSpec, DaemonSetUpdateStrategy, Deployment, DeploymentSpec, DeploymentStrategy, ReplicaSet, ReplicaSetSpec,
    RollingUpdateDaemonSet, RollingUpdateDeployment,
};
use k8s_openapi::api::core::v1::{PodTemplate, PodTemplateSpec, ReplicationController, ReplicationControllerSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::errors::Errors;
use super::go_value::{Raw, go_object, json_map, json_string, label_selector, shown};
use super::path::Path;
use super::values::{at_most_100_percent, int_or_percent, number_of};
use super::{labels, metadata, pod};
use crate::names;
use crate::selector::Selector;

const MISMATCH: &str = "`selector` does not match template `labels`";
const SPEC: Path<'_> = Path::root("spec");

/// What is wrong with a new deployment.
pub fn deployment_create(deployment: &Deployment, errors: &mut Errors) {
    metadata::validate(&deployment.metadata, true, names::dns1123_subdomain, errors);
    deployment_spec(&deployment.spec.clone().unwrap_or_default(), None, errors);
}

/// What is wrong with a deployment's next state.
pub fn deployment_update(next: &Deployment, current: &Deployment, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    let (spec, before) = (next.spec.clone().unwrap_or_default(), current.spec.clone().unwrap_or_default());
    deployment_spec(&spec, Some(&before.template), errors);
    errors.immutable(&SPEC.child("selector"), &spec.selector, &before.selector, selector_shown);
}

/// What is wrong with a new replica set.
pub fn replica_set_create(set: &ReplicaSet, errors: &mut Errors) {
    metadata::validate(&set.metadata, true, names::dns1123_subdomain, errors);
    replica_set_spec(&set.spec.clone().unwrap_or_default(), None, errors);
}

/// What is wrong with a replica set's next state.
pub fn replica_set_update(next: &ReplicaSet, current: &ReplicaSet, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    let (spec, before) = (next.spec.clone().unwrap_or_default(), current.spec.clone().unwrap_or_default());
    replica_set_spec(&spec, before.template.as_ref(), errors);
    errors.immutable(&SPEC.child("selector"), &spec.selector, &before.selector, selector_shown);
}

/// What is wrong with a new daemon set.
pub fn daemon_set_create(set: &DaemonSet, errors: &mut Errors) {
    metadata::validate(&set.metadata, true, names::dns1123_subdomain, errors);
    daemon_set_spec(&set.spec.clone().unwrap_or_default(), None, errors);
}

/// What is wrong with a daemon set's next state.
pub fn daemon_set_update(next: &DaemonSet, current: &DaemonSet, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    let (spec, before) = (next.spec.clone().unwrap_or_default(), current.spec.clone().unwrap_or_default());
    errors.immutable(&SPEC.child("selector"), &spec.selector, &before.selector, selector_shown);
    daemon_set_spec(&spec, Some(&before.template), errors);
}

/// What is wrong with a new replication controller.
pub fn replication_controller_create(controller: &ReplicationController, errors: &mut Errors) {
    metadata::validate(&controller.metadata, true, names::dns1123_subdomain, errors);
    replication_controller_spec(&controller.spec.clone().unwrap_or_default(), None, errors);
}

/// What is wrong with a replication controller's next state.
pub fn replication_controller_update(next: &ReplicationController, current: &ReplicationController, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    let before = current.spec.as_ref().and_then(|s| s.template.as_ref());
    replication_controller_spec(&next.spec.clone().unwrap_or_default(), before, errors);
}

/// What is wrong with a new pod template.
pub fn pod_template_create(template: &PodTemplate, errors: &mut Errors) {
    metadata::validate(&template.metadata, true, names::dns1123_subdomain, errors);
    pod::template(&template.template.clone().unwrap_or_default(), None, &Path::root("template"), errors);
}

/// What is wrong with a pod template's next state.
pub fn pod_template_update(next: &PodTemplate, current: &PodTemplate, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    pod::template(&next.template.clone().unwrap_or_default(), current.template.as_ref(), &Path::root("template"), errors);
}

fn deployment_spec(spec: &DeploymentSpec, before: Option<&PodTemplateSpec>, errors: &mut Errors) {
    errors.not_negative(&SPEC.child("replicas"), spec.replicas.unwrap_or(0).into());
    if selector(&spec.selector, "deployment", errors) {
        template(Some(&spec.selector), &spec.template, before, "ReplicaSet", errors);
    } else {
        errors.invalid(&SPEC.child("selector"), label_selector(&spec.selector), "invalid label selector");
    }
    deployment_strategy(&spec.strategy.clone().unwrap_or_default(), &SPEC.child("strategy"), errors);
    let ready = spec.min_ready_seconds.unwrap_or(0);
    errors.not_negative(&SPEC.child("minReadySeconds"), ready.into());
    if let Some(limit) = spec.revision_history_limit {
        errors.not_negative(&SPEC.child("revisionHistoryLimit"), limit.into());
    }
    if let Some(deadline) = spec.progress_deadline_seconds {
        let at = SPEC.child("progressDeadlineSeconds");
        errors.not_negative(&at, deadline.into());
        if deadline <= ready {
            errors.invalid(&at, deadline, "must be greater than minReadySeconds");
        }
    }
}

fn replica_set_spec(spec: &ReplicaSetSpec, before: Option<&PodTemplateSpec>, errors: &mut Errors) {
    errors.not_negative(&SPEC.child("replicas"), spec.replicas.unwrap_or(0).into());
    errors.not_negative(&SPEC.child("minReadySeconds"), spec.min_ready_seconds.unwrap_or(0).into());
    if selector(&spec.selector, "deployment", errors) {
        template(Some(&spec.selector), &spec.template.clone().unwrap_or_default(), before, "ReplicaSet", errors);
    } else {
        errors.invalid(&SPEC.child("selector"), label_selector(&spec.selector), "invalid label selector");
    }
}

fn replication_controller_spec(spec: &ReplicationControllerSpec, before: Option<&PodTemplateSpec>, errors: &mut Errors) {
    errors.not_negative(&SPEC.child("minReadySeconds"), spec.min_ready_seconds.unwrap_or(0).into());
    let wanted = spec.selector.as_ref().filter(|s| !s.is_empty());
    if wanted.is_none() {
        errors.required(&SPEC.child("selector"), "");
    }
    match spec.replicas {
        Some(replicas) => errors.not_negative(&SPEC.child("replicas"), replicas.into()),
        None => errors.required(&SPEC.child("replicas"), ""),
    }
    match &spec.template {
        Some(found) => {
            let selector = wanted.map(|w| LabelSelector { match_labels: Some(w.clone()), match_expressions: None });
            template(selector.as_ref(), found, before, "ReplicationController", errors);
        }
        None => errors.required(&SPEC.child("template"), ""),
    }
}

fn daemon_set_spec(spec: &DaemonSetSpec, before: Option<&PodTemplateSpec>, errors: &mut Errors) {
    let found = errors.len();
    labels::label_selector(&spec.selector, &SPEC.child("selector"), errors);
    if errors.len() == found && (!is_given(&spec.selector) || !matches(&spec.selector, &spec.template)) {
        mismatch(&spec.template, errors);
    }
    if is_given(&spec.selector) && labels::is_empty(&spec.selector) {
        errors.invalid(&SPEC.child("selector"), label_selector(&spec.selector), "empty selector is invalid for daemonset");
    }
    pod::template(&spec.template, before, &SPEC.child("template"), errors);
    runs_for_ever(&spec.template, "DaemonSet", errors);
    errors.not_negative(&SPEC.child("minReadySeconds"), spec.min_ready_seconds.unwrap_or(0).into());
    daemon_set_strategy(&spec.update_strategy.clone().unwrap_or_default(), &SPEC.child("updateStrategy"), errors);
    if let Some(limit) = spec.revision_history_limit {
        errors.not_negative(&SPEC.child("revisionHistoryLimit"), limit.into());
    }
}

/// A selector that may not be there.
fn selector_shown(selector: &LabelSelector) -> Raw {
    if is_given(selector) { label_selector(selector) } else { Raw("null".into()) }
}

/// Whether a selector was written at all: the decoder marks one that is there but empty.
pub fn is_given(selector: &LabelSelector) -> bool {
    selector.match_labels.is_some() || selector.match_expressions.is_some()
}

/// A selector that must be there and select something; answers whether it can be used.
pub fn selector(selector: &LabelSelector, word: &str, errors: &mut Errors) -> bool {
    let at = SPEC.child("selector");
    if !is_given(selector) {
        errors.required(&at, "");
        return true;
    }
    let found = errors.len();
    labels::label_selector(selector, &at, errors);
    let usable = errors.len() == found;
    if labels::is_empty(selector) {
        errors.invalid(&at, label_selector(selector), &format!("empty selector is invalid for {word}"));
    }
    usable
}

/// A template whose labels the selector selects and whose pods run for ever. `None` selects nothing in particular.
pub fn template(
    selector: Option<&LabelSelector>,
    template: &PodTemplateSpec,
    before: Option<&PodTemplateSpec>,
    word: &str,
    errors: &mut Errors,
) {
    if selector.is_some_and(|s| !is_given(s) || !matches(s, template)) {
        mismatch(template, errors);
    }
    pod::template(template, before, &SPEC.child("template"), errors);
    runs_for_ever(template, word, errors);
}

fn matches(selector: &LabelSelector, template: &PodTemplateSpec) -> bool {
    let nothing = BTreeMap::new();
    let labels = template.metadata.as_ref().and_then(|m| m.labels.as_ref()).unwrap_or(&nothing);
    Selector::from_label_selector(selector).is_ok_and(|s| s.matches(labels))
}

/// Says that the template's labels are not selected.
pub fn mismatch(template: &PodTemplateSpec, errors: &mut Errors) {
    let labels = template.metadata.as_ref().and_then(|m| m.labels.as_ref());
    let value = Raw(labels.map_or_else(|| "null".into(), json_map));
    errors.invalid(&SPEC.child("template").child("metadata").child("labels"), value, MISMATCH);
}

/// Pods of these workloads are restarted always and have no deadline.
pub fn runs_for_ever(template: &PodTemplateSpec, word: &str, errors: &mut Errors) {
    let template_at = SPEC.child("template");
    let at = template_at.child("spec");
    let spec = template.spec.as_ref();
    let policy = spec.and_then(|s| s.restart_policy.as_deref()).unwrap_or("Always");
    if policy != "Always" {
        errors.not_supported(&at.child("restartPolicy"), policy, &["Always"]);
    }
    if spec.is_some_and(|s| s.active_deadline_seconds.is_some()) {
        errors.forbidden(&at.child("activeDeadlineSeconds"), &format!("activeDeadlineSeconds in {word} is not Supported"));
    }
}

fn deployment_strategy(strategy: &DeploymentStrategy, at: &Path<'_>, errors: &mut Errors) {
    match (strategy.type_.as_deref().unwrap_or_default(), &strategy.rolling_update) {
        ("Recreate", Some(_)) => errors.forbidden(&at.child("rollingUpdate"), "may not be specified when strategy `type` is 'Recreate'"),
        ("Recreate", None) => {}
        ("RollingUpdate", Some(rolling)) => rolling_deployment(rolling, &at.child("rollingUpdate"), errors),
        ("RollingUpdate", None) => errors.required(&at.child("rollingUpdate"), "this should be defaulted and never be nil"),
        (other, rolling) => {
            let rolling = rolling.as_ref().map(|r| surge_and_unavailable(&r.max_unavailable, &r.max_surge));
            errors.not_supported(at, strategy_shown(other, rolling), &["Recreate", "RollingUpdate"]);
        }
    }
}

/// A strategy as Go shows it.
fn strategy_shown(kind: &str, rolling: Option<Raw>) -> Raw {
    go_object(&[("Type", json_string(kind)), ("RollingUpdate", shown(rolling))])
}

fn surge_and_unavailable(unavailable: &Option<IntOrString>, surge: &Option<IntOrString>) -> Raw {
    let value = |v: &Option<IntOrString>| v.as_ref().map_or_else(|| "0".to_owned(), shown);
    go_object(&[("MaxUnavailable", value(unavailable)), ("MaxSurge", value(surge))])
}

fn or_zero(value: &Option<IntOrString>) -> IntOrString {
    value.clone().unwrap_or(IntOrString::Int(0))
}

fn rolling_deployment(rolling: &RollingUpdateDeployment, at: &Path<'_>, errors: &mut Errors) {
    let (unavailable, surge) = (or_zero(&rolling.max_unavailable), or_zero(&rolling.max_surge));
    let unavailable_at = at.child("maxUnavailable");
    int_or_percent(&unavailable, &unavailable_at, errors);
    int_or_percent(&surge, &at.child("maxSurge"), errors);
    if number_of(&unavailable) == 0 && number_of(&surge) == 0 {
        errors.invalid(&unavailable_at, &unavailable, "may not be 0 when `maxSurge` is 0");
    }
    at_most_100_percent(&unavailable, &unavailable_at, errors);
}

fn daemon_set_strategy(strategy: &DaemonSetUpdateStrategy, at: &Path<'_>, errors: &mut Errors) {
    match (strategy.type_.as_deref().unwrap_or_default(), &strategy.rolling_update) {
        ("OnDelete", _) => {}
        ("RollingUpdate", Some(rolling)) => rolling_daemon_set(rolling, &at.child("rollingUpdate"), errors),
        ("RollingUpdate", None) => errors.required(&at.child("rollingUpdate"), ""),
        (other, rolling) => {
            let rolling = rolling.as_ref().map(|r| surge_and_unavailable(&r.max_unavailable, &r.max_surge));
            errors.not_supported(at, strategy_shown(other, rolling), &["RollingUpdate", "OnDelete"]);
        }
    }
}

fn rolling_daemon_set(rolling: &RollingUpdateDaemonSet, at: &Path<'_>, errors: &mut Errors) {
    let (unavailable, surge) = (or_zero(&rolling.max_unavailable), or_zero(&rolling.max_surge));
    let (unavailable_at, surge_at) = (at.child("maxUnavailable"), at.child("maxSurge"));
    int_or_percent(&unavailable, &unavailable_at, errors);
    int_or_percent(&surge, &surge_at, errors);
    at_most_100_percent(&unavailable, &unavailable_at, errors);
    at_most_100_percent(&surge, &surge_at, errors);
    match (number_of(&unavailable) != 0, number_of(&surge) != 0) {
        (true, true) => errors.invalid(&surge_at, &surge, "may not be set when maxUnavailable is non-zero"),
        (false, false) => errors.required(&unavailable_at, "cannot be 0 when maxSurge is 0"),
        _ => {}
    }
}
