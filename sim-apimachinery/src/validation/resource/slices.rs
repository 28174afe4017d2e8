//! Slices: the devices that drivers offer.

use k8s_openapi::api::core::v1::NodeSelector;
use k8s_openapi::api::resource::v1::{Counter, Device, DeviceAttribute, DeviceTaint, ResourceSlice, ResourceSliceSpec};

use super::{QUALIFIED_MAX, capacity, label_name, pool_name, qualified_label, qualified_name, set, slice};
use crate::names;
use crate::validation::errors::Errors;
use crate::validation::go_value::{Raw, shown};
use crate::validation::internal::blamed;
use crate::validation::path::Path;
use crate::validation::pod::affinity::node_selector;
use crate::validation::pod::volume_sources::csi_driver;
use crate::validation::{labels, metadata};

const DEVICES_MAX: usize = 128;
/// With taints or counters.
const ADVANCED_DEVICES_MAX: usize = 64;
const COUNTER_SETS_MAX: usize = 8;
const COUNTERS_MAX: usize = 32;
const CONSUMPTIONS_MAX: usize = 2;
const ATTRIBUTES_MAX: usize = 32;
const ATTRIBUTE_VALUES_MAX: usize = 48;
const TAINTS_MAX: usize = 16;
const VALUE_BYTES_MAX: usize = 64;
const CONDITIONS_MAX: usize = 4;
const ONE_PLACE: &str = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required";
const ONE_DEVICE_PLACE: &str = "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true in the ResourceSlice spec";
const NO_DEVICE_PLACE: &str =
    "`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec";

/// What is wrong with a new slice.
pub fn create(slice: &ResourceSlice, errors: &mut Errors) {
    metadata::validate(&slice.metadata, false, names::dns1123_subdomain, errors);
    spec(&slice.spec, None, errors);
}

/// What is wrong with a slice's next state.
pub fn update(next: &ResourceSlice, current: &ResourceSlice, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    spec(&next.spec, Some(&current.spec), errors);
}

fn spec(spec: &ResourceSliceSpec, old: Option<&ResourceSliceSpec>, errors: &mut Errors) {
    let at = Path::root("spec");
    let pool = at.child("pool");
    csi_driver(&spec.driver, &at.child("driver"), errors);
    pool_name(&spec.pool.name, &pool.child("name"), errors);
    if spec.pool.resource_slice_count <= 0 {
        errors.invalid(&pool.child("resourceSliceCount"), spec.pool.resource_slice_count, "must be greater than zero");
    }
    if spec.pool.generation < 0 {
        errors.invalid(&pool.child("generation"), spec.pool.generation, "must be greater than or equal to zero");
    }
    if let Some(old) = old {
        let text = |value: &String| Raw(shown(value));
        errors.immutable(&pool.child("name"), &spec.pool.name, &old.pool.name, text);
        errors.immutable(&at.child("driver"), &spec.driver, &old.driver, text);
        errors.immutable(&at.child("nodeName"), &spec.node_name, &old.node_name, |name| Raw(shown(name)));
    }
    place(spec, &at, errors);
    if spec.shared_counters.is_some() && spec.devices.is_some() {
        errors.invalid(&at, "", "only one of `sharedCounters` or `devices` is allowed");
    }
    devices(spec, old, &at.child("devices"), errors);
    let sets = spec.shared_counters.as_deref().unwrap_or_default();
    set(
        sets,
        COUNTER_SETS_MAX,
        |s| &s.name,
        &at.child("sharedCounters"),
        errors,
        |found, at, errors| {
            counter_name(&found.name, &at.child("name"), errors);
            counters(&found.counters, &at.child("counters"), errors);
        },
    );
}

fn place(spec: &ResourceSliceSpec, at: &Path<'_>, errors: &mut Errors) {
    let mut given = Vec::new();
    match spec.node_name.as_deref() {
        None => {}
        Some("") => errors.invalid(&at.child("nodeName"), "", "must be either unset or set to a non-empty string"),
        Some(name) => {
            given.push("`nodeName`");
            errors.invalid_each(&at.child("nodeName"), name, names::dns1123_subdomain(name));
        }
    }
    if let Some(selector) = &spec.node_selector {
        given.push("`nodeSelector`");
        let field = at.child("nodeSelector");
        node_selector(selector, labels::Values::Labels, &field, errors);
        if selector.node_selector_terms.len() != 1 {
            errors.invalid(&field.child("nodeSelectorTerms"), terms(selector), "must have exactly one node selector term");
        }
    }
    let flags = [
        ("allNodes", "`allNodes`", spec.all_nodes),
        ("perDeviceNodeSelection", "`perDeviceNodeSelection`", spec.per_device_node_selection),
    ];
    for (field, name, flag) in flags {
        match flag {
            Some(true) => given.push(name),
            Some(false) => errors.invalid(&at.child(field), false, "must be either unset or set to true"),
            None => {}
        }
    }
    match given.len() {
        0 => errors.required(at, ONE_PLACE),
        1 => {}
        _ => errors.invalid(at, format!("{{{}}}", given.join(", ")), &format!("{ONE_PLACE}, but multiple fields are set")),
    }
}

