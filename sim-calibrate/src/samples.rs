//! The intervals a recording shows, by class, in milliseconds, and how its pods became ready.
//! Real and simulated recordings are read by the same code, so what it gets wrong it gets wrong in both.
//! Left out: pods that began before the recording, containers after the first, restarts.

use std::collections::BTreeMap;

use serde_json::Value;
use sim_compare::{Change, Line, Recording, Watch};

use crate::runs::Run;

/// A first change later than this after a command is none of the command's.
const COMMAND_MAX: f64 = 0.5;
/// A command that begins so soon after the end of another belongs to it, as in `kubectl get …; kubectl delete …`.
const JOINED: f64 = 0.001;
/// Seconds from the end of one look of an autoscaler to the beginning of the next.
const LOOK_PERIOD: f64 = 15.0;
/// Pods further apart than this are not of one batch.
const BATCH_MAX: f64 = 0.1;
/// So many pods are a batch.
const BATCH_LEAST: usize = 3;
/// A readiness probe that begins later than this cannot succeed at the first look.
const DELAY_MIN: i64 = 2;
/// Around the period of its probe, a pod became ready by the sync that saw it running.
const EXACT: (f64, f64) = (-0.15, 0.03);
/// A sandbox is made so much less than a second before its container runs that the second relist after that comes this late, if
/// the relist in between saw the sandbox.
const THIRD_AFTER_CACHE: f64 = 1.65;

/// How pods became ready, counted: by which sync their readiness worker was woken last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wakes {
    /// The one that saw the container running: a period later to the moment.
    pub first: u64,
    /// The one at the next relist: up to a second later.
    pub second: u64,
    /// A third, at the relist after that (at once or a period later), soon after the container ran.
    pub third: u64,
    /// The same, so late that the relist before the container ran saw the sandbox: the first sync had waited for the cache.
    pub third_after_cache: u64,
}

impl Wakes {
    /// All pods.
    pub fn pods(&self) -> u64 {
        self.first + self.second + self.third + self.third_after_cache
    }

    /// The share of some of them.
    pub fn share(&self, of: impl Fn(&Wakes) -> u64) -> f64 {
        of(self) as f64 / self.pods().max(1) as f64
    }

    fn count(&mut self, ready_after: f64, period: f64) {
        let beyond = ready_after - period;
        let third = if beyond < EXACT.0 { Some(ready_after) } else { (beyond > 1.0 + EXACT.1).then_some(beyond) };
        match third {
            None if beyond < EXACT.1 => self.first += 1,
            None => self.second += 1,
            Some(relist) if relist < THIRD_AFTER_CACHE => self.third += 1,
            Some(_) => self.third_after_cache += 1,
        }
    }
}

/// What one look of an autoscaler took beyond its period, or the mean of many that wrote nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// How many pods there were.
    pub pods: f64,
    /// Milliseconds.
    pub takes: f64,
    /// How many looks it stands for.
    pub looks: f64,
}

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples {
    /// Milliseconds by class.
    pub of: BTreeMap<&'static str, Vec<f64>>,
    /// How pods became ready.
    pub wakes: Wakes,
    /// From the first pod of a batch that runs to the last, in milliseconds.
    pub batches: Vec<f64>,
    /// The looks of autoscalers.
    pub looks: Vec<Look>,
    /// What is told of each run as a whole.
    pub runs: Vec<Run>,
}

impl Samples {
    /// The samples of a recording.
    pub fn of(recording: &Recording) -> Samples {
        let mut walk = Walk::default();
        for line in &recording.lines {
            match line {
                Line::Action { time, command } => walk.begin(*time, command),
                Line::Watch(watch) => walk.see(watch),
                Line::Done { time, .. } => walk.done = Some(*time),
            }
        }
        walk.samples.batches = batches(walk.pods.values());
        walk.pods.into_values().for_each(|pod| pod.tell(&mut walk.samples));
        walk.samples
    }

    /// Adds those of another recording, as if they had been seen so many times.
    pub fn add(&mut self, other: &Samples, times: usize) {
        for _ in 0..times {
            other.of.iter().for_each(|(class, numbers)| self.of.entry(class).or_default().extend(numbers));
            self.wakes.first += other.wakes.first;
            self.wakes.second += other.wakes.second;
            self.wakes.third += other.wakes.third;
            self.wakes.third_after_cache += other.wakes.third_after_cache;
            self.batches.extend(&other.batches);
            self.looks.extend(&other.looks);
        }
    }

    fn put(&mut self, class: &'static str, from: Option<f64>, to: Option<f64>) {
        if let (Some(from), Some(to)) = (from, to) {
            self.of.entry(class).or_default().push((to - from) * 1000.0);
        }
    }
}

