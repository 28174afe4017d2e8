//! What a node is, which images it has and can get, and how long its work takes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::random::Latency;

/// One node of a cluster profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeConfig {
    /// Its name.
    pub name: String,
    /// Its address.
    pub ip: String,
    /// CPU in thousandths.
    pub cpu_millis: i64,
    /// Memory in bytes.
    pub memory_bytes: i64,
    /// How many pods it takes.
    pub pods: i64,
    /// Its labels besides those every node has.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The first two bytes of its pods' addresses and its number among nodes.
    pub pod_network: String,
    /// Images it has, with their sizes in bytes.
    #[serde(default)]
    pub images: BTreeMap<String, u64>,
}

impl NodeConfig {
    /// The node of Docker Desktop.
    pub fn docker_desktop() -> Self {
        NodeConfig {
            name: "docker-desktop".into(),
            ip: "192.168.65.3".into(),
            cpu_millis: 2000,
            memory_bytes: 24 << 30,
            pods: 110,
            labels: BTreeMap::from([("node-role.kubernetes.io/control-plane".into(), String::new())]),
            pod_network: "10.244.0".into(),
            images: BTreeMap::from([("fastapi-k8s:latest".into(), 165_000_000), ("redis:7-alpine".into(), 41_000_000)]),
        }
    }

    /// The n-th of several equal nodes, each in a zone of its own.
    pub fn worker(number: u32) -> Self {
        NodeConfig {
            name: format!("node-{number}"),
            ip: format!("192.168.65.{}", 10 + number),
            labels: BTreeMap::from([("topology.kubernetes.io/zone".into(), format!("zone-{number}"))]),
            pod_network: format!("10.244.{number}"),
            ..NodeConfig::docker_desktop()
        }
    }
}

/// The registry images come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RegistryConfig {
    /// Images it does not have, with or without a tag.
    pub missing: BTreeSet<String>,
    /// How big an image is if nothing else is known, in bytes.
    pub image_bytes: u64,
    /// Bytes a second.
    pub bytes_per_second: u64,
    /// What each pull takes besides.
    pub latency: Latency,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        RegistryConfig {
            missing: BTreeSet::new(),
            image_bytes: 60_000_000,
            bytes_per_second: 25_000_000,
            latency: Latency([400_000, 600_000, 800_000, 1_100_000, 1_800_000]),
        }
    }
}

/// How long a node's work takes, measured on two busy CPUs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct KubeletLatencies {
    /// From a pod's arrival to its first status.
    pub admit: Latency,
    /// From its first status until its volumes are mounted.
    pub volumes: Latency,
    /// CPU time of making a sandbox.
    pub sandbox: Latency,
    /// CPU time of making a container.
    pub create: Latency,
    /// CPU time of starting a container.
    pub start: Latency,
    /// From a container's end to the end of its sandbox, while a pod stops.
    pub stop: Latency,
    /// From a look at the runtime to a pod's sync.
    pub relist: Latency,
    /// From a change of status to its request.
    pub status: Latency,
}

impl Default for KubeletLatencies {
    fn default() -> Self {
        KubeletLatencies {
            admit: Latency([4_000, 6_000, 9_000, 12_000, 18_000]),
            volumes: Latency([300_000, 310_000, 330_000, 360_000, 400_000]),
            sandbox: Latency([70_000, 85_000, 100_000, 130_000, 180_000]),
            create: Latency([12_000, 18_000, 30_000, 42_000, 60_000]),
            start: Latency([60_000, 75_000, 90_000, 110_000, 150_000]),
            stop: Latency([60_000, 90_000, 120_000, 150_000, 200_000]),
            relist: Latency([2_000, 4_000, 8_000, 15_000, 30_000]),
            status: Latency([1_000, 2_000, 4_000, 6_000, 12_000]),
        }
    }
}

/// Everything a kubelet needs to know.
#[derive(Clone, Debug, PartialEq)]
pub struct KubeletConfig {
    /// Its node.
    pub node: Arc<str>,
    /// The node's description.
    pub spec: NodeConfig,
    /// Where images come from.
    pub registry: RegistryConfig,
    /// How long things take.
    pub latencies: KubeletLatencies,
}

impl KubeletConfig {
    /// From the parts of a profile.
    pub fn new(spec: &NodeConfig, registry: &RegistryConfig, latencies: &KubeletLatencies) -> Self {
        KubeletConfig { node: spec.name.as_str().into(), spec: spec.clone(), registry: registry.clone(), latencies: latencies.clone() }
    }
}

/// What can happen to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeFault {
    /// Nothing is heard of it, and nothing reaches it.
    Down,
    /// It is back; its containers have ended.
    Up,
    /// It is short of memory, or not any more.
    MemoryPressure(bool),
    /// It is short of disk, or not any more.
    DiskPressure(bool),
    /// It has too many processes, or not any more.
    PidPressure(bool),
}
