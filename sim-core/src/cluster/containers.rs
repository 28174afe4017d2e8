//! Containers as somebody outside reaches them: their logs, commands run in them, input for a shell that waits for it; and
//! what their programs ask the network.
//! Not modelled: input for programs other than shells, TLS.

use sim_workload::{ExecResult, HttpRequest, LogLine, NetworkAnswer, NetworkCall, NetworkFailure, OWN_NAMES, Process};

use super::outcome::HttpFailure;
use super::traffic::{Client, HttpCall, Target};
use super::{Cluster, ComponentId};
use crate::component::Input;
use crate::trace::StepId;

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

    /// Whether a container's main program is a shell that waits for input.
    pub fn waits_for_input(&self, namespace: &str, pod: &str, container: &str) -> bool {
        self.process(namespace, pod, container).is_some_and(|p| p.waits_for_input())
    }

    /// Ends such a shell, with the code of its last command.
    pub fn end_input(&mut self, namespace: &str, pod: &str, container: &str, code: i32, cause: StepId) {
        let now = self.now.0;
        let _gone = self.with_process(namespace, pod, container, cause, |process| process.end_input(now, code));
    }

    /// Answers what a container's main program asks the network.
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
