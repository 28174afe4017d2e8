//! `ksim ctl`: time, faults and branches of a running server, through its control API.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::output::{HELD, WRONG_INPUT};

/// Shown below the list of commands.
const EXAMPLES: &str = "Examples:
  ksim ctl pause                                          time stands still
  ksim ctl step 10                                        the next ten events
  ksim ctl step --change                                  up to the next change of an object
  ksim ctl jump 5m                                        five minutes on, as fast as possible
  ksim ctl until deployment/web condition=Available       on until it is available
  ksim ctl until pod/web-0 phase=Running --timeout 60     for at most a minute of virtual time
  ksim ctl until pod/web-0 status.podIP=10.1.0.7          any field, by its path
  ksim ctl fault '{node: {name: docker-desktop, state: down, for: 30s}}'
  ksim ctl fault '{container: {pod: {name: web-0}, crash: 137}}'
  ksim ctl checkpoint before; ksim ctl rewind before      keep the present; come back to it
  ksim ctl rewind --by 30s                                half a minute back
  ksim ctl fork experiment; ksim ctl switch main          go on with a copy; come back
  ksim ctl begin anew; ksim ctl switch main; ksim ctl drop anew   the cluster as `ksim run` has it at first; back; forget it
  ksim ctl speed 60; ksim ctl resume                      a minute a second; on after a pause

Exit codes: 0 done; 2 it cannot be done, and why. The fields of faults are those of a scenario's `fault` step (`ksim schema`).";

/// Arguments of `ksim ctl`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct CtlArguments {
    /// The kubeconfig of the server, if another was chosen
    #[arg(long, value_name = "PATH", global = true)]
    kubeconfig: Option<PathBuf>,
    #[command(subcommand)]
    action: CtlAction,
}

#[derive(Subcommand)]
enum CtlAction {
    /// Say how things stand: time, speed, revision, branches
    Status,
    /// Say the digest of all that has happened
    Digest,
    /// Say how the scenario that is played and each of its expectations stand
    Verdicts,
    /// Let virtual time stand still
    Pause,
    /// Let virtual time run on
    Resume,
    /// Handle one event, or so many; with --change, up to the next change of an object
    Step {
        /// How many events
        #[arg(default_value_t = 1)]
        events: u64,
        /// Up to the next change of an object
        #[arg(long)]
        change: bool,
    },
    /// Let virtual time run at another speed: a number, max, or paused
    Speed {
        /// The speed
        speed: String,
    },
    /// Run on as fast as possible for some virtual time, such as 30s or 5m
    Jump {
        /// How far
        time: String,
    },
    /// Run on as fast as possible until an object is as wanted, such as: until deployment/web condition=Available
    Until {
        /// kind/name
        object: String,
        /// condition=NAME, phase=NAME, exists, delete, or path.to.field=value
        holds: String,
        /// Its namespace
        #[arg(short, long, default_value = "default")]
        namespace: String,
        /// For how many seconds of virtual time at most
        #[arg(long)]
        timeout: Option<u64>,
    },
    /// Set or end a fault, written as in a scenario: '{node: {name: docker-desktop, state: down}}'; with `for: 30s` it ends by itself
    Fault {
        /// The fault, YAML or JSON
        fault: String,
    },
    /// Keep the present under a name
    Checkpoint {
        /// The name
        name: String,
    },
    /// Go back: to a checkpoint, or by some virtual time with --by
    Rewind {
        /// The checkpoint's name
        #[arg(required_unless_present = "by")]
        name: Option<String>,
        /// By how much, such as 30s
        #[arg(long, conflicts_with = "name")]
        by: Option<String>,
    },
    /// Keep the present as the branch it is and go on with a copy under a new name
    Fork {
        /// The new branch's name
        name: String,
    },
    /// Go on with another branch
    Switch {
        /// The branch's name
        name: String,
    },
    /// Keep the present as the branch it is and go on with a new one, the cluster as `ksim run` has it at its beginning
    Begin {
        /// The new branch's name
        name: String,
    },
    /// Forget a branch that waits
    Drop {
        /// The branch's name
        name: String,
    },
}

/// Does one action and prints what came of it.
pub fn ctl(arguments: &CtlArguments) -> i32 {
    let path = arguments.kubeconfig.clone().unwrap_or_else(sim_web::default_kubeconfig_path);
    match action(&arguments.action).and_then(|body| send(&path, &body)) {
        Ok(answer) => {
            print(&answer);
            HELD
        }
        Err(why) => {
            eprintln!("error: {why}");
            WRONG_INPUT
        }
    }
}

