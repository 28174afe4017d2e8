//! What can be set about the scheduler; the defaults are those of v1.36 and of the recorded cluster.

use std::sync::Arc;

use crate::random::Latency;
use crate::shipped;
use crate::time::{Nanos, SECOND};

/// The scheduler's settings.
#[derive(Clone, Debug)]
pub struct SchedulerConfig {
    /// Pods with this `spec.schedulerName` are its own.
    pub scheduler_name: Arc<str>,
    /// The machine it runs on, part of the reporting instance of its events.
    pub host: Arc<str>,
    /// Requests per second and burst of its client; its events go through a bucket of the same size.
    pub client_qps: (u64, u64),
    /// How long one scheduling cycle takes: the next pod is not looked at before.
    pub cycle: Latency,
    /// First and longest back-off of a pod that could not be placed.
    pub pod_backoff: (Nanos, Nanos),
    /// How many of a hundred nodes must be found fit before the search stops; 0 adapts to the cluster.
    pub percentage_of_nodes_to_score: u64,
    /// Weight of the required affinity of pods on nodes when scores are given.
    pub hard_pod_affinity_weight: i64,
    /// How long a pod waits for its claims to be bound.
    pub bind_timeout: Nanos,
    /// Preemption looks at this percentage of nodes and at least at so many.
    pub preemption_candidates: (u64, u64),
    /// A decision keeps the verdicts of all nodes up to this many nodes, and of a few beyond.
    pub recorded_nodes_max: usize,
}

impl Default for SchedulerConfig {
    fn default() -> Self {
        SchedulerConfig {
            scheduler_name: "default-scheduler".into(),
            host: "docker-desktop".into(),
            client_qps: (50, 100),
            cycle: shipped::latency("/schedulingCycle"),
            pod_backoff: (SECOND, 10 * SECOND),
            percentage_of_nodes_to_score: 0,
            hard_pod_affinity_weight: 1,
            bind_timeout: 600 * SECOND,
            preemption_candidates: (10, 100),
            recorded_nodes_max: 50,
        }
    }
}
