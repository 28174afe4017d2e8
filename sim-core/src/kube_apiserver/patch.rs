//! Patching: the four patch types of the API, and the typed patches of components, all ending in `replace`.
//! Not modelled yet: server-side apply, which is refused with a message that says so.

use serde_json::Value;
use sim_apimachinery::{Kind, Object, ObjectKey, Part, Patch, Reason, Status};

use super::{ApiServer, Call, Outcome, typed_patch};

impl ApiServer {
    pub(super) fn patch(&mut self, key: &ObjectKey, part: Part, patch: Patch, call: &mut Call<'_>) -> Outcome<Object> {
        let current = self.load(key);
        let patch = match patch {
            Patch::Apply { .. } => return Err(not_simulated()),
            other => other,
        };
        let current = current.ok_or_else(|| Box::new(Status::not_found(key.kind, &key.name)))?;
        if let Patch::Typed(typed) = patch {
            let mut next = current.clone();
            typed_patch::apply(&mut next, typed);
            return self.replace(&current, next, part, call);
        }
        let before = current.to_json();
        let after = patched(&before, &patch)?;
        check_version(&current, &after)?;
        let next = decode(key.kind, after)?;
        self.replace(&current, next, part, call)
    }
}

fn patched(before: &Value, patch: &Patch) -> Outcome<Value> {
    use sim_apimachinery::patch;
    let invalid = |message: String| Box::new(Status::new(Reason::Invalid, message));
    match patch {
        Patch::Json(operations) => patch::json_patch::apply(before, operations).map_err(|e| invalid(e.to_string())),
        Patch::Merge(change) => Ok(patch::merge::apply(before, change)),
        Patch::Strategic(change) => patch::strategic::apply(before, change).map_err(invalid),
        Patch::Apply { .. } | Patch::Typed(_) => Ok(before.clone()),
    }
}

fn check_version(current: &Object, after: &Value) -> Outcome<()> {
    let wanted = after.pointer("/metadata/resourceVersion").and_then(Value::as_str);
    if wanted.is_some() && wanted != current.metadata().resource_version.as_deref() {
        return Err(Box::new(Status::object_modified(current.kind(), current.name())));
    }
    Ok(())
}

fn decode(kind: Kind, value: Value) -> Outcome<Object> {
    Object::from_json(kind, value).map_err(|e| Box::new(Status::new(Reason::Invalid, e.to_string())))
}

fn not_simulated() -> Box<Status> {
    Box::new(Status::new(Reason::UnsupportedMediaType, "server-side apply is not simulated yet"))
}
