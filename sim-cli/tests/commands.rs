//! The program as a user meets it: exit codes and messages for bad input, and the README's transcripts.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("sim-cli/ is in the repository").to_owned()
}

fn ksim(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ksim")).args(arguments).current_dir(root()).env("NO_COLOR", "1").output().expect("it starts")
}

/// A scenario file in a folder of its own.
fn file(name: &str, text: &[u8]) -> String {
    let folder = std::env::temp_dir().join(format!("ksim-test-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join(name);
    std::fs::write(&path, text).expect("a file");
    path.display().to_string()
}

fn check(name: &str, text: &[u8], code: i32, words: &[&str]) {
    let output = ksim(&["run", "-q", &file(name, text)]);
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{name}: {told}");
    for word in words {
        assert!(told.contains(word), "{name}: no {word:?} in: {told}");
    }
    assert!(!told.contains("panicked"), "{name}: {told}");
}

const HEAD: &str = "apiVersion: ksim.dev/v1\nkind: Scenario\nmetadata: {name: x}\nabout: x\n";

fn scenario(rest: &str) -> Vec<u8> {
    format!("{HEAD}{rest}").into_bytes()
}

#[test]
fn bad_files_are_refused_with_a_place() {
    check("not-yaml.yaml", b"a: [1\nb: }", 2, &["not-yaml.yaml:2:"]);
    check("binary.yaml", &[0xff, 0xfe, 0, 1], 2, &["not text"]);
    check("empty.yaml", b"", 2, &["one document"]);
    check("large.yaml", &vec![b'a'; 10 << 20], 2, &["at most"]);
    check("unknown-field.yaml", &scenario("steps: []\nstepz: []\n"), 2, &["unknown-field.yaml:6:1", "stepz"]);
    check("wrong-type.yaml", &scenario("steps: 7\n"), 2, &["wrong-type.yaml:5:", "invalid type"]);
    check("negative.yaml", &scenario("steps:\n- {at: -3s, wait: {for: {}}}\n"), 2, &["negative.yaml:6:", "must not be negative"]);
    check("gone.yaml", &scenario("steps:\n- apply: {files: [gone/a.yaml]}\n"), 2, &["gone.yaml:6:", "gone/a.yaml"]);
    check("overlay.yaml", &scenario("steps:\n- apply: {kustomize: nowhere}\n"), 2, &["overlay.yaml:6:", "kustomization.yaml"]);
    let bomb = (b'b'..=b'k').fold("a: &a [x,x,x,x,x,x,x,x,x,x]\n".to_owned(), |text, letter| {
        let (name, before) = (letter as char, (letter - 1) as char);
        text + &format!("{name}: &{name} [{}]\n", vec![format!("*{before}"); 10].join(","))
    });
    check("bomb.yaml", bomb.as_bytes(), 2, &["bomb.yaml:", "too many"]);
    let missing = ksim(&["run", "no-such-file.yaml"]);
    assert_eq!(missing.status.code(), Some(2));
    assert_eq!(ksim(&["run"]).status.code(), Some(2));
    assert_eq!(ksim(&["fly"]).status.code(), Some(2));
}

#[test]
fn bad_manifests_fail_their_step() {
    let apply = |object: &str| scenario(&format!("steps:\n- apply: {{objects: [{object}]}}\n"));
    check(
        "kind.yaml",
        &apply("{apiVersion: v1, kind: Nothing, metadata: {name: x}}"),
        1,
        &["kind.yaml:6", "no matches for kind \"Nothing\""],
    );
    check("no-kind.yaml", &apply("{metadata: {name: x}}"), 1, &["no-kind.yaml:6", "kind not set"]);
    check("types.yaml", &apply("{apiVersion: v1, kind: Pod, metadata: {name: x}, spec: {containers: many}}"), 1, &["types.yaml:6"]);
    check(
        "invalid.yaml",
        &apply("{apiVersion: v1, kind: Pod, metadata: {name: X_Y}, spec: {containers: []}}"),
        1,
        &["invalid.yaml:6", "Invalid"],
    );
}

#[test]
fn owners_in_a_circle_do_no_harm() {
    let map = |name: &str, owner: &str| {
        let reference = format!("{{apiVersion: v1, kind: ConfigMap, name: {owner}, uid: {owner}-uid}}");
        format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, ownerReferences: [{reference}]}}}}")
    };
    let steps = format!("steps:\n- apply: {{objects: [{}, {}]}}\nsettle: 60s\n", map("a", "b"), map("b", "a"));
    check("circle.yaml", &scenario(&steps), 0, &["ok"]);
}

