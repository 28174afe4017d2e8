//! What is wrong with the next status of an object, written through its status subresource.

use super::errors::Errors;
use super::{autoscaling, cluster, job_status, metadata, persistent_volume_claims, persistent_volumes, policy, quotas, workload_status};
use crate::object::Object;

/// What is wrong with the next status of an object. Kinds without rules of their own have their metadata checked.
pub(super) fn update(next: &Object, current: &Object, errors: &mut Errors) {
    match (next, current) {
        (Object::Pod(n), Object::Pod(c)) => super::pod::status::update(n, c, errors),
        (Object::Deployment(n), Object::Deployment(c)) => workload_status::deployment(n, c, errors),
        (Object::ReplicaSet(n), Object::ReplicaSet(c)) => workload_status::replica_set(n, c, errors),
        (Object::ReplicationController(n), Object::ReplicationController(c)) => workload_status::replication_controller(n, c, errors),
        (Object::StatefulSet(n), Object::StatefulSet(c)) => workload_status::stateful_set(n, c, errors),
        (Object::DaemonSet(n), Object::DaemonSet(c)) => workload_status::daemon_set(n, c, errors),
        (Object::Job(n), Object::Job(c)) => job_status::update(n, c, errors),
        (Object::CronJob(_), _) => {}
        (Object::HorizontalPodAutoscaler(n), Object::HorizontalPodAutoscaler(c)) => autoscaling::status_update(n, c, errors),
        (Object::PodDisruptionBudget(n), _) => policy::budget_status(n, errors),
        (Object::Namespace(n), Object::Namespace(c)) => cluster::namespace_status(n, c, errors),
        (Object::Node(n), Object::Node(c)) => cluster::node_update(n, c, errors),
        (Object::PersistentVolume(n), Object::PersistentVolume(c)) => persistent_volumes::status(n, c, errors),
        (Object::PersistentVolumeClaim(n), Object::PersistentVolumeClaim(c)) => persistent_volume_claims::status(n, c, errors),
        (Object::ResourceQuota(n), Object::ResourceQuota(c)) => quotas::quota_status(n, c, errors),
        _ if super::infrastructure::update_status(next, current, errors) => {}
        _ => metadata::validate_update(next.metadata(), current.metadata(), errors),
    }
}
