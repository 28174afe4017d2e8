//! The scenario file: what is applied, when load and faults come, and what must hold.
//! These structs are the format: the JSON schema that editors pick up is made from them, and unknown fields are errors.
//! Times are written as Go durations (`18s`, `1m30s`); they count from the beginning of the scenario (`at`) or from the end
//! of the step before (`after`).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

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

/// Manifests to apply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Apply {
    /// Files, relative to the scenario.
    #[serde(default)]
    pub files: Vec<String>,
    /// A kustomization folder, relative to the scenario.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kustomize: Option<String>,
    /// Manifests written here.
    #[serde(default)]
    pub objects: Vec<Value>,
    /// The namespace of objects that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Validate and answer, but store nothing (`--dry-run=server`).
    #[serde(default)]
    pub dry_run: bool,
    /// Server-side apply instead of the client's three-way merge.
    #[serde(default)]
    pub server_side: bool,
    /// With server-side apply: take over fields of others.
    #[serde(default)]
    pub force_conflicts: bool,
}

/// Names objects: by kind and name, or by kind and labels.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Selection {
    /// Kind, plural or short name: `Pod`, `deploy`.
    pub kind: String,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// A label selector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// Which of those selected, in order of their names: 0 is the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
}

/// Objects to delete.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Delete {
    /// Which objects; or give `files`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<Selection>,
    /// Manifests whose objects to delete.
    #[serde(default)]
    pub files: Vec<String>,
    /// Seconds of grace instead of the object's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_period_seconds: Option<i64>,
    /// What becomes of dependents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub propagation: Option<PropagationPolicy>,
    /// Wait until they are gone.
    #[serde(default)]
    pub wait: bool,
}

/// What becomes of the dependents of a deleted object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PropagationPolicy {
    /// They are collected later.
    Background,
    /// They go first.
    Foreground,
    /// They stay.
    Orphan,
}

/// A patch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PatchStep {
    /// Which object.
    pub object: Selection,
    /// How the patch is read.
    #[serde(default, rename = "type")]
    pub kind: PatchType,
    /// The patch.
    pub patch: Value,
}

/// The API's patch types that a user sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PatchType {
    /// RFC 6902.
    Json,
    /// RFC 7386.
    Merge,
    /// Kubernetes' own.
    #[default]
    Strategic,
}

/// A new size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scale {
    /// Which workload.
    pub object: Selection,
    /// How many.
    pub replicas: i32,
}

/// New images or variables.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Set {
    /// Which workload.
    pub object: Selection,
    /// Container name to image.
    #[serde(default)]
    pub image: BTreeMap<String, String>,
    /// Variables of all containers; `null` removes one.
    #[serde(default)]
    pub env: BTreeMap<String, Option<String>>,
}

/// `kubectl rollout`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rollout {
    /// Which workload.
    pub object: Selection,
    /// What to do.
    pub action: RolloutAction,
    /// For `undo`: the revision to go back to; the one before if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_revision: Option<i64>,
    /// For `status`: give up after this long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
}

/// What `kubectl rollout` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RolloutAction {
    /// New pods of the same template.
    Restart,
    /// Back to an earlier revision.
    Undo,
    /// Stop rolling.
    Pause,
    /// Roll on.
    Resume,
    /// Wait until it is done.
    Status,
    /// Tell the revisions.
    History,
}

/// Labels to set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Label {
    /// Which objects.
    pub object: Selection,
    /// Name to value; `null` removes one.
    pub labels: BTreeMap<String, Option<String>>,
}

/// A taint, written as kubectl takes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Taint {
    /// The node.
    pub node: String,
    /// `key=value:NoSchedule`, or `key:NoSchedule-` to remove one.
    pub taint: String,
}

/// Names a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeName {
    /// The node.
    pub node: String,
}

/// A node to empty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Drain {
    /// The node.
    pub node: String,
    /// Give up after this long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
}

