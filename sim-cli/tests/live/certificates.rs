//! A user of the cluster's own making: a key, a request for a certificate, its approval, and the certificate in use; and
//! the token of a service account in a Secret.

use std::time::{Duration, Instant};

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use serde_json::{Value, json};

use crate::http::{Connection, client};
use crate::https::base64_of;
use crate::server::Server;

const REQUESTS: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";

/// The value at a place of an object, once it is there.
fn awaited(server: &Server, path: &str, at: &str) -> String {
    let begun = Instant::now();
    loop {
        let object = server.ask("GET", path, &Value::Null).json();
        match object.pointer(at).and_then(Value::as_str) {
            Some(found) => return found.to_owned(),
            None if begun.elapsed() > Duration::from_secs(20) => panic!("{path} has no {at}: {object}"),
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

fn decoded(text: &str) -> Vec<u8> {
    sim_web::decode_base64(text).expect("base64")
}

fn authority(server: &Server) -> Vec<u8> {
    let config: Value = serde_json::from_str(&std::fs::read_to_string(&server.kubeconfig).expect("the kubeconfig")).expect("JSON");
    decoded(config.pointer("/clusters/0/cluster/certificate-authority-data").and_then(Value::as_str).unwrap_or_default())
}

#[test]
fn a_certificate_that_was_asked_for_and_approved_is_its_users() {
    let server = Server::start(&[]);
    let key = KeyPair::generate().expect("a key");
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, "jane");
    parameters.distinguished_name.push(DnType::OrganizationName, "developers");
    let request = parameters.serialize_request(&key).and_then(|r| r.pem()).expect("a request");
    let body = json!({"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": "jane"},
        "spec": {"request": base64_of(request.as_bytes()), "signerName": "kubernetes.io/kube-apiserver-client",
            "usages": ["client auth"], "expirationSeconds": 3600}});
    let made = server.ask("POST", REQUESTS, &body);
    assert_eq!(made.code, 201, "{}", made.text());
    let path = format!("{REQUESTS}/jane");
    let mut read = server.ask("GET", &path, &Value::Null).json();
    read["status"]["conditions"] = json!([{"type": "Approved", "status": "True", "reason": "KubectlApprove", "message": "approved"}]);
    let approved = server.ask("PUT", &format!("{path}/approval"), &read);
    assert_eq!(approved.code, 200, "{}", approved.text());
    let certificate = decoded(&awaited(&server, &path, "/status/certificate"));
    let of_jane = client(&authority(&server), Some((&certificate, key.serialize_pem().as_bytes())));
    let ask = |method: &str, path: &str, body: &str| {
        let mut connection = Connection::open(server.address, &of_jane).expect("it listens");
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        connection.send(head.as_bytes()).and_then(|()| connection.answer())
    };
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}).to_string();
    let me = ask("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", &review).expect("an answer").json();
    assert_eq!(me["status"]["userInfo"]["username"], "jane", "{me}");
    assert_eq!(me["status"]["userInfo"]["groups"], json!(["developers", "system:authenticated"]));
    assert_eq!(ask("GET", "/api/v1/secrets", "").expect("an answer").code, 403, "nobody has given her the right");
    // The certificate ends by the cluster's clock.
    server.told(&["jump", "2h"]);
    let begun = Instant::now();
    while ask("GET", "/version", "").is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(10), "a certificate that has ended is taken");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_token_in_a_secret_is_its_service_accounts_until_the_account_is_gone() {
    let server = Server::start(&[]);
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}});
    assert_eq!(server.ask("POST", "/api/v1/namespaces/default/serviceaccounts", &account).code, 201);
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
        "metadata": {"name": "robot-token", "annotations": {"kubernetes.io/service-account.name": "robot"}}});
    assert_eq!(server.ask("POST", "/api/v1/namespaces/default/secrets", &secret).code, 201);
    let path = "/api/v1/namespaces/default/secrets/robot-token";
    let token = String::from_utf8(decoded(&awaited(&server, path, "/data/token"))).expect("text");
    let published = server.ask("GET", path, &Value::Null).json();
    assert_eq!(decoded(published["data"]["ca.crt"].as_str().unwrap_or_default()), authority(&server));
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}).to_string();
    let bearer = format!("Bearer {token}");
    let who = || {
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        server.send("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", &headers, review.as_bytes())
    };
    let me = who();
    assert_eq!(me.json()["status"]["userInfo"]["username"], "system:serviceaccount:default:robot", "{}", me.text());
    awaited(&server, path, "/metadata/labels/kubernetes.io~1legacy-token-last-used");
    assert_eq!(server.ask("DELETE", "/api/v1/namespaces/default/serviceaccounts/robot", &Value::Null).code, 200);
    let begun = Instant::now();
    while server.ask("GET", path, &Value::Null).code != 404 {
        assert!(begun.elapsed() < Duration::from_secs(20), "the secret outlives its account");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(who().code, 401);
}
