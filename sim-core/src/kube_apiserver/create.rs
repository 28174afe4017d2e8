//! Creating: system metadata, names, defaults, admission, validation, and then the store.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sim_apimachinery::managed_fields::Managers;
use sim_apimachinery::{Kind, Object, ObjectKey, Part, Reason, Status, Trait, validation};

use super::admission::{self, Asked};
use super::ownership::{self, Sent};
use super::{ApiServer, Call, Outcome, pod_strategy, preconditions, strategy};
use crate::etcd::Tracking;
use crate::time::SimTime;

/// How long a generated name's base may be: the suffix has five characters and a name 63.
const GENERATED_BASE_MAX: usize = 58;
/// How often a clash of generated names is tried again.
const GENERATED_TRIES_MAX: usize = 8;

/// Whether the client speaks `events.k8s.io`, where events have rules of their own.
pub(super) fn is_new_style(call: &Call<'_>) -> bool {
    call.api_version.as_deref() == Some("events.k8s.io/v1")
}

impl ApiServer {
    pub(super) fn create(&mut self, object: Object, call: &mut Call<'_>) -> Outcome<Object> {
        if object.metadata().resource_version.as_deref().is_some_and(|v| !v.is_empty() && v != "0") {
            return Err(Box::new(Status::new(Reason::Unknown, "resourceVersion should not be set on objects to be created")));
        }
        self.create_owned(object, None, call)
    }

    /// Makes an object; `owners` are those of its fields, if they are known (after an apply).
    pub(super) fn create_owned(&mut self, mut object: Object, owners: Option<Managers>, call: &mut Call<'_>) -> Outcome<Object> {
        let kind = object.kind();
        self.check_namespace(&object, call)?;
        self.check_escalation(None, &object, call)?;
        self.check_definition_stays(&object)?;
        preconditions::drop_duplicate_owners(&mut object, call);
        let sent = ownership::sent(object.metadata_mut().managed_fields.take());
        begin_metadata(object.metadata_mut(), kind, call.now, self.random.uuid());
        self.name(&mut object)?;
        sim_apimachinery::defaults::default_object(&mut object);
        super::apiextensions::default_definition(&mut object);
        super::admission_policies::default_registration(&mut object);
        let mut written = (call.user.is_some() || changed_by_server(kind)).then(|| object.clone());
        written.iter_mut().for_each(strategy::as_written);
        strategy::prepare_for_create(&mut object, &call.now.to_time());
        self.admit(&mut object, &Asked::create(), call)?;
        strategy::finish_create(&mut object, &call.now.to_time());
        strategy::infrastructure::prepare_for_create(&mut object, call.user.as_deref(), &call.now.to_time());
        pod_strategy::finish_create(&mut object, &mut call.warnings);
        self.allocate(&mut object, None, call)?;
        self.check_new(&object, call)?;
        let mut tracking = Tracking { api_version: call.api_version.clone(), part: Part::Main, written, managers: owners.map(Arc::new) };
        if let (Sent::Owners(base), None) = (sent, &tracking.managers) {
            tracking.managers = Some(Arc::new(self.settled(None, &object, base, &tracking, call)));
        }
        call.tracking = Some(Box::new(tracking));
        self.store_new(object, call)
    }

    /// Warns users of what is valid and yet most likely a mistake.
    pub(super) fn warn(&self, next: &Object, current: Option<&Object>, call: &mut Call<'_>) {
        if call.user.is_some() {
            call.warnings.extend(sim_apimachinery::validation::pod::warnings::of(next, current));
        }
    }

    fn check_new(&mut self, object: &Object, call: &mut Call<'_>) -> Outcome<()> {
        let own = self.extension_errors(object, None, Part::Main, call)?;
        let mut errors = self.check_device_access(object);
        errors.extend(match object {
            Object::Event(event) if is_new_style(call) => validation::validate_new_style_event(event, None),
            _ => validation::validate_create(object),
        });
        errors.extend(own);
        errors.extend(super::admission_policies::registration_errors(object));
        if !errors.is_empty() {
            return Err(Box::new(Status::invalid(object.kind(), object.name(), errors)));
        }
        self.warn(object, None, call);
        call.warnings.extend(sim_apimachinery::warnings::of(object, None));
        self.admit_valid(object, &Asked::create(), call)
    }

    fn name(&mut self, object: &mut Object) -> Outcome<()> {
        if !object.name().is_empty() {
            return Ok(());
        }
        let kind = object.kind();
        if kind == Kind::LimitRange && object.metadata().generate_name.as_deref().is_none_or(str::is_empty) {
            object.metadata_mut().name = Some(self.random.uuid());
            return Ok(());
        }
        // An object without both is refused with whatever else is wrong with it.
        let Some(base) = object.metadata().generate_name.clone().filter(|b| !b.is_empty()) else { return Ok(()) };
        let end = (0..=base.len().min(GENERATED_BASE_MAX)).rev().find(|i| base.is_char_boundary(*i)).unwrap_or(0);
        let mut name = String::new();
        for _ in 0..GENERATED_TRIES_MAX {
            name = format!("{}{}", &base[..end], self.random.name_suffix());
            if self.etcd.get(&ObjectKey::new(kind, object.namespace(), &name)).is_none() {
                object.metadata_mut().name = Some(name);
                return Ok(());
            }
        }
        let mut status = Status::already_exists(kind, &name);
        status.message += ", the server was not able to generate a unique name for the object";
        status.retry_after_seconds = 1;
        Err(Box::new(status))
    }

    /// Admission plugin NamespaceLifecycle: the namespace must be there, and must not be going away.
    fn check_namespace(&self, object: &Object, _call: &Call<'_>) -> Outcome<()> {
        let kind = object.kind();
        if !kind.is_namespaced() || object.namespace().is_empty() {
            return Ok(());
        }
        let namespace = object.namespace();
        match self.etcd.get(&ObjectKey::new(Kind::Namespace, "", namespace)) {
            None => Err(Box::new(Status::not_found(Kind::Namespace, namespace))),
            Some(found) if found.is_deleting() => Err(Box::new(admission::terminating(object, namespace))),
            Some(_) => Ok(()),
        }
    }
}

/// Kinds whose new objects the server changes outside of their status: what it adds nobody owns.
fn changed_by_server(kind: Kind) -> bool {
    use Kind as K;
    matches!(kind, K::Pod | K::Node | K::PersistentVolumeClaim | K::PersistentVolume | K::Service | K::Namespace | K::Job)
}

fn begin_metadata(metadata: &mut ObjectMeta, kind: Kind, now: SimTime, uid: String) {
    metadata.uid = Some(uid);
    metadata.creation_timestamp = Some(now.to_time());
    metadata.resource_version = None;
    metadata.deletion_timestamp = None;
    metadata.deletion_grace_period_seconds = None;
    metadata.self_link = None;
    metadata.generation = kind.has(Trait::Generation).then_some(1);
    if !kind.is_namespaced() {
        metadata.namespace = None;
    }
}
