//! The kubelet of one node, with the container runtime under it: takes the pods bound to its node through their lives.
//! A pod's worker does one sync at a time (`pod_worker`, `sync_pod`); what the runtime does is noticed by relists (`pleg`);
//! probes run on their own tickers (`probes`, `prober`); one status manager sends statuses one by one (`status_manager`).
//! Everything that takes CPU is shared among the pods that want it (`shared_cpu`), so five pods starting at once slow down.
//! Not modelled: static pods, device plugins, image garbage collection, log rotation, user namespaces, checkpoints,
//! in-place resize, ephemeral containers, swap. A running process does not slow down because others use the node's CPUs.

mod access;
mod actions;
mod admission;
mod cadvisor;
mod causes;
mod conditions;
mod config;
mod containers;
mod env;
mod eviction;
mod faults;
mod images;
mod kill;
mod latencies;
mod node_status;
mod pleg;
mod pod_worker;
mod pods;
mod probe_check;
mod prober;
mod probes;
mod resources;
mod restart;
mod runtime;
mod shared_cpu;
mod sources;
mod start_container;
mod status;
mod status_manager;
mod sync_pod;
#[cfg(test)]
mod tests;
mod volumes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sim_apimachinery::{Answer, Kind, Object, Request, Verb};
use sim_workload::{Disk, ProfileSet};

pub use self::config::{KubeletConfig, NodeConfig, RegistryConfig};
pub use self::faults::NodeFault;
pub use self::latencies::{KubeletLatencies, PokeChances};
use self::pod_worker::PodWorker;
use self::probe_check::Outcome;
use self::probes::ProbeKind;
use self::shared_cpu::SharedCpu;
use self::sources::Sources;
use crate::client_go::{Caches, EventDraft, EventRecorder, EventStyle, ObjectReference};
use crate::component::{Context, Input, Watch, WatchFilter};
use crate::time::{SECOND, SimTime, TimerQueue};
use crate::trace::{BEGINNING, StepId, What};

/// A pod's uid.
pub(crate) type Uid = Arc<str>;

/// What a kubelet does at a moment it set itself.
#[derive(Clone, Debug)]
enum Timer {
    /// A pod's update has reached its worker.
    Dispatch(Uid),
    /// A sync goes on.
    Resume(Uid, u64),
    /// All containers are looked at.
    Relist,
    /// One pod's containers are looked at, because its sync did something.
    RelistPod(Uid),
    /// Pods that are due are looked at again.
    Tick,
    /// A probe ticks.
    Probe(Uid, String, ProbeKind, u64),
    /// A probe's check is made.
    ProbeDone(Uid, String, ProbeKind, Outcome),
    /// A container's preStop hook is over, or its grace.
    PreStopDone(Uid, String),
    /// A container's grace is over.
    GraceOver(Uid, String),
    /// The status manager looks whether a pod's status is what it sent.
    Reconcile(Uid),
    /// The status manager has read a pod.
    StatusRead(Uid),
    /// A pod's active deadline has come.
    Deadline(Uid),
    /// The lease is renewed.
    Lease,
    /// The node's status is reported.
    NodeStatus,
    /// Pressure is looked at.
    Eviction,
    /// What no pod owns is taken away.
    Housekeeping,
    /// What an instance of a container uses is read.
    ReadUsage(Uid, String, Arc<str>),
}

/// A piece of work on the node's CPUs.
#[derive(Clone, Debug)]
enum Work {
    /// A step of a pod's sync.
    Run(Uid, u64),
    /// The runtime's part in stopping a container.
    Stop(Uid, String),
}

/// What an answer is for.
#[derive(Clone, Debug)]
enum Asked {
    /// An object a pod names.
    Source(Uid, u64, sim_apimachinery::ObjectKey),
    /// The status manager's patch.
    Status(Uid),
    /// The status manager's deletion.
    Delete(Uid),
    /// An event.
    Event,
    /// The node was created.
    Node,
    /// The node's status was patched.
    NodeStatus,
    /// The lease was written.
    Lease,
}

/// The kubelet of one node.
#[derive(Clone, Debug)]
pub struct Kubelet {
    config: Arc<KubeletConfig>,
    profiles: Arc<ProfileSet>,
    component: Arc<str>,
    manager: Arc<str>,
    caches: Caches,
    pods: BTreeMap<Uid, PodWorker>,
    names: BTreeMap<(Arc<str>, Arc<str>), Uid>,
    timers: TimerQueue<(Timer, StepId)>,
    cpu: SharedCpu<(Work, StepId)>,
    recorder: EventRecorder,
    status: status_manager::StatusManager,
    asked: BTreeMap<u64, Asked>,
    next_token: u64,
    tickets: u64,
    sources: Sources,
    images: images::ImageManager,
    pleg: pleg::Pleg,
    ticks: pleg::Grid,
    tick_planned: Option<SimTime>,
    processes: runtime::ProcessClock,
    addresses: runtime::Addresses,
    cadvisor: cadvisor::Cadvisor,
    node_disks: BTreeMap<String, Disk>,
    orphans: BTreeMap<Uid, PodWorker>,
    node: node_status::NodeState,
    chance: u64,
    arrivals: u64,
    faults: faults::Faults,
}

