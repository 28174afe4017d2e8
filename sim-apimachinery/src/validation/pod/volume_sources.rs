//! Sources of volumes that come from storage systems: which fields they need.
//! Source: the `validate…VolumeSource` functions of pkg/apis/core/validation.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as core;

use super::volume_paths::local_descending;
use crate::names;
use crate::validation::errors::Errors;
use crate::validation::path::Path;

/// `Required value`, if the text is empty.
pub fn needed(text: &str, at: &Path<'_>, errors: &mut Errors) {
    if text.is_empty() {
        errors.required(at, "");
    }
}

pub(super) fn git_repo(source: &core::GitRepoVolumeSource, at: &Path<'_>, errors: &mut Errors) {
    needed(&source.repository, &at.child("repository"), errors);
    local_descending(source.directory.as_deref().unwrap_or_default(), &at.child("directory"), errors);
}

fn partition(partition: Option<i32>, at: &Path<'_>, errors: &mut Errors) {
    if let Some(partition) = partition.filter(|p| !(0..=255).contains(p)) {
        errors.invalid(&at.child("partition"), partition, "must be between 1 and 255, inclusive");
    }
}

pub(in crate::validation) fn gce_persistent_disk(source: &core::GCEPersistentDiskVolumeSource, at: &Path<'_>, errors: &mut Errors) {
    needed(&source.pd_name, &at.child("pdName"), errors);
    partition(source.partition, at, errors);
}

pub(in crate::validation) fn aws_block_store(source: &core::AWSElasticBlockStoreVolumeSource, at: &Path<'_>, errors: &mut Errors) {
    needed(&source.volume_id, &at.child("volumeID"), errors);
    partition(source.partition, at, errors);
}

pub(in crate::validation) fn nfs(source: &core::NFSVolumeSource, at: &Path<'_>, errors: &mut Errors) {
    needed(&source.server, &at.child("server"), errors);
    needed(&source.path, &at.child("path"), errors);
    if !source.path.starts_with('/') {
        errors.invalid(&at.child("path"), &source.path, "must be an absolute path");
    }
}

pub(in crate::validation) fn unit(lun: i32, at: &Path<'_>, errors: &mut Errors) {
    errors.invalid_each(&at.child("lun"), lun, names::in_range(lun.into(), 0, 255));
}

pub(super) fn iscsi(source: &core::ISCSIVolumeSource, at: &Path<'_>, errors: &mut Errors) {
    needed(&source.target_portal, &at.child("targetPortal"), errors);
    match source.iqn.as_str() {
        "" => errors.required(&at.child("iqn"), ""),
        iqn => iscsi_name(iqn, &at.child("iqn"), errors),
    }
    unit(source.lun, at, errors);
    if (source.chap_auth_discovery == Some(true) || source.chap_auth_session == Some(true)) && source.secret_ref.is_none() {
        errors.required(&at.child("secretRef"), "");
    }
    if let Some(initiator) = source.initiator_name.as_deref() {
        iscsi_name(initiator, &at.child("initiatorname"), errors);
    }
}

fn iscsi_name(name: &str, at: &Path<'_>, errors: &mut Errors) {
    match is_iscsi_name(name) {
        Some(true) => {}
        Some(false) => errors.invalid(at, name, "must be valid format"),
        None => errors.invalid(at, name, "must be valid format starting with iqn, eui, or naa"),
    }
}

/// Whether the name is well-formed, if it begins as one of the forms there are.
pub(in crate::validation) fn is_iscsi_name(name: &str) -> Option<bool> {
    match name.get(..3)? {
        "iqn" => Some(is_iqn(name)),
        prefix @ ("eui" | "naa") => {
            let length = if prefix == "eui" { 16 } else { 32 };
            let rest: Vec<char> = name.chars().skip(3).collect();
            Some(rest.len() == length + 1 && rest[1..].iter().all(char::is_ascii_alphanumeric))
        }
        _ => None,
    }
}

