//! What a device has of something, and which part of it a claim may ask for.

use k8s_openapi::api::resource::v1::{CapacityRequestPolicy, CapacityRequestPolicyRange, DeviceCapacity};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;

use crate::quantity::Quantity;
use crate::validation::errors::Errors;
use crate::validation::path::Path;

const VALUES_MAX: usize = 10;

/// What is wrong with a capacity; only a device that is shared may say how.
pub fn check(capacity: &DeviceCapacity, is_shared: bool, at: &Path<'_>, errors: &mut Errors) {
    let Some(policy) = &capacity.request_policy else { return };
    let at = at.child("requestPolicy");
    if !is_shared {
        return errors.forbidden(&at, "allowMultipleAllocations must be true");
    }
    let Some(most) = read(Some(&capacity.value)) else { return };
    let values = policy.valid_values.as_deref().unwrap_or_default();
    match (values.is_empty(), &policy.valid_range) {
        (false, Some(_)) => {
            errors
                .forbidden(&at, "exactly one policy can be specified, cannot specify \"validValues\" and \"validRange\" at the same time");
        }
        (false, None) => match read(policy.default.as_ref()) {
            None => errors.required(&at.child("default"), "required when validValues is defined"),
            Some(default) => one_of(default, most, policy, &at.child("validValues"), errors),
        },
        (true, Some(range)) => match read(policy.default.as_ref()) {
            None => errors.required(&at.child("default"), "required when validRange is defined"),
            Some(default) => in_range(default, most, range, &at.child("validRange"), errors),
        },
        (true, None) => {}
    }
}

fn read(quantity: Option<&ApiQuantity>) -> Option<Quantity> {
    Quantity::parse(&quantity?.0).ok()
}

fn one_of(default: Quantity, most: Quantity, policy: &CapacityRequestPolicy, list: &Path<'_>, errors: &mut Errors) {
    let values: Vec<Quantity> = policy.valid_values.iter().flatten().filter_map(|q| read(Some(q))).collect();
    for (index, pair) in values.windows(2).enumerate().filter(|(_, pair)| pair[0] > pair[1]) {
        errors.invalid(&list.index(index + 1), pair[1].to_string(), "values must be sorted in ascending order");
    }
    if values.len() > VALUES_MAX {
        errors.too_many(list, values.len(), VALUES_MAX);
    } else {
        for (index, value) in values.iter().enumerate().filter(|(_, value)| **value > most) {
            errors.invalid(&list.index(index), value.to_string(), &format!("option is larger than capacity value: {most}"));
        }
        for (index, value) in values.iter().enumerate() {
            if values[..index].iter().any(|before| before.value() == value.value()) {
                errors.duplicate(&list.index(index), value.value().to_string());
            }
        }
    }
    if values.len() > VALUES_MAX || !values.contains(&default) {
        errors.invalid(list, default.to_string(), "default value is not valid according to the requestPolicy");
    }
}

fn in_range(default: Quantity, most: Quantity, range: &CapacityRequestPolicyRange, at: &Path<'_>, errors: &mut Errors) {
    let Some(min) = read(Some(&range.min)) else { return };
    let mut wrong = |field: &'static str, value: Quantity, why: String| errors.invalid(&at.child(field), value.to_string(), &why);
    if min > most {
        wrong("min", min, format!("min is larger than capacity value: {most}"));
    }
    if default < min {
        wrong("min", default, format!("default is less than min: {min}"));
    }
    let max = read(range.max.as_ref());
    if let Some(max) = max {
        if min > max {
            wrong("max", min, format!("min is larger than max: {max}"));
        }
        if max > most {
            wrong("max", max, format!("max is larger than capacity value: {most}"));
        }
        if default > max {
            wrong("max", default, format!("default is more than max: {max}"));
        }
    }
    let Some(step) = read(range.step.as_ref()) else { return };
    let first = min.plus(step);
    if first > most {
        wrong("step", step, format!("one step {first} is larger than capacity value: {most}"));
    }
    for value in std::iter::once(default).chain(max) {
        if (value.value() - min.value()).checked_rem(step.value()).is_some_and(|rest| rest != 0) {
            wrong("step", value, format!("value is not a multiple of a given step ({step}) from ({min})"));
        }
    }
}
