//! InterPodAffinity: pods that must, must not, should or should not be near others; "near" is a node label with the same
//! value. Anti-affinity works both ways: pods on nodes keep a new pod away too.
//! Source: pkg/scheduler/framework/plugins/interpodaffinity.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sim_apimachinery::Typed;

use crate::kube_scheduler::cache::SchedulerCache;
use crate::kube_scheduler::counts::{Counted, PerNode, TermKind};
use crate::kube_scheduler::framework::{Plugin, Rejection, Verdict};
use crate::kube_scheduler::node_info::{NodeInfo, Slot};
use crate::kube_scheduler::pod_info::PodInfo;
use crate::kube_scheduler::selectors::{AffinityTerm, LabelMatch};
use crate::kube_scheduler::topology::{ColumnId, ValueId};

/// Numbers by label and value.
type Pairs = BTreeMap<(ColumnId, ValueId), i64>;

/// What matters of the pods on nodes for a pod's required terms, and for theirs.
#[derive(Clone, Debug, Default)]
pub struct FilterState {
    /// Pods on nodes whose anti-affinity refuses the pod.
    refusing: Pairs,
    refusing_by: BTreeSet<ColumnId>,
    /// Pods that match all of the pod's affinity terms.
    wanted: Pairs,
    /// Pods that match one of the pod's anti-affinity terms.
    unwanted: Pairs,
    affinity: Vec<ColumnId>,
    anti_affinity: Vec<ColumnId>,
    /// The pod meets its own affinity terms, so the first of its kind may go anywhere.
    matches_itself: bool,
}

/// Counts for the required terms.
pub fn pre_filter(pod: &PodInfo, cache: &mut SchedulerCache) -> FilterState {
    let mut state = FilterState::default();
    if cache.terms.is_empty() && pod.terms.is_empty() {
        return state;
    }
    make_columns(cache);
    for (kind, term, per_node) in cache.terms.iter() {
        if kind == TermKind::RequiredAntiAffinity && meant_by(term, pod, cache) {
            let column = cache.topology.find(&term.topology_key);
            column.iter().for_each(|column| add(&mut state.refusing, *column, per_node, 1, cache));
        }
    }
    state.refusing_by = state.refusing.keys().map(|(column, _)| *column).collect();
    let terms = pod.terms.clone();
    state.affinity = columns_of(&terms.required_affinity, cache);
    state.anti_affinity = columns_of(&terms.required_anti_affinity, cache);
    if !terms.required_affinity.is_empty() {
        state.matches_itself = terms.required_affinity.iter().all(|t| meant_by(t, pod, cache));
        let per_node = matching_all(&terms.required_affinity, cache);
        state.affinity.iter().for_each(|column| add(&mut state.wanted, *column, &per_node, 1, cache));
    }
    for (term, column) in terms.required_anti_affinity.iter().zip(&state.anti_affinity) {
        let per_node = matching_all(std::slice::from_ref(term), cache);
        add(&mut state.unwanted, *column, &per_node, 1, cache);
    }
    state
}

/// Refuses nodes that are not near enough to what the pod wants or too near to what it (or they) cannot stand.
pub fn filter(state: &FilterState, node: &NodeInfo, cache: &SchedulerCache) -> Verdict {
    let value = |column: ColumnId| cache.topology.value(column, node.slot);
    if !affinity_holds(state, value) {
        return Err(Rejection::unresolvable(Plugin::InterPodAffinity, "node(s) didn't match pod affinity rules"));
    }
    let is_near = |pairs: &Pairs, column: ColumnId| pairs.get(&(column, value(column))).is_some_and(|n| *n > 0);
    if !state.unwanted.is_empty() && state.anti_affinity.iter().any(|c| is_near(&state.unwanted, *c)) {
        return Err(Rejection::new(Plugin::InterPodAffinity, "node(s) didn't match pod anti-affinity rules"));
    }
    if state.refusing_by.iter().any(|column| is_near(&state.refusing, *column)) {
        return Err(Rejection::new(Plugin::InterPodAffinity, "node(s) didn't satisfy existing pods anti-affinity rules"));
    }
    Ok(())
}

fn affinity_holds(state: &FilterState, value: impl Fn(ColumnId) -> ValueId) -> bool {
    if state.affinity.iter().any(|column| value(*column) == 0) {
        return false;
    }
    let is_near = |column: &ColumnId| state.wanted.get(&(*column, value(*column))).is_some_and(|n| *n > 0);
    state.affinity.iter().all(is_near) || (state.wanted.values().all(|n| *n <= 0) && state.matches_itself)
}

/// Another pod came to a node or left it.
pub fn update(state: &mut FilterState, pod: &PodInfo, other: &PodInfo, slot: Slot, sign: i64, cache: &SchedulerCache) {
    let change = |pairs: &mut Pairs, column: ColumnId| {
        let value = cache.topology.value(column, slot);
        if value != 0 {
            *pairs.entry((column, value)).or_insert(0) += sign;
        }
    };
    for term in other.terms.required_anti_affinity.iter().filter(|t| meant_by(t, pod, cache)) {
        cache.topology.find(&term.topology_key).iter().for_each(|column| change(&mut state.refusing, *column));
    }
    let near = &pod.terms.required_affinity;
    if !near.is_empty() && near.iter().all(|t| meant_by(t, other, cache)) {
        state.affinity.iter().for_each(|column| change(&mut state.wanted, *column));
    }
    for (term, column) in pod.terms.required_anti_affinity.iter().zip(&state.anti_affinity) {
        if meant_by(term, other, cache) {
            change(&mut state.unwanted, *column);
        }
    }
}

