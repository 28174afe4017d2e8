//! What the server says of itself: metrics, headers, documents; and who it takes a client for by its certificate.

use serde_json::{Value, json};

use crate::http::{Connection, client};
use crate::server::Server;

#[test]
fn metrics_count_what_was_asked() {
    let server = Server::start(&["--speed", "paused"]);
    assert_eq!(server.put_config("a", "1").code, 201);
    assert_eq!(server.put_config("a", "1").code, 409);
    assert_eq!(server.ask("GET", "/api/v1/namespaces/default/configmaps", &Value::Null).code, 200);
    server.told(&["jump", "10s"]);
    let answer = server.ask("GET", "/metrics", &Value::Null);
    assert_eq!((answer.code, answer.header("content-type")), (200, "text/plain; version=0.0.4; charset=utf-8"));
    let page = answer.text();
    let created = "group=\"\",resource=\"configmaps\",scope=\"resource\",subresource=\"\",verb=\"POST\",version=\"v1\"";
    for line in [
        format!("apiserver_request_total{{code=\"201\",{created}}} 1"),
        format!("apiserver_request_total{{code=\"409\",{created}}} 1"),
        format!("apiserver_request_duration_seconds_count{{{created}}} 2"),
        format!("apiserver_request_duration_seconds_bucket{{{created},le=\"+Inf\"}} 2"),
        "ksim_simulated_elapsed_seconds 10".to_owned(),
        "ksim_speed_ratio 0".to_owned(),
        "apiserver_storage_objects{resource=\"nodes\"} 1".to_owned(),
    ] {
        assert!(page.lines().any(|l| l == line), "no {line} in {page}");
    }
    // Every line is a comment or a name, labels and a number.
    for line in page.lines().filter(|l| !l.starts_with('#')) {
        let value = line.rsplit(' ').next().unwrap_or_default();
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
}

#[test]
fn answers_tell_their_flow_schema_and_priority_level() {
    let server = Server::start(&["--speed", "paused"]);
    let uid = |kind: &str, name: &str| {
        let path = format!("/apis/flowcontrol.apiserver.k8s.io/v1/{kind}/{name}");
        server.ask("GET", &path, &Value::Null).json()["metadata"]["uid"].as_str().unwrap_or_default().to_owned()
    };
    let answer = server.ask("GET", "/api/v1/namespaces", &Value::Null);
    assert_eq!(answer.header("x-kubernetes-pf-flowschema-uid"), uid("flowschemas", "exempt"));
    assert_eq!(answer.header("x-kubernetes-pf-prioritylevel-uid"), uid("prioritylevelconfigurations", "exempt"));
    let nobody = server.send("GET", "/version", &[("Authorization", "")], b"");
    assert_eq!(nobody.header("x-kubernetes-pf-flowschema-uid"), uid("flowschemas", "global-default"));
}

#[test]
fn the_control_api_is_documented_where_it_is() {
    let server = Server::start(&["--speed", "paused"]);
    let document = server.ask("GET", "/ksim/v1/openapi.json", &Value::Null).json();
    assert_eq!(document["openapi"], "3.1.0");
    assert!(document["paths"]["/ksim/v1/control"]["post"].is_object());
    assert!(document["components"]["schemas"]["Condition"].is_object(), "{document}");
    assert_eq!(server.ask("GET", "/ksim/v1/nothing", &Value::Null).code, 404);
}

#[test]
fn a_client_certificate_says_who_a_client_is() {
    let server = Server::start(&["--speed", "paused"]);
    let config: Value = serde_json::from_str(&std::fs::read_to_string(&server.kubeconfig).expect("the kubeconfig")).expect("JSON");
    let decoded = |at: &str| sim_web::decode_base64(config.pointer(at).and_then(Value::as_str).unwrap_or_default()).expect("base64");
    let authority = decoded("/clusters/0/cluster/certificate-authority-data");
    let (certificate, key) = (decoded("/users/0/user/client-certificate-data"), decoded("/users/0/user/client-key-data"));
    let with_certificate = client(&authority, Some((&certificate, &key)));
    let ask = |method: &str, path: &str, body: &str| {
        let mut connection = Connection::open(server.address, &with_certificate).expect("it listens");
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        connection.send(head.as_bytes()).expect("it takes it");
        connection.answer().expect("an answer")
    };
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}).to_string();
    let me = ask("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", &review).json();
    assert_eq!(me["status"]["userInfo"]["username"], "kubernetes-admin");
    assert_eq!(me["status"]["userInfo"]["groups"], json!(["system:masters", "system:authenticated"]));
    assert_eq!(ask("GET", "/api/v1/secrets", "").code, 200);
    // A certificate that another authority has signed does not get through.
    let own = rcgen::generate_simple_self_signed(vec!["kubernetes-admin".to_owned()]).expect("a certificate");
    let strange = client(&authority, Some((own.cert.pem().as_bytes(), own.signing_key.serialize_pem().as_bytes())));
    let mut connection = Connection::open(server.address, &strange).expect("it listens");
    let refused = connection.send(b"GET /api HTTP/1.1\r\nHost: localhost\r\n\r\n").and_then(|()| connection.answer());
    assert!(refused.is_err(), "{refused:?}");
}
