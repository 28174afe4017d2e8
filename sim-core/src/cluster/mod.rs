//! The hallway: the clock, the event queue, the links between the rooms, faults and history.
//! Every message passes here and only here. Events are ordered by (time, sequence); each carries the step that caused it,
//! so a chain of causes ends at a scenario line or a user's request. The world is plain data and can be cloned.

mod boot;
mod containers;
mod deliveries;
mod faults;
mod log;
mod outcome;
mod partition;
pub mod profile;
mod settings;
mod traffic;
mod usage;
mod user_links;
mod watches;
mod webhooks;

use std::collections::BTreeMap;
use std::sync::Arc;

use sim_apimachinery::{Answer, Kind, Object, ObjectKey, Reason, Reply, Request, Status, Verb};
use sim_workload::ProfileSet;

pub use self::containers::{ContainerKey, Listener};
pub use self::deliveries::{Deliveries, Delivery};
pub use self::faults::{Fault, Process};
pub use self::outcome::{HttpError, HttpFailure, HttpOutcome};
pub use self::profile::{LinkLatencies, Profile};
pub use self::settings::Settings;
use self::traffic::Flight;
pub use self::traffic::{Client, HttpCall, Target};
pub use self::usage::{Usage, Usages};
pub use self::user_links::UserLinks;
use self::watches::{WatchId, Watches};
use crate::component::{ChangeType, Context, Input, WatchEvent, WatchFilter, Wish};
use crate::credentials::Authority;
use crate::dns::Dns;
use crate::etcd::{Etcd, Health};
use crate::kube_apiserver::{ApiServer, ApiServerConfig};
use crate::kube_controller_manager::{KubeControllerManager, ManagerConfig};
use crate::kube_proxy::KubeProxy;
use crate::kube_scheduler::{KubeScheduler, SchedulerConfig};
use crate::kubelet::Kubelet;
use crate::metrics_server::MetricsServer;
use crate::random::{Random, Streams};
use crate::time::{MICROSECOND, Nanos, SECOND, SimTime};
use crate::trace::{BEGINNING, StepId, Trace, What};

/// Names a component that gets messages.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ComponentId {
    /// kube-controller-manager.
    ControllerManager,
    /// kube-scheduler.
    Scheduler,
    /// The kubelet of a node.
    Kubelet(Arc<str>),
    /// All kube-proxies.
    Proxy,
    /// The cluster's DNS.
    Dns,
    /// The metrics server.
    Metrics,
    /// Somebody outside: a scenario's user, kubectl.
    User(u32),
}

/// Something that will happen.
#[derive(Clone, Debug)]
enum Event {
    /// A request reaches the API server and takes effect.
    Request { from: ComponentId, token: u64, request: Request, cause: StepId },
    /// An answer reaches who asked.
    Answer { to: ComponentId, token: u64, answer: Answer, cause: StepId },
    /// Something may have arrived on a watch.
    Watch { id: WatchId },
    /// A component asked to be woken.
    Wake { component: ComponentId },
    /// Leases of the store end.
    Expire,
    /// The metrics server reads the kubelets.
    Scrape,
    /// A request of simulated traffic is over.
    HttpDone { token: u64 },
    /// The API server compacts the store's history.
    Compact,
}

/// The cluster.
#[derive(Clone, Debug)]
pub struct Cluster {
    now: SimTime,
    started: SimTime,
    sequence: u64,
    handled: u64,
    queue: BTreeMap<(SimTime, u64), Event>,
    profile: Arc<Profile>,
    apiserver: ApiServer,
    watches: Watches,
    deliveries: Deliveries,
    usages: Usages,
    told: u64,
    manager: KubeControllerManager,
    scheduler: KubeScheduler,
    kubelets: BTreeMap<Arc<str>, Kubelet>,
    proxy: KubeProxy,
    dns: Dns,
    flights: BTreeMap<u64, Flight>,
    http_done: BTreeMap<u64, HttpOutcome>,
    last_compaction: u64,
    metrics: MetricsServer,
    wakes: BTreeMap<ComponentId, SimTime>,
    chance: Streams<ComponentId>,
    links: Streams<ComponentId>,
    routing: Random,
    answers: BTreeMap<(u32, u64), (SimTime, Answer)>,
    held: BTreeMap<u64, webhooks::Held>,
    calls_out: bool,
    next_token: u64,
    stopped: std::collections::BTreeSet<ComponentId>,
    request_delay: BTreeMap<ComponentId, Nanos>,
    cut: BTreeMap<ComponentId, Vec<partition::Stuck>>,
    seed: u64,
    /// What happened.
    pub trace: Trace,
}

