//! Faults as a scenario writes them, made into faults of the cluster; and their ends, when a time is given.

use sim_apimachinery::quantity::Quantity;
use sim_apimachinery::{Kind, ObjectKey};

use super::commands::namespace_or_default;
use super::{Done, Later, Player, StepError};
use crate::cluster::{Fault, Process};
use crate::etcd::Health;
use crate::kubelet::NodeFault;
use crate::scenario::format::{ContainerFault, EtcdFault, EtcdState, FaultStep, NodeFaultStep, NodeState, WatchFault};
use crate::scenario::load::duration;
use crate::time::Nanos;

impl Player {
    pub(super) fn fault(&mut self, step: &FaultStep) -> Done<()> {
        match step {
            FaultStep { hold_watch: Some(f), .. } => {
                let (process, kind) = (process(&f.process, f.node.as_ref())?, kind(self, f)?);
                self.begin_fault(
                    Fault::HoldWatch { process: process.clone(), kind },
                    f.duration.as_ref(),
                    Fault::ReleaseWatch { process, kind },
                )
            }
            FaultStep { delay_watch: Some(f), .. } => {
                let process = process(&f.process, f.node.as_ref())?;
                self.begin_fault(
                    Fault::DelayWatch { process: process.clone(), by: by(f)? },
                    f.duration.as_ref(),
                    Fault::DelayWatch { process, by: 0 },
                )
            }
            FaultStep { delay_requests: Some(f), .. } => {
                let process = process(&f.process, f.node.as_ref())?;
                self.begin_fault(
                    Fault::DelayRequests { process: process.clone(), by: by(f)? },
                    f.duration.as_ref(),
                    Fault::DelayRequests { process, by: 0 },
                )
            }
            FaultStep { partition: Some(f), .. } => {
                let of = |is_cut| Fault::Partition { node: f.node.clone(), is_cut };
                self.begin_fault(of(true), f.duration.as_ref(), of(false))
            }
            FaultStep { join: Some(f), .. } => self.inject(Fault::Partition { node: f.node.clone(), is_cut: false }),
            FaultStep { stop: Some(f), .. } => {
                let process = process(&f.process, f.node.as_ref())?;
                self.begin_fault(Fault::Stop { process: process.clone() }, f.duration.as_ref(), Fault::Start { process })
            }
            FaultStep { start: Some(f), .. } => self.inject(Fault::Start { process: process(&f.process, f.node.as_ref())? }),
            FaultStep { etcd: Some(f), .. } => self.etcd_fault(f),
            FaultStep { node: Some(f), .. } => self.node_fault(f),
            FaultStep { container: Some(f), .. } => self.container_fault(f),
            _ => Err(StepError::Failed(
                "a fault needs one of: holdWatch, delayWatch, delayRequests, partition, join, stop, start, etcd, node, container".into(),
            )),
        }
    }

    fn inject(&mut self, fault: Fault) -> Done<()> {
        let cause = self.cause;
        self.cluster.inject(fault, cause).map_err(StepError::Failed)
    }

    fn begin_fault(&mut self, fault: Fault, length: Option<&String>, end: Fault) -> Done<()> {
        if let Some(length) = length {
            let at = self.cluster.now().plus(duration(length)?);
            self.do_later(at, Later::Fault(end));
        }
        self.inject(fault)
    }

    fn etcd_fault(&mut self, fault: &EtcdFault) -> Done<()> {
        let health = match fault.state {
            EtcdState::Healthy => Health::Healthy,
            EtcdState::Slow => Health::Slow(fault.by.as_deref().map_or(Ok(0), duration)?),
            EtcdState::NoQuorum => Health::NoQuorum,
            EtcdState::Compacted => return self.inject(Fault::Compact),
        };
        self.begin_fault(Fault::Store(health), fault.duration.as_ref(), Fault::Store(Health::Healthy))
    }

