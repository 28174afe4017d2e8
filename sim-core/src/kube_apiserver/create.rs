//! Creating: system metadata, names, defaults, admission, validation, and then the store.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sim_apimachinery::{Kind, Object, ObjectKey, Part, Reason, Status, Trait};

use super::{ApiServer, Call, Outcome, admission, strategy};
use crate::time::SimTime;

/// How long a generated name's base may be: the suffix has five characters and a name 63.
const GENERATED_BASE_MAX: usize = 58;
/// How often a clash of generated names is tried again.
const GENERATED_TRIES_MAX: usize = 8;

impl ApiServer {
    pub(super) fn create(&mut self, mut object: Object, call: &mut Call<'_>) -> Outcome<Object> {
        let kind = object.kind();
        if object.metadata().resource_version.as_deref().is_some_and(|v| !v.is_empty() && v != "0") {
            return Err(Box::new(Status::new(Reason::InternalError, "resourceVersion should not be set on objects to be created")));
        }
        self.check_namespace(&object, call)?;
        self.check_escalation(None, &object, call)?;
        self.check_definition_stays(&object)?;
        begin_metadata(object.metadata_mut(), kind, call.now, self.random.uuid());
        self.name(&mut object)?;
        strategy::prepare_for_create(&mut object);
        sim_apimachinery::defaults::default_object(&mut object);
        super::apiextensions::default_definition(&mut object);
        self.admit_create(&mut object)?;
        strategy::finish_create(&mut object);
        strategy::infrastructure::prepare_for_create(&mut object, call.user.as_deref(), &call.now.to_time());
        self.allocate(&mut object, None, call)?;
        let mut errors = self.check_device_access(&object);
        errors.extend(sim_apimachinery::validation::validate_create(&object));
        if !errors.is_empty() {
            return Err(Box::new(Status::invalid(kind, object.name(), errors)));
        }
        self.charge_quota(&object, None, Part::Main, call)?;
        call.warnings.extend(sim_apimachinery::warnings::of(&object, None));
        self.store_new(object, call)
    }

    fn name(&mut self, object: &mut Object) -> Outcome<()> {
        if !object.name().is_empty() {
            return Ok(());
        }
        let kind = object.kind();
        // An object without both is refused with whatever else is wrong with it.
        let Some(base) = object.metadata().generate_name.clone().filter(|b| !b.is_empty()) else { return Ok(()) };
        let end = (0..=base.len().min(GENERATED_BASE_MAX)).rev().find(|i| base.is_char_boundary(*i)).unwrap_or(0);
        for _ in 0..GENERATED_TRIES_MAX {
            let name = format!("{}{}", &base[..end], self.random.name_suffix());
            if self.etcd.get(&ObjectKey::new(kind, object.namespace(), &name)).is_none() {
                object.metadata_mut().name = Some(name);
                return Ok(());
            }
        }
        Err(Box::new(Status::already_exists(kind, &base)))
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