/// When virtual time begins: 2026-01-01T00:00:00Z, plus a part of a second drawn from the seed.
const EPOCH_SECONDS: u64 = 1_767_225_600;
/// Whose stream tells how long commands take to start.
const COMMANDS: ComponentId = ComponentId::User(0);
/// How often the metrics server reads the kubelets.
const SCRAPE_INTERVAL: Nanos = 15 * SECOND;
/// How often the API server compacts the store (`--etcd-compaction-interval`).
const COMPACTION_INTERVAL: Nanos = 300 * SECOND;
/// How long a client waits for a store that cannot answer.
const STORE_TIMEOUT: Nanos = 7 * SECOND;

impl Cluster {
    /// The moment in this second at which a cluster with this seed begins: where in a second things happen decides what times
    /// that are told in seconds show.
    pub fn beginning(seconds: u64, seed: u64) -> SimTime {
        SimTime(seconds * SECOND + Random::named(seed, "start").below(SECOND))
    }

    /// A fresh cluster with all its parts.
    pub fn new(profile: Arc<Profile>, profiles: Arc<ProfileSet>, seed: u64) -> Cluster {
        Cluster::made(profile, profiles, seed, &Settings::default())
    }

    /// A fresh cluster without some of its parts, or begun at another moment. The error names a part that does not exist.
    pub fn with(profile: Arc<Profile>, profiles: Arc<ProfileSet>, seed: u64, settings: &Settings) -> Result<Cluster, String> {
        settings.check()?;
        Ok(Cluster::made(profile, profiles, seed, settings))
    }

    fn made(profile: Arc<Profile>, profiles: Arc<ProfileSet>, seed: u64, settings: &Settings) -> Cluster {
        let mut profile = Arc::new(Profile::clone(&profile).of_run(seed));
        if !settings.has("metrics-server") {
            Arc::make_mut(&mut profile).metrics_server = false;
        }
        let started = settings.start.unwrap_or_else(|| Cluster::beginning(EPOCH_SECONDS, seed));
        let authority = settings.authority.clone().unwrap_or_else(Authority::well_known);
        let manager_config = ManagerConfig { load_balancer: profile.load_balancer, without: settings.without.clone(), authority };
        let mut cluster = Cluster {
            now: started,
            started,
            sequence: 0,
            handled: 0,
            queue: BTreeMap::new(),
            apiserver: ApiServer::new(&ApiServerConfig { service_network: [10, 96] }, seed),
            watches: Watches::default(),
            deliveries: Deliveries::new(settings.remembers_deliveries),
            usages: Usages::new(settings.remembers_deliveries, started),
            told: 0,
            manager: KubeControllerManager::new(&manager_config),
            scheduler: KubeScheduler::new(SchedulerConfig { cycle: profile.scheduling_cycle, ..SchedulerConfig::default() }),
            kubelets: BTreeMap::new(),
            proxy: KubeProxy::new(),
            dns: Dns::new(),
            flights: BTreeMap::new(),
            http_done: BTreeMap::new(),
            last_compaction: 0,
            metrics: MetricsServer::new(),
            wakes: BTreeMap::new(),
            chance: Streams::named(seed, ""),
            links: Streams::named(seed, "links/"),
            routing: Random::named(seed, "routing"),
            answers: BTreeMap::new(),
            held: BTreeMap::new(),
            calls_out: settings.calls_out,
            next_token: 1,
            stopped: Default::default(),
            request_delay: BTreeMap::new(),
            cut: BTreeMap::new(),
            seed,
            trace: Trace::new(started),
            profile,
        };
        cluster.boot(profiles, settings);
        cluster
    }

    /// The time.
    pub fn now(&self) -> SimTime {
        self.now
    }

    /// When the world began.
    pub fn started(&self) -> SimTime {
        self.started
    }

    /// The seed of chance.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The store, to be looked at.
    pub fn etcd(&self) -> &Etcd {
        self.apiserver.etcd()
    }

    /// The profile it was made from.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// An object as it is stored now.
    pub fn object(&self, kind: Kind, namespace: &str, name: &str) -> Option<&Object> {
        self.etcd().get(&ObjectKey::new(kind, namespace, name))
    }

    /// How many events were handled since the world began: with the time, this names a place between two events.
    pub fn events_handled(&self) -> u64 {
        self.handled
    }

