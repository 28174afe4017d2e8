//! Validation of objects before they are stored, with Kubernetes' messages.
//! The core is shared: `path` says where, `errors` what is wrong, `go_value` how Go prints the value to blame, `metadata`
//! and `labels` check what all kinds have. Beside it lies one file per topic, with a `create` and an `update` each that
//! check metadata first, as the kind's own validation does.
//! Sources: pkg/apis/*/validation, and registry/rest for what every kind is asked on top.
//! Kinds without a file of their own have their metadata checked and nothing else.

mod autoscaling;
pub mod claims;
pub mod errors;
pub mod go_value;
pub mod internal;
pub mod labels;
pub mod metadata;
pub mod path;
pub mod pod;
mod services;
mod workloads;

use errors::Errors;

use crate::object::Object;
use crate::status::Cause;

/// What is wrong with a new object.
pub fn validate_create(object: &Object) -> Vec<Cause> {
    let mut errors = Errors::new();
    create(object, &mut errors);
    if errors.is_empty() {
        metadata::validate_common(object.metadata(), object.kind().is_namespaced(), &mut errors);
    }
    errors.into_causes()
}

/// What is wrong with the next state of an object.
pub fn validate_update(next: &Object, current: &Object) -> Vec<Cause> {
    let mut errors = Errors::new();
    metadata::validate_common(next.metadata(), next.kind().is_namespaced(), &mut errors);
    metadata::validate_common_update(next.metadata(), current.metadata(), &mut errors);
    update(next, current, &mut errors);
    errors.into_causes()
}

/// A kind's own rules for a new object.
fn create(object: &Object, errors: &mut Errors) {
    match object {
        Object::Pod(o) => pod::create(o, errors),
        Object::Deployment(_) | Object::ReplicaSet(_) | Object::StatefulSet(_) | Object::DaemonSet(_) => {
            workloads::create(object, errors);
        }
        Object::Service(o) => services::create(o, errors),
        Object::HorizontalPodAutoscaler(o) => autoscaling::create(o, errors),
        _ => own_metadata(object, errors),
    }
}

/// A kind's own rules for an object's next state.
fn update(next: &Object, current: &Object, errors: &mut Errors) {
    match (next, current) {
        (Object::Pod(n), Object::Pod(c)) => pod::update(n, c, errors),
        (Object::Deployment(_) | Object::ReplicaSet(_) | Object::StatefulSet(_) | Object::DaemonSet(_), _) => {
            workloads::update(next, current, errors);
        }
        (Object::Service(n), Object::Service(c)) => services::update(n, c, errors),
        (Object::HorizontalPodAutoscaler(n), Object::HorizontalPodAutoscaler(c)) => autoscaling::update(n, c, errors),
        _ => own_metadata_update(next, current, errors),
    }
}

/// A kind's own rules for metadata.
fn own_metadata(object: &Object, errors: &mut Errors) {
    let kind = object.kind();
    metadata::validate(object.metadata(), kind.is_namespaced(), metadata::name_rule(kind), errors);
}

/// A kind's own rules for the metadata of an object's next state, most kinds' way: the update's and the new object's.
fn own_metadata_update(next: &Object, current: &Object, errors: &mut Errors) {
    metadata::validate_update(next.metadata(), current.metadata(), errors);
    own_metadata(next, errors);
}

#[cfg(test)]
mod tests;
