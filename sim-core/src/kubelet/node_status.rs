//! The kubelet's node: its registration, its status, and the lease that says it is alive.
//! The lease is renewed every ten seconds, the status told when it changes and else about every five minutes.
//! With quiet heartbeats the lease is written once; `Kubelet::last_renewal` says what it would show.
//! Source: kubelet_node_status.go, nodestatus/setters.go, component-helpers lease.
//! Not modelled: attached volumes, resource managers, cloud providers; the node's address range is the kubelet's own word.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::api::core::v1::{
    ContainerImage, DaemonEndpoint, Node, NodeAddress, NodeCondition, NodeDaemonEndpoints, NodeSpec, NodeStatus, NodeSystemInfo,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use sim_apimachinery::quantity::Quantity as Amount;
use sim_apimachinery::{Answer, Kind, Object, ObjectKey, Part, Patch, Reason, Reply, TypedPatch, Verb};

use super::pods::as_node;
use super::{Asked, Kubelet, Timer};
use crate::client_go::{EventDraft, ObjectReference};
use crate::component::{ChangeType, Context};
use crate::time::{MILLISECOND, MINUTE, Nanos, SECOND, SimTime};
use crate::trace::BEGINNING;

const LEASE_SECONDS: i32 = 40;
const LEASE_INTERVAL: Nanos = 10 * SECOND;
const STATUS_INTERVAL: Nanos = 10 * SECOND;
const REPORT_INTERVAL: Nanos = 5 * MINUTE;
const RETRY_FIRST: Nanos = 100 * MILLISECOND;
const RETRY_MAX: Nanos = 7 * SECOND;
const IMAGES_MAX: usize = 50;

/// What the kubelet knows of its node.
#[derive(Clone, Debug, Default)]
pub struct NodeState {
    registered: bool,
    retries: u32,
    lease: Option<Arc<Lease>>,
    renewed: Option<SimTime>,
    lease_running: bool,
    reported: Option<SimTime>,
    told: Option<NodeStatus>,
    planned: Option<SimTime>,
}

impl NodeState {
    /// What was told may have been replaced by others meanwhile; the lease is renewed at once.
    pub fn tell_anew(&mut self, now: SimTime) {
        self.told = None;
        self.renewed = self.renewed.map(|_| now);
    }

    /// The machine goes off, or out of reach: what the lease shows stays as it is.
    pub fn lose_renewal(&mut self, now: SimTime) {
        if let Some(renewed) = self.renewed {
            self.renewed = Some(renewed.plus(now.since(renewed) / LEASE_INTERVAL * LEASE_INTERVAL));
        }
    }
}

impl Kubelet {
    pub(super) fn start_node(&mut self, context: &mut Context) {
        let lease = self.node.lease.take();
        self.node = NodeState { lease, ..NodeState::default() };
        self.tell_node("Starting", false, "Starting kubelet.", context);
        for (reason, text) in node_events(&self.config.node) {
            self.tell_node(reason, false, &text, context);
        }
        self.tell_node("NodeAllocatableEnforced", false, "Updated Node Allocatable limit across pods", context);
        self.register(context);
        self.later(context.now.plus(10 * SECOND), Timer::Eviction, context);
    }

    fn register(&mut self, context: &mut Context) {
        let node = self.node_object(context.now);
        self.ask(Verb::Create { object: node.into() }, Asked::Node, context);
    }

    pub(super) fn node_answered(&mut self, answer: Answer, context: &mut Context) {
        match answer {
            Ok(_) => {}
            Err(status) if status.reason == Reason::AlreadyExists => {}
            Err(_) => {
                self.node.retries += 1;
                let delay = (RETRY_FIRST << self.node.retries.min(10)).min(RETRY_MAX);
                self.later(context.now.plus(delay), Timer::NodeStatus, context);
                return;
            }
        }
        self.node.registered = true;
        self.report_node(context);
        if !self.node.lease_running {
            self.node.lease_running = true;
            self.renew_lease(context);
        }
    }

    pub(super) fn on_node(&mut self, change: ChangeType, _node: &Arc<Node>, _context: &mut Context) {
        if change == ChangeType::Deleted {
            self.node.told = None;
        }
    }

