//! How long a node's work takes, as tables of quantiles, and the chances of its races.
//! The shipped numbers come from recordings of a real v1.36.2 node with two CPUs (`shipped`); a table says what one pod alone
//! takes. Pods that start or stop at the same time share the CPUs (see `shared_cpu`).

use serde::{Deserialize, Serialize};

use super::pod_worker::BegunBy;
use crate::random::Latency;
use crate::shipped;
use crate::time::Nanos;

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
    /// By how much the shares of the CPUs differ that pieces of work get which run at the same time: quantiles in percent.
    pub work_share: Latency,
    /// How often, in a million, a readiness worker that a sync woke runs before that sync has stored the new status.
    pub poke_before_status_per_million: PokeChances,
    /// How often, in a million, the events of one relist reach a pod's worker as one.
    pub events_merged_per_million: u64,
}

/// The odds of one race, by what made the sync begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PokeChances {
    /// An update.
    pub update: u64,
    /// The first of two updates.
    pub first_of_two: u64,
    /// The cache, which was renewed.
    pub cache: u64,
}

impl PokeChances {
    pub(super) fn of(&self, begun_by: BegunBy) -> u64 {
        match begun_by {
            BegunBy::Update => self.update,
            BegunBy::FirstOfTwo => self.first_of_two,
            BegunBy::Cache => self.cache,
        }
    }
}

impl KubeletLatencies {
    /// All that is work takes so many thousandths of its time; the loops that wait (volumes, relists) keep their periods.
    pub(crate) fn slow_down(&mut self, per_mille: u64) {
        let work = [
            &mut self.dispatch,
            &mut self.status_read,
            &mut self.volume_mount,
            &mut self.create_sandbox,
            &mut self.create_container,
            &mut self.start_container,
            &mut self.relist_on_demand,
            &mut self.begin_kill,
            &mut self.stop_container,
            &mut self.stop_sandbox,
            &mut self.unmount,
            &mut self.probe,
        ];
        work.into_iter().for_each(|table| *table = table.slower(per_mille));
    }
}

impl Default for KubeletLatencies {
    fn default() -> Self {
        KubeletLatencies {
            dispatch: shipped::latency("/kubelet/dispatch"),
            status_read: shipped::latency("/kubelet/statusRead"),
            volume_reconcile: shipped::latency("/kubelet/volumeReconcile"),
            volume_mount: shipped::latency("/kubelet/volumeMount"),
            create_sandbox: shipped::latency("/kubelet/createSandbox"),
            create_container: shipped::latency("/kubelet/createContainer"),
            start_container: shipped::latency("/kubelet/startContainer"),
            relist_on_demand: shipped::latency("/kubelet/relistOnDemand"),
            begin_kill: shipped::latency("/kubelet/beginKill"),
            stop_container: shipped::latency("/kubelet/stopContainer"),
            stop_sandbox: shipped::latency("/kubelet/stopSandbox"),
            unmount: shipped::latency("/kubelet/unmount"),
            probe: shipped::latency("/kubelet/probe"),
            work_demand_percent: shipped::number("/kubelet/workDemandPercent"),
            relist_period: shipped::number("/kubelet/relistPeriod"),
            work_share: shipped::latency("/kubelet/workShare"),
            poke_before_status_per_million: PokeChances {
                update: shipped::number("/kubelet/pokeBeforeStatusPerMillion/update"),
                first_of_two: shipped::number("/kubelet/pokeBeforeStatusPerMillion/firstOfTwo"),
                cache: shipped::number("/kubelet/pokeBeforeStatusPerMillion/cache"),
            },
            events_merged_per_million: shipped::number("/kubelet/eventsMergedPerMillion"),
        }
    }
}
