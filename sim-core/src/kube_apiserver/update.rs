//! Updating: replace the main part, the status, or a namespace's finalizers, with optimistic concurrency.
//! An update that empties the finalizers of an object that is being deleted removes it.

use std::sync::Arc;

use sim_apimachinery::{Kind, Object, Part, Reason, Status};

use super::{ApiServer, Call, Outcome, strategy};

impl ApiServer {
    pub(super) fn update(&mut self, object: Object, part: Part, call: &mut Call<'_>) -> Outcome<Object> {
        let key = object.key();
        let Some(current) = self.load(&key) else {
            return if part == Part::Main && created_by_update(key.kind) {
                self.create(object, call)
            } else {
                Err(Box::new(Status::not_found(key.kind, &key.name)))
            };
        };
        check_preconditions(&current, &object)?;
        self.replace(&current, object, part, call)
    }

    /// Stores `next` over `current`: all ways to change an object end here.
    pub(super) fn replace(&mut self, current: &Object, mut next: Object, part: Part, call: &mut Call<'_>) -> Outcome<Object> {
        match part {
            Part::Main | Part::Resize | Part::EphemeralContainers => {
                sim_apimachinery::defaults::default_object(&mut next);
                super::apiextensions::default_definition(&mut next);
                self.check_escalation(Some(current), &next, call)?;
                strategy::prepare_for_update(current, &mut next);
                self.allocate(&mut next, Some(current), call)?;
            }
            Part::Status => {
                strategy::prepare_for_status_update(current, &mut next);
                strategy::stamp_transition(current, &mut next, &call.now.to_time());
            }
            Part::Finalize => finalize(current, &mut next),
        }
        strategy::infrastructure::prepare_for_update(current, &mut next, part, &call.now.to_time());
        check_finalizers(current, &next)?;
        let errors = match part {
            Part::Main => sim_apimachinery::validation::validate_update(&next, current),
            Part::Status if call.user.is_some() => sim_apimachinery::validation::validate_status_update(&next, current),
            _ => vec![],
        };
        if !errors.is_empty() {
            return Err(Box::new(Status::invalid(next.kind(), next.name(), errors)));
        }
        self.charge_quota(&next, Some(current), part, call)?;
        call.warnings.extend(match part {
            Part::Main => sim_apimachinery::warnings::of(&next, Some(current)),
            Part::Status => sim_apimachinery::warnings::of_status(&next),
            _ => vec![],
        });
        if is_free_to_go(&next) {
            self.store_next(current, next, call)?;
            return self.remove(&current.key(), call);
        }
        self.store_next(current, next, call)
    }
}

/// Whether nothing holds an object that is being deleted any more.
fn is_free_to_go(object: &Object) -> bool {
    let metadata = object.metadata();
    let namespace_done = match object {
        Object::Namespace(n) => n.spec.as_ref().and_then(|s| s.finalizers.as_ref()).is_none_or(Vec::is_empty),
        _ => true,
    };
    metadata.deletion_timestamp.is_some()
        && namespace_done
        && metadata.finalizers.as_ref().is_none_or(Vec::is_empty)
        && metadata.deletion_grace_period_seconds.unwrap_or(0) == 0
}

fn finalize(current: &Object, next: &mut Object) {
    let finalizers = match next {
        Object::Namespace(n) => n.spec.clone(),
        _ => None,
    };
    *next = current.clone();
    if let Object::Namespace(n) = next {
        Arc::make_mut(n).spec = finalizers;
    }
}

fn check_preconditions(current: &Object, sent: &Object) -> Outcome<()> {
    let (kind, name) = (current.kind(), current.name());
    if !sent.uid().is_empty() && sent.uid() != current.uid() {
        let why = format!("Precondition failed: UID in precondition: {}, UID in object meta: {}", sent.uid(), current.uid());
        return Err(Box::new(Status::conflict(kind, name, &why)));
    }
    match sent.metadata().resource_version.as_deref() {
        None | Some("" | "0") => Ok(()),
        Some(version) if Some(version) == current.metadata().resource_version.as_deref() => Ok(()),
        Some(_) => Err(Box::new(Status::object_modified(kind, name))),
    }
}

fn check_finalizers(current: &Object, next: &Object) -> Outcome<()> {
    if !current.is_deleting() {
        return Ok(());
    }
    let before = current.metadata().finalizers.clone().unwrap_or_default();
    let added: Vec<String> =
        next.metadata().finalizers.iter().flatten().filter(|f| !before.contains(f)).map(|f| format!("{f:?}")).collect();
    if added.is_empty() {
        return Ok(());
    }
    let message = format!(
        "Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
        added.join(", ")
    );
    let cause = sim_apimachinery::Cause { reason: "FieldValueForbidden".into(), message, field: "metadata.finalizers".into() };
    let status = Status::invalid(next.kind(), next.name(), vec![cause]);
    debug_assert_eq!(status.reason, Reason::Invalid);
    Err(Box::new(status))
}

/// The kinds a PUT makes when they are not there.
fn created_by_update(kind: Kind) -> bool {
    use Kind as K;
    matches!(
        kind,
        K::Lease
            | K::LeaseCandidate
            | K::Endpoints
            | K::Service
            | K::Event
            | K::LimitRange
            | K::Role
            | K::ClusterRole
            | K::RoleBinding
            | K::ClusterRoleBinding
            | K::RuntimeClass
    )
}
