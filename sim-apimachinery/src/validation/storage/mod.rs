//! Storage classes, CSI drivers, nodes and capacities, attachments, and classes of volume attributes.
//! Source: pkg/apis/storage/validation.

pub mod attachment;
pub mod class;
pub mod driver;

use std::collections::BTreeMap;

use super::errors::Errors;
use super::path::Path;
use crate::names;

/// Parameters together may not be larger.
const PARAMETERS_BYTES_MAX: usize = 256 * 1024;
const PARAMETERS_MAX: usize = 512;

/// What is wrong with the name of a driver that must be there, in any case.
fn provisioner(name: &str, at: &Path<'_>, errors: &mut Errors) {
    match name {
        "" => errors.required(at, ""),
        name => {
            let lower = name.to_lowercase();
            errors.invalid_each(at, &lower, names::qualified_name(&lower));
        }
    }
}

fn parameters(parameters: Option<&BTreeMap<String, String>>, may_be_empty: bool, at: &Path<'_>, errors: &mut Errors) {
    let empty = BTreeMap::new();
    let parameters = parameters.unwrap_or(&empty);
    if parameters.len() > PARAMETERS_MAX {
        return errors.too_long(at, PARAMETERS_MAX);
    }
    for key in parameters.keys().filter(|k| k.is_empty()) {
        errors.invalid(at, key, "field can not be empty.");
    }
    if parameters.iter().map(|(k, v)| k.len() + v.len()).sum::<usize>() > PARAMETERS_BYTES_MAX {
        errors.too_long(at, PARAMETERS_BYTES_MAX);
    }
    if !may_be_empty && parameters.is_empty() {
        errors.required(at, "must contain at least one key/value pair");
    }
}
