//! A session: the cluster, all that was put into it from outside, and the moments that are kept of it.
//! An input takes effect at a place between two events and is written down with it, so the same inputs at the same places
//! lead to the same state, event by event: after a crash, and when time is wound back.

use std::collections::BTreeMap;
use std::sync::Arc;

use sim_api::{Answer, Frontend, Request};
use sim_core::cluster::{Cluster, ContainerKey, Profile, Settings};
use sim_core::kube_apiserver::admission_webhooks::{Attempt, WebhookAnswer, WebhookCall};
use sim_core::scenario::Player;
use sim_core::time::SimTime;
use sim_core::trace::{BEGINNING, recording};
use sim_workload::{Given, ProfileSet};

use crate::clock::{Clock, Speed};
use crate::control::{Action, Branches};
use crate::journal::{Entry, Input, Journal, KeptRequest, Place};
use crate::streams::{ProxyCall, RedisCall};
use crate::webhooks::Waiting;

/// Moments of the past that are kept.
const PAST_MAX: usize = 16;
/// How much happens between two of them at least: moves of the player.
const MOVES_BETWEEN: u64 = 2000;

/// A cluster with the scenario that is played on it, and the inputs that led to it from the beginning of the session.
#[derive(Clone, Debug)]
pub struct World {
    /// The cluster and the scenario.
    pub player: Player,
    /// The inputs that changed it, in order.
    pub entries: Vec<Arc<Entry>>,
    /// How it began.
    pub(crate) origin: Arc<Player>,
    /// HTTP requests that wait for webhooks outside.
    held: BTreeMap<u64, Held>,
    held_ever: u64,
    /// Moments on the way here, oldest first, so that going back costs little.
    past: Vec<Arc<World>>,
}

/// An HTTP request that waits.
#[derive(Clone, Debug)]
struct Held {
    request: Arc<Request>,
    attempt: Attempt,
    open: Vec<WebhookCall>,
}

/// What an HTTP request comes to: an answer, or the number under which it waits for webhooks outside.
pub type Outcome = Result<Answer, u64>;

/// What the session's clusters are made from.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// The nodes and how long things take.
    pub profile: Arc<Profile>,
    /// How images behave.
    pub workloads: Arc<ProfileSet>,
    /// The seed of chance.
    pub seed: u64,
    /// What else is chosen.
    pub settings: Settings,
}

impl Recipe {
    /// A cluster in which nothing has happened yet, begun at a moment, or when `ksim run` begins.
    pub fn cluster(&self, start: Option<SimTime>) -> Result<Cluster, String> {
        Cluster::with(self.profile.clone(), self.workloads.clone(), self.seed, &Settings { start, ..self.settings.clone() })
    }
}

/// The session.
pub struct Session {
    /// The present.
    pub world: World,
    /// How virtual time runs.
    pub clock: Clock,
    pub(crate) branches: Branches,
    recipe: Recipe,
    frontend: Frontend,
    journal: Option<Journal>,
}

impl World {
    fn new(origin: Arc<Player>) -> World {
        World { player: Player::clone(&origin), entries: vec![], origin, held: BTreeMap::new(), held_ever: 0, past: vec![] }
    }

    /// The cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.player.cluster
    }

    /// The time.
    pub fn now(&self) -> SimTime {
        self.player.cluster.now()
    }

    /// Calls to webhooks outside that requests wait for.
    pub fn open_calls(&self) -> Vec<(Waiting, &WebhookCall)> {
        let clients = self.held.iter().flat_map(|(number, held)| held.open.iter().map(|call| (Waiting::Client(*number), call)));
        clients.chain(self.cluster().open_webhook_calls().map(|(number, call)| (Waiting::Component(number), call))).collect()
    }

    /// Where the world is.
    pub fn place(&self) -> Place {
        Place { at: self.now().0, after: self.player.moves() }
    }

    /// Goes on to a moment.
    pub fn run_until(&mut self, at: SimTime) {
        while self.player.step(at) {
            self.remember();
        }
        self.player.run_until(at);
    }

    /// Keeps the present if enough has happened since a moment was kept last.
    pub fn remember(&mut self) {
        let last = self.past.last().map_or(0, |world| world.player.moves());
        if self.player.moves() < last + MOVES_BETWEEN {
            return;
        }
        let past = std::mem::take(&mut self.past);
        let now = Arc::new(self.clone());
        self.past = past;
        self.past.push(now);
        if self.past.len() > PAST_MAX {
            let at = self.least_missed();
            self.past.remove(at);
        }
    }

    /// The kept moment whose loss makes going back least dearer, measured by how far back it is: so the past gets sparser.
    fn least_missed(&self) -> usize {
        let moves: Vec<u64> = self.past.iter().map(|world| world.player.moves()).collect();
        let present = self.player.moves() + MOVES_BETWEEN;
        let before = |at: usize| if at == 0 { 0 } else { moves[at - 1] };
        let dearer = |at: &usize| (moves[at + 1] - before(*at)) * 1000 / (present - moves[at + 1]);
        (0..moves.len().saturating_sub(1)).min_by_key(dearer).unwrap_or(0)
    }

    /// The last kept moment that is not after a time; the past up to it stays.
    fn back_to(&mut self, target: SimTime) -> Option<World> {
        let mut past = std::mem::take(&mut self.past);
        past.retain(|world| world.now() <= target);
        let mut world = World::clone(past.last()?);
        world.past = past;
        Some(world)
    }

    /// Goes on to a place that lies ahead.
    fn reach(&mut self, place: Place) {
        while self.player.moves() < place.after && self.player.step(SimTime(u64::MAX)) {
            self.remember();
        }
        // The clock may have gone on after the last move; nothing was due by then.
        if self.now().0 < place.at {
            self.player.cluster.run_until(SimTime(place.at));
        }
        if self.place() != place {
            tracing::error!(wanted = ?place, found = ?self.place(), "the session does not come to where it was");
        }
    }
}

