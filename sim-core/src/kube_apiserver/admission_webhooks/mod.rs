//! Admission webhooks: which are to be called for a request, what they are sent, and what their answers mean.
//! The API server does no IO, so whoever serves it makes the calls, in four steps: the mutating calls of the request, one by
//! one, each on the object with the patches of those before; the request as a dry run, which gives the object as it would be
//! stored; the validating calls on that object; and then the request itself. Where no webhook matches, the request is all.
//! Source: apiserver pkg/admission/plugin/webhook. Order: configurations by name, then webhooks as written.
//! Not modelled: equivalent versions (`matchPolicy`), a second round (`reinvocationPolicy: IfNeeded`), which the one who calls
//! can make by asking again.

mod review;

use std::collections::BTreeMap;

use k8s_openapi::api::admissionregistration::v1::{MatchCondition, RuleWithOperations, ServiceReference, WebhookClientConfig};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde_json::Value;
use sim_apimachinery::{Kind, Object, UserInfo};
use sim_cel::{Program, Sized, Type};

use super::ApiServer;
use super::admission_policies::{Attributes, objects_match, request_json, rule_words, shown};

pub use self::review::{Verdict, verdict};

/// Seconds a call may take if its webhook does not say.
const TIMEOUT_SECONDS: i32 = 10;

/// Which webhooks are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Those that may change the object.
    Mutating,
    /// Those that may only refuse it.
    Validating,
}

/// A request as webhooks see it.
#[derive(Clone, Copy, Debug)]
pub struct AdmissionRequest<'a> {
    /// The object as it is to be; none for a deletion.
    pub object: Option<&'a Object>,
    /// The object as it is; none for a creation.
    pub old: Option<&'a Object>,
    /// The subresource, empty for none.
    pub subresource: &'a str,
    /// Who asks.
    pub user: &'a UserInfo,
    /// Whether nothing is to be stored.
    pub dry_run: bool,
    /// A name for the request, unlike all others.
    pub uid: &'a str,
}

/// Where a webhook is.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// At an address.
    Url(String),
    /// Behind a service of the cluster.
    Service(ServiceReference),
}

/// A call to make.
#[derive(Clone, Debug)]
pub struct WebhookCall {
    /// The webhook's name.
    pub name: String,
    /// Where it is.
    pub target: Target,
    /// The certificates it is trusted by, in PEM; empty for those of the system.
    pub ca_bundle: Vec<u8>,
    /// How long it may take.
    pub timeout_seconds: i32,
    /// The `AdmissionReview` to send.
    pub review: Value,
    /// Whether the request is refused if the call fails.
    pub fails: bool,
    /// Whether the answer may hold a patch.
    pub phase: Phase,
    uid: String,
}

/// What the two kinds of webhooks have in common.
struct Hook<'a> {
    name: &'a str,
    rules: &'a [RuleWithOperations],
    namespace_selector: Option<&'a LabelSelector>,
    object_selector: Option<&'a LabelSelector>,
    conditions: &'a [MatchCondition],
    client: &'a WebhookClientConfig,
    fails: bool,
    timeout_seconds: i32,
    side_effects: &'a str,
}

impl ApiServer {
    /// The calls a request needs in a phase, in order. The error refuses the request without a call.
    pub fn webhook_calls(&self, phase: Phase, request: &AdmissionRequest<'_>) -> Result<Vec<WebhookCall>, Box<sim_apimachinery::Status>> {
        let attributes = match (request.object, request.old) {
            (Some(object), Some(old)) => Attributes::update(object, old, request.subresource),
            (Some(object), None) => Attributes::create(object),
            (None, Some(old)) => Attributes::delete(old),
            (None, None) => return Ok(vec![]),
        };
        // Configurations are not asked about themselves.
        if matches!(attributes.kind, Kind::ValidatingWebhookConfiguration | Kind::MutatingWebhookConfiguration) {
            return Ok(vec![]);
        }
        let mut calls = vec![];
        let kind = if phase == Phase::Mutating { Kind::MutatingWebhookConfiguration } else { Kind::ValidatingWebhookConfiguration };
        for configuration in self.etcd.list(kind, "") {
            for hook in hooks(configuration) {
                if !self.is_called(&hook, &attributes) || !conditions_hold(&hook, &attributes, request) {
                    continue;
                }
                if request.dry_run && !matches!(hook.side_effects, "None" | "NoneOnDryRun") {
                    let text = format!("admission webhook {:?} does not support dry run", hook.name);
                    return Err(Box::new(sim_apimachinery::Status::new(sim_apimachinery::Reason::BadRequest, text)));
                }
                calls.extend(call(&hook, phase, &attributes, request));
            }
        }
        Ok(calls)
    }

