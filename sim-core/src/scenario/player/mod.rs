//! Plays a scenario on a cluster: does its steps in order, keeps its load going, and watches its expectations.
//! The user of a scenario works as a person at a shell does: a step begins at its time, or when the one before is done,
//! whichever is later. Everything the user does is a step of the trace, and the cause of all that comes of it.

mod apply;
mod commands;
mod conditions;
mod faults;
mod monitors;
mod select;
mod traffic;
mod unsimulated;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::Value;
use sim_apimachinery::yaml::Document;
use sim_apimachinery::{Answer, ObjectKey, Reason, Request, Status, Verb};

pub(crate) use self::conditions::like_text;
use self::monitors::Monitor;
pub use self::monitors::Verdict;
use self::traffic::Stream;
use super::format::{Scenario, Step};
use super::load::{Loaded, duration};
use crate::cluster::Cluster;
use crate::time::{MINUTE, Nanos, SECOND, SimTime};
use crate::trace::{BEGINNING, StepId, What};

/// The user's number among the cluster's users.
const USER: u32 = 1;
/// How long a wait waits if nothing is said.
const WAIT_TIMEOUT: Nanos = MINUTE;
/// How long a run without `settle` goes on for expectations that are still open.
const SETTLE_MAX: Nanos = 2 * MINUTE;
/// How often a waiting user looks again.
const POLL: Nanos = SECOND;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All steps were done.
    Done,
    /// A step could not be done.
    StepFailed { step: usize, line: usize, message: String },
    /// The time limit came first.
    TimeLimit,
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
    TimeLimit,
    NotSimulated(String),
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
pub struct Player {
    /// The cluster.
    pub cluster: Cluster,
    scenario: Arc<Loaded>,
    began: SimTime,
    deadline: SimTime,
    streams: BTreeMap<String, Stream>,
    later: BTreeMap<(SimTime, u64), Later>,
    entered: u64,
    monitors: Vec<Monitor>,
    seen: u64,
    warnings: Vec<String>,
    cause: StepId,
    /// Manifests by the path the scenario names them with.
    manifests: BTreeMap<String, Vec<Document>>,
    /// Objects as the API shows them, with their revision.
    seen_as: RefCell<BTreeMap<ObjectKey, (u64, Rc<Value>)>>,
    /// How far the trace was searched for a component and a text, and whether they were found.
    searched: RefCell<Searched>,
}

/// Per component and text: the step up to which was searched, and whether it was found.
type Searched = BTreeMap<(Option<String>, String), (StepId, bool)>;

impl Player {
    /// Prepares a run on a cluster that is ready.
    pub fn new(cluster: Cluster, scenario: Arc<Loaded>) -> Player {
        let began = cluster.now();
        let limit = duration(&scenario.scenario.time_limit).unwrap_or(30 * MINUTE);
        let seen = cluster.etcd().revision();
        let manifests = scenario.manifests.clone();
        let mut player = Player {
            cluster,
            began,
            deadline: began.plus(limit),
            streams: BTreeMap::new(),
            later: BTreeMap::new(),
            entered: 0,
            monitors: vec![],
            seen,
            warnings: vec![],
            cause: BEGINNING,
            manifests,
            seen_as: RefCell::default(),
            searched: RefCell::default(),
            scenario,
        };
        let whole: Vec<_> = player.scenario.scenario.expect.iter().cloned().enumerate().collect();
        for (index, expectation) in whole {
            let line = player.scenario.line_of(&format!("expect[{index}]"));
            player.watch(expectation, line);
        }
        player
    }

    /// When the scenario began.
    pub fn began(&self) -> SimTime {
        self.began
    }

    /// Does all steps and says what came of them. `watch` is called whenever the trace may have grown.
    pub fn play(&mut self, watch: &mut dyn FnMut(&Cluster)) -> Outcome {
        let scenario = self.scenario.clone();
        let mut ended = Ended::Done;
        for (index, step) in scenario.scenario.steps.iter().enumerate() {
            let line = scenario.line_of(&format!("steps[{index}]"));
            if let Err(error) = self.step(step, line, watch) {
                ended = match error {
                    _ if self.is_over_limit() => self.limit_reached(index, line),
                    StepError::Failed(message) => Ended::StepFailed { step: index + 1, line, message },
                    StepError::TimeLimit => Ended::TimeLimit,
                    StepError::NotSimulated(message) => Ended::NotSimulated { step: index + 1, line, message },
                };
                break;
            }
        }
        if ended == Ended::Done && self.settle(&scenario.scenario, watch).is_err() {
            let last = scenario.scenario.steps.len().saturating_sub(1);
            let line = scenario.line_of(&format!("steps[{last}]"));
            ended = if self.is_over_limit() { self.limit_reached(last, line) } else { Ended::TimeLimit };
        }
        watch(&self.cluster);
        Outcome { ended, verdicts: self.verdicts(), warnings: std::mem::take(&mut self.warnings) }
    }

