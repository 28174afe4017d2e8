//! What an API server puts into an empty store by itself, before anybody asks: the default roles and bindings, the
//! configuration of priority and fairness, the services of its own API groups, the service network.
//! They are read once per process, go past admission and validation, which have nothing to say to them, and no step of
//! the trace tells of them. Each is owned by the part of the API server that makes it, as a recorded cluster shows.
//! Not modelled: the reconciliation of these objects at a restart of the API server, and of the service network's address
//! objects with the services that come later.

mod api_services;
mod flow_control;
mod network;
mod policy;

use std::sync::LazyLock;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, FieldsV1, ManagedFieldsEntry, Time};
use serde_json::{Value, json};
use sim_apimachinery::Object;

pub use self::policy::node_rules;
use super::ApiServer;
use crate::etcd::Write;
use crate::time::SimTime;
use crate::trace::BEGINNING;

/// The manager of most of them.
const APISERVER: &str = "kube-apiserver";

/// All of them, as of the beginning of time.
static OBJECTS: LazyLock<Vec<Object>> = LazyLock::new(|| {
    let parts = [policy::objects(), flow_control::objects(), api_services::objects(), network::objects()];
    parts.into_iter().flatten().collect()
});

impl ApiServer {
    /// Plants the objects that the API server makes itself. Where controllers run, the roles that aggregate others are
    /// filled, as the clusterrole-aggregation controller leaves them in a cluster that has been up for a while.
    pub fn bootstrap(&mut self, now: SimTime, aggregated: bool) {
        for object in OBJECTS.iter() {
            let mut object = object.clone();
            if aggregated {
                policy::aggregate(&mut object, &OBJECTS);
            }
            date(&mut object, &now.to_time());
            object.metadata_mut().uid = Some(self.services.uuid());
            self.bindings.changed(None, Some(&object));
            let write = Write { time: now, manager: APISERVER.into(), step: BEGINNING, tracking: None };
            let planted = self.etcd.create(object, write);
            debug_assert!(planted.is_ok(), "the store was empty");
        }
    }

    /// A name for a credential that is about to be given away.
    pub fn credential_id(&mut self) -> String {
        self.random.uuid()
    }
}

/// Sets all moments in an object.
fn date(object: &mut Object, now: &Time) {
    let metadata = object.metadata_mut();
    metadata.creation_timestamp = Some(now.clone());
    for entry in metadata.managed_fields.iter_mut().flatten() {
        entry.time = Some(now.clone());
    }
    match object {
        Object::FlowSchema(schema) => {
            let status = std::sync::Arc::make_mut(schema).status.as_mut();
            status.into_iter().flat_map(|s| s.conditions.iter_mut().flatten()).for_each(|c| c.last_transition_time = Some(now.clone()));
        }
        Object::APIService(service) => {
            let status = std::sync::Arc::make_mut(service).status.as_mut();
            status.into_iter().flat_map(|s| s.conditions.iter_mut().flatten()).for_each(|c| c.last_transition_time = Some(now.clone()));
        }
        Object::ServiceCIDR(range) => {
            let status = std::sync::Arc::make_mut(range).status.as_mut();
            let conditions = status.into_iter().flat_map(|s| s.conditions.iter_mut().flatten());
            conditions.for_each(|c: &mut Condition| c.last_transition_time = now.clone());
        }
        _ => {}
    }
}

/// An entry of `managedFields` for a write that is dated later.
fn owned(manager: &str, operation: &str, api_version: &str, subresource: &str, fields: Value) -> ManagedFieldsEntry {
    ManagedFieldsEntry {
        api_version: Some(api_version.into()),
        fields_type: Some("FieldsV1".into()),
        fields_v1: Some(FieldsV1(fields)),
        manager: Some(manager.into()),
        operation: Some(operation.into()),
        subresource: (!subresource.is_empty()).then(|| subresource.into()),
        time: None,
    }
}

/// The fields of a map's keys, with the map itself.
fn keys<'a>(names: impl IntoIterator<Item = &'a str>) -> Value {
    let mut fields = json!({".": {}});
    for name in names {
        fields[format!("f:{name}")] = json!({});
    }
    fields
}

/// The moment that conditions have until they are dated.
fn undated() -> Time {
    Time(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests;
