//! `ksim record` against `ksim serve`, which is to it only another cluster: what it writes is what `ksim run --trace` writes of
//! the same scenario, and whatever goes wrong, the message says what, and nothing is left in the cluster.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::server::{Server, folder};
use crate::trace::{Trace, differences};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository")
}

/// A recording that can be started.
struct Recording {
    kubeconfig: PathBuf,
    out: PathBuf,
    arguments: Vec<String>,
}

impl Recording {
    fn of(kubeconfig: &Path, file: &Path, arguments: &[&str]) -> Recording {
        let mut all = vec!["-f".to_owned(), file.display().to_string()];
        all.extend(arguments.iter().map(|a| (*a).to_owned()));
        Recording { kubeconfig: kubeconfig.to_owned(), out: folder("recording").join("out.jsonl"), arguments: all }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ksim"));
        let given = self.arguments.iter().any(|a| a == "--context");
        command.arg("record").args(if given { &[][..] } else { &["--context", "ksim"] }).arg("--kubeconfig").arg(&self.kubeconfig);
        command.arg("--out").arg(&self.out).args(&self.arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self) -> Told {
        Told::of(&self.command().output().expect("it starts"))
    }

    fn start(&self) -> Child {
        self.command().spawn().expect("it starts")
    }

    /// The lines of the file; each must be whole.
    fn lines(&self) -> Vec<Value> {
        lines_of(&self.out)
    }

    /// Waits until the file says so much.
    fn wait_for(&self, wanted: &str) {
        let end = Instant::now() + Duration::from_secs(60);
        while !std::fs::read_to_string(&self.out).is_ok_and(|t| t.contains(wanted)) {
            assert!(Instant::now() < end, "no {wanted:?} in the recording");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// What the program said at its end.
#[derive(Debug)]
struct Told {
    code: Option<i32>,
    text: String,
}

impl Told {
    fn of(output: &Output) -> Told {
        Told { code: output.status.code(), text: String::from_utf8_lossy(&output.stderr).into_owned() }
    }

    fn is(&self, code: i32, wanted: &[&str]) {
        assert_eq!(self.code, Some(code), "{}", self.text);
        wanted.iter().for_each(|w| assert!(self.text.contains(w), "no {w:?} in {}", self.text));
    }
}

/// A scenario file of its own, with this text of steps.
fn scenario(steps: &str, more: &str) -> PathBuf {
    let path = folder("scenario").join("scenario.yaml");
    let head = "apiVersion: ksim.dev/v1\nkind: Scenario\nmetadata: {name: live}\nabout: A test.\n";
    std::fs::write(&path, format!("{head}{more}\nsteps:\n{steps}\n")).expect("a file");
    path
}

/// What recordings left in the cluster.
fn left(server: &Server) -> Vec<String> {
    let namespaces = server.ask("GET", "/api/v1/namespaces", &Value::Null).json();
    let names = namespaces["items"].as_array().into_iter().flatten().filter_map(|n| n["metadata"]["name"].as_str());
    names.filter(|n| *n != "default" && !n.starts_with("kube-")).map(str::to_owned).collect()
}

const WEB: &str = "- at: 0s
  apply:
    objects:
    - {apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 2, selector: {matchLabels: {app: web}},
        template: {metadata: {labels: {app: web}}, spec: {containers: [{name: main, image: 'nginx:1.29', ports: [{containerPort: 80}]}]}}}}
    - {apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {app: web}, ports: [{port: 80}]}}
- wait: {for: {object: {select: {kind: deploy, name: web}, like: {status: {availableReplicas: 2}}}}}";

/// The trace of a scenario file, simulated at once.
fn trace_of(file: &Path, seed: &str) -> PathBuf {
    let out = folder("trace").join("trace.jsonl");
    let run = Command::new(env!("CARGO_BIN_EXE_ksim"))
        .args(["run", "-q", "--seed", seed])
        .arg(file)
        .arg("--trace")
        .arg(&out)
        .output()
        .expect("it starts");
    assert!(run.status.success(), "{run:?}");
    out
}

/// What happened to which object at which revision of the store, and how it was then: all but the time it was seen, and the
/// certificate of the cluster's authority.
fn changes(lines: &[Value]) -> BTreeMap<u64, String> {
    let of = |line: &Value| {
        let mut object = line["object"].clone();
        let revision = object["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse().ok());
        if let Some(certificate) = object.pointer_mut("/data/ca.crt") {
            *certificate = "CERTIFICATE".into();
        }
        (revision.expect("a revision is a number"), format!("{} {object}", line["type"]))
    };
    lines.iter().filter(|l| l["type"].is_string()).map(of).collect()
}

fn lines_of(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("it is there");
    text.lines().map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}"))).collect()
}

/// Records a scenario from a server: what the recording tells must be what `ksim run` writes, and when it was seen near to it.
fn assert_served_as_run(server: &Server, file: &Path, seed: &str) {
    // A machine that is too busy to see things in time at one speed is given more time.
    let told: Vec<_> =
        ["6", "2"].iter().map(|speed| late_in_served(server, file, seed, speed)).take_while(|late| !late.is_empty()).collect();
    assert!(told.len() < 2, "with seed {seed}:\n{}", told.concat().join("\n"));
}

/// Records a scenario from a server, which must tell what `ksim run` writes; gives what was seen too early or too late.
fn late_in_served(server: &Server, file: &Path, seed: &str, speed: &str) -> Vec<String> {
    let recording = Recording::of(&server.kubeconfig, file, &["--speed", speed, "--beyond-namespace"]);
    recording.run().is(0, &[&format!("begins as `ksim run --seed {seed}` does"), "everything that was made is gone"]);
    let (expected, found) = (lines_of(&trace_of(file, seed)), recording.lines());
    assert_eq!(found[0]["format"], "k8s-watch-trace/v1");
    assert_eq!(found.last().map(|l| &l["end"]), Some(&json!("done")));
    let whole = Trace::of(&expected);
    assert!(whole.states() > 60, "the trace is worth comparing with: {} states", whole.states());
    assert_compared_as_alike(&recording.out, file, seed);
    let late = differences(&whole, &Trace::of(&found));
    let (expected, found) = (changes(&expected), changes(&found));
    for revision in expected.keys().chain(found.keys()) {
        assert_eq!(expected.get(revision), found.get(revision), "with seed {seed}, at revision {revision}");
    }
    late
}

/// `ksim compare` knows which run a recording of a simulated cluster stands beside, and finds the same states and events.
fn assert_compared_as_alike(recording: &Path, file: &Path, seed: &str) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ksim"));
    let compared =
        command.arg("compare").arg(recording).arg("--scenario").arg(file).args(["--format", "json"]).output().expect("it starts");
    let told: Value = serde_json::from_slice(&compared.stdout).unwrap_or_else(|e| panic!("{e}: {compared:?}"));
    assert!(told[0]["other"].as_str().is_some_and(|s| s.ends_with(&format!("(seed {seed})"))), "{told}");
    for figure in ["states", "events", "eventKinds"] {
        assert_eq!(told[0]["figures"][figure], 1.0, "{figure} with seed {seed}: {told}");
    }
}

/// The same scenario with the same seed, simulated at once and recorded from a server in real time: the same changes are made
/// to the same objects in the same order, they pass through the same states at the same times, but for the jitter of a
/// real clock, and the same events are told. Whatever the server has done before, it does again afterwards.
#[test]
fn a_served_cluster_is_recorded_as_the_simulated_one_is_traced() {
    let file = repository().join("scenarios/recorded/deploy.yaml");
    for seed in ["1", "2", "3"] {
        // It plays the scenario itself, and somebody works on it.
        let server = Server::start(&["--speed", "3", "--seed", seed, "--scenario", file.to_str().expect("text")]);
        server.put_config("theirs", "1");
        assert_served_as_run(&server, &file, seed);
        assert_eq!(server.ask("GET", "/api/v1/namespaces/default/configmaps/theirs", &Value::Null).code, 200);
        let standing = ["branch", "branches", "speed"].map(|name| server.said(&["status"], name));
        assert_eq!(standing, ["main", "", "3"], "it goes on as before");
    }
}

/// Steps of most kinds that a user can do, at their times, among them some that come while the one before is being done.
#[test]
fn commands_take_effect_when_the_simulated_users_do() {
    let file = scenario(
        &format!(
            "{WEB}
- {{at: 20s, set: {{object: {{kind: deploy, name: web}}, env: {{COLOUR: blue}}}}}}
- {{at: 20s, scale: {{object: {{kind: deploy, name: web}}, replicas: 4}}}}
- {{at: 20050ms, label: {{object: {{kind: deploy, name: web}}, labels: {{tier: front}}}}}}
- {{at: 30s, rollout: {{object: {{kind: deploy, name: web}}, action: undo}}}}
- {{after: 1s, patch: {{object: {{kind: deploy, name: web}}, patch: {{metadata: {{annotations: {{a: b}}}}}}}}}}
- {{at: 40s, delete: {{object: {{kind: pods, selector: app=web, index: 1}}}}}}"
        ),
        "settle: 10s",
    );
    let server = Server::start(&["--speed", "paused", "--seed", "4"]);
    assert_served_as_run(&server, &file, "4");
    assert_eq!(["branch", "speed"].map(|name| server.said(&["status"], name)), ["main", "paused"]);
}

/// A scenario that makes the namespace it records, and works in `default` as well.
#[test]
fn a_scenarios_own_namespace_is_recorded_as_in_a_run() {
    let steps = "- at: 0s
  apply:
    objects:
    - {apiVersion: v1, kind: Namespace, metadata: {name: shop}}
    - {apiVersion: v1, kind: ConfigMap, metadata: {name: beside}}
    - {apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop}, spec: {replicas: 6, selector: {matchLabels: {app: web}},
        template: {metadata: {labels: {app: web}}, spec: {containers: [{name: main, image: 'nginx:1.29'}]}}}}
- {at: 8s, scale: {object: {kind: deploy, name: web, namespace: shop}, replicas: 2}}
- {at: 9s, get: {kind: cm, name: beside}}";
    let server = Server::start(&["--speed", "paused", "--seed", "5"]);
    assert_served_as_run(&server, &scenario(steps, "settle: 40s\nrecordNamespace: shop"), "5");
}

