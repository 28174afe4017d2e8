//! Rules about the life of one object: what never changes, what never goes back, what must come before its end.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Pod;
use sim_apimachinery::Object;

use crate::component::ChangeType;
use crate::etcd::Change;

/// The uids that were ever given out.
#[derive(Default)]
pub struct Lives {
    uids: BTreeSet<String>,
}

impl Lives {
    /// Looks at one change.
    pub fn take(&mut self, change: &Change, broken: &mut dyn FnMut(&'static str, String)) {
        let object = &change.object;
        let Some(before) = &change.previous else {
            if !object.uid().is_empty() && !self.uids.insert(object.uid().to_owned()) {
                broken("a uid is given to one object only", object.uid().to_owned());
            }
            return;
        };
        if before.uid() != object.uid() || before.metadata().creation_timestamp != object.metadata().creation_timestamp {
            broken("uid and creationTimestamp never change", object.uid().to_owned());
        }
        let generation = |o: &Object| o.metadata().generation.unwrap_or(0);
        if generation(object) < generation(before) {
            broken("the generation never goes back", format!("{} after {}", generation(object), generation(before)));
        }
        if before.is_deleting() && !object.is_deleting() {
            broken("what is to be deleted stays so", "its deletionTimestamp is gone".into());
        }
        let finalizers = before.metadata().finalizers.iter().flatten().count();
        // The update that takes the last finalizer away removes the object as it was stored, finalizers and all.
        if change.change == ChangeType::Deleted && !before.is_deleting() && finalizers > 0 {
            broken("an object with finalizers is marked before it is removed", format!("{finalizers} finalizers"));
        }
        if let (Object::Pod(before), Object::Pod(now)) = (before, object) {
            pod(before, now, broken);
        }
    }
}

fn pod(before: &Pod, now: &Pod, broken: &mut dyn FnMut(&'static str, String)) {
    let node = |p: &Pod| p.spec.as_ref().and_then(|s| s.node_name.clone()).unwrap_or_default();
    if !node(before).is_empty() && node(before) != node(now) {
        broken("a pod stays on its node", format!("{} after {}", node(now), node(before)));
    }
    let phase = |p: &Pod| p.status.as_ref().and_then(|s| s.phase.clone()).unwrap_or_default();
    if matches!(phase(before).as_str(), "Succeeded" | "Failed") && phase(now) != phase(before) {
        broken("a pod that is over stays over", format!("{} after {}", phase(now), phase(before)));
    }
    let statuses = |p: &Pod| p.status.as_ref().and_then(|s| s.container_statuses.clone()).unwrap_or_default();
    for status in statuses(now) {
        let earlier = statuses(before).into_iter().find(|s| s.name == status.name).map_or(0, |s| s.restart_count);
        if status.restart_count < earlier {
            broken("restarts are never taken back", format!("{} after {earlier}", status.restart_count));
        }
    }
}
