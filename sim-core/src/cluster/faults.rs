//! Faults enter here and nowhere else, at five seams: links, processes, the store, nodes, containers.
//! A fault is a value; beginning and ending it are steps of the trace.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sim_apimachinery::Kind;

use super::{Cluster, ComponentId, Event};
use crate::component::Context;
use crate::etcd::Health;
use crate::kubelet::{Kubelet, NodeFault};
use crate::time::Nanos;
use crate::trace::{StepId, What};

/// A process of the control plane or of a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Process {
    /// All controllers.
    KubeControllerManager,
    /// The scheduler.
    KubeScheduler,
    /// Every node's kube-proxy.
    KubeProxy,
    /// The cluster's DNS.
    Coredns,
    /// The kubelet of this node.
    Kubelet(String),
}

impl Process {
    pub(super) fn component(&self) -> ComponentId {
        match self {
            Process::KubeControllerManager => ComponentId::ControllerManager,
            Process::KubeScheduler => ComponentId::Scheduler,
            Process::KubeProxy => ComponentId::Proxy,
            Process::Coredns => ComponentId::Dns,
            Process::Kubelet(node) => ComponentId::Kubelet(node.as_str().into()),
        }
    }
}

/// Something that goes wrong, or stops going wrong.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// A process is told nothing of a kind (of all kinds, if none is given) until released.
    HoldWatch { process: Process, kind: Option<Kind> },
    /// What was held arrives.
    ReleaseWatch { process: Process, kind: Option<Kind> },
    /// A process is told of everything this much later.
    DelayWatch { process: Process, by: Nanos },
    /// A process's requests take this much longer.
    DelayRequests { process: Process, by: Nanos },
    /// A node is cut off from the API server, or joined again.
    Partition { node: String, is_cut: bool },
    /// A process stops: it does nothing and forgets everything.
    Stop { process: Process },
    /// A stopped process begins anew.
    Start { process: Process },
    /// The store's health.
    Store(Health),
    /// The store forgets its history.
    Compact,
    /// Something about a node.
    Node { node: String, fault: NodeFault },
    /// A container's process ends with this code.
    CrashContainer { namespace: String, pod: String, container: String, code: i32 },
    /// A container's memory grows by so many bytes a second.
    GrowMemory { namespace: String, pod: String, container: String, bytes_per_second: u64 },
    /// A container answers this much later.
    SlowAnswers { namespace: String, pod: String, container: String, by: Nanos },
    /// A container fails requests of this path.
    FailPath { namespace: String, pod: String, container: String, path: String, failing: bool },
}

impl Cluster {
    /// Lets a fault begin or end. The error says what is not there.
    pub fn inject(&mut self, fault: Fault, cause: StepId) -> Result<(), String> {
        let text: Arc<str> = format!("{fault:?}").into();
        let step = self.trace.push(self.now, &"fault".into(), cause, What::Fault { text });
        match fault {
            Fault::HoldWatch { process, kind } => self.hold(&process, kind, true),
            Fault::ReleaseWatch { process, kind } => self.hold(&process, kind, false),
            Fault::DelayWatch { process, by } => self.each_watch(&process, None, |w| w.delay = by),
            Fault::DelayRequests { process, by } => {
                self.request_delay.insert(process.component(), by);
                Ok(())
            }
            Fault::Partition { node, is_cut } => self.cut_off(&node, is_cut, step),
            Fault::Stop { process } => {
                let component = process.component();
                self.known(&component)?;
                self.watches.close_all(&component);
                self.stopped.insert(component);
                Ok(())
            }
            Fault::Start { process } => {
                let component = process.component();
                self.known(&component)?;
                if self.stopped.remove(&component) {
                    self.start(&component, step);
                }
                Ok(())
            }
            Fault::Store(health) => {
                self.apiserver.set_health(health);
                Ok(())
            }
            Fault::Compact => {
                let revision = self.etcd().revision();
                self.apiserver.compact(revision);
                Ok(())
            }
            Fault::Node { node, fault } => self.node_fault(&node, fault, step),
            other => self.container_fault(other, step),
        }
    }

    /// Whether a process was started and is not stopped.
    pub fn is_running_process(&self, process: &Process) -> bool {
        let component = process.component();
        // Whoever was started has a stream of chance.
        self.chance.has(&component) && !self.stopped.contains(&component)
    }

    fn known(&self, component: &ComponentId) -> Result<(), String> {
        match component {
            ComponentId::Kubelet(node) if !self.kubelets.contains_key(node) => Err(format!("there is no node {node:?}")),
            _ => Ok(()),
        }
    }

