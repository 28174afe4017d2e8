//! Annotations that mean something on a pod, and the older ones that must agree with fields.
//! Source: `ValidatePodSpecificAnnotations`, `validateSeccompAnnotationsAndFields` and
//! `validateAppArmorAnnotationsAndFieldsMatchOnCreate` in pkg/apis/core/validation.
//! Not checked: tolerations in an annotation.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::PodSpec;

use super::volume_paths::local_descending;
use super::{Options, each_container, is_windows};
use crate::validation::errors::Errors;
use crate::validation::go_value::shown;
use crate::validation::path::Path;

/// The annotation of pods that a kubelet runs from files.
pub const MIRROR: &str = "kubernetes.io/config.mirror";
/// What annotations of a container's AppArmor profile begin with.
pub const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
pub(super) const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
pub(super) const SECCOMP_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";

type Annotations = BTreeMap<String, String>;

/// What is wrong with annotations, at `at`, of a pod with this spec.
pub fn annotations(annotations: &Annotations, spec: &PodSpec, at: &Path<'_>, options: &Options, errors: &mut Errors) {
    if let Some(value) = annotations.get(MIRROR)
        && spec.node_name.as_deref().unwrap_or_default().is_empty()
    {
        errors.invalid(&at.key(MIRROR), value, "must set spec.nodeName if mirror pod annotation is set");
    }
    if let Some(cost) = annotations.get(DELETION_COST).filter(|c| !options.deletion_cost && !is_deletion_cost(c)) {
        errors.invalid(&at.key(DELETION_COST), cost, "must be a 32bit integer");
    }
    if let Some(profile) = annotations.get(SECCOMP_POD) {
        seccomp_profile(profile, &at.child(SECCOMP_POD), errors);
    }
    for (key, profile) in annotations.iter().filter(|(key, _)| key.starts_with(SECCOMP_CONTAINER)) {
        seccomp_profile(profile, &at.child(key), errors);
    }
    for (key, profile) in annotations {
        let Some(container) = key.strip_prefix(APP_ARMOR) else { continue };
        let mut found = false;
        each_container(spec, at, |c, _| found |= c.name == container);
        if !found {
            errors.invalid(&at.key(key), container, "container not found");
        }
        if !matches!(profile.as_str(), "" | "runtime/default" | "unconfined") && !profile.starts_with("localhost/") {
            let text = format!("invalid AppArmor profile name: {}", shown(profile));
            errors.invalid(&at.key(key), profile, &text);
        }
    }
}

/// A 32-bit number, written without a plus sign and without leading zeros.
fn is_deletion_cost(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    text.parse::<i32>().is_ok() && !text.starts_with('+') && (digits == "0" && text == "0" || !digits.starts_with('0'))
}

/// Whether annotations hold a cost of deletion that is none, which is let pass if it was so before.
pub fn has_invalid_deletion_cost(annotations: Option<&Annotations>) -> bool {
    annotations.and_then(|a| a.get(DELETION_COST)).is_some_and(|cost| !is_deletion_cost(cost))
}

fn seccomp_profile(profile: &str, at: &Path<'_>, errors: &mut Errors) {
    match profile {
        "runtime/default" | "docker/default" | "unconfined" => {}
        other => match other.strip_prefix("localhost/") {
            Some(path) => local_descending(path, at, errors),
            None => errors.invalid(at, other, "must be a valid seccomp profile"),
        },
    }
}

/// A profile said twice, in an annotation and in a field, must be the same.
pub fn agree_with_fields(annotations: &Annotations, spec: &PodSpec, at: &Path<'_>, errors: &mut Errors) {
    let pod = spec.security_context.as_ref();
    if let Some((field, said)) = pod.and_then(|c| c.seccomp_profile.as_ref()).zip(annotations.get(SECCOMP_POD)) {
        let inside = at.child("securityContext");
        agree(("seccomp", said), (&field.type_, field.localhost_profile.as_deref()), &inside.child("seccompProfile"), errors);
    }
    if annotations.is_empty() {
        return;
    }
    each_container(spec, at, |container, at| {
        let field = container.security_context.as_ref().and_then(|c| c.seccomp_profile.as_ref());
        if let Some((field, said)) = field.zip(annotations.get(&format!("{SECCOMP_CONTAINER}{}", container.name))) {
            let inside = at.child("securityContext");
            agree(("seccomp", said), (&field.type_, field.localhost_profile.as_deref()), &inside.child("seccompProfile"), errors);
        }
    });
    if is_windows(spec) {
        return;
    }
    each_container(spec, at, |container, at| {
        let own = container.security_context.as_ref().and_then(|c| c.app_armor_profile.as_ref());
        let field = own.or(pod.and_then(|c| c.app_armor_profile.as_ref()));
        if let Some((field, said)) = field.zip(annotations.get(&format!("{APP_ARMOR}{}", container.name))) {
            let inside = at.child("securityContext");
            agree(("apparmor", said), (&field.type_, field.localhost_profile.as_deref()), &inside.child("appArmorProfile"), errors);
        }
    });
}

fn agree((what, said): (&str, &str), (kind, path): (&str, Option<&str>), at: &Path<'_>, errors: &mut Errors) {
    let same_kind = match kind {
        "Unconfined" => said == "unconfined",
        "RuntimeDefault" => said == "runtime/default" || what == "seccomp" && said == "docker/default",
        "Localhost" => said.starts_with("localhost/"),
        _ => true,
    };
    if !same_kind {
        errors.forbidden(&at.child("type"), &format!("{what} type in annotation and field must match"));
    } else if kind == "Localhost" && said.strip_prefix("localhost/") != path {
        errors.forbidden(&at.child("localhostProfile"), &format!("{what} profile in annotation and field must match"));
    }
}

/// What an update may not do to annotations.
pub fn annotations_update(next: &Annotations, current: &Annotations, at: &Path<'_>, errors: &mut Errors) {
    for key in current.iter().filter(|(key, value)| next.get(*key) != Some(value)).map(|(key, _)| key) {
        if key.starts_with(APP_ARMOR) {
            errors.forbidden(&at.key(key), "may not remove or update AppArmor annotations");
        }
        if key == MIRROR {
            errors.forbidden(&at.key(key), "may not remove or update mirror pod annotation");
        }
    }
    for key in next.keys().filter(|key| !current.contains_key(*key)) {
        if key.starts_with(APP_ARMOR) {
            errors.forbidden(&at.key(key), "may not add AppArmor annotations");
        }
        if key == MIRROR {
            errors.forbidden(&at.key(key), "may not add mirror pod annotation");
        }
    }
}
