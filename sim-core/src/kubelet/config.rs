//! What a kubelet is configured with: its node, the images on it, the registry it pulls from, and how long its work takes.
//! The shipped numbers were measured from recordings of a real v1.36.2 node (two CPUs, containerd, runc).
//! Not modelled: kubelet configuration files, drop-in directories, feature gates, cgroup drivers.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::latencies::KubeletLatencies;
use crate::random::Latency;
use crate::time::Nanos;

const MEBIBYTE: u64 = 1 << 20;

/// One node, as a cluster profile describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeConfig {
    /// Its name.
    pub name: String,
    /// Its internal address.
    pub address: String,
    /// The range its pods get addresses from, such as `10.244.0.0/24`.
    pub pod_cidr: String,
    /// CPU in thousandths.
    #[serde(default = "two_cpus")]
    pub cpu_millis: i64,
    /// Memory in bytes.
    #[serde(default = "sixteen_gibibytes")]
    pub memory_bytes: i64,
    /// How many pods it takes.
    #[serde(default = "max_pods")]
    pub pods: i64,
    /// Local disk in bytes.
    #[serde(default = "disk")]
    pub ephemeral_storage_bytes: u64,
    /// Labels besides those every node has.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Images that are there from the beginning, with their sizes in bytes.
    #[serde(default)]
    pub images: BTreeMap<String, u64>,
    /// Makes lease renewals implicit: the lease is written once and `Kubelet::last_renewal` says what it would show.
    #[serde(default)]
    pub quiet_heartbeats: bool,
}

fn two_cpus() -> i64 {
    2000
}

fn sixteen_gibibytes() -> i64 {
    16 << 30
}

fn max_pods() -> i64 {
    110
}

fn disk() -> u64 {
    264_212_084 << 10
}

impl NodeConfig {
    /// The node of Docker Desktop, with the application's images.
    pub fn docker_desktop() -> NodeConfig {
        NodeConfig {
            name: "docker-desktop".into(),
            address: "192.168.65.3".into(),
            pod_cidr: "10.244.0.0/24".into(),
            cpu_millis: two_cpus(),
            memory_bytes: 24_684_092 << 10,
            pods: max_pods(),
            ephemeral_storage_bytes: disk(),
            labels: BTreeMap::new(),
            images: shipped_images(),
            quiet_heartbeats: true,
        }
    }

    /// The `number`th (from 1) of a row of equal nodes, each in a zone of its own.
    pub fn worker(number: u32) -> NodeConfig {
        let zone = ["a", "b", "c"][(number.saturating_sub(1) % 3) as usize];
        let labels = [("topology.kubernetes.io/region", "local".to_owned()), ("topology.kubernetes.io/zone", format!("local-{zone}"))];
        NodeConfig {
            name: format!("node-{number}"),
            address: format!("192.168.{}.{}", 70 + number / 250, number % 250 + 2),
            pod_cidr: format!("10.{}.{}.0/24", 244 + number / 256, number % 256),
            cpu_millis: 2 * two_cpus(),
            memory_bytes: sixteen_gibibytes(),
            labels: labels.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            ..NodeConfig::docker_desktop()
        }
    }
}

fn shipped_images() -> BTreeMap<String, u64> {
    let sizes = [("fastapi-k8s:latest", 125_041_389), ("redis:7-alpine", 17_250_012), ("busybox:latest", 2_130_647)];
    sizes.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect()
}

/// Which images can be pulled, and how long that takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RegistryConfig {
    /// Images that do not exist (by the name in the pod, or by repository without tag).
    pub missing: Vec<String>,
    /// Images that need credentials this cluster does not have.
    pub denied: Vec<String>,
    /// Hosts that do not answer.
    pub unreachable: Vec<String>,
    /// Sizes of images, by name in the pod or by repository; others have `default_size_bytes`.
    pub sizes: BTreeMap<String, u64>,
    /// The size of an image nobody gave a size.
    pub default_size_bytes: u64,
    /// How many bytes arrive in a second.
    pub bytes_per_second: u64,
    /// What a pull costs besides its bytes.
    pub round_trips: Latency,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        RegistryConfig {
            missing: vec![],
            denied: vec![],
            unreachable: vec![],
            sizes: BTreeMap::new(),
            default_size_bytes: 50 * MEBIBYTE,
            bytes_per_second: 20 * MEBIBYTE,
            round_trips: Latency([700_000, 900_000, 1_100_000, 1_400_000, 2_500_000]),
        }
    }
}

/// Everything a kubelet is made from.
#[derive(Clone, Debug, PartialEq)]
pub struct KubeletConfig {
    /// The node's name.
    pub node: Arc<str>,
    /// The node.
    pub node_config: NodeConfig,
    /// The registry.
    pub registry: RegistryConfig,
    /// How long things take.
    pub latencies: KubeletLatencies,
}

impl KubeletConfig {
    /// The configuration of one node's kubelet.
    pub fn new(node: &NodeConfig, registry: &RegistryConfig, latencies: &KubeletLatencies) -> KubeletConfig {
        KubeletConfig {
            node: node.name.as_str().into(),
            node_config: node.clone(),
            registry: registry.clone(),
            latencies: latencies.clone(),
        }
    }

    /// CPU a node offers, in thousandths.
    pub fn cpu_millis(&self) -> u64 {
        u64::try_from(self.node_config.cpu_millis).unwrap_or(0)
    }

    /// Whole CPUs, at least one.
    pub fn cpus(&self) -> u64 {
        (self.cpu_millis() / 1000).max(1)
    }

    /// Memory in bytes.
    pub fn memory(&self) -> u64 {
        u64::try_from(self.node_config.memory_bytes).unwrap_or(0)
    }

    /// How many pods it takes.
    pub fn pods(&self) -> u64 {
        u64::try_from(self.node_config.pods).unwrap_or(0)
    }

    /// Memory pods can have: all but what hard eviction keeps free.
    pub fn allocatable_memory(&self) -> u64 {
        self.memory().saturating_sub(EVICTION_MEMORY_BYTES)
    }

    /// Local disk pods can have.
    pub fn allocatable_storage(&self) -> u64 {
        self.node_config.ephemeral_storage_bytes - self.node_config.ephemeral_storage_bytes / 100
    }
}

/// `memory.available<100Mi`: the hard eviction threshold.
pub const EVICTION_MEMORY_BYTES: u64 = 100 * MEBIBYTE;
/// `syncFrequency`: how often a pod is looked at again at least.
pub const SYNC_FREQUENCY: Nanos = crate::time::MINUTE;
