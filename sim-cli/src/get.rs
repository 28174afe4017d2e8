//! `ksim get`: objects as they were at a moment of a scenario, as kubectl prints them.

use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use sim_api::printers::{self, IncludeObject, Printer, Row, TableOptions};
use sim_apimachinery::{Kind, Object, yaml};
use sim_core::time::SimTime;

use crate::moment::{Moment, columns_at};
use crate::output::{HELD, WRONG_INPUT, line, text};
use crate::session::Played;

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
        _ => tables(played, &objects, at, arguments),
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

/// A table for each kind, with kubectl's columns; names carry their kind where there are several.
fn tables(played: &Played, objects: &[Object], at: SimTime, arguments: &GetArguments) {
    let mut kinds: Vec<Kind> = Vec::new();
    for kind in objects.iter().map(Object::kind) {
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    for (number, kind) in kinds.iter().enumerate() {
        let of_kind: Vec<&Object> = objects.iter().filter(|o| o.kind() == *kind).collect();
        if number > 0 {
            line("");
        }
        table(&of_kind, &columns_at(played, *kind, at), at, arguments, kinds.len() > 1);
    }
}

fn table(objects: &[&Object], declared: &[Value], at: SimTime, arguments: &GetArguments, with_kind: bool) {
    let shown: Vec<Value> = objects.iter().map(|o| o.to_json()).collect();
    let rows: Vec<Row<'_>> = shown.iter().map(|value| Row { stored: value, shown: value }).collect();
    let options = TableOptions { now: at.to_time().0, include: IncludeObject::None, headers: true, version: "v1" };
    let printer = match objects[0].kind() {
        Kind::Custom(_) => Printer::Custom(declared),
        kind => Printer::of(kind),
    };
    let made = printers::table(printer, &rows, &Value::Null, &options);
    let wide = arguments.output == Some(Format::Wide);
    let columns: Vec<(usize, &str)> = made["columnDefinitions"]
        .as_array()
        .into_iter()
        .flatten()
        .enumerate()
        .filter(|(_, c)| wide || c["priority"] == 0)
        .filter_map(|(position, c)| Some((position, c["name"].as_str()?)))
        .collect();
    let namespaces = arguments.moment.all_namespaces && objects[0].kind().is_namespaced();
    let mut lines: Vec<Vec<String>> = vec![columns.iter().map(|(_, name)| name.to_ascii_uppercase()).collect()];
    for (row, object) in made["rows"].as_array().into_iter().flatten().zip(objects) {
        let cell = |(position, name): &(usize, &str)| match &row["cells"][*position] {
            Value::String(text) if with_kind && *name == "Name" => {
                format!("{}/{text}", full_name(object).split('/').next().unwrap_or_default())
            }
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        lines.push(columns.iter().map(cell).collect());
    }
    if namespaces {
        let own = std::iter::once("NAMESPACE").chain(objects.iter().map(|o| o.namespace()));
        lines.iter_mut().zip(own).for_each(|(line, namespace)| line.insert(0, namespace.to_owned()));
    }
    print_aligned(&lines);
}

/// Columns as wide as their widest cell and three spaces, as kubectl's writer makes them.
fn print_aligned(lines: &[Vec<String>]) {
    const WIDTH_MIN: usize = 6;
    const PADDING: usize = 3;
    let count = lines.first().map_or(0, Vec::len);
    let width = |at: usize| lines.iter().filter_map(|l| l.get(at)).map(|c| c.chars().count() + PADDING).max().unwrap_or(0).max(WIDTH_MIN);
    let widths: Vec<usize> = (0..count).map(width).collect();
    for cells in lines {
        let (last, first) = cells.split_last().map_or(("", &[][..]), |(last, first)| (last.as_str(), first));
        let padded: String = first.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        line(&format!("{padded}{last}"));
    }
}
