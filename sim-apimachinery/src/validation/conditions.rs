//! Conditions of the standard shape. Source: `ValidateConditions` in apimachinery pkg/apis/meta/v1/validation.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::errors::Errors;
use super::path::Path;
use crate::names;

/// Go's zero time in seconds since 1970.
const ZERO_TIME: i64 = -62_135_596_800;
const REASON_MAX: usize = 1024;
const MESSAGE_MAX: usize = 32 * 1024;
const REASON: &str = "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')";

/// What is wrong with conditions.
pub fn conditions(conditions: &[Condition], at: &Path<'_>, errors: &mut Errors) {
    for (index, condition) in conditions.iter().enumerate() {
        let at = at.index(index);
        if conditions[..index].iter().any(|c| c.type_ == condition.type_) {
            errors.duplicate(&at.child("type"), &condition.type_);
        }
        one(condition, &at, errors);
    }
}

fn one(condition: &Condition, at: &Path<'_>, errors: &mut Errors) {
    errors.invalid_each(&at.child("type"), &condition.type_, names::qualified_name(&condition.type_));
    if !matches!(condition.status.as_str(), "True" | "False" | "Unknown") {
        errors.not_supported(&at.child("status"), &condition.status, &["False", "True", "Unknown"]);
    }
    if let Some(generation) = condition.observed_generation.filter(|g| *g < 0) {
        errors.invalid(&at.child("observedGeneration"), generation, "must be greater than or equal to zero");
    }
    if condition.last_transition_time.0.as_second() == ZERO_TIME {
        errors.required(&at.child("lastTransitionTime"), "");
    }
    match condition.reason.as_str() {
        "" => errors.required(&at.child("reason"), ""),
        reason => {
            if !is_reason(reason) {
                errors.invalid(&at.child("reason"), reason, REASON);
            }
            if reason.len() > REASON_MAX {
                errors.too_long(&at.child("reason"), REASON_MAX);
            }
        }
    }
    if condition.message.len() > MESSAGE_MAX {
        errors.too_long(&at.child("message"), MESSAGE_MAX);
    }
}

fn is_reason(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| word(b) || b",:".contains(&b))
        && text.bytes().next_back().is_some_and(word)
}
