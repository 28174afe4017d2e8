//! CSI drivers, the drivers of nodes, and capacities.

use std::collections::BTreeSet;

use k8s_openapi::api::storage::v1::{CSIDriver, CSIDriverSpec, CSINode, CSINodeDriver, CSIStorageCapacity, TokenRequest};

use super::super::errors::Errors;
use super::super::go_value::{Raw, go_object, json_list, json_string, label_selector as shown_selector, shown};
use super::super::labels::{Values, label_selector, label_selector_with};
use super::super::metadata;
use super::super::path::Path;
use super::super::pod::volume_sources::csi_driver;
use crate::names;
use crate::quantity::Quantity;

const TOKEN_SECONDS_MIN: i64 = 600;
const NODE_ID_MAX: usize = 256;
const UPDATE_SECONDS_MIN: i64 = 10;

/// What is wrong with a new driver.
pub fn create(driver: &CSIDriver, errors: &mut Errors) {
    metadata::validate(&driver.metadata, false, names::dns1123_subdomain, errors);
    spec(&driver.spec, errors);
}

/// What is wrong with a driver's next state.
pub fn update(next: &CSIDriver, current: &CSIDriver, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    spec(&next.spec, errors);
    let at = Path::root("spec");
    errors.immutable(&at.child("attachedRequired"), &next.spec.attach_required, &current.spec.attach_required, |a| Raw(shown(*a)));
    let modes = |m: &Option<Vec<String>>| Raw(m.as_ref().map_or_else(|| "null".to_owned(), shown));
    errors.immutable(&at.child("volumeLifecycleModes"), &next.spec.volume_lifecycle_modes, &current.spec.volume_lifecycle_modes, modes);
}

fn spec(spec: &CSIDriverSpec, errors: &mut Errors) {
    let at = Path::root("spec");
    let needed = [
        ("attachedRequired", spec.attach_required),
        ("podInfoOnMount", spec.pod_info_on_mount),
        ("storageCapacity", spec.storage_capacity),
    ];
    for (field, _) in needed.into_iter().filter(|(_, value)| value.is_none()) {
        errors.required(&at.child(field), "");
    }
    if let Some(policy) = spec.fs_group_policy.as_deref().filter(|p| !matches!(*p, "ReadWriteOnceWithFSType" | "File" | "None")) {
        errors.not_supported(&at.child("fsGroupPolicy"), policy, &["File", "None", "ReadWriteOnceWithFSType"]);
    }
    token_requests(spec.token_requests.as_deref().unwrap_or_default(), &at.child("tokenRequests"), errors);
    for mode in spec.volume_lifecycle_modes.iter().flatten().filter(|m| !matches!(m.as_str(), "Persistent" | "Ephemeral")) {
        errors.not_supported(&at.child("volumeLifecycleModes"), mode, &["Persistent", "Ephemeral"]);
    }
    if spec.se_linux_mount.is_none() {
        errors.required(&at.child("seLinuxMount"), "");
    }
    if let Some(seconds) = spec.node_allocatable_update_period_seconds.filter(|s| *s < UPDATE_SECONDS_MIN) {
        errors.invalid(&at.child("nodeAllocatableUpdatePeriodSeconds"), seconds, "must be greater than or equal to 10 seconds");
    }
    let no_tokens = spec.token_requests.as_ref().is_none_or(Vec::is_empty);
    if let Some(in_secrets) = spec.service_account_token_in_secrets.filter(|_| no_tokens) {
        let text = "serviceAccountTokenInSecrets is set but no tokenRequests are specified";
        errors.invalid(&at.child("serviceAccountTokenInSecrets"), in_secrets, text);
    }
}

fn token_requests(requests: &[TokenRequest], list: &Path<'_>, errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    for (index, request) in requests.iter().enumerate() {
        let at = list.index(index);
        if !seen.insert(request.audience.as_str()) {
            errors.duplicate(&at.child("audience"), &request.audience);
            continue;
        }
        let field = at.child("expirationSeconds");
        let seconds = request.expiration_seconds.unwrap_or(TOKEN_SECONDS_MIN);
        if seconds < TOKEN_SECONDS_MIN {
            errors.invalid(&field, seconds, "may not specify a duration less than 10 minutes");
        }
        if seconds > 1 << 32 {
            errors.invalid(&field, seconds, "may not specify a duration larger than 2^32 seconds");
        }
    }
}

