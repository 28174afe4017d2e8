//! Deletes certificate signing requests that are over: decided for an hour, undecided or unsigned for a day, or with a
//! certificate that has ended (csrcleaner). Looks on a grid of one hour from its start, and only while there are requests.
//! Source: pkg/controller/certificates/cleaner.

use k8s_openapi::api::certificates::v1::CertificateSigningRequest;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use sim_apimachinery::{DeleteOptions, Kind, ObjectKey, Verb};

use super::{APPROVED, DENIED, FAILED, certificate, conditions};
use crate::client_go::{Ask, CacheEvent, Controller, Plan, Then, Tolerate, View, Wake};
use crate::component::ChangeType;
use crate::credentials;
use crate::time::{Nanos, SECOND, SimTime};

const PERIOD: Nanos = 3600 * SECOND;
/// How long what is decided is kept, and what is not.
const DECIDED: Nanos = 3600 * SECOND;
const PENDING: Nanos = 24 * 3600 * SECOND;

/// The controller.
#[derive(Clone, Debug, Default)]
pub struct CleanerController {
    began: SimTime,
}

impl Controller for CleanerController {
    fn name(&self) -> &'static str {
        "certificatesigningrequest-cleaner-controller"
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::CertificateSigningRequest]
    }

    fn on_start(&mut self, now: SimTime, _wake: &mut Wake) {
        self.began = now;
    }

    fn on_event(&mut self, event: &CacheEvent, view: &mut View<'_>, wake: &mut Wake) {
        if event.object.kind() == Kind::CertificateSigningRequest && event.change == ChangeType::Added {
            wake.after(event.object.key(), self.until_next_look(view.now));
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, view: &mut View<'_>) -> Plan {
        let Some(request) = view.caches.get::<CertificateSigningRequest>("", &key.name) else { return Plan::nothing() };
        let Some(why) = over(request, view.now) else {
            return Plan { then: Then::After(self.until_next_look(view.now)), ..Plan::nothing() };
        };
        let verb = Verb::Delete { key: key.clone(), options: DeleteOptions::default() };
        let mut plan = Plan { decision: why.into(), then: Then::After(self.until_next_look(view.now)), ..Plan::nothing() };
        plan.ask(Ask::new(verb, why).tolerating(Tolerate::Anything));
        plan
    }

    fn workers(&self) -> usize {
        1
    }
}

impl CleanerController {
    fn until_next_look(&self, now: SimTime) -> Nanos {
        PERIOD - now.since(self.began) % PERIOD
    }
}

/// Why a request is over, if it is.
fn over(request: &CertificateSigningRequest, now: SimTime) -> Option<&'static str> {
    let older = |time: Option<&Time>, than: Nanos| time.is_some_and(|t| now > SimTime::from_time(t).plus(than));
    let decided = |kind: &str, since: Nanos| conditions(request, kind).any(|c| older(c.last_update_time.as_ref(), since));
    let undecided = request.status.as_ref().is_none_or(|s| s.conditions.as_ref().is_none_or(Vec::is_empty));
    match certificate(request) {
        Some(_) if decided(APPROVED, DECIDED) => Some("it was approved more than an hour ago and has its certificate"),
        _ if decided(DENIED, DECIDED) => Some("it was denied more than an hour ago"),
        _ if decided(FAILED, DECIDED) => Some("it failed more than an hour ago"),
        _ if undecided && older(request.metadata.creation_timestamp.as_ref(), PENDING) => Some("nobody has decided on it for a day"),
        Some(pem) if conditions(request, APPROVED).next().is_some() && credentials::not_after(pem).is_some_and(|end| now > end) => {
            Some("its certificate has ended")
        }
        None if decided(APPROVED, PENDING) => Some("it was approved a day ago and nobody has signed it"),
        _ => None,
    }
}
