//! The jobs a cron job has made: what became of them, and which are old enough to go.

use std::sync::Arc;

use k8s_openapi::api::batch::v1::{CronJob, Job};
use sim_apimachinery::{Kind, ObjectKey, Verb};

use super::in_background;
use crate::client_go::{Ask, EventDraft, ObjectReference, Plan, Tolerate};
use crate::kube_controller_manager::controllers::job::condition;

fn uid_of(job: &Job) -> &str {
    job.metadata.uid.as_deref().unwrap_or_default()
}

fn name_of(job: &Job) -> &str {
    job.metadata.name.as_deref().unwrap_or_default()
}

/// `Complete` or `Failed`, once it is one of them.
fn end_of(job: &Job) -> Option<&'static str> {
    ["Complete", "Failed"].into_iter().find(|kind| condition(job, kind).is_some())
}

fn forget(cron_job: &mut CronJob, uid: &str) {
    let Some(active) = cron_job.status.as_mut().and_then(|s| s.active.as_mut()) else { return };
    active.retain(|r| r.uid.as_deref() != Some(uid));
    if active.is_empty() {
        cron_job.status.get_or_insert_default().active = None;
    }
}

fn is_active(cron_job: &CronJob, uid: &str) -> bool {
    cron_job.status.iter().flat_map(|s| s.active.iter().flatten()).any(|r| r.uid.as_deref() == Some(uid))
}

/// Deletes the oldest jobs beyond the limits of the history.
pub fn clean(cron_job: &mut CronJob, jobs: &[Arc<Job>], about: &ObjectReference, plan: &mut Plan) {
    let limits = [("Complete", cron_job.spec.successful_jobs_history_limit), ("Failed", cron_job.spec.failed_jobs_history_limit)];
    for (kind, limit) in limits {
        let Some(limit) = limit else { continue };
        let mut ended: Vec<&Arc<Job>> =
            jobs.iter().filter(|j| end_of(j) == Some(kind) && j.metadata.deletion_timestamp.is_none()).collect();
        ended.sort_by_key(|j| (j.status.as_ref().and_then(|s| s.start_time.as_ref()).map(|t| t.0), name_of(j).to_owned()));
        let excess = ended.len().saturating_sub(limit.max(0) as usize);
        for job in ended.into_iter().take(excess) {
            plan.ask(deletion(cron_job.metadata.namespace.as_deref().unwrap_or_default(), name_of(job), about));
            forget(cron_job, uid_of(job));
        }
    }
}

/// The deletion of a job, told as an event of the cron job.
pub fn deletion(namespace: &str, name: &str, about: &ObjectReference) -> Ask {
    let key = ObjectKey::new(Kind::Job, namespace, name);
    Ask::new(Verb::Delete { key, options: in_background() }, "it is not kept any longer")
        .tolerating(Tolerate::NotFound)
        .telling(EventDraft::normal(about.clone(), "SuccessfulDelete", format!("Deleted job {name}")))
        .or_telling(EventDraft::warning(about.clone(), "FailedDelete", "").then_error("Deleted job: "))
}

/// Takes note of jobs that have ended or are missing.
pub fn observe(cron_job: &mut CronJob, jobs: &[Arc<Job>], about: &ObjectReference, plan: &mut Plan) {
    for job in jobs {
        let listed = is_active(cron_job, uid_of(job));
        match end_of(job) {
            None if !listed && job.metadata.deletion_timestamp.is_none() => {
                let text = format!("Saw a job that the controller did not create or forgot: {}", name_of(job));
                plan.tell(EventDraft::warning(about.clone(), "UnexpectedJob", text));
            }
            None => {}
            Some(kind) => {
                if listed {
                    forget(cron_job, uid_of(job));
                    let text = format!("Saw completed job: {}, condition: {kind}", name_of(job));
                    plan.tell(EventDraft::normal(about.clone(), "SawCompletedJob", text));
                }
                succeed(cron_job, job);
            }
        }
    }
    let missing: Vec<(String, String)> = cron_job
        .status
        .iter()
        .flat_map(|s| s.active.iter().flatten())
        .filter(|r| !jobs.iter().any(|j| Some(uid_of(j)) == r.uid.as_deref()))
        .map(|r| (r.uid.clone().unwrap_or_default(), r.name.clone().unwrap_or_default()))
        .collect();
    for (uid, name) in missing {
        plan.tell(EventDraft::normal(about.clone(), "MissingJob", format!("Active job went missing: {name}")));
        forget(cron_job, &uid);
    }
}

fn succeed(cron_job: &mut CronJob, job: &Job) {
    let Some(at) = job.status.as_ref().and_then(|s| s.completion_time.clone()).filter(|_| end_of(job) == Some("Complete")) else { return };
    let status = cron_job.status.get_or_insert_default();
    if status.last_successful_time.as_ref().is_none_or(|t| t.0 < at.0) {
        status.last_successful_time = Some(at);
    }
}