/// When a pod was first seen so, in seconds.
#[derive(Clone, Debug, Default)]
struct Pod {
    added: Option<f64>,
    bound: Option<f64>,
    status: Option<f64>,
    sandbox: Option<f64>,
    running: Option<f64>,
    ready: Option<f64>,
    endpoint: Option<f64>,
    deleted: Option<f64>,
    stopped: Option<f64>,
    gone: Option<f64>,
    events: BTreeMap<String, f64>,
    /// The period of its readiness probe, if that cannot succeed at once.
    period: Option<f64>,
}

#[derive(Debug, Default)]
struct Walk {
    samples: Samples,
    /// A command without a change yet: when it began, and its class.
    command: Option<(f64, &'static str)>,
    /// When the last command was done.
    done: Option<f64>,
    generations: BTreeMap<(String, String), i64>,
    /// Since when a dependent of this owner is awaited.
    awaited: BTreeMap<String, f64>,
    last_of: BTreeMap<String, f64>,
    looked: BTreeMap<String, f64>,
    pods: BTreeMap<String, Pod>,
}

impl Walk {
    fn see(&mut self, watch: &Watch) {
        match watch.kind() {
            "Deployment" | "ReplicaSet" | "ConfigMap" | "Service" => self.see_owner(watch),
            "HorizontalPodAutoscaler" => {
                self.see_look(watch);
                self.see_owner(watch);
            }
            "Pod" => self.see_pod(watch),
            "Event" => self.see_event(watch),
            "EndpointSlice" => self.see_slice(watch),
            _ => {}
        }
    }

    fn see_owner(&mut self, watch: &Watch) {
        let key = (watch.kind().to_owned(), watch.name().to_owned());
        let generation = watch.object["metadata"]["generation"].as_i64().unwrap_or(0);
        let wanted = self.generations.insert(key, generation) != Some(generation);
        if !wanted || watch.change == Change::Deleted {
            return;
        }
        if watch.kind() != "ReplicaSet" {
            self.first_change(watch.time);
        }
        if watch.kind() == "ReplicaSet" && watch.change == Change::Added {
            let since = self.awaited.remove(&owner(&watch.object));
            self.samples.put("write", since, Some(watch.time));
        }
        if matches!(watch.kind(), "Deployment" | "ReplicaSet") {
            self.awaited.insert(format!("{}/{}", watch.kind(), watch.name()), watch.time);
        }
    }

    /// An autoscaler wrote what it found: so many periods after it last did, and what that many looks took.
    fn see_look(&mut self, watch: &Watch) {
        if watch.change != Change::Modified {
            return;
        }
        let Some(before) = self.looked.insert(watch.name().to_owned(), watch.time) else { return };
        let looks = ((watch.time - before) / LOOK_PERIOD).round();
        let beyond = watch.time - before - looks * LOOK_PERIOD;
        if looks >= 1.0 && (0.0..looks).contains(&beyond) {
            self.samples.put("look", Some(0.0), Some(beyond / looks));
            let pods = watch.object["status"]["currentReplicas"].as_f64().unwrap_or(0.0);
            self.samples.looks.push(Look { pods, takes: beyond / looks * 1000.0, looks });
        }
    }

    /// A command begins, or the next of several that stand in one line.
    fn begin(&mut self, time: f64, text: &str) {
        let class = if text.starts_with("kubectl apply") { "apply" } else { "command" };
        let joined = self.command.filter(|_| self.done.is_some_and(|done| time - done < JOINED));
        self.command = Some((joined.map_or(time, |(began, _)| began), class));
    }

    fn first_change(&mut self, time: f64) {
        if let Some((began, class)) = self.command.take().filter(|(began, _)| time - began < COMMAND_MAX) {
            self.samples.put(class, Some(began), Some(time));
        }
    }

    fn see_pod(&mut self, watch: &Watch) {
        let (object, now) = (&watch.object, watch.time);
        let owner = owner(object);
        if watch.change == Change::Added && self.pods.get(watch.name()).is_none_or(|p| p.added.is_none()) {
            match self.awaited.remove(&owner) {
                Some(since) => self.samples.put("write", Some(since), Some(now)),
                None => {
                    let before = self.last_of.get(&owner).copied().filter(|last| now - last < BATCH_MAX);
                    self.samples.put("next-pod", before, Some(now));
                }
            }
            self.last_of.insert(owner, now);
        }
        let pod = self.pods.entry(watch.name().to_owned()).or_default();
        let deleting = pod.see(watch);
        if deleting {
            self.first_change(now);
        }
    }

