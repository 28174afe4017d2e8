//! Claims for devices, their templates, and the classes they ask for.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::resource::v1::{
    DeviceClaim, DeviceClass, DeviceConstraint, DeviceRequest, DeviceSelector, DeviceToleration, OpaqueDeviceConfiguration, ResourceClaim,
    ResourceClaimTemplate,
};

use super::{label_name, opaque, qualified_label, qualified_name, set, slice};
use crate::names;
use crate::validation::errors::Errors;
use crate::validation::internal::blamed;
use crate::validation::metadata;
use crate::validation::path::Path;
use crate::validation::pod::resources::is_extended;
use crate::validation::pod::volume_sources::csi_driver;

pub(super) const LIST_MAX: usize = 32;
const FIRST_AVAILABLE_MAX: usize = 8;
const EXPRESSION_BYTES_MAX: usize = 10 * 1024;
const ONE_OF: &str = "exactly one of `exactly` or `firstAvailable` is required";
const NO_REQUEST: &str = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";

/// The names of a claim's requests, each with those of its alternatives.
pub(super) type Requests<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// What is wrong with a new claim.
pub fn create(claim: &ResourceClaim, errors: &mut Errors) {
    metadata::validate(&claim.metadata, true, names::dns1123_subdomain, errors);
    let spec = Path::root("spec");
    devices(claim.spec.devices.as_ref(), &spec.child("devices"), errors);
}

/// What is wrong with a claim's next state: nothing of what is asked may change.
pub fn update(next: &ResourceClaim, current: &ResourceClaim, errors: &mut Errors) {
    metadata::validate(&next.metadata, true, names::dns1123_subdomain, errors);
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    errors.immutable(&Path::root("spec"), &next.spec, &current.spec, |spec| blamed("ResourceClaimSpec", spec));
}

/// What is wrong with a new template of claims.
pub fn create_template(template: &ResourceClaimTemplate, errors: &mut Errors) {
    metadata::validate(&template.metadata, true, names::dns1123_subdomain, errors);
    let spec = Path::root("spec");
    if let Some(metadata) = &template.spec.metadata {
        let at = spec.child("metadata");
        crate::validation::labels::labels(metadata.labels.as_ref(), &at.child("labels"), errors);
        metadata::annotations(metadata.annotations.as_ref(), &at.child("annotations"), errors);
    }
    let inner = spec.child("spec");
    devices(template.spec.spec.devices.as_ref(), &inner.child("devices"), errors);
}

/// What is wrong with a template's next state: nothing may change.
pub fn update_template(next: &ResourceClaimTemplate, current: &ResourceClaimTemplate, errors: &mut Errors) {
    create_template(next, errors);
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    errors.immutable(&Path::root("spec"), &next.spec, &current.spec, |spec| blamed("ResourceClaimTemplateSpec", spec));
}

/// What is wrong with a class of devices.
pub fn create_class(class: &DeviceClass, errors: &mut Errors) {
    metadata::validate(&class.metadata, false, names::dns1123_subdomain, errors);
    let (at, spec) = (Path::root("spec"), &class.spec);
    selectors(spec.selectors.as_deref(), &at.child("selectors"), errors);
    slice(spec.config.as_deref().unwrap_or_default(), LIST_MAX, &at.child("config"), errors, |config, at, errors| {
        configuration(config.opaque.as_ref(), at, errors);
    });
    if let Some(name) = spec.extended_resource_name.as_deref().filter(|n| !is_extended(n)) {
        errors.invalid(&at.child("extendedResourceName"), name, "must be a valid extended resource name");
    }
}

/// What is wrong with a class' next state.
pub fn update_class(next: &DeviceClass, current: &DeviceClass, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    create_class(next, errors);
}

fn devices(claim: Option<&DeviceClaim>, at: &Path<'_>, errors: &mut Errors) {
    let Some(claim) = claim else { return };
    let requests = claim.requests.as_deref().unwrap_or_default();
    let known = request_names(claim);
    set(requests, LIST_MAX, |r| &r.name, &at.child("requests"), errors, request);
    slice(claim.constraints.as_deref().unwrap_or_default(), LIST_MAX, &at.child("constraints"), errors, |c, at, errors| {
        constraint(c, &known, at, errors);
    });
    slice(claim.config.as_deref().unwrap_or_default(), LIST_MAX, &at.child("config"), errors, |config, at, errors| {
        references(config.requests.as_deref(), &known, &at.child("requests"), errors);
        configuration(config.opaque.as_ref(), at, errors);
    });
}

/// The names of the requests in a claim.
pub(super) fn request_names(claim: &DeviceClaim) -> Requests<'_> {
    claim.requests.iter().flatten().map(|r| (r.name.as_str(), sub_names(r))).collect()
}

fn sub_names(request: &DeviceRequest) -> BTreeSet<&str> {
    request.first_available.iter().flatten().map(|sub| sub.name.as_str()).collect()
}

fn request(request: &DeviceRequest, at: &Path<'_>, errors: &mut Errors) {
    label_name(&request.name, &at.child("name"), errors);
    let alternatives = request.first_available.as_deref().unwrap_or_default();
    match (&request.exactly, alternatives.is_empty()) {
        (None, true) => errors.required(at, ONE_OF),
        (Some(_), false) => errors.invalid(at, None::<&str>, &format!("{ONE_OF}, but multiple fields are set")),
        (Some(exactly), true) => {
            let asked = Asked {
                class: &exactly.device_class_name,
                selectors: exactly.selectors.as_deref(),
                mode: exactly.allocation_mode.as_deref(),
                count: exactly.count,
                tolerations: exactly.tolerations.as_deref(),
            };
            asked.check(&at.child("exactly"), errors);
        }
        (None, false) => set(
            alternatives,
            FIRST_AVAILABLE_MAX,
            |s| &s.name,
            &at.child("firstAvailable"),
            errors,
            |sub, at, errors| {
                label_name(&sub.name, &at.child("name"), errors);
                let asked = Asked {
                    class: &sub.device_class_name,
                    selectors: sub.selectors.as_deref(),
                    mode: sub.allocation_mode.as_deref(),
                    count: sub.count,
                    tolerations: sub.tolerations.as_deref(),
                };
                asked.check(at, errors);
            },
        ),
    }
}