    fn is_over_limit(&self) -> bool {
        self.cluster.etcd().revision() > self.scenario.scenario.change_limit
    }

    fn limit_reached(&self, index: usize, line: usize) -> Ended {
        Ended::ChangeLimit { step: index + 1, line, limit: self.scenario.scenario.change_limit }
    }

    fn step(&mut self, step: &Step, line: usize, watch: &mut dyn FnMut(&Cluster)) -> Done<()> {
        let start = match (&step.at, &step.after) {
            (Some(at), _) => self.began.plus(duration(at)?),
            (None, Some(after)) => self.cluster.now().plus(duration(after)?),
            (None, None) => self.cluster.now(),
        };
        self.run_until(start, watch)?;
        self.act(step, line, watch)
    }

    /// After the last step the run goes on for `settle`, or until every open expectation has decided itself.
    fn settle(&mut self, scenario: &Scenario, watch: &mut dyn FnMut(&Cluster)) -> Done<()> {
        if let Some(settle) = &scenario.settle {
            return self.run_until(self.cluster.now().plus(duration(settle)?), watch);
        }
        let end = self.cluster.now().plus(SETTLE_MAX);
        while self.is_undecided() && self.cluster.now() < self.next_deadline().map_or(end, |at| at.plus(1).max(end)) {
            let next = self.cluster.now().plus(POLL);
            self.run_until(next, watch)?;
        }
        Ok(())
    }

    /// Lets the cluster run to a moment, with loads, ends of faults and expectations on the way.
    pub(crate) fn run_until(&mut self, until: SimTime, watch: &mut dyn FnMut(&Cluster)) -> Done<()> {
        if until > self.deadline {
            self.advance(self.deadline, watch);
            return Err(StepError::TimeLimit);
        }
        self.advance(until, watch);
        if self.is_over_limit() { Err(StepError::TimeLimit) } else { Ok(()) }
    }

    fn advance(&mut self, until: SimTime, watch: &mut dyn FnMut(&Cluster)) {
        while !self.is_over_limit() {
            let own = self.next_own().filter(|at| *at <= until);
            let next = self.cluster.next_event().filter(|at| *at <= until);
            match (own, next) {
                (Some(own), next) if next.is_none_or(|n| own <= n) => {
                    self.cluster.run_until(own);
                    self.do_own(own);
                }
                (_, Some(next)) => {
                    self.cluster.step(next);
                    self.collect_answers();
                }
                (_, None) => {
                    self.cluster.run_until(until);
                    break;
                }
            }
            self.look(watch);
        }
        self.look(watch);
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

    /// Asks the API server and waits for the answer while everything else goes on.
    pub(crate) fn ask(&mut self, manager: &str, verb: Verb, watch: &mut dyn FnMut(&Cluster)) -> Answer {
        self.ask_as(Request::new(&manager.into(), verb), watch)
    }

    /// Asks with all the options of a request.
    pub(crate) fn ask_as(&mut self, request: Request, watch: &mut dyn FnMut(&Cluster)) -> Answer {
        let token = self.cluster.submit(USER, request, self.cause);
        loop {
            if let Some(answer) = self.cluster.take_answer(USER, token) {
                return answer;
            }
            let Some(next) = self.cluster.next_event().filter(|n| *n <= self.deadline && !self.is_over_limit()) else {
                return Err(Box::new(Status::new(Reason::Timeout, "the request got no answer before the limit")));
            };
            self.advance(next, watch);
        }
    }

    /// Waits until `holds` says so, looking again whenever something happened.
    pub(crate) fn wait_until(
        &mut self,
        timeout: Nanos,
        watch: &mut dyn FnMut(&Cluster),
        holds: impl Fn(&mut Player) -> Done<bool>,
    ) -> Done<bool> {
        let end = self.cluster.now().plus(timeout);
        let mut revision = None;
        loop {
            let current = (self.cluster.etcd().revision(), self.streams.values().map(|s| s.figures.sent).sum::<u64>());
            if revision != Some(current) {
                revision = Some(current);
                if holds(self)? {
                    return Ok(true);
                }
            }
            let now = self.cluster.now();
            if now >= end {
                return holds(self);
            }
            let next = self.cluster.next_event().unwrap_or(end).max(now.plus(1)).min(end).min(now.plus(POLL));
            self.run_until(next, watch)?;
        }
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
