//! Cluster addresses and address families of services, alone and against what they were.
//! Source: `ValidateServiceClusterIPsRelatedFields`, `validateUpgradeDowngrade…` in pkg/apis/core/validation.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::ServiceSpec;

use super::super::errors::Errors;
use super::super::go_value::Raw;
use super::super::path::Path;
use super::{is_headless, kind};
use crate::ip;

const ONCE: &str = "may not change once set";

fn addresses(spec: &ServiceSpec) -> &[String] {
    spec.cluster_ips.as_deref().unwrap_or_default()
}

fn families(spec: &ServiceSpec) -> &[String] {
    spec.ip_families.as_deref().unwrap_or_default()
}

/// A list as Go shows it: one that was never made is `null`.
fn shown(list: Option<&Vec<String>>) -> Raw {
    Raw(list.map_or_else(|| "null".to_owned(), super::super::go_value::shown))
}

/// The family of an address, as services name it.
pub fn family_of(address: &str) -> &'static str {
    match ip::parse(address) {
        Some(found) if found.is_ipv6() => "IPv6",
        _ => "IPv4",
    }
}

/// What is wrong with `clusterIP`, `clusterIPs`, `ipFamilies` and `ipFamilyPolicy`; what is known from before may stay.
pub fn related(spec: &ServiceSpec, old: Option<&ServiceSpec>, errors: &mut Errors) {
    if kind(spec) == "ExternalName" {
        return;
    }
    let at = Path::root("spec");
    let field = at.child("clusterIPs");
    let list = addresses(spec);
    match (spec.cluster_ip.as_deref().unwrap_or_default(), list.first()) {
        ("", Some(_)) => errors.invalid(&field, list, "must be empty when `clusterIP` is not specified"),
        ("", None) => {}
        (_, None) => errors.required(&field, ""),
        (first, Some(found)) if first != found => errors.invalid(&field, list, "first value must match `clusterIP`"),
        _ => {}
    }
    families_alone(spec, &at, errors);
    let known = old.map(addresses).unwrap_or_default();
    let before = errors.len();
    for (index, address) in list.iter().enumerate() {
        match address.as_str() {
            "None" if index == 0 && list.len() > 1 => errors.invalid(&field, list, "'None' must be the first and only value"),
            "None" if index == 0 => {}
            _ if known.contains(address) => {}
            _ => errors.invalid_each(&field.index(index), address, ip::wrong_address(address)),
        }
    }
    let all_are_addresses = errors.len() == before;
    if list.len() > 2 {
        errors.invalid(&field, list, "may only hold up to 2 values");
    }
    if all_are_addresses {
        against_families(spec, &field, errors);
    }
}

fn families_alone(spec: &ServiceSpec, at: &Path<'_>, errors: &mut Errors) {
    let list = at.child("ipFamilies");
    let mut seen = BTreeSet::new();
    for (index, family) in families(spec).iter().enumerate() {
        if !matches!(family.as_str(), "IPv4" | "IPv6") {
            errors.not_supported(&list.index(index), family, &["IPv4", "IPv6"]);
        }
        if !seen.insert(family) {
            errors.duplicate(&list.index(index), family);
        }
    }
    let policy = spec.ip_family_policy.as_deref().filter(|p| !matches!(*p, "SingleStack" | "PreferDualStack" | "RequireDualStack"));
    if let Some(policy) = policy {
        errors.not_supported(&at.child("ipFamilyPolicy"), policy, &["PreferDualStack", "RequireDualStack", "SingleStack"]);
    }
}

fn against_families(spec: &ServiceSpec, field: &Path<'_>, errors: &mut Errors) {
    let list = addresses(spec);
    let of_both = list.iter().any(|a| family_of(a) == "IPv4") && list.iter().any(|a| family_of(a) == "IPv6");
    if list.len() > 1 && !of_both {
        errors.invalid(field, list, "may specify no more than one IP for each IP family");
    }
    if is_headless(spec) {
        return;
    }
    for (index, (address, family)) in list.iter().zip(families(spec)).enumerate() {
        let found = family_of(address);
        if matches!(family.as_str(), "IPv4" | "IPv6") && found != family {
            let text = format!("expected an {family} value as indicated by `ipFamilies[{index}]`");
            errors.invalid(&field.index(index), address, &text);
        }
    }
}

/// Whether addresses and families are none of an update's business: an external name has none.
fn any_external(next: &ServiceSpec, current: &ServiceSpec) -> bool {
    kind(next) == "ExternalName" || kind(current) == "ExternalName"
}

fn is_single(spec: &ServiceSpec) -> bool {
    spec.ip_family_policy.as_deref() == Some("SingleStack")
}

/// A service keeps its addresses; a second one may come, and go.
pub fn addresses_kept(next: &ServiceSpec, current: &ServiceSpec, errors: &mut Errors) {
    if any_external(next, current) || is_headless(next) && is_headless(current) {
        return;
    }
    let (now, before) = (addresses(next), addresses(current));
    let at = Path::root("spec");
    let field = at.child("clusterIPs");
    if now.len() == before.len() {
        for (index, _) in before.iter().zip(now).enumerate().filter(|(_, (b, n))| b != n) {
            errors.invalid(&field.index(index), now, ONCE);
        }
        return;
    }
    if now.is_empty() {
        errors.invalid(&field.index(0), shown(next.cluster_ips.as_ref()), "primary clusterIP can not be unset");
    }
    if before.first().zip(now.first()).is_some_and(|(b, n)| b != n) {
        errors.invalid(&field.index(0), now, ONCE);
    }
    if now.len() == 1 && before.len() > 1 && !is_single(next) {
        let text = "must be set to 'SingleStack' when releasing the secondary clusterIP";
        errors.invalid(&at.child("ipFamilyPolicy"), next.ip_family_policy.as_deref(), text);
    }
}

/// A service keeps its address families; a second one may come, and go.
pub fn families_kept(next: &ServiceSpec, current: &ServiceSpec, errors: &mut Errors) {
    if any_external(next, current) || is_headless(next) || is_headless(current) {
        return;
    }
    let (now, before) = (families(next), families(current));
    let at = Path::root("spec");
    let list = at.child("ipFamilies");
    let first = list.index(0);
    if now.len() == before.len() {
        for _ in before.iter().zip(now).filter(|(b, n)| b != n) {
            errors.invalid(&first, now, ONCE);
        }
        return;
    }
    if before.len() > now.len() && addresses(next).is_empty() {
        errors.invalid(&first, shown(next.ip_families.as_ref()), "primary ipFamily can not be unset");
    }
    if before.first().zip(now.first()).is_some_and(|(b, n)| b != n) {
        errors.invalid(&first, shown(next.cluster_ips.as_ref()), ONCE);
    }
    if now.len() == 1 && before.len() > 1 && !is_single(next) {
        let text = "must be set to 'SingleStack' when releasing the secondary ipFamily";
        errors.invalid(&at.child("ipFamilyPolicy"), next.ip_family_policy.as_deref(), text);
    }
}
