//! `ksim calibrate`: estimates how long things take on a cluster from recordings of it, and writes a cluster profile.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use sim_calibrate::{Calibration, Samples, Settings, Story, World, calibrate, report, write_profile};
use sim_compare::{ReadOptions, Recording};
use sim_core::cluster::{Profile, Settings as ClusterSettings};
use sim_core::scenario::{self, Loaded};

use crate::output::{self, EXPECTATION_FAILED, HELD, WRONG_INPUT};
use crate::{serve, session};

/// Arguments of `ksim calibrate`.
#[derive(Args)]
pub struct CalibrateArguments {
    /// Recordings (k8s-watch-trace/v1, plain or gzipped), or folders of them
    #[arg(required = true, value_name = "RECORDING")]
    recordings: Vec<PathBuf>,
    /// What is known before: a shipped profile, or a file with one
    #[arg(long, default_value = "docker-desktop", value_name = "NAME|FILE")]
    profile: String,
    /// Where the new profile is written; `ksim serve --cluster FILE` and a scenario's `cluster.profile` take it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Fail if this file is not what would be written: numbers may differ by a quarter or 10 ms, as other random draws would have it
    #[arg(long, value_name = "FILE")]
    check: Option<PathBuf>,
    /// The scenario that does what the recordings show [default: DIR/NAME.yaml, NAME being the recording's own]
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// Where scenarios of recordings are
    #[arg(long, default_value = "scenarios/recorded", value_name = "DIR")]
    scenarios: PathBuf,
    /// How many seeds each scenario is played with in each round
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
    /// How many rounds at most
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(0..=100))]
    rounds: u32,
    /// Do not try whether a fit on half of the recordings holds on the other half; a third of the time
    #[arg(long)]
    no_cross: bool,
    /// What is printed: a table of what was seen and what came of it, or the profile
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Format {
    Text,
    Yaml,
}

/// Estimates, prints and writes.
pub fn run(arguments: &CalibrateArguments) -> i32 {
    match estimate(arguments) {
        Ok(code) => code,
        Err(message) => {
            eprintln!("error: {message}");
            WRONG_INPUT
        }
    }
}

