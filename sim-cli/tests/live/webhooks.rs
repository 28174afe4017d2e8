//! Admission webhooks over real HTTPS, and to services of the cluster.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::http::Answer;
use crate::https::{Reaction, Webhook, allowed, base64_of, refused};
use crate::server::{Server, deployment, folder};

const ANY: [&str; 2] = ["CREATE", "UPDATE"];

/// A configuration with one webhook, which is as given besides what every webhook has.
fn configure(server: &Server, kind: &str, name: &str, resource: &str, hook: &Value) {
    let mut all = json!({
        "name": format!("{name}.example.com"), "sideEffects": "None", "admissionReviewVersions": ["v1"], "timeoutSeconds": 5,
        "rules": [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ANY, "resources": [resource]}],
    });
    all.as_object_mut().expect("a map").extend(hook.as_object().expect("a map").clone());
    let body = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": format!("{kind}WebhookConfiguration"),
        "metadata": {"name": name}, "webhooks": [all],
    });
    let path = format!("/apis/admissionregistration.k8s.io/v1/{}webhookconfigurations", kind.to_ascii_lowercase());
    let answer = server.ask("POST", &path, &body);
    assert_eq!(answer.code, 201, "{}", answer.text());
}

fn message(answer: &Answer) -> String {
    answer.json()["message"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn webhooks_change_refuse_and_warn() {
    let hook = Webhook::start(|path, request| match path {
        "/mutate" => allowed(request, &json!([{"op": "add", "path": "/data/added", "value": request["operation"]}]), &["mind the gap"]),
        _ if request["object"]["data"]["value"] == "bad" => refused(request, 403, "values must be good"),
        _ => allowed(request, &Value::Null, &[]),
    });
    let server = Server::start(&[]);
    configure(&server, "Mutating", "m", "configmaps", &json!({"clientConfig": hook.client_config("/mutate")}));
    let conditions = json!([{"name": "not-skipped", "expression": "object.metadata.name != 'skipped'"}]);
    configure(
        &server,
        "Validating",
        "v",
        "configmaps",
        &json!({"clientConfig": hook.client_config("/validate"), "matchConditions": conditions}),
    );
    let made = server.put_config("a", "good");
    assert_eq!((made.code, &made.json()["data"]["added"]), (201, &json!("CREATE")), "{}", made.text());
    assert_eq!(made.header("warning"), "299 - \"mind the gap\"");
    let changed = server.ask("PATCH", "/api/v1/namespaces/default/configmaps/a", &json!({"data": {"more": "1"}}));
    assert_eq!((changed.code, &changed.json()["data"]["added"]), (200, &json!("UPDATE")));
    let no = server.put_config("b", "bad");
    assert_eq!((no.code, message(&no)), (403, "admission webhook \"v.example.com\" denied the request: values must be good".into()));
    assert_eq!(server.ask("GET", "/api/v1/namespaces/default/configmaps/b", &Value::Null).code, 404);
    assert_eq!(server.put_config("skipped", "bad").code, 201, "the condition passes it over");
    let asked = hook.asked.lock().expect("no panic").clone();
    let (path, review) = &asked[1];
    assert_eq!(
        (path.as_str(), &review["kind"], &review["apiVersion"]),
        ("/validate", &json!("AdmissionReview"), &json!("admission.k8s.io/v1"))
    );
    let request = &review["request"];
    assert_eq!((&request["userInfo"]["username"], &request["object"]["data"]["added"]), (&json!("kubernetes-admin"), &json!("CREATE")));
    assert_eq!((&request["name"], &request["namespace"], &request["dryRun"]), (&json!("a"), &json!("default"), &json!(false)));
    let dry = server.ask(
        "POST",
        "/api/v1/namespaces/default/configmaps?dryRun=All",
        &json!({"metadata": {"name": "dry"}, "data": {"value": "x"}}),
    );
    assert_eq!((dry.code, &dry.json()["data"]["added"]), (201, &json!("CREATE")));
    let gone = server.ask("DELETE", "/api/v1/namespaces/default/configmaps/a", &Value::Null);
    assert_eq!(gone.code, 200, "no rule is about deletions");
}

#[test]
fn a_webhook_that_cannot_be_asked_fails_or_is_ignored() {
    let hook = Webhook::start(|path, _| match path {
        "/slow" => Reaction::Hangs(Duration::from_secs(4)),
        "/broken" => Reaction::Answers(500, "boom".into()),
        "/nonsense" => Reaction::Answers(200, "hello".into()),
        _ => Reaction::Answers(404, "404 page not found".into()),
    });
    let server = Server::start(&[]);
    let closed = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("an address");
    let stranger = Webhook::start(|_, request| allowed(request, &Value::Null, &[]));
    let at = |address: &str, authority: &str| json!({"url": format!("https://{address}/x"), "caBundle": base64_of(authority.as_bytes())});
    let service = |name: &str| json!({"service": {"namespace": "default", "name": name, "path": "/x"}, "caBundle": base64_of(hook.authority.as_bytes())});
    let web = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "nobody"}, "spec": {"selector": {"a": "b"}, "ports": [{"port": 443}]}});
    let address =
        server.ask("POST", "/api/v1/namespaces/default/services", &web).json()["spec"]["clusterIP"].as_str().unwrap_or_default().to_owned();
    let cases = [
        (
            "closed",
            at(&closed.to_string(), &hook.authority),
            format!("Post \"https://{closed}/x?timeout=1s\": dial tcp {closed}: connect: connection refused"),
        ),
        (
            "stranger",
            at(&stranger.address.to_string(), &hook.authority),
            "tls: failed to verify certificate: x509: certificate signed by unknown authority".into(),
        ),
        ("slow", hook.client_config("/slow"), "context deadline exceeded".into()),
        ("broken", hook.client_config("/broken"), "an error on the server (\"boom\") has prevented the request from succeeding".into()),
        ("missing", hook.client_config("/missing"), "the server could not find the requested resource".into()),
        ("nonsense", hook.client_config("/nonsense"), "couldn't get version/kind; json parse error".into()),
        ("no-service", service("none"), "Post \"https://none.default.svc:443/x?timeout=1s\": service \"none\" not found".into()),
        ("no-endpoints", service("nobody"), format!("dial tcp {address}:443: connect: connection refused")),
    ];
    for (name, config, wanted) in cases {
        configure(&server, "Validating", name, "configmaps", &json!({"clientConfig": config, "timeoutSeconds": 1}));
        let begun = Instant::now();
        let answer = server.put_config(name, "1");
        assert_eq!((answer.code, answer.json()["reason"].as_str()), (500, Some("InternalError")), "{name}: {}", answer.text());
        let told = message(&answer);
        let prefix = format!("Internal error occurred: failed calling webhook \"{name}.example.com\": failed to call webhook: ");
        assert!(told.starts_with(&prefix) && told.contains(&wanted), "{name}: {told}");
        assert!(begun.elapsed() < Duration::from_secs(4), "{name}: the timeout counts");
        let path = format!("/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/{name}");
        let change = json!([{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"}]);
        let patched = server.send("PATCH", &path, &[("Content-Type", "application/json-patch+json")], change.to_string().as_bytes());
        assert_eq!(patched.code, 200, "{}", patched.text());
        assert_eq!(server.put_config(name, "1").code, 201, "{name}: ignored");
        assert_eq!(server.ask("DELETE", &path, &Value::Null).code, 200);
    }
}

#[test]
fn a_webhook_sees_again_what_a_later_one_changed() {
    let hook = Webhook::start(|path, request| match path {
        "/first" => {
            let count = request["object"]["data"]["count"].as_str().and_then(|c| c.parse::<u32>().ok()).unwrap_or(0) + 1;
            allowed(request, &json!([{"op": "add", "path": "/data/count", "value": count.to_string()}]), &[])
        }
        _ => allowed(request, &json!([{"op": "add", "path": "/data/second", "value": "yes"}]), &[]),
    });
    let server = Server::start(&[]);
    configure(
        &server,
        "Mutating",
        "a",
        "configmaps",
        &json!({"clientConfig": hook.client_config("/first"), "reinvocationPolicy": "IfNeeded"}),
    );
    configure(&server, "Mutating", "b", "configmaps", &json!({"clientConfig": hook.client_config("/second")}));
    let made = server.put_config("x", "1").json();
    assert_eq!((&made["data"]["count"], &made["data"]["second"]), (&json!("2"), &json!("yes")));
    assert_eq!(hook.count(), 3, "first, second, first again");
}

#[test]
fn components_wait_for_webhooks_and_a_restart_needs_none() {
    let hook =
        Webhook::start(|_, request| allowed(request, &json!([{"op": "add", "path": "/metadata/labels/injected", "value": "yes"}]), &[]));
    let state = folder("webhooks");
    let arguments = ["--state", state.to_str().expect("text"), "--speed", "20"];
    let server = Server::start(&arguments);
    let rules = json!([{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]);
    configure(&server, "Mutating", "inject", "pods", &json!({"clientConfig": hook.client_config("/inject"), "rules": rules}));
    assert_eq!(server.ask("POST", "/apis/apps/v1/namespaces/default/deployments", &deployment("web", 3)).code, 201);
    let injected = |server: &Server| {
        let found = server.ask("GET", "/api/v1/namespaces/default/pods?labelSelector=injected%3Dyes", &Value::Null).json();
        found["items"].as_array().map_or(0, Vec::len)
    };
    let begun = Instant::now();
    while injected(&server) < 3 && begun.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!((injected(&server), hook.count()), (3, 3));
    server.told(&["pause"]);
    let digest = server.digest();
    server.kill();
    let again = Server::start(&arguments);
    assert_eq!((again.digest(), injected(&again), hook.count()), (digest, 3, 3), "answers are inputs: nobody is asked twice");
}

#[test]
fn winding_time_back_goes_through_webhooks_again_without_asking_them() {
    let hook = Webhook::start(|_, request| allowed(request, &json!([{"op": "add", "path": "/data/added", "value": "yes"}]), &[]));
    let server = Server::start(&["--speed", "paused"]);
    configure(&server, "Mutating", "m", "configmaps", &json!({"clientConfig": hook.client_config("/m")}));
    assert_eq!(server.put_config("before", "1").code, 201);
    server.told(&["jump", "10s"]);
    assert_eq!(server.put_config("after", "1").code, 201);
    server.told(&["rewind", "--by", "5s"]);
    let get = |name: &str| server.ask("GET", &format!("/api/v1/namespaces/default/configmaps/{name}"), &Value::Null);
    assert_eq!((get("before").json()["data"]["added"].as_str(), get("after").code), (Some("yes"), 404));
    assert_eq!(hook.count(), 2, "what was answered then is answered so now");
    assert_eq!((server.put_config("after", "1").code, hook.count()), (201, 3), "the future is open again");
}

#[test]
fn a_webhook_of_simulated_pods_answers() {
    let server = Server::start(&["--speed", "max"]);
    let mut hook = deployment("hook", 1);
    hook["spec"]["template"]["spec"]["containers"][0] =
        json!({"name": "main", "image": "admission-webhook:1", "env": [{"name": "DENY_MESSAGE", "value": "not on Fridays"}]});
    assert_eq!(server.ask("POST", "/apis/apps/v1/namespaces/default/deployments", &hook).code, 201);
    let selector = hook["spec"]["selector"]["matchLabels"].clone();
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "hook"}, "spec": {"selector": selector, "ports": [{"port": 443, "targetPort": 8443}]}});
    assert_eq!(server.ask("POST", "/api/v1/namespaces/default/services", &service).code, 201);
    server.told(&["until", "deployment/hook", "condition=Available", "--timeout", "300"]);
    server.told(&["jump", "5s"]);
    let config = json!({"service": {"namespace": "default", "name": "hook", "path": "/validate"}});
    configure(&server, "Validating", "of-pods", "configmaps", &json!({"clientConfig": config}));
    let no = server.put_config("a", "1");
    assert_eq!((no.code, message(&no)), (403, "admission webhook \"of-pods.example.com\" denied the request: not on Fridays".into()));
    let scale = json!({"spec": {"replicas": 0}});
    assert_eq!(server.ask("PATCH", "/apis/apps/v1/namespaces/default/deployments/hook", &scale).code, 200);
    server.told(&["jump", "60s"]);
    let failed = server.put_config("a", "1");
    assert!(failed.code == 500 && message(&failed).ends_with(":443: connect: connection refused"), "{}", failed.text());
}

