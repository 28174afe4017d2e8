//! A process answers HTTP: which endpoint a request meets, what the answer is, and what it does to the program.
//!
//! The time of an answer is the endpoint's own latency, the backend's, and what throttling adds: a program at its CPU limit
//! is stopped for the rest of each 100 ms period, so a request waits for the next one. Start-up and hanging are values:
//! [`HttpResult::Refused`] and [`HttpResult::Timeout`].
//! Not modelled: connections (keep-alive, queues, a limit of them), header fields of the answer other than its type.

use crate::backend::{BackendCommand, BackendError, Backends, Operation, Reply};
use crate::endpoint::{Answer, BackendCall, BackendOutcome, Case, Effect, Endpoint, Method, Param, StaticFiles, When};
use crate::process::{CFS_PERIOD, Process};
use crate::template::{Hole, Json};
use crate::units::{MILLISECOND, SECOND};
use std::collections::BTreeMap;

/// What a client sends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpRequest {
    /// `GET`, `POST` …
    pub method: String,
    /// The path without the query.
    pub path: String,
    /// The query, decoded; the last of equal names.
    pub query: BTreeMap<String, String>,
    /// Header fields by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// The body as text.
    pub body: String,
    /// The container's port.
    pub port: u16,
}

/// What the client sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpResult {
    /// Nothing listens on the port.
    Refused,
    /// The connection is accepted and nothing ever comes back; the client gives up after its own time limit.
    Timeout,
    /// An answer, complete after so many nanoseconds.
    Answer { status: u16, body: String, content_type: String, latency_nanos: u64 },
}

/// What is known while one request is handled.
struct Exchange<'a> {
    request: &'a HttpRequest,
    path: BTreeMap<String, String>,
    query: BTreeMap<String, Json>,
    body: Json,
    bindings: BTreeMap<String, Json>,
    backend: Option<(BackendOutcome, Json)>,
    latency: u64,
}

impl Process {
    /// Handles one request that arrives at `now`. Effects (exit, state, CPU) happen as the profile says.
    pub fn http(&mut self, now: u64, request: &HttpRequest, backends: &mut dyn Backends) -> HttpResult {
        if !self.is_listening(request.port) {
            return HttpResult::Refused;
        }
        if self.faults().hangs {
            return HttpResult::Timeout;
        }
        self.meter.settle(now);
        let profile = self.profile.clone();
        let spec = profile.spec();
        if self.faults().failing_paths.contains(&request.path) {
            let body = Json::Map(vec![("detail".into(), Json::Text("failing on purpose".into()))]);
            return self.answer(&Answer { status: 503, content_type: "application/json".into(), body }, MILLISECOND, |body| body.clone());
        }
        let on_path: Vec<(&Endpoint, BTreeMap<String, String>)> =
            spec.endpoints.iter().filter_map(|endpoint| Some((endpoint, match_path(&endpoint.path, &request.path)?))).collect();
        match on_path.iter().find(|(endpoint, _)| endpoint.method.accepts(&request.method)) {
            Some((endpoint, path)) => self.handle(now, endpoint, Exchange::new(request, path.clone()), backends),
            None if !on_path.is_empty() => self.plain_answer(spec.method_not_allowed.as_ref(), 405),
            None => match spec.static_files.as_ref().and_then(|files| self.static_file(files, request)) {
                Some(answer) => answer,
                None => self.plain_answer(spec.not_found.as_ref(), 404),
            },
        }
    }

    fn handle(&mut self, now: u64, endpoint: &Endpoint, mut exchange: Exchange, backends: &mut dyn Backends) -> HttpResult {
        exchange.latency = endpoint.latency.0;
        if endpoint.cpu.0 > 0 {
            self.meter.add_work(now, endpoint.cpu.0);
        }
        for param in &endpoint.params {
            match self.read_param(param, &exchange) {
                Ok(value) => drop(exchange.query.insert(param.name.clone(), value)),
                Err(refusal) => return self.filled_answer(refusal, &exchange),
            }
        }
        for binding in &endpoint.bindings {
            let value = self.fill(&binding.value, &exchange);
            exchange.bindings.insert(binding.name.clone(), value);
        }
        if let Some(call) = &endpoint.backend {
            self.call_backend(call, &mut exchange, backends);
        }
        let Some(case) = endpoint.cases.iter().find(|case| self.holds(&case.when, &exchange)) else {
            return self.plain_answer(None, 500);
        };
        self.respond(now, case, &exchange)
    }

    fn respond(&mut self, now: u64, case: &Case, exchange: &Exchange) -> HttpResult {
        for effect in &case.effects {
            self.apply(now, effect, exchange);
        }
        self.filled_answer(&case.answer, exchange)
    }

