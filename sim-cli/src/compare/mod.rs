//! `ksim compare`: a recording of a cluster beside a simulation of the same actions, or beside another recording.
//! Exit codes: 0 what was asked is reached (without `--at-least` and `--seeds`: nothing differs), 1 it is not, 2 wrong usage or
//! input; a scenario that cannot be played to its end gives the code that `ksim run` gives for it (3, 4, 5 or 7).

mod inputs;
mod simulate;

use std::ops::RangeInclusive;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use sim_compare::Comparer;
use sim_compare::report::{self, Floor, Row};

use crate::output::{EXPECTATION_FAILED, HELD, WRONG_INPUT, text};
use inputs::{Story, Told, refuse};

/// Seeds beyond this many say nothing new.
const SEEDS_MAX: u64 = 1000;

/// Arguments of `ksim compare`.
#[derive(Args)]
pub struct CompareArguments {
    /// REAL [SIM]: a recording (.jsonl or .jsonl.gz), or a folder of them in which NAME.2.jsonl is the second recording of NAME.
    /// SIM is what it is held against, a recording or a folder; without it the scenario of the recording's name is played
    #[arg(required = true, value_name = "REAL [SIM]")]
    paths: Vec<PathBuf>,
    /// All paths are recordings, each to be held against its scenario
    #[arg(long)]
    each: bool,
    /// A second recording of the same real cluster: how alike it is to the first is the most that can be asked
    #[arg(long, value_name = "REAL2")]
    ceiling: Option<PathBuf>,
    /// The scenario to play, instead of the one of the recording's name
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// Where scenarios are that have the names of recordings
    #[arg(long, value_name = "FOLDER", default_value = "scenarios/recorded")]
    scenarios: PathBuf,
    /// The seed to play it with [default: that of the simulated cluster that was recorded, or the scenario's own]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Also play it with these seeds (A-B, both included) and tell whether their times cover the recording's
    #[arg(long, value_parser = seeds, value_name = "A-B")]
    seeds: Option<RangeInclusive<u64>>,
    /// The least share of the ceiling (without one, the least figure) that is asked of every figure, such as 0.97
    #[arg(long, value_parser = share, value_name = "SHARE")]
    at_least: Option<f64>,
    /// The least share of aligned states whose times the seeds have to cover
    #[arg(long, value_parser = share, default_value = "0.9", value_name = "SHARE")]
    cover_at_least: f64,
    /// What is not held against a recording, and why; see sim-compare/tolerances.yaml for the default
    #[arg(long, value_name = "FILE")]
    tolerances: Option<PathBuf>,
    /// Use recordings that were cut in the middle, up to there
    #[arg(long)]
    allow_cut: bool,
    /// How results are printed
    #[arg(long, value_enum, default_value = "text")]
    format: FormatArgument,
    /// Also write one HTML page with the timelines beside each other
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// So many differences are printed for each recording; 0 for all
    #[arg(long, default_value_t = 12, value_name = "N")]
    differences: usize,
}

#[derive(Clone, Copy, ValueEnum)]
enum FormatArgument {
    Text,
    Json,
    Junit,
}

fn share(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|s| (0.0..=1.0).contains(s)).ok_or_else(|| "expected a share from 0 to 1, such as 0.97".into())
}

fn seeds(text: &str) -> Result<RangeInclusive<u64>, String> {
    let (from, to) = text.split_once('-').ok_or("expected A-B, such as 1-20")?;
    let number = |t: &str| t.parse::<u64>().map_err(|e| format!("{t:?}: {e}"));
    let (from, to) = (number(from)?, number(to)?);
    match to.checked_sub(from) {
        None => Err("the range is empty".into()),
        Some(more) if more >= SEEDS_MAX => Err(format!("at most {SEEDS_MAX} seeds")),
        Some(_) => Ok(from..=to),
    }
}

/// Runs the command and gives its exit code.
pub fn compare(arguments: &CompareArguments) -> i32 {
    let tolerances = match inputs::tolerances(arguments.tolerances.as_deref()) {
        Ok(tolerances) => tolerances,
        Err(told) => return refuse(&told),
    };
    let stories = match inputs::stories(arguments) {
        Ok(stories) => stories,
        Err(told) => return refuse(&told),
    };
    let mut comparer = Comparer::new(tolerances);
    let (mut rows, mut code) = (Vec::new(), HELD);
    for story in &stories {
        match row(arguments, &mut comparer, story) {
            Ok(row) => rows.push(row),
            Err(told) => code = code.max(refuse(&told)),
        }
    }
    let floor = Floor { share: arguments.at_least, coverage: arguments.seeds.as_ref().map(|_| arguments.cover_at_least) };
    let missed = rows.iter().any(|row| !floor.missed(row).is_empty());
    if let Err(told) = tell(arguments, &comparer, &rows, &floor) {
        code = code.max(refuse(&told));
    }
    if code == HELD && missed { EXPECTATION_FAILED } else { code }
}

fn row(arguments: &CompareArguments, comparer: &mut Comparer, story: &Story) -> Result<Row, Told> {
    let real = inputs::side(comparer, &story.real, arguments.allow_cut)?;
    let second = story.second.as_ref().map(|path| inputs::side(comparer, path, arguments.allow_cut)).transpose()?;
    let (other, named) = match &story.other {
        Some(path) => (inputs::side(comparer, path, arguments.allow_cut)?, path.display().to_string()),
        None => {
            let scenario = inputs::scenario(arguments, &real.header, &story.real)?;
            let seed = arguments.seed.or(real.header.seed).unwrap_or(scenario.scenario.seed);
            (simulate::side(comparer, &scenario, seed)?, format!("{} (seed {seed})", scenario.file))
        }
    };
    let mut row = Row::of(comparer, &real, second.as_ref(), &other, &named);
    if let Some(seeds) = &arguments.seeds {
        let scenario = inputs::scenario(arguments, &real.header, &story.real)?;
        let sides = seeds.clone().map(|seed| simulate::side(comparer, &scenario, seed)).collect::<Result<Vec<_>, Told>>()?;
        row.hold_seeds(comparer, &real, second.as_ref(), &sides);
    }
    Ok(row)
}

fn tell(arguments: &CompareArguments, comparer: &Comparer, rows: &[Row], floor: &Floor) -> Result<(), Told> {
    match arguments.format {
        FormatArgument::Text if rows.is_empty() => {}
        FormatArgument::Text => text(&report::text(rows, arguments.differences)),
        FormatArgument::Json => text(&format!("{}\n", report::json(rows, floor))),
        FormatArgument::Junit => text(&format!("{}\n", report::junit(rows, floor))),
    }
    if matches!(arguments.format, FormatArgument::Text) && (floor.share.is_some() || floor.coverage.is_some()) {
        for row in rows {
            floor.missed(row).iter().for_each(|missed| text(&format!("FAILED {}: {missed}\n", row.name)));
        }
    }
    let Some(path) = arguments.html.as_ref().filter(|_| !rows.is_empty()) else { return Ok(()) };
    let page = report::html::html(comparer, rows, floor);
    std::fs::write(path, page).map_err(|e| Told { code: WRONG_INPUT, message: format!("{}: {e}", path.display()) })
}
