//! The subresources of pods that a client posts to: binding and eviction.
//! Sources: pkg/registry/core/pod/storage/{storage,eviction}.go.

use serde_json::{Value, json};
use sim_apimachinery::decoding::{self, Expected};
use sim_apimachinery::validation::errors::Errors;
use sim_apimachinery::validation::path::Path;
use sim_apimachinery::{BindingMetadata, DeleteOptions, ObjectKey, Propagation, Reason, Reply, Status, Verb};

use super::{body, read};
use crate::frontend::{Exchange, Outcome};
use crate::http::Answer;
use crate::options::OptionsOf;
use crate::respond::{bad_request, no_resource, value};

/// Puts a pod on a node.
pub fn bind(exchange: &mut Exchange<'_>) -> Outcome<Answer> {
    let binding = posted(exchange, ("", "Binding"), &["v1"])?;
    let named = text(&binding, "/metadata/name").to_owned();
    if exchange.path.subresource.is_empty() {
        // A binding that is posted to the collection names its pod alone.
        exchange.path.name.clone_from(&named);
    } else if named != exchange.path.name {
        return Err(bad_request("name in URL does not match name in Binding object"));
    }
    check_target(&binding)?;
    if named.is_empty() {
        return Err(bad_request("Name parameter required."));
    }
    let with = BindingMetadata {
        resource_version: Some(text(&binding, "/metadata/resourceVersion").to_owned()).filter(|v| !v.is_empty()),
        labels: strings(&binding, "/metadata/labels"),
        annotations: strings(&binding, "/metadata/annotations"),
    };
    let pod = read::key(exchange);
    let (uid, node) = (text(&binding, "/metadata/uid").to_owned(), text(&binding, "/target/name").into());
    done(exchange, Verb::Bind { pod, uid, node, with })
}

/// What is wrong with a binding is told as it is, without the words around it.
fn check_target(binding: &Value) -> Outcome<()> {
    let mut errors = Errors::new();
    let at = Path::root("target");
    let kind = text(binding, "/target/kind");
    if !matches!(kind, "" | "Node") {
        errors.not_supported(&at.child("kind"), kind, &["Node", "<empty>"]);
    }
    if text(binding, "/target/name").is_empty() {
        errors.required(&at.child("name"), "");
    }
    let wrong: Vec<String> = errors.into_causes().iter().map(|c| format!("{}: {}", c.field, c.message)).collect();
    match wrong.as_slice() {
        [] => Ok(()),
        [one] => Err(Box::new(Status::new(Reason::Unknown, one.as_str()))),
        many => Err(Box::new(Status::new(Reason::Unknown, format!("[{}]", many.join(", "))))),
    }
}

/// Evicts a pod.
pub fn evict(exchange: &mut Exchange<'_>) -> Outcome<Answer> {
    let eviction = posted(exchange, ("policy", "Eviction"), &["policy/v1", "policy/v1beta1"])?;
    if text(&eviction, "/metadata/name") != exchange.path.name {
        return Err(bad_request("name in URL does not match name in Eviction object"));
    }
    let pod: ObjectKey = read::key(exchange);
    let asked = eviction.get("deleteOptions").cloned().unwrap_or(Value::Null);
    let options = DeleteOptions {
        grace_period_seconds: asked.get("gracePeriodSeconds").and_then(Value::as_i64),
        propagation: match text(&asked, "/propagationPolicy") {
            "Foreground" => Some(Propagation::Foreground),
            "Background" => Some(Propagation::Background),
            "Orphan" => Some(Propagation::Orphan),
            _ => None,
        },
        uid: asked.pointer("/preconditions/uid").and_then(Value::as_str).map(str::to_owned),
        resource_version: asked.pointer("/preconditions/resourceVersion").and_then(Value::as_str).map(str::to_owned),
    };
    let dry = asked.get("dryRun").and_then(Value::as_array).is_some_and(|all| all.iter().any(|v| v == "All"));
    exchange.dry_run |= dry;
    done(exchange, Verb::Evict { pod, options })
}

/// The body, which must be of that kind, at one of the versions the resource takes.
fn posted(exchange: &mut Exchange<'_>, (group, kind): (&str, &str), versions: &[&str]) -> Outcome<Value> {
    exchange.read_options(OptionsOf::Create)?;
    let (media, body) = body::text_of(exchange)?;
    let expected = Expected::built_in(group, "v1", kind).ok_or_else(no_resource)?;
    let decoded = decoding::decode_value_at(&expected, versions, media, &body, exchange.field_validation)?;
    exchange.warnings.extend(decoded.warnings);
    exchange.check_namespace(decoded.value.pointer("/metadata/namespace").and_then(Value::as_str))?;
    Ok(decoded.value)
}

fn done(exchange: &mut Exchange<'_>, verb: Verb) -> Outcome<Answer> {
    match exchange.ask(verb)? {
        Reply::Done => {
            let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
            Ok(value(201, &status, exchange.accepted.encoding).into())
        }
        other => read::unexpected(&other),
    }
}

fn text<'a>(value: &'a Value, at: &str) -> &'a str {
    value.pointer(at).and_then(Value::as_str).unwrap_or_default()
}

fn strings(value: &Value, at: &str) -> std::collections::BTreeMap<String, String> {
    let entries = value.pointer(at).and_then(Value::as_object).into_iter().flatten();
    entries.filter_map(|(key, v)| Some((key.clone(), v.as_str()?.to_owned()))).collect()
}