    /// Tells the node's status if it changed or was told long ago.
    pub(super) fn report_node(&mut self, context: &mut Context) {
        if !self.node.registered {
            return self.register(context);
        }
        let status = self.node_status(context.now);
        let same = self.node.told.as_ref().is_some_and(|told| without_times(told) == without_times(&status));
        let recent = self.node.reported.is_some_and(|at| context.now.since(at) < REPORT_INTERVAL);
        if !same || !recent {
            self.tell_condition_changes(&status, context);
            // After a change the next report comes at a time of its own, so that not all nodes report together.
            let offset = context.random.below(REPORT_INTERVAL);
            let shifted = SimTime((context.now.0 + offset).saturating_sub(REPORT_INTERVAL / 2));
            self.node.reported = Some(if same { context.now } else { shifted.min(context.now) });
            self.node.told = Some(status.clone());
            let key = ObjectKey::new(Kind::Node, "", &self.config.node);
            let verb = Verb::Patch { key, part: Part::Status, patch: Patch::Typed(TypedPatch::NodeStatus(Box::new(status))) };
            self.ask(verb, Asked::NodeStatus, context);
        }
        let next = match (&self.node.told, self.node.reported) {
            (Some(_), Some(at)) => {
                let due = at.plus(REPORT_INTERVAL);
                let steps = due.since(context.now).div_ceil(STATUS_INTERVAL).max(1);
                context.now.plus(steps * STATUS_INTERVAL)
            }
            _ => context.now.plus(STATUS_INTERVAL),
        };
        if self.node.planned != Some(next) {
            self.node.planned = Some(next);
            // A report that comes by itself has no other cause than time.
            self.timers.add(next, (Timer::NodeStatus, BEGINNING));
        }
    }

    /// The node's status is to be looked at within its usual interval, because something about it changed.
    pub(super) fn node_changed(&mut self, context: &mut Context) {
        let soon = context.random.below(STATUS_INTERVAL);
        self.later(context.now.plus(soon), Timer::NodeStatus, context);
    }

    pub(super) fn node_status_answered(&mut self, answer: Answer) {
        if answer.is_err() {
            self.node.told = None;
        }
    }

    fn tell_condition_changes(&mut self, status: &NodeStatus, context: &mut Context) {
        let old = self.node.told.clone().and_then(|s| s.conditions).unwrap_or_default();
        for condition in status.conditions.iter().flatten() {
            let before = old.iter().find(|c| c.type_ == condition.type_).map(|c| c.status.clone());
            if before.is_none() && condition.type_ != "Ready" || before.as_ref() == Some(&condition.status) {
                continue;
            }
            let bad = condition.status == "True";
            let reason = match (condition.type_.as_str(), bad) {
                ("MemoryPressure", true) => "NodeHasInsufficientMemory",
                ("MemoryPressure", false) => "NodeHasSufficientMemory",
                ("DiskPressure", true) => "NodeHasDiskPressure",
                ("DiskPressure", false) => "NodeHasNoDiskPressure",
                ("PIDPressure", true) => "NodeHasInsufficientPID",
                ("PIDPressure", false) => "NodeHasSufficientPID",
                (_, true) => "NodeReady",
                (_, false) => "NodeNotReady",
            };
            let text = format!("Node {} status is now: {reason}", self.config.node);
            self.tell_node(reason, false, &text, context);
        }
    }

    /// Tells an event about the node; its uid in events is its name.
    pub(super) fn tell_node(&mut self, reason: &'static str, warning: bool, message: &str, context: &mut Context) {
        let about = ObjectReference {
            api_version: String::new(),
            kind: "Node".into(),
            namespace: "".into(),
            name: self.config.node.clone(),
            uid: self.config.node.to_string(),
            resource_version: String::new(),
            field_path: String::new(),
        };
        let draft = EventDraft { warning, ..EventDraft::normal(about, reason, message) };
        self.recorder.tell(context.now, &draft, None, context.cause);
    }

    pub(super) fn renew_lease(&mut self, context: &mut Context) {
        let time = context.now.to_micro_time();
        self.node.renewed = Some(context.now);
        match &self.node.lease {
            Some(lease) => {
                let mut next = Lease::clone(lease);
                next.spec.get_or_insert_default().renew_time = Some(time);
                let verb = Verb::Update { object: next.into(), part: Part::Main };
                self.ask(verb, Asked::Lease, context);
            }
            None => {
                let spec = LeaseSpec {
                    holder_identity: Some(self.config.node.to_string()),
                    lease_duration_seconds: Some(LEASE_SECONDS),
                    renew_time: Some(time),
                    ..Default::default()
                };
                let metadata = ObjectMeta {
                    name: Some(self.config.node.to_string()),
                    namespace: Some("kube-node-lease".into()),
                    owner_references: self.node_owner(),
                    ..Default::default()
                };
                let object: Object = Lease { metadata, spec: Some(spec) }.into();
                self.ask(Verb::Create { object }, Asked::Lease, context);
            }
        }
        if !self.config.node_config.quiet_heartbeats {
            let next = context.random.jitter(LEASE_INTERVAL, 4);
            self.timers.add(context.now.plus(next), (Timer::Lease, BEGINNING));
        }
    }

