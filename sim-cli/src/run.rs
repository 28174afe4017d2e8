//! `ksim run`: plays scenario files and checks what they expect.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use sim_core::cluster::Settings;
use sim_core::scenario::{Ended, Problem};

use crate::output::{
    self, EXPECTATION_FAILED, HELD, INVARIANT_BROKEN, LIMIT_REACHED, NO_CONVERGENCE, NOT_DETERMINISTIC, NOT_SIMULATED, WRONG_INPUT, line,
};
use crate::page;
use crate::report::{self, Format, Result as Row};
use crate::session::{self, Played};
use crate::timeline::Timeline;

/// Arguments of `ksim run`.
#[derive(Args)]
pub struct RunArguments {
    /// Scenario files, or folders of them
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// The seed of chance, instead of the scenario's own
    #[arg(long)]
    seed: Option<u64>,
    /// Many seeds: from A to before B, as A..B
    #[arg(long, conflicts_with = "seed", value_parser = seeds)]
    seeds: Option<std::ops::Range<u64>>,
    /// How results are printed
    #[arg(short, long, value_enum, default_value = "human")]
    output: FormatArgument,
    /// Write what happened to this file, as a recorder of a real cluster would
    #[arg(long)]
    trace: Option<PathBuf>,
    /// Write what happened to this file as a document of the browser view, with every step and its cause
    #[arg(long)]
    view: Option<PathBuf>,
    /// Write what happened to this file as a page that shows it, to be opened in a browser from disk
    #[arg(long)]
    html: Option<PathBuf>,
    /// Print results only, not the timeline
    #[arg(short, long)]
    quiet: bool,
    /// Play each scenario so many times and check that the traces are equal
    #[arg(long, default_value_t = 1)]
    repeat: u32,
    /// Print the digest of each trace
    #[arg(long)]
    digest: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum FormatArgument {
    Human,
    Json,
    Junit,
    Github,
}

fn seeds(text: &str) -> Result<std::ops::Range<u64>, String> {
    let (from, to) = text.split_once("..").ok_or("expected A..B, such as 1..20")?;
    let number = |t: &str| t.parse::<u64>().map_err(|e| format!("{t:?}: {e}"));
    let (from, to) = (number(from)?, number(to)?);
    if from < to { Ok(from..to) } else { Err("the range is empty".into()) }
}

/// Runs the command and gives its exit code: the worst of all scenarios.
pub fn run(arguments: &RunArguments) -> i32 {
    let format = match arguments.output {
        FormatArgument::Human => Format::Human,
        FormatArgument::Json => Format::Json,
        FormatArgument::Junit => Format::Junit,
        FormatArgument::Github => Format::Github,
    };
    let files = match session::files(&arguments.paths) {
        Ok(files) => files,
        Err(message) => return refuse(&message),
    };
    if (arguments.trace.is_some() || arguments.view.is_some() || arguments.html.is_some()) && files.len() > 1 {
        return refuse("--trace, --view and --html take one scenario: each run needs a file of its own");
    }
    let mut rows = Vec::new();
    let mut code = HELD;
    for file in &files {
        let loaded = match session::load(file) {
            Ok(loaded) => Arc::new(loaded),
            Err(problem) => {
                eprint!("{}", report::problem(&problem));
                code = code.max(WRONG_INPUT);
                continue;
            }
        };
        loaded.warnings.iter().for_each(|w| eprint!("{}", report::warning(w)));
        let seeds = arguments.seeds.clone().unwrap_or_else(|| {
            let seed = arguments.seed.unwrap_or(loaded.scenario.seed);
            seed..seed.saturating_add(1)
        });
        for seed in seeds {
            match guarded(arguments, format, &loaded, seed) {
                Ok((row, own)) => {
                    code = worse(code, own);
                    rows.extend(row);
                }
                Err(message) => {
                    let problem = Problem { file: file.display().to_string(), position: Default::default(), message, hint: String::new() };
                    eprint!("{}", report::problem(&problem));
                    code = code.max(WRONG_INPUT);
                }
            }
        }
    }
    report::summary(format, &rows);
    code
}

/// Taking a big cluster apart takes an eighth of the time of its run, and nobody waits for that.
fn discard(played: Played) {
    std::thread::spawn(move || drop(played));
}

fn worse(a: i32, b: i32) -> i32 {
    if a == HELD || b != HELD && b != EXPECTATION_FAILED { b.max(a) } else { a }
}

fn refuse(message: &str) -> i32 {
    eprintln!("error: {message}");
    WRONG_INPUT
}

/// One run; an assertion of ours that fails in it is told as such, and ends this run only.
fn guarded(
    arguments: &RunArguments,
    format: Format,
    loaded: &Arc<sim_core::scenario::Loaded>,
    seed: u64,
) -> Result<(Option<Row>, i32), String> {
    let run = std::panic::AssertUnwindSafe(|| one(arguments, format, loaded, seed));
    match std::panic::catch_unwind(run) {
        Ok(result) => result.map(|(row, code)| (Some(row), code)),
        Err(_) => {
            eprintln!("error: {}: an invariant of the simulator broke, please report it: --seed {seed}", loaded.file);
            Ok((None, INVARIANT_BROKEN))
        }
    }
}

fn one(arguments: &RunArguments, format: Format, loaded: &Arc<sim_core::scenario::Loaded>, seed: u64) -> Result<(Row, i32), String> {
    let human = matches!(format, Format::Human);
    let mut timeline = Timeline::new(arguments.quiet || !human, output::colours());
    if human && !arguments.quiet {
        line(&format!("--- {} (seed {seed})", loaded.scenario.metadata.name));
    }
    let settings = Settings { remembers_deliveries: arguments.view.is_some() || arguments.html.is_some(), ..Settings::default() };
    let played = session::play_with(loaded, seed, &settings, &mut |cluster, began| timeline.follow(cluster, began))?;
    let digest = (arguments.digest || arguments.repeat > 1).then(|| played.digest());
    let same = repeated(arguments.repeat, loaded, seed, digest)?;
    if let Some(path) = &arguments.trace {
        write_lines(path, |write| played.recording(write))?;
    }
    if let Some(path) = &arguments.view {
        write_lines(path, |write| played.view(&mut |part| write(&part.to_string())))?;
    }
    if let Some(path) = &arguments.html {
        let page = page::of(&played).map_err(|e| format!("{}: {e}", path.display()))?;
        std::fs::write(path, page).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    let row = Row::of(&played, digest, same);
    let code = match (same, row.broken.is_empty()) {
        (_, false) => INVARIANT_BROKEN,
        (false, _) => NOT_DETERMINISTIC,
        _ => code_of(&played),
    };
    discard(played);
    report::one(format, &row);
    Ok((row, code))
}

fn repeated(times: u32, loaded: &Arc<sim_core::scenario::Loaded>, seed: u64, first: Option<u64>) -> Result<bool, String> {
    for _ in 1..times {
        let again = session::play(loaded, seed, &mut |_, _| {})?;
        if Some(again.digest()) != first {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The exit code that a run comes to, by itself.
pub(crate) fn code_of(played: &Played) -> i32 {
    let failed = played.outcome.verdicts.iter().any(|v| !v.held);
    match &played.outcome.ended {
        Ended::NotSimulated { .. } => NOT_SIMULATED,
        Ended::TimeLimit { .. } => NO_CONVERGENCE,
        Ended::ChangeLimit { .. } => LIMIT_REACHED,
        Ended::StepFailed { .. } => EXPECTATION_FAILED,
        Ended::Done if failed => EXPECTATION_FAILED,
        Ended::Done => HELD,
    }
}

/// Writes a file of lines, which `tell` gives one by one.
fn write_lines(path: &Path, tell: impl FnOnce(&mut dyn FnMut(&str))) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("{}: {e}", path.display());
    let mut writer = std::io::BufWriter::new(std::fs::File::create(path).map_err(failed)?);
    let mut failure = None;
    tell(&mut |text| {
        if let Err(error) = writeln!(writer, "{text}") {
            failure.get_or_insert(error);
        }
    });
    let flushed = writer.flush().err();
    failure.or(flushed).map_or(Ok(()), |e| Err(failed(e)))
}
