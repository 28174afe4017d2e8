//! Runs the pods of a Job until as many as it asks for have succeeded, or too many have failed.
//! Reads jobs and pods from its caches; asks for pods to be made and deleted, for their tracking finalizer to be removed once
//! they are counted, and for its own status.
//! Invariant: a finished pod is counted once: its uid is written down as uncounted, then its finalizer goes, then it moves
//! into the counters. Source: pkg/controller/job.
//! Not modelled: indexed completion, failure and success policies, limits per index, `managedBy`, the TTL after the end.

mod pods;
mod status;

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::batch::v1::{Job, JobStatus};
use k8s_openapi::api::core::v1::Pod;
use sim_apimachinery::{Answer, Kind, Object, ObjectKey, Reply, Verb};

use super::replicaset::expectations::Expectations;
use crate::client_go::{Ask, CacheEvent, Controller, Plan, RetryLimit, Step, Then, View, Wake};
use crate::component::ChangeType;
use crate::time::{MINUTE, Nanos, SECOND, SimTime};

/// Events of pods and of a job's own status are taken together for so long.
const BATCH: Nanos = SECOND;
/// At most this many creations or deletions in one reconcile.
const BURST: usize = 500;
/// Stage of a plan whose status with the uncounted pods was written.
const UNCOUNTED: u8 = 1;
/// Stage of a plan that has removed the finalizers.
const RELEASED: u8 = 2;

/// How often the pods of a job failed one after the other, and when last.
#[derive(Clone, Copy, Debug, Default)]
struct Failures {
    in_a_row: u32,
    last: SimTime,
}

/// The job controller.
#[derive(Clone, Debug, Default)]
pub struct JobController {
    expectations: Expectations,
    failures: BTreeMap<ObjectKey, Failures>,
    /// Jobs between two writes of one sync.
    under_way: BTreeMap<ObjectKey, Arc<Job>>,
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
        match &event.object {
            Object::Job(_) => {
                let generation = |o: &Object| o.metadata().generation;
                let same = event.old.as_ref().is_some_and(|old| generation(old) == generation(&event.object));
                wake.after(event.object.key(), if same { BATCH } else { 0 });
            }
            Object::Pod(_) => {
                let Some(owner) = event.object.controller().filter(|c| c.kind == "Job") else { return };
                let key = ObjectKey::new(Kind::Job, event.object.namespace(), &owner.name);
                match event.change {
                    ChangeType::Added if !event.object.is_deleting() => self.expectations.creation_seen(&key),
                    ChangeType::Modified if !event.object.is_deleting() => {}
                    _ => self.expectations.deletion_seen(&key, event.object.name()),
                }
                wake.after(key, BATCH);
            }
            _ => {}
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, view: &mut View<'_>) -> Plan {
        let Some(job) = view.caches.get::<Job>(&key.namespace, &key.name).cloned() else {
            self.expectations.forget(key);
            self.failures.remove(key);
            return orphans(key, view);
        };
        if status::is_finished(&job) {
            return Plan::nothing();
        }
        self.sync(key, &job, view)
    }

    fn resume(&mut self, key: &ObjectKey, stage: u8, answers: &[Answer], view: &mut View<'_>) -> Plan {
        if stage == RELEASED {
            return self.finish(key, view);
        }
        match answers.iter().rev().find_map(written) {
            Some(job) => self.release(key, &job, view),
            None => Plan::retry("the status was not written"),
        }
    }

    fn on_answer(&mut self, key: &ObjectKey, ask: &Ask, answer: &Answer) {
        if answer.is_ok() {
            return;
        }
        match &ask.verb {
            Verb::Create { .. } => self.expectations.creation_seen(key),
            Verb::Delete { key: pod, .. } => self.expectations.deletion_seen(key, &pod.name),
            _ => {}
        }
    }

    fn on_skipped(&mut self, key: &ObjectKey, skipped: usize) {
        (0..skipped).for_each(|_| self.expectations.creation_seen(key));
    }
}

impl JobController {
    fn sync(&mut self, key: &ObjectKey, job: &Arc<Job>, view: &View<'_>) -> Plan {
        let own: Vec<Arc<Pod>> = view.caches.owned_by::<Pod>(job.metadata.uid.as_deref().unwrap_or_default()).cloned().collect();
        let counts = status::count(job, &own);
        let failures = self.failures_after(key, &own, job);
        let mut next = job.status.clone().unwrap_or_default();
        let suspended = job.spec.as_ref().and_then(|s| s.suspend) == Some(true);
        let mut plan = Plan::nothing();
        if next.start_time.is_none() && !suspended {
            next.start_time = Some(view.now.to_time());
        }
        let failed = status::failure(job, &next, &counts, &own, view.now);
        let mut active = counts.active;
        if failed.is_some() {
            active = 0;
            self.delete(key, job, &pods::active(&own), view, &mut plan);
        } else if self.expectations.satisfied(key, view.now) && job.metadata.deletion_timestamp.is_none() {
            active = self.manage(key, job, &own, &counts, failures, suspended, view, &mut plan);
        }
        let complete = failed.is_none() && status::is_complete(job, &counts, active);
        status::describe(&mut next, &counts, active, suspended, view.now, &mut plan, job);
        status::interim(&mut next, failed.as_ref(), complete, view.now);
        status::add_uncounted(&mut next, job, &own, failed.is_some());
        if let Some(left) = status::deadline_left(job, &next, view.now).filter(|_| failed.is_none()) {
            plan.then = Then::After(left);
        }
        if Some(&next) == job.status.as_ref() {
            return plan;
        }
        self.failures.insert(key.clone(), failures);
        plan.ask(status::write(job, next, "what became of its pods"));
        plan.then = Then::Resume(UNCOUNTED);
        plan
    }

