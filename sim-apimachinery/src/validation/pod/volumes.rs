//! A pod's volumes: names, one source each, and what is wrong with the source.
//! Source: `ValidateVolumes` and `validateVolumeSource` in pkg/apis/core/validation.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, DownwardAPIVolumeFile, DownwardAPIVolumeSource, EphemeralVolumeSource, HostPathVolumeSource, KeyToPath,
    SecretVolumeSource, Volume,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::Options;
use super::environment::{VOLUME_FIELDS, object_field, resource_field};
use super::volume_paths::{local_not_reserved, mode, no_backsteps};
use super::{projected, volume_sources as sources};
use crate::quantity::Quantity;
use crate::validation::claims::claim_template;
use crate::validation::errors::Errors;
use crate::validation::path::Path;
use crate::{names, validation::go_value::Raw, validation::go_value::json_string};

/// The volumes that are all right, by name.
pub type Volumes<'a> = BTreeMap<&'a str, &'a Volume>;

/// What is wrong with a pod's volumes; a template has no metadata.
pub fn volumes<'a>(list: &'a [Volume], pod: Option<&ObjectMeta>, at: &Path<'_>, options: &Options, errors: &mut Errors) -> Volumes<'a> {
    let pod_name = pod.and_then(|m| m.name.as_deref()).unwrap_or_default();
    let mut found = Volumes::new();
    for (index, volume) in list.iter().enumerate() {
        let at = at.index(index);
        let before = errors.len();
        source(volume, pod_name, &at, options, errors);
        match volume.name.as_str() {
            "" => errors.required(&at.child("name"), ""),
            name => errors.invalid_each(&at.child("name"), name, names::dns1123_label(name)),
        }
        if found.contains_key(volume.name.as_str()) {
            errors.duplicate(&at.child("name"), &volume.name);
        }
        if errors.len() == before {
            found.insert(&volume.name, volume);
        }
        own_claim(volume, list, pod_name, &at, errors);
    }
    found
}

/// A volume must not use the claim that another volume of the pod makes.
fn own_claim(volume: &Volume, list: &[Volume], pod_name: &str, at: &Path<'_>, errors: &mut Errors) {
    let Some(claim) = volume.persistent_volume_claim.as_ref().filter(|_| !pod_name.is_empty()) else { return };
    let made = |v: &Volume| v.ephemeral.is_some() && claim.claim_name == format!("{pod_name}-{}", v.name);
    if list.iter().any(made) {
        let text = "must not reference a PVC that gets created for an ephemeral volume";
        errors.invalid(&at.child("persistentVolumeClaim").child("claimName"), &claim.claim_name, text);
    }
}

/// The first source is checked, each further one refused.
struct Once<'e> {
    errors: &'e mut Errors,
    found: bool,
}

impl Once<'_> {
    /// `names` are the field's name when it is refused and when it is checked; Kubernetes has two for some.
    fn check<T>(&mut self, source: Option<&T>, at: &Path<'_>, names: (&str, &str), check: impl FnOnce(&T, &Path<'_>, &mut Errors)) {
        let Some(source) = source else { return };
        if self.found {
            return self.errors.forbidden(&at.child(names.0), "may not specify more than 1 volume type");
        }
        self.found = true;
        check(source, &at.child(names.1), self.errors);
    }
}

