//! A run as a document, `ksim-view/v1`: every step with its cause, every state of every object, and what each watch had been
//! told by when. The browser view is made from it alone, so it works on a live server, on a file, and backwards.
//!
//! A document comes in parts, each a JSON object; the lists of a later part go on where those of the one before ended:
//! - `components`: names; `keys`: `[kind, apiVersion, namespace, name]`; `watches`: `[component, kind, filter]`;
//! - `steps`: `[time, component, cause, type, …]`, times in microseconds since `epoch` (in milliseconds of Unix time),
//!   component, key and cause by their position;
//! - `deliveries`: `[time, watch, revision]`, in order: from then on the watch's owner knew this revision;
//! - `usage`: `[time, key, millicores, bytes]`, in order: what a pod used of CPU since the reading before, and of memory then; a pod
//!   that uses what it used before is not told of again.
//!
//! What follows the type of a step: `b` nothing (the world began) · `a` text, line of the scenario file · `d` text, exit code,
//! output · `c` key, revision, 0 added 1 changed 2 removed, state or delta (see `delta`), who wrote · `x` request, code, reason, message
//! (refused) · `r` key, decision, reasons (a controller looked) · `s` what the scheduler weighed · `n` key, text (a node did) ·
//! `h` from, to, path, status, microseconds, error (a request of traffic) · `f` text (a fault) · `t` key or -1, text.
//!
//! Left out: `managedFields` (who wrote each field follows from the changes); values of Secrets are replaced by their length.

pub mod delta;
mod steps;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sim_apimachinery::ObjectKey;

use crate::cluster::Cluster;
use crate::time::SimTime;

/// The name of the format.
pub const FORMAT: &str = "ksim-view/v1";

/// What a part tells besides its steps.
struct Later {
    deliveries: Vec<Value>,
    usage: Vec<Value>,
}

/// Writes a document part by part.
#[derive(Clone, Debug)]
pub struct Writer {
    epoch: SimTime,
    steps: usize,
    deliveries: usize,
    usages: usize,
    components: Vec<String>,
    known_components: BTreeMap<String, usize>,
    keys: BTreeMap<ObjectKey, usize>,
    new_keys: Vec<Value>,
    watches: usize,
}

impl Writer {
    /// A document whose times count from this moment.
    pub fn new(epoch: SimTime) -> Writer {
        Writer {
            epoch,
            steps: 0,
            deliveries: 0,
            usages: 0,
            components: vec![],
            known_components: BTreeMap::new(),
            keys: BTreeMap::new(),
            new_keys: vec![],
            watches: 0,
        }
    }

    /// How many steps are written.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// The next part: at most so many steps that were not written yet, with the deliveries up to there. `None` when there is
    /// no new step, so that the number of steps names a place between two parts.
    pub fn part(&mut self, cluster: &Cluster, at_most: usize) -> Option<Value> {
        let (from, known) = (self.steps, self.components.len());
        let total = cluster.trace.len();
        if from >= total {
            return None;
        }
        let until = total.min(from.saturating_add(at_most));
        let mut steps = Vec::with_capacity(until.saturating_sub(from));
        for id in from..until {
            steps.extend(cluster.trace.step(id as u32).map(|step| self.step(cluster, step)));
        }
        self.steps = until;
        let before = if until < total { cluster.trace.step(until as u32).map(|s| s.time) } else { None };
        let later = Later { deliveries: self.deliveries(cluster, before), usage: self.usage(cluster, before) };
        Some(self.told(cluster, (from, known), steps, later))
    }

    /// What was delivered and used after the last step, as the last part of a run that is over.
    pub fn rest(&mut self, cluster: &Cluster) -> Option<Value> {
        let later = Later { deliveries: self.deliveries(cluster, None), usage: self.usage(cluster, None) };
        let is_more = !later.deliveries.is_empty() || !later.usage.is_empty();
        is_more.then(|| self.told(cluster, (self.steps, self.components.len()), vec![], later))
    }

    fn told(&mut self, cluster: &Cluster, (from, known): (usize, usize), steps: Vec<Value>, later: Later) -> Value {
        let watches: Vec<Value> =
            cluster.watch_names().skip(self.watches).map(|(owner, kind, filter)| json!([owner, kind, filter])).collect();
        self.watches += watches.len();
        let mut part = Map::new();
        part.insert("from".into(), from.into());
        part.insert("components".into(), json!(&self.components[known..]));
        part.insert("keys".into(), Value::Array(std::mem::take(&mut self.new_keys)));
        part.insert("watches".into(), Value::Array(watches));
        part.insert("steps".into(), Value::Array(steps));
        part.insert("deliveries".into(), Value::Array(later.deliveries));
        part.insert("usage".into(), Value::Array(later.usage));
        Value::Object(part)
    }

    fn deliveries(&mut self, cluster: &Cluster, before: Option<SimTime>) -> Vec<Value> {
        let log = cluster.deliveries();
        let new = log.after(self.deliveries).take_while(|d| before.is_none_or(|before| d.time < before));
        let told: Vec<Value> = new.map(|d| json!([self.micros(d.time), d.watch, d.revision])).collect();
        self.deliveries += told.len();
        told
    }

    fn usage(&mut self, cluster: &Cluster, before: Option<SimTime>) -> Vec<Value> {
        let new = cluster.usages().after(self.usages).take_while(|u| before.is_none_or(|before| u.time < before));
        let told: Vec<Value> = new.map(|u| json!([self.micros(u.time), self.key(&u.pod), u.millicores, u.memory_bytes])).collect();
        self.usages += told.len();
        told
    }

    /// Microseconds since the epoch; negative before it.
    fn micros(&self, at: SimTime) -> i64 {
        let micros = |nanos: u64| i64::try_from(nanos / 1_000).unwrap_or(i64::MAX);
        micros(at.0) - micros(self.epoch.0)
    }

    fn component(&mut self, name: &str) -> usize {
        if let Some(at) = self.known_components.get(name) {
            return *at;
        }
        self.components.push(name.to_owned());
        self.known_components.insert(name.to_owned(), self.components.len() - 1);
        self.components.len() - 1
    }

    fn key(&mut self, key: &ObjectKey) -> usize {
        if let Some(at) = self.keys.get(key) {
            return *at;
        }
        let resource = key.kind.resource();
        self.new_keys.push(json!([resource.kind, resource.api_version(), &*key.namespace, &*key.name]));
        self.keys.insert(key.clone(), self.keys.len());
        self.keys.len() - 1
    }
}

/// The head of a document: what was run, and where time counts from.
pub fn head(cluster: &Cluster, epoch: SimTime, name: &str, about: &str, seed: u64) -> Value {
    json!({
        "format": FORMAT, "name": name, "about": about, "seed": seed, "server": "v1.36.2",
        "epoch": epoch.0 / 1_000_000, "profile": &cluster.profile().name,
    })
}
