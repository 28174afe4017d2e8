//! Putting a pod on a node (`pods/binding`). Source: `BindingREST` in pkg/registry/core/pod/storage/storage.go.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Pod, PodCondition};
use sim_apimachinery::{BindingMetadata, Kind, Object, ObjectKey, Reason, Status};

use super::admission::topology_labels;
use super::admission_webhooks::{binding, of_binding};
use super::{ApiServer, Call, Outcome};
use crate::time::SimTime;

impl ApiServer {
    /// Puts a pod on a node. The pod takes over the binding's labels and annotations, and where the node is.
    pub(super) fn bind(&mut self, key: &ObjectKey, uid: &str, node: &Arc<str>, with: BindingMetadata, call: &mut Call<'_>) -> Outcome<()> {
        let (node, with) = self.admit_binding(key, uid, node, with, call)?;
        let node = &node;
        let current = self.get(key, call)?;
        check_preconditions(key, &current, uid, with.resource_version.as_deref())?;
        let mut next = current.clone();
        let Object::Pod(pod) = &mut next else { return Err(Box::new(Status::not_found(Kind::Pod, &key.name))) };
        may_be_bound(pod).map_err(|why| refused(&key.name, &why))?;
        let pod = Arc::make_mut(pod);
        pod.spec.get_or_insert_default().node_name = Some(node.to_string());
        let mut labels = with.labels;
        labels.extend(topology_labels(self, node));
        if !with.annotations.is_empty() {
            pod.metadata.annotations.get_or_insert_default().extend(with.annotations);
        }
        if !labels.is_empty() {
            pod.metadata.labels.get_or_insert_default().extend(labels);
        }
        place(pod, call.now);
        self.store_next(&current, next, call).map(|_| ())
    }

    fn admit_binding(
        &self,
        key: &ObjectKey,
        uid: &str,
        node: &Arc<str>,
        with: BindingMetadata,
        call: &mut Call<'_>,
    ) -> Outcome<(Arc<str>, BindingMetadata)> {
        if self.admits_all() {
            return Ok((node.clone(), with));
        }
        let admitted = self.admit_posted("CREATE", key, "binding", binding(key, uid, node, &with), call)?;
        let (node, with) = of_binding(&admitted);
        Ok((node.into(), with))
    }
}

fn may_be_bound(pod: &Pod) -> Result<(), String> {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    if pod.metadata.deletion_timestamp.is_some() {
        return Err(format!("pod {name} is being deleted, cannot be assigned to a host"));
    }
    if let Some(assigned) = pod.spec.as_ref().and_then(|s| s.node_name.as_deref()).filter(|n| !n.is_empty()) {
        return Err(format!("pod {name} is already assigned to node \"{assigned}\""));
    }
    if pod.spec.as_ref().and_then(|s| s.scheduling_gates.as_ref()).is_some_and(|g| !g.is_empty()) {
        return Err(format!("pod {name} has non-empty .spec.schedulingGates"));
    }
    Ok(())
}

/// The refusal that is told of the subresource.
fn refused(name: &str, why: &str) -> Box<Status> {
    let text = format!("Operation cannot be fulfilled on pods/binding \"{name}\": {why}");
    Box::new(Status { kind: "pods/binding".into(), name: name.into(), ..Status::new(Reason::Conflict, text) })
}

fn check_preconditions(key: &ObjectKey, current: &Object, uid: &str, version: Option<&str>) -> Outcome<()> {
    let found = (current.uid(), current.metadata().resource_version.as_deref().unwrap_or_default());
    let wrong = if !uid.is_empty() && uid != found.0 {
        format!("UID in precondition: {uid}, UID in object meta: {}", found.0)
    } else {
        match version.filter(|v| !v.is_empty() && *v != found.1) {
            Some(version) => format!("ResourceVersion in precondition: {version}, ResourceVersion in object meta: {}", found.1),
            None => return Ok(()),
        }
    };
    let place = format!("/registry/pods/{}/{}", key.namespace, key.name);
    let why = format!(
        "StorageError: invalid object, Code: 4, Key: {place}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: {wrong}"
    );
    Err(Box::new(Status::conflict(Kind::Pod, &key.name, &why)))
}

fn place(pod: &mut Pod, now: SimTime) {
    let status = pod.status.get_or_insert_default();
    status.nominated_node_name = None;
    let conditions = status.conditions.get_or_insert_default();
    let scheduled = PodCondition {
        type_: "PodScheduled".into(),
        status: "True".into(),
        last_transition_time: Some(now.to_time()),
        ..Default::default()
    };
    match conditions.iter_mut().find(|c| c.type_ == "PodScheduled") {
        Some(found) => *found = scheduled,
        None => conditions.push(scheduled),
    }
}
