//! A recording of a cluster, as `k8s-watch-trace/v1`: what was done to it and what it did, line by line.
//! Promises: what is here was checked (a watch event has a kind and a name, times are finite), so users need not check again.
//! Left out: objects stay JSON values as they were received; nothing here knows Kubernetes' types.

mod read;

use serde_json::Value;

pub use read::{Cut, FILE_BYTES_MAX, LINE_BYTES_MAX, ReadError, ReadOptions};

/// The format that is read, and the only one.
pub const FORMAT: &str = "k8s-watch-trace/v1";

/// One recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// Its first line.
    pub header: Header,
    /// All other lines in the order of the file.
    pub lines: Vec<Line>,
    /// Where it was cut, if it was and that was allowed.
    pub cut: Option<Cut>,
}

/// The first line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Which story was recorded, such as `crash`.
    pub name: String,
    /// The version of the API server, such as `v1.36.2`.
    pub server: String,
    /// What is done, in a sentence.
    pub about: String,
    /// The seed of chance, if what was recorded is a simulated cluster.
    pub seed: Option<u64>,
}

/// Any other line. Times are seconds since the recording began.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    /// A watch event as received.
    Watch(Watch),
    /// A step was begun.
    Action { time: f64, command: String },
    /// A step returned: its exit code and what it printed.
    Done { time: f64, command: String, exit: i64, output: String },
}

/// A watch event.
#[derive(Clone, Debug, PartialEq)]
pub struct Watch {
    /// When it was received, in seconds since the recording began.
    pub time: f64,
    /// What happened to the object.
    pub change: Change,
    /// The object whole, but without `managedFields`; it has a `kind` and a `metadata.name`, both texts.
    pub object: Value,
}

/// What a watch event says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Added,
    Modified,
    Deleted,
}

impl Recording {
    /// The watch events, in the order of the file.
    pub fn watches(&self) -> impl Iterator<Item = &Watch> {
        self.lines.iter().filter_map(|line| match line {
            Line::Watch(watch) => Some(watch),
            _ => None,
        })
    }

    /// When the last line was written, in seconds; 0 of an empty recording.
    pub fn duration(&self) -> f64 {
        self.lines.iter().map(Line::time).fold(0.0, f64::max)
    }
}

impl Line {
    /// When, in seconds since the recording began.
    pub fn time(&self) -> f64 {
        match self {
            Line::Watch(watch) => watch.time,
            Line::Action { time, .. } | Line::Done { time, .. } => *time,
        }
    }
}

impl Watch {
    /// The object's kind.
    pub fn kind(&self) -> &str {
        text(&self.object, "kind")
    }

    /// The object's namespace, empty if it has none.
    pub fn namespace(&self) -> &str {
        text(&self.object["metadata"], "namespace")
    }

    /// The object's name.
    pub fn name(&self) -> &str {
        text(&self.object["metadata"], "name")
    }

    /// What its random name was made from, if it was.
    pub fn generate_name(&self) -> Option<&str> {
        Some(text(&self.object["metadata"], "generateName")).filter(|prefix| !prefix.is_empty())
    }
}

/// A text in a map; empty if there is none.
pub(crate) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}
