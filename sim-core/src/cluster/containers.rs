//! Containers as somebody outside reaches them: their logs, commands run in them, input for a shell that waits for it; and
//! what their programs ask the network.
//! Not modelled: input for servers, TLS.

use sim_apimachinery::{Kind, ObjectKey};
use sim_workload::{
    BackendCommand, ExecResult, Given, HttpRequest, LogLine, NetworkAnswer, NetworkCall, NetworkFailure, OWN_NAMES, Process, Reply, Told,
};

use super::outcome::HttpFailure;
use super::traffic::{Client, HttpCall, Target};
use super::{Cluster, ComponentId};
use crate::component::Input;
use crate::trace::{StepId, What};

/// Which container.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ContainerKey {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The container.
    pub container: String,
}

/// What a program that listens on a port speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// HTTP.
    Http,
    /// Redis' protocol.
    Redis,
}

impl Cluster {
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

    /// The id of the instance of a container that runs now.
    pub fn instance(&self, namespace: &str, pod: &str, container: &str) -> Option<String> {
        self.kubelet_of(namespace, pod)?.instance(namespace, pod, container).map(str::to_owned)
    }

    /// What an instance of a container wrote, and whether it still runs.
    pub fn instance_logs(&self, namespace: &str, pod: &str, container: &str, id: &str) -> Option<(&[LogLine], bool)> {
        self.kubelet_of(namespace, pod)?.instance_logs(namespace, pod, container, id)
    }

    /// Whether a container's process runs.
    pub fn is_running(&self, namespace: &str, pod: &str, container: &str) -> bool {
        self.process(namespace, pod, container).is_some_and(|p| !p.is_exited())
    }

    /// Runs a command in a container; nothing if its node knows no such container.
    pub fn exec(&mut self, namespace: &str, pod: &str, container: &str, argv: &[String], cause: StepId) -> Option<ExecResult> {
        let now = self.now.0;
        let mut exec = self.with_process(namespace, pod, container, cause, |process| process.begin_exec(now, argv))?;
        while let Some(call) = self.with_process(namespace, pod, container, cause, |process| process.continue_exec(&mut exec))? {
            exec.answer(self.ask_network(namespace, pod, &call, cause));
        }
        Some(exec.into_result())
    }

    /// Begins a command in a container, which then runs in simulated time; its number, or the runtime's text if it cannot be
    /// started. Nothing if its node knows no such container.
    pub fn begin_command(
        &mut self,
        at: &ContainerKey,
        argv: &[String],
        stdin: bool,
        tty: bool,
        cause: StepId,
    ) -> Option<Result<u64, String>> {
        let text = format!("runs in container {}: {}", at.container, argv.join(" "));
        let note = What::Note { key: Some(ObjectKey::new(Kind::Pod, &at.namespace, &at.pod)), text: text.into() };
        let (now, id, cause) = (self.now.0, self.next_token, self.trace.push(self.now, &"exec".into(), cause, note));
        self.next_token += 1;
        let begun = self.with_process(&at.namespace, &at.pod, &at.container, cause, |p| p.begin_command(now, id, argv, stdin, tty))?;
        Some(begun.map(|()| id))
    }

    /// What a command, or the main program if none is named, wrote from a piece on; nothing if it is not known.
    pub fn told(&self, at: &ContainerKey, command: Option<u64>, from: usize) -> Option<Told> {
        self.kubelet_of(&at.namespace, &at.pod)?.process(&at.namespace, &at.pod, &at.container)?.told(command, from)
    }

    /// Gives input to a command, or to the main program if none is named.
    pub fn give_input(&mut self, at: &ContainerKey, command: Option<u64>, given: &Given, cause: StepId) {
        let now = self.now.0;
        let _gone = self.with_process(&at.namespace, &at.pod, &at.container, cause, |process| process.give(now, command, given));
    }

