//! A cluster profile: which nodes there are, which images they hold, and how long things take.
//! The shipped numbers come from recordings of a real v1.36.2 cluster (two CPUs, one node), see `shipped`.

use serde::{Deserialize, Serialize};

use crate::kubelet::{KubeletLatencies, NodeConfig, RegistryConfig};
use crate::random::{self, Latency, Random};
use crate::shipped;
use crate::time::{MICROSECOND, Nanos};

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
    /// How long one scheduling cycle takes: the next pod is not looked at before.
    #[serde(default = "scheduling_cycle")]
    pub scheduling_cycle: Latency,
    /// How long a node's work takes.
    #[serde(default)]
    pub kubelet: KubeletLatencies,
    /// By how much one run is slower as a whole than another: quantiles (0, 25, 50, 75, 100 %) in thousandths. The machine under a
    /// cluster has other things to do, for longer than a run takes.
    #[serde(default = "pace")]
    pub pace: Latency,
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

fn scheduling_cycle() -> Latency {
    shipped::latency("/schedulingCycle")
}

fn pace() -> Latency {
    shipped::latency("/pace")
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
    /// What `kubectl apply` takes more for each kind of the groups it reads the schema of, in microseconds.
    pub schema_per_kind: u64,
    /// What a question to the metrics API takes besides a read: it is answered by another server behind the API server.
    pub metrics: Latency,
    /// What it takes more for each pod the answer tells of, in microseconds.
    pub metrics_per_pod: u64,
}

impl Default for LinkLatencies {
    fn default() -> Self {
        LinkLatencies {
            read: shipped::latency("/links/read"),
            commit: shipped::latency("/links/commit"),
            answer: shipped::latency("/links/answer"),
            watch: shipped::latency("/links/watch"),
            command: shipped::latency("/links/command"),
            schema_per_kind: shipped::number("/links/schemaPerKind"),
            metrics: shipped::latency("/links/metrics"),
            metrics_per_pod: shipped::number("/links/metricsPerPod"),
        }
    }
}

impl LinkLatencies {
    /// From a command to its first request, when it reads the schemas of groups with so many kinds.
    pub(super) fn command_starts(&self, random: &mut Random, schema_kinds: u64) -> Nanos {
        self.command.draw(random) + schema_kinds * self.schema_per_kind * MICROSECOND
    }

    fn slow_down(&mut self, per_mille: u64) {
        for table in [&mut self.read, &mut self.commit, &mut self.answer, &mut self.watch, &mut self.command, &mut self.metrics] {
            *table = table.slower(per_mille);
        }
        for number in [&mut self.metrics_per_pod, &mut self.schema_per_kind] {
            *number = *number * per_mille / 1000;
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
            scheduling_cycle: scheduling_cycle(),
            kubelet: KubeletLatencies::default(),
            pace: pace(),
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

    /// The profile of one run: all that is work takes as much more or less time as this run is slower or faster.
    pub fn of_run(mut self, seed: u64) -> Profile {
        let per_mille = self.pace.draw(&mut Random::named(seed, "pace")) / MICROSECOND;
        self.links.slow_down(per_mille);
        self.kubelet.slow_down(per_mille);
        self.scheduling_cycle = self.scheduling_cycle.slower(per_mille);
        self
    }

    /// A number that tells profiles apart, in hexadecimal.
    pub fn digest(&self) -> String {
        let text = serde_json::to_string(self).unwrap_or_default();
        format!("{:016x}", random::hash(&text))
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
