//! The API server's audit log (`audit.k8s.io/v1`, one JSON event a line), read into a recording.
//! Taken: finished requests (`ResponseComplete`, `Panic`) that began within the recording and are about its namespaces or
//! about nothing in particular of another: who asked, as which client, for what, with which outcome, and how long it took.
//! Not taken: bodies (they hold Secrets), source addresses, annotations, groups, and the recorder's own requests.
//! Assumed: the API server's clock and this machine's agree, as they do on Docker Desktop and kind.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cluster::AGENT;
use crate::scrub::Renaming;

/// Longer lines are passed over.
const LINE_BYTES_MAX: u64 = 16 << 20;
/// More requests than this are not taken.
const REQUESTS_MAX: usize = 1_000_000;

/// When a recording was made, and of what.
pub struct Frame {
    /// When it began.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// Its namespaces.
    pub namespaces: Vec<String>,
    /// How its own namespace is written.
    pub renaming: Renaming,
}

/// Reads the log and puts its requests among the recording's lines, in the order of their times. Gives how many requests
/// each client made.
pub fn merge(log: &Path, recording: &Path, frame: &Frame) -> Result<BTreeMap<String, u64>, String> {
    let told = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    let file = std::fs::File::open(log).map_err(|e| told(log, e))?;
    let mut requests = requests(BufReader::new(file), frame).map_err(|e| told(log, e))?;
    requests.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let mut counts = BTreeMap::new();
    for (_, request) in &requests {
        *counts.entry(request["agent"].as_str().unwrap_or_default().to_owned()).or_insert(0) += 1;
    }
    let merged = recording.with_extension("jsonl.audit");
    let result = put_among(requests, recording, &merged).and_then(|()| std::fs::rename(&merged, recording));
    if let Err(error) = result {
        _ = std::fs::remove_file(&merged);
        return Err(told(recording, error));
    }
    Ok(counts)
}

fn requests(mut log: impl BufRead, frame: &Frame) -> std::io::Result<Vec<(f64, Value)>> {
    let mut found = Vec::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = std::io::Read::take(&mut log, LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
        if read == 0 || found.len() >= REQUESTS_MAX {
            return Ok(found);
        }
        found.extend(serde_json::from_slice(&line).ok().and_then(|event| request(&event, frame)));
    }
}

/// What is told of a request, and when it began, in seconds since the recording did.
fn request(event: &Value, frame: &Frame) -> Option<(f64, Value)> {
    if event["kind"] != "Event" || !matches!(event["stage"].as_str(), Some("ResponseComplete" | "Panic")) {
        return None;
    }
    let time = |field: &str| event[field].as_str().and_then(|t| t.parse::<Timestamp>().ok());
    let (began, ended) = (time("requestReceivedTimestamp")?, time("stageTimestamp")?);
    let of = &event["objectRef"];
    let namespace = of["namespace"].as_str().unwrap_or_default();
    let agent = event["userAgent"].as_str().unwrap_or_default();
    let is_ours = namespace.is_empty() || frame.namespaces.iter().any(|n| n == namespace);
    if began < frame.began || began > frame.ended || !is_ours || agent.starts_with(AGENT) {
        return None;
    }
    let seconds = |a: Timestamp, b: Timestamp| (b.duration_since(a).as_secs_f64() * 10_000.0).round() / 10_000.0;
    // `kube-scheduler/v1.36.2 (linux/amd64) kubernetes/…`: the program is enough.
    let program = agent.split(['/', ' ']).next().unwrap_or_default();
    let mut told = json!({
        "user": event["user"]["username"], "agent": program, "verb": event["verb"], "code": event["responseStatus"]["code"],
        "took": seconds(began, ended),
    });
    for field in ["apiGroup", "resource", "subresource", "namespace", "name"] {
        if let Some(value) = of[field].as_str().filter(|v| !v.is_empty()) {
            told[field] = value.into();
        }
    }
    if told["namespace"] == frame.renaming.from.as_str() {
        told["namespace"] = frame.renaming.to.clone().into();
    }
    if told.get("resource").is_none() {
        told["uri"] = event["requestURI"].as_str().unwrap_or_default().split('?').next().unwrap_or_default().into();
    }
    Some((seconds(frame.began, began), told))
}

