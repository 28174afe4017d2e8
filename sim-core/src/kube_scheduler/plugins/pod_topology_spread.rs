//! PodTopologySpread: pods that a selector selects are spread over the values of a node label.
//! A hard constraint (`DoNotSchedule`) refuses nodes whose value would get too far ahead of the emptiest; a soft one
//! (`ScheduleAnyway`) scores. A pod without constraints that belongs to a Service or a workload gets two soft ones (host
//! name, zone). Source: pkg/scheduler/framework/plugins/podtopologyspread.
//! Pods that are being deleted do not count; pods count in the pod's own namespace only.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{ReplicaSet, StatefulSet};
use k8s_openapi::api::core::v1::{ReplicationController, Service, TopologySpreadConstraint};
use sim_apimachinery::object::controller_of;

use super::{node_affinity, taint_toleration};
use crate::kube_scheduler::cache::SchedulerCache;
use crate::kube_scheduler::counts::{Counted, PerNode};
use crate::kube_scheduler::framework::{Plugin, Rejection, Verdict};
use crate::kube_scheduler::node_info::{NodeInfo, Slot};
use crate::kube_scheduler::pod_info::PodInfo;
use crate::kube_scheduler::selectors::LabelMatch;
use crate::kube_scheduler::topology::{ColumnId, ValueId};

const HOSTNAME: &str = "kubernetes.io/hostname";
const ZONE: &str = "topology.kubernetes.io/zone";

/// One constraint, made ready.
#[derive(Clone, Debug)]
struct Constraint {
    max_skew: i64,
    min_domains: i64,
    column: ColumnId,
    is_hostname: bool,
    counted: Counted,
    honor_affinity: bool,
    honor_taints: bool,
    matches_itself: bool,
}

/// The pods of each value of a label, `None` where no node that counts has it.
type Domains = Vec<Option<i64>>;

/// The hard constraints of a pod with what is there.
#[derive(Clone, Debug, Default)]
pub struct FilterState {
    constraints: Vec<(Constraint, Domains, i64)>,
}

/// Counts the pods of each domain for the hard constraints.
pub fn pre_filter(pod: &PodInfo, cache: &mut SchedulerCache) -> FilterState {
    let wanted = own_constraints(pod, "DoNotSchedule");
    if wanted.is_empty() {
        return FilterState::default();
    }
    let constraints: Vec<Constraint> = wanted.iter().map(|c| ready(pod, c, cache)).collect();
    let columns: Vec<ColumnId> = constraints.iter().map(|c| c.column).collect();
    let with_domains = constraints.into_iter().map(|constraint| {
        let domains = domains_of(pod, &constraint, &columns, cache);
        let smallest = smallest_of(&constraint, &domains);
        (constraint, domains, smallest)
    });
    FilterState { constraints: with_domains.collect() }
}

/// Refuses nodes without the labels, and those that would get too far ahead.
pub fn filter(state: &FilterState, node: &NodeInfo, cache: &SchedulerCache) -> Verdict {
    for (constraint, domains, smallest) in &state.constraints {
        let value = cache.topology.value(constraint.column, node.slot);
        if value == 0 {
            let text = "node(s) didn't match pod topology spread constraints (missing required label)";
            return Err(Rejection::unresolvable(Plugin::PodTopologySpread, text));
        }
        let there = domains.get(value as usize).copied().flatten().unwrap_or(0);
        if there + i64::from(constraint.matches_itself) - smallest > constraint.max_skew {
            return Err(Rejection::new(Plugin::PodTopologySpread, "node(s) didn't match pod topology spread constraints"));
        }
    }
    Ok(())
}

/// Another pod came to a node or left it.
pub fn update(state: &mut FilterState, pod: &PodInfo, other: &PodInfo, slot: Slot, sign: i64, cache: &SchedulerCache) {
    let columns: Vec<ColumnId> = state.constraints.iter().map(|(c, _, _)| c.column).collect();
    for (constraint, domains, smallest) in &mut state.constraints {
        let node = &cache.nodes[slot as usize];
        if !constraint.counted.matches(other) || !counts(pod, constraint, &columns, node, cache) {
            continue;
        }
        let value = cache.topology.value(constraint.column, slot) as usize;
        if let Some(Some(there)) = domains.get_mut(value) {
            *there += sign;
        }
        *smallest = smallest_of(constraint, domains);
    }
}

fn own_constraints(pod: &PodInfo, when: &str) -> Vec<TopologySpreadConstraint> {
    let all = pod.pod.spec.as_ref().and_then(|s| s.topology_spread_constraints.as_deref()).unwrap_or_default();
    all.iter().filter(|c| c.when_unsatisfiable == when).cloned().collect()
}

