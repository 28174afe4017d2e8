//! Every command of `ksim ctl` against a running server.

use serde_json::Value;

use crate::server::{Server, deployment};

fn seconds(server: &Server, arguments: &[&str]) -> f64 {
    server.said(arguments, "elapsedSeconds").parse().expect("a number")
}

fn refused(server: &Server, arguments: &[&str], word: &str) {
    let output = server.ctl(arguments);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
    assert!(text.contains(word), "{arguments:?}: no {word:?} in {text}");
}

fn is_there(server: &Server, name: &str) -> bool {
    server.ask("GET", &format!("/api/v1/namespaces/default/configmaps/{name}"), &Value::Null).code == 200
}

#[test]
fn time_stands_still_and_goes_on_as_it_is_told() {
    let server = Server::start(&["--speed", "paused"]);
    let begin = seconds(&server, &["status"]);
    assert_eq!(server.said(&["status"], "speed"), "paused");
    assert!((seconds(&server, &["jump", "30s"]) - begin - 30.0).abs() < 1e-6, "a jump goes as far as it says");
    assert_eq!(server.said(&["status"], "speed"), "paused", "a jump leaves the clock as it was");
    let before: u64 = server.said(&["status"], "events").parse().expect("a number");
    let after: u64 = server.said(&["step", "5"], "events").parse().expect("a number");
    assert_eq!(after - before, 5, "five events are five");
    let revision: u64 = server.said(&["status"], "revision").parse().expect("a number");
    let changed: u64 = server.said(&["step", "--change"], "revision").parse().expect("a number");
    assert_eq!(changed, revision + 1, "one change is one");
    let still = seconds(&server, &["status"]);
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!((seconds(&server, &["status"]) - still).abs() < 1e-9, "paused time does not move");
    assert_eq!(server.said(&["speed", "20"], "speed"), "20");
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(seconds(&server, &["pause"]) > still + 8.0, "at twenty times half a second is ten");
    assert_eq!(server.said(&["status"], "speed"), "paused");
    assert_eq!(server.said(&["resume"], "speed"), "20", "it goes on as fast as before");
    refused(&server, &["speed", "fast"], "no speed");
    refused(&server, &["jump", "soon"], "soon");
}

#[test]
fn until_runs_on_to_a_condition_or_says_that_it_did_not_come() {
    let server = Server::start(&["--speed", "paused"]);
    assert_eq!(server.ask("POST", "/apis/apps/v1/namespaces/default/deployments", &deployment("web", 2)).code, 201);
    server.told(&["until", "deployment/web", "condition=Available", "--timeout", "120"]);
    let web = server.ask("GET", "/apis/apps/v1/namespaces/default/deployments/web", &Value::Null).json();
    assert_eq!(web["status"]["readyReplicas"], 2);
    server.told(&["until", "deploy/web", "status.availableReplicas=2", "-n", "default"]);
    refused(&server, &["until", "pod/nobody", "phase=Running", "--timeout", "5"], "did not come to phase=Running within 5 s");
    refused(&server, &["until", "nonsense/x", "exists"], "there is no kind \"nonsense\"");
    refused(&server, &["until", "web", "exists"], "kind/name");
    server.told(&["until", "pod/nobody", "delete"]);
}

