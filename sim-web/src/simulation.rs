//! The thread that owns the cluster: it lets virtual time follow the clock, answers requests between two events, and feeds
//! the streams of watchers. Everything that changes the cluster from outside passes the `Session`, which writes it down.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use sim_api::{Answer, Request, Response};
use sim_apimachinery::Kind;
use sim_core::cluster::{ContainerKey, Listener};
use sim_core::kube_apiserver::admission_webhooks::{WebhookAnswer, WebhookCall};
use sim_core::time::SimTime;
use sim_workload::{Given, LogLine, Told};
use tokio::sync::{mpsc, oneshot};

use crate::appointments::Appointments;
use crate::certificates::ClusterTime;
use crate::clock::{Speed, Stopwatch};
use crate::control::Action;
use crate::journal::Place;
use crate::metrics::Figures;
use crate::session::{Outcome, Session};
use crate::story::Narrator;
use crate::streams::{ProxyCall, RedisCall};
use crate::view::{Viewer, Wanted};
use crate::watchers::Stream;
use crate::webhooks::Waiting;

/// Requests that may wait for the thread.
const INBOX_MAX: usize = 4096;
/// How long events are handled before the inbox is looked at again.
const SLICE: Duration = Duration::from_millis(4);
/// How often, in real time, the journal notes how far virtual time has come.
const TICK: Duration = Duration::from_secs(1);

/// What the async side asks of the thread.
pub enum Command {
    /// A request of the API; `at` is when it takes effect, in nanoseconds since the session began, if not at once.
    Http { request: Box<Request>, at: Option<u64>, reply: oneshot::Sender<Reply> },
    /// A request of the control API.
    Control(Action, oneshot::Sender<Result<serde_json::Value, String>>),
    /// Begin a command in a container: its number, or why it cannot be started.
    Begin { at: ContainerKey, command: Vec<String>, stdin: bool, tty: bool, reply: oneshot::Sender<Option<Result<u64, String>>> },
    /// What a command, or the main program, wrote from a piece on.
    Told { at: ContainerKey, command: Option<u64>, from: usize, reply: oneshot::Sender<Option<Told>> },
    /// Input for a command, or for the main program.
    Give { at: ContainerKey, command: Option<u64>, given: Given, reply: oneshot::Sender<()> },
    /// Whether the input of a container's main program is open.
    HasInput { at: ContainerKey, reply: oneshot::Sender<bool> },
    /// A request to a container's port.
    Proxy(Box<ProxyCall>, oneshot::Sender<Option<Response>>),
    /// A command to a Redis server in a container.
    Redis(Box<RedisCall>, oneshot::Sender<Option<sim_workload::Reply>>),
    /// What listens on a port of a pod with this uid; if nothing does, whether the pod is there.
    Dial { namespace: String, pod: String, uid: String, port: u16, reply: oneshot::Sender<Result<Listener, bool>> },
    /// The id of the instance of a container that runs now.
    Instance { namespace: String, pod: String, container: String, reply: oneshot::Sender<Option<String>> },
    /// The log of an instance of a container from a line on, and whether it is still running.
    Log(Box<LogWanted>, oneshot::Sender<Option<(Vec<LogLine>, bool)>>),
    /// What a page does not have yet of the browser view.
    View(Wanted, oneshot::Sender<String>),
    /// How things stand, for `/metrics`.
    Figures(oneshot::Sender<Figures>),
    /// A webhook outside has answered.
    Webhook(Waiting, Box<WebhookAnswer>),
    /// Come to an end.
    Stop,
}

/// Which part of which log is wanted.
pub struct LogWanted {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The container.
    pub container: String,
    /// The instance of the container.
    pub instance: String,
    /// The first line.
    pub from: usize,
}

/// What a request of the API comes to.
pub enum Reply {
    /// A whole answer.
    Complete(Response),
    /// Frames until the sender is gone.
    Stream(Frames),
    /// A connection that the async side holds.
    Connect(Box<sim_api::Connect>),
}

/// Frames on their way to a client, and how many bytes of them wait.
pub struct Frames {
    /// The frames.
    pub receiver: mpsc::Receiver<Vec<u8>>,
    /// The bytes.
    pub waiting: Arc<AtomicUsize>,
    /// Values of the header `Warning`, told before the first frame.
    pub warnings: Vec<String>,
}

