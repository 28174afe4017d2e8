//! What the user of a scenario does next, as a list of tasks: one is done, may put others before the rest, and may pause the
//! user until a moment. Nothing of a run is hidden in a stack, so a run can be kept, forked and gone on with at any place.

use std::collections::VecDeque;

use sim_apimachinery::{Answer, Object, ObjectKey, Reason, Request, Status, Verb};

use super::apply::Applying;
use super::{Done, Ended, Player, StepError, USER, Verdict};
use crate::scenario::format::{Condition, Http, Selection};
use crate::scenario::load::duration;
use crate::time::{MINUTE, Nanos, SECOND, SimTime};

/// How long a run without `settle` goes on for expectations that are still open.
const SETTLE_MAX: Nanos = 2 * MINUTE;
/// How often a waiting user looks again.
const POLL: Nanos = SECOND;

/// One task.
#[derive(Clone, Debug)]
pub(super) enum Task {
    /// The step with this number comes at its time.
    Step(usize),
    /// Its time is there.
    Act(usize),
    /// Its command has started.
    Do(usize),
    /// Its command is done.
    End,
    /// A request is sent, and its answer awaited.
    Ask(Box<Request>, Then),
    /// The answer is awaited.
    Answer(u64, Then),
    /// A manifest is applied as a step says.
    Apply(Box<serde_json::Value>, usize),
    /// Objects that were deleted are awaited to be gone.
    Gone(Vec<ObjectKey>),
    /// Something is awaited.
    Wait(Box<Waiting>),
    /// Time passes.
    Pause(Nanos),
    /// A node is emptied until then.
    Drain { node: String, timeout: Nanos, end: Option<SimTime> },
    /// A pod is evicted if it is still there.
    Evict(ObjectKey),
    /// An HTTP request is awaited.
    Outcome(u64, Box<Http>),
    /// All steps are done.
    Settle,
    /// The run goes on until then for expectations that are open.
    SettleUntil(SimTime),
}

/// What an answer is for.
#[derive(Clone, Debug)]
pub(super) enum Then {
    /// It must be no refusal; then this is said.
    Say(String),
    /// Whatever it says.
    Nevermind,
    /// The object as it is, to be applied over.
    Apply(Box<Applying>),
    /// The replica sets of a deployment, one of which is to be put back.
    Undo(Box<Object>, Option<i64>),
    /// The replica sets of a deployment, to be told of.
    History(Box<Object>),
}

/// Something awaited, looked at whenever something happened.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    awaited: Awaited,
    end: SimTime,
    seen: Option<(u64, u64)>,
}

/// What is awaited.
#[derive(Clone, Debug)]
pub(super) enum Awaited {
    /// None of these objects is there.
    Gone(Vec<ObjectKey>),
    /// A deployment is rolled out.
    RolledOut(Selection),
    /// A condition holds.
    Holds(Box<Condition>),
}

/// Where the user is in the scenario.
#[derive(Clone, Debug, Default)]
pub(super) struct Script {
    tasks: VecDeque<Task>,
    /// When the user acts again; nothing once the run is over.
    pub acts: Option<SimTime>,
    /// Whether that is the time limit.
    late: bool,
    /// The number of the step in progress.
    pub step: usize,
    /// What its command has printed.
    pub output: String,
    /// The command.
    pub text: String,
    /// How the run ended.
    pub ended: Option<Ended>,
    /// What the expectations came to.
    pub verdicts: Vec<Verdict>,
}

impl Script {
    /// A script that was played.
    pub fn over() -> Script {
        Script { ended: Some(Ended::Done), ..Script::default() }
    }

    /// A script of so many steps, begun now.
    pub fn of(steps: usize, now: SimTime) -> Script {
        let tasks = (0..steps).map(Task::Step).chain([Task::Settle]).collect();
        Script { tasks, acts: Some(now), ..Script::default() }
    }
}

impl Player {
    /// The user acts until he pauses or the run is over.
    pub(super) fn proceed(&mut self) {
        self.script.acts = None;
        if self.script.late {
            let (step, line) = (self.script.step + 1, self.line());
            return self.finish(Ended::TimeLimit { step, line });
        }
        while self.script.acts.is_none() && self.script.ended.is_none() {
            let done = match self.script.tasks.pop_front() {
                Some(task) => self.perform(task),
                None => return self.finish(Ended::Done),
            };
            if let Err(error) = done {
                self.fail(error);
            }
        }
    }

    fn fail(&mut self, error: StepError) {
        if self.is_over_limit() {
            return self.stop_at_limit();
        }
        let (step, line) = (self.script.step + 1, self.line());
        self.finish(match error {
            StepError::Failed(message) => Ended::StepFailed { step, line, message },
            StepError::NotSimulated(message) => Ended::NotSimulated { step, line, message },
        });
    }

    /// The run has changed the store too often.
    pub(super) fn stop_at_limit(&mut self) {
        let (step, line) = (self.script.step + 1, self.line());
        self.finish(Ended::ChangeLimit { step, line, limit: self.scenario.scenario.change_limit });
    }

    fn finish(&mut self, ended: Ended) {
        self.script.ended = Some(ended);
        self.script.acts = None;
        self.script.verdicts = self.verdicts();
    }

    /// The line of the step in progress.
    pub(super) fn line(&self) -> usize {
        self.scenario.line_of(&format!("steps[{}]", self.script.step))
    }

