//! Dynamic resource allocation: claims, templates of claims, classes and slices of devices.
//! Source: pkg/apis/resource/validation, with the feature gates at their defaults.
//! Expressions that select devices are not compiled here.

mod capacity;
pub mod claim_status;
pub mod claims;
pub mod slices;

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::runtime::RawExtension;
use serde_json::Value;

use super::errors::Errors;
use super::path::Path;
use crate::names;

const POOL_NAME_MAX: usize = 253;
const IDENTIFIER_MAX: usize = 32;
/// A domain, a slash and an identifier.
const QUALIFIED_MAX: usize = 63 + 1 + IDENTIFIER_MAX;
const OPAQUE_BYTES_MAX: usize = 10 * 1024;

/// A list that is too long is refused whole; otherwise each item is checked.
fn slice<T>(items: &[T], most: usize, list: &Path<'_>, errors: &mut Errors, check: impl Fn(&T, &Path<'_>, &mut Errors)) {
    if items.len() > most {
        return errors.too_many(list, items.len(), most);
    }
    items.iter().enumerate().for_each(|(index, item)| check(item, &list.index(index), errors));
}

/// As `slice`, and no two items have the same key.
fn set<T>(
    items: &[T],
    most: usize,
    key: impl Fn(&T) -> &str,
    list: &Path<'_>,
    errors: &mut Errors,
    check: impl Fn(&T, &Path<'_>, &mut Errors),
) {
    slice(items, most, list, errors, check);
    if items.len() > most {
        return;
    }
    let mut seen = BTreeSet::new();
    for (index, item) in items.iter().enumerate() {
        if !seen.insert(key(item)) {
            errors.duplicate(&list.index(index), key(item));
        }
    }
}

fn label_name(name: &str, at: &Path<'_>, errors: &mut Errors) {
    errors.invalid_each(at, name, names::dns1123_label(name));
}

fn qualified_label(name: &str, at: &Path<'_>, errors: &mut Errors) {
    errors.invalid_each(at, name, names::qualified_name(name));
}

fn pool_name(name: &str, at: &Path<'_>, errors: &mut Errors) {
    if name.is_empty() {
        return errors.required(at, "");
    }
    if name.len() > POOL_NAME_MAX {
        errors.too_long(at, POOL_NAME_MAX);
    }
    name.split('/').for_each(|part| errors.invalid_each(at, part, names::dns1123_subdomain(part)));
}

/// The name of an attribute or a capacity: an identifier, with a domain before it or not.
fn qualified_name(name: &str, at: &Path<'_>, errors: &mut Errors) {
    let parts: Vec<&str> = name.split('/').collect();
    match parts.as_slice() {
        [identifier] => c_identifier(identifier, at, errors),
        [domain, identifier] => {
            match *domain {
                "" => errors.invalid(at, "", "the domain must not be empty"),
                domain => super::pod::volume_sources::csi_driver(domain, at, errors),
            }
            match *identifier {
                "" => errors.invalid(at, "", "the name must not be empty"),
                identifier => c_identifier(identifier, at, errors),
            }
        }
        // The real server lets these pass.
        _ => {}
    }
}

fn c_identifier(name: &str, at: &Path<'_>, errors: &mut Errors) {
    if name.len() > IDENTIFIER_MAX {
        errors.too_long(at, IDENTIFIER_MAX);
    }
    errors.invalid_each(at, name, names::c_identifier(name));
}

/// Parameters that only a driver understands: a JSON object.
fn opaque(parameters: &RawExtension, at: &Path<'_>, errors: &mut Errors) {
    match &parameters.0 {
        Value::Null => errors.required(at, ""),
        value if value.to_string().len() > OPAQUE_BYTES_MAX => errors.too_long(at, OPAQUE_BYTES_MAX),
        Value::Object(_) => {}
        _ => errors.invalid(at, "<value omitted>", "must be a valid JSON object"),
    }
}
