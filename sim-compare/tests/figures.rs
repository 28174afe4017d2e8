//! The figures are those of the score `fidelity.py`.

use serde_json::Value;
use sim_compare::{Comparer, Tolerances};

use crate::{recording, root};

/// Figures may differ by so much.
const NEAR: f64 = 0.01;

#[test]
fn every_pair_of_recordings_scores_as_fidelity_py_scores_it() {
    let text = std::fs::read_to_string(root().join("sim-compare/tests/expected.json")).expect("it is there");
    let expected: Value = serde_json::from_str(&text).expect("it is JSON");
    let pairs = expected["pairs"].as_array().expect("there are pairs");
    assert!(pairs.len() >= 24, "each recording against its second, and both against a trace of ours");
    for pair in pairs {
        let (real, other) = (pair["real"].as_str().expect("a path"), pair["other"].as_str().expect("a path"));
        let mut comparer = Comparer::new(Tolerances::default());
        let real_side = comparer.prepare(&recording(real)).expect("it is small");
        let other_side = comparer.prepare(&recording(other)).expect("it is small");
        let comparison = comparer.compare(&real_side, &other_side);
        assert_eq!(comparison.matches.len() as u64, pair["objects"].as_u64().expect("a number"), "{real} {other}: objects");
        let states = real_side.state_count() + other_side.state_count();
        assert_eq!(states as u64, pair["state_count"].as_u64().expect("a number"), "{real} {other}: states of both");
        for (name, own) in ["states", "events", "event_kinds", "order", "timing"].iter().zip(comparison.figures.all()) {
            let theirs = pair[*name].as_f64().expect("a number");
            assert!((own - theirs).abs() <= NEAR, "{real} {other}: {name} is {own}, fidelity.py says {theirs}");
        }
    }
}

#[test]
fn a_recording_is_like_itself() {
    let mut comparer = Comparer::new(Tolerances::default());
    let side = comparer.prepare(&recording("tests/real-cluster/rollout.jsonl.gz")).expect("it is small");
    let comparison = comparer.compare(&side, &side);
    assert_eq!(comparison.figures.all(), [1.0; 5]);
    assert!(comparer.differences(&comparison).is_empty());
}

#[test]
fn the_weights_of_all_differences_add_up_to_what_the_figures_lose() {
    for name in ["deploy", "rollout", "hpa"] {
        let mut comparer = Comparer::new(Tolerances::default());
        let real = comparer.prepare(&recording(&format!("tests/real-cluster/{name}.jsonl.gz"))).expect("it is small");
        let other = comparer.prepare(&recording(&format!("sim-compare/tests/traces/{name}.jsonl.gz"))).expect("it is small");
        let comparison = comparer.compare(&real, &other);
        let differences = comparer.differences(&comparison);
        for (index, figure) in comparison.figures.all().into_iter().enumerate() {
            let lost: f64 = differences.iter().map(|d| d.losses[index]).sum();
            assert!((1.0 - figure - lost).abs() < 1e-9, "{name}: figure {index} is {figure}, the differences lose {lost}");
        }
    }
}
