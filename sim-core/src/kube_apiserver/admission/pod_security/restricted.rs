//! The checks of the restricted standard on top of baseline's. Source: pod-security-admission/policy/check_*.go.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Container, Volume};

use super::baseline::{broken, is_profile, seccomp as explicit_seccomp, seccomp_of};
use super::checks::{Broken, Subject, containers, named, plural, quoted, setters, told};

fn is_windows(s: &Subject<'_>) -> bool {
    s.spec.os.as_ref().is_some_and(|os| os.name == "windows")
}

pub(super) fn escalation(s: &Subject<'_>) -> Option<Broken> {
    let names = named(s.spec, |c| c.security_context.as_ref().and_then(|c| c.allow_privilege_escalation) != Some(false));
    let detail = format!("{} must set securityContext.allowPrivilegeEscalation=false", told(&names));
    if names.is_empty() { None } else { broken("allowPrivilegeEscalation != false", detail) }
}

pub(super) fn escalation_on_linux(s: &Subject<'_>) -> Option<Broken> {
    if is_windows(s) { None } else { escalation(s) }
}

pub(super) fn capabilities(s: &Subject<'_>) -> Option<Broken> {
    let of = |c: &Container| c.security_context.as_ref().and_then(|c| c.capabilities.clone()).unwrap_or_default();
    let added = |c: &Container| -> BTreeSet<String> { of(c).add.into_iter().flatten().filter(|a| a != "NET_BIND_SERVICE").collect() };
    let keeping = named(s.spec, |c| !of(c).drop.iter().flatten().any(|d| d == "ALL"));
    let adding = named(s.spec, |c| !added(c).is_empty());
    let mut what = Vec::new();
    if !keeping.is_empty() {
        what.push(format!("{} must set securityContext.capabilities.drop=[\"ALL\"]", told(&keeping)));
    }
    if !adding.is_empty() {
        let all: BTreeSet<String> = containers(s.spec).iter().flat_map(added).collect();
        what.push(format!("{} must not include {} in securityContext.capabilities.add", told(&adding), quoted(all)));
    }
    if what.is_empty() { None } else { broken("unrestricted capabilities", what.join("; ")) }
}

pub(super) fn capabilities_on_linux(s: &Subject<'_>) -> Option<Broken> {
    if is_windows(s) { None } else { capabilities(s) }
}

/// The kind of a volume's source, if it is not one that restricted pods may use.
fn restricted_type(v: &Volume) -> Option<&'static str> {
    let allowed = v.config_map.is_some()
        || v.csi.is_some()
        || v.downward_api.is_some()
        || v.empty_dir.is_some()
        || v.ephemeral.is_some()
        || v.image.is_some()
        || v.persistent_volume_claim.is_some()
        || v.projected.is_some()
        || v.secret.is_some();
    let others = [
        ("hostPath", v.host_path.is_some()),
        ("gcePersistentDisk", v.gce_persistent_disk.is_some()),
        ("awsElasticBlockStore", v.aws_elastic_block_store.is_some()),
        ("gitRepo", v.git_repo.is_some()),
        ("nfs", v.nfs.is_some()),
        ("iscsi", v.iscsi.is_some()),
        ("glusterfs", v.glusterfs.is_some()),
        ("rbd", v.rbd.is_some()),
        ("flexVolume", v.flex_volume.is_some()),
        ("cinder", v.cinder.is_some()),
        ("cephfs", v.cephfs.is_some()),
        ("flocker", v.flocker.is_some()),
        ("fc", v.fc.is_some()),
        ("azureFile", v.azure_file.is_some()),
        ("vsphereVolume", v.vsphere_volume.is_some()),
        ("quobyte", v.quobyte.is_some()),
        ("azureDisk", v.azure_disk.is_some()),
        ("photonPersistentDisk", v.photon_persistent_disk.is_some()),
        ("portworxVolume", v.portworx_volume.is_some()),
        ("scaleIO", v.scale_io.is_some()),
        ("storageos", v.storageos.is_some()),
    ];
    if allowed {
        return None;
    }
    Some(others.into_iter().find(|(_, is_set)| *is_set).map_or("unknown", |(name, _)| name))
}

pub(super) fn volumes(s: &Subject<'_>) -> Option<Broken> {
    let bad = || s.spec.volumes.iter().flatten().filter_map(|v| Some((&v.name, restricted_type(v)?)));
    let names: Vec<&String> = bad().map(|(name, _)| name).collect();
    let kinds: BTreeSet<&str> = bad().map(|(_, kind)| kind).collect();
    let word = plural("restricted volume type", "restricted volume types", kinds.len());
    let who = format!("{} {}", plural("volume", "volumes", names.len()), quoted(&names));
    let detail = format!("{who} {} {word} {}", plural("uses", "use", names.len()), quoted(kinds));
    if names.is_empty() { None } else { broken("restricted volume types", detail) }
}

pub(super) fn non_root(s: &Subject<'_>) -> Option<Broken> {
    const REASON: &str = "runAsNonRoot != true";
    let of_pod = s.spec.security_context.as_ref().and_then(|c| c.run_as_non_root);
    let of = |c: &Container| c.security_context.as_ref().and_then(|c| c.run_as_non_root);
    let who = setters(of_pod == Some(false), &named(s.spec, |c| of(c) == Some(false)));
    if !who.is_empty() {
        return broken(REASON, format!("{who} must not set securityContext.runAsNonRoot=false"));
    }
    let silent = named(s.spec, |c| of(c).is_none() && of_pod != Some(true));
    let detail = format!("pod or {} must set securityContext.runAsNonRoot=true", told(&silent));
    if silent.is_empty() { None } else { broken(REASON, detail) }
}

pub(super) fn non_root_with_host_users(s: &Subject<'_>) -> Option<Broken> {
    if s.spec.host_users == Some(false) { None } else { non_root(s) }
}

pub(super) fn root_user(s: &Subject<'_>) -> Option<Broken> {
    let of_pod = s.spec.security_context.as_ref().and_then(|c| c.run_as_user);
    let who = setters(of_pod == Some(0), &named(s.spec, |c| c.security_context.as_ref().and_then(|c| c.run_as_user) == Some(0)));
    if who.is_empty() { None } else { broken("runAsUser=0", format!("{who} must not set runAsUser=0")) }
}

pub(super) fn root_user_with_host_users(s: &Subject<'_>) -> Option<Broken> {
    if s.spec.host_users == Some(false) { None } else { root_user(s) }
}

pub(super) fn seccomp(s: &Subject<'_>) -> Option<Broken> {
    if let Some(found) = explicit_seccomp(s) {
        return Some(found);
    }
    let of_pod = s.spec.security_context.as_ref().and_then(|c| c.seccomp_profile.as_ref());
    let silent = named(s.spec, |c| seccomp_of(c).is_none() && !of_pod.is_some_and(|p| is_profile(&p.type_)));
    let detail = format!("pod or {} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"", told(&silent));
    if silent.is_empty() { None } else { broken("seccompProfile", detail) }
}

pub(super) fn seccomp_on_linux(s: &Subject<'_>) -> Option<Broken> {
    if is_windows(s) { None } else { seccomp(s) }
}
