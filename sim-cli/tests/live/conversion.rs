//! A conversion webhook over real HTTPS: an operator's own, and one that simulated pods are.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::https::{Reaction, Webhook};
use crate::server::{Server, folder};

const THINGS: [&str; 2] = ["/apis/example.com/v1/namespaces/default/things", "/apis/example.com/v2/namespaces/default/things"];

/// Converts `spec.host` of v1 to `spec.hostname` of v2 and back.
fn convert(path: &str, request: &Value) -> Reaction {
    let wanted = &request["desiredAPIVersion"];
    let (from, to) = if wanted == "example.com/v1" { ("hostname", "host") } else { ("host", "hostname") };
    let convert = |object: &Value| {
        let mut next = object.clone();
        next["apiVersion"] = wanted.clone();
        if let Some(value) = next["spec"].as_object_mut().and_then(|spec| spec.remove(from)) {
            next["spec"][to] = value;
        }
        next
    };
    let objects: Vec<Value> = request["objects"].as_array().into_iter().flatten().map(convert).collect();
    let result = if path == "/broken" { json!({"status": "Failure", "message": "out of order"}) } else { json!({"status": "Success"}) };
    let response = json!({"uid": request["uid"], "result": result, "convertedObjects": objects});
    Reaction::Answers(200, json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "response": response}).to_string())
}

fn define(server: &Server, client_config: &Value) {
    let version = |name: &str, field: &str| {
        let spec = json!({"type": "object", "properties": {field: {"type": "string"}}});
        let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {"spec": spec, "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}});
        json!({"name": name, "served": true, "storage": name == "v2", "schema": schema, "subresources": {"status": {}}})
    };
    let conversion = json!({"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"], "clientConfig": client_config}});
    let names = json!({"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"});
    let body = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "things.example.com"},
        "spec": {"group": "example.com", "names": names, "scope": "Namespaced", "versions": [version("v1", "host"), version("v2", "hostname")], "conversion": conversion}});
    let answer = server.ask("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &body);
    assert_eq!(answer.code, 201, "{}", answer.text());
}

fn thing(version: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": format!("example.com/{version}"), "kind": "Thing", "metadata": {"name": name}, "spec": spec})
}

#[test]
fn objects_are_read_written_listed_and_watched_at_both_versions() {
    let hook = Webhook::start(convert);
    let state = folder("conversion");
    let arguments = ["--state", state.to_str().expect("text")];
    let server = Server::start(&arguments);
    define(&server, &hook.client_config("/convert"));
    let made = server.ask("POST", THINGS[0], &thing("v1", "a", &json!({"host": "h"})));
    assert_eq!((made.code, &made.json()["spec"]), (201, &json!({"host": "h"})), "{}", made.text());
    let read = |server: &Server, which: usize, name: &str| server.ask("GET", &format!("{}/{name}", THINGS[which]), &Value::Null).json();
    assert_eq!(read(&server, 0, "a")["spec"], json!({"host": "h"}));
    assert_eq!(read(&server, 1, "a")["spec"], json!({"hostname": "h"}));
    let made = server.ask("POST", THINGS[1], &thing("v2", "b", &json!({"hostname": "i"})));
    assert_eq!(made.code, 201);
    let listed = server.ask("GET", THINGS[0], &Value::Null).json();
    let hosts: Vec<&str> = listed["items"].as_array().into_iter().flatten().filter_map(|i| i["spec"]["host"].as_str()).collect();
    assert_eq!(hosts, ["h", "i"]);
    let watch = server.ask("GET", &format!("{}?watch=true&timeoutSeconds=1", THINGS[0]), &Value::Null).text();
    let told: Vec<Value> = watch.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let told: Vec<(&Value, &Value)> = told.iter().map(|e| (&e["type"], &e["object"]["spec"]["host"])).collect();
    assert_eq!(told, [(&json!("ADDED"), &json!("h")), (&json!("ADDED"), &json!("i"))]);
    let status = server.ask("PATCH", &format!("{}/a/status", THINGS[0]), &json!({"status": {"ready": "yes"}}));
    assert_eq!((status.code, &status.json()["status"]["ready"]), (200, &json!("yes")), "{}", status.text());
    let applied = format!("{}/a?fieldManager=me&force=true", THINGS[0]);
    let intent = thing("v1", "a", &json!({"host": "j"})).to_string();
    let applied = server.send("PATCH", &applied, &[("Content-Type", "application/apply-patch+yaml")], intent.as_bytes());
    assert_eq!((applied.code, &applied.json()["spec"]["host"]), (200, &json!("j")), "{}", applied.text());
    let digest = server.digest();
    server.kill();
    let count = hook.count();
    let again = Server::start(&arguments);
    assert_eq!((again.digest(), hook.count()), (digest, count), "answers are inputs: nobody is asked twice");
    assert_eq!(read(&again, 0, "a")["spec"], json!({"host": "j"}));
    assert_eq!(again.ask("DELETE", &format!("{}/a", THINGS[0]), &Value::Null).code, 200);
}

#[test]
fn a_converter_that_fails_is_told_of_and_stops_nothing_else() {
    let hook = Webhook::start(convert);
    let server = Server::start(&[]);
    define(&server, &hook.client_config("/broken"));
    assert_eq!(server.ask("POST", THINGS[1], &thing("v2", "a", &json!({"hostname": "h"}))).code, 201, "it needs no conversion");
    let why = "conversion webhook for example.com/v2, Kind=Thing failed: out of order";
    for path in [format!("{}/a", THINGS[0]), THINGS[0].to_owned()] {
        let answer = server.ask("GET", &path, &Value::Null);
        assert_eq!((answer.code, answer.json()["message"].as_str(), answer.json()["reason"].as_str()), (500, Some(why), None), "{path}");
    }
    let watch = server.ask("GET", &format!("{}?watch=true&timeoutSeconds=5", THINGS[0]), &Value::Null).text();
    assert!(watch.contains("\"ERROR\"") && watch.contains(why), "{watch}");
    let refused = server.ask("POST", THINGS[0], &thing("v1", "b", &json!({"host": "h"})));
    assert_eq!(
        (refused.code, refused.json()["message"].as_str()),
        (500, Some("conversion webhook for example.com/v1, Kind=Thing failed: out of order"))
    );
    let begun = Instant::now();
    assert_eq!(server.put_config("x", "1").code, 201);
    assert!(begun.elapsed() < Duration::from_secs(2));
}
