//! Deletes jobs some time after they have ended (ttl-after-finished-controller).
//! Reads jobs from its cache; asks for their deletion, their pods first. Source: pkg/controller/ttlafterfinished.

use k8s_openapi::api::batch::v1::Job;
use sim_apimachinery::{DeleteOptions, Kind, ObjectKey, Propagation, Verb};

use super::job::condition;
use crate::client_go::{Ask, CacheEvent, Controller, Plan, Then, Tolerate, View, Wake};
use crate::component::ChangeType;
use crate::time::{SECOND, SimTime};

/// The controller.
#[derive(Clone, Debug, Default)]
pub struct TtlAfterFinishedController;

impl Controller for TtlAfterFinishedController {
    fn name(&self) -> &'static str {
        "ttl-after-finished-controller"
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::Job]
    }

    fn on_event(&mut self, event: &CacheEvent, view: &mut View<'_>, wake: &mut Wake) {
        let key = event.object.key();
        let job = view.caches.get::<Job>(&key.namespace, &key.name);
        if event.change != ChangeType::Deleted && job.is_some_and(|j| expiry(j).is_some()) {
            wake.now(key);
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, view: &mut View<'_>) -> Plan {
        let Some(job) = view.caches.get::<Job>(&key.namespace, &key.name).filter(|j| j.metadata.deletion_timestamp.is_none()) else {
            return Plan::nothing();
        };
        let Some(expiry) = expiry(job) else { return Plan::nothing() };
        let left = expiry.since(view.now);
        if left > 0 {
            return Plan { then: Then::After(left), ..Plan::nothing() };
        }
        let options =
            DeleteOptions { propagation: Some(Propagation::Foreground), uid: job.metadata.uid.clone(), ..DeleteOptions::default() };
        let mut plan = Plan { decision: "the job ended long enough ago".into(), ..Plan::nothing() };
        plan.ask(Ask::new(Verb::Delete { key: key.clone(), options }, "its time to live is over").tolerating(Tolerate::NotFound));
        plan
    }
}

/// When a job that has ended is to go, if it is to go at all.
fn expiry(job: &Job) -> Option<SimTime> {
    let ttl = job.spec.as_ref()?.ttl_seconds_after_finished?;
    let ended = condition(job, "Complete").or_else(|| condition(job, "Failed"))?.last_transition_time.as_ref()?;
    Some(SimTime::from_time(ended).plus(ttl.max(0) as u64 * SECOND))
}
