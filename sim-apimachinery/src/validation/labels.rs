//! Labels and label selectors. Source: apimachinery pkg/apis/meta/v1/validation.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::errors::Errors;
use super::path::Path;
use crate::names;

/// What is wrong with labels.
pub fn labels(labels: Option<&BTreeMap<String, String>>, at: &Path<'_>, errors: &mut Errors) {
    for (key, value) in labels.into_iter().flatten() {
        errors.invalid_each(at, key, names::qualified_name(key));
        errors.invalid_each(at, value, names::label_value(value));
    }
}

/// What the values of a selector may be: an object that was stored with values that are none keeps them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Values {
    /// Values of labels.
    #[default]
    Labels,
    /// Anything.
    Any,
}

/// What is wrong with a selector.
pub fn label_selector(selector: &LabelSelector, at: &Path<'_>, errors: &mut Errors) {
    label_selector_with(selector, Values::Labels, at, errors);
}

/// What is wrong with a selector, the values of its expressions held to that rule.
pub fn label_selector_with(selector: &LabelSelector, rule: Values, at: &Path<'_>, errors: &mut Errors) {
    labels(selector.match_labels.as_ref(), &at.child("matchLabels"), errors);
    for (index, wanted) in selector.match_expressions.iter().flatten().enumerate() {
        let list = at.child("matchExpressions");
        let at = list.index(index);
        let values = wanted.values.as_deref().unwrap_or_default();
        match wanted.operator.as_str() {
            "In" | "NotIn" if values.is_empty() => {
                errors.required(&at.child("values"), "must be specified when `operator` is 'In' or 'NotIn'");
            }
            "In" | "NotIn" => {}
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                errors.forbidden(&at.child("values"), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
            }
            "Exists" | "DoesNotExist" => {}
            other => errors.invalid(&at.child("operator"), other, "not a valid selector operator"),
        }
        errors.invalid_each(&at.child("key"), &wanted.key, names::qualified_name(&wanted.key));
        for (index, value) in values.iter().enumerate().filter(|_| rule == Values::Labels) {
            errors.invalid_each(&at.child("values").index(index), value, names::label_value(value));
        }
    }
}

/// Whether a selector selects everything.
pub fn is_empty(selector: &LabelSelector) -> bool {
    selector.match_labels.as_ref().is_none_or(BTreeMap::is_empty) && selector.match_expressions.as_ref().is_none_or(Vec::is_empty)
}