#[test]
fn a_run_that_does_not_come_to_rest_says_so() {
    let text = "timeLimit: 30s\nsteps:\n- {at: 0s, wait: {for: {object: {select: {kind: pod, name: never}}}, timeout: 10m}}\n";
    check("forever.yaml", &scenario(text), 4, &["forever.yaml:", "time limit"]);
}

#[test]
fn a_hundred_thousand_replicas_on_one_node_reach_a_limit() {
    let web = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 100000, selector: {matchLabels: {a: b}}, \
               template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: nginx}]}}}}";
    let text = format!("changeLimit: 4000\nsettle: 10m\nsteps:\n- apply: {{objects: [{web}]}}\n");
    check("many.yaml", &scenario(&text), 5, &["many.yaml:8", "more than 4000 changes"]);
}

#[test]
fn what_is_not_simulated_is_named() {
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: x}, spec: {hostPID: true, containers: [{name: c, image: nginx}]}}";
    let text = format!("steps:\n- apply: {{objects: [{pod}]}}\n");
    check("warned.yaml", &scenario(&text), 0, &["warning: Pod default/x: spec.hostPID is accepted but not simulated"]);
}

/// `real/` holds what kubectl printed of a real cluster in which the same was done; only the date differs.
#[test]
fn describe_says_what_kubectl_says_of_a_real_cluster() {
    let undated = |text: &str| text.lines().filter(|l| !l.starts_with("CreationTimestamp:")).collect::<Vec<_>>().join("\n");
    for (scenario, object, at, file) in
        [("deploy", "deploy/fastapi-k8s", "20s", "describe-deployment.txt"), ("hpa", "hpa/fastapi-k8s-hpa", "200s", "describe-hpa.txt")]
    {
        let output = ksim(&["describe", &format!("scenarios/recorded/{scenario}.yaml"), object, "--at", at]);
        let real = std::fs::read_to_string(root().join("sim-cli/tests/real").join(file)).expect("it is there");
        assert_eq!(undated(&String::from_utf8_lossy(&output.stdout)), undated(&real), "{file}");
    }
}

/// A transcript in the README: `$ ksim …` and what it prints. `…` on a line of its own stands for any lines.
#[test]
fn the_readme_tells_the_truth() {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("it is there");
    let mut checked = 0;
    for block in readme.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap_or_default();
        for transcript in block.split("$ ").skip(1) {
            let (command, expected) = transcript.split_once('\n').unwrap_or((transcript, ""));
            let Some(arguments) = command.strip_prefix("ksim ") else { continue };
            let output = ksim(&arguments.split_whitespace().collect::<Vec<_>>());
            let printed = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(is_like(&printed, expected), "README.md: $ {command}\nprints\n{printed}\nnot\n{expected}");
            checked += 1;
        }
    }
    assert!(checked >= 3, "the README shows what the program prints");
}

/// Whether printed lines are as expected: a line `…` stands for any lines, `…` at a line's end for the rest of it.
fn is_like(printed: &str, expected: &str) -> bool {
    let lines = |text: &str| text.lines().map(str::trim_end).filter(|l| !l.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    matches(&lines(printed), &lines(expected))
}

fn matches(printed: &[String], expected: &[String]) -> bool {
    match (expected, printed) {
        ([], _) => printed.is_empty(),
        ([open, rest @ ..], _) if open == "…" => (0..=printed.len()).any(|skipped| matches(&printed[skipped..], rest)),
        ([line, rest @ ..], [found, more @ ..]) => {
            let same = line == found || line.strip_suffix('…').is_some_and(|begin| found.starts_with(begin.trim_end()));
            same && matches(more, rest)
        }
        _ => false,
    }
}
