//! The scenario that is played on the live clock: its texts as they are kept with the session, and what is told of it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sim_core::scenario::{Ended, Loaded, Player};
use sim_core::time::SimTime;
use sim_core::trace::{StepId, What};

/// A scenario file with all the files it names, so that a session is the same when the files have changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScenarioFile {
    /// Its name, for messages.
    pub file: String,
    /// Its text.
    pub text: String,
    /// The texts of the files it names, by the path it names them with.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
}

impl ScenarioFile {
    /// Reads the scenario from the texts.
    pub fn load(&self) -> Result<Loaded, String> {
        let read = &mut |path: &str| self.files.get(path).cloned().ok_or_else(|| format!("{path}: no such file"));
        sim_core::scenario::load(&self.file, &self.text, read)
            .map_err(|p| format!("{}:{}:{}: {}", p.file, p.position.line, p.position.column, p.message))
    }
}

/// Remembers what was told of a run.
#[derive(Debug, Default)]
pub struct Narrator {
    /// How many steps of the trace were looked at.
    seen: StepId,
    /// Expectations that were told of, by their place.
    decided: BTreeSet<usize>,
    ended: bool,
}

impl Narrator {
    /// One that tells nothing of what has happened already.
    pub fn caught_up(player: &Player) -> Narrator {
        let mut narrator = Narrator::default();
        let _told_before = narrator.news(player);
        narrator
    }

    /// What is new, one line each.
    pub fn news(&mut self, player: &Player) -> Vec<String> {
        let mut lines = Vec::new();
        let progress = player.progress();
        if progress.scenario.is_empty() {
            return lines;
        }
        let at = |time: SimTime| format!("{:>8.3}s", time.since(player.began()) as f64 / 1e9);
        let trace = &player.cluster.trace;
        if (trace.len() as StepId) < self.seen || (self.ended && progress.ended.is_none()) {
            // Time was wound back.
            *self = Narrator { seen: trace.len() as StepId, ..Narrator::default() };
        }
        while let Some(step) = trace.step(self.seen) {
            self.seen += 1;
            if let What::Action { text, .. } = &step.what {
                lines.push(format!("{} $ {text}", at(step.time)));
            }
        }
        for (place, standing) in player.standings().into_iter().enumerate() {
            if let Some(held) = standing.held
                && self.decided.insert(place)
            {
                let word = if held { "held" } else { "FAILED" };
                let detail = if standing.detail.is_empty() { String::new() } else { format!(": {}", standing.detail) };
                let time = standing.decided.map_or_else(|| at(player.cluster.now()), at);
                lines.push(format!("{time} {word} {} (line {}){detail}", standing.name, standing.line));
            }
        }
        if let Some(ended) = progress.ended.as_ref().filter(|_| !self.ended) {
            self.ended = true;
            lines.push(format!("{} scenario {}: {}", at(player.cluster.now()), progress.scenario, told(ended)));
        }
        lines
    }
}

fn told(ended: &Ended) -> String {
    match ended {
        Ended::Done => "all steps are done".into(),
        Ended::StepFailed { step, line, message } => format!("step {step} (line {line}) failed: {message}"),
        Ended::TimeLimit { .. } => "the time limit came first".into(),
        Ended::ChangeLimit { step, line, limit } => format!("step {step} (line {line}): more than {limit} changes of the store"),
        Ended::NotSimulated { step, line, message } => format!("step {step} (line {line}) needs what is not simulated: {message}"),
    }
}

/// How the scenario and each of its expectations stand.
pub fn verdicts(player: &Player) -> Value {
    let progress = player.progress();
    let expectations: Vec<Value> = player
        .standings()
        .into_iter()
        .map(|s| {
            let decided = s.decided.map(|at| at.since(player.began()) as f64 / 1e9);
            let verdict = s.held.map_or("open", |held| if held { "held" } else { "failed" });
            json!({"name": s.name, "line": s.line, "verdict": verdict, "detail": s.detail, "decidedSeconds": decided})
        })
        .collect();
    json!({
        "scenario": progress.scenario,
        "step": progress.step,
        "steps": progress.steps,
        "doing": progress.doing,
        "state": progress.ended.as_ref().map_or_else(|| "playing".to_owned(), told),
        "expectations": expectations,
        "warnings": player.warnings(),
    })
}
