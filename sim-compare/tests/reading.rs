//! Recordings are read, plain and gzipped; what is none is refused with its place and a reason.

use std::io::Write;

use sim_compare::recording::{Cut, LINE_BYTES_MAX};
use sim_compare::{Change, Line, ReadOptions, Recording};

use crate::{HEADER, recording};

const POD: &str = r#"{"t":1.5,"type":"ADDED","object":{"kind":"Pod","metadata":{"name":"a","namespace":"default"}}}"#;

fn read(bytes: &[u8], allow_cut: bool) -> Result<Recording, String> {
    Recording::from_reader("f.jsonl", bytes, ReadOptions { allow_cut }).map_err(|e| e.to_string())
}

fn refused(text: &str, expected: &str) {
    let message = read(text.as_bytes(), false).expect_err(text);
    assert!(message.contains(expected), "{message:?} does not say {expected:?}");
}

fn gzipped(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).expect("to memory");
    encoder.finish().expect("to memory")
}

#[test]
fn lines_of_each_kind_are_read() {
    let text = format!("{HEADER}\n{{\"t\":0,\"action\":\"a\"}}\n{POD}\n{{\"t\":2,\"done\":\"a\",\"exit\":3,\"out\":\"o\"}}\n");
    for bytes in [text.clone().into_bytes(), gzipped(&text)] {
        let recording = read(&bytes, false).expect("it is whole");
        assert_eq!((recording.header.name.as_str(), recording.cut.as_ref()), ("story", None));
        assert_eq!(recording.lines[0], Line::Action { time: 0.0, command: "a".into() });
        let Line::Watch(watch) = &recording.lines[1] else { panic!("{:?}", recording.lines[1]) };
        assert_eq!((watch.kind(), watch.namespace(), watch.name(), watch.change), ("Pod", "default", "a", Change::Added));
        assert_eq!(recording.lines[2], Line::Done { time: 2.0, command: "a".into(), exit: 3, output: "o".into() });
        assert_eq!(recording.duration(), 2.0);
    }
}

#[test]
fn the_recordings_of_the_repository_are_whole_and_packed_without_a_date() {
    let folder = crate::root().join("tests/real-cluster");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("it is there").flatten().filter(|e| e.path().extension().is_some_and(|e| e == "gz")) {
        let bytes = std::fs::read(entry.path()).expect("it can be read");
        assert_eq!(bytes[3..8], [0; 5], "{:?}: neither name nor date is packed with it", entry.path());
        let name = format!("tests/real-cluster/{}", entry.file_name().display());
        let recording = recording(&name);
        assert!(recording.lines.len() > 50 && name.contains(&recording.header.name), "{name}");
        count += 1;
    }
    assert_eq!(count, 12);
}

#[test]
fn what_ksim_record_writes_besides_is_passed_over() {
    let more = ["{\"t\":1,\"note\":\"a\"}", "{\"t\":2,\"audit\":{}}", "{\"t\":3,\"load\":{}}", "{\"t\":4,\"end\":\"done\"}"];
    let recording = read(format!("{HEADER}\n{POD}\n{}\n", more.join("\n")).as_bytes(), false).expect("it is a recording");
    assert_eq!(recording.lines.len(), 1);
}

#[test]
fn what_is_no_recording_is_refused_with_its_line() {
    refused("", "f.jsonl: the file is empty");
    refused("hello\n", "f.jsonl:1: not a recording (k8s-watch-trace/v1): the first line is not JSON");
    refused("[1]\n", "f.jsonl:1: not a recording");
    refused(&format!("{POD}\n"), "f.jsonl:1: the header is missing");
    refused("{\"format\":\"k8s-watch-trace/v2\"}\n", "f.jsonl:1: the format is \"k8s-watch-trace/v2\", and this version of ksim reads");
    refused(&format!("{HEADER}\n{POD}\n{HEADER}\n"), "f.jsonl:3: a second header");
    refused(&format!("{HEADER}\n{{\"t\":1}}\n"), "f.jsonl:2: neither a watch event");
    refused(&format!("{HEADER}\n{}\n", POD.replace("1.5", "\"x\"")), "f.jsonl:2: \"t\" has to be a number");
    refused(&format!("{HEADER}\n{}\n", POD.replace("1.5", "1e300")), "f.jsonl:2: \"t\" has to be a number");
    refused(&format!("{HEADER}\n{}\n", POD.replace("ADDED", "BOOKMARK")), "f.jsonl:2: the type of the watch event is \"BOOKMARK\"");
    refused(&format!("{HEADER}\n{}\n", POD.replace("\"Pod\"", "7")), "f.jsonl:2: the object has no kind");
    refused(&format!("{HEADER}\n{}\n", POD.replace("\"a\"", "null")), "f.jsonl:2: the Pod has no metadata.name");
    refused(&format!("{HEADER}\n{}\n", POD.replace(':', ";")), "f.jsonl:2: not JSON: ");
}

#[test]
fn a_recording_cut_in_the_middle_says_so_and_can_be_used_up_to_there() {
    let text = format!("{HEADER}\n{POD}\n{}", &POD[..40]);
    let message = read(text.as_bytes(), false).expect_err("it is cut");
    assert_eq!(message, "f.jsonl:3: the recording is cut in the middle of this line; --allow-cut uses the 1 whole lines before it");
    let used = read(text.as_bytes(), true).expect("it may be cut");
    assert_eq!((used.lines.len(), used.cut), (1, Some(Cut { line: 3 })));
}

#[test]
fn a_packed_recording_cut_in_the_middle_says_so_and_can_be_used_up_to_there() {
    let path = crate::root().join("tests/real-cluster/deploy.jsonl.gz");
    let bytes = std::fs::read(path).expect("it is there");
    let half = &bytes[..bytes.len() / 2];
    assert!(read(half, false).expect_err("it is cut").contains("is cut in the middle"));
    let used = read(half, true).expect("it may be cut");
    assert!(used.cut.is_some() && used.lines.len() > 10, "{}", used.lines.len());
}

#[test]
fn a_line_that_is_too_long_is_refused_before_it_is_held_in_memory() {
    let text = format!("{HEADER}\n{}", "x".repeat(LINE_BYTES_MAX + 10));
    refused(&text, "f.jsonl:2: the line is longer than");
    let packed = gzipped(&text);
    assert!(packed.len() < 100_000);
    assert!(read(&packed, true).expect_err("it is a bomb").contains("the line is longer than"));
}
