//! The scenario file: what is applied, when load and faults come, and what must hold.
//! These structs are the format: the JSON schema that editors pick up is made from them, and unknown fields are errors.
//! Times are written as Go durations (`18s`, `1m30s`); they count from the beginning of the scenario (`at`) or from the end
//! of the step before (`after`).

mod conditions;
mod faults;
mod objects;
mod traffic;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::conditions::*;
pub use self::faults::*;
pub use self::objects::*;
pub use self::traffic::*;
use crate::cluster::Profile;

/// A scenario file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scenario {
    /// `ksim.dev/v1`.
    pub api_version: ApiVersion,
    /// `Scenario`.
    pub kind: ScenarioKind,
    /// Its name.
    pub metadata: Metadata,
    /// What it shows and teaches, for people.
    pub about: String,
    /// The cluster it runs on; `docker-desktop` if nothing is said.
    #[serde(default)]
    pub cluster: ClusterChoice,
    /// The seed, if the command line gives none.
    #[serde(default = "one")]
    pub seed: u64,
    /// How long it may take in simulated time; longer is an error of its own (no convergence).
    #[serde(default = "half_hour")]
    pub time_limit: String,
    /// How many changes of the store it may make; more is an error of its own (a limit was reached).
    #[serde(default = "half_a_million")]
    pub change_limit: u64,
    /// How long it goes on after the last step, so that a recording shows what comes of it.
    #[serde(default)]
    pub settle: Option<String>,
    /// The namespace that `--trace` records; all of them if nothing is said.
    #[serde(default)]
    pub record_namespace: Option<String>,
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// What must hold over the whole run.
    #[serde(default)]
    pub expect: Vec<Expectation>,
}

fn one() -> u64 {
    1
}

fn half_hour() -> String {
    "30m".into()
}

fn half_a_million() -> u64 {
    500_000
}

/// The format's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ApiVersion {
    /// The only one so far.
    #[serde(rename = "ksim.dev/v1")]
    V1,
}

/// What the file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ScenarioKind {
    /// A scenario.
    Scenario,
}

/// Names the scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// A DNS label.
    pub name: String,
}

/// The cluster to run on, with changes to its profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterChoice {
    /// A shipped profile, or a file with one, relative to the scenario (as `ksim calibrate` makes them).
    #[serde(default = "docker_desktop")]
    pub profile: String,
    /// The profile of that file.
    #[serde(skip)]
    #[schemars(skip)]
    pub own: Option<Box<Profile>>,
    /// Images that are on every node besides those of the profile, with their size (`150Mi`).
    #[serde(default)]
    pub images: BTreeMap<String, String>,
    /// Images that the registry does not have.
    #[serde(default)]
    pub missing_images: Vec<String>,
    /// How many nodes, copies of the profile's first one.
    #[serde(default)]
    pub nodes: Option<u32>,
    /// Allocatable CPU of every node, such as `500m`.
    #[serde(default)]
    pub node_cpu: Option<String>,
    /// Allocatable memory of every node.
    #[serde(default)]
    pub node_memory: Option<String>,
    /// How many pods every node takes.
    #[serde(default)]
    pub node_pods: Option<u32>,
    /// Whether Services of type LoadBalancer get an address.
    #[serde(default)]
    pub load_balancer: Option<bool>,
    /// Workload profiles that are taken before others of the same image.
    #[serde(default)]
    pub workloads: Vec<String>,
}

fn docker_desktop() -> String {
    "docker-desktop".into()
}

impl Default for ClusterChoice {
    fn default() -> Self {
        ClusterChoice {
            profile: docker_desktop(),
            own: None,
            images: BTreeMap::new(),
            missing_images: vec![],
            nodes: None,
            node_cpu: None,
            node_memory: None,
            node_pods: None,
            load_balancer: None,
            workloads: vec![],
        }
    }
}

/// One step: when, and one thing to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Step {
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// When, from the beginning; later if the step before is not done yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// When, from the end of the step before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Apply manifests, as `kubectl apply -f` does; paths are relative to the scenario file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apply: Option<Apply>,
    /// Look at objects, as `kubectl get -o name` does: time goes by, nothing changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub get: Option<Selection>,
    /// Delete objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete: Option<Delete>,
    /// Patch an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch: Option<PatchStep>,
    /// Set the number of replicas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<Scale>,
    /// Set images or environment variables of a workload's containers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<Set>,
    /// `kubectl rollout`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Rollout>,
    /// Set or remove labels (`null` removes).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Label>,
    /// Add or remove taints of a node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taint: Option<Taint>,
    /// Make a node unschedulable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cordon: Option<NodeName>,
    /// Make a node schedulable again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncordon: Option<NodeName>,
    /// Cordon a node and evict its pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<Drain>,
    /// Send one HTTP request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<Http>,
    /// Start or stop a stream of HTTP requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<Load>,
    /// Run a command in a container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exec: Option<Exec>,
    /// Let a fault begin or end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<FaultStep>,
    /// Wait until something holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Wait>,
    /// Check that something holds now, or within a time from now while later steps go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expectation>,
}

impl Step {
    /// Whether a program is started for it, such as kubectl, which takes its time before it does anything.
    pub fn is_command(&self) -> bool {
        self.fault.is_none() && self.load.is_none() && self.wait.is_none() && self.expect.is_none()
    }
}
