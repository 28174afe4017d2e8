//! The subresource scale: how many replicas are wanted and there are, written as an `autoscaling/v1` Scale whatever the kind.
//! Source: pkg/registry/apps/*/storage (ScaleREST).

use serde_json::{Value, json};
use sim_apimachinery::decoding::{self, DecodedPatch, Expected};
use sim_apimachinery::{Object, Part, Reply, Scale, Verb, schema};

use super::{body, read, table, write};
use crate::frontend::{Exchange, Outcome};
use crate::http::{Answer, Response};
use crate::negotiation::Form;
use crate::options::OptionsOf;
use crate::printers::{self, Printer, Row, TableOptions, partial_object_metadata};
use crate::respond::{no_resource, value, wrong_method};

/// Does what a method asks of a scale.
pub fn dispatch(exchange: &mut Exchange<'_>, method: &str) -> Outcome<Answer> {
    let key = read::key(exchange);
    let verb = match method {
        "GET" => Verb::GetScale { key },
        "PUT" => update(exchange)?,
        "PATCH" => {
            let DecodedPatch { patch, strict_errors, warnings } = write::decode_patch(exchange)?;
            exchange.warnings.extend(warnings);
            exchange.strict_errors = strict_errors;
            Verb::Patch { key, part: Part::Scale, patch }
        }
        _ => return Err(wrong_method()),
    };
    match exchange.ask(verb)? {
        Reply::Scale(scale) => Ok(shown(exchange, &scale)?.into()),
        other => read::unexpected(&other),
    }
}

fn update(exchange: &mut Exchange<'_>) -> Outcome<Verb> {
    exchange.read_options(OptionsOf::Update)?;
    let (media, text) = body::text_of(exchange)?;
    let expected = Expected::built_in("autoscaling", "v1", "Scale").ok_or_else(no_resource)?;
    let decoded = decoding::decode_value(&expected, media, &text, exchange.field_validation)?;
    exchange.warnings.extend(decoded.warnings);
    let scale = decoded.value;
    let text = |pointer: &str| scale.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    write::check_name(&text("/metadata/name"), &exchange.path.name)?;
    let namespace = text("/metadata/namespace");
    exchange.check_namespace(Some(&namespace))?;
    let replicas = scale.pointer("/spec/replicas").and_then(Value::as_i64).and_then(|n| i32::try_from(n).ok()).unwrap_or(0);
    let resource_version = Some(text("/metadata/resourceVersion")).filter(|v| !v.is_empty());
    let uid = Some(text("/metadata/uid")).filter(|uid| !uid.is_empty());
    Ok(Verb::UpdateScale { key: read::key(exchange), replicas, uid, resource_version })
}

/// The scale of an object as the object stands after the request.
fn value_of(object: &Object, scale: &Scale) -> Value {
    let metadata = object.metadata();
    let written = json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": metadata.name,
            "namespace": metadata.namespace,
            "uid": metadata.uid,
            "resourceVersion": scale.resource_version,
            "creationTimestamp": metadata.creation_timestamp,
        },
        "spec": {"replicas": scale.replicas},
        "status": {"replicas": scale.status_replicas, "selector": scale.selector},
    });
    schema::lookup("autoscaling", "v1", "Scale").map_or(written.clone(), |of| schema::as_encoded(of, written))
}

fn shown(exchange: &Exchange<'_>, scale: &Scale) -> Outcome<Response> {
    let key = read::key(exchange);
    let object = exchange.cluster.etcd().get(&key).cloned().ok_or_else(no_resource)?;
    let shown = value_of(&object, scale);
    let shown = match exchange.accepted.form {
        Form::Object => shown,
        Form::Metadata(version) => partial_object_metadata(&shown, version),
        Form::MetadataList(_) => {
            let text = "you requested PartialObjectMetadataList, but the requested object is not a list (*autoscaling.Scale)";
            return Err(table::not_acceptable(text.into()));
        }
        Form::Table(version) => {
            let include = table::include(exchange.query.get("includeObject"))?;
            let options = TableOptions { now: exchange.cluster.now().to_time().0, include, headers: true, version };
            let rows = [Row { stored: &shown, shown: &shown }];
            printers::table(Printer::Named("Scale"), &rows, &shown["metadata"], &options)
        }
    };
    Ok(value(200, &shown, exchange.accepted.encoding))
}
