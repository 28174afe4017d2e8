//! Webhook configurations. A configuration that was stored under older rules keeps what it has.

use std::collections::BTreeSet;

use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, MutatingWebhook, MutatingWebhookConfiguration, RuleWithOperations, ValidatingWebhook, ValidatingWebhookConfiguration,
    WebhookClientConfig,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::super::errors::Errors;
use super::super::labels::{Values, label_selector, label_selector_with};
use super::super::metadata;
use super::super::path::Path;
use super::webhook_client::{Service, service, url};
use super::{Cel, failure_policy, match_conditions, match_policy, rules};
use crate::names;

/// What both kinds of webhooks have.
#[derive(Clone, Copy)]
struct Hook<'a> {
    name: &'a str,
    rules: &'a [RuleWithOperations],
    failure_policy: Option<&'a str>,
    match_policy: Option<&'a str>,
    side_effects: &'a str,
    timeout_seconds: Option<i32>,
    selectors: [(&'static str, Option<&'a LabelSelector>); 2],
    reinvocation_policy: Option<&'a str>,
    client: &'a WebhookClientConfig,
    versions: &'a [String],
    conditions: &'a [MatchCondition],
}

macro_rules! hook {
    ($hook:ident, $reinvocation:expr) => {
        Hook {
            name: &$hook.name,
            rules: $hook.rules.as_deref().unwrap_or_default(),
            failure_policy: $hook.failure_policy.as_deref(),
            match_policy: $hook.match_policy.as_deref(),
            side_effects: &$hook.side_effects,
            timeout_seconds: $hook.timeout_seconds,
            selectors: [("namespaceSelector", $hook.namespace_selector.as_ref()), ("objectSelector", $hook.object_selector.as_ref())],
            reinvocation_policy: $reinvocation,
            client: &$hook.client_config,
            versions: &$hook.admission_review_versions,
            conditions: $hook.match_conditions.as_deref().unwrap_or_default(),
        }
    };
}

fn validating(hook: &ValidatingWebhook) -> Hook<'_> {
    hook!(hook, None)
}

fn mutating(hook: &MutatingWebhook) -> Hook<'_> {
    hook!(hook, hook.reinvocation_policy.as_deref())
}

/// Which rules are held, given what was stored before.
struct Held {
    conditions: bool,
    no_side_effects: bool,
    known_version: bool,
    unique_names: bool,
    values: Values,
}

const ALL: Held = Held { conditions: true, no_side_effects: true, known_version: true, unique_names: true, values: Values::Labels };

/// What is wrong with a validating configuration; `current` is what it was.
pub fn check_validating(
    next: &ValidatingWebhookConfiguration,
    current: Option<&ValidatingWebhookConfiguration>,
    cel: &mut dyn Cel,
    errors: &mut Errors,
) {
    metadata::validate(&next.metadata, false, names::dns1123_subdomain, errors);
    let hooks = |c: &'_ ValidatingWebhookConfiguration| c.webhooks.clone().unwrap_or_default();
    let (now, before) = (hooks(next), current.map(hooks));
    let now: Vec<Hook<'_>> = now.iter().map(validating).collect();
    let before: Option<Vec<Hook<'_>>> = before.as_ref().map(|b| b.iter().map(validating).collect());
    check(&now, &held(&now, before.as_deref()), cel, errors);
}

/// What is wrong with a mutating configuration; `current` is what it was.
pub fn check_mutating(
    next: &MutatingWebhookConfiguration,
    current: Option<&MutatingWebhookConfiguration>,
    cel: &mut dyn Cel,
    errors: &mut Errors,
) {
    metadata::validate(&next.metadata, false, names::dns1123_subdomain, errors);
    let hooks = |c: &'_ MutatingWebhookConfiguration| c.webhooks.clone().unwrap_or_default();
    let (now, before) = (hooks(next), current.map(hooks));
    let now: Vec<Hook<'_>> = now.iter().map(mutating).collect();
    let before: Option<Vec<Hook<'_>>> = before.as_ref().map(|b| b.iter().map(mutating).collect());
    check(&now, &held(&now, before.as_deref()), cel, errors);
}

fn has_no_side_effects(hook: &Hook<'_>) -> bool {
    matches!(hook.side_effects, "None" | "NoneOnDryRun")
}

fn knows_a_version(hook: &Hook<'_>) -> bool {
    hook.versions.iter().any(|v| matches!(v.as_str(), "v1" | "v1beta1"))
}

