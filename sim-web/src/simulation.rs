//! The thread that owns the cluster: it lets virtual time follow the clock, answers requests between two events, and feeds
//! the streams of watchers. Everything that changes the cluster from outside passes `Simulation::take` and is written down.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use sim_api::{Answer, Frontend, Request, Response};
use sim_core::cluster::Cluster;
use sim_core::time::SimTime;
use sim_core::trace::recording;
use tokio::sync::{mpsc, oneshot};

use crate::clock::{Clock, Speed, Stopwatch};
use crate::control::{Action, Branches};
use crate::journal::{Entry, Input, Journal, KeptRequest};
use crate::streams::{ExecResult, ProxyCall};

/// Requests that may wait for the thread.
const INBOX_MAX: usize = 4096;
/// How long events are handled before the inbox is looked at again.
const SLICE: Duration = Duration::from_millis(4);
/// How often, in real time, the journal notes how far virtual time has come.
const TICK: Duration = Duration::from_secs(1);
/// Frames that may wait for a slow watcher before it is cut off.
const FRAMES_MAX: usize = 512;
/// How long a watch lives if the client does not say.
const WATCH_SECONDS_DEFAULT: u64 = 1800;
/// How often a watcher gets a bookmark.
const BOOKMARK_INTERVAL: Duration = Duration::from_secs(60);
/// How long before the end of a stream its last bookmark comes.
const BOOKMARK_BEFORE_END: Duration = Duration::from_secs(2);

/// What the async side asks of the thread.
pub enum Command {
    /// A request of the API.
    Http(Box<Request>, oneshot::Sender<Reply>),
    /// A request of the control API.
    Control(Action, oneshot::Sender<Result<serde_json::Value, String>>),
    /// A command in a container.
    Exec { namespace: String, pod: String, container: String, command: Vec<String>, reply: oneshot::Sender<Option<ExecResult>> },
    /// A request to a container's port.
    Proxy(Box<ProxyCall>, oneshot::Sender<Response>),
    /// The log of a container from a byte on, and whether the container is still running.
    Log { namespace: String, pod: String, container: String, from: usize, reply: oneshot::Sender<Option<(Vec<u8>, bool)>> },
    /// Come to an end.
    Stop,
}

/// What a request of the API comes to.
pub enum Reply {
    /// A whole answer.
    Complete(Response),
    /// Frames until the sender is gone.
    Stream(mpsc::Receiver<Vec<u8>>),
    /// A connection that the async side holds.
    Connect(Box<sim_api::Connect>),
}

/// The way to the thread.
#[derive(Clone)]
pub struct Handle(SyncSender<Command>);

impl Handle {
    /// Sends a command; false when the thread has too much to do or is gone.
    pub fn send(&self, command: Command) -> bool {
        match self.0.try_send(command) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        }
    }
}

struct Stream {
    watch: Box<sim_api::Watch>,
    sender: mpsc::Sender<Vec<u8>>,
    opened: Stopwatch,
    lives: Duration,
    next_bookmark: Duration,
}

/// The cluster and all that belongs to serving it.
pub struct Simulation {
    /// The cluster.
    pub cluster: Cluster,
    frontend: Frontend,
    clock: Clock,
    journal: Option<Journal>,
    streams: Vec<Stream>,
    told: u64,
    branches: Branches,
    ticked: Stopwatch,
    ticked_at: SimTime,
}

impl Simulation {
    /// A simulation at the cluster's present moment.
    pub fn new(cluster: Cluster, frontend: Frontend, speed: Speed, journal: Option<Journal>) -> Simulation {
        let now = cluster.now();
        let told = cluster.etcd().revision();
        Simulation {
            branches: Branches::new(cluster.clone()),
            cluster,
            frontend,
            clock: Clock::new(speed, now),
            journal,
            streams: vec![],
            told,
            ticked: Stopwatch::start(),
            ticked_at: now,
        }
    }

