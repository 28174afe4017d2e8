//! A recording in progress, as its steps see it: the cluster, the namespace, the clock, and what was made and must go again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use sim_core::scenario::format::{PodSelection, Selection};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::cluster::{Cluster, name_of};
use crate::failure::{ApiError, Failure};
use crate::kubectl::Kubectl;
use crate::plan::{DEFAULT_NAMESPACE, Plan};
use crate::recording::Recording;
use crate::resource::{self, Resource};
use crate::steps::traffic::Figures;

/// Something that was made or changed and is put right at the end, the last first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// A namespace with all that is in it.
    Namespace(String),
    /// An object: its path, and how kubectl names it.
    Object { path: String, shown: String },
    /// A node's taints and schedulability as they were: its path and the patch that brings them back.
    Node { path: String, before: Value },
    /// A branch of a simulated cluster, with all that is in it: its name, the branch that was live before, and the speed then.
    Branch { name: String, before: String, speed: String },
}

/// Why a step could not be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepError {
    /// The cluster refused, or it did not come to what was asked for.
    Failed(String),
    /// The cluster does not answer.
    Lost(String),
}

impl From<ApiError> for StepError {
    fn from(error: ApiError) -> StepError {
        match error {
            ApiError::Unreachable(text) => StepError::Lost(text),
            refused => StepError::Failed(refused.to_string()),
        }
    }
}

impl From<String> for StepError {
    fn from(text: String) -> StepError {
        StepError::Failed(text)
    }
}

impl From<StepError> for Failure {
    fn from(error: StepError) -> Failure {
        match error {
            StepError::Failed(text) => Failure::Step(text),
            StepError::Lost(text) => Failure::Input(text),
        }
    }
}

/// What a step comes to.
pub type Done<T> = Result<T, StepError>;

/// A recording in progress.
pub struct Session {
    /// The cluster.
    pub cluster: Cluster,
    /// What is done.
    pub plan: Arc<Plan>,
    /// The recording's namespace.
    pub namespace: String,
    /// Whether that is a branch's of a simulated cluster, begun for the recording.
    pub in_branch: bool,
    /// How many times faster than real time the cluster's clock runs.
    pub speed: f64,
    /// How long its run lasts, if it is a scenario that does not say how long it goes on.
    pub lasts: Option<u64>,
    /// The time that kubectl takes.
    pub kubectl: Kubectl,
    /// Where it is written.
    pub recording: Arc<Recording>,
    /// Woken by every event.
    pub changed: Arc<Notify>,
    /// What was made.
    pub made: Arc<Mutex<Vec<Made>>>,
    /// What became of the requests of each load.
    pub figures: Arc<Mutex<BTreeMap<String, Figures>>>,
    /// The loads that run.
    pub loads: Mutex<BTreeMap<String, AbortHandle>>,
    /// Variables of the commands of a shell.
    pub variables: Vec<(String, String)>,
}

impl Session {
    /// So much of the cluster's time, on this machine's clock.
    pub fn wall(&self, nanos: u64) -> Duration {
        Duration::from_nanos((nanos as f64 / self.speed) as u64)
    }

    /// Remembers what must go again.
    pub fn remember(&self, made: Made) {
        let mut all = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.contains(&made) {
            all.push(made);
        }
    }

    /// The namespace in the cluster for one that a plan names, or does not.
    pub fn namespace(&self, named: Option<&str>) -> String {
        let named = named.filter(|name| !name.is_empty()).unwrap_or(DEFAULT_NAMESPACE);
        // In a branch nothing need stand for `default`.
        let is_own = named == self.plan.home || named == DEFAULT_NAMESPACE && !self.in_branch;
        if is_own { self.namespace.clone() } else { named.to_owned() }
    }

    /// The objects a selection means, in order of their names, as the cluster is asked for them.
    pub async fn selected(&self, cluster: &Cluster, selection: &Selection) -> Done<(Resource, Vec<Value>)> {
        let resource = resource::of_word(cluster, &selection.kind).await?;
        let path = resource.path(&self.namespace(selection.namespace.as_deref()));
        let found = match &selection.name {
            Some(name) => match cluster.get(&format!("{path}/{name}")).await {
                Err(error) if error.is_not_found() => vec![],
                found => vec![found?],
            },
            None => cluster.objects(&path, selection.selector.as_deref().unwrap_or_default()).await?,
        };
        let found = match selection.index {
            Some(index) => found.into_iter().skip(index).take(1).collect(),
            None => found,
        };
        Ok((resource, found))
    }

    /// The one object a selection means, with its path.
    pub async fn one(&self, cluster: &Cluster, selection: &Selection) -> Done<(Resource, String, Value)> {
        let (resource, found) = self.selected(cluster, selection).await?;
        let Some(object) = found.into_iter().next() else {
            let what = selection.name.clone().or_else(|| selection.selector.clone()).unwrap_or_default();
            return Err(StepError::Failed(format!("Error from server (NotFound): {} \"{what}\" not found", selection.kind)));
        };
        let path = path_of(&resource, &object);
        Ok((resource, path, object))
    }

    /// The pods meant, in order of their names; at least one.
    pub async fn pods(&self, pods: &PodSelection, namespace: Option<&str>) -> Done<Vec<Value>> {
        let selection = Selection {
            kind: "pods".into(),
            name: pods.name.clone(),
            namespace: namespace.map(str::to_owned),
            selector: pods.selector.clone(),
            index: pods.index,
        };
        let (_, found) = self.selected(&self.cluster, &selection).await?;
        if found.is_empty() { Err(StepError::Failed("no pod matches".into())) } else { Ok(found) }
    }
}

/// The path of an object that was read.
pub fn path_of(resource: &Resource, object: &Value) -> String {
    let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default();
    format!("{}/{}", resource.path(namespace), name_of(object))
}
