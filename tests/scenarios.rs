//! Every shipped scenario holds, and the same seed gives the same trace.

use crate::play::{load, play, recorded, root, scenario_files};
use sim_core::scenario::Ended;

#[test]
fn every_scenario_holds() {
    let files = scenario_files();
    assert!(files.len() >= 20, "the scenarios are there");
    for file in files {
        let loaded = load(&file);
        let (outcome, _) = play(&loaded, loaded.scenario.seed);
        assert_eq!(outcome.ended, Ended::Done, "{}", file.display());
        for verdict in outcome.verdicts {
            assert!(verdict.held, "{}: {}: {}", file.display(), verdict.name, verdict.detail);
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_seed_another() {
    let loaded = load(&root().join("scenarios/recorded/crash.yaml"));
    let trace = |seed| {
        let (_, player) = play(&loaded, seed);
        recorded(&loaded, &player)
    };
    let (first, second, other) = (trace(7), trace(7), trace(8));
    assert!(first == second, "two runs of one seed differ");
    assert!(first != other, "two seeds give the same trace");
}

#[test]
fn an_expectation_that_is_wrong_fails() {
    let text = std::fs::read_to_string(root().join("scenarios/recorded/deploy.yaml")).expect("it is there");
    let wrong = text.replace("readyReplicas: 5", "readyReplicas: 6");
    assert_ne!(text, wrong);
    let read = &mut |file: &str| std::fs::read_to_string(root().join("scenarios/recorded").join(file)).map_err(|e| e.to_string());
    let loaded = std::sync::Arc::new(sim_core::scenario::load("wrong.yaml", &wrong, read).expect("it can be read"));
    let (outcome, _) = play(&loaded, 1);
    assert!(outcome.verdicts.iter().any(|v| !v.held && v.detail.contains("not within 10s")), "{:?}", outcome.verdicts);
}
