//! A pod as the scheduler sees it: what it asks for, worked out once when the pod is first seen or changes.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Affinity, Container, NodeAffinity, Pod, PodSpec, Toleration};
use sim_apimachinery::{Kind, ObjectKey};

use super::resources::{Resources, nonzero_requests_of, requests_of};
use super::selectors::{AffinityTerm, Labels, NO_LABELS, NodeTerm};

/// A port a pod wants of its node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostPort {
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: String,
    /// Address, `0.0.0.0` for all.
    pub ip: String,
    /// The port.
    pub port: i32,
}

impl HostPort {
    /// Whether both cannot be had at once.
    pub fn conflicts_with(&self, other: &HostPort) -> bool {
        let everywhere = |ip: &str| ip == "0.0.0.0";
        self.port == other.port && self.protocol == other.protocol && (self.ip == other.ip || everywhere(&self.ip) || everywhere(&other.ip))
    }
}

/// The affinity terms of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodTerms {
    /// Pods that must be near.
    pub required_affinity: Vec<AffinityTerm>,
    /// Pods that must not be near.
    pub required_anti_affinity: Vec<AffinityTerm>,
    /// Pods that should be near (positive weight) or should not be (negative).
    pub preferred: Vec<(i64, AffinityTerm)>,
}

impl PodTerms {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.required_affinity.is_empty() && self.required_anti_affinity.is_empty() && self.preferred.is_empty()
    }
}

/// Where a pod must and should go by its node selector and node affinity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeWishes {
    /// Alternatives, one of which must be met; `None` means anything.
    pub required: Option<Vec<NodeTerm>>,
    /// Weighted preferences.
    pub preferred: Vec<(i64, NodeTerm)>,
}

/// A pod with what follows from it.
#[derive(Clone, Debug)]
pub struct PodInfo {
    /// The pod as last told.
    pub pod: Arc<Pod>,
    /// Its key.
    pub key: ObjectKey,
    /// Its uid.
    pub uid: Arc<str>,
    /// Its priority.
    pub priority: i32,
    /// What it asks for.
    pub requests: Resources,
    /// CPU and memory it counts for in scores.
    pub nonzero: (i64, i64),
    /// Ports it wants of its node.
    pub host_ports: Vec<HostPort>,
    /// Its affinity to other pods.
    pub terms: PodTerms,
    /// Its affinity to nodes.
    pub node_wishes: NodeWishes,
    /// The names of the claims it uses, generic ephemeral ones included.
    pub claims: Vec<Claim>,
}

/// A claim a pod uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The claim's name.
    pub name: String,
    /// Whether it is made for the pod (a generic ephemeral volume).
    pub ephemeral: bool,
}

impl PodInfo {
    /// Works out what follows from a pod.
    pub fn new(pod: &Arc<Pod>) -> Self {
        let (namespace, name) = (pod.metadata.namespace.as_deref().unwrap_or(""), pod.metadata.name.as_deref().unwrap_or(""));
        let spec = pod.spec.as_ref();
        let affinity = spec.and_then(|s| s.affinity.as_ref());
        PodInfo {
            key: ObjectKey::new(Kind::Pod, namespace, name),
            uid: pod.metadata.uid.as_deref().unwrap_or("").into(),
            priority: spec.and_then(|s| s.priority).unwrap_or(0),
            requests: requests_of(pod),
            nonzero: nonzero_requests_of(pod),
            host_ports: spec.map(host_ports_of).unwrap_or_default(),
            terms: affinity.map(|a| terms_of(namespace, a)).unwrap_or_default(),
            node_wishes: affinity.and_then(|a| a.node_affinity.as_ref()).map(wishes_of).unwrap_or_default(),
            claims: spec.map(|s| claims_of(name, s)).unwrap_or_default(),
            pod: pod.clone(),
        }
    }

    /// Its labels.
    pub fn labels(&self) -> &Labels {
        self.pod.metadata.labels.as_ref().unwrap_or(&NO_LABELS)
    }

