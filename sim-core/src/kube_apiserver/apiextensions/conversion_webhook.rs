//! Conversion webhooks (`spec.conversion.strategy: Webhook`): custom objects that are stored at one version and asked for at
//! another are sent to a converter. The API server does no IO: a request whose objects a converter has not answered for yet
//! comes to nothing and says what to ask (`admission_webhooks::Attempt`), reads as well as writes.
//! Source: apiextensions-apiserver pkg/apiserver/conversion/webhook_converter.go.
//! An answer counts for the objects that were sent, as they were then: one that has changed since is asked for again.
//! Otherwise than in a real server the objects of a list go in few reviews instead of one each, no watch cache spares a list its
//! conversions, and objects are sent without `metadata.managedFields`.

mod answer;

use k8s_openapi::api::admissionregistration::v1::ServiceReference;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{CustomResourceConversion, WebhookClientConfig};
use serde_json::{Value, json};
use sim_apimachinery::{CustomObject, Kind, Object, Reason, Status};

use self::answer::{Question, converted_objects};
use super::super::admission_webhooks::{Answers, Asked, Phase, Target, WebhookCall, question_uid, unanswered};
use super::super::{ApiServer, Call, Outcome};
use super::{CustomResource, Registry, change_body, custom_kind, defaulting, present, pruning};

/// Seconds a converter may take (the default of clients of webhooks).
const TIMEOUT_SECONDS: i32 = 30;
/// Objects that go in one review.
const OBJECTS_MAX: usize = 500;

/// A definition's converter.
#[derive(Clone, Debug)]
pub(crate) struct Converter {
    target: Target,
    /// The certificates it is trusted by, in PEM; empty for those of the system.
    ca_bundle: Vec<u8>,
    /// The version of the review: the first that the server knows among those the converter knows.
    version: &'static str,
}

impl Converter {
    /// The converter of a definition, if it has one.
    pub fn read(conversion: Option<&CustomResourceConversion>) -> Option<Converter> {
        let conversion = conversion.filter(|c| c.strategy == "Webhook")?;
        let webhook = conversion.webhook.as_ref()?;
        let known = |wanted: &String| ["v1", "v1beta1"].into_iter().find(|known| known == wanted);
        let version = webhook.conversion_review_versions.iter().find_map(known)?;
        let client = webhook.client_config.as_ref()?;
        let bundle = client.ca_bundle.as_ref().map(|b| b.0.clone()).unwrap_or_default();
        let ca_bundle = if bundle.iter().all(u8::is_ascii_whitespace) { vec![] } else { bundle };
        Some(Converter { target: target(client)?, ca_bundle, version })
    }

    fn call(&self, sent: &[Sent<'_>], to: &CustomResource, now: u64) -> WebhookCall {
        let identities: Vec<&str> = sent.iter().map(|s| s.identity.as_str()).collect();
        let key = format!("{} {}", key_start(to), identities.join(","));
        let uid = question_uid(&format!("{key} {now}"));
        let objects: Vec<&Value> = sent.iter().map(|s| &s.value).collect();
        let request = json!({"uid": uid, "desiredAPIVersion": to.api_version(), "objects": objects});
        WebhookCall {
            name: format!("conversion_webhook_for_{}", to.definition().name),
            target: self.target.clone(),
            ca_bundle: self.ca_bundle.clone(),
            timeout_seconds: TIMEOUT_SECONDS,
            review: json!({"kind": "ConversionReview", "apiVersion": format!("apiextensions.k8s.io/{}", self.version), "request": request}),
            fails: true,
            phase: Phase::Converting,
            asked: Asked { key, uid: uid.clone(), version: String::new() },
            uid,
        }
    }
}

fn target(client: &WebhookClientConfig) -> Option<Target> {
    let service = client.service.clone().map(|s| ServiceReference { name: s.name, namespace: s.namespace, path: s.path, port: s.port });
    client.url.clone().map(Target::Url).or_else(|| service.map(Target::Service))
}

impl Registry {
    /// Whether any definition has a converter.
    pub(in crate::kube_apiserver) fn has_converters(&self) -> bool {
        self.definitions.values().any(|d| d.converter.is_some())
    }

