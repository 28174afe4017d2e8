//! A job's policies: which failures count, when it has succeeded, when a pod is replaced.
//! Source: pkg/apis/batch/validation.

use k8s_openapi::api::batch::v1::{
    JobSpec, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyOnPodConditionsPattern, PodFailurePolicyRule, SuccessPolicy,
    SuccessPolicyRule,
};

use super::errors::Errors;
use super::go_value::{Raw, go_object, json_list, json_string, shown};
use super::path::Path;
use crate::names;

const RULES_MAX: usize = 20;
const EXIT_CODES_MAX: usize = 255;
const INDEXES_BYTES_MAX: usize = 64 * 1024;
const ACTIONS: [&str; 4] = ["Count", "FailIndex", "FailJob", "Ignore"];
const STATUSES: [&str; 3] = ["False", "True", "Unknown"];

/// The pod failure policy.
pub fn failure(spec: &JobSpec, at: &Path<'_>, errors: &mut Errors) {
    let rules = spec.pod_failure_policy.as_ref().map(|p| p.rules.as_slice()).unwrap_or_default();
    let at = at.child("rules");
    if rules.len() > RULES_MAX {
        errors.too_many(&at, rules.len(), RULES_MAX);
    }
    for (index, rule) in rules.iter().enumerate() {
        failure_rule(spec, rule, &at.index(index), errors);
    }
}

/// `valid values: ["In" "NotIn"]`, as Go prints a list of strings.
fn valid_values(values: &[&str]) -> String {
    let quoted: Vec<String> = values.iter().map(shown).collect();
    format!("valid values: [{}]", quoted.join(" "))
}

fn failure_rule(spec: &JobSpec, rule: &PodFailurePolicyRule, at: &Path<'_>, errors: &mut Errors) {
    let action = at.child("action");
    match rule.action.as_str() {
        "" => errors.required(&action, &valid_values(&ACTIONS)),
        "FailIndex" if spec.backoff_limit_per_index.is_none() => {
            errors.invalid(&action, "FailIndex", "requires the backoffLimitPerIndex to be set");
        }
        other if !ACTIONS.contains(&other) => errors.not_supported(&action, other, &ACTIONS),
        _ => {}
    }
    if let Some(codes) = &rule.on_exit_codes {
        exit_codes(codes, spec, &at.child("onExitCodes"), errors);
    }
    let patterns = rule.on_pod_conditions.as_deref().unwrap_or_default();
    pod_conditions(patterns, &at.child("onPodConditions"), errors);
    match (rule.on_exit_codes.is_some(), !patterns.is_empty()) {
        (true, true) => errors.omitted(at, "specifying both OnExitCodes and OnPodConditions is not supported"),
        (false, false) => errors.omitted(at, "specifying one of OnExitCodes and OnPodConditions is required"),
        _ => {}
    }
}

fn pod_conditions(patterns: &[PodFailurePolicyOnPodConditionsPattern], at: &Path<'_>, errors: &mut Errors) {
    if patterns.len() > RULES_MAX {
        errors.too_many(at, patterns.len(), RULES_MAX);
    }
    for (index, pattern) in patterns.iter().enumerate() {
        let at = at.index(index);
        errors.invalid_each(&at.child("type"), &pattern.type_, names::qualified_name(&pattern.type_));
        match pattern.status.as_deref().unwrap_or_default() {
            "" => errors.required(&at.child("status"), &valid_values(&STATUSES)),
            other if !STATUSES.contains(&other) => errors.not_supported(&at.child("status"), other, &STATUSES),
            _ => {}
        }
    }
}

fn exit_codes(codes: &PodFailurePolicyOnExitCodesRequirement, spec: &JobSpec, at: &Path<'_>, errors: &mut Errors) {
    match codes.operator.as_str() {
        "" => errors.required(&at.child("operator"), &valid_values(&["In", "NotIn"])),
        "In" | "NotIn" => {}
        other => errors.not_supported(&at.child("operator"), other, &["In", "NotIn"]),
    }
    if let Some(name) = codes.container_name.as_ref().filter(|name| !has_container(spec, name)) {
        errors.invalid(&at.child("containerName"), name, "must be one of the container or initContainer names in the pod template");
    }
    let at = at.child("values");
    let numbers = || Raw(json_list(codes.values.iter().map(i32::to_string)));
    if codes.values.is_empty() {
        errors.invalid(&at, numbers(), "at least one value is required");
    } else if codes.values.len() > EXIT_CODES_MAX {
        errors.too_many(&at, codes.values.len(), EXIT_CODES_MAX);
    }
    for (index, code) in codes.values.iter().enumerate() {
        if codes.operator == "In" && *code == 0 {
            errors.invalid(&at.index(index), *code, "must not be 0 for the In operator");
        }
        if codes.values[..index].contains(code) {
            errors.duplicate(&at.index(index), *code);
        }
    }
    if !codes.values.is_sorted() {
        errors.invalid(&at, numbers(), "must be ordered");
    }
}

fn has_container(spec: &JobSpec, name: &str) -> bool {
    let pod = spec.template.spec.as_ref();
    pod.is_some_and(|p| p.containers.iter().chain(p.init_containers.iter().flatten()).any(|c| c.name == name))
}

/// The pod replacement policy.
pub fn replacement(spec: &JobSpec, at: &Path<'_>, errors: &mut Errors) {
    let supported: &[&str] = if spec.pod_failure_policy.is_some() { &["Failed"] } else { &["Failed", "TerminatingOrFailed"] };
    if let Some(other) = spec.pod_replacement_policy.as_deref().filter(|p| !supported.contains(p)) {
        errors.not_supported(at, other, supported);
    }
}

