//! Requests that no honest client sends: each gets a proper refusal, the process lives, and the store is as it was.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::http::Connection;
use crate::server::Server;

/// The paths of all collections that objects can be created in.
fn collections(server: &Server) -> Vec<String> {
    let mut bases = vec!["/api/v1".to_owned()];
    let groups = server.ask("GET", "/apis", &Value::Null).json();
    for group in groups["groups"].as_array().into_iter().flatten() {
        for version in group["versions"].as_array().into_iter().flatten() {
            bases.push(format!("/apis/{}", version["groupVersion"].as_str().unwrap_or_default()));
        }
    }
    let mut paths = Vec::new();
    for base in bases {
        let list = server.ask("GET", &base, &Value::Null).json();
        for resource in list["resources"].as_array().into_iter().flatten() {
            let (name, verbs) = (resource["name"].as_str().unwrap_or_default(), resource["verbs"].to_string());
            if !name.contains('/') && verbs.contains("\"create\"") {
                let namespaced = resource["namespaced"] == true;
                paths.push(if namespaced { format!("{base}/namespaces/default/{name}") } else { format!("{base}/{name}") });
            }
        }
    }
    assert!(paths.len() > 50, "{paths:?}");
    paths
}

/// A refusal is a `Status` of failure with a code of the client's own fault.
fn check_refused(server: &Server, connection: &mut Connection, method: &str, path: &str, kind: &str, body: &[u8]) {
    let answer = server.send_on(connection, method, path, &[("Content-Type", kind)], body).expect("the connection stays");
    let what =
        format!("{method} {path} {kind} {:?}: {} {}", String::from_utf8_lossy(&body[..body.len().min(60)]), answer.code, answer.text());
    assert!((400..500).contains(&answer.code), "{what}");
    let status = answer.json();
    assert_eq!(
        (status["kind"].as_str(), status["status"].as_str(), status["code"].as_u64()),
        (Some("Status"), Some("Failure"), Some(u64::from(answer.code))),
        "{what}"
    );
    assert!(!status["message"].as_str().unwrap_or_default().is_empty(), "{what}");
}

#[test]
fn malformed_bodies_of_every_kind_are_refused_and_nothing_is_stored() {
    let mut server = Server::start(&["--speed", "paused"]);
    let collections = collections(&server);
    let digest = server.digest();
    let mut connection = server.connect();
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let json: [&[u8]; 6] = [b"{", b"", b"[1,2", b"\"text\"", b"{\"metadata\": 7}", deep.as_bytes()];
    let yaml: [&[u8]; 4] = [b"a: [1", b"a: b: c", b"\xff\xfe\x00", b"&a [*a, *a]"];
    for path in &collections {
        // A review of oneself says all with its path.
        let needs_body = !path.ends_with("/selfsubjectreviews");
        let bodies = json.iter().filter(|body| needs_body || !body.is_empty());
        bodies.for_each(|body| check_refused(&server, &mut connection, "POST", path, "application/json", body));
        yaml.iter().for_each(|body| check_refused(&server, &mut connection, "POST", path, "application/yaml", body));
        check_refused(&server, &mut connection, "POST", path, "text/html", b"<html>");
        check_refused(&server, &mut connection, "POST", path, "application/vnd.kubernetes.protobuf", b"k8s\0\xff\xff\xff");
    }
    for (method, kind) in [("PATCH", "application/merge-patch+json"), ("PATCH", "application/json-patch+json"), ("PUT", "application/json")]
    {
        check_refused(&server, &mut connection, method, "/api/v1/namespaces/default/serviceaccounts/default", kind, b"{\"a\":");
    }
    check_refused(&server, &mut connection, "PATCH", "/api/v1/namespaces/default/serviceaccounts/default", "application/nonsense", b"{}");
    assert!(server.is_alive());
    assert_eq!(server.digest(), digest, "a refusal leaves no trace in the store");
}

