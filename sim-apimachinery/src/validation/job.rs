//! Jobs: their spec, the selector and labels the server gives them, and what may not change.
//! Source: pkg/apis/batch/validation, pkg/registry/batch/job/strategy.go.

use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{Affinity, PodTemplateSpec};

use super::errors::Errors;
use super::go_value::{Raw, json_string, label_selector};
use super::path::Path;
use super::{internal, job_policy, labels, metadata, pod, workloads};
use crate::names;
use crate::selector::Selector;

const SPEC: Path<'_> = Path::root("spec");
const INDEXED_MAX: i32 = 100_000;
const INDEXED_MANY_MAX: i32 = 10_000;
const MANAGED_BY_MAX: usize = 63;
const UID_LABELS: [&str; 2] = ["controller-uid", "batch.kubernetes.io/controller-uid"];
const NAME_LABELS: [&str; 2] = ["job-name", "batch.kubernetes.io/job-name"];

/// What is wrong with a new job.
pub fn create(job: &Job, errors: &mut Errors) {
    whole(job, None, errors);
}

/// What is wrong with a job's next state.
pub fn update(next: &Job, current: &Job, errors: &mut Errors) {
    whole(next, Some(current), errors);
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    let (spec, before) = (next.spec.clone().unwrap_or_default(), current.spec.clone().unwrap_or_default());
    with_selector(&spec, Some(&before), errors);
    completions(&spec, &before, errors);
    frozen(&spec, &before, current, errors);
}

fn whole(job: &Job, current: Option<&Job>, errors: &mut Errors) {
    metadata::validate(&job.metadata, true, names::dns1123_subdomain, errors);
    let spec = job.spec.clone().unwrap_or_default();
    let before = current.and_then(|c| c.spec.clone());
    generated_selector(job, &spec, before.as_ref(), errors);
    with_selector(&spec, before.as_ref(), errors);
    let last = spec.completions.filter(|c| *c > 0 && is_indexed(&spec));
    if let Some(count) = last {
        let name = job.metadata.name.as_deref().unwrap_or_default();
        let host = format!("{name}-{}", count - 1);
        if !names::dns1123_label(&host).is_empty() {
            let text = format!("will not able to create pod with invalid DNS label: {host}");
            errors.invalid(&Path::root("metadata").child("name"), name, &text);
        }
    }
}

fn is_indexed(spec: &JobSpec) -> bool {
    spec.completion_mode.as_deref() == Some("Indexed")
}

/// The labels and the selector that the server makes; a user who makes them himself says so with `manualSelector`.
fn generated_selector(job: &Job, spec: &JobSpec, before: Option<&JobSpec>, errors: &mut Errors) {
    let Some(selector) = spec.selector.as_ref().filter(|_| spec.manual_selector != Some(true)) else { return };
    let (uid, name) = (job.metadata.uid.as_deref().unwrap_or_default(), job.metadata.name.as_deref().unwrap_or_default());
    let prefixed = before.is_none_or(|b| label_of(&b.template, UID_LABELS[1]).is_some() && label_of(&b.template, NAME_LABELS[1]).is_some());
    let kinds = if prefixed { 2 } else { 1 };
    let mut expected = std::collections::BTreeMap::new();
    for index in 0..kinds {
        for (key, value) in [(UID_LABELS[index], uid), (NAME_LABELS[index], name)] {
            has_label(&spec.template, key, value, errors);
            expected.insert(key.to_owned(), value.to_owned());
        }
    }
    if Selector::from_label_selector(selector).is_ok_and(|s| !s.matches(&expected)) {
        errors.invalid(&SPEC.child("selector"), label_selector(selector), "`selector` not auto-generated");
    }
}

fn label_of<'a>(template: &'a PodTemplateSpec, key: &str) -> Option<&'a String> {
    template.metadata.as_ref()?.labels.as_ref()?.get(key)
}

