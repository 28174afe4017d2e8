//! Updating: replace the main part, the status, or a namespace's finalizers, with optimistic concurrency.
//! An update that empties the finalizers of an object that is being deleted removes it.

use std::sync::Arc;

use sim_apimachinery::managed_fields::Managers;
use sim_apimachinery::{Kind, Object, Part, Status, validation};

use super::admission::Asked;
use super::create::is_new_style;
use super::ownership::{self, Sent};
use super::{ApiServer, Call, Outcome, pod_strategy, preconditions, strategy};
use crate::etcd::Tracking;

impl ApiServer {
    pub(super) fn update(&mut self, mut object: Object, part: Part, call: &mut Call<'_>) -> Outcome<Object> {
        let key = object.key();
        let Some(current) = self.load(&key, call)? else {
            if part != Part::Main || !created_by_update(key.kind) {
                return Err(Box::new(Status::not_found(key.kind, &key.name)));
            }
            object.metadata_mut().resource_version = None;
            return self.create_owned(object, None, call);
        };
        preconditions::check(&current, &object)?;
        self.replace(&current, object, part, call)
    }

    /// Stores `next` over `current`: all ways to change an object end here.
    pub(super) fn replace(&mut self, current: &Object, next: Object, part: Part, call: &mut Call<'_>) -> Outcome<Object> {
        self.replace_owned(current, next, part, None, call)
    }

    /// Stores `next` over `current`; `owners` are those of its fields, if they are known (after an apply).
    pub(super) fn replace_owned(
        &mut self,
        current: &Object,
        mut next: Object,
        part: Part,
        owners: Option<Managers>,
        call: &mut Call<'_>,
    ) -> Outcome<Object> {
        preconditions::drop_duplicate_owners(&mut next, call);
        let sent = if next.metadata().managed_fields.is_some() {
            ownership::sent(next.metadata_mut().managed_fields.take())
        } else {
            Sent::Nothing
        };
        if part != Part::Status || call.user.is_some() {
            self.fit_to_schema(&mut next);
            sim_apimachinery::defaults::default_object(&mut next);
            super::apiextensions::default_definition(&mut next);
            super::admission_policies::default_registration(&mut next);
        }
        let mut written = (call.user.is_some() && owners.is_none()).then(|| next.clone());
        written.iter_mut().for_each(strategy::as_written);
        if !matches!(part, Part::Status | Part::Finalize | Part::Approval) {
            self.check_escalation(Some(current), &next, call)?;
        }
        self.prepare_update(current, &mut next, part, call)?;
        let tracking = Tracking { api_version: call.api_version.clone(), part, written, managers: owners.map(Arc::new) };
        let tracking = self.settle_sent(current, &next, sent, tracking, call);
        call.tracking = Some(Box::new(tracking));
        if is_free_to_go(&next) {
            return self.let_go(current, next, call);
        }
        self.store_next(current, next, call)
    }

    fn prepare_update(&mut self, current: &Object, next: &mut Object, part: Part, call: &mut Call<'_>) -> Outcome<()> {
        let asked = Asked { old: Some(current), part };
        match part {
            Part::Main | Part::Scale | Part::Resize | Part::EphemeralContainers => {
                self.admit(next, &asked, call)?;
                pod_strategy::keep_the_rest(current, next, part);
                strategy::prepare_for_update(current, next);
                self.allocate(next, Some(current), call)?;
            }
            Part::Status | Part::Approval => {
                self.admit(next, &asked, call)?;
                strategy::prepare_for_status_update(current, next);
                strategy::stamp_transition(current, next, &call.now.to_time());
            }
            Part::Finalize => finalize(current, next),
        }
        strategy::infrastructure::prepare_for_update(current, next, part, &call.now.to_time());
        // What components write to statuses is theirs to know: only the writes of users are checked.
        if part != Part::Status || call.user.is_some() {
            let own = self.extension_errors(next, Some(current), part, call)?;
            let mut errors = match (&*next, current) {
                (Object::Event(next), Object::Event(current)) if is_new_style(call) => {
                    validation::validate_new_style_event(next, Some(current))
                }
                _ => validation::validate_part(next, current, part),
            };
            errors.extend(own);
            if part == Part::Main {
                errors.extend(super::admission_policies::registration_errors(next));
            }
            if !errors.is_empty() {
                return Err(Box::new(Status::invalid(next.kind(), next.name(), errors)));
            }
        }
        if part == Part::Main {
            self.warn(next, Some(current), call);
        }
        call.warnings.extend(match part {
            Part::Main => sim_apimachinery::warnings::of(next, Some(current)),
            Part::Status => sim_apimachinery::warnings::of_status(next),
            _ => vec![],
        });
        self.admit_valid(next, &asked, call)
    }

    /// Removes an object whose last finalizer is gone. What the writer made of it is shown, but never stored.
    fn let_go(&mut self, current: &Object, mut next: Object, call: &mut Call<'_>) -> Outcome<Object> {
        let owners = call.tracking.take().map(|tracking| self.managers_after(Some(current), &next, &tracking, call));
        self.remove(&current.key(), call)?;
        next.metadata_mut().resource_version.clone_from(&current.metadata().resource_version);
        if call.user.is_some() {
            next.metadata_mut().managed_fields = owners.map(|o| sim_apimachinery::managed_fields::encode(&o));
        }
        Ok(next)
    }

    /// What the owners are if the client sent owners of its own; subresources take none.
    fn settle_sent(&mut self, current: &Object, next: &Object, sent: Sent, mut tracking: Tracking, call: &Call<'_>) -> Tracking {
        if tracking.part != Part::Main || tracking.managers.is_some() || call.user.is_none() {
            return tracking;
        }
        tracking.managers = match sent {
            Sent::Nothing => None,
            Sent::Reset => Some(Arc::default()),
            Sent::Owners(owners) if owners == *self.managers(current) => None,
            Sent::Owners(owners) => Some(Arc::new(self.settled(Some(current), next, owners, &tracking, call))),
        };
        tracking
    }
}

/// The name of the subresource by which a part is written.
pub(super) fn subresource(part: Part) -> &'static str {
    match part {
        Part::Scale => "scale",
        Part::Approval => "approval",
        Part::Main => "",
        Part::Status => "status",
        Part::Finalize => "finalize",
        Part::Resize => "resize",
        Part::EphemeralContainers => "ephemeralcontainers",
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