    /// What was held and compacted meanwhile cannot be told any more: the reflector lists anew.
    pub(super) fn hold(&mut self, process: &Process, kind: Option<Kind>, held: bool) -> Result<(), String> {
        let compacted = self.etcd().compacted();
        let mut relisted = Vec::new();
        for (_, watch) in self.watches.iter_mut().filter(|(_, w)| !held && w.held && w.component == process.component()) {
            let missed = watch.line.front().map(|(_, event, _)| event.revision);
            if kind.is_none_or(|k| k == watch.watch.kind) && missed.is_some_and(|first| first <= compacted) {
                watch.relist();
                relisted.push((watch.watch.kind, missed.unwrap_or(0)));
            }
        }
        for (kind, first) in relisted {
            let text =
                format!("the watch of {} ended: too old resource version: {first} ({compacted}); listed anew", kind.resource().plural);
            let note = What::Note { key: None, text: text.into() };
            self.trace.push(self.now, &"reflector".into(), crate::trace::BEGINNING, note);
        }
        self.each_watch(process, kind, |w| w.held = held)
    }

    fn each_watch(&mut self, process: &Process, kind: Option<Kind>, change: impl Fn(&mut super::watches::OpenWatch)) -> Result<(), String> {
        let component = process.component();
        self.known(&component)?;
        let mut touched = Vec::new();
        for (id, watch) in self.watches.iter_mut() {
            if watch.component == component && kind.is_none_or(|k| k == watch.watch.kind) {
                change(watch);
                touched.push(id);
            }
        }
        for id in touched {
            self.push(self.now, Event::Watch { id });
        }
        Ok(())
    }

    fn node_fault(&mut self, node: &str, fault: NodeFault, step: StepId) -> Result<(), String> {
        self.known(&ComponentId::Kubelet(node.into()))?;
        self.with_kubelet(node, step, |kubelet, context| kubelet.set_fault(fault, context));
        self.tell_silence(node, step);
        Ok(())
    }

    /// Does something to a node's kubelet for the reason of a step, and takes its wishes.
    pub(super) fn with_kubelet(&mut self, node: &str, step: StepId, change: impl FnOnce(&mut Kubelet, &mut Context)) {
        let component = ComponentId::Kubelet(node.into());
        let mut outbox = Vec::new();
        let random = self.chance.of(&component);
        let mut context = Context { now: self.now, cause: step, random, outbox: &mut outbox, trace: &mut self.trace };
        let Some(kubelet) = self.kubelets.get_mut(node) else { return };
        change(kubelet, &mut context);
        let next = kubelet.next_wake();
        self.take_wishes(&component, outbox, next);
    }

    /// The controller manager learns that heartbeats of a node stop or are back; the last one was within ten seconds.
    pub(super) fn tell_silence(&mut self, node: &str, step: StepId) {
        let is_silent = self.kubelets.get(node).is_some_and(Kubelet::is_down) || self.cut.contains_key(&ComponentId::Kubelet(node.into()));
        let component = ComponentId::ControllerManager;
        let mut outbox = Vec::new();
        let random = self.chance.of(&component);
        let last = is_silent.then(|| crate::time::SimTime(self.now.0.saturating_sub(random.below(10 * crate::time::SECOND))));
        let mut context = Context { now: self.now, cause: step, random, outbox: &mut outbox, trace: &mut self.trace };
        self.manager.set_silent(node, last, &mut context);
        let next = self.manager.next_wake();
        self.take_wishes(&component, outbox, next);
    }

    fn container_fault(&mut self, fault: Fault, step: StepId) -> Result<(), String> {
        let (namespace, pod, container) = match &fault {
            Fault::CrashContainer { namespace, pod, container, .. }
            | Fault::GrowMemory { namespace, pod, container, .. }
            | Fault::SlowAnswers { namespace, pod, container, .. }
            | Fault::FailPath { namespace, pod, container, .. } => (namespace.clone(), pod.clone(), container.clone()),
            _ => return Ok(()),
        };
        let now = self.now.0;
        let missing = format!("there is no running container {container:?} in pod {namespace}/{pod}");
        let found = self.with_process(&namespace, &pod, &container, step, |process| match fault {
            Fault::CrashContainer { code, .. } => process.set_crash_at(Some((now, code))),
            Fault::GrowMemory { bytes_per_second, .. } => process.set_memory_growth(now, bytes_per_second),
            Fault::SlowAnswers { by, .. } => process.set_extra_latency(by),
            Fault::FailPath { path, failing, .. } => process.set_failing_path(&path, failing),
            _ => {}
        });
        found.ok_or(missing)
    }
}
