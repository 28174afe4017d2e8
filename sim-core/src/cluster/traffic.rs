//! Traffic: HTTP requests from outside to pods and services, and what containers ask of each other.
//! A request is routed as kube-proxy would at this moment, handled by the container's process, and its effects are real;
//! its latency is told, but the request itself takes effect at once.

use std::sync::Arc;

use sim_apimachinery::{Kind, Object};
use sim_workload::{BackendAnswer, BackendCommand, BackendError, Backends, HttpRequest, HttpResult, LogLine, Process};

use super::{Cluster, ComponentId};
use crate::component::Input;
use crate::time::Nanos;
use crate::trace::{StepId, What};

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// A pod, past its service, as through the API server's proxy.
    Pod {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The container's port.
        port: u16,
    },
    /// A service by name and service port.
    Service {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The service's port.
        port: u16,
    },
}

/// One request.
#[derive(Clone, Debug)]
pub struct HttpCall {
    /// Where to.
    pub target: Target,
    /// What: the port in it is filled in by routing.
    pub request: HttpRequest,
    /// How long the client waits.
    pub timeout: Nanos,
}

/// What the client got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpOutcome {
    /// The status, 0 when there was no answer.
    pub status: u16,
    /// The body.
    pub body: String,
    /// Why there was no answer.
    pub error: Option<String>,
    /// How long it took.
    pub latency: Nanos,
    /// The pod that answered (or refused), if it got that far.
    pub pod: Option<String>,
}

impl HttpOutcome {
    /// Whether the client got an answer below 500.
    pub fn is_success(&self) -> bool {
        self.error.is_none() && self.status < 500
    }

    fn failed(error: impl Into<String>, pod: Option<String>) -> HttpOutcome {
        HttpOutcome { status: 0, body: String::new(), error: Some(error.into()), latency: 0, pod }
    }
}

/// Lets a process reach others while the cluster is lent to it.
struct Network<'a> {
    cluster: &'a mut Cluster,
    namespace: String,
    cause: StepId,
}

impl Backends for Network<'_> {
    fn call(&mut self, host: &str, port: u16, command: BackendCommand) -> Result<BackendAnswer, BackendError> {
        let (name, namespace) = split_host(host, &self.namespace);
        let target = Target::Service { namespace, name, port };
        let (namespace, pod, port) = self.cluster.route(&target).map_err(|_| BackendError::Refused)?;
        let container = self.cluster.container_on(&namespace, &pod, port).ok_or(BackendError::Refused)?;
        let now = self.cluster.now.0;
        let cause = self.cause;
        self.cluster
            .with_process(&namespace, &pod, &container, cause, |process| process.command(now, &command))
            .unwrap_or(Err(BackendError::Refused))
    }
}

impl Cluster {
    /// Sends a request now and says what came of it.
    pub fn http(&mut self, call: &HttpCall, cause: StepId) -> HttpOutcome {
        let outcome = self.exchange(call, cause);
        let what = What::Http {
            from: "client".into(),
            to: outcome.pod.as_deref().unwrap_or("nowhere").into(),
            path: call.request.path.as_str().into(),
            status: outcome.status,
            error: outcome.error.as_deref().map(Arc::from),
        };
        self.trace.push(self.now, &"traffic".into(), cause, what);
        outcome
    }

    fn exchange(&mut self, call: &HttpCall, cause: StepId) -> HttpOutcome {
        let (namespace, pod, port) = match self.route(&call.target) {
            Ok(found) => found,
            Err(error) => return HttpOutcome::failed(error, None),
        };
        let Some(container) = self.container_on(&namespace, &pod, port) else {
            return HttpOutcome::failed("connection refused", Some(pod));
        };
        let request = HttpRequest { port, ..call.request.clone() };
        let mut result = HttpResult::Refused;
        let now = self.now.0;
        if let Some(mut process) = self.process(&namespace, &pod, &container) {
            let mut network = Network { cluster: self, namespace: namespace.clone(), cause };
            result = process.http(now, &request, &mut network);
            self.with_process(&namespace, &pod, &container, cause, |slot| *slot = process);
        }
        match result {
            HttpResult::Refused => HttpOutcome::failed("connection refused", Some(pod)),
            HttpResult::Timeout => HttpOutcome { latency: call.timeout, ..HttpOutcome::failed("timeout", Some(pod)) },
            HttpResult::Answer { latency_nanos, .. } if latency_nanos > call.timeout => {
                HttpOutcome { latency: call.timeout, ..HttpOutcome::failed("timeout", Some(pod)) }
            }
            HttpResult::Answer { status, body, latency_nanos, .. } => {
                HttpOutcome { status, body, error: None, latency: latency_nanos, pod: Some(pod) }
            }
        }
    }

