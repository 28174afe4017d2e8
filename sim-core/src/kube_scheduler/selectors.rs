//! Selectors in a form that can be a key: label selectors, node selectors, affinity terms, tolerations.
//! Sources: apimachinery labels, component-helpers scheduling/corev1/nodeaffinity, framework.AffinityTerm.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Node, NodeSelectorRequirement, NodeSelectorTerm, PodAffinityTerm, Taint, Toleration};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use sim_apimachinery::selector::{Operator, Requirement};

/// Labels of an object.
pub type Labels = BTreeMap<String, String>;

/// The labels of something that has none.
pub static NO_LABELS: Labels = BTreeMap::new();

/// A label selector: all requirements must be met.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LabelMatch {
    /// What must be met; sorted.
    pub requirements: Vec<Requirement>,
    /// Whether it selects nothing at all (an absent selector, or one that cannot be read).
    pub nothing: bool,
}

impl LabelMatch {
    /// Selects nothing.
    pub fn nothing() -> Self {
        LabelMatch { requirements: vec![], nothing: true }
    }

    /// From the typed form; absent selects nothing, empty selects everything.
    pub fn from_selector(selector: Option<&LabelSelector>) -> Self {
        let Some(selector) = selector else { return LabelMatch::nothing() };
        let mut match_ = LabelMatch::from_pairs(selector.match_labels.iter().flatten());
        for expression in selector.match_expressions.iter().flatten() {
            let Some(operator) = operator(&expression.operator) else { return LabelMatch::nothing() };
            match_.requirements.push(Requirement::new(&expression.key, operator, expression.values.clone().unwrap_or_default()));
        }
        match_.requirements.sort();
        match_
    }

    /// From pairs that must all be there.
    pub fn from_pairs<'a>(pairs: impl Iterator<Item = (&'a String, &'a String)>) -> Self {
        let mut requirements: Vec<Requirement> = pairs.map(|(k, v)| Requirement::new(k, Operator::In, vec![v.clone()])).collect();
        requirements.sort();
        LabelMatch { requirements, nothing: false }
    }

    /// Both this and another.
    pub fn and(mut self, other: &LabelMatch) -> Self {
        self.requirements.extend(other.requirements.iter().cloned());
        self.requirements.sort();
        self.requirements.dedup();
        self.nothing |= other.nothing;
        self
    }

    /// Whether these labels are selected.
    pub fn matches(&self, labels: &Labels) -> bool {
        !self.nothing && self.requirements.iter().all(|r| r.matches(labels))
    }

    /// Whether it selects everything.
    pub fn is_everything(&self) -> bool {
        !self.nothing && self.requirements.is_empty()
    }

    /// A label with the one value it must have, by which the selector can be found; the most telling one.
    pub fn handle(&self) -> Option<(&str, &str)> {
        let fixed = |r: &&Requirement| r.operator == Operator::In && r.values.len() == 1;
        let best = self.requirements.iter().filter(fixed).max_by_key(|r| (r.key == "pod-template-hash", r.values[0].len()))?;
        Some((&best.key, &best.values[0]))
    }
}

fn operator(text: &str) -> Option<Operator> {
    Some(match text {
        "In" => Operator::In,
        "NotIn" => Operator::NotIn,
        "Exists" => Operator::Exists,
        "DoesNotExist" => Operator::DoesNotExist,
        "Gt" => Operator::Gt,
        "Lt" => Operator::Lt,
        _ => return None,
    })
}

/// A term of a node selector; one that cannot be read matches nothing, and so does an empty one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeTerm {
    labels: Vec<Requirement>,
    /// Requirements on `metadata.name`.
    pub names: Vec<Requirement>,
    broken: bool,
}

impl NodeTerm {
    /// From the typed form.
    pub fn new(term: &NodeSelectorTerm) -> Self {
        let (expressions, fields) = (term.match_expressions.as_deref(), term.match_fields.as_deref());
        let labels: Option<Vec<Requirement>> = expressions.unwrap_or_default().iter().map(node_requirement).collect();
        let of_name = |r: &NodeSelectorRequirement| if r.key == "metadata.name" { node_requirement(r) } else { None };
        let names: Option<Vec<Requirement>> = fields.unwrap_or_default().iter().map(of_name).collect();
        let broken = labels.is_none() || names.is_none();
        let (labels, names) = (labels.unwrap_or_default(), names.unwrap_or_default());
        NodeTerm { broken: broken || (labels.is_empty() && names.is_empty()), labels, names }
    }

    /// Whether a node meets it.
    pub fn matches(&self, labels: &Labels, name: &str) -> bool {
        !self.broken && self.labels.iter().all(|r| r.matches(labels)) && self.names.iter().all(|r| r.admits(Some(name)))
    }
}

fn node_requirement(requirement: &NodeSelectorRequirement) -> Option<Requirement> {
    Some(Requirement::new(&requirement.key, operator(&requirement.operator)?, requirement.values.clone().unwrap_or_default()))
}

/// A term of pod affinity or anti-affinity, its namespaces made plain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AffinityTerm {
    /// Namespaces named, or the pod's own when the term says nothing of namespaces.
    pub namespaces: BTreeSet<Arc<str>>,
    /// Namespaces selected besides; selects nothing when absent.
    pub namespace_selector: LabelMatch,
    /// Pods selected.
    pub selector: LabelMatch,
    /// The label whose value says which nodes are together.
    pub topology_key: Arc<str>,
}

impl AffinityTerm {
    /// The term of a pod in this namespace.
    pub fn new(own_namespace: &str, term: &PodAffinityTerm) -> Self {
        let mut namespaces: BTreeSet<Arc<str>> = term.namespaces.iter().flatten().map(|n| n.as_str().into()).collect();
        if namespaces.is_empty() && term.namespace_selector.is_none() {
            namespaces.insert(own_namespace.into());
        }
        AffinityTerm {
            namespaces,
            namespace_selector: LabelMatch::from_selector(term.namespace_selector.as_ref()),
            selector: LabelMatch::from_selector(term.label_selector.as_ref()),
            topology_key: term.topology_key.as_str().into(),
        }
    }

    /// Whether a pod with these labels, in a namespace with those, is meant.
    pub fn matches(&self, namespace: &str, namespace_labels: &Labels, labels: &Labels) -> bool {
        (self.namespaces.contains(namespace) || self.namespace_selector.matches(namespace_labels)) && self.selector.matches(labels)
    }
}

/// Whether a toleration tolerates a taint (the operators `Lt` and `Gt` are off in this release).
pub fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let set = |text: &Option<String>| text.as_deref().filter(|t| !t.is_empty()).map(str::to_owned);
    let effect_fits = set(&toleration.effect).is_none_or(|e| e == taint.effect);
    let key_fits = set(&toleration.key).is_none_or(|k| k == taint.key);
    let value_fits = match toleration.operator.as_deref().unwrap_or("") {
        "" | "Equal" => toleration.value.as_deref().unwrap_or("") == taint.value.as_deref().unwrap_or(""),
        "Exists" => true,
        _ => false,
    };
    effect_fits && key_fits && value_fits
}

/// Labels of a node.
pub fn node_labels(node: &Node) -> &Labels {
    node.metadata.labels.as_ref().unwrap_or(&NO_LABELS)
}
