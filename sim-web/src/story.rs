//! The scenario that is played on the live clock: its texts as they are kept with the session, and what is told of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sim_core::scenario::{Ended, Loaded, Player};
use sim_core::time::SimTime;

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
    step: usize,
    decided: usize,
    ended: bool,
}

impl Narrator {
    /// What is new, one line each.
    pub fn news(&mut self, player: &Player) -> Vec<String> {
        let mut lines = Vec::new();
        let progress = player.progress();
        if progress.scenario.is_empty() || self.ended {
            return lines;
        }
        let at = |time: SimTime| format!("{:>8.3}s", time.since(player.began()) as f64 / 1e9);
        if progress.step != self.step && !progress.doing.is_empty() {
            self.step = progress.step;
            lines.push(format!("{} step {} of {}: {}", at(player.cluster.now()), progress.step, progress.steps, progress.doing));
        }
        let standings = player.standings();
        let decided = standings.iter().filter(|s| s.held.is_some()).count();
        self.ended = progress.ended.is_some();
        if decided != self.decided && !self.ended {
            self.decided = decided;
            lines.push(format!("{} {decided} of {} expectations are decided", at(player.cluster.now()), standings.len()));
        }
        if let Some(ended) = &progress.ended {
            lines.extend(standings.iter().map(|s| {
                let word = if s.held == Some(true) { "held" } else { "FAILED" };
                let detail = if s.detail.is_empty() { String::new() } else { format!(": {}", s.detail) };
                format!("{} {word} {} (line {}){detail}", s.decided.map_or_else(|| at(player.cluster.now()), at), s.name, s.line)
            }));
            lines.push(format!("{} scenario {}: {}", at(player.cluster.now()), progress.scenario, told(ended)));
        }
        lines
    }
}

fn told(ended: &Ended) -> String {
    match ended {
        Ended::Done => "all steps are done".into(),
        Ended::StepFailed { step, line, message } => format!("step {step} (line {line}) failed: {message}"),
        Ended::TimeLimit => "the time limit came first".into(),
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
