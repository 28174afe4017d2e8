//! Resource quotas and limit ranges. Source: pkg/apis/core/validation.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{
    LimitRange, LimitRangeItem, ResourceQuota, ResourceQuotaSpec, ScopeSelector, ScopedResourceSelectorRequirement,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;

use super::errors::Errors;
use super::path::Path;
use super::pod::resources::{container_resource_name, is_overcommit_allowed, is_standard, resource_name};
use super::values::{quantity, resource_amount};
use super::{internal, metadata};
use crate::names;
use crate::quantity::Quantity;

const SPEC: Path<'_> = Path::root("spec");
const PAIRS: [[&str; 2]; 2] = [["BestEffort", "NotBestEffort"], ["Terminating", "NotTerminating"]];
const PLAIN_SCOPES: [&str; 5] = ["BestEffort", "NotBestEffort", "Terminating", "NotTerminating", "CrossNamespacePodAffinity"];

type Amounts = Option<BTreeMap<String, ApiQuantity>>;

/// What is wrong with a new quota.
pub fn quota_create(quota: &ResourceQuota, errors: &mut Errors) {
    metadata::validate(&quota.metadata, true, names::dns1123_subdomain, errors);
    quota_spec(&quota.spec.clone().unwrap_or_default(), errors);
    status(quota, errors);
}

/// What is wrong with a quota's next state.
pub fn quota_update(next: &ResourceQuota, current: &ResourceQuota, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    let spec = next.spec.clone().unwrap_or_default();
    quota_spec(&spec, errors);
    let set = |quota: &ResourceQuota| -> BTreeSet<String> { quota.spec.iter().flat_map(|s| s.scopes.iter().flatten()).cloned().collect() };
    if set(next) != set(current) {
        errors.invalid(&SPEC.child("scopes"), spec.scopes.as_ref(), "field is immutable");
    }
}

/// What is wrong with a quota's next status.
pub fn quota_status(next: &ResourceQuota, current: &ResourceQuota, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    status(next, errors);
}

fn status(quota: &ResourceQuota, errors: &mut Errors) {
    let at = Path::root("status");
    if let Some(status) = &quota.status {
        amounts(&status.hard, &at.child("hard"), errors);
        amounts(&status.used, &at.child("used"), errors);
    }
}

fn amounts(amounts: &Amounts, at: &Path<'_>, errors: &mut Errors) {
    for (name, amount) in amounts.iter().flatten() {
        of_quota(name, &at.key(name), errors);
        resource_amount(name, amount, &at.key(name), errors);
    }
}

fn is_standard_in_quota(name: &str) -> bool {
    name != "storage" && is_standard(name)
}

fn of_quota(name: &str, at: &Path<'_>, errors: &mut Errors) {
    resource_name(name, at, errors);
    if !name.contains('/') && !is_standard_in_quota(name) {
        errors.invalid(at, name, "must be a standard resource for quota");
    }
}

fn quota_spec(spec: &ResourceQuotaSpec, errors: &mut Errors) {
    amounts(&spec.hard, &SPEC.child("hard"), errors);
    let at = SPEC.child("scopes");
    let scopes = spec.scopes.as_deref().unwrap_or_default();
    for scope in scopes {
        if !is_known(scope) {
            errors.invalid(&at, scopes, "unsupported scope");
        }
        for _ in 0..misfits(scope, spec) {
            errors.invalid(&at, scopes, "unsupported scope applied to resource");
        }
    }
    conflicts(scopes.iter().map(String::as_str), scopes, &at, errors);
    if let Some(selector) = &spec.scope_selector {
        scope_selector(selector, spec, &SPEC.child("scopeSelector"), errors);
    }
}

fn is_known(scope: &str) -> bool {
    PLAIN_SCOPES.contains(&scope) || matches!(scope, "PriorityClass" | "VolumeAttributesClass")
}

