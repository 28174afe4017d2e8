//! Which files are compared with which, and reading them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sim_compare::{Comparer, Header, ReadOptions, Recording, Side, Tolerances};
use sim_core::scenario::Loaded;

use super::CompareArguments;
use crate::output::WRONG_INPUT;
use crate::{report, session};

/// Why something cannot be compared: an exit code, and what to tell.
pub(super) struct Told {
    pub(super) code: i32,
    pub(super) message: String,
}

/// Tells, and gives the exit code.
pub(super) fn refuse(told: &Told) -> i32 {
    let message = told.message.trim_end();
    eprintln!("{}{message}", if message.starts_with("error: ") { "" } else { "error: " });
    told.code
}

fn wrong(message: String) -> Told {
    Told { code: WRONG_INPUT, message }
}

/// What is compared in one row of the table.
pub(super) struct Story {
    pub(super) real: PathBuf,
    /// A second recording of the same cluster.
    pub(super) second: Option<PathBuf>,
    /// What it is held against; none for a simulation.
    pub(super) other: Option<PathBuf>,
}

/// All that was asked for.
pub(super) fn stories(arguments: &CompareArguments) -> Result<Vec<Story>, Told> {
    let (reals, other) = match arguments.paths.as_slice() {
        all if arguments.each => (all, None),
        [real] => (std::slice::from_ref(real), None),
        [real, other] => (std::slice::from_ref(real), Some(other)),
        _ => return Err(wrong("give REAL and at most one SIM; with --each all paths are recordings of their own".into())),
    };
    if other.is_some() && (arguments.scenario.is_some() || arguments.seed.is_some() || arguments.seeds.is_some()) {
        return Err(wrong("--scenario, --seed and --seeds are about a scenario that is played, but SIM is given".into()));
    }
    let mut stories = Vec::new();
    for real in reals {
        match real.is_dir() {
            true => stories.extend(in_folder(real, other)?),
            false => stories.push(Story { real: real.clone(), second: arguments.ceiling.clone(), other: other.cloned() }),
        }
    }
    if stories.len() > 1 && (arguments.scenario.is_some() || arguments.ceiling.is_some()) {
        return Err(wrong(
            "--scenario and --ceiling are for one recording; in a folder NAME.2.jsonl is the second recording of NAME".into(),
        ));
    }
    Ok(stories)
}

/// The recordings of a folder in order of their names, each with its second one.
fn in_folder(folder: &Path, other: Option<&PathBuf>) -> Result<Vec<Story>, Told> {
    let entries = std::fs::read_dir(folder).map_err(|e| wrong(format!("{}: {e}", folder.display())))?;
    let names: BTreeSet<String> = entries.flatten().filter_map(|e| e.file_name().into_string().ok()).collect();
    let stems: BTreeSet<&str> = names.iter().filter_map(|name| stem(name)).filter(|stem| !stem.ends_with(".2")).collect();
    if stems.is_empty() {
        return Err(wrong(format!("{}: no recordings in this folder (they end in .jsonl or .jsonl.gz)", folder.display())));
    }
    let at = |folder: &Path, stem: &str| {
        [".jsonl", ".jsonl.gz"].iter().map(|end| folder.join(format!("{stem}{end}"))).find(|path| path.is_file())
    };
    let mut stories = Vec::new();
    for stem in stems {
        let Some(real) = at(folder, stem) else { continue };
        let other = match other {
            Some(other) => {
                Some(at(other, stem).ok_or_else(|| wrong(format!("{}: there is no {stem}.jsonl to hold against it", other.display())))?)
            }
            None => None,
        };
        stories.push(Story { real, second: at(folder, &format!("{stem}.2")), other });
    }
    Ok(stories)
}

fn stem(name: &str) -> Option<&str> {
    name.strip_suffix(".jsonl").or_else(|| name.strip_suffix(".jsonl.gz"))
}

/// Reads a recording; one that is cut is told of.
pub(super) fn side(comparer: &mut Comparer, path: &Path, allow_cut: bool) -> Result<Arc<Side>, Told> {
    let recording = Recording::read(path, ReadOptions { allow_cut }).map_err(|error| wrong(error.to_string()))?;
    if let Some(cut) = &recording.cut {
        eprintln!(
            "warning: {}:{}: the recording is cut here; the {} lines before are used",
            path.display(),
            cut.line,
            recording.lines.len()
        );
    }
    comparer.prepare(&recording).map_err(|message| wrong(format!("{}: {message}", path.display())))
}

/// Reads tolerances, or gives the shipped ones.
pub(super) fn tolerances(path: Option<&Path>) -> Result<Tolerances, Told> {
    let Some(path) = path else { return Ok(Tolerances::default()) };
    let text = session::read(path).map_err(wrong)?;
    Tolerances::parse(&path.display().to_string(), &text).map_err(wrong)
}

/// The scenario to play for a recording: the one that was named, or the one of the recording's name.
pub(super) fn scenario(arguments: &CompareArguments, header: &Header, real: &Path) -> Result<Arc<Loaded>, Told> {
    let path = match &arguments.scenario {
        Some(path) => path.clone(),
        None => of_name(&arguments.scenarios, header, real)?,
    };
    let loaded = session::load(&path).map_err(|problem| wrong(report::problem(&problem)))?;
    loaded.warnings.iter().for_each(|warning| eprint!("{}", report::warning(warning)));
    Ok(Arc::new(loaded))
}

/// Traces of ours are called `recorded-NAME`.
fn of_name(folder: &Path, header: &Header, real: &Path) -> Result<PathBuf, Told> {
    let name = header.name.strip_prefix("recorded-").unwrap_or(&header.name);
    let is_plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    let path = folder.join(format!("{name}.yaml"));
    if is_plain && path.is_file() {
        return Ok(path);
    }
    let looked = if is_plain { format!("{} is not there", path.display()) } else { "no scenario can have this name".to_owned() };
    Err(wrong(format!(
        "{}: the recording is called {:?}, and {looked}: name the scenario with --scenario, its folder with --scenarios, or give SIM",
        real.display(),
        header.name
    )))
}
