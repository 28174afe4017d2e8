//! Reads a scenario file: YAML as kubectl reads it, typed strictly, every problem with its line and column.
//! Files are not read here: whoever calls gives their texts.

use std::collections::BTreeMap;

use serde_json::Value;
use sim_apimachinery::yaml::{self, Document, Limits, Position, SpanTree};

use super::expressions::{Expressions, compile_all};
use super::format::{Apply, ObjectCondition, Scenario};
use super::kustomize;
use super::profile::{is_file, profile_of};
use crate::time::Nanos;

/// Something wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// Where in it.
    pub position: Position,
    /// What is wrong.
    pub message: String,
    /// What might help.
    pub hint: String,
}

/// A scenario that was read, with the manifests it names.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The scenario.
    pub scenario: Scenario,
    /// Its file's name.
    pub file: String,
    /// Documents of each manifest by the path the scenario names it with.
    pub manifests: BTreeMap<String, Vec<Document>>,
    /// Things a reader should know: file, place, text.
    pub warnings: Vec<Problem>,
    spans: SpanTree,
    /// The compiled CEL expressions of its conditions.
    pub(crate) expressions: Expressions,
}

/// A scenario in which nothing happens.
const EMPTY: &str = "{apiVersion: ksim.dev/v1, kind: Scenario, metadata: {name: ''}, about: '', steps: []}";

impl Loaded {
    /// A scenario without a name in which nothing happens.
    pub fn empty() -> Loaded {
        load("", EMPTY, &mut |path| Err(path.to_owned())).expect("the text is a scenario that names no files")
    }

    /// How an object, as the API shows it, differs from what a condition of this scenario describes; nothing if it does not.
    pub fn objection(&self, condition: &ObjectCondition, object: &Value) -> Option<String> {
        let unlike = condition.like.as_ref().and_then(|like| super::difference(like, object, ""));
        unlike.or_else(|| {
            let source = condition.cel.as_ref()?;
            super::expressions::objection(self.expressions.get(source)?, source, object)
        })
    }

    /// The line of something in the file, by its path (`steps[2]`).
    pub fn line_of(&self, path: &str) -> usize {
        self.spans.nearest(path).line
    }
}

/// Reads a scenario. `read` gives the text of a manifest the scenario names, relative to it.
pub fn load(file: &str, text: &str, read: &mut dyn FnMut(&str) -> Result<String, String>) -> Result<Loaded, Problem> {
    let mut warnings = Vec::new();
    let mut documents = documents(file, text, &mut warnings)?;
    if documents.len() != 1 {
        let position = documents.get(1).map_or(Position { line: 1, column: 1 }, |d| d.spans.position);
        let message = format!("a scenario file holds one document, this one {}", documents.len());
        return Err(Problem { file: file.into(), position, message, hint: String::new() });
    }
    let document = documents.remove(0);
    let scenario = typed(file, document.value, &document.spans)?;
    let mut loaded = Loaded {
        scenario,
        file: file.into(),
        manifests: BTreeMap::new(),
        warnings,
        spans: document.spans,
        expressions: Expressions::new(),
    };
    check(&loaded)?;
    loaded.expressions = compiled(&loaded)?;
    for (path, at) in named_files(&loaded.scenario) {
        let position = loaded.spans.nearest(&at);
        let text = read(&path).map_err(|message| Problem {
            file: file.into(),
            position,
            message,
            hint: "paths are relative to the scenario file".into(),
        })?;
        let documents = self::documents(&path, &text, &mut loaded.warnings)?;
        loaded.manifests.insert(path, documents);
    }
    build_kustomizations(&mut loaded, read)?;
    read_profile(&mut loaded, read)?;
    Ok(loaded)
}

/// The cluster profile, if the scenario names a file.
fn read_profile(loaded: &mut Loaded, read: &mut dyn FnMut(&str) -> Result<String, String>) -> Result<(), Problem> {
    let path = loaded.scenario.cluster.profile.clone();
    if !is_file(&path) {
        return Ok(());
    }
    let position = loaded.spans.nearest("cluster.profile");
    let problem = |message| Problem { file: loaded.file.clone(), position, message, hint: "`ksim calibrate` writes such files".into() };
    let profile = read(&path).and_then(|text| profile_of(&text).map_err(|e| format!("{path}: {e}"))).map_err(problem)?;
    loaded.scenario.cluster.own = Some(Box::new(profile));
    Ok(())
}

fn compiled(loaded: &Loaded) -> Result<Expressions, Problem> {
    let value = serde_json::to_value(&loaded.scenario).unwrap_or_default();
    compile_all(&value).map_err(|(path, message)| Problem {
        file: loaded.file.clone(),
        position: loaded.spans.nearest(&path),
        message: format!("{path}: {message}"),
        hint: "the object is the variable `object`".into(),
    })
}