/// The success policy.
pub fn success(policy: &SuccessPolicy, spec: &JobSpec, at: &Path<'_>, errors: &mut Errors) {
    if spec.completion_mode.as_deref() != Some("Indexed") {
        return errors.invalid(at, success_shown(Some(policy)), "requires indexed completion mode");
    }
    let at = at.child("rules");
    if policy.rules.is_empty() {
        errors.required(&at, "at least one rules must be specified when the successPolicy is specified");
    }
    if policy.rules.len() > RULES_MAX {
        errors.too_many(&at, policy.rules.len(), RULES_MAX);
    }
    for (index, rule) in policy.rules.iter().enumerate() {
        success_rule(rule, spec.completions.unwrap_or(0), &at.index(index), errors);
    }
}

fn success_rule(rule: &SuccessPolicyRule, completions: i32, at: &Path<'_>, errors: &mut Errors) {
    if rule.succeeded_count.is_none() && rule.succeeded_indexes.is_none() {
        errors.required(at, "at least one of succeededCount or succeededIndexes must be specified");
    }
    let mut total = 0;
    if let Some(indexes) = &rule.succeeded_indexes {
        let at = at.child("succeededIndexes");
        if indexes.len() > INDEXES_BYTES_MAX {
            errors.too_long(&at, INDEXES_BYTES_MAX);
        }
        match count_indexes(indexes, completions) {
            Ok(count) => total = count,
            Err(text) => errors.invalid(&at, indexes, &format!("error parsing succeededIndexes: {text}")),
        }
    }
    let Some(count) = rule.succeeded_count else { return };
    let at = at.child("succeededCount");
    errors.not_negative(&at, count.into());
    if count > completions {
        errors.invalid(&at, count, &format!("must be less than or equal to {completions} (the number of specified completions)"));
    }
    if rule.succeeded_indexes.is_some() && count > total {
        let text = format!("must be less than or equal to {total} (the number of indexes in the specified succeededIndexes field)");
        errors.invalid(&at, count, &text);
    }
}

/// How many indexes a text such as `0-2,5` names, or what is wrong with it.
pub fn count_indexes(text: &str, completions: i32) -> Result<i32, String> {
    let mut last = None;
    let mut total = 0;
    for part in text.split(',').filter(|_| !text.is_empty()) {
        let (first, end) = interval(part, completions)?;
        if let Some(last) = last.filter(|last| *last >= first) {
            return Err(format!("non-increasing order, previous: {last}, current: {first}"));
        }
        total += end - first + 1;
        last = Some(end);
    }
    Ok(total)
}

/// `3` or `0-2`.
pub fn interval(text: &str, completions: i32) -> Result<(i32, i32), String> {
    let read = |part: &str| {
        let number: i64 = part.parse().map_err(|_| format!("cannot convert string to integer for index: {part:?}"))?;
        let number = if number >= i64::from(completions) { None } else { i32::try_from(number).ok() };
        number.ok_or_else(|| format!("too large index: {part:?}"))
    };
    let parts: Vec<&str> = text.split('-').collect();
    match parts.as_slice() {
        [one] => read(one).map(|n| (n, n)),
        [first, last] => {
            let (first, last) = (read(first)?, read(last)?);
            match first < last {
                true => Ok((first, last)),
                false => Err(format!("non-increasing order, previous: {first}, current: {last}")),
            }
        }
        _ => Err(format!(
            "the fragment {text:?} violates the requirement that an index interval can have at most two parts separated by '-'"
        )),
    }
}

fn or_null(value: Option<String>) -> String {
    value.unwrap_or_else(|| "null".into())
}

/// A success policy as Go shows it.
pub fn success_shown(policy: Option<&SuccessPolicy>) -> Raw {
    let rule = |r: &SuccessPolicyRule| {
        let indexes = or_null(r.succeeded_indexes.as_deref().map(json_string));
        go_object(&[("SucceededIndexes", indexes), ("SucceededCount", shown(r.succeeded_count))]).0
    };
    match policy {
        Some(policy) => go_object(&[("Rules", json_list(policy.rules.iter().map(rule)))]),
        None => Raw("null".into()),
    }
}

/// A failure policy as Go shows it.
pub fn failure_shown(spec: &JobSpec) -> Raw {
    let Some(policy) = &spec.pod_failure_policy else { return Raw("null".into()) };
    let codes = |c: &PodFailurePolicyOnExitCodesRequirement| {
        let values = json_list(c.values.iter().map(i32::to_string));
        let name = or_null(c.container_name.as_deref().map(json_string));
        go_object(&[("ContainerName", name), ("Operator", json_string(&c.operator)), ("Values", values)]).0
    };
    let pattern = |p: &PodFailurePolicyOnPodConditionsPattern| {
        go_object(&[("Type", json_string(&p.type_)), ("Status", json_string(p.status.as_deref().unwrap_or_default()))]).0
    };
    let rule = |r: &PodFailurePolicyRule| {
        let patterns = r.on_pod_conditions.as_ref().map(|p| json_list(p.iter().map(pattern)));
        let codes = or_null(r.on_exit_codes.as_ref().map(codes));
        go_object(&[("Action", json_string(&r.action)), ("OnExitCodes", codes), ("OnPodConditions", or_null(patterns))]).0
    };
    go_object(&[("Rules", json_list(policy.rules.iter().map(rule)))])
}
