//! The plugins by name, what a filter says, and the order in which plugins are asked.
//! The set of plugins is closed: the default profile of v1.36. The first filter that refuses a node ends that node.
//! Not modelled: DynamicResources, NodeDeclaredFeatures, GangScheduling and other plugins behind alpha gates, extenders,
//! profiles other than the default one.

use std::borrow::Cow;

use super::cache::SchedulerCache;
use super::config::SchedulerConfig;
use super::node_info::{NodeInfo, Slot};
use super::plugins::*;
use super::pod_info::PodInfo;

/// A plugin of the default profile.
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Plugin {
    SchedulingGates,
    NodeUnschedulable,
    NodeName,
    TaintToleration,
    NodeAffinity,
    NodePorts,
    NodeResourcesFit,
    VolumeRestrictions,
    NodeVolumeLimits,
    VolumeBinding,
    VolumeZone,
    PodTopologySpread,
    InterPodAffinity,
    DefaultPreemption,
    NodeResourcesBalancedAllocation,
    ImageLocality,
}

impl Plugin {
    /// Its name in a scheduler configuration.
    pub fn name(self) -> &'static str {
        match self {
            Plugin::SchedulingGates => "SchedulingGates",
            Plugin::NodeUnschedulable => "NodeUnschedulable",
            Plugin::NodeName => "NodeName",
            Plugin::TaintToleration => "TaintToleration",
            Plugin::NodeAffinity => "NodeAffinity",
            Plugin::NodePorts => "NodePorts",
            Plugin::NodeResourcesFit => "NodeResourcesFit",
            Plugin::VolumeRestrictions => "VolumeRestrictions",
            Plugin::NodeVolumeLimits => "NodeVolumeLimits",
            Plugin::VolumeBinding => "VolumeBinding",
            Plugin::VolumeZone => "VolumeZone",
            Plugin::PodTopologySpread => "PodTopologySpread",
            Plugin::InterPodAffinity => "InterPodAffinity",
            Plugin::DefaultPreemption => "DefaultPreemption",
            Plugin::NodeResourcesBalancedAllocation => "NodeResourcesBalancedAllocation",
            Plugin::ImageLocality => "ImageLocality",
        }
    }

    /// Its weight when scores are added up.
    pub fn weight(self) -> i64 {
        match self {
            Plugin::TaintToleration => 3,
            Plugin::NodeAffinity | Plugin::PodTopologySpread | Plugin::InterPodAffinity => 2,
            _ => 1,
        }
    }
}

/// Why a node, or all, cannot take a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Who says so.
    pub plugin: Plugin,
    /// Whether removing pods from the node could not help (`UnschedulableAndUnresolvable`).
    pub unresolvable: bool,
    /// The reason.
    pub reason: Cow<'static, str>,
    /// Further reasons.
    pub more: Vec<Cow<'static, str>>,
}

impl Rejection {
    /// Removing pods could help.
    pub fn new(plugin: Plugin, reason: impl Into<Cow<'static, str>>) -> Self {
        Rejection { plugin, unresolvable: false, reason: reason.into(), more: vec![] }
    }

    /// Removing pods could not help.
    pub fn unresolvable(plugin: Plugin, reason: impl Into<Cow<'static, str>>) -> Self {
        Rejection { unresolvable: true, ..Rejection::new(plugin, reason) }
    }

    /// All reasons.
    pub fn reasons(&self) -> impl Iterator<Item = &Cow<'static, str>> {
        std::iter::once(&self.reason).chain(&self.more)
    }
}

/// What a filter says of a node.
pub type Verdict = Result<(), Rejection>;

/// What plugins worked out about a pod before looking at nodes.
#[derive(Clone, Debug, Default)]
pub struct CycleState {
    /// Nodes the pod must be on by its field affinity, if it names any.
    pub only_nodes: Option<Vec<String>>,
    /// Spreading constraints that must hold.
    pub spread: pod_topology_spread::FilterState,
    /// Pods that must or must not be near.
    pub affinity: inter_pod_affinity::FilterState,
    /// The claims of the pod.
    pub volumes: volume_binding::VolumeState,
    /// Whether a claim of the pod may be used by one pod only and is used.
    pub restrictions: volume_restrictions::RestrictionState,
}

