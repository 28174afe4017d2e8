//! A recording from its beginning to its end: look at everything, do the work, finish the file, put everything back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jiff::Timestamp;
use serde_json::json;

use crate::cluster::Cluster;
use crate::contexts;
use crate::failure::Failure;
use crate::objections::{self, Objection};
use crate::plan::{self, Plan, What};
use crate::recording::Recording;
use crate::session::Made;
use crate::steps::{shell, traffic::Figures};
use crate::work::Work;
use crate::{Options, Recorded, audit, cleanup};

/// Clocks that run faster than this cannot be kept up with.
const SPEED_MAX: f64 = 1000.0;

/// What is known of a recording when it ends, however it ends.
#[derive(Default)]
pub(crate) struct Kept {
    pub made: Arc<Mutex<Vec<Made>>>,
    pub figures: Arc<Mutex<BTreeMap<String, Figures>>>,
    pub recording: OnceLock<Arc<Recording>>,
    pub namespaces: OnceLock<Vec<String>>,
}

/// Makes a recording.
pub async fn run(options: &Options, tell: &(dyn Fn(&str) + Sync)) -> Result<Recorded, Failure> {
    let plan = Arc::new(look(options)?);
    let chosen = contexts::choose(&options.context, options.kubeconfig.as_deref(), &options.own_kubeconfig).await?;
    let cluster = Cluster::new(chosen.config.clone())?;
    let was_there = options.out.exists();
    check_writable(options)?;
    let kept = Kept::default();
    let work = Work { options, tell, plan: plan.clone(), cluster: cluster.clone(), chosen, kept: &kept };
    let worked = tokio::select! {
        worked = work.all() => worked,
        () = interrupted() => Err(Failure::Interrupted),
    };
    let finished = finish(options, &kept, &worked, tell);
    if kept.recording.get().is_none() && !was_there {
        _ = std::fs::remove_file(&options.out);
    }
    let left = put_back(options, &cluster, &kept, tell).await;
    let (failed_commands, lines) = (worked?, finished?);
    if left { Err(Failure::Input("not everything could be undone".into())) } else { Ok(Recorded { lines, failed_commands }) }
}

/// Looks at all that can be looked at before the cluster is asked.
fn look(options: &Options) -> Result<Plan, Failure> {
    contexts::check(&options.context, options.allow_context.as_deref())?;
    if options.speed.is_some_and(|speed| !(speed > 0.0 && speed <= SPEED_MAX)) {
        return Err(Failure::Input(format!("--speed must be above 0 and at most {SPEED_MAX}")));
    }
    if let Some(log) = options.audit_log.as_ref().filter(|log| !log.is_file()) {
        return Err(Failure::Input(format!("{}: there is no such audit log", log.display())));
    }
    let plan = plan::read(&options.file)?;
    let list = |found: &[Objection]| found.iter().map(|o| format!("\n  {}: {}", o.place, o.what)).collect::<String>();
    let impossible = objections::impossible(&plan);
    if !impossible.is_empty() {
        return Err(Failure::NotPossible(format!("no real cluster can be told this:{}", list(&impossible))));
    }
    let outside = objections::outside(&plan);
    if !outside.is_empty() && !options.beyond_namespace {
        let text = format!(
            "this reaches beyond the recording's namespace:{}\n--beyond-namespace allows it; it is put back afterwards",
            list(&outside)
        );
        return Err(Failure::Input(text));
    }
    check_shell(options, &plan)?;
    Ok(plan)
}

