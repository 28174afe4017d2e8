//! The scale subresource of deployments, replica sets, stateful sets and replication controllers.

use std::sync::Arc;

use serde_json::{Value, json};
use sim_apimachinery::json::Node;
use sim_apimachinery::selector::Selector;
use sim_apimachinery::{Cause, Object, ObjectKey, Part, Patch, Scale, Status, schema};

use super::{ApiServer, Call, Outcome, patch};

impl ApiServer {
    pub(super) fn get_scale(&self, key: &ObjectKey) -> Outcome<Scale> {
        let object = self.get(key)?;
        self.scale_of(&object).ok_or_else(|| Box::new(Status::not_found(key.kind, &key.name)))
    }

    pub(super) fn update_scale(&mut self, key: &ObjectKey, replicas: i32, version: Option<&str>, call: &mut Call<'_>) -> Outcome<Scale> {
        let current = self.get(key)?;
        if version.is_some_and(|v| Some(v) != current.metadata().resource_version.as_deref()) {
            return Err(Box::new(Status::object_modified(key.kind, &key.name)));
        }
        if replicas < 0 {
            let message = format!("Invalid value: {replicas}: must be greater than or equal to 0");
            let cause = Cause { reason: "FieldValueInvalid".into(), message, field: "spec.replicas".into() };
            return Err(Box::new(Status::invalid(key.kind, &key.name, vec![cause])));
        }
        let mut next = current.clone();
        set_replicas(&mut next, replicas);
        self.set_custom_replicas(&mut next, replicas);
        let stored = self.replace(&current, next, Part::Scale, call)?;
        self.scale_of(&stored).ok_or_else(|| Box::new(Status::not_found(key.kind, &key.name)))
    }

    fn scale_of(&self, object: &Object) -> Option<Scale> {
        scale_of(object).or_else(|| self.custom_scale(object))
    }

    /// Patches the scale as the `Scale` it is shown as.
    pub(super) fn patch_scale(&mut self, key: &ObjectKey, patch: Patch, call: &mut Call<'_>) -> Outcome<Scale> {
        let current = self.get(key)?;
        let scale = self.scale_of(&current).ok_or_else(|| Box::new(Status::not_found(key.kind, &key.name)))?;
        let of = schema::lookup("autoscaling", "v1", "Scale").unwrap_or_else(schema::any_object);
        let patch = match patch {
            Patch::Apply { intent, .. } => Patch::Merge(intent),
            other => other,
        };
        let before = schema::as_encoded(of, shown(&current, &scale));
        let after = patch::patched(of, &before, &patch)?;
        let node = Node::from(&after);
        if let Some(error) = schema::decode_error(of, &node) {
            return Err(patch::invalid_patch(&patch::shown_after(of, &patch, &before, &after), &error.message));
        }
        let replicas = after.pointer("/spec/replicas").and_then(Value::as_i64).and_then(|n| i32::try_from(n).ok()).unwrap_or(0);
        let version = after.pointer("/metadata/resourceVersion").and_then(Value::as_str).map(str::to_owned);
        self.update_scale(key, replicas, version.as_deref(), call)
    }
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
