//! Patching: the patch types of the API, and the typed patches of components, all ending in `replace`. Server-side apply
//! is in `apply`.
//! A patch that names no version is made against what is stored now, so there is nothing to retry.
//! Source: apiserver pkg/endpoints/handlers/patch.go.
//! Not modelled: the order of fields in the values of a patch, where an error shows the whole patched object.

use serde_json::Value;
use sim_apimachinery::decoding::{self, Expected};
use sim_apimachinery::json::Node;
use sim_apimachinery::patch::json_patch::OPERATIONS_MAX;
use sim_apimachinery::patch::strategic::{PatchError, go_format};
use sim_apimachinery::schema::{self, Touched, TypeRef};
use sim_apimachinery::{Cause, FieldValidation, Object, ObjectKey, Part, Patch, Reason, Status};

use super::shape::Shape;
use super::{ApiServer, Call, Outcome, preconditions, typed_patch};

/// What the server says of a patch that cannot be carried out.
const REJECTED: &str = "the server rejected our request due to an error in our request";

impl ApiServer {
    pub(super) fn patch(&mut self, key: &ObjectKey, part: Part, patch: Patch, call: &mut Call<'_>) -> Outcome<Object> {
        if let Patch::Apply { intent, force } = &patch {
            return self.apply(key, part, intent, *force, call);
        }
        let Some(current) = self.load(key, call)? else { return Err(Box::new(Status::not_found(key.kind, &key.name))) };
        if let Patch::Typed(typed) = patch {
            let mut next = current.clone();
            typed_patch::apply(&mut next, typed);
            return self.replace(&current, next, part, call);
        }
        let shape = self.shape(key.kind, call.api_version.as_deref());
        let shown = if call.user.is_some() { self.with_managed_fields(&current) } else { current.clone() };
        let before = shape.value(&shown);
        let after = patched(shape.type_ref(), &before, &patch)?;
        let mut next = decode_patched(key, &shape, &patch, (&before, &after), call)?;
        if next.namespace().is_empty() && !key.namespace.is_empty() {
            next.metadata_mut().namespace = Some(key.namespace.to_string());
        }
        preconditions::check_name(&next, &key.namespace, &key.name)?;
        preconditions::check_patched(&current, &next)?;
        self.replace(&current, next, part, call)
    }
}

/// The JSON after a patch of it.
pub(super) fn patched(of: TypeRef<'_>, before: &Value, patch: &Patch) -> Outcome<Value> {
    use sim_apimachinery::patch;
    match patch {
        Patch::Json(operations) => {
            let operations = operations.as_array().map(Vec::as_slice).unwrap_or_default();
            if operations.len() > OPERATIONS_MAX {
                return Err(too_many(operations.len()));
            }
            patch::json_patch::apply(before, operations).map_err(|_| rejected())
        }
        Patch::Merge(change) => Ok(patch::merge::apply(before, change)),
        Patch::Strategic(change) => patch::strategic::apply(of, before, change).map_err(|error| match error {
            PatchError::Format(text) => Box::new(Status::new(Reason::BadRequest, text)),
            PatchError::Content(_) => rejected(),
            PatchError::Other(text) => Box::new(Status::new(Reason::Unknown, text)),
        }),
        Patch::Apply { .. } | Patch::Typed(_) => Ok(before.clone()),
    }
}

fn rejected() -> Box<Status> {
    Box::new(Status::generic(Reason::Invalid, REJECTED))
}

fn too_many(count: usize) -> Box<Status> {
    let text = format!("Request entity too large: The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, got {count}");
    Box::new(Status::new(Reason::RequestEntityTooLarge, text))
}

/// What came out of a patch, as an object. What is wrong with it is told of the field `patch`.
fn decode_patched(
    key: &ObjectKey,
    shape: &Shape,
    patch: &Patch,
    (before, after): (&Value, &Value),
    call: &mut Call<'_>,
) -> Outcome<Object> {
    let (of, node) = (shape.type_ref(), Node::from(after));
    let invalid = |why: &str| invalid_patch(&shown_after(of, patch, before, after), why);
    let error = match patch {
        Patch::Strategic(_) => schema::restore_error(of, after),
        _ => kind_error(key, shape, after, &node).or_else(|| decoded_error(key, of, &node)),
    };
    if let Some(why) = error {
        return Err(invalid(&why));
    }
    let mut strict = call.strict_errors.clone();
    if !matches!(key.kind, sim_apimachinery::Kind::Custom(_)) {
        strict.extend(schema::strict_errors(of, &node));
    }
    settle_strict(strict, call, invalid)?;
    to_object(key, shape, &node)
}