fn terms(selector: &NodeSelector) -> Raw {
    let list: Vec<String> = selector.node_selector_terms.iter().map(|term| blamed("NodeSelectorTerm", term).0).collect();
    Raw(format!("[{}]", list.join(",")))
}

fn devices(spec: &ResourceSliceSpec, old: Option<&ResourceSliceSpec>, list: &Path<'_>, errors: &mut Errors) {
    let devices = spec.devices.as_deref().unwrap_or_default();
    let has_taints = |d: &Device| d.taints.as_ref().is_some_and(|t| !t.is_empty());
    let has_counters = |d: &Device| d.consumes_counters.as_ref().is_some_and(|c| !c.is_empty());
    let advanced = devices.iter().any(|d| has_taints(d) || has_counters(d) || has_lists(d));
    let most = if advanced { ADVANCED_DEVICES_MAX } else { DEVICES_MAX };
    set(
        devices,
        most,
        |d| &d.name,
        list,
        errors,
        |found, at, errors| {
            let before = old.and_then(|o| o.devices.as_ref()).into_iter().flatten().find(|d| d.name == found.name);
            device(found, before, spec.per_device_node_selection == Some(true), at, errors);
        },
    );
}

fn has_lists(device: &Device) -> bool {
    let mut values = device.attributes.iter().flat_map(|a| a.values());
    values.any(|a| a.bools.is_some() || a.ints.is_some() || a.strings.is_some() || a.versions.is_some())
}

fn device(device: &Device, before: Option<&Device>, placed_alone: bool, at: &Path<'_>, errors: &mut Errors) {
    label_name(&device.name, &at.child("name"), errors);
    let (no_attributes, no_capacities) = Default::default();
    let (attributes, capacities) =
        (device.attributes.as_ref().unwrap_or(&no_attributes), device.capacity.as_ref().unwrap_or(&no_capacities));
    let count = attributes.len() + capacities.len();
    if count > ATTRIBUTES_MAX {
        let why = format!("the total number of attributes and capacities must not exceed {ATTRIBUTES_MAX}");
        errors.invalid(at, count as i64, &why);
    }
    let values: usize = attributes.values().map(values_of).sum();
    if values > ATTRIBUTE_VALUES_MAX {
        let why = format!("the total number of attribute values must not exceed {ATTRIBUTE_VALUES_MAX}");
        errors.invalid(at, values as i64, &why);
    }
    let map = at.child("attributes");
    for (name, found) in attributes {
        qualified_name(name, &map, errors);
        attribute(found, &map.key(&cut(name)), errors);
    }
    let map = at.child("capacity");
    for (name, found) in capacities {
        qualified_name(name, &map, errors);
        capacity::check(found, device.allow_multiple_allocations == Some(true), &map.key(&cut(name)), errors);
    }
    if before.is_none_or(|b| b.taints != device.taints) {
        slice(device.taints.as_deref().unwrap_or_default(), TAINTS_MAX, &at.child("taints"), errors, taint);
    }
    let consumed = device.consumes_counters.as_deref().unwrap_or_default();
    set(
        consumed,
        CONSUMPTIONS_MAX,
        |c| &c.counter_set,
        &at.child("consumesCounters"),
        errors,
        |found, at, errors| {
            counter_name(&found.counter_set, &at.child("counterSet"), errors);
            counters(&found.counters, &at.child("counters"), errors);
        },
    );
    device_place(device, placed_alone, at, errors);
    binding(device, at, errors);
}

/// A key that is too long is shown without its middle.
fn cut(name: &str) -> String {
    if name.len() <= QUALIFIED_MAX || !name.is_ascii() {
        return name.to_owned();
    }
    let rest = QUALIFIED_MAX - 3;
    format!("{}...{}", &name[..rest.div_ceil(2)], &name[name.len() - rest / 2..])
}

fn values_of(attribute: &DeviceAttribute) -> usize {
    let count = |list: Option<usize>| list.unwrap_or(0);
    let lists = count(attribute.bools.as_ref().map(Vec::len))
        + count(attribute.ints.as_ref().map(Vec::len))
        + count(attribute.strings.as_ref().map(Vec::len))
        + count(attribute.versions.as_ref().map(Vec::len));
    lists.max(1)
}

fn attribute(attribute: &DeviceAttribute, at: &Path<'_>, errors: &mut Errors) {
    if attribute.string.as_ref().is_some_and(|t| t.len() > VALUE_BYTES_MAX) {
        errors.too_long(&at.child("string"), VALUE_BYTES_MAX);
    }
    if let Some(text) = &attribute.version {
        version(text, &at.child("version"), errors);
    }
    let set = [
        attribute.int.is_some(),
        attribute.bool.is_some(),
        attribute.string.is_some(),
        attribute.version.is_some(),
        attribute.ints.is_some(),
        attribute.bools.is_some(),
        attribute.strings.is_some(),
        attribute.versions.is_some(),
    ];
    match set.into_iter().filter(|is_set| *is_set).count() {
        0 => errors.invalid(at, "", "exactly one value must be specified"),
        1 => {}
        _ => errors.invalid(at, blamed("DeviceAttribute", attribute), "exactly one value must be specified"),
    }
}

