//! Admission webhooks: which are to be called for a request, what they are sent, and what their answers mean.
//! The API server does no IO, so whoever serves it makes the calls (`attempt`).
//! Source: apiserver pkg/admission/plugin/webhook. Order: configurations by name, then webhooks as written.
//! Not modelled: audit annotations (they are taken and forgotten: there is no audit log here); equivalent subresources of
//! different kinds (`scale`).

mod attempt;
mod dispatch;
mod posted;
mod review;

use std::collections::BTreeMap;

use k8s_openapi::api::admissionregistration::v1::{MatchCondition, RuleWithOperations, ServiceReference, WebhookClientConfig};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sim_apimachinery::decoding::split_api_version;
use sim_apimachinery::{Kind, Object, Reason, Status, UserInfo, conversion, schema};
use sim_cel::{Program, Sized, Type};

use super::admission_policies::{Attributes, objects_match, request_json, rule_words, shown};
use super::{ApiServer, Call, Outcome};

pub use self::attempt::Answers;
pub use self::attempt::{Asked, Attempt, Served, WebhookAnswer, unanswered};
pub(super) use self::dispatch::{Rounds, question_uid};
pub(super) use self::posted::{binding, eviction, of_binding};
pub use self::review::{Verdict, http_failure, verdict};

/// Seconds a call may take if its webhook does not say.
const TIMEOUT_SECONDS: i32 = 10;

/// Which webhooks are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Those that may change the object.
    Mutating,
    /// Those that may only refuse it.
    Validating,
    /// None of both: it converts a custom resource's objects.
    Converting,
}

/// A request as webhooks see it.
#[derive(Clone, Copy, Debug)]
pub struct AdmissionRequest<'a> {
    /// The object as it is to be, at the version the webhook sees it; none for a deletion.
    pub object: Option<&'a Value>,
    /// The object as it is; none for a creation.
    pub old: Option<&'a Value>,
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Target {
    /// At an address.
    Url(String),
    /// Behind a service of the cluster.
    Service(ServiceReference),
}

/// A call to make.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// What the answer is to be kept with.
    pub asked: Asked,
    pub(super) uid: String,
}

/// What the two kinds of webhooks have in common.
struct Hook<'a> {
    /// Its configuration and its name.
    id: String,
    name: &'a str,
    rules: &'a [RuleWithOperations],
    namespace_selector: Option<&'a LabelSelector>,
    object_selector: Option<&'a LabelSelector>,
    conditions: &'a [MatchCondition],
    client: &'a WebhookClientConfig,
    fails: bool,
    timeout_seconds: i32,
    side_effects: &'a str,
    is_exact: bool,
    /// Whether it wants to see again what others changed after it.
    reinvokes: bool,
}

impl ApiServer {
    /// The webhooks of a phase, in order.
    fn hooks(&self, phase: Phase) -> Vec<Hook<'_>> {
        let kind = if phase == Phase::Mutating { Kind::MutatingWebhookConfiguration } else { Kind::ValidatingWebhookConfiguration };
        self.etcd.list(kind, "").flat_map(hooks).collect()
    }

    /// The `apiVersion` at which a webhook sees a request: the client's, or an equivalent one that a rule names; nothing if the
    /// request is none of its business.
    fn seen_at(&self, hook: &Hook<'_>, attributes: &Attributes<'_>) -> Option<String> {
        let matches = |rule: &RuleWithOperations, attributes: &Attributes<'_>| {
            let words = [rule.operations.as_deref(), rule.api_groups.as_deref(), rule.api_versions.as_deref(), rule.resources.as_deref()];
            rule_words(words, rule.scope.as_deref(), attributes)
        };
        let sent = api_version(attributes.sent_version());
        let equivalent = if hook.is_exact || attributes.posted.is_some() { vec![] } else { self.served_versions(attributes.kind) };
        let seen = std::iter::once(sent).chain(equivalent).find(|version| {
            let attributes = Attributes { seen_at: Some(split_api_version(version)), ..*attributes };
            hook.rules.iter().any(|rule| matches(rule, &attributes))
        })?;
        let selected = self.namespace_matches(hook.namespace_selector, attributes) && objects_match(hook.object_selector, attributes);
        selected.then_some(seen)
    }

    /// Every `apiVersion` a kind is served at.
    fn served_versions(&self, kind: Kind) -> Vec<String> {
        let row = kind.resource();
        match kind {
            Kind::Custom(_) => self
                .custom_resources()
                .filter(|r| (r.kind().resource().group, r.kind().resource().plural) == (row.group, row.plural))
                .map(|r| r.api_version())
                .collect(),
            Kind::HorizontalPodAutoscaler => vec!["autoscaling/v2".into(), "autoscaling/v1".into()],
            Kind::Event => vec!["v1".into(), "events.k8s.io/v1".into()],
            _ => vec![],
        }
    }

    /// An object as a webhook sees it.
    fn as_seen(&self, object: Option<&Object>, seen: &str, call: &mut Call<'_>) -> Outcome<Option<Value>> {
        let Some(object) = object else { return Ok(None) };
        let kind = object.kind();
        let (group, version) = split_api_version(seen);
        if let (Kind::Custom(_), Some(resource)) = (kind, self.custom_resource(group, version, kind.resource().plural)) {
            return Ok(Some(shown(&self.read_at(object, resource.kind(), call)?)));
        }
        if !conversion::is_converted(kind, seen) {
            return Ok(Some(shown(object)));
        }
        let value = conversion::from_held(kind, seen, object.to_json());
        let of = schema::lookup(group, version, kind.resource().kind);
        Ok(Some(of.map_or_else(|| value.clone(), |of| schema::as_encoded(of, value.clone()))))
    }

    /// A webhook's object as the request goes on with it.
    fn as_sent(&self, value: Value, seen: &str, kind: Kind, call: &mut Call<'_>) -> Outcome<Object> {
        let internal = |why: String| Box::new(Status::new(Reason::InternalError, format!("Internal error occurred: {why}")));
        let (group, version) = split_api_version(seen);
        if let (Kind::Custom(_), Some(resource)) = (kind, self.custom_resource(group, version, kind.resource().plural)) {
            let object = Object::from_json(resource.kind(), value).map_err(|e| internal(e.to_string()))?;
            return self.read_at(&object, kind, call);
        }
        let mut object = Object::from_json(kind, conversion::to_held(kind, seen, value)).map_err(|e| internal(e.to_string()))?;
        sim_apimachinery::defaults::default_object(&mut object);
        Ok(object)
    }
}

