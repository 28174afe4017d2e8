//! Plays a scenario on a cluster: does its steps in order, keeps its load going, and watches its expectations.
//! The user of a scenario works as a person at a shell does: a step begins at its time, or when the one before is done,
//! whichever is later. Everything the user does is a step of the trace, and the cause of all that comes of it.
//! A run is plain data: it goes on by single moves (`Player::step`), so that it can be paced by a clock, shared with others who
//! act on the cluster, kept, forked and taken up again.

mod apply;
mod command_text;
mod commands;
mod conditions;
mod faults;
mod kinds;
mod monitors;
mod progress;
mod script;
mod select;
mod traffic;
mod unsimulated;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use sim_apimachinery::yaml::Document;
use sim_apimachinery::{ObjectKey, Status};

pub use self::apply::schema_kinds;
pub use self::command_text::describe;
pub use self::conditions::{difference, like_text};

use self::monitors::Monitor;
pub use self::monitors::Verdict;
pub use self::progress::{Progress, Standing};
use self::script::Script;
use self::traffic::Stream;
use super::format::FaultStep;
use super::load::{Loaded, duration};
use crate::cluster::Cluster;
use crate::time::{MINUTE, Nanos, SimTime};
use crate::trace::{BEGINNING, StepId, What};

/// The user's number among the cluster's users.
pub const USER: u32 = 1;
/// How long a wait waits if nothing is said.
const WAIT_TIMEOUT: Nanos = MINUTE;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All steps were done.
    Done,
    /// A step could not be done.
    StepFailed { step: usize, line: usize, message: String },
    /// The time limit came first.
    TimeLimit { step: usize, line: usize },
    /// The run has changed the store more often than the scenario allows.
    ChangeLimit { step: usize, line: usize, limit: u64 },
    /// A step asks for something that is not simulated.
    NotSimulated { step: usize, line: usize, message: String },
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How it ended.
    pub ended: Ended,
    /// Each expectation, in the file's order.
    pub verdicts: Vec<Verdict>,
    /// Warnings: manifest fields that are accepted but not simulated, and the like.
    pub warnings: Vec<String>,
}

/// Why a step could not be done.
#[derive(Debug)]
pub(crate) enum StepError {
    Failed(String),
    NotSimulated(String),
}

impl std::fmt::Display for StepError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StepError::Failed(message) => f.write_str(message),
            StepError::NotSimulated(what) => write!(f, "not simulated: {what}"),
        }
    }
}

impl From<String> for StepError {
    fn from(message: String) -> Self {
        StepError::Failed(message)
    }
}

impl From<Box<Status>> for StepError {
    fn from(status: Box<Status>) -> Self {
        StepError::Failed(format!("Error from server ({:?}): {}", status.reason, status.message))
    }
}

type Done<T> = Result<T, StepError>;

/// Something that happens at a moment whatever the user does: the end of a fault, the end of a load.
#[derive(Clone, Debug)]
pub(crate) enum Later {
    Fault(crate::cluster::Fault),
    StopLoad(String),
}

/// A run of a scenario.
#[derive(Clone, Debug)]
pub struct Player {
    /// The cluster.
    pub cluster: Cluster,
    scenario: Arc<Loaded>,
    began: SimTime,
    deadline: SimTime,
    script: Script,
    /// Moves that were no event of the cluster.
    moves: u64,
    streams: BTreeMap<String, Stream>,
    later: BTreeMap<(SimTime, u64), Later>,
    entered: u64,
    monitors: Vec<Monitor>,
    seen: u64,
    warnings: Vec<String>,
    cause: StepId,
    /// Manifests by the path the scenario names them with.
    manifests: Arc<BTreeMap<String, Vec<Document>>>,
    /// Objects as the API shows them, with their revision.
    seen_as: BTreeMap<ObjectKey, (u64, Arc<Value>)>,
    /// How far the trace was searched for a component and a text, and whether they were found.
    searched: Searched,
}

/// Per component and text: the step up to which was searched, and whether it was found.
type Searched = BTreeMap<(Option<String>, String), (StepId, bool)>;

impl Player {
    /// Prepares a run on a cluster that is ready.
    pub fn new(cluster: Cluster, scenario: Arc<Loaded>) -> Player {
        let began = cluster.now();
        let limit = duration(&scenario.scenario.time_limit).unwrap_or(30 * MINUTE);
        let seen = cluster.etcd().revision();
        let mut player = Player {
            cluster,
            began,
            deadline: began.plus(limit),
            script: Script::of(scenario.scenario.steps.len(), began),
            moves: 0,
            streams: BTreeMap::new(),
            later: BTreeMap::new(),
            entered: 0,
            monitors: vec![],
            seen,
            warnings: vec![],
            cause: BEGINNING,
            manifests: Arc::new(scenario.manifests.clone()),
            seen_as: BTreeMap::new(),
            searched: BTreeMap::new(),
            scenario,
        };
        let whole: Vec<_> = player.scenario.scenario.expect.iter().cloned().enumerate().collect();
        for (index, expectation) in whole {
            let line = player.scenario.line_of(&format!("expect[{index}]"));
            player.watch(expectation, line);
        }
        player
    }

