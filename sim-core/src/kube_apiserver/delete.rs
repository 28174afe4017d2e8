//! Deleting: graceful for pods, held by finalizers, with the owner's propagation policy; and whole collections.
//! Source: apiserver pkg/registry/rest/delete.go and generic/registry/store.go.

use std::sync::Arc;

use sim_apimachinery::list_options::ListOptions;
use sim_apimachinery::{DeleteOptions, Kind, Object, ObjectKey, Page, Propagation, Reason, Status};

use super::{ApiServer, Call, Outcome, collected};
use crate::time::{SECOND, SimTime};

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";
const JOB_WARNING: &str = "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning";

/// How a deletion was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// The object is named.
    Named,
    /// It is one of those that a request for a collection selects.
    Collected,
    /// It is a pod that is evicted; policies and webhooks were asked about the eviction.
    Evicted,
}

impl ApiServer {
    pub(super) fn delete(&mut self, key: &ObjectKey, options: &DeleteOptions, call: &mut Call<'_>) -> Outcome<Object> {
        warn_of_orphans(key.kind, options, call);
        self.delete_one(key, options, Asked::Named, call)
    }

    /// Deletes a pod whose eviction was admitted.
    pub(super) fn delete_evicted(&mut self, key: &ObjectKey, options: &DeleteOptions, call: &mut Call<'_>) -> Outcome<Object> {
        self.delete_one(key, options, Asked::Evicted, call)
    }

    /// Deletes an object that is named in the request, or one of a collection.
    fn delete_one(&mut self, key: &ObjectKey, options: &DeleteOptions, asked: Asked, call: &mut Call<'_>) -> Outcome<Object> {
        use super::admission_policies::Attributes;
        let current = self.get(key, call)?;
        check_immortal(&current, call)?;
        check_preconditions(&current, options)?;
        if asked != Asked::Evicted {
            let attributes = Attributes::delete(&current);
            let is_named = asked == Asked::Named;
            self.ask_policies(&if is_named { attributes } else { Attributes { name: "", ..attributes } }, call)?;
            self.ask_webhooks_of_deletion(&current, call)?;
        }
        let mut next = current.clone();
        if super::apiextensions::begin_deletion(&mut next, call.now.to_time()) {
            return self.store_next(&current, next, call);
        }
        set_propagation_finalizer(&mut next, options.propagation.or_else(|| default_propagation(key.kind, call)));
        if let Object::Namespace(_) = current {
            return self.delete_namespace(&current, next, call);
        }
        let grace = grace_seconds(&current, options);
        let held = next.metadata().finalizers.as_ref().is_some_and(|f| !f.is_empty());
        if grace == 0 && !held {
            if matches!(current, Object::Pod(_)) {
                // A pod always goes gracefully: it shows that its time is over before it goes.
                mark_deleted(&mut next, call.now, 0);
                let marked = self.store_next(&current, next, call)?;
                if call.dry_run {
                    return Ok(marked);
                }
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
        warn_of_orphans(kind, options, call);
        let page = self.list_page(kind, namespace, selected, call)?;
        for item in &page.items {
            match self.delete_one(&item.key(), options, Asked::Collected, call) {
                // The first failure ends it; what is gone meanwhile is none. Components go on.
                Err(status) if status.reason != Reason::NotFound && call.user.is_some() => return Err(status),
                _ => {}
            }
        }
        Ok(page)
    }
}

/// Namespaces and priority classes that every cluster needs (admission plugin NamespaceLifecycle, and the storage of
/// priority classes).
fn check_immortal(object: &Object, call: &Call<'_>) -> Outcome<()> {
    let name = object.name();
    let why = match object.kind() {
        Kind::Namespace if matches!(name, "default" | "kube-system" | "kube-public") => "this namespace may not be deleted",
        Kind::PriorityClass if matches!(name, "system-node-critical" | "system-cluster-critical") => {
            "this is a system priority class and cannot be deleted"
        }
        _ => return Ok(()),
    };
    if call.user.is_none() { Ok(()) } else { Err(Box::new(Status::forbidden(object.kind(), name, why))) }
}

fn check_preconditions(current: &Object, options: &DeleteOptions) -> Outcome<()> {
    if current.kind() == Kind::CustomResourceDefinition {
        return check_definition(current, options);
    }
    if let Some(uid) = options.uid.as_deref().filter(|u| *u != current.uid()) {
        return changed(current, "UID", uid, current.uid(), "deleted and then recreated");
    }
    let version = current.metadata().resource_version.as_deref().unwrap_or_default();
    if let Some(wanted) = options.resource_version.as_deref().filter(|v| *v != version) {
        return changed(current, "ResourceVersion", wanted, version, "modified");
    }
    Ok(())
}

/// Definitions are compared by a storage of their own, which has words of its own.
fn check_definition(current: &Object, options: &DeleteOptions) -> Outcome<()> {
    let version = current.metadata().resource_version.as_deref().unwrap_or_default();
    let asked = [("UID", &options.uid, current.uid()), ("ResourceVersion", &options.resource_version, version)];
    for (what, wanted, found) in asked {
        if let Some(wanted) = wanted.as_deref().filter(|w| *w != found) {
            let why = format!("Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {found}");
            return Err(Box::new(Status::conflict(current.kind(), current.name(), &why)));
        }
    }
    Ok(())
}

/// The refusal to delete what is not what was meant; it names the kind, not the resource.
fn changed(current: &Object, what: &str, wanted: &str, found: &str, how: &str) -> Outcome<()> {
    let resource = current.kind().resource();
    let named = if resource.group.is_empty() { resource.kind.to_owned() } else { format!("{}.{}", resource.kind, resource.group) };
    let text = format!(
        "Operation cannot be fulfilled on {named} \"{}\": the {what} in the precondition ({wanted}) does not match the {what} in record ({found}). The object might have been {how}",
        current.name()
    );
    let mut status = Status::new(Reason::Conflict, text);
    (status.group, status.kind, status.name) = (resource.group.into(), resource.kind.into(), current.name().into());
    Err(Box::new(status))
}

/// What becomes of dependents if the client does not say: those of jobs and replication controllers stay, for a user.
/// (Components say what they want.)
fn default_propagation(kind: Kind, call: &Call<'_>) -> Option<Propagation> {
    let orphans = call.user.is_some() && matches!(kind, Kind::Job | Kind::ReplicationController);
    orphans.then_some(Propagation::Orphan)
}

/// Whoever deletes jobs without saying what becomes of their pods is warned, even if there are none.
fn warn_of_orphans(kind: Kind, options: &DeleteOptions, call: &mut Call<'_>) {
    if kind == Kind::Job && options.propagation.is_none() && call.user.is_some() {
        call.warnings.push(JOB_WARNING.into());
    }
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