    fn node_fault(&mut self, fault: &NodeFaultStep) -> Done<()> {
        let (begin, end) = match fault.state {
            NodeState::Down => (NodeFault::Down, NodeFault::Up),
            NodeState::Up => (NodeFault::Up, NodeFault::Up),
            NodeState::MemoryPressure => (NodeFault::MemoryPressure(true), NodeFault::MemoryPressure(false)),
            NodeState::DiskPressure => (NodeFault::DiskPressure(true), NodeFault::DiskPressure(false)),
            NodeState::PidPressure => (NodeFault::PidPressure(true), NodeFault::PidPressure(false)),
        };
        let of = |state| Fault::Node { node: fault.name.clone(), fault: state };
        self.begin_fault(of(begin), fault.duration.as_ref(), of(end))
    }

    fn container_fault(&mut self, fault: &ContainerFault) -> Done<()> {
        let namespace = namespace_or_default(fault.namespace.as_ref());
        let pods: Vec<ObjectKey> = self.pods(&fault.pod, Some(&namespace))?;
        if pods.is_empty() {
            return Err(StepError::Failed("no pod matches".into()));
        }
        for key in pods {
            let container = self.container(&key, fault.container.as_deref())?;
            let (namespace, pod) = (key.namespace.to_string(), key.name.to_string());
            let slow = |by: Nanos| Fault::SlowAnswers { namespace: namespace.clone(), pod: pod.clone(), container: container.clone(), by };
            let fail = |path: &str, failing| Fault::FailPath {
                namespace: namespace.clone(),
                pod: pod.clone(),
                container: container.clone(),
                path: path.into(),
                failing,
            };
            let grow = |bytes_per_second| Fault::GrowMemory {
                namespace: namespace.clone(),
                pod: pod.clone(),
                container: container.clone(),
                bytes_per_second,
            };
            let (begin, end) = match fault {
                ContainerFault { crash: Some(code), .. } => {
                    let crash =
                        Fault::CrashContainer { namespace: namespace.clone(), pod: pod.clone(), container: container.clone(), code: *code };
                    self.inject(crash)?;
                    continue;
                }
                ContainerFault { memory_per_second: Some(amount), .. } => {
                    let bytes = Quantity::parse(amount).map_err(StepError::Failed)?.value().max(0) as u64;
                    (grow(bytes), grow(0))
                }
                ContainerFault { slow_by: Some(by), .. } => (slow(duration(by)?), slow(0)),
                ContainerFault { fail_path: Some(path), .. } => (fail(path, true), fail(path, false)),
                _ => return Err(StepError::Failed("a container fault needs one of: crash, memoryPerSecond, slowBy, failPath".into())),
            };
            self.begin_fault(begin, fault.duration.as_ref(), end)?;
        }
        Ok(())
    }
}

fn process(name: &str, node: Option<&String>) -> Done<Process> {
    match (name, node) {
        ("kube-controller-manager", _) => Ok(Process::KubeControllerManager),
        ("kube-scheduler", _) => Ok(Process::KubeScheduler),
        ("kube-proxy", _) => Ok(Process::KubeProxy),
        ("coredns", _) => Ok(Process::Coredns),
        ("kubelet", Some(node)) => Ok(Process::Kubelet(node.clone())),
        ("kubelet", None) => Err(StepError::Failed("which kubelet? give its node".into())),
        _ => Err(StepError::Failed(format!(
            "there is no process {name:?}: kube-controller-manager, kube-scheduler, kube-proxy, coredns, kubelet"
        ))),
    }
}

fn kind(player: &Player, fault: &WatchFault) -> Done<Option<Kind>> {
    fault.kind.as_deref().map(|word| player.kind(word)).transpose()
}

fn by(fault: &WatchFault) -> Done<Nanos> {
    match &fault.by {
        Some(by) => Ok(duration(by)?),
        None => Err(StepError::Failed("by how much? give `by`".into())),
    }
}
