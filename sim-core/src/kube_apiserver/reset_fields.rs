//! Which fields a write to a part of an object does not reach, and so does not come to own.
//! Sources: `GetResetFields` and `GetResetFieldsFilter` of the strategies in pkg/registry.

use sim_apimachinery::managed_fields::Set;
use sim_apimachinery::{Kind, Part};

/// Fields that nobody comes to own by writing this part.
pub fn of(kind: Kind, part: Part) -> Set {
    match part {
        Part::Main if kind == Kind::CertificateSigningRequest => Set::of_fields(&[&["spec"], &["status"]]),
        Part::Main | Part::Finalize if kind.resource().has_status => Set::of_fields(&[&["status"]]),
        Part::Status => of_status(kind),
        Part::Approval => Set::of_fields(&[&["spec"], &["status", "certificate"]]),
        _ => Set::default(),
    }
}

fn of_status(kind: Kind) -> Set {
    use Kind as K;
    match kind {
        K::Deployment => Set::of_fields(&[&["spec"], &["metadata", "labels"]]),
        K::Pod => Set::of_fields(&[&["spec"], &["metadata", "deletionTimestamp"], &["metadata", "ownerReferences"]]),
        K::CertificateSigningRequest => Set::of_fields(&[&["spec"], &["status", "conditions"]]),
        K::APIService | K::Custom(_) => Set::of_fields(&[&["spec"], &["metadata"]]),
        _ if keeps_metadata(kind) => Set::of_fields(&[&["spec"], &["metadata"]]),
        _ => Set::of_fields(&[&["spec"]]),
    }
}

/// Whether a write to the status of such an object leaves all of its metadata as it is.
pub fn keeps_metadata(kind: Kind) -> bool {
    use Kind as K;
    matches!(
        kind,
        K::ValidatingAdmissionPolicy
            | K::StorageVersion
            | K::FlowSchema
            | K::PriorityLevelConfiguration
            | K::ServiceCIDR
            | K::DeviceTaintRule
            | K::ResourceClaim
            | K::ResourcePoolStatusRequest
            | K::PodGroup
            | K::VolumeAttachment
            | K::StorageVersionMigration
    )
}

/// Steps of a path; `*` is any step.
type Pattern = &'static [&'static str];

/// The only fields, with what is below them, that a write to this part reaches; empty for all. The other subresources of pods
/// name fields too, but their storages do not pass them on: whoever writes there comes to own whatever it sends.
pub fn only(part: Part) -> &'static [Pattern] {
    match part {
        Part::Scale => &[&["spec", "replicas"]],
        _ => &[],
    }
}
