//! The fields of a service that hang together: addresses, families, what an update leaves out, what a type does not have.
//! Sources: `normalizeClusterIPs`, `patchAllocatedValues` in pkg/registry/core/service/storage/storage.go,
//! `initIPFamilyFields` in alloc.go beside it, `dropTypeDependentFields` in pkg/registry/core/service/strategy.go.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::ServiceSpec;
use sim_apimachinery::Cause;
use sim_apimachinery::validation::errors::Errors;
use sim_apimachinery::validation::path::Path;
use sim_apimachinery::validation::services::addresses::{family_of, related};
use sim_apimachinery::validation::services::kind;
use sim_apimachinery::validation::services::policies::{is_external, needs_health_check};

fn list(values: &Option<Vec<String>>) -> &[String] {
    values.as_deref().unwrap_or_default()
}

fn text(value: &Option<String>) -> &str {
    value.as_deref().unwrap_or_default()
}

fn has_address(spec: &ServiceSpec) -> bool {
    kind(spec) != "ExternalName"
}

fn is_empty(spec: &ServiceSpec) -> bool {
    spec.selector.as_ref().is_none_or(BTreeMap::is_empty)
}

/// Keeps `clusterIP` and `clusterIPs` in step for clients that know only one of them.
pub fn normalise(spec: &mut ServiceSpec, old: Option<&ServiceSpec>) {
    let Some(old) = old else {
        if !text(&spec.cluster_ip).is_empty() && list(&spec.cluster_ips).is_empty() {
            spec.cluster_ips = spec.cluster_ip.clone().map(|ip| vec![ip]);
        }
        return;
    };
    let same = text(&old.cluster_ip) == text(&spec.cluster_ip);
    if !list(&old.cluster_ips).is_empty() && list(&spec.cluster_ips).is_empty() && same {
        spec.cluster_ips.clone_from(&old.cluster_ips);
    }
    if !same && list(&old.cluster_ips) == list(&spec.cluster_ips) {
        let cleared = !text(&old.cluster_ip).is_empty() && text(&spec.cluster_ip).is_empty();
        spec.cluster_ips = if cleared { None } else { spec.cluster_ip.clone().map(|ip| vec![ip]) };
    }
}

/// What an update leaves out of what was given stays as it was.
pub fn inherit(spec: &mut ServiceSpec, old: &ServiceSpec) {
    if has_address(old) && has_address(spec) {
        if text(&spec.cluster_ip).is_empty() {
            spec.cluster_ip.clone_from(&old.cluster_ip);
        }
        if list(&spec.cluster_ips).is_empty() && !list(&old.cluster_ips).is_empty() {
            spec.cluster_ips.clone_from(&old.cluster_ips);
        }
    }
    let wants = |s: &ServiceSpec| kind(s) == "NodePort" || kind(s) == "LoadBalancer" && s.allocate_load_balancer_node_ports != Some(false);
    if wants(old) && wants(spec) {
        inherit_ports(spec, old);
    }
    if needs_health_check(old) && needs_health_check(spec) && spec.health_check_node_port.unwrap_or(0) == 0 {
        spec.health_check_node_port = old.health_check_node_port;
    }
}

fn inherit_ports(spec: &mut ServiceSpec, old: &ServiceSpec) {
    let used = |s: &ServiceSpec| -> BTreeSet<i32> { s.ports.iter().flatten().filter_map(|p| p.node_port.filter(|n| *n != 0)).collect() };
    let kept: BTreeSet<i32> = used(old).intersection(&used(spec)).copied().collect();
    let by_name: BTreeMap<&str, Option<i32>> = old.ports.iter().flatten().map(|p| (text(&p.name), p.node_port)).collect();
    for port in spec.ports.iter_mut().flatten().filter(|p| p.node_port.unwrap_or(0) == 0) {
        let before = by_name.get(port.name.as_deref().unwrap_or_default()).copied().flatten();
        if let Some(before) = before.filter(|p| !kept.contains(p)) {
            port.node_port = Some(before);
        }
    }
}