    /// Its namespace.
    pub fn namespace(&self) -> &str {
        &self.key.namespace
    }

    /// Its tolerations.
    pub fn tolerations(&self) -> &[Toleration] {
        self.pod.spec.as_ref().and_then(|s| s.tolerations.as_deref()).unwrap_or_default()
    }

    /// Its containers, init containers first.
    pub fn containers(&self) -> impl Iterator<Item = &Container> {
        let spec = self.pod.spec.as_ref();
        spec.into_iter().flat_map(|s| s.init_containers.iter().flatten().chain(&s.containers))
    }

    /// The node it is on, if any.
    pub fn node_name(&self) -> Option<&str> {
        self.pod.spec.as_ref()?.node_name.as_deref().filter(|n| !n.is_empty())
    }

    /// The node preemption has made room on for it.
    pub fn nominated_node(&self) -> Option<&str> {
        self.pod.status.as_ref()?.nominated_node_name.as_deref().filter(|n| !n.is_empty())
    }

    /// Whether its deletion was asked for.
    pub fn is_terminating(&self) -> bool {
        self.pod.metadata.deletion_timestamp.is_some()
    }
}

fn host_ports_of(spec: &PodSpec) -> Vec<HostPort> {
    let sidecars = spec.init_containers.iter().flatten().filter(|c| c.restart_policy.as_deref() == Some("Always"));
    let ports = sidecars.chain(&spec.containers).flat_map(|c| c.ports.iter().flatten());
    let wanted = ports.filter_map(|p| Some((p, p.host_port.filter(|n| *n > 0)?)));
    let text = |t: &Option<String>, default: &str| t.as_deref().filter(|t| !t.is_empty()).unwrap_or(default).to_owned();
    wanted.map(|(p, port)| HostPort { protocol: text(&p.protocol, "TCP"), ip: text(&p.host_ip, "0.0.0.0"), port }).collect()
}

fn terms_of(namespace: &str, affinity: &Affinity) -> PodTerms {
    let mut terms = PodTerms::default();
    if let Some(near) = &affinity.pod_affinity {
        let required = near.required_during_scheduling_ignored_during_execution.iter().flatten();
        terms.required_affinity = required.map(|t| AffinityTerm::new(namespace, t)).collect();
        let preferred = near.preferred_during_scheduling_ignored_during_execution.iter().flatten();
        terms.preferred.extend(preferred.map(|t| (i64::from(t.weight), AffinityTerm::new(namespace, &t.pod_affinity_term))));
    }
    if let Some(far) = &affinity.pod_anti_affinity {
        let required = far.required_during_scheduling_ignored_during_execution.iter().flatten();
        terms.required_anti_affinity = required.map(|t| AffinityTerm::new(namespace, t)).collect();
        let preferred = far.preferred_during_scheduling_ignored_during_execution.iter().flatten();
        terms.preferred.extend(preferred.map(|t| (-i64::from(t.weight), AffinityTerm::new(namespace, &t.pod_affinity_term))));
    }
    terms
}

fn wishes_of(affinity: &NodeAffinity) -> NodeWishes {
    let required = affinity.required_during_scheduling_ignored_during_execution.as_ref();
    let preferred = affinity.preferred_during_scheduling_ignored_during_execution.iter().flatten();
    NodeWishes {
        required: required.map(|r| r.node_selector_terms.iter().map(NodeTerm::new).collect()),
        preferred: preferred.filter(|p| p.weight != 0).map(|p| (i64::from(p.weight), NodeTerm::new(&p.preference))).collect(),
    }
}

fn claims_of(pod_name: &str, spec: &PodSpec) -> Vec<Claim> {
    let mut claims = Vec::new();
    for volume in spec.volumes.iter().flatten() {
        if let Some(source) = &volume.persistent_volume_claim {
            claims.push(Claim { name: source.claim_name.clone(), ephemeral: false });
        } else if volume.ephemeral.is_some() {
            claims.push(Claim { name: format!("{pod_name}-{}", volume.name), ephemeral: true });
        }
    }
    claims
}
