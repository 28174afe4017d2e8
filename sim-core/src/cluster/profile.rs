//! A cluster profile: which nodes there are, which images they hold, and how long things take.
//! The shipped numbers were measured from recordings of a real v1.36.2 cluster (two CPUs, one node).

use serde::{Deserialize, Serialize};

use crate::kubelet::{KubeletLatencies, NodeConfig, RegistryConfig};
use crate::random::Latency;

/// Everything a cluster is made from, besides the seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Profile {
    /// Its name: `docker-desktop`, `three-nodes`.
    pub name: String,
    /// Its nodes.
    pub nodes: Vec<NodeConfig>,
    /// Which images can be pulled, and how long that takes.
    #[serde(default)]
    pub registry: RegistryConfig,
    /// How long messages take.
    #[serde(default)]
    pub links: LinkLatencies,
    /// How long a node's work takes.
    #[serde(default)]
    pub kubelet: KubeletLatencies,
    /// Whether Services of type LoadBalancer get `localhost`, as on Docker Desktop.
    #[serde(default = "yes")]
    pub load_balancer: bool,
    /// Whether the metrics API is there.
    #[serde(default = "yes")]
    pub metrics_server: bool,
    /// The address of the API server, an endpoint of the Service `kubernetes`.
    #[serde(default = "default_api_address")]
    pub api_address: String,
}

fn yes() -> bool {
    true
}

fn default_api_address() -> String {
    "192.168.65.3".into()
}

/// How long messages between components and the API server take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LinkLatencies {
    /// A read, from request to answer.
    pub read: Latency,
    /// From the sending of a write to its commit.
    pub commit: Latency,
    /// From the commit to the writer's answer.
    pub answer: Latency,
    /// From the commit to a watcher.
    pub watch: Latency,
    /// From a user's command to its first request (the start of kubectl).
    pub command: Latency,
}

impl Default for LinkLatencies {
    fn default() -> Self {
        LinkLatencies {
            read: Latency([500, 900, 1_300, 2_000, 4_000]),
            commit: Latency([1_500, 2_200, 2_800, 3_800, 7_000]),
            answer: Latency([600, 900, 1_200, 1_700, 2_800]),
            watch: Latency([250, 350, 500, 700, 1_200]),
            command: Latency([85_000, 95_000, 105_000, 115_000, 140_000]),
        }
    }
}

impl Profile {
    /// One node, as Docker Desktop has it.
    pub fn docker_desktop() -> Profile {
        Profile {
            name: "docker-desktop".into(),
            nodes: vec![NodeConfig::docker_desktop()],
            registry: RegistryConfig::default(),
            links: LinkLatencies::default(),
            kubelet: KubeletLatencies::default(),
            load_balancer: true,
            metrics_server: true,
            api_address: default_api_address(),
        }
    }

    /// Three equal nodes in three zones.
    pub fn three_nodes() -> Profile {
        let nodes = (1..=3).map(NodeConfig::worker).collect();
        Profile { name: "three-nodes".into(), nodes, ..Profile::docker_desktop() }
    }

    /// A shipped profile by its name.
    pub fn named(name: &str) -> Option<Profile> {
        match name {
            "docker-desktop" => Some(Profile::docker_desktop()),
            "three-nodes" => Some(Profile::three_nodes()),
            _ => None,
        }
    }

    /// The names of the shipped profiles.
    pub const NAMES: [&'static str; 2] = ["docker-desktop", "three-nodes"];
}