/// What a request asks for, or one of its alternatives.
struct Asked<'a> {
    class: &'a str,
    selectors: Option<&'a [DeviceSelector]>,
    mode: Option<&'a str>,
    count: Option<i64>,
    tolerations: Option<&'a [DeviceToleration]>,
}

impl Asked<'_> {
    fn check(&self, at: &Path<'_>, errors: &mut Errors) {
        match self.class {
            "" => errors.required(&at.child("deviceClassName"), ""),
            class => errors.invalid_each(&at.child("deviceClassName"), class, names::dns1123_subdomain(class)),
        }
        selectors(self.selectors, &at.child("selectors"), errors);
        let count = self.count.unwrap_or(0);
        match self.mode.unwrap_or_default() {
            "All" if count != 0 => errors.invalid(&at.child("count"), count, "must not be specified when allocationMode is 'All'"),
            "ExactCount" if count <= 0 => errors.invalid(&at.child("count"), count, "must be greater than zero"),
            "All" | "ExactCount" => {}
            other => errors.not_supported(&at.child("allocationMode"), other, &["All", "ExactCount"]),
        }
        let list = at.child("tolerations");
        for (index, found) in self.tolerations.unwrap_or_default().iter().enumerate() {
            toleration(found, &list.index(index), errors);
        }
    }
}

fn selectors(selectors: Option<&[DeviceSelector]>, list: &Path<'_>, errors: &mut Errors) {
    slice(selectors.unwrap_or_default(), LIST_MAX, list, errors, |selector, at, errors| match &selector.cel {
        None => errors.required(&at.child("cel"), ""),
        Some(cel) if cel.expression.len() > EXPRESSION_BYTES_MAX => {
            errors.too_long(&at.child("cel").child("expression"), EXPRESSION_BYTES_MAX);
        }
        Some(_) => {}
    });
}

fn toleration(toleration: &DeviceToleration, at: &Path<'_>, errors: &mut Errors) {
    if let Some(key) = toleration.key.as_deref().filter(|k| !k.is_empty()) {
        qualified_label(key, &at.child("key"), errors);
    }
    let value = toleration.value.as_deref().unwrap_or_default();
    match toleration.operator.as_deref().unwrap_or_default() {
        "Exists" if !value.is_empty() => errors.invalid(&at.child("value"), value, "must be empty for operator `Exists`"),
        "Exists" => {}
        "Equal" => errors.invalid_each(&at.child("value"), value, names::label_value(value)),
        "" => errors.required(&at.child("operator"), ""),
        other => errors.not_supported(&at.child("operator"), other, &["Equal", "Exists"]),
    }
    let effect = toleration.effect.as_deref().unwrap_or_default();
    if !matches!(effect, "" | "NoSchedule" | "NoExecute" | "None") {
        errors.not_supported(&at.child("effect"), effect, &["NoExecute", "NoSchedule", "None"]);
    }
}

fn constraint(constraint: &DeviceConstraint, known: &Requests<'_>, at: &Path<'_>, errors: &mut Errors) {
    references(constraint.requests.as_deref(), known, &at.child("requests"), errors);
    match (&constraint.match_attribute, &constraint.distinct_attribute) {
        (Some(name), _) => fully_qualified(name, &at.child("matchAttribute"), errors),
        (None, Some(name)) => fully_qualified(name, &at.child("distinctAttribute"), errors),
        (None, None) => {
            errors.required(at, "exactly one of \"matchAttribute\" or \"distinctAttribute\" is required, but multiple fields are set");
        }
    }
}

fn fully_qualified(name: &str, at: &Path<'_>, errors: &mut Errors) {
    qualified_name(name, at, errors);
    if !name.contains('/') {
        errors.invalid(at, name, "a fully qualified name must be a domain and a name separated by a slash");
    }
}

/// Names of requests, or of a request and one of its alternatives.
pub(super) fn references(names: Option<&[String]>, known: &Requests<'_>, list: &Path<'_>, errors: &mut Errors) {
    set(names.unwrap_or_default(), LIST_MAX, String::as_str, list, errors, |name, at, errors| reference(name, known, at, errors));
}

pub(super) fn reference(name: &str, known: &Requests<'_>, at: &Path<'_>, errors: &mut Errors) {
    let segments: Vec<&str> = name.split('/').collect();
    let found = match segments.as_slice() {
        [request] => known.contains_key(request),
        [request, sub] => known.get(request).is_some_and(|subs| subs.contains(sub)),
        _ => return errors.invalid(at, name, NO_REQUEST),
    };
    segments.iter().for_each(|segment| label_name(segment, at, errors));
    if !found {
        errors.invalid(at, name, NO_REQUEST);
    }
}

pub(super) fn configuration(config: Option<&OpaqueDeviceConfiguration>, at: &Path<'_>, errors: &mut Errors) {
    let at = at.child("opaque");
    let Some(config) = config else { return errors.required(&at, "") };
    csi_driver(&config.driver, &at.child("driver"), errors);
    opaque(&config.parameters, &at.child("parameters"), errors);
}