    fn apply(&mut self, now: u64, effect: &Effect, exchange: &Exchange) {
        for (name, value) in &effect.set {
            let value = self.fill(value, exchange);
            self.state.insert(name.clone(), value);
        }
        if let Some(seconds) = &effect.burn_seconds {
            let nanos = self.fill(seconds, exchange).number().map_or(0, seconds_to_nanos);
            self.meter.burn(now, now.saturating_add(nanos));
        }
        if let Some(line) = &effect.log {
            let line = self.fill(line, exchange).text();
            self.log(now, self.profile.spec().logs.stream, line);
        }
        if let Some(exit) = &effect.exit {
            let answered = now.saturating_add(self.latency(exchange.latency));
            self.schedule_exit(answered.saturating_add(exit.after.0), exit.code);
        }
    }

    /// The number, bounded; or the answer that refuses it.
    fn read_param<'a>(&self, param: &'a Param, exchange: &Exchange) -> Result<Json, &'a Answer> {
        let given = exchange.request.query.get(&param.name).map(|text| Json::Text(text.clone()));
        let value = given.as_ref().unwrap_or(&param.default).number().ok_or(&param.invalid)?;
        if param.minimum.is_some_and(|minimum| value < minimum as f64) {
            return Err(param.below_minimum.as_ref().unwrap_or(&param.invalid));
        }
        let most = self.look(&param.at_most, exchange).number().unwrap_or(f64::INFINITY);
        Ok(Json::Float(value.min(most)))
    }

    fn call_backend(&mut self, call: &BackendCall, exchange: &mut Exchange, backends: &mut dyn Backends) {
        if call.requires.iter().any(|value| self.look(value, exchange) == Json::Null) {
            return;
        }
        let words: Vec<String> = call.command.iter().map(|word| self.look(word, exchange).text()).collect();
        let host = self.look(&call.host, exchange).text();
        let port = self.look(&call.port, exchange).number().map_or(0, |port| port as u16);
        let password = Some(self.look(&call.password, exchange).text()).filter(|password| !password.is_empty());
        let Ok(operation) = Operation::parse(&words) else { return };
        let (outcome, value) = match backends.call(&host, port, BackendCommand { password, operation }) {
            Ok(answer) => {
                exchange.latency = exchange.latency.saturating_add(answer.latency_nanos);
                outcome_of(answer.reply)
            }
            Err(error) => {
                let waited = if error == BackendError::Timeout { call.timeout.0 } else { 0 };
                exchange.latency = exchange.latency.saturating_add(waited);
                (BackendOutcome::Unavailable, Json::Null)
            }
        };
        exchange.backend = Some((outcome, value));
    }

    fn holds(&self, when: &When, exchange: &Exchange) -> bool {
        when.state.iter().all(|(name, value)| self.state.get(name) == Some(value))
            && when.missing.iter().all(|value| self.look(value, exchange) == Json::Null)
            && when.backend.is_none_or(|outcome| exchange.backend.as_ref().is_some_and(|(was, _)| *was == outcome))
    }

    fn static_file(&self, files: &StaticFiles, request: &HttpRequest) -> Option<HttpResult> {
        if request.method != "GET" && request.method != "HEAD" {
            return Some(self.plain_answer(self.profile.spec().method_not_allowed.as_ref(), 405));
        }
        let index = if request.path.ends_with('/') { files.index.as_str() } else { "" };
        let path = crate::files::normal(&format!("{}{index}", request.path));
        let shipped = || files.files.get(path.trim_start_matches('/')).map(String::as_str);
        let content = self.files.read(&format!("{}{path}", files.root)).or_else(shipped)?;
        let content_type = content_type_of(&path).to_string();
        let body = if request.method == "HEAD" { String::new() } else { content.to_string() };
        Some(HttpResult::Answer { status: 200, body, content_type, latency_nanos: self.latency(files.latency.0) })
    }

    fn plain_answer(&self, answer: Option<&Answer>, status: u16) -> HttpResult {
        let plain = Answer { status, content_type: "text/plain".into(), body: Json::Text(String::new()) };
        self.answer(answer.unwrap_or(&plain), MILLISECOND, |body| body.clone())
    }

    fn filled_answer(&mut self, answer: &Answer, exchange: &Exchange) -> HttpResult {
        let body = self.fill(&answer.body, exchange);
        self.answer(answer, exchange.latency, |_| body.clone())
    }

    fn answer(&self, answer: &Answer, latency: u64, body: impl Fn(&Json) -> Json) -> HttpResult {
        let body = body(&answer.body);
        let is_json = answer.content_type.starts_with("application/json");
        let body = if is_json { body.render(self.profile.spec().json_style) } else { body.text() };
        let latency_nanos = self.latency(latency);
        HttpResult::Answer { status: answer.status, body, content_type: answer.content_type.clone(), latency_nanos }
    }

    /// The program's own latency with what faults and throttling add.
    fn latency(&self, own: u64) -> u64 {
        let limit = self.meter.limit_millicores.unwrap_or(1000).min(1000);
        let stopped = if self.meter.is_throttled() { CFS_PERIOD / 1000 * (1000 - limit) } else { 0 };
        own.saturating_add(stopped).saturating_add(self.faults().extra_latency_nanos)
    }

    fn look(&self, value: &Json, exchange: &Exchange) -> Json {
        value.fill(&mut |hole| self.known(hole, exchange))
    }

    fn fill(&mut self, value: &Json, exchange: &Exchange) -> Json {
        let mut random = self.random;
        let filled = value.fill(&mut |hole| match hole.scope {
            "random" => Json::Text(format!("{:016x}{:016x}", next_random(&mut random), next_random(&mut random))),
            _ => self.known(hole, exchange),
        });
        self.random = random;
        filled
    }

    fn known(&self, hole: &Hole, exchange: &Exchange) -> Json {
        let text = |found: Option<&String>| found.map_or(Json::Null, |text| Json::Text(text.clone()));
        match hole.scope {
            "env" => text(self.spec.env.get(hole.name)),
            "hostname" => Json::Text(self.spec.hostname.clone()),
            "state" => self.state.get(hole.name).cloned().unwrap_or_default(),
            "path" => text(exchange.path.get(hole.name)),
            "header" => text(exchange.request.headers.get(hole.name)),
            "query" => match exchange.query.get(hole.name) {
                Some(value) => value.clone(),
                None => text(exchange.request.query.get(hole.name)),
            },
            "body" => exchange.body.at(hole.name).cloned().unwrap_or_default(),
            "let" => exchange.bindings.get(hole.name).cloned().unwrap_or_default(),
            "backend" => exchange.backend.as_ref().map_or(Json::Null, |(_, value)| value.clone()),
            "request" if hole.name == "method" => Json::Text(exchange.request.method.clone()),
            "request" if hole.name == "path" => Json::Text(exchange.request.path.clone()),
            _ => Json::Null,
        }
    }
}

