//! What the kubelet knows of its containers' use: each is read at moments of its own, when it starts and then every 10 to
//! 20 seconds (15 to 30 while nothing changes), as the cAdvisor inside a kubelet does. Whoever asks gets the use between the
//! last two readings, so load shows late, and for each container differently.
//! Source: `housekeeping_interval` 10 s and `maxHousekeepingInterval` 15 s of pkg/kubelet/cadvisor, each lengthened by up to
//! itself (`jitter`, `nextHousekeepingInterval` of cAdvisor's manager/container.go).
//! Not modelled: readings on demand, file systems, network, and what the node uses outside of pods.

use std::collections::BTreeMap;

use super::containers::{Record, State};
use super::{Kubelet, Timer, Uid};
use crate::component::Sample;
use crate::random::Random;
use crate::time::{Nanos, SECOND, SimTime};
use crate::trace::BEGINNING;

const INTERVAL: Nanos = 10 * SECOND;
const MAX_INTERVAL: Nanos = 15 * SECOND;

/// A reading of one container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Usage {
    at: SimTime,
    cpu_nanos: u64,
    memory_bytes: u64,
}

/// One instance of a container that is read.
#[derive(Clone, Debug)]
struct Watched {
    instance: String,
    interval: Nanos,
    random: Random,
    last: Usage,
    /// The reading before, to compare with; a container that has none is told to use nothing.
    before: Option<Usage>,
}

/// The readings of all containers, by pod and name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cadvisor {
    containers: BTreeMap<(Uid, String), Watched>,
}

impl Kubelet {
    /// What every running container used between its last two readings, as the kubelet's summary tells it.
    pub fn samples(&self) -> Vec<Sample> {
        if self.faults.off {
            return vec![];
        }
        let told = |((uid, name), watched): (&(Uid, String), &Watched)| {
            let worker = self.pods.get(uid)?;
            let running = worker.records.get(name).and_then(running)?;
            (running == watched.instance).then_some(())?;
            Some(Sample {
                namespace: worker.key.namespace.clone(),
                pod: worker.key.name.clone(),
                container: name.as_str().into(),
                cpu_nano_cores: watched.before.map_or(0, |before| rate(&watched.last, &before)),
                memory_bytes: watched.last.memory_bytes,
            })
        };
        self.cadvisor.containers.iter().filter_map(told).collect()
    }

    /// A container runs: it is read now, and again and again.
    pub(super) fn watch_usage(&mut self, uid: &Uid, name: &str, now: SimTime) {
        let Some((instance, last)) = self.usage(uid, name, now) else { return };
        // Its readings are its own affair: they draw from a stream of its own.
        let random = Random::named(0, &instance);
        let watched = Watched { instance, interval: INTERVAL, random, last, before: None };
        self.cadvisor.containers.insert((uid.clone(), name.to_owned()), watched);
        self.plan_reading(uid, name, now);
    }

    /// A kubelet that starts finds what runs.
    pub(super) fn watch_usage_of_all(&mut self, now: SimTime) {
        let running: Vec<_> =
            self.orphans.iter().flat_map(|(uid, w)| w.records.keys().map(move |name| (uid.clone(), name.clone()))).collect();
        running.iter().for_each(|(uid, name)| self.watch_usage(uid, name, now));
    }

    /// Reads an instance, if it still runs.
    pub(super) fn read_usage(&mut self, uid: &Uid, name: &str, instance: &str, now: SimTime) {
        let key = (uid.clone(), name.to_owned());
        let read = self.usage(uid, name, now);
        let Some(watched) = self.cadvisor.containers.get_mut(&key).filter(|w| w.instance == instance) else { return };
        match read {
            Some((running, usage)) if running == instance => {
                let is_idle = Usage { at: watched.last.at, ..usage } == watched.last;
                watched.interval = if is_idle { MAX_INTERVAL } else { INTERVAL };
                watched.before = Some(std::mem::replace(&mut watched.last, usage));
                self.plan_reading(uid, name, now);
            }
            _ => _ = self.cadvisor.containers.remove(&key),
        }
    }

    fn plan_reading(&mut self, uid: &Uid, name: &str, now: SimTime) {
        let Some(watched) = self.cadvisor.containers.get_mut(&(uid.clone(), name.to_owned())) else { return };
        let next = now.plus(watched.random.jitter(watched.interval, 100));
        self.timers.add(next, (Timer::ReadUsage(uid.clone(), name.to_owned(), watched.instance.as_str().into()), BEGINNING));
    }

    /// The instance that runs, and what it has used.
    fn usage(&self, uid: &Uid, name: &str, now: SimTime) -> Option<(String, Usage)> {
        let record = self.pods.get(uid).or_else(|| self.orphans.get(uid))?.records.get(name)?;
        let instance = running(record)?;
        let process = record.process()?;
        let usage = Usage { at: now, cpu_nanos: process.cpu_nanos(now.0), memory_bytes: process.memory_bytes(now.0) };
        Some((instance.to_owned(), usage))
    }
}

fn running(record: &Record) -> Option<&str> {
    let instance = record.current.as_ref()?;
    matches!(instance.state, State::Running { .. }).then_some(&instance.id)
}

/// CPU used between two readings, in billionths of a core.
fn rate(last: &Usage, before: &Usage) -> u64 {
    let used = u128::from(last.cpu_nanos.saturating_sub(before.cpu_nanos)) * u128::from(SECOND);
    u64::try_from(used / u128::from(last.at.since(before.at).max(1))).unwrap_or(u64::MAX)
}
