//! What webhook configurations must be like.
//! Source: `validateValidatingWebhook`, `validateMutatingWebhook` in pkg/apis/admissionregistration/validation/validation.go.

use serde_json::Value;
use sim_apimachinery::{Kind, names};

use super::resource_rules::{rule_with_operations, selector};
use super::rules::{conditions, list, one_of, text};
use crate::kube_apiserver::apiextensions::problems::{Problems, child};
use crate::kube_apiserver::apiextensions::webhook_words;

pub(super) fn webhooks(value: &Value, kind: Kind, problems: &mut Problems) {
    let mut seen: Vec<&str> = vec![];
    for (index, hook) in list(value, "webhooks").iter().enumerate() {
        let at = format!("webhooks[{index}]");
        webhook(hook, &at, kind, problems);
        let name = text(hook, "name");
        if seen.contains(&name) && !name.is_empty() {
            problems.duplicate(&child(&at, "name"), &Value::from(name));
        }
        seen.push(name);
    }
}

fn webhook(hook: &Value, at: &str, kind: Kind, problems: &mut Problems) {
    let name = text(hook, "name");
    let wrong = names::dns1123_subdomain(name);
    if name.is_empty() {
        problems.required(&child(at, "name"), "");
    } else if !wrong.is_empty() {
        problems.invalid_text(&child(at, "name"), name, &wrong.join(","));
    } else if name.split('.').count() < 3 {
        problems.invalid_text(&child(at, "name"), name, "should be a domain with at least three segments separated by dots");
    }
    for (index, rule) in list(hook, "rules").iter().enumerate() {
        rule_with_operations(rule, &format!("{at}.rules[{index}]"), problems);
    }
    one_of(hook, at, "failurePolicy", &["Fail", "Ignore"], false, problems);
    one_of(hook, at, "matchPolicy", &["Equivalent", "Exact"], false, problems);
    if text(hook, "sideEffects").is_empty() {
        problems.required(&child(at, "sideEffects"), "must specify one of None, NoneOnDryRun");
    }
    one_of(hook, at, "sideEffects", &["None", "NoneOnDryRun"], false, problems);
    if let Some(seconds) = hook.get("timeoutSeconds").and_then(Value::as_i64).filter(|s| !(1..=30).contains(s)) {
        let at = child(at, "timeoutSeconds");
        problems.invalid(&at, &Value::from(seconds), "the timeout value must be between 1 and 30 seconds");
    }
    for name in ["namespaceSelector", "objectSelector"] {
        selector(hook, at, name, problems);
    }
    if kind == Kind::MutatingWebhookConfiguration {
        one_of(hook, at, "reinvocationPolicy", &["IfNeeded", "Never"], false, problems);
    }
    let config = hook.get("clientConfig").cloned().unwrap_or_default();
    webhook_words(&config, &child(at, "clientConfig"), problems);
    conditions(hook, &child(at, "matchConditions"), false, problems);
    review_versions(hook, &child(at, "admissionReviewVersions"), problems);
}

fn review_versions(hook: &Value, at: &str, problems: &mut Problems) {
    let versions = list(hook, "admissionReviewVersions");
    if versions.is_empty() {
        return problems.required(at, "must specify one of v1, v1beta1");
    }
    for (index, version) in versions.iter().enumerate() {
        let at = format!("{at}[{index}]");
        if versions[..index].contains(version) {
            problems.invalid(&at, version, "duplicate version");
            continue;
        }
        let text = version.as_str().unwrap_or_default();
        names::dns1035_label(text).iter().for_each(|wrong| problems.invalid_text(&at, text, wrong));
    }
    if !versions.iter().any(|v| v == "v1" || v == "v1beta1") {
        problems.invalid(at, &Value::from(versions), "must include at least one of v1, v1beta1");
    }
}