    /// The pod and container port a target means now.
    fn route(&mut self, target: &Target) -> Result<(String, String, u16), String> {
        match target {
            Target::Pod { namespace, name, port } => match self.object(Kind::Pod, namespace, name) {
                Some(_) => Ok((namespace.clone(), name.clone(), *port)),
                None => Err(format!("pods \"{name}\" not found")),
            },
            Target::Service { namespace, name, port } => {
                let (ip, port) = self.proxy.route(self.now, namespace, name, *port, &mut self.links)?;
                let pod = self.pod_with_ip(&ip).ok_or_else(|| format!("no route to host {ip}"))?;
                Ok((pod.0, pod.1, port))
            }
        }
    }

    fn pod_with_ip(&self, ip: &str) -> Option<(String, String)> {
        self.kubelets.values().find_map(|k| k.pod_with_ip(ip))
    }

    /// The container of a pod that listens on a port.
    fn container_on(&self, namespace: &str, pod: &str, port: u16) -> Option<String> {
        let kubelet = self.kubelet_of(namespace, pod)?;
        kubelet.container_listening(namespace, pod, port)
    }

    fn kubelet_of(&self, namespace: &str, pod: &str) -> Option<&crate::kubelet::Kubelet> {
        self.kubelets.get(&*self.node_of(namespace, pod)?)
    }

    fn node_of(&self, namespace: &str, pod: &str) -> Option<Arc<str>> {
        match self.object(Kind::Pod, namespace, pod)? {
            Object::Pod(p) => p.spec.as_ref()?.node_name.as_deref().map(Arc::from),
            _ => None,
        }
    }

    fn process(&self, namespace: &str, pod: &str, container: &str) -> Option<Process> {
        self.kubelet_of(namespace, pod)?.process(namespace, pod, container).cloned()
    }

    /// Changes a container's process and lets its kubelet notice.
    pub(super) fn with_process<T>(
        &mut self,
        namespace: &str,
        pod: &str,
        container: &str,
        cause: StepId,
        change: impl FnOnce(&mut Process) -> T,
    ) -> Option<T> {
        let node = self.node_of(namespace, pod)?;
        let process = self.kubelets.get_mut(&node)?.process_mut(namespace, pod, container)?;
        let result = change(process);
        self.give(&ComponentId::Kubelet(node), Input::Wake, cause);
        Some(result)
    }

    /// What a container (or the instance before it) wrote; nothing if its node knows no such container.
    pub fn logs(&self, namespace: &str, pod: &str, container: &str, previous: bool) -> Option<&[LogLine]> {
        self.kubelet_of(namespace, pod)?.logs(namespace, pod, container, previous)
    }

    /// Whether a container's process runs.
    pub fn is_running(&self, namespace: &str, pod: &str, container: &str) -> bool {
        self.process(namespace, pod, container).is_some_and(|p| !p.is_exited())
    }

    /// Runs a command in a container: standard output, standard error, exit code.
    pub fn exec(&mut self, namespace: &str, pod: &str, container: &str, argv: &[String], cause: StepId) -> Option<(String, String, i32)> {
        let now = self.now.0;
        self.with_process(namespace, pod, container, cause, |process| {
            let result = process.exec(now, argv);
            (result.stdout, result.stderr, result.code)
        })
    }
}

/// `redis`, `redis.shop` or `redis.shop.svc.cluster.local`.
fn split_host(host: &str, namespace: &str) -> (String, String) {
    let mut parts = host.split('.');
    let name = parts.next().unwrap_or_default().to_owned();
    (name, parts.next().unwrap_or(namespace).to_owned())
}