fn action(action: &CtlAction) -> Result<Value, String> {
    Ok(match action {
        CtlAction::Status => json!("status"),
        CtlAction::Digest => json!("digest"),
        CtlAction::Verdicts => json!("verdicts"),
        CtlAction::Pause => json!("pause"),
        CtlAction::Resume => json!("resume"),
        CtlAction::Step { change: true, .. } => json!("nextChange"),
        CtlAction::Step { events, .. } => json!({"step": {"events": events}}),
        CtlAction::Speed { speed } => json!({"speed": speed}),
        CtlAction::Jump { time } => json!({"jump": {"millis": millis(time)?}}),
        CtlAction::Until { object, holds, namespace, timeout } => {
            json!({"until": {"object": object, "holds": holds, "namespace": namespace, "timeoutSeconds": timeout}})
        }
        CtlAction::Fault { fault } => {
            json!({"fault": serde_yaml::from_str::<Value>(fault).map_err(|e| format!("the fault cannot be read: {e}"))?})
        }
        CtlAction::Checkpoint { name } => json!({"checkpoint": name}),
        CtlAction::Rewind { by: Some(by), .. } => json!({"back": {"millis": millis(by)?}}),
        CtlAction::Rewind { name, .. } => json!({"rewind": name}),
        CtlAction::Fork { name } => json!({"fork": name}),
        CtlAction::Switch { name } => json!({"switch": name}),
        CtlAction::Begin { name } => json!({"begin": name}),
        CtlAction::Drop { name } => json!({"drop": name}),
    })
}

fn millis(text: &str) -> Result<u64, String> {
    sim_core::scenario::load::duration(text).map(|nanos| nanos / 1_000_000)
}

/// Where a server is, from its kubeconfig.
struct Server {
    url: String,
    authority: Vec<u8>,
    token: String,
}

fn server(path: &Path) -> Result<Server, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}; is `ksim serve` running?", path.display()))?;
    let config: Value = serde_json::from_str(&text).map_err(|e| format!("{}: this is not a kubeconfig of ksim: {e}", path.display()))?;
    let word = |pointer: &str| config.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let missing = || format!("{}: this is not a kubeconfig of ksim", path.display());
    let authority = word("/clusters/0/cluster/certificate-authority-data").ok_or_else(missing)?;
    Ok(Server {
        url: word("/clusters/0/cluster/server").ok_or_else(missing)?,
        authority: sim_web::decode_base64(&authority).ok_or_else(missing)?,
        token: word("/users/0/user/token").ok_or_else(missing)?,
    })
}

fn send(path: &Path, body: &Value) -> Result<Value, String> {
    let server = server(path)?;
    let certificate = ureq::tls::Certificate::from_pem(&server.authority).map_err(|e| e.to_string())?.to_owned();
    let tls = ureq::tls::TlsConfig::builder().root_certs(ureq::tls::RootCerts::new_with_certs(&[certificate])).build();
    let agent: ureq::Agent = ureq::Agent::config_builder().tls_config(tls).http_status_as_error(false).proxy(None).build().into();
    let request = agent.post(format!("{}/ksim/v1/control", server.url)).header("Authorization", format!("Bearer {}", server.token));
    let mut response = request
        .header("Content-Type", "application/json")
        .send(body.to_string())
        .map_err(|e| format!("{}: {e}; is `ksim serve` running?", server.url))?;
    let text = response.body_mut().read_to_string().map_err(|e| e.to_string())?;
    let answer: Value = serde_json::from_str(&text).map_err(|e| format!("the server's answer cannot be read: {e}"))?;
    if response.status().is_success() { Ok(answer) } else { Err(answer["message"].as_str().unwrap_or(&text).to_owned()) }
}

fn print(answer: &Value) {
    let expectations = answer.get("expectations").and_then(Value::as_array);
    for (name, value) in answer.as_object().into_iter().flatten() {
        let shown = match value {
            Value::String(text) => text.clone(),
            Value::Array(list) => list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
            other => other.to_string(),
        };
        if expectations.is_none() || name != "expectations" {
            println!("{name}: {shown}");
        }
    }
    for expectation in expectations.into_iter().flatten() {
        let word = |name: &str| expectation[name].as_str().unwrap_or_default();
        let at = expectation["decidedSeconds"].as_f64().map(|s| format!(" at {s:.3}s")).unwrap_or_default();
        let detail = if word("detail").is_empty() { String::new() } else { format!(": {}", word("detail")) };
        println!("{:<6} {} (line {}){at}{detail}", word("verdict"), word("name"), expectation["line"]);
    }
}