fn version(text: &str, at: &Path<'_>, errors: &mut Errors) {
    if !is_semantic_version(text) {
        errors.invalid(at, text, "must be a string compatible with semver.org spec 2.0.0");
    }
    if text.len() > VALUE_BYTES_MAX {
        errors.too_long(at, VALUE_BYTES_MAX);
    }
}

fn is_semantic_version(text: &str) -> bool {
    let (text, build) = text.split_once('+').map_or((text, None), |(t, b)| (t, Some(b)));
    let (core, early) = text.split_once('-').map_or((text, None), |(t, e)| (t, Some(e)));
    let word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let number = |part: &str| digits(part) && (part == "0" || !part.starts_with('0'));
    core.split('.').count() == 3
        && core.split('.').all(number)
        && early.is_none_or(|e| e.split('.').all(|part| word(part) && (!digits(part) || number(part))))
        && build.is_none_or(|b| b.split('.').all(word))
}

fn taint(taint: &DeviceTaint, at: &Path<'_>, errors: &mut Errors) {
    qualified_label(&taint.key, &at.child("key"), errors);
    if let Some(value) = taint.value.as_deref().filter(|v| !v.is_empty()) {
        errors.invalid_each(&at.child("value"), value, names::label_value(value));
    }
    match taint.effect.as_str() {
        "" => errors.required(&at.child("effect"), ""),
        "NoSchedule" | "NoExecute" | "None" => {}
        other => errors.not_supported(&at.child("effect"), other, &["NoExecute", "NoSchedule", "None"]),
    }
}

fn counter_name(name: &str, at: &Path<'_>, errors: &mut Errors) {
    match name {
        "" => errors.required(at, ""),
        name => label_name(name, at, errors),
    }
}

fn counters(counters: &std::collections::BTreeMap<String, Counter>, at: &Path<'_>, errors: &mut Errors) {
    match counters.len() {
        0 => errors.required(at, ""),
        count if count > COUNTERS_MAX => errors.too_many(at, count, COUNTERS_MAX),
        _ => counters.keys().for_each(|name| label_name(name, at, errors)),
    }
}

fn device_place(device: &Device, placed_alone: bool, at: &Path<'_>, errors: &mut Errors) {
    if !placed_alone {
        if device.node_name.is_some() || device.node_selector.is_some() || device.all_nodes.is_some() {
            errors.invalid(at, None::<&str>, NO_DEVICE_PLACE);
        }
        return;
    }
    let mut given = Vec::new();
    match device.node_name.as_deref() {
        None => {}
        Some("") => errors.invalid(&at.child("nodeName"), "", "must not be empty"),
        Some(name) => {
            given.push("`nodeName`");
            errors.invalid_each(&at.child("nodeName"), name, names::dns1123_subdomain(name));
        }
    }
    if let Some(selector) = &device.node_selector {
        given.push("`nodeSelector`");
        node_selector(selector, labels::Values::Labels, &at.child("nodeSelector"), errors);
    }
    match device.all_nodes {
        Some(true) => given.push("`allNodes`"),
        Some(false) => errors.invalid(&at.child("allNodes"), false, "must be either unset or set to true"),
        None => {}
    }
    match given.len() {
        0 => errors.required(at, ONE_DEVICE_PLACE),
        1 => {}
        _ => errors.invalid(at, format!("{{{}}}", given.join(", ")), ONE_DEVICE_PLACE),
    }
}

fn binding(device: &Device, at: &Path<'_>, errors: &mut Errors) {
    let wanted = device.binding_conditions.as_deref().unwrap_or_default();
    let failed = device.binding_failure_conditions.as_deref().unwrap_or_default();
    let (wanted_at, failed_at) = (at.child("bindingConditions"), at.child("bindingFailureConditions"));
    for (list, at) in [(wanted, &wanted_at), (failed, &failed_at)] {
        slice(list, CONDITIONS_MAX, at, errors, |name, at, errors| qualified_label(name, at, errors));
    }
    for (index, name) in wanted.iter().enumerate().filter(|(index, name)| wanted[..*index].contains(name)) {
        errors.duplicate(&wanted_at.index(index), name);
    }
    for (index, name) in failed.iter().enumerate() {
        if failed[..index].contains(name) {
            errors.duplicate(&failed_at.index(index), name);
        }
        if wanted.contains(name) {
            errors.invalid(&failed_at.index(index), name, "bindingFailureConditions must not overlap with bindingConditions");
        }
    }
    match (wanted.is_empty(), failed.is_empty()) {
        (true, false) => errors.invalid(&wanted_at, Raw("null".into()), "bindingConditions are required to use bindingFailureConditions"),
        (false, true) => {
            errors.invalid(&failed_at, Raw("null".into()), "bindingFailureConditions are required to use bindingConditions");
        }
        _ => {}
    }
}