/// `iqn.2001-04.com.example:storage`: a date, a domain, a colon and something.
fn is_iqn(name: &str) -> bool {
    let digits = |text: Option<&str>| text.is_some_and(|t| t.bytes().all(|b| b.is_ascii_digit()));
    let Some(rest) = name.strip_prefix("iqn.") else { return false };
    if !(digits(rest.get(..4)) && rest.get(4..5) == Some("-") && digits(rest.get(5..7)) && rest.get(7..8) == Some(".")) {
        return false;
    }
    let Some((domain, unique)) = rest[8..].split_once(':') else { return false };
    let in_domain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
    !domain.is_empty()
        && domain.bytes().all(in_domain)
        && !unique.is_empty()
        && !unique.chars().any(|c| ",;*&$|".contains(c) || c.is_ascii_whitespace())
}

pub(super) fn glusterfs(source: &core::GlusterfsVolumeSource, at: &Path<'_>, errors: &mut Errors) {
    needed(&source.endpoints, &at.child("endpoints"), errors);
    needed(&source.path, &at.child("path"), errors);
}

pub(in crate::validation) fn flocker(source: &core::FlockerVolumeSource, at: &Path<'_>, errors: &mut Errors) {
    let name = source.dataset_name.as_deref().unwrap_or_default();
    match (name.is_empty(), source.dataset_uuid.as_deref().unwrap_or_default().is_empty()) {
        (true, true) => errors.required(at, "one of datasetName and datasetUUID is required"),
        (false, false) => errors.invalid(at, "resource", "datasetName and datasetUUID can not be specified simultaneously"),
        _ => {}
    }
    if name.contains('/') {
        errors.invalid(&at.child("datasetName"), name, "must not contain '/'");
    }
}

pub(super) fn rbd(source: &core::RBDVolumeSource, at: &Path<'_>, errors: &mut Errors) {
    if source.monitors.is_empty() {
        errors.required(&at.child("monitors"), "");
    }
    needed(&source.image, &at.child("image"), errors);
}

fn secret_name(reference: Option<&core::LocalObjectReference>, at: &Path<'_>, errors: &mut Errors) {
    if let Some(reference) = reference {
        needed(&reference.name, &at.child("secretRef").child("name"), errors);
    }
}

pub(super) fn cinder(source: &core::CinderVolumeSource, at: &Path<'_>, errors: &mut Errors) {
    needed(&source.volume_id, &at.child("volumeID"), errors);
    secret_name(source.secret_ref.as_ref(), at, errors);
}

pub(super) fn cephfs(source: &core::CephFSVolumeSource, at: &Path<'_>, errors: &mut Errors) {
    if source.monitors.is_empty() {
        errors.required(&at.child("monitors"), "");
    }
}

pub(in crate::validation) fn quobyte(source: &core::QuobyteVolumeSource, at: &Path<'_>, errors: &mut Errors) {
    const TENANT_MAX: usize = 64;
    let text = "must be a host:port pair or multiple pairs separated by commas";
    if source.registry.is_empty() {
        errors.required(&at.child("registry"), text);
    } else if source.tenant.as_deref().unwrap_or_default().len() > TENANT_MAX {
        errors.required(&at.child("tenant"), "must be a UUID and may not exceed a length of 64 characters");
    } else {
        for _ in source.registry.split(',').filter(|pair| !is_host_and_port(pair)) {
            errors.invalid(&at.child("registry"), &source.registry, text);
        }
    }
    needed(&source.volume, &at.child("volume"), errors);
}

/// Whether Go's `net.SplitHostPort` can split it.
fn is_host_and_port(text: &str) -> bool {
    match text.strip_prefix('[') {
        Some(rest) => rest.split_once("]:").is_some_and(|(host, port)| !host.contains(['[', ']']) && !port.contains(['[', ']', ':'])),
        None => text.matches(':').count() == 1 && !text.contains(['[', ']']),
    }
}

pub(in crate::validation) fn fc(source: &core::FCVolumeSource, at: &Path<'_>, errors: &mut Errors) {
    let names = source.target_wwns.as_deref().unwrap_or_default();
    let ids = source.wwids.as_deref().unwrap_or_default();
    let at_names = at.child("targetWWNs");
    if names.is_empty() && ids.is_empty() {
        errors.required(&at_names, "must specify either targetWWNs or wwids, but not both");
    }
    if !names.is_empty() && !ids.is_empty() {
        errors.invalid(&at_names, names, "targetWWNs and wwids can not be specified simultaneously");
    }
    match source.lun {
        _ if names.is_empty() => {}
        None => errors.required(&at.child("lun"), "lun is required if targetWWNs is specified"),
        Some(lun) => unit(lun, at, errors),
    }
}

