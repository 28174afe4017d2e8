//! What pods use of CPU and memory over time, for those who look at a run. Read off the processes every few seconds of virtual
//! time, between two events, so that reading changes nothing; the metrics server knows less of it, and later.
//! Remembered only if the settings ask for it. A pod that uses what it used before is not told of again.
//! Left out: how use rises and falls between two readings (CPU is the mean since the reading before).

use std::collections::BTreeMap;

use sim_apimachinery::ObjectKey;

use super::Cluster;
use super::log::Log;
use crate::time::{Nanos, SECOND, SimTime};

/// The time between two readings.
const INTERVAL: Nanos = 5 * SECOND;

/// What a pod used, from the reading before until `time`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// When it was read.
    pub time: SimTime,
    /// The pod.
    pub pod: ObjectKey,
    /// CPU in thousandths of a core.
    pub millicores: u64,
    /// Memory in bytes; 0 when none of its containers runs.
    pub memory_bytes: u64,
}

/// What one container had used when it was read last.
#[derive(Clone, Debug)]
struct Spent {
    instance: String,
    cpu_nanos: u64,
}

/// What is read at one moment: of each pod thousandths of a core and bytes, of each container what it has used since its start.
#[derive(Clone, Debug, Default)]
struct Reading {
    pods: BTreeMap<ObjectKey, (u64, u64)>,
    containers: BTreeMap<(ObjectKey, String), Spent>,
}

/// All readings so far.
#[derive(Clone, Debug, Default)]
pub struct Usages {
    remembers: bool,
    log: Log<Usage>,
    read: SimTime,
    containers: BTreeMap<(ObjectKey, String), Spent>,
    told: BTreeMap<ObjectKey, (u64, u64)>,
}

impl Usages {
    /// Nothing read; `remembers` says whether anything will be.
    pub fn new(remembers: bool, now: SimTime) -> Usages {
        Usages { remembers, read: now, ..Usages::default() }
    }

    /// Those after the first so many, oldest first.
    pub fn after(&self, known: usize) -> impl Iterator<Item = &Usage> {
        self.log.after(known)
    }

    /// Tells what is different from what was told before.
    fn adopt(&mut self, time: SimTime, reading: Reading) {
        self.read = time;
        self.containers = reading.containers;
        let before = std::mem::replace(&mut self.told, reading.pods);
        for (pod, used) in &self.told {
            if before.get(pod) != Some(used) {
                self.log.add(Usage { time, pod: pod.clone(), millicores: used.0, memory_bytes: used.1 });
            }
        }
        for pod in before.into_keys().filter(|pod| !self.told.contains_key(pod)) {
            self.log.add(Usage { time, pod, millicores: 0, memory_bytes: 0 });
        }
    }
}

impl Cluster {
    /// What pods have used; empty unless the settings ask for it.
    pub fn usages(&self) -> &Usages {
        &self.usages
    }

    /// Makes the readings that are due before a moment: until then everything goes on as it is.
    pub(super) fn read_usage(&mut self, before: SimTime) {
        while self.usages.remembers && self.usages.read.plus(INTERVAL) < before {
            let next = self.usages.read.plus(INTERVAL);
            // Where nothing happens for long and nothing changes, the readings in between would say nothing.
            let last = next.plus(before.since(next).saturating_sub(1) / INTERVAL * INTERVAL);
            let skipping = self.reading(last);
            if skipping.pods == self.usages.told {
                self.usages.adopt(last, skipping);
            } else {
                let reading = if last == next { skipping } else { self.reading(next) };
                self.usages.adopt(next, reading);
            }
        }
    }

    fn reading(&self, now: SimTime) -> Reading {
        let spent = now.since(self.usages.read).max(1);
        let mut reading = Reading::default();
        for kubelet in self.kubelets.values() {
            for (pod, name, instance, process) in kubelet.running() {
                let at = (pod.clone(), name.to_owned());
                let cpu_nanos = process.cpu_nanos(now.0);
                let before = self.usages.containers.get(&at).filter(|spent| spent.instance == instance).map_or(0, |spent| spent.cpu_nanos);
                let used = reading.pods.entry(pod.clone()).or_default();
                used.0 += cpu_nanos.saturating_sub(before);
                used.1 += process.memory_bytes(now.0);
                reading.containers.insert(at, Spent { instance: instance.to_owned(), cpu_nanos });
            }
        }
        for used in reading.pods.values_mut() {
            *used = ((used.0.saturating_mul(1000) + spent / 2) / spent, used.1.max(1));
        }
        reading
    }
}