/// How many of a quota's plain resources a scope says nothing about.
fn misfits(scope: &str, spec: &ResourceQuotaSpec) -> usize {
    const COMPUTE: [&str; 6] = ["cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"];
    let fits = |name: &str| match scope {
        "BestEffort" => name == "pods",
        "VolumeAttributesClass" => matches!(name, "persistentvolumeclaims" | "requests.storage"),
        other if is_known(other) => name == "pods" || COMPUTE.contains(&name),
        _ => true,
    };
    spec.hard.iter().flatten().filter(|(name, _)| is_standard_in_quota(name) && !fits(name)).count()
}

fn conflicts<'a>(found: impl Iterator<Item = &'a str>, shown: &[String], at: &Path<'_>, errors: &mut Errors) {
    let found: BTreeSet<&str> = found.collect();
    for _ in PAIRS.iter().filter(|pair| pair.iter().all(|scope| found.contains(scope))) {
        match shown.is_empty() {
            true => errors.invalid(at, super::go_value::Raw("null".into()), "conflicting scopes"),
            false => errors.invalid(at, shown, "conflicting scopes"),
        }
    }
}

fn scope_selector(selector: &ScopeSelector, spec: &ResourceQuotaSpec, at: &Path<'_>, errors: &mut Errors) {
    let at = at.child("matchExpressions");
    let requirements = selector.match_expressions.as_deref().unwrap_or_default();
    for requirement in requirements {
        if !is_known(&requirement.scope_name) {
            errors.invalid(&at.child("scopeName"), &requirement.scope_name, "unsupported scope");
        }
        for _ in 0..misfits(&requirement.scope_name, spec) {
            errors.invalid(&at, internal::blamed("ScopeSelector", selector), "unsupported scope applied to resource");
        }
        scope_requirement(requirement, &at, errors);
    }
    let scopes = spec.scopes.as_deref().unwrap_or_default();
    conflicts(requirements.iter().map(|r| r.scope_name.as_str()), scopes, &at, errors);
}

fn scope_requirement(requirement: &ScopedResourceSelectorRequirement, at: &Path<'_>, errors: &mut Errors) {
    let operator = requirement.operator.as_str();
    if PLAIN_SCOPES.contains(&requirement.scope_name.as_str()) && operator != "Exists" {
        let text = "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";
        errors.invalid(&at.child("operator"), operator, text);
    }
    let values = requirement.values.as_deref().unwrap_or_default();
    match operator {
        "In" | "NotIn" if values.is_empty() => {
            errors.required(&at.child("values"), "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector");
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            errors.invalid(&at.child("values"), values, "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector");
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
        other => errors.invalid(&at.child("operator"), other, "not a valid selector operator"),
    }
}

/// What is wrong with a limit range, new or changed.
pub fn limit_range(range: &LimitRange, errors: &mut Errors) {
    metadata::validate(&range.metadata, true, names::dns1123_subdomain, errors);
    let list = SPEC.child("limits");
    let limits = range.spec.as_ref().map(|s| s.limits.as_slice()).unwrap_or_default();
    for (index, limit) in limits.iter().enumerate() {
        let at = list.index(index);
        limit_type(&limit.type_, &at.child("type"), errors);
        if limits[..index].iter().any(|l| l.type_ == limit.type_) {
            errors.duplicate(&at.child("type"), &limit.type_);
        }
        limit_item(limit, &at, errors);
    }
}

fn limit_type(kind: &str, at: &Path<'_>, errors: &mut Errors) {
    let found = errors.len();
    errors.invalid_each(at, kind, names::qualified_name(kind));
    if errors.len() == found && !kind.contains('/') && !matches!(kind, "Pod" | "Container" | "PersistentVolumeClaim") {
        errors.invalid(at, kind, "must be a standard limit type or fully qualified");
    }
}

fn limit_item(limit: &LimitRangeItem, at: &Path<'_>, errors: &mut Errors) {
    let mut keys = BTreeSet::new();
    named("max", &limit.max, limit, at, &mut keys, errors);
    named("min", &limit.min, limit, at, &mut keys, errors);
    if limit.type_ == "Pod" {
        for (field, found) in [("default", &limit.default), ("defaultRequest", &limit.default_request)] {
            if found.as_ref().is_some_and(|m| !m.is_empty()) {
                errors.forbidden(&at.child(field), "may not be specified when `type` is 'Pod'");
            }
        }
    } else {
        named("default", &limit.default, limit, at, &mut keys, errors);
        named("defaultRequest", &limit.default_request, limit, at, &mut keys, errors);
    }
    let has_storage = |m: &Amounts| m.as_ref().is_some_and(|m| m.contains_key("storage"));
    if limit.type_ == "PersistentVolumeClaim" && !has_storage(&limit.min) && !has_storage(&limit.max) {
        errors.required(&at.child("limits"), "either minimum or maximum storage value is required, but neither was provided");
    }
    named("maxLimitRequestRatio", &limit.max_limit_request_ratio, limit, at, &mut keys, errors);
    for key in keys {
        consistent(key, limit, at, errors);
    }
}

fn named<'a>(field: &str, found: &'a Amounts, limit: &LimitRangeItem, at: &Path<'_>, keys: &mut BTreeSet<&'a str>, errors: &mut Errors) {
    let at = at.child(field);
    for key in found.iter().flatten().map(|(key, _)| key) {
        match limit.type_.as_str() {
            "Pod" | "Container" => container_resource_name(key, &at.key(key), errors),
            _ => resource_name(key, &at.key(key), errors),
        }
        keys.insert(key);
    }
}

