//! Records what a real cluster does while a scenario's steps are done to it, in the format `k8s-watch-trace/v1` that
//! `ksim run --trace` writes and `ksim compare` reads.
//! Promises: nothing is done before everything was looked at (context, scenario, rights, namespace); what was made goes again,
//! also after an error or an interruption, and what could not be undone is named; Secrets' values are never written; the
//! file is valid however the recording ended.
//! Not done: expectations are not judged, and the kinds watched are those of every recording, not Secrets nor custom ones.

mod audit;
mod cleanup;
mod cluster;
mod contexts;
mod failure;
mod kubectl;
mod length;
mod namespace;
mod objections;
mod plan;
mod play;
mod recording;
mod resource;
mod rights;
mod runner;
mod scrub;
mod session;
mod simulated;
mod steps;
mod watches;
mod work;

use std::path::PathBuf;

pub use contexts::ALLOWED;
pub use failure::Failure;

/// What is recorded, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The context of the cluster.
    pub context: String,
    /// The context named a second time, which allows one that is not on the list.
    pub allow_context: Option<String>,
    /// The kubeconfig, instead of the user's.
    pub kubeconfig: Option<PathBuf>,
    /// Where `ksim serve` writes its kubeconfig: looked at for the context `ksim` if the user's does not have it.
    pub own_kubeconfig: PathBuf,
    /// The scenario, or the file of commands.
    pub file: PathBuf,
    /// Where the recording goes.
    pub out: PathBuf,
    /// The namespace, instead of the scenario's `recordNamespace` or one with a fresh name.
    pub namespace: Option<String>,
    /// Whether a namespace may be used that no recording made.
    pub use_existing: bool,
    /// Whether steps may reach beyond the namespace.
    pub beyond_namespace: bool,
    /// Whether commands of a shell may be run.
    pub run_shell: bool,
    /// How many times faster than real time the cluster's clock runs; of a simulated one it is known, of others 1.
    pub speed: Option<f64>,
    /// Record a simulated cluster as it stands, not in a branch that begins anew.
    pub here: bool,
    /// The API server's audit log, read when the recording is over.
    pub audit_log: Option<PathBuf>,
    /// Leave what was made.
    pub keep: bool,
}

/// A recording that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// How many lines it has.
    pub lines: u64,
    /// How many commands of a shell failed.
    pub failed_commands: usize,
}

/// Makes a recording. `tell` is told what is going on, line by line.
pub fn record(options: &Options, tell: &(dyn Fn(&str) + Sync)) -> Result<Recorded, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|e| Failure::Input(e.to_string()))?;
    let recorded = runtime.block_on(runner::run(options, tell));
    runtime.shutdown_background();
    recorded
}