    fn node_owner(&self) -> Option<Vec<OwnerReference>> {
        let node = as_node(self.caches.object(Kind::Node, "", &self.config.node)?)?;
        let (name, uid) = (node.metadata.name.clone()?, node.metadata.uid.clone()?);
        Some(vec![OwnerReference { api_version: "v1".into(), kind: "Node".into(), name, uid, ..Default::default() }])
    }

    pub(super) fn lease_answered(&mut self, answer: Answer, context: &mut Context) {
        match answer {
            Ok(Reply::Object(object)) => self.node.lease = object.as_typed::<Lease>().cloned(),
            Ok(_) => {}
            Err(status) if status.reason == Reason::NotFound => {
                self.node.lease = None;
                self.renew_lease(context);
            }
            Err(status) if matches!(status.reason, Reason::AlreadyExists | Reason::Conflict) => {
                let key = ObjectKey::new(Kind::Lease, "kube-node-lease", &self.config.node);
                self.ask(Verb::Get { key }, Asked::Lease, context);
            }
            Err(_) => {}
        }
    }

    /// When the lease was last renewed, or would have been with quiet heartbeats.
    pub fn last_renewal(&self, now: SimTime) -> Option<SimTime> {
        let renewed = self.node.renewed?;
        if !self.config.node_config.quiet_heartbeats || self.faults.off || self.faults.cut_off {
            return Some(renewed);
        }
        Some(renewed.plus(now.since(renewed) / LEASE_INTERVAL * LEASE_INTERVAL))
    }

    /// The labels every node has, and its own.
    pub(super) fn node_labels(&self) -> BTreeMap<String, String> {
        let mut labels = self.config.node_config.labels.clone();
        for (name, value) in [("arch", "amd64"), ("os", "linux")] {
            labels.insert(format!("beta.kubernetes.io/{name}"), value.into());
            labels.insert(format!("kubernetes.io/{name}"), value.into());
        }
        labels.insert("kubernetes.io/hostname".into(), self.config.node.to_string());
        labels
    }

    fn node_object(&self, now: SimTime) -> Node {
        let annotations = [("volumes.kubernetes.io/controller-managed-attach-detach", "true")];
        let cidr = self.config.node_config.pod_cidr.clone();
        Node {
            metadata: ObjectMeta {
                name: Some(self.config.node.to_string()),
                labels: Some(self.node_labels()),
                annotations: Some(annotations.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect()),
                ..Default::default()
            },
            spec: Some(NodeSpec { pod_cidrs: Some(vec![cidr.clone()]), pod_cidr: Some(cidr), ..Default::default() }),
            status: Some(self.node_status(now)),
        }
    }

    fn node_status(&self, now: SimTime) -> NodeStatus {
        let node = &self.config.node_config;
        let amount = |cpu: String, storage: String, memory: String| {
            let list = [
                ("cpu", cpu),
                ("ephemeral-storage", storage),
                ("hugepages-1Gi", "0".into()),
                ("hugepages-2Mi", "0".into()),
                ("memory", memory),
                ("pods", node.pods.to_string()),
            ];
            Some(list.into_iter().map(|(n, q)| (n.to_owned(), Quantity(q))).collect::<BTreeMap<_, _>>())
        };
        let kibi = |bytes: u64| format!("{}Ki", bytes >> 10);
        let address = |type_: &str, address: &str| NodeAddress { type_: type_.into(), address: address.into() };
        let image = |(name, size): (String, u64)| ContainerImage { names: Some(vec![name]), size_bytes: i64::try_from(size).ok() };
        NodeStatus {
            capacity: amount(
                Amount::from_millis(node.cpu_millis).to_string(),
                kibi(node.ephemeral_storage_bytes),
                kibi(self.config.memory()),
            ),
            allocatable: amount(
                Amount::from_millis(node.cpu_millis).to_string(),
                self.config.allocatable_storage().to_string(),
                kibi(self.config.allocatable_memory()),
            ),
            conditions: Some(self.node_conditions(now)),
            addresses: Some(vec![address("InternalIP", &node.address), address("Hostname", &node.name)]),
            daemon_endpoints: Some(NodeDaemonEndpoints { kubelet_endpoint: Some(DaemonEndpoint { port: 10250 }) }),
            images: Some(self.images.list().into_iter().take(IMAGES_MAX).map(image).collect()),
            node_info: Some(self.node_info()),
            declared_features: Some(DECLARED_FEATURES.iter().map(|f| (*f).to_owned()).collect()),
            ..Default::default()
        }
    }

