//! Makes jobs when their time has come (cronjob-controller).
//! Reads cron jobs and jobs from its caches; asks for jobs to be made and deleted, and for its own status. It sleeps until
//! a tenth of a second after the next time. Source: pkg/controller/cronjob.
//! Not modelled: a local time zone other than UTC.

mod history;
mod time_due;

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::ObjectReference as ApiReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use sim_apimachinery::cron::{self, Schedule};
use sim_apimachinery::{Answer, DeleteOptions, Kind, Object, ObjectKey, Part, Propagation, Reply, Verb};

use super::pod_control::{owner_key, owner_reference};
use crate::client_go::{Ask, CacheEvent, Controller, EventDraft, ObjectReference, Plan, Then, Tolerate, View, Wake};
use crate::component::ChangeType;
use crate::time::{MILLISECOND, Nanos, SECOND, SimTime};

/// So much later than the time it looks again.
const LATE: Nanos = 100 * MILLISECOND;
const SCHEDULED_AT: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";
const CREATED: u8 = 1;

/// The cron job controller.
#[derive(Clone, Debug, Default)]
pub struct CronJobController {
    /// Cron jobs whose status is to be written once the answer to the creation of a job is known.
    pending: std::collections::BTreeMap<ObjectKey, (CronJob, i64)>,
}

impl Controller for CronJobController {
    fn name(&self) -> &'static str {
        "cronjob-controller"
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::CronJob, Kind::Job]
    }

    /// Without this, a job that was just made would look like one that is missing, or like one of somebody else.
    fn guarded(&self) -> &'static [Kind] {
        &[Kind::Job, Kind::CronJob]
    }

    fn on_event(&mut self, event: &CacheEvent, _view: &mut View<'_>, wake: &mut Wake) {
        match &event.object {
            Object::CronJob(_) if event.change != ChangeType::Deleted => wake.now(event.object.key()),
            Object::Job(_) => owner_key(&event.object, Kind::CronJob).into_iter().for_each(|key| wake.now(key)),
            _ => {}
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, view: &mut View<'_>) -> Plan {
        let Some(cron_job) = view.caches.get::<CronJob>(&key.namespace, &key.name).cloned() else { return Plan::nothing() };
        let about = ObjectReference::to(&Object::CronJob(cron_job.clone()));
        let jobs: Vec<Arc<Job>> = view.caches.owned_by::<Job>(cron_job.metadata.uid.as_deref().unwrap_or_default()).cloned().collect();
        let mut next = (*cron_job).clone();
        let mut plan = Plan::nothing();
        history::clean(&mut next, &jobs, &about, &mut plan);
        history::observe(&mut next, &jobs, &about, &mut plan);
        let due = self.due(&next, view.now, &about, &mut plan);
        match due {
            Some((scheduled, _)) if self.may_start(&mut next, scheduled, view.now, &about, &mut plan) => {
                self.start(key, next, scheduled, &about, &mut plan);
                plan.decision = format!("the time {} has come", text_of(scheduled, None));
            }
            Some((_, schedule)) => finish(&cron_job, next, wait(&schedule, view.now), &mut plan),
            None => {
                let left = schedule_of(&next).ok().and_then(|s| wait(&s, view.now));
                finish(&cron_job, next, left, &mut plan);
            }
        }
        plan
    }

    fn resume(&mut self, key: &ObjectKey, _stage: u8, answers: &[Answer], view: &mut View<'_>) -> Plan {
        let Some((mut next, scheduled)) = self.pending.remove(key) else { return Plan::nothing() };
        let made = answers.iter().rev().find_map(|a| match a {
            Ok(Reply::Object(Object::Job(job))) if job.metadata.deletion_timestamp.is_none() => Some(job.clone()),
            _ => None,
        });
        let Some(job) = made else { return Plan::retry("the job could not be made") };
        let status = next.status.get_or_insert_default();
        status.active.get_or_insert_default().push(reference(&job));
        status.last_schedule_time = Timestamp::from_second(scheduled).ok().map(Time);
        let left = schedule_of(&next).ok().and_then(|s| wait(&s, view.now));
        let mut plan = Plan::nothing();
        plan.ask(Ask::new(Verb::Update { object: next.into(), part: Part::Status }, "a job was started"));
        plan.then = left.map_or(Then::Forget, Then::After);
        plan
    }
}

/// Writes what has changed and sleeps until the next time.
fn finish(current: &CronJob, next: CronJob, left: Option<Nanos>, plan: &mut Plan) {
    if next.status != current.status {
        plan.ask(Ask::new(Verb::Update { object: next.into(), part: Part::Status }, "jobs have come or gone"));
    }
    plan.then = left.map_or(Then::Forget, Then::After);
}

/// How long until a little after the next time.
fn wait(schedule: &Schedule, now: SimTime) -> Option<Nanos> {
    let next = schedule.next(now.seconds() as i64)?;
    Some(SimTime(u64::try_from(next).unwrap_or(0).saturating_mul(SECOND)).plus(LATE).since(now))
}

fn schedule_of(cron_job: &CronJob) -> Result<Schedule, String> {
    let spec = &cron_job.spec;
    match spec.time_zone.as_deref().filter(|_| !spec.schedule.contains("TZ")) {
        Some(zone) if cron::load_location(zone).is_ok() => cron::parse(&format!("TZ={zone} {}", spec.schedule)),
        _ => cron::parse(&spec.schedule),
    }
}

