//! Defaults of policies, bindings and webhook configurations. Source: pkg/apis/admissionregistration/v1/defaults.go.

use std::sync::Arc;

use k8s_openapi::api::admissionregistration::v1::{MatchResources, RuleWithOperations};
use sim_apimachinery::Object;

/// Fills in what an object of the group `admissionregistration.k8s.io` leaves out; other kinds stay as they are.
pub(in crate::kube_apiserver) fn default_registration(object: &mut Object) {
    match object {
        Object::ValidatingAdmissionPolicy(o) => {
            let spec = Arc::make_mut(o).spec.get_or_insert_default();
            spec.failure_policy.get_or_insert_with(|| "Fail".into());
            spec.match_constraints.iter_mut().for_each(resources);
        }
        Object::MutatingAdmissionPolicy(o) => {
            let spec = Arc::make_mut(o).spec.get_or_insert_default();
            spec.failure_policy.get_or_insert_with(|| "Fail".into());
            spec.match_constraints.iter_mut().for_each(resources);
        }
        Object::ValidatingAdmissionPolicyBinding(o) => {
            Arc::make_mut(o).spec.match_resources.iter_mut().for_each(resources);
        }
        Object::MutatingAdmissionPolicyBinding(o) => {
            Arc::make_mut(o).spec.iter_mut().flat_map(|s| s.match_resources.iter_mut()).for_each(resources);
        }
        Object::ValidatingWebhookConfiguration(o) => {
            for hook in Arc::make_mut(o).webhooks.iter_mut().flatten() {
                hook.failure_policy.get_or_insert_with(|| "Fail".into());
                hook.match_policy.get_or_insert_with(|| "Equivalent".into());
                hook.namespace_selector.get_or_insert_default();
                hook.object_selector.get_or_insert_default();
                hook.timeout_seconds.get_or_insert(10);
                hook.client_config.service.iter_mut().for_each(|s| _ = s.port.get_or_insert(443));
                hook.rules.iter_mut().flatten().for_each(scope);
            }
        }
        Object::MutatingWebhookConfiguration(o) => {
            for hook in Arc::make_mut(o).webhooks.iter_mut().flatten() {
                hook.failure_policy.get_or_insert_with(|| "Fail".into());
                hook.match_policy.get_or_insert_with(|| "Equivalent".into());
                hook.namespace_selector.get_or_insert_default();
                hook.object_selector.get_or_insert_default();
                hook.timeout_seconds.get_or_insert(10);
                hook.reinvocation_policy.get_or_insert_with(|| "Never".into());
                hook.client_config.service.iter_mut().for_each(|s| _ = s.port.get_or_insert(443));
                hook.rules.iter_mut().flatten().for_each(scope);
            }
        }
        _ => {}
    }
}

fn scope(rule: &mut RuleWithOperations) {
    rule.scope.get_or_insert_with(|| "*".into());
}

fn resources(resources: &mut MatchResources) {
    resources.match_policy.get_or_insert_with(|| "Equivalent".into());
    resources.namespace_selector.get_or_insert_default();
    resources.object_selector.get_or_insert_default();
    let rules = resources.resource_rules.iter_mut().chain(resources.exclude_resource_rules.iter_mut()).flatten();
    rules.for_each(|r| _ = r.scope.get_or_insert_with(|| "*".into()));
}