/// Weighted numbers of pods by label and value.
#[derive(Clone, Debug)]
pub struct ScoreState {
    weights: Pairs,
    columns: BTreeSet<ColumnId>,
}

/// Adds up the pod's preferences, those of the pods on nodes, and the latter's required affinity; `None` if there is none.
pub fn pre_score(pod: &PodInfo, cache: &mut SchedulerCache, hard_weight: i64) -> Option<ScoreState> {
    if cache.terms.is_empty() && pod.terms.preferred.is_empty() {
        return None;
    }
    make_columns(cache);
    let mut weights = Pairs::new();
    for (weight, term) in pod.terms.preferred.clone() {
        let column = cache.topology.column(&term.topology_key, &cache.nodes);
        let per_node = matching_all(&[term], cache);
        add(&mut weights, column, &per_node, weight, cache);
    }
    for (kind, term, per_node) in cache.terms.iter() {
        let weight = match kind {
            TermKind::Preferred(weight) => weight,
            TermKind::RequiredAffinity => hard_weight,
            TermKind::RequiredAntiAffinity => 0,
        };
        if weight != 0 && meant_by(term, pod, cache) {
            cache.topology.find(&term.topology_key).iter().for_each(|c| add(&mut weights, *c, per_node, weight, cache));
        }
    }
    let columns = weights.keys().map(|(column, _)| *column).collect();
    (!weights.is_empty()).then_some(ScoreState { weights, columns })
}

/// The sum of the weights near a node, stretched to 0 to 100.
pub fn score(state: &ScoreState, nodes: &[Slot], cache: &SchedulerCache) -> Vec<i64> {
    let near = |slot: &Slot, column: &ColumnId| state.weights.get(&(*column, cache.topology.value(*column, *slot)));
    let raw = |slot: &Slot| state.columns.iter().filter_map(|column| near(slot, column)).sum::<i64>();
    let mut scores: Vec<i64> = nodes.iter().map(raw).collect();
    let (min, max) = (scores.iter().copied().min().unwrap_or(0), scores.iter().copied().max().unwrap_or(0));
    for score in &mut scores {
        *score = if max > min { (100.0 * ((*score - min) as f64 / (max - min) as f64)) as i64 } else { 0 };
    }
    scores
}

fn meant_by(term: &AffinityTerm, pod: &PodInfo, cache: &SchedulerCache) -> bool {
    term.matches(pod.namespace(), cache.namespace_labels(pod.namespace()), pod.labels())
}

fn make_columns(cache: &mut SchedulerCache) {
    let unknown: BTreeSet<Arc<str>> =
        cache.terms.iter().map(|(_, t, _)| &t.topology_key).filter(|k| cache.topology.find(k).is_none()).cloned().collect();
    for key in unknown {
        cache.topology.column(&key, &cache.nodes);
    }
}

fn columns_of(terms: &[AffinityTerm], cache: &mut SchedulerCache) -> Vec<ColumnId> {
    terms.iter().map(|t| cache.topology.column(&t.topology_key, &cache.nodes)).collect()
}

fn add(pairs: &mut Pairs, column: ColumnId, per_node: &PerNode, weight: i64, cache: &SchedulerCache) {
    for (slot, count) in per_node {
        let value = cache.topology.value(column, *slot);
        if value != 0 {
            *pairs.entry((column, value)).or_insert(0) += weight * i64::from(*count);
        }
    }
}

/// The pods on nodes that match all of the terms, by node.
fn matching_all(terms: &[AffinityTerm], cache: &mut SchedulerCache) -> PerNode {
    let selector = terms.iter().fold(LabelMatch::default(), |all, t| all.and(&t.selector));
    let scopes: Vec<Option<Arc<str>>> = match namespaces_of(terms, cache) {
        None => vec![None],
        Some(names) => names.into_iter().map(Some).collect(),
    };
    let mut sum = PerNode::new();
    for namespace in scopes {
        let counted = Counted { namespace, terminating: true, selector: selector.clone() };
        cache.ensure_counted(&counted);
        for (slot, count) in cache.counts.get(&counted).into_iter().flatten() {
            *sum.entry(*slot).or_insert(0) += count;
        }
    }
    sum
}

/// The namespaces that all terms mean; `None` is all.
fn namespaces_of(terms: &[AffinityTerm], cache: &SchedulerCache) -> Option<BTreeSet<Arc<str>>> {
    let mut common: Option<BTreeSet<Arc<str>>> = None;
    for term in terms.iter().filter(|t| !t.namespace_selector.is_everything()) {
        let mut names = term.namespaces.clone();
        if !term.namespace_selector.nothing {
            let all = cache.listers.objects(k8s_openapi::api::core::v1::Namespace::KIND);
            let selected = all.filter(|o| term.namespace_selector.matches(o.metadata().labels.as_ref().unwrap_or(&BTreeMap::new())));
            names.extend(selected.map(|o| Arc::from(o.name())));
        }
        common = Some(common.map_or(names.clone(), |had| had.intersection(&names).cloned().collect()));
    }
    common
}