impl Kubelet {
    /// A kubelet that has not been started; `Input::Start` does that.
    pub fn new(config: Arc<KubeletConfig>, profiles: Arc<ProfileSet>) -> Kubelet {
        let node = config.node.clone();
        Kubelet {
            component: format!("kubelet/{node}").into(),
            manager: "kubelet".into(),
            caches: Caches::default(),
            pods: BTreeMap::new(),
            names: BTreeMap::new(),
            timers: TimerQueue::default(),
            cpu: SharedCpu::new(config.cpus(), config.latencies.work_demand_percent),
            recorder: EventRecorder::new("kubelet", "kubelet", Some(node), EventStyle::Core),
            status: status_manager::StatusManager::default(),
            asked: BTreeMap::new(),
            next_token: 0,
            tickets: 0,
            sources: Sources::default(),
            images: images::ImageManager::new(&config),
            pleg: pleg::Pleg::default(),
            ticks: pleg::Grid::default(),
            tick_planned: None,
            processes: runtime::ProcessClock::default(),
            cadvisor: cadvisor::Cadvisor::default(),
            addresses: runtime::Addresses::new(&config.node_config.pod_cidr),
            node_disks: BTreeMap::new(),
            orphans: BTreeMap::new(),
            node: node_status::NodeState::default(),
            chance: 0,
            arrivals: 0,
            faults: faults::Faults::default(),
            profiles,
            config,
        }
    }

    /// What it watches: the pods of its node, its node, and all services (for containers' environments).
    pub fn watches(&self) -> Vec<Watch> {
        let node = self.config.node.clone();
        vec![
            Watch { kind: Kind::Node, filter: WatchFilter::Named(node.clone()) },
            Watch { kind: Kind::Service, filter: WatchFilter::All },
            Watch { kind: Kind::Pod, filter: WatchFilter::OnNode(node) },
        ]
    }

    /// Takes in something that happened.
    pub fn handle(&mut self, input: Input, context: &mut Context) {
        self.refresh_touched(context);
        if self.faults.off {
            if let Input::Watch(events) = input {
                events.iter().for_each(|e| _ = self.caches.apply(e));
            }
            return;
        }
        match input {
            Input::Start => self.start(context),
            Input::Watch(events) => self.on_watch_events(&events, context),
            Input::Answer { token, answer } => self.on_answer(token, answer, context),
            Input::Wake => {}
        }
        self.run_due(context);
        self.send_events(context);
    }

    /// When it wants to be woken.
    pub fn next_wake(&self) -> Option<SimTime> {
        if self.faults.off {
            return None;
        }
        [self.timers.next(), self.cpu.next(), self.processes.next()].into_iter().flatten().min()
    }

    fn start(&mut self, context: &mut Context) {
        self.forget_all();
        let now = context.now;
        self.watch_usage_of_all(now);
        self.chance = context.random.bits();
        let period = self.config.latencies.relist_period;
        self.pleg.grid = pleg::Grid::new(now.plus(context.random.below(period)), period);
        self.ticks = pleg::Grid::new(now.plus(context.random.below(SECOND)), SECOND);
        self.later(now.plus(2 * SECOND), Timer::Housekeeping, context);
        self.start_node(context);
    }

    /// A kubelet that starts knows nothing; what runs on the node goes on.
    fn forget_all(&mut self) {
        self.timers = TimerQueue::default();
        self.cpu = SharedCpu::new(self.config.cpus(), self.config.latencies.work_demand_percent);
        self.recorder = EventRecorder::new("kubelet", "kubelet", Some(self.config.node.clone()), EventStyle::Core);
        self.status = status_manager::StatusManager::default();
        self.asked.clear();
        self.names.clear();
        self.caches = Caches::default();
        self.tick_planned = None;
        self.cadvisor = cadvisor::Cadvisor::default();
        self.pleg.reset();
        self.images.forget_backoff();
        let left = std::mem::take(&mut self.pods);
        self.orphans.extend(left);
    }