/// The way to the thread.
#[derive(Clone)]
pub struct Handle(SyncSender<Command>);

impl Handle {
    /// Sends a command, or hands it back when the thread has too much to do or is gone.
    pub fn try_send(&self, command: Command) -> Result<(), Command> {
        self.0.try_send(command).map_err(|error| match error {
            TrySendError::Full(command) | TrySendError::Disconnected(command) => command,
        })
    }

    /// Sends a command; false when the thread has too much to do or is gone.
    pub fn send(&self, command: Command) -> bool {
        self.try_send(command).is_ok()
    }
}

/// The session and all that belongs to serving it.
pub struct Simulation {
    session: Session,
    streams: Vec<Stream>,
    streams_ever: u64,
    told: u64,
    ticked: Stopwatch,
    ticked_at: Place,
    narrator: Narrator,
    viewer: Viewer,
    /// Requests that wait for their moment.
    appointments: Appointments,
    /// Clients whose requests wait for webhooks.
    waiting: BTreeMap<u64, oneshot::Sender<Reply>>,
    /// Calls that are being made.
    called: BTreeSet<(Waiting, String)>,
    /// Who makes them.
    calls: mpsc::UnboundedSender<(Waiting, WebhookCall)>,
    /// Told how late it is.
    time: ClusterTime,
}

impl Simulation {
    /// Serves a session.
    pub fn new(session: Session, calls: mpsc::UnboundedSender<(Waiting, WebhookCall)>, time: ClusterTime) -> Simulation {
        time.set(session.world.now());
        let (told, ticked_at) = (session.world.cluster().etcd().revision(), session.world.place());
        let narrator = Narrator::caught_up(&session.world.player);
        let viewer = Viewer::new(&session.world.player, session.world.cluster().seed());
        Simulation {
            session,
            streams: vec![],
            streams_ever: 0,
            told,
            ticked: Stopwatch::start(),
            ticked_at,
            narrator,
            viewer,
            appointments: Appointments::default(),
            waiting: BTreeMap::new(),
            called: BTreeSet::new(),
            calls,
            time,
        }
    }

    /// Starts the thread.
    pub fn start(self) -> (Handle, std::thread::JoinHandle<()>) {
        let (sender, inbox) = sync_channel(INBOX_MAX);
        let thread = std::thread::Builder::new().name("simulation".into()).spawn(move || self.run(&inbox));
        (Handle(sender), thread.expect("a thread can be started"))
    }