    /// The converter of a kind.
    pub(in crate::kube_apiserver) fn converter_of(&self, kind: Kind) -> Option<&Converter> {
        let Kind::Custom(_) = kind else { return None };
        let row = kind.resource();
        self.get(row.group, row.plural)?.converter.as_ref()
    }
}

/// An object as a converter is sent it.
struct Sent<'a> {
    object: &'a CustomObject,
    value: Value,
    /// Tells it from all others: what it is and what is in it, but for what the server keeps itself.
    identity: String,
}

impl ApiServer {
    /// Stored objects as they are read at the version of `kind`.
    pub(in crate::kube_apiserver) fn read_all_at<'a>(
        &self,
        objects: impl Iterator<Item = &'a Object>,
        kind: Kind,
        call: &mut Call<'_>,
    ) -> Outcome<Vec<Object>> {
        let Some(resource) = self.resource_of(kind).filter(|r| r.definition().converter.is_some()) else {
            return Ok(objects.map(|o| self.present(o, kind)).collect());
        };
        let stored: Vec<CustomObject> = objects.filter_map(|o| with_defaults(o, &resource)).collect();
        let read = convert(&stored, &resource, call.now.0, &mut call.webhooks)?;
        Ok(read.into_iter().map(|o| Object::Custom(o.into())).collect())
    }

    /// A stored object as it is read at the version of `kind`.
    pub(in crate::kube_apiserver) fn read_at(&self, object: &Object, kind: Kind, call: &mut Call<'_>) -> Outcome<Object> {
        let mut read = self.read_all_at(std::iter::once(object), kind, call)?;
        Ok(read.pop().unwrap_or_else(|| object.clone()))
    }

    /// An object as it is stored.
    pub(in crate::kube_apiserver) fn stored_form(&self, object: Object, call: &mut Call<'_>) -> Outcome<Object> {
        let storage = self.resource_of(object.kind()).and_then(|r| r.definition().storage());
        let (Object::Custom(custom), Some(storage)) = (&object, storage) else { return Ok(object) };
        if storage.definition().converter.is_none() {
            return Ok(self.to_storage(object));
        }
        let mut converted = convert(std::slice::from_ref(custom.as_ref()), &storage, call.now.0, &mut call.webhooks)?;
        Ok(converted.pop().map_or(object, |o| Object::Custom(o.into())))
    }

    /// An object as a dry run shows it: as it would be read after it was stored.
    pub(in crate::kube_apiserver) fn as_if_stored(&self, object: Object, call: &mut Call<'_>) -> Outcome<Object> {
        let kind = object.kind();
        if self.custom.converter_of(kind).is_none() {
            return Ok(object);
        }
        let stored = self.stored_form(object, call)?;
        self.read_at(&stored, kind, call)
    }

    /// What a watch tells of stored objects at the version of `kind`, given what converters have answered to it; or what they
    /// are to be asked first.
    pub fn convert_for_watch(&self, objects: &[Object], kind: Kind, answers: &mut Answers, now: u64) -> Outcome<Vec<Object>> {
        let Some(resource) = self.resource_of(kind).filter(|r| r.definition().converter.is_some()) else {
            return Ok(objects.iter().map(|o| self.present(o, kind)).collect());
        };
        let stored: Vec<CustomObject> = objects.iter().filter_map(|o| with_defaults(o, &resource)).collect();
        Ok(convert(&stored, &resource, now, answers)?.into_iter().map(|o| Object::Custom(o.into())).collect())
    }
}