fn held(now: &[Hook<'_>], before: Option<&[Hook<'_>]>) -> Held {
    let Some(before) = before else { return ALL };
    let same_conditions = now.len() == before.len() && now.iter().zip(before).all(|(n, b)| n.conditions == b.conditions);
    let names: BTreeSet<&str> = before.iter().map(|h| h.name).collect();
    let mut found = Errors::new();
    for selector in before.iter().flat_map(|h| h.selectors).filter_map(|(_, s)| s) {
        label_selector(selector, &Path::root("selector"), &mut found);
    }
    Held {
        conditions: !same_conditions,
        no_side_effects: before.iter().all(has_no_side_effects),
        known_version: before.iter().all(|h| knows_a_version(h) || h.versions.is_empty()),
        unique_names: names.len() == before.len(),
        values: if found.is_empty() { Values::Labels } else { Values::Any },
    }
}

fn check(hooks: &[Hook<'_>], held: &Held, cel: &mut dyn Cel, errors: &mut Errors) {
    let list = Path::root("webhooks");
    let mut seen = BTreeSet::new();
    for (index, found) in hooks.iter().enumerate() {
        let at = list.index(index);
        hook(found, held, &at, cel, errors);
        versions(found, held, &at.child("admissionReviewVersions"), errors);
        if held.unique_names && !found.name.is_empty() && !seen.insert(found.name) {
            errors.duplicate(&at.child("name"), found.name);
        }
    }
}

fn hook(hook: &Hook<'_>, held: &Held, at: &Path<'_>, cel: &mut dyn Cel, errors: &mut Errors) {
    fully_qualified(hook.name, &at.child("name"), errors);
    let list = at.child("rules");
    hook.rules.iter().enumerate().for_each(|(index, rule)| rules::plain(rule, &list.index(index), errors));
    failure_policy(hook.failure_policy, at, errors);
    match_policy(hook.match_policy, at, errors);
    side_effects(hook, held, &at.child("sideEffects"), errors);
    if let Some(seconds) = hook.timeout_seconds.filter(|s| !(1..=30).contains(s)) {
        errors.invalid(&at.child("timeoutSeconds"), seconds, "the timeout value must be between 1 and 30 seconds");
    }
    for (field, selector) in hook.selectors {
        if let Some(selector) = selector {
            label_selector_with(selector, held.values, &at.child(field), errors);
        }
    }
    if let Some(policy) = hook.reinvocation_policy.filter(|p| !matches!(*p, "Never" | "IfNeeded")) {
        errors.not_supported(&at.child("reinvocationPolicy"), policy, &["IfNeeded", "Never"]);
    }
    client(hook.client, &at.child("clientConfig"), errors);
    if held.conditions {
        match_conditions(hook.conditions, false, &at.child("matchConditions"), cel, errors);
    }
}

fn side_effects(hook: &Hook<'_>, held: &Held, at: &Path<'_>, errors: &mut Errors) {
    let allowed: &[&str] = if held.no_side_effects { &["None", "NoneOnDryRun"] } else { &["None", "NoneOnDryRun", "Some", "Unknown"] };
    match hook.side_effects {
        "" => errors.required(at, &format!("must specify one of {}", allowed.join(", "))),
        found if !allowed.contains(&found) => errors.not_supported(at, found, allowed),
        _ => {}
    }
}

fn fully_qualified(name: &str, at: &Path<'_>, errors: &mut Errors) {
    let wrong = names::dns1123_subdomain(name);
    if name.is_empty() {
        errors.required(at, "");
    } else if !wrong.is_empty() {
        errors.invalid(at, name, &wrong.join(","));
    } else if name.split('.').count() < 3 {
        errors.invalid(at, name, "should be a domain with at least three segments separated by dots");
    }
}

fn client(client: &WebhookClientConfig, at: &Path<'_>, errors: &mut Errors) {
    match (&client.url, &client.service) {
        (Some(text), None) => url(text, &at.child("url"), errors),
        (None, Some(found)) => {
            let found =
                Service { namespace: &found.namespace, name: &found.name, path: found.path.as_deref(), port: found.port.unwrap_or(443) };
            service(&found, &at.child("service"), errors);
        }
        _ => errors.required(at, "exactly one of url or service is required"),
    }
}

fn versions(hook: &Hook<'_>, held: &Held, at: &Path<'_>, errors: &mut Errors) {
    if hook.versions.is_empty() {
        return errors.required(at, "must specify one of v1, v1beta1");
    }
    let mut seen = BTreeSet::new();
    for (index, version) in hook.versions.iter().enumerate() {
        let at = at.index(index);
        if seen.insert(version) {
            errors.invalid_each(&at, version, names::dns1035_label(version));
        } else {
            errors.invalid(&at, version, "duplicate version");
        }
    }
    if held.known_version && !knows_a_version(hook) {
        errors.invalid(at, hook.versions, "must include at least one of v1, v1beta1");
    }
}
