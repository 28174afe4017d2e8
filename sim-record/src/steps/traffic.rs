//! HTTP requests to pods and services, and streams of them, through the API server's pod proxy, so that no port of the
//! cluster need be open. A request to a service goes to one of its ready endpoints, chosen at random for each as kube-proxy
//! chooses for each connection.
//! Not like real traffic: session affinity and traffic policies do not count, endpoints are looked up a few times a second,
//! and the proxy takes some milliseconds of its own.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use sim_apimachinery::Kind;
use sim_core::scenario::difference;
use sim_core::scenario::format::{ContainerFault, FaultStep, Http, HttpTarget, Load};
use sim_core::scenario::load::duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, MissedTickBehavior};

use crate::cluster::{Answer, Call, Cluster, encode, name_of, refusal};
use crate::failure::ApiError;
use crate::resource::Resource;
use crate::session::{Done, Session, StepError};

/// How long a client waits if nothing is said.
const TIMEOUT: u64 = 10_000_000_000;
/// How old what is known of a service's endpoints may be.
const ENDPOINTS_AGE_MAX: Duration = Duration::from_millis(250);
/// More requests of one load are not under way at a time.
const UNDER_WAY_MAX: usize = 256;
/// More requests a second than this are not sent.
const PER_SECOND_MAX: f64 = 10_000.0;

/// What became of a load's requests.
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

impl Figures {
    /// As the recording tells it.
    pub fn to_json(&self, name: &str) -> Value {
        json!({"name": name, "sent": self.sent, "failed": self.failed, "byPod": self.by_pod, "firstFailure": self.first_failure})
    }
}

/// A pod's port.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Door {
    namespace: String,
    pod: String,
    port: u64,
}

/// A request without its place.
#[derive(Clone, Debug)]
struct Sent {
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    timeout: Duration,
}

impl Session {
    pub(super) async fn http(&self, http: &Http, out: &mut String) -> Done<()> {
        let headers = http.headers.iter().map(|(n, v)| (n.clone(), v.clone())).collect();
        let timeout = self.wall(http.timeout.as_deref().map_or(Ok(TIMEOUT), duration)?);
        let sent = Sent { method: method(&http.method)?, path: http.path.clone(), headers, body: http.body.clone().into_bytes(), timeout };
        for door in self.doors(&http.to).await? {
            let outcome = match door {
                Some(door) => knock(&self.cluster, &door, &sent).await,
                None => Err("the service has no endpoints".to_owned()),
            };
            check(http, &outcome)?;
            out.push_str(&outcome.map(|answer| answer.text()).unwrap_or_default());
        }
        Ok(())
    }

    /// A crash comes from the application's own endpoint.
    pub(super) async fn crash(&self, fault: &FaultStep, out: &mut String) -> Done<()> {
        let Some(ContainerFault { pod, namespace, .. }) = &fault.container else {
            return Err(StepError::Failed("this fault cannot be had on a real cluster".into()));
        };
        for found in self.pods(pod, namespace.as_deref()).await? {
            let port = found.pointer("/spec/containers/0/ports/0/containerPort").and_then(Value::as_u64);
            let name = name_of(&found);
            let port = port.ok_or_else(|| StepError::Failed(format!("pod/{name} names no port at which /crash could be asked for")))?;
            let door = Door { namespace: self.namespace(namespace.as_deref()), pod: name.to_owned(), port };
            let sent = Sent { method: Method::POST, path: "/crash".into(), headers: vec![], body: vec![], timeout: self.wall(TIMEOUT) };
            match knock(&self.cluster, &door, &sent).await {
                Ok(answer) if answer.code < 400 => out.push_str(&answer.text()),
                // The process may be gone before its answer is.
                Err(why) if why.contains("EOF") || why.contains("reset") => out.push_str(&why),
                Ok(answer) => return Err(StepError::Failed(format!("pod/{name} has no endpoint /crash: status {}", answer.code))),
                Err(why) => return Err(StepError::Failed(format!("pod/{name}: /crash: {why}"))),
            }
        }
        Ok(())
    }

    pub(super) fn load(&self, load: &Load) -> Done<()> {
        let mut loads = self.loads.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = loads.remove(&load.name) {
            before.abort();
        }
        if load.stop {
            return Ok(());
        }
        let per_second = load.per_second as f64 * self.speed;
        if load.per_second == 0 || per_second > PER_SECOND_MAX {
            return Err(StepError::Failed(format!("a load sends 1 to {PER_SECOND_MAX} requests a second, this one {per_second}")));
        }
        let stream = Stream {
            cluster: self.cluster.clone(),
            to: load.to.clone().unwrap_or_default(),
            namespace: self.namespace(load.to.as_ref().and_then(|t| t.namespace.as_deref())),
            sent: Sent {
                method: method(&load.method)?,
                path: load.path.clone(),
                headers: vec![],
                body: vec![],
                timeout: self.wall(load.timeout.as_deref().map_or(Ok(TIMEOUT), duration)?),
            },
            name: load.name.clone(),
            gap: Duration::from_secs_f64(1.0 / per_second),
            length: load.duration.as_deref().map(duration).transpose()?.map(|length| self.wall(length)),
            figures: self.figures.clone(),
        };
        self.figures.lock().unwrap_or_else(PoisonError::into_inner).insert(load.name.clone(), Figures::default());
        loads.insert(load.name.clone(), tokio::spawn(stream.run()).abort_handle());
        Ok(())
    }

