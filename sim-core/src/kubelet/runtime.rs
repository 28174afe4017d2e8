//! The processes of a node's containers in time: when each must be moved on, what follows when one ends, and pod addresses.
//! Not modelled: processes that slow each other down, a runtime that fails.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Container;
use sim_workload::{Disk, ExitReason, Happening, Process};

use super::containers::{Instance, Records, State, container};
use super::pod_worker::KillStep;
use super::volumes::Content;
use super::{Kubelet, Uid};
use crate::component::{Context, Wish};
use crate::time::SimTime;
use crate::trace::BEGINNING;

/// How much of a log becomes a termination message.
const MESSAGE_LINES: usize = 80;
const MESSAGE_BYTES: usize = 2048;

/// When each process wants to be moved on.
#[derive(Clone, Debug, Default)]
pub struct ProcessClock {
    by_time: BTreeSet<(SimTime, Uid, String)>,
    planned: BTreeMap<(Uid, String), SimTime>,
    touched: BTreeSet<(Uid, String)>,
}

impl ProcessClock {
    /// Plans the next wake of a process, or none.
    pub fn plan(&mut self, uid: &Uid, name: &str, at: Option<u64>) {
        let key = (uid.clone(), name.to_owned());
        if let Some(old) = self.planned.remove(&key) {
            self.by_time.remove(&(old, uid.clone(), name.to_owned()));
        }
        if let Some(at) = at.map(SimTime) {
            self.by_time.insert((at, uid.clone(), name.to_owned()));
            self.planned.insert(key, at);
        }
    }

    /// When the first is due.
    pub fn next(&self) -> Option<SimTime> {
        self.by_time.first().map(|(at, ..)| *at)
    }

    /// Takes one that is due.
    pub fn pop_due(&mut self, now: SimTime) -> Option<(Uid, String)> {
        let (at, uid, name) = self.by_time.first().filter(|(at, ..)| *at <= now)?.clone();
        self.by_time.remove(&(at, uid.clone(), name.clone()));
        self.planned.remove(&(uid.clone(), name.clone()));
        Some((uid, name))
    }
}

/// The addresses of pods, given out in turn.
#[derive(Clone, Debug)]
pub struct Addresses {
    base: u32,
    size: u32,
    last: u32,
    taken: BTreeSet<u32>,
}

impl Addresses {
    /// All of a range but its first two and its last.
    pub fn new(cidr: &str) -> Addresses {
        let (address, bits) = cidr.split_once('/').unwrap_or((cidr, "24"));
        let base = address.parse::<std::net::Ipv4Addr>().map_or(0x0af4_0000, u32::from);
        let bits: u32 = bits.parse().ok().filter(|b| (8..=30).contains(b)).unwrap_or(24);
        Addresses { base: base & (u32::MAX << (32 - bits)), size: 1 << (32 - bits), last: 1, taken: BTreeSet::new() }
    }

    /// The next free address; nothing when all are taken.
    pub fn take(&mut self) -> Option<String> {
        for _ in 0..self.size {
            self.last = if self.last + 2 >= self.size { 2 } else { self.last + 1 };
            if self.taken.insert(self.last) {
                return Some(std::net::Ipv4Addr::from(self.base + self.last).to_string());
            }
        }
        None
    }

    /// Gives one back.
    pub fn release(&mut self, address: &str) {
        if let Ok(address) = address.parse::<std::net::Ipv4Addr>() {
            self.taken.remove(&u32::from(address).wrapping_sub(self.base));
        }
    }
}

/// After a restart of the kubelet everything is seen as it is.
pub fn seen_as_lost(records: &mut Records) {
    for instance in records.values_mut().flat_map(|r| r.current.iter_mut().chain(r.previous.iter_mut())) {
        instance.seen = Some(instance.state.clone());
    }
}

impl Kubelet {
    /// Somebody changed a process from outside; its next wake must be asked for anew.
    pub(super) fn touched(&mut self, uid: &Uid, name: &str) {
        self.processes.touched.insert((uid.clone(), name.to_owned()));
    }

    pub(super) fn refresh_touched(&mut self, context: &Context) {
        for (uid, name) in std::mem::take(&mut self.processes.touched) {
            let worker = self.pods.get_mut(&uid).or_else(|| self.orphans.get_mut(&uid));
            let instance = worker.and_then(|w| w.records.get_mut(&name)?.current.as_mut()).filter(|i| i.state.is_running());
            let process = instance.and_then(|Instance { process, origin, .. }| {
                let process = process.as_ref()?;
                origin.touched(process, context.now, context.cause);
                Some(process)
            });
            let wake = process.and_then(|p| p.next_wake());
            self.processes.plan(&uid, &name, wake);
        }
    }

