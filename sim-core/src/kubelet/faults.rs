//! What can go wrong with a node, on purpose: the fourth fault seam. Faults of single containers are set on their processes.
//! Not modelled: a clock that is off, a runtime that hangs, network faults (those are links of the hallway).

use sim_workload::Signal;

use super::Kubelet;
use super::admission::Pressure;
use super::containers::State;
use crate::component::Context;
use crate::time::{Nanos, SimTime};
use crate::trace::What;

/// Something that happens to a node, or stops happening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeFault {
    /// The machine loses power: kubelet and containers are gone at once, nothing is told to anybody.
    Down,
    /// The machine starts again: containers that ran are found dead, and pods are started anew.
    Up,
    /// It is short of memory, or not any more.
    MemoryPressure(bool),
    /// It is short of disk, or not any more.
    DiskPressure(bool),
    /// It has too many processes, or not any more.
    PidPressure(bool),
    /// Every container started from now on comes up this much later.
    SlowStart(Nanos),
    /// No image can be pulled, or images can again.
    PullsFail(bool),
    /// The kubelet evicts one pod.
    EvictPod { namespace: String, pod: String, message: String },
}

/// What is wrong with a node now.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// The machine is off.
    pub off: bool,
    /// The API server is out of reach.
    pub cut_off: bool,
    /// How often it was switched on again.
    pub boots: u32,
    /// What it is short of.
    pub pressure: Pressure,
    /// How much later containers come up.
    pub slow_start: Nanos,
    /// No image can be pulled.
    pub pulls_fail: bool,
}

impl Kubelet {
    /// Lets a fault begin or end.
    pub fn set_fault(&mut self, fault: NodeFault, context: &mut Context) {
        context.cause = context.record(&self.component.clone(), What::Fault { text: format!("{}: {fault:?}", self.config.node).into() });
        match fault {
            NodeFault::Down => self.power_off(context.now),
            NodeFault::Up => self.power_on(context),
            NodeFault::MemoryPressure(on) => self.press(|p| p.memory = on, context),
            NodeFault::DiskPressure(on) => self.press(|p| p.disk = on, context),
            NodeFault::PidPressure(on) => self.press(|p| p.pid = on, context),
            NodeFault::SlowStart(by) => self.faults.slow_start = by,
            NodeFault::PullsFail(fail) => self.faults.pulls_fail = fail,
            NodeFault::EvictPod { namespace, pod, message } => {
                if let Some(uid) = self.uid_of(&namespace, &pod) {
                    self.evict(&uid, &message, context);
                }
            }
        }
        if !self.faults.off {
            self.run_due(context);
            self.send_events(context);
        }
    }

    /// The link to the API server is cut, or there again: then the node tells of itself anew, whatever it had told before.
    pub fn set_cut_off(&mut self, is_cut: bool, context: &mut Context) {
        if is_cut && !self.faults.cut_off && self.config.node_config.quiet_heartbeats {
            self.node.lose_renewal(context.now);
        }
        self.faults.cut_off = is_cut;
        if !is_cut && !self.faults.off {
            self.node.tell_anew(context.now);
            self.node_changed(context);
        }
    }

    /// Whether the machine is off.
    pub fn is_down(&self) -> bool {
        self.faults.off
    }

    fn press(&mut self, change: impl FnOnce(&mut Pressure), context: &mut Context) {
        change(&mut self.faults.pressure);
        if !self.faults.off {
            self.node_changed(context);
            self.later(context.now, super::Timer::Eviction, context);
        }
    }

    fn power_off(&mut self, now: SimTime) {
        self.faults.off = true;
        if self.config.node_config.quiet_heartbeats && !self.faults.cut_off {
            self.node.lose_renewal(now);
        }
        for (uid, worker) in &mut self.pods {
            worker.sandbox.ready = false;
            if let Some(ip) = worker.sandbox.ip.take() {
                self.addresses.release(&ip);
            }
            for (name, record) in &mut worker.records {
                self.processes.plan(uid, name, None);
                let Some(instance) = record.current.as_mut() else { continue };
                let State::Running { since } = instance.state else { continue };
                if let Some(process) = instance.process.as_mut() {
                    process.signal(now.0, Signal::Kill);
                }
                instance.state = State::Exited { since: Some(since), at: now, code: 255, reason: "Unknown".into(), message: None };
            }
        }
    }

    fn power_on(&mut self, context: &mut Context) {
        if !self.faults.off {
            return;
        }
        self.faults.off = false;
        self.faults.boots += 1;
        let caches = std::mem::take(&mut self.caches);
        self.start(context);
        self.caches = caches;
        let text = format!("Node {} has been rebooted, boot id: {}", self.config.node, self.faults.boots);
        self.tell_node("Rebooted", true, &text, context);
        self.retell_pods(context);
    }
}