/// Whether a dual-stack service that is preferred but not required stays as the cluster made it.
fn stays_as_preferred(spec: &ServiceSpec, old: Option<&ServiceSpec>) -> bool {
    let prefers = |s: &ServiceSpec| text(&s.ip_family_policy) == "PreferDualStack";
    old.is_some_and(|old| {
        kind(old) == kind(spec)
            && matches!(kind(spec), "ClusterIP" | "NodePort" | "LoadBalancer")
            && prefers(spec)
            && (prefers(old) || old.ip_family_policy.is_none())
            && list(&old.cluster_ips) == list(&spec.cluster_ips)
            && list(&old.ip_families) == list(&spec.ip_families)
    })
}

/// Sets `ipFamilyPolicy` and `ipFamilies` from what is asked and what the cluster has. Errors are what is wrong with that.
pub fn initialise(spec: &mut ServiceSpec, old: Option<&ServiceSpec>, configured: &[&str]) -> Result<(), Vec<Cause>> {
    if !has_address(spec) || stays_as_preferred(spec, old) {
        return Ok(());
    }
    let headless_alone = text(&spec.cluster_ip) == "None" && is_empty(spec);
    if spec.ip_family_policy.is_none() {
        let inherited = old.and_then(|o| o.ip_family_policy.clone());
        let default = if headless_alone { "RequireDualStack" } else { "SingleStack" };
        spec.ip_family_policy = Some(inherited.unwrap_or_else(|| default.to_owned()));
    }
    let mut errors = Errors::new();
    related(spec, old, &mut errors);
    finish(errors)?;
    let mut errors = Errors::new();
    if let Some(old) = old {
        second_family(spec, old, &mut errors);
    }
    single_has_one(spec, &mut errors);
    families_of_addresses(spec, configured, &mut errors);
    finish(errors)?;
    if headless_alone {
        both_families(spec, configured);
        return Ok(());
    }
    let mut errors = Errors::new();
    only_configured(spec, configured, &mut errors);
    finish(errors)?;
    let families = spec.ip_families.get_or_insert_default();
    if families.is_empty() {
        families.extend(configured.first().map(|f| (*f).to_owned()));
    }
    if configured.len() == 2 {
        both_families(spec, configured);
    }
    Ok(())
}

fn finish(errors: Errors) -> Result<(), Vec<Cause>> {
    if errors.is_empty() { Ok(()) } else { Err(errors.into_causes()) }
}

fn is_single(spec: &ServiceSpec) -> bool {
    text(&spec.ip_family_policy) == "SingleStack"
}

/// A second family goes when the policy says so, and only then.
fn second_family(spec: &mut ServiceSpec, old: &ServiceSpec, errors: &mut Errors) {
    let at = Path::root("spec");
    let policy = at.child("ipFamilyPolicy");
    if is_single(spec) {
        for (now, before) in [(&mut spec.cluster_ips, &old.cluster_ips), (&mut spec.ip_families, &old.ip_families)] {
            if list(before) == list(now)
                && let Some(now) = now
            {
                now.truncate(1);
            }
        }
        return;
    }
    let reduced = |now: &Option<Vec<String>>, before: &Option<Vec<String>>| !list(now).is_empty() && list(now).len() < list(before).len();
    if reduced(&spec.cluster_ips, &old.cluster_ips) {
        errors.invalid(&policy, text(&spec.ip_family_policy), "must be 'SingleStack' to release the secondary cluster IP");
    }
    if reduced(&spec.ip_families, &old.ip_families) {
        errors.invalid(&policy, text(&spec.ip_family_policy), "must be 'SingleStack' to release the secondary IP family");
    }
}

fn single_has_one(spec: &ServiceSpec, errors: &mut Errors) {
    let at = Path::root("spec");
    let policy = at.child("ipFamilyPolicy");
    for (values, what) in [(&spec.cluster_ips, "cluster IPs"), (&spec.ip_families, "IP families")] {
        if is_single(spec) && list(values).len() == 2 {
            let why = format!("must be 'RequireDualStack' or 'PreferDualStack' when multiple {what} are specified");
            errors.invalid(&policy, text(&spec.ip_family_policy), &why);
        }
    }
}