    /// Whether the main program's input is open to somebody who attaches.
    pub fn has_input(&self, at: &ContainerKey) -> bool {
        self.kubelet_of(&at.namespace, &at.pod)
            .and_then(|kubelet| kubelet.process(&at.namespace, &at.pod, &at.container))
            .is_some_and(Process::has_input)
    }

    /// What listens on a port of a pod with this uid; if nothing does, whether the pod is there.
    pub fn dial(&self, namespace: &str, pod: &str, uid: &str, port: u16) -> Result<Listener, bool> {
        let object = self.object(Kind::Pod, namespace, pod).filter(|object| object.metadata().uid.as_deref() == Some(uid));
        let kubelet = object.and_then(|_| self.kubelet_of(namespace, pod)).filter(|kubelet| !kubelet.is_down()).ok_or(false)?;
        kubelet.pod_ip(namespace, pod).ok_or(false)?;
        let container = kubelet.container_listening(namespace, pod, port).ok_or(true)?;
        let process = kubelet.process(namespace, pod, &container).ok_or(true)?;
        Ok(if process.is_redis() { Listener::Redis } else { Listener::Http })
    }

    /// Sends a command to the Redis server on a port of a pod; nothing where none answers.
    pub fn redis(&mut self, namespace: &str, pod: &str, port: u16, command: &BackendCommand, cause: StepId) -> Option<Reply> {
        let container = self.container_on(namespace, pod, port)?;
        let now = self.now.0;
        let answer = self.with_process(namespace, pod, &container, cause, |process| process.command(now, command))?;
        answer.ok().map(|answer| answer.reply)
    }

    /// Answers what a program in a container asks the network.
    pub(super) fn answer_network(&mut self, namespace: &str, pod: &str, container: &str, cause: StepId) {
        let Some(call) = self.process(namespace, pod, container).and_then(|p| p.calling().cloned()) else { return };
        let answer = self.ask_network(namespace, pod, &call, cause);
        let now = self.now.0;
        let _gone = self.with_process(namespace, pod, container, cause, |process| process.answer_call(now, answer));
    }

    fn ask_network(&mut self, namespace: &str, pod: &str, call: &NetworkCall, cause: StepId) -> NetworkAnswer {
        match call {
            NetworkCall::Http { host, port, request, timeout_nanos } => {
                self.ask_http(namespace, pod, (host, *port), request, *timeout_nanos, cause)
            }
            NetworkCall::LookUp { name } => match self.dns.find_host(name, namespace) {
                Some((name, addresses)) => NetworkAnswer::Addresses { name: name.trim_end_matches('.').to_owned(), addresses },
                None => NetworkAnswer::no_network(),
            },
        }
    }

    fn ask_http(
        &mut self,
        namespace: &str,
        pod: &str,
        (host, port): (&str, u16),
        request: &HttpRequest,
        timeout: u64,
        cause: StepId,
    ) -> NetworkAnswer {
        let from = Client::Pod { namespace: namespace.to_owned(), name: pod.to_owned() };
        let target = if OWN_NAMES.contains(&host) {
            Target::Pod { namespace: namespace.to_owned(), name: pod.to_owned(), port }
        } else {
            Target::Host { name: host.to_owned(), port }
        };
        let outcome = self.http_now(&HttpCall { from, target, request: request.clone(), timeout }, cause);
        let latency_nanos = outcome.latency;
        let Some(error) = outcome.error else {
            return NetworkAnswer::Http { status: outcome.status, body: outcome.body, latency_nanos };
        };
        let failure = match error.failure {
            HttpFailure::NoSuchHost => NetworkFailure::NoSuchHost,
            HttpFailure::NoRoute => NetworkFailure::NoRoute,
            failure if failure.is_timeout() => NetworkFailure::Timeout,
            _ => NetworkFailure::Refused,
        };
        let address = self.dns.host(host, namespace).and_then(|found| found.first().cloned()).unwrap_or_else(|| host.to_owned());
        NetworkAnswer::Failed { failure, address, latency_nanos }
    }
}
