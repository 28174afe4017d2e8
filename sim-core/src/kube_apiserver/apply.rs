//! Server-side apply: an intent becomes an object, or changes one, and says who owns what it names.
//! Sources: apiserver pkg/endpoints/handlers/patch.go, apimachinery pkg/util/managedfields.
//! `kubectl` takes over from its own client-side apply: see `managed_fields::last_applied`.

use serde_json::Value;
use sim_apimachinery::managed_fields::{self, Managers, Operation, Refusal, last_applied};
use sim_apimachinery::{Cause, Object, ObjectKey, Part, Reason, Status, decoding};

use super::shape::Shape;
use super::{ApiServer, Call, Outcome, patch, preconditions};
use crate::etcd::Tracking;

impl ApiServer {
    /// Applies an intent; an object that is not there is made.
    pub(super) fn apply(&mut self, key: &ObjectKey, part: Part, intent: &Value, force: bool, call: &mut Call<'_>) -> Outcome<Object> {
        if call.manager.is_empty() {
            return Err(manager_missing());
        }
        let shape = self.shape(key.kind, call.api_version.as_deref());
        check_intent(&shape, key, intent)?;
        let current = self.load(key, call)?;
        if current.is_none() && part != Part::Main {
            return Err(Box::new(Status::not_found(key.kind, &key.name)));
        }
        let owners = current.as_ref().map(|c| (*self.managers(c)).clone()).unwrap_or_default();
        self.check_versions(&shape, current.as_ref(), intent, &owners, call)?;
        let (next, owners) = applied(&shape, part, current.as_ref(), intent, owners, force, call)?;
        match (current, next) {
            (None, next) => self.create_applied(key, next, &shape, owners, call),
            (Some(current), None) => self.replace_owned(&current, current.clone(), part, Some(owners), call),
            (Some(current), Some(next)) => {
                let next = patch::decode_after(key, &shape, &next, call)?;
                preconditions::check_name(&next, &key.namespace, &key.name)?;
                preconditions::check_patched(&current, &next)?;
                self.replace_owned(&current, next, part, Some(owners), call)
            }
        }
    }

    /// An object that cannot be seen at a version its owners wrote at cannot be applied to.
    fn check_versions(&self, shape: &Shape, current: Option<&Object>, intent: &Value, owners: &Managers, call: &Call<'_>) -> Outcome<()> {
        let live = current.map_or_else(|| shape.empty(), |c| shape.value(c));
        let refused = |why: String| Err(Box::new(Status::new(Reason::Unknown, why)));
        let own = owners.iter().filter(|(m, _)| m.operation == Operation::Apply && m.name == *call.manager);
        let own: Managers = own.map(|(m, o)| (m.clone(), o.clone())).collect();
        if let Some(why) = super::ownership::convert_error(shape, &self.custom, &own, [&live, intent]) {
            let (_, why) = why.split_once(": ").unwrap_or_default();
            return refused(format!("failed to prune fields: failed to convert merged object to last applied version: {why}"));
        }
        super::ownership::convert_error(shape, &self.custom, owners, [&live, intent]).map_or(Ok(()), refused)
    }

    fn create_applied(
        &mut self,
        key: &ObjectKey,
        value: Option<Value>,
        shape: &Shape,
        owners: Managers,
        call: &mut Call<'_>,
    ) -> Outcome<Object> {
        let mut object = patch::decode_after(key, shape, &value.unwrap_or_else(|| shape.empty()), call)?;
        if !object.uid().is_empty() {
            let why = format!("uid mismatch: the provided object specified uid {}, and no existing object was found", object.uid());
            return Err(Box::new(Status::conflict(key.kind, &key.name, &why)));
        }
        if object.namespace().is_empty() && !key.namespace.is_empty() {
            object.metadata_mut().namespace = Some(key.namespace.to_string());
        }
        preconditions::check_name(&object, &key.namespace, &key.name)?;
        self.create_owned(object, Some(owners), call)
    }
}

/// The next state, if it differs, and the owners of its fields.
fn applied(
    shape: &Shape,
    part: Part,
    current: Option<&Object>,
    intent: &Value,
    owners: Managers,
    force: bool,
    call: &Call<'_>,
) -> Outcome<(Option<Value>, Managers)> {
    let tracking = Tracking { api_version: call.api_version.clone(), part, written: None, managers: None };
    let write = shape.write(&call.manager, Operation::Apply, &tracking, super::ownership::whole_second(call.now));
    let live = current.map_or_else(|| shape.empty(), |c| shape.value(c));
    let applied = match managed_fields::apply(&write, &live, &shape.empty(), intent, owners.clone(), force) {
        Err(Refusal::Conflicts(conflicts)) if &*call.manager == last_applied::MANAGER => {
            match last_applied::not_excused(&write, &live, conflicts) {
                left if left.is_empty() => managed_fields::apply(&write, &live, &shape.empty(), intent, owners, true),
                left => Err(Refusal::Conflicts(left)),
            }
        }
        other => other,
    };
    match applied {
        Ok(applied) if &*call.manager == last_applied::MANAGER => {
            Ok((last_applied::renew(applied.object, &live, intent), applied.managers))
        }
        Ok(applied) => Ok((applied.object, applied.managers)),
        Err(Refusal::Conflicts(conflicts)) => Err(Box::new(managed_fields::conflict_status(&conflicts))),
        Err(Refusal::Typed(why)) => Err(untyped(shape, intent, &why)),
    }
}

fn check_intent(shape: &Shape, key: &ObjectKey, intent: &Value) -> Outcome<()> {
    let text = |name: &str| intent.get(name).and_then(Value::as_str).unwrap_or_default();
    let bad_request = |text: String| Err(Box::new(Status::new(Reason::BadRequest, text)));
    let (group, version) = decoding::split_api_version(text("apiVersion"));
    if text("kind") != key.kind.resource().kind || text("apiVersion") != shape.api_version() {
        return bad_request(format!("invalid object type: {group}/{version}, Kind={}", text("kind")));
    }
    if intent.pointer("/metadata/managedFields").is_some_and(|m| !m.is_null()) {
        return bad_request("metadata.managedFields must be nil".into());
    }
    match managed_fields::intent_error(shape.type_ref(), intent) {
        None => Ok(()),
        Some(why) => Err(untyped(shape, intent, &why)),
    }
}

fn untyped(shape: &Shape, intent: &Value, why: &str) -> Box<Status> {
    let text = |path: &str| intent.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let kind = text("/kind");
    let api_version = shape.api_version();
    let (group, version) = decoding::split_api_version(api_version);
    let named = format!("{}/{}; {group}/{version}, Kind={kind}", text("/metadata/namespace"), text("/metadata/name"));
    Box::new(Status::new(Reason::Unknown, format!("failed to create typed patch object ({named}): {why}")))
}

fn manager_missing() -> Box<Status> {
    let message = "Required value: is required for apply patch".to_owned();
    let cause = Cause { reason: "FieldValueRequired".into(), message, field: "fieldManager".into() };
    let text = format!("PatchOptions.meta.k8s.io \"\" is invalid: {}: {}", cause.field, cause.message);
    let mut status = Status::new(Reason::Invalid, text);
    (status.group, status.kind, status.causes) = ("meta.k8s.io".into(), "PatchOptions".into(), vec![cause]);
    Box::new(status)
}
