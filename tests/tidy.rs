//! The house in order: rooms import only what the table in ARCHITECTURE.md allows, and nothing that could make two runs
//! differ is called.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::play::root;

/// Room to the rooms of `sim-core` it may import. What is not listed may import only the shared vocabulary.
const ROOMS: [(&str, &[&str]); 15] = [
    ("checks", &["etcd"]),
    ("client_go", &[]),
    ("credentials", &[]),
    ("etcd", &[]),
    ("kube_apiserver", &["etcd"]),
    ("kube_controller_manager", &["client_go"]),
    ("kube_scheduler", &["client_go"]),
    ("kubelet", &["client_go"]),
    ("kube_proxy", &[]),
    ("dns", &[]),
    ("metrics_server", &[]),
    ("trace", &["etcd"]),
    ("cluster", &["etcd", "kube_apiserver", "kube_controller_manager", "kube_scheduler", "kubelet", "kube_proxy", "dns", "metrics_server"]),
    ("scenario", &["cluster", "etcd", "kubelet"]),
    ("view", &["cluster", "etcd"]),
];
/// What every room may import.
const SHARED: [&str; 6] = ["component", "credentials", "random", "shipped", "time", "trace"];
/// Files may not grow beyond this without being named in `LONG`.
const LINES_MAX: usize = 400;
/// Files that are longer for now: this list only shrinks.
const LONG: [&str; 6] = [
    "sim-core/src/kubelet/node_status.rs",
    "sim-core/src/cluster/mod.rs",
    "sim-core/src/scenario/player/commands.rs",
    "sim-workload/src/process/mod.rs",
    "sim-workload/src/shell/mod.rs",
    "sim-workload/src/shell/parse.rs",
];

fn sources(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(&root().join(folder), &mut found);
    found.sort();
    assert!(!found.is_empty(), "{folder} has sources");
    found
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the folder is there").flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).expect("it is in the repository").display().to_string()
}

#[test]
fn rooms_import_only_what_the_table_allows() {
    let table: BTreeMap<&str, &[&str]> = ROOMS.into_iter().collect();
    for file in sources("sim-core/src") {
        let name = relative(&file);
        let room = name.split('/').nth(2).unwrap_or_default();
        let Some(allowed) = table.get(room) else { continue };
        let text = std::fs::read_to_string(&file).expect("it can be read");
        for (number, line) in text.lines().enumerate() {
            for imported in line.split("crate::").skip(1) {
                let other: String = imported.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let fine = other == room || SHARED.contains(&other.as_str()) || allowed.contains(&other.as_str());
                assert!(fine || imported.starts_with('{'), "{name}:{}: {room} may not import {other}", number + 1);
            }
        }
    }
}

#[test]
fn nothing_that_could_make_two_runs_differ_is_used() {
    for folder in ["sim-core/src", "sim-apimachinery/src", "sim-workload/src"] {
        for file in sources(folder) {
            let text = std::fs::read_to_string(&file).expect("it can be read");
            for banned in ["HashMap", "HashSet", "Instant::now", "SystemTime", "thread::", "std::env", "std::fs", "rand::rng"] {
                assert!(!text.contains(banned), "{} uses {banned}", relative(&file));
            }
        }
    }
}

#[test]
fn files_stay_short() {
    for folder in ["sim-core/src", "sim-apimachinery/src", "sim-workload/src", "sim-compare/src", "sim-cli/src"] {
        for file in sources(folder) {
            let lines = std::fs::read_to_string(&file).expect("it can be read").lines().count();
            let name = relative(&file);
            assert!(lines <= LINES_MAX || LONG.contains(&name.as_str()), "{name} has {lines} lines");
        }
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for folder in ["sim-core/src", "sim-apimachinery/src", "sim-workload/src", "sim-compare/src", "sim-cli/src"] {
        for file in sources(folder).into_iter().filter(|f| !f.ends_with("tests.rs")) {
            let text = std::fs::read_to_string(&file).expect("it can be read");
            assert!(text.starts_with("//!"), "{} has no head comment", relative(&file));
        }
    }
}

#[test]
fn the_base_of_the_overlay_is_the_manifest() {
    let read = |path: &str| std::fs::read_to_string(root().join(path)).expect("it is there");
    assert_eq!(read("k8s/base/k8s.yaml"), read("k8s/k8s.yaml"));
}
