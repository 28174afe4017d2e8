//! `ksim get`: objects as they were at a moment of a scenario, as a table or as JSON.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use sim_apimachinery::{Kind, Object};
use sim_core::component::ChangeType;
use sim_core::time::SimTime;

use crate::output::{HELD, WRONG_INPUT, line};
use crate::report;
use crate::session::{self, Played};
use crate::timeline::summary;

/// Arguments of `ksim get`.
#[derive(Args)]
pub struct GetArguments {
    /// The scenario file
    scenario: PathBuf,
    /// The kind, and a name if one object is meant
    #[arg(required = true)]
    object: Vec<String>,
    /// When, from the beginning of the scenario; its end if nothing is said
    #[arg(long)]
    at: Option<String>,
    /// The namespace; all if nothing is said
    #[arg(short, long, default_value = "")]
    namespace: String,
    /// Print objects as JSON
    #[arg(long)]
    json: bool,
    /// The seed of chance, instead of the scenario's own
    #[arg(long)]
    seed: Option<u64>,
}

/// Runs the command and gives its exit code.
pub fn get(arguments: &GetArguments) -> i32 {
    let played = match session::load(&arguments.scenario) {
        Ok(loaded) => {
            let seed = arguments.seed.unwrap_or(loaded.scenario.seed);
            session::play(&Arc::new(loaded), seed, &mut |_, _| {})
        }
        Err(problem) => Err(report::problem(&problem)),
    };
    match played.and_then(|p| show(&p, arguments)) {
        Ok(()) => HELD,
        Err(message) => {
            eprintln!("error: {}", message.trim_end());
            WRONG_INPUT
        }
    }
}

fn show(played: &Played, arguments: &GetArguments) -> Result<(), String> {
    let word = arguments.object.first().map(String::as_str).unwrap_or_default();
    let kind = Kind::from_word(word).ok_or_else(|| format!("there is no kind {word:?}"))?;
    let at = match &arguments.at {
        Some(text) => played.player.began().plus(sim_core::scenario::load::duration(text)?),
        None => played.player.cluster.now(),
    };
    let objects = objects_at(played, kind, at);
    let name = arguments.object.get(1);
    let chosen: Vec<&Object> = objects
        .values()
        .filter(|o| name.is_none_or(|n| n == o.name()) && (arguments.namespace.is_empty() || o.namespace() == arguments.namespace))
        .collect();
    if chosen.is_empty() {
        return Err(format!("no {} were there at that moment", kind.resource().plural));
    }
    if arguments.json {
        chosen.iter().for_each(|o| line(&serde_json::to_string_pretty(&o.to_json()).unwrap_or_default()));
        return Ok(());
    }
    let width = chosen.iter().map(|o| o.name().len()).max().unwrap_or(0).max(4) + 3;
    line(&format!("{:12}{:width$}{:14}{}", "NAMESPACE", "NAME", "AGE", "STATE"));
    for object in chosen {
        let made = object.metadata().creation_timestamp.as_ref().map_or(at, SimTime::from_time);
        let age = sim_apimachinery::duration::human(at.since(made) / sim_core::time::SECOND);
        line(&format!("{:12}{:width$}{age:14}{}", object.namespace(), object.name(), state(object)));
    }
    Ok(())
}

/// The objects of a kind at a moment, from the store's history.
fn objects_at(played: &Played, kind: Kind, at: SimTime) -> BTreeMap<String, Object> {
    let mut objects = BTreeMap::new();
    for change in played.player.cluster.etcd().history().iter().filter(|c| c.object.kind() == kind && c.time <= at) {
        let path = change.object.key().path();
        match change.change {
            ChangeType::Deleted => _ = objects.remove(&path),
            _ => _ = objects.insert(path, change.object.clone()),
        }
    }
    objects
}

fn state(object: &Object) -> String {
    match object {
        Object::Pod(pod) => summary(pod),
        Object::Deployment(d) => {
            let status = d.status.clone().unwrap_or_default();
            format!(
                "{}/{} ready, {} updated",
                status.ready_replicas.unwrap_or(0),
                d.spec.as_ref().and_then(|s| s.replicas).unwrap_or(0),
                status.updated_replicas.unwrap_or(0)
            )
        }
        Object::ReplicaSet(r) => {
            let status = r.status.clone().unwrap_or_default();
            format!(
                "{} desired, {} current, {} ready",
                r.spec.as_ref().and_then(|s| s.replicas).unwrap_or(0),
                status.replicas,
                status.ready_replicas.unwrap_or(0)
            )
        }
        _ => String::new(),
    }
}