/// Asks all plugins about a pod before looking at nodes. An error is a rejection of the pod on every node.
pub fn run_pre_filters(pod: &PodInfo, cache: &mut SchedulerCache) -> Result<CycleState, Rejection> {
    Ok(CycleState {
        only_nodes: node_affinity::pre_filter(pod)?,
        restrictions: volume_restrictions::pre_filter(pod, cache),
        volumes: volume_binding::pre_filter(pod, cache)?,
        spread: pod_topology_spread::pre_filter(pod, cache),
        affinity: inter_pod_affinity::pre_filter(pod, cache),
    })
}

/// Asks the filters about a node, in their order; the first refusal ends it.
pub fn run_filters(state: &CycleState, pod: &PodInfo, node: &NodeInfo, cache: &SchedulerCache) -> Verdict {
    node_unschedulable::filter(pod, node)?;
    node_name::filter(pod, node)?;
    taint_toleration::filter(pod, node)?;
    node_affinity::filter(pod, node)?;
    node_ports::filter(pod, node)?;
    node_resources_fit::filter(pod, node)?;
    volume_restrictions::filter(&state.restrictions, pod, node)?;
    node_volume_limits::filter(pod, node, cache)?;
    volume_binding::filter(&state.volumes, node, cache)?;
    volume_zone::filter(&state.volumes, node, cache)?;
    pod_topology_spread::filter(&state.spread, node, cache)?;
    inter_pod_affinity::filter(&state.affinity, node, cache)
}

/// Tells the states that depend on other pods that a pod came to a node (`sign` 1) or left it (-1), as preemption and
/// nominated pods need it.
pub fn update_state(state: &mut CycleState, pod: &PodInfo, other: &PodInfo, slot: Slot, sign: i64, cache: &SchedulerCache) {
    pod_topology_spread::update(&mut state.spread, pod, other, slot, sign, cache);
    inter_pod_affinity::update(&mut state.affinity, pod, other, slot, sign, cache);
    volume_restrictions::update(&mut state.restrictions, other, sign);
}

/// The scores of one plugin, one for each node that was asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginScores {
    /// Whose.
    pub plugin: Plugin,
    /// 0 to 100 each, not weighted yet.
    pub scores: Vec<i64>,
}

/// Scores the nodes that can take the pod; plugins with nothing to say are left out.
pub fn run_scores(pod: &PodInfo, nodes: &[Slot], cache: &mut SchedulerCache, config: &SchedulerConfig) -> Vec<PluginScores> {
    let spread = pod_topology_spread::pre_score(pod, nodes, cache);
    let affinity = inter_pod_affinity::pre_score(pod, cache, config.hard_pod_affinity_weight);
    let each = |score: &dyn Fn(&NodeInfo) -> i64| -> Vec<i64> { nodes.iter().map(|s| score(&cache.nodes[*s as usize])).collect() };
    let scored = [
        (Plugin::TaintToleration, Some(taint_toleration::score(pod, nodes, cache))),
        (Plugin::NodeAffinity, node_affinity::score(pod, nodes, cache)),
        (Plugin::NodeResourcesFit, Some(each(&|n| node_resources_fit::score(pod, n)))),
        (Plugin::PodTopologySpread, spread.map(|s| pod_topology_spread::score(&s, nodes, cache))),
        (Plugin::InterPodAffinity, affinity.map(|s| inter_pod_affinity::score(&s, nodes, cache))),
        (
            Plugin::NodeResourcesBalancedAllocation,
            (!node_resources_balanced_allocation::skips(pod)).then(|| each(&|n| node_resources_balanced_allocation::score(pod, n))),
        ),
        (Plugin::ImageLocality, image_locality::score(pod, nodes, cache)),
    ];
    scored.into_iter().filter_map(|(plugin, scores)| Some(PluginScores { plugin, scores: scores? })).collect()
}

/// Stretches scores so that the largest becomes 100 (all 100 or 0 when it is 0), the other way round if `reverse`.
pub fn normalize(scores: &mut [i64], reverse: bool) {
    let max = scores.iter().copied().max().unwrap_or(0);
    for score in scores {
        *score = match (max, reverse) {
            (0, true) => 100,
            (0, false) => *score,
            (_, true) => 100 - *score * 100 / max,
            (_, false) => *score * 100 / max,
        };
    }
}
