//! What an API server puts into an empty store by itself, before anybody asks: the default roles and bindings.
//! They go past admission and validation, which have nothing to say to them, and no step of the trace tells of them.

use super::{ApiServer, bootstrap_policy};
use crate::etcd::Write;
use crate::time::SimTime;
use crate::trace::BEGINNING;

impl ApiServer {
    /// Plants the default roles and bindings (`rbac/bootstrap-roles`).
    pub fn bootstrap(&mut self, now: SimTime) {
        for object in bootstrap_policy::objects() {
            let mut object = object.clone();
            let metadata = object.metadata_mut();
            metadata.uid = Some(self.random.uuid());
            metadata.creation_timestamp = Some(now.to_time());
            self.bindings.changed(None, Some(&object));
            let write = Write { time: now, manager: "kube-apiserver".into(), step: BEGINNING, tracking: None };
            let planted = self.etcd.create(object, write);
            debug_assert!(planted.is_ok(), "the store was empty");
        }
    }
}
