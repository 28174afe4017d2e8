//! A job's status: its counters, its conditions, and the events that go with them.

use k8s_openapi::api::batch::v1::{Job, JobCondition, UncountedTerminatedPods};

use super::finish::Ending;
use super::pods::{Tally, index_of, indexes_text};
use super::told;
use crate::client_go::{EventDraft, ObjectReference, Plan};
use crate::time::SimTime;

/// A condition that is true.
pub fn condition<'a>(job: &'a Job, kind: &str) -> Option<&'a JobCondition> {
    job.status.as_ref()?.conditions.as_ref()?.iter().find(|c| c.type_ == kind && c.status == "True")
}

/// Whether a job is complete or has failed.
pub fn is_finished(job: &Job) -> bool {
    condition(job, "Complete").is_some() || condition(job, "Failed").is_some()
}

fn set(job: &mut Job, kind: &str, value: &str, reason: &str, message: &str, now: SimTime) {
    let conditions = job.status.get_or_insert_default().conditions.get_or_insert_default();
    let next = JobCondition {
        type_: kind.into(),
        status: value.into(),
        reason: Some(reason.into()),
        message: Some(message.into()),
        last_probe_time: Some(now.to_time()),
        last_transition_time: Some(now.to_time()),
    };
    match conditions.iter_mut().find(|c| c.type_ == kind) {
        Some(found) if found.status == value && found.reason == next.reason => {}
        Some(found) => *found = next,
        None => conditions.push(next),
    }
}

/// The start of a job, its suspension and its resumption.
pub fn start(job: &mut Job, now: SimTime, plan: &mut Plan, about: &ObjectReference) {
    let suspended = job.spec.as_ref().is_some_and(|s| s.suspend == Some(true));
    let was = condition(job, "Suspended").is_some();
    let begun = job.status.as_ref().is_some_and(|s| s.start_time.is_some());
    match (suspended, was) {
        (true, false) => {
            set(job, "Suspended", "True", "JobSuspended", "Job suspended", now);
            job.status.get_or_insert_default().start_time = None;
            plan.tell(told(about, "Suspended", "Job suspended"));
        }
        (false, true) => {
            set(job, "Suspended", "False", "JobResumed", "Job resumed", now);
            job.status.get_or_insert_default().start_time = Some(now.to_time());
            plan.tell(told(about, "Resumed", "Job resumed"));
        }
        (false, false) if !begun => job.status.get_or_insert_default().start_time = Some(now.to_time()),
        _ => {}
    }
}

/// The counts of pods that run.
pub fn count(job: &mut Job, tally: &Tally, active: usize) {
    let status = job.status.get_or_insert_default();
    status.active = (active > 0).then_some(active as i32);
    status.ready = Some(tally.ready.min(active) as i32);
    status.terminating = Some(tally.terminating as i32);
    status.uncounted_terminated_pods.get_or_insert_default();
}

/// Notes the pods that have ended, before they are let go.
pub fn note_uncounted(job: &mut Job, tally: &Tally) {
    let uids = |pods: &[std::sync::Arc<k8s_openapi::api::core::v1::Pod>]| {
        let uids: Vec<String> = pods.iter().filter_map(|p| p.metadata.uid.clone()).collect();
        (!uids.is_empty()).then_some(uids)
    };
    let noted = UncountedTerminatedPods { succeeded: uids(&tally.new_succeeded), failed: uids(&tally.new_failed) };
    job.status.get_or_insert_default().uncounted_terminated_pods = Some(noted);
}

/// Counts the pods that were noted.
pub fn fold_uncounted(job: &mut Job, tally: &Tally) {
    let indexed = tally.new_succeeded.iter().any(|p| index_of(p).is_some());
    let status = job.status.get_or_insert_default();
    status.uncounted_terminated_pods = Some(UncountedTerminatedPods::default());
    status.succeeded = (tally.succeeded > 0).then_some(tally.succeeded as i32);
    status.failed = (tally.failed > 0).then_some(tally.failed as i32);
    if indexed {
        status.completed_indexes = Some(indexes_text(&tally.done));
    }
}

/// Says how the job is going to end.
pub fn announce(job: &mut Job, ending: &Ending, now: SimTime) {
    set(job, ending.kind, "True", &ending.reason, &ending.message, now);
}

/// Ends a job whose end is announced; the event that tells it.
pub fn end(job: &mut Job, now: SimTime, about: &ObjectReference) -> Option<EventDraft> {
    if let Some(found) = condition(job, "SuccessCriteriaMet").cloned() {
        let (reason, message) = (found.reason.unwrap_or_default(), found.message.unwrap_or_default());
        set(job, "Complete", "True", &reason, &message, now);
        job.status.get_or_insert_default().completion_time = Some(now.to_time());
        return Some(told(about, "Completed", "Job completed"));
    }
    let found = condition(job, "FailureTarget").cloned()?;
    let (reason, message) = (found.reason.unwrap_or_default(), found.message.unwrap_or_default());
    set(job, "Failed", "True", &reason, &message, now);
    Some(EventDraft::warning(about.clone(), known_reason(&reason), message))
}

/// Reasons of events are words of ours.
fn known_reason(reason: &str) -> &'static str {
    match reason {
        "DeadlineExceeded" => "DeadlineExceeded",
        "PodFailurePolicy" => "PodFailurePolicy",
        "MaxFailedIndexesExceeded" => "MaxFailedIndexesExceeded",
        "FailedIndexes" => "FailedIndexes",
        _ => "BackoffLimitExceeded",
    }
}
