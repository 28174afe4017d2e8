//! Get, list, and the beginning of a watch.

use serde_json::{Value, json};
use sim_apimachinery::list_options::ListOptions;
use sim_apimachinery::{ObjectKey, Page, Reply, Verb};

use super::show;
use crate::frontend::{Exchange, Outcome};
use crate::http::Answer;
use crate::respond::bad_request;
use crate::watch;

/// The key the path names.
pub fn key(exchange: &Exchange<'_>) -> ObjectKey {
    let namespace = if exchange.served.is_namespaced() { exchange.path.namespace.as_str() } else { "" };
    ObjectKey::new(exchange.served.kind, namespace, &exchange.path.name)
}

/// Shows one object.
pub fn get(exchange: &mut Exchange<'_>) -> Outcome<Answer> {
    exchange.cluster.apiserver().check_get_version(exchange.query.get("resourceVersion"))?;
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
        options: Box::new(list_options(exchange)?),
    };
    match exchange.ask(verb)? {
        Reply::List(page) => Ok(show::list(exchange, &page.items, list_metadata(&page))?.into()),
        other => unexpected(&other),
    }
}

/// The options of a list or watch, from the query. Errors: 400 for numbers that are none.
pub fn list_options(exchange: &Exchange<'_>) -> Outcome<ListOptions> {
    let query = &exchange.query;
    let text = |name: &str| query.get(name).to_owned();
    number(query.get("timeoutSeconds"))?;
    Ok(ListOptions {
        labels: text("labelSelector"),
        fields: text("fieldSelector"),
        resource_version: text("resourceVersion"),
        resource_version_match: text("resourceVersionMatch"),
        limit: number(query.get("limit"))?,
        continue_token: text("continue"),
        send_initial_events: query.has("sendInitialEvents").then(|| query.flag("sendInitialEvents")),
        events_v1: exchange.served.group == "events.k8s.io",
    })
}

fn number(text: &str) -> Outcome<i64> {
    let why = if text.trim_start_matches('-').bytes().all(|b| b.is_ascii_digit()) { "value out of range" } else { "invalid syntax" };
    match text {
        "" => Ok(0),
        _ => text.parse().map_err(|_| bad_request(format!("strconv.ParseInt: parsing {text:?}: {why}"))),
    }
}

/// The metadata of a list.
pub fn list_metadata(page: &Page) -> Value {
    let mut metadata = json!({"resourceVersion": page.revision.to_string()});
    if !page.continue_token.is_empty() {
        metadata["continue"] = page.continue_token.as_str().into();
    }
    if let Some(remaining) = page.remaining {
        metadata["remainingItemCount"] = remaining.into();
    }
    metadata
}

/// An answer of the engine that does not fit the question: a mistake of ours, told to the client as the server's.
pub fn unexpected(reply: &Reply) -> Outcome<Answer> {
    let text = format!("Internal error occurred: unexpected reply {reply:?}");
    Err(Box::new(sim_apimachinery::Status::new(sim_apimachinery::Reason::InternalError, text)))
}