#[test]
fn a_fault_is_set_and_ended() {
    let server = Server::start(&["--speed", "paused"]);
    let ready = |server: &Server| {
        let node = server.ask("GET", "/api/v1/nodes/docker-desktop", &Value::Null).json();
        let conditions = node["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.iter().find(|c| c["type"] == "Ready").map(|c| c["status"].as_str().unwrap_or_default().to_owned())
    };
    server.told(&["jump", "20s"]);
    assert_eq!(ready(&server).as_deref(), Some("True"));
    server.told(&["fault", "{node: {name: docker-desktop, state: down}}"]);
    server.told(&["until", "node/docker-desktop", "condition=Ready=Unknown"]);
    server.told(&["fault", "{node: {name: docker-desktop, state: up}}"]);
    server.told(&["until", "node/docker-desktop", "condition=Ready"]);
    // With a length it ends by itself.
    server.told(&["fault", "{node: {name: docker-desktop, state: down, for: 90s}}"]);
    server.told(&["until", "node/docker-desktop", "condition=Ready=Unknown"]);
    server.told(&["until", "node/docker-desktop", "condition=Ready"]);
    refused(&server, &["fault", "{node: {name: nowhere, state: down}}"], "nowhere");
    refused(&server, &["fault", "{moon: {}}"], "moon");
}

#[test]
fn worlds_are_kept_and_taken_up_again() {
    let server = Server::start(&["--speed", "paused"]);
    server.told(&["jump", "5s"]);
    assert_eq!(server.put_config("first", "1").code, 201);
    server.told(&["checkpoint", "one"]);
    let (kept, at) = (server.digest(), seconds(&server, &["status"]));
    assert_eq!(server.put_config("second", "2").code, 201);
    server.told(&["jump", "1m"]);
    assert_ne!(server.digest(), kept);
    server.told(&["rewind", "one"]);
    assert_eq!((server.digest(), is_there(&server, "second")), (kept.clone(), false), "a checkpoint is as it was");
    // The same inputs at the same places lead to the same world.
    assert_eq!(server.put_config("second", "2").code, 201);
    server.told(&["jump", "1m"]);
    let (then, place) = (server.digest(), seconds(&server, &["status"]));
    server.told(&["jump", "40s"]);
    assert_eq!(server.put_config("third", "3").code, 201);
    server.told(&["rewind", "--by", "40s"]);
    assert_eq!(seconds(&server, &["status"]), place);
    server.told(&["rewind", "--by", "1s"]);
    server.told(&["jump", "1s"]);
    assert_ne!(then, kept);
    assert!(is_there(&server, "second"));
    server.told(&["rewind", "--by", "24h"]);
    assert!(!is_there(&server, "second") && seconds(&server, &["status"]) < 1e-9, "further than the beginning nobody goes");
    server.told(&["rewind", "one"]);
    assert_eq!(seconds(&server, &["status"]), at);
    refused(&server, &["rewind", "two"], "kept are: one");
    refused(&server, &["rewind"], "required");
}

#[test]
fn branches_go_their_own_ways() {
    let server = Server::start(&["--speed", "paused"]);
    assert_eq!(server.said(&["fork", "try"], "branch"), "try");
    assert_eq!(server.put_config("tried", "1").code, 201);
    server.told(&["jump", "10s"]);
    let tried = server.digest();
    assert_eq!(server.said(&["switch", "main"], "branch"), "main");
    assert!(!is_there(&server, "tried"));
    assert_eq!(server.put_config("kept", "1").code, 201);
    assert_eq!(server.said(&["switch", "try"], "branches"), "main");
    assert!(is_there(&server, "tried") && !is_there(&server, "kept"));
    assert_eq!(server.digest(), tried, "a branch waits for its return");
    refused(&server, &["fork", "main"], "already");
    refused(&server, &["switch", "nowhere"], "kept are: main");
    refused(&server, &["fork", ""], "1 to 64");
}

#[test]
fn a_branch_can_begin_anew_and_be_forgotten() {
    let state = crate::server::folder("begun");
    let arguments = ["--speed", "paused", "--state", state.to_str().expect("text")];
    let server = Server::start(&arguments);
    server.told(&["jump", "30s"]);
    assert_eq!(server.put_config("before", "1").code, 201);
    let before = server.digest();
    assert_eq!(server.said(&["begin", "anew"], "branch"), "anew");
    let begun = server.digest();
    assert!(server.said(&["status"], "now").starts_with("2026-01-01T00:00:30."), "as `ksim run` begins");
    assert_eq!(seconds(&server, &["status"]), 0.0, "nothing has happened in it");
    assert!(!is_there(&server, "before"));
    server.told(&["jump", "10s"]);
    assert_eq!(server.put_config("within", "1").code, 201);
    server.told(&["jump", "10s"]);
    let within = server.digest();
    server.told(&["rewind", "--by", "1h"]);
    assert_eq!(server.digest(), begun, "it is wound back to its own beginning");
    server.told(&["jump", "10s"]);
    assert_eq!(server.put_config("within", "1").code, 201);
    server.told(&["jump", "10s"]);
    assert_eq!(server.digest(), within);
    refused(&server, &["begin", "main"], "already");
    refused(&server, &["drop", "anew"], "is live");
    // The session is kept with its branches.
    let (address, kubeconfig) = (server.address.to_string(), server.kubeconfig.clone());
    server.kill();
    let server = Server::start_at(&address, &kubeconfig, &arguments);
    assert_eq!((server.digest(), server.said(&["status"], "branch")), (within, "anew".to_owned()));
    assert_eq!(server.said(&["switch", "main"], "branches"), "anew");
    assert_eq!((server.digest(), is_there(&server, "before")), (before, true));
    assert_eq!(server.said(&["drop", "anew"], "branches"), "");
    refused(&server, &["drop", "anew"], "no branch");
    refused(&server, &["switch", "anew"], "no branch");
}

/// A request that names its moment takes effect then, and time that is held waits for it, however late it is sent.
#[test]
fn requests_take_effect_at_the_moments_they_name() {
    let server = Server::start(&["--speed", "paused"]);
    let authorization = format!("Bearer {}", server.token);
    let post = |path: &str, at: &str, body: &Value| {
        let headers = [("Authorization", authorization.as_str()), ("Content-Type", "application/json"), ("Ksim-At", at)];
        server.send("POST", path, &headers, body.to_string().as_bytes())
    };
    let put = |name: &str, at: &str| {
        let body = serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
        post("/api/v1/namespaces/default/configmaps", at, &body)
    };
    let control = |body: &Value| post("/ksim/v1/control", "0", body).json();
    control(&serde_json::json!({"hold": {"nanos": 2_000_000_000_u64}}));
    server.told(&["speed", "100"]);
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert_eq!(control(&serde_json::json!("status"))["elapsedSeconds"], 2.0, "time is held");
    for (name, at, seconds) in [("a", "2500000001", 2.500000001), ("late", "1000000000", 2.500000001), ("b", "3250000000", 3.25)] {
        assert_eq!(put(name, at).code, 201);
        assert_eq!(control(&serde_json::json!("status"))["elapsedSeconds"], seconds, "{name}");
    }
    let released = control(&serde_json::json!("release"))["elapsedSeconds"].as_f64().expect("a number");
    assert!(seconds(&server, &["pause"]) >= 20.0 && released >= 3.25, "what was missed is made up for");
    let nobodys = [("Authorization", "Bearer nobody"), ("Ksim-At", "9000000000000")];
    assert_eq!(server.send("GET", "/version", &nobodys, b"").code, 403, "only the administrator says when");
    assert_eq!(put("c", "soon").code, 400);
    assert_eq!(put("d", "-1").code, 400);
}

#[test]
fn only_the_administrator_steers() {
    let server = Server::start(&["--speed", "paused"]);
    let send = |authorization: &str, body: &[u8]| server.send("POST", "/ksim/v1/control", &[("Authorization", authorization)], body);
    assert_eq!(send("Bearer nobody", b"\"status\"").code, 401);
    let token = format!("Bearer {}", server.token);
    assert_eq!(send(&token, b"\"status\"").code, 200);
    let wrong = send(&token, b"\"explode\"");
    assert_eq!((wrong.code, wrong.json()["kind"].as_str()), (400, Some("Status")));
    assert_eq!(server.send("PUT", "/ksim/v1/control", &[], b"").code, 405);
    assert_eq!(server.send("GET", "/ksim/v1/control", &[], b"").json()["speed"], "paused");
}
