//! The shipped numbers: how long things take on the cluster `docker-desktop`, read from `profiles/docker-desktop.yaml`.
//! `ksim calibrate` makes that file from recordings of a real cluster; its head names the command. It is part of the program,
//! so what it lacks is a mistake of ours and a test finds it.

use std::sync::LazyLock;

use serde_json::Value;
use sim_apimachinery::yaml;

use crate::random::Latency;

/// The file's text.
pub const TEXT: &str = include_str!("../profiles/docker-desktop.yaml");

static PROFILE: LazyLock<Value> = LazyLock::new(|| {
    let read = yaml::read(TEXT, &yaml::Limits::default()).expect("the shipped profile is YAML");
    read.documents.into_iter().next().map(|d| d.value).unwrap_or_default()
});

/// A latency of the file, by its place in it, such as `/links/read`.
pub fn latency(place: &str) -> Latency {
    let value = PROFILE.pointer(place).cloned().unwrap_or_default();
    serde_json::from_value(value).unwrap_or_else(|error| panic!("{place} of the shipped profile: {error}"))
}

/// A number of the file, by its place in it.
pub fn number(place: &str) -> u64 {
    PROFILE.pointer(place).and_then(Value::as_u64).unwrap_or_else(|| panic!("{place} of the shipped profile is no number"))
}