fn has_label(template: &PodTemplateSpec, key: &str, expected: &str, errors: &mut Errors) {
    let at = SPEC.child("template");
    let at = at.child("metadata");
    let at = at.child("labels");
    match label_of(template, key) {
        None => errors.required(&at.key(key), &format!("must be '{expected}'")),
        Some(found) if found != expected => {
            let labels = template.metadata.as_ref().and_then(|m| m.labels.clone()).unwrap_or_default();
            errors.invalid(&at.key(key), Raw(super::go_value::json_map(&labels)), &format!("must be '{expected}'"));
        }
        Some(_) => {}
    }
}

fn with_selector(spec: &JobSpec, before: Option<&JobSpec>, errors: &mut Errors) {
    job_spec(spec, before.map(|b| &b.template), &SPEC, errors);
    let found = errors.len();
    match &spec.selector {
        Some(selector) => labels::label_selector(selector, &SPEC.child("selector"), errors),
        None => errors.required(&SPEC.child("selector"), ""),
    }
    let nothing = Default::default();
    let labels = spec.template.metadata.as_ref().and_then(|m| m.labels.as_ref()).unwrap_or(&nothing);
    let matches = |s| Selector::from_label_selector(s).is_ok_and(|s| s.matches(labels));
    if spec.selector.is_none() || errors.len() == found && !spec.selector.as_ref().is_some_and(matches) {
        workloads::mismatch(&spec.template, errors);
    }
}

/// A job's spec, or that in a cron job's template.
pub fn job_spec(spec: &JobSpec, before: Option<&PodTemplateSpec>, at: &Path<'_>, errors: &mut Errors) {
    let numbers = [
        ("parallelism", spec.parallelism.map(i64::from)),
        ("completions", spec.completions.map(i64::from)),
        ("activeDeadlineSeconds", spec.active_deadline_seconds),
        ("backoffLimit", spec.backoff_limit.map(i64::from)),
        ("ttlSecondsAfterFinished", spec.ttl_seconds_after_finished.map(i64::from)),
        ("backoffLimitPerIndex", spec.backoff_limit_per_index.map(i64::from)),
        ("maxFailedIndexes", spec.max_failed_indexes.map(i64::from)),
    ];
    for (field, value) in numbers {
        errors.not_negative(&at.child(field), value.unwrap_or(0));
    }
    if spec.max_failed_indexes.is_some() && spec.backoff_limit_per_index.is_none() {
        errors.required(&at.child("backoffLimitPerIndex"), "when maxFailedIndexes is specified");
    }
    if let Some(manager) = &spec.managed_by {
        managed_by(manager, &at.child("managedBy"), errors);
    }
    completion_mode(spec, at, errors);
    if spec.pod_failure_policy.is_some() {
        job_policy::failure(spec, &at.child("podFailurePolicy"), errors);
    }
    if let Some(policy) = &spec.success_policy {
        job_policy::success(policy, spec, &at.child("successPolicy"), errors);
    }
    job_policy::replacement(spec, &at.child("podReplacementPolicy"), errors);
    pod::template(&spec.template, before, &at.child("template"), errors);
    restart_policy(spec, at, errors);
}

fn managed_by(text: &str, at: &Path<'_>, errors: &mut Errors) {
    match text.split_once('/') {
        _ if text.is_empty() => errors.required(at, ""),
        Some((host, path)) if !host.is_empty() && !path.is_empty() => {
            errors.invalid_each(at, host, names::dns1123_subdomain(host));
            let fine = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:/%@".contains(&b);
            if !path.bytes().all(fine) {
                errors.invalid(at, path, r"Invalid path (regex used for validation is '[A-Za-z0-9/\-._~%!$&'()*+,;=:]+')");
            }
        }
        _ => errors.invalid(at, text, "must be a domain-prefixed path (such as \"acme.io/foo\")"),
    }
    if text.len() > MANAGED_BY_MAX {
        errors.too_long(at, MANAGED_BY_MAX);
    }
}

