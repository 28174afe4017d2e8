//! Validation of objects before they are stored, with Kubernetes' messages.
//! The core is shared: `path` says where, `errors` what is wrong, `go_value` how Go prints the value to blame, `metadata`
//! and `labels` check what all kinds have. Beside it lies one file per topic, with a `create` and an `update` each that
//! check metadata first, as the kind's own validation does.
//! Sources: pkg/apis/*/validation, and registry/rest for what every kind is asked on top.
//! Kinds without a file of their own have their metadata checked and nothing else.

mod api_services;
mod autoscaling;
mod autoscaling_metrics;
pub mod certificates;
pub mod claims;
mod cluster;
mod conditions;
mod config;
mod coordination;
mod cron_job;
mod endpoints;
pub mod errors;
pub mod event;
pub mod flowcontrol;
mod go_json;
pub mod go_value;
mod infrastructure;
pub mod internal;
mod job;
mod job_policy;
mod job_status;
pub mod labels;
pub mod metadata;
mod names_of_signers;
mod networking;
pub mod path;
mod persistent_volume_claims;
mod persistent_volume_sources;
mod persistent_volumes;
pub mod pod;
mod policy;
mod quotas;
mod rbac;
mod resource;
mod runtime_class;
pub mod services;
mod stateful;
mod status;
mod storage;
mod values;
mod workload_status;
mod workloads;

use errors::Errors;
use k8s_openapi::api::core::v1::Event;

use crate::object::Object;
use crate::request::Part;
use crate::status::Cause;

/// What is wrong with a new object.
pub fn validate_create(object: &Object) -> Vec<Cause> {
    let mut errors = Errors::new();
    create(object, &mut errors);
    if errors.is_empty() {
        metadata::validate_common(object.metadata(), object.kind().is_namespaced(), &mut errors);
    }
    errors.into_causes()
}

/// What is wrong with an event, new or (with its current state) changed, as `events.k8s.io/v1` sees it. The rules are others
/// than those of the core group.
pub fn validate_new_style_event(next: &Event, current: Option<&Event>) -> Vec<Cause> {
    let mut errors = Errors::new();
    match current {
        Some(current) => event::update(next, current, true, &mut errors),
        None => event::create(next, true, &mut errors),
    }
    errors.into_causes()
}

/// What is wrong with the next state of an object.
pub fn validate_update(next: &Object, current: &Object) -> Vec<Cause> {
    validate_part(next, current, Part::Main)
}

/// What is wrong with the next state of an object that is written through that part of it. Statuses are checked for the
/// kinds that have rules for them.
pub fn validate_part(next: &Object, current: &Object, part: Part) -> Vec<Cause> {
    let mut errors = Errors::new();
    metadata::validate_common(next.metadata(), next.kind().is_namespaced(), &mut errors);
    metadata::validate_common_update(next.metadata(), current.metadata(), &mut errors);
    match part {
        Part::Main | Part::Scale => update(next, current, &mut errors),
        Part::Approval => infrastructure::update_approval(next, current, &mut errors),
        Part::Status => status::update(next, current, &mut errors),
        Part::Resize | Part::EphemeralContainers => pod_update(next, current, part, &mut errors),
        Part::Finalize => {
            if let (Object::Namespace(next), Object::Namespace(current)) = (next, current) {
                cluster::namespace_finalize(next, current, &mut errors);
            }
        }
    }
    errors.into_causes()
}

/// A kind's own rules for a new object.
fn create(object: &Object, errors: &mut Errors) {
    match object {
        Object::Pod(o) => pod::create(o, errors),
        Object::Deployment(o) => workloads::deployment_create(o, errors),
        Object::ReplicaSet(o) => workloads::replica_set_create(o, errors),
        Object::DaemonSet(o) => workloads::daemon_set_create(o, errors),
        Object::ReplicationController(o) => workloads::replication_controller_create(o, errors),
        Object::StatefulSet(o) => stateful::create(o, errors),
        Object::ControllerRevision(o) => stateful::revision_create(o, errors),
        Object::PodTemplate(o) => workloads::pod_template_create(o, errors),
        Object::Job(o) => job::create(o, errors),
        Object::CronJob(o) => cron_job::create(o, errors),
        Object::PodDisruptionBudget(o) => policy::budget(o, errors),
        Object::PriorityClass(o) => policy::class_create(o, errors),
        Object::ConfigMap(o) => config::map_create(o, errors),
        Object::Secret(o) => config::secret_create(o, errors),
        Object::Node(o) => cluster::node_create(o, errors),
        Object::Namespace(o) => cluster::namespace_create(o, errors),
        Object::ResourceQuota(o) => quotas::quota_create(o, errors),
        Object::LimitRange(o) => quotas::limit_range(o, errors),
        Object::PersistentVolume(o) => persistent_volumes::create(o, errors),
        Object::PersistentVolumeClaim(o) => persistent_volume_claims::create(o, errors),
        Object::Lease(o) => coordination::lease_create(o, errors),
        Object::LeaseCandidate(o) => coordination::candidate_create(o, errors),
        Object::Endpoints(o) => endpoints::endpoints(o, None, errors),
        Object::EndpointSlice(o) => endpoints::slice(o, None, errors),
        Object::Event(o) => event::create(o, false, errors),
        Object::Service(o) => services::create(o, errors),
        Object::HorizontalPodAutoscaler(o) => autoscaling::create(o, errors),
        _ if infrastructure::create(object, errors) => {}
        _ => own_metadata(object, errors),
    }
}