pub(super) fn flex_volume(source: &core::FlexVolumeSource, at: &Path<'_>, errors: &mut Errors) {
    flex(&source.driver, source.options.as_ref(), at, errors);
}

/// A driver, and options that are not Kubernetes' own.
pub(in crate::validation) fn flex(driver: &str, options: Option<&BTreeMap<String, String>>, at: &Path<'_>, errors: &mut Errors) {
    needed(driver, &at.child("driver"), errors);
    for key in options.into_iter().flatten().map(|(key, _)| key) {
        let domain = format!(".{}", key.split_once('/').map_or(key.as_str(), |(domain, _)| domain).to_lowercase());
        if domain.ends_with(".kubernetes.io") || domain.ends_with(".k8s.io") {
            errors.invalid(&at.child("options").key(key), key, "kubernetes.io and k8s.io namespaces are reserved");
        }
    }
}

pub(super) fn azure_file(source: &core::AzureFileVolumeSource, at: &Path<'_>, errors: &mut Errors) {
    needed(&source.secret_name, &at.child("secretName"), errors);
    needed(&source.share_name, &at.child("shareName"), errors);
}

pub(in crate::validation) fn azure_disk(source: &core::AzureDiskVolumeSource, at: &Path<'_>, errors: &mut Errors) {
    const MANAGED: &str = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}";
    const BLOB: &str = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd";
    needed(&source.disk_name, &at.child("diskName"), errors);
    needed(&source.disk_uri, &at.child("diskURI"), errors);
    if let Some(mode) = source.caching_mode.as_deref().filter(|m| !matches!(*m, "None" | "ReadOnly" | "ReadWrite")) {
        errors.not_supported(&at.child("cachingMode"), mode, &["None", "ReadOnly", "ReadWrite"]);
    }
    let Some(kind) = source.kind.as_deref() else { return };
    if !matches!(kind, "Dedicated" | "Managed" | "Shared") {
        errors.not_supported(&at.child("kind"), kind, &["Dedicated", "Managed", "Shared"]);
    }
    let (prefix, form) = if kind == "Managed" { ("/subscriptions/", MANAGED) } else { ("https://", BLOB) };
    if !source.disk_uri.starts_with(prefix) {
        errors.not_supported(&at.child("diskURI"), &source.disk_uri, &[form]);
    }
}

pub(super) fn storageos(source: &core::StorageOSVolumeSource, at: &Path<'_>, errors: &mut Errors) {
    match source.volume_name.as_deref().unwrap_or_default() {
        "" => errors.required(&at.child("volumeName"), ""),
        name => errors.invalid_each(&at.child("volumeName"), name, names::dns1123_label(name)),
    }
    if let Some(namespace) = source.volume_namespace.as_deref().filter(|n| !n.is_empty()) {
        errors.invalid_each(&at.child("volumeNamespace"), namespace, names::dns1123_label(namespace));
    }
    secret_name(source.secret_ref.as_ref(), at, errors);
}

pub(super) fn scale_io(source: &core::ScaleIOVolumeSource, at: &Path<'_>, errors: &mut Errors) {
    needed(&source.gateway, &at.child("gateway"), errors);
    needed(&source.system, &at.child("system"), errors);
    needed(source.volume_name.as_deref().unwrap_or_default(), &at.child("volumeName"), errors);
}

pub(super) fn csi(source: &core::CSIVolumeSource, at: &Path<'_>, errors: &mut Errors) {
    csi_driver(&source.driver, &at.child("driver"), errors);
    let Some(reference) = &source.node_publish_secret_ref else { return };
    match reference.name.as_str() {
        "" => errors.required(&at.child("nodePublishSecretRef").child("name"), ""),
        name => errors.invalid_each(&at.child("name"), name, names::dns1123_subdomain(name)),
    }
}

/// What is wrong with the name of a CSI driver.
pub fn csi_driver(name: &str, at: &Path<'_>, errors: &mut Errors) {
    const DRIVER_MAX: usize = 63;
    if name.is_empty() {
        return errors.required(at, "");
    }
    if name.len() > DRIVER_MAX {
        errors.too_long(at, DRIVER_MAX);
    }
    errors.invalid_each(at, name, names::dns1123_subdomain(&name.to_lowercase()));
}
