//! The scale subresource of deployments, replica sets, stateful sets and replication controllers.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use serde_json::{Value, json};
use sim_apimachinery::managed_fields::{self, Managers, Owned, PathElement, Set};
use sim_apimachinery::selector::Selector;
use sim_apimachinery::{Cause, Object, ObjectKey, Part, Patch, Reason, Scale, Status, schema};

use super::{ApiServer, Call, Outcome, patch, preconditions};

impl ApiServer {
    pub(super) fn get_scale(&self, key: &ObjectKey, call: &mut Call<'_>) -> Outcome<Scale> {
        let object = self.get(key, call)?;
        self.scale_of(&object)
    }

    /// Writes the scale as a client sends it: `uid` and `version` must be the object's, if they are given.
    pub(super) fn update_scale(
        &mut self,
        key: &ObjectKey,
        replicas: i32,
        uid: Option<&str>,
        version: Option<&str>,
        call: &mut Call<'_>,
    ) -> Outcome<Scale> {
        let current = self.get(key, call)?;
        let mut sent = current.clone();
        sent.metadata_mut().uid = uid.filter(|u| !u.is_empty()).map(str::to_owned).or_else(|| current.metadata().uid.clone());
        preconditions::check(&current, &sent)?;
        self.set_scale(&current, replicas, version, call)
    }

    fn set_scale(&mut self, current: &Object, replicas: i32, version: Option<&str>, call: &mut Call<'_>) -> Outcome<Scale> {
        let mut next = current.clone();
        if replicas < 0 && !matches!(current, Object::Custom(_)) {
            return Err(negative(current.name(), replicas));
        }
        if let Some(version) = version.filter(|v| !v.is_empty()) {
            next.metadata_mut().resource_version = Some(version.to_owned());
        }
        preconditions::check(current, &next)?;
        set_replicas(&mut next, replicas);
        self.set_custom_replicas(&mut next, replicas);
        let stored = self.replace(current, next, Part::Scale, call)?;
        self.scale_of(&stored)
    }

    fn scale_of(&self, object: &Object) -> Outcome<Scale> {
        let missing = || Box::new(Status::not_found(object.kind(), object.name()));
        match scale_of(object) {
            Some(scale) => Ok(scale),
            None => self.custom_scale(object).ok_or_else(missing)?,
        }
    }

    /// Patches the scale as the `Scale` it is shown as.
    pub(super) fn patch_scale(&mut self, key: &ObjectKey, patch: Patch, call: &mut Call<'_>) -> Outcome<Scale> {
        if let Patch::Apply { intent, force } = &patch {
            return self.apply_scale(key, intent, *force, call);
        }
        let current = self.get(key, call)?;
        let scale = self.scale_of(&current)?;
        let of = schema::lookup("autoscaling", "v1", "Scale").unwrap_or_else(schema::any_object);
        let mut before = schema::as_encoded(of, shown(&current, &scale));
        let owners = self.owners_of_scale(&current);
        if !owners.is_empty() {
            before["metadata"]["managedFields"] = json!(owners);
        }
        let after = patch::patched(of, &before, &patch)?;
        patch::check_decoded(of, &patch, (&before, &after), call)?;
        let text = |path: &str| after.pointer(path).and_then(Value::as_str);
        let mut named = current.clone();
        named.metadata_mut().name = text("/metadata/name").map(str::to_owned);
        named.metadata_mut().namespace = text("/metadata/namespace").map(str::to_owned);
        preconditions::check_name(&named, &key.namespace, &key.name)?;
        let replicas = after.pointer("/spec/replicas").and_then(Value::as_i64).and_then(|n| i32::try_from(n).ok()).unwrap_or(0);
        if let Some(uid) = text("/metadata/uid").filter(|uid| !uid.is_empty() && *uid != current.uid() && replicas >= 0) {
            return Err(another(&current, uid));
        }
        self.set_scale(&current, replicas, text("/metadata/resourceVersion"), call)
    }

    /// The owners of the replicas, as a scale shows them.
    fn owners_of_scale(&mut self, object: &Object) -> Vec<ManagedFieldsEntry> {
        let replicas = [PathElement::Field("spec".into()), PathElement::Field("replicas".into())];
        let managers = self.managers(object);
        let owning = managers.iter().filter(|(_, owned)| owned.set.has(&replicas));
        let of_scale = owning.map(|(manager, owned)| {
            let version = "autoscaling/v1".to_owned();
            (manager.clone(), Owned { set: Set::of_fields(&[&["spec", "replicas"]]), api_version: version, time: owned.time })
        });
        managed_fields::encode(&of_scale.collect::<Managers>())
    }

