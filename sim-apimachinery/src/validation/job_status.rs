//! A job's status, as its controller writes it: counters only grow, and what ends a job fits together.
//! Source: pkg/apis/batch/validation, `getStatusValidationOptions` in pkg/registry/batch/job/strategy.go.

use k8s_openapi::api::batch::v1::{Job, JobStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::errors::Errors;
use super::go_value::{Raw, go_object, json_list, json_string};
use super::job_policy::{count_indexes, interval};
use super::metadata;
use super::path::Path;

const STATUS: Path<'_> = Path::root("status");

/// What is wrong with a job's next status. Most rules only look at what a write changes.
pub fn update(next: &Job, current: &Job, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    let (status, before) = (next.status.clone().unwrap_or_default(), current.status.clone().unwrap_or_default());
    let look = Look { job: next, status: &status, before: &before };
    look.counts(errors);
    look.uncounted(errors);
    look.ends(errors);
    look.indexes(errors);
    look.success(errors);
    look.steps(errors);
}

struct Look<'a> {
    job: &'a Job,
    status: &'a JobStatus,
    before: &'a JobStatus,
}

fn has(status: &JobStatus, kind: &str, value: &str) -> bool {
    status.conditions.iter().flatten().any(|c| c.type_ == kind && c.status == value)
}

fn is_finished(status: &JobStatus) -> bool {
    has(status, "Complete", "True") || has(status, "Failed", "True")
}

fn shown(time: Option<&Time>) -> Raw {
    Raw(time.map_or("null".into(), |t| json_string(&t.0.to_string())))
}

