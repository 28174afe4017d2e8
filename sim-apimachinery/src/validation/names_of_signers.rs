//! The names of signers: `example.com/signer-name`. Source: pkg/apis/core/validation/names.go.

use super::errors::Errors;
use super::path::Path;
use crate::names;

const DOMAIN_MAX: usize = 253;
/// A domain, and a path that has room for a namespace and a name.
const NAME_MAX: usize = DOMAIN_MAX + 1 + DOMAIN_MAX + 1 + 63;

/// What is wrong with a signer's name, which must be there.
pub fn signer_name(name: &str, at: &Path<'_>, errors: &mut Errors) {
    if name.is_empty() {
        return errors.required(at, "");
    }
    let parts: Vec<&str> = name.split('/').collect();
    let [domain, path] = parts.as_slice() else {
        return errors.invalid(at, name, "must be a fully qualified domain and path of the form 'example.com/signer-name'");
    };
    if domain.len() > DOMAIN_MAX {
        errors.too_long(at, DOMAIN_MAX);
    }
    let labels: Vec<&str> = domain.split('.').collect();
    let wrong = labels.iter().map(|label| (label, names::dns1123_label(label))).find(|(_, wrong)| !wrong.is_empty());
    for (label, why) in wrong.into_iter().flat_map(|(label, wrong)| wrong.into_iter().map(move |why| (label, why))) {
        errors.invalid(at, *domain, &format!("validating label {label:?}: {why}"));
    }
    if labels.len() < 2 {
        errors.invalid(at, *domain, "should be a domain with at least two segments separated by dots");
    }
    let parts = path.split('.').map(|part| (part, names::dns1123_subdomain(part)));
    let wrong = parts.into_iter().find(|(_, wrong)| !wrong.is_empty());
    for (part, why) in wrong.into_iter().flat_map(|(part, wrong)| wrong.into_iter().map(move |why| (part, why))) {
        errors.invalid(at, *path, &format!("validating label {part:?}: {why}"));
    }
    if name.len() > NAME_MAX {
        errors.too_long(at, NAME_MAX);
    }
}