/// Refuses a patch of a value of the type whose outcome cannot be decoded; what only strict decoding refuses is treated as
/// the client asks.
pub(super) fn check_decoded(of: TypeRef<'_>, patch: &Patch, (before, after): (&Value, &Value), call: &mut Call<'_>) -> Outcome<()> {
    let node = Node::from(after);
    let invalid = |why: &str| invalid_patch(&shown_after(of, patch, before, after), why);
    if let Some(error) = schema::decode_error(of, &node) {
        return Err(invalid(&error.message));
    }
    let mut strict = call.strict_errors.clone();
    strict.extend(schema::strict_errors(of, &node));
    settle_strict(strict, call, invalid)
}

fn settle_strict(strict: Vec<String>, call: &mut Call<'_>, invalid: impl Fn(&str) -> Box<Status>) -> Outcome<()> {
    match call.field_validation {
        FieldValidation::Strict if !strict.is_empty() => return Err(invalid(&format!("strict decoding error: {}", strict.join(", ")))),
        FieldValidation::Warn => call.warnings.extend(strict),
        _ => {}
    }
    Ok(())
}

/// What an error shows of a patch: a strategic one itself, of others the object they make.
pub(super) fn shown_after(of: TypeRef<'_>, patch: &Patch, before: &Value, after: &Value) -> String {
    let touched = match patch {
        Patch::Strategic(change) => return go_format(change),
        Patch::Merge(change) => Touched::by_merge(before, change),
        Patch::Json(operations) => Touched::by_operations(operations.as_array().map(Vec::as_slice).unwrap_or_default()),
        Patch::Apply { .. } | Patch::Typed(_) => Touched::Nothing,
    };
    schema::go_ordered(of, after, &touched)
}

fn decoded_error(key: &ObjectKey, of: TypeRef<'_>, node: &Node) -> Option<String> {
    if matches!(key.kind, sim_apimachinery::Kind::Custom(_)) {
        let metadata = schema::named("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta")?;
        return schema::decode_error(metadata, node.get("metadata")?).map(|e| e.message);
    }
    schema::decode_error(of, node).map(|e| e.message)
}

/// A patch may not make another kind of an object.
fn kind_error(key: &ObjectKey, shape: &Shape, after: &Value, node: &Node) -> Option<String> {
    let text = |name: &str, default: String| match after.get(name).and_then(Value::as_str) {
        None | Some("") => default,
        Some(text) => text.to_owned(),
    };
    let resource = key.kind.resource();
    let (kind, api_version) = (text("kind", resource.kind.to_owned()), text("apiVersion", shape.api_version().to_owned()));
    if kind == resource.kind && api_version == shape.api_version() || matches!(key.kind, sim_apimachinery::Kind::Custom(_)) {
        return None;
    }
    let (group, version) = decoding::split_api_version(&api_version);
    let Some(other) = Expected::built_in(group, version, &kind) else { return Some(decoding::not_registered(&api_version, &kind)) };
    if let Some(error) = schema::decode_error(other.of, node) {
        return Some(error.message);
    }
    (kind != resource.kind).then(|| decoding::no_conversion(version, &kind, resource.group, resource.kind))
}

pub(super) fn invalid_patch(shown: &str, why: &str) -> Box<Status> {
    let message = format!("Invalid value: {shown:?}: {why}");
    let mut status = Status::new(Reason::Invalid, format!(" \"\" is invalid: patch: {message}"));
    status.causes = vec![Cause { reason: "FieldValueInvalid".into(), message, field: "patch".into() }];
    Box::new(status)
}

/// What an apply made, as an object.
pub(super) fn decode_after(key: &ObjectKey, shape: &Shape, after: &Value, _call: &mut Call<'_>) -> Outcome<Object> {
    let node = Node::from(after);
    if let Some(why) = decoded_error(key, shape.type_ref(), &node) {
        return Err(Box::new(Status::new(Reason::Unknown, why)));
    }
    to_object(key, shape, &node)
}

fn to_object(key: &ObjectKey, shape: &Shape, node: &Node) -> Outcome<Object> {
    let resource = key.kind.resource();
    let mut value = decoding::canonical(shape.type_ref(), node);
    value["kind"] = resource.kind.into();
    value["apiVersion"] = shape.api_version().into();
    decoding::to_object(key.kind, shape.api_version(), value)
}
