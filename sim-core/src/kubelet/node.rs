//! The node's own object: registered at the start, its conditions, and what a fault does to it.
//! Heartbeats that nobody can tell from silence are not written: the Lease is made once, and the node lifecycle controller
//! is told of a node that falls silent by the hallway. Source: pkg/kubelet/kubelet_node_status.go, nodestatus/setters.go.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Node, NodeAddress, NodeCondition, NodeSpec, NodeStatus, NodeSystemInfo};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sim_apimachinery::quantity::Quantity;
use sim_apimachinery::{Answer, Kind, ObjectKey, Part, Patch, TypedPatch, Verb};

use super::config::NodeFault;
use super::pod_state::State;
use super::{Asked, Kubelet, Timer};
use crate::component::Context;
use crate::time::{MILLISECOND, SimTime};

/// What the kubelet tells of its node.
#[derive(Clone, Debug, Default)]
pub struct NodeState {
    registered: bool,
    ready: bool,
    memory_pressure: bool,
    disk_pressure: bool,
    pid_pressure: bool,
    since: BTreeMap<&'static str, (bool, SimTime)>,
}

impl Kubelet {
    pub(super) fn begin_node(&mut self, context: &mut Context<'_>) {
        let object = self.node_object(context.now).into();
        self.ask(Asked::Node, Verb::Create { object }, context);
    }

    pub(super) fn node_answered(&mut self, answer: Answer) {
        // A node that is there already is registered too.
        let _known_or_new = answer;
        self.node.registered = true;
    }

    /// The node's conditions are told again.
    pub(super) fn node_due(&mut self, context: &mut Context<'_>) {
        if self.down {
            return;
        }
        self.node.ready = true;
        let status = self.node_status(context.now);
        let key = ObjectKey::new(Kind::Node, "", &self.config.node);
        let patch = Patch::Typed(TypedPatch::NodeStatus(Box::new(status)));
        self.ask(Asked::Node, Verb::Patch { key, part: Part::Status, patch }, context);
    }

    /// A fault begins or ends.
    pub fn set_fault(&mut self, fault: NodeFault, context: &mut Context<'_>) {
        match fault {
            NodeFault::Down => self.down = true,
            NodeFault::Up => {
                self.down = false;
                self.lose_containers(context);
            }
            NodeFault::MemoryPressure(on) => self.node.memory_pressure = on,
            NodeFault::DiskPressure(on) => self.node.disk_pressure = on,
            NodeFault::PidPressure(on) => self.node.pid_pressure = on,
        }
        self.later(context, 100 * MILLISECOND, Timer::Node);
    }

    /// Whether nothing is heard of the node.
    pub fn is_down(&self) -> bool {
        self.down
    }

    /// The machine was off: every process has ended.
    fn lose_containers(&mut self, context: &mut Context<'_>) {
        let now = context.now;
        for (uid, state) in &mut self.pods {
            for container in &mut state.containers {
                if let State::Running { ended, .. } = &mut container.state {
                    ended.get_or_insert((now, 255, "Unknown".into()));
                }
            }
            self.unobserved.insert(uid.clone());
        }
        self.status_busy = false;
        let at = self.relist_after(now);
        self.relist_due = Some(at);
        self.timers.add(at, (Timer::Relist, context.cause));
    }

    fn node_object(&mut self, now: SimTime) -> Node {
        let name = self.config.node.to_string();
        let mut labels = BTreeMap::from([
            ("kubernetes.io/hostname".to_owned(), name.clone()),
            ("kubernetes.io/os".to_owned(), "linux".to_owned()),
            ("kubernetes.io/arch".to_owned(), "amd64".to_owned()),
            ("beta.kubernetes.io/os".to_owned(), "linux".to_owned()),
            ("beta.kubernetes.io/arch".to_owned(), "amd64".to_owned()),
        ]);
        labels.extend(self.config.spec.labels.clone());
        self.node.ready = true;
        Node {
            metadata: ObjectMeta { name: Some(name), labels: Some(labels), ..Default::default() },
            spec: Some(NodeSpec { pod_cidr: Some(format!("{}.0/24", self.config.spec.pod_network)), ..Default::default() }),
            status: Some(self.node_status(now)),
        }
    }

    fn node_status(&mut self, now: SimTime) -> NodeStatus {
        let spec = &self.config.spec;
        let amount = |q: Quantity| ApiQuantity(q.to_string());
        let capacity = BTreeMap::from([
            ("cpu".to_owned(), amount(Quantity::from_millis(spec.cpu_millis))),
            ("memory".to_owned(), amount(Quantity::from_bytes(spec.memory_bytes))),
            ("pods".to_owned(), ApiQuantity(spec.pods.to_string())),
            ("ephemeral-storage".to_owned(), ApiQuantity("60Gi".into())),
        ]);
        let address = |kind: &str, value: &str| NodeAddress { type_: kind.into(), address: value.into() };
        NodeStatus {
            addresses: Some(vec![address("InternalIP", &spec.ip), address("Hostname", &spec.name)]),
            allocatable: Some(capacity.clone()),
            capacity: Some(capacity),
            conditions: Some(self.node_conditions(now)),
            images: Some(
                self.images
                    .iter()
                    .map(|(name, size)| k8s_openapi::api::core::v1::ContainerImage {
                        names: Some(vec![super::status::full_image(name)]),
                        size_bytes: Some(*size as i64),
                    })
                    .collect(),
            ),
            node_info: Some(NodeSystemInfo {
                kubelet_version: "v1.36.2".into(),
                operating_system: "linux".into(),
                architecture: "amd64".into(),
                container_runtime_version: "containerd://1.6.20".into(),
                os_image: "simulated".into(),
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    fn node_conditions(&mut self, now: SimTime) -> Vec<NodeCondition> {
        let node = &self.node;
        let pressures = [
            (
                "MemoryPressure",
                node.memory_pressure,
                "KubeletHasInsufficientMemory",
                "KubeletHasSufficientMemory",
                "insufficient memory available",
                "sufficient memory available",
            ),
            ("DiskPressure", node.disk_pressure, "KubeletHasDiskPressure", "KubeletHasNoDiskPressure", "disk pressure", "no disk pressure"),
            (
                "PIDPressure",
                node.pid_pressure,
                "KubeletHasInsufficientPID",
                "KubeletHasSufficientPID",
                "insufficient PID available",
                "sufficient PID available",
            ),
        ];
        let ready = node.ready;
        let mut conditions = Vec::new();
        for (kind, on, bad, good, bad_text, good_text) in pressures {
            let (reason, text) = if on { (bad, bad_text) } else { (good, good_text) };
            conditions.push(self.node_condition(kind, on, reason, format!("kubelet has {text}"), now));
        }
        let (reason, text) =
            if ready { ("KubeletReady", "kubelet is posting ready status") } else { ("KubeletNotReady", "container runtime is down") };
        conditions.push(self.node_condition("Ready", ready, reason, text.into(), now));
        conditions
    }

    fn node_condition(&mut self, kind: &'static str, on: bool, reason: &str, message: String, now: SimTime) -> NodeCondition {
        let since = match self.node.since.get(kind) {
            Some((was, since)) if *was == on => *since,
            _ => now,
        };
        self.node.since.insert(kind, (on, since));
        NodeCondition {
            type_: kind.into(),
            status: if on { "True" } else { "False" }.into(),
            reason: Some(reason.into()),
            message: Some(message),
            last_heartbeat_time: Some(now.to_time()),
            last_transition_time: Some(since.to_time()),
        }
    }
}
