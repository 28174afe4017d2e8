//! What single kinds do on top of what all do: labels and selectors the server makes, fields behind gates that are off,
//! generations that count more than the spec, times of transitions. Sources: pkg/registry/*/*/strategy.go.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::{DaemonSet, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ObjectReference, PersistentVolume, Service, ServiceAccount};
use sim_apimachinery::Object;

const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

/// After defaults and admission of a new object.
pub fn finish_create(object: &mut Object) {
    match object {
        Object::Job(job) => generate_selector(Arc::make_mut(job)),
        Object::DaemonSet(set) => {
            let set = Arc::make_mut(set);
            let sent = template_generation(set);
            set_template_generation(set, sent.max(1));
        }
        Object::StatefulSet(set) => drop_max_unavailable(Arc::make_mut(set), None),
        Object::ServiceAccount(account) => keep_names(Arc::make_mut(account)),
        Object::Lease(lease) => drop_coordination(Arc::make_mut(lease), None),
        Object::PersistentVolume(volume) => {
            let volume = Arc::make_mut(volume);
            let created = volume.metadata.creation_timestamp.clone();
            volume.status.get_or_insert_default().last_phase_transition_time = created;
        }
        Object::Node(node) => Arc::make_mut(node).spec.iter_mut().for_each(|s| s.config_source = None),
        _ => {}
    }
}

/// Before the generation of a changed object is counted.
pub fn prepare_for_update(current: &Object, next: &mut Object) {
    match (current, next) {
        (Object::DaemonSet(current), Object::DaemonSet(next)) => {
            let template = |set: &DaemonSet| set.spec.as_ref().map(|s| s.template.clone());
            let changed = template(current) != template(next);
            set_template_generation(Arc::make_mut(next), template_generation(current) + i64::from(changed));
        }
        (Object::StatefulSet(current), Object::StatefulSet(next)) => drop_max_unavailable(Arc::make_mut(next), Some(current)),
        (_, Object::ServiceAccount(next)) => keep_names(Arc::make_mut(next)),
        (Object::Lease(current), Object::Lease(next)) => drop_coordination(Arc::make_mut(next), Some(current)),
        (Object::Service(_), Object::Service(next)) => drop_internal_policy(Arc::make_mut(next)),
        (Object::Secret(current), Object::Secret(next)) if next.type_.as_deref().unwrap_or_default().is_empty() => {
            Arc::make_mut(next).type_ = current.type_.clone();
        }
        _ => {}
    }
}

/// Whether the generation of an object of this kind counts this change: most count their spec, a deployment also its
/// annotations, a slice also its labels, a priority class nothing.
pub fn generation_counts(current: &Object, next: &Object, spec_differs: bool) -> bool {
    match next {
        Object::Deployment(_) => spec_differs || !same(&next.metadata().annotations, &current.metadata().annotations),
        Object::EndpointSlice(_) => spec_differs || !same(&next.metadata().labels, &current.metadata().labels),
        Object::PriorityClass(_) => false,
        _ => spec_differs,
    }
}

type Words = Option<BTreeMap<String, String>>;

fn same(a: &Words, b: &Words) -> bool {
    let nothing = BTreeMap::new();
    a.as_ref().unwrap_or(&nothing) == b.as_ref().unwrap_or(&nothing)
}

/// What a write to the status may not touch, and what it brings about.
pub fn prepare_for_status_update(current: &Object, next: &mut Object) {
    match (current, next) {
        (Object::Deployment(current), Object::Deployment(next)) => {
            Arc::make_mut(next).metadata.labels = current.metadata.labels.clone();
        }
        (Object::PersistentVolume(current), Object::PersistentVolume(next)) => keep_transition(current, Arc::make_mut(next)),
        (Object::APIService(current), Object::APIService(next)) => {
            let (kept, metadata) = (&current.metadata, &mut Arc::make_mut(next).metadata);
            metadata.labels.clone_from(&kept.labels);
            metadata.annotations.clone_from(&kept.annotations);
            metadata.finalizers.clone_from(&kept.finalizers);
            metadata.owner_references.clone_from(&kept.owner_references);
        }
        _ => {}
    }
}

/// As the writer's version shows an object: what has no field there is an annotation, which so is the writer's too.
pub fn as_written(object: &mut Object) {
    if let Object::DaemonSet(set) = object {
        let set = Arc::make_mut(set);
        set_template_generation(set, template_generation(set));
    }
}