/// A branch is left when its recording is interrupted, and a server is recorded as it stands when that is asked for, at its own speed.
#[test]
fn a_simulated_cluster_comes_back_as_it_was() {
    let server = Server::start(&["--speed", "10"]);
    server.put_config("theirs", "1");
    let endless = scenario(WEB, "settle: 1000s");
    let recording = Recording::of(&server.kubeconfig, &endless, &[]);
    let child = recording.start();
    recording.wait_for("\"condition met");
    let there = |path: &str| server.ask("GET", path, &Value::Null).code == 200;
    assert!(there("/apis/apps/v1/namespaces/default/deployments/web") && !there("/api/v1/namespaces/default/configmaps/theirs"));
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill is there");
    assert!(killed.success());
    Told::of(&child.wait_with_output().expect("it ends")).is(130, &["going back to main", "everything that was made is gone"]);
    assert!(!there("/apis/apps/v1/namespaces/default/deployments/web") && there("/api/v1/namespaces/default/configmaps/theirs"));
    assert_eq!(recording.lines()[0]["speed"], 10.0, "a server knows its speed");
    assert_eq!(["branch", "branches", "speed"].map(|name| server.said(&["status"], name)), ["main", "", "10"]);
    let here = |arguments: &[&str]| Recording::of(&server.kubeconfig, &scenario(WEB, "settle: 1s"), arguments);
    here(&["--here"]).run().is(0, &["made for it", "deleting what was made", "everything that was made is gone"]);
    here(&["--here", "--speed", "1"]).run().is(2, &["--speed 1, but the clock of this simulated cluster runs at 10"]);
    let other = scenario(WEB, "settle: 1s\ncluster: {profile: three-nodes}");
    Recording::of(&server.kubeconfig, &other, &[]).run().is(0, &["another than the scenario asks for", "ksim serve --scenario"]);
    server.told(&["pause"]);
    here(&["--here"]).run().is(2, &["the time of this simulated cluster is paused"]);
    assert_eq!(left(&server), Vec::<String>::new());
}