    /// When the next event is due.
    pub fn next_event(&self) -> Option<SimTime> {
        self.queue.keys().next().map(|(at, _)| *at)
    }

    /// Handles the next event, if it is due by `until`; says whether there was one.
    pub fn step(&mut self, until: SimTime) -> bool {
        let Some((&(at, sequence), _)) = self.queue.first_key_value() else { return false };
        if at > until {
            return false;
        }
        assert!(at >= self.now, "time never goes back");
        self.read_usage(at);
        self.now = at;
        let event = self.queue.remove(&(at, sequence)).expect("the first event is there");
        self.handled += 1;
        self.dispatch(event);
        true
    }

    /// Handles all events up to a moment, and moves the clock there.
    pub fn run_until(&mut self, until: SimTime) {
        while self.step(until) {}
        self.read_usage(until);
        self.now = self.now.max(until);
    }

    /// A user asks something; the answer can be taken later with the token.
    pub fn submit(&mut self, user: u32, request: Request, cause: StepId) -> u64 {
        let token = self.next_token;
        self.next_token += 1;
        self.send(ComponentId::User(user), self.now, token, request, cause);
        token
    }

    /// The answer to a user's request, once it has arrived.
    pub fn take_answer(&mut self, user: u32, token: u64) -> Option<Answer> {
        self.answers.remove(&(user, token)).map(|(_, answer)| answer)
    }

    /// Asks and waits: runs the cluster until the answer is there.
    pub fn ask(&mut self, user: u32, request: Request, cause: StepId) -> Answer {
        let token = self.submit(user, request, cause);
        loop {
            if let Some(answer) = self.take_answer(user, token) {
                return answer;
            }
            if !self.step(SimTime(u64::MAX)) {
                return Err(Box::new(Status::new(Reason::Timeout, "the request got no answer")));
            }
        }
    }

    /// A client of the HTTP face asks: the answer is there at once, at the present moment, with its warnings.
    /// `text` names the request in the trace.
    pub fn serve(&mut self, request: Request, text: &str) -> (Answer, Vec<String>) {
        let reads = matches!(request.verb, Verb::Get { .. } | Verb::List { .. } | Verb::GetScale { .. });
        let cause = if reads { BEGINNING } else { self.record_request(&request, text) };
        if let Verb::PodMetrics { namespace, labels } = &request.verb {
            return (self.pod_metrics(namespace, labels), vec![]);
        }
        let served = self.apiserver.serve(self.now, request, cause, &mut self.trace);
        self.tell_watchers();
        served
    }

    fn record_request(&mut self, request: &Request, text: &str) -> StepId {
        let user: Arc<str> = request.user.as_ref().map_or("client", |u| u.name.as_str()).into();
        self.trace.push(self.now, &user, BEGINNING, What::Note { key: None, text: text.into() })
    }

    /// The API server, to be asked what only the HTTP face asks.
    pub fn apiserver(&self) -> &ApiServer {
        &self.apiserver
    }

    /// The API server, to be asked what changes its own memory (never an object).
    pub fn apiserver_mut(&mut self) -> &mut ApiServer {
        &mut self.apiserver
    }

    fn push(&mut self, at: SimTime, event: Event) {
        self.sequence += 1;
        self.queue.insert((at, self.sequence), event);
    }

    fn dispatch(&mut self, event: Event) {
        match event {
            Event::Request { from, token, request, cause } => self.on_request(from, token, request, cause),
            Event::Answer { to, token, answer, cause } => self.on_answer(to, token, answer, cause),
            Event::Watch { id } => self.on_watch(id),
            Event::Wake { component } => self.on_wake(&component),
            Event::Expire => self.on_expire(),
            Event::Scrape => self.on_scrape(),
            Event::HttpDone { token } => self.on_http_done(token),
            Event::Compact => self.on_compact(),
        }
    }