    /// Applies an intent for the scale: the replicas of the object, owned through the scale.
    fn apply_scale(&mut self, key: &ObjectKey, intent: &Value, force: bool, call: &mut Call<'_>) -> Outcome<Scale> {
        let text = |name: &str| intent.get(name).and_then(Value::as_str).unwrap_or_default();
        if (text("apiVersion"), text("kind")) != ("autoscaling/v1", "Scale") {
            let (group, version) = sim_apimachinery::decoding::split_api_version(text("apiVersion"));
            let why = format!("invalid object type: {group}/{version}, Kind={}", text("kind"));
            return Err(Box::new(Status::new(Reason::BadRequest, why)));
        }
        let current = self.get(key, call)?;
        self.scale_of(&current)?;
        let wanted = intent.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(0);
        if wanted < 0 && !matches!(current, Object::Custom(_)) {
            return Err(negative(&key.name, i32::try_from(wanted).unwrap_or(i32::MIN)));
        }
        let api_version = self.shape(key.kind, call.api_version.as_deref()).api_version().to_owned();
        let whole = json!({
            "apiVersion": api_version, "kind": key.kind.resource().kind, "spec": {"replicas": wanted},
            "metadata": {"name": &*key.name, "namespace": &*key.namespace},
        });
        let applied = self.apply(key, Part::Scale, &whole, force, call);
        let object = applied.map_err(|status| told_of_scale(status, &api_version))?;
        self.scale_of(&object)
    }
}

fn negative(name: &str, replicas: i32) -> Box<Status> {
    let message = format!("Invalid value: {replicas}: must be greater than or equal to 0");
    let cause = Cause { reason: "FieldValueInvalid".into(), message, field: "spec.replicas".into() };
    let text = format!("Scale.autoscaling {name:?} is invalid: {}: {}", cause.field, cause.message);
    let (group, kind, name) = ("autoscaling".into(), "Scale".into(), name.into());
    Box::new(Status { group, kind, name, causes: vec![cause], ..Status::new(Reason::Invalid, text) })
}

/// A patch that would make the scale another object's.
fn another(current: &Object, uid: &str) -> Box<Status> {
    let resource = current.kind().resource();
    let kind = format!("{}/scale", resource.plural);
    let qualified = if resource.group.is_empty() { kind.clone() } else { format!("{kind}.{}", resource.group) };
    let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {}", current.uid());
    let text = format!("Operation cannot be fulfilled on {qualified} {:?}: {why}", current.name());
    let (group, name) = (resource.group.into(), current.name().into());
    Box::new(Status { group, kind, name, ..Status::new(Reason::Conflict, text) })
}

/// Owners of a scale own at the version of the scale.
fn told_of_scale(mut status: Box<Status>, api_version: &str) -> Box<Status> {
    let told = |text: &str| text.replace(&format!(" using {api_version}"), " using autoscaling/v1");
    status.message = told(&status.message);
    status.causes.iter_mut().for_each(|cause| cause.message = told(&cause.message));
    status
}

/// The scale as a `Scale` object.
fn shown(object: &Object, scale: &Scale) -> Value {
    let metadata = object.metadata();
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {"name": object.name(), "namespace": object.namespace(), "uid": object.uid(),
            "resourceVersion": scale.resource_version, "creationTimestamp": metadata.creation_timestamp},
        "spec": {"replicas": scale.replicas}, "status": {"replicas": scale.status_replicas, "selector": scale.selector},
    })
}

fn set_replicas(object: &mut Object, replicas: i32) {
    match object {
        Object::Deployment(o) => Arc::make_mut(o).spec.get_or_insert_default().replicas = Some(replicas),
        Object::ReplicaSet(o) => Arc::make_mut(o).spec.get_or_insert_default().replicas = Some(replicas),
        Object::StatefulSet(o) => Arc::make_mut(o).spec.get_or_insert_default().replicas = Some(replicas),
        Object::ReplicationController(o) => Arc::make_mut(o).spec.get_or_insert_default().replicas = Some(replicas),
        _ => {}
    }
}

fn scale_of(object: &Object) -> Option<Scale> {
    let (replicas, status_replicas, selector) = match object {
        Object::Deployment(o) => {
            let spec = o.spec.as_ref()?;
            (spec.replicas, o.status.as_ref().and_then(|s| s.replicas), Selector::from_label_selector(&spec.selector).ok()?.to_string())
        }
        Object::ReplicaSet(o) => {
            let spec = o.spec.as_ref()?;
            (spec.replicas, o.status.as_ref().map(|s| s.replicas), Selector::from_label_selector(&spec.selector).ok()?.to_string())
        }
        Object::StatefulSet(o) => {
            let spec = o.spec.as_ref()?;
            (spec.replicas, o.status.as_ref().map(|s| s.replicas), Selector::from_label_selector(&spec.selector).ok()?.to_string())
        }
        Object::ReplicationController(o) => {
            let spec = o.spec.as_ref()?;
            let pairs: Vec<String> = spec.selector.iter().flatten().map(|(k, v)| format!("{k}={v}")).collect();
            (spec.replicas, o.status.as_ref().map(|s| s.replicas), pairs.join(","))
        }
        _ => return None,
    };
    Some(Scale {
        replicas: replicas.unwrap_or(0),
        status_replicas: status_replicas.unwrap_or(0),
        selector,
        resource_version: object.metadata().resource_version.clone().unwrap_or_default(),
    })
}