fn source(volume: &Volume, pod_name: &str, at: &Path<'_>, options: &Options, errors: &mut Errors) {
    let mut once = Once { errors, found: false };
    let v = volume;
    once.check(v.empty_dir.as_ref(), at, ("emptyDir", "emptyDir"), |s, at, errors| {
        let size = s.size_limit.as_ref().and_then(|q| Quantity::parse(&q.0).ok());
        if size.is_some_and(|q| q < Quantity::from_millis(0)) {
            errors.forbidden(&at.child("sizeLimit"), "SizeLimit field must be a valid resource quantity");
        }
    });
    once.check(v.host_path.as_ref(), at, ("hostPath", "hostPath"), host_path);
    once.check(v.git_repo.as_ref(), at, ("gitRepo", "gitRepo"), sources::git_repo);
    once.check(v.gce_persistent_disk.as_ref(), at, ("gcePersistentDisk", "persistentDisk"), sources::gce_persistent_disk);
    once.check(v.aws_elastic_block_store.as_ref(), at, ("awsElasticBlockStore", "awsElasticBlockStore"), sources::aws_block_store);
    once.check(v.secret.as_ref(), at, ("secret", "secret"), secret);
    once.check(v.nfs.as_ref(), at, ("nfs", "nfs"), sources::nfs);
    once.check(v.iscsi.as_ref(), at, ("iscsi", "iscsi"), sources::iscsi);
    iscsi_name(volume, at, once.errors);
    once.check(v.glusterfs.as_ref(), at, ("glusterfs", "glusterfs"), sources::glusterfs);
    once.check(v.flocker.as_ref(), at, ("flocker", "flocker"), sources::flocker);
    once.check(v.persistent_volume_claim.as_ref(), at, ("persistentVolumeClaim", "persistentVolumeClaim"), |s, at, errors| {
        sources::needed(&s.claim_name, &at.child("claimName"), errors);
    });
    once.check(v.rbd.as_ref(), at, ("rbd", "rbd"), sources::rbd);
    once.check(v.cinder.as_ref(), at, ("cinder", "cinder"), sources::cinder);
    once.check(v.cephfs.as_ref(), at, ("cephFS", "cephfs"), sources::cephfs);
    once.check(v.quobyte.as_ref(), at, ("quobyte", "quobyte"), sources::quobyte);
    // The first name is Kubernetes' own slip.
    once.check(v.downward_api.as_ref(), at, ("downwarAPI", "downwardAPI"), downward_api);
    once.check(v.fc.as_ref(), at, ("fc", "fc"), sources::fc);
    once.check(v.flex_volume.as_ref(), at, ("flexVolume", "flexVolume"), sources::flex_volume);
    once.check(v.config_map.as_ref(), at, ("configMap", "configMap"), config_map);
    once.check(v.azure_file.as_ref(), at, ("azureFile", "azureFile"), sources::azure_file);
    once.check(v.vsphere_volume.as_ref(), at, ("vsphereVolume", "vsphereVolume"), |s, at, errors| {
        sources::needed(&s.volume_path, &at.child("volumePath"), errors);
    });
    once.check(v.photon_persistent_disk.as_ref(), at, ("photonPersistentDisk", "photonPersistentDisk"), |s, at, errors| {
        sources::needed(&s.pd_id, &at.child("pdID"), errors);
    });
    once.check(v.portworx_volume.as_ref(), at, ("portworxVolume", "portworxVolume"), |s, at, errors| {
        sources::needed(&s.volume_id, &at.child("volumeID"), errors);
    });
    once.check(v.azure_disk.as_ref(), at, ("azureDisk", "azureDisk"), sources::azure_disk);
    once.check(v.storageos.as_ref(), at, ("storageos", "storageos"), sources::storageos);
    once.check(v.projected.as_ref(), at, ("projected", "projected"), |s, at, errors| projected::projected(s, at, options, errors));
    once.check(v.scale_io.as_ref(), at, ("scaleIO", "scaleIO"), sources::scale_io);
    once.check(v.csi.as_ref(), at, ("csi", "csi"), sources::csi);
    let others = once.found;
    once.check(v.ephemeral.as_ref(), at, ("ephemeral", "ephemeral"), ephemeral);
    if !others && v.ephemeral.is_some() && !pod_name.is_empty() && !v.name.is_empty() {
        claim_name(pod_name, &v.name, at, once.errors);
    }
    once.check(v.image.as_ref(), at, ("image", "image"), |s, at, errors| {
        if options.is_pod {
            sources::needed(s.reference.as_deref().unwrap_or_default(), &at.child("reference"), errors);
        }
        super::containers::pull_policy(s.pull_policy.as_deref().unwrap_or_default(), &at.child("pullPolicy"), errors);
    });
    if !once.found {
        errors.required(at, "must specify a volume type");
    }
}

