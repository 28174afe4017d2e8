//! A recording from its beginning to its end: look at everything, make the namespace, watch, do the steps at their times,
//! stop, put everything back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::cluster::{AGENT, Cluster};
use crate::contexts::{self, Chosen};
use crate::failure::Failure;
use crate::kubectl::Kubectl;
use crate::namespace::{self, Found};
use crate::objections::{self, Objection};
use crate::plan::{self, Plan, What};
use crate::recording::Recording;
use crate::resource::built_in;
use crate::scrub::Renaming;
use crate::session::{Made, Session, StepError};
use crate::simulated::{self, Running, Simulated};
use crate::steps::{shell, traffic::Figures};
use crate::watches::{Sinks, Target, Watch, targets};
use crate::{Options, Recorded, audit, cleanup, rights};

/// The file's format.
const FORMAT: &str = "k8s-watch-trace/v1";
/// Clocks that run faster than this cannot be kept up with.
const SPEED_MAX: f64 = 1000.0;

/// What is known of a recording when it ends, however it ends.
#[derive(Default)]
struct Kept {
    made: Arc<Mutex<Vec<Made>>>,
    figures: Arc<Mutex<BTreeMap<String, Figures>>>,
    recording: OnceLock<Arc<Recording>>,
    namespaces: OnceLock<Vec<String>>,
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
    if options.audit_log.is_some() && options.speed.is_some_and(|speed| speed != 1.0) {
        return Err(Failure::Input("--audit-log needs a cluster in real time: its times are the machine's, not the simulation's".into()));
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

/// All that may be interrupted.
struct Work<'a> {
    options: &'a Options,
    tell: &'a (dyn Fn(&str) + Sync),
    plan: Arc<Plan>,
    cluster: Cluster,
    chosen: Chosen,
    kept: &'a Kept,
}

impl Work<'_> {
    /// Everything up to the end of the last step's time. Gives how many commands failed.
    async fn all(&self) -> Result<usize, Failure> {
        let version = self.cluster.get("/version").await?;
        let version = version["gitVersion"].as_str().unwrap_or("unknown").to_owned();
        (self.tell)(&format!("recording {} of {} at {} ({version})", self.plan.name, self.options.context, self.cluster.address()));
        let simulated = Simulated::find(&self.cluster).await?;
        self.check_cluster(simulated.as_ref())?;
        let branch = self.branch(simulated.as_ref()).await?;
        let speed = self.speed(simulated.as_ref(), branch.is_some())?;
        let namespace = if branch.is_some() { self.home().await? } else { self.namespace().await? };
        let mut namespaces = vec![namespace.clone()];
        namespaces.extend(self.plan.other_namespaces());
        _ = self.kept.namespaces.set(namespaces.clone());
        let (lost, is_lost) = watch::channel(None);
        let changed = Arc::new(Notify::new());
        let opened = self.open_watches(&namespaces).await?;
        let header = json!({
            "format": FORMAT, "name": self.plan.name, "server": version, "about": self.plan.about, "namespace": namespace,
            "recorder": AGENT, "speed": speed, "seed": simulated.as_ref().map(|s| s.seed), "branch": branch,
        });
        let recording = self.begin(header, &namespace, speed)?;
        let sinks = Sinks { recording: recording.clone(), changed: changed.clone(), lost };
        let mut following = JoinSet::new();
        opened.into_iter().for_each(|watch| _ = following.spawn(watch.follow(sinks.clone())));
        let (_choice, variables) = self.variables(&namespace, speed)?;
        let session = Session {
            cluster: self.cluster.clone(),
            plan: self.plan.clone(),
            namespace,
            speed,
            kubectl: Kubectl::of(&self.plan, simulated.as_ref()).map_err(Failure::Input)?,
            recording,
            changed,
            made: self.kept.made.clone(),
            figures: self.kept.figures.clone(),
            loads: Mutex::default(),
            variables,
        };
        let played = tokio::select! {
            played = play(&session, branch.is_some(), self.tell) => played,
            why = until_lost(is_lost) => Err(why),
        };
        session.loads.lock().unwrap_or_else(PoisonError::into_inner).values().for_each(|load| load.abort());
        following.abort_all();
        played
    }

    /// Tells if a simulated cluster is another than the scenario asks for.
    fn check_cluster(&self, simulated: Option<&Simulated>) -> Result<(), Failure> {
        let (Some(simulated), Some(loaded)) = (simulated, &self.plan.loaded) else { return Ok(()) };
        let profile = sim_core::scenario::profile(&loaded.scenario.cluster).map_err(Failure::Input)?;
        if !simulated.is_of(&profile) {
            let file = self.options.file.display();
            (self.tell)(&format!(
                "this simulated cluster is another than the scenario asks for; `ksim serve --scenario {file}` has that one"
            ));
        }
        Ok(())
    }

