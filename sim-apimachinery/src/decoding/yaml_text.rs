//! YAML bodies, with goyaml's words for what is wrong with them.
//! Not modelled: errors that only goyaml's own scanner knows; they keep the words of the scanner used here.

use serde_json::Value;

use crate::yaml::{self, Limits, YamlError};

/// The first words of goyaml's list of errors.
pub(super) const ERRORS_HEAD: &str = "yaml: unmarshal errors:";

/// A YAML text as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct YamlText {
    /// The first document; null if there is none.
    pub value: Value,
    /// Keys that were given twice: `line 7: key "replicas" already set in map`.
    pub duplicates: Vec<String>,
}

impl YamlText {
    /// goyaml's strict error, if a key was given twice.
    pub fn duplicates_error(&self) -> Option<String> {
        (!self.duplicates.is_empty()).then(|| format!("{ERRORS_HEAD}\n  {}", self.duplicates.join("\n  ")))
    }
}

/// Reads a YAML body. The error is goyaml's: `yaml: line 4: found character that cannot start any token`.
pub fn read_yaml(body: &[u8]) -> Result<YamlText, String> {
    let text = std::str::from_utf8(body).map_err(|_| "yaml: invalid leading UTF-8 octet".to_owned())?;
    let read = yaml::read(text, &Limits::default()).map_err(|e| told(&e, text))?;
    let duplicates = read.warnings.iter().filter_map(|w| {
        let key = w.message.strip_prefix("the key ")?.strip_suffix(" is given twice; the last one counts")?;
        Some(format!("line {}: key {key} already set in map", w.position.line))
    });
    let duplicates = duplicates.collect();
    Ok(YamlText { value: read.documents.into_iter().next().map_or(Value::Null, |d| d.value), duplicates })
}

/// Who in goyaml tells an error, which decides how its line is counted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    /// The scanner: the line, counted from one.
    Scanner,
    /// The parser: the line, counted from zero.
    Parser,
    /// The parser at the end of the text: the number of lines.
    End,
}

/// Words of the scanner used here, goyaml's words for the same, and who in goyaml tells them.
const WORDS: [(&str, &str, Told); 16] = [
    ("illegal placement of ':' indicator", "did not find expected ',' or ']'", Told::Parser),
    ("flow sequence, expected ',' or ']'", "did not find expected ',' or ']'", Told::Parser),
    ("did not find expected ',' or '}'", "did not find expected ',' or '}'", Told::Parser),
    ("mismatched bracket '['", "did not find expected ',' or ']'", Told::Parser),
    ("mismatched bracket '{'", "did not find expected ',' or '}'", Told::Parser),
    ("unclosed bracket '['", "did not find expected node content", Told::End),
    ("unclosed bracket '{'", "did not find expected node content", Told::End),
    ("parsing a flow sequence", "did not find expected node content", Told::End),
    ("parsing a flow mapping", "did not find expected node content", Told::End),
    ("did not find expected node content", "did not find expected node content", Told::Parser),
    ("did not find expected key", "did not find expected key", Told::Parser),
    ("did not find expected '-' indicator", "did not find expected '-' indicator", Told::Parser),
    ("mapping values are not allowed", "mapping values are not allowed in this context", Told::Scanner),
    ("tab", "found character that cannot start any token", Told::Scanner),
    ("unclosed quote", "found unexpected end of stream", Told::Scanner),
    ("simple key expected ':'", "could not find expected ':'", Told::Scanner),
];

fn told(error: &YamlError, text: &str) -> String {
    let found = WORDS.iter().find(|(ours, ..)| error.message.contains(ours));
    let (words, by) = found.map_or((error.message.as_str(), Told::Scanner), |(_, words, by)| (words, *by));
    let line = match by {
        Told::Scanner => error.position.line,
        Told::Parser => error.position.line.saturating_sub(1),
        Told::End => text.lines().count(),
    };
    if line == 0 { format!("yaml: {words}") } else { format!("yaml: line {line}: {words}") }
}