#[test]
fn what_must_not_or_cannot_be_recorded_is_refused_before_anything_is_done() {
    let server = Server::start(&["--speed", "1"]);
    let web = scenario(WEB, "");
    let refused = |recording: &Recording, code: i32, wanted: &[&str]| {
        recording.run().is(code, wanted);
        assert!(!recording.out.exists(), "nothing was recorded, so there is no file");
    };
    let of = |file: &Path, arguments: &[&str]| Recording::of(&server.kubeconfig, file, arguments);
    refused(&of(&web, &["--context", "production"]), 2, &["production is not allowed", "docker-desktop", "--allow-context production"]);
    refused(&of(&web, &["--context", "kind-none"]), 2, &["no context \"kind-none\"", "it has ksim"]);
    refused(&of(&web, &["--namespace", "default"]), 2, &["default is there already", "--use-existing"]);
    refused(&of(&web, &["--namespace", "kube-system", "--use-existing"]), 2, &["belongs to the cluster"]);
    refused(&of(&scenario("- {fault: {etcd: {state: slow, by: 1s}}}", ""), &[]), 7, &["scenario.yaml:7: steps[0]: a fault of etcd"]);
    refused(&of(&scenario("- {cordon: {node: docker-desktop}}", ""), &[]), 2, &["the node docker-desktop", "--beyond-namespace"]);
    refused(&of(&scenario("- {scale: {object: {kind: deploy}}}", ""), &[]), 2, &["scenario.yaml:7", "replicas"]);
    let actions = folder("actions").join("actions.json");
    std::fs::write(&actions, r#"{"steps": [{"at": 0, "run": "touch /tmp/never"}]}"#).expect("a file");
    refused(&of(&actions, &[]), 2, &["--run-shell", "touch /tmp/never"]);
    assert_eq!(left(&server), Vec::<String>::new());
}

#[test]
fn an_unreachable_cluster_is_told_with_its_address() {
    let server = Server::start(&[]);
    let (kubeconfig, address) = (server.kubeconfig.clone(), server.address.to_string());
    server.kill();
    let recording = Recording::of(&kubeconfig, &scenario(WEB, ""), &[]);
    recording.run().is(2, &[&address, "does not answer", "refused"]);
    assert!(!recording.out.exists());
}

#[test]
fn missing_rights_are_listed_and_nothing_is_made() {
    let tokens = folder("tokens").join("tokens.csv");
    std::fs::write(&tokens, "bobs-token,bob,bob-uid\n").expect("a file");
    let server = Server::start(&["--token-file", tokens.to_str().expect("text")]);
    let kubeconfig = |token: &str| {
        let mut config: Value = serde_json::from_str(&std::fs::read_to_string(&server.kubeconfig).expect("it is there")).expect("JSON");
        config["users"][0]["user"] = json!({"token": token});
        let path = folder("bob").join("kubeconfig");
        std::fs::write(&path, config.to_string()).expect("a file");
        path
    };
    let recording = Recording::of(&kubeconfig("bobs-token"), &scenario(WEB, ""), &[]);
    let wanted = [
        "no right to",
        "create namespaces in the whole cluster",
        "watch pods in the namespace ksim-record-live-",
        "patch deployments.apps",
    ];
    recording.run().is(2, &wanted);
    assert!(!recording.out.exists());
    Recording::of(&kubeconfig("nobodys-token"), &scenario(WEB, ""), &[]).run().is(2, &["Unauthorized"]);
    assert_eq!(left(&server), Vec::<String>::new());
}

#[test]
fn a_step_that_fails_ends_the_recording_and_nothing_is_left() {
    let server = Server::start(&["--speed", "10"]);
    let file = scenario(&format!("{WEB}\n- scale: {{object: {{kind: deploy, name: other}}, replicas: 1}}"), "");
    let recording = Recording::of(&server.kubeconfig, &file, &["--here"]);
    recording.run().is(1, &["steps[2]", "(NotFound): deploy \"other\" not found", "everything that was made is gone"]);
    assert_eq!(left(&server), Vec::<String>::new());
    let lines = recording.lines();
    let done = &lines[lines.len() - 2];
    assert_eq!((&done["exit"], done["done"].as_str()), (&json!(1), Some("kubectl scale deploy other --replicas=1")));
    assert!(lines[lines.len() - 1]["end"].as_str().is_some_and(|e| e.contains("not found")));
}

#[cfg(unix)]
#[test]
fn an_interrupted_recording_is_valid_and_leaves_nothing() {
    let server = Server::start(&["--speed", "10"]);
    let recording = Recording::of(&server.kubeconfig, &scenario(WEB, "settle: 1000s"), &["--speed", "10", "--here"]);
    let child = recording.start();
    recording.wait_for("\"condition met");
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill is there");
    assert!(killed.success());
    Told::of(&child.wait_with_output().expect("it ends")).is(130, &["interrupted", "everything that was made is gone"]);
    assert_eq!(left(&server), Vec::<String>::new());
    assert_eq!(recording.lines().last().map(|l| l["end"].clone()), Some(json!("interrupted")));
}

/// The server dies in the middle and comes back: watches go on from where they were, nothing is told twice or lost, and
/// everything is cleaned up. When it stays away, that is told, with what is left.
#[test]
fn a_server_that_dies_is_told_of_and_one_that_comes_back_is_recorded_on() {
    let state = folder("record-state");
    let arguments = ["--speed", "5", "--state", state.to_str().expect("text")];
    let server = Server::start(&arguments);
    let recording = Recording::of(&server.kubeconfig, &scenario(WEB, "settle: 60s"), &["--speed", "5", "--namespace", "web"]);
    let child = recording.start();
    recording.wait_for("\"condition met");
    let (address, kubeconfig) = (server.address, server.kubeconfig.clone());
    // A session is kept up to the last input: what the recording has seen by then is not unmade.
    std::thread::sleep(Duration::from_millis(1000));
    server.put_config("beside", "1");
    server.kill();
    let again = Server::start_at(&address.to_string(), &kubeconfig, &arguments);
    let change = json!({"spec": {"replicas": 3}});
    assert_eq!(again.ask("PATCH", "/apis/apps/v1/namespaces/web/deployments/web", &change).code, 200);
    Told::of(&child.wait_with_output().expect("it ends")).is(0, &["everything that was made is gone"]);
    assert_eq!(left(&again), Vec::<String>::new());
    let lines = recording.lines();
    let mut seen = BTreeMap::new();
    for line in lines.iter().filter(|l| l["type"].is_string()) {
        let of = &line["object"]["metadata"];
        *seen.entry((of["uid"].to_string(), of["resourceVersion"].to_string(), line["type"].to_string())).or_insert(0) += 1;
    }
    assert_eq!(seen.values().filter(|n| **n > 1).count(), 0, "nothing is told twice");
    let pods = lines.iter().filter(|l| l["type"] == "ADDED" && l["object"]["kind"] == "Pod").count();
    assert_eq!(pods, 3, "the third pod, made after the server was away, is told of");

    let recording = Recording::of(
        &kubeconfig,
        &scenario(&format!("{WEB}\n- wait: {{for: {{event: {{reason: Never}}}}, timeout: 500s}}"), ""),
        &["--here"],
    );
    let child = recording.start();
    recording.wait_for("\"condition met");
    again.kill();
    let told = Told::of(&child.wait_with_output().expect("it ends"));
    told.is(2, &["left in the cluster: namespace/ksim-record-live-", &format!("the cluster at https://{address} does not answer")]);
    assert!(recording.lines().last().is_some_and(|l| l["end"].as_str().is_some_and(|e| e.contains("does not answer"))));
}

#[test]
fn in_somebody_elses_namespace_only_what_was_made_goes_again() {
    let server = Server::start(&["--speed", "10"]);
    server.put_config("theirs", "1");
    let file = scenario(WEB, "settle: 1s");
    Recording::of(&server.kubeconfig, &file, &["--speed", "10", "--namespace", "default", "--use-existing"])
        .run()
        .is(0, &["was there already"]);
    let count = |path: &str| server.ask("GET", path, &Value::Null).json()["items"].as_array().map(Vec::len);
    assert_eq!(server.ask("GET", "/api/v1/namespaces/default/configmaps/theirs", &Value::Null).code, 200);
    assert_eq!((count("/apis/apps/v1/namespaces/default/deployments"), count("/api/v1/namespaces/default/pods")), (Some(0), Some(0)));
    // What is there already would be changed: refused.
    server.ask("POST", "/apis/apps/v1/namespaces/default/deployments", &crate::server::deployment("web", 1));
    let again = Recording::of(&server.kubeconfig, &file, &["--namespace", "default", "--use-existing"]);
    again.run().is(2, &["deployment.apps/web is in the namespace default already"]);
    assert_eq!(count("/apis/apps/v1/namespaces/default/deployments"), Some(1));
}

/// Each kind of step that a cluster can be told, once.
#[test]
fn every_kind_of_step_is_done_to_the_cluster() {
    let steps = format!(
        "{WEB}
- set: {{object: {{kind: deploy, name: web}}, env: {{COLOUR: blue}}}}
- rollout: {{object: {{kind: deploy, name: web}}, action: status}}
- rollout: {{object: {{kind: deploy, name: web}}, action: history}}
- rollout: {{object: {{kind: deploy, name: web}}, action: undo}}
- rollout: {{object: {{kind: deploy, name: web}}, action: restart}}
- rollout: {{object: {{kind: deploy, name: web}}, action: status}}
- load: {{name: visitors, to: {{service: web, port: 80}}, perSecond: 5, duration: 20s}}
- wait: {{for: {{traffic: {{load: visitors, sentAtLeast: 20, podsAtLeast: 2, failedAtMost: 0}}}}}}
- load: {{name: visitors, stop: true}}
- http: {{to: {{service: web, port: 80}}, path: /, status: 200}}
- http: {{to: {{pod: {{selector: app=web}}, port: 81}}, path: /, fails: refused}}
- exec: {{pod: {{selector: app=web}}, command: [hostname], output: web-}}
- label: {{object: {{kind: deploy, name: web}}, labels: {{tier: front}}}}
- patch: {{object: {{kind: deploy, name: web}}, patch: {{metadata: {{annotations: {{a: b}}}}}}}}
- cordon: {{node: docker-desktop}}
- scale: {{object: {{kind: deploy, name: web}}, replicas: 3}}
- wait: {{for: {{event: {{reason: FailedScheduling}}}}}}
- drain: {{node: docker-desktop}}
- delete: {{object: {{kind: service, name: web}}, wait: true}}"
    );
    let server = Server::start(&["--speed", "10"]);
    let recording = Recording::of(&server.kubeconfig, &scenario(&steps, "settle: 1s"), &["--speed", "10", "--here", "--beyond-namespace"]);
    recording.run().is(0, &["everything that was made is gone"]);
    assert_eq!(left(&server), Vec::<String>::new());
    let node = server.ask("GET", "/api/v1/nodes/docker-desktop", &Value::Null).json();
    assert!(node["spec"]["unschedulable"].is_null(), "the node is as it was: {}", node["spec"]);
    let lines = recording.lines();
    assert_eq!(lines.iter().filter(|l| l["done"].is_string() && l["exit"] == 0).count(), 21);
    let said: String = lines.iter().filter_map(|l| l["out"].as_str()).collect();
    for wanted in [
        "env updated",
        "successfully rolled out",
        "REVISION  CHANGE-CAUSE",
        "rolled back",
        "restarted",
        "labeled",
        "patched",
        "evict",
        "drained",
    ] {
        let found = wanted == "evict" || said.contains(wanted);
        assert!(found, "no {wanted:?} in {said}");
    }
    let load = lines.iter().find(|l| l["load"].is_object()).expect("figures of the load");
    assert_eq!((&load["load"]["name"], &load["load"]["failed"]), (&json!("visitors"), &json!(0)));
}

#[test]
fn commands_of_a_shell_are_run_with_consent_and_recorded_with_their_exit_codes() {
    let server = Server::start(&["--speed", "1"]);
    let actions = folder("actions").join("actions.json");
    let text = json!({"about": "a shell", "settle": 0.1, "steps": [
        {"at": 0, "run": "echo in $NS; test -r \"${KUBECONFIG%%:*}\" && echo readable"}, {"at": 0.2, "run": "echo oops >&2; exit 3"}]});
    std::fs::write(&actions, text.to_string()).expect("a file");
    let recording = Recording::of(&server.kubeconfig, &actions, &["--run-shell", "--namespace", "shell"]);
    recording.run().is(0, &["1 commands failed"]);
    let done: Vec<Value> = recording.lines().into_iter().filter(|l| l["done"].is_string()).collect();
    assert_eq!((&done[0]["exit"], &done[0]["out"]), (&json!(0), &json!("in shell\nreadable\n")));
    assert_eq!((&done[1]["exit"], &done[1]["out"]), (&json!(3), &json!("oops\n")));
    assert_eq!(left(&server), Vec::<String>::new());
}