    /// Does everything that is due.
    fn run_due(&mut self, context: &mut Context) {
        loop {
            if let Some((uid, name)) = self.processes.pop_due(context.now) {
                context.cause = self.origin(&uid, &name).map_or(BEGINNING, |origin| origin.doing(context.now));
                self.advance_process(&uid, &name, context);
                continue;
            }
            let works = if self.cpu.next().is_some_and(|at| at <= context.now) { self.cpu.done(context.now) } else { vec![] };
            if !works.is_empty() {
                for (work, cause) in works {
                    context.cause = cause;
                    self.on_work(work, context);
                }
                continue;
            }
            let Some((timer, cause)) = self.timers.pop_due(context.now) else { return };
            context.cause = cause;
            self.on_timer(timer, context);
        }
    }

    fn on_work(&mut self, work: Work, context: &mut Context) {
        match work {
            Work::Run(uid, ticket) => self.resume(&uid, ticket, context),
            Work::Stop(uid, name) => self.signal_container(&uid, &name, context),
        }
    }

    fn on_timer(&mut self, timer: Timer, context: &mut Context) {
        match timer {
            Timer::Dispatch(uid) => self.update(&uid, context),
            Timer::Resume(uid, ticket) => self.resume(&uid, ticket, context),
            Timer::Relist => self.relist(context),
            Timer::RelistPod(uid) => self.relist_pod(&uid, context),
            Timer::Tick => self.tick(context),
            Timer::Probe(uid, name, kind, ticket) => self.probe_ticked(&uid, &name, kind, ticket, context),
            Timer::ProbeDone(uid, name, kind, outcome) => self.probe_done(&uid, &name, kind, outcome, context),
            Timer::PreStopDone(uid, name) => self.pre_stop_done(&uid, &name, context),
            Timer::GraceOver(uid, name) => self.grace_over(&uid, &name, context),
            Timer::Reconcile(uid) => self.reconcile_status(&uid, context),
            Timer::StatusRead(uid) => self.status_read(&uid, context),
            Timer::Deadline(uid) => self.update(&uid, context),
            Timer::Lease => self.renew_lease(context),
            Timer::NodeStatus => self.report_node(context),
            Timer::Eviction => self.look_at_pressure(context),
            Timer::Housekeeping => self.housekeeping(context),
            Timer::ReadUsage(uid, name, instance) => self.read_usage(&uid, &name, &instance, context.now),
        }
    }

    fn on_answer(&mut self, token: u64, answer: Answer, context: &mut Context) {
        match self.asked.remove(&token) {
            Some(Asked::Source(uid, ticket, key)) => self.source_answered(&uid, ticket, key, answer, context),
            Some(Asked::Status(uid)) => self.status_answered(&uid, answer, context),
            Some(Asked::Delete(uid)) => self.delete_answered(&uid, answer, context),
            Some(Asked::Event) => self.recorder.answered(),
            Some(Asked::Node) => self.node_answered(answer, context),
            Some(Asked::NodeStatus) => self.node_status_answered(answer),
            Some(Asked::Lease) => self.lease_answered(answer, context),
            None => {}
        }
    }

    fn ask(&mut self, verb: Verb, asked: Asked, context: &mut Context) {
        self.next_token += 1;
        self.asked.insert(self.next_token, asked);
        context.request(self.next_token, Request::new(&self.manager, verb));
    }

    fn send_events(&mut self, context: &mut Context) {
        while let Some((request, cause)) = self.recorder.next_request() {
            self.next_token += 1;
            self.asked.insert(self.next_token, Asked::Event);
            context.outbox.push(crate::component::Wish::Request { at: context.now, token: self.next_token, request, cause });
        }
    }

    /// Tells an event about a pod, or about one of its containers; what follows now follows from it.
    fn tell(&mut self, uid: &str, container: Option<&str>, warning: bool, reason: &'static str, message: &str, context: &mut Context) {
        let Some(worker) = self.pods.get(uid) else { return };
        let mut about = ObjectReference::to(&Object::Pod(worker.pod.clone()));
        if let Some(name) = container {
            about.field_path = containers::field_path(&worker.pod, name);
        }
        let text = format!("{reason}: {}{message}", container.map(|c| format!("{c}: ")).unwrap_or_default());
        context.cause = context.record(&self.component, What::Node { key: worker.key.clone(), text: text.into() });
        let draft = EventDraft { warning, ..EventDraft::normal(about, reason, message) };
        self.recorder.tell(context.now, &draft, None, context.cause);
    }

    /// Tells the trace what is done to a pod; what follows now follows from it.
    fn note(&self, uid: &str, text: String, context: &mut Context) {
        if let Some(worker) = self.pods.get(uid) {
            context.cause = context.record(&self.component, What::Node { key: worker.key.clone(), text: text.into() });
        }
    }

    fn ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }

    fn named_sources(&self) -> BTreeSet<sim_apimachinery::ObjectKey> {
        self.pods.values().flat_map(|w| sources::named_by(&w.pod)).collect()
    }
}