impl<'a> Exchange<'a> {
    fn new(request: &'a HttpRequest, path: BTreeMap<String, String>) -> Self {
        let body = Json::parse(&request.body).unwrap_or_default();
        Self { request, path, query: BTreeMap::new(), body, bindings: BTreeMap::new(), backend: None, latency: 0 }
    }
}

impl Method {
    fn accepts(self, method: &str) -> bool {
        let own = match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
            Method::Any => return true,
        };
        own == method
    }
}

/// `{name}` stands for one segment that is not empty, `{name...}` at the end for all the rest.
fn match_path(pattern: &str, path: &str) -> Option<BTreeMap<String, String>> {
    let (mut names, mut segments) = (BTreeMap::new(), path.split('/'));
    for part in pattern.split('/') {
        let hole = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
        if let Some(name) = hole.and_then(|name| name.strip_suffix("...")) {
            names.insert(name.to_string(), segments.collect::<Vec<_>>().join("/"));
            return Some(names);
        }
        let segment = segments.next()?;
        match hole {
            Some(name) if !segment.is_empty() => drop(names.insert(name.to_string(), segment.to_string())),
            None if segment == part => {}
            _ => return None,
        }
    }
    segments.next().is_none().then_some(names)
}

fn outcome_of(reply: Reply) -> (BackendOutcome, Json) {
    match reply {
        Reply::Pong => (BackendOutcome::Value, Json::Text("PONG".into())),
        Reply::Ok => (BackendOutcome::Value, Json::Text("OK".into())),
        Reply::Integer(value) => (BackendOutcome::Value, Json::Int(value)),
        Reply::Bulk(text) => (BackendOutcome::Value, Json::Text(text)),
        Reply::Nil => (BackendOutcome::Nil, Json::Null),
        Reply::Error(_) => (BackendOutcome::Unavailable, Json::Null),
    }
}

/// Seconds as a profile or client wrote them; at most a year, never negative.
fn seconds_to_nanos(seconds: f64) -> u64 {
    let milliseconds = (seconds * 1000.0).clamp(0.0, 365.0 * 86_400_000.0);
    (milliseconds as u64) * (SECOND / 1000)
}

fn content_type_of(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html",
        Some("json") => "application/json",
        Some("css") => "text/css",
        Some("js") => "application/javascript",
        Some("txt") => "text/plain",
        _ => "application/octet-stream",
    }
}

/// SplitMix64.
fn next_random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut value = *state;
    value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn path_holes_take_one_segment_and_dots_take_the_rest() {
        let check = |pattern: &str, path: &str, expected: Option<&str>| {
            let found = match_path(pattern, path).map(|names| names.into_iter().map(|(name, value)| format!("{name}={value}")).collect());
            assert_eq!(found, expected.map(|text| Vec::from_iter((!text.is_empty()).then(|| text.to_string()))), "{pattern} {path}");
        };
        check("/kv/{key}", "/kv/a", Some("key=a"));
        check("/kv/{key}", "/kv/", None);
        check("/kv/{key}", "/kv/a/b", None);
        check("/{all...}", "/a/b", Some("all=a/b"));
        check("/ready", "/ready", Some(""));
        check("/ready", "/ready/", None);
    }

    proptest! {
        #[test]
        fn no_path_matches_two_ways(path in "(/[a-z{}.]{0,3}){0,4}") {
            if !path.contains('{') {
                prop_assert_eq!(match_path(&path, &path), Some(BTreeMap::new()));
            }
            let _ = match_path("/{a}/{rest...}", &path);
        }
    }
}
