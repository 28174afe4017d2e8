//! What is to be done to the cluster, and when: read from a scenario file, or from a file of shell commands as the
//! recordings of a real cluster were made with (`{"settle", "steps": [{"at", "run"}]}`).
//! What no real cluster can be told is found here, before anything is done; so is what would reach beyond the recording's
//! own namespace.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use sim_core::scenario::format::Step;
use sim_core::scenario::load::duration;
use sim_core::scenario::{Loaded, describe, load};

use crate::failure::Failure;

/// Larger files are not read.
const FILE_BYTES_MAX: u64 = 3 << 20;
/// How long a file of commands goes on after its last one, if it does not say.
const SETTLE: u64 = 20;
/// How long a scenario goes on at least that does not say.
const SCENARIO_SETTLE: u64 = 5;
const SECOND: u64 = 1_000_000_000;
/// The namespace meant where none is named.
pub const DEFAULT_NAMESPACE: &str = "default";

/// A plan. Times are nanoseconds of the cluster's clock.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The recording's name.
    pub name: String,
    /// What it shows, for people.
    pub about: String,
    /// The folder its files are relative to.
    pub folder: PathBuf,
    /// The namespace it is written for, which the recording's own stands for.
    pub home: String,
    /// Whether the file asks for a namespace of that name. `default` is always there: one made for the recording stands for it.
    pub names_home: bool,
    /// Whether the file says that only that namespace is recorded.
    pub only_home: bool,
    /// What is done, in order.
    pub steps: Vec<Planned>,
    /// How long it goes on after the last step.
    pub settle: u64,
    /// How long it may take.
    pub time_limit: Option<u64>,
    /// Further paths to watch.
    pub watch: Vec<String>,
    /// The scenario, if it is one.
    pub loaded: Option<Arc<Loaded>>,
}

/// One step.
#[derive(Clone, Debug)]
pub struct Planned {
    /// When, from the beginning.
    pub at: Option<u64>,
    /// When, from the end of the step before.
    pub after: Option<u64>,
    /// The text the recording shows for it.
    pub text: String,
    /// Where it stands, for messages.
    pub place: String,
    /// What is done.
    pub what: What,
}

/// What is done.
#[derive(Clone, Debug)]
pub enum What {
    /// A command of a shell.
    Shell(String),
    /// A step of a scenario.
    Step(Box<Step>),
}

/// A file of shell commands.
#[derive(Deserialize)]
struct Actions {
    #[serde(default)]
    about: String,
    steps: Vec<Action>,
    #[serde(default)]
    settle: Option<f64>,
    #[serde(default)]
    namespaces: Vec<String>,
    #[serde(default)]
    watch: Vec<String>,
}

#[derive(Deserialize)]
struct Action {
    at: f64,
    run: String,
}

/// Reads a file.
pub fn read(path: &Path) -> Result<Plan, Failure> {
    let text = read_text(path).map_err(Failure::Input)?;
    let is_actions = serde_json::from_str::<Value>(&text).is_ok_and(|v| v.get("steps").is_some() && v.get("apiVersion").is_none());
    if is_actions { of_actions(path, &text) } else { of_scenario(path, &text) }
}

fn read_text(path: &Path) -> Result<String, String> {
    let told = |e: std::io::Error| format!("{}: {e}", path.display());
    let size = std::fs::metadata(path).map_err(told)?.len();
    if size > FILE_BYTES_MAX {
        return Err(format!("{}: the file has {size} bytes, at most {FILE_BYTES_MAX} are read", path.display()));
    }
    std::fs::read_to_string(path).map_err(told)
}

fn folder_of(path: &Path) -> PathBuf {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}

fn of_actions(path: &Path, text: &str) -> Result<Plan, Failure> {
    let actions: Actions = serde_json::from_str(text).map_err(|e| Failure::Input(format!("{}: {e}", path.display())))?;
    let nanos = |seconds: f64| (seconds.max(0.0) * SECOND as f64) as u64;
    let step = |(number, action): (usize, Action)| Planned {
        at: Some(nanos(action.at)),
        after: None,
        text: action.run.clone(),
        place: format!("{}: steps[{number}]", path.display()),
        what: What::Shell(action.run),
    };
    Ok(Plan {
        name: path.file_stem().and_then(|n| n.to_str()).unwrap_or("recording").to_owned(),
        about: actions.about,
        folder: folder_of(path),
        home: actions.namespaces.first().cloned().unwrap_or_else(|| DEFAULT_NAMESPACE.into()),
        only_home: false,
        names_home: actions.namespaces.first().is_some_and(|n| n != DEFAULT_NAMESPACE),
        steps: actions.steps.into_iter().enumerate().map(step).collect(),
        settle: actions.settle.map_or(SETTLE * SECOND, nanos),
        time_limit: None,
        watch: actions.watch,
        loaded: None,
    })
}

