//! What only Windows pods may and may not say. Source: `validateWindowsSecurityContextOptions`,
//! `validateWindowsHostProcessPod`, `validateLinux` and `validateWindows` in pkg/apis/core/validation.

use k8s_openapi::api::core::v1::{PodSecurityContext, PodSpec, SecurityContext, WindowsSecurityContextOptions};

use super::{container_count, each_container};
use crate::names;
use crate::validation::errors::Errors;
use crate::validation::go_value::{Raw, json_string};
use crate::validation::path::Path;

const NOT_ON_WINDOWS: &str = "cannot be set for a windows pod";

/// What is wrong with options for Windows.
pub fn options(options: &WindowsSecurityContextOptions, at: &Path<'_>, errors: &mut Errors) {
    const SPEC_BYTES_MAX: usize = 64 * 1024;
    if let Some(name) = &options.gmsa_credential_spec_name {
        errors.invalid_each(&at.child("gmsaCredentialSpecName"), Raw(json_string(name)), names::dns1123_subdomain(name));
    }
    if let Some(spec) = &options.gmsa_credential_spec {
        let text = match spec.len() {
            0 => "gmsaCredentialSpec cannot be an empty string",
            n if n > SPEC_BYTES_MAX => "gmsaCredentialSpec size must be under 64 KiB",
            _ => "",
        };
        if !text.is_empty() {
            errors.invalid(&at.child("gmsaCredentialSpec"), Raw(json_string(spec)), text);
        }
    }
    if let Some(name) = &options.run_as_user_name {
        for text in user_name(name) {
            errors.invalid(&at.child("runAsUserName"), Raw(json_string(name)), &text);
        }
    }
}

/// What is wrong with `DOMAIN\user`.
fn user_name(name: &str) -> Vec<String> {
    let one = |text: &str| vec![format!("runAsUserName {text}")];
    if name.is_empty() {
        return one("cannot be an empty string");
    }
    if name.chars().any(|c| c.is_ascii_control()) {
        return one("cannot contain control characters");
    }
    match name.split('\\').collect::<Vec<_>>().as_slice() {
        [user] => windows_user(user),
        [domain, user] => [windows_domain(domain), windows_user(user)].concat(),
        _ => one("cannot contain more than one backslash"),
    }
}

fn windows_domain(domain: &str) -> Vec<String> {
    const DOMAIN_MAX: usize = 256;
    const NET_BIOS_MAX: usize = 15;
    let mut wrong = Vec::new();
    if domain.len() >= DOMAIN_MAX {
        wrong.push(format!("runAsUserName's Domain length must be under {DOMAIN_MAX} characters"));
    }
    let length = domain.chars().count();
    let is_net_bios = (1..=NET_BIOS_MAX).contains(&length)
        && !domain.starts_with('.')
        && !domain.contains(['\\', '/', ':', '*', '?', '"', '<', '>', '|']);
    let label = |l: &str| {
        let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = l.as_bytes();
        edge(bytes.first()) && edge(bytes.last()) && l.len() <= 63 && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-')
    };
    if !is_net_bios && !domain.split('.').all(label) {
        wrong.push("runAsUserName's Domain doesn't match the NetBios nor the DNS format".into());
    }
    wrong
}

fn windows_user(user: &str) -> Vec<String> {
    const USER_MAX: usize = 104;
    const FORBIDDEN: [char; 16] = ['"', '/', '\\', ':', ';', '|', '=', ',', '+', '*', '?', '<', '>', '@', '[', ']'];
    let mut wrong = Vec::new();
    if user.is_empty() {
        wrong.push("runAsUserName's User cannot be empty".into());
    } else if user.len() > USER_MAX {
        wrong.push(format!("runAsUserName's User length must not be longer than {USER_MAX} characters"));
    }
    if !user.is_empty() && user.chars().all(|c| matches!(c, '.' | ' ')) {
        wrong.push("runAsUserName's User cannot contain only periods or spaces".into());
    }
    if user.contains(FORBIDDEN) {
        wrong.push("runAsUserName's User cannot contain the following characters: \"/\\:;|=,+*?<>@[]".into());
    }
    wrong
}