    /// Begins a branch for the recording if the cluster is a simulated one, unless it is to be recorded as it stands.
    async fn branch(&self, simulated: Option<&Simulated>) -> Result<Option<String>, Failure> {
        let options = self.options;
        let as_it_stands = options.here || options.keep || options.use_existing || options.namespace.is_some();
        let Some(simulated) = simulated.filter(|_| !as_it_stands) else { return Ok(None) };
        let name = namespace::fresh_name(&self.plan.name, Timestamp::now().as_microsecond() as u64);
        self.kept.made.lock().unwrap_or_else(PoisonError::into_inner).push(simulated.branch(&name));
        simulated::begin(&self.cluster, &name).await?;
        (self.tell)(&format!("in a branch of this simulated cluster, which begins as `ksim run --seed {}` does;", simulated.seed));
        (self.tell)(&format!(
            "its other clients see that branch until the recording is over, then {} again (--here: as it stands)",
            simulated.branch
        ));
        Ok(Some(name))
    }

    /// How many times faster than real time the cluster's clock runs.
    fn speed(&self, simulated: Option<&Simulated>, in_branch: bool) -> Result<f64, Failure> {
        let given = self.options.speed;
        match simulated {
            Some(simulated) if !in_branch => simulated.speed_here(given),
            Some(simulated) => Ok(given.or(simulated.speed).unwrap_or(1.0)),
            None => Ok(given.unwrap_or(1.0)),
        }
    }

    /// The scenario's own namespace, which is all a recording's in a branch. It is not made: a run does not either.
    async fn home(&self) -> Result<String, Failure> {
        let name = self.plan.home.clone();
        let namespaces: Vec<String> = std::iter::once(name.clone()).chain(self.plan.other_namespaces()).collect();
        rights::check(&self.cluster, rights::needed(&self.plan, &namespaces, false)).await?;
        Ok(name)
    }

    /// Looks at the rights, and makes the namespace or finds that it may be used.
    async fn namespace(&self) -> Result<String, Failure> {
        let named = self.options.namespace.clone().or_else(|| self.plan.names_home.then(|| self.plan.home.clone()));
        let name = named.unwrap_or_else(|| namespace::fresh_name(&self.plan.name, Timestamp::now().as_microsecond() as u64));
        let mut namespaces = vec![name.clone()];
        namespaces.extend(self.plan.other_namespaces());
        rights::check(&self.cluster, rights::needed(&self.plan, &namespaces, true)).await?;
        let found = namespace::look(&self.cluster, &name, self.options.use_existing).await?;
        if found == Found::Theirs {
            self.check_nothing_is_there(&name).await?;
            (self.tell)(&format!("in the namespace {name}, which was there already"));
            return Ok(name);
        }
        self.kept.made.lock().unwrap_or_else(PoisonError::into_inner).push(Made::Namespace(name.clone()));
        namespace::make(&self.cluster, &name, found).await?;
        (self.tell)(&format!("in the namespace {name}, made for it"));
        if !namespace::furnished(&self.cluster, &name).await? {
            (self.tell)("the namespace was given no service account: pods may not start");
        }
        Ok(name)
    }

    /// In somebody else's namespace nothing is changed that was there before.
    async fn check_nothing_is_there(&self, namespace: &str) -> Result<(), Failure> {
        for planned in &self.plan.steps {
            let What::Step(step) = &planned.what else { continue };
            for manifest in self.plan.manifests(step) {
                let word = |path: &str| manifest.pointer(path).and_then(|v| v.as_str()).unwrap_or_default();
                let Some(resource) = built_in(word("/apiVersion"), word("/kind")) else { continue };
                let (name, own) = (word("/metadata/name"), word("/metadata/namespace"));
                let namespace = if own.is_empty() || own == self.plan.home { namespace } else { own };
                match self.cluster.get(&format!("{}/{name}", resource.path(namespace))).await {
                    Err(error) if error.is_not_found() => {}
                    found => {
                        found?;
                        let text = format!(
                            "{}: {} is in the namespace {namespace} already, and would be changed",
                            planned.place,
                            resource.shown(name)
                        );
                        return Err(Failure::Input(text));
                    }
                }
            }
        }
        Ok(())
    }