/// min ≤ defaultRequest ≤ default ≤ max, and a ratio that these allow.
fn consistent(key: &str, limit: &LimitRangeItem, at: &Path<'_>, errors: &mut Errors) {
    let of = |m: &Amounts| m.as_ref().and_then(|m| m.get(key)).map(quantity);
    let not_pod = |m: &Amounts| if limit.type_ == "Pod" { None } else { of(m) };
    let (min, max, ratio) = (of(&limit.min), of(&limit.max), of(&limit.max_limit_request_ratio));
    let (default, request) = (not_pod(&limit.default), not_pod(&limit.default_request));
    let mut above = |field: &str, shown: Option<Quantity>, low: (&str, Option<Quantity>), high: (&str, Option<Quantity>)| {
        if let (Some(a), Some(b), Some(shown)) = (low.1, high.1, shown)
            && a > b
        {
            let text = format!("{} value {a} is greater than {} value {b}", low.0, high.0);
            errors.invalid(&at.child(field).key(key), shown.to_string(), &text);
        }
    };
    above("min", min, ("min", min), ("max", max));
    above("defaultRequest", request, ("min", min), ("default request", request));
    above("defaultRequest", request, ("default request", request), ("max", max));
    above("defaultRequest", request, ("default request", request), ("default limit", default));
    above("default", min, ("min", min), ("default", default));
    above("default", max, ("default", default), ("max", max));
    if let Some(ratio) = ratio {
        ratio_fits(key, ratio, min, max, at, errors);
    }
    if let (Some(default), Some(request)) = (default, request)
        && default != request
        && !is_overcommit_allowed(key)
    {
        let text = format!("default value {default} must equal to defaultRequest value {request} in {key}");
        errors.invalid(&at.child("defaultRequest").key(key), request.to_string(), &text);
    }
}

fn ratio_fits(key: &str, ratio: Quantity, min: Option<Quantity>, max: Option<Quantity>, at: &Path<'_>, errors: &mut Errors) {
    let at = at.child("maxLimitRequestRatio");
    if ratio < Quantity::from_millis(1000) {
        errors.invalid(&at.key(key), ratio.to_string(), &format!("ratio {ratio} is less than 1"));
    }
    let (Some(min), Some(max)) = (min, max) else { return };
    let (low, high) = (i128::from(min.milli_value()), i128::from(max.milli_value()));
    if low > 0 && i128::from(ratio.milli_value()) * low > high * 1000 {
        let millionths = (high * 1_000_000 + low / 2) / low;
        let text = format!("ratio {ratio} is greater than max/min = {}.{:06}", millionths / 1_000_000, millionths % 1_000_000);
        errors.invalid(&at.key(key), ratio.to_string(), &text);
    }
}