/// Where an HTTP request goes: a pod, a service, a node's port, or a host name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpTarget {
    /// A pod (kind may be left out), past its service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<PodSelection>,
    /// A service's name: through its load balancer if it has one and nobody asks from inside, else by its cluster address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The port is a node's (`NodePort`): of this node, or of any for `*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// A host name, as the asking pod's resolver finds it, or an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The namespace of either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The container's port, the service's, or the node's.
    pub port: u16,
}

/// Who sends requests: a pod, or a client outside of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Source {
    /// A pod (the first one of those selected).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<PodSelection>,
    /// The pod's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// A client outside with this address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside: Option<String>,
}

/// Names pods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodSelection {
    /// By name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// By labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// Which of those selected, in order of their names; all of them if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
}

/// One HTTP request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Http {
    /// Where to.
    pub to: HttpTarget,
    /// Where from; somebody outside if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Source>,
    /// The method.
    #[serde(default = "get")]
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Header fields.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body.
    #[serde(default)]
    pub body: String,
    /// How long the client waits; ten seconds if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// The failure that must come instead of an answer: text of it, such as `connection refused` or `timeout`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fails: Option<String>,
    /// The status that must come back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The JSON body that must come back, in part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<Value>,
}

fn get() -> String {
    "GET".into()
}

/// A stream of HTTP requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Load {
    /// Its name, to stop it and to ask for its figures.
    pub name: String,
    /// Stop the stream of this name instead of starting one.
    #[serde(default)]
    pub stop: bool,
    /// Where to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<HttpTarget>,
    /// Where from; somebody outside if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Source>,
    /// How long a client waits; ten seconds if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// The method.
    #[serde(default = "get")]
    pub method: String,
    /// Path and query.
    #[serde(default = "root")]
    pub path: String,
    /// Requests a second.
    #[serde(default = "ten")]
    pub per_second: u64,
    /// How long; until stopped if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
}

fn root() -> String {
    "/".into()
}

fn ten() -> u64 {
    10
}

/// A command in a container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Exec {
    /// The pod.
    pub pod: PodSelection,
    /// Its namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The container, if the pod has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The command and its arguments.
    pub command: Vec<String>,
    /// The exit code that must come back; 0 if nothing is said.
    #[serde(default)]
    pub exit: i32,
    /// Text that the output must contain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
}

/// A fault: exactly one of the fields.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FaultStep {
    /// A watch tells a process nothing for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_watch: Option<WatchFault>,
    /// A watch tells a process everything later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_watch: Option<WatchFault>,
    /// A process's requests take longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_requests: Option<WatchFault>,
    /// A process stops, for a while if `for` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<ProcessFault>,
    /// A stopped process begins again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<ProcessFault>,
    /// The store is slow, has no quorum, or forgets its history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etcd: Option<EtcdFault>,
    /// A node goes down or comes back, or is under pressure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeFaultStep>,
    /// A container crashes, leaks, slows down or fails a path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<ContainerFault>,
}

/// Names a process: `kube-controller-manager`, `kube-scheduler`, `kube-proxy`, `coredns`, or `kubelet` with a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProcessFault {
    /// Which process.
    pub process: String,
    /// Of which node, for kubelets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// For how long; until told otherwise if nothing is said.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
}

/// A fault of a link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WatchFault {
    /// Which process.
    pub process: String,
    /// Of which node, for kubelets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Only the watch of this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// For how long; until told otherwise if nothing is said.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
    /// For delays: how much later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// A fault of the store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EtcdFault {
    /// What is wrong; `healthy` ends it.
    pub state: EtcdState,
    /// For `slow`: how much longer each request takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// For how long; until told otherwise if nothing is said.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
}

/// The store's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum EtcdState {
    /// As it should be.
    Healthy,
    /// Slow.
    Slow,
    /// Too few members: nothing is written.
    NoQuorum,
    /// History is forgotten.
    Compacted,
}