fn estimate(arguments: &CalibrateArguments) -> Result<i32, String> {
    let begin = serve::profile(&arguments.profile)?;
    let (stories, scenarios) = stories(arguments)?;
    if stories.iter().flat_map(|s| &s.seen).all(|seen| seen.of.is_empty()) {
        return Err("the recordings show none of the intervals that are looked for: no pod starts or ends in them".into());
    }
    let settings = Settings { seeds: arguments.seeds, rounds: arguments.rounds, cross: !arguments.no_cross && arguments.check.is_none() };
    let found = calibrate(&begin, &stories, &settings, &Simulated { scenarios })?;
    let text = write_profile(&found.profile, &head(arguments, &found))?;
    match arguments.format {
        Format::Text => output::text(&report(&found)),
        Format::Yaml => output::text(&text),
    }
    if let Some(path) = &arguments.out {
        std::fs::write(path, &text).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    arguments.check.as_deref().map_or(Ok(HELD), |path| check(path, &text))
}

/// The head of the file: what made it, and from how much.
fn head(arguments: &CalibrateArguments, found: &Calibration) -> Vec<String> {
    let mut command =
        format!("ksim calibrate {}", arguments.recordings.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(" "));
    command.push_str(&format!(" --profile {} --seeds {} --rounds {}", arguments.profile, arguments.seeds, arguments.rounds));
    if let Some(out) = arguments.out.as_ref().or(arguments.check.as_ref()) {
        command.push_str(&format!(" --out {}", out.display()));
    }
    let (recordings, _) = found.recordings;
    vec![
        format!("Made from {recordings} recordings by:"),
        format!("  {command}"),
        "Do not edit. Whether it is still what the recordings give: the same with --check in place of --out.".into(),
        "Latencies are quantiles (0, 25, 50, 75, 100 %) in microseconds.".into(),
    ]
}

/// Whether a kept profile is what the recordings give: the same, but for what another order of random draws makes of a table.
fn check(path: &Path, text: &str) -> Result<i32, String> {
    let kept = session::read(path)?;
    let body = |text: &str| text.lines().filter(|l| !l.starts_with('#')).map(str::to_owned).collect::<Vec<_>>();
    let (kept, new) = (body(&kept), body(text));
    let alike = |at: &usize| kept.get(*at).zip(new.get(*at)).is_some_and(|(kept, new)| is_alike(kept, new));
    let Some(at) = (0..kept.len().max(new.len())).find(|at| !alike(at)) else { return Ok(HELD) };
    let show = |lines: &[String]| lines.get(at).map_or("nothing", |l| l.trim()).to_owned();
    eprintln!("error: {} is not what the recordings give: it says {}, and they give {}", path.display(), show(&kept), show(&new));
    Ok(EXPECTATION_FAILED)
}

/// Two lines are alike when all but their numbers is the same and each number is within a quarter of the other, or within 10 ms.
fn is_alike(kept: &str, new: &str) -> bool {
    let parts = |line: &str| line.split([' ', ',', '[', ']']).filter(|w| !w.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let (kept, new) = (parts(kept), parts(new));
    kept.len() == new.len()
        && kept.iter().zip(&new).all(|(a, b)| match (a.parse::<f64>(), b.parse::<f64>()) {
            (Ok(a), Ok(b)) => (a - b).abs() <= (0.25 * a.abs().max(b.abs())).max(10_000.0),
            _ => a == b,
        })
}

/// The recordings by story, and the scenario of each story.
fn stories(arguments: &CalibrateArguments) -> Result<(Vec<Story>, Vec<Arc<Loaded>>), String> {
    let (mut stories, mut scenarios): (Vec<Story>, Vec<Arc<Loaded>>) = (vec![], vec![]);
    for path in files(&arguments.recordings)? {
        let recording = Recording::read(&path, ReadOptions::default()).map_err(|e| e.to_string())?;
        let file = match &arguments.scenario {
            Some(file) => file.clone(),
            None => scenario_of(&recording.header.name, &arguments.scenarios, &path)?,
        };
        let name = file.display().to_string();
        let at = match stories.iter().position(|s| s.name == name) {
            Some(at) => at,
            None => {
                let loaded = session::load(&file).map_err(|p| format!("{}:{}: {}", p.file, p.position.line, p.message))?;
                scenarios.push(Arc::new(loaded));
                stories.push(Story { name, seen: vec![] });
                stories.len() - 1
            }
        };
        stories[at].seen.push(Samples::of(&recording));
    }
    Ok((stories, scenarios))
}

/// The scenario a recording's name means. A name is no path.
fn scenario_of(name: &str, folder: &Path, recording: &Path) -> Result<PathBuf, String> {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    let file = folder.join(format!("{name}.yaml"));
    if plain && file.is_file() {
        return Ok(file);
    }
    let folder = folder.display();
    Err(format!("{}: there is no scenario {name:?} in {folder}; name the one that does the same with --scenario", recording.display()))
}

/// The files themselves, and the recordings in folders in the order of their names.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    for path in paths {
        if !path.is_dir() {
            found.push(path.clone());
            continue;
        }
        let entries = std::fs::read_dir(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let is_recording = |p: &PathBuf| p.is_file() && p.to_string_lossy().trim_end_matches(".gz").ends_with(".jsonl");
        let mut inside: Vec<PathBuf> = entries.flatten().map(|e| e.path()).filter(is_recording).collect();
        inside.sort();
        if inside.is_empty() {
            return Err(format!("{}: no recordings were found (they end in .jsonl or .jsonl.gz)", path.display()));
        }
        found.extend(inside);
    }
    Ok(found)
}

/// The simulator as a world to play in.
struct Simulated {
    scenarios: Vec<Arc<Loaded>>,
}

impl World for Simulated {
    fn play(&self, story: usize, profile: &Profile, seed: u64) -> Result<Recording, String> {
        let loaded = &self.scenarios[story];
        let profile = scenario::changed(profile.clone(), &loaded.scenario.cluster)?;
        let played = session::play_on(profile, loaded, seed, &ClusterSettings::default(), &mut |_, _| {})?;
        let mut text = String::new();
        played.recording(&mut |line| {
            text.push_str(line);
            text.push('\n');
        });
        Recording::from_reader(&loaded.file, text.as_bytes(), ReadOptions::default()).map_err(|e| e.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::is_alike;

    #[test]
    fn a_profile_is_still_what_it_was_when_only_draws_are_other_ones() {
        assert!(is_alike("  commit: [2300, 4000, 5800]", "  commit: [2900, 4100, 9800]"));
        assert!(is_alike("  createSandbox: [57000, 101000]", "  createSandbox: [47500, 120000]"));
        assert!(!is_alike("  createSandbox: [57000, 101000]", "  createSandbox: [57000, 151000]"));
        assert!(!is_alike("  commit: [2300]", "  answer: [2300]"));
        assert!(!is_alike("  commit: [2300]", "  commit: [2300, 1]"));
        assert!(!is_alike("loadBalancer: true", "loadBalancer: false"));
    }
}
