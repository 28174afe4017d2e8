//! Runs pods until enough of them have succeeded (job-controller).
//! Reads jobs and pods from its caches; asks for pods to be made, released from their finalizer and deleted, and for its
//! own status. A pod that ended is counted in two steps: its uid is noted in the status, then its finalizer goes, then it is
//! a number. Source: pkg/controller/job.
//! Not modelled: back-off limits per index, success policies, pods of jobs that are gone (the garbage collector deletes
//! them, and their finalizer is taken off here), managedBy other controllers than this one.

mod finish;
mod pods;
mod status;

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use sim_apimachinery::{Answer, Kind, Object, ObjectKey, Part, Patch, TypedPatch, Verb};

use self::pods::Tally;
pub use self::pods::victims;
pub use self::status::condition;
use super::pod_control;
use super::replicaset::expectations::Expectations;
use crate::client_go::rate_limit::RetryLimit;
use crate::client_go::{Ask, CacheEvent, Controller, EventDraft, ObjectReference, Plan, Step, Then, Tolerate, View, Wake};
use crate::component::ChangeType;
use crate::time::{MINUTE, Nanos, SECOND, SimTime};

/// Events of pods are looked at together.
const BATCH: Nanos = SECOND;
/// At most this many creations or deletions in one reconcile.
const BURST: usize = 500;
const BACKOFF: Nanos = 10 * SECOND;
const BACKOFF_MAX: Nanos = 10 * MINUTE;
/// The finalizer that keeps a pod until it is counted.
pub const TRACKING: &str = "batch.kubernetes.io/job-tracking";

/// The job controller.
#[derive(Clone, Debug, Default)]
pub struct JobController {
    expectations: Expectations,
    /// Per job: failures since the last success, and when the last one was.
    failures: BTreeMap<ObjectKey, (u32, SimTime)>,
}

impl Controller for JobController {
    fn name(&self) -> &'static str {
        "job-controller"
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::Job, Kind::Pod]
    }

    fn guarded(&self) -> &'static [Kind] {
        &[Kind::Pod, Kind::Job]
    }

    fn retry_limit(&self) -> RetryLimit {
        RetryLimit { base: SECOND, max: MINUTE, bucket: None, fixed: None }
    }

    fn on_event(&mut self, event: &CacheEvent, _view: &mut View<'_>, wake: &mut Wake) {
        let key = event.object.key();
        match &event.object {
            Object::Job(_) if event.change == ChangeType::Deleted => {
                self.expectations.forget(&key);
                self.failures.remove(&key);
                wake.now(key);
            }
            Object::Job(job) => {
                let same = event.old.as_ref().is_some_and(|o| o.metadata().generation == job.metadata.generation);
                wake.after(key, if same { BATCH } else { 0 });
            }
            Object::Pod(_) => self.on_pod(event, wake),
            _ => {}
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, view: &mut View<'_>) -> Plan {
        if key.kind == Kind::Pod {
            return release_orphan(key, view);
        }
        let Some(job) = view.caches.get::<Job>(&key.namespace, &key.name).cloned() else { return Plan::nothing() };
        if status::is_finished(&job)
            || job.spec.as_ref().and_then(|s| s.managed_by.as_deref()).is_some_and(|m| m != "kubernetes.io/job-controller")
        {
            return Plan::nothing();
        }
        self.sync(key, &job, view)
    }

    fn on_answer(&mut self, key: &ObjectKey, ask: &Ask, answer: &Answer) {
        self.expectations.answered(key, ask, answer);
    }

    fn on_skipped(&mut self, key: &ObjectKey, skipped: usize) {
        self.expectations.skipped(key, skipped);
    }
}

impl JobController {
    fn on_pod(&mut self, event: &CacheEvent, wake: &mut Wake) {
        let Some(key) = pod_control::owner_key(&event.object, Kind::Job) else { return };
        let deleting = event.object.is_deleting();
        match event.change {
            ChangeType::Added if !deleting => self.expectations.creation_seen(&key),
            ChangeType::Modified if !deleting => {}
            _ => self.expectations.deletion_seen(&key, event.object.name()),
        }
        if has_finalizer(&event.object) && event.change != ChangeType::Deleted {
            wake.after(event.object.key(), BATCH);
        }
        wake.after(key, BATCH);
    }

