//! How many pods that a selector selects are on each node, and which affinity terms the pods on each node have.
//! Both are kept up to date pod by pod, so that a pod with spreading or affinity does not look at all other pods.
//! A selector is counted from the moment a pod first asks for it; when too many are counted, all are forgotten.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::node_info::Slot;
use super::pod_info::PodInfo;
use super::selectors::{AffinityTerm, LabelMatch};

/// So many selectors are counted at once, at most.
const SELECTORS_MAX: usize = 4096;

/// Counts by node; nodes without any are left out.
pub type PerNode = BTreeMap<Slot, u32>;

/// What is counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Counted {
    /// The namespace, or all.
    pub namespace: Option<Arc<str>>,
    /// Whether pods that are being deleted count.
    pub terminating: bool,
    /// Which pods.
    pub selector: LabelMatch,
}

impl Counted {
    /// Whether a pod is one of them.
    pub fn matches(&self, pod: &PodInfo) -> bool {
        self.namespace.as_deref().is_none_or(|n| n == pod.namespace())
            && (self.terminating || !pod.is_terminating())
            && self.selector.matches(pod.labels())
    }
}

type Handle = (Option<Arc<str>>, Option<(String, String)>);

/// Pods per node by selector.
#[derive(Clone, Debug, Default)]
pub struct SelectorCounts {
    ids: BTreeMap<Counted, usize>,
    counts: Vec<(Counted, PerNode)>,
    by_handle: BTreeMap<Handle, Vec<usize>>,
}

impl SelectorCounts {
    /// Starts counting, with the pods given (those on nodes); nothing happens if it is counted already.
    pub fn count<'a>(&mut self, what: &Counted, pods: impl Iterator<Item = (&'a Arc<PodInfo>, Slot)>) {
        if self.ids.contains_key(what) {
            return;
        }
        if self.counts.len() >= SELECTORS_MAX {
            *self = SelectorCounts::default();
        }
        let mut per_node = PerNode::new();
        for (_, slot) in pods.filter(|(p, _)| what.matches(p)) {
            *per_node.entry(slot).or_insert(0) += 1;
        }
        let handle = what.selector.handle().map(|(k, v)| (k.to_owned(), v.to_owned()));
        self.by_handle.entry((what.namespace.clone(), handle)).or_default().push(self.counts.len());
        self.ids.insert(what.clone(), self.counts.len());
        self.counts.push((what.clone(), per_node));
    }

    /// The counts of something that is counted.
    pub fn get(&self, what: &Counted) -> Option<&PerNode> {
        Some(&self.counts[*self.ids.get(what)?].1)
    }

    /// Counts a pod on a node in (`sign` 1) or out (-1).
    pub fn change(&mut self, pod: &PodInfo, slot: Slot, sign: i64) {
        if self.counts.is_empty() {
            return;
        }
        let scopes = [None, Some(pod.key.namespace.clone())];
        let labels = pod.labels().iter().map(|(k, v)| Some((k.clone(), v.clone())));
        let handles: Vec<Option<(String, String)>> = labels.chain([None]).collect();
        for scope in &scopes {
            for handle in &handles {
                let Some(ids) = self.by_handle.get(&(scope.clone(), handle.clone())) else { continue };
                for id in ids {
                    let (what, per_node) = &mut self.counts[*id];
                    if what.matches(pod) {
                        change(per_node, slot, sign);
                    }
                }
            }
        }
    }
}

fn change(per_node: &mut PerNode, slot: Slot, sign: i64) {
    let count = per_node.entry(slot).or_insert(0);
    *count = count.saturating_add_signed(sign as i32);
    if *count == 0 {
        per_node.remove(&slot);
    }
}

/// What a term of a pod on a node asks of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TermKind {
    /// It must not be near.
    RequiredAntiAffinity,
    /// It must be near.
    RequiredAffinity,
    /// It should be near (positive) or not (negative).
    Preferred(i64),
}

/// The terms of all pods on nodes, each once, with the nodes where pods have it.
#[derive(Clone, Debug, Default)]
pub struct TermIndex {
    terms: BTreeMap<(TermKind, AffinityTerm), PerNode>,
}

impl TermIndex {
    /// All terms.
    pub fn iter(&self) -> impl Iterator<Item = (TermKind, &AffinityTerm, &PerNode)> {
        self.terms.iter().map(|((kind, term), per_node)| (*kind, term, per_node))
    }

    /// Whether no pod on a node has any term.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Counts the terms of a pod on a node in (`sign` 1) or out (-1).
    pub fn change(&mut self, pod: &PodInfo, slot: Slot, sign: i64) {
        for (kind, term) in terms_of(pod) {
            let key = (kind, term.clone());
            let per_node = self.terms.entry(key.clone()).or_default();
            change(per_node, slot, sign);
            if per_node.is_empty() {
                self.terms.remove(&key);
            }
        }
    }
}

fn terms_of(pod: &PodInfo) -> impl Iterator<Item = (TermKind, &AffinityTerm)> {
    let anti = pod.terms.required_anti_affinity.iter().map(|t| (TermKind::RequiredAntiAffinity, t));
    let near = pod.terms.required_affinity.iter().map(|t| (TermKind::RequiredAffinity, t));
    anti.chain(near).chain(pod.terms.preferred.iter().map(|(w, t)| (TermKind::Preferred(*w), t)))
}
