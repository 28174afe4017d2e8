//! `ksim serve`: the cluster behind the Kubernetes API, for kubectl and every other client; `ksim kubeconfig` shows how to
//! reach it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use sim_core::cluster::Profile;
use sim_core::scenario::Loaded;
use sim_web::{Options, Places, ScenarioFile, Speed};
use sim_workload::ProfileSet;

use crate::output::{HELD, WRONG_INPUT};

/// The cluster if nothing is said.
const DEFAULT_CLUSTER: &str = "docker-desktop";

/// Arguments of `ksim serve`.
#[derive(Args)]
pub struct ServeArguments {
    /// The cluster: docker-desktop, three-nodes, or a profile file [default: the scenario's, or docker-desktop]
    #[arg(long, value_name = "NAME|FILE")]
    cluster: Option<String>,
    /// Play this scenario's steps on the live clock, beside whatever clients do
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// How fast virtual time runs: a number of times real time, max, or paused
    #[arg(long, default_value = "1", value_name = "1|60|max|paused")]
    speed: Speed,
    /// The seed of chance [default: the scenario's, or 1]
    #[arg(long)]
    seed: Option<u64>,
    /// Where to listen; port 0 takes any free one
    #[arg(long, default_value = "127.0.0.1:7443", value_name = "ADDR:PORT")]
    bind: SocketAddr,
    /// Where the browser view is served, on loopback only; `off` for nowhere [default: the port after --bind's]
    #[arg(long, value_name = "ADDR:PORT|off")]
    page: Option<String>,
    /// Where the kubeconfig is written [default: the user's state folder]
    #[arg(long, value_name = "PATH")]
    kubeconfig: Option<PathBuf>,
    /// Keep the session in this folder, and go on with the one that is there
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Parts or controllers to leave out, separated by commas; `all` leaves only API server and etcd
    #[arg(long, value_delimiter = ',', value_name = "PART")]
    without: Vec<String>,
    /// How many seconds a client may take to send a request's head, and its body
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    client_timeout: u64,
    /// What is told on standard error
    #[arg(long, value_name = "LEVEL", default_value = "warn", value_parser = ["error", "warn", "info", "debug", "trace"])]
    log: String,
    /// Further users: lines of token,user,uid,"group1,group2"
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// Arguments of `ksim kubeconfig`.
#[derive(Args)]
pub struct KubeconfigArguments {
    /// The kubeconfig's place, if another was chosen
    #[arg(long, value_name = "PATH")]
    kubeconfig: Option<PathBuf>,
}

/// Serves until interrupted.
pub fn serve(arguments: ServeArguments) -> i32 {
    match options(arguments).and_then(|o| sim_web::serve(&o, |places| announce(&o, places))) {
        Ok(()) => HELD,
        Err(why) => {
            eprintln!("error: {why}");
            WRONG_INPUT
        }
    }
}

fn options(arguments: ServeArguments) -> Result<Options, String> {
    let (scenario, loaded) = arguments.scenario.as_deref().map(scenario).transpose()?.unzip();
    let choice = loaded.as_ref().map(|l| &l.scenario.cluster);
    let workloads = choice.map_or_else(|| Ok(ProfileSet::builtin()), sim_core::scenario::workloads)?;
    let profile = match (&arguments.cluster, choice) {
        (None, Some(choice)) => sim_core::scenario::profile(choice)?,
        (name, _) => profile(name.as_deref().unwrap_or(DEFAULT_CLUSTER))?,
    };
    let of_scenario = loaded.as_ref().map(|l| format!("scenario {}", l.scenario.metadata.name));
    Ok(Options {
        bind: arguments.bind,
        profile,
        cluster: arguments.cluster.or(of_scenario).unwrap_or_else(|| DEFAULT_CLUSTER.into()),
        workloads,
        seed: arguments.seed.or(loaded.map(|l| l.scenario.seed)).unwrap_or(1),
        speed: arguments.speed,
        kubeconfig: arguments.kubeconfig.unwrap_or_else(sim_web::default_kubeconfig_path),
        state: arguments.state,
        token_file: arguments.token_file,
        without: arguments.without,
        scenario,
        client_timeout: std::time::Duration::from_secs(arguments.client_timeout),
        page: page(arguments.page.as_deref(), arguments.bind)?,
        log: arguments.log,
    })
}

/// A scenario with the texts of all files it names.
fn scenario(path: &Path) -> Result<(ScenarioFile, Loaded), String> {
    let mut file = ScenarioFile { file: path.display().to_string(), text: crate::session::read(path)?, ..Default::default() };
    let folder = path.parent().unwrap_or(Path::new(".")).to_owned();
    let mut files = BTreeMap::new();
    let read = &mut |name: &str| {
        let text = crate::session::read(&folder.join(name))?;
        files.insert(name.to_owned(), text.clone());
        Ok(text)
    };
    let loaded = sim_core::scenario::load(&file.file, &file.text, read)
        .map_err(|p| format!("{}:{}:{}: {}", p.file, p.position.line, p.position.column, p.message))?;
    file.files = files;
    Ok((file, loaded))
}

/// A shipped profile, or the one in a file.
pub(crate) fn profile(name: &str) -> Result<Profile, String> {
    if let Some(profile) = Profile::named(name) {
        return Ok(profile);
    }
    let text = std::fs::read_to_string(name).map_err(|e| format!("{name}: {e}; clusters are: {}, or a file", Profile::NAMES.join(", ")))?;
    sim_core::scenario::profile_of(&text).map_err(|e| format!("{name}: {e}"))
}

/// Where the page is served: as told, or beside the API; on another machine's address only if told so.
fn page(told: Option<&str>, bind: SocketAddr) -> Result<Option<SocketAddr>, String> {
    match told {
        Some("off") => Ok(None),
        Some(text) => text
            .parse()
            .map(Some)
            .map_err(|_| format!("--page {text:?} is neither an address with a port, such as 127.0.0.1:7444, nor off")),
        None if !bind.ip().is_loopback() => Ok(None),
        None => Ok(Some(SocketAddr::new(bind.ip(), if bind.port() == 0 { 0 } else { bind.port().checked_add(1).unwrap_or(0) }))),
    }
}

fn announce(options: &Options, places: &Places) {
    println!("serving Kubernetes v1.36.2 ({}) on https://{}, time runs at {}", options.cluster, places.api, options.speed);
    if let Some(page) = &places.page {
        println!("browser view: {page}");
    }
    println!("export KUBECONFIG={}", options.kubeconfig.display());
}

/// Prints the kubeconfig of the running server.
pub fn kubeconfig(arguments: &KubeconfigArguments) -> i32 {
    let path = arguments.kubeconfig.clone().unwrap_or_else(sim_web::default_kubeconfig_path);
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            print!("{text}");
            HELD
        }
        Err(why) => {
            eprintln!("error: {}: {why}; is `ksim serve` running?", path.display());
            WRONG_INPUT
        }
    }
}
