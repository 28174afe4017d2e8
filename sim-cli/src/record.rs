//! `ksim record`: does a scenario's steps to a real cluster and records what it does, as `ksim run --trace` records the
//! simulated one.

use std::path::PathBuf;

use clap::Args;
use sim_record::{Failure, Options};

use crate::output::{EXPECTATION_FAILED, HELD, LIMIT_REACHED, NO_CONVERGENCE, NOT_SIMULATED, WRONG_INPUT};

/// What shells give for a program that was interrupted.
const INTERRUPTED: i32 = 130;

/// Shown below the arguments.
const EXAMPLES: &str = "Contexts that are taken as they are: docker-desktop, docker-for-desktop, kind-*, minikube, k3d-*, rancher-desktop,
orbstack, colima, ksim. Any other must be named a second time with --allow-context.

Examples:
  ksim record --context docker-desktop -f scenarios/first-deploy.yaml --out real.jsonl
  ksim record --context kind-test -f scenarios/rollout.yaml --out real.jsonl --namespace rollout
  ksim record --context ksim -f scenarios/rollout.yaml --out served.jsonl --speed 10     the same from `ksim serve`, ten times as fast
  ksim record --context kind-test -f actions.json --run-shell --out real.jsonl           {\"steps\": [{\"at\": 0, \"run\": \"kubectl apply …\"}]}

Exit codes: 0 recorded; 1 a step failed; 2 wrong usage or input, a context that is not allowed, no rights, a cluster that
cannot be reached, or something is left in it; 4 the scenario's time limit came first; 5 a limit was reached; 7 the scenario
asks for what no real cluster can be told; 130 interrupted. What was made is deleted again in every case, unless --keep.";

/// Arguments of `ksim record`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct RecordArguments {
    /// The kubeconfig context of the cluster; there is no default, because recording writes to it
    #[arg(long, value_name = "NAME")]
    context: String,
    /// Name the context in full once more, to allow one that is not on the list
    #[arg(long, value_name = "NAME")]
    allow_context: Option<String>,
    /// The kubeconfig [default: as kubectl's; for the context ksim also that of the running server]
    #[arg(long, value_name = "PATH")]
    kubeconfig: Option<PathBuf>,
    /// The scenario file, or a JSON file of shell commands with times
    #[arg(short, long, value_name = "FILE")]
    filename: PathBuf,
    /// Where the recording goes
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// The namespace, made for the recording [default: the scenario's recordNamespace, or a fresh name]
    #[arg(short, long, value_name = "NS")]
    namespace: Option<String>,
    /// Record in a namespace that is there already; what the recording makes in it is deleted afterwards, nothing else
    #[arg(long)]
    use_existing: bool,
    /// Allow steps that reach beyond the namespace: nodes, objects of the whole cluster, other namespaces
    #[arg(long)]
    beyond_namespace: bool,
    /// Allow the file's shell commands to be run on this machine
    #[arg(long)]
    run_shell: bool,
    /// How many times faster than real time a simulated cluster's clock runs [default: as the server's does]
    #[arg(long, value_name = "S")]
    speed: Option<f64>,
    /// Record a simulated cluster as it stands, not in a branch of its own that begins as a run does
    #[arg(long)]
    here: bool,
    /// The API server's audit log (JSON lines), read when the recording is over
    #[arg(long, value_name = "FILE")]
    audit_log: Option<PathBuf>,
    /// Leave in the cluster what was made
    #[arg(long)]
    keep: bool,
}

/// Makes the recording and gives the exit code.
pub fn record(arguments: RecordArguments) -> i32 {
    let options = Options {
        context: arguments.context,
        allow_context: arguments.allow_context,
        kubeconfig: arguments.kubeconfig,
        own_kubeconfig: sim_web::default_kubeconfig_path(),
        file: arguments.filename,
        out: arguments.out,
        namespace: arguments.namespace,
        use_existing: arguments.use_existing,
        beyond_namespace: arguments.beyond_namespace,
        run_shell: arguments.run_shell,
        speed: arguments.speed,
        here: arguments.here,
        audit_log: arguments.audit_log,
        keep: arguments.keep,
    };
    let failure = match sim_record::record(&options, &|line| eprintln!("{line}")) {
        Ok(recorded) => {
            if recorded.failed_commands > 0 {
                eprintln!("{} commands failed; the recording holds what they said", recorded.failed_commands);
            }
            return HELD;
        }
        Err(failure) => failure,
    };
    eprintln!("error: {failure}");
    match failure {
        Failure::Input(_) => WRONG_INPUT,
        Failure::Step(_) => EXPECTATION_FAILED,
        Failure::NotPossible(_) => NOT_SIMULATED,
        Failure::TimeLimit(_) => NO_CONVERGENCE,
        Failure::Limit(_) => LIMIT_REACHED,
        Failure::Interrupted => INTERRUPTED,
    }
}
