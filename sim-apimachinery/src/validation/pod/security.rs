//! Security contexts of pods and containers. Source: `validatePodSpecSecurityContext`, `ValidateSecurityContext` and what
//! they call in pkg/apis/core/validation.

use k8s_openapi::api::core::v1::{AppArmorProfile, PodSecurityContext, PodSpec, SeccompProfile, SecurityContext, Sysctl};

use super::volume_paths::local_descending;
use super::{Options, windows};
use crate::names;
use crate::validation::errors::Errors;
use crate::validation::go_value::{Raw, go_object, json_list, json_string};
use crate::validation::path::Path;

const PROFILE_TYPES: [&str; 3] = ["Localhost", "RuntimeDefault", "Unconfined"];

/// What is wrong with a pod's security context.
pub fn pod_context(spec: &PodSpec, at: &Path<'_>, options: &Options, errors: &mut Errors) {
    if spec.share_process_namespace == Some(true) && spec.host_pid == Some(true) && spec.security_context.is_none() {
        shared_processes(at, errors);
    }
    let Some(context) = &spec.security_context else { return };
    ids(context, at, errors);
    if spec.share_process_namespace == Some(true) && spec.host_pid == Some(true) {
        shared_processes(at, errors);
    }
    sysctls(context.sysctls.as_deref().unwrap_or_default(), spec, &at.child("sysctls"), options, errors);
    let one_of = |value: &Option<String>, field: &str, supported: &[&str], errors: &mut Errors| {
        if let Some(other) = value.as_deref().filter(|v| !supported.contains(v)) {
            errors.not_supported(&at.child(field), other, supported);
        }
    };
    one_of(&context.fs_group_change_policy, "fsGroupChangePolicy", &["Always", "OnRootMismatch"], errors);
    if let Some(profile) = &context.seccomp_profile {
        seccomp(profile, &at.child("seccompProfile"), errors);
    }
    if let Some(options) = &context.windows_options {
        windows::options(options, &at.child("windowsOptions"), errors);
    }
    if let Some(profile) = &context.app_armor_profile {
        app_armor(profile, &at.child("appArmorProfile"), errors);
    }
    one_of(&context.supplemental_groups_policy, "supplementalGroupsPolicy", &["Merge", "Strict"], errors);
    one_of(&context.se_linux_change_policy, "seLinuxChangePolicy", &["Recursive"], errors);
}

fn shared_processes(at: &Path<'_>, errors: &mut Errors) {
    errors.invalid(&at.child("shareProcessNamespace"), true, "ShareProcessNamespace and HostPID cannot both be enabled");
}

fn ids(context: &PodSecurityContext, at: &Path<'_>, errors: &mut Errors) {
    for (field, id) in [("fsGroup", context.fs_group), ("runAsUser", context.run_as_user), ("runAsGroup", context.run_as_group)] {
        if let Some(id) = id {
            errors.invalid_each(&at.child(field), id, names::user_id(id));
        }
    }
    for (index, id) in context.supplemental_groups.iter().flatten().enumerate() {
        errors.invalid_each(&at.child("supplementalGroups").index(index), *id, names::user_id(*id));
    }
}

fn sysctls(sysctls: &[Sysctl], spec: &PodSpec, list: &Path<'_>, options: &Options, errors: &mut Errors) {
    for (index, sysctl) in sysctls.iter().enumerate() {
        let entry = list.index(index);
        let (at, name) = (entry.child("name"), sysctl.name.as_str());
        if name.is_empty() {
            errors.required(&at, "");
        } else if !is_sysctl(name) {
            let text =
                "must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";
            errors.invalid(&at, name, text);
        } else if sysctls[..index].iter().any(|s| s.name == name) {
            errors.duplicate(&at, name);
        }
        if let Some(field) = shared_with_host(name, spec).filter(|_| !options.host_sysctls) {
            errors.invalid(&at, name, &format!("may not be specified when '{field}' is true"));
        }
    }
}

