//! What runs must come to, kept as text files: the digest of every scenario's trace, and one trace in full.
//! To renew them after a change of behaviour: `KSIM_GOLDEN=update cargo test --workspace golden`, then read the diff.
//! The same files are compared in debug and release builds, so both give the same bytes.

use std::path::PathBuf;

use sim_apimachinery::Object;
use sim_core::checks;
use sim_core::scenario::Player;
use sim_core::time::MILLISECOND;
use sim_core::trace::What;

use crate::play::{load, play, recorded, root, scenario_files};

fn check(name: &str, found: &str) {
    let path: PathBuf = root().join("tests/golden").join(name);
    if std::env::var("KSIM_GOLDEN").is_ok_and(|v| v == "update") {
        std::fs::write(&path, found).expect("the file can be written");
        return;
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = kept.lines().zip(found.lines()).enumerate().find(|(_, (a, b))| a != b);
    let place = differs.map(|(at, (kept, found))| format!("line {}:\n  kept  {kept}\n  found {found}", at + 1));
    assert!(
        kept == found,
        "{name}: {}\nif this is meant: KSIM_GOLDEN=update cargo test --workspace golden",
        place.unwrap_or_else(|| "one has more lines".into())
    );
}

/// FNV-1a, 64 bits.
fn digest(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[test]
fn golden_digests_of_all_scenarios() {
    let mut lines = String::new();
    for file in scenario_files() {
        let loaded = load(&file);
        let (_, player) = play(&loaded, loaded.scenario.seed);
        let broken = checks::violations(player.cluster.etcd());
        assert!(broken.is_empty(), "{}: {broken:?}", file.display());
        let name = file.strip_prefix(root()).expect("inside").display().to_string();
        lines.push_str(&format!("{name} {:016x}\n", digest(&recorded(&loaded, &player))));
    }
    check("digests.txt", &lines);
}

#[test]
fn golden_trace_of_a_crash() {
    let loaded = load(&root().join("scenarios/crash.yaml"));
    let (_, player) = play(&loaded, 1);
    check("crash.txt", &told(&player));
}

/// The trace as text: one line for each change, event, decision and command.
fn told(player: &Player) -> String {
    let cluster = &player.cluster;
    let mut lines = String::new();
    for (_, step) in cluster.trace.steps().filter(|(_, s)| s.time >= player.began()) {
        let text = match &step.what {
            What::Action { text, .. } => format!("$ {text}"),
            What::Reconciled { key, decision, reasons } => format!("{key} -> {decision} ({})", reasons.join("; ")),
            What::Scheduled(decision) => format!("{} -> {}", decision.pod, decision.message),
            What::Node { key, text } => format!("{key}: {text}"),
            What::Change { revision, .. } => match cluster.etcd().change(*revision) {
                Some(change) => match &change.object {
                    Object::Event(event) => {
                        format!("event {}: {}", event.reason.as_deref().unwrap_or_default(), event.message.as_deref().unwrap_or_default())
                    }
                    object => format!("{:?} {}", change.change, object.key()),
                },
                None => continue,
            },
            What::Http { to, path, status, .. } => format!("request {path} to {to}: {status}"),
            _ => continue,
        };
        let millis = step.time.since(player.began()) / MILLISECOND;
        lines.push_str(&format!("{:>5}.{:03} {} {text}\n", millis / 1000, millis % 1000, step.component));
    }
    lines
}