    fn node_info(&self) -> NodeSystemInfo {
        let id = format!("{:0>32}", self.config.node.bytes().map(|b| format!("{b:02x}")).collect::<String>());
        let id = id[id.len() - 32..].to_owned();
        NodeSystemInfo {
            machine_id: id.clone(),
            system_uuid: id.clone(),
            boot_id: format!("{}-{}", id, self.faults.boots),
            kernel_version: "6.12.5".into(),
            os_image: "Debian GNU/Linux 12 (bookworm)".into(),
            container_runtime_version: "containerd://1.6.20".into(),
            kubelet_version: "v1.36.2".into(),
            kube_proxy_version: String::new(),
            operating_system: "linux".into(),
            architecture: "amd64".into(),
            ..Default::default()
        }
    }

    fn node_conditions(&self, now: SimTime) -> Vec<NodeCondition> {
        let pressure = self.faults.pressure;
        let rows = [
            (
                "MemoryPressure",
                pressure.memory,
                [
                    "KubeletHasInsufficientMemory",
                    "kubelet has insufficient memory available",
                    "KubeletHasSufficientMemory",
                    "kubelet has sufficient memory available",
                ],
            ),
            (
                "DiskPressure",
                pressure.disk,
                ["KubeletHasDiskPressure", "kubelet has disk pressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"],
            ),
            (
                "PIDPressure",
                pressure.pid,
                [
                    "KubeletHasInsufficientPID",
                    "kubelet has insufficient PID available",
                    "KubeletHasSufficientPID",
                    "kubelet has sufficient PID available",
                ],
            ),
            ("Ready", true, ["KubeletReady", "kubelet is posting ready status", "KubeletNotReady", "container runtime is down"]),
        ];
        let stored = self.caches.object(Kind::Node, "", &self.config.node).and_then(as_node).and_then(|n| n.status.clone());
        let old = stored.and_then(|s| s.conditions).or_else(|| self.node.told.clone().and_then(|s| s.conditions)).unwrap_or_default();
        let make = |(type_, status, texts): (&str, bool, [&str; 4])| {
            let status_text = if status { "True" } else { "False" };
            let (reason, message) = if status { (texts[0], texts[1]) } else { (texts[2], texts[3]) };
            let same = old.iter().find(|c| c.type_ == type_ && c.status == status_text);
            NodeCondition {
                type_: type_.into(),
                status: status_text.into(),
                reason: Some(reason.into()),
                message: Some(message.into()),
                last_heartbeat_time: Some(now.to_time()),
                last_transition_time: same.and_then(|c| c.last_transition_time.clone()).or_else(|| Some(now.to_time())),
            }
        };
        rows.into_iter().map(make).collect()
    }

    /// What pods can have, in thousandths of a CPU, bytes, and pods.
    pub(super) fn allocatable_numbers(&self) -> BTreeMap<String, u64> {
        let list = [
            ("cpu", self.config.cpu_millis()),
            ("memory", self.config.allocatable_memory()),
            ("ephemeral-storage", self.config.allocatable_storage()),
            ("pods", self.config.pods()),
        ];
        list.into_iter().map(|(name, amount)| (name.to_owned(), amount)).collect()
    }
}

const DECLARED_FEATURES: [&str; 4] = [
    "ExtendWebSocketsToKubelet",
    "InPlacePodLevelResourcesVerticalScaling",
    "InPlacePodVerticalScalingInitContainers",
    "RestartAllContainersOnContainerExits",
];

fn node_events(node: &str) -> Vec<(&'static str, String)> {
    let names = ["NodeHasSufficientMemory", "NodeHasNoDiskPressure", "NodeHasSufficientPID"];
    names.into_iter().map(|reason| (reason, format!("Node {node} status is now: {reason}"))).collect()
}

fn without_times(status: &NodeStatus) -> NodeStatus {
    let mut status = status.clone();
    for condition in status.conditions.iter_mut().flatten() {
        condition.last_heartbeat_time = None;
        condition.last_transition_time = None;
    }
    status
}
