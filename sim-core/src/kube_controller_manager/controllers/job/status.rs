//! A job's status: what became of its pods, and when it is done.

use std::sync::Arc;

use k8s_openapi::api::batch::v1::{Job, JobCondition, JobStatus, UncountedTerminatedPods};
use k8s_openapi::api::core::v1::Pod;
use sim_apimachinery::{Object, Part, Verb};

use super::pods::{has_failed, has_succeeded, is_active, is_ready, is_terminating, is_tracked, restarts};
use crate::client_go::{Ask, EventDraft, ObjectReference, Plan};
use crate::time::{Nanos, SECOND, SimTime};

/// How many pods are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Not ended.
    pub active: usize,
    /// Of those, ready.
    pub ready: usize,
    /// Not ended and asked to end.
    pub terminating: usize,
    /// Ended well, counted or not.
    pub succeeded: usize,
    /// Ended badly, counted or not.
    pub failed: usize,
}

fn uncounted(job: &Job) -> UncountedTerminatedPods {
    job.status.as_ref().and_then(|s| s.uncounted_terminated_pods.clone()).unwrap_or_default()
}

fn uid(pod: &Pod) -> &str {
    pod.metadata.uid.as_deref().unwrap_or_default()
}

/// Whether a pod is written down as ended and not yet counted.
pub fn is_uncounted(job: &Job, pod: &Pod) -> bool {
    let known = uncounted(job);
    known.succeeded.iter().chain(&known.failed).flatten().any(|u| u == uid(pod))
}

/// Ended pods that nobody has written down yet.
pub fn newly_finished<'a>(job: &'a Job, own: &'a [Arc<Pod>]) -> impl Iterator<Item = &'a Arc<Pod>> {
    own.iter().filter(|p| is_tracked(p) && !is_active(p) && !is_uncounted(job, p))
}

/// Counts a job's pods.
pub fn count(job: &Job, own: &[Arc<Pod>]) -> Counts {
    let status = job.status.clone().unwrap_or_default();
    let known = uncounted(job);
    let number = |n: Option<i32>| n.unwrap_or(0).max(0) as usize;
    let fresh = |ended: fn(&Pod) -> bool| newly_finished(job, own).filter(|p| ended(p)).count();
    Counts {
        active: own.iter().filter(|p| is_active(p)).count(),
        ready: own.iter().filter(|p| is_active(p) && is_ready(p)).count(),
        terminating: own.iter().filter(|p| is_terminating(p)).count(),
        succeeded: number(status.succeeded) + known.succeeded.map_or(0, |u| u.len()) + fresh(has_succeeded),
        failed: number(status.failed) + known.failed.map_or(0, |u| u.len()) + fresh(has_failed),
    }
}

fn condition(kind: &str, reason: &str, message: &str, now: SimTime) -> JobCondition {
    JobCondition {
        type_: kind.into(),
        status: "True".into(),
        reason: Some(reason.into()),
        message: Some(message.into()),
        last_probe_time: Some(now.to_time()),
        last_transition_time: Some(now.to_time()),
    }
}

fn find<'a>(status: &'a JobStatus, kind: &str) -> Option<&'a JobCondition> {
    status.conditions.iter().flatten().find(|c| c.type_ == kind && c.status == "True")
}

/// Complete or failed for good.
pub fn is_finished(job: &Job) -> bool {
    job.status.as_ref().is_some_and(|s| find(s, "Complete").is_some() || find(s, "Failed").is_some())
}

/// Why the job has failed, if it has.
pub fn failure(job: &Job, next: &JobStatus, counts: &Counts, own: &[Arc<Pod>], now: SimTime) -> Option<JobCondition> {
    if let Some(known) = find(next, "FailureTarget") {
        return Some(known.clone());
    }
    if find(next, "SuccessCriteriaMet").is_some() {
        return None;
    }
    let spec = job.spec.clone().unwrap_or_default();
    let limit = spec.backoff_limit.unwrap_or(6).max(0);
    let on_failure = spec.template.spec.as_ref().and_then(|s| s.restart_policy.as_deref()) == Some("OnFailure");
    let restarted: i32 = own.iter().filter(|p| is_active(p)).map(|p| restarts(p)).sum();
    let worn_out = on_failure && if limit == 0 { restarted > 0 } else { restarted >= limit };
    if counts.failed > limit as usize || worn_out {
        return Some(condition("FailureTarget", "BackoffLimitExceeded", "Job has reached the specified backoff limit", now));
    }
    let late = deadline_left(job, next, now) == Some(0);
    late.then(|| condition("FailureTarget", "DeadlineExceeded", "Job was active longer than specified deadline", now))
}

/// How long until the job's deadline; nothing if it has none.
pub fn deadline_left(job: &Job, next: &JobStatus, now: SimTime) -> Option<Nanos> {
    let spec = job.spec.as_ref()?;
    let seconds = u64::try_from(spec.active_deadline_seconds?).ok()?;
    let start = next.start_time.as_ref().filter(|_| spec.suspend != Some(true))?;
    Some(SimTime::from_time(start).plus(seconds * SECOND).since(now))
}