    /// Puts a request on its way to the API server.
    fn send(&mut self, from: ComponentId, at: SimTime, token: u64, request: Request, cause: StepId) {
        let Some(request) = self.kept_back(&from, token, request, cause) else { return };
        let links = &self.profile.links;
        let reads = matches!(
            request.verb,
            Verb::Get { .. } | Verb::List { .. } | Verb::GetScale { .. } | Verb::PodMetrics { .. } | Verb::ReviewAccess { .. }
        );
        let random = self.links.of(&from);
        let mut travel = if reads { links.read.draw(random) } else { links.commit.draw(random) };
        if let Verb::PodMetrics { namespace, .. } = &request.verb {
            travel += links.metrics.draw(random) + self.metrics.pods_in(namespace) * links.metrics_per_pod * MICROSECOND;
        }
        travel += self.request_delay.get(&from).copied().unwrap_or(0);
        match self.etcd().health() {
            Health::Healthy => {}
            Health::Slow(extra) => travel += extra,
            Health::NoQuorum => travel += STORE_TIMEOUT,
        }
        self.push(at.plus(travel), Event::Request { from, token, request, cause });
    }

    fn on_request(&mut self, from: ComponentId, token: u64, request: Request, cause: StepId) {
        let Verb::PodMetrics { namespace, labels } = &request.verb else {
            return self.begin_request(from, token, request, cause);
        };
        let answer = self.pod_metrics(namespace, labels);
        let travel = self.profile.links.answer.draw(self.links.of(&from));
        self.push(self.now.plus(travel), Event::Answer { to: from, token, answer, cause });
    }

    fn on_answer(&mut self, to: ComponentId, token: u64, answer: Answer, cause: StepId) {
        if let ComponentId::User(user) = to {
            self.answers.insert((user, token), (self.now, answer));
            return;
        }
        self.give(&to, Input::Answer { token, answer }, cause);
    }

    /// Puts every change that nobody was told of yet on the lines of those who watch.
    fn tell_watchers(&mut self) {
        let changes = self.apiserver.etcd().changes_after(self.told).unwrap_or_default().to_vec();
        for change in changes {
            self.told = change.revision;
            if change.object.kind() == Kind::Event {
                self.expect_expiry();
            }
            for (id, event) in self.watches.concerned(&change) {
                self.deliver_later(id, event, change.step);
            }
        }
    }

    fn deliver_later(&mut self, id: WatchId, event: WatchEvent, cause: StepId) {
        let Some(watch) = self.watches.get_mut(id) else { return };
        let travel = self.profile.links.watch.draw(self.links.of(&watch.component));
        let at = watch.push(self.now.plus(travel), event, cause);
        self.push(at, Event::Watch { id });
    }

    fn on_watch(&mut self, id: WatchId) {
        let Some(watch) = self.watches.get_mut(id) else { return };
        let component = watch.component.clone();
        while let Some((event, cause)) = self.watches.get_mut(id).and_then(|w| w.arrived(self.now)) {
            self.deliveries.add(self.now, id, event.revision);
            self.give(&component, Input::Watch(vec![event]), cause);
        }
    }

    fn on_wake(&mut self, component: &ComponentId) {
        if self.wakes.get(component) == Some(&self.now) {
            self.wakes.remove(component);
        }
        self.give(component, Input::Wake, BEGINNING);
    }

    /// Gives a component its input, and takes its wishes.
    fn give(&mut self, component: &ComponentId, input: Input, cause: StepId) {
        if self.stopped.contains(component) {
            return;
        }
        let mut outbox = Vec::new();
        let random = self.chance.of(component);
        let mut context = Context { now: self.now, cause, random, outbox: &mut outbox, trace: &mut self.trace };
        let next = match component {
            ComponentId::ControllerManager => {
                self.manager.handle(input, &mut context);
                self.manager.next_wake()
            }
            ComponentId::Scheduler => {
                self.scheduler.handle(input, &mut context);
                self.scheduler.next_wake()
            }
            ComponentId::Kubelet(node) => self.kubelets.get_mut(node).and_then(|kubelet| {
                kubelet.handle(input, &mut context);
                kubelet.next_wake()
            }),
            ComponentId::Proxy => {
                match input {
                    Input::Watch(events) => self.proxy.handle_events(self.now, &events),
                    Input::Start => self.proxy.begin(self.now),
                    _ => {}
                }
                None
            }
            ComponentId::Dns => {
                match input {
                    Input::Watch(events) => self.dns.handle_events(&events),
                    Input::Start => self.dns = Dns::new(),
                    _ => {}
                }
                None
            }
            ComponentId::Metrics | ComponentId::User(_) => None,
        };
        self.take_wishes(component, outbox, next);
    }

    /// Does what a component wished for, and remembers when it wants to be woken.
    fn take_wishes(&mut self, component: &ComponentId, outbox: Vec<Wish>, next: Option<SimTime>) {
        self.wake_at(component, next);
        for wish in outbox {
            match wish {
                Wish::Request { at, token, request, cause } => self.send(component.clone(), at, token, request, cause),
                Wish::Network { namespace, pod, container, cause } => self.answer_network(&namespace, &pod, &container, cause),
            }
        }
    }

