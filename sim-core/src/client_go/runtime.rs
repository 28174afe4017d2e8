//! Runs one controller: takes keys from its queue, asks it for a plan, sends the plan's requests one step at a time under
//! the client's rate limit, and deals with failures, back-off, slow start and the read-your-writes guard.
//! Invariant: a key has at most one plan under way. Within a plan, an update of an object that the plan wrote before goes
//! out with the resourceVersion of that write.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use sim_apimachinery::{Answer, Kind, Object, ObjectKey, Reply, Request, Status, Verb};

use super::caches::{CacheEvent, Caches};
use super::controller::{Controller, View, Wake};
use super::plan::{Ask, EventDraft, Plan, Step, Then};
use super::rate_limit::TokenBucket;
use super::recorder::{EventRecorder, EventStyle};
use super::work_queue::WorkQueue;
use crate::component::Context;
use crate::time::SimTime;
use crate::trace::{StepId, What};

/// The token of the event recorder's request; plans use the others.
const RECORDER_TOKEN: u64 = 0;

#[derive(Clone, Debug)]
struct Running {
    steps: VecDeque<Step>,
    in_flight: usize,
    batch: usize,
    batch_failed: Option<(Ask, Box<Status>)>,
    rest: VecDeque<Ask>,
    slow: bool,
    then: Then,
    cause: StepId,
    answers: Vec<Answer>,
    written: BTreeMap<ObjectKey, String>,
}

/// A controller with its queue, client and recorder.
#[derive(Clone, Debug)]
pub struct ControllerRuntime<C> {
    /// The controller itself.
    pub controller: C,
    name: Arc<str>,
    manager: Arc<str>,
    /// Its work queue.
    pub queue: WorkQueue,
    bucket: TokenBucket,
    recorder: EventRecorder,
    running: BTreeMap<ObjectKey, Running>,
    asked: BTreeMap<u64, (ObjectKey, Ask)>,
    next_token: u64,
    own_writes: BTreeMap<ObjectKey, BTreeMap<Kind, u64>>,
}

impl<C: Controller> ControllerRuntime<C> {
    /// A controller that has seen nothing yet. `manager` is the process's client name.
    pub fn new(controller: C, manager: &str) -> Self {
        let (qps, burst) = controller.client_limit();
        ControllerRuntime {
            name: controller.name().into(),
            manager: controller.field_manager().unwrap_or(manager).into(),
            queue: WorkQueue::new(controller.retry_limit()),
            bucket: TokenBucket::per_second(qps, burst),
            recorder: EventRecorder::new(controller.event_source(), manager, None, EventStyle::Core),
            running: BTreeMap::new(),
            asked: BTreeMap::new(),
            next_token: RECORDER_TOKEN + 1,
            own_writes: BTreeMap::new(),
            controller,
        }
    }

    /// The process started.
    pub fn on_start(&mut self, caches: &Caches, context: &mut Context<'_>) {
        let mut wake = Wake::default();
        self.controller.on_start(context.now, &mut wake);
        self.enqueue(wake, context);
        self.pump(caches, context);
    }

    /// A cache changed.
    pub fn on_event(&mut self, event: &CacheEvent, caches: &Caches, context: &mut Context<'_>) {
        let mut wake = Wake::default();
        self.controller.on_event(event, &mut View { caches, now: context.now, random: context.random }, &mut wake);
        self.enqueue(wake, context);
    }

    /// Works on whatever is ready: call it after events.
    pub fn pump(&mut self, caches: &Caches, context: &mut Context<'_>) {
        self.queue.release_due(context.now);
        while self.running.len() < self.controller.workers() {
            let Some((key, cause)) = self.queue.pop() else { break };
            self.start(&key, cause, caches, context);
        }
        self.send_events(context);
    }

