//! Delete and deletecollection: options from the body or the query, and what the answer shows.
//! Sources: apiserver pkg/endpoints/handlers/delete.go, apimachinery pkg/apis/meta/v1/validation.

use serde_json::{Map, Value, json};
use sim_apimachinery::decoding::{self, canonical};
use sim_apimachinery::json::{self as json_text, Node};
use sim_apimachinery::{Cause, DeleteOptions, Kind, Object, Propagation, Reply, Verb, schema};

use super::{body, read, show};
use crate::frontend::{Exchange, Outcome};
use crate::http::Answer;
use crate::options::{dry_run_error, invalid, not_supported};
use crate::respond::{bad_request, value};

/// The scheme of the options, as errors name it.
const SCHEME: &str = "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27";

/// Options as a client gives them.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What the API server needs.
    pub delete: DeleteOptions,
    /// Whether nothing is to be deleted.
    pub dry_run: bool,
    /// `orphanDependents`, if it was given.
    orphan_dependents: Option<bool>,
}

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
    ) || matches!(
        kind,
        K::StorageClass | K::VolumeAttachment | K::CSINode | K::CSIDriver | K::VolumeAttributesClass | K::CustomResourceDefinition
    ) || resource.group == "resource.k8s.io"
}

/// Deletes one object.
pub fn delete(exchange: &mut Exchange<'_>) -> Outcome<Answer> {
    let options = options(exchange)?;
    let key = read::key(exchange);
    exchange.dry_run = options.dry_run;
    match exchange.ask(Verb::Delete { key: key.clone(), options: options.delete })? {
        Reply::Object(object) => {
            let stays = exchange.cluster.etcd().get(&key).is_some() && (!options.dry_run || object.is_deleting());
            let cascades = options.orphan_dependents == Some(false);
            Ok(deleted(exchange, &object, if stays && cascades { 202 } else { 200 }, stays)?)
        }
        other => read::unexpected(&other),
    }
}

fn deleted(exchange: &mut Exchange<'_>, object: &Object, status: u16, stays: bool) -> Outcome<Answer> {
    if stays || shows_removed(object.kind()) {
        return Ok(show::object(exchange, status, object)?.into());
    }
    let mut details = Map::new();
    details.insert("name".into(), object.name().into());
    if !exchange.served.group.is_empty() {
        details.insert("group".into(), exchange.served.group.into());
    }
    details.insert("kind".into(), exchange.path.resource.as_str().into());
    details.insert("uid".into(), object.uid().into());
    let answer = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details});
    Ok(value(status, &answer, exchange.accepted.encoding).into())
}

/// Deletes all that match.
pub fn delete_collection(exchange: &mut Exchange<'_>) -> Outcome<Answer> {
    let options = options(exchange)?;
    exchange.dry_run = options.dry_run;
    let verb = Verb::DeleteCollection {
        kind: exchange.served.kind,
        namespace: exchange.path.namespace.as_str().into(),
        selected: Box::new(read::list_options(exchange)?),
        options: options.delete,
    };
    match exchange.ask(verb)? {
        Reply::List(page) => Ok(show::list(exchange, &page.items, read::list_metadata(&page))?.into()),
        other => read::unexpected(&other),
    }
}

/// Options from the body, or, when it is empty, from the query.
pub fn options(exchange: &Exchange<'_>) -> Outcome<Options> {
    let given = if exchange.request.body.is_empty() { from_query(exchange)? } else { from_body(exchange)? };
    checked(&given)
}

fn from_query(exchange: &Exchange<'_>) -> Outcome<Value> {
    let query = &exchange.query;
    let mut given = Map::new();
    if query.has("gracePeriodSeconds") {
        let text = query.get("gracePeriodSeconds");
        let seconds: i64 = text.parse().map_err(|_| bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax")))?;
        given.insert("gracePeriodSeconds".into(), seconds.into());
    }
    if query.has("orphanDependents") {
        given.insert("orphanDependents".into(), query.flag("orphanDependents").into());
    }
    if query.has("propagationPolicy") {
        given.insert("propagationPolicy".into(), query.get("propagationPolicy").into());
    }
    let dry_run: Vec<&str> = query.all("dryRun").collect();
    if !dry_run.is_empty() {
        given.insert("dryRun".into(), dry_run.into());
    }
    Ok(Value::Object(given))
}

fn from_body(exchange: &Exchange<'_>) -> Outcome<Value> {
    let text = &exchange.request.body;
    let node = match body::media(exchange)? {
        body::Media::Yaml => Node::from(&decoding::read_yaml(text).map_err(bad_request)?.value),
        body::Media::Protobuf => Node::from(&body::decode(exchange)?),
        body::Media::Json => {
            json_text::parse(text).map_err(|e| bad_request(format!("couldn't get version/kind; json parse error: {e}")))?
        }
    };
    let named = |name: &str| node.get(name).and_then(Node::as_text).unwrap_or_default();
    let (kind, api_version) = (named("kind"), named("apiVersion"));
    if !matches!(kind, "" | "DeleteOptions") {
        return Err(bad_request(format!("no kind {kind:?} is registered for version {api_version:?} in scheme {SCHEME:?}")));
    }
    let Some(of) = schema::lookup("", "v1", "DeleteOptions") else { return Ok(node.to_value()) };
    match schema::decode_error(of, &node) {
        Some(error) => Err(bad_request(error.message)),
        None => Ok(canonical(of, &node)),
    }
}

fn checked(given: &Value) -> Outcome<Options> {
    let text = |path: &str| given.pointer(path).and_then(Value::as_str).map(str::to_owned);
    let orphan_dependents = given.get("orphanDependents").and_then(Value::as_bool);
    let policy = text("/propagationPolicy");
    let mut causes = Vec::new();
    if let (Some(_), Some(policy)) = (orphan_dependents, &policy) {
        let message = format!("Invalid value: {policy:?}: orphanDependents and deletionPropagation cannot be both set");
        causes.push(Cause { reason: "FieldValueInvalid".into(), message, field: "propagationPolicy".into() });
    }
    let propagation = match policy.as_deref() {
        Some("Background") => Some(Propagation::Background),
        Some("Foreground") => Some(Propagation::Foreground),
        Some("Orphan") => Some(Propagation::Orphan),
        None => orphan_dependents.map(|orphan| if orphan { Propagation::Orphan } else { Propagation::Background }),
        Some(other) => {
            let known = ["Foreground", "Background", "Orphan", "nil"];
            causes.push(not_supported("propagationPolicy", &format!("{other:?}"), &known));
            None
        }
    };
    let dry_run: Vec<&str> = given.get("dryRun").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    causes.extend(dry_run_error(&dry_run));
    if !causes.is_empty() {
        return Err(invalid("DeleteOptions", causes));
    }
    let delete = DeleteOptions {
        grace_period_seconds: given.get("gracePeriodSeconds").and_then(Value::as_i64),
        propagation,
        uid: text("/preconditions/uid"),
        resource_version: text("/preconditions/resourceVersion"),
    };
    Ok(Options { delete, dry_run: !dry_run.is_empty(), orphan_dependents })
}
