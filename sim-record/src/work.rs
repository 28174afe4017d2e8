//! The part of a recording that may be interrupted: finding where it is made, watching, doing the steps.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::cluster::{AGENT, Cluster};
use crate::contexts::Chosen;
use crate::failure::Failure;
use crate::kubectl::Kubectl;
use crate::namespace::{self, Found};
use crate::plan::{Plan, What};
use crate::play::{play, until_lost};
use crate::recording::Recording;
use crate::resource::built_in;
use crate::runner::Kept;
use crate::scrub::Renaming;
use crate::session::{Made, Session};
use crate::simulated::{self, Simulated};
use crate::steps::shell;
use crate::watches::{Sinks, Target, Watch, targets};
use crate::{Options, length, rights};

/// The file's format.
const FORMAT: &str = "k8s-watch-trace/v1";

/// All that may be interrupted.
pub(crate) struct Work<'a> {
    pub options: &'a Options,
    pub tell: &'a (dyn Fn(&str) + Sync),
    pub plan: Arc<Plan>,
    pub cluster: Cluster,
    pub chosen: Chosen,
    pub kept: &'a Kept,
}

/// Where a recording is made.
struct Place {
    namespace: String,
    /// How many times faster than real time the clock runs there.
    speed: f64,
    /// How long a run of the scenario lasts, if it does not say how long it goes on.
    lasts: Option<u64>,
    simulated: Option<Simulated>,
    /// The branch of the simulated cluster that was begun for it.
    branch: Option<String>,
}

