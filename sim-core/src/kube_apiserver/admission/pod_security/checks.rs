//! Which checks a standard of a version has, in the order in which they are told.
//! Source: pod-security-admission/policy/registry.go and checks.go.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Container, PodSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sim_apimachinery::validation::pod::ephemeral::as_container;

use super::policy::{Level, LevelVersion};
use super::{baseline, restricted};

/// What is judged.
pub(super) struct Subject<'a> {
    pub metadata: &'a ObjectMeta,
    pub spec: &'a PodSpec,
}

/// A reason to refuse, and its details.
pub(super) struct Broken {
    pub reason: String,
    pub detail: String,
}

type Check = fn(&Subject<'_>) -> Option<Broken>;

/// A check: its level, from which minor version it is so, and the checks of the same level or below it replaces.
struct Entry {
    id: &'static str,
    level: Level,
    since: u32,
    check: Check,
    instead_of: Option<&'static str>,
}

const fn entry(id: &'static str, level: Level, since: u32, check: Check) -> Entry {
    Entry { id, level, since, check, instead_of: None }
}

const fn instead(of: &'static str, entry: Entry) -> Entry {
    Entry { instead_of: Some(of), ..entry }
}

/// All checks: first those of baseline, then those of restricted, each by id and version.
static CHECKS: [Entry; 30] = {
    use Level::{Baseline as B, Restricted as R};
    [
        entry("appArmorProfile", B, 0, baseline::app_armor),
        entry("capabilities_baseline", B, 0, baseline::capabilities),
        entry("hostNamespaces", B, 0, baseline::host_namespaces),
        entry("hostPathVolumes", B, 0, baseline::host_path_volumes),
        entry("hostPorts", B, 0, baseline::host_ports),
        entry("hostProbesAndHostLifecycle", B, 34, baseline::hosts_of_probes),
        entry("privileged", B, 0, baseline::privileged),
        entry("procMount", B, 0, baseline::proc_mount),
        entry("procMount", B, 35, baseline::proc_mount_without_host_users),
        entry("seLinuxOptions", B, 0, baseline::se_linux_options),
        entry("seLinuxOptions", B, 31, baseline::se_linux_options_with_engines),
        entry("seccompProfile_baseline", B, 0, baseline::seccomp_annotations),
        entry("seccompProfile_baseline", B, 19, baseline::seccomp),
        entry("sysctls", B, 0, baseline::sysctls_0),
        entry("sysctls", B, 27, baseline::sysctls_27),
        entry("sysctls", B, 29, baseline::sysctls_29),
        entry("sysctls", B, 32, baseline::sysctls_32),
        entry("windowsHostProcess", B, 0, baseline::windows_host_process),
        entry("allowPrivilegeEscalation", R, 8, restricted::escalation),
        entry("allowPrivilegeEscalation", R, 25, restricted::escalation_on_linux),
        instead("capabilities_baseline", entry("capabilities_restricted", R, 22, restricted::capabilities)),
        instead("capabilities_baseline", entry("capabilities_restricted", R, 25, restricted::capabilities_on_linux)),
        instead("procMount", entry("procMount_restricted", R, 35, baseline::proc_mount)),
        instead("hostPathVolumes", entry("restrictedVolumes", R, 0, restricted::volumes)),
        entry("runAsNonRoot", R, 0, restricted::non_root),
        entry("runAsNonRoot", R, 35, restricted::non_root_with_host_users),
        entry("runAsUser", R, 23, restricted::root_user),
        entry("runAsUser", R, 35, restricted::root_user_with_host_users),
        instead("seccompProfile_baseline", entry("seccompProfile_restricted", R, 19, restricted::seccomp)),
        instead("seccompProfile_baseline", entry("seccompProfile_restricted", R, 25, restricted::seccomp_on_linux)),
    ]
};

/// What a pod breaks of a standard.
pub(super) fn evaluate(standard: &LevelVersion, subject: &Subject<'_>) -> Vec<Broken> {
    if standard.level == Level::Privileged {
        return vec![];
    }
    let minor = standard.version.unwrap_or(u32::MAX - 1);
    let applies = |e: &&Entry| e.level <= standard.level && e.since <= minor;
    let replaced: BTreeSet<&str> = CHECKS.iter().filter(applies).filter_map(|e| e.instead_of).collect();
    let is_newest = |at: usize, e: &Entry| !CHECKS[at + 1..].iter().filter(applies).any(|later| later.id == e.id);
    let entries = CHECKS.iter().enumerate().filter(|(at, e)| applies(e) && !replaced.contains(e.id) && is_newest(*at, e));
    entries.filter_map(|(_, e)| (e.check)(subject)).collect()
}

/// `reason (detail), reason`.
pub(super) fn details(broken: &[Broken]) -> String {
    let one = |b: &Broken| if b.detail.is_empty() { b.reason.clone() } else { format!("{} ({})", b.reason, b.detail) };
    broken.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// `reason, reason`.
pub(super) fn reasons(broken: &[Broken]) -> String {
    broken.iter().map(|b| b.reason.as_str()).collect::<Vec<_>>().join(", ")
}

/// The containers in the order in which they are told: init, regular, ephemeral.
pub(super) fn containers(spec: &PodSpec) -> Vec<Container> {
    let regular = spec.init_containers.iter().flatten().chain(&spec.containers).cloned();
    regular.chain(spec.ephemeral_containers.iter().flatten().map(as_container)).collect()
}

/// The names of the containers that are such.
pub(super) fn named(spec: &PodSpec, is_bad: impl Fn(&Container) -> bool) -> Vec<String> {
    containers(spec).into_iter().filter(|c| is_bad(c)).map(|c| c.name).collect()
}

/// `"a", "b"`.
pub(super) fn quoted<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|i| format!("\"{}\"", i.as_ref())).collect::<Vec<_>>().join(", ")
}

/// One of two words, by number.
pub(super) fn plural<'a>(one: &'a str, many: &'a str, count: usize) -> &'a str {
    if count == 1 { one } else { many }
}

/// `container "a"` or `containers "a", "b"`.
pub(super) fn told(names: &[String]) -> String {
    format!("{} {}", plural("container", "containers", names.len()), quoted(names))
}

/// `pod and container "a"`: who says what may not be said.
pub(super) fn setters(pod: bool, names: &[String]) -> String {
    let mut parts: Vec<String> = Vec::new();
    if pod {
        parts.push("pod".into());
    }
    if !names.is_empty() {
        parts.push(told(names));
    }
    parts.join(" and ")
}
