//! Expectations, watched while the run goes on.
//! `eventually` is decided when it first holds or its time is over; `always` and `never` by the first moment that breaks
//! them; `inOrder` by its conditions holding one after the other; bounds by the worst moment.

use std::collections::BTreeSet;

use sim_apimachinery::Kind;

use super::{Done, Player, Standing};
use crate::cluster::Cluster;
use crate::scenario::format::{Condition, Expectation};
use crate::scenario::load::duration;
use crate::time::SimTime;
use crate::trace::StepId;

/// What an expectation came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The expectation's name.
    pub name: String,
    /// Its line in the scenario file.
    pub line: usize,
    /// Whether it held.
    pub held: bool,
    /// What was found instead, or when it held.
    pub detail: String,
    /// When it was decided, if before the end.
    pub decided: Option<SimTime>,
    /// How many steps the trace had then.
    pub step: StepId,
}

/// One expectation being watched.
#[derive(Clone, Debug)]
pub struct Monitor {
    expectation: Expectation,
    line: usize,
    deadline: Option<SimTime>,
    reached: usize,
    begun: bool,
    worst: usize,
    last: String,
    verdict: Option<Verdict>,
    /// The kinds of objects it is about; nothing for one that must be judged whatever changed.
    kinds: Option<BTreeSet<Kind>>,
}

impl Player {
    /// Begins to watch an expectation.
    pub(super) fn watch(&mut self, expectation: Expectation, line: usize) {
        let within = expectation.within.as_deref().and_then(|w| duration(w).ok());
        let monitor = Monitor {
            deadline: within.map(|w| self.cluster.now().plus(w)),
            kinds: kinds_of(&expectation),
            expectation,
            line,
            reached: 0,
            begun: false,
            worst: 0,
            last: String::new(),
            verdict: None,
        };
        self.monitors.push(monitor);
    }

    /// Looks at all open expectations, if anything changed.
    pub(super) fn look(&mut self) {
        if self.monitors.iter().all(|monitor| monitor.verdict.is_some()) {
            return;
        }
        let revision = self.cluster.etcd().revision();
        let overdue = self.next_deadline().is_some_and(|at| at < self.cluster.now());
        if revision == self.seen && !overdue {
            return;
        }
        let changed = self.cluster.etcd().changes_after(self.seen).filter(|_| self.seen > 0 && !overdue);
        let changed: Option<BTreeSet<Kind>> = changed.map(|c| c.iter().map(|c| c.object.kind()).collect());
        self.seen = revision;
        self.judge_about(changed.as_ref());
    }

    fn judge_all(&mut self) {
        self.judge_about(None);
    }

    /// Judges the open expectations that are about any of these kinds; all of them if nothing is said.
    fn judge_about(&mut self, changed: Option<&BTreeSet<Kind>>) {
        let mut monitors = std::mem::take(&mut self.monitors);
        let concerned = |m: &&mut Monitor| match (changed, &m.kinds) {
            (Some(changed), Some(kinds)) => !changed.is_disjoint(kinds),
            _ => true,
        };
        for monitor in monitors.iter_mut().filter(|m| m.verdict.is_none()).filter(concerned) {
            if let Err(error) = self.judge_monitor(monitor) {
                monitor.decide(&self.cluster, false, error.to_string());
            }
        }
        self.monitors = monitors;
    }

    fn judge_monitor(&mut self, monitor: &mut Monitor) -> Done<()> {
        let expectation = monitor.expectation.clone();
        if let Some(condition) = &expectation.eventually {
            self.judge_eventually(monitor, condition)?;
        }
        if let Some(condition) = &expectation.always {
            let judged = self.judge(condition)?;
            monitor.begun |= judged.holds;
            if monitor.begun && !judged.holds {
                monitor.decide(&self.cluster, false, judged.found);
            }
        }
        if let Some(condition) = &expectation.never
            && self.judge(condition)?.holds
        {
            monitor.decide(&self.cluster, false, "it happened".into());
        }
        if let Some(conditions) = &expectation.in_order {
            self.judge_order(monitor, conditions)?;
        }
        for bound in expectation.at_most.iter().chain(&expectation.at_least) {
            monitor.worst = monitor.worst.max(self.count(&bound.object)?.0);
        }
        if let Some(bound) = expectation.at_most.as_ref().filter(|b| monitor.worst > b.value) {
            monitor.decide(&self.cluster, false, format!("{} at once, at most {} expected", monitor.worst, bound.value));
        }
        Ok(())
    }