    fn sync(&mut self, key: &ObjectKey, job: &Arc<Job>, view: &mut View<'_>) -> Plan {
        let tally = Tally::of(job, view);
        let mut next = (**job).clone();
        let mut plan = Plan::nothing();
        status::start(&mut next, view.now, &mut plan, &ObjectReference::to(&Object::Job(job.clone())));
        self.note_failures(key, &tally);
        let satisfied = self.expectations.satisfied(key, view.now);
        let ending = finish::decide(&next, &tally, view.now);
        let mut active = tally.active.len();
        let mut look_again = finish::deadline_left(&next, view.now);
        if ending.is_some() {
            let (steps, count) = self.delete_all(key, job, &tally, satisfied, view.now);
            plan.steps.extend(steps);
            active -= count;
        } else if satisfied && job.metadata.deletion_timestamp.is_none() {
            let (steps, change, wait) = self.manage(key, job, &tally, view);
            plan.steps.extend(steps);
            active = active.saturating_add_signed(change);
            look_again = [look_again, wait].into_iter().flatten().min();
        }
        let ending = ending.or_else(|| finish::completed(&next, &tally, active));
        self.write(job, next, &tally, ending, active, &mut plan, view);
        if let Some(left) = look_again.filter(|_| plan.then == Then::Forget) {
            plan.then = Then::After(left);
        }
        plan
    }

    /// What is new since the last look raises or resets the back-off.
    fn note_failures(&mut self, key: &ObjectKey, tally: &Tally) {
        if !tally.new_succeeded.is_empty() {
            self.failures.remove(key);
        }
        if let Some(last) = tally.new_failed.iter().map(|p| pods::finished_at(p)).max() {
            let entry = self.failures.entry(key.clone()).or_insert((0, last));
            *entry = (entry.0 + tally.new_failed.len() as u32, entry.1.max(last));
        }
    }

    /// How long new pods have to wait after failures.
    fn backoff(&self, key: &ObjectKey, now: SimTime) -> Option<Nanos> {
        let (failures, last) = self.failures.get(key)?;
        let delay = BACKOFF.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(BACKOFF_MAX);
        let left = last.plus(delay).since(now);
        (left > 0).then_some(left.max(SECOND))
    }

    /// Steps, the change of the number of active pods, and when to look again.
    fn manage(&mut self, key: &ObjectKey, job: &Arc<Job>, tally: &Tally, view: &View<'_>) -> (Vec<Step>, isize, Option<Nanos>) {
        let spec = job.spec.clone().unwrap_or_default();
        let wanted = pods::wanted(&spec, tally);
        if tally.active.len() > wanted {
            let excess = tally.active.len() - wanted;
            let victims = pods::victims(&tally.active, excess.min(BURST));
            let (steps, count) = self.delete(key, job, &victims, view.now);
            return (steps, -(count as isize), None);
        }
        let waits_for_end = spec.pod_replacement_policy.as_deref() == Some("Failed");
        let busy = tally.active.len() + if waits_for_end { tally.terminating } else { 0 };
        let missing = wanted.saturating_sub(busy).min(BURST);
        if missing == 0 {
            return (vec![], 0, None);
        }
        if let Some(left) = self.backoff(key, view.now) {
            return (vec![], -(tally.active.len() as isize), Some(left));
        }
        let creations = pods::creations(job, tally, missing);
        let count = creations.len();
        self.expectations.expect_creations(key, count, view.now);
        (vec![Step::SlowStart(creations)], count as isize, None)
    }

    fn delete_all(&mut self, key: &ObjectKey, job: &Arc<Job>, tally: &Tally, satisfied: bool, now: SimTime) -> (Vec<Step>, usize) {
        if !satisfied {
            return (vec![], 0);
        }
        let victims: Vec<Arc<Pod>> = tally.active.iter().take(BURST).cloned().collect();
        self.delete(key, job, &victims, now)
    }