fn iscsi_name(volume: &Volume, at: &Path<'_>, errors: &mut Errors) {
    const TOGETHER_MAX: usize = 64;
    let Some(source) = volume.iscsi.as_ref().filter(|s| s.initiator_name.is_some()) else { return };
    if volume.name.len() + 1 + source.target_portal.len() > TOGETHER_MAX {
        let text = "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.";
        errors.invalid(&at.child("name"), &volume.name, text);
    }
}

fn claim_name(pod_name: &str, volume_name: &str, at: &Path<'_>, errors: &mut Errors) {
    let name = format!("{pod_name}-{volume_name}");
    for text in names::dns1123_subdomain(&name) {
        errors.invalid(&at.child("name"), volume_name, &format!("PVC name \"{name}\": {text}"));
    }
}

fn host_path(source: &HostPathVolumeSource, at: &Path<'_>, errors: &mut Errors) {
    const TYPES: [&str; 8] = ["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];
    if source.path.is_empty() {
        return errors.required(&at.child("path"), "");
    }
    no_backsteps(&source.path, &at.child("path"), errors);
    if let Some(other) = source.type_.as_deref().filter(|t| !TYPES.contains(t)) {
        errors.not_supported(&at.child("type"), Raw(json_string(other)), &TYPES);
    }
}

fn secret(source: &SecretVolumeSource, at: &Path<'_>, errors: &mut Errors) {
    sources::needed(source.secret_name.as_deref().unwrap_or_default(), &at.child("secretName"), errors);
    mode(source.default_mode, &at.child("defaultMode"), errors);
    keys(source.items.as_deref().unwrap_or_default(), &at.child("items"), errors);
}

fn config_map(source: &ConfigMapVolumeSource, at: &Path<'_>, errors: &mut Errors) {
    sources::needed(&source.name, &at.child("name"), errors);
    mode(source.default_mode, &at.child("defaultMode"), errors);
    keys(source.items.as_deref().unwrap_or_default(), &at.child("items"), errors);
}

fn keys(items: &[KeyToPath], at: &Path<'_>, errors: &mut Errors) {
    for (index, item) in items.iter().enumerate() {
        key_to_path(item, &at.index(index), errors);
    }
}

/// What is wrong with a key that becomes a file.
pub fn key_to_path(item: &KeyToPath, at: &Path<'_>, errors: &mut Errors) {
    sources::needed(&item.key, &at.child("key"), errors);
    sources::needed(&item.path, &at.child("path"), errors);
    local_not_reserved(&item.path, &at.child("path"), errors);
    mode(item.mode, &at.child("mode"), errors);
}

fn downward_api(source: &DownwardAPIVolumeSource, at: &Path<'_>, errors: &mut Errors) {
    mode(source.default_mode, &at.child("defaultMode"), errors);
    // The items' errors name no item, as in Kubernetes.
    source.items.iter().flatten().for_each(|file| downward_file(file, at, errors));
}

/// What is wrong with a file of the downward API.
pub fn downward_file(file: &DownwardAPIVolumeFile, at: &Path<'_>, errors: &mut Errors) {
    sources::needed(&file.path, &at.child("path"), errors);
    local_not_reserved(&file.path, &at.child("path"), errors);
    match (&file.field_ref, &file.resource_field_ref) {
        (Some(field), resource) => {
            object_field(field, &VOLUME_FIELDS, &at.child("fieldRef"), errors);
            if resource.is_some() {
                errors.invalid(at, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously");
            }
        }
        (None, Some(resource)) => resource_field(resource, true, &at.child("resourceFieldRef"), errors),
        (None, None) => errors.required(at, "one of fieldRef and resourceFieldRef is required"),
    }
    mode(file.mode, &at.child("mode"), errors);
}

fn ephemeral(source: &EphemeralVolumeSource, at: &Path<'_>, errors: &mut Errors) {
    let at = at.child("volumeClaimTemplate");
    match &source.volume_claim_template {
        Some(template) => claim_template(template, &at, errors),
        None => errors.required(&at, ""),
    }
}

/// The files that a projected volume makes, each of which only one source may make.
pub type Files = BTreeSet<String>;
