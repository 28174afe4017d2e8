//! What others may look at or reach through the hallway: processes, addresses and logs.

use std::sync::Arc;

use sim_apimachinery::ObjectKey;
use sim_workload::{LogLine, Process};

use super::containers::{Record, State};
use super::pod_worker::PodWorker;
use super::{Kubelet, Uid};
use crate::time::SimTime;

impl Kubelet {
    /// The node's name.
    pub fn node(&self) -> &Arc<str> {
        &self.config.node
    }

    pub(super) fn uid_of(&self, namespace: &str, pod: &str) -> Option<Uid> {
        self.names.get(&(namespace.into(), pod.into())).cloned()
    }

    fn worker(&self, namespace: &str, pod: &str) -> Option<&PodWorker> {
        self.pods.get(&self.uid_of(namespace, pod)?)
    }

    /// The process of a running container; of the pod's first one if `container` is empty.
    pub fn process(&self, namespace: &str, pod: &str, container: &str) -> Option<&Process> {
        let worker = self.worker(namespace, pod)?;
        worker.records.get(&container_name(worker, container)?)?.process()
    }

    /// The same, to be changed. Whoever changes it wakes this kubelet afterwards, so that it notices.
    pub fn process_mut(&mut self, namespace: &str, pod: &str, container: &str) -> Option<&mut Process> {
        let uid = self.uid_of(namespace, pod)?;
        let name = container_name(self.pods.get(&uid)?, container)?;
        self.touched(&uid, &name);
        self.pods.get_mut(&uid)?.records.get_mut(&name)?.process_mut()
    }

    /// Every container that runs: its pod, its name, the instance and its process.
    pub fn running(&self) -> impl Iterator<Item = (&ObjectKey, &str, &str, &Process)> {
        self.pods.values().flat_map(|worker| {
            let records = worker.records.iter();
            records.filter_map(|(name, record)| Some((&worker.key, name.as_str(), record.current.as_ref()?.id.as_str(), record.process()?)))
        })
    }

    /// Namespace and name of the pod that has this address.
    pub fn pod_with_ip(&self, ip: &str) -> Option<(String, String)> {
        let found = self.pods.values().find(|w| w.sandbox.ready && !w.host_network() && w.sandbox.ip.as_deref() == Some(ip))?;
        Some((found.key.namespace.to_string(), found.key.name.to_string()))
    }

    /// A pod's address, while its sandbox is up.
    pub fn pod_ip(&self, namespace: &str, pod: &str) -> Option<&str> {
        let worker = self.worker(namespace, pod)?;
        worker.sandbox.ip.as_deref().filter(|_| worker.sandbox.ready)
    }

    /// The container of a pod that accepts connections on a port.
    pub fn container_listening(&self, namespace: &str, pod: &str, port: u16) -> Option<String> {
        let worker = self.worker(namespace, pod)?;
        let listening = |r: &Record| r.process().is_some_and(|p| p.is_listening(port));
        worker.records.iter().find(|(_, r)| listening(r)).map(|(n, _)| n.clone())
    }

    /// The process behind an address and port, to be changed as with `process_mut`.
    pub fn process_by_ip(&mut self, ip: &str, port: u16) -> Option<&mut Process> {
        let (namespace, pod) = self.pod_with_ip(ip)?;
        let container = self.container_listening(&namespace, &pod, port)?;
        self.process_mut(&namespace, &pod, &container)
    }

    /// What a container (or the instance before it) wrote; nothing if there is no such container.
    pub fn logs(&self, namespace: &str, pod: &str, container: &str, previous: bool) -> Option<&[LogLine]> {
        let worker = self.worker(namespace, pod)?;
        Some(worker.records.get(&container_name(worker, container)?)?.logs(previous))
    }

    /// The id of the instance of a container that runs now.
    pub fn instance(&self, namespace: &str, pod: &str, container: &str) -> Option<&str> {
        let instance = self.worker(namespace, pod)?.records.get(container)?.current.as_ref()?;
        instance.state.is_running().then_some(instance.id.as_str())
    }

    /// What an instance of a container wrote, and whether it still runs; nothing once it is forgotten.
    pub fn instance_logs(&self, namespace: &str, pod: &str, container: &str, id: &str) -> Option<(&[LogLine], bool)> {
        let record = self.worker(namespace, pod)?.records.get(container)?;
        let is_current = record.current.as_ref().is_some_and(|i| i.id == id);
        if !is_current && record.previous.as_ref().is_none_or(|i| i.id != id) {
            return None;
        }
        let runs = is_current && record.process().is_some_and(|p| !p.is_exited());
        Some((record.logs(!is_current), runs))
    }

    /// Whether an instance of a container was gone before a moment.
    pub fn died_before(&self, namespace: &str, pod: &str, container: &str, id: &str, moment: SimTime) -> bool {
        if self.faults.off {
            return true;
        }
        let Some(record) = self.worker(namespace, pod).and_then(|w| w.records.get(container)) else { return true };
        let same = record.current.iter().chain(&record.previous).find(|i| i.id == id);
        match same.map(|i| &i.state) {
            Some(State::Exited { at, .. }) => *at < moment,
            Some(_) => false,
            None => true,
        }
    }

    /// Runs a command in a container. Whoever calls it wakes this kubelet afterwards.
    pub fn exec(&mut self, now: SimTime, namespace: &str, pod: &str, container: &str, argv: &[String]) -> Option<sim_workload::ExecResult> {
        self.process_mut(namespace, pod, container).map(|process| process.exec(now.0, argv))
    }
}

fn container_name(worker: &PodWorker, container: &str) -> Option<String> {
    if !container.is_empty() {
        return Some(container.to_owned());
    }
    worker.pod.spec.as_ref()?.containers.first().map(|c| c.name.clone())
}