/// Commands of a shell are run only with consent, and only where they mean the recording's namespace.
fn check_shell(options: &Options, plan: &Plan) -> Result<(), Failure> {
    let commands: Vec<&str> =
        plan.steps.iter().filter_map(|s| if let What::Shell(run) = &s.what { Some(run.as_str()) } else { None }).collect();
    if !commands.is_empty() && !options.run_shell {
        let list: String = commands.iter().map(|c| format!("\n  {c}")).collect();
        return Err(Failure::Input(format!("{} runs commands of a shell; --run-shell allows these:{list}", options.file.display())));
    }
    let own = options.namespace.as_deref() == Some(plan.home.as_str());
    let fixed = format!("namespaces/{}/", plan.home);
    if let Some(command) = commands.iter().find(|c| !own && !plan.names_home && c.contains(&fixed)) {
        let text = format!(
            "this command means the namespace {home} whatever the recording's is: {command}\nrecord in it with --namespace {home} --use-existing, or write $NS",
            home = plan.home
        );
        return Err(Failure::Input(text));
    }
    if commands.iter().any(|c| c.contains("$M")) && shell::manifests(&plan.folder).is_none() {
        return Err(Failure::Input("the commands use $M, the folder of manifests: set the variable M".into()));
    }
    Ok(())
}

fn check_writable(options: &Options) -> Result<(), Failure> {
    let opened = std::fs::OpenOptions::new().append(true).create(true).open(&options.out);
    opened.map(|_| ()).map_err(|e| Failure::Input(format!("{}: {e}", options.out.display())))
}

/// Ends the file: what came of the loads, how the recording ended, and the audit log's requests. Gives the number of lines.
fn finish(options: &Options, kept: &Kept, worked: &Result<usize, Failure>, tell: &(dyn Fn(&str) + Sync)) -> Result<u64, Failure> {
    let Some(recording) = kept.recording.get() else { return Ok(0) };
    for (name, figures) in kept.figures.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        recording.extra("load", &figures.to_json(name));
    }
    let end = worked.as_ref().map_or_else(ToString::to_string, |_| "done".to_owned());
    recording.extra("end", &json!(end));
    recording.flush();
    let (lines, failed) = recording.state();
    if let Some(why) = failed {
        return Err(Failure::Limit(format!("{}: {why}", options.out.display())));
    }
    tell(&format!("{lines} lines in {}", options.out.display()));
    if let Some(log) = &options.audit_log {
        let frame = audit::Frame {
            began: recording.began_at(),
            ended: Timestamp::now(),
            namespaces: kept.namespaces.get().cloned().unwrap_or_default(),
            renaming: recording.renaming().clone(),
        };
        let counts = audit::merge(log, &options.out, &frame).map_err(Failure::Input)?;
        let list: Vec<String> = counts.iter().map(|(agent, n)| format!("{agent} {n}")).collect();
        tell(&format!("requests taken from the audit log: {}", if list.is_empty() { "none".into() } else { list.join(", ") }));
    }
    Ok(lines)
}

/// Undoes what was done. Says whether something is left.
async fn put_back(options: &Options, cluster: &Cluster, kept: &Kept, tell: &(dyn Fn(&str) + Sync)) -> bool {
    let made = std::mem::take(&mut *kept.made.lock().unwrap_or_else(PoisonError::into_inner));
    if made.is_empty() {
        return false;
    }
    let list = |made: &[Made]| made.iter().map(cleanup::shown).collect::<Vec<_>>().join(", ");
    if options.keep {
        tell(&format!("kept: {}", list(&made)));
        return false;
    }
    let branch = made.iter().find_map(|m| if let Made::Branch { before, .. } = m { Some(before) } else { None });
    match branch {
        Some(before) => tell(&format!("going back to {before}")),
        None => tell("deleting what was made"),
    }
    let left = tokio::select! {
        left = cleanup::clean_up(cluster, made.clone()) => left,
        () = interrupted() => vec![format!("interrupted; perhaps left: {}", list(&made))],
    };
    for what in &left {
        tell(&format!("left in the cluster: {what}"));
    }
    if left.is_empty() {
        tell("everything that was made is gone");
    }
    !left.is_empty()
}

/// Waits for SIGINT or SIGTERM.
async fn interrupted() {
    let interrupt = async { _ = tokio::signal::ctrl_c().await };
    #[cfg(unix)]
    {
        let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) else { return interrupt.await };
        tokio::select! { () = interrupt => {}, _ = terminate.recv() => {} }
    }
    #[cfg(not(unix))]
    interrupt.await;
}
