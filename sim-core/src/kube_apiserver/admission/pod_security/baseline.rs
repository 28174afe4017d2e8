//! The checks of the baseline standard. Source: pod-security-admission/policy/check_*.go; a version in a name is the minor
//! version of Kubernetes from which the check is so.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Container, LifecycleHandler, Probe, SELinuxOptions};
use sim_apimachinery::validation::pod::APP_ARMOR;

use super::checks::{Broken, Subject, containers, named, plural, quoted, setters, told};

const CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];
/// Each version allows those of the versions before it too: 5, 6, 10 and 12 of them.
const SYSCTLS: [&str; 12] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
];

pub(super) fn broken(reason: &str, detail: String) -> Option<Broken> {
    Some(Broken { reason: reason.into(), detail })
}

pub(super) fn app_armor(s: &Subject<'_>) -> Option<Broken> {
    let bad = |kind: &str| !matches!(kind, "RuntimeDefault" | "Localhost");
    let of_pod = s.spec.security_context.as_ref().and_then(|c| c.app_armor_profile.as_ref()).map(|p| p.type_.clone());
    let of = |c: &Container| c.security_context.as_ref().and_then(|c| c.app_armor_profile.as_ref()).map(|p| p.type_.clone());
    let all = containers(s.spec);
    let names: Vec<String> = all.iter().filter(|c| of(c).is_some_and(|k| bad(&k))).map(|c| c.name.clone()).collect();
    let kinds: BTreeSet<String> = all.iter().filter_map(of).chain(of_pod.clone()).filter(|k| bad(k)).collect();
    let fine = |v: &str| matches!(v, "" | "runtime/default") || v.starts_with("localhost/");
    let annotations = s.metadata.annotations.iter().flatten().filter(|(k, v)| k.starts_with(APP_ARMOR) && !fine(v));
    let annotations: Vec<String> = annotations.map(|(k, v)| format!("{k}={v:?}")).collect();
    let mut who = setters(of_pod.is_some_and(|k| bad(&k)), &names);
    if !annotations.is_empty() {
        let word = plural("annotation", "annotations", annotations.len());
        who = if who.is_empty() { word.into() } else { format!("{who} and {word}") };
    }
    if who.is_empty() {
        return None;
    }
    let values: Vec<String> = kinds.into_iter().chain(annotations).collect();
    let reason = plural("forbidden AppArmor profile", "forbidden AppArmor profiles", values.len());
    broken(reason, format!("{who} must not set AppArmor profile type to {}", quoted(values)))
}

pub(super) fn capabilities(s: &Subject<'_>) -> Option<Broken> {
    let added = |c: &Container| -> BTreeSet<String> {
        let capabilities = c.security_context.as_ref().and_then(|c| c.capabilities.as_ref());
        let add = capabilities.into_iter().flat_map(|c| c.add.iter().flatten());
        add.filter(|c| !CAPABILITIES.contains(&c.as_str())).cloned().collect()
    };
    let names = named(s.spec, |c| !added(c).is_empty());
    let all: BTreeSet<String> = containers(s.spec).iter().flat_map(added).collect();
    let detail = format!("{} must not include {} in securityContext.capabilities.add", told(&names), quoted(all));
    if names.is_empty() { None } else { broken("non-default capabilities", detail) }
}

pub(super) fn host_namespaces(s: &Subject<'_>) -> Option<Broken> {
    let all = [("hostNetwork", s.spec.host_network), ("hostPID", s.spec.host_pid), ("hostIPC", s.spec.host_ipc)];
    let shared: Vec<String> = all.iter().filter(|(_, v)| *v == Some(true)).map(|(name, _)| format!("{name}=true")).collect();
    if shared.is_empty() { None } else { broken("host namespaces", shared.join(", ")) }
}

pub(super) fn host_path_volumes(s: &Subject<'_>) -> Option<Broken> {
    let names: Vec<&String> = s.spec.volumes.iter().flatten().filter(|v| v.host_path.is_some()).map(|v| &v.name).collect();
    let detail = format!("{} {}", plural("volume", "volumes", names.len()), quoted(&names));
    if names.is_empty() { None } else { broken("hostPath volumes", detail) }
}