    /// A run without a scenario: the cluster, and what others do with it.
    pub fn idle(cluster: Cluster) -> Player {
        let mut player = Player::new(cluster, Arc::new(Loaded::empty()));
        player.script = Script::over();
        player
    }

    /// When the scenario began.
    pub fn began(&self) -> SimTime {
        self.began
    }

    /// Does all steps and says what came of them. `watch` is called whenever the trace may have grown.
    pub fn play(&mut self, watch: &mut dyn FnMut(&Cluster)) -> Outcome {
        while self.script.ended.is_none() && self.step(SimTime(u64::MAX)) {
            watch(&self.cluster);
        }
        watch(&self.cluster);
        let ended = self.script.ended.clone().unwrap_or_else(|| Ended::TimeLimit { step: self.script.step + 1, line: self.line() });
        Outcome { ended, verdicts: self.script.verdicts.clone(), warnings: std::mem::take(&mut self.warnings) }
    }

    /// How many moves were made: with the time, this names a place between two of them.
    pub fn moves(&self) -> u64 {
        self.moves + self.cluster.events_handled()
    }

    /// When the next move is due.
    pub fn next_move(&self) -> Option<SimTime> {
        self.script.acts.into_iter().chain(self.next_own()).chain(self.cluster.next_event()).min()
    }

    /// Makes the next move that is due by `until`: an event of the cluster, a moment of a load or a fault, or what the user
    /// does next, which comes after all events of its moment. False if there is none.
    pub fn step(&mut self, until: SimTime) -> bool {
        if self.script.ended.is_none() && self.is_over_limit() {
            self.moves += 1;
            self.stop_at_limit();
            return true;
        }
        let acts = self.script.acts.filter(|at| *at <= until);
        let bound = acts.unwrap_or(until);
        let own = self.next_own().filter(|at| *at <= bound);
        let next = self.cluster.next_event().filter(|at| *at <= bound);
        match (own, next, acts) {
            (Some(own), next, _) if next.is_none_or(|next| own <= next) => {
                self.moves += 1;
                self.cluster.run_until(own);
                self.do_own(own);
            }
            (_, Some(next), _) => {
                self.cluster.step(next);
                self.collect_answers();
            }
            (_, None, Some(at)) => {
                self.moves += 1;
                self.cluster.run_until(at);
                self.look();
                self.proceed();
            }
            (_, None, None) => return false,
        }
        self.look();
        true
    }

    /// Makes all moves up to a moment, and moves the clock there.
    pub fn run_until(&mut self, until: SimTime) {
        while self.step(until) {}
        self.cluster.run_until(until);
    }

    /// Sets or ends a fault beside the scenario.
    pub(super) fn inject_beside(&mut self, fault: &FaultStep, text: &str) -> Result<(), String> {
        let cause = std::mem::replace(&mut self.cause, self.cluster.act("user", text, 0));
        let outcome = self.fault(fault);
        self.cause = cause;
        match outcome {
            Ok(()) => Ok(()),
            Err(StepError::Failed(message) | StepError::NotSimulated(message)) => Err(message),
        }
    }

    fn is_over_limit(&self) -> bool {
        self.cluster.etcd().revision() > self.scenario.scenario.change_limit
    }

    fn next_own(&self) -> Option<SimTime> {
        let later = self.later.keys().next().map(|(at, _)| *at);
        let streams = self.streams.values().filter_map(Stream::next).min();
        later.into_iter().chain(streams).min()
    }

    fn do_own(&mut self, now: SimTime) {
        while let Some((&key, _)) = self.later.first_key_value().filter(|((at, _), _)| *at <= now) {
            match self.later.remove(&key) {
                Some(Later::Fault(fault)) => {
                    // What the fault was about may be gone by now, and then there is nothing to end.
                    let _ended = self.cluster.inject(fault, self.cause);
                }
                Some(Later::StopLoad(name)) => self.stop_stream(&name),
                None => {}
            }
        }
        self.send_due(now);
    }

    pub(crate) fn do_later(&mut self, at: SimTime, what: Later) {
        self.entered += 1;
        self.later.insert((at, self.entered), what);
    }

    pub(crate) fn begin(&mut self, text: &str, line: usize) {
        self.cause = self.cluster.act("user", text, line as u32);
    }

    pub(crate) fn end(&mut self, text: &str, output: String) {
        let what = What::ActionDone { text: text.into(), exit: 0, output };
        self.cluster.trace.push(self.cluster.now(), &"user".into(), self.cause, what);
    }

    pub(crate) fn warn(&mut self, warning: String) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }
}
