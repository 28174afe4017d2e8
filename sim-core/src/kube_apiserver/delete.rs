//! Deleting: graceful for pods, held by finalizers, with the owner's propagation policy; and whole collections.
//! Source: apiserver pkg/registry/rest/delete.go and generic/registry/store.go.

use std::sync::Arc;

use sim_apimachinery::list_options::ListOptions;
use sim_apimachinery::{DeleteOptions, Kind, Object, ObjectKey, Page, Propagation, Status};

use super::{ApiServer, Call, Outcome, collected};
use crate::time::{SECOND, SimTime};

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

impl ApiServer {
    pub(super) fn delete(&mut self, key: &ObjectKey, options: &DeleteOptions, call: &mut Call<'_>) -> Outcome<Object> {
        let current = self.get(key)?;
        check_preconditions(&current, options)?;
        self.ask_policies(&super::admission_policies::Attributes::delete(&current), call)?;
        let mut next = current.clone();
        set_propagation_finalizer(&mut next, options.propagation);
        if let Object::Namespace(_) = current {
            return self.delete_namespace(&current, next, call);
        }
        super::apiextensions::begin_deletion(&mut next, call.now.to_time());
        let grace = grace_seconds(&current, options);
        let held = next.metadata().finalizers.as_ref().is_some_and(|f| !f.is_empty());
        if grace == 0 && !held {
            if matches!(current, Object::Pod(_)) && current.is_deleting() {
                // A pod that was going gracefully shows that its time is over before it goes.
                mark_deleted(&mut next, call.now, 0);
                self.store_next(&current, next, call)?;
            }
            return self.remove(key, call);
        }
        if let Some(left) = current.metadata().deletion_grace_period_seconds
            && current.is_deleting()
            && grace >= left
        {
            return if next == current { Ok(current) } else { self.store_next(&current, next, call) };
        }
        mark_deleted(&mut next, call.now, grace);
        self.store_next(&current, next, call)
    }

    fn delete_namespace(&mut self, current: &Object, mut next: Object, call: &mut Call<'_>) -> Outcome<Object> {
        if current.is_deleting() {
            let why = "The system is ensuring all content is removed from this namespace.  Upon completion, this namespace will automatically be purged by the system.";
            return Err(Box::new(Status::conflict(Kind::Namespace, current.name(), why)));
        }
        let metadata = next.metadata_mut();
        metadata.deletion_timestamp = Some(call.now.to_time());
        if let Object::Namespace(namespace) = &mut next {
            Arc::make_mut(namespace).status.get_or_insert_default().phase = Some("Terminating".into());
        }
        self.store_next(current, next, call)
    }

    pub(super) fn delete_collection(
        &mut self,
        kind: Kind,
        namespace: &str,
        selected: &ListOptions,
        options: &DeleteOptions,
        call: &mut Call<'_>,
    ) -> Outcome<Page> {
        let page = self.list_page(kind, namespace, selected)?;
        for item in &page.items {
            // Whatever is gone meanwhile is gone; a namespace that is going already is no failure either.
            let _outcome = self.delete(&item.key(), options, call);
        }
        Ok(page)
    }
}

fn check_preconditions(current: &Object, options: &DeleteOptions) -> Outcome<()> {
    let conflict = |what: &str, wanted: &str, found: &str| {
        let why = format!("Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {found}");
        Err(Box::new(Status::conflict(current.kind(), current.name(), &why)))
    };
    if let Some(uid) = options.uid.as_deref().filter(|u| *u != current.uid()) {
        return conflict("UID", uid, current.uid());
    }
    let version = current.metadata().resource_version.as_deref().unwrap_or_default();
    if let Some(wanted) = options.resource_version.as_deref().filter(|v| *v != version) {
        return conflict("ResourceVersion", wanted, version);
    }
    Ok(())
}

fn set_propagation_finalizer(object: &mut Object, propagation: Option<Propagation>) {
    if !collected(object.kind()) {
        return;
    }
    let wanted = match propagation {
        None => return,
        Some(Propagation::Background) => None,
        Some(Propagation::Foreground) => Some(FOREGROUND),
        Some(Propagation::Orphan) => Some(ORPHAN),
    };
    let mut finalizers = object.metadata().finalizers.clone().unwrap_or_default();
    finalizers.retain(|f| f != FOREGROUND && f != ORPHAN);
    finalizers.extend(wanted.map(str::to_owned));
    object.metadata_mut().finalizers = (!finalizers.is_empty()).then_some(finalizers);
}

/// Only pods wait: until their containers have ended, unless nothing of them runs.
fn grace_seconds(object: &Object, options: &DeleteOptions) -> i64 {
    let Object::Pod(pod) = object else { return 0 };
    let unassigned = pod.spec.as_ref().and_then(|s| s.node_name.as_deref()).unwrap_or_default().is_empty();
    let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref()).unwrap_or_default();
    if unassigned || matches!(phase, "Succeeded" | "Failed") {
        return 0;
    }
    let own = pod.spec.as_ref().and_then(|s| s.termination_grace_period_seconds).unwrap_or(30);
    let grace = options.grace_period_seconds.unwrap_or(own);
    if grace < 0 { 1 } else { grace }
}

fn mark_deleted(object: &mut Object, now: SimTime, grace: i64) {
    let metadata = object.metadata_mut();
    let at = now.plus(u64::try_from(grace).unwrap_or(0).saturating_mul(SECOND));
    if metadata.deletion_timestamp.is_none()
        && let Some(generation) = metadata.generation.filter(|g| *g > 0)
    {
        metadata.generation = Some(generation + 1);
    }
    metadata.deletion_timestamp = Some(at.to_time());
    metadata.deletion_grace_period_seconds = Some(grace);
}
