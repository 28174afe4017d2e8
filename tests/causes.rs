//! What each step follows from: the chain of causes goes from what a kubelet did back to the change, the request or the fault
//! it all began with, without a gap.

use sim_core::scenario::Player;
use sim_core::trace::{BEGINNING, StepId, What};

use crate::play::{load, play, root, scenario_files};

/// A step as one line: what it is, and whom it is about.
fn told(player: &Player, id: StepId) -> String {
    let step = player.cluster.trace.step(id).expect("a step of the chain");
    match &step.what {
        What::Action { text, .. } => format!("user: {text}"),
        What::Fault { text } => format!("fault: {text}"),
        What::Http { path, status, .. } => format!("request: {path} {status}"),
        What::Node { text, .. } => format!("node: {text}"),
        What::Change { key, .. } => format!("change: {key}"),
        What::Reconciled { key, decision, .. } => format!("decision: {key} {decision}"),
        What::Scheduled(decision) => format!("scheduled: {}", decision.message),
        _ => format!("{}: other", step.component),
    }
}

/// The last step of a scenario that says this has a chain in which these follow each other, step for step.
fn check(scenario: &str, step: &str, chain: &[&str]) {
    let loaded = load(&root().join(format!("scenarios/{scenario}.yaml")));
    let (_, player) = play(&loaded, 1);
    let last = player.cluster.trace.steps().map(|(id, _)| id).rev().find(|id| told(&player, *id).contains(step));
    let causes = player.cluster.trace.causes(last.unwrap_or_else(|| panic!("{scenario}: nothing says {step:?}")));
    let found: Vec<String> = causes.iter().skip(1).filter(|id| **id != BEGINNING).map(|id| told(&player, *id)).collect();
    for (at, part) in chain.iter().enumerate() {
        assert!(found.get(at).is_some_and(|line| line.contains(part)), "{scenario}: {step}: {part:?} at {at} of {found:#?}");
    }
}

#[test]
fn a_restart_follows_from_the_exit_and_the_exit_from_the_request() {
    let chain = ["Created", "Pulled", "exited with code 1", "request: /crash 200", "user: POST /crash"];
    check("crash", "node: Started: fastapi-k8s", &chain);
    check("crash", "node: BackOff", &chain[2..]);
}

#[test]
fn an_exit_follows_from_the_fault_that_the_probe_found() {
    let chain = [
        "Killing: fastapi-k8s: Container fastapi-k8s failed liveness probe",
        "Unhealthy: fastapi-k8s: Liveness",
        "fault: FailPath",
        "user: fault",
    ];
    check("liveness", "exited with", &chain);
    check("oom-kill", "exited with code 137", &["fault: GrowMemory", "user: fault"]);
}

#[test]
fn unreadiness_follows_from_the_request_that_asked_for_it() {
    check("readiness", "Unhealthy: fastapi-k8s: Readiness", &["request: /ready/disable 200", "user: POST /ready/disable"]);
    check("readiness", "change: Pod default/fastapi", &["request: /ready/enable 200", "user: POST /ready/enable"]);
}

#[test]
fn a_start_follows_from_the_binding_and_an_end_from_the_deletion() {
    let chain = [
        "Created",
        "Pulled",
        "sandbox created",
        "volumes mounted",
        "change: Pod",
        "scheduled: Successfully",
        "change: Pod",
        "decision: ReplicaSet",
    ];
    check("first-deploy", "node: Started: fastapi-k8s", &chain);
    let chain = ["all containers stopped", "exited with code", "Killing: web", "change: Pod", "decision: ReplicaSet"];
    check("graceful-termination", "node: volumes and cgroups removed", &chain);
}

#[test]
fn nothing_that_a_kubelet_does_to_a_pod_comes_from_nowhere() {
    let mut steps = 0;
    for file in scenario_files() {
        let loaded = load(&file);
        let (_, player) = play(&loaded, loaded.scenario.seed);
        for (id, step) in player.cluster.trace.steps().filter(|(_, s)| matches!(s.what, What::Node { .. })) {
            assert_ne!(step.cause, BEGINNING, "{}: {}", file.display(), told(&player, id));
            steps += 1;
        }
    }
    assert!(steps > 1_000, "{steps}");
}