    fn see_event(&mut self, watch: &Watch) {
        let about = &watch.object["involvedObject"];
        if watch.change != Change::Added || about["kind"] != "Pod" {
            return;
        }
        let (name, reason) = (about["name"].as_str().unwrap_or_default(), watch.object["reason"].as_str().unwrap_or_default());
        self.pods.entry(name.to_owned()).or_default().events.entry(reason.to_owned()).or_insert(watch.time);
    }

    fn see_slice(&mut self, watch: &Watch) {
        for endpoint in watch.object["endpoints"].as_array().into_iter().flatten() {
            let name = endpoint["targetRef"]["name"].as_str().unwrap_or_default();
            let Some(pod) = self.pods.get_mut(name).filter(|_| endpoint["conditions"]["ready"] == true) else { continue };
            pod.endpoint.get_or_insert(watch.time);
        }
    }
}

impl Pod {
    /// Notes what is new; says whether it is being deleted since now.
    fn see(&mut self, watch: &Watch) -> bool {
        let (object, now) = (&watch.object, watch.time);
        let status = &object["status"];
        let state = &status["containerStatuses"][0]["state"];
        let note = |field: &mut Option<f64>, seen: bool| {
            let fresh = seen && field.is_none();
            if fresh {
                *field = Some(now);
            }
            fresh
        };
        if note(&mut self.added, watch.change == Change::Added) {
            self.period = slow_readiness(object);
        }
        note(&mut self.bound, object["spec"]["nodeName"].is_string());
        note(&mut self.status, status["startTime"].is_string());
        note(&mut self.sandbox, is_true(status, "PodReadyToStartContainers"));
        note(&mut self.running, state["running"].is_object());
        note(&mut self.ready, is_true(status, "Ready"));
        let deleting = note(&mut self.deleted, object["metadata"]["deletionTimestamp"].is_string());
        note(&mut self.stopped, self.deleted.is_some() && state["terminated"].is_object());
        note(&mut self.gone, watch.change == Change::Deleted);
        deleting
    }

    fn tell(self, samples: &mut Samples) {
        if self.added.is_none() {
            return;
        }
        let event = |reason: &str| self.events.get(reason).copied();
        samples.put("bound", self.added, self.bound);
        samples.put("first-status", self.bound, self.status);
        samples.put("sandbox", self.status, self.sandbox);
        samples.put("created", event("Pulled"), event("Created"));
        samples.put("started", event("Created"), event("Started"));
        samples.put("running", event("Started"), self.running);
        samples.put("start", self.added, self.running);
        samples.put("ready", self.running, self.ready);
        samples.put("write", self.ready, self.endpoint);
        samples.put("killing", self.deleted, event("Killing"));
        samples.put("stopped", self.deleted, self.stopped);
        samples.put("gone", self.stopped, self.gone);
        if let (Some(running), Some(ready), Some(period)) = (self.running, self.ready, self.period) {
            samples.wakes.count(ready - running, period);
        }
    }
}

/// How far the pods of each batch of three and more run apart, in milliseconds.
fn batches<'a>(pods: impl Iterator<Item = &'a Pod>) -> Vec<f64> {
    let mut started: Vec<(f64, f64)> = pods.filter_map(|p| p.added.zip(p.running)).collect();
    started.sort_by(|a, b| a.0.total_cmp(&b.0));
    let batches = started.chunk_by(|a, b| b.0 - a.0 < BATCH_MAX).filter(|batch| batch.len() >= BATCH_LEAST);
    let apart = |batch: &[(f64, f64)]| {
        let running = batch.iter().map(|(_, running)| *running);
        running.clone().fold(f64::NEG_INFINITY, f64::max) - running.fold(f64::INFINITY, f64::min)
    };
    batches.map(|batch| apart(batch) * 1000.0).collect()
}

/// The period of the first container's readiness probe, if it begins too late to succeed at the first look.
fn slow_readiness(pod: &Value) -> Option<f64> {
    let probe = &pod["spec"]["containers"][0]["readinessProbe"];
    let begins = probe["initialDelaySeconds"].as_i64().unwrap_or(0);
    (begins >= DELAY_MIN).then(|| probe["periodSeconds"].as_f64().unwrap_or(10.0))
}

fn is_true(status: &Value, condition: &str) -> bool {
    status["conditions"].as_array().into_iter().flatten().any(|c| c["type"] == condition && c["status"] == "True")
}

/// The owner of an object, as `Kind/name`; `/` if it has none.
fn owner(object: &Value) -> String {
    let owner = &object["metadata"]["ownerReferences"][0];
    format!("{}/{}", owner["kind"].as_str().unwrap_or_default(), owner["name"].as_str().unwrap_or_default())
}