impl Session {
    /// A session that begins with this cluster and scenario.
    pub fn new(recipe: Recipe, player: Player, frontend: Frontend, speed: Speed, journal: Option<Journal>) -> Session {
        let clock = Clock::new(speed, player.cluster.now());
        let world = World::new(Arc::new(player));
        Session { world, clock, branches: Branches::default(), recipe, frontend, journal }
    }

    /// A world as `ksim run` has it at its beginning, on which nothing is played.
    pub(crate) fn anew(&self) -> Result<World, String> {
        Ok(World::new(Arc::new(Player::idle(self.recipe.cluster(None)?))))
    }

    /// Does again what a journal holds.
    pub fn replay(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            self.world.reach(entry.place);
            self.again(&entry.input);
            self.keep(entry);
        }
        let (speed, now) = (self.clock.speed(), self.world.now());
        self.clock.set(speed, now);
    }

    /// Does again what was done long ago.
    fn again(&mut self, input: &Input) {
        match input {
            Input::Http(kept) => {
                if let Some(request) = kept.clone().into_request() {
                    let _answered_long_ago = self.attempt(Arc::new(request), Attempt::default());
                }
            }
            Input::Control(action) => {
                // An action that failed then fails again now.
                let _outcome = self.act(action);
            }
            Input::Begin { at, command, stdin, tty } => {
                let _begun_long_ago = self.world.player.cluster.begin_command(at, command, *stdin, *tty, BEGINNING);
            }
            Input::Give { at, command, given } => self.world.player.cluster.give_input(at, *command, given, BEGINNING),
            Input::Proxy(call) => _ = call.send(&mut self.world.player.cluster),
            Input::Ask(call) => _ = self.world.player.cluster.ask_inside(call),
            Input::Redis(call) => _ = call.send(&mut self.world.player.cluster),
            Input::Webhook { waiting, answer } => _ = self.go_on(*waiting, answer.clone()),
            Input::Tick => {}
        }
    }

    /// Goes back to a moment: does the session again up to there, from the last moment before it that was kept.
    pub(crate) fn rewind_to(&mut self, target: SimTime) {
        let entries = std::mem::take(&mut self.world.entries);
        // From the beginning what waits for webhooks is counted anew, as the answers in the entries are.
        self.world = self.world.back_to(target).unwrap_or_else(|| World::new(self.world.origin.clone()));
        let done = self.world.entries.len();
        for entry in entries.into_iter().skip(done).take_while(|e| e.place.at <= target.0) {
            self.world.reach(entry.place);
            self.again(&entry.input);
            self.world.entries.push(entry);
        }
        self.world.run_until(target.max(self.world.now()));
    }

    /// Answers a request of the API and writes it down if it did anything.
    pub fn http(&mut self, request: Request) -> Outcome {
        let (place, known) = (self.world.place(), self.world.cluster().trace.len());
        let request = Arc::new(request);
        let outcome = self.attempt(request.clone(), Attempt::default());
        let refused = matches!(&outcome, Ok(Answer::Complete(response)) if response.status == 401);
        let reads = matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS") || refused;
        // A read that waits for a webhook is counted among those that wait.
        if !reads || outcome.is_err() || self.world.cluster().trace.len() != known {
            self.write(place, Input::Http(KeptRequest::from_request(&request)));
        }
        outcome
    }

    /// A webhook outside has answered: what the HTTP request that waited for it comes to, if one did and waits no more.
    pub fn webhook(&mut self, waiting: Waiting, answer: WebhookAnswer) -> Option<Outcome> {
        let place = self.world.place();
        let is_open = self.world.open_calls().iter().any(|(who, call)| *who == waiting && call.asked == answer.asked);
        if !is_open {
            // Time was wound back since the call was made.
            return None;
        }
        let outcome = self.go_on(waiting, answer.clone());
        self.write(place, Input::Webhook { waiting, answer });
        outcome
    }

    /// Asks simulated pods what a watch wants to know of them.
    pub fn ask_inside(&mut self, call: WebhookCall) -> Option<WebhookAnswer> {
        let place = self.world.place();
        let answer = self.world.player.cluster.ask_inside(&call)?;
        self.write(place, Input::Ask(Box::new(call)));
        Some(answer)
    }

    fn go_on(&mut self, waiting: Waiting, answer: WebhookAnswer) -> Option<Outcome> {
        let number = match waiting {
            Waiting::Component(number) => {
                self.world.player.cluster.answer_webhook(number, answer);
                return None;
            }
            Waiting::Client(number) => number,
            Waiting::Watch(_) => return None,
        };
        let held = self.world.held.get_mut(&number)?;
        held.open.retain(|call| call.asked != answer.asked);
        held.attempt.add(answer);
        if !held.open.is_empty() {
            return None;
        }
        let Held { request, attempt, .. } = self.world.held.remove(&number)?;
        Some(self.attempt(request, attempt))
    }

    /// Answers an HTTP request, or keeps it until webhooks have answered.
    fn attempt(&mut self, request: Arc<Request>, mut attempt: Attempt) -> Outcome {
        match self.frontend.handle_asking(&mut self.world.player.cluster, &request, &mut attempt) {
            Answer::Webhooks(open) => {
                self.world.held_ever += 1;
                self.world.held.insert(self.world.held_ever, Held { request, attempt, open });
                Err(self.world.held_ever)
            }
            answer => Ok(answer),
        }
    }

    /// Does an action of the control API and writes it down. Actions that only look leave a mark of the time.
    pub fn control(&mut self, action: &Action) -> Result<serde_json::Value, String> {
        let place = self.world.place();
        let outcome = self.act(action);
        let input = if action.only_looks() { Input::Tick } else { Input::Control(action.clone()) };
        self.write(place, input);
        outcome
    }

    /// Begins a command in a container.
    pub fn begin_command(&mut self, at: ContainerKey, command: Vec<String>, stdin: bool, tty: bool) -> Option<Result<u64, String>> {
        let place = self.world.place();
        let begun = self.world.player.cluster.begin_command(&at, &command, stdin, tty, BEGINNING);
        self.write(place, Input::Begin { at, command, stdin, tty });
        begun
    }

    /// Gives input to a command, or to a container's main program.
    pub fn give(&mut self, at: ContainerKey, command: Option<u64>, given: Given) {
        let place = self.world.place();
        self.world.player.cluster.give_input(&at, command, &given, BEGINNING);
        self.write(place, Input::Give { at, command, given });
    }

    /// Sends a request to a container's port.
    pub fn proxy(&mut self, call: ProxyCall) -> Option<sim_api::Response> {
        let place = self.world.place();
        let response = call.send(&mut self.world.player.cluster);
        self.write(place, Input::Proxy(call));
        response
    }

    /// Sends a command to a Redis server in a container.
    pub fn redis(&mut self, call: RedisCall) -> Option<sim_workload::Reply> {
        let place = self.world.place();
        let reply = call.send(&mut self.world.player.cluster);
        self.write(place, Input::Redis(call));
        reply
    }

    /// Notes how far the session has come.
    pub fn tick(&mut self) {
        self.write(self.world.place(), Input::Tick);
    }

    fn write(&mut self, place: Place, input: Input) {
        let entry = Entry { place, input };
        if let Some(journal) = &mut self.journal
            && let Err(why) = journal.add(&entry)
        {
            tracing::error!(%why, "the session can no longer be written down");
            self.journal = None;
        }
        self.keep(entry);
    }

    /// Keeps an input among those that led to the present. Actions on time itself are not: places tell how far time came.
    fn keep(&mut self, entry: Entry) {
        let changes = match &entry.input {
            Input::Tick => false,
            Input::Control(action) => matches!(action, Action::Fault(_)),
            _ => true,
        };
        if changes {
            self.world.entries.push(Arc::new(entry));
        }
    }
}

/// The digest of all that has happened: the recording as `ksim run` writes it, and every change of the store.
pub fn digest(cluster: &Cluster) -> u64 {
    let header = recording::Header { name: "session".into(), about: String::new(), began: cluster.started(), namespace: String::new() };
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |line: &str| {
        for byte in line.bytes().chain([b'\n']) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    recording::write(&header, cluster.etcd(), &cluster.trace, &mut add);
    for change in cluster.etcd().history() {
        add(&format!("{} {:?} {} {} {}", change.revision, change.change, change.time.0, change.manager, change.object.to_json()));
    }
    hash
}
