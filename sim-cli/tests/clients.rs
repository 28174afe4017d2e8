//! Clients that nobody here wrote, each in a session against `ksim serve`: see `tests/clients/run`, which also installs them.
//! A client that is not on this machine is skipped with one line; what is there must pass.

use std::path::Path;
use std::process::Command;

/// Runs one client's session.
fn session(client: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let run = Command::new("python3")
        .arg(root.join("tests/clients/run"))
        .arg(client)
        .env("KSIM", env!("CARGO_BIN_EXE_ksim"))
        .env_remove("KSIM_CLIENTS")
        .output();
    let output = match run {
        Ok(output) => output,
        Err(why) => return eprintln!("skipped {client}: python3, which drives it, cannot be run ({why})"),
    };
    let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if let Some(line) = told.lines().find(|line| line.starts_with("skipped")) {
        return eprintln!("{line}");
    }
    assert!(output.status.success() && told.contains(&format!("passed  {client}")), "{told}");
}

macro_rules! sessions {
    ($($name:ident: $client:literal,)*) => {
        $(#[test] fn $name() { session($client); })*

        #[test]
        fn every_client_has_a_test() {
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
            let Ok(output) = Command::new("python3").arg(root.join("tests/clients/run")).arg("--list").output() else { return };
            let listed = String::from_utf8_lossy(&output.stdout).into_owned();
            assert_eq!(listed.lines().collect::<Vec<_>>(), [$($client),*]);
        }
    };
}

sessions! {
    client_go_has_its_session: "client-go",
    chainsaw_has_its_session: "chainsaw",
    kube_rs_has_its_session: "kube-rs",
    helm_3_has_its_session: "helm-3",
    helm_4_has_its_session: "helm-4",
    the_python_client_has_its_session: "python",
    a_kopf_operator_has_its_session: "kopf",
    client_node_has_its_session: "node",
    kubectl_on_a_terminal_has_its_session: "terminal",
    kubectl_1_32_has_its_session: "kubectl-1.32",
    kubectl_1_33_has_its_session: "kubectl-1.33",
    kubectl_1_34_has_its_session: "kubectl-1.34",
    kubectl_1_35_has_its_session: "kubectl-1.35",
    kubectl_1_36_has_its_session: "kubectl-1.36",
    kubectl_1_37_has_its_session: "kubectl-1.37",
}
