//! Reads recordings, plain or gzipped (told by their first bytes, not by the name).
//! Promises: no input makes it panic or take more than the limits below; an error names file, line and what is wrong.
//! A recording whose recorder was killed ends in the middle of a line: told as such, and `allow_cut` uses what is before.

use std::fmt;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::Path;

use serde_json::Value;

use super::{Change, FORMAT, Header, Line, Recording, Watch};

/// More than this (unpacked) is not read.
pub const FILE_BYTES_MAX: u64 = 256 << 20;
/// A longer line is none of a recorder's: the API server's largest object has less than 2 MiB.
pub const LINE_BYTES_MAX: usize = 8 << 20;
/// Times lie within this many seconds of the beginning.
const SECONDS_MAX: f64 = 1e9;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// How to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// Use what is before the place where a recording was cut.
    pub allow_cut: bool,
}

/// Where a recording was cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The line that is not whole, from 1.
    pub line: usize,
}

/// Why a recording cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError {
    /// The file, as it was named.
    pub file: String,
    /// The line, from 1; none if it is about the whole file.
    pub line: Option<usize>,
    /// What is wrong, and what can be done.
    pub message: String,
}

impl fmt::Display for ReadError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(out, "{}:{line}: {}", self.file, self.message),
            None => write!(out, "{}: {}", self.file, self.message),
        }
    }
}

impl std::error::Error for ReadError {}

impl Recording {
    /// Reads a `.jsonl` or `.jsonl.gz` file.
    pub fn read(path: &Path, options: ReadOptions) -> Result<Recording, ReadError> {
        let file = path.display().to_string();
        let opened = std::fs::File::open(path).map_err(|e| ReadError { file: file.clone(), line: None, message: e.to_string() })?;
        Recording::from_reader(&file, opened, options)
    }

    /// Reads from anything; `file` is what errors call it.
    pub fn from_reader(file: &str, reader: impl Read, options: ReadOptions) -> Result<Recording, ReadError> {
        let mut reader = BufReader::new(reader);
        let head = reader.fill_buf().map_err(|e| ReadError { file: file.to_owned(), line: None, message: e.to_string() })?;
        if head.starts_with(&GZIP_MAGIC) {
            let plain = BufReader::new(flate2::bufread::MultiGzDecoder::new(reader));
            return Reading::new(file, options).all(plain);
        }
        Reading::new(file, options).all(reader)
    }
}

/// Further lines that `ksim record` writes: requests from an audit log, figures of loads, remarks, and how it ended.
const PASSED_OVER: [&str; 4] = ["audit", "end", "load", "note"];

/// The state of reading one file.
struct Reading<'a> {
    file: &'a str,
    options: ReadOptions,
    number: usize,
    bytes: u64,
}

/// What came of asking for the next line.
enum Next {
    Whole,
    /// The file ends within this line.
    Unended,
    End,
    /// The packed stream ends in the middle.
    StreamCut,
}

/// Why a line is refused.
enum Refused {
    Cut,
    Wrong(String),
}