impl CronJobController {
    /// The time that has come and was not served, with the schedule.
    fn due(&self, cron_job: &CronJob, now: SimTime, about: &ObjectReference, plan: &mut Plan) -> Option<(i64, Schedule)> {
        if cron_job.metadata.deletion_timestamp.is_some() {
            return None;
        }
        if let Some(zone) = &cron_job.spec.time_zone
            && let Err(text) = cron::load_location(zone)
        {
            plan.tell(EventDraft::warning(about.clone(), "UnknownTimeZone", format!("invalid timeZone: {zone:?}: {text}")));
            return None;
        }
        if cron_job.spec.suspend == Some(true) {
            return None;
        }
        let schedule = match schedule_of(cron_job) {
            Ok(schedule) => schedule,
            Err(text) => {
                let message = format!("unparseable schedule: {:?} : {text}", cron_job.spec.schedule);
                plan.tell(EventDraft::warning(about.clone(), "UnparseableSchedule", message));
                return None;
            }
        };
        let (time, missed) = time_due::most_recent(cron_job, now.seconds() as i64, &schedule)?;
        if missed > time_due::MISSED_MAX {
            let text = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew";
            plan.tell(EventDraft::warning(about.clone(), "TooManyMissedTimes", text));
        }
        Some((time, schedule))
    }

    /// Whether a job may be made for this time; jobs to be replaced are deleted.
    fn may_start(&self, next: &mut CronJob, scheduled: i64, now: SimTime, about: &ObjectReference, plan: &mut Plan) -> bool {
        let deadline = next.spec.starting_deadline_seconds;
        let late = deadline.is_some_and(|d| SimTime(u64::try_from(scheduled.saturating_add(d)).unwrap_or(0).saturating_mul(SECOND)) < now);
        if late {
            let at = Timestamp::from_second(scheduled).unwrap_or_default().strftime("%a, %d %b %Y %H:%M:%S +0000").to_string();
            plan.tell(EventDraft::warning(about.clone(), "MissSchedule", format!("Missed scheduled time to start a job: {at}")));
            return false;
        }
        let name = job_name(next, scheduled);
        let status = next.status.clone().unwrap_or_default();
        let active = status.active.unwrap_or_default();
        let served = status.last_schedule_time.is_some_and(|t| t.0.as_second() == scheduled);
        if served || active.iter().any(|r| r.name.as_deref() == Some(&name)) {
            return false;
        }
        match next.spec.concurrency_policy.as_deref() {
            Some("Forbid") if !active.is_empty() => {
                let text = "Not starting job because prior execution is running and concurrency policy is Forbid";
                plan.tell(EventDraft::normal(about.clone(), "JobAlreadyActive", text));
                false
            }
            Some("Replace") => {
                let namespace = next.metadata.namespace.clone().unwrap_or_default();
                for job in active.iter().filter_map(|r| r.name.clone()) {
                    plan.ask(history::deletion(&namespace, &job, about));
                }
                next.status.get_or_insert_default().active = None;
                true
            }
            _ => true,
        }
    }

    fn start(&mut self, key: &ObjectKey, next: CronJob, scheduled: i64, about: &ObjectReference, plan: &mut Plan) {
        let job = job_for(&next, scheduled);
        let ask = Ask::new(Verb::Create { object: job.into() }, "its time has come")
            .tolerating(Tolerate::AlreadyExists)
            .telling(EventDraft::normal(about.clone(), "SuccessfulCreate", "").then_name("Created job "))
            .or_telling(EventDraft::warning(about.clone(), "FailedCreate", "").then_error("Error creating job: "));
        plan.ask(ask);
        plan.then = Then::Resume(CREATED);
        self.pending.insert(key.clone(), (next, scheduled));
    }
}

fn job_name(cron_job: &CronJob, scheduled: i64) -> String {
    format!("{}-{}", cron_job.metadata.name.as_deref().unwrap_or_default(), scheduled / 60)
}

fn job_for(cron_job: &CronJob, scheduled: i64) -> Job {
    let template = cron_job.spec.job_template.clone();
    let metadata = template.metadata.unwrap_or_default();
    let mut annotations = metadata.annotations.unwrap_or_default();
    annotations.insert(SCHEDULED_AT.into(), text_of(scheduled, cron_job.spec.time_zone.as_deref()));
    Job {
        metadata: ObjectMeta {
            name: Some(job_name(cron_job, scheduled)),
            namespace: cron_job.metadata.namespace.clone(),
            labels: metadata.labels,
            annotations: Some(annotations),
            owner_references: Some(vec![owner_reference(&Object::from(cron_job.clone()))]),
            ..Default::default()
        },
        spec: template.spec,
        status: None,
    }
}

/// A moment in a zone, as RFC 3339.
fn text_of(unix: i64, zone: Option<&str>) -> String {
    let moment = Timestamp::from_second(unix).unwrap_or_default();
    let zone = zone.and_then(|z| cron::load_location(z).ok()).filter(|z| *z != TimeZone::UTC);
    match zone {
        Some(zone) => moment.to_zoned(zone).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
        None => moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    }
}

fn reference(job: &Arc<Job>) -> ApiReference {
    let object = Object::Job(job.clone());
    ApiReference {
        api_version: Some(object.api_version()),
        kind: Some("Job".into()),
        name: job.metadata.name.clone(),
        namespace: job.metadata.namespace.clone(),
        uid: job.metadata.uid.clone(),
        resource_version: job.metadata.resource_version.clone(),
        ..Default::default()
    }
}

/// Options of a deletion in the background.
fn in_background() -> DeleteOptions {
    DeleteOptions { propagation: Some(Propagation::Background), ..DeleteOptions::default() }
}
