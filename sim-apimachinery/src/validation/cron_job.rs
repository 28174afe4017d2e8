//! Cron jobs. Source: pkg/apis/batch/validation; the schedule's own words are in `cron`.

use k8s_openapi::api::batch::v1::{CronJob, CronJobSpec};

use super::errors::Errors;
use super::go_value::label_selector;
use super::path::Path;
use super::{job, metadata};
use crate::{cron, names};

const SPEC: Path<'_> = Path::root("spec");
/// A job's name is the cron job's and eleven characters more.
const NAME_MAX: usize = 52;
const ZONE_PART_MAX: usize = 14;

/// What is wrong with a new cron job.
pub fn create(cron_job: &CronJob, errors: &mut Errors) {
    metadata::validate(&cron_job.metadata, true, names::dns1123_subdomain, errors);
    spec(&cron_job.spec, None, errors);
    let name = cron_job.metadata.name.as_deref().unwrap_or_default();
    if name.len() > NAME_MAX {
        errors.invalid(&Path::root("metadata").child("name"), name, &format!("must be no more than {NAME_MAX} characters"));
    }
}

/// What is wrong with a cron job's next state.
pub fn update(next: &CronJob, current: &CronJob, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    spec(&next.spec, Some(&current.spec), errors);
}

fn spec(spec: &CronJobSpec, before: Option<&CronJobSpec>, errors: &mut Errors) {
    if spec.schedule.is_empty() {
        errors.required(&SPEC.child("schedule"), "");
    } else {
        schedule(spec, before.is_some_and(|b| b.schedule.contains("TZ")), errors);
    }
    errors.not_negative(&SPEC.child("startingDeadlineSeconds"), spec.starting_deadline_seconds.unwrap_or(0));
    if let Some(zone) = spec.time_zone.as_ref().filter(|_| before.is_none_or(|b| b.time_zone != spec.time_zone)) {
        time_zone(zone, errors);
    }
    match spec.concurrency_policy.as_deref().unwrap_or_default() {
        "Allow" | "Forbid" | "Replace" => {}
        "" => errors.required(&SPEC.child("concurrencyPolicy"), ""),
        other => errors.not_supported(&SPEC.child("concurrencyPolicy"), other, &["Allow", "Forbid", "Replace"]),
    }
    job_template(spec, before, errors);
    errors.not_negative(&SPEC.child("successfulJobsHistoryLimit"), spec.successful_jobs_history_limit.unwrap_or(0).into());
    errors.not_negative(&SPEC.child("failedJobsHistoryLimit"), spec.failed_jobs_history_limit.unwrap_or(0).into());
}

fn schedule(spec: &CronJobSpec, zone_allowed: bool, errors: &mut Errors) {
    let at = SPEC.child("schedule");
    if let Err(text) = cron::parse(&spec.schedule) {
        errors.invalid(&at, &spec.schedule, &text);
    }
    match (zone_allowed, spec.schedule.contains("TZ")) {
        (true, true) if spec.time_zone.is_some() => {
            errors.invalid(&at, &spec.schedule, "cannot use both timeZone field and TZ or CRON_TZ in schedule");
        }
        (false, true) => {
            errors.invalid(&at, &spec.schedule, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead");
        }
        _ => {}
    }
}

fn time_zone(zone: &str, errors: &mut Errors) {
    let at = SPEC.child("timeZone");
    if zone.is_empty() {
        return errors.invalid(&at, zone, "timeZone must be nil or non-empty string");
    }
    let fine = |part: &str| {
        let letters = part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-+".contains(&b));
        (1..=ZONE_PART_MAX).contains(&part.len()) && letters && !part.starts_with('-') && !matches!(part, "." | "..")
    };
    if !zone.split('/').all(fine) {
        return errors.invalid(&at, zone, &format!("unknown time zone {zone}"));
    }
    if zone.eq_ignore_ascii_case("local") {
        errors.invalid(&at, zone, "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones");
    }
    if let Err(text) = cron::load_location(zone) {
        errors.invalid(&at, zone, &text);
    }
}

fn job_template(spec: &CronJobSpec, before: Option<&CronJobSpec>, errors: &mut Errors) {
    let template = spec.job_template.spec.clone().unwrap_or_default();
    let at = SPEC.child("jobTemplate");
    let at = at.child("spec");
    let before = before.and_then(|b| b.job_template.spec.as_ref()).map(|s| &s.template);
    job::job_spec(&template, before, &at, errors);
    if let Some(selector) = &template.selector {
        errors.invalid(&at.child("selector"), label_selector(selector), "`selector` will be auto-generated");
    }
    if template.manual_selector == Some(true) {
        errors.not_supported(&at.child("manualSelector"), true, &["nil", "false"]);
    }
}