fn ready(pod: &PodInfo, constraint: &TopologySpreadConstraint, cache: &mut SchedulerCache) -> Constraint {
    let selector = LabelMatch::from_selector(constraint.label_selector.as_ref());
    let matches_itself = selector.matches(pod.labels());
    let counted = Counted { namespace: Some(pod.key.namespace.clone()), terminating: false, selector };
    cache.ensure_counted(&counted);
    Constraint {
        max_skew: i64::from(constraint.max_skew),
        min_domains: i64::from(constraint.min_domains.unwrap_or(1)),
        column: cache.topology.column(&constraint.topology_key, &cache.nodes),
        is_hostname: constraint.topology_key == HOSTNAME,
        counted,
        honor_affinity: constraint.node_affinity_policy.as_deref() != Some("Ignore"),
        honor_taints: constraint.node_taints_policy.as_deref() == Some("Honor"),
        matches_itself,
    }
}

/// Whether a node's pods count for a constraint: it has all labels, and the node policies let it in.
fn counts(pod: &PodInfo, constraint: &Constraint, columns: &[ColumnId], node: &NodeInfo, cache: &SchedulerCache) -> bool {
    columns.iter().all(|column| cache.topology.value(*column, node.slot) != 0)
        && (!constraint.honor_affinity || node_affinity::admits(pod, node))
        && (!constraint.honor_taints || taint_toleration::tolerates_all(pod, node.taints()))
}

fn domains_of(pod: &PodInfo, constraint: &Constraint, columns: &[ColumnId], cache: &SchedulerCache) -> Domains {
    let mut domains: Domains = vec![None; cache.topology.size(constraint.column)];
    let per_node = cache.counts.get(&constraint.counted);
    for slot in cache.order() {
        let node = &cache.nodes[*slot as usize];
        if counts(pod, constraint, columns, node, cache) {
            let value = cache.topology.value(constraint.column, *slot) as usize;
            let there = per_node.and_then(|p| p.get(slot)).copied().unwrap_or(0);
            *domains[value].get_or_insert(0) += i64::from(there);
        }
    }
    domains
}

fn smallest_of(constraint: &Constraint, domains: &Domains) -> i64 {
    let known = domains.iter().flatten();
    if (known.clone().count() as i64) < constraint.min_domains { 0 } else { known.min().copied().unwrap_or(0) }
}

/// The soft constraints of a pod with what is there.
#[derive(Clone, Debug)]
pub struct ScoreState {
    constraints: Vec<(Constraint, Domains, f64)>,
    /// Per node asked about: it lacks a label that it should have and scores 0.
    ignored: Vec<bool>,
}

/// Counts the pods of each domain for the soft constraints; `None` if the pod has none.
pub fn pre_score(pod: &PodInfo, nodes: &[Slot], cache: &mut SchedulerCache) -> Option<ScoreState> {
    let has_own = pod.pod.spec.as_ref().and_then(|s| s.topology_spread_constraints.as_ref()).is_some_and(|c| !c.is_empty());
    let constraints: Vec<Constraint> = if has_own {
        own_constraints(pod, "ScheduleAnyway").iter().map(|c| ready(pod, c, cache)).collect()
    } else {
        default_constraints(pod, cache)
    };
    if constraints.is_empty() {
        return None;
    }
    let columns: Vec<ColumnId> = constraints.iter().map(|c| c.column).collect();
    let lacks = |slot: &Slot| has_own && columns.iter().any(|c| cache.topology.value(*c, *slot) == 0);
    let ignored: Vec<bool> = nodes.iter().map(lacks).collect();
    let kept: Vec<Slot> = nodes.iter().zip(&ignored).filter(|(_, i)| !**i).map(|(s, _)| *s).collect();
    let required: &[ColumnId] = if has_own { &columns } else { &[] };
    let with_domains = constraints.into_iter().map(|c| {
        let (domains, size) = soft_domains(pod, &c, required, &kept, cache);
        (c, domains, libm::log(size as f64 + 2.0))
    });
    let constraints = with_domains.collect();
    Some(ScoreState { constraints, ignored })
}

/// The pods of the domains that nodes asked about are in, and how many such domains there are.
fn soft_domains(pod: &PodInfo, constraint: &Constraint, required: &[ColumnId], kept: &[Slot], cache: &SchedulerCache) -> (Domains, usize) {
    if constraint.is_hostname {
        return (vec![], kept.len());
    }
    let mut domains: Domains = vec![None; cache.topology.size(constraint.column)];
    for slot in kept {
        domains[cache.topology.value(constraint.column, *slot) as usize] = Some(0);
    }
    domains[0] = None;
    let size = domains.iter().flatten().count();
    if size > 0 {
        add_counts(pod, constraint, required, &mut domains, cache);
    }
    (domains, size)
}

