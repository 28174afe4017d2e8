//! The file a recording is written to, line by line as things are received (`k8s-watch-trace/v1`).
//! Promises: every line is whole, times never go back, and nothing is kept in memory, so that a recording which is cut short
//! is a recording up to there. Its last line is `{"t", "end"}`, which says how it ended; one without it was cut by force.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::scrub::{Renaming, scrub};

/// A recording does not grow beyond what `ksim compare` reads.
const BYTES_MAX: u64 = 256 << 20;
/// How much of a command's output is kept, its end.
const OUTPUT_MAX: usize = 4000;

/// A recording being written.
pub struct Recording {
    inner: Mutex<Inner>,
    renaming: Renaming,
    speed: f64,
}

struct Inner {
    file: BufWriter<File>,
    began: Instant,
    began_at: Timestamp,
    last: f64,
    bytes: u64,
    lines: u64,
    /// What kept a line from being written.
    failed: Option<String>,
}

impl Recording {
    /// Begins a file with its header. Times count from `start`.
    pub fn create(path: &Path, header: &Value, renaming: Renaming, speed: f64) -> Result<Recording, String> {
        let file = File::create(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let mut inner = Inner {
            file: BufWriter::new(file),
            began: Instant::now(),
            began_at: Timestamp::now(),
            last: 0.0,
            bytes: 0,
            lines: 0,
            failed: None,
        };
        inner.write(&header.to_string());
        inner.flush();
        match inner.failed {
            Some(why) => Err(format!("{}: {why}", path.display())),
            None => Ok(Recording { inner: Mutex::new(inner), renaming, speed }),
        }
    }

    /// The time from which `t` counts is this moment, just gone.
    pub fn start(&self, began: Instant) {
        self.with(|inner| (inner.began, inner.began_at) = (began, Timestamp::now()));
    }

    /// When it began, on this machine's clock.
    pub fn began_at(&self) -> Timestamp {
        self.with(|inner| inner.began_at)
    }

    /// How the recording's namespace is written.
    pub fn renaming(&self) -> &Renaming {
        &self.renaming
    }

    /// A watch event.
    pub fn event(&self, kind: &str, mut object: Value) {
        scrub(&mut object, &self.renaming);
        self.put(&format!("\"type\":\"{kind}\",\"object\":{object}"));
    }

    /// A step is begun.
    pub fn action(&self, text: &str) {
        self.put(&format!("\"action\":{}", json!(text)));
        self.flush();
    }

    /// A step is over.
    pub fn done(&self, text: &str, exit: i32, output: &str) {
        let mut begin = output.len().saturating_sub(OUTPUT_MAX);
        while !output.is_char_boundary(begin) {
            begin += 1;
        }
        self.put(&format!("\"done\":{},\"exit\":{exit},\"out\":{}", json!(text), json!(&output[begin..])));
        self.flush();
    }

    /// Anything else that readers may want to know, under a name that others pass over.
    pub fn extra(&self, name: &str, value: &Value) {
        self.put(&format!("{}:{value}", json!(name)));
    }

    fn put(&self, fields: &str) {
        self.with(|inner| {
            let t = (inner.began.elapsed().as_secs_f64() * self.speed * 10_000.0).round() / 10_000.0;
            inner.last = t.max(inner.last);
            inner.write(&format!("{{\"t\":{},{fields}}}", json!(inner.last)));
        });
    }

    /// How many lines there are, and what kept one from being written.
    pub fn state(&self) -> (u64, Option<String>) {
        self.with(|inner| (inner.lines, inner.failed.clone()))
    }

    /// Puts on disk what was written.
    pub fn flush(&self) {
        self.with(Inner::flush);
    }

    fn with<T>(&self, what: impl FnOnce(&mut Inner) -> T) -> T {
        what(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Inner {
    fn write(&mut self, line: &str) {
        if self.failed.is_some() {
            return;
        }
        self.bytes += line.len() as u64 + 1;
        if self.bytes > BYTES_MAX {
            self.failed = Some(format!("the recording has grown beyond {BYTES_MAX} bytes"));
        } else if let Err(error) = writeln!(self.file, "{line}") {
            self.failed = Some(error.to_string());
        } else {
            self.lines += 1;
        }
    }

    fn flush(&mut self) {
        if let (None, Err(error)) = (&self.failed, self.file.flush()) {
            self.failed = Some(error.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_whole_and_times_never_go_back() {
        let path = std::env::temp_dir().join(format!("ksim-recording-{}.jsonl", std::process::id()));
        let renaming = Renaming { from: "own".into(), to: "default".into() };
        let recording = Recording::create(&path, &json!({"format": "k8s-watch-trace/v1"}), renaming, 10.0).expect("it can be written");
        recording.action("kubectl apply");
        recording.event("ADDED", json!({"kind": "Pod", "metadata": {"namespace": "own", "name": "a"}}));
        recording.start(Instant::now());
        recording.done("kubectl apply", 0, &"é".repeat(3000));
        recording.flush();
        let text = std::fs::read_to_string(&path).expect("it is there");
        let lines: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).expect("a whole line")).collect();
        std::fs::remove_file(&path).expect("it can be removed");
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[2]["object"]["metadata"]["namespace"], "default");
        assert_eq!(lines[3]["out"].as_str().map(|t| t.chars().count()), Some(2000));
        let times: Vec<f64> = lines[1..].iter().map(|l| l["t"].as_f64().expect("a time")).collect();
        assert!(times.is_sorted(), "{times:?}");
    }
}
