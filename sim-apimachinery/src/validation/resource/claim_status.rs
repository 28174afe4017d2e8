//! The status of a claim: what was given to it, who uses it, and what drivers tell of the devices.
//! Source: `ValidateResourceClaimStatusUpdate` in pkg/apis/resource/validation.
//! Not checked: addresses in what drivers tell of networks.

use std::collections::BTreeSet;

use k8s_openapi::api::resource::v1::{
    AllocatedDeviceStatus, AllocationResult, DeviceRequestAllocationResult, NetworkDeviceData, ResourceClaim,
    ResourceClaimConsumerReference,
};

use super::claims::{LIST_MAX, Requests, configuration, reference, references, request_names};
use super::{label_name, pool_name, qualified_label, set, slice};
use crate::validation::conditions::conditions;
use crate::validation::errors::Errors;
use crate::validation::go_value::Raw;
use crate::validation::internal::blamed;
use crate::validation::labels::Values;
use crate::validation::metadata;
use crate::validation::path::Path;
use crate::validation::pod::affinity::node_selector;
use crate::validation::pod::volume_sources::csi_driver;

const RESERVED_MAX: usize = 256;
const CONDITIONS_MAX: usize = 8;
const BINDING_CONDITIONS_MAX: usize = 4;
const INTERFACE_BYTES_MAX: usize = 256;
const HARDWARE_BYTES_MAX: usize = 128;

/// What is wrong with a claim's next status.
pub fn update_status(next: &ResourceClaim, current: &ResourceClaim, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    let (status, before) = (next.status.clone().unwrap_or_default(), current.status.clone().unwrap_or_default());
    let at = Path::root("status");
    let reserved = status.reserved_for.as_deref().unwrap_or_default();
    let reserved_at = at.child("reservedFor");
    set(reserved, RESERVED_MAX, |r| &r.uid, &reserved_at, errors, consumer);
    let devices_at = at.child("devices");
    devices(status.devices.as_deref().unwrap_or_default(), status.allocation.as_ref(), &devices_at, errors);
    if !reserved.is_empty() && status.allocation.is_none() {
        errors.forbidden(&reserved_at, "may not be specified when `allocated` is not set");
    } else if next.metadata.deletion_timestamp.is_some() {
        let known = before.reserved_for.unwrap_or_default();
        if reserved.iter().any(|r| !known.contains(r)) {
            errors.forbidden(&reserved_at, "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set");
        }
    }
    match (&before.allocation, &status.allocation) {
        (Some(old), Some(new)) if old != new => {
            errors.invalid(&at.child("allocation"), blamed("AllocationResult", new), "field is immutable");
        }
        (None, Some(new)) => {
            let requests = next.spec.devices.as_ref().map(request_names).unwrap_or_default();
            allocation(new, &requests, &at.child("allocation"), errors);
        }
        _ => {}
    }
}

fn consumer(consumer: &ResourceClaimConsumerReference, at: &Path<'_>, errors: &mut Errors) {
    for (field, value) in [("resource", &consumer.resource), ("name", &consumer.name), ("uid", &consumer.uid)] {
        if value.is_empty() {
            errors.required(&at.child(field), "");
        }
    }
}

/// A device as it is told: driver, pool, name, and the share of it, if it is shared.
fn told(driver: &str, pool: &str, device: &str, share: Option<&str>) -> String {
    let share = share.filter(|s| !s.is_empty()).map(|s| format!("/{s}")).unwrap_or_default();
    format!("{driver}/{pool}/{device}{share}")
}

fn devices(devices: &[AllocatedDeviceStatus], allocation: Option<&AllocationResult>, list: &Path<'_>, errors: &mut Errors) {
    let results = allocation.and_then(|a| a.devices.as_ref()).and_then(|d| d.results.as_deref()).unwrap_or_default();
    let given: BTreeSet<String> = results.iter().map(|r| told(&r.driver, &r.pool, &r.device, r.share_id.as_deref())).collect();
    let mut seen = BTreeSet::new();
    for (index, device) in devices.iter().enumerate() {
        let at = list.index(index);
        csi_driver(&device.driver, &at.child("driver"), errors);
        pool_name(&device.pool, &at.child("pool"), errors);
        label_name(&device.device, &at.child("device"), errors);
        let name = told(&device.driver, &device.pool, &device.device, device.share_id.as_deref());
        if !given.contains(&name) {
            errors.invalid(&at, Raw(name.clone()), "must be an allocated device in the claim");
        }
        let found = device.conditions.as_deref().unwrap_or_default();
        if found.len() > CONDITIONS_MAX {
            errors.too_many(&at.child("conditions"), found.len(), CONDITIONS_MAX);
        }
        conditions(found, &at.child("conditions"), errors);
        device.network_data.iter().for_each(|data| network(data, &at.child("networkData"), errors));
        if !seen.insert(name.clone()) {
            errors.duplicate(&at, Raw(name));
        }
    }
}

