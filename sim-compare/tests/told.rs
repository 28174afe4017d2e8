//! The reports: what they say, and that text of a recording stays text.

use sim_compare::report::{self, Floor, Row};
use sim_compare::{Comparer, Tolerances};

use crate::{lines, recording};

const EVIL: &str = r#"{"t":1,"type":"ADDED","object":{"kind":"Pod<script>alert(1)</script>","metadata":{"name":"a\" onload=\"x","namespace":"x"},"status":{"phase":"</svg><img src=x onerror=alert(1)>"}}}"#;

fn rows(comparer: &mut Comparer) -> [Row; 1] {
    let real = comparer.prepare(&recording("tests/real-cluster/crash.jsonl.gz")).expect("small");
    let second = comparer.prepare(&recording("tests/real-cluster/crash.2.jsonl.gz")).expect("small");
    let other = comparer.prepare(&recording("sim-compare/tests/traces/crash.jsonl.gz")).expect("small");
    [Row::of(comparer, &real, Some(&second), &other, "a trace")]
}

#[test]
fn the_page_asks_for_nothing_and_runs_nothing() {
    let mut comparer = Comparer::new(Tolerances::default());
    let rows = rows(&mut comparer);
    let page = report::html::html(&comparer, &rows, &Floor::default());
    assert!(page.contains("default-src 'none'; style-src 'sha256-"));
    for banned in ["<script", "src=", "href=\"http", "@import", "url(", " style=", "onload", "onclick"] {
        assert!(!page.contains(banned), "{banned}");
    }
    assert!(page.contains("The timelines as a table") && page.contains("prefers-color-scheme:dark"));
}

#[test]
fn text_of_a_recording_stays_text() {
    let mut comparer = Comparer::new(Tolerances::default());
    let real = comparer.prepare(&lines(&[EVIL])).expect("small");
    let other = comparer.prepare(&lines(&[&EVIL.replace("1,", "9,")])).expect("small");
    let row = Row::of(&comparer, &real, None, &other, "<b>trace</b>");
    let page = report::html::html(&comparer, &[row], &Floor::default());
    for banned in ["<script", "<img", "<b>trace", "\" onload"] {
        assert!(!page.contains(banned), "{banned}");
    }
    assert!(page.contains("Pod&lt;script&gt;"));
}

#[test]
fn a_floor_names_the_figures_below_it() {
    let mut comparer = Comparer::new(Tolerances::default());
    let rows = rows(&mut comparer);
    assert_eq!(Floor { share: Some(0.9), coverage: None }.missed(&rows[0]), [] as [String; 0]);
    let missed = Floor { share: Some(1.2), coverage: None }.missed(&rows[0]);
    assert_eq!(missed.len(), 5, "{missed:?}");
    assert!(missed[0].starts_with("states 1.0000 is below 1.2"), "{missed:?}");
    let junit = report::junit(&rows, &Floor { share: Some(1.2), coverage: None });
    assert!(junit.contains("failures=\"5\""), "{junit}");
}

#[test]
fn json_holds_figures_ceiling_and_share() {
    let mut comparer = Comparer::new(Tolerances::default());
    let json = report::json(&rows(&mut comparer), &Floor::default());
    let value: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
    for part in ["figures", "ceiling", "share"] {
        assert!(value[0][part]["eventKinds"].is_number(), "{part}");
    }
    assert_eq!(value[0]["name"], "crash");
}
