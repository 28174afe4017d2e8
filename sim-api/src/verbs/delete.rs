//! Delete and deletecollection: options from the body or the query, and what the answer shows.

use serde_json::{Map, Value, json};
use sim_apimachinery::{DeleteOptions, Kind, Object, Propagation, Reply, Verb};

use super::{body, read, show};
use crate::frontend::{Exchange, Outcome};
use crate::http::Answer;
use crate::respond::{bad_request, value};

/// Kinds whose deletion answers with the object even when it is gone at once.
fn shows_removed(kind: Kind) -> bool {
    use Kind as K;
    let resource = kind.resource();
    matches!(
        kind,
        K::Pod
            | K::Service
            | K::Namespace
            | K::PersistentVolume
            | K::PersistentVolumeClaim
            | K::ServiceAccount
            | K::ResourceQuota
            | K::PodTemplate
    ) || matches!(kind, K::StorageClass | K::VolumeAttachment | K::CSINode | K::CSIDriver | K::VolumeAttributesClass | K::RuntimeClass)
        || resource.group == "resource.k8s.io"
}

/// Deletes one object.
pub fn delete(exchange: &mut Exchange<'_>) -> Outcome<Answer> {
    let options = options(exchange)?;
    let key = read::key(exchange);
    match exchange.ask(Verb::Delete { key, options })? {
        Reply::Object(object) => Ok(deleted(exchange, &object)?),
        other => read::unexpected(&other),
    }
}

fn deleted(exchange: &Exchange<'_>, object: &Object) -> Outcome<Answer> {
    if object.is_deleting() || shows_removed(object.kind()) {
        return Ok(show::object(exchange, 200, object)?.into());
    }
    let mut details = Map::new();
    details.insert("name".into(), object.name().into());
    if !exchange.served.group.is_empty() {
        details.insert("group".into(), exchange.served.group.into());
    }
    details.insert("kind".into(), exchange.path.resource.as_str().into());
    details.insert("uid".into(), object.uid().into());
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details});
    Ok(value(200, &status, exchange.accepted.encoding).into())
}

/// Deletes all that match.
pub fn delete_collection(exchange: &mut Exchange<'_>) -> Outcome<Answer> {
    let verb = Verb::DeleteCollection {
        kind: exchange.served.kind,
        namespace: exchange.path.namespace.as_str().into(),
        selected: Box::new(read::list_options(exchange)?),
        options: options(exchange)?,
    };
    match exchange.ask(verb)? {
        Reply::List(page) => Ok(show::list(exchange, &page.items, read::list_metadata(&page))?.into()),
        other => read::unexpected(&other),
    }
}

/// Options from the body, or, when it is empty, from the query.
pub fn options(exchange: &Exchange<'_>) -> Outcome<DeleteOptions> {
    if exchange.request.body.is_empty() { from_query(exchange) } else { from_body(&body::decode(exchange)?) }
}

fn from_query(exchange: &Exchange<'_>) -> Outcome<DeleteOptions> {
    let grace = match exchange.query.get("gracePeriodSeconds") {
        "" => None,
        text => Some(text.parse().map_err(|_| bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax")))?),
    };
    Ok(DeleteOptions {
        grace_period_seconds: grace,
        propagation: propagation(exchange.query.get("propagationPolicy"))?,
        ..Default::default()
    })
}

fn from_body(body: &Value) -> Outcome<DeleteOptions> {
    let text = |path: &str| body.pointer(path).and_then(Value::as_str).map(str::to_owned);
    Ok(DeleteOptions {
        grace_period_seconds: body.get("gracePeriodSeconds").and_then(Value::as_i64),
        propagation: propagation(text("/propagationPolicy").as_deref().unwrap_or_default())?,
        uid: text("/preconditions/uid"),
        resource_version: text("/preconditions/resourceVersion"),
    })
}

fn propagation(text: &str) -> Outcome<Option<Propagation>> {
    match text {
        "" => Ok(None),
        "Background" => Ok(Some(Propagation::Background)),
        "Foreground" => Ok(Some(Propagation::Foreground)),
        "Orphan" => Ok(Some(Propagation::Orphan)),
        other => Err(bad_request(format!("invalid propagationPolicy {other:?}"))),
    }
}
