//! Where the data of persistent volumes lies: exactly one source, and what each kind of it needs.
//! Source: `ValidatePersistentVolumeSpec` and the functions it calls in pkg/apis/core/validation. Fields are named in messages
//! as they are there, which is not always their name in JSON.

use k8s_openapi::api::core::v1 as core;

use super::errors::Errors;
use super::path::Path;
use super::pod::volume_paths::no_backsteps;
use super::pod::volume_sources as shared;
use crate::names;

const HOST_PATH_TYPES: [&str; 8] = ["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];
/// A target's portal and the volume's name together may be this long, if the initiator has a name.
const PORTAL_MAX: usize = 64;

/// The sources that were met, one of which may be there.
struct Met<'a, 'e> {
    spec: &'a Path<'a>,
    errors: &'e mut Errors,
    count: usize,
}

impl Met<'_, '_> {
    /// Looks into a source, if it is there and the first. `at` is what its fields are called after, if not itself.
    fn look<T>(&mut self, source: &Option<T>, name: &str, at: &str, check: impl FnOnce(&T, &Path<'_>, &mut Errors)) {
        let Some(source) = source else { return };
        if self.count > 0 {
            return self.errors.forbidden(&self.spec.child(name), "may not specify more than 1 volume type");
        }
        self.count += 1;
        check(source, &self.spec.child(at), self.errors);
    }
}

/// What is wrong with the sources of a volume of that name.
pub(super) fn sources(spec: &core::PersistentVolumeSpec, volume: &str, at: &Path<'_>, errors: &mut Errors) {
    let mut met = Met { spec: at, errors, count: 0 };
    met.look(&spec.host_path, "hostPath", "hostPath", host_path);
    met.look(&spec.gce_persistent_disk, "gcePersistentDisk", "persistentDisk", shared::gce_persistent_disk);
    met.look(&spec.aws_elastic_block_store, "awsElasticBlockStore", "awsElasticBlockStore", shared::aws_block_store);
    met.look(&spec.glusterfs, "glusterfs", "glusterfs", glusterfs);
    met.look(&spec.flocker, "flocker", "flocker", shared::flocker);
    met.look(&spec.nfs, "nfs", "nfs", shared::nfs);
    met.look(&spec.rbd, "rbd", "rbd", |s, at, errors| {
        monitors(&s.monitors, at, errors);
        shared::needed(&s.image, &at.child("image"), errors);
    });
    met.look(&spec.quobyte, "quobyte", "quobyte", shared::quobyte);
    met.look(&spec.cephfs, "cephFS", "cephfs", |s, at, errors| monitors(&s.monitors, at, errors));
    met.look(&spec.iscsi, "iscsi", "iscsi", |s, at, errors| iscsi(s, volume, at, errors));
    met.look(&spec.cinder, "cinder", "cinder", |s, at, errors| {
        shared::needed(&s.volume_id, &at.child("volumeID"), errors);
        let named = s.secret_ref.as_ref().map(|r| (r.name.as_deref(), r.namespace.as_deref()));
        secret(named, at, errors);
    });
    met.look(&spec.fc, "fc", "fc", shared::fc);
    if let Some(flex) = &spec.flex_volume {
        // The one kind that may stand beside another.
        met.count += 1;
        shared::flex(&flex.driver, flex.options.as_ref(), &at.child("flexVolume"), met.errors);
    }
    more_sources(spec, &mut met);
    if met.count == 0 {
        errors.required(at, "must specify a volume type");
    }
}

fn more_sources(spec: &core::PersistentVolumeSpec, met: &mut Met<'_, '_>) {
    let needs = |field: &'static str| move |text: &str, at: &Path<'_>, errors: &mut Errors| shared::needed(text, &at.child(field), errors);
    met.look(&spec.azure_file, "azureFile", "azureFile", azure_file);
    met.look(&spec.vsphere_volume, "vsphereVolume", "vsphereVolume", |s, at, e| needs("volumePath")(&s.volume_path, at, e));
    met.look(&spec.photon_persistent_disk, "photonPersistentDisk", "photonPersistentDisk", |s, at, e| needs("pdID")(&s.pd_id, at, e));
    met.look(&spec.portworx_volume, "portworxVolume", "portworxVolume", |s, at, e| needs("volumeID")(&s.volume_id, at, e));
    met.look(&spec.azure_disk, "azureDisk", "azureDisk", shared::azure_disk);
    met.look(&spec.scale_io, "scaleIO", "scaleIO", |s, at, e| {
        needs("gateway")(&s.gateway, at, e);
        needs("system")(&s.system, at, e);
        needs("volumeName")(s.volume_name.as_deref().unwrap_or_default(), at, e);
    });
    let (spec_at, is_placed) = (met.spec, spec.node_affinity.is_some());
    met.look(&spec.local, "local", "local", |s, at, e| {
        needs("path")(&s.path, at, e);
        no_backsteps(&s.path, &at.child("path"), e);
        if !is_placed {
            e.required(&spec_at.child("nodeAffinity"), "Local volume requires node affinity");
        }
    });
    met.look(&spec.storageos, "storageos", "storageos", storageos);
    met.look(&spec.csi, "csi", "csi", csi);
}

fn host_path(source: &core::HostPathVolumeSource, at: &Path<'_>, errors: &mut Errors) {
    if source.path.is_empty() {
        return errors.required(&at.child("path"), "");
    }
    no_backsteps(&source.path, &at.child("path"), errors);
    let kind = source.type_.as_deref().unwrap_or_default();
    if !HOST_PATH_TYPES.contains(&kind) {
        errors.not_supported(&at.child("type"), kind, &HOST_PATH_TYPES);
    }
}

fn monitors(monitors: &[String], at: &Path<'_>, errors: &mut Errors) {
    if monitors.is_empty() {
        errors.required(&at.child("monitors"), "");
    }
}

fn glusterfs(source: &core::GlusterfsPersistentVolumeSource, at: &Path<'_>, errors: &mut Errors) {
    shared::needed(&source.endpoints, &at.child("endpoints"), errors);
    shared::needed(&source.path, &at.child("path"), errors);
    let field = at.child("endpointsNamespace");
    match source.endpoints_namespace.as_deref() {
        None => {}
        Some("") => errors.invalid(&field, "", "if the endpointnamespace is set, it must be a valid namespace name"),
        Some(name) => errors.invalid_each(&field, name, names::dns1123_label(name)),
    }
}

fn iscsi(source: &core::ISCSIPersistentVolumeSource, volume: &str, at: &Path<'_>, errors: &mut Errors) {
    let portal = &source.target_portal;
    shared::needed(portal, &at.child("targetPortal"), errors);
    if source.initiator_name.is_some() && volume.len() + 1 + portal.len() > PORTAL_MAX {
        let text = "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.";
        errors.invalid(&at.child("targetportal"), portal, text);
    }
    match source.iqn.as_str() {
        "" => errors.required(&at.child("iqn"), ""),
        iqn => iscsi_name(iqn, &at.child("iqn"), errors),
    }
    shared::unit(source.lun, at, errors);
    if (source.chap_auth_discovery == Some(true) || source.chap_auth_session == Some(true)) && source.secret_ref.is_none() {
        errors.required(&at.child("secretRef"), "");
    }
    if let Some(secret) = &source.secret_ref {
        shared::needed(secret.name.as_deref().unwrap_or_default(), &at.child("secretRef").child("name"), errors);
    }
    if let Some(initiator) = source.initiator_name.as_deref() {
        iscsi_name(initiator, &at.child("initiatorname"), errors);
    }
}

fn iscsi_name(name: &str, at: &Path<'_>, errors: &mut Errors) {
    if shared::is_iscsi_name(name) != Some(true) {
        errors.invalid(at, name, "must be valid format");
    }
}

/// A secret that is named by its namespace too.
fn secret(named: Option<(Option<&str>, Option<&str>)>, at: &Path<'_>, errors: &mut Errors) {
    let Some((name, namespace)) = named else { return };
    let at = at.child("secretRef");
    shared::needed(name.unwrap_or_default(), &at.child("name"), errors);
    shared::needed(namespace.unwrap_or_default(), &at.child("namespace"), errors);
}

fn azure_file(source: &core::AzureFilePersistentVolumeSource, at: &Path<'_>, errors: &mut Errors) {
    shared::needed(&source.secret_name, &at.child("secretName"), errors);
    shared::needed(&source.share_name, &at.child("shareName"), errors);
    if let Some(namespace) = &source.secret_namespace {
        shared::needed(namespace, &at.child("secretNamespace"), errors);
    }
}

fn storageos(source: &core::StorageOSPersistentVolumeSource, at: &Path<'_>, errors: &mut Errors) {
    match source.volume_name.as_deref().unwrap_or_default() {
        "" => errors.required(&at.child("volumeName"), ""),
        name => errors.invalid_each(&at.child("volumeName"), name, names::dns1123_label(name)),
    }
    if let Some(namespace) = source.volume_namespace.as_deref().filter(|n| !n.is_empty()) {
        errors.invalid_each(&at.child("volumeNamespace"), namespace, names::dns1123_label(namespace));
    }
    let named = source.secret_ref.as_ref().map(|r| (r.name.as_deref(), r.namespace.as_deref()));
    secret(named, at, errors);
}

fn csi(source: &core::CSIPersistentVolumeSource, at: &Path<'_>, errors: &mut Errors) {
    shared::csi_driver(&source.driver, &at.child("driver"), errors);
    shared::needed(&source.volume_handle, &at.child("volumeHandle"), errors);
    let secrets = [
        ("controllerPublishSecretRef", &source.controller_publish_secret_ref),
        ("controllerExpandSecretRef", &source.controller_expand_secret_ref),
        ("nodePublishSecretRef", &source.node_publish_secret_ref),
        ("nodeExpandSecretRef", &source.node_expand_secret_ref),
    ];
    for (field, secret) in secrets {
        secret.iter().for_each(|s| secret_reference(s, &at.child(field), errors));
    }
}

fn secret_reference(secret: &core::SecretReference, at: &Path<'_>, errors: &mut Errors) {
    match secret.name.as_deref().unwrap_or_default() {
        "" => errors.required(&at.child("name"), ""),
        name => errors.invalid_each(&at.child("name"), name, names::dns1123_subdomain(name)),
    }
    match secret.namespace.as_deref().unwrap_or_default() {
        "" => errors.required(&at.child("namespace"), ""),
        name => errors.invalid_each(&at.child("namespace"), name, names::dns1123_label(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn told(spec: Value) -> Vec<String> {
        let spec: core::PersistentVolumeSpec = serde_json::from_value(spec).expect("it is written here");
        let mut errors = Errors::new();
        sources(&spec, "pv", &Path::root("spec"), &mut errors);
        errors.into_causes().into_iter().map(|c| format!("{}: {}", c.field, c.message)).collect()
    }

    #[test]
    fn a_volume_has_one_source_and_that_is_whole() {
        assert_eq!(told(json!({})), ["spec: Required value: must specify a volume type"]);
        let two = told(json!({"hostPath": {"path": "/x"}, "cephfs": {"monitors": []}}));
        assert_eq!(two, ["spec.cephFS: Forbidden: may not specify more than 1 volume type"]);
        assert_eq!(told(json!({"cephfs": {"monitors": []}})), ["spec.cephfs.monitors: Required value"]);
        assert_eq!(told(json!({"gcePersistentDisk": {"pdName": ""}})), ["spec.persistentDisk.pdName: Required value"]);
        let iscsi = told(json!({"iscsi": {"targetPortal": "1.2.3.4", "iqn": "x", "lun": 300}}));
        assert_eq!(
            iscsi,
            [
                "spec.iscsi.iqn: Invalid value: \"x\": must be valid format",
                "spec.iscsi.lun: Invalid value: 300: must be between 0 and 255, inclusive"
            ]
        );
        let cinder = told(json!({"cinder": {"volumeID": "a", "secretRef": {}}}));
        assert_eq!(cinder, ["spec.cinder.secretRef.name: Required value", "spec.cinder.secretRef.namespace: Required value"]);
        let local = told(json!({"local": {"path": "/a/../b"}}));
        assert_eq!(
            local,
            [
                "spec.local.path: Invalid value: \"/a/../b\": must not contain '..'",
                "spec.nodeAffinity: Required value: Local volume requires node affinity"
            ]
        );
    }
}