fn put_among(requests: Vec<(f64, Value)>, recording: &Path, merged: &Path) -> std::io::Result<()> {
    let mut out = BufWriter::new(std::fs::File::create(merged)?);
    let mut waiting = requests.into_iter().peekable();
    for line in BufReader::new(std::fs::File::open(recording)?).lines() {
        let line = line?;
        // Lines begin with their time; the header has none.
        let t: Option<f64> = line.strip_prefix("{\"t\":").and_then(|rest| rest.split(',').next()).and_then(|t| t.parse().ok());
        while let Some((at, request)) = waiting.next_if(|(at, _)| t.is_some_and(|t| *at < t)) {
            writeln!(out, "{{\"t\":{},\"audit\":{request}}}", json!(at))?;
        }
        writeln!(out, "{line}")?;
    }
    for (at, request) in waiting {
        writeln!(out, "{{\"t\":{},\"audit\":{request}}}", json!(at))?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(agent: &str, namespace: &str, second: u32) -> String {
        let at = |s: u32, ms: u32| format!("2026-11-20T10:00:{s:02}.{ms:03}000Z");
        json!({
            "kind": "Event", "apiVersion": "audit.k8s.io/v1", "stage": "ResponseComplete", "verb": "create", "userAgent": agent,
            "user": {"username": "system:kube-scheduler", "groups": ["secret-group"]}, "sourceIPs": ["10.0.0.1"],
            "objectRef": {"resource": "pods", "subresource": "binding", "namespace": namespace, "name": "a"},
            "requestObject": {"data": "hunter2"}, "responseStatus": {"code": 201},
            "requestReceivedTimestamp": at(second, 0), "stageTimestamp": at(second, 12),
        })
        .to_string()
    }

    #[test]
    fn requests_stand_among_the_lines_in_the_order_of_time_and_without_bodies() {
        let folder = std::env::temp_dir().join(format!("ksim-audit-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let (log, recording) = (folder.join("audit.log"), folder.join("r.jsonl"));
        let lines = [
            event("kube-scheduler/v1.36.2 (linux/amd64)", "own", 3),
            event("kube-scheduler/v1.36.2 (linux/amd64)", "other", 3),
            event(AGENT, "own", 3),
            event("kubelet/v1.36.2", "own", 1),
            event("kubelet/v1.36.2", "own", 59),
            "cut short {".to_owned(),
        ];
        std::fs::write(&log, lines.join("\n")).expect("a file");
        let before = "{\"format\":\"k8s-watch-trace/v1\"}\n{\"t\":0.5,\"action\":\"a\"}\n{\"t\":2.5,\"end\":\"done\"}\n";
        std::fs::write(&recording, before).expect("a file");
        let at = |text: &str| text.parse().expect("a time");
        let renaming = Renaming { from: "own".into(), to: "default".into() };
        let (began, ended) = (at("2026-11-20T10:00:00Z"), at("2026-11-20T10:00:30Z"));
        let frame = Frame { began, ended, namespaces: vec!["own".into()], renaming };
        let counts = merge(&log, &recording, &frame).expect("it can be read");
        let text = std::fs::read_to_string(&recording).expect("it is there");
        std::fs::remove_dir_all(&folder).expect("it can be removed");
        assert_eq!(counts, BTreeMap::from([("kube-scheduler".into(), 1), ("kubelet".into(), 1)]));
        let expected = json!({"t": 3.0, "audit": {"user": "system:kube-scheduler", "agent": "kube-scheduler", "verb": "create", "code": 201,
            "took": 0.012, "resource": "pods", "subresource": "binding", "namespace": "default", "name": "a"}});
        let found: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).expect("whole lines")).collect();
        let times: Vec<f64> = found.iter().filter_map(|l| l["t"].as_f64()).collect();
        assert_eq!(times, [0.5, 1.0, 2.5, 3.0]);
        assert_eq!(found[4], expected);
        for hidden in ["hunter2", "secret-group", "10.0.0.1"] {
            assert!(!text.contains(hidden), "{hidden} in {text}");
        }
    }
}