/// The objects of the kustomizations that steps apply, by the path the scenario names them with.
fn build_kustomizations(loaded: &mut Loaded, read: &mut dyn FnMut(&str) -> Result<String, String>) -> Result<(), Problem> {
    let folders = loaded.scenario.steps.iter().enumerate().filter_map(|(at, s)| Some((at, s.apply.as_ref()?.kustomize.clone()?)));
    for (index, folder) in folders.collect::<Vec<_>>() {
        let position = loaded.spans.nearest(&format!("steps[{index}].apply.kustomize"));
        let values = kustomize::build(&folder, read, &mut loaded.warnings).map_err(|mut p| {
            if p.position == Position::default() {
                (p.file, p.position) = (loaded.file.clone(), position);
            }
            p
        })?;
        let documents = values.into_iter().map(|value| Document { value, spans: SpanTree::default() }).collect();
        loaded.manifests.insert(folder, documents);
    }
    Ok(())
}

/// The documents of one file.
pub fn documents(file: &str, text: &str, warnings: &mut Vec<Problem>) -> Result<Vec<Document>, Problem> {
    let problem = |position, message| Problem { file: file.into(), position, message, hint: String::new() };
    let read = yaml::read(text, &Limits::default()).map_err(|e| problem(e.position, e.message))?;
    warnings.extend(read.warnings.into_iter().map(|w| problem(w.position, w.message)));
    Ok(read.documents)
}

fn typed(file: &str, value: Value, spans: &SpanTree) -> Result<Scenario, Problem> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let message = error.inner().to_string();
        let unknown = message.strip_prefix("unknown field `").and_then(|m| m.split('`').next());
        let place = match unknown {
            Some(field) => format!("{}.{field}", path.trim_end_matches(&format!(".{field}"))),
            None => path.clone(),
        };
        let hint = if unknown.is_some() { "see docs/scenario.schema.json for all fields" } else { "" };
        let what = if path == "." { message } else { format!("{path}: {message}") };
        Problem { file: file.into(), position: spans.nearest(&place), message: what, hint: hint.into() }
    })
}

/// What serde cannot see: each step does one thing, and times can be read.
fn check(loaded: &Loaded) -> Result<(), Problem> {
    let fail = |path: &str, message: String, hint: &str| {
        Err(Problem { file: loaded.file.clone(), position: loaded.spans.nearest(path), message, hint: hint.into() })
    };
    let scenario = &loaded.scenario;
    for (path, time) in [("timeLimit", Some(&scenario.time_limit)), ("settle", scenario.settle.as_ref())] {
        if let Some(Err(message)) = time.map(|t| duration(t)) {
            return fail(path, message, "");
        }
    }
    for (index, step) in scenario.steps.iter().enumerate() {
        let path = format!("steps[{index}]");
        let value = serde_json::to_value(step).unwrap_or_default();
        let things: Vec<&String> =
            value.as_object().into_iter().flat_map(|m| m.keys()).filter(|k| !matches!(k.as_str(), "name" | "at" | "after")).collect();
        if things.len() != 1 {
            let hint = "each step has one of: apply, get, delete, patch, scale, set, rollout, label, taint, cordon, uncordon, drain, http, load, exec, fault, wait, expect";
            return fail(&path, format!("a step does one thing, this one {}", things.len()), hint);
        }
        for (field, time) in [("at", &step.at), ("after", &step.after)] {
            if let Some(Err(message)) = time.as_ref().map(|t| duration(t)) {
                return fail(&format!("{path}.{field}"), message, "");
            }
        }
    }
    if !is_file(&scenario.cluster.profile) && crate::cluster::Profile::named(&scenario.cluster.profile).is_none() {
        let names = crate::cluster::Profile::NAMES.join(", ");
        return fail(
            "cluster.profile",
            format!("there is no cluster profile {:?}", scenario.cluster.profile),
            &format!("shipped profiles: {names}; or a file with one, ending in .yaml"),
        );
    }
    Ok(())
}

fn named_files(scenario: &Scenario) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (index, step) in scenario.steps.iter().enumerate() {
        let files = step.apply.iter().flat_map(|a: &Apply| &a.files).map(|f| (f, "apply"));
        let files = files.chain(step.delete.iter().flat_map(|d| &d.files).map(|f| (f, "delete")));
        for (position, (file, field)) in files.enumerate() {
            found.push((file.clone(), format!("steps[{index}].{field}.files[{position}]")));
        }
    }
    found
}

/// A Go duration in nanoseconds.
pub fn duration(text: &str) -> Result<Nanos, String> {
    sim_apimachinery::duration::parse(text)
}