fn add_counts(pod: &PodInfo, constraint: &Constraint, required: &[ColumnId], domains: &mut Domains, cache: &SchedulerCache) {
    let all_count = required.is_empty() && !constraint.honor_taints && (!constraint.honor_affinity || node_affinity::admits_all(pod));
    for (slot, there) in cache.counts.get(&constraint.counted).unwrap_or(&PerNode::new()) {
        let value: ValueId = cache.topology.value(constraint.column, *slot);
        let does_count = |_: &&mut i64| all_count || counts(pod, constraint, required, &cache.nodes[*slot as usize], cache);
        if let Some(sum) = domains[value as usize].as_mut().filter(does_count) {
            *sum += i64::from(*there);
        }
    }
}

/// The fewer of the pods are in a node's domains, the better.
pub fn score(state: &ScoreState, nodes: &[Slot], cache: &SchedulerCache) -> Vec<i64> {
    let per_node: Vec<Option<&PerNode>> = state.constraints.iter().map(|(c, _, _)| cache.counts.get(&c.counted)).collect();
    let raw = |slot: &Slot| {
        let mut sum = 0.0;
        for ((constraint, domains, weight), per_node) in state.constraints.iter().zip(&per_node) {
            let value = cache.topology.value(constraint.column, *slot);
            if value == 0 {
                continue;
            }
            let there = if constraint.is_hostname {
                i64::from(per_node.and_then(|p| p.get(slot)).copied().unwrap_or(0))
            } else {
                domains.get(value as usize).copied().flatten().unwrap_or(0)
            };
            sum += there as f64 * weight + (constraint.max_skew - 1) as f64;
        }
        libm::round(sum) as i64
    };
    let mut scores: Vec<i64> = nodes.iter().map(raw).collect();
    turn_around(&mut scores, &state.ignored);
    scores
}

fn turn_around(scores: &mut [i64], ignored: &[bool]) {
    let kept = || scores.iter().zip(ignored).filter(|(_, i)| !**i).map(|(s, _)| *s);
    let (min, max) = (kept().min().unwrap_or(0), kept().max().unwrap_or(0));
    for (score, ignored) in scores.iter_mut().zip(ignored) {
        *score = match (ignored, max) {
            (true, _) => 0,
            (false, 0) => 100,
            (false, max) => 100 * (max + min - *score) / max,
        };
    }
}

/// The two constraints of a pod that says nothing, if it belongs to a Service or a workload.
fn default_constraints(pod: &PodInfo, cache: &mut SchedulerCache) -> Vec<Constraint> {
    let Some(selector) = default_selector(pod, cache) else { return vec![] };
    let counted = Counted { namespace: Some(pod.key.namespace.clone()), terminating: false, selector };
    cache.ensure_counted(&counted);
    let mut constraint = |key: &str, max_skew: i64| Constraint {
        max_skew,
        min_domains: 1,
        column: cache.topology.column(key, &cache.nodes),
        is_hostname: key == HOSTNAME,
        counted: counted.clone(),
        honor_affinity: true,
        honor_taints: false,
        matches_itself: true,
    };
    vec![constraint(HOSTNAME, 3), constraint(ZONE, 5)]
}

/// What the Services that select the pod and its controlling owner select, together; `None` if that is nothing.
fn default_selector(pod: &PodInfo, cache: &SchedulerCache) -> Option<LabelMatch> {
    let mut selector = LabelMatch::default();
    for service in cache.listers.in_namespace::<Service>(pod.namespace()) {
        let pairs = service.spec.as_ref().and_then(|s| s.selector.as_ref());
        let of_service = LabelMatch::from_pairs(pairs.into_iter().flatten());
        if !of_service.is_everything() && of_service.matches(pod.labels()) {
            selector = selector.and(&of_service);
        }
    }
    if let Some(of_owner) = owner_selector(pod, cache) {
        selector = selector.and(&of_owner);
    }
    (!selector.is_everything()).then_some(selector)
}

fn owner_selector(pod: &PodInfo, cache: &SchedulerCache) -> Option<LabelMatch> {
    let owner = controller_of(&pod.pod.metadata)?;
    let (namespace, name) = (pod.namespace(), owner.name.as_str());
    match (owner.api_version.as_str(), owner.kind.as_str()) {
        ("apps/v1", "ReplicaSet") => {
            let set: &Arc<ReplicaSet> = cache.listers.get(namespace, name)?;
            Some(LabelMatch::from_selector(Some(&set.spec.as_ref()?.selector)))
        }
        ("apps/v1", "StatefulSet") => {
            let set: &Arc<StatefulSet> = cache.listers.get(namespace, name)?;
            Some(LabelMatch::from_selector(Some(&set.spec.as_ref()?.selector)))
        }
        ("v1", "ReplicationController") => {
            let set: &Arc<ReplicationController> = cache.listers.get(namespace, name)?;
            Some(LabelMatch::from_pairs(set.spec.as_ref()?.selector.iter().flatten()))
        }
        _ => None,
    }
}
