//! What all controllers of pods share: a pod from a template, its creation and deletion with their events, and whose it is.
//! Source: pkg/controller/controller_utils.go (RealPodControl).

use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use sim_apimachinery::{DeleteOptions, Kind, Object, ObjectKey, Verb};

use crate::client_go::{Ask, EventDraft, ObjectReference, Tolerate};

/// The reference by which an object controls another.
pub fn owner_reference(owner: &Object) -> OwnerReference {
    OwnerReference {
        api_version: owner.api_version(),
        kind: owner.kind_name().to_owned(),
        name: owner.name().to_owned(),
        uid: owner.uid().to_owned(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

/// A pod as a template describes it, controlled by its owner and without a name yet.
pub fn pod_of(owner: &Object, template: &PodTemplateSpec) -> Pod {
    let metadata = template.metadata.clone().unwrap_or_default();
    Pod {
        metadata: ObjectMeta {
            namespace: owner.metadata().namespace.clone(),
            labels: metadata.labels,
            annotations: metadata.annotations,
            finalizers: metadata.finalizers,
            owner_references: Some(vec![owner_reference(owner)]),
            ..Default::default()
        },
        spec: template.spec.clone(),
        status: None,
    }
}

/// The creation of a pod, told as an event of its owner.
pub fn creation(owner: &Object, pod: Pod, reason: impl Into<String>) -> Ask {
    let about = ObjectReference::to(owner);
    Ask::new(Verb::Create { object: pod.into() }, reason)
        .tolerating(Tolerate::NamespaceTerminating)
        .telling(EventDraft::normal(about.clone(), "SuccessfulCreate", "").then_name("Created pod: "))
        .or_telling(EventDraft::warning(about, "FailedCreate", "").then_error("Error creating: "))
}

/// The deletion of a pod, told as an event of its owner.
pub fn deletion(owner: &Object, pod: &Pod, reason: impl Into<String>) -> Ask {
    let name = pod.metadata.name.clone().unwrap_or_default();
    let about = ObjectReference::to(owner);
    Ask::new(Verb::Delete { key: key_of(pod), options: DeleteOptions::default() }, reason)
        .tolerating(Tolerate::NotFound)
        .telling(EventDraft::normal(about.clone(), "SuccessfulDelete", format!("Deleted pod: {name}")))
        .or_telling(EventDraft::warning(about, "FailedDelete", "").then_error("Error deleting: "))
}

/// A pod's key.
pub fn key_of(pod: &Pod) -> ObjectKey {
    let text = |t: &Option<String>| t.clone().unwrap_or_default();
    ObjectKey::new(Kind::Pod, &text(&pod.metadata.namespace), &text(&pod.metadata.name))
}

/// The key of the object of this kind that controls another.
pub fn owner_key(object: &Object, kind: Kind) -> Option<ObjectKey> {
    let owner = object.controller().filter(|c| c.kind == kind.resource().kind)?;
    Some(ObjectKey::new(kind, object.namespace(), &owner.name))
}

/// A pod's phase, empty before it has one.
pub fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|s| s.phase.as_deref()).unwrap_or_default()
}

/// Whether a pod has ended.
pub fn is_terminal(pod: &Pod) -> bool {
    matches!(phase(pod), "Succeeded" | "Failed")
}

/// Whether a pod is being deleted.
pub fn is_deleting(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}
