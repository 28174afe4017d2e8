//! Shipped scenarios and manifests, changed at random: they are read or refused, and what is read can be decoded, defaulted,
//! validated and written; nothing panics. What was found so is kept in `tests/found/` and tried each time.
//! `KSIM_MUTATIONS=100000 cargo test --release --workspace mutations` looks longer than a normal run does.

use std::path::PathBuf;

use proptest::prelude::*;
use proptest::test_runner::{TestRng, TestRunner};
use sim_apimachinery::{Kind, Object, defaults, validation, yaml};
use sim_core::scenario;

use crate::play::{root, scenario_files};

/// Pieces that parsers have stumbled over.
const PIECES: &[&str] = &[
    "*a",
    "&a ",
    "!!binary ",
    "!!float x",
    "<<: ",
    "? ",
    "- ",
    "---\n",
    "...\n",
    "%YAML 9.9\n",
    "\t",
    "\0",
    "\u{feff}",
    "\u{2028}",
    "{",
    "[",
    "}",
    "]",
    "|",
    ">-\n",
    "'",
    "\"",
    "\\",
    ": ",
    ",",
    "#",
    "null",
    "~",
    "-0",
    "0o7",
    "1e999",
    "-9223372036854775808",
    "18446744073709551616",
    ".nan",
    ".inf",
    "9999999999h",
    "-1s",
    "🦀",
    "1E-30",
    "0.0000000001",
    "99999Ei",
    "{}",
    "[]",
    "a: &b [*b]\n",
];

#[derive(Clone, Debug)]
enum Mutation {
    Insert(&'static str),
    Remove(usize),
    Repeat(usize),
    Set(u8),
    Swap(usize),
}

fn any_mutation() -> impl Strategy<Value = (usize, Mutation)> {
    let what = prop_oneof![
        4 => (0..PIECES.len()).prop_map(|at| Mutation::Insert(PIECES[at])),
        2 => (1..40_usize).prop_map(Mutation::Remove),
        1 => (1..200_usize).prop_map(Mutation::Repeat),
        2 => any::<u8>().prop_map(Mutation::Set),
        1 => (1..60_usize).prop_map(Mutation::Swap),
    ];
    (any::<usize>(), what)
}

fn mutate(bytes: &mut Vec<u8>, place: usize, mutation: &Mutation) {
    let at = place % (bytes.len() + 1);
    let until = |length: &usize| (at + length).min(bytes.len());
    match mutation {
        Mutation::Insert(piece) => _ = bytes.splice(at..at, piece.bytes()),
        Mutation::Remove(length) => _ = bytes.drain(at..until(length)),
        Mutation::Repeat(length) => {
            let piece = bytes[at..until(length)].to_vec();
            bytes.splice(at..at, piece);
        }
        Mutation::Set(byte) => bytes.iter_mut().skip(at).take(1).for_each(|b| *b = *byte),
        Mutation::Swap(length) => {
            let end = until(length);
            bytes[at..end].reverse();
        }
    }
}

/// All texts a user might hand us, of this repository.
fn texts() -> Vec<String> {
    let mut files: Vec<PathBuf> = scenario_files();
    for folder in ["k8s", "scenarios/manifests", "scenarios/recorded/manifests", "workload/profiles", "tests/found"] {
        let entries = std::fs::read_dir(root().join(folder)).into_iter().flatten().flatten();
        let mut here: Vec<PathBuf> = entries.map(|e| e.path()).filter(|p| p.is_file()).collect();
        here.sort();
        files.extend(here);
    }
    files.iter().map(|f| String::from_utf8_lossy(&std::fs::read(f).expect("it can be read")).into_owned()).collect()
}

/// Everything that is done to a text before a cluster sees it.
fn read_all(text: &str) {
    let manifest = |_: &str| Ok(text.to_owned());
    if let Err(problem) = scenario::load("x.yaml", text, &mut { manifest }) {
        assert!(!problem.message.is_empty(), "a refusal says why");
    }
    let Ok(read) = yaml::read(text, &yaml::Limits::default()) else { return };
    for document in read.documents {
        let written = yaml::write(&document.value);
        let again = yaml::read(&written, &yaml::Limits::default()).map(|r| r.documents.into_iter().map(|d| d.value).next());
        assert!(again.is_ok_and(|v| v.unwrap_or_default() == document.value), "what is written reads back: {written:?}");
        let kind = document.value.get("kind").and_then(|k| k.as_str()).and_then(Kind::from_word);
        if let Some(mut object) = kind.and_then(|kind| Object::from_json(kind, document.value).ok()) {
            defaults::default_object(&mut object);
            let _causes = (validation::validate_create(&object), validation::validate_update(&object, &object));
            let _shown = object.to_json();
        }
    }
}

#[test]
fn mutations_found_before_are_read_or_refused() {
    texts().iter().for_each(|text| read_all(text));
}

#[test]
fn mutations_of_shipped_files_are_read_or_refused() {
    let texts = texts();
    let asked: Option<u32> = std::env::var("KSIM_MUTATIONS").ok().and_then(|n| n.parse().ok());
    let config = ProptestConfig { cases: asked.unwrap_or(400), failure_persistence: None, ..ProptestConfig::default() };
    let algorithm = config.rng_algorithm;
    // The same mutations each time, so that a change that has nothing to do with them cannot fail here; others if asked for.
    let mut runner = match asked {
        Some(_) => TestRunner::new(config),
        None => TestRunner::new_with_rng(config, TestRng::deterministic_rng(algorithm)),
    };
    let strategy = (0..texts.len(), prop::collection::vec(any_mutation(), 1..12));
    let tried = runner.run(&strategy, |(file, mutations)| {
        let mut bytes = texts[file].clone().into_bytes();
        mutations.iter().for_each(|(place, mutation)| mutate(&mut bytes, *place, mutation));
        read_all(&String::from_utf8_lossy(&bytes));
        Ok(())
    });
    tried.unwrap_or_else(|found| panic!("{found}"));
}
