//! How long a node's work takes, as tables of quantiles, and the chances of its races.
//! Measured from recordings of a real v1.36.2 node with two CPUs; a table says what one pod alone takes. Pods that start or
//! stop at the same time share the CPUs (see `shared_cpu`).

use serde::{Deserialize, Serialize};

use crate::random::Latency;
use crate::time::{MILLISECOND, Nanos, SECOND};

/// How long things take on a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct KubeletLatencies {
    /// From a watch event to the beginning of the pod's sync.
    pub dispatch: Latency,
    /// The status manager's read before each patch.
    pub status_read: Latency,
    /// The volume reconciler's loops until a mount is begun.
    pub volume_reconcile: Latency,
    /// Mounting all volumes of a pod.
    pub volume_mount: Latency,
    /// CPU time of making a sandbox (with its network).
    pub create_sandbox: Latency,
    /// CPU time of making a container.
    pub create_container: Latency,
    /// CPU time of starting a container.
    pub start_container: Latency,
    /// From the end of a sync that did something to the relist it asked for.
    pub relist_on_demand: Latency,
    /// From the decision to stop a pod to the `Killing` of its first container.
    pub begin_kill: Latency,
    /// CPU time of stopping a container, before its process has the signal and after the process is gone.
    pub stop_container: Latency,
    /// CPU time of stopping a sandbox.
    pub stop_sandbox: Latency,
    /// Unmounting volumes and removing cgroups of a terminated pod.
    pub unmount: Latency,
    /// What a probe costs besides the answer it waits for.
    pub probe: Latency,
    /// How much CPU one such piece of work keeps busy, in percent of one CPU.
    pub work_demand_percent: u64,
    /// From one relist of all containers to the next.
    pub relist_period: Nanos,
    /// How often, in a million, a readiness worker that a sync woke runs before that sync has stored the new status.
    pub poke_before_status_per_million: u64,
    /// How often, in a million, the events of one relist reach a pod's worker as one.
    pub events_merged_per_million: u64,
}

impl Default for KubeletLatencies {
    fn default() -> Self {
        KubeletLatencies {
            dispatch: Latency([2_000, 6_000, 10_000, 14_000, 28_000]),
            status_read: Latency([1_000, 1_600, 2_500, 4_000, 10_000]),
            volume_reconcile: Latency([40_000, 80_000, 110_000, 150_000, 205_000]),
            volume_mount: Latency([8_000, 12_000, 18_000, 25_000, 45_000]),
            create_sandbox: Latency([54_000, 63_000, 70_000, 78_000, 95_000]),
            create_container: Latency([5_000, 7_500, 9_000, 11_000, 19_000]),
            start_container: Latency([37_000, 45_000, 50_000, 58_000, 68_000]),
            relist_on_demand: Latency([400, 800, 1_400, 2_500, 5_000]),
            begin_kill: Latency([1_000, 3_000, 6_000, 9_000, 30_000]),
            stop_container: Latency([22_000, 28_000, 33_000, 38_000, 50_000]),
            stop_sandbox: Latency([46_000, 55_000, 64_000, 74_000, 90_000]),
            unmount: Latency([6_000, 10_000, 14_000, 18_000, 35_000]),
            probe: Latency([800, 1_200, 1_600, 2_500, 6_000]),
            work_demand_percent: 140,
            relist_period: SECOND + 4 * MILLISECOND,
            poke_before_status_per_million: 260_000,
            events_merged_per_million: 500_000,
        }
    }
}
