//! What the API server fills in: defaults of each kind, and what admission adds to pods.
//! Sources: pkg/apis/*/v*/defaults.go, plugin/pkg/admission. A pod template gets fewer defaults than a pod, and the
//! difference shows in the pod-template-hash.
//! Not here: defaults of kinds that have none, and of custom resources (their schema has them).

mod autoscaling;
mod core;
mod flowcontrol;
mod image;
mod infrastructure;
mod networking;
mod pod;
mod pod_admission;
mod pod_volumes;
mod rbac;
mod resource;
mod service;
mod storage;
mod workloads;

use std::sync::Arc;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Secret};

pub use pod::{default_pod, default_pod_template, drop_disabled};
pub use pod_admission::{admit_default_tolerations, admit_service_account, qos_class};
pub use workloads::{default_cron_job, default_daemon_set, default_deployment, default_job, default_replica_set, default_stateful_set};

use crate::object::Object;

/// Fills in the defaults of any object.
pub fn default_object(object: &mut Object) {
    match object {
        Object::Pod(o) => default_pod(Arc::make_mut(o)),
        Object::Deployment(o) => default_deployment(Arc::make_mut(o)),
        Object::ReplicaSet(o) => default_replica_set(Arc::make_mut(o)),
        Object::StatefulSet(o) => default_stateful_set(Arc::make_mut(o)),
        Object::DaemonSet(o) => default_daemon_set(Arc::make_mut(o)),
        Object::Job(o) => default_job(Arc::make_mut(o)),
        Object::CronJob(o) => default_cron_job(Arc::make_mut(o)),
        Object::Service(o) => service::default_service(Arc::make_mut(o)),
        Object::HorizontalPodAutoscaler(o) => autoscaling::default_autoscaler(Arc::make_mut(o)),
        Object::Secret(o) => secret(Arc::make_mut(o)),
        Object::PersistentVolumeClaim(o) => claim(Arc::make_mut(o)),
        Object::PersistentVolume(o) => volume(Arc::make_mut(o)),
        Object::Namespace(_) => namespace_label(object),
        Object::ReplicationController(o) => workloads::default_replication_controller(Arc::make_mut(o)),
        Object::PodTemplate(o) => workloads::default_template_object(Arc::make_mut(o)),
        Object::Node(o) => core::node(Arc::make_mut(o)),
        Object::LimitRange(o) => core::limit_range(Arc::make_mut(o)),
        Object::ResourceQuota(o) => core::resource_quota(Arc::make_mut(o)),
        Object::Endpoints(o) => core::endpoints(Arc::make_mut(o)),
        Object::EndpointSlice(o) => core::endpoint_slice(Arc::make_mut(o)),
        Object::PriorityClass(o) => core::priority_class(Arc::make_mut(o)),
        Object::ConfigMap(o) => core::config_map(Arc::make_mut(o)),
        _ => infrastructure::default_object(object),
    }
}

fn secret(secret: &mut Secret) {
    fill(&mut secret.type_, "Opaque");
    if let Some(text) = secret.string_data.take() {
        let data = secret.data.get_or_insert_default();
        data.extend(text.into_iter().map(|(k, v)| (k, k8s_openapi::ByteString(v.into_bytes()))));
    }
}

fn claim(claim: &mut PersistentVolumeClaim) {
    let spec = claim.spec.get_or_insert_default();
    spec.volume_mode.get_or_insert_with(|| "Filesystem".into());
    if let Some(resources) = spec.resources.as_mut() {
        canonicalise(resources.requests.as_mut());
        canonicalise(resources.limits.as_mut());
    }
}

fn volume(volume: &mut PersistentVolume) {
    let spec = volume.spec.get_or_insert_default();
    spec.volume_mode.get_or_insert_with(|| "Filesystem".into());
    fill(&mut spec.persistent_volume_reclaim_policy, "Retain");
    canonicalise(spec.capacity.as_mut());
    core::volume_source(spec);
}

fn namespace_label(object: &mut Object) {
    let name = object.name().to_owned();
    object.metadata_mut().labels.get_or_insert_default().insert("kubernetes.io/metadata.name".into(), name);
}

type Quantities = std::collections::BTreeMap<String, k8s_openapi::apimachinery::pkg::api::resource::Quantity>;

/// Writes every quantity in its canonical form.
fn canonicalise(quantities: Option<&mut Quantities>) {
    quantities.into_iter().flat_map(|q| q.values_mut()).for_each(canonicalise_quantity);
}

/// Writes a quantity in its canonical form; what cannot be read stays for validation to refuse.
fn canonicalise_quantity(quantity: &mut k8s_openapi::apimachinery::pkg::api::resource::Quantity) {
    if let Ok(text) = crate::quantity::canonical(&quantity.0) {
        quantity.0 = text;
    }
}

/// A text that is not given, or empty, is the default.
fn fill<'a>(text: &'a mut Option<String>, default: &str) -> &'a String {
    if text.as_deref().is_none_or(str::is_empty) {
        *text = None;
    }
    text.get_or_insert_with(|| default.to_owned())
}
