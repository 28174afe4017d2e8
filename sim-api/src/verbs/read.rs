//! Get, list, and the beginning of a watch.

use serde_json::json;
use sim_apimachinery::{ObjectKey, Reply, Verb};

use super::show;
use crate::frontend::{Exchange, Outcome};
use crate::http::Answer;
use crate::watch;

/// The key the path names.
pub fn key(exchange: &Exchange<'_>) -> ObjectKey {
    let namespace = if exchange.served.is_namespaced() { exchange.path.namespace.as_str() } else { "" };
    ObjectKey::new(exchange.served.kind, namespace, &exchange.path.name)
}

/// Shows one object.
pub fn get(exchange: &mut Exchange<'_>) -> Outcome<Answer> {
    let key = key(exchange);
    match exchange.ask(Verb::Get { key })? {
        Reply::Object(object) => Ok(show::object(exchange, 200, &object)?.into()),
        other => unexpected(&other),
    }
}

/// Shows a collection, or begins to tell of its changes.
pub fn list_or_watch(exchange: &mut Exchange<'_>) -> Outcome<Answer> {
    if exchange.path.watch_prefix || exchange.query.flag("watch") {
        return watch::begin(exchange);
    }
    let verb = Verb::List {
        kind: exchange.served.kind,
        namespace: exchange.path.namespace.as_str().into(),
        labels: exchange.query.get("labelSelector").to_owned(),
        fields: exchange.query.get("fieldSelector").to_owned(),
    };
    match exchange.ask(verb)? {
        Reply::List { items, revision } => {
            let metadata = json!({"resourceVersion": revision.to_string()});
            Ok(show::list(exchange, &items, metadata)?.into())
        }
        other => unexpected(&other),
    }
}

/// An answer of the engine that does not fit the question: a mistake of ours, told to the client as the server's.
pub fn unexpected(reply: &Reply) -> Outcome<Answer> {
    let text = format!("Internal error occurred: unexpected reply {reply:?}");
    Err(Box::new(sim_apimachinery::Status::new(sim_apimachinery::Reason::InternalError, text)))
}
