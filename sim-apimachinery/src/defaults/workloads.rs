//! Workloads. Sources: pkg/apis/apps/v1/defaults.go, pkg/apis/batch/v1/defaults.go.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{
    DaemonSet, Deployment, ReplicaSet, RollingUpdateDaemonSet, RollingUpdateDeployment, RollingUpdateStatefulSetStrategy, StatefulSet,
};
use k8s_openapi::api::batch::v1::{CronJob, Job, JobSpec};
use k8s_openapi::api::core::v1::{PodTemplate, PodTemplateSpec, ReplicationController};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::default_pod_template;

/// Defaults of a deployment.
pub fn default_deployment(deployment: &mut Deployment) {
    let spec = deployment.spec.get_or_insert_default();
    spec.replicas.get_or_insert(1);
    spec.revision_history_limit.get_or_insert(10);
    spec.progress_deadline_seconds.get_or_insert(600);
    let strategy = spec.strategy.get_or_insert_default();
    let kind = super::fill(&mut strategy.type_, "RollingUpdate");
    if kind == "RollingUpdate" {
        let rolling: &mut RollingUpdateDeployment = strategy.rolling_update.get_or_insert_default();
        rolling.max_unavailable.get_or_insert_with(|| IntOrString::String("25%".into()));
        rolling.max_surge.get_or_insert_with(|| IntOrString::String("25%".into()));
    }
    workload_template(&mut spec.template);
}

/// Defaults of a replica set.
pub fn default_replica_set(set: &mut ReplicaSet) {
    let spec = set.spec.get_or_insert_default();
    spec.replicas.get_or_insert(1);
    workload_template(spec.template.get_or_insert_default());
}

/// Defaults of a stateful set.
pub fn default_stateful_set(set: &mut StatefulSet) {
    let spec = set.spec.get_or_insert_default();
    spec.replicas.get_or_insert(1);
    spec.revision_history_limit.get_or_insert(10);
    super::fill(&mut spec.pod_management_policy, "OrderedReady");
    let strategy = spec.update_strategy.get_or_insert_default();
    let kind = super::fill(&mut strategy.type_, "RollingUpdate");
    if kind == "RollingUpdate" {
        let rolling: &mut RollingUpdateStatefulSetStrategy = strategy.rolling_update.get_or_insert_default();
        rolling.partition.get_or_insert(0);
    }
    for claim in spec.volume_claim_templates.iter_mut().flatten() {
        super::claim(claim);
        super::fill(&mut claim.status.get_or_insert_default().phase, "Pending");
    }
    let retention = spec.persistent_volume_claim_retention_policy.get_or_insert_default();
    super::fill(&mut retention.when_deleted, "Retain");
    super::fill(&mut retention.when_scaled, "Retain");
    workload_template(&mut spec.template);
}

/// Defaults of a daemon set.
pub fn default_daemon_set(set: &mut DaemonSet) {
    let spec = set.spec.get_or_insert_default();
    spec.revision_history_limit.get_or_insert(10);
    let strategy = spec.update_strategy.get_or_insert_default();
    let kind = super::fill(&mut strategy.type_, "RollingUpdate");
    if kind == "RollingUpdate" {
        let rolling: &mut RollingUpdateDaemonSet = strategy.rolling_update.get_or_insert_default();
        rolling.max_unavailable.get_or_insert(IntOrString::Int(1));
        rolling.max_surge.get_or_insert(IntOrString::Int(0));
    }
    workload_template(&mut spec.template);
}

/// Defaults of a job.
pub fn default_job(job: &mut Job) {
    let spec = job.spec.get_or_insert_default();
    default_job_spec(spec);
    let labels = spec.template.metadata.as_ref().and_then(|m| m.labels.clone());
    if labels.is_some() && job.metadata.labels.as_ref().is_none_or(BTreeMap::is_empty) {
        job.metadata.labels = labels;
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
    failure_patterns(spec);
    workload_template(&mut spec.template);
}

/// Defaults of a cron job.
pub fn default_cron_job(job: &mut CronJob) {
    let spec = &mut job.spec;
    super::fill(&mut spec.concurrency_policy, "Allow");
    spec.suspend.get_or_insert(false);
    spec.successful_jobs_history_limit.get_or_insert(3);
    spec.failed_jobs_history_limit.get_or_insert(1);
    let template = spec.job_template.spec.get_or_insert_default();
    failure_patterns(template);
    workload_template(&mut template.template);
}

/// A condition of a failure policy is expected to be true unless it says otherwise.
fn failure_patterns(spec: &mut JobSpec) {
    let rules = spec.pod_failure_policy.iter_mut().flat_map(|p| &mut p.rules);
    for pattern in rules.flat_map(|r| r.on_pod_conditions.iter_mut().flatten()) {
        super::fill(&mut pattern.status, "True");
    }
}

/// Defaults of a replication controller: its selector and its labels are the template's.
pub fn default_replication_controller(controller: &mut ReplicationController) {
    let spec = controller.spec.get_or_insert_default();
    spec.replicas.get_or_insert(1);
    let Some(template) = spec.template.as_mut() else { return };
    workload_template(template);
    let Some(labels) = template.metadata.as_ref().and_then(|m| m.labels.clone()) else { return };
    if spec.selector.as_ref().is_none_or(BTreeMap::is_empty) {
        spec.selector = Some(labels.clone());
    }
    if controller.metadata.labels.as_ref().is_none_or(BTreeMap::is_empty) {
        controller.metadata.labels = Some(labels);
    }
}

/// Defaults of a pod template that is an object of its own.
pub fn default_template_object(template: &mut PodTemplate) {
    workload_template(template.template.get_or_insert_default());
}

/// A template always has a spec, if an empty one.
fn workload_template(template: &mut PodTemplateSpec) {
    template.spec.get_or_insert_default();
    default_pod_template(template);
}