/// Families that addresses imply.
fn families_of_addresses(spec: &mut ServiceSpec, configured: &[&str], errors: &mut Errors) {
    let at = Path::root("spec");
    let field = at.child("clusterIPs");
    let addresses = list(&spec.cluster_ips).to_vec();
    for (index, address) in addresses.iter().enumerate().take_while(|(_, a)| *a != "None") {
        let family = family_of(address);
        if index < list(&spec.ip_families).len() {
            continue;
        }
        if configured.contains(&family) {
            spec.ip_families.get_or_insert_default().push(family.to_owned());
        } else {
            errors.invalid(&field.index(index), &addresses, &format!("{family} is not configured on this cluster"));
        }
    }
}

/// The other family beside the first, unless one is enough.
fn both_families(spec: &mut ServiceSpec, configured: &[&str]) {
    let single = is_single(spec);
    let families = spec.ip_families.get_or_insert_default();
    if families.is_empty() {
        families.extend(configured.first().map(|f| (*f).to_owned()));
    }
    if families.len() == 1 && !single {
        let other = if families[0] == "IPv4" { "IPv6" } else { "IPv4" };
        families.push(other.to_owned());
    }
}

fn only_configured(spec: &ServiceSpec, configured: &[&str], errors: &mut Errors) {
    let at = Path::root("spec");
    if text(&spec.ip_family_policy) == "RequireDualStack" && configured.len() < 2 {
        errors.invalid(&at.child("ipFamilyPolicy"), "RequireDualStack", "this cluster is not configured for dual-stack services");
    }
    let field = at.child("ipFamilies");
    for (index, family) in list(&spec.ip_families).iter().enumerate() {
        if !configured.contains(&family.as_str()) {
            errors.invalid(&field.index(index), family, "not configured on this cluster");
        }
    }
}

/// When the type changes, what was given for the old one and not changed with it goes.
pub fn drop_what_the_type_does_not_have(spec: &mut ServiceSpec, old: &ServiceSpec) {
    if has_address(old) && !has_address(spec) {
        if text(&old.cluster_ip) == text(&spec.cluster_ip) && list(&old.cluster_ips) == list(&spec.cluster_ips) {
            (spec.cluster_ip, spec.cluster_ips) = (None, None);
        }
        if list(&old.ip_families) == list(&spec.ip_families) {
            spec.ip_families = None;
        }
        if text(&old.ip_family_policy) == text(&spec.ip_family_policy) {
            spec.ip_family_policy = None;
        }
    }
    let has_ports = |s: &ServiceSpec| matches!(kind(s), "NodePort" | "LoadBalancer");
    if has_ports(old) && !has_ports(spec) {
        drop_ports(spec, old);
    }
    if needs_health_check(old) && !needs_health_check(spec) && old.health_check_node_port == spec.health_check_node_port {
        spec.health_check_node_port = None;
    }
    let was_balanced = kind(old) == "LoadBalancer" && kind(spec) != "LoadBalancer";
    if was_balanced && old.allocate_load_balancer_node_ports == spec.allocate_load_balancer_node_ports {
        spec.allocate_load_balancer_node_ports = None;
    }
    if was_balanced && old.load_balancer_class == spec.load_balancer_class {
        spec.load_balancer_class = None;
    }
    if is_external(old) && !is_external(spec) && old.external_traffic_policy == spec.external_traffic_policy {
        spec.external_traffic_policy = None;
    }
}

fn drop_ports(spec: &mut ServiceSpec, old: &ServiceSpec) {
    let before: BTreeSet<i32> = old.ports.iter().flatten().filter_map(|p| p.node_port).collect();
    let known = spec.ports.iter().flatten().filter_map(|p| p.node_port.filter(|n| *n != 0)).all(|p| before.contains(&p));
    if known {
        spec.ports.iter_mut().flatten().for_each(|p| p.node_port = None);
    }
}
