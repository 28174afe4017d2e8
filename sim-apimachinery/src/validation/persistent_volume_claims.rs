//! Persistent volume claims: the little that may change once they are bound. What they may say is in `claims`.
//! Source: pkg/apis/core/validation.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;

use super::claims::claim_spec;
use super::errors::Errors;
use super::path::Path;
use super::pod::resources::is_native;
use super::values::{quantity, resource_amount};
use super::{internal, metadata};
use crate::names;
use crate::quantity::Quantity;

const SPEC: Path<'_> = Path::root("spec");
const BETA_CLASS: &str = "volume.beta.kubernetes.io/storage-class";
const RESIZE: [&str; 5] =
    ["ControllerResizeInProgress", "ControllerResizeInfeasible", "NodeResizeInProgress", "NodeResizeInfeasible", "NodeResizePending"];

/// What is wrong with a new claim.
pub fn create(claim: &PersistentVolumeClaim, errors: &mut Errors) {
    metadata::validate(&claim.metadata, true, names::dns1123_subdomain, errors);
    claim_spec(&claim.spec.clone().unwrap_or_default(), &SPEC, errors);
}

fn requested(spec: &PersistentVolumeClaimSpec) -> Option<&ApiQuantity> {
    spec.resources.as_ref()?.requests.as_ref()?.get("storage")
}

/// What is wrong with a claim's next state.
pub fn update(next: &PersistentVolumeClaim, current: &PersistentVolumeClaim, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    create(next, errors);
    let (spec, before) = (next.spec.clone().unwrap_or_default(), current.spec.clone().unwrap_or_default());
    frozen(next, current, &spec, &before, errors);
    let zero = || Quantity::from_millis(0);
    let (size, old_size) = (requested(&spec).map_or_else(zero, quantity), requested(&before).map_or_else(zero, quantity));
    let capacity = current.status.as_ref().and_then(|s| s.capacity.as_ref()).and_then(|c| c.get("storage")).map_or_else(zero, quantity);
    if size < old_size && size <= capacity {
        let at = SPEC.child("resources");
        let at = at.child("requests");
        errors.forbidden(&at.child("storage"), "field can not be less than status.capacity");
    }
    if spec.volume_mode != before.volume_mode {
        errors.invalid(&Path::root("volumeMode"), spec.volume_mode.as_ref(), "field is immutable");
    }
    attributes_class(&spec, &before, current, errors);
}

fn attributes_class(
    spec: &PersistentVolumeClaimSpec,
    before: &PersistentVolumeClaimSpec,
    current: &PersistentVolumeClaim,
    errors: &mut Errors,
) {
    let has_one = current.status.as_ref().is_some_and(|s| s.current_volume_attributes_class_name.is_some());
    if spec.volume_attributes_class_name == before.volume_attributes_class_name || !has_one {
        return;
    }
    let at = SPEC.child("volumeAttributesClassName");
    match spec.volume_attributes_class_name.as_deref() {
        None => errors.forbidden(&at, "update to nil is forbidden when status.currentVolumeAttributesClassName is not nil"),
        Some("") => errors.forbidden(&at, "update to empty string is forbidden when status.currentVolumeAttributesClassName is not nil"),
        Some(_) => {}
    }
}

/// All but the volume's name, given once, and what a bound claim may ask anew.
fn frozen(
    next: &PersistentVolumeClaim,
    current: &PersistentVolumeClaim,
    spec: &PersistentVolumeClaimSpec,
    before: &PersistentVolumeClaimSpec,
    errors: &mut Errors,
) {
    let (mut probe, mut old) = (spec.clone(), before.clone());
    if old.volume_name.as_deref().unwrap_or_default().is_empty() {
        old.volume_name = probe.volume_name.clone();
    }
    let beta = |claim: &PersistentVolumeClaim| claim.metadata.annotations.as_ref().and_then(|a| a.get(BETA_CLASS)).cloned();
    let (was, is) = (beta(current), beta(next));
    let adopted = was.is_some() && old.storage_class_name.is_none() && probe.storage_class_name == was && (is.is_none() || is == was);
    if adopted {
        probe.storage_class_name = None;
    } else {
        if was.clone().unwrap_or_default() != is.clone().unwrap_or_default() {
            let at = Path::root("metadata");
            let at = at.child("annotations");
            errors.invalid(&at.child(BETA_CLASS), is.unwrap_or_default(), "field is immutable");
        }
        if old.storage_class_name.is_none() && (was.is_none() || was == probe.storage_class_name) {
            probe.storage_class_name = None;
        }
    }
    if next.status.as_ref().and_then(|s| s.phase.as_deref()) == Some("Bound") {
        let size = requested(&old).cloned();
        if let Some(requests) = probe.resources.as_mut().and_then(|r| r.requests.as_mut()) {
            requests.insert("storage".into(), size.unwrap_or(ApiQuantity("0".into())));
        }
        probe.volume_attributes_class_name = old.volume_attributes_class_name.clone();
    }
    if probe != old {
        let text = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n";
        let printed = |spec| internal::printed("PersistentVolumeClaimSpec", spec);
        let changes = internal::unified_diff(&printed(&old), &printed(&probe));
        errors.forbidden(&SPEC, &format!("{text}{changes}"));
    }
}

/// What is wrong with a claim's next status.
pub fn status(next: &PersistentVolumeClaim, current: &PersistentVolumeClaim, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    if next.spec.as_ref().and_then(|s| s.access_modes.as_ref()).is_none_or(Vec::is_empty) {
        errors.required(&Path::root("Spec").child("accessModes"), "");
    }
    let Some(status) = &next.status else { return };
    let at = Path::root("status");
    let list = at.child("capacity");
    for (name, amount) in status.capacity.iter().flatten() {
        basic(amount, &list.key(name), errors);
    }
    resize_states(status.allocated_resource_statuses.as_ref(), &at.child("allocatedResourceStatuses"), errors);
    let list = at.child("allocatedResources");
    for (name, amount) in status.allocated_resources.iter().flatten() {
        if resource_key(name, &list, errors) && basic(amount, &list.key(name), errors) {
            resource_amount("storage", amount, &list.key(name), errors);
        }
    }
}

fn resize_states(states: Option<&BTreeMap<String, String>>, at: &Path<'_>, errors: &mut Errors) {
    for (name, state) in states.into_iter().flatten() {
        resource_key(name, at, errors);
        if !RESIZE.contains(&state.as_str()) {
            errors.not_supported(at, name, &RESIZE);
        }
    }
}

/// `must be a valid resource quantity`; answers whether it is.
pub fn basic(amount: &ApiQuantity, at: &Path<'_>, errors: &mut Errors) -> bool {
    let value = quantity(amount).value();
    if value < 0 {
        errors.invalid(at, value, "must be a valid resource quantity");
    }
    value >= 0
}

fn resource_key(name: &str, at: &Path<'_>, errors: &mut Errors) -> bool {
    let found = errors.len();
    errors.invalid_each(at, name, names::qualified_name(name));
    if errors.len() == found && is_native(name) && name != "storage" {
        errors.not_supported(at, name, &["storage"]);
    }
    errors.len() == found
}
