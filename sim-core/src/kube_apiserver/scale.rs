//! The scale subresource of deployments, replica sets, stateful sets and replication controllers.

use std::sync::Arc;

use sim_apimachinery::selector::Selector;
use sim_apimachinery::{Cause, Object, ObjectKey, Part, Scale, Status};

use super::{ApiServer, Call, Outcome};

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
        let stored = self.replace(&current, next, Part::Main, call)?;
        self.scale_of(&stored).ok_or_else(|| Box::new(Status::not_found(key.kind, &key.name)))
    }

    fn scale_of(&self, object: &Object) -> Option<Scale> {
        scale_of(object).or_else(|| self.custom_scale(object))
    }
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
