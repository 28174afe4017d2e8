//! Create, update and patch.

use serde_json::Value;
use sim_apimachinery::{Part, Patch, Reason, Reply, Status, Verb};

use super::{body, read, show};
use crate::frontend::{Exchange, Outcome};
use crate::http::Answer;
use crate::respond::bad_request;

/// Makes an object.
pub fn create(exchange: &mut Exchange<'_>) -> Outcome<Answer> {
    let object = body::object(exchange)?;
    match exchange.ask(Verb::Create { object })? {
        Reply::Object(object) => Ok(show::object(exchange, 201, &object)?.into()),
        other => read::unexpected(&other),
    }
}

/// Replaces an object or a part of it.
pub fn update(exchange: &mut Exchange<'_>, part: Part) -> Outcome<Answer> {
    let object = body::object(exchange)?;
    let (sent, named) = (object.name().to_owned(), exchange.path.name.clone());
    if sent != named {
        let sent = if sent.is_empty() { "empty" } else { &sent };
        return Err(bad_request(format!("the name of the object ({sent}) does not match the name on the URL ({named})")));
    }
    let existed = exchange.cluster.etcd().get(&object.key()).is_some();
    match exchange.ask(Verb::Update { object, part })? {
        Reply::Object(object) => Ok(show::object(exchange, if existed { 200 } else { 201 }, &object)?.into()),
        other => read::unexpected(&other),
    }
}

/// Changes an object or a part of it.
pub fn patch(exchange: &mut Exchange<'_>, part: Part) -> Outcome<Answer> {
    let key = read::key(exchange);
    let patch = decode_patch(exchange)?;
    let existed = exchange.cluster.etcd().get(&key).is_some();
    match exchange.ask(Verb::Patch { key, part, patch })? {
        Reply::Object(object) => Ok(show::object(exchange, if existed { 200 } else { 201 }, &object)?.into()),
        other => read::unexpected(&other),
    }
}

fn decode_patch(exchange: &Exchange<'_>) -> Outcome<Patch> {
    let media = exchange.request.header("content-type").unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let json = || serde_json::from_slice::<Value>(&exchange.request.body).map_err(|e| bad_request(e.to_string()));
    match media.as_str() {
        "application/json-patch+json" => Ok(Patch::Json(json()?)),
        "application/merge-patch+json" => Ok(Patch::Merge(json()?)),
        "application/strategic-merge-patch+json" => Ok(Patch::Strategic(json()?)),
        "application/apply-patch+yaml" => {
            let text = std::str::from_utf8(&exchange.request.body).map_err(|e| bad_request(e.to_string()))?;
            let read =
                sim_apimachinery::yaml::read(text, &Default::default()).map_err(|e| bad_request(format!("error decoding YAML: {e:?}")))?;
            let intent = read.documents.into_iter().next().map_or(Value::Null, |d| d.value);
            Ok(Patch::Apply { intent, force: exchange.query.flag("force") })
        }
        _ => Err(Box::new(Status::generic(Reason::UnsupportedMediaType, "415: Unsupported Media Type"))),
    }
}
