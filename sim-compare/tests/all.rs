//! Tests of the crate, in one binary.

mod explained;
mod figures;
mod properties;
mod reading;
mod told;
mod tolerating;

use sim_compare::{ReadOptions, Recording};

/// The repository.
fn root() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in the repository").to_owned()
}

/// A recording of the repository.
fn recording(path: &str) -> Recording {
    Recording::read(&root().join(path), ReadOptions::default()).unwrap_or_else(|e| panic!("{e}"))
}

/// A recording from lines, after a header.
fn lines(lines: &[&str]) -> Recording {
    let text = format!("{HEADER}\n{}\n", lines.join("\n"));
    Recording::from_reader("lines", text.as_bytes(), ReadOptions::default()).unwrap_or_else(|e| panic!("{e}"))
}

/// The first line of a recording.
const HEADER: &str = r#"{"format":"k8s-watch-trace/v1","name":"story","server":"v1.36.2","about":"a story"}"#;
