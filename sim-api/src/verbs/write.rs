//! Create, update and patch.

use sim_apimachinery::decoding::{self, DecodedPatch, PatchType};
use sim_apimachinery::{Kind, Part, Reason, Reply, Status, Verb};

use super::{body, read, show};
use crate::frontend::{Exchange, Outcome};
use crate::http::Answer;
use crate::options::OptionsOf;
use crate::respond::bad_request;

/// Makes an object.
pub fn create(exchange: &mut Exchange<'_>) -> Outcome<Answer> {
    exchange.read_options(OptionsOf::Create)?;
    let object = body::object(exchange)?;
    match exchange.ask(Verb::Create { object })? {
        Reply::Object(object) => Ok(show::object(exchange, 201, &object)?.into()),
        other => read::unexpected(&other),
    }
}

/// Replaces an object or a part of it.
pub fn update(exchange: &mut Exchange<'_>, part: Part) -> Outcome<Answer> {
    exchange.read_options(OptionsOf::Update)?;
    let object = body::object(exchange)?;
    check_name(object.name(), &exchange.path.name)?;
    let existed = exchange.cluster.etcd().get(&object.key()).is_some();
    match exchange.ask(Verb::Update { object, part })? {
        Reply::Object(object) => Ok(show::object(exchange, if existed { 200 } else { 201 }, &object)?.into()),
        other => read::unexpected(&other),
    }
}

/// Refuses a body that names another object than the URL.
pub fn check_name(sent: &str, named: &str) -> Outcome<()> {
    match sent {
        "" => Err(bad_request(format!("the name of the object ({named} based on URL) was undeterminable: name must be provided"))),
        sent if sent != named => Err(bad_request(format!("the name of the object ({sent}) does not match the name on the URL ({named})"))),
        _ => Ok(()),
    }
}

/// Changes an object or a part of it.
pub fn patch(exchange: &mut Exchange<'_>, part: Part) -> Outcome<Answer> {
    let key = read::key(exchange);
    let DecodedPatch { patch, strict_errors, warnings } = decode_patch(exchange)?;
    exchange.warnings.extend(warnings);
    exchange.strict_errors = strict_errors;
    let existed = exchange.cluster.etcd().get(&key).is_some();
    match exchange.ask(Verb::Patch { key, part, patch })? {
        Reply::Object(object) => Ok(show::object(exchange, if existed { 200 } else { 201 }, &object)?.into()),
        other => read::unexpected(&other),
    }
}

/// The patch in the body, as its media type says; reads the options that go with it.
pub fn decode_patch(exchange: &mut Exchange<'_>) -> Outcome<DecodedPatch> {
    let media = exchange.request.header("content-type").unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let patch_type = match media.as_str() {
        "application/json-patch+json" => PatchType::Json,
        "application/merge-patch+json" => PatchType::Merge,
        "application/strategic-merge-patch+json" if matches!(exchange.served.kind, Kind::Custom(_)) => {
            return Err(Box::new(Status::no_strategic_patch()));
        }
        "application/strategic-merge-patch+json" => PatchType::Strategic,
        "application/apply-patch+yaml" => PatchType::Apply { force: exchange.query.flag("force") },
        _ => return Err(Box::new(Status::generic(Reason::UnsupportedMediaType, "415: Unsupported Media Type"))),
    };
    let is_apply = matches!(patch_type, PatchType::Apply { .. });
    exchange.read_options(if is_apply { OptionsOf::Apply } else { OptionsOf::Patch })?;
    decoding::decode_patch(patch_type, &exchange.request.body, exchange.field_validation)
}