impl Work<'_> {
    /// Everything up to the end of the last step's time. Gives how many commands failed.
    pub async fn all(&self) -> Result<usize, Failure> {
        let version = self.cluster.get("/version").await?;
        let version = version["gitVersion"].as_str().unwrap_or("unknown");
        (self.tell)(&format!("recording {} of {} at {} ({version})", self.plan.name, self.options.context, self.cluster.address()));
        let place = self.place().await?;
        let mut namespaces = vec![place.namespace.clone()];
        if !self.plan.only_home {
            namespaces.extend(self.plan.other_namespaces());
        }
        _ = self.kept.namespaces.set(namespaces.clone());
        let opened = self.open_watches(&namespaces).await?;
        let recording = self.begin(version, &place)?;
        let (lost, is_lost) = watch::channel(None);
        let changed = Arc::new(Notify::new());
        let sinks = Sinks { recording: recording.clone(), changed: changed.clone(), lost };
        let mut following = JoinSet::new();
        opened.into_iter().for_each(|watch| _ = following.spawn(watch.follow(sinks.clone())));
        let (_choice, variables) = self.variables(&place)?;
        let session = self.session(&place, recording, changed, variables)?;
        let played = tokio::select! {
            played = play(&session, self.tell) => played,
            why = until_lost(is_lost) => Err(why),
        };
        session.loads.lock().unwrap_or_else(PoisonError::into_inner).values().for_each(|load| load.abort());
        following.shutdown().await;
        if place.simulated.is_some() {
            // A server that is gone is told of by what was played.
            _ = simulated::release(&self.cluster).await;
        }
        played
    }

    fn session(&self, place: &Place, recording: Arc<Recording>, changed: Arc<Notify>, variables: Variables) -> Result<Session, Failure> {
        Ok(Session {
            cluster: self.cluster.clone(),
            plan: self.plan.clone(),
            namespace: place.namespace.clone(),
            in_branch: place.branch.is_some(),
            speed: place.speed,
            lasts: place.lasts,
            kubectl: Kubectl::of(&self.plan, place.simulated.as_ref()).map_err(Failure::Input)?,
            recording,
            changed,
            made: self.kept.made.clone(),
            figures: self.kept.figures.clone(),
            loads: Mutex::default(),
            variables,
        })
    }

    /// How long a run of the scenario lasts.
    async fn lasts(&self, simulated: Option<&Simulated>) -> Option<u64> {
        let loaded = self.plan.loaded.clone()?;
        let seed = simulated::seed(&loaded, simulated);
        tokio::task::spawn_blocking(move || length::of_run(&loaded, seed)).await.ok().flatten()
    }

    /// Finds out where the recording is made, and makes that place.
    async fn place(&self) -> Result<Place, Failure> {
        let simulated = Simulated::find(&self.cluster).await?;
        self.check_cluster(simulated.as_ref())?;
        let anew = simulated.as_ref().filter(|_| !self.as_it_stands());
        let speed = self.speed(simulated.as_ref(), anew.is_some())?;
        let lasts = self.lasts(simulated.as_ref()).await;
        let (namespace, branch) = match anew {
            Some(simulated) => (self.home().await?, Some(self.branch(simulated).await?)),
            None => (self.namespace().await?, None),
        };
        Ok(Place { namespace, speed, lasts, simulated, branch })
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

    /// Whether a simulated cluster is recorded as it stands, like any other cluster, and not in a branch.
    fn as_it_stands(&self) -> bool {
        let options = self.options;
        options.here || options.keep || options.use_existing || options.namespace.is_some()
    }

    /// Begins a branch for the recording.
    async fn branch(&self, simulated: &Simulated) -> Result<String, Failure> {
        let name = namespace::fresh_name(&self.plan.name, Timestamp::now().as_microsecond() as u64);
        self.kept.made.lock().unwrap_or_else(PoisonError::into_inner).push(simulated.branch(&name));
        simulated::begin(&self.cluster, &name).await?;
        (self.tell)(&format!("in a branch of this simulated cluster, which begins as `ksim run --seed {}` does;", simulated.seed));
        (self.tell)(&format!(
            "its other clients see that branch until the recording is over, then {} again (--here: as it stands)",
            simulated.branch
        ));
        Ok(name)
    }

    /// How many times faster than real time the cluster's clock runs.
    fn speed(&self, simulated: Option<&Simulated>, in_branch: bool) -> Result<f64, Failure> {
        let given = self.options.speed;
        let speed = match simulated {
            Some(simulated) if !in_branch => simulated.speed_here(given)?,
            Some(simulated) => given.or(simulated.speed).unwrap_or(1.0),
            None => given.unwrap_or(1.0),
        };
        if self.options.audit_log.is_some() && speed != 1.0 {
            return Err(Failure::Input(
                "--audit-log needs a cluster in real time: its times are the machine's, not the simulation's".into(),
            ));
        }
        Ok(speed)
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

    fn begin(&self, version: &str, place: &Place) -> Result<Arc<Recording>, Failure> {
        let Place { namespace, speed, simulated, branch, .. } = place;
        let mut header = json!({
            "format": FORMAT, "name": self.plan.name, "server": version, "about": self.plan.about, "namespace": namespace,
            "recorder": AGENT, "speed": speed, "seed": simulated.as_ref().map(|s| s.seed), "branch": branch,
        });
        if let Some(fields) = header.as_object_mut() {
            fields.retain(|_, value: &mut Value| !value.is_null());
        }
        let renaming = Renaming { from: namespace.clone(), to: self.plan.home.clone() };
        let recording = Recording::create(&self.options.out, &header, renaming, *speed).map_err(Failure::Input)?;
        let recording = Arc::new(recording);
        _ = self.kept.recording.set(recording.clone());
        Ok(recording)
    }

    /// The variables of the commands of a shell, and the file one of them names.
    fn variables(&self, place: &Place) -> Result<(Option<shell::Choice>, Variables), Failure> {
        if !self.plan.runs_shell() {
            return Ok((None, vec![]));
        }
        let (choice, kubeconfig) = shell::Choice::write(&self.chosen, &place.namespace).map_err(Failure::Input)?;
        let pair = |name: &str, value: String| (name.to_owned(), value);
        let mut variables =
            vec![pair("KUBECONFIG", kubeconfig), pair("NS", place.namespace.clone()), pair("SPEED", place.speed.to_string())];
        variables.extend(shell::manifests(&self.plan.folder).map(|m| pair("M", m.display().to_string())));
        Ok((Some(choice), variables))
    }
}

/// Variables of a shell by their names.
type Variables = Vec<(String, String)>;