    /// Puts tasks before the rest.
    pub(super) fn plan<I: IntoIterator<Item = Task>>(&mut self, tasks: I)
    where
        I::IntoIter: DoubleEndedIterator,
    {
        tasks.into_iter().rev().for_each(|task| self.script.tasks.push_front(task));
    }

    /// The user does nothing until then, or until the time limit, which ends the run.
    pub(super) fn pause(&mut self, until: SimTime) {
        self.script.late = until > self.deadline;
        self.script.acts = Some(until.min(self.deadline));
    }

    fn perform(&mut self, task: Task) -> Done<()> {
        match task {
            Task::Step(number) => self.come_to(number),
            Task::Act(number) => self.act(number),
            Task::Do(number) => {
                let scenario = self.scenario.clone();
                self.do_step(number, &scenario.scenario.steps[number])
            }
            Task::End => {
                let (text, output) = (std::mem::take(&mut self.script.text), std::mem::take(&mut self.script.output));
                self.end(&text, output);
                Ok(())
            }
            Task::Ask(request, then) => {
                let token = self.cluster.submit(USER, *request, self.cause);
                self.await_answer(token, then)
            }
            Task::Answer(token, then) => self.await_answer(token, then),
            Task::Apply(manifest, number) => {
                let scenario = self.scenario.clone();
                let apply = scenario.scenario.steps[number].apply.as_ref();
                apply.map_or(Ok(()), |apply| self.apply_manifest(*manifest, apply))
            }
            Task::Gone(keys) => self.wait_for(Awaited::Gone(keys), 10 * MINUTE),
            Task::Wait(waiting) => self.look_for(*waiting),
            Task::Pause(length) => {
                self.pause(self.cluster.now().plus(length));
                Ok(())
            }
            Task::Drain { node, timeout, end } => self.drain_on(node, timeout, end),
            Task::Evict(pod) => {
                self.evict(pod);
                Ok(())
            }
            Task::Outcome(token, http) => self.await_outcome(token, http),
            Task::Settle => self.settle(),
            Task::SettleUntil(end) => {
                self.settle_until(end);
                Ok(())
            }
        }
    }

    /// A step begins at its time, or when the one before is done.
    fn come_to(&mut self, number: usize) -> Done<()> {
        self.script.step = number;
        let step = &self.scenario.scenario.steps[number];
        let start = match (&step.at, &step.after) {
            (Some(at), _) => self.began.plus(duration(at)?),
            (None, Some(after)) => self.cluster.now().plus(duration(after)?),
            (None, None) => self.cluster.now(),
        };
        self.plan([Task::Act(number)]);
        self.pause(start);
        Ok(())
    }

    /// After the last step the run goes on for `settle`, or until every open expectation has decided itself.
    fn settle(&mut self) -> Done<()> {
        let now = self.cluster.now();
        let settle = self.scenario.scenario.settle.as_deref().map(duration).transpose()?;
        match settle {
            Some(settle) => self.pause(now.plus(settle)),
            None => self.settle_until(now.plus(SETTLE_MAX)),
        }
        Ok(())
    }

    fn settle_until(&mut self, end: SimTime) {
        let now = self.cluster.now();
        if self.is_undecided() && now < self.next_deadline().map_or(end, |at| at.plus(1).max(end)) {
            self.plan([Task::SettleUntil(end)]);
            self.pause(now.plus(POLL));
        }
    }

    fn await_answer(&mut self, token: u64, then: Then) -> Done<()> {
        if let Some(answer) = self.cluster.take_answer(USER, token) {
            return self.answered(answer, then);
        }
        match self.cluster.next_event().filter(|next| *next <= self.deadline) {
            Some(next) => {
                self.plan([Task::Answer(token, then)]);
                self.pause(next);
                Ok(())
            }
            None => self.answered(Err(Box::new(Status::new(Reason::Timeout, "the request got no answer before the limit"))), then),
        }
    }

    fn answered(&mut self, answer: Answer, then: Then) -> Done<()> {
        match then {
            Then::Say(text) => {
                answer?;
                self.say(&text);
                Ok(())
            }
            Then::Nevermind => Ok(()),
            Then::Apply(applying) => self.apply_over(answer, *applying),
            Then::Undo(object, revision) => self.undo_with(answer?, &object, revision),
            Then::History(object) => self.tell_history(answer?, &object),
        }
    }

    /// Adds to what the command prints.
    pub(super) fn say(&mut self, text: &str) {
        self.script.output.push_str(text);
    }

    /// Waits until something is as awaited.
    pub(super) fn wait_for(&mut self, awaited: Awaited, timeout: Nanos) -> Done<()> {
        let end = self.cluster.now().plus(timeout);
        self.look_for(Waiting { awaited, end, seen: None })
    }

    fn look_for(&mut self, mut waiting: Waiting) -> Done<()> {
        let (now, end) = (self.cluster.now(), waiting.end);
        let current = (self.cluster.etcd().revision(), self.requests_sent());
        let mut come = false;
        if waiting.seen != Some(current) || now >= end {
            waiting.seen = Some(current);
            come = self.is_come(&waiting.awaited)?;
        }
        if come || now >= end {
            return self.waited(waiting.awaited, come);
        }
        self.plan([Task::Wait(Box::new(waiting))]);
        self.pause(self.cluster.next_event().unwrap_or(end).max(now.plus(1)).min(end).min(now.plus(POLL)));
        Ok(())
    }
}

/// Asks as a client of this name.
pub(super) fn ask(manager: &str, verb: Verb, then: Then) -> Task {
    Task::Ask(Box::new(Request::new(&manager.into(), verb)), then)
}
