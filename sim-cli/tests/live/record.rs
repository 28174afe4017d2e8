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
        let text = std::fs::read_to_string(&self.out).expect("the recording is there");
        text.lines().map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}"))).collect()
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
fn traced(file: &Path, seed: &str) -> Trace {
    let out = folder("trace").join("trace.jsonl");
    let run = Command::new(env!("CARGO_BIN_EXE_ksim"))
        .args(["run", "-q", "--seed", seed])
        .arg(file)
        .arg("--trace")
        .arg(&out)
        .output()
        .expect("it starts");
    assert!(run.status.success(), "{run:?}");
    Trace::read(&out)
}

/// A seed in which no two things come so close to each other that the jitter of a real clock decides which is first: the same
/// happens when the scenario begins a little later, and when the controllers have done other work before. With it, what is
/// simulated.
fn steady(file: &Path) -> (String, Trace) {
    let text = std::fs::read_to_string(file).expect("it is there");
    let manifests = file.with_file_name("manifests");
    let later = |(delay, others): (u32, u32)| {
        let path = folder("later").join("scenario.yaml");
        let moved = text.replace("{at: 0s, ", &format!("{{at: {delay}ms, ")).replace("manifests/", &format!("{}/", manifests.display()));
        assert!(delay == 0 || moved.contains(&format!("at: {delay}ms")), "a step was moved");
        let object = |number| format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: other-{number}}}}}");
        let objects: Vec<String> = (0..others).map(object).collect();
        let before =
            if others > 0 { format!("steps:\n  - {{at: 0s, apply: {{objects: [{}]}}}}\n", objects.join(", ")) } else { "steps:\n".into() };
        std::fs::write(&path, moved.replace("steps:\n", &before)).expect("a file");
        path
    };
    let variants =
        [(0, 0), (15, 0), (40, 0), (90, 0), (160, 0), (250, 0), (400, 0), (600, 0), (300, 1), (350, 2), (450, 3), (500, 4), (550, 5)];
    let files: Vec<PathBuf> = variants.map(later).to_vec();
    let seeds = (1..=400).map(|seed| seed.to_string());
    let mut found = seeds.map(|seed| (traced(&files[0], &seed), seed));
    let is_steady = |trace: &Trace, seed: &str| files[1..].iter().all(|file| differences(trace, &traced(file, seed)).is_empty());
    let (trace, seed) = found.find(|(trace, seed)| is_steady(trace, seed)).expect("some seed of them is");
    (seed, trace)
}

/// The same scenario with the same seed, simulated at once and recorded from a server in real time: the same objects pass
/// through the same states at the same times, but for the jitter of a real clock, and the same events are told.
#[test]
fn a_served_cluster_is_recorded_as_the_simulated_one_is_traced() {
    let file = repository().join("scenarios/recorded/deploy.yaml");
    let (seed, expected) = steady(&file);
    let cluster = "cluster: {profile: docker-desktop, loadBalancer: false, workloads: [fastapi-k8s-recorded]}";
    let empty = folder("cluster").join("cluster.yaml");
    std::fs::write(
        &empty,
        format!("apiVersion: ksim.dev/v1\nkind: Scenario\nmetadata: {{name: empty}}\nabout: A cluster.\n{cluster}\nsteps: []\n"),
    )
    .expect("a file");
    assert!(expected.states() > 60, "the trace is worth comparing with: {} states", expected.states());
    // A machine that is too busy to keep up at one speed is given more time.
    let mut told = vec![];
    for speed in ["6", "2"] {
        let server = Server::start(&["--speed", speed, "--seed", &seed, "--scenario", empty.to_str().expect("text")]);
        let recording = Recording::of(&server.kubeconfig, &file, &["--speed", speed]);
        recording.run().is(0, &["made for it", "everything that was made is gone"]);
        assert_eq!(left(&server), Vec::<String>::new());
        let lines = recording.lines();
        assert_eq!(lines[0]["format"], "k8s-watch-trace/v1");
        assert_eq!(lines.last().map(|l| &l["end"]), Some(&json!("done")));
        told = differences(&expected, &Trace::of(&lines));
        if told.is_empty() {
            return;
        }
    }
    panic!("with seed {seed}:\n{}", told.join("\n"));
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
    let recording = Recording::of(&server.kubeconfig, &file, &["--speed", "10"]);
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
    let recording = Recording::of(&server.kubeconfig, &scenario(WEB, "settle: 1000s"), &["--speed", "10"]);
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
        &["--speed", "5"],
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
    let recording = Recording::of(&server.kubeconfig, &scenario(&steps, "settle: 1s"), &["--speed", "10", "--beyond-namespace"]);
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