/// A kind's own rules for an object's next state.
fn update(next: &Object, current: &Object, errors: &mut Errors) {
    match (next, current) {
        (Object::Pod(n), Object::Pod(c)) => pod::update(n, c, errors),
        (Object::Deployment(n), Object::Deployment(c)) => workloads::deployment_update(n, c, errors),
        (Object::ReplicaSet(n), Object::ReplicaSet(c)) => workloads::replica_set_update(n, c, errors),
        (Object::DaemonSet(n), Object::DaemonSet(c)) => workloads::daemon_set_update(n, c, errors),
        (Object::ReplicationController(n), Object::ReplicationController(c)) => workloads::replication_controller_update(n, c, errors),
        (Object::StatefulSet(n), Object::StatefulSet(c)) => stateful::update(n, c, errors),
        (Object::ControllerRevision(n), Object::ControllerRevision(c)) => stateful::revision_update(n, c, errors),
        (Object::PodTemplate(n), Object::PodTemplate(c)) => workloads::pod_template_update(n, c, errors),
        (Object::Job(n), Object::Job(c)) => job::update(n, c, errors),
        (Object::CronJob(n), Object::CronJob(c)) => cron_job::update(n, c, errors),
        (Object::PodDisruptionBudget(n), _) => policy::budget(n, errors),
        (Object::PriorityClass(n), Object::PriorityClass(c)) => policy::class_update(n, c, errors),
        (Object::ConfigMap(n), Object::ConfigMap(c)) => config::map_update(n, c, errors),
        (Object::Secret(n), Object::Secret(c)) => config::secret_update(n, c, errors),
        (Object::Node(n), Object::Node(c)) => cluster::node_update(n, c, errors),
        (Object::Namespace(n), Object::Namespace(c)) => cluster::namespace_update(n, c, errors),
        (Object::ResourceQuota(n), Object::ResourceQuota(c)) => quotas::quota_update(n, c, errors),
        (Object::LimitRange(n), _) => quotas::limit_range(n, errors),
        (Object::PersistentVolume(n), Object::PersistentVolume(c)) => persistent_volumes::update(n, c, errors),
        (Object::PersistentVolumeClaim(n), Object::PersistentVolumeClaim(c)) => persistent_volume_claims::update(n, c, errors),
        (Object::Lease(n), Object::Lease(c)) => coordination::lease_update(n, c, errors),
        (Object::LeaseCandidate(n), Object::LeaseCandidate(c)) => coordination::candidate_update(n, c, errors),
        (Object::Endpoints(n), Object::Endpoints(c)) => endpoints::endpoints(n, Some(c), errors),
        (Object::EndpointSlice(n), Object::EndpointSlice(c)) => endpoints::slice(n, Some(c), errors),
        (Object::Event(n), Object::Event(c)) => event::update(n, c, false, errors),
        (Object::Service(n), Object::Service(c)) => services::update(n, c, errors),
        (Object::HorizontalPodAutoscaler(n), Object::HorizontalPodAutoscaler(c)) => autoscaling::update(n, c, errors),
        _ if infrastructure::update(next, current, errors) => {}
        _ => own_metadata_update(next, current, errors),
    }
}

fn pod_update(next: &Object, current: &Object, part: Part, errors: &mut Errors) {
    if let (Object::Pod(n), Object::Pod(c)) = (next, current) {
        let update = if part == Part::Resize { pod::resize::update } else { pod::ephemeral::update };
        update(n, c, errors);
    }
}

/// A kind's own rules for metadata.
fn own_metadata(object: &Object, errors: &mut Errors) {
    let kind = object.kind();
    metadata::validate(object.metadata(), kind.is_namespaced(), metadata::name_rule(kind), errors);
}

/// A kind's own rules for the metadata of an object's next state, most kinds' way: the update's and the new object's.
fn own_metadata_update(next: &Object, current: &Object, errors: &mut Errors) {
    metadata::validate_update(next.metadata(), current.metadata(), errors);
    own_metadata(next, errors);
}

#[cfg(test)]
mod tests;