fn of_scenario(path: &Path, text: &str) -> Result<Plan, Failure> {
    let folder = folder_of(path);
    let loaded = load(&path.display().to_string(), text, &mut |file| read_text(&folder.join(file)));
    let loaded = loaded.map_err(|p| {
        let hint = if p.hint.is_empty() { String::new() } else { format!(" ({})", p.hint) };
        Failure::Input(format!("{}:{}:{}: {}{hint}", p.file, p.position.line, p.position.column, p.message))
    })?;
    let nanos = |text: &Option<String>| text.as_deref().map(duration).transpose().map_err(Failure::Input);
    let scenario = &loaded.scenario;
    let mut steps = Vec::new();
    for (number, step) in scenario.steps.iter().enumerate().filter(|(_, s)| s.expect.is_none()) {
        let line = loaded.line_of(&format!("steps[{number}]"));
        steps.push(Planned {
            at: nanos(&step.at)?,
            after: nanos(&step.after)?,
            text: step.name.clone().unwrap_or_else(|| describe(step)),
            place: format!("{}:{line}: steps[{number}]", path.display()),
            what: What::Step(Box::new(step.clone())),
        });
    }
    Ok(Plan {
        name: scenario.metadata.name.clone(),
        about: scenario.about.trim().to_owned(),
        folder,
        home: scenario.record_namespace.clone().unwrap_or_else(|| DEFAULT_NAMESPACE.into()),
        only_home: scenario.record_namespace.is_some(),
        names_home: scenario.record_namespace.as_deref().is_some_and(|n| n != DEFAULT_NAMESPACE),
        steps,
        settle: nanos(&scenario.settle)?.unwrap_or(SCENARIO_SETTLE * SECOND),
        time_limit: nanos(&Some(scenario.time_limit.clone()))?,
        watch: vec![],
        loaded: Some(Arc::new(loaded)),
    })
}

impl Plan {
    /// Whether commands of a shell are run.
    pub fn runs_shell(&self) -> bool {
        self.steps.iter().any(|s| matches!(s.what, What::Shell(_)))
    }

    /// The manifests a step applies.
    pub fn manifests(&self, step: &Step) -> Vec<Value> {
        let Some(apply) = &step.apply else { return vec![] };
        let mut values = self.documents(apply.kustomize.iter().chain(&apply.files));
        values.extend(apply.objects.iter().cloned());
        flatten_lists(values)
    }

    /// The documents of manifests, by the paths the scenario names them with.
    pub fn documents<'a>(&self, files: impl Iterator<Item = &'a String>) -> Vec<Value> {
        let manifests = self.loaded.as_ref().map(|l| &l.manifests);
        files.filter_map(|f| manifests?.get(f)).flatten().map(|d| d.value.clone()).collect()
    }

    /// The namespaces that its steps and manifests name, besides its own.
    pub fn other_namespaces(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for planned in &self.steps {
            let What::Step(step) = &planned.what else { continue };
            collect_namespaces(&serde_json::to_value(step).unwrap_or_default(), &mut found);
            self.manifests(step).iter().for_each(|m| collect_namespaces(&m["metadata"], &mut found));
        }
        found.remove(&self.home);
        found.remove(DEFAULT_NAMESPACE);
        found
    }
}

fn collect_namespaces(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            found.extend(map.get("namespace").and_then(Value::as_str).map(str::to_owned));
            map.values().for_each(|inner| collect_namespaces(inner, found));
        }
        Value::Array(items) => items.iter().for_each(|inner| collect_namespaces(inner, found)),
        _ => {}
    }
}

fn flatten_lists(values: Vec<Value>) -> Vec<Value> {
    let flat = |value: Value| match (value["kind"].as_str(), value.get("items")) {
        (Some("List"), Some(Value::Array(items))) => items.clone(),
        _ => vec![value],
    };
    values.into_iter().flat_map(flat).collect()
}
