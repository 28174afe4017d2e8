//! How results are told: to a person, as JSON, as JUnit XML, as annotations of a GitHub run.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use serde_json::json;
use sim_core::scenario::{Ended, Problem, Verdict};
use sim_core::time::SimTime;

use crate::output::{coloured, colours, line};
use crate::session::Played;
use crate::timeline::{describe, moment};

/// How results are printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Human,
    Json,
    Junit,
    Github,
}

/// How many steps before a failure are shown.
const STEPS_SHOWN: usize = 8;

/// The result of one run.
pub struct Result {
    pub name: String,
    pub file: String,
    pub seed: u64,
    pub ended: Ended,
    pub verdicts: Vec<Verdict>,
    pub warnings: Vec<String>,
    pub digest: Option<u64>,
    pub same: bool,
    /// Rules about the whole world that were broken, the first ones.
    pub broken: Vec<String>,
    pub took: String,
    pub steps: usize,
    context: Vec<Vec<String>>,
    began: SimTime,
}

impl Result {
    pub fn of(played: &Played, digest: Option<u64>, same: bool) -> Result {
        let cluster = &played.player.cluster;
        let began = played.player.began();
        let context = played.outcome.verdicts.iter().map(|v| if v.held { vec![] } else { steps_before(played, v) }).collect();
        Result {
            name: played.loaded.scenario.metadata.name.clone(),
            file: played.loaded.file.clone(),
            seed: played.seed,
            ended: played.outcome.ended.clone(),
            verdicts: played.outcome.verdicts.clone(),
            warnings: played.outcome.warnings.clone(),
            digest,
            same,
            broken: played.violations().iter().map(|v| format!("{} (revision {}: {})", v.rule, v.revision, v.found)).collect(),
            took: moment(cluster.now(), began),
            steps: cluster.trace.len(),
            context,
            began,
        }
    }

    fn held(&self) -> bool {
        self.same && self.broken.is_empty() && self.ended == Ended::Done && self.verdicts.iter().all(|v| v.held)
    }

    /// What went wrong besides expectations.
    fn trouble(&self) -> Option<(usize, String)> {
        if let Some(first) = self.broken.first() {
            return Some((0, format!("an invariant of the simulator broke, please report it: {first}")));
        }
        match &self.ended {
            Ended::Done if !self.same => Some((0, "two runs of this seed differ".into())),
            Ended::Done => None,
            Ended::TimeLimit { step, line } => Some((
                *line,
                format!("the time limit came in step {step}: the scenario does not come to rest (timeLimit in the scenario allows more)"),
            )),
            Ended::StepFailed { step, line, message } => Some((*line, format!("step {step} failed: {message}"))),
            Ended::ChangeLimit { step, line, limit } => Some((
                *line,
                format!(
                    "a limit was reached in step {step}: more than {limit} changes of the store (changeLimit in the scenario allows more)"
                ),
            )),
            Ended::NotSimulated { step, line, message } => {
                Some((*line, format!("step {step} needs something that is not simulated: {message}")))
            }
        }
    }
}

/// The last steps before a verdict was reached, without noise.
fn steps_before(played: &Played, verdict: &Verdict) -> Vec<String> {
    let cluster = &played.player.cluster;
    let upto = verdict.step as usize + 1;
    let steps: Vec<_> = cluster.trace.steps().take(upto).collect();
    let mut shown: Vec<String> = Vec::new();
    for (_, step) in steps.iter().rev() {
        if shown.len() >= STEPS_SHOWN || step.time < played.player.began() {
            break;
        }
        if let Some(text) = describe(cluster, step) {
            shown.push(format!("{:>9}  {text}", moment(step.time, played.player.began())));
        }
    }
    shown.reverse();
    shown
}

/// Tells of one run as soon as it is over.
pub fn one(format: Format, row: &Result) {
    match format {
        Format::Human => human(row),
        Format::Github => github(row),
        Format::Json | Format::Junit => {}
    }
}

