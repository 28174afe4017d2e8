//! Runtime classes. Source: pkg/apis/node/validation.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{ResourceRequirements, Toleration};
use k8s_openapi::api::node::v1::RuntimeClass;

use super::errors::Errors;
use super::go_value::{Raw, go_object, json_string, shown};
use super::path::Path;
use super::pod::Options;
use super::pod::resources::container_requirements;
use super::pod::scheduling::tolerations;
use super::{labels, metadata};
use crate::names;

/// What is wrong with a new runtime class.
pub fn create(class: &RuntimeClass, errors: &mut Errors) {
    metadata::validate(&class.metadata, false, names::dns1123_subdomain, errors);
    let handler = Path::root("handler");
    match class.handler.as_str() {
        "" => errors.required(&handler, ""),
        name => errors.invalid_each(&handler, name, names::dns1123_label(name)),
    }
    if let Some(overhead) = &class.overhead {
        let limits = ResourceRequirements { limits: overhead.pod_fixed.clone(), ..ResourceRequirements::default() };
        container_requirements(&limits, &BTreeSet::new(), &Path::root("overhead"), &Options::default(), errors);
    }
    if let Some(scheduling) = &class.scheduling {
        let at = Path::root("scheduling");
        labels::labels(scheduling.node_selector.as_ref(), &at.child("nodeSelector"), errors);
        let list = scheduling.tolerations.as_deref().unwrap_or_default();
        tolerations(list, &at.child("tolerations"), errors);
        unique(list, &at.child("tolerations"), errors);
    }
}

/// What is wrong with a runtime class' next state.
pub fn update(next: &RuntimeClass, current: &RuntimeClass, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    errors.immutable(&Path::root("handler"), &next.handler, &current.handler, |h| Raw(shown(h)));
}

fn unique(list: &[Toleration], at: &Path<'_>, errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    for (index, toleration) in list.iter().enumerate() {
        let text = |t: &Option<String>| t.clone().unwrap_or_default();
        let key = [text(&toleration.key), text(&toleration.operator), text(&toleration.value), text(&toleration.effect)];
        let shown = go_object(&[
            ("Key", json_string(&key[0])),
            ("Operator", json_string(&key[1])),
            ("Value", json_string(&key[2])),
            ("Effect", json_string(&key[3])),
            ("TolerationSeconds", toleration.toleration_seconds.map_or_else(|| "null".to_owned(), |s| s.to_string())),
        ]);
        if !seen.insert(key) {
            errors.duplicate(&at.index(index), shown);
        }
    }
}
