//! The classes of intervals, and which of a profile's tables each moves.
//! A class that several tables make together moves all of them, each by its own share of the sum: what lies inside cannot be
//! told apart, so the split stays as it was.

use sim_core::cluster::Profile;
use sim_core::random::Latency;

/// Intervals of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class {
    /// What it is called.
    pub name: &'static str,
    /// From what to what.
    pub about: &'static str,
    /// The tables it moves, as the profile names them.
    pub moves: &'static [&'static str],
}

/// All classes, in the order of a pod's life.
pub const CLASSES: [Class; 16] = [
    class("command", "commands to their first change, but for apply", &["links.command"]),
    class("apply", "kubectl apply to its first change", &[]),
    class("write", "Deployment to ReplicaSet, ReplicaSet to its first Pod, Ready to its EndpointSlice", &["links.commit"]),
    class("next-pod", "one Pod of a batch to the next", &[]),
    class("bound", "Pod to its node", &["schedulingCycle"]),
    class("first-status", "node to the kubelet's first status", &["kubelet.dispatch", "kubelet.statusRead"]),
    class(
        "sandbox",
        "first status to PodReadyToStartContainers",
        &["kubelet.volumeReconcile", "kubelet.volumeMount", "kubelet.createSandbox"],
    ),
    class("created", "event Pulled to event Created", &["kubelet.createContainer"]),
    class("started", "event Created to event Started", &["kubelet.startContainer"]),
    class("running", "event Started to a status that says so", &["kubelet.relistOnDemand"]),
    class("start", "Pod to Running", &[]),
    class("ready", "Running to Ready", &[]),
    class("killing", "deletion to event Killing", &["kubelet.beginKill"]),
    class("stopped", "deletion to a status that says it is stopped", &["kubelet.stopContainer", "kubelet.stopSandbox"]),
    class("look", "one look of an autoscaler to the next, beyond its period", &["links.metrics"]),
    class("gone", "that status to the Pod's end", &[]),
];

const fn class(name: &'static str, about: &'static str, moves: &'static [&'static str]) -> Class {
    Class { name, about, moves }
}

/// What is not estimated, and why.
pub const KEPT: [(&str, &str); 9] = [
    ("links.read", "no recording shows a read"),
    ("links.answer", "comes between two commits always: not told apart from links.commit"),
    ("links.watch", "comes after a commit always: not told apart from links.commit"),
    ("kubelet.probe", "hidden behind the wait for the next probe"),
    ("kubelet.unmount", "hidden behind the wait for the next relist"),
    ("kubelet.relistPeriod", "a second and what a relist takes; one recording sees too few relists"),
    ("kubelet.eventsMergedPerMillion", "not told apart from the chance of a wake in vain that only merged events have"),
    ("kubelet.workDemandPercent", "not told apart from the CPU times it multiplies"),
    ("autoscaler, EndpointSlice controller, node heartbeats", "periods of Kubernetes itself, not of a cluster"),
];

/// A table of a profile by its name.
pub fn table<'a>(profile: &'a mut Profile, name: &str) -> Option<&'a mut Latency> {
    let (links, kubelet) = (&mut profile.links, &mut profile.kubelet);
    Some(match name {
        "links.command" => &mut links.command,
        "links.commit" => &mut links.commit,
        "links.metrics" => &mut links.metrics,
        "schedulingCycle" => &mut profile.scheduling_cycle,
        "kubelet.dispatch" => &mut kubelet.dispatch,
        "kubelet.statusRead" => &mut kubelet.status_read,
        "kubelet.volumeReconcile" => &mut kubelet.volume_reconcile,
        "kubelet.volumeMount" => &mut kubelet.volume_mount,
        "kubelet.createSandbox" => &mut kubelet.create_sandbox,
        "kubelet.createContainer" => &mut kubelet.create_container,
        "kubelet.startContainer" => &mut kubelet.start_container,
        "kubelet.relistOnDemand" => &mut kubelet.relist_on_demand,
        "kubelet.beginKill" => &mut kubelet.begin_kill,
        "kubelet.stopContainer" => &mut kubelet.stop_container,
        "kubelet.stopSandbox" => &mut kubelet.stop_sandbox,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_a_class_moves_is_there_and_moved_by_no_other() {
        let mut profile = Profile::docker_desktop();
        let names: Vec<_> = CLASSES.iter().flat_map(|c| c.moves).collect();
        names.iter().for_each(|n| assert!(table(&mut profile, n).is_some(), "{n}"));
        let distinct: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len());
    }
}