pub(super) fn host_ports(s: &Subject<'_>) -> Option<Broken> {
    let ports = |c: &Container| -> BTreeSet<String> {
        c.ports.iter().flatten().filter_map(|p| p.host_port).filter(|p| *p != 0).map(|p| p.to_string()).collect()
    };
    let names = named(s.spec, |c| !ports(c).is_empty());
    let all: BTreeSet<String> = containers(s.spec).iter().flat_map(ports).collect();
    let (uses, word) = (plural("uses", "use", names.len()), plural("hostPort", "hostPorts", all.len()));
    let list = all.into_iter().collect::<Vec<_>>().join(", ");
    if names.is_empty() { None } else { broken("hostPort", format!("{} {uses} {word} {list}", told(&names))) }
}

pub(super) fn hosts_of_probes(s: &Subject<'_>) -> Option<Broken> {
    let mut names: BTreeSet<String> = BTreeSet::new();
    let mut hosts: BTreeSet<String> = BTreeSet::new();
    for container in containers(s.spec) {
        let found = hosts_of(&container);
        if !found.is_empty() {
            names.insert(container.name);
            hosts.extend(found);
        }
    }
    let names: Vec<String> = names.into_iter().collect();
    let word = plural("probe or lifecycle host", "probe or lifecycle hosts", hosts.len());
    let detail = format!("{} {} {word} {}", told(&names), plural("uses", "use", names.len()), quoted(hosts));
    if names.is_empty() { None } else { broken("probe or lifecycle host", detail) }
}

fn hosts_of(container: &Container) -> Vec<String> {
    let probe = |p: &Option<Probe>| -> Vec<Option<String>> {
        let get = p.as_ref().and_then(|p| p.http_get.as_ref()).and_then(|g| g.host.clone());
        vec![get, p.as_ref().and_then(|p| p.tcp_socket.as_ref()).and_then(|t| t.host.clone())]
    };
    let hook = |h: Option<&LifecycleHandler>| -> Vec<Option<String>> {
        let get = h.and_then(|h| h.http_get.as_ref()).and_then(|g| g.host.clone());
        vec![get, h.and_then(|h| h.tcp_socket.as_ref()).and_then(|t| t.host.clone())]
    };
    let lifecycle = container.lifecycle.as_ref();
    let probes = [&container.liveness_probe, &container.readiness_probe, &container.startup_probe].into_iter().flat_map(probe);
    let hooks = [lifecycle.and_then(|l| l.post_start.as_ref()), lifecycle.and_then(|l| l.pre_stop.as_ref())].into_iter().flat_map(hook);
    probes.chain(hooks).flatten().filter(|h| !h.is_empty()).collect()
}

pub(super) fn privileged(s: &Subject<'_>) -> Option<Broken> {
    let names = named(s.spec, |c| c.security_context.as_ref().and_then(|c| c.privileged) == Some(true));
    if names.is_empty() { None } else { broken("privileged", format!("{} must not set securityContext.privileged=true", told(&names))) }
}

pub(super) fn proc_mount(s: &Subject<'_>) -> Option<Broken> {
    let of = |c: &Container| c.security_context.as_ref().and_then(|c| c.proc_mount.clone()).filter(|m| m != "Default");
    let names = named(s.spec, |c| of(c).is_some());
    let kinds: BTreeSet<String> = containers(s.spec).iter().filter_map(of).collect();
    let detail = format!("{} must not set securityContext.procMount to {}", told(&names), quoted(kinds));
    if names.is_empty() { None } else { broken("procMount", detail) }
}

pub(super) fn proc_mount_without_host_users(s: &Subject<'_>) -> Option<Broken> {
    if s.spec.host_users == Some(false) { None } else { proc_mount(s) }
}

pub(super) fn se_linux_options(s: &Subject<'_>) -> Option<Broken> {
    se_linux(s, &["", "container_t", "container_init_t", "container_kvm_t"])
}

pub(super) fn se_linux_options_with_engines(s: &Subject<'_>) -> Option<Broken> {
    se_linux(s, &["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"])
}