/// What becomes of a new object when it is read back: defaults are filled in again, and a job's labels are by now its pods'.
pub fn read_back(object: &mut Object) {
    if let Object::Job(job) = object
        && job.metadata.labels.as_ref().is_none_or(BTreeMap::is_empty)
    {
        let job = Arc::make_mut(job);
        job.metadata.labels = job.spec.as_ref().and_then(|s| s.template.metadata.as_ref()).and_then(|m| m.labels.clone());
    }
}

fn keep_transition(current: &PersistentVolume, next: &mut PersistentVolume) {
    let before = current.status.clone().unwrap_or_default();
    let status = next.status.get_or_insert_default();
    if status.phase == before.phase && status.last_phase_transition_time.is_none() {
        status.last_phase_transition_time = before.last_phase_transition_time;
    }
}

/// A volume whose phase changes says when.
pub fn stamp_transition(current: &Object, next: &mut Object, now: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Time) {
    let (Object::PersistentVolume(current), Object::PersistentVolume(next)) = (current, next) else { return };
    let (before, after) = (current.status.clone().unwrap_or_default(), next.status.clone().unwrap_or_default());
    let untold = after.last_phase_transition_time.is_none() || after.last_phase_transition_time == before.last_phase_transition_time;
    if before.phase != after.phase && untold {
        Arc::make_mut(next).status.get_or_insert_default().last_phase_transition_time = Some(now.clone());
    }
}

/// The labels by which a job knows its pods, unless the user makes them himself.
fn generate_selector(job: &mut Job) {
    let (name, uid) = (job.metadata.name.clone().unwrap_or_default(), job.metadata.uid.clone().unwrap_or_default());
    let Some(spec) = job.spec.as_mut().filter(|s| s.manual_selector != Some(true)) else { return };
    let labels = spec.template.metadata.get_or_insert_default().labels.get_or_insert_default();
    for (key, value) in [
        ("job-name", &name),
        ("batch.kubernetes.io/job-name", &name),
        ("controller-uid", &uid),
        ("batch.kubernetes.io/controller-uid", &uid),
    ] {
        labels.entry(key.into()).or_insert_with(|| value.clone());
    }
    let wanted = spec.selector.get_or_insert_default().match_labels.get_or_insert_default();
    wanted.entry("batch.kubernetes.io/controller-uid".into()).or_insert(uid);
}

/// A name has no traffic to have a policy for; the real server stores it all the same and shows it to nobody.
fn drop_internal_policy(service: &mut Service) {
    if let Some(spec) = service.spec.as_mut().filter(|s| s.type_.as_deref() == Some("ExternalName")) {
        spec.internal_traffic_policy = None;
    }
}

/// Of the secrets a service account names only the names are kept.
fn keep_names(account: &mut ServiceAccount) {
    for secret in account.secrets.iter_mut().flatten() {
        *secret = ObjectReference { name: secret.name.take(), ..Default::default() };
    }
}

fn template_generation(set: &DaemonSet) -> i64 {
    set.metadata.annotations.as_ref().and_then(|a| a.get(TEMPLATE_GENERATION)).and_then(|g| g.parse().ok()).unwrap_or(0)
}

fn set_template_generation(set: &mut DaemonSet, generation: i64) {
    set.metadata.annotations.get_or_insert_default().insert(TEMPLATE_GENERATION.into(), generation.to_string());
}

/// The gate MaxUnavailableStatefulSet is off.
fn drop_max_unavailable(set: &mut StatefulSet, current: Option<&StatefulSet>) {
    let rolling = |s: &StatefulSet| s.spec.as_ref()?.update_strategy.as_ref()?.rolling_update.clone();
    if current.and_then(rolling).is_some_and(|r| r.max_unavailable.is_some()) {
        return;
    }
    let strategy = set.spec.as_mut().and_then(|s| s.update_strategy.as_mut());
    if let Some(rolling) = strategy.and_then(|s| s.rolling_update.as_mut()) {
        rolling.max_unavailable = None;
    }
}

/// The gate CoordinatedLeaderElection is off.
fn drop_coordination(lease: &mut Lease, current: Option<&Lease>) {
    let before = current.and_then(|l| l.spec.clone()).unwrap_or_default();
    let Some(spec) = lease.spec.as_mut() else { return };
    if before.strategy.is_none() {
        spec.strategy = None;
    }
    if before.preferred_holder.is_none() {
        spec.preferred_holder = None;
    }
}