    /// A request was answered.
    pub fn on_answer(&mut self, token: u64, answer: Answer, caches: &Caches, context: &mut Context<'_>) {
        if token == RECORDER_TOKEN {
            self.recorder.answered();
            return self.send_events(context);
        }
        let Some((key, ask)) = self.asked.remove(&token) else { return };
        self.controller.on_answer(&key, &ask, &answer);
        self.note_own_write(&key, &answer);
        self.tell_outcome(&ask, &answer, context);
        let Some(running) = self.running.get_mut(&key) else { return };
        running.in_flight -= 1;
        if let Ok(Reply::Object(object)) = &answer {
            running.written.insert(object.key(), object.metadata().resource_version.clone().unwrap_or_default());
        }
        let failure = answer.as_ref().err().filter(|s| !ask.tolerate.allows(s)).cloned();
        running.answers.push(answer);
        match failure {
            Some(status) if running.batch > 1 || running.slow => running.batch_failed = Some((ask.clone(), status)),
            Some(status) => self.fail(&key, &ask, &status, caches, context),
            None => {}
        }
        if self.running.get(&key).is_some_and(|r| r.in_flight == 0) {
            self.proceed(&key, caches, context);
        }
        self.pump(caches, context);
    }

    /// When it must be woken.
    pub fn next_wake(&self) -> Option<SimTime> {
        self.queue.next_due()
    }

    fn enqueue(&mut self, wake: Wake, context: &Context<'_>) {
        for (key, delay) in wake.keys {
            self.queue.add_after(&key, context.now, delay, context.cause);
        }
        for key in wake.rate_limited {
            self.queue.add_rate_limited(&key, context.now, context.cause);
        }
    }

    fn start(&mut self, key: &ObjectKey, cause: StepId, caches: &Caches, context: &mut Context<'_>) {
        if self.is_behind_own_writes(key, caches) {
            self.queue.done(key);
            return self.queue.add_rate_limited(key, context.now, cause);
        }
        self.own_writes.remove(key);
        let plan = self.controller.reconcile(key, &mut View { caches, now: context.now, random: context.random });
        self.adopt(key, plan, cause, caches, context);
    }

    fn adopt(&mut self, key: &ObjectKey, plan: Plan, cause: StepId, caches: &Caches, context: &mut Context<'_>) {
        let cause = self.record_plan(key, &plan, cause, context);
        let written = self.running.remove(key).map(|r| r.written).unwrap_or_default();
        let running = Running {
            steps: plan.steps.into(),
            in_flight: 0,
            batch: 0,
            batch_failed: None,
            rest: VecDeque::new(),
            slow: false,
            then: plan.then,
            cause,
            answers: vec![],
            written,
        };
        self.running.insert(key.clone(), running);
        self.proceed(key, caches, context);
    }

    fn record_plan(&self, key: &ObjectKey, plan: &Plan, cause: StepId, context: &mut Context<'_>) -> StepId {
        if plan.steps.is_empty() && plan.decision.is_empty() {
            return cause;
        }
        let reasons = plan.steps.iter().flat_map(reasons_of).collect();
        let what = What::Reconciled { key: key.clone(), decision: plan.decision.as_str().into(), reasons };
        context.trace.push(context.now, &self.name, cause, what)
    }

    /// Sends the next step of a plan whose requests are all answered, or ends it.
    fn proceed(&mut self, key: &ObjectKey, caches: &Caches, context: &mut Context<'_>) {
        loop {
            let Some(running) = self.running.get_mut(key) else { return };
            if let Some((ask, status)) = running.batch_failed.take() {
                let skipped = running.rest.len();
                running.rest.clear();
                running.slow = false;
                self.controller.on_skipped(key, skipped);
                return self.fail(key, &ask, &status, caches, context);
            }
            if !running.rest.is_empty() {
                let size = running.rest.len().min(running.batch * 2);
                let batch: Vec<Ask> = running.rest.drain(..size).collect();
                return self.send(key, batch, true, context);
            }
            running.slow = false;
            match running.steps.pop_front() {
                Some(Step::Tell(event)) => {
                    let cause = running.cause;
                    self.recorder.tell(context.now, &event, None, cause);
                }
                Some(Step::Ask(ask)) => return self.send(key, vec![ask], false, context),
                Some(Step::Together(asks)) if !asks.is_empty() => return self.send(key, asks, false, context),
                Some(Step::SlowStart(asks)) if !asks.is_empty() => {
                    running.rest = asks.into();
                    let first = running.rest.drain(..1).collect();
                    return self.send(key, first, true, context);
                }
                Some(_) => {}
                None => return self.finish(key, caches, context),
            }
        }
    }

