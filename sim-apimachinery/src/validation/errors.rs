//! The errors of validation, as `field.ErrorList`: each has a kind, a field, the value to blame and a detail.
//! Source: apimachinery pkg/util/validation/field/errors.go; the texts are those of v1.36.

use super::go_value::BadValue;
use super::path::Path;
use crate::status::Cause;

/// What is wrong with an object, in the order it was found. The same error may be there twice, as in Kubernetes.
#[derive(Debug, Default)]
pub struct Errors(Vec<Cause>);

impl Errors {
    /// Nothing is wrong yet.
    pub fn new() -> Self {
        Errors::default()
    }

    /// How many errors there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The causes, in order.
    pub fn into_causes(self) -> Vec<Cause> {
        self.0
    }

    /// Forgets what was found after there were so many errors.
    pub fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    fn push(&mut self, reason: &str, at: &Path<'_>, mut message: String, detail: &str) {
        if !detail.is_empty() {
            message.push_str(": ");
            message.push_str(detail);
        }
        self.0.push(Cause { reason: reason.into(), message, field: at.to_string() });
    }

    fn with_value(&mut self, (reason, text): (&str, &str), at: &Path<'_>, value: &dyn BadValue, detail: &str) {
        let mut message = format!("{text}: ");
        value.write(&mut message);
        self.push(reason, at, message, detail);
    }

    /// `Required value: detail`.
    pub fn required(&mut self, at: &Path<'_>, detail: &str) {
        self.push("FieldValueRequired", at, "Required value".into(), detail);
    }

    /// `Invalid value: value: detail`.
    pub fn invalid(&mut self, at: &Path<'_>, value: impl BadValue, detail: &str) {
        self.with_value(("FieldValueInvalid", "Invalid value"), at, &value, detail);
    }

    /// One `invalid` for each message.
    pub fn invalid_each(&mut self, at: &Path<'_>, value: impl BadValue, details: Vec<String>) {
        for detail in details {
            self.invalid(at, &value, &detail);
        }
    }

    /// `Invalid value: detail`, without the value.
    pub fn omitted(&mut self, at: &Path<'_>, detail: &str) {
        self.push("FieldValueInvalid", at, "Invalid value".into(), detail);
    }

    /// As `invalid`, but told as an error of type.
    pub fn type_invalid(&mut self, at: &Path<'_>, value: impl BadValue, detail: &str) {
        self.with_value(("FieldValueTypeInvalid", "Invalid value"), at, &value, detail);
    }

    /// `Unsupported value: value: supported values: "a", "b"`. The values are shown in the order given.
    pub fn not_supported(&mut self, at: &Path<'_>, value: impl BadValue, supported: &[&str]) {
        let quoted: Vec<String> = supported.iter().map(super::go_value::shown).collect();
        let detail = if quoted.is_empty() { String::new() } else { format!("supported values: {}", quoted.join(", ")) };
        self.with_value(("FieldValueNotSupported", "Unsupported value"), at, &value, &detail);
    }

    /// `Duplicate value: value`.
    pub fn duplicate(&mut self, at: &Path<'_>, value: impl BadValue) {
        self.with_value(("FieldValueDuplicate", "Duplicate value"), at, &value, "");
    }

    /// `Duplicate value: value: detail`.
    pub fn duplicate_because(&mut self, at: &Path<'_>, value: impl BadValue, detail: &str) {
        self.with_value(("FieldValueDuplicate", "Duplicate value"), at, &value, detail);
    }

    /// `Not found: value`, with a detail where there is one.
    pub fn not_found(&mut self, at: &Path<'_>, value: impl BadValue, detail: &str) {
        self.with_value(("FieldValueNotFound", "Not found"), at, &value, detail);
    }

    /// `Forbidden: detail`.
    pub fn forbidden(&mut self, at: &Path<'_>, detail: &str) {
        self.push("FieldValueForbidden", at, "Forbidden".into(), detail);
    }

    /// `Too long: may not be more than N bytes`.
    pub fn too_long(&mut self, at: &Path<'_>, bytes_max: usize) {
        let unit = if bytes_max == 1 { "byte" } else { "bytes" };
        self.push("FieldValueTooLong", at, "Too long".into(), &format!("may not be more than {bytes_max} {unit}"));
    }

    /// `Too long: may not be more than N characters`.
    pub fn too_long_characters(&mut self, at: &Path<'_>, characters_max: usize) {
        let unit = if characters_max == 1 { "character" } else { "characters" };
        self.push("FieldValueTooLong", at, "Too long".into(), &format!("may not be more than {characters_max} {unit}"));
    }

    /// `Too short: must be at least N characters`.
    pub fn too_short(&mut self, at: &Path<'_>, characters_min: usize) {
        let unit = if characters_min == 1 { "character" } else { "characters" };
        self.push("FieldValueTooShort", at, "Too short".into(), &format!("must be at least {characters_min} {unit}"));
    }

    /// `Too many: 5: must have at most 3 items`.
    pub fn too_many(&mut self, at: &Path<'_>, actual: usize, most: usize) {
        let unit = if most == 1 { "item" } else { "items" };
        self.with_value(("FieldValueTooMany", "Too many"), at, &actual, &format!("must have at most {most} {unit}"));
    }

    /// `Too few: 0: must have at least 1 item`.
    pub fn too_few(&mut self, at: &Path<'_>, actual: usize, least: usize) {
        let unit = if least == 1 { "item" } else { "items" };
        self.with_value(("FieldValueTooFew", "Too few"), at, &actual, &format!("must have at least {least} {unit}"));
    }

    /// `Internal error: detail`.
    pub fn internal(&mut self, at: &Path<'_>, detail: &str) {
        self.push("InternalError", at, "Internal error".into(), detail);
    }

    /// `must be greater than or equal to 0`, if it is less.
    pub fn not_negative(&mut self, at: &Path<'_>, value: i64) {
        if value < 0 {
            self.invalid(at, value, "must be greater than or equal to 0");
        }
    }

    /// `must be greater than zero`, if it is less or 0.
    pub fn positive(&mut self, at: &Path<'_>, value: i64) {
        if value <= 0 {
            self.invalid(at, value, "must be greater than zero");
        }
    }

    /// `field is immutable`, if the two differ.
    pub fn immutable<T: PartialEq>(&mut self, at: &Path<'_>, next: &T, current: &T, shown: impl FnOnce(&T) -> super::go_value::Raw) {
        if next != current {
            self.invalid(at, shown(next), "field is immutable");
        }
    }
}
