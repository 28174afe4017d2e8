//! A job's pods: how they are made, when they are over, which go first, and how they are let go.

use std::sync::Arc;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use sim_apimachinery::{DeleteOptions, Kind, Object, ObjectKey, Part, Patch, TypedPatch, Verb};

use crate::client_go::{Ask, EventDraft, ObjectReference, Tolerate};
use crate::time::SimTime;

/// Keeps a pod until it is counted.
const TRACKING: &str = "batch.kubernetes.io/job-tracking";

fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|s| s.phase.as_deref()).unwrap_or_default()
}

/// It ended well.
pub fn has_succeeded(pod: &Pod) -> bool {
    phase(pod) == "Succeeded"
}

/// It ended badly, or is being deleted before it ended.
pub fn has_failed(pod: &Pod) -> bool {
    phase(pod) == "Failed" || pod.metadata.deletion_timestamp.is_some() && !has_succeeded(pod)
}

/// It has not ended and nobody has asked for its end.
pub fn is_active(pod: &Pod) -> bool {
    !has_succeeded(pod) && !has_failed(pod)
}

/// It has not ended, and somebody has asked for its end.
pub fn is_terminating(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some() && !matches!(phase(pod), "Succeeded" | "Failed")
}

/// It is not counted yet, as far as it says itself.
pub fn is_tracked(pod: &Pod) -> bool {
    pod.metadata.finalizers.iter().flatten().any(|f| f == TRACKING)
}

/// Its condition Ready is true.
pub fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|s| s.conditions.iter().flatten());
    conditions.into_iter().any(|c| c.type_ == "Ready" && c.status == "True")
}

/// The active ones.
pub fn active(own: &[Arc<Pod>]) -> Vec<Arc<Pod>> {
    own.iter().filter(|p| is_active(p)).cloned().collect()
}

/// How often its containers were started again.
pub fn restarts(pod: &Pod) -> i32 {
    let status = pod.status.as_ref();
    let all = status.into_iter().flat_map(|s| s.container_statuses.iter().chain(&s.init_container_statuses).flatten());
    all.map(|c| c.restart_count).sum()
}

/// When it ended: its last container's end.
pub fn end_of(pod: &Pod) -> SimTime {
    let ended = |c: &ContainerStatus| c.state.as_ref()?.terminated.as_ref()?.finished_at.as_ref().map(SimTime::from_time);
    let statuses = pod.status.iter().flat_map(|s| s.container_statuses.iter().flatten());
    let asked = pod.metadata.deletion_timestamp.as_ref().or(pod.metadata.creation_timestamp.as_ref());
    statuses.filter_map(ended).max().or(asked.map(SimTime::from_time)).unwrap_or_default()
}

/// Those without a node first, then those that are not ready, then the younger ones.
pub fn first_to_go(mut pods: Vec<Arc<Pod>>) -> Vec<Arc<Pod>> {
    let has_node = |p: &Pod| p.spec.as_ref().is_some_and(|s| s.node_name.is_some());
    let age = |p: &Pod| p.metadata.creation_timestamp.as_ref().map(SimTime::from_time);
    pods.sort_by_key(|p| (has_node(p), phase(p) == "Running", is_ready(p), std::cmp::Reverse(age(p)), p.metadata.uid.clone()));
    pods
}

/// A new pod of a job.
pub fn creation(job: &Arc<Job>) -> Ask {
    let template = job.spec.as_ref().map(|s| s.template.clone()).unwrap_or_default();
    let metadata = template.metadata.unwrap_or_default();
    let name = job.metadata.name.clone().unwrap_or_default();
    let owner = OwnerReference {
        api_version: "batch/v1".into(),
        kind: "Job".into(),
        name: name.clone(),
        uid: job.metadata.uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    };
    let pod = Pod {
        metadata: ObjectMeta {
            generate_name: Some(format!("{name}-")),
            namespace: job.metadata.namespace.clone(),
            labels: metadata.labels,
            annotations: metadata.annotations,
            finalizers: Some(metadata.finalizers.into_iter().flatten().chain([TRACKING.to_owned()]).collect()),
            owner_references: Some(vec![owner]),
            ..Default::default()
        },
        spec: template.spec,
        status: None,
    };
    let about = ObjectReference::to(&Object::Job(job.clone()));
    Ask::new(Verb::Create { object: pod.into() }, "a pod is missing")
        .tolerating(Tolerate::NamespaceTerminating)
        .telling(EventDraft::normal(about.clone(), "SuccessfulCreate", "").then_name("Created pod: "))
        .or_telling(EventDraft::warning(about, "FailedCreate", "").then_error("Error creating: "))
}

fn key(pod: &Pod) -> ObjectKey {
    ObjectKey::new(Kind::Pod, pod.metadata.namespace.as_deref().unwrap_or_default(), pod.metadata.name.as_deref().unwrap_or_default())
}

/// Deletes a pod.
pub fn deletion(job: &Arc<Job>, pod: &Pod) -> Ask {
    let name = pod.metadata.name.clone().unwrap_or_default();
    let about = ObjectReference::to(&Object::Job(job.clone()));
    Ask::new(Verb::Delete { key: key(pod), options: DeleteOptions::default() }, format!("{name} is not needed"))
        .tolerating(Tolerate::NotFound)
        .telling(EventDraft::normal(about.clone(), "SuccessfulDelete", format!("Deleted pod: {name}")))
        .or_telling(EventDraft::warning(about, "FailedDelete", "").then_error("Error deleting: "))
}

/// Removes the tracking finalizer.
pub fn release(pod: &Pod) -> Ask {
    let patch = Patch::Typed(TypedPatch::Finalizers { add: vec![], remove: vec![TRACKING.into()] });
    Ask::new(Verb::Patch { key: key(pod), part: Part::Main, patch }, "it is counted").tolerating(Tolerate::NotFound)
}