/// Whether as many pods succeeded as were asked for.
pub fn is_complete(job: &Job, counts: &Counts, active: usize) -> bool {
    match job.spec.as_ref().and_then(|s| s.completions) {
        None => counts.succeeded > 0 && active == 0,
        Some(completions) => counts.succeeded >= completions.max(0) as usize && active == 0,
    }
}

/// Writes the numbers of the moment, and whether the job is suspended.
pub fn describe(next: &mut JobStatus, counts: &Counts, active: usize, suspended: bool, now: SimTime, plan: &mut Plan, job: &Arc<Job>) {
    let some = |n: usize| (n > 0).then_some(n as i32);
    next.active = some(active);
    next.ready = Some(counts.ready as i32);
    next.terminating = Some(counts.terminating as i32);
    next.uncounted_terminated_pods.get_or_insert_default();
    let was = next.conditions.iter().flatten().find(|c| c.type_ == "Suspended").map(|c| c.status == "True");
    if was.unwrap_or(false) == suspended {
        return;
    }
    let (reason, message, event) =
        if suspended { ("JobSuspended", "Job suspended", "Suspended") } else { ("JobResumed", "Job resumed", "Resumed") };
    let conditions = next.conditions.get_or_insert_default();
    conditions.retain(|c| c.type_ != "Suspended");
    let status = if suspended { "True" } else { "False" };
    conditions.push(JobCondition { status: status.into(), ..condition("Suspended", reason, message, now) });
    next.start_time = (!suspended).then(|| now.to_time());
    plan.tell(EventDraft::normal(ObjectReference::to(&Object::Job(job.clone())), event, message));
}

/// The condition that says what the end will be, before it is there.
pub fn interim(next: &mut JobStatus, failed: Option<&JobCondition>, complete: bool, now: SimTime) {
    let done = condition("SuccessCriteriaMet", "CompletionsReached", "Reached expected number of succeeded pods", now);
    let wanted = failed.cloned().or(complete.then_some(done));
    if let Some(wanted) = wanted.filter(|w| find(next, &w.type_).is_none()) {
        next.conditions.get_or_insert_default().push(wanted);
    }
}

/// Writes down the pods that ended. When the job has failed, pods that have not ended count as failed.
pub fn add_uncounted(next: &mut JobStatus, job: &Job, own: &[Arc<Pod>], over: bool) {
    let uncounted = next.uncounted_terminated_pods.get_or_insert_default();
    for pod in own.iter().filter(|p| is_tracked(p) && !is_uncounted(job, p)) {
        if has_succeeded(pod) {
            uncounted.succeeded.get_or_insert_default().push(uid(pod).to_owned());
        } else if has_failed(pod) || over {
            uncounted.failed.get_or_insert_default().push(uid(pod).to_owned());
        }
    }
}

/// The uncounted become counted.
pub fn count_uncounted(next: &mut JobStatus) {
    let uncounted = next.uncounted_terminated_pods.take().unwrap_or_default();
    let add = |to: &mut Option<i32>, uids: Option<Vec<String>>| {
        let more = uids.map_or(0, |u| u.len() as i32);
        if more > 0 {
            *to = Some(to.unwrap_or(0) + more);
        }
    };
    add(&mut next.succeeded, uncounted.succeeded);
    add(&mut next.failed, uncounted.failed);
    next.uncounted_terminated_pods = Some(UncountedTerminatedPods::default());
}

/// The last condition, once nothing is under way any more. It comes back if it is new.
pub fn enact(next: &mut JobStatus, now: SimTime) -> Option<JobCondition> {
    let (kind, from) = match (find(next, "FailureTarget"), find(next, "SuccessCriteriaMet")) {
        (Some(failed), _) => ("Failed", failed.clone()),
        (None, Some(done)) => ("Complete", done.clone()),
        (None, None) => return None,
    };
    if next.terminating.unwrap_or(0) > 0 || find(next, kind).is_some() {
        return None;
    }
    let last = condition(kind, from.reason.as_deref().unwrap_or_default(), from.message.as_deref().unwrap_or_default(), now);
    next.conditions.get_or_insert_default().push(last.clone());
    if kind == "Complete" {
        next.completion_time = Some(now.to_time());
    }
    Some(last)
}

/// The event of a job's end.
pub fn farewell(job: &Arc<Job>, end: &JobCondition) -> EventDraft {
    let about = ObjectReference::to(&Object::Job(job.clone()));
    if end.type_ == "Complete" {
        return EventDraft::normal(about, "Completed", "Job completed");
    }
    let reason = if end.reason.as_deref() == Some("DeadlineExceeded") { "DeadlineExceeded" } else { "BackoffLimitExceeded" };
    EventDraft::warning(about, reason, end.message.clone().unwrap_or_default())
}

/// Writes a status.
pub fn write(job: &Arc<Job>, status: JobStatus, reason: &str) -> Ask {
    let next = Job { status: Some(status), ..(**job).clone() };
    Ask::new(Verb::Update { object: next.into(), part: Part::Status }, reason)
}
