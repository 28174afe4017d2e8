//! Attachments of volumes to nodes. Only migrated in-tree volumes are written out in them.

use k8s_openapi::api::storage::v1::{VolumeAttachment, VolumeAttachmentStatus, VolumeError};

use super::super::errors::Errors;
use super::super::go_value::{Raw, go_object, json_string};
use super::super::internal;
use super::super::metadata;
use super::super::path::Path;
use super::super::persistent_volumes;
use super::super::pod::volume_sources::csi_driver;
use crate::names;

const METADATA_BYTES_MAX: usize = 256 * 1024;
const MESSAGE_BYTES_MAX: usize = 1024;
const ONE_OF: &str = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";

/// What is wrong with a new attachment.
pub fn create(attachment: &VolumeAttachment, errors: &mut Errors) {
    metadata::validate(&attachment.metadata, false, names::dns1123_subdomain, errors);
    let spec = &attachment.spec;
    let at = Path::root("spec");
    csi_driver(&spec.attacher, &at.child("attacher"), errors);
    let source = at.child("source");
    let volume = spec.source.persistent_volume_name.as_deref();
    match (&spec.source.inline_volume_spec, volume) {
        (None, None) => errors.required(&source, ONE_OF),
        (Some(_), Some(_)) => errors.forbidden(&source, ONE_OF),
        (Some(inline), None) => persistent_volumes::inline(inline, &source.child("inlineVolumeSpec"), errors),
        (None, Some("")) => errors.required(&source.child("persistentVolumeName"), "must specify non empty persistentVolumeName"),
        _ => {}
    }
    errors.invalid_each(&at.child("nodeName"), &spec.node_name, names::dns1123_subdomain(&spec.node_name));
    if let Some(found) = &attachment.status {
        status(found, errors);
    }
    if let Some(volume) = volume {
        errors.invalid_each(&Path::root("spec.source.persistentVolumeName"), volume, names::dns1123_subdomain(volume));
    }
}

/// What is wrong with an attachment's next state: what is attached to what does not change.
pub fn update(next: &VolumeAttachment, current: &VolumeAttachment, errors: &mut Errors) {
    create(next, errors);
    errors.immutable(&Path::root("spec"), &next.spec, &current.spec, |spec| {
        let volume = spec.source.persistent_volume_name.as_ref().map_or_else(|| "null".to_owned(), |n| json_string(n));
        let inline = spec.source.inline_volume_spec.as_ref();
        let inline = inline.map_or_else(|| "null".to_owned(), |i| internal::blamed("PersistentVolumeSpec", i).0);
        let source: Raw = go_object(&[("PersistentVolumeName", volume), ("InlineVolumeSpec", inline)]);
        go_object(&[("Attacher", json_string(&spec.attacher)), ("Source", source.0), ("NodeName", json_string(&spec.node_name))])
    });
}

fn status(status: &VolumeAttachmentStatus, errors: &mut Errors) {
    let at = Path::root("status");
    let size: usize = status.attachment_metadata.iter().flatten().map(|(k, v)| k.len() + v.len()).sum();
    if size > METADATA_BYTES_MAX {
        errors.too_long(&at.child("attachmentMetadata"), METADATA_BYTES_MAX);
    }
    let failures = [("attachError", &status.attach_error), ("detachError", &status.detach_error)];
    for (field, found) in failures {
        if let Some(found) = found {
            failure(found, &at.child(field), errors);
        }
    }
}

fn failure(failure: &VolumeError, at: &Path<'_>, errors: &mut Errors) {
    if failure.message.as_ref().is_some_and(|m| m.len() > MESSAGE_BYTES_MAX) {
        // The limit that is told is that of the metadata, as in Kubernetes.
        errors.too_long(&at.child("message"), METADATA_BYTES_MAX);
    }
    if let Some(code) = failure.error_code.filter(|c| *c < 0) {
        errors.invalid(&at.child("errorCode"), code, "must be between 0 and 2147483647, inclusive");
    }
}