fn completion_mode(spec: &JobSpec, at: &Path<'_>, errors: &mut Errors) {
    match spec.completion_mode.as_deref() {
        Some("Indexed") => indexed(spec, at, errors),
        None | Some("NonIndexed") => {
            for (field, value) in [("backoffLimitPerIndex", spec.backoff_limit_per_index), ("maxFailedIndexes", spec.max_failed_indexes)] {
                if let Some(value) = value {
                    errors.invalid(&at.child(field), value, "requires indexed completion mode");
                }
            }
        }
        Some(other) => errors.not_supported(&at.child("completionMode"), other, &["NonIndexed", "Indexed"]),
    }
}

fn indexed(spec: &JobSpec, at: &Path<'_>, errors: &mut Errors) {
    if spec.completions.is_none() {
        errors.required(&at.child("completions"), "when completion mode is Indexed");
    }
    if let Some(many) = spec.parallelism.filter(|p| *p > INDEXED_MAX) {
        let text = format!("must be less than or equal to {INDEXED_MAX} when completion mode is Indexed");
        errors.invalid(&at.child("parallelism"), many, &text);
    }
    let failed_at = at.child("maxFailedIndexes");
    if let (Some(completions), Some(most)) = (spec.completions, spec.max_failed_indexes)
        && most > completions
    {
        errors.invalid(&failed_at, most, "must be less than or equal to completions");
    }
    if let Some(most) = spec.max_failed_indexes.filter(|m| *m > INDEXED_MAX) {
        errors.invalid(&failed_at, most, &format!("must be less than or equal to {INDEXED_MAX}"));
    }
    if spec.completions.is_none_or(|c| c <= INDEXED_MAX) || spec.backoff_limit_per_index.is_none() {
        return;
    }
    let text = format!(
        "must be less than or equal to {INDEXED_MANY_MAX} when completions are above {INDEXED_MAX} and used with backoff limit per index"
    );
    if spec.max_failed_indexes.is_none() {
        errors.required(&failed_at, &format!("must be specified when completions is above {INDEXED_MAX}"));
    }
    if let Some(many) = spec.parallelism.filter(|p| *p > INDEXED_MANY_MAX) {
        errors.invalid(&at.child("parallelism"), many, &text);
    }
    if let Some(many) = spec.max_failed_indexes.filter(|m| *m > INDEXED_MANY_MAX) {
        errors.invalid(&failed_at, many, &text);
    }
}

fn restart_policy(spec: &JobSpec, at: &Path<'_>, errors: &mut Errors) {
    let at = at.child("template");
    let at = at.child("spec");
    let at = at.child("restartPolicy");
    match spec.template.spec.as_ref().and_then(|s| s.restart_policy.as_deref()).unwrap_or_default() {
        "Always" | "" => errors.required(&at, "valid values: \"OnFailure\", \"Never\""),
        "OnFailure" if spec.pod_failure_policy.is_some() => {
            errors.invalid(&at, "OnFailure", "only \"Never\" is supported when podFailurePolicy is specified");
        }
        "OnFailure" | "Never" => {}
        other => errors.not_supported(&at, other, &["OnFailure", "Never"]),
    }
}

fn completions(spec: &JobSpec, before: &JobSpec, errors: &mut Errors) {
    if spec.completions == before.completions {
        return;
    }
    let at = SPEC.child("completions");
    match spec.completions {
        value if !is_indexed(spec) => errors.invalid(&at, value, "field is immutable"),
        Some(value) if Some(value) != spec.parallelism => {
            errors.invalid(&at, value, "can only be modified in tandem with spec.parallelism");
        }
        _ => {}
    }
}

