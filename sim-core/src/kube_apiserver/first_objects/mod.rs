//! What an API server puts into an empty store by itself besides what `bootstrap` does: its namespaces and its own service,
//! priority classes, the configuration by which extension servers authenticate, and the lease that says it is alive.
//! They are there before anybody watches, go past admission, and no step of the trace tells of them.
//! Not made: endpoints of the service `kubernetes`, which a real server has none of while its address is a loopback one.
//! Not modelled: the loops that put them back when somebody deletes them.

mod system;

use std::sync::Arc;

use sim_apimachinery::{Object, Part};

use super::ApiServer;
use crate::etcd::{Tracking, Write};
use crate::time::SimTime;
use crate::trace::BEGINNING;

const SERVER: &str = "kube-apiserver";

impl ApiServer {
    /// Plants the objects into a store that has none of them.
    pub fn plant_first_objects(&mut self, now: SimTime) {
        let (network, identity) = (self.services.network(), self.services.identity());
        for value in system::objects(now, network, &identity) {
            if let Some(object) = object(value) {
                self.plant(object, now);
            }
        }
    }

    fn plant(&mut self, mut object: Object, now: SimTime) {
        let metadata = object.metadata_mut();
        metadata.uid = Some(self.services.uuid());
        metadata.creation_timestamp = Some(now.to_time());
        let tracking = Tracking { api_version: None, part: Part::Main, written: Some(as_written(object.clone())), managers: None };
        let write = Write { time: now, manager: SERVER.into(), step: BEGINNING, tracking: Some(Box::new(tracking)) };
        let planted = self.etcd.create(object, write);
        debug_assert!(planted.is_ok(), "the store had none of the first objects");
    }
}

/// What the maker of an object wrote of it: the rest is the server's own.
fn as_written(mut object: Object) -> Object {
    object.reset_status();
    match &mut object {
        Object::Namespace(namespace) => Arc::make_mut(namespace).spec = None,
        Object::Service(service) => {
            let spec = Arc::make_mut(service).spec.get_or_insert_default();
            (spec.cluster_ips, spec.ip_families) = (None, None);
        }
        _ => {}
    }
    object
}

/// An object from its JSON, which is written here and so is right.
fn object(value: serde_json::Value) -> Option<Object> {
    let (group, kind) = (value.get("apiVersion")?.as_str()?, value.get("kind")?.as_str()?);
    let group = group.split_once('/').map_or("", |(group, _)| group);
    let kind = sim_apimachinery::Kind::find(group, kind)?;
    let object = Object::from_json(kind, value).ok();
    debug_assert!(object.is_some(), "a first {kind} can be read");
    object
}

/// The server's clock as objects show it.
fn timestamp(now: SimTime) -> serde_json::Value {
    serde_json::to_value(now.to_time()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