impl<'a> Reading<'a> {
    fn new(file: &'a str, options: ReadOptions) -> Reading<'a> {
        Reading { file, options, number: 0, bytes: 0 }
    }

    fn all(mut self, mut reader: impl BufRead) -> Result<Recording, ReadError> {
        let mut line = Vec::new();
        let first = self.next(&mut reader, &mut line)?;
        let header = self.header(&line, &first)?;
        let mut recording = Recording { header, lines: Vec::new(), cut: None };
        loop {
            let next = self.next(&mut reader, &mut line)?;
            match next {
                Next::End => return Ok(recording),
                Next::StreamCut => return self.cut(recording),
                Next::Whole | Next::Unended if line.trim_ascii().is_empty() => {}
                Next::Whole | Next::Unended => match decode(&line) {
                    Ok(read) => recording.lines.extend(read),
                    Err(Refused::Cut) => return self.cut(recording),
                    Err(Refused::Wrong(message)) => return Err(self.error(message)),
                },
            }
        }
    }

    /// Reads one line without its end into `line`.
    fn next(&mut self, reader: &mut impl BufRead, line: &mut Vec<u8>) -> Result<Next, ReadError> {
        line.clear();
        self.number += 1;
        let read = reader.take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', line);
        self.bytes += line.len() as u64;
        match read {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(Next::StreamCut),
            Err(error) => return Err(self.error(format!("cannot be read: {error}"))),
            Ok(0) => return Ok(Next::End),
            Ok(_) => {}
        }
        if line.len() > LINE_BYTES_MAX {
            return Err(self.error(format!("the line is longer than {LINE_BYTES_MAX} bytes, the most that is read")));
        }
        if self.bytes > FILE_BYTES_MAX {
            return Err(self.error(format!("the recording is larger than {FILE_BYTES_MAX} bytes, the most that is read")));
        }
        Ok(if line.pop_if(|byte| *byte == b'\n').is_some() { Next::Whole } else { Next::Unended })
    }

    fn header(&self, line: &[u8], next: &Next) -> Result<Header, ReadError> {
        let missing = format!("the header is missing: the first line has to be {{\"format\": \"{FORMAT}\", \"name\": …}}");
        match next {
            Next::End => return Err(ReadError { line: None, ..self.error("the file is empty, not a recording".into()) }),
            Next::StreamCut => return Err(self.error("the file was cut before its first line ended: nothing can be used".into())),
            Next::Whole | Next::Unended => {}
        }
        let value: Value = serde_json::from_slice(line)
            .map_err(|e| self.error(format!("not a recording ({FORMAT}): the first line is not JSON ({})", plain(&e))))?;
        match value.get("format").and_then(Value::as_str) {
            Some(FORMAT) => {}
            Some(other) => return Err(self.error(format!("the format is {other:?}, and this version of ksim reads {FORMAT:?} only"))),
            None if value.is_object() => return Err(self.error(missing)),
            None => return Err(self.error(format!("not a recording ({FORMAT}): the first line is not a JSON object"))),
        }
        let text = |key| super::text(&value, key).to_owned();
        Ok(Header { name: text("name"), server: text("server"), about: text("about"), seed: value["seed"].as_u64() })
    }

    fn cut(&self, mut recording: Recording) -> Result<Recording, ReadError> {
        if self.options.allow_cut {
            recording.cut = Some(Cut { line: self.number });
            return Ok(recording);
        }
        let whole = recording.lines.len();
        Err(self.error(format!("the recording is cut in the middle of this line; --allow-cut uses the {whole} whole lines before it")))
    }

    fn error(&self, message: String) -> ReadError {
        ReadError { file: self.file.to_owned(), line: Some(self.number), message }
    }
}

/// serde_json's message without its place: a line of ours is always line 1 of its.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.split_once(" at line ") {
        Some((message, _)) => format!("{message} at column {}", error.column()),
        None => text,
    }
}

/// A line; nothing for one that a comparison passes over.
fn decode(line: &[u8]) -> Result<Option<Line>, Refused> {
    let value: Value = serde_json::from_slice(line).map_err(|error| match error.is_eof() {
        true => Refused::Cut,
        false => Refused::Wrong(format!("not JSON: {}", plain(&error))),
    })?;
    let Value::Object(mut map) = value else { return Err(Refused::Wrong("not a JSON object".into())) };
    if map.contains_key("format") {
        return Err(Refused::Wrong("a second header: one file holds one recording".into()));
    }
    let time = match map.get("t").and_then(Value::as_f64) {
        Some(time) if time.abs() <= SECONDS_MAX => time,
        _ => return Err(Refused::Wrong("\"t\" has to be a number of seconds".into())),
    };
    if let Some(object) = map.remove("object") {
        let change = change(map.get("type"))?;
        return watch(time, change, object).map(|watch| Some(Line::Watch(watch))).map_err(Refused::Wrong);
    }
    let value = Value::Object(map);
    if let Some(command) = value.get("action").and_then(Value::as_str) {
        return Ok(Some(Line::Action { time, command: command.to_owned() }));
    }
    if let Some(command) = value.get("done").and_then(Value::as_str) {
        let exit = value.get("exit").and_then(Value::as_i64).unwrap_or(0);
        return Ok(Some(Line::Done { time, command: command.to_owned(), exit, output: super::text(&value, "out").to_owned() }));
    }
    if PASSED_OVER.iter().any(|name| value.get(name).is_some()) {
        return Ok(None);
    }
    Err(Refused::Wrong("neither a watch event (\"type\" and \"object\") nor an action (\"action\" or \"done\")".into()))
}

fn change(named: Option<&Value>) -> Result<Change, Refused> {
    match named.and_then(Value::as_str) {
        Some("ADDED") => Ok(Change::Added),
        Some("MODIFIED") => Ok(Change::Modified),
        Some("DELETED") => Ok(Change::Deleted),
        Some(other) => Err(Refused::Wrong(format!("the type of the watch event is {other:?}: ADDED, MODIFIED and DELETED are known"))),
        None => Err(Refused::Wrong("a watch event needs a \"type\": ADDED, MODIFIED or DELETED".into())),
    }
}

fn watch(time: f64, change: Change, object: Value) -> Result<Watch, String> {
    let watch = Watch { time, change, object };
    if watch.kind().is_empty() {
        return Err("the object has no kind".into());
    }
    if watch.name().is_empty() {
        return Err(format!("the {} has no metadata.name", watch.kind()));
    }
    Ok(watch)
}
