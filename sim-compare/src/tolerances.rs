//! What is not held against a recording: fields, kinds, random texts, and how far times may differ, from a YAML file.
//! Promises: every entry has a reason; an unknown key, a missing `why` or a wrong value is refused with its line.
//! The shipped default (`sim-compare/tolerances.yaml`) drops what the score `fidelity.py` drops, for the same figures.

use std::collections::BTreeSet;

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Deserializer, de::Error};

/// The shipped file.
pub const DEFAULT: &str = include_str!("../tolerances.yaml");
/// The format that is read.
pub const FORMAT: &str = "ksim-tolerances/v1";
/// Larger files are not read.
pub const FILE_BYTES_MAX: usize = 1 << 20;
/// A pattern may need so much memory when it is compiled.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// Tolerances, ready for use.
#[derive(Clone, Debug)]
pub struct Tolerances {
    pub(crate) kinds: BTreeSet<String>,
    pub(crate) events_about: BTreeSet<String>,
    pub(crate) fields: BTreeSet<String>,
    pub(crate) paths: Vec<Vec<String>>,
    pub(crate) blank: Vec<(Regex, String)>,
    /// Times may differ by this many seconds.
    pub absolute: f64,
    /// And by this share of the real time.
    pub relative: f64,
    /// What lies closer together than this many seconds may come in any order.
    pub concurrent: f64,
    /// How exactly a recording tells a time, in seconds.
    pub clock: f64,
}

impl Default for Tolerances {
    fn default() -> Tolerances {
        Tolerances::parse("the default tolerances", DEFAULT).expect("the shipped file is read by a test")
    }
}

impl Tolerances {
    /// Reads a file's text; `name` is what errors call it.
    pub fn parse(name: &str, text: &str) -> Result<Tolerances, String> {
        if text.len() > FILE_BYTES_MAX {
            return Err(format!("{name}: the file has {} bytes, at most {FILE_BYTES_MAX} are read", text.len()));
        }
        let file: File = serde_yaml::from_str(text).map_err(|error| told(name, &error))?;
        if file.format != FORMAT {
            return Err(format!("{name}: the format is {:?}, and this version of ksim reads {FORMAT:?}", file.format));
        }
        let mut tolerances = match file.extends.as_deref() {
            None => Tolerances::nothing(),
            Some("default") => Tolerances::default(),
            Some(other) => return Err(format!("{name}: extends: {other:?} is not known, only \"default\"")),
        };
        tolerances.add(file);
        Ok(tolerances)
    }

    /// Everything is held against a recording.
    fn nothing() -> Tolerances {
        Tolerances {
            kinds: BTreeSet::new(),
            events_about: BTreeSet::new(),
            fields: BTreeSet::new(),
            paths: Vec::new(),
            blank: Vec::new(),
            absolute: 0.0,
            relative: 0.0,
            concurrent: 0.0,
            clock: 0.0,
        }
    }

    fn add(&mut self, file: File) {
        self.kinds.extend(file.ignore.kinds.into_iter().flat_map(|entry| entry.kinds));
        self.events_about.extend(file.ignore.events_about.into_iter().flat_map(|entry| entry.kinds));
        self.fields.extend(file.ignore.fields.into_iter().flat_map(|entry| entry.fields));
        self.paths.extend(file.ignore.paths.into_iter().map(|entry| entry.path));
        self.blank.extend(file.blank.into_iter().map(|entry| (entry.pattern.0, entry.with)));
        let times = file.times;
        for (place, given) in
            [(&mut self.absolute, times.absolute), (&mut self.concurrent, times.concurrent), (&mut self.clock, times.clock)]
        {
            *place = given.map_or(*place, |entry| entry.value.0);
        }
        self.relative = times.relative.map_or(self.relative, |entry| entry.value.0);
    }

    /// Whether two times count as one: `real` and `other` in seconds.
    pub fn same_time(&self, real: f64, other: f64) -> bool {
        (real - other).abs() <= self.absolute + self.relative * real
    }
}

fn told(name: &str, error: &serde_yaml::Error) -> String {
    let text = error.to_string();
    let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
    match error.location() {
        Some(place) => format!("{name}:{}:{}: {message}", place.line(), place.column()),
        None => format!("{name}: {message}"),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: String,
    extends: Option<String>,
    #[serde(default)]
    ignore: Ignore,
    #[serde(default)]
    blank: Vec<Blank>,
    #[serde(default)]
    times: Times,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Ignore {
    #[serde(default)]
    kinds: Vec<Kinds>,
    #[serde(default)]
    events_about: Vec<Kinds>,
    #[serde(default)]
    fields: Vec<Fields>,
    #[serde(default)]
    paths: Vec<Path>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kinds {
    kinds: Vec<String>,
    #[serde(rename = "why")]
    _why: Why,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    fields: Vec<String>,
    #[serde(rename = "why")]
    _why: Why,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Path {
    path: Vec<String>,
    #[serde(rename = "why")]
    _why: Why,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Blank {
    pattern: Pattern,
    with: String,
    #[serde(rename = "why")]
    _why: Why,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Times {
    absolute: Option<Allowed<Seconds>>,
    relative: Option<Allowed<Share>>,
    concurrent: Option<Allowed<Seconds>>,
    clock: Option<Allowed<Seconds>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Allowed<T> {
    value: T,
    #[serde(rename = "why")]
    _why: Why,
}

/// A reason. It is for readers of the file; only its presence is checked.
struct Why;

impl<'de> Deserialize<'de> for Why {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Why, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.trim().is_empty() { Err(D::Error::custom("the why is empty: say why this is tolerated")) } else { Ok(Why) }
    }
}

struct Pattern(Regex);

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Pattern, D::Error> {
        let text = String::deserialize(deserializer)?;
        let built = RegexBuilder::new(&text).size_limit(PATTERN_BYTES_MAX).build();
        built.map(Pattern).map_err(|error| D::Error::custom(format!("not a regular expression: {error}")))
    }
}

/// Written `1s` or `250ms`.
struct Seconds(f64);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Seconds, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (number, unit) = match text.strip_suffix("ms") {
            Some(number) => (number, 0.001),
            None => (text.strip_suffix('s').unwrap_or(""), 1.0),
        };
        positive(number).map(|n| Seconds(n * unit)).ok_or_else(|| D::Error::custom(format!("{text:?} is not a time such as 1s or 250ms")))
    }
}

/// Written `10%`.
struct Share(f64);

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Share, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = text.strip_suffix('%').and_then(positive);
        number.map(|n| Share(n / 100.0)).ok_or_else(|| D::Error::custom(format!("{text:?} is not a share such as 10%")))
    }
}

fn positive(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0)
}
