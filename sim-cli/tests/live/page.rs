//! The browser view as a page meets it: files without a token, the document with one, on loopback without TLS.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::server::{Server, deployment};

/// A server with its page's address and token, as it printed them.
fn served(arguments: &[&str]) -> (Server, SocketAddr) {
    let server = Server::start(arguments);
    let printed = server.page.clone().expect("it tells where the page is");
    let (address, token) = printed.split_once("/ksim/ui/#token=").expect("an address with a token");
    assert_eq!(token, server.token);
    let address = address.trim_start_matches("http://").parse().expect("an address");
    (server, address)
}

/// A plain request; gives the whole answer.
fn plain(address: SocketAddr, head: &str) -> String {
    let mut socket = TcpStream::connect(address).expect("it listens");
    socket.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    write!(socket, "{head}\r\nConnection: close\r\n\r\n").expect("it is read");
    let mut answer = Vec::new();
    let _reset = socket.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// The lines of the document after what a page has.
fn view(server: &Server, generation: u64, from: usize) -> Vec<Value> {
    let answer = server.ask("GET", &format!("/ksim/v1/view?generation={generation}&from={from}"), &Value::Null);
    assert_eq!(answer.code, 200, "{}", answer.text());
    answer.text().lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

fn steps(lines: &[Value]) -> usize {
    lines.iter().map(|l| l["steps"].as_array().map_or(0, Vec::len)).sum()
}

#[test]
fn the_page_is_served_on_loopback_to_our_own_hosts_only() {
    let (_server, address) = served(&["--speed", "paused"]);
    let page = plain(address, &format!("GET /ksim/ui/ HTTP/1.1\r\nHost: {address}"));
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    let policy = page.lines().find(|l| l.to_ascii_lowercase().starts_with("content-security-policy")).expect("a policy");
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let strange = plain(address, "GET /ksim/ui/ HTTP/1.1\r\nHost: evil.example");
    assert!(strange.starts_with("HTTP/1.1 403"), "{strange}");
    let other = plain(address, &format!("GET /api/v1/pods HTTP/1.1\r\nHost: {address}\r\nOrigin: http://evil.example"));
    assert!(other.starts_with("HTTP/1.1 403"), "{other}");
    let unknown = plain(address, &format!("GET /ksim/v1/view HTTP/1.1\r\nHost: {address}"));
    assert!(unknown.starts_with("HTTP/1.1 401"), "no token, no document: {unknown}");
    let outside = plain(address, &format!("GET /ksim/ui/../../etc/passwd HTTP/1.1\r\nHost: {address}"));
    assert!(!outside.starts_with("HTTP/1.1 200"), "{outside}");
}

#[test]
fn a_page_is_told_of_what_happens_once_and_waits_for_more() {
    let (server, _) = served(&["--speed", "paused"]);
    let first = view(&server, 0, 0);
    assert_eq!((first[0]["restart"].as_bool(), first[1]["format"].as_str()), (Some(true), Some("ksim-view/v1")));
    let (generation, had) = (first[0]["generation"].as_u64().expect("a number"), steps(&first));
    std::thread::scope(|scope| {
        let begun = Instant::now();
        let waiting = scope.spawn(|| view(&server, generation, had));
        std::thread::sleep(Duration::from_millis(300));
        server.ask("POST", "/apis/apps/v1/namespaces/default/deployments", &deployment("web", 1));
        let news = waiting.join().expect("it is answered");
        assert!(begun.elapsed() >= Duration::from_millis(300), "there was nothing to tell before");
        assert_eq!(news[0]["restart"], false);
        assert_eq!(news[1]["from"].as_u64(), Some(had as u64), "it goes on where the page was");
        let told = news[1]["keys"].to_string();
        assert!(told.contains("\"Deployment\"") && told.contains("\"web\""), "{told}");
    });
}

#[test]
fn another_history_begins_a_new_generation() {
    let (server, _) = served(&["--speed", "paused"]);
    let first = view(&server, 0, 0);
    server.ask("POST", "/apis/apps/v1/namespaces/default/deployments", &deployment("web", 2));
    server.told(&["checkpoint", "before"]);
    server.told(&["jump", "20s"]);
    let (generation, had) = (first[0]["generation"].as_u64().expect("a number"), steps(&first));
    let grown = steps(&view(&server, generation, had)) + had;
    assert!(grown > had, "pods were made");
    server.told(&["rewind", "before"]);
    let after = view(&server, generation, grown);
    assert_eq!(after[0]["restart"], true);
    assert_eq!(after[0]["generation"], json!(generation + 1));
    assert!(steps(&after) < grown, "what was wound back is gone");
}

#[test]
fn what_is_asked_wrongly_is_refused() {
    let (server, _) = served(&["--speed", "paused"]);
    for query in ["from=x", "since=1", "generation=-1"] {
        let answer = server.ask("GET", &format!("/ksim/v1/view?{query}"), &Value::Null);
        assert_eq!((answer.code, answer.json()["kind"].as_str()), (400, Some("Status")), "{query}");
    }
    // A page that has steps that never were gets everything anew.
    assert_eq!(view(&server, 1, 999_999)[0]["restart"], true);
}
