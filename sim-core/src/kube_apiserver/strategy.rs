//! What each kind does with an object before it is stored: which parts a writer may set, and the status it begins with.
//! Sources: pkg/registry/*/*/strategy.go.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{
    NamespaceSpec, NamespaceStatus, PersistentVolumeClaimStatus, PersistentVolumeStatus, Pod, PodCondition, PodStatus, ServiceStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use sim_apimachinery::{Kind, Object, Trait};

use super::{apiextensions, upkeep};

pub mod disabled;
pub mod infrastructure;
mod kinds;

pub use kinds::{as_written, read_back, stamp_transition};

/// Before defaults and admission: the status is not the writer's (a kubelet's Node excepted).
pub fn prepare_for_create(object: &mut Object, now: &Time) {
    if object.kind() != Kind::Node {
        object.reset_status();
    }
    match object {
        Object::Namespace(namespace) => {
            let namespace = Arc::make_mut(namespace);
            let mut finalizers = namespace.spec.take().and_then(|s: NamespaceSpec| s.finalizers).unwrap_or_default();
            if !finalizers.iter().any(|f| f == "kubernetes") {
                finalizers.push("kubernetes".into());
            }
            namespace.spec = Some(NamespaceSpec { finalizers: Some(finalizers) });
            namespace.status = Some(NamespaceStatus { phase: Some("Active".into()), conditions: None });
        }
        Object::Service(service) => {
            Arc::make_mut(service).status = Some(ServiceStatus { load_balancer: Some(Default::default()), conditions: None });
        }
        Object::PersistentVolume(volume) => {
            Arc::make_mut(volume).status = Some(PersistentVolumeStatus { phase: Some("Pending".into()), ..Default::default() });
        }
        Object::PersistentVolumeClaim(claim) => {
            Arc::make_mut(claim).status = Some(PersistentVolumeClaimStatus { phase: Some("Pending".into()), ..Default::default() });
        }
        Object::APIService(service) => upkeep::begin_api_service(Arc::make_mut(service), now),
        Object::CustomResourceDefinition(crd) => apiextensions::begin_definition(Arc::make_mut(crd)),
        _ => {}
    }
}

/// After admission: what depends on the whole object.
pub fn finish_create(object: &mut Object, now: &Time) {
    kinds::finish_create(object);
    if let Object::Pod(pod) = object {
        let pod = Arc::make_mut(pod);
        pod.status = Some(first_pod_status(pod, now));
    }
}

fn first_pod_status(pod: &Pod, now: &Time) -> PodStatus {
    let gated = pod.spec.as_ref().and_then(|s| s.scheduling_gates.as_ref()).is_some_and(|g| !g.is_empty());
    let condition = PodCondition {
        type_: "PodScheduled".into(),
        status: "False".into(),
        last_transition_time: Some(now.clone()),
        reason: Some("SchedulingGated".into()),
        message: Some("Scheduling is blocked due to non-empty scheduling gates".into()),
        ..Default::default()
    };
    PodStatus {
        phase: Some("Pending".into()),
        qos_class: Some(sim_apimachinery::defaults::qos_class(pod).to_owned()),
        conditions: gated.then(|| vec![condition]),
        ..Default::default()
    }
}

/// A write to the main part: system metadata and status stay, and the generation counts changes of the rest.
pub fn prepare_for_update(current: &Object, next: &mut Object) {
    next.copy_status_from(current);
    keep_system_metadata(current, next);
    if let Object::CustomResourceDefinition(crd) = next {
        apiextensions::remember_storage(Arc::make_mut(crd));
    }
    kinds::prepare_for_update(current, next);
    if next.kind().has(Trait::Generation) && kinds::generation_counts(current, next, next.spec_differs(current)) {
        let metadata = next.metadata_mut();
        metadata.generation = Some(metadata.generation.unwrap_or(0) + 1);
    }
    keep_namespace(current, next);
}

/// A write to the status: all of the rest stays; most kinds let metadata travel along.
pub fn prepare_for_status_update(current: &Object, next: &mut Object) {
    let mut merged = current.clone();
    merged.copy_status_from(next);
    let keeps_metadata = matches!(next, Object::Custom(_)) || super::reset_fields::keeps_metadata(next.kind());
    if !keeps_metadata && next.metadata() != current.metadata() {
        *merged.metadata_mut() = next.metadata().clone();
        keep_system_metadata(current, &mut merged);
        kinds::prepare_for_status_update(current, &mut merged);
    }
    *next = merged;
}

fn keep_system_metadata(current: &Object, next: &mut Object) {
    let kept = current.metadata().clone();
    let metadata = next.metadata_mut();
    metadata.uid = kept.uid;
    metadata.creation_timestamp = kept.creation_timestamp;
    metadata.deletion_timestamp = kept.deletion_timestamp;
    metadata.deletion_grace_period_seconds = kept.deletion_grace_period_seconds;
    metadata.generation = kept.generation;
    metadata.self_link = None;
    if metadata.generate_name.is_none() {
        metadata.generate_name = kept.generate_name;
    }
}

fn keep_namespace(current: &Object, next: &mut Object) {
    if let (Object::Namespace(current), Object::Namespace(next)) = (current, next) {
        Arc::make_mut(next).spec = current.spec.clone();
    }
}
