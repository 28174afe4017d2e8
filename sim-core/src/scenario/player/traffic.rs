//! The traffic of a scenario: single requests, and streams of them.

use std::collections::{BTreeMap, BTreeSet};

use sim_apimachinery::ObjectKey;
use sim_workload::HttpRequest;

use super::commands::namespace_or_default;
use super::conditions::difference;
use super::script::Task;
use super::{Done, Later, Player, StepError};
use crate::cluster::{Client, HttpCall, HttpOutcome, Target};
use crate::scenario::format::{Http, HttpTarget, Load, Source};
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
    timeout: Nanos,
    cause: StepId,
    /// Requests that have no answer yet.
    waiting: BTreeSet<u64>,
}

impl Stream {
    /// When its next request goes out.
    pub fn next(&self) -> Option<SimTime> {
        self.next
    }
}

impl Player {
    pub(super) fn http(&mut self, http: &Http) -> Done<()> {
        let from = self.client(http.from.as_ref())?;
        let timeout = http.timeout.as_deref().map_or(Ok(TIMEOUT), duration)?;
        let mut waiting = Vec::new();
        for target in self.targets(&http.to)? {
            let request = request(&http.method, &http.path, &http.headers, &http.body);
            let cause = self.cause;
            let token = self.cluster.http(&HttpCall { from: from.clone(), target, request, timeout }, cause);
            waiting.push(Task::Outcome(token, Box::new(http.clone())));
        }
        self.plan(waiting);
        Ok(())
    }

    /// Waits until a request is over while everything else goes on.
    pub(super) fn await_outcome(&mut self, token: u64, http: Box<Http>) -> Done<()> {
        if let Some(outcome) = self.cluster.take_http(token) {
            check_outcome(&http, &outcome)?;
            self.say(&outcome.body);
            return Ok(());
        }
        let next = self.cluster.next_event().ok_or_else(|| StepError::Failed("the request got no answer".into()))?;
        self.plan([Task::Outcome(token, http)]);
        self.pause(next);
        Ok(())
    }

    /// How many requests the loads have sent.
    pub(super) fn requests_sent(&self) -> u64 {
        self.streams.values().map(|stream| stream.figures.sent).sum()
    }