    fn send(&mut self, key: &ObjectKey, asks: Vec<Ask>, slow: bool, context: &mut Context<'_>) {
        let Some(running) = self.running.get_mut(key) else { return };
        running.in_flight = asks.len();
        running.batch = asks.len();
        running.slow = slow;
        let cause = running.cause;
        for mut ask in asks {
            if let Verb::Update { object, .. } = &mut ask.verb {
                refresh_version(object, &running.written);
            }
            let token = self.next_token;
            self.next_token += 1;
            let at = self.bucket.reserve(context.now);
            let request = Request::new(&self.manager, ask.verb.clone());
            self.asked.insert(token, (key.clone(), ask));
            let before = std::mem::replace(&mut context.cause, cause);
            context.request_at(at, token, request);
            context.cause = before;
        }
    }

    fn finish(&mut self, key: &ObjectKey, caches: &Caches, context: &mut Context<'_>) {
        let Some(running) = self.running.get_mut(key) else { return };
        let cause = running.cause;
        match std::mem::take(&mut running.then) {
            Then::Resume(stage) => {
                let answers = std::mem::take(&mut running.answers);
                let plan = self.controller.resume(key, stage, &answers, &mut View { caches, now: context.now, random: context.random });
                return self.adopt(key, plan, cause, caches, context);
            }
            Then::Forget => self.queue.forget(key),
            Then::After(delay) => {
                self.queue.forget(key);
                self.queue.add_after(key, context.now, delay, cause);
            }
            Then::Again => {
                self.queue.forget(key);
                self.queue.add_rate_limited(key, context.now, cause);
            }
            Then::Retry(_) => self.retry(key, cause, context),
        }
        self.running.remove(key);
        self.queue.done(key);
    }

    fn fail(&mut self, key: &ObjectKey, ask: &Ask, status: &Status, caches: &Caches, context: &mut Context<'_>) {
        let cause = self.running.get(key).map_or(context.cause, |r| r.cause);
        match self.controller.on_failure(key, ask, status, &mut View { caches, now: context.now, random: context.random }) {
            Some(plan) => self.adopt(key, plan, cause, caches, context),
            None => {
                self.retry(key, cause, context);
                self.running.remove(key);
                self.queue.done(key);
            }
        }
    }

    fn retry(&mut self, key: &ObjectKey, cause: StepId, context: &Context<'_>) {
        if self.controller.max_retries().is_some_and(|max| self.queue.retries(key) >= max) {
            return self.queue.forget(key);
        }
        self.queue.add_rate_limited(key, context.now, cause);
    }

    fn tell_outcome(&mut self, ask: &Ask, answer: &Answer, context: &Context<'_>) {
        let events: &[EventDraft] = match answer {
            Ok(_) => &ask.on_success,
            Err(status) if ask.tolerate.allows(status) => &[],
            Err(_) => &ask.on_failure,
        };
        for event in events {
            self.recorder.tell(context.now, event, Some(answer), context.cause);
        }
    }

    fn send_events(&mut self, context: &mut Context<'_>) {
        if let Some((request, cause)) = self.recorder.next_request() {
            let at = self.bucket.reserve(context.now);
            let before = std::mem::replace(&mut context.cause, cause);
            context.request_at(at, RECORDER_TOKEN, request);
            context.cause = before;
        }
    }

    fn note_own_write(&mut self, key: &ObjectKey, answer: &Answer) {
        let Ok(Reply::Object(object)) = answer else { return };
        if self.controller.guarded().contains(&object.kind()) && !object.is_deleting() {
            let seen = self.own_writes.entry(key.clone()).or_default().entry(object.kind()).or_insert(0);
            *seen = (*seen).max(object.resource_version());
        }
    }

    fn is_behind_own_writes(&self, key: &ObjectKey, caches: &Caches) -> bool {
        self.own_writes.get(key).is_some_and(|w| w.iter().any(|(kind, revision)| caches.revision(*kind) < *revision))
    }
}

fn reasons_of(step: &Step) -> Vec<String> {
    match step {
        Step::Ask(ask) => vec![ask.reason.clone()],
        Step::SlowStart(asks) | Step::Together(asks) => match asks.as_slice() {
            [] => vec![],
            [one] => vec![one.reason.clone()],
            [first, ..] => vec![format!("{} (and {} more like it)", first.reason, asks.len() - 1)],
        },
        Step::Tell(_) => vec![],
    }
}

fn refresh_version(object: &mut Object, written: &BTreeMap<ObjectKey, String>) {
    if object.metadata().resource_version.is_none() {
        return;
    }
    if let Some(version) = written.get(&object.key()) {
        object.metadata_mut().resource_version = Some(version.clone());
    }
}