fn network(data: &NetworkDeviceData, at: &Path<'_>, errors: &mut Errors) {
    let texts =
        [("interfaceName", &data.interface_name, INTERFACE_BYTES_MAX), ("hardwareAddress", &data.hardware_address, HARDWARE_BYTES_MAX)];
    for (field, text, most) in texts {
        if text.as_ref().is_some_and(|t| t.len() > most) {
            errors.too_long(&at.child(field), most);
        }
    }
}

fn allocation(allocation: &AllocationResult, requests: &Requests<'_>, at: &Path<'_>, errors: &mut Errors) {
    let devices = allocation.devices.clone().unwrap_or_default();
    let devices_at = at.child("devices");
    slice(devices.results.as_deref().unwrap_or_default(), LIST_MAX, &devices_at.child("results"), errors, |r, at, errors| {
        result(r, requests, at, errors);
    });
    let config = devices.config.as_deref().unwrap_or_default();
    slice(config, 2 * LIST_MAX, &devices_at.child("config"), errors, |config, at, errors| {
        match config.source.as_str() {
            "" => errors.required(&at.child("source"), ""),
            "FromClaim" | "FromClass" => {}
            other => errors.not_supported(&at.child("source"), other, &["FromClaim", "FromClass"]),
        }
        references(config.requests.as_deref(), requests, &at.child("requests"), errors);
        configuration(config.opaque.as_ref(), at, errors);
    });
    if let Some(selector) = &allocation.node_selector {
        node_selector(selector, Values::Labels, &at.child("nodeSelector"), errors);
    }
}

fn result(result: &DeviceRequestAllocationResult, requests: &Requests<'_>, at: &Path<'_>, errors: &mut Errors) {
    reference(&result.request, requests, &at.child("request"), errors);
    csi_driver(&result.driver, &at.child("driver"), errors);
    pool_name(&result.pool, &at.child("pool"), errors);
    label_name(&result.device, &at.child("device"), errors);
    let binding = result.binding_conditions.as_deref().unwrap_or_default();
    let failure = result.binding_failure_conditions.as_deref().unwrap_or_default();
    for (field, names) in [("bindingConditions", binding), ("bindingFailureConditions", failure)] {
        set(names, BINDING_CONDITIONS_MAX, String::as_str, &at.child(field), errors, |name, at, errors| qualified_label(name, at, errors));
    }
    for (index, name) in failure.iter().enumerate().filter(|(_, name)| binding.contains(name)) {
        let list = at.child("bindingFailureConditions");
        errors.invalid(&list.index(index), name, "bindingFailureConditions must not overlap with bindingConditions");
    }
    if binding.is_empty() && !failure.is_empty() {
        errors.invalid(&at.child("bindingConditions"), binding, "bindingConditions are required to use bindingFailureConditions");
    }
    if failure.is_empty() && !binding.is_empty() {
        let text = "bindingFailureConditions are required to use bindingConditions";
        errors.invalid(&at.child("bindingFailureConditions"), failure, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn wrong(before: Value, after: Value) -> Vec<String> {
        let claim = |status: Value| -> ResourceClaim {
            let spec = json!({"devices": {"requests": [{"name": "r", "exactly": {"deviceClassName": "c"}}]}});
            let metadata = json!({"name": "c", "namespace": "n", "resourceVersion": "1"});
            serde_json::from_value(json!({"metadata": metadata, "spec": spec, "status": status})).expect("it is written here")
        };
        let mut errors = Errors::new();
        update_status(&claim(after), &claim(before), &mut errors);
        errors.into_causes().into_iter().map(|c| format!("{}: {}", c.field, c.message)).collect()
    }

    fn given(request: &str) -> Value {
        json!({"devices": {"results": [{"request": request, "driver": "d.example", "pool": "p", "device": "gpu"}]}})
    }

    #[test]
    fn a_claim_is_used_only_after_it_was_given_something() {
        let user = json!([{"resource": "pods", "name": "p", "uid": "u"}]);
        let told = "status.reservedFor: Forbidden: may not be specified when `allocated` is not set";
        assert_eq!(wrong(json!({}), json!({"reservedFor": user})), [told]);
        assert!(wrong(json!({}), json!({"reservedFor": user, "allocation": given("r")})).is_empty());
    }

    #[test]
    fn devices_are_given_for_requests_there_are_and_told_of_if_they_were_given() {
        let request = "status.allocation.devices.results[0].request: Invalid value: \"x\": must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";
        assert_eq!(wrong(json!({}), json!({"allocation": given("x")})), [request]);
        let devices = json!([{"driver": "d.example", "pool": "p", "device": "other"}]);
        let told = "status.devices[0]: Invalid value: d.example/p/other: must be an allocated device in the claim";
        let before = json!({"allocation": given("r")});
        assert_eq!(wrong(before.clone(), json!({"allocation": given("r"), "devices": devices})), [told]);
    }
}