/// Whether the pod sets a parameter of a namespace that it shares with the host.
pub fn has_host_sysctls(spec: &PodSpec) -> bool {
    let sysctls = spec.security_context.iter().flat_map(|s| s.sysctls.iter().flatten());
    sysctls.into_iter().any(|s| shared_with_host(&s.name, spec).is_some())
}

fn is_sysctl(name: &str) -> bool {
    const NAME_MAX: usize = 253;
    let edge = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let segment = |text: &str| {
        let bytes = text.as_bytes();
        let ends = bytes.first().is_some_and(edge) && bytes.last().is_some_and(edge);
        ends && bytes.iter().all(|b| edge(b) || b"-_".contains(b))
    };
    name.len() <= NAME_MAX && name.split(['.', '/']).all(segment)
}

/// The field that shares the parameter's namespace with the host. Source: component-helpers/node/util/sysctl.
fn shared_with_host(name: &str, spec: &PodSpec) -> Option<&'static str> {
    let dotted: String = match name.find(['.', '/']).map(|at| name.as_bytes()[at]) {
        Some(b'/') => name
            .chars()
            .map(|c| {
                if c == '/' {
                    '.'
                } else if c == '.' {
                    '/'
                } else {
                    c
                }
            })
            .collect(),
        _ => name.to_owned(),
    };
    if spec.host_network == Some(true) && dotted.starts_with("net.") {
        return Some("hostNetwork");
    }
    let ipc = dotted == "kernel.sem" || ["kernel.shm", "kernel.msg", "fs.mqueue."].iter().any(|p| dotted.starts_with(p));
    (spec.host_ipc == Some(true) && ipc).then_some("hostIPC")
}

/// What is wrong with a container's security context.
pub fn container_context(context: &SecurityContext, host_users: bool, at: &Path<'_>, errors: &mut Errors) {
    for (field, id) in [("runAsUser", context.run_as_user), ("runAsGroup", context.run_as_group)] {
        if let Some(id) = id {
            errors.invalid_each(&at.child(field), id, names::user_id(id));
        }
    }
    match context.proc_mount.as_deref() {
        None | Some("Default") => {}
        Some("Unmasked") if host_users => {
            errors.invalid(&at.child("procMount"), "Unmasked", "`hostUsers` must be false to use `Unmasked`");
        }
        Some("Unmasked") => {}
        Some(other) => errors.not_supported(&at.child("procMount"), other, &["Default", "Unmasked"]),
    }
    if let Some(profile) = &context.seccomp_profile {
        seccomp(profile, &at.child("seccompProfile"), errors);
    }
    escalation(context, at, errors);
    if let Some(options) = &context.windows_options {
        windows::options(options, &at.child("windowsOptions"), errors);
    }
    if let Some(profile) = &context.app_armor_profile {
        app_armor(profile, &at.child("appArmorProfile"), errors);
    }
}