    /// Where a request goes: to each pod meant, or to one endpoint of a service (nothing if it has none).
    async fn doors(&self, to: &HttpTarget) -> Done<Vec<Option<Door>>> {
        let namespace = self.namespace(to.namespace.as_deref());
        if let Some(pods) = &to.pod {
            let found = self.pods(pods, to.namespace.as_deref()).await?;
            let door = |pod: &Value| Some(Door { namespace: namespace.clone(), pod: name_of(pod).into(), port: to.port.into() });
            return Ok(found.iter().map(door).collect());
        }
        let service = to.service.as_deref().unwrap_or_default();
        Ok(vec![any(&endpoints(&self.cluster, &namespace, service, to.port).await?)])
    }
}

/// A load while it runs.
struct Stream {
    cluster: Cluster,
    to: HttpTarget,
    namespace: String,
    sent: Sent,
    name: String,
    gap: Duration,
    length: Option<Duration>,
    figures: Arc<Mutex<BTreeMap<String, Figures>>>,
}

impl Stream {
    async fn run(self) {
        let began = Instant::now();
        let (mut doors, mut looked) = (vec![], None::<Instant>);
        let under_way = Arc::new(Semaphore::new(UNDER_WAY_MAX));
        let mut clock = tokio::time::interval(self.gap);
        clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
        loop {
            clock.tick().await;
            if self.length.is_some_and(|length| began.elapsed() >= length) {
                return;
            }
            if looked.is_none_or(|at| at.elapsed() > ENDPOINTS_AGE_MAX) {
                doors = self.doors().await;
                looked = Some(Instant::now());
            }
            let Ok(permit) = under_way.clone().acquire_owned().await else { return };
            let (cluster, sent, name, figures) = (self.cluster.clone(), self.sent.clone(), self.name.clone(), self.figures.clone());
            let door = any(&doors);
            tokio::spawn(async move {
                count(&figures, &name, |f| f.sent += 1);
                let outcome = match &door {
                    Some(door) => knock(&cluster, door, &sent).await,
                    None => Err("no endpoints".to_owned()),
                };
                let pod = door.map(|d| d.pod).unwrap_or_default();
                count(&figures, &name, |f| f.take(pod, outcome));
                drop(permit);
            });
        }
    }

    async fn doors(&self) -> Vec<Door> {
        if let Some(service) = &self.to.service {
            return endpoints(&self.cluster, &self.namespace, service, self.to.port).await.unwrap_or_default();
        }
        let pods = self.to.pod.clone().unwrap_or_default();
        let path = Resource::of(Kind::Pod).path(&self.namespace);
        let found = self.cluster.objects(&path, pods.selector.as_deref().unwrap_or_default()).await.unwrap_or_default();
        let named = found.iter().filter(|p| pods.name.as_ref().is_none_or(|n| name_of(p) == n)).skip(pods.index.unwrap_or(0));
        let first = named.take(1);
        first.map(|p| Door { namespace: self.namespace.clone(), pod: name_of(p).into(), port: self.to.port.into() }).collect()
    }
}

impl Figures {
    fn take(&mut self, pod: String, outcome: Result<Answer, String>) {
        let why = match outcome {
            Ok(answer) if answer.code < 500 => {
                *self.by_pod.entry(pod).or_insert(0) += 1;
                return;
            }
            Ok(answer) => format!("status {}", answer.code),
            Err(why) => why,
        };
        self.failed += 1;
        self.first_failure.get_or_insert(format!("{pod} {why}"));
    }
}

fn count(figures: &Mutex<BTreeMap<String, Figures>>, name: &str, what: impl FnOnce(&mut Figures)) {
    what(figures.lock().unwrap_or_else(PoisonError::into_inner).entry(name.to_owned()).or_default());
}

/// Any one of them, each as likely.
fn any(doors: &[Door]) -> Option<Door> {
    // The random state of a hasher is chance enough, and needs no generator.
    let chance = RandomState::new().hash_one(0_u8) as usize;
    doors.get(chance.checked_rem(doors.len())?).cloned()
}