fn human(row: &Result) {
    let paint = colours();
    let digest = row.digest.map(|d| format!("  digest {d:016x}")).unwrap_or_default();
    let word = if row.held() { coloured("ok", "32", paint) } else { coloured("FAILED", "31;1", paint) };
    let held = row.verdicts.iter().filter(|v| v.held).count();
    line(&format!(
        "{word:>6} {} (seed {}): {held} of {} expectations held, {} simulated, {} steps{digest}",
        row.name,
        row.seed,
        row.verdicts.len(),
        row.took,
        row.steps
    ));
    for warning in &row.warnings {
        line(&format!("       warning: {warning}"));
    }
    if let Some((at, text)) = row.trouble() {
        line(&format!("       {}:{at}: {text}", row.file));
    }
    for (verdict, context) in row.verdicts.iter().zip(&row.context).filter(|(v, _)| !v.held) {
        let when = verdict.decided.map(|at| format!(" at {}", moment(at, row.began))).unwrap_or_default();
        line(&format!("       {}:{}: expected: {}", row.file, verdict.line, verdict.name));
        line(&format!("         but{when}: {}", verdict.detail));
        context.iter().for_each(|step| line(&format!("         {step}")));
    }
    if !row.held() {
        line(&format!("       replay: ksim run {} --seed {}", row.file, row.seed));
    }
}

fn github(row: &Result) {
    if let Some((at, text)) = row.trouble() {
        line(&format!("::error file={},line={}::{}", row.file, at.max(1), escaped(&text)));
    }
    for verdict in row.verdicts.iter().filter(|v| !v.held) {
        let text = format!("{}: {}", verdict.name, verdict.detail);
        line(&format!("::error file={},line={},title={}::{}", row.file, verdict.line, escaped(&row.name), escaped(&text)));
    }
    for warning in &row.warnings {
        line(&format!("::warning file={}::{}", row.file, escaped(warning)));
    }
}

fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Tells of all runs.
pub fn summary(format: Format, rows: &[Result]) {
    match format {
        Format::Human | Format::Github if rows.len() > 1 => {
            let held = rows.iter().filter(|r| r.held()).count();
            line(&format!("{held} of {} runs held", rows.len()));
        }
        Format::Human | Format::Github => {}
        Format::Json => line(&json(rows)),
        Format::Junit => line(&junit(rows)),
    }
}

fn json(rows: &[Result]) -> String {
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            let expectations: Vec<_> = row.verdicts.iter().map(|v| json!({"name": v.name, "line": v.line, "held": v.held, "detail": v.detail})).collect();
            json!({
                "name": row.name, "file": row.file, "seed": row.seed, "held": row.held(), "simulated": row.took, "steps": row.steps,
                "digest": row.digest.map(|d| format!("{d:016x}")), "trouble": row.trouble().map(|t| t.1), "warnings": row.warnings, "expectations": expectations,
            })
        })
        .collect();
    serde_json::to_string_pretty(&rows).unwrap_or_default()
}

fn junit(rows: &[Result]) -> String {
    let mut report = Report::new("ksim");
    for row in rows {
        let mut suite = TestSuite::new(format!("{} (seed {})", row.name, row.seed));
        if let Some((_, text)) = row.trouble() {
            suite.add_test_case(failed_case("steps", &text));
        }
        for verdict in &row.verdicts {
            suite.add_test_case(if verdict.held {
                TestCase::new(verdict.name.clone(), TestCaseStatus::success())
            } else {
                failed_case(&verdict.name, &verdict.detail)
            });
        }
        report.add_test_suite(suite);
    }
    report.to_string().unwrap_or_default()
}

fn failed_case(name: &str, detail: &str) -> TestCase {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_message(detail.to_owned());
    TestCase::new(name.to_owned(), status)
}

/// A problem with a file, for standard error.
pub fn problem(problem: &Problem) -> String {
    told("error", problem)
}

/// A warning about a file, for standard error.
pub fn warning(problem: &Problem) -> String {
    told("warning", problem)
}

fn told(word: &str, problem: &Problem) -> String {
    let place = if problem.position.line > 0 { format!(":{}:{}", problem.position.line, problem.position.column) } else { String::new() };
    let hint = if problem.hint.is_empty() { String::new() } else { format!("  hint: {}\n", problem.hint) };
    format!("{word}: {}{place}: {}\n{hint}", problem.file, problem.message)
}
