//! A scenario on the live clock: its steps come at their times while others act on the same cluster, and nothing of it is
//! lost when the process dies, when time is wound back, or when the world is forked.

use std::time::Duration;

use serde_json::Value;

use crate::server::{Server, folder};

const STORY: &str = "
apiVersion: ksim.dev/v1
kind: Scenario
metadata: {name: live-story}
about: A deployment is applied, scaled, and drained of a pod.
seed: 7
steps:
- at: 2s
  apply: {files: [web.yaml]}
- wait: {for: {object: {select: {kind: deployment, name: web}, like: {status: {availableReplicas: 2}}}}, timeout: 60s}
- at: 40s
  scale: {object: {kind: deployment, name: web}, replicas: 3}
- fault: {delayWatch: {process: kube-scheduler, by: 1s, for: 20s}}
- after: 1s
  load: {name: visitors, to: {service: web, port: 80}, path: /, perSecond: 2, duration: 10s}
- rollout: {action: status, object: {kind: deployment, name: web}}
- at: 90s
  delete: {object: {kind: deployment, name: web}, wait: true}
expect:
- name: three pods at some time
  eventually: {object: {select: {kind: pods, selector: app=web}, count: 3}}
  within: 120s
- name: never four pods
  atMost: {object: {select: {kind: pods, selector: app=web}}, value: 3}
- name: this one fails
  never: {object: {select: {kind: deployment, name: web}}}
";

const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: 'nginx:1.29', ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
";

/// The scenario in a folder of its own.
fn story() -> String {
    let folder = folder("story");
    std::fs::write(folder.join("story.yaml"), STORY).expect("a file");
    std::fs::write(folder.join("web.yaml"), WEB).expect("a file");
    folder.join("story.yaml").display().to_string()
}

fn replicas(server: &Server) -> Value {
    let found = server.ask("GET", "/apis/apps/v1/namespaces/default/deployments/web", &Value::Null);
    if found.code == 404 { Value::Null } else { found.json()["spec"]["replicas"].clone() }
}

#[test]
fn steps_come_at_their_times_beside_other_clients() {
    let server = Server::start(&["--speed", "paused", "--scenario", &story()]);
    server.told(&["jump", "1s"]);
    assert_eq!((replicas(&server), server.said(&["verdicts"], "step").as_str()), (Value::Null, "1"));
    server.told(&["jump", "30s"]);
    assert_eq!(replicas(&server), 2);
    // Somebody else scales: the scenario does not know of it, and goes on.
    let change = serde_json::json!({"spec": {"replicas": 1}});
    assert_eq!(server.ask("PATCH", "/apis/apps/v1/namespaces/default/deployments/web", &change).code, 200);
    server.told(&["jump", "5s"]);
    assert_eq!(replicas(&server), 1);
    server.told(&["jump", "10s"]);
    assert_eq!(replicas(&server), 3);
    assert_eq!(server.said(&["verdicts"], "state"), "playing");
    server.told(&["until", "deployment/web", "delete", "--timeout", "200"]);
    server.told(&["jump", "30s"]);
    let told = server.told(&["verdicts"]);
    assert!(told.contains("state: all steps are done"), "{told}");
    assert!(told.contains("held   three pods at some time"), "{told}");
    assert!(told.contains("held   never four pods"), "{told}");
    assert!(told.contains("failed this one fails") && told.contains("it happened"), "{told}");
    let mut lines = Vec::new();
    while let Some(line) = server.line(Duration::from_millis(1500)) {
        lines.push(line);
    }
    for wanted in ["2.000s $ kubectl apply -f web.yaml", "held three pods at some time", "FAILED this one fails", "all steps are done"] {
        assert!(lines.iter().any(|l| l.contains(wanted)), "no {wanted:?} in {lines:#?}");
    }
}

#[test]
fn a_kill_and_a_rewind_lose_nothing_of_a_scenario() {
    let state = folder("story-state");
    let (file, state) = (story(), state.to_str().expect("text").to_owned());
    let arguments = ["--speed", "20", "--state", &state, "--scenario", &file];
    let server = Server::start(&arguments);
    server.told(&["until", "deployment/web", "condition=Available"]);
    assert_eq!(server.put_config("beside", "1").code, 201);
    server.told(&["checkpoint", "middle"]);
    std::thread::sleep(Duration::from_millis(1200));
    server.told(&["pause"]);
    let (digest, verdicts) = (server.digest(), server.told(&["verdicts"]));
    server.kill();
    // The file may change: what is played is what was begun.
    std::fs::write(&file, "not a scenario any more").expect("a file");
    let again = Server::start(&["--speed", "20", "--state", &state]);
    assert_eq!((again.digest(), again.told(&["verdicts"])), (digest, verdicts));
    again.told(&["rewind", "middle"]);
    again.told(&["jump", "2m"]);
    let end = again.digest();
    assert_eq!(again.said(&["verdicts"], "state"), "all steps are done");
    again.told(&["rewind", "middle"]);
    again.told(&["fork", "other"]);
    again.told(&["jump", "2m"]);
    assert_eq!(again.digest(), end, "a scenario goes on from a kept moment as it did before");
    again.told(&["rewind", "--by", "30s"]);
    again.told(&["jump", "30s"]);
    assert_eq!(again.digest(), end);
}