/// The ready endpoints of a service's port.
async fn endpoints(cluster: &Cluster, namespace: &str, service: &str, port: u16) -> Result<Vec<Door>, ApiError> {
    let found = cluster.get(&format!("{}/{service}", Resource::of(Kind::Service).path(namespace))).await?;
    let port_name = found["spec"]["ports"].as_array().into_iter().flatten().find(|p| p["port"] == port).map(|p| p["name"].clone());
    let Some(port_name) = port_name else {
        let message = format!("service \"{service}\" has no port {port}");
        return Err(ApiError::Refused { code: 404, reason: "NotFound".into(), message });
    };
    let selector = format!("kubernetes.io/service-name={service}");
    let slices = cluster.objects(&Resource::of(Kind::EndpointSlice).path(namespace), &selector).await?;
    Ok(slices.iter().flat_map(|slice| doors_of(slice, &port_name, namespace)).collect())
}

fn doors_of(slice: &Value, port_name: &Value, namespace: &str) -> Vec<Door> {
    let is_meant = |p: &&Value| p["name"].as_str().unwrap_or_default() == port_name.as_str().unwrap_or_default();
    let port = slice["ports"].as_array().into_iter().flatten().find(is_meant).and_then(|p| p["port"].as_u64());
    let Some(port) = port else { return vec![] };
    let ready = slice["endpoints"].as_array().into_iter().flatten().filter(|e| e["conditions"]["ready"] != false);
    let pod = |e: &Value| Some(Door { namespace: namespace.to_owned(), pod: e["targetRef"]["name"].as_str()?.to_owned(), port });
    ready.filter_map(pod).collect()
}

/// Sends a request to a pod's port. What the API server's proxy says of a pod that does not answer is an error.
async fn knock(cluster: &Cluster, door: &Door, sent: &Sent) -> Result<Answer, String> {
    let Door { namespace, pod, port } = door;
    let slash = if sent.path.starts_with('/') { "" } else { "/" };
    let call = Call {
        method: sent.method.clone(),
        path: format!("/api/v1/namespaces/{}/pods/{}:{port}/proxy{slash}{}", encode(namespace), encode(pod), sent.path),
        headers: sent.headers.clone(),
        body: sent.body.clone(),
        timeout: Some(sent.timeout),
    };
    let answer = cluster.call(call).await.map_err(|e| e.to_string())?;
    let is_status =
        answer.code >= 400 && serde_json::from_slice::<Value>(&answer.body).is_ok_and(|v| v["kind"] == "Status" && v["apiVersion"] == "v1");
    if is_status { Err(refusal(&answer).to_string()) } else { Ok(answer) }
}

fn method(text: &str) -> Done<Method> {
    text.parse().map_err(|_| StepError::Failed(format!("{text:?} is no method of HTTP")))
}

fn check(http: &Http, outcome: &Result<Answer, String>) -> Done<()> {
    let failed = |text: String| Err(StepError::Failed(text));
    match (outcome, &http.fails) {
        (Err(why), Some(wanted)) if why.contains(wanted) => Ok(()),
        (Err(why), Some(wanted)) => failed(format!("expected a failure with {wanted:?}, got {why}")),
        (Ok(answer), Some(wanted)) => failed(format!("expected a failure with {wanted:?}, got status {}", answer.code)),
        (Err(why), None) => failed(why.clone()),
        (Ok(answer), None) => {
            if let Some(wanted) = http.status.filter(|wanted| *wanted != answer.code) {
                return failed(format!("expected status {wanted}, got {} {}", answer.code, answer.text()));
            }
            let found: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            match http.json.as_ref().and_then(|wanted| difference(wanted, &found, "")) {
                Some(text) => failed(format!("the answer's {text}")),
                None => Ok(()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ready_endpoints_of_the_port_are_asked() {
        let slice = json!({
            "ports": [{"name": "metrics", "port": 9000}, {"name": "web", "port": 8000}],
            "endpoints": [
                {"targetRef": {"name": "a"}, "conditions": {"ready": true}}, {"targetRef": {"name": "b"}, "conditions": {"ready": false}},
                {"targetRef": {"name": "c"}, "conditions": {}}, {"conditions": {"ready": true}},
            ],
        });
        let door = |pod: &str| Door { namespace: "own".into(), pod: pod.into(), port: 8000 };
        assert_eq!(doors_of(&slice, &json!("web"), "own"), [door("a"), door("c")]);
        assert_eq!(doors_of(&slice, &json!("other"), "own"), []);
    }

    #[test]
    fn all_doors_are_knocked_at() {
        let doors: Vec<Door> = ["a", "b", "c"].iter().map(|p| Door { namespace: "n".into(), pod: (*p).into(), port: 1 }).collect();
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..500 {
            seen.insert(any(&doors).expect("there are some").pod);
        }
        assert_eq!(seen.len(), 3);
        assert_eq!(any(&[]), None);
    }

    #[test]
    fn figures_count_answers_by_pod_and_keep_the_first_failure() {
        let mut figures = Figures::default();
        let answer = |code| Ok(Answer { code, body: vec![] });
        figures.take("a".into(), answer(200));
        figures.take("a".into(), answer(503));
        figures.take("b".into(), Err("refused".into()));
        assert_eq!((figures.failed, figures.by_pod.get("a"), figures.first_failure.as_deref()), (2, Some(&1), Some("a status 503")));
    }
}