    pub(super) fn load(&mut self, load: &Load) -> Done<()> {
        if load.stop {
            self.stop_stream(&load.name);
            return Ok(());
        }
        if load.per_second == 0 || load.per_second > PER_SECOND_MAX {
            return Err(StepError::Failed(format!("a load sends 1 to {PER_SECOND_MAX} requests a second")));
        }
        let now = self.cluster.now();
        if let Some(length) = &load.duration {
            let end = now.plus(duration(length)?);
            self.do_later(end, Later::StopLoad(load.name.clone()));
        }
        let stream = Stream {
            figures: Figures::default(),
            timeout: load.timeout.as_deref().map_or(Ok(TIMEOUT), duration)?,
            load: load.clone(),
            next: Some(now),
            gap: SECOND / load.per_second,
            cause: self.cause,
            waiting: BTreeSet::new(),
        };
        self.streams.insert(load.name.clone(), stream);
        Ok(())
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
            stream.figures.sent += 1;
            let (load, cause, timeout) = (stream.load.clone(), stream.cause, stream.timeout);
            let Some(to) = &load.to else { continue };
            let target = self.targets(to).ok().and_then(|t| t.into_iter().next());
            match (target, self.client(load.from.as_ref())) {
                (Some(target), Ok(from)) => {
                    let request = request(&load.method, &load.path, &BTreeMap::new(), "");
                    let token = self.cluster.http(&HttpCall { from, target, request, timeout }, cause);
                    if let Some(stream) = self.streams.get_mut(&name) {
                        stream.waiting.insert(token);
                    }
                }
                _ => self.count_outcome(&name, None),
            }
        }
    }

    /// Counts the requests of all streams that are over.
    pub(super) fn collect_answers(&mut self) {
        if !self.cluster.has_http_done() {
            return;
        }
        let mut over = Vec::new();
        for (name, stream) in &mut self.streams {
            let cluster = &mut self.cluster;
            stream.waiting.retain(|token| match cluster.take_http(*token) {
                Some(outcome) => {
                    over.push((name.clone(), outcome));
                    false
                }
                None => true,
            });
        }
        over.into_iter().for_each(|(name, outcome)| self.count_outcome(&name, Some(outcome)));
    }

    fn count_outcome(&mut self, name: &str, outcome: Option<HttpOutcome>) {
        let at = self.cluster.now().since(self.began());
        let Some(stream) = self.streams.get_mut(name) else { return };
        let figures = &mut stream.figures;
        match outcome {
            Some(outcome) if outcome.is_success() => *figures.by_pod.entry(outcome.pod.unwrap_or_default()).or_insert(0) += 1,
            other => {
                figures.failed += 1;
                let why = other.map_or_else(
                    || "no target".into(),
                    |o| format!("{} {} {}", o.pod.as_deref().unwrap_or_default(), o.status, o.error_text()),
                );
                figures.first_failure.get_or_insert(format!("at {}: {why}", sim_apimachinery::duration::go_string(at)));
            }
        }
    }

    /// Who asks.
    fn client(&self, source: Option<&Source>) -> Done<Client> {
        match source {
            None | Some(Source { pod: None, outside: None, .. }) => Ok(Client::Anyone),
            Some(Source { pod: None, outside: Some(address), .. }) => Ok(Client::Outside(address.clone())),
            Some(Source { pod: Some(pods), namespace, .. }) => {
                let keys = self.pods(pods, Some(&namespace_or_default(namespace.as_ref())))?;
                let key = keys.first().ok_or_else(|| StepError::Failed("no pod that could ask matches".into()))?;
                Ok(Client::Pod { namespace: key.namespace.to_string(), name: key.name.to_string() })
            }
        }
    }

    fn targets(&self, to: &HttpTarget) -> Done<Vec<Target>> {
        let namespace = namespace_or_default(to.namespace.as_ref());
        match to {
            HttpTarget { pod: Some(pods), service: None, node: None, host: None, .. } => {
                let keys = self.pods(pods, Some(&namespace))?;
                if keys.is_empty() {
                    return Err(StepError::Failed("no pod matches".into()));
                }
                let target = |k: &ObjectKey| Target::Pod { namespace: k.namespace.to_string(), name: k.name.to_string(), port: to.port };
                Ok(keys.iter().map(target).collect())
            }
            HttpTarget { pod: None, service: Some(service), node: None, host: None, .. } => {
                Ok(vec![Target::Service { namespace, name: service.clone(), port: to.port }])
            }
            HttpTarget { pod: None, service: None, node: Some(node), host: None, .. } => {
                let node = Some(node.clone()).filter(|n| n != "*");
                Ok(vec![Target::NodePort { node, port: to.port }])
            }
            HttpTarget { pod: None, service: None, node: None, host: Some(name), .. } => {
                Ok(vec![Target::Host { name: name.clone(), port: to.port }])
            }
            _ => Err(StepError::Failed("a request goes to one of: pod, service, node, host".into())),
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
    if let Some(wanted) = &http.fails {
        let found = outcome.error.as_ref().map_or_else(|| format!("status {}", outcome.status), |error| error.text.clone());
        let message = format!("expected a failure with {wanted:?}, got {found}");
        return if outcome.error.is_some() && found.contains(wanted) { Ok(()) } else { Err(StepError::Failed(message)) };
    }
    if let Some(wanted) = http.status.filter(|s| *s != outcome.status) {
        let text = format!("expected status {wanted}, got {} {} {}", outcome.status, outcome.error_text(), outcome.body);
        return Err(StepError::Failed(text));
    }
    if let (None, Some(error)) = (http.status, &outcome.error) {
        return Err(StepError::Failed(error.text.clone()));
    }
    if let Some(wanted) = &http.json {
        let found = serde_json::from_str(&outcome.body).unwrap_or_default();
        if let Some(text) = difference(wanted, &found, "") {
            return Err(StepError::Failed(format!("the answer's {text}")));
        }
    }
    Ok(())
}
