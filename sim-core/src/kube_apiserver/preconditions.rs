//! What must hold before an object is changed: versions, uids, names; and owners that are named twice.
//! Sources: apiserver pkg/registry/generic/registry/store.go, pkg/registry/rest/update.go, pkg/endpoints/handlers/rest.go.

use std::collections::BTreeSet;

use sim_apimachinery::{Cause, Kind, Object, Reason, Status};

use super::{Call, Outcome};

/// Compares what a writer knows of an object with what is stored.
pub fn check(current: &Object, sent: &Object) -> Outcome<()> {
    let (kind, name) = (current.kind(), current.name());
    if !sent.uid().is_empty() && sent.uid() != current.uid() {
        return Err(Box::new(Status::conflict(kind, name, &invalid_object(current, sent.uid()))));
    }
    check_version(current, sent)
}

/// Compares versions only.
fn check_version(current: &Object, sent: &Object) -> Outcome<()> {
    let (kind, name) = (current.kind(), current.name());
    match sent.metadata().resource_version.as_deref() {
        None | Some("" | "0") if must_name_version(kind) => Err(version_missing(current)),
        None | Some("" | "0") => Ok(()),
        Some(version) if Some(version) == current.metadata().resource_version.as_deref() => Ok(()),
        Some(version) if version.parse::<u64>().is_err() => {
            let text = format!("strconv.ParseUint: parsing {version:?}: invalid syntax");
            Err(Box::new(Status::new(Reason::Unknown, text)))
        }
        Some(_) => Err(Box::new(Status::object_modified(kind, name))),
    }
}

/// Checks what came out of a patch: its version, and metadata that nobody may change.
pub fn check_patched(current: &Object, patched: &Object) -> Outcome<()> {
    check_version(current, patched)?;
    if patched.uid().is_empty() || patched.uid() == current.uid() {
        return Ok(());
    }
    let message = format!("Invalid value: {:?}: field is immutable", patched.uid());
    let cause = Cause { reason: "FieldValueInvalid".into(), message, field: "metadata.uid".into() };
    Err(Box::new(Status::invalid(current.kind(), current.name(), vec![cause])))
}

/// The store's words for an object that is not the one that was meant.
fn invalid_object(current: &Object, uid: &str) -> String {
    format!(
        "StorageError: invalid object, Code: 4, Key: {}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
        storage_key(current),
        current.uid()
    )
}

/// The key under which a real server stores an object.
fn storage_key(object: &Object) -> String {
    let resource = object.kind().resource();
    let prefix = match object.kind() {
        Kind::ReplicationController => "controllers".to_owned(),
        Kind::Node => "minions".to_owned(),
        Kind::Service => "services/specs".to_owned(),
        Kind::Endpoints => "services/endpoints".to_owned(),
        Kind::Ingress => "ingress".to_owned(),
        Kind::CustomResourceDefinition | Kind::APIService | Kind::Custom(_) => format!("{}/{}", resource.group, resource.plural),
        _ => resource.plural.to_owned(),
    };
    let key = object.key();
    format!("/registry/{prefix}/{}", key.path())
}

/// Kinds whose updates must say which version they are made from (`AllowUnconditionalUpdate` is false).
fn must_name_version(kind: Kind) -> bool {
    use Kind as K;
    matches!(
        kind,
        K::Lease
            | K::LeaseCandidate
            | K::PodDisruptionBudget
            | K::CSINode
            | K::CSIDriver
            | K::CSIStorageCapacity
            | K::VolumeAttachment
            | K::RuntimeClass
            | K::MutatingWebhookConfiguration
            | K::ValidatingWebhookConfiguration
            | K::ValidatingAdmissionPolicy
            | K::ValidatingAdmissionPolicyBinding
            | K::MutatingAdmissionPolicy
            | K::MutatingAdmissionPolicyBinding
            | K::CustomResourceDefinition
            | K::APIService
            | K::ClusterTrustBundle
            | K::PodCertificateRequest
            | K::ResourcePoolStatusRequest
            | K::StorageVersion
            | K::StorageVersionMigration
            | K::Custom(_)
    )
}

fn version_missing(current: &Object) -> Box<Status> {
    let message = "Invalid value: 0: must be specified for an update".to_owned();
    let cause = Cause { reason: "FieldValueInvalid".into(), message, field: "metadata.resourceVersion".into() };
    let resource = current.kind().resource();
    let text = format!("{} \"{}\" is invalid: {}: {}", resource.qualified(), current.name(), cause.field, cause.message);
    let mut status = Status::new(Reason::Invalid, text);
    (status.group, status.kind, status.name) = (resource.group.into(), resource.plural.into(), current.name().into());
    status.causes = vec![cause];
    Box::new(status)
}

/// Checks that a patched object is still the one the URL names.
pub fn check_name(object: &Object, namespace: &str, name: &str) -> Outcome<()> {
    let refused = |text: String| Err(Box::new(Status::new(Reason::BadRequest, text)));
    if !namespace.is_empty() && !object.namespace().is_empty() && object.namespace() != namespace {
        return refused("the namespace of the provided object does not match the namespace sent on the request".into());
    }
    match object.name() {
        "" => refused(format!("the name of the object ({name} based on URL) was undeterminable: name must be provided")),
        found if found != name => refused(format!("the name of the object ({found}) does not match the name on the URL ({name})")),
        _ => Ok(()),
    }
}

/// Takes out owner references that are there twice, and warns.
pub fn drop_duplicate_owners(object: &mut Object, call: &mut Call<'_>) {
    let references = object.metadata().owner_references.as_deref().unwrap_or_default();
    if call.user.is_none() || references.len() < 2 {
        return;
    }
    let mut seen: Vec<_> = Vec::new();
    let mut duplicates = BTreeSet::new();
    for reference in references {
        if seen.contains(reference) {
            duplicates.insert(reference.uid.clone());
        } else {
            seen.push(reference.clone());
        }
    }
    if duplicates.is_empty() {
        return;
    }
    let uids: Vec<String> = duplicates.into_iter().collect();
    call.warnings.push(format!(
        ".metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {}",
        uids.join(", ")
    ));
    object.metadata_mut().owner_references = Some(seen);
}
