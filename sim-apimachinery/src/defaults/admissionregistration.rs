//! Webhooks and policies of admission. Source: pkg/apis/admissionregistration/v1/defaults.go.

use k8s_openapi::api::admissionregistration::v1::{
    MatchResources, MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding, MutatingWebhook, RuleWithOperations,
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding, ValidatingWebhook, WebhookClientConfig,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

const TIMEOUT_SECONDS: i32 = 10;
const HTTPS_PORT: i32 = 443;

/// Defaults of a webhook that changes objects.
pub fn default_mutating_webhook(hook: &mut MutatingWebhook) {
    failure(&mut hook.failure_policy);
    matching(&mut hook.match_policy, &mut hook.namespace_selector, &mut hook.object_selector);
    hook.timeout_seconds.get_or_insert(TIMEOUT_SECONDS);
    hook.reinvocation_policy.get_or_insert_with(|| "Never".into());
    reach(&mut hook.client_config, hook.rules.as_mut());
}

/// Defaults of a webhook that checks objects.
pub fn default_validating_webhook(hook: &mut ValidatingWebhook) {
    failure(&mut hook.failure_policy);
    matching(&mut hook.match_policy, &mut hook.namespace_selector, &mut hook.object_selector);
    hook.timeout_seconds.get_or_insert(TIMEOUT_SECONDS);
    reach(&mut hook.client_config, hook.rules.as_mut());
}

/// Defaults of a policy that checks objects.
pub fn default_validating_policy(policy: &mut ValidatingAdmissionPolicy) {
    let spec = policy.spec.get_or_insert_default();
    failure(&mut spec.failure_policy);
    resources(spec.match_constraints.as_mut());
}

/// Defaults of a policy that changes objects.
pub fn default_mutating_policy(policy: &mut MutatingAdmissionPolicy) {
    let spec = policy.spec.get_or_insert_default();
    failure(&mut spec.failure_policy);
    resources(spec.match_constraints.as_mut());
}

/// Defaults of the binding of a policy that checks objects.
pub fn default_validating_binding(binding: &mut ValidatingAdmissionPolicyBinding) {
    resources(binding.spec.match_resources.as_mut());
}

/// Defaults of the binding of a policy that changes objects.
pub fn default_mutating_binding(binding: &mut MutatingAdmissionPolicyBinding) {
    resources(binding.spec.as_mut().and_then(|s| s.match_resources.as_mut()));
}

fn failure(policy: &mut Option<String>) {
    policy.get_or_insert_with(|| "Fail".into());
}

fn matching(policy: &mut Option<String>, namespaces: &mut Option<LabelSelector>, objects: &mut Option<LabelSelector>) {
    policy.get_or_insert_with(|| "Equivalent".into());
    namespaces.get_or_insert_default();
    objects.get_or_insert_default();
}

fn reach(client: &mut WebhookClientConfig, rules: Option<&mut Vec<RuleWithOperations>>) {
    if let Some(service) = client.service.as_mut() {
        service.port.get_or_insert(HTTPS_PORT);
    }
    for rule in rules.into_iter().flatten() {
        rule.scope.get_or_insert_with(|| "*".into());
    }
}

fn resources(matched: Option<&mut MatchResources>) {
    let Some(matched) = matched else { return };
    matching(&mut matched.match_policy, &mut matched.namespace_selector, &mut matched.object_selector);
    let rules = matched.resource_rules.iter_mut().chain(matched.exclude_resource_rules.iter_mut());
    for rule in rules.flatten() {
        rule.scope.get_or_insert_with(|| "*".into());
    }
}