    fn is_called(&self, hook: &Hook<'_>, attributes: &Attributes<'_>) -> bool {
        let matches = |rule: &RuleWithOperations| {
            let words = [rule.operations.as_deref(), rule.api_groups.as_deref(), rule.api_versions.as_deref(), rule.resources.as_deref()];
            rule_words(words, rule.scope.as_deref(), attributes)
        };
        hook.rules.iter().any(matches)
            && self.namespace_matches(hook.namespace_selector, attributes)
            && objects_match(hook.object_selector, attributes)
    }
}

fn hooks(configuration: &Object) -> Vec<Hook<'_>> {
    macro_rules! hook {
        ($hook:ident) => {
            Hook {
                name: &$hook.name,
                rules: $hook.rules.as_deref().unwrap_or_default(),
                namespace_selector: $hook.namespace_selector.as_ref(),
                object_selector: $hook.object_selector.as_ref(),
                conditions: $hook.match_conditions.as_deref().unwrap_or_default(),
                client: &$hook.client_config,
                fails: $hook.failure_policy.as_deref() != Some("Ignore"),
                timeout_seconds: $hook.timeout_seconds.unwrap_or(TIMEOUT_SECONDS),
                side_effects: &$hook.side_effects,
            }
        };
    }
    match configuration {
        Object::MutatingWebhookConfiguration(c) => c.webhooks.iter().flatten().map(|h| hook!(h)).collect(),
        Object::ValidatingWebhookConfiguration(c) => c.webhooks.iter().flatten().map(|h| hook!(h)).collect(),
        _ => vec![],
    }
}

/// Whether all match conditions are true; one that fails counts as true, so that the webhook decides.
fn conditions_hold(hook: &Hook<'_>, attributes: &Attributes<'_>, request: &AdmissionRequest<'_>) -> bool {
    if hook.conditions.is_empty() {
        return true;
    }
    let of = |object: Option<&Object>| sim_cel::Value::from_json(&object.map(shown).unwrap_or(Value::Null), &Type::Dyn);
    let told = request_json(attributes, request.user, request.dry_run);
    let scope: BTreeMap<String, sim_cel::Value> = [
        ("object".to_owned(), of(request.object)),
        ("oldObject".to_owned(), of(request.old)),
        ("request".to_owned(), sim_cel::Value::from_json(&told, &Type::Dyn)),
    ]
    .into();
    let variables = scope.keys().map(|name| (name.clone(), Sized::new(Type::Dyn))).collect();
    let is_false = |condition: &MatchCondition| {
        let outcome = Program::compile(&condition.expression, &variables).map(|p| p.evaluate(&scope).0);
        matches!(outcome, Ok(Ok(sim_cel::Value::Bool(false))))
    };
    !hook.conditions.iter().any(is_false)
}

fn call(hook: &Hook<'_>, phase: Phase, attributes: &Attributes<'_>, request: &AdmissionRequest<'_>) -> Option<WebhookCall> {
    let target = match (&hook.client.url, &hook.client.service) {
        (Some(url), _) => Target::Url(url.clone()),
        (None, Some(service)) => Target::Service(service.clone()),
        (None, None) => return None,
    };
    Some(WebhookCall {
        name: hook.name.to_owned(),
        target,
        ca_bundle: hook.client.ca_bundle.as_ref().map(|b| b.0.clone()).unwrap_or_default(),
        timeout_seconds: hook.timeout_seconds,
        review: review::review(attributes, request),
        fails: hook.fails,
        phase,
        uid: request.uid.to_owned(),
    })
}

impl WebhookCall {
    /// The address that is called, as errors name it.
    pub fn address(&self) -> String {
        match &self.target {
            Target::Url(url) => format!("{url}?timeout={}s", self.timeout_seconds),
            Target::Service(service) => {
                let path = service.path.as_deref().unwrap_or_default().trim_start_matches('/');
                let port = service.port.unwrap_or(443);
                format!("https://{}.{}.svc:{port}/{path}?timeout={}s", service.name, service.namespace, self.timeout_seconds)
            }
        }
    }
}

#[cfg(test)]
mod tests;