/// A stored object with the defaults of the version it was stored at.
fn with_defaults(object: &Object, resource: &CustomResource) -> Option<CustomObject> {
    let Object::Custom(custom) = object else { return None };
    let stored_at = custom.api_version.rsplit('/').next().unwrap_or_default();
    match resource.definition().version(stored_at) {
        Some(stored) => match present(custom, &stored) {
            Object::Custom(read) => Some(CustomObject::clone(&read)),
            _ => None,
        },
        None => Some(CustomObject::clone(custom)),
    }
}

/// Objects at another version, in the same order.
fn convert(objects: &[CustomObject], to: &CustomResource, now: u64, answers: &mut Answers) -> Outcome<Vec<CustomObject>> {
    let version = to.api_version();
    let (mut done, mut missing) = (Vec::with_capacity(objects.len()), vec![]);
    for object in objects {
        if object.api_version == version {
            done.push(CustomObject { of: custom_kind(to), ..object.clone() });
            continue;
        }
        let sent = Sent::new(object);
        match answered(&sent, to, answers) {
            Some(outcome) => done.push(outcome.map_err(|why| Box::new(Status::new(Reason::Unknown, why)))?),
            None => missing.push(sent),
        }
    }
    if missing.is_empty() {
        return Ok(done);
    }
    if let Some(converter) = &to.definition().converter {
        answers.open.extend(missing.chunks(OBJECTS_MAX).map(|some| converter.call(some, to, now)));
    }
    Err(unanswered())
}

/// What a converter made of an object, if it was asked.
fn answered(sent: &Sent<'_>, to: &CustomResource, answers: &Answers) -> Option<Result<CustomObject, String>> {
    let start = key_start(to);
    let (answer, position, count) = answers.known().find_map(|answer| {
        let identities = answer.asked.key.strip_prefix(&start)?.strip_prefix(' ')?;
        let position = identities.split(',').position(|i| i == sent.identity)?;
        Some((answer, position, identities.split(',').count()))
    })?;
    let version = to.definition().converter.as_ref().map_or("v1", |c| c.version);
    let question = Question { uid: &answer.asked.uid, version, count, of: &sent.value, to: &to.api_version() };
    let converted = converted_objects(&answer.body, &question).and_then(|objects| question.check(&objects[position]));
    Some(converted.map(|value| fitted(sent.object, value, to)))
}

/// The converted value as an object that fits its schema.
fn fitted(original: &CustomObject, value: Value, to: &CustomResource) -> CustomObject {
    let Value::Object(mut map) = value else { return original.clone() };
    let mut metadata = original.metadata.clone();
    let words = |name: &str| map.get("metadata").and_then(|m| m.get(name)).and_then(|w| serde_json::from_value(w.clone()).ok());
    (metadata.labels, metadata.annotations) = (words("labels"), words("annotations"));
    for name in ["metadata", "apiVersion", "kind"] {
        map.remove(name);
    }
    let (api_version, kind) = (to.api_version(), original.kind.clone());
    let mut object = CustomObject { of: custom_kind(to), api_version, kind, metadata, body: map.into_iter().collect() };
    change_body(&mut object, |body| {
        pruning::prune_object(body, to.schema());
        defaulting::drop_nulls(body, to.schema());
    });
    object
}

/// How the keys of questions about a resource at a version begin.
fn key_start(to: &CustomResource) -> String {
    format!("convert {} to {}", to.definition().name, to.version().name)
}

impl<'a> Sent<'a> {
    fn new(object: &'a CustomObject) -> Sent<'a> {
        let mut value = Object::Custom(object.clone().into()).to_json();
        if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
        let metadata = &object.metadata;
        let told = json!([
            object.api_version,
            object.body,
            metadata.labels,
            metadata.annotations,
            metadata.name,
            metadata.namespace,
            metadata.uid
        ]);
        Sent { object, value, identity: question_uid(&told.to_string()).replace('-', "") }
    }
}

#[cfg(test)]
mod tests;
