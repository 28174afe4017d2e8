//! The traffic of a scenario: single requests, and streams of them.

use std::collections::BTreeMap;

use sim_workload::HttpRequest;

use super::commands::namespace_or_default;
use super::conditions::difference;
use super::{Done, Later, Player, StepError};
use crate::cluster::{HttpCall, HttpOutcome, Target};
use crate::scenario::format::{Http, HttpTarget, Load};
use crate::scenario::load::duration;
use crate::time::{Nanos, SECOND, SimTime};
use crate::trace::StepId;

/// How long a client waits.
const TIMEOUT: Nanos = 10 * SECOND;
/// More requests a second than this are not sent.
const PER_SECOND_MAX: u64 = 10_000;

/// What became of a stream's requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// How many were sent.
    pub sent: u64,
    /// How many got no answer, or one of 500 and more.
    pub failed: u64,
    /// Answers by pod.
    pub by_pod: BTreeMap<String, u64>,
    /// The first failure.
    pub first_failure: Option<String>,
}

/// A stream of requests.
#[derive(Clone, Debug)]
pub struct Stream {
    /// Its figures.
    pub figures: Figures,
    load: Load,
    next: Option<SimTime>,
    gap: Nanos,
    cause: StepId,
}

impl Stream {
    /// When its next request goes out.
    pub fn next(&self) -> Option<SimTime> {
        self.next
    }
}

impl Player {
    pub(super) fn http(&mut self, http: &Http) -> Done<String> {
        let mut output = String::new();
        for target in self.targets(&http.to)? {
            let call = HttpCall { target, request: request(&http.method, &http.path, &http.headers, &http.body), timeout: TIMEOUT };
            let cause = self.cause;
            let outcome = self.cluster.http(&call, cause);
            check_outcome(http, &outcome)?;
            output.push_str(&outcome.body);
        }
        Ok(output)
    }

    pub(super) fn load(&mut self, load: &Load) -> Done<String> {
        if load.stop {
            self.stop_stream(&load.name);
            return Ok(String::new());
        }
        if load.per_second == 0 || load.per_second > PER_SECOND_MAX {
            return Err(StepError::Failed(format!("a load sends 1 to {PER_SECOND_MAX} requests a second")));
        }
        let now = self.cluster.now();
        if let Some(length) = &load.duration {
            let end = now.plus(duration(length)?);
            self.do_later(end, Later::StopLoad(load.name.clone()));
        }
        let stream =
            Stream { figures: Figures::default(), load: load.clone(), next: Some(now), gap: SECOND / load.per_second, cause: self.cause };
        self.streams.insert(load.name.clone(), stream);
        Ok(String::new())
    }

    pub(super) fn stop_stream(&mut self, name: &str) {
        if let Some(stream) = self.streams.get_mut(name) {
            stream.next = None;
        }
    }

    /// Sends the requests of all streams that are due.
    pub(super) fn send_due(&mut self, now: SimTime) {
        let due: Vec<String> = self.streams.iter().filter(|(_, s)| s.next.is_some_and(|n| n <= now)).map(|(n, _)| n.clone()).collect();
        for name in due {
            let Some(stream) = self.streams.get_mut(&name) else { continue };
            stream.next = Some(now.plus(stream.gap));
            let (load, cause) = (stream.load.clone(), stream.cause);
            let Some(to) = &load.to else { continue };
            let outcome = match self.targets(to) {
                Ok(targets) => targets.into_iter().next().map(|target| {
                    let call = HttpCall { target, request: request(&load.method, &load.path, &BTreeMap::new(), ""), timeout: TIMEOUT };
                    self.cluster.http(&call, cause)
                }),
                Err(_) => None,
            };
            self.count_outcome(&name, outcome);
        }
    }

    fn count_outcome(&mut self, name: &str, outcome: Option<HttpOutcome>) {
        let at = self.cluster.now().since(self.began());
        let Some(stream) = self.streams.get_mut(name) else { return };
        let figures = &mut stream.figures;
        figures.sent += 1;
        match outcome {
            Some(outcome) if outcome.is_success() => *figures.by_pod.entry(outcome.pod.unwrap_or_default()).or_insert(0) += 1,
            other => {
                figures.failed += 1;
                let why = other.map_or_else(
                    || "no target".into(),
                    |o| format!("{} {} {}", o.pod.unwrap_or_default(), o.status, o.error.unwrap_or_default()),
                );
                figures.first_failure.get_or_insert(format!("at {}: {why}", sim_apimachinery::duration::go_string(at)));
            }
        }
    }

    fn targets(&self, to: &HttpTarget) -> Done<Vec<Target>> {
        let namespace = namespace_or_default(to.namespace.as_ref());
        match (&to.pod, &to.service) {
            (Some(pods), None) => {
                let keys = self.pods(pods, Some(&namespace))?;
                if keys.is_empty() {
                    return Err(StepError::Failed("no pod matches".into()));
                }
                Ok(keys
                    .iter()
                    .map(|k| Target::Pod { namespace: k.namespace.to_string(), name: k.name.to_string(), port: to.port })
                    .collect())
            }
            (None, Some(service)) => Ok(vec![Target::Service { namespace, name: service.clone(), port: to.port }]),
            _ => Err(StepError::Failed("a request goes to a pod or to a service".into())),
        }
    }
}

fn request(method: &str, path: &str, headers: &BTreeMap<String, String>, body: &str) -> HttpRequest {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let query = query.split('&').filter_map(|pair| pair.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    let headers = headers.iter().map(|(k, v)| (k.to_ascii_lowercase(), v.clone())).collect();
    HttpRequest { method: method.into(), path: path.into(), query, headers, body: body.into(), port: 0 }
}

fn check_outcome(http: &Http, outcome: &HttpOutcome) -> Done<()> {
    if let Some(wanted) = http.status.filter(|s| *s != outcome.status) {
        let error = outcome.error.clone().unwrap_or_default();
        return Err(StepError::Failed(format!("expected status {wanted}, got {} {error} {}", outcome.status, outcome.body)));
    }
    if http.status.is_none() && outcome.error.is_some() {
        return Err(StepError::Failed(outcome.error.clone().unwrap_or_default()));
    }
    if let Some(wanted) = &http.json {
        let found = serde_json::from_str(&outcome.body).unwrap_or_default();
        if let Some(text) = difference(wanted, &found, "") {
            return Err(StepError::Failed(format!("the answer's {text}")));
        }
    }
    Ok(())
}
