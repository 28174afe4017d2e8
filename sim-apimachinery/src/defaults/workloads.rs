//! Workloads. Sources: pkg/apis/apps/v1/defaults.go, pkg/apis/batch/v1/defaults.go.

use k8s_openapi::api::apps::v1::{
    DaemonSet, Deployment, ReplicaSet, RollingUpdateDaemonSet, RollingUpdateDeployment, RollingUpdateStatefulSetStrategy, StatefulSet,
};
use k8s_openapi::api::batch::v1::{CronJob, Job, JobSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::default_pod_template;

/// Defaults of a deployment.
pub fn default_deployment(deployment: &mut Deployment) {
    let Some(spec) = deployment.spec.as_mut() else { return };
    spec.replicas.get_or_insert(1);
    spec.revision_history_limit.get_or_insert(10);
    spec.progress_deadline_seconds.get_or_insert(600);
    let strategy = spec.strategy.get_or_insert_default();
    let kind = strategy.type_.get_or_insert_with(|| "RollingUpdate".into());
    if kind == "RollingUpdate" {
        let rolling: &mut RollingUpdateDeployment = strategy.rolling_update.get_or_insert_default();
        rolling.max_unavailable.get_or_insert_with(|| IntOrString::String("25%".into()));
        rolling.max_surge.get_or_insert_with(|| IntOrString::String("25%".into()));
    }
    default_pod_template(&mut spec.template);
}

/// Defaults of a replica set.
pub fn default_replica_set(set: &mut ReplicaSet) {
    let Some(spec) = set.spec.as_mut() else { return };
    spec.replicas.get_or_insert(1);
    if let Some(template) = spec.template.as_mut() {
        default_pod_template(template);
    }
}

/// Defaults of a stateful set.
pub fn default_stateful_set(set: &mut StatefulSet) {
    let Some(spec) = set.spec.as_mut() else { return };
    spec.replicas.get_or_insert(1);
    spec.revision_history_limit.get_or_insert(10);
    spec.pod_management_policy.get_or_insert_with(|| "OrderedReady".into());
    let strategy = spec.update_strategy.get_or_insert_default();
    let kind = strategy.type_.get_or_insert_with(|| "RollingUpdate".into());
    if kind == "RollingUpdate" {
        let rolling: &mut RollingUpdateStatefulSetStrategy = strategy.rolling_update.get_or_insert_default();
        rolling.partition.get_or_insert(0);
    }
    let retention = spec.persistent_volume_claim_retention_policy.get_or_insert_default();
    retention.when_deleted.get_or_insert_with(|| "Retain".into());
    retention.when_scaled.get_or_insert_with(|| "Retain".into());
    default_pod_template(&mut spec.template);
}

/// Defaults of a daemon set.
pub fn default_daemon_set(set: &mut DaemonSet) {
    let Some(spec) = set.spec.as_mut() else { return };
    spec.revision_history_limit.get_or_insert(10);
    let strategy = spec.update_strategy.get_or_insert_default();
    let kind = strategy.type_.get_or_insert_with(|| "RollingUpdate".into());
    if kind == "RollingUpdate" {
        let rolling: &mut RollingUpdateDaemonSet = strategy.rolling_update.get_or_insert_default();
        rolling.max_unavailable.get_or_insert(IntOrString::Int(1));
        rolling.max_surge.get_or_insert(IntOrString::Int(0));
    }
    default_pod_template(&mut spec.template);
}

/// Defaults of a job.
pub fn default_job(job: &mut Job) {
    if let Some(spec) = job.spec.as_mut() {
        default_job_spec(spec);
    }
}

fn default_job_spec(spec: &mut JobSpec) {
    if spec.completions.is_none() && spec.parallelism.is_none() {
        spec.completions = Some(1);
    }
    spec.parallelism.get_or_insert(1);
    spec.backoff_limit.get_or_insert(if spec.backoff_limit_per_index.is_some() { i32::MAX } else { 6 });
    spec.completion_mode.get_or_insert_with(|| "NonIndexed".into());
    spec.suspend.get_or_insert(false);
    let replacement = if spec.pod_failure_policy.is_some() { "Failed" } else { "TerminatingOrFailed" };
    spec.pod_replacement_policy.get_or_insert_with(|| replacement.into());
    spec.manual_selector.get_or_insert(false);
    default_pod_template(&mut spec.template);
}

/// Defaults of a cron job.
pub fn default_cron_job(job: &mut CronJob) {
    let spec = &mut job.spec;
    spec.concurrency_policy.get_or_insert_with(|| "Allow".into());
    spec.suspend.get_or_insert(false);
    spec.successful_jobs_history_limit.get_or_insert(3);
    spec.failed_jobs_history_limit.get_or_insert(1);
    if let Some(template) = spec.job_template.spec.as_mut() {
        default_pod_template(&mut template.template);
    }
}