fn escalation(context: &SecurityContext, at: &Path<'_>, errors: &mut Errors) {
    if context.allow_privilege_escalation != Some(false) {
        return;
    }
    if context.privileged == Some(true) {
        errors.invalid(at, shown(context), "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
    }
    let added = context.capabilities.iter().flat_map(|c| c.add.iter().flatten());
    for _ in added.filter(|c| *c == "CAP_SYS_ADMIN") {
        let text = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
        errors.invalid(at, shown(context), text);
    }
}

fn or_null(value: Option<String>) -> String {
    value.unwrap_or_else(|| "null".into())
}

fn shown(context: &SecurityContext) -> Raw {
    let flag = |value: Option<bool>| or_null(value.map(|v| v.to_string()));
    let number = |value: Option<i64>| or_null(value.map(|v| v.to_string()));
    let text = |value: &Option<String>| or_null(value.as_deref().map(json_string));
    let plain = |value: &Option<String>| json_string(value.as_deref().unwrap_or_default());
    let list = |value: &Option<Vec<String>>| or_null(value.as_ref().map(|v| json_list(v.iter().map(|s| json_string(s)))));
    let capabilities = context.capabilities.as_ref().map(|c| go_object(&[("Add", list(&c.add)), ("Drop", list(&c.drop))]).0);
    let linux = context
        .se_linux_options
        .as_ref()
        .map(|o| go_object(&[("User", plain(&o.user)), ("Role", plain(&o.role)), ("Type", plain(&o.type_)), ("Level", plain(&o.level))]).0);
    let windows = context.windows_options.as_ref().map(|o| {
        let (name, spec) = (text(&o.gmsa_credential_spec_name), text(&o.gmsa_credential_spec));
        let rest = [("RunAsUserName", text(&o.run_as_user_name)), ("HostProcess", flag(o.host_process))];
        go_object(&[[("GMSACredentialSpecName", name), ("GMSACredentialSpec", spec)], rest].concat()).0
    });
    let profile = |p: Option<(&str, &Option<String>)>| {
        or_null(p.map(|(kind, path)| go_object(&[("Type", json_string(kind)), ("LocalhostProfile", text(path))]).0))
    };
    go_object(&[
        ("Capabilities", or_null(capabilities)),
        ("Privileged", flag(context.privileged)),
        ("SELinuxOptions", or_null(linux)),
        ("WindowsOptions", or_null(windows)),
        ("RunAsUser", number(context.run_as_user)),
        ("RunAsGroup", number(context.run_as_group)),
        ("RunAsNonRoot", flag(context.run_as_non_root)),
        ("ReadOnlyRootFilesystem", flag(context.read_only_root_filesystem)),
        ("AllowPrivilegeEscalation", flag(context.allow_privilege_escalation)),
        ("ProcMount", text(&context.proc_mount)),
        ("SeccompProfile", profile(context.seccomp_profile.as_ref().map(|p| (p.type_.as_str(), &p.localhost_profile)))),
        ("AppArmorProfile", profile(context.app_armor_profile.as_ref().map(|p| (p.type_.as_str(), &p.localhost_profile)))),
    ])
}

fn seccomp(profile: &SeccompProfile, at: &Path<'_>, errors: &mut Errors) {
    let path_at = at.child("localhostProfile");
    match profile.type_.as_str() {
        "" => errors.required(&at.child("type"), "type is required when seccompProfile is set"),
        kind if !PROFILE_TYPES.contains(&kind) => errors.not_supported(&at.child("type"), kind, &PROFILE_TYPES),
        _ => {}
    }
    match (profile.type_.as_str(), profile.localhost_profile.as_deref()) {
        ("Localhost", None) => errors.required(&path_at, "must be set when seccomp type is Localhost"),
        ("Localhost", Some(path)) => local_descending(path, &path_at, errors),
        (_, None) => {}
        (kind, Some(path)) => {
            let value = go_object(&[("Type", json_string(kind)), ("LocalhostProfile", json_string(path))]);
            errors.invalid(&path_at, value, "can only be set when seccomp type is Localhost");
        }
    }
}

/// What is wrong with an AppArmor profile.
pub fn app_armor(profile: &AppArmorProfile, at: &Path<'_>, errors: &mut Errors) {
    const PATH_MAX: usize = 4095;
    let path_at = at.child("localhostProfile");
    match (profile.type_.as_str(), profile.localhost_profile.as_deref()) {
        ("Localhost", None | Some("")) => errors.required(&path_at, "must be set when AppArmor type is Localhost"),
        ("Localhost", Some(path)) => {
            if path.trim() != path {
                errors.invalid(&path_at, path, "must not be padded with whitespace");
            }
            if path.len() > PATH_MAX {
                errors.too_long(&path_at, PATH_MAX);
            }
        }
        ("RuntimeDefault" | "Unconfined", None) => {}
        ("RuntimeDefault" | "Unconfined", Some(path)) => {
            errors.invalid(&path_at, Raw(json_string(path)), "can only be set when AppArmor type is Localhost");
        }
        ("", _) => errors.required(&at.child("type"), "type is required when appArmorProfile is set"),
        (other, _) => errors.not_supported(&at.child("type"), other, &PROFILE_TYPES),
    }
}
