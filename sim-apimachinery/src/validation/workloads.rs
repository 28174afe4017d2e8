//! Deployments, replica sets, stateful sets and daemon sets. Source: pkg/apis/apps/validation.
//! Not checked yet: most of what is not the template.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::DeploymentSpec;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::errors::Errors;
use super::go_value::{Raw, json_map, label_selector};
use super::path::Path;
use super::{labels, own_metadata, own_metadata_update, pod};
use crate::object::Object;
use crate::selector::Selector;

/// What is wrong with a new workload.
pub fn create(object: &Object, errors: &mut Errors) {
    own_metadata(object, errors);
    spec(object, errors);
}

/// What is wrong with a workload's next state.
pub fn update(next: &Object, current: &Object, errors: &mut Errors) {
    own_metadata_update(next, current, errors);
    spec(next, errors);
    let (Some(next), Some(current)) = (selector(next), selector(current)) else { return };
    errors.immutable(&Path::root("spec").child("selector"), next, current, label_selector);
}

fn spec(object: &Object, errors: &mut Errors) {
    let at = Path::root("spec");
    match object {
        Object::Deployment(o) => match &o.spec {
            Some(spec) => deployment(spec, &at, errors),
            None => errors.required(&at.child("selector"), ""),
        },
        Object::ReplicaSet(o) => {
            if let Some(spec) = &o.spec {
                errors.not_negative(&at.child("replicas"), spec.replicas.unwrap_or(0).into());
                spec.template.iter().for_each(|t| template(&spec.selector, t, &at, errors));
            }
        }
        Object::StatefulSet(o) => {
            if let Some(spec) = &o.spec {
                errors.not_negative(&at.child("replicas"), spec.replicas.unwrap_or(0).into());
                template(&spec.selector, &spec.template, &at, errors);
            }
        }
        Object::DaemonSet(o) => o.spec.iter().for_each(|s| template(&s.selector, &s.template, &at, errors)),
        _ => {}
    }
}

fn deployment(spec: &DeploymentSpec, at: &Path<'_>, errors: &mut Errors) {
    errors.not_negative(&at.child("replicas"), spec.replicas.unwrap_or(0).into());
    template(&spec.selector, &spec.template, at, errors);
    let policy = spec.template.spec.as_ref().and_then(|s| s.restart_policy.as_deref());
    if let Some(policy) = policy.filter(|p| *p != "Always") {
        errors.not_supported(&at.child("template").child("spec").child("restartPolicy"), policy, &["Always"]);
    }
    let strategy = at.child("strategy");
    let kind = spec.strategy.as_ref().and_then(|s| s.type_.as_deref()).unwrap_or("RollingUpdate");
    if kind == "Recreate" && spec.strategy.as_ref().is_some_and(|s| s.rolling_update.is_some()) {
        errors.forbidden(&strategy.child("rollingUpdate"), "may not be specified when strategy `type` is 'Recreate'");
    } else if !matches!(kind, "Recreate" | "RollingUpdate") {
        errors.not_supported(&strategy.child("type"), kind, &["Recreate", "RollingUpdate"]);
    }
}

fn template(selector: &LabelSelector, template: &PodTemplateSpec, at: &Path<'_>, errors: &mut Errors) {
    if labels::is_empty(selector) {
        return errors.invalid(&at.child("selector"), Raw("{}".into()), "empty selector is invalid for deployment");
    }
    let nothing = BTreeMap::new();
    let labels = template.metadata.as_ref().and_then(|m| m.labels.as_ref()).unwrap_or(&nothing);
    if Selector::from_label_selector(selector).is_ok_and(|s| !s.matches(labels)) {
        let at = at.child("template");
        let text = "`selector` does not match template `labels`";
        errors.invalid(&at.child("metadata").child("labels"), Raw(json_map(labels)), text);
    }
    pod::template(template, None, &at.child("template"), errors);
}

fn selector(object: &Object) -> Option<&LabelSelector> {
    match object {
        Object::Deployment(o) => o.spec.as_ref().map(|s| &s.selector),
        Object::ReplicaSet(o) => o.spec.as_ref().map(|s| &s.selector),
        Object::DaemonSet(o) => o.spec.as_ref().map(|s| &s.selector),
        _ => None,
    }
}
