//! The steps of a scenario that break something: processes, watches, etcd, nodes, containers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::traffic::PodSelection;

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
    /// A node is cut off from the API server, for a while if `for` is given; its containers run on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<PartitionFault>,
    /// A node that was cut off is joined again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join: Option<PartitionFault>,
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

/// Names a node that is cut off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PartitionFault {
    /// Which node.
    pub node: String,
    /// For how long; until it is joined again if nothing is said.
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
