//! `ksim get`: objects as they were at a moment of a scenario, as kubectl prints them.

use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use sim_apimachinery::{Object, yaml};
use sim_core::time::SimTime;

use crate::moment::Moment;
use crate::output::{HELD, WRONG_INPUT, line, text};
use crate::session::Played;
use crate::timeline::summary;

/// Arguments of `ksim get`.
#[derive(Args)]
pub struct GetArguments {
    #[command(flatten)]
    moment: Moment,
    /// How to print: a table, a table with more columns, or the objects themselves
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Wide,
    Yaml,
    Json,
    Name,
}

/// Runs the command and gives its exit code.
pub fn get(arguments: &GetArguments) -> i32 {
    match arguments.moment.play().and_then(|played| show(&played, arguments)) {
        Ok(()) => HELD,
        Err(message) => {
            eprintln!("error: {}", message.trim_end());
            WRONG_INPUT
        }
    }
}

fn show(played: &Played, arguments: &GetArguments) -> Result<(), String> {
    let at = arguments.moment.at(played)?;
    let objects = arguments.moment.objects(played)?;
    match arguments.output {
        Some(Format::Json) => line(&indented(&whole(&objects))?),
        Some(Format::Yaml) => text(&yaml::write(&whole(&objects))),
        Some(Format::Name) => objects.iter().for_each(|o| line(&full_name(o))),
        _ => table(&objects, at),
    }
    Ok(())
}

/// One object as it is, several as a list.
fn whole(objects: &[Object]) -> Value {
    match objects {
        [one] => one.to_json(),
        many => json!({
            "apiVersion": "v1",
            "items": many.iter().map(Object::to_json).collect::<Vec<_>>(),
            "kind": "List",
            "metadata": {"resourceVersion": ""},
        }),
    }
}

/// JSON with four spaces a level.
fn indented(value: &Value) -> Result<String, String> {
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    serde::Serialize::serialize(value, &mut serde_json::Serializer::with_formatter(&mut bytes, formatter)).map_err(|e| e.to_string())?;
    String::from_utf8(bytes).map_err(|e| e.to_string())
}

/// `deployment.apps/web`.
fn full_name(object: &Object) -> String {
    let resource = object.kind().resource();
    let group = if resource.group.is_empty() { String::new() } else { format!(".{}", resource.group) };
    format!("{}{group}/{}", resource.singular, object.name())
}

fn table(objects: &[Object], at: SimTime) {
    let width = objects.iter().map(|o| o.name().len()).max().unwrap_or(0).max(4) + 3;
    line(&format!("{:12}{:width$}{:14}{}", "NAMESPACE", "NAME", "AGE", "STATE"));
    for object in objects {
        let made = object.metadata().creation_timestamp.as_ref().map_or(at, SimTime::from_time);
        let age = sim_apimachinery::duration::human(at.since(made) / sim_core::time::SECOND);
        line(&format!("{:12}{:width$}{age:14}{}", object.namespace(), object.name(), state(object)));
    }
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
        _ => String::new(),
    }
}