fn frozen(spec: &JobSpec, before: &JobSpec, current: &Job, errors: &mut Errors) {
    if spec.selector != before.selector {
        let value = spec.selector.as_ref().map_or_else(|| Raw("null".into()), label_selector);
        errors.invalid(&SPEC.child("selector"), value, "field is immutable");
    }
    template(spec, before, current, errors);
    if spec.completion_mode != before.completion_mode {
        errors.invalid(&SPEC.child("completionMode"), spec.completion_mode.as_ref(), "field is immutable");
    }
    if spec.pod_failure_policy != before.pod_failure_policy {
        errors.invalid(&SPEC.child("podFailurePolicy"), job_policy::failure_shown(spec), "field is immutable");
    }
    if spec.backoff_limit_per_index != before.backoff_limit_per_index {
        errors.invalid(&SPEC.child("backoffLimitPerIndex"), spec.backoff_limit_per_index, "field is immutable");
    }
    if spec.managed_by != before.managed_by {
        errors.invalid(&SPEC.child("managedBy"), Raw(spec.managed_by.as_deref().map_or("null".into(), json_string)), "field is immutable");
    }
    if spec.success_policy != before.success_policy {
        errors.invalid(&SPEC.child("successPolicy"), job_policy::success_shown(spec.success_policy.as_ref()), "field is immutable");
    }
}

/// The template is frozen; while the job is suspended and runs nothing, where its pods go and what they ask for may change.
fn template(spec: &JobSpec, before: &JobSpec, current: &Job, errors: &mut Errors) {
    let idle = may_change(current);
    let mut expected = before.template.clone();
    if idle {
        adopt_placement(&mut expected, &spec.template);
    }
    if before.suspend != Some(true) || !idle {
        if spec.template != expected {
            errors.invalid(&SPEC.child("template"), internal::blamed("PodTemplateSpec", &spec.template), "field is immutable");
        }
        return;
    }
    adopt_resources(&mut expected, &spec.template);
    if spec.template.spec != expected.spec {
        let shown = spec.template.spec.as_ref().map_or_else(|| Raw("null".into()), |s| internal::blamed("PodSpec", s));
        errors.invalid(&SPEC.child("template.spec"), shown, "field is immutable");
    }
}

fn may_change(job: &Job) -> bool {
    let suspended = job.spec.as_ref().is_some_and(|s| s.suspend == Some(true));
    let status = job.status.clone().unwrap_or_default();
    let known = status.conditions.iter().flatten().any(|c| c.type_ == "Suspended" && c.status == "True");
    suspended && status.active.unwrap_or(0) == 0 && (status.start_time.is_none() || known)
}

fn adopt_placement(expected: &mut PodTemplateSpec, next: &PodTemplateSpec) {
    let (Some(old), Some(new)) = (expected.spec.as_mut(), next.spec.as_ref()) else { return };
    let wanted = new.affinity.as_ref().and_then(|a| a.node_affinity.clone());
    match (old.affinity.as_mut(), &new.affinity) {
        (Some(affinity), _) => affinity.node_affinity = wanted,
        (None, Some(_)) => old.affinity = Some(Affinity { node_affinity: wanted, ..Default::default() }),
        (None, None) => {}
    }
    if new.affinity.is_none() && old.affinity == Some(Affinity::default()) {
        old.affinity = None;
    }
    old.node_selector = new.node_selector.clone();
    old.tolerations = new.tolerations.clone();
    old.scheduling_gates = new.scheduling_gates.clone();
    let metadata = next.metadata.clone().unwrap_or_default();
    let target = expected.metadata.get_or_insert_default();
    target.labels = metadata.labels;
    target.annotations = metadata.annotations;
}

fn adopt_resources(expected: &mut PodTemplateSpec, next: &PodTemplateSpec) {
    let (Some(old), Some(new)) = (expected.spec.as_mut(), next.spec.as_ref()) else { return };
    let new_init = new.init_containers.as_deref().unwrap_or_default();
    let old_init = old.init_containers.as_deref_mut().unwrap_or_default();
    let pairs = [(&mut old.containers[..], &new.containers[..]), (old_init, new_init)];
    for (old, new) in pairs.into_iter().filter(|(old, new)| old.len() == new.len()) {
        for (old, new) in old.iter_mut().zip(new).filter(|(old, new)| old.name == new.name) {
            old.resources = new.resources.clone();
        }
    }
}
