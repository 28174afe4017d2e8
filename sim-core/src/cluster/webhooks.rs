//! Webhooks as the hallway sees them: requests of components that wait for the answer of one, and calls to services of the
//! cluster, which simulated pods answer as their profiles say. A webhook at an address outside is called by whoever serves
//! the cluster; where nobody does, the address is not there.
//! Not modelled: the time a call inside the cluster takes, certificates of simulated pods (they are always right).

use std::collections::BTreeMap;

use serde_json::Value;
use sim_apimachinery::{Answer, Kind, Object, Request, Verb};
use sim_workload::HttpRequest;

use super::traffic::{Client, HttpCall, Target};
use super::{Cluster, ComponentId, Event};
use crate::kube_apiserver::admission_webhooks::{Attempt, Served, Target as Webhook, WebhookAnswer, WebhookCall, http_failure};
use crate::time::SECOND;
use crate::trace::{BEGINNING, StepId};

/// A request that waits for webhooks.
#[derive(Clone, Debug)]
pub(super) struct Held {
    from: ComponentId,
    token: u64,
    request: Request,
    cause: StepId,
    attempt: Attempt,
    open: Vec<WebhookCall>,
}

impl Cluster {
    /// The calls that requests of components wait for, each with the number its answer is to be given with.
    pub fn open_webhook_calls(&self) -> impl Iterator<Item = (u64, &WebhookCall)> {
        self.held.iter().flat_map(|(number, held)| held.open.iter().map(|call| (*number, call)))
    }

    /// A webhook has answered; the request goes on when it was the last it waited for.
    pub fn answer_webhook(&mut self, number: u64, answer: WebhookAnswer) {
        let Some(held) = self.held.get_mut(&number) else { return };
        held.open.retain(|call| call.asked != answer.asked);
        held.attempt.add(answer);
        if held.open.is_empty()
            && let Some(held) = self.held.remove(&number)
        {
            self.attempt_request(held);
        }
    }

    /// A client of the HTTP face asks, as in `serve`, or is told which webhooks outside must be called first.
    pub fn serve_asking(&mut self, request: Request, text: &str, attempt: &mut Attempt) -> Served {
        loop {
            let steps = self.trace.len();
            let reads = matches!(request.verb, Verb::Get { .. } | Verb::List { .. } | Verb::GetScale { .. } | Verb::Connect { .. });
            let cause = if reads { BEGINNING } else { self.record_request(&request, text) };
            match self.apiserver.serve_asking(self.now, request.clone(), attempt, cause, &mut self.trace) {
                Served::Asks(calls) => {
                    self.trace.truncate(steps);
                    let outside = self.call_inside(calls, attempt);
                    if !outside.is_empty() {
                        return Served::Asks(outside);
                    }
                }
                done => {
                    self.tell_watchers();
                    return done;
                }
            }
        }
    }

    /// Makes a call that stays inside the cluster; nothing if it leads outside.
    pub fn ask_inside(&mut self, call: &WebhookCall) -> Option<WebhookAnswer> {
        let Webhook::Service(service) = &call.target else { return None };
        let body = self.call_service(call, &service.namespace, &service.name, service.port.unwrap_or(443));
        Some(call.answered(body))
    }

    /// A component's request takes effect, or is held until webhooks outside have answered.
    pub(super) fn begin_request(&mut self, from: ComponentId, token: u64, request: Request, cause: StepId) {
        if self.apiserver.has_webhooks() {
            return self.attempt_request(Held { from, token, request, cause, attempt: Attempt::default(), open: vec![] });
        }
        let answer = self.apiserver.handle(self.now, request, cause, &mut self.trace);
        self.answer_request(from, token, answer, cause);
    }

    fn answer_request(&mut self, to: ComponentId, token: u64, answer: Answer, cause: StepId) {
        self.tell_watchers();
        let travel = self.profile.links.answer.draw(self.links.of(&to));
        self.push(self.now.plus(travel), Event::Answer { to, token, answer, cause });
    }

    fn attempt_request(&mut self, mut held: Held) {
        loop {
            match self.apiserver.serve_asking(self.now, held.request.clone(), &mut held.attempt, held.cause, &mut self.trace) {
                Served::Done(answer, _) => return self.answer_request(held.from, held.token, answer, held.cause),
                Served::Asks(calls) => {
                    held.open = self.call_inside(calls, &mut held.attempt);
                    if !held.open.is_empty() {
                        let number = self.next_token;
                        self.next_token += 1;
                        self.held.insert(number, held);
                        return;
                    }
                }
            }
        }
    }

    /// Makes the calls that stay inside the cluster; those that do not are handed back.
    fn call_inside(&mut self, calls: Vec<WebhookCall>, attempt: &mut Attempt) -> Vec<WebhookCall> {
        let mut outside = vec![];
        for call in calls {
            if let Some(answer) = self.ask_inside(&call) {
                attempt.add(answer);
                continue;
            }
            match &call.target {
                Webhook::Url(url) if !self.calls_out => {
                    let host = url.trim_start_matches("https://").split(['/', ':', '?']).next().unwrap_or_default().to_owned();
                    let why = call.unreachable(&format!("dial tcp: lookup {host}: no such host"));
                    attempt.add(call.answered(Err(why)));
                }
                _ => outside.push(call),
            }
        }
        outside
    }

    fn call_service(&mut self, call: &WebhookCall, namespace: &str, name: &str, port: i32) -> Result<Value, String> {
        let Some(Object::Service(service)) = self.object(Kind::Service, namespace, name) else {
            return Err(call.unreachable(&format!("service \"{name}\" not found")));
        };
        let spec = service.spec.clone().unwrap_or_default();
        if !spec.ports.iter().flatten().any(|p| p.port == port) {
            return Err(call.unreachable(&format!("no service port {port} found for service \"{name}\"")));
        }
        let address = format!("{}:{port}", spec.cluster_ip.unwrap_or_default());
        let path = match &call.target {
            Webhook::Service(reference) => reference.path.clone().unwrap_or_else(|| "/".into()),
            Webhook::Url(_) => "/".into(),
        };
        let request = HttpRequest {
            method: "POST".into(),
            path,
            query: BTreeMap::from([("timeout".to_owned(), format!("{}s", call.timeout_seconds))]),
            headers: BTreeMap::from([("content-type".to_owned(), "application/json".to_owned())]),
            body: call.review.to_string(),
            port: 0,
        };
        let target = Target::Service { namespace: namespace.into(), name: name.into(), port: u16::try_from(port).unwrap_or(443) };
        let timeout = u64::try_from(call.timeout_seconds).unwrap_or(10) * SECOND;
        let outcome = self.http_now(&HttpCall { from: Client::Anyone, target, request, timeout }, BEGINNING);
        match outcome.error {
            Some(error) if error.failure.is_timeout() => Err(call.unreachable("context deadline exceeded")),
            Some(_) => Err(call.unreachable(&format!("dial tcp {address}: connect: connection refused"))),
            None if outcome.status != 200 => Err(http_failure(outcome.status, &outcome.body)),
            None => serde_json::from_str(&outcome.body).map_err(|e| format!("couldn't get version/kind; json parse error: {e}")),
        }
    }
}