/// What is wrong with a node's new drivers.
pub fn create_node(node: &CSINode, errors: &mut Errors) {
    metadata::validate(&node.metadata, false, names::dns1123_subdomain, errors);
    let spec = Path::root("spec");
    let list = spec.child("drivers");
    let mut seen = BTreeSet::new();
    for (index, driver) in node.spec.drivers.iter().enumerate() {
        let at = list.index(index);
        node_driver(driver, &at, errors);
        if !seen.insert(driver.name.as_str()) {
            errors.duplicate(&at.child("name"), &driver.name);
        }
        topology_keys(driver.topology_keys.as_deref().unwrap_or_default(), &at, errors);
    }
}

fn node_driver(driver: &CSINodeDriver, at: &Path<'_>, errors: &mut Errors) {
    csi_driver(&driver.name, &at.child("name"), errors);
    let field = at.child("nodeID");
    if driver.node_id.is_empty() {
        errors.required(&field, "");
    }
    if driver.node_id.len() > NODE_ID_MAX {
        errors.invalid(&field, &driver.node_id, &format!("must be {NODE_ID_MAX} characters or less"));
    }
    if let Some(count) = driver.allocatable.as_ref().and_then(|a| a.count) {
        errors.not_negative(&at.child("allocatable").child("count"), count.into());
    }
}

fn topology_keys(keys: &[String], at: &Path<'_>, errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    for key in keys {
        if key.is_empty() {
            errors.required(at, "");
        }
        if !seen.insert(key) {
            errors.duplicate(at, key);
        }
        errors.invalid_each(at, key, names::qualified_name(key));
    }
}

/// What is wrong with a node's next drivers: a driver that stays changes nothing but how many volumes it takes.
pub fn update_node(next: &CSINode, current: &CSINode, errors: &mut Errors) {
    create_node(next, errors);
    let without_count = |d: &CSINodeDriver| CSINodeDriver { allocatable: None, ..d.clone() };
    let at = Path::root("spec");
    for before in &current.spec.drivers {
        for now in next.spec.drivers.iter().filter(|n| n.name == before.name) {
            errors.immutable(&at.child("drivers"), &without_count(now), &without_count(before), |d| {
                let keys = d.topology_keys.as_ref().map_or_else(|| "null".to_owned(), |k| json_list(k.iter().map(|k| json_string(k))));
                go_object(&[
                    ("Name", json_string(&d.name)),
                    ("NodeID", json_string(&d.node_id)),
                    ("TopologyKeys", keys),
                    ("Allocatable", "null".into()),
                ])
            });
        }
    }
}

/// What is wrong with a new capacity.
pub fn create_capacity(capacity: &CSIStorageCapacity, errors: &mut Errors) {
    create_capacity_with(capacity, Values::Labels, errors);
}

fn create_capacity_with(capacity: &CSIStorageCapacity, values: Values, errors: &mut Errors) {
    metadata::validate(&capacity.metadata, true, names::dns1123_subdomain, errors);
    if let Some(selector) = &capacity.node_topology {
        label_selector_with(selector, values, &Path::root("nodeTopology"), errors);
    }
    let class = &capacity.storage_class_name;
    errors.invalid_each(&Path::root("storageClassName"), class, names::dns1123_subdomain(class));
    if let Some(amount) = &capacity.capacity
        && Quantity::parse(&amount.0).is_ok_and(|q| q < Quantity::from_millis(0))
    {
        errors.invalid(&Path::root("capacity"), &amount.0, "must be greater than or equal to 0");
    }
}

/// What is wrong with a capacity's next state.
pub fn update_capacity(next: &CSIStorageCapacity, current: &CSIStorageCapacity, errors: &mut Errors) {
    let mut found = Errors::new();
    current.node_topology.iter().for_each(|s| label_selector(s, &Path::root("nodeTopology"), &mut found));
    let values = if found.is_empty() { Values::Labels } else { Values::Any };
    create_capacity_with(next, values, errors);
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    let selector = |s: &Option<_>| s.as_ref().map_or_else(|| Raw("null".into()), shown_selector);
    errors.immutable(&Path::root("nodeTopology"), &next.node_topology, &current.node_topology, selector);
    let text = |t: &String| Raw(shown(t));
    errors.immutable(&Path::root("storageClassName"), &next.storage_class_name, &current.storage_class_name, text);
}