    /// Replays what a journal holds.
    pub fn replay(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            self.cluster.run_until(SimTime(entry.at));
            self.again(&entry.input);
            self.branches.entries.push(entry);
        }
        let (speed, now) = (self.clock.speed(), self.cluster.now());
        self.clock.set(speed, now);
        self.told = self.cluster.etcd().revision();
    }

    /// Does again what was answered long ago.
    fn again(&mut self, input: &Input) {
        match input {
            Input::Http(kept) => {
                if let Some(request) = kept.clone().into_request() {
                    self.frontend.handle(&mut self.cluster, &request);
                }
            }
            Input::Control(action) => {
                // An action that failed then fails again now.
                let _outcome = self.control(action);
            }
            Input::Exec { namespace, pod, container, command } => {
                crate::streams::exec(&mut self.cluster, namespace, pod, container, command);
            }
            Input::Proxy { namespace, pod, port, method, path, body } => {
                let (namespace, pod, method, path, body) = (namespace.clone(), pod.clone(), method.clone(), path.clone(), body.clone());
                ProxyCall { namespace, pod, port: *port, method, path, body, headers: vec![] }.send(&mut self.cluster);
            }
            Input::Tick => {}
        }
    }

    /// Does an action of the control API. Going back in time replays the session from its beginning.
    fn control(&mut self, action: &Action) -> Result<serde_json::Value, String> {
        if let Action::Back { millis } = action {
            let target = SimTime(self.cluster.now().0.saturating_sub(millis.saturating_mul(1_000_000)));
            self.rewind_to(target.max(self.branches.origin.now()));
        }
        self.branches.act(&mut self.cluster, &mut self.clock, action)
    }

    fn rewind_to(&mut self, target: SimTime) {
        let entries = std::mem::take(&mut self.branches.entries);
        self.cluster = self.branches.origin.clone();
        for entry in entries.into_iter().take_while(|e| e.at <= target.0) {
            self.cluster.run_until(SimTime(entry.at));
            self.again(&entry.input);
            self.branches.entries.push(entry);
        }
        self.cluster.run_until(target);
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
            self.feed();
            self.tick();
            let wait = if behind { Duration::ZERO } else { self.wait() };
            match inbox.recv_timeout(wait) {
                Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(command) => self.take_all(command, inbox),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Takes a command and those that came with it, so that many clients cost one look at the clock.
    fn take_all(&mut self, first: Command, inbox: &Receiver<Command>) {
        self.catch_up();
        self.take(first);
        for _ in 0..64 {
            match inbox.try_recv() {
                Ok(Command::Stop) | Err(_) => return,
                Ok(command) => self.take(command),
            }
        }
    }

    /// Lets events happen that are due; says whether there are more of them.
    fn advance(&mut self) -> bool {
        let watch = Stopwatch::start();
        let target = self.clock.target().unwrap_or(SimTime(u64::MAX));
        while self.cluster.step(target) {
            if watch.elapsed() > SLICE {
                return true;
            }
        }
        if self.clock.speed() != Speed::Max {
            self.cluster.run_until(target);
        }
        false
    }

    /// Brings virtual time to the present before something from outside takes effect.
    fn catch_up(&mut self) {
        if self.advance() && self.clock.speed() == Speed::Max {
            return;
        }
        let target = self.clock.target().unwrap_or(self.cluster.now());
        self.cluster.run_until(target.max(self.cluster.now()));
    }

    fn wait(&self) -> Duration {
        let event = self.cluster.next_event().map_or(Duration::from_secs(60), |at| self.clock.until(at));
        let streams = self.streams.iter().map(Stream::due).min().unwrap_or(Duration::from_secs(60));
        event.min(streams).min(TICK).max(Duration::from_micros(200))
    }

    fn take(&mut self, command: Command) {
        match command {
            Command::Http(request, reply) => self.http(&request, reply),
            Command::Control(action, reply) => {
                self.write(|| Input::Control(action.clone()));
                let before = self.cluster.etcd().revision();
                let outcome = self.control(&action);
                if self.cluster.etcd().revision() < before {
                    // History was rewound: what watchers know may never have been.
                    self.streams.clear();
                    self.told = self.cluster.etcd().revision();
                }
                let _gone = reply.send(outcome);
            }
            Command::Exec { namespace, pod, container, command, reply } => {
                let kept = (namespace.clone(), pod.clone(), container.clone(), command.clone());
                self.write(|| Input::Exec { namespace: kept.0, pod: kept.1, container: kept.2, command: kept.3 });
                let _gone = reply.send(crate::streams::exec(&mut self.cluster, &namespace, &pod, &container, &command));
            }
            Command::Proxy(call, reply) => {
                let kept = call.clone();
                self.write(|| kept.into_input());
                let _gone = reply.send(call.send(&mut self.cluster));
            }
            Command::Log { namespace, pod, container, from, reply } => {
                let _gone = reply.send(crate::streams::log_from(&self.cluster, &namespace, &pod, &container, from));
            }
            Command::Stop => {}
        }
        self.feed();
    }

    fn http(&mut self, request: &Request, reply: oneshot::Sender<Reply>) {
        // What is proxied reaches a container, and may change it.
        if !matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS") || request.path.contains("/proxy") {
            self.write(|| Input::Http(KeptRequest::from_request(request)));
        }
        let answer = match self.frontend.handle(&mut self.cluster, request) {
            Answer::Complete(response) => Reply::Complete(response),
            Answer::Watch(watch) => self.open(watch),
            Answer::Connect(connect) => Reply::Connect(connect),
        };
        let _gone = reply.send(answer);
    }

    fn open(&mut self, mut watch: Box<sim_api::Watch>) -> Reply {
        let (sender, receiver) = mpsc::channel(FRAMES_MAX);
        let frames = watch.poll(&mut self.cluster);
        if !frames.is_empty() {
            let _there_is_room = sender.try_send(frames);
        }
        let lives = Duration::from_secs(watch.timeout_seconds.unwrap_or(WATCH_SECONDS_DEFAULT).min(24 * 3600));
        if !watch.is_ended() {
            let next_bookmark = first_bookmark(lives);
            self.streams.push(Stream { watch, sender, opened: Stopwatch::start(), lives, next_bookmark });
        }
        Reply::Stream(receiver)
    }

    /// Tells watchers what happened; those that do not read, have left, or are over, are let go.
    fn feed(&mut self) {
        let revision = self.cluster.etcd().revision();
        let news: std::collections::BTreeSet<_> = match self.cluster.etcd().changes_after(self.told) {
            _ if self.told == revision => Default::default(),
            Some(changes) => changes.iter().map(|c| c.object.kind()).collect(),
            None => self.streams.iter().map(|s| s.watch.kind()).collect(),
        };
        self.told = revision;
        let cluster = &mut self.cluster;
        self.streams.retain_mut(|stream| stream.feed(cluster, news.contains(&stream.watch.kind())));
    }

    fn tick(&mut self) {
        if self.ticked.elapsed() < TICK || self.ticked_at == self.cluster.now() {
            return;
        }
        self.ticked = Stopwatch::start();
        self.ticked_at = self.cluster.now();
        self.write(|| Input::Tick);
    }

    fn write(&mut self, input: impl FnOnce() -> Input) {
        let entry = Entry { at: self.cluster.now().0, input: input() };
        if let Some(journal) = &mut self.journal
            && let Err(why) = journal.add(&entry)
        {
            tracing::error!(%why, "the session can no longer be written down");
            self.journal = None;
        }
        if entry.input != Input::Tick {
            self.branches.entries.push(entry);
        }
    }
}