fn se_linux(s: &Subject<'_>, types: &[&str]) -> Option<Broken> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let bad_type = |o: &SELinuxOptions| !types.contains(&text(&o.type_).as_str());
    let bad = |o: &SELinuxOptions| bad_type(o) || !text(&o.user).is_empty() || !text(&o.role).is_empty();
    let of_pod = s.spec.security_context.as_ref().and_then(|c| c.se_linux_options.clone());
    let of = |c: &Container| c.security_context.as_ref().and_then(|c| c.se_linux_options.clone());
    let names = named(s.spec, |c| of(c).is_some_and(|o| bad(&o)));
    let who = setters(of_pod.as_ref().is_some_and(bad), &names);
    if who.is_empty() {
        return None;
    }
    let all: Vec<SELinuxOptions> = containers(s.spec).iter().filter_map(of).chain(of_pod).collect();
    let kinds: BTreeSet<String> = all.iter().filter(|o| bad_type(o)).map(|o| text(&o.type_)).collect();
    let mut what = Vec::new();
    if !kinds.is_empty() {
        what.push(format!("{} {}", plural("type", "types", kinds.len()), quoted(kinds)));
    }
    if all.iter().any(|o| !text(&o.user).is_empty()) {
        what.push("user may not be set".into());
    }
    if all.iter().any(|o| !text(&o.role).is_empty()) {
        what.push("role may not be set".into());
    }
    broken("seLinuxOptions", format!("{who} set forbidden securityContext.seLinuxOptions: {}", what.join("; ")))
}

pub(super) fn seccomp_annotations(s: &Subject<'_>) -> Option<Broken> {
    let fine = |v: &str| matches!(v, "runtime/default" | "docker/default") || v.starts_with("localhost/");
    let own = containers(s.spec).into_iter().map(|c| format!("container.seccomp.security.alpha.kubernetes.io/{}", c.name));
    let keys = own.chain(["seccomp.security.alpha.kubernetes.io/pod".to_owned()]);
    let value = |key: &String| s.metadata.annotations.as_ref().and_then(|a| a.get(key)).filter(|v| !fine(v));
    let found: BTreeSet<String> = keys.filter_map(|key| value(&key).map(|v| format!("{key}={v:?}"))).collect();
    let list = found.iter().cloned().collect::<Vec<_>>().join(", ");
    let detail = format!("forbidden {} {list}", plural("annotation", "annotations", found.len()));
    if found.is_empty() { None } else { broken("seccompProfile", detail) }
}

/// Whether a profile is one that a standard allows.
pub(super) fn is_profile(kind: &str) -> bool {
    matches!(kind, "Localhost" | "RuntimeDefault")
}

/// The type of a container's seccomp profile.
pub(super) fn seccomp_of(container: &Container) -> Option<String> {
    container.security_context.as_ref().and_then(|c| c.seccomp_profile.as_ref()).map(|p| p.type_.clone())
}

pub(super) fn seccomp(s: &Subject<'_>) -> Option<Broken> {
    let of_pod = s.spec.security_context.as_ref().and_then(|c| c.seccomp_profile.as_ref()).map(|p| p.type_.clone());
    let names = named(s.spec, |c| seccomp_of(c).is_some_and(|k| !is_profile(&k)));
    let who = setters(of_pod.as_ref().is_some_and(|k| !is_profile(k)), &names);
    if who.is_empty() {
        return None;
    }
    let kinds: BTreeSet<String> = containers(s.spec).iter().filter_map(seccomp_of).chain(of_pod).filter(|k| !is_profile(k)).collect();
    broken("seccompProfile", format!("{who} must not set securityContext.seccompProfile.type to {}", quoted(kinds)))
}

fn sysctls(s: &Subject<'_>, allowed: usize) -> Option<Broken> {
    let all = s.spec.security_context.iter().flat_map(|c| c.sysctls.iter().flatten());
    let bad: Vec<&str> = all.map(|c| c.name.as_str()).filter(|n| !SYSCTLS[..allowed].contains(n)).collect();
    if bad.is_empty() { None } else { broken("forbidden sysctls", bad.join(", ")) }
}

pub(super) fn sysctls_0(s: &Subject<'_>) -> Option<Broken> {
    sysctls(s, 5)
}

pub(super) fn sysctls_27(s: &Subject<'_>) -> Option<Broken> {
    sysctls(s, 6)
}

pub(super) fn sysctls_29(s: &Subject<'_>) -> Option<Broken> {
    sysctls(s, 10)
}

pub(super) fn sysctls_32(s: &Subject<'_>) -> Option<Broken> {
    sysctls(s, 12)
}

pub(super) fn windows_host_process(s: &Subject<'_>) -> Option<Broken> {
    let of_pod = s.spec.security_context.as_ref().and_then(|c| c.windows_options.as_ref()).and_then(|o| o.host_process);
    let names =
        named(s.spec, |c| c.security_context.as_ref().and_then(|c| c.windows_options.as_ref()).and_then(|o| o.host_process) == Some(true));
    let who = setters(of_pod == Some(true), &names);
    if who.is_empty() { None } else { broken("hostProcess", format!("{who} must not set securityContext.windowsOptions.hostProcess=true")) }
}