#[test]
fn strange_paths_are_answered() {
    let mut server = Server::start(&["--speed", "paused"]);
    let digest = server.digest();
    let long = format!("/api/v1/namespaces/{}/pods", "x".repeat(6000));
    let paths = [
        "/api/v1/namespaces/../secrets",
        "/api/v1/namespaces/%2e%2e/pods",
        "/api/v1/namespaces/default/pods/%00",
        "/api/v1/namespaces/default/pods/a%00b",
        "/api/v1/namespaces/default/pods/..",
        "/api/v1/namespaces/default/configmaps/%2e%2e%2f%2e%2e%2fsecrets",
        "/api/v1/namespaces/default/pods/%zz",
        "/api/v1/namespaces/default/pods/%ff%fe",
        "//api//v1//pods",
        "/api/v1/namespaces//pods/x",
        "/api/v1/namespaces/default/pods/x/log/../../y",
        "/%2f%2f",
        "/ksim/../api",
        long.as_str(),
    ];
    for path in paths {
        for method in ["GET", "DELETE", "PUT", "PATCH", "POST", "BREW"] {
            let answer = server.send(method, path, &[("Content-Type", "application/json")], b"{}");
            // A collection that nobody ever heard of is empty, and to read or to delete it is no mistake.
            let fine = (300..500).contains(&answer.code) || (matches!(method, "GET" | "DELETE") && answer.code == 200);
            assert!(fine, "{method} {path}: {} {}", answer.code, answer.text());
        }
    }
    for query in ["limit=-1&continue=%00", "labelSelector=%00%ff", "fieldSelector=((", "timeoutSeconds=-9&watch=1", "watch=1&limit=x"] {
        let answer = server.send("GET", &format!("/api/v1/pods?timeoutSeconds=1&{query}"), &[], b"");
        assert!(answer.code < 500, "{query}: {} {}", answer.code, answer.text());
    }
    assert!(server.is_alive());
    assert_eq!(server.digest(), digest);
}

#[test]
fn huge_and_slow_bodies_are_cut_off() {
    let mut server = Server::start(&["--speed", "paused", "--client-timeout", "1"]);
    let digest = server.digest();
    let path = "/api/v1/namespaces/default/configmaps";
    let body = |bytes: usize| format!("{{\"metadata\":{{\"name\":\"big\"}},\"data\":{{\"a\":\"{}\"}}}}", "x".repeat(bytes)).into_bytes();
    let answer = server.send("POST", path, &[("Content-Type", "application/json")], &body((3 << 20) + 10));
    assert_eq!((answer.code, answer.json()["reason"].as_str()), (413, Some("RequestEntityTooLarge")));
    assert_eq!(answer.json()["message"], "Request entity too large: limit is 3145728");
    // Below the limit it is the API server that refuses: a config map may hold one mebibyte.
    let answer = server.send("POST", path, &[("Content-Type", "application/json")], &body(2 << 20));
    assert_eq!(answer.code, 422, "{}", answer.text());
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{",
        server.address, server.token
    );
    let mut slow = server.connect();
    slow.send(head.as_bytes()).expect("it takes the head");
    let begun = Instant::now();
    let answer = slow.answer().expect("an answer");
    assert_eq!((answer.code, answer.json()["reason"].as_str()), (504, Some("Timeout")));
    assert!(begun.elapsed() < Duration::from_secs(10));
    // A head that does not end is not waited for either.
    let mut endless = server.connect();
    endless.send(b"GET /api HTTP/1.1\r\nHost: localhost\r\nX-A: ").expect("it takes the beginning");
    let begun = Instant::now();
    let mut bytes = Vec::new();
    while endless.more(&mut bytes).is_ok_and(|length| length > 0) {}
    assert!(begun.elapsed() < Duration::from_secs(10), "the connection is closed");
    assert!(server.is_alive());
    assert_eq!(server.digest(), digest);
}

#[test]
fn aborted_requests_leave_nothing_behind() {
    let mut server = Server::start(&["--speed", "paused"]);
    let digest = server.digest();
    for number in 0..200_usize {
        let request = format!(
            "POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: 64\r\n\r\n{{\"metadata\":{{\"name\":\"aborted\"}}",
            server.address, server.token
        );
        let mut connection = server.connect();
        let _cut = connection.send(&request.as_bytes()[..request.len() * (number + 1) / 200]);
    }
    assert_eq!(server.ask("GET", "/api/v1/namespaces/default/configmaps/aborted", &Value::Null).code, 404);
    assert!(server.is_alive());
    assert_eq!(server.digest(), digest);
}