impl Stream {
    /// Sends what there is; false when the stream is over.
    fn feed(&mut self, cluster: &mut Cluster, news: bool) -> bool {
        let passed = self.opened.elapsed();
        let mut frames = if news { self.watch.poll(cluster) } else { vec![] };
        if passed >= self.next_bookmark && passed < self.lives {
            self.next_bookmark = next_bookmark(passed, self.lives);
            if self.watch.bookmarks {
                frames.extend(self.watch.poll(cluster));
                frames.extend(self.watch.bookmark(cluster));
            }
        }
        let sent = frames.is_empty() || self.sender.try_send(frames).is_ok();
        sent && !self.sender.is_closed() && passed < self.lives && !self.watch.is_ended()
    }

    /// How long until something must be done for it.
    fn due(&self) -> Duration {
        self.next_bookmark.min(self.lives).saturating_sub(self.opened.elapsed())
    }
}

fn first_bookmark(lives: Duration) -> Duration {
    next_bookmark(Duration::ZERO, lives)
}

/// The next bookmark after `passed`: each minute, and once shortly before the end.
fn next_bookmark(passed: Duration, lives: Duration) -> Duration {
    let last = lives.saturating_sub(BOOKMARK_BEFORE_END);
    let regular = passed + BOOKMARK_INTERVAL;
    if passed < last { regular.min(last) } else { regular }
}

/// The digest of all that has happened, as `ksim run` computes it.
pub fn digest(cluster: &Cluster) -> u64 {
    let header = recording::Header { name: "session".into(), about: String::new(), began: cluster.started(), namespace: String::new() };
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    recording::write(&header, cluster.etcd(), &cluster.trace, &mut |line| {
        for byte in line.bytes().chain([b'\n']) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    });
    hash
}