    /// Moves a process on to now.
    pub(super) fn advance_process(&mut self, uid: &Uid, name: &str, context: &mut Context) {
        let worker = match self.pods.get_mut(uid) {
            Some(worker) => worker,
            None => match self.orphans.get_mut(uid) {
                Some(worker) => worker,
                None => return,
            },
        };
        let instance = worker.records.get_mut(name).and_then(|r| r.current.as_mut()).filter(|i| i.state.is_running());
        let Some(Instance { process: Some(process), origin, .. }) = instance else { return };
        let happenings = process.advance(context.now.0);
        origin.compare(process, context.cause);
        if process.calling().is_some() {
            let (namespace, pod, cause) = (worker.key.namespace.to_string(), worker.key.name.to_string(), context.cause);
            context.outbox.push(Wish::Network { namespace, pod, container: name.to_owned(), cause });
        }
        let wake = process.next_wake();
        self.processes.plan(uid, name, wake);
        for happening in happenings {
            if let Happening::Exited { at, code, reason } = happening {
                self.exited(uid, name, SimTime(at), code, reason, context);
            }
        }
    }

    fn exited(&mut self, uid: &Uid, name: &str, at: SimTime, code: i32, reason: ExitReason, context: &mut Context) {
        let orphan = !self.pods.contains_key(uid);
        let Some(worker) = self.pods.get_mut(uid).or_else(|| self.orphans.get_mut(uid)) else { return };
        let spec = container(&worker.pod, name).map(|(_, c)| c.into_owned()).unwrap_or_default();
        let killed = worker.kills.get(name).filter(|k| k.step == KillStep::Signalled).map_or(BEGINNING, |k| k.cause);
        let Some(instance) = worker.records.get_mut(name).and_then(|r| r.current.as_mut()) else { return };
        let origin = instance.origin.exit(context.now).max(killed);
        let since = match instance.state {
            State::Running { since } => Some(since),
            _ => None,
        };
        let message = instance.process.as_ref().and_then(|p| termination_message(&spec, p, code));
        let reason = match reason {
            ExitReason::Completed => "Completed",
            ExitReason::Error => "Error",
            ExitReason::OOMKilled => "OOMKilled",
        };
        let disks = instance.process.as_mut().map(|p| p.take_disks()).unwrap_or_default();
        instance.state = State::Exited { since, at, code, reason: reason.into(), message };
        self.processes.plan(uid, name, None);
        if orphan {
            return;
        }
        context.cause = origin;
        self.note(uid, format!("container {name} exited with code {code} ({reason})"), context);
        if let Some(instance) = self.pods.get_mut(uid).and_then(|w| w.records.get_mut(name)).and_then(|r| r.current.as_mut()) {
            instance.origin.changed = context.cause;
        }
        self.keep_disks(uid, &spec, disks);
        self.changed_in_runtime(uid, context);
        self.container_gone(uid, name, context);
    }

    /// Takes a volume's disk to mount it; what several containers share is copied to each.
    pub(super) fn take_disk(&mut self, uid: &str, content: &Content) -> Disk {
        match content {
            Content::PodDisk(volume) => self.pods.get(uid).and_then(|w| w.disks.get(volume)).cloned().unwrap_or_default(),
            Content::NodeDisk(volume) => self.node_disks.get(volume).cloned().unwrap_or_default(),
            Content::Files(_) => Disk::default(),
        }
    }

    fn keep_disks(&mut self, uid: &str, spec: &Container, disks: BTreeMap<String, Disk>) {
        let mounted = self.with_surroundings(uid, |pod, _, around| super::volumes::mounts(pod, spec, around).1).unwrap_or_default();
        for (path, disk) in disks {
            match mounted.iter().find(|(p, _)| *p == path).map(|(_, content)| content) {
                Some(Content::PodDisk(volume)) => {
                    if let Some(worker) = self.pods.get_mut(uid) {
                        worker.disks.insert(volume.clone(), disk);
                    }
                }
                Some(Content::NodeDisk(volume)) => _ = self.node_disks.insert(volume.clone(), disk),
                _ => {}
            }
        }
    }
}

/// What a container leaves: its message file, or the end of its log if it failed and asks for that.
fn termination_message(spec: &Container, process: &Process, code: i32) -> Option<String> {
    let path = spec.termination_message_path.as_deref().unwrap_or("/dev/termination-log");
    let written = process.read_file(path).filter(|t| !t.is_empty()).map(str::to_owned);
    let fallback = spec.termination_message_policy.as_deref() == Some("FallbackToLogsOnError") && code != 0;
    written.or_else(|| {
        let lines = process.logs();
        let last: Vec<&str> = lines.iter().skip(lines.len().saturating_sub(MESSAGE_LINES)).map(|l| l.text.as_str()).collect();
        let text: String = last.iter().map(|l| format!("{l}\n")).collect();
        let start = text.char_indices().map(|(i, _)| i).find(|i| text.len() - i <= MESSAGE_BYTES).unwrap_or(0);
        (fallback && !text.is_empty()).then(|| text[start..].to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_given_in_turn_and_not_at_once_again() {
        let mut addresses = Addresses::new("10.244.0.0/29");
        let first: Vec<String> = (0..2).filter_map(|_| addresses.take()).collect();
        assert_eq!(first, ["10.244.0.2", "10.244.0.3"]);
        addresses.release("10.244.0.2");
        assert_eq!(addresses.take().as_deref(), Some("10.244.0.4"));
        let rest: Vec<Option<String>> = (0..4).map(|_| addresses.take()).collect();
        assert_eq!(rest.iter().flatten().count(), 3, "2, 5 and 6 were left: {rest:?}");
    }
}