    fn wake_at(&mut self, component: &ComponentId, next: Option<SimTime>) {
        let Some(at) = next else { return };
        let at = at.max(self.now);
        if self.wakes.get(component).is_some_and(|due| *due <= at && *due >= self.now) {
            return;
        }
        self.wakes.insert(component.clone(), at);
        self.push(at, Event::Wake { component: component.clone() });
    }

    fn expect_expiry(&mut self) {
        if self.wakes.contains_key(&ComponentId::User(u32::MAX)) {
            return;
        }
        if let Some(at) = self.apiserver.etcd().next_expiry() {
            self.wakes.insert(ComponentId::User(u32::MAX), at);
            self.push(at, Event::Expire);
        }
    }

    fn on_expire(&mut self) {
        self.wakes.remove(&ComponentId::User(u32::MAX));
        self.apiserver.expire(self.now, &mut self.trace);
        self.tell_watchers();
        self.expect_expiry();
    }

    fn on_scrape(&mut self) {
        let mut samples = Vec::new();
        for kubelet in self.kubelets.values() {
            samples.extend(kubelet.samples());
        }
        self.metrics.scrape(self.now, &samples);
        self.push(self.now.plus(SCRAPE_INTERVAL), Event::Scrape);
    }

    /// What was written before the last compaction is compacted now, as the API server does every five minutes.
    fn on_compact(&mut self) {
        let current = self.etcd().revision();
        let revision = std::mem::replace(&mut self.last_compaction, current);
        if self.etcd().health() != Health::NoQuorum {
            self.apiserver.compact(revision);
        }
        self.push(self.now.plus(COMPACTION_INTERVAL), Event::Compact);
    }

    fn pod_metrics(&self, namespace: &str, labels: &str) -> Answer {
        let unavailable = || {
            Box::new(Status::new(
                Reason::ServiceUnavailable,
                "the server is currently unable to handle the request (get pods.metrics.k8s.io)",
            ))
        };
        if !self.profile.metrics_server {
            return Err(unavailable());
        }
        let selector = sim_apimachinery::selector::Selector::parse(labels).map_err(|_| unavailable())?;
        let nothing = Default::default();
        let chosen = |name: &str| {
            if namespace.is_empty() {
                return true;
            }
            self.object(Kind::Pod, namespace, name).is_some_and(|p| selector.matches(p.metadata().labels.as_ref().unwrap_or(&nothing)))
        };
        Ok(Reply::PodMetrics(self.metrics.pod_metrics(namespace, &chosen)))
    }

    /// How long a command takes until its first request. kubectl reads the schemas of groups with so many kinds before that.
    pub fn command_latency(&mut self, schema_kinds: u64) -> Nanos {
        self.profile.links.command_starts(self.links.of(&COMMANDS), schema_kinds)
    }

    /// Tells the trace of something a user did.
    pub fn act(&mut self, user: &str, text: &str, line: u32) -> StepId {
        self.trace.push(self.now, &user.into(), BEGINNING, What::Action { text: text.into(), line })
    }

    /// Lets a component begin (again): it is told of everything there is.
    fn start(&mut self, component: &ComponentId, cause: StepId) {
        let watches = match component {
            ComponentId::ControllerManager => self.manager.watches(),
            ComponentId::Scheduler => self.scheduler.watches(),
            ComponentId::Kubelet(node) => self.kubelets.get(node).map(Kubelet::watches).unwrap_or_default(),
            ComponentId::Proxy => self.proxy.watches(),
            ComponentId::Dns => self.dns.watches(),
            ComponentId::Metrics | ComponentId::User(_) => vec![],
        };
        self.give(component, Input::Start, cause);
        for watch in watches {
            let revision = self.etcd().revision();
            let of_kind = self.etcd().list(watch.kind, "");
            let present: Vec<WatchEvent> = of_kind
                .chain(self.etcd().list_custom())
                .filter(|o| watches::admits(&watch.filter, o) && (o.kind() == watch.kind || watch.filter == WatchFilter::Custom))
                .map(|o| WatchEvent { change: ChangeType::Added, object: o.clone(), revision })
                .collect();
            self.watch(component, watch, revision);
            if !present.is_empty() {
                self.give(component, Input::Watch(present), cause);
            }
        }
    }
}
