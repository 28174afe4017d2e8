//! A session survives the death of its process: restarted from its folder it is what it was, event by event.

use serde_json::{Value, json};

use crate::server::{Server, deployment, folder};

/// One of the inputs of a busy session.
fn input(server: &Server, number: usize) {
    let name = format!("c{}", number / 4);
    let path = format!("/api/v1/namespaces/default/configmaps/{name}");
    match number % 8 {
        0 => assert_eq!(server.put_config(&format!("c{}", number / 4), "begun").code, 201),
        1 => assert_eq!(server.ask("PATCH", &path, &json!({"data": {"number": number.to_string()}})).code, 200),
        2 => {
            let scale = json!({"spec": {"replicas": number % 5}});
            assert_eq!(server.ask("PATCH", "/apis/apps/v1/namespaces/default/deployments/web/scale", &scale).code, 200);
        }
        3 => assert_eq!(server.ask("DELETE", &path, &Value::Null).code, 200),
        // Refusals are inputs too: a generated name was drawn all the same.
        4 => assert_eq!(server.ask("POST", "/api/v1/namespaces/default/pods", &json!({"metadata": {"generateName": "x-"}})).code, 422),
        5 => assert_eq!(server.ask("POST", "/api/v1/namespaces/default/serviceaccounts/default/token", &json!({})).code, 201),
        6 => _ = server.told(&["jump", "700ms"]),
        _ => _ = server.told(&["step", "3"]),
    }
}

#[test]
fn a_session_of_200_inputs_killed_and_restarted_has_the_same_digest() {
    let state = folder("state");
    let arguments = ["--state", state.to_str().expect("text"), "--speed", "10"];
    let server = Server::start(&arguments);
    assert_eq!(server.ask("POST", "/apis/apps/v1/namespaces/default/deployments", &deployment("web", 2)).code, 201);
    for number in 0..100 {
        input(&server, number);
        if number % 20 == 19 {
            server.told(&["speed", "50"]);
        }
    }
    server.told(&["fault", "{node: {name: docker-desktop, state: diskPressure}}"]);
    server.told(&["checkpoint", "half"]);
    for number in 100..197 {
        input(&server, number);
    }
    server.told(&["resume"]);
    std::thread::sleep(std::time::Duration::from_millis(1300));
    server.told(&["pause"]);
    let (digest, status) = (server.digest(), server.told(&["status"]));
    server.kill();

    let again = Server::start(&arguments);
    assert_eq!(again.digest(), digest);
    assert_eq!(again.told(&["status"]), status, "the clock, too, is as it was");
    // And it goes on: kept moments are still kept, and a line that a crash cut short is dropped.
    assert_eq!(again.put_config("after", "1").code, 201);
    let digest = again.digest();
    again.kill();
    let journal = state.join("session.jsonl");
    let mut text = std::fs::read(&journal).expect("the journal");
    text.extend_from_slice(b"{\"at\":17,\"after\":3,\"inp");
    std::fs::write(&journal, text).expect("it can be written");
    let again = Server::start(&arguments);
    assert_eq!(again.digest(), digest);
    again.told(&["rewind", "half"]);
    assert_eq!(again.ask("GET", "/api/v1/namespaces/default/configmaps/after", &Value::Null).code, 404);
}

#[test]
fn what_was_acknowledged_at_full_speed_is_there_after_a_kill() {
    let state = folder("fast");
    let arguments = ["--state", state.to_str().expect("text"), "--speed", "max"];
    let server = Server::start(&arguments);
    let names: Vec<String> = (0..40).map(|n| format!("fast-{n}")).collect();
    let revisions: Vec<Value> =
        names.iter().map(|name| server.put_config(name, "x").json()["metadata"]["resourceVersion"].clone()).collect();
    server.kill();
    let again = Server::start(&arguments);
    for (name, revision) in names.iter().zip(&revisions) {
        let found = again.ask("GET", &format!("/api/v1/namespaces/default/configmaps/{name}"), &Value::Null);
        assert_eq!((found.code, &found.json()["metadata"]["resourceVersion"]), (200, revision), "{name}");
    }
}