fn api_version((group, version): (&str, &str)) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

fn hooks(configuration: &Object) -> Vec<Hook<'_>> {
    let of = configuration.name();
    macro_rules! hook {
        ($hook:ident, $reinvokes:expr) => {
            Hook {
                id: format!("{of}/{}", $hook.name),
                is_exact: $hook.match_policy.as_deref() == Some("Exact"),
                reinvokes: $reinvokes,
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
        Object::MutatingWebhookConfiguration(c) => {
            c.webhooks.iter().flatten().map(|h| hook!(h, h.reinvocation_policy.as_deref() == Some("IfNeeded"))).collect()
        }
        Object::ValidatingWebhookConfiguration(c) => c.webhooks.iter().flatten().map(|h| hook!(h, false)).collect(),
        _ => vec![],
    }
}

/// Whether all match conditions are true. One that fails refuses the request, or passes the webhook over if it may fail.
fn conditions_hold(hook: &Hook<'_>, attributes: &Attributes<'_>, request: &AdmissionRequest<'_>) -> Result<bool, Box<Status>> {
    if hook.conditions.is_empty() {
        return Ok(true);
    }
    let of = |object: Option<&Value>| sim_cel::Value::from_json(object.unwrap_or(&Value::Null), &Type::Dyn);
    let told = request_json(attributes, request.user, request.dry_run);
    let scope: BTreeMap<String, sim_cel::Value> = [
        ("object".to_owned(), of(request.object)),
        ("oldObject".to_owned(), of(request.old)),
        ("request".to_owned(), sim_cel::Value::from_json(&told, &Type::Dyn)),
    ]
    .into();
    let variables = scope.keys().map(|name| (name.clone(), Sized::new(Type::Dyn))).collect();
    let mut trouble = vec![];
    for condition in hook.conditions {
        let source = &condition.expression;
        match Program::compile(source, &variables).map(|program| program.evaluate(&scope).0) {
            Ok(Ok(sim_cel::Value::Bool(false))) => return Ok(false),
            Ok(Ok(_)) => {}
            Ok(Err(why)) => trouble.push(format!("expression '{source}' resulted in error: {}", why.0)),
            Err(_) => trouble.push(format!("expression '{source}' cannot be compiled")),
        }
    }
    match trouble.as_slice() {
        [] => Ok(true),
        _ if !hook.fails => Ok(false),
        [one] => Err(Box::new(Status::forbidden(attributes.kind, attributes.name, one))),
        more => Err(Box::new(Status::forbidden(attributes.kind, attributes.name, &format!("[{}]", more.join(", "))))),
    }
}

fn target(client: &WebhookClientConfig) -> Option<Target> {
    match (&client.url, &client.service) {
        (Some(url), _) => Some(Target::Url(url.clone())),
        (None, Some(service)) => Some(Target::Service(service.clone())),
        (None, None) => None,
    }
}

fn new_call(hook: &Hook<'_>, phase: Phase, attributes: &Attributes<'_>, request: &AdmissionRequest<'_>) -> Option<WebhookCall> {
    Some(WebhookCall {
        name: hook.name.to_owned(),
        target: target(hook.client)?,
        ca_bundle: hook.client.ca_bundle.as_ref().map(|b| b.0.clone()).unwrap_or_default(),
        timeout_seconds: hook.timeout_seconds,
        review: review::review(attributes, request),
        fails: hook.fails,
        phase,
        asked: Asked::default(),
        uid: request.uid.to_owned(),
    })
}

impl WebhookCall {
    /// What is told of a call that came to nothing on the way.
    pub fn unreachable(&self, why: &str) -> String {
        format!("Post \"{}\": {why}", self.address())
    }

    /// The answer to this call.
    pub fn answered(&self, body: Result<Value, String>) -> WebhookAnswer {
        WebhookAnswer { asked: self.asked.clone(), body }
    }

    /// The address that is called, as errors name it.
    pub fn address(&self) -> String {
        match &self.target {
            Target::Url(url) => format!("{url}{}timeout={}s", if url.contains('?') { '&' } else { '?' }, self.timeout_seconds),
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
