//! Bodies: the media type, and the object in it.

use serde_json::Value;
use sim_apimachinery::yaml::{self, Limits};
use sim_apimachinery::{Object, Reason, Status};

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
        "application/vnd.kubernetes.protobuf" => Ok(Media::Protobuf),
        _ => Err(unsupported()),
    }
}

fn unsupported() -> Box<Status> {
    let text = "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, \
                application/vnd.kubernetes.protobuf";
    Box::new(Status::new(Reason::UnsupportedMediaType, text))
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
        Media::Protobuf => protobuf::decode(body).map_err(bad_request),
    }
}

/// The body as an object of the resource.
pub fn object(exchange: &mut Exchange<'_>) -> Outcome<Object> {
    let mut body = decode(exchange)?;
    if exchange.served.is_namespaced() {
        exchange.check_namespace(body.pointer("/metadata/namespace").and_then(Value::as_str))?;
        body["metadata"]["namespace"] = exchange.path.namespace.clone().into();
    }
    Object::from_json(exchange.served.kind, body).map_err(|e| bad_request(e.to_string()))
}