/// Containers that are processes of the host: all or none, and in the host's network.
pub fn host_processes(spec: &PodSpec, at: &Path<'_>, errors: &mut Errors) {
    let of_pod = spec.security_context.as_ref().and_then(|s| s.windows_options.as_ref()).and_then(|o| o.host_process);
    let mut count = 0;
    each_container(spec, at, |container, at| {
        let own = container.security_context.as_ref().and_then(|s| s.windows_options.as_ref()).and_then(|o| o.host_process);
        if let (Some(pod), Some(own)) = (of_pod, own)
            && pod != own
        {
            let context = at.child("securityContext");
            let text = format!("pod hostProcess value must be identical if both are specified, was {pod}");
            errors.invalid(&context.child("windowsOptions").child("hostProcess"), own, &text);
        }
        count += usize::from(own.or(of_pod) == Some(true));
    });
    if count == 0 {
        return;
    }
    if count != container_count(spec) {
        errors.invalid(at, "", "If pod contains any hostProcess containers then all containers must be HostProcess containers");
    }
    if spec.host_network != Some(true) {
        errors.invalid(&at.child("hostNetwork"), false, "hostNetwork must be true if pod contains any hostProcess containers");
    }
}

/// What a pod says about its operating system, and what that forbids.
pub fn operating_system(spec: &PodSpec, at: &Path<'_>, errors: &mut Errors) {
    let Some(os) = &spec.os else { return };
    match os.name.as_str() {
        "" => errors.required(&at.child("os").child("name"), ""),
        "linux" => linux(spec, at, errors),
        "windows" => windows(spec, at, errors),
        other => errors.not_supported(&at.child("os"), other, &["linux", "windows"]),
    }
}

fn linux(spec: &PodSpec, at: &Path<'_>, errors: &mut Errors) {
    let text = "windows options cannot be set for a linux pod";
    if spec.security_context.as_ref().is_some_and(|s| s.windows_options.is_some()) {
        errors.forbidden(&at.child("securityContext").child("windowsOptions"), text);
    }
    each_container(spec, at, |container, at| {
        if container.security_context.as_ref().is_some_and(|s| s.windows_options.is_some()) {
            errors.forbidden(&at.child("securityContext").child("windowsOptions"), text);
        }
    });
}

fn windows(spec: &PodSpec, at: &Path<'_>, errors: &mut Errors) {
    let nothing = PodSecurityContext::default();
    let c = spec.security_context.as_ref().unwrap_or(&nothing);
    let inside = at.child("securityContext");
    for (place, field, is_set) in [
        (&inside, "appArmorProfile", c.app_armor_profile.is_some()),
        (&inside, "seLinuxOptions", c.se_linux_options.is_some()),
        (at, "hostUsers", spec.host_users.is_some()),
        (at, "hostPID", spec.host_pid == Some(true)),
        (at, "hostIPC", spec.host_ipc == Some(true)),
        (&inside, "seccompProfile", c.seccomp_profile.is_some()),
        (&inside, "fsGroup", c.fs_group.is_some()),
        (&inside, "fsGroupChangePolicy", c.fs_group_change_policy.is_some()),
        (&inside, "sysctls", c.sysctls.as_ref().is_some_and(|s| !s.is_empty())),
        (at, "shareProcessNamespace", spec.share_process_namespace.is_some()),
        (&inside, "runAsUser", c.run_as_user.is_some()),
        (&inside, "runAsGroup", c.run_as_group.is_some()),
        (&inside, "supplementalGroups", c.supplemental_groups.is_some()),
        (&inside, "supplementalGroupsPolicy", c.supplemental_groups_policy.is_some()),
        (&inside, "seLinuxChangePolicy", c.se_linux_change_policy.is_some()),
    ] {
        if is_set {
            errors.forbidden(&place.child(field), NOT_ON_WINDOWS);
        }
    }
    each_container(spec, at, |container, at| {
        if let Some(context) = &container.security_context {
            windows_container(context, &at.child("securityContext"), errors);
        }
    });
}

fn windows_container(c: &SecurityContext, at: &Path<'_>, errors: &mut Errors) {
    for (field, is_set) in [
        ("appArmorProfile", c.app_armor_profile.is_some()),
        ("seLinuxOptions", c.se_linux_options.is_some()),
        ("seccompProfile", c.seccomp_profile.is_some()),
        ("capabilities", c.capabilities.is_some()),
        ("readOnlyRootFilesystem", c.read_only_root_filesystem.is_some()),
        ("privileged", c.privileged.is_some()),
        ("allowPrivilegeEscalation", c.allow_privilege_escalation.is_some()),
        ("procMount", c.proc_mount.is_some()),
        ("runAsUser", c.run_as_user.is_some()),
        ("runAsGroup", c.run_as_group.is_some()),
    ] {
        if is_set {
            errors.forbidden(&at.child(field), NOT_ON_WINDOWS);
        }
    }
}