#[test]
fn a_thousand_idle_watchers_disturb_nobody() {
    let mut server = Server::start(&["--speed", "10"]);
    let mut watchers: Vec<Connection> = Vec::new();
    for _ in 0..1000 {
        let mut connection = server.connect();
        let head = format!(
            "GET /api/v1/configmaps?watch=1 HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\r\n",
            server.address, server.token
        );
        connection.send(head.as_bytes()).expect("it takes the head");
        watchers.push(connection);
    }
    let begun = Instant::now();
    for number in 0..20 {
        assert_eq!(server.put_config(&format!("seen-{number}"), "1").code, 201);
    }
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    let mut bytes = Vec::new();
    let last = watchers.last_mut().expect("a thousand");
    while !String::from_utf8_lossy(&bytes).contains("seen-19") && last.more(&mut bytes).is_ok_and(|length| length > 0) {}
    assert!(String::from_utf8_lossy(&bytes).contains("seen-19"), "who reads is told");
    let page = server.ask("GET", "/metrics", &Value::Null).text();
    assert!(page.contains("apiserver_longrunning_requests{resource=\"configmaps\",verb=\"WATCH\"} 1000"), "{page}");
    drop(watchers);
    assert!(server.is_alive());
    assert_eq!(server.put_config("after", "1").code, 201);
}

#[test]
fn watchers_that_never_read_are_let_go() {
    let server = Server::start(&["--speed", "paused"]);
    let mut deaf = server.connect();
    let head =
        format!("GET /api/v1/configmaps?watch=1 HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\r\n", server.address, server.token);
    deaf.send(head.as_bytes()).expect("it takes the head");
    let watched = |server: &Server| server.ask("GET", "/metrics", &Value::Null).text().contains("apiserver_longrunning_requests{");
    let begun = Instant::now();
    while !watched(&server) && begun.elapsed() < Duration::from_secs(10) {}
    // What the sockets hold may be forty mebibytes; what the server keeps for one watcher is four.
    let large = "x".repeat(700_000);
    for number in 0..200 {
        assert_eq!(server.put_config(&format!("large-{number}"), &large).code, 201);
        if !watched(&server) {
            return;
        }
    }
    panic!("the watcher is still there");
}

#[test]
fn strangers_are_kept_out() {
    let server = Server::start(&["--speed", "paused"]);
    let port = server.address.port();
    let code = |headers: &[(&str, &str)]| server.send("GET", "/api/v1/namespaces", headers, b"").code;
    let ours = format!("https://localhost:{port}");
    assert_eq!(code(&[("Host", &format!("localhost:{port}"))]), 200);
    assert_eq!(code(&[("Host", &format!("localhost:{port}")), ("Origin", &ours)]), 200);
    for host in ["evil.example", "localhost.evil.example", "localhost:1", "127.0.0.1.nip.io"] {
        assert_eq!(code(&[("Host", host)]), 403, "{host}");
    }
    for origin in ["https://evil.example", "http://localhost", "null", "https://localhost:1"] {
        assert_eq!(code(&[("Origin", origin)]), 403, "{origin}");
        let upgrade = [
            ("Origin", origin),
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        let answer = server.send("GET", "/api/v1/namespaces/default/pods/x/exec?command=ls", &upgrade, b"");
        assert_eq!(answer.code, 403, "{origin}: WebSockets too");
    }
    assert_eq!(server.send("GET", "/api/v1/namespaces", &[("Authorization", "Bearer wrong")], b"").code, 401);
    assert_eq!(server.send("GET", "/api/v1/namespaces", &[("Authorization", "")], b"").code, 403, "nobody may do nothing");
    assert_eq!(server.send("GET", "/metrics", &[("Authorization", "")], b"").code, 403);
    assert_eq!(server.send("POST", "/ksim/v1/control", &[("Authorization", "")], b"\"status\"").code, 401);
}
