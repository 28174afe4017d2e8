//! `ksim compare` as a user meets it: exit codes, messages for bad input, each format.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("sim-cli/ is in the repository").to_owned()
}

fn compare(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ksim"));
    command.arg("compare").args(arguments).current_dir(root()).env("NO_COLOR", "1").output().expect("it starts")
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[track_caller]
fn check(arguments: &[&str], code: i32, words: &[&str]) -> String {
    let output = compare(arguments);
    let told = told(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
    for word in words {
        assert!(told.contains(word), "{arguments:?}: no {word:?} in: {told}");
    }
    assert!(!told.contains("panicked"), "{arguments:?}: {told}");
    told
}

fn file(name: &str, bytes: &[u8]) -> String {
    let folder = std::env::temp_dir().join(format!("ksim-compare-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join(name);
    std::fs::write(&path, bytes).expect("a file");
    path.display().to_string()
}

const REAL: &str = "tests/real-cluster/crash.jsonl.gz";
const REAL2: &str = "tests/real-cluster/crash.2.jsonl.gz";
const SIM: &str = "sim-compare/tests/traces/crash.jsonl.gz";

#[test]
fn exit_codes_tell_alike_from_different_from_wrong() {
    check(&[REAL, REAL], 0, &["nothing differs", "1.000"]);
    check(&[REAL, REAL2], 1, &["missing event", "Unhealthy"]);
    check(&[REAL, REAL2, "--at-least", "0.9"], 0, &["crash"]);
    check(&[REAL, REAL2, "--at-least", "0.999"], 1, &["FAILED crash: event kinds 0.9412 is below 0.999"]);
    check(&[REAL, SIM, "--ceiling", REAL2, "--at-least", "0.97"], 0, &["of 0.941"]);
}

#[test]
fn bad_input_is_refused_with_its_place() {
    check(&["gone.jsonl"], 2, &["error: gone.jsonl: No such file"]);
    check(&["README.md", SIM], 2, &["error: README.md:1: not a recording (k8s-watch-trace/v1)"]);
    check(&[&file("v2.jsonl", b"{\"format\":\"k8s-watch-trace/v2\"}\n"), SIM], 2, &["v2.jsonl:1: the format is \"k8s-watch-trace/v2\""]);
    check(&["docs", SIM], 2, &["docs: no recordings in this folder"]);
    check(&[REAL, SIM, REAL2], 2, &["at most one SIM"]);
    check(&[REAL, SIM, "--seed", "1"], 2, &["but SIM is given"]);
    check(&[REAL, "--at-least", "97"], 2, &["expected a share from 0 to 1"]);
    check(&[REAL, "--seeds", "9-1"], 2, &["the range is empty"]);
    check(&[REAL, "--scenario", "gone.yaml"], 2, &["error: gone.yaml"]);
    let named = file("named.jsonl", b"{\"format\":\"k8s-watch-trace/v1\",\"name\":\"../crash\"}\n");
    check(&[&named], 2, &["the recording is called \"../crash\", and no scenario can have this name"]);
    let tolerances = file("t.yaml", b"format: ksim-tolerances/v1\nignore:\n  fields: [{fields: [uid]}]\n");
    check(&[REAL, SIM, "--tolerances", &tolerances], 2, &["t.yaml:3:", "missing field `why`"]);
    let folder = file("x.html", b"");
    check(&[REAL, SIM, "--html", &format!("{folder}/y.html")], 2, &["y.html"]);
}

#[test]
fn a_cut_recording_is_refused_and_used_when_that_is_allowed() {
    let bytes = std::fs::read(root().join(REAL)).expect("it is there");
    let cut = file("cut.jsonl.gz", &bytes[..bytes.len() * 2 / 3]);
    check(&[&cut, SIM], 2, &["cut.jsonl.gz:", "is cut in the middle of this line; --allow-cut uses the"]);
    check(&[&cut, SIM, "--allow-cut"], 1, &["warning: ", "extra event"]);
}

#[test]
fn without_a_simulation_the_scenario_of_the_recordings_name_is_played() {
    check(&[REAL, "--at-least", "0.5"], 0, &["scenarios/recorded/crash.yaml (seed "]);
    check(&[REAL, "--seed", "5", "--at-least", "0.5"], 0, &["(seed 5)"]);
    check(&[REAL, "--scenario", "scenarios/recorded/deploy.yaml", "--at-least", "0.99"], 1, &["deploy.yaml", "FAILED crash"]);
    check(&[REAL, "--seeds", "1-3", "--cover-at-least", "0.1"], 0, &["3 seeds cover the times of", "least and median over the seeds"]);
}

#[test]
fn several_recordings_make_a_table_and_each_format_tells_of_all() {
    let table = check(&["--each", REAL, "tests/real-cluster/deploy.jsonl.gz", "--at-least", "0.5"], 0, &["crash", "deploy"]);
    assert!(!table.contains(" of 0."), "no ceiling was given: {table}");
    let json = compare(&["tests/real-cluster", "--format", "json", "--at-least", "0.9"]);
    let rows: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(rows.as_array().map(Vec::len), Some(6));
    assert!(rows[0]["share"]["states"].as_f64().is_some_and(|share| share > 0.9), "{rows:#}");
    check(&[REAL, SIM, "--format", "junit", "--at-least", "0.5"], 0, &["<testsuite name=\"crash\""]);
    let page = file("report.html", b"");
    check(&[REAL, SIM, "--at-least", "0.5", "--html", &page], 0, &[]);
    assert!(std::fs::read_to_string(page).expect("it was written").starts_with("<!DOCTYPE html>"));
}