    /// Makes or deletes pods, and says how many are active then.
    #[expect(clippy::too_many_arguments, reason = "what a decision is made of")]
    fn manage(
        &mut self,
        key: &ObjectKey,
        job: &Arc<Job>,
        own: &[Arc<Pod>],
        counts: &status::Counts,
        failures: Failures,
        suspended: bool,
        view: &View<'_>,
        plan: &mut Plan,
    ) -> usize {
        let active = pods::active(own);
        let spec = job.spec.clone().unwrap_or_default();
        let parallelism = spec.parallelism.unwrap_or(1).max(0) as usize;
        let wanted = match spec.completions {
            _ if suspended => 0,
            None if counts.succeeded > 0 => active.len(),
            None => parallelism,
            Some(completions) => parallelism.min((completions.max(0) as usize).saturating_sub(counts.succeeded)),
        };
        if active.len() > wanted {
            let victims: Vec<Arc<Pod>> = pods::first_to_go(active.clone()).into_iter().take(active.len() - wanted).collect();
            plan.decision = format!("{} active of {wanted}: delete {}", active.len(), victims.len());
            self.delete(key, job, &victims, view, plan);
            return wanted;
        }
        let missing = (wanted - active.len()).min(BURST);
        if missing == 0 {
            return active.len();
        }
        let wait = back_off(failures).saturating_sub(view.now.since(failures.last));
        if failures.in_a_row > 0 && wait > 0 {
            plan.decision = format!("{} failures in a row: the next pod is made later", failures.in_a_row);
            plan.then = Then::After(wait.max(SECOND));
            return 0;
        }
        plan.decision = format!("{} active of {wanted}: make {missing}", active.len());
        self.expectations.expect_creations(key, missing, view.now);
        plan.steps.push(Step::SlowStart((0..missing).map(|_| pods::creation(job)).collect()));
        active.len() + missing
    }

    fn delete(&mut self, key: &ObjectKey, job: &Arc<Job>, victims: &[Arc<Pod>], view: &View<'_>, plan: &mut Plan) {
        if victims.is_empty() {
            return;
        }
        let names = victims.iter().map(|p| p.metadata.name.clone().unwrap_or_default());
        self.expectations.expect_deletions(key, names, view.now);
        plan.steps.push(Step::Together(victims.iter().map(|p| pods::release(p)).collect()));
        plan.steps.push(Step::Together(victims.iter().map(|p| pods::deletion(job, p)).collect()));
    }

    /// A success ends a row of failures; each newly failed pod lengthens it.
    fn failures_after(&self, key: &ObjectKey, own: &[Arc<Pod>], job: &Job) -> Failures {
        let mut failures = self.failures.get(key).copied().unwrap_or_default();
        let mut ended: Vec<(SimTime, bool)> = status::newly_finished(job, own).map(|p| (pods::end_of(p), pods::has_succeeded(p))).collect();
        ended.sort_unstable();
        for (at, success) in ended {
            failures = if success { Failures::default() } else { Failures { in_a_row: failures.in_a_row + 1, last: at } };
        }
        failures
    }

    /// The uncounted pods are written down: their finalizers may go.
    fn release(&mut self, key: &ObjectKey, job: &Arc<Job>, view: &View<'_>) -> Plan {
        self.under_way.insert(key.clone(), job.clone());
        let own = view.caches.owned_by::<Pod>(job.metadata.uid.as_deref().unwrap_or_default());
        let counted: Vec<Ask> = own.filter(|p| pods::is_tracked(p) && status::is_uncounted(job, p)).map(|p| pods::release(p)).collect();
        if counted.is_empty() {
            return self.finish(key, view);
        }
        Plan { decision: format!("{} pods are counted", counted.len()), steps: vec![Step::Together(counted)], then: Then::Resume(RELEASED) }
    }

    /// The uncounted move into the counters, and a job that is done gets its last condition.
    fn finish(&mut self, key: &ObjectKey, view: &View<'_>) -> Plan {
        let Some(job) = self.under_way.remove(key) else { return Plan::nothing() };
        let before = job.status.clone().unwrap_or_default();
        let mut next: JobStatus = before.clone();
        status::count_uncounted(&mut next);
        let ended = status::enact(&mut next, view.now);
        let mut plan = Plan::nothing();
        if next == before {
            return plan;
        }
        let mut ask = status::write(&job, next, "counted pods move into the counters");
        if let Some(event) = ended.map(|c| status::farewell(&job, &c)) {
            ask = ask.telling(event);
        }
        plan.ask(ask);
        plan
    }
}

/// 10 s, doubling with each failure in a row, at most ten minutes.
fn back_off(failures: Failures) -> Nanos {
    match failures.in_a_row {
        0 => 0,
        n => (10 * SECOND).saturating_mul(1 << (n - 1).min(20)).min(10 * MINUTE),
    }
}

fn written(answer: &Answer) -> Option<Arc<Job>> {
    match answer {
        Ok(Reply::Object(Object::Job(job))) => Some(job.clone()),
        _ => None,
    }
}

/// Pods of a job that is gone are let go.
fn orphans(key: &ObjectKey, view: &View<'_>) -> Plan {
    let owned = |p: &&Arc<Pod>| {
        let owners = p.metadata.owner_references.iter().flatten();
        pods::is_tracked(p) && owners.clone().any(|o| o.kind == "Job" && *o.name == *key.name && o.controller == Some(true))
    };
    let left: Vec<Ask> = view.caches.in_namespace::<Pod>(&key.namespace).filter(owned).map(|p| pods::release(p)).collect();
    if left.is_empty() { Plan::nothing() } else { Plan { steps: vec![Step::Together(left)], ..Plan::nothing() } }
}