    fn delete(&mut self, key: &ObjectKey, job: &Arc<Job>, victims: &[Arc<Pod>], now: SimTime) -> (Vec<Step>, usize) {
        if victims.is_empty() {
            return (vec![], 0);
        }
        self.expectations.expect_deletions(key, victims.iter().map(|p| p.metadata.name.clone().unwrap_or_default()), now);
        let owner = Object::Job(job.clone());
        let deletions = victims.iter().map(|p| pod_control::deletion(&owner, p, "it is not needed any more")).collect();
        (vec![Step::Together(deletions)], victims.len())
    }

    /// The status in its two steps around the release of the pods that are counted.
    #[allow(clippy::too_many_arguments)]
    fn write(
        &self,
        job: &Arc<Job>,
        mut next: Job,
        tally: &Tally,
        ending: Option<finish::Ending>,
        active: usize,
        plan: &mut Plan,
        view: &View<'_>,
    ) {
        let about = ObjectReference::to(&Object::Job(job.clone()));
        status::count(&mut next, tally, active);
        if let Some(ending) = &ending {
            status::announce(&mut next, ending, view.now);
        }
        let counted = !tally.new_succeeded.is_empty() || !tally.new_failed.is_empty();
        if counted {
            status::note_uncounted(&mut next, tally);
            plan.ask(write_status(&next, "pods have ended: note them"));
            let released = tally.new_succeeded.iter().chain(&tally.new_failed).map(|pod| release(pod)).collect();
            plan.steps.push(Step::Together(released));
            status::fold_uncounted(&mut next, tally);
            // The answer to the first write has a newer version than this one; the second write does not ask for any.
            next.metadata.resource_version = None;
        }
        let quiet = tally.terminating == 0 && (active == 0) && !counted;
        if quiet && let Some(event) = status::end(&mut next, view.now, &about) {
            plan.tell(event);
        }
        let changed = job.status != next.status;
        if changed || counted {
            plan.ask(write_status(&next, "the status has changed"));
        }
        if ending.is_some() && !quiet {
            plan.then = Then::After(BATCH);
        }
    }
}

fn write_status(job: &Job, reason: &str) -> Ask {
    Ask::new(Verb::Update { object: job.clone().into(), part: Part::Status }, reason)
}

fn has_finalizer(object: &Object) -> bool {
    object.metadata().finalizers.iter().flatten().any(|f| f == TRACKING)
}

fn release(pod: &Pod) -> Ask {
    let patch = Patch::Typed(TypedPatch::Finalizers { add: vec![], remove: vec![TRACKING.into()] });
    Ask::new(Verb::Patch { key: pod_control::key_of(pod), part: Part::Main, patch }, "it is counted").tolerating(Tolerate::NotFound)
}

/// A pod whose job is gone or over needs no counting.
fn release_orphan(key: &ObjectKey, view: &View<'_>) -> Plan {
    let Some(pod) = view.caches.get::<Pod>(&key.namespace, &key.name) else { return Plan::nothing() };
    let object = Object::Pod(pod.clone());
    if !has_finalizer(&object) {
        return Plan::nothing();
    }
    let job = pod_control::owner_key(&object, Kind::Job).and_then(|k| view.caches.get::<Job>(&k.namespace, &k.name));
    let owner = object.controller().map(|c| c.uid.as_str());
    let counted_elsewhere = job.is_some_and(|j| j.metadata.uid.as_deref() == owner && !status::is_finished(j));
    if counted_elsewhere {
        return Plan::nothing();
    }
    Plan { steps: vec![Step::Ask(release(pod))], decision: "nobody counts this pod any more".into(), ..Plan::nothing() }
}

/// A `Normal` event about a job.
fn told(about: &ObjectReference, reason: &'static str, message: &str) -> EventDraft {
    EventDraft::normal(about.clone(), reason, message)
}