/// A fault of a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeFaultStep {
    /// Which node.
    pub name: String,
    /// What happens to it.
    pub state: NodeState,
    /// For how long; until told otherwise if nothing is said.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
}

/// What happens to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum NodeState {
    /// It is cut off or dead: nothing is heard of it.
    Down,
    /// It is back.
    Up,
    /// It is short of memory.
    MemoryPressure,
    /// It is short of disk.
    DiskPressure,
    /// It has too many processes.
    PidPressure,
}

/// A fault of a container; exactly one of `crash`, `memoryPerSecond`, `slowBy`, `failPath`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContainerFault {
    /// The pods.
    pub pod: PodSelection,
    /// Their namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The container, if the pod has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// It exits with this code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crash: Option<i32>,
    /// Its memory grows by so much each second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_per_second: Option<String>,
    /// Its answers take this much longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_by: Option<String>,
    /// It fails requests of this path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fail_path: Option<String>,
    /// For how long; until told otherwise if nothing is said.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
}

/// Waits until something holds, or fails after `timeout` (a minute if nothing is said).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Wait {
    /// What to wait for.
    #[serde(rename = "for")]
    pub condition: Condition,
    /// For how long at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
}

/// What must hold, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Expectation {
    /// What it says, for people.
    pub name: String,
    /// It holds at some moment (`within` a time, or by the end).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eventually: Option<Condition>,
    /// With `eventually`: at the latest this long after the expectation begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<String>,
    /// It holds at every moment from its first holding on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub always: Option<Condition>,
    /// It never holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub never: Option<Condition>,
    /// They hold one after the other, in this order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_order: Option<Vec<Condition>>,
    /// A number never exceeds a bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<Bound>,
    /// A number is at least this at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<Bound>,
}

/// Something that holds or does not: exactly one of the fields.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Condition {
    /// Objects are as described.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectCondition>,
    /// An event was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventCondition>,
    /// A stream of requests did well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<TrafficCondition>,
    /// The last request of a kind was refused or a decision was made: the trace holds a step with this text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepCondition>,
}

/// How objects are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ObjectCondition {
    /// Which objects.
    pub select: Selection,
    /// What each looks like, in part: every field given must be equal; a list matches if each given item matches one of
    /// the object's items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub like: Option<Value>,
    /// What is true of each, as a CEL expression on the variable `object`, with the functions of Kubernetes' own policies:
    /// `object.status.readyReplicas == object.spec.replicas`. An object on which it cannot be evaluated does not match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cel: Option<String>,
    /// How many match: exactly this many. Without `count`, `atLeast` and `atMost`, one or more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// At least this many match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<usize>,
    /// At most this many match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<usize>,
}

/// An event.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventCondition {
    /// Kind of the object it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Name of the object it is about; `*` stands for anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Text that its message contains; `*` stands for anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// `Normal` or `Warning`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind_of_event: Option<String>,
    /// It was told at least this often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<i32>,
}

/// Figures of a stream of requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrafficCondition {
    /// The stream's name.
    pub load: String,
    /// At most this many requests failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_at_most: Option<u64>,
    /// At least this many requests failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_at_least: Option<u64>,
    /// At least this many were sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at_least: Option<u64>,
    /// At least this many different pods answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods_at_least: Option<usize>,
    /// Of the answers, the share in percent that came from pods whose name begins so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
}

/// A share of the answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Share {
    /// Pods whose names begin so.
    pub pods: String,
    /// At least this percentage.
    #[serde(default)]
    pub at_least_percent: u64,
    /// At most this percentage.
    #[serde(default = "hundred")]
    pub at_most_percent: u64,
}

fn hundred() -> u64 {
    100
}

/// A step of the trace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StepCondition {
    /// The component that did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// Text that it contains.
    pub contains: String,
}

/// A number and its bound.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bound {
    /// How many objects match.
    pub object: ObjectCondition,
    /// The bound.
    pub value: usize,
}