impl Look<'_> {
    fn is(&self, kind: &str) -> bool {
        has(self.status, kind, "True")
    }

    fn changed(&self, kind: &str) -> bool {
        self.is(kind) != has(self.before, kind, "True")
    }

    fn finished_changed(&self) -> bool {
        is_finished(self.status) != is_finished(self.before)
    }

    fn conditions(&self, wrong: bool, text: &str, errors: &mut Errors) {
        if wrong {
            errors.omitted(&STATUS.child("conditions"), text);
        }
    }

    fn counts(&self, errors: &mut Errors) {
        let counts = [
            ("active", self.status.active),
            ("succeeded", self.status.succeeded),
            ("failed", self.status.failed),
            ("ready", self.status.ready),
            ("terminating", self.status.terminating),
        ];
        for (field, count) in counts {
            errors.not_negative(&STATUS.child(field), count.unwrap_or(0).into());
        }
    }

    fn uncounted(&self, errors: &mut Errors) {
        let Some(pods) = &self.status.uncounted_terminated_pods else { return };
        let at = STATUS.child("uncountedTerminatedPods");
        let mut seen: Vec<&String> = Vec::new();
        for (field, uids) in [("succeeded", &pods.succeeded), ("failed", &pods.failed)] {
            let list = at.child(field);
            for (index, uid) in uids.iter().flatten().enumerate() {
                if uid.is_empty() {
                    errors.invalid(&list.index(index), uid, "must not be empty");
                } else if seen.contains(&uid) {
                    errors.duplicate(&list.index(index), uid);
                }
                seen.push(uid);
            }
        }
    }

    /// How and when it ended.
    fn ends(&self, errors: &mut Errors) {
        let (status, before) = (self.status, self.before);
        let (complete, failed) = (self.is("Complete"), self.is("Failed"));
        let times_changed = status.completion_time != before.completion_time;
        let both = (self.changed("Complete") || self.changed("Failed")) && complete && failed;
        self.conditions(both, "cannot set Complete=True and Failed=true conditions", errors);
        let target = (self.changed("Complete") || self.changed("FailureTarget")) && complete && self.is("FailureTarget");
        self.conditions(target, "cannot set Complete=True and FailureTarget=true conditions", errors);
        let at = STATUS.child("completionTime");
        if self.changed("Complete") || times_changed {
            match (&status.completion_time, complete) {
                (Some(_), false) => {
                    let text = "cannot set completionTime when there is no Complete=True condition";
                    errors.invalid(&at, shown(status.completion_time.as_ref()), text);
                }
                (None, true) => errors.required(&at, "completionTime is required for Complete jobs"),
                _ => {}
            }
        }
        let backwards = status.start_time.as_ref().zip(status.completion_time.as_ref()).is_some_and(|(s, c)| c.0 < s.0);
        if backwards && (times_changed || status.start_time != before.start_time) {
            errors.invalid(&at, shown(status.completion_time.as_ref()), "must be equal to or after `startTime`");
        }
        let lone_failure =
            (self.changed("Failed") || status.failed_indexes != before.failed_indexes) && failed && !self.is("FailureTarget");
        self.conditions(lone_failure, "cannot set Failed=True condition without the FailureTarget=true condition", errors);
        let lone_success = (self.changed("Complete") || self.changed("SuccessCriteriaMet")) && complete && !self.is("SuccessCriteriaMet");
        self.conditions(lone_success, "cannot set Complete=True condition without the SuccessCriteriaMet=true condition", errors);
        self.finished(errors);
    }

    fn finished(&self, errors: &mut Errors) {
        let (status, before, over) = (self.status, self.before, is_finished(self.status));
        if !over {
            return;
        }
        let active = status.active.unwrap_or(0);
        if active > 0 && (self.finished_changed() || status.active != before.active) {
            errors.invalid(&STATUS.child("active"), active, "active>0 is invalid for finished job");
        }
        let spec = self.job.spec.clone().unwrap_or_default();
        let nothing_to_do = spec.suspend == Some(true) && spec.completions == Some(0);
        if status.start_time.is_none() && (self.finished_changed() || before.start_time.is_some()) && !nothing_to_do {
            errors.required(&STATUS.child("startTime"), "startTime is required for finished job");
        }
        let pods = status.uncounted_terminated_pods.clone().unwrap_or_default();
        let (succeeded, failed) = (pods.succeeded.unwrap_or_default(), pods.failed.unwrap_or_default());
        let changed = self.finished_changed() || status.uncounted_terminated_pods != before.uncounted_terminated_pods;
        if changed && !(succeeded.is_empty() && failed.is_empty()) {
            let list = |uids: &[String]| if uids.is_empty() { "null".into() } else { json_list(uids.iter().map(|u| json_string(u))) };
            let value = go_object(&[("Succeeded", list(&succeeded)), ("Failed", list(&failed))]);
            errors.invalid(&STATUS.child("uncountedTerminatedPods"), value, "must be empty for finished job");
        }
    }

    fn indexes(&self, errors: &mut Errors) {
        let (status, before) = (self.status, self.before);
        let spec = self.job.spec.clone().unwrap_or_default();
        let completed = status.completed_indexes.as_deref().unwrap_or_default();
        let completed_changed = completed != before.completed_indexes.as_deref().unwrap_or_default();
        let failed_changed = status.failed_indexes != before.failed_indexes;
        let (completed_at, failed_at) = (STATUS.child("completedIndexes"), STATUS.child("failedIndexes"));
        if let Some(Err(text)) = spec.completions.filter(|_| completed_changed).map(|c| count_indexes(completed, c)) {
            errors.invalid(&completed_at, completed, &format!("error parsing completedIndexes: {text}"));
        }
        let failed = status.failed_indexes.as_deref();
        if let (Some(completions), Some(failed), true) =
            (spec.completions, failed, failed_changed && spec.backoff_limit_per_index.is_some())
            && let Err(text) = count_indexes(failed, completions)
        {
            errors.invalid(&failed_at, failed, &format!("error parsing failedIndexes: {text}"));
        }
        if completed_changed && !completed.is_empty() && spec.completion_mode.as_deref() != Some("Indexed") {
            errors.invalid(&completed_at, completed, "cannot set non-empty completedIndexes when non-indexed completion mode");
        }
        if let Some(failed) = failed.filter(|_| failed_changed && spec.backoff_limit_per_index.is_none()) {
            errors.invalid(&failed_at, failed, "cannot set non-null failedIndexes when backoffLimitPerIndex is null");
        }
        if let (Some(completions), Some(failed), true) = (spec.completions, failed, completed_changed || failed_changed)
            && let Some(index) = overlap(completed, failed, completions)
        {
            errors.invalid(&failed_at, failed, &format!("failedIndexes and completedIndexes overlap at index: {index}"));
        }
        let terminating = status.terminating.unwrap_or(0);
        if terminating > 0 && is_finished(status) && (self.finished_changed() || status.terminating != before.terminating) {
            errors.invalid(&STATUS.child("terminating"), terminating, "terminating>0 is invalid for finished job");
        }
        let changed = status.ready != before.ready || status.active != before.active;
        if let Some(ready) = status.ready.filter(|r| changed && *r > status.active.unwrap_or(0)) {
            errors.invalid(&STATUS.child("ready"), ready, "cannot set more ready pods than active");
        }
    }

    fn success(&self, errors: &mut Errors) {
        let met = self.is("SuccessCriteriaMet");
        self.conditions(met && self.is("Failed"), "cannot set SuccessCriteriaMet=True and Failed=true conditions", errors);
        self.conditions(met && self.is("FailureTarget"), "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions", errors);
        let has_policy = self.job.spec.as_ref().is_some_and(|s| s.success_policy.is_some());
        let text = "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True";
        self.conditions(has_policy && !met && self.is("Complete"), text, errors);
    }

    /// What a status may not go back on.
    fn steps(&self, errors: &mut Errors) {
        let (status, before) = (self.status, self.before);
        let spec = self.job.spec.clone().unwrap_or_default();
        for kind in ["Failed", "Complete", "FailureTarget"] {
            let wrong = has(before, kind, "True") && !self.is(kind);
            self.conditions(wrong, &format!("cannot disable the terminal {kind}=True condition"), errors);
        }
        let elastic = spec.completion_mode.as_deref() == Some("Indexed") && spec.completions == spec.parallelism;
        let counters = [("failed", status.failed, before.failed, true), ("succeeded", status.succeeded, before.succeeded, !elastic)];
        for (field, next, old, strict) in counters {
            if strict && next.unwrap_or(0) < old.unwrap_or(0) {
                errors.invalid(&STATUS.child(field), next.unwrap_or(0), &format!("cannot decrease the {field} counter"));
            }
        }
        if status.completion_time.is_some() && before.completion_time.is_some() && status.completion_time != before.completion_time {
            errors.invalid(&STATUS.child("completionTime"), shown(status.completion_time.as_ref()), "field is immutable");
        }
        let resuming = has(before, "Suspended", "True") && has(status, "Suspended", "False");
        let restarted = before.start_time.is_some() && before.start_time != status.start_time;
        if restarted && !resuming && spec.suspend != Some(true) {
            let text = "field is immutable for unsuspended job once set";
            errors.invalid(&STATUS.child("startTime"), shown(status.start_time.as_ref()), text);
        }
        let (was, is) = (has(before, "SuccessCriteriaMet", "True"), self.is("SuccessCriteriaMet"));
        self.conditions(was && !is, "cannot disable the SuccessCriteriaMet=True condition", errors);
        let late = has(before, "Complete", "True") && !was && is;
        self.conditions(late, "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions", errors);
    }
}

/// The first index that two texts of intervals share.
fn overlap(completed: &str, failed: &str, completions: i32) -> Option<i32> {
    let intervals = |text: &str| -> Vec<(i32, i32)> {
        text.split(',').filter(|_| !text.is_empty()).filter_map(|part| interval(part, completions).ok()).collect()
    };
    let failed = intervals(failed);
    intervals(completed).into_iter().find_map(|(from, to)| {
        let meets = failed.iter().find(|(first, last)| from <= *last && *first <= to);
        meets.map(|(first, _)| from.max(*first))
    })
}
