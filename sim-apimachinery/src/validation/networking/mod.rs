//! Ingresses, ingress classes, network policies, IP addresses and service CIDRs. Source: pkg/apis/networking/validation.

pub mod addresses;
pub mod ingress;
pub mod ingress_class;
pub mod network_policy;

use super::errors::Errors;
use super::path::Path;
use crate::names;

/// What is wrong with the group, kind and name of an object that is referred to; the group is checked where one is given.
fn reference(group: Option<&str>, kind: (&str, &str), name: &str, at: &Path<'_>, errors: &mut Errors) {
    if let Some(group) = group {
        errors.invalid_each(&at.child("apiGroup"), group, names::dns1123_subdomain(group));
    }
    for (field, value) in [kind, ("name", name)] {
        segment(value, &at.child(field), errors);
    }
}

/// What is wrong with a part of a path that must be there.
fn segment(value: &str, at: &Path<'_>, errors: &mut Errors) {
    match value {
        "" => errors.required(at, ""),
        value => errors.invalid_each(at, value, names::path_segment(value)),
    }
}