    fn run(mut self, inbox: &Receiver<Command>) {
        loop {
            let behind = self.advance();
            self.time.set(self.session.world.now());
            self.narrator.news(&self.session.world.player).iter().for_each(|line| println!("{line}"));
            self.feed();
            self.call_out();
            self.tick();
            let wait = if behind { Duration::ZERO } else { self.wait() };
            match inbox.recv_timeout(wait) {
                Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(command) => {
                    if !self.take_all(command, inbox) {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Takes a command and those that came with it, so that many clients cost one look at the clock. False at the end.
    fn take_all(&mut self, first: Command, inbox: &Receiver<Command>) -> bool {
        self.catch_up();
        let mut next = Some(first);
        for _ in 0..64 {
            match next.take() {
                Some(Command::Stop) => return false,
                Some(command) => self.take(command),
                None => return true,
            }
            next = inbox.try_recv().ok();
        }
        if let Some(command) = next {
            self.take(command);
        }
        true
    }

    /// Lets events happen that are due; says whether there are more of them. While time stands still nothing happens.
    fn advance(&mut self) -> bool {
        if self.session.clock.speed() == Speed::Paused {
            return false;
        }
        self.advance_to(self.session.clock.target(), SLICE)
    }

    /// Lets what is due by a moment happen, or whatever there is without one, and requests whose moment comes on the way; says
    /// whether the time given for it was over before all of it was done.
    fn advance_to(&mut self, target: Option<SimTime>, slice: Duration) -> bool {
        let watch = Stopwatch::start();
        loop {
            let meets = self.appointments.next().filter(|at| target.is_none_or(|target| *at <= target));
            let bound = meets.or(target);
            while self.session.world.player.step(bound.unwrap_or(SimTime(u64::MAX))) {
                if watch.elapsed() > slice {
                    self.session.world.remember();
                    return true;
                }
            }
            if let Some(bound) = bound {
                self.session.world.player.run_until(bound);
            }
            self.session.world.remember();
            let Some(at) = meets else { return false };
            self.meet(at);
        }
    }

    /// The moment of requests that waited for it is there. Nothing is done for clients that have left.
    fn meet(&mut self, at: SimTime) {
        while let Some((request, reply)) = self.appointments.due(at) {
            if !reply.is_closed() {
                self.http(*request, reply);
                self.feed();
            }
        }
    }

    /// Brings virtual time to the present before something from outside takes effect.
    fn catch_up(&mut self) {
        if self.advance()
            && let Some(target) = self.session.clock.target()
        {
            self.advance_to(Some(target), Duration::MAX);
        }
    }

    fn wait(&self) -> Duration {
        let next = self.session.world.player.next_move().into_iter().chain(self.appointments.next()).min();
        let event = next.map_or(Duration::from_secs(60), |at| self.session.clock.until(at));
        let streams = self.streams.iter().map(Stream::due).min().unwrap_or(Duration::from_secs(60));
        event.min(streams).min(TICK).max(Duration::from_micros(200))
    }

    fn take(&mut self, command: Command) {
        match command {
            Command::Http { request, at, reply } => {
                let world = &self.session.world;
                let at = at.map(|nanos| SimTime(world.origin.cluster.now().0.saturating_add(nanos)));
                let at = at.filter(|at| *at > world.now());
                self.session.clock.hold_on(at.unwrap_or(world.now()));
                match at {
                    Some(at) => self.appointments.add(at, (request, reply)),
                    None => self.http(*request, reply),
                }
            }
            Command::Webhook(waiting, answer) => {
                self.called.remove(&(waiting, answer.asked.key.clone()));
                if let Waiting::Watch(number) = waiting {
                    return self.answer_watch(number, *answer);
                }
                let outcome = self.session.webhook(waiting, *answer);
                if let (Waiting::Client(number), Some(outcome)) = (waiting, outcome)
                    && let Some(reply) = self.waiting.remove(&number)
                {
                    self.answer(outcome, reply);
                }
            }
            Command::Control(action, reply) => {
                let outcome = self.session.control(&action);
                if outcome.is_ok() && action.replaces() {
                    self.streams.clear();
                    self.called.clear();
                    // Their requests may never have been sent; the numbers they wait under may be others' now.
                    self.waiting.clear();
                    self.appointments.clear();
                    self.told = self.session.world.cluster().etcd().revision();
                    self.viewer.restart(&self.session.world.player);
                }
                let _gone = reply.send(outcome);
            }
            Command::Begin { at, command, stdin, tty, reply } => {
                let _gone = reply.send(self.session.begin_command(at, command, stdin, tty));
            }
            Command::Told { at, command, from, reply } => {
                let _gone = reply.send(self.session.world.cluster().told(&at, command, from));
            }
            Command::Give { at, command, given, reply } => {
                self.session.give(at, command, given);
                let _gone = reply.send(());
            }
            Command::HasInput { at, reply } => {
                let _gone = reply.send(self.session.world.cluster().has_input(&at));
            }
            Command::Proxy(call, reply) => {
                let _gone = reply.send(self.session.proxy(*call));
            }
            Command::Redis(call, reply) => {
                let _gone = reply.send(self.session.redis(*call));
            }
            Command::Dial { namespace, pod, uid, port, reply } => {
                let _gone = reply.send(self.session.world.cluster().dial(&namespace, &pod, &uid, port));
            }
            Command::Instance { namespace, pod, container, reply } => {
                let _gone = reply.send(self.session.world.cluster().instance(&namespace, &pod, &container));
            }
            Command::Log(wanted, reply) => {
                let _gone = reply.send(crate::streams::log_from(self.session.world.cluster(), &wanted));
            }
            Command::View(wanted, reply) => self.viewer.ask(wanted, self.session.standing(), reply),
            Command::Figures(reply) => {
                let _gone = reply.send(self.figures());
            }
            Command::Stop => {}
        }
        self.feed();
    }

    fn http(&mut self, request: Request, reply: oneshot::Sender<Reply>) {
        let outcome = self.session.http(request);
        self.answer(outcome, reply);
    }

    /// Tells a client what its request comes to, or lets it wait for webhooks.
    fn answer(&mut self, outcome: Outcome, reply: oneshot::Sender<Reply>) {
        let answer = match outcome {
            Ok(Answer::Complete(response)) => Reply::Complete(response),
            Ok(Answer::Watch(watch)) => self.open(watch),
            Ok(Answer::Connect(connect)) => Reply::Connect(connect),
            Ok(Answer::Webhooks(_)) => return,
            Err(number) => {
                self.waiting.insert(number, reply);
                return;
            }
        };
        let _gone = reply.send(answer);
    }

    fn figures(&self) -> Figures {
        let cluster = self.session.world.cluster();
        let named = |kind: Kind| {
            let row = kind.resource();
            if row.group.is_empty() { row.plural.to_owned() } else { format!("{}.{}", row.plural, row.group) }
        };
        let mut watchers = BTreeMap::new();
        self.streams.iter().for_each(|stream| *watchers.entry(named(stream.watch.kind())).or_default() += 1);
        let kinds = Kind::ALL.iter().copied().chain(cluster.apiserver().custom_kinds());
        let counts = kinds.map(|kind| (named(kind), cluster.etcd().count(kind) as u64));
        Figures {
            now_seconds: cluster.now().0 as f64 / 1e9,
            elapsed_seconds: cluster.now().since(cluster.started()) as f64 / 1e9,
            speed_milli: match self.session.clock.speed() {
                Speed::Paused => 0,
                Speed::Milli(milli) => i64::try_from(milli).unwrap_or(i64::MAX),
                Speed::Max => -1000,
            },
            events: self.session.world.player.moves(),
            trace_steps: cluster.trace.len() as u64,
            revision: cluster.etcd().revision(),
            watchers,
            objects: counts.filter(|(_, count)| *count > 0).collect(),
        }
    }

    /// Has the webhooks called that requests wait for.
    fn call_out(&mut self) {
        for (waiting, call) in self.session.world.open_calls() {
            if self.called.insert((waiting, call.asked.key.clone())) {
                let _ended = self.calls.send((waiting, call.clone()));
            }
        }
        let wanted: Vec<(u64, WebhookCall)> =
            self.streams.iter().flat_map(|s| s.watch.calls().iter().map(|call| (s.number, call.clone()))).collect();
        for (number, call) in wanted {
            match self.session.ask_inside(call.clone()) {
                Some(answer) => self.answer_watch(number, answer),
                None if self.called.insert((Waiting::Watch(number), call.asked.key.clone())) => {
                    let _ended = self.calls.send((Waiting::Watch(number), call));
                }
                None => {}
            }
        }
        if !self.waiting.is_empty() {
            self.waiting.retain(|_, reply| !reply.is_closed());
        }
    }

    /// A conversion webhook has answered a watch, which may have something to tell now.
    fn answer_watch(&mut self, number: u64, answer: WebhookAnswer) {
        let cluster = &mut self.session.world.player.cluster;
        self.streams.retain_mut(|stream| {
            if stream.number != number {
                return true;
            }
            stream.watch.answered(answer.clone());
            stream.feed(cluster, true)
        });
    }

    fn open(&mut self, watch: Box<sim_api::Watch>) -> Reply {
        let number = self.streams_ever + 1;
        let (stream, frames) = Stream::open(number, watch, &mut self.session.world.player.cluster);
        if let Some(stream) = stream {
            self.streams_ever = number;
            self.streams.push(stream);
        }
        Reply::Stream(frames)
    }

    /// Tells watchers what happened; those that do not read, have left, or are over, are let go.
    fn feed(&mut self) {
        let cluster = &mut self.session.world.player.cluster;
        let revision = cluster.etcd().revision();
        let news: std::collections::BTreeSet<_> = match cluster.etcd().changes_after(self.told) {
            _ if self.told == revision => Default::default(),
            Some(changes) => changes.iter().map(|c| c.object.kind()).collect(),
            None => self.streams.iter().map(|s| s.watch.kind()).collect(),
        };
        self.told = revision;
        self.streams.retain_mut(|stream| stream.feed(cluster, news.contains(&stream.watch.kind())));
        self.viewer.tell(&self.session.world.player, || self.session.standing());
    }

    fn tick(&mut self) {
        let place = self.session.world.place();
        if self.ticked.elapsed() < TICK || self.ticked_at == place {
            return;
        }
        self.ticked = Stopwatch::start();
        self.ticked_at = place;
        self.session.tick();
    }
}
