//! Bodies: the media type, and the object in it.

use serde_json::Value;
use sim_apimachinery::decoding::{Decoded, Expected};
use sim_apimachinery::yaml::{self, Limits};
use sim_apimachinery::{FieldValidation, Kind, Object, Reason, Status, decoding, schema};
use sim_core::kube_apiserver::apiextensions::CustomResource;

use crate::frontend::{Exchange, Outcome};
use crate::protobuf;
use crate::respond::bad_request;

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// JSON.
    Json,
    /// YAML.
    Yaml,
    /// Kubernetes' protobuf.
    Protobuf,
}

/// The media type of a request's body.
pub fn media(exchange: &Exchange<'_>) -> Outcome<Media> {
    let text = exchange.request.header("content-type").unwrap_or_default();
    match text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "" | "application/json" => Ok(Media::Json),
        "application/yaml" => Ok(Media::Yaml),
        protobuf::MEDIA_TYPE if !matches!(exchange.served.kind, Kind::Custom(_)) => Ok(Media::Protobuf),
        _ => Err(unsupported(exchange.served.kind)),
    }
}

fn unsupported(kind: Kind) -> Box<Status> {
    let more = if matches!(kind, Kind::Custom(_)) { "" } else { ", application/vnd.kubernetes.protobuf" };
    let text = "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml";
    Box::new(Status::new(Reason::UnsupportedMediaType, format!("{text}{more}")))
}

/// A body in which no object is: its beginning is shown.
fn unrecognized(kind: Kind, body: &[u8], error: &str) -> Box<Status> {
    const SHOWN_BYTES: usize = 30;
    let kind = kind.resource().kind;
    let more = if body.len() > SHOWN_BYTES { " ..." } else { "" };
    let beginning = String::from_utf8_lossy(&body[..body.len().min(SHOWN_BYTES)]);
    bad_request(format!("the object provided is unrecognized (must be of type {kind}): {error} ({beginning}{more})"))
}

/// The body as a JSON value.
pub fn decode(exchange: &Exchange<'_>) -> Outcome<Value> {
    let body = &exchange.request.body;
    match media(exchange)? {
        Media::Json => serde_json::from_slice(body).map_err(|e| bad_request(e.to_string())),
        Media::Yaml => {
            let text = std::str::from_utf8(body).map_err(|e| bad_request(e.to_string()))?;
            let read = yaml::read(text, &Limits::default()).map_err(|e| bad_request(format!("yaml: {e:?}")))?;
            Ok(read.documents.into_iter().next().map_or(Value::Null, |d| d.value))
        }
        Media::Protobuf => protobuf::decode(body).map_err(|error| unrecognized(exchange.served.kind, body, &error)),
    }
}

/// The body as an object of the resource. What strict decoding finds becomes warnings, or the refusal.
pub fn object(exchange: &mut Exchange<'_>) -> Outcome<Object> {
    let (kind, api_version) = (exchange.served.kind, exchange.served.api_version());
    let (written, text) = text_of(exchange)?;
    let validation = exchange.field_validation;
    let (mut object, warnings) = match custom_resource(exchange) {
        Some(resource) => custom_object(&resource, &api_version, written, &text, validation)?,
        None => decoding::decode(kind, &api_version, None, written, &text, validation)?,
    };
    exchange.warnings.extend(warnings);
    if exchange.served.is_namespaced() {
        exchange.check_namespace(Some(object.namespace()))?;
        object.metadata_mut().namespace = Some(exchange.path.namespace.clone());
    }
    Ok(object)
}

fn custom_resource(exchange: &Exchange<'_>) -> Option<CustomResource> {
    let Kind::Custom(_) = exchange.served.kind else { return None };
    let apiserver = exchange.cluster.apiserver();
    apiserver.custom_resource(exchange.served.group, exchange.served.version, &exchange.path.resource)
}

/// A body of which the decoder asks only that it says what it is; the rest is its definition's to say.
fn custom_object(
    resource: &CustomResource,
    api_version: &str,
    written: decoding::Media,
    text: &[u8],
    validation: FieldValidation,
) -> Outcome<(Object, Vec<String>)> {
    let unknown = || bad_request(format!("no version {api_version:?} of {} is known", resource.kind()));
    let expected = Expected::kind(resource.kind(), api_version, Some(schema::any_object())).ok_or_else(unknown)?;
    let Decoded { value, mut warnings } = decoding::decode_value(&expected, written, text, validation)?;
    let (object, more) = resource.decode(value, validation)?;
    warnings.extend(more);
    Ok((object, warnings))
}

/// The body as text; protobuf is turned into the JSON it stands for.
pub fn text_of(exchange: &Exchange<'_>) -> Outcome<(decoding::Media, Vec<u8>)> {
    let body = &exchange.request.body;
    match media(exchange)? {
        Media::Json => Ok((decoding::Media::Json, body.clone())),
        Media::Yaml => Ok((decoding::Media::Yaml, body.clone())),
        Media::Protobuf => {
            let (kind, summary) = (exchange.served.kind.resource().kind, decoding::summary(body));
            let refused = |why| bad_request(format!("the object provided is unrecognized (must be of type {kind}): {why} ({summary})"));
            let value = protobuf::decode(body).map_err(refused)?;
            Ok((decoding::Media::Json, value.to_string().into_bytes()))
        }
    }
}