#[test]
fn connections_bindings_and_evictions_are_admitted() {
    let hook = Webhook::start(|_, request| refused(request, 403, &format!("no {}", request["subResource"].as_str().unwrap_or_default())));
    let server = Server::start(&["--speed", "paused"]);
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": {"containers": [{"name": "main", "image": "nginx:1.29"}]}});
    assert_eq!(server.ask("POST", "/api/v1/namespaces/default/pods", &pod).code, 201);
    let rules = json!([{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CONNECT", "CREATE"], "resources": ["pods/exec", "pods/attach", "pods/portforward", "pods/proxy", "pods/binding", "pods/eviction"]}]);
    configure(&server, "Validating", "v", "", &json!({"clientConfig": hook.client_config("/v"), "rules": rules}));
    let metadata = json!({"name": "x", "namespace": "default"});
    let binding =
        json!({"apiVersion": "v1", "kind": "Binding", "metadata": metadata, "target": {"kind": "Node", "name": "docker-desktop"}});
    let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata});
    let cases = [
        ("GET", "exec?command=id&container=main&stdout=true", Value::Null, "CONNECT", "/v1/PodExecOptions"),
        ("POST", "attach?stdout=true", Value::Null, "CONNECT", "/v1/PodAttachOptions"),
        ("POST", "portforward?ports=80", Value::Null, "CONNECT", "/v1/PodPortForwardOptions"),
        ("GET", "proxy/index.html", Value::Null, "CONNECT", "/v1/PodProxyOptions"),
        ("POST", "binding", binding, "CREATE", "/v1/Binding"),
        ("POST", "eviction", eviction, "CREATE", "policy/v1/Eviction"),
    ];
    for (method, path, body, operation, kind) in cases {
        let answer = server.ask(method, &format!("/api/v1/namespaces/default/pods/x/{path}"), &body);
        let subresource = path.split(['?', '/']).next().unwrap_or_default();
        let wanted = format!("admission webhook \"v.example.com\" denied the request: no {subresource}");
        assert_eq!((answer.code, message(&answer)), (403, wanted), "{path}: {}", answer.text());
        let (_, review) = hook.asked.lock().expect("no panic").last().cloned().expect("it was asked");
        let request = &review["request"];
        let word = |name: &str| request["kind"][name].as_str().unwrap_or_default();
        assert_eq!(format!("{}/{}/{}", word("group"), word("version"), word("kind")), kind);
        assert_eq!((&request["operation"], &request["name"]), (&json!(operation), &json!("x")));
        assert_eq!(request["object"]["kind"], request["kind"]["kind"], "{request}");
    }
    let exec = hook.asked.lock().expect("no panic")[0].1["request"]["object"].clone();
    assert_eq!(exec, json!({"kind": "PodExecOptions", "apiVersion": "v1", "stdout": true, "container": "main", "command": ["id"]}));
    assert_eq!(hook.count(), 6);
}

#[test]
fn a_rule_for_one_version_sees_requests_for_another_converted() {
    let hook = Webhook::start(|_, request| allowed(request, &json!([{"op": "replace", "path": "/spec/maxReplicas", "value": 7}]), &[]));
    let server = Server::start(&["--speed", "paused"]);
    let rules =
        json!([{"apiGroups": ["autoscaling"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["horizontalpodautoscalers"]}]);
    configure(&server, "Mutating", "m", "", &json!({"clientConfig": hook.client_config("/m"), "rules": rules}));
    let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"});
    let metric = json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}});
    let body = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"},
        "spec": {"scaleTargetRef": target, "maxReplicas": 3, "metrics": [metric]}});
    let made = server.ask("POST", "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers", &body);
    assert_eq!((made.code, &made.json()["spec"]["maxReplicas"]), (201, &json!(7)), "{}", made.text());
    assert_eq!(made.json()["spec"]["metrics"], json!([metric]));
    let request = hook.asked.lock().expect("no panic")[0].1["request"].clone();
    assert_eq!((&request["kind"]["version"], &request["requestKind"]["version"]), (&json!("v1"), &json!("v2")));
    assert_eq!(
        (&request["object"]["apiVersion"], &request["object"]["spec"]["targetCPUUtilizationPercentage"]),
        (&json!("autoscaling/v1"), &json!(60))
    );
}

#[test]
fn the_types_of_a_policy_are_checked() {
    let server = Server::start(&["--speed", "max"]);
    let rule = json!({"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"]});
    let policy = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "p"},
        "spec": {"matchConstraints": {"resourceRules": [rule]}, "validations": [{"expression": "object.spec.nope > 1"}]}});
    let path = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies";
    assert_eq!(server.ask("POST", path, &policy).code, 201);
    server.told(&["jump", "5s"]);
    let status = server.ask("GET", &format!("{path}/p"), &Value::Null).json()["status"].clone();
    let warning = "apps/v1, Kind=Deployment: ERROR: <input>:1:12: undefined field 'nope'\n | object.spec.nope > 1\n | ...........^\n";
    assert_eq!(status["observedGeneration"], 1, "{status}");
    assert_eq!(status["typeChecking"]["expressionWarnings"], json!([{"fieldRef": "spec.validations[0].expression", "warning": warning}]));
}