    async fn open_watches(&self, namespaces: &[String]) -> Result<Vec<Watch>, Failure> {
        let mut all = targets(namespaces);
        all.extend(self.plan.watch.iter().map(|path| Target { path: path.clone(), query: String::new(), kind: None }));
        let mut opening = JoinSet::new();
        for target in all {
            let cluster = self.cluster.clone();
            opening.spawn(async move { (target.path.clone(), Watch::open(&cluster, target).await) });
        }
        let mut opened = Vec::new();
        while let Some(answer) = opening.join_next().await {
            let (path, watch) = answer.map_err(|e| Failure::Input(e.to_string()))?;
            match watch? {
                Some(watch) => opened.push(watch),
                None => (self.tell)(&format!("not watched, because the server does not have it: {path}")),
            }
        }
        Ok(opened)
    }

    fn begin(&self, mut header: Value, namespace: &str, speed: f64) -> Result<Arc<Recording>, Failure> {
        if let Some(fields) = header.as_object_mut() {
            fields.retain(|_, value| !value.is_null());
        }
        let renaming = Renaming { from: namespace.to_owned(), to: self.plan.home.clone() };
        let recording = Recording::create(&self.options.out, &header, renaming, speed).map_err(Failure::Input)?;
        let recording = Arc::new(recording);
        _ = self.kept.recording.set(recording.clone());
        Ok(recording)
    }

    /// The variables of the commands of a shell, and the file one of them names.
    fn variables(&self, namespace: &str, speed: f64) -> Result<(Option<shell::Choice>, Variables), Failure> {
        if !self.plan.runs_shell() {
            return Ok((None, vec![]));
        }
        let (choice, kubeconfig) = shell::Choice::write(&self.chosen, namespace).map_err(Failure::Input)?;
        let pair = |name: &str, value: String| (name.to_owned(), value);
        let mut variables = vec![pair("KUBECONFIG", kubeconfig), pair("NS", namespace.to_owned()), pair("SPEED", speed.to_string())];
        variables.extend(shell::manifests(&self.plan.folder).map(|m| pair("M", m.display().to_string())));
        Ok((Some(choice), variables))
    }
}

/// Variables of a shell by their names.
type Variables = Vec<(String, String)>;

/// Does the steps at their times.
async fn play(session: &Session, stands_still: bool, tell: &(dyn Fn(&str) + Sync)) -> Result<usize, Failure> {
    let clock = match (stands_still, session.is_simulated()) {
        (true, _) => {
            if let Some(first) = session.plan.steps.first().filter(|first| session.is_held(first)) {
                simulated::hold(&session.cluster, first.at.unwrap_or(0)).await?;
            }
            simulated::run(&session.cluster, session.speed).await?
        }
        (false, true) => simulated::look(&session.cluster).await?,
        (false, false) => Running { at: Instant::now(), elapsed: 0 },
    };
    session.kubectl.begin(clock);
    session.recording.start(clock.at);
    let limit = session.plan.time_limit.map(|limit| session.wall(limit));
    let steps = play_steps(session, tell);
    match limit {
        Some(limit) => match tokio::time::timeout(limit, steps).await {
            Ok(played) => played,
            Err(_) => Err(Failure::TimeLimit("the scenario's time limit came before its end".into())),
        },
        None => steps.await,
    }
}

async fn play_steps(session: &Session, tell: &(dyn Fn(&str) + Sync)) -> Result<usize, Failure> {
    let mut failed_commands = 0;
    for planned in &session.plan.steps {
        session.step_comes(planned).await?;
        tell(&format!("{:8.3}s {}", session.user_at() as f64 / 1e9, planned.text));
        session.recording.action(&planned.text);
        let outcome = session.perform(planned).await;
        session.recording.done(&planned.text, outcome.exit, &outcome.output);
        match outcome.error {
            Some(StepError::Failed(text)) => return Err(Failure::Step(format!("{}: {text}", planned.place))),
            Some(lost) => return Err(lost.into()),
            None if outcome.exit != 0 => {
                failed_commands += 1;
                tell(&format!("  exit code {}: {}", outcome.exit, outcome.output.trim()));
            }
            None => {}
        }
        if let (_, Some(why)) = session.recording.state() {
            return Err(Failure::Limit(why));
        }
    }
    session.user_waits(session.user_at() + session.plan.settle).await;
    Ok(failed_commands)
}

async fn until_lost(mut lost: watch::Receiver<Option<Failure>>) -> Failure {
    loop {
        if let Some(why) = lost.borrow_and_update().clone() {
            return why;
        }
        if lost.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
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