    fn judge_eventually(&mut self, monitor: &mut Monitor, condition: &Condition) -> Done<()> {
        let judged = self.judge(condition)?;
        if judged.holds {
            monitor.decide(&self.cluster, true, String::new());
        } else if monitor.deadline.is_some_and(|at| at < self.cluster.now()) {
            let within = monitor.expectation.within.clone().unwrap_or_default();
            monitor.decide(&self.cluster, false, format!("not within {within}: {}", judged.found));
        }
        monitor.last = judged.found;
        Ok(())
    }

    fn judge_order(&mut self, monitor: &mut Monitor, conditions: &[Condition]) -> Done<()> {
        while let Some(condition) = conditions.get(monitor.reached) {
            let judged = self.judge(condition)?;
            if !judged.holds {
                monitor.last = format!("{} of {} came; then {}", monitor.reached, conditions.len(), judged.found);
                return Ok(());
            }
            monitor.reached += 1;
        }
        monitor.decide(&self.cluster, true, String::new());
        Ok(())
    }

    /// The first moment at which an open expectation will have failed.
    pub(super) fn next_deadline(&self) -> Option<SimTime> {
        self.monitors.iter().filter(|m| m.verdict.is_none()).filter_map(|m| m.deadline).min()
    }

    /// Whether an expectation still waits for something to happen.
    pub(super) fn is_undecided(&self) -> bool {
        let waits = |m: &Monitor| m.expectation.eventually.is_some() || m.expectation.in_order.is_some();
        self.monitors.iter().any(|m| m.verdict.is_none() && waits(m))
    }

    /// All verdicts; what is still open is decided by how things are now.
    pub(super) fn verdicts(&mut self) -> Vec<Verdict> {
        self.judge_all();
        let cluster = &self.cluster;
        for monitor in self.monitors.iter_mut().filter(|m| m.verdict.is_none()) {
            monitor.close(cluster);
        }
        self.monitors.iter().filter_map(|m| m.verdict.clone()).collect()
    }
}

/// The kinds an expectation's conditions are about, if they are about objects and events only.
fn kinds_of(expectation: &Expectation) -> Option<BTreeSet<Kind>> {
    let mut kinds = BTreeSet::new();
    let conditions =
        expectation.eventually.iter().chain(&expectation.always).chain(&expectation.never).chain(expectation.in_order.iter().flatten());
    for condition in conditions {
        match condition {
            Condition { object: Some(object), .. } => kinds.insert(Kind::from_word(&object.select.kind)?),
            Condition { event: Some(_), .. } => kinds.insert(Kind::Event),
            _ => return None,
        };
    }
    for bound in expectation.at_most.iter().chain(&expectation.at_least) {
        kinds.insert(Kind::from_word(&bound.object.select.kind)?);
    }
    Some(kinds)
}

impl Monitor {
    /// How it stands.
    pub(super) fn standing(&self) -> Standing {
        let verdict = self.verdict.as_ref();
        Standing {
            name: self.expectation.name.clone(),
            line: self.line,
            held: verdict.map(|v| v.held),
            detail: verdict.map_or_else(|| self.last.clone(), |v| v.detail.clone()),
            decided: verdict.and_then(|v| v.decided),
        }
    }

    fn decide(&mut self, cluster: &Cluster, held: bool, detail: String) {
        if self.verdict.is_none() {
            let name = self.expectation.name.clone();
            let step = cluster.trace.len() as StepId - 1;
            self.verdict = Some(Verdict { name, line: self.line, held, detail, decided: Some(cluster.now()), step });
        }
    }

    /// The run is over.
    fn close(&mut self, cluster: &Cluster) {
        let expectation = &self.expectation;
        let (held, detail) = if expectation.eventually.is_some() || expectation.in_order.is_some() {
            (false, format!("not until the end: {}", self.last))
        } else if expectation.always.is_some() && !self.begun {
            (false, "it never held at all".into())
        } else if let Some(bound) = expectation.at_least.as_ref().filter(|b| self.worst < b.value) {
            (false, format!("{} at most, at least {} expected", self.worst, bound.value))
        } else {
            (true, String::new())
        };
        self.decide(cluster, held, detail);
    }
}
