//! Paths inside volumes: relative, without `..`. Source: `validateLocalNonReservedPath` in pkg/apis/core/validation.

use crate::validation::errors::Errors;
use crate::validation::path::Path;

/// The permission bits a file may have.
const MODES: std::ops::RangeInclusive<i32> = 0..=0o777;

/// The path has no element `..`.
pub fn no_backsteps(path: &str, at: &Path<'_>, errors: &mut Errors) {
    if path.split('/').any(|part| part == "..") {
        errors.invalid(at, path, "must not contain '..'");
    }
}

/// The path is relative and has no element `..`.
pub fn local_descending(path: &str, at: &Path<'_>, errors: &mut Errors) {
    if path.starts_with('/') {
        errors.invalid(at, path, "must be a relative path");
    }
    no_backsteps(path, at, errors);
}

/// The path is relative, has no element `..`, and does not begin with two dots.
pub fn local_not_reserved(path: &str, at: &Path<'_>, errors: &mut Errors) {
    local_descending(path, at, errors);
    if path.starts_with("..") && !path.starts_with("../") {
        errors.invalid(at, path, "must not start with '..'");
    }
}

/// The permissions are ones a file can have.
pub fn mode(mode: Option<i32>, at: &Path<'_>, errors: &mut Errors) {
    if let Some(mode) = mode.filter(|m| !MODES.contains(m)) {
        errors.invalid(at, mode, "must be a number between 0 and 0777 (octal), both inclusive");
    }
}
