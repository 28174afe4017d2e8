//! How far a run is, for those who watch it while it goes on.

use super::{Ended, Player};
use crate::time::SimTime;

/// How far a run is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The scenario's name; empty if there is none.
    pub scenario: String,
    /// The number of the step in progress, from 1; 0 if there is none.
    pub step: usize,
    /// How many steps there are.
    pub steps: usize,
    /// What the user is doing.
    pub doing: String,
    /// How it ended, if it did.
    pub ended: Option<Ended>,
}

/// How an expectation stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its name.
    pub name: String,
    /// Its line in the scenario file.
    pub line: usize,
    /// Whether it held; nothing while it is open.
    pub held: Option<bool>,
    /// What was found instead, if anything was.
    pub detail: String,
    /// When it was decided.
    pub decided: Option<SimTime>,
}

impl Player {
    /// How far the run is.
    pub fn progress(&self) -> Progress {
        let steps = self.scenario.scenario.steps.len();
        Progress {
            scenario: self.scenario.scenario.metadata.name.clone(),
            step: if steps == 0 { 0 } else { self.script.step + 1 },
            steps,
            doing: self.script.text.clone(),
            ended: self.script.ended.clone(),
        }
    }

    /// How each expectation stands, in the order in which they were begun.
    pub fn standings(&self) -> Vec<Standing> {
        self.monitors.iter().map(|monitor| monitor.standing()).collect()
    }

    /// What is accepted but not simulated, of all that the scenario has applied so far.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}
