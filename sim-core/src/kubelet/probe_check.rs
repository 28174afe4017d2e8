//! One check of a probe, or one lifecycle hook: HTTP, TCP, gRPC or a command, against the container's process.
//! Says what came of it, in the words of events, and how long it took.
//! Not modelled: redirects, TLS, hosts other than the pod, the gRPC health protocol (a listening port is healthy).

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, ExecAction, HTTPGetAction, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use sim_apimachinery::duration;
use sim_workload::{Backends, HttpRequest, HttpResult, Process};

use crate::time::{Nanos, SimTime};

/// What a check came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All is well.
    Success,
    /// Not well, and why.
    Failure(String),
    /// It could not be made, and why.
    Unknown(String),
}

/// A check's outcome, and how long it took.
pub type Checked = (Outcome, Nanos);

/// Makes a probe's check.
pub fn check(probe: &Probe, target: Target, now: SimTime, timeout: Nanos, backends: &mut dyn Backends) -> Checked {
    match probe {
        Probe { exec: Some(exec), .. } => command(exec, target, now, timeout),
        Probe { http_get: Some(action), .. } => http(action, target, now, timeout, backends),
        Probe { tcp_socket: Some(action), .. } => {
            let Some(port) = port_of(&action.port, target.container) else { return no_port(&action.port) };
            (tcp(port, &target), 0)
        }
        Probe { grpc: Some(action), .. } => grpc(u16::try_from(action.port).unwrap_or(0), &target, timeout),
        _ => (Outcome::Success, 0),
    }
}

/// What a check is made against.
pub struct Target<'a> {
    /// The container's spec, for the names of its ports.
    pub container: &'a Container,
    /// The pod's address.
    pub ip: &'a str,
    /// The process, if one runs.
    pub process: Option<&'a mut Process>,
}

fn no_port(port: &IntOrString) -> Checked {
    let text = match port {
        IntOrString::String(name) => format!("couldn't find port \"{name}\""),
        IntOrString::Int(number) => format!("invalid port number: {number}"),
    };
    (Outcome::Unknown(text), 0)
}

/// The number of a port given by number or name.
pub fn port_of(port: &IntOrString, container: &Container) -> Option<u16> {
    match port {
        IntOrString::Int(number) => u16::try_from(*number).ok().filter(|n| *n > 0),
        IntOrString::String(name) => {
            let named = container.ports.iter().flatten().find(|p| p.name.as_ref() == Some(name)).map(|p| p.container_port);
            named.or_else(|| name.parse().ok()).and_then(|n| u16::try_from(n).ok())
        }
    }
}

/// An HTTP request as probes and hooks make it.
pub fn http(action: &HTTPGetAction, target: Target, now: SimTime, timeout: Nanos, backends: &mut dyn Backends) -> Checked {
    let Some(port) = port_of(&action.port, target.container) else { return no_port(&action.port) };
    let path = action.path.as_deref().filter(|p| !p.is_empty()).unwrap_or("/");
    let (path_only, query) = path.split_once('?').unwrap_or((path, ""));
    let host = action.host.as_deref().filter(|h| !h.is_empty()).unwrap_or(target.ip);
    let scheme = action.scheme.as_deref().unwrap_or("HTTP").to_lowercase();
    let url = format!("{scheme}://{host}:{port}{}{path}", if path.starts_with('/') { "" } else { "/" });
    let headers = action.http_headers.iter().flatten().map(|h| (h.name.to_lowercase(), h.value.clone())).collect();
    let request = HttpRequest {
        method: "GET".into(),
        path: if path_only.starts_with('/') { path_only.into() } else { format!("/{path_only}") },
        query: query.split('&').filter_map(|p| p.split_once('=')).map(|(n, v)| (n.into(), v.into())).collect::<BTreeMap<_, _>>(),
        headers,
        body: String::new(),
        port,
    };
    let refused = || Outcome::Failure(format!("Get \"{url}\": dial tcp {host}:{port}: connect: connection refused"));
    let late = || {
        (Outcome::Failure(format!("Get \"{url}\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)")), timeout)
    };
    let Some(process) = target.process else { return (refused(), 0) };
    match process.http(now.0, &request, backends) {
        HttpResult::Refused => (refused(), 0),
        HttpResult::Timeout => late(),
        HttpResult::Answer { latency_nanos, .. } if latency_nanos > timeout => late(),
        HttpResult::Answer { status: 200..=399, latency_nanos, .. } => (Outcome::Success, latency_nanos),
        HttpResult::Answer { status, latency_nanos, .. } => {
            (Outcome::Failure(format!("HTTP probe failed with statuscode: {status}")), latency_nanos)
        }
    }
}

fn tcp(port: u16, target: &Target) -> Outcome {
    match &target.process {
        Some(process) if process.is_listening(port) => Outcome::Success,
        _ => Outcome::Failure(format!("dial tcp {}:{port}: connect: connection refused", target.ip)),
    }
}

fn grpc(port: u16, target: &Target, timeout: Nanos) -> Checked {
    match tcp(port, target) {
        Outcome::Success => (Outcome::Success, 0),
        _ => {
            let (ip, limit) = (target.ip, duration::go_string(timeout));
            (
                Outcome::Failure(format!("timeout: failed to connect service \"{ip}:{port}\" within {limit}: context deadline exceeded")),
                timeout,
            )
        }
    }
}

/// A command as probes and hooks run it.
pub fn command(action: &ExecAction, target: Target, now: SimTime, timeout: Nanos) -> Checked {
    let argv = action.command.clone().unwrap_or_default();
    let Some(process) = target.process else { return (Outcome::Unknown("container not running".into()), 0) };
    let result = process.exec(now.0, &argv);
    if let Some(error) = result.start_error {
        let text = format!("OCI runtime exec failed: exec failed: unable to start container process: {error}");
        return (Outcome::Unknown(text), 0);
    }
    if result.duration_nanos > timeout {
        let (words, limit) = (argv.join(" "), duration::go_string(timeout));
        return (Outcome::Failure(format!("command timed out: \"{words}\" timed out after {limit}")), timeout);
    }
    let outcome = if result.code == 0 { Outcome::Success } else { Outcome::Failure(result.stdout + &result.stderr) };
    (outcome, result.duration_nanos)
}
