//! What reaches into containers: logs, exec, attach, port-forward, and the proxy to pods, services and nodes.
//! Here the request is admitted and the container found; streams both ways are the server's business.
//! Not modelled: the kubelet's own pages behind the proxy of a node.

use std::net::IpAddr;

use serde_json::json;
use sim_apimachinery::{Kind, Object, ObjectKey, Reason, Reply, Status, Typed, Verb};
use sim_core::cluster::{Client, HttpCall, HttpError, HttpFailure, Target};
use sim_core::time::SECOND;
use sim_core::trace::BEGINNING;
use sim_workload::HttpRequest;

use k8s_openapi::api::core::v1::{Endpoints, Node, Pod, Service};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::frontend::{Exchange, Outcome};
use crate::http::{Answer, Connect, ConnectKind, Response};
use crate::query::Query;
use crate::respond::bad_request;
use crate::verbs::key;

/// How long the proxy waits for a container's answer.
const PROXY_TIMEOUT: u64 = 30 * SECOND;

/// The kinds of addresses at which a kubelet is looked for.
const ADDRESS_TYPES: [&str; 5] = ["Hostname", "InternalDNS", "InternalIP", "ExternalDNS", "ExternalIP"];

/// Connects to the pod, service or node that the path names.
pub fn connect(exchange: &mut Exchange<'_>) -> Outcome<Answer> {
    match exchange.path.subresource.as_str() {
        "log" => crate::logs::logs(exchange),
        "exec" => stream(exchange, exec_kind),
        "attach" => stream(exchange, |query| ConnectKind::Attach {
            stdin: query.flag("stdin"),
            stdout: query.flag("stdout"),
            stderr: query.flag("stderr"),
            tty: query.flag("tty"),
        }),
        "portforward" => {
            stream(exchange, |query| ConnectKind::PortForward { ports: query.all("ports").filter_map(|p| p.parse().ok()).collect() })
        }
        _ => proxy(exchange),
    }
}

fn exec_kind(query: &Query) -> ConnectKind {
    ConnectKind::Exec {
        command: query.all("command").map(str::to_owned).collect(),
        stdin: query.flag("stdin"),
        stdout: query.flag("stdout"),
        stderr: query.flag("stderr"),
        tty: query.flag("tty"),
    }
}

/// Asks policies and webhooks, which see the options of the connection as its object.
fn admit(exchange: &mut Exchange<'_>, kind: &ConnectKind) -> Outcome<()> {
    let named = Some(exchange.query.get("container").to_owned()).filter(|name| !name.is_empty());
    let streams = |kind: &str, [stdin, stdout, stderr, tty]: [bool; 4]| {
        let mut options = json!({"kind": kind, "apiVersion": "v1"});
        for (name, is_wanted) in [("stdin", stdin), ("stdout", stdout), ("stderr", stderr), ("tty", tty)] {
            if is_wanted {
                options[name] = true.into();
            }
        }
        named.iter().for_each(|name| options["container"] = name.as_str().into());
        options
    };
    let (subresource, options) = match kind {
        ConnectKind::Exec { command, stdin, stdout, stderr, tty } => {
            let mut options = streams("PodExecOptions", [*stdin, *stdout, *stderr, *tty]);
            options["command"] = json!(command);
            ("exec", options)
        }
        ConnectKind::Attach { stdin, stdout, stderr, tty } => ("attach", streams("PodAttachOptions", [*stdin, *stdout, *stderr, *tty])),
        ConnectKind::PortForward { ports } => {
            let mut options = json!({"kind": "PodPortForwardOptions", "apiVersion": "v1"});
            if !ports.is_empty() {
                options["ports"] = json!(ports);
            }
            ("portforward", options)
        }
        // A log is read, not connected to.
        ConnectKind::FollowLog { .. } => return Ok(()),
    };
    let key = key(exchange);
    exchange.ask(Verb::Connect { key, subresource, options }).map(|_| ())
}

fn stream(exchange: &mut Exchange<'_>, kind: impl Fn(&Query) -> ConnectKind) -> Outcome<Answer> {
    let kind = kind(&exchange.query);
    admit(exchange, &kind)?;
    let pod = pod(exchange)?;
    let container = match kind {
        ConnectKind::PortForward { .. } => String::new(),
        _ => container(&pod, exchange.query.get("container"))?,
    };
    if pod.spec.as_ref().and_then(|s| s.node_name.as_deref()).unwrap_or_default().is_empty() {
        return Err(bad_request(format!("pod {} does not have a host assigned", exchange.path.name)));
    }
    check_node(exchange, &pod)?;
    if matches!(&kind, ConnectKind::Exec { command, .. } if command.is_empty()) {
        return Err(bad_request("you must specify at least 1 command for the container"));
    }
    Ok(Answer::Connect(Box::new(Connect {
        namespace: exchange.path.namespace.clone(),
        pod: exchange.path.name.clone(),
        uid: pod.metadata.uid.clone().unwrap_or_default(),
        container,
        kind,
        first: vec![],
        user: exchange.user.clone(),
    })))
}

/// The pod that the path names.
pub fn pod(exchange: &mut Exchange<'_>) -> Outcome<std::sync::Arc<Pod>> {
    let key = key(exchange);
    match exchange.ask(Verb::Get { key: key.clone() })? {
        Reply::Object(object) => Pod::from_object(&object).cloned().ok_or_else(|| Box::new(Status::not_found(Kind::Pod, &key.name))),
        _ => Err(Box::new(Status::not_found(Kind::Pod, &key.name))),
    }
}

/// The container that is meant; the only one if none is named. Init and debug containers must be named.
/// Source: `validateContainer` in pkg/registry/core/pod/strategy.go.
pub fn container(pod: &Pod, named: &str) -> Outcome<String> {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let spec = pod.spec.as_ref();
    let main: Vec<&str> = spec.iter().flat_map(|s| &s.containers).map(|c| c.name.as_str()).collect();
    let init = spec.iter().flat_map(|s| s.init_containers.iter().flatten()).map(|c| c.name.as_str());
    let debug = spec.iter().flat_map(|s| s.ephemeral_containers.iter().flatten()).map(|c| c.name.as_str());
    let all: Vec<&str> = init.chain(main.iter().copied()).chain(debug).collect();
    match (named, main.as_slice()) {
        ("", [only]) => Ok((*only).to_owned()),
        ("", []) => Err(bad_request(format!("a container name must be specified for pod {name}"))),
        ("", _) => Err(bad_request(format!("a container name must be specified for pod {name}, choose one of: [{}]", all.join(" ")))),
        (named, _) if all.contains(&named) => Ok(named.to_owned()),
        (named, _) => Err(bad_request(format!("container {named} is not valid for pod {name}"))),
    }
}

/// The node a pod is on must be there and say where it is. A node that is missing is told of as what the request is about.
/// Source: `NodeConnectionInfoGetter` in pkg/kubelet/client, `qualifiedResourceFromContext` in apiserver's generic store.
pub fn check_node(exchange: &Exchange<'_>, pod: &Pod) -> Outcome<()> {
    let name = pod.spec.as_ref().and_then(|s| s.node_name.as_deref()).unwrap_or_default();
    let node = exchange.cluster.etcd().get(&ObjectKey::new(Kind::Node, "", name)).and_then(Node::from_object);
    let Some(node) = node else { return Err(Box::new(Status::not_found(Kind::Pod, name))) };
    let addresses = node.status.as_ref().and_then(|s| s.addresses.as_deref()).unwrap_or_default();
    if addresses.iter().any(|a| ADDRESS_TYPES.contains(&a.type_.as_str())) {
        return Ok(());
    }
    let known: Vec<String> = addresses.iter().map(|a| format!("{{{} {}}}", a.type_, a.address)).collect();
    let why = format!("no preferred addresses found; known addresses: [{}]", known.join(" "));
    Err(Box::new(Status::new(Reason::Unknown, why)))
}

/// What the segment before `/proxy` says: `[scheme:]name[:port]`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Destination {
    name: String,
    port: String,
}

impl Destination {
    /// Reads it, if it is well-formed.
    fn parse(segment: &str) -> Option<Destination> {
        let parts: Vec<&str> = segment.split(':').collect();
        let (scheme, name, port) = match parts.as_slice() {
            [name] => ("", *name, ""),
            [name, port] => ("", *name, *port),
            [scheme, name, port] => (*scheme, *name, *port),
            _ => return None,
        };
        let is_valid = !name.is_empty() && matches!(scheme, "" | "http" | "https");
        is_valid.then(|| Destination { name: name.to_owned(), port: port.to_owned() })
    }
}

fn proxy(exchange: &mut Exchange<'_>) -> Outcome<Answer> {
    let kind = exchange.served.kind;
    let word = kind.resource().kind.to_ascii_lowercase();
    let invalid = bad_request(format!("invalid {word} request {:?}", exchange.path.name));
    let mut options = json!({"kind": format!("{}ProxyOptions", kind.resource().kind), "apiVersion": "v1"});
    if !exchange.path.rest.is_empty() {
        options["path"] = exchange.path.rest.as_str().into();
    }
    let whole = key(exchange);
    exchange.ask(Verb::Connect { key: whole, subresource: "proxy", options })?;
    let destination = Destination::parse(&exchange.path.name).ok_or(invalid)?;
    let namespace = exchange.path.namespace.clone();
    let key = ObjectKey::new(kind, if exchange.served.is_namespaced() { &namespace } else { "" }, &destination.name);
    let object = match exchange.ask(Verb::Get { key })? {
        Reply::Object(object) => object,
        _ => return Err(Box::new(Status::not_found(kind, &destination.name))),
    };
    match &object {
        Object::Pod(pod) => check_address(pod)?,
        Object::Service(service) => check_endpoints(exchange, service, &destination)?,
        _ => {}
    }
    let target = target(&object, &destination)?;
    Ok(forward(exchange, target).into())
}

/// Only pods that have an address that can be reached are.
fn check_address(pod: &Pod) -> Outcome<()> {
    let address = pod.status.as_ref().and_then(|s| s.pod_ip.as_deref()).unwrap_or_default();
    let is_allowed = address.parse::<IpAddr>().is_ok_and(|ip| {
        let link_local = match ip {
            IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast(),
            IpAddr::V6(v6) => v6.is_unicast_link_local(),
        };
        !(link_local || ip.is_loopback() || ip.is_multicast() || ip.is_unspecified())
    });
    if is_allowed { Ok(()) } else { Err(bad_request("address not allowed")) }
}

/// The port must be the service's, and there must be endpoints with it.
/// Source: `ResourceLocation` in pkg/registry/core/service/storage/storage.go.
fn check_endpoints(exchange: &Exchange<'_>, service: &Service, to: &Destination) -> Outcome<()> {
    let unavailable = |text: String| Err(Box::new(Status::new(Reason::ServiceUnavailable, text)));
    let ports: Vec<_> = service.spec.iter().flat_map(|s| s.ports.iter().flatten()).collect();
    let wanted = match to.port.parse::<i64>() {
        Err(_) => to.port.as_str(),
        Ok(number) => match ports.iter().find(|p| i64::from(p.port) == number) {
            Some(port) => port.name.as_deref().unwrap_or_default(),
            None => return unavailable(format!("no service port {number} found for service {:?}", to.name)),
        },
    };
    let key = ObjectKey::new(Kind::Endpoints, &exchange.path.namespace, &to.name);
    let Some(endpoints) = exchange.cluster.etcd().get(&key).and_then(Endpoints::from_object) else {
        return Err(Box::new(Status::not_found(Kind::Service, &to.name)));
    };
    let subsets = endpoints.subsets.as_deref().unwrap_or_default();
    if subsets.is_empty() {
        return unavailable(format!("no endpoints available for service {:?}", to.name));
    }
    let fits = subsets.iter().any(|s| {
        let has_port = s.ports.iter().flatten().any(|p| p.name.as_deref().unwrap_or_default() == wanted);
        has_port && s.addresses.as_ref().is_some_and(|a| !a.is_empty())
    });
    if fits { Ok(()) } else { unavailable(format!("no endpoints available for service {:?}", exchange.path.name)) }
}

fn target(object: &Object, to: &Destination) -> Outcome<Target> {
    let (namespace, name) = (object.namespace().to_owned(), object.name().to_owned());
    match object {
        Object::Pod(pod) => Ok(Target::Pod { namespace, name, port: pod_port(pod, &to.port)? }),
        Object::Service(service) => Ok(Target::Service { namespace, port: service_port(service, &to.port)?, name }),
        _ => Err(Box::new(Status::new(Reason::ServiceUnavailable, "the pages of kubelets are not simulated"))),
    }
}

fn pod_port(pod: &Pod, wanted: &str) -> Outcome<u16> {
    let mut ports = pod.spec.iter().flat_map(|s| &s.containers).flat_map(|c| c.ports.iter().flatten());
    if wanted.is_empty() {
        return Ok(ports.next().and_then(|p| u16::try_from(p.container_port).ok()).unwrap_or(80));
    }
    if let Ok(port) = wanted.parse() {
        return Ok(port);
    }
    let named = ports.find(|p| p.name.as_deref() == Some(wanted)).and_then(|p| u16::try_from(p.container_port).ok());
    named.ok_or_else(|| bad_request(format!("no port named {wanted:?}")))
}

fn service_port(service: &Service, wanted: &str) -> Outcome<u16> {
    let ports: Vec<_> = service.spec.iter().flat_map(|s| s.ports.iter().flatten()).collect();
    let chosen = ports.iter().find(|p| {
        let target = matches!(&p.target_port, Some(IntOrString::Int(number)) if number.to_string() == wanted);
        wanted.is_empty() || p.name.as_deref() == Some(wanted) || p.port.to_string() == wanted || target
    });
    let name = service.metadata.name.as_deref().unwrap_or_default();
    let missing = || Box::new(Status::new(Reason::ServiceUnavailable, format!("no service port {wanted:?} found for service {name:?}")));
    chosen.and_then(|p| u16::try_from(p.port).ok()).ok_or_else(missing)
}

fn forward(exchange: &mut Exchange<'_>, target: Target) -> Response {
    let query = &exchange.query;
    let path = if exchange.path.rest.is_empty() { "/".to_owned() } else { exchange.path.rest.clone() };
    let request = HttpRequest {
        method: exchange.request.method.clone(),
        path,
        query: query.pairs().map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
        headers: exchange
            .request
            .headers
            .iter()
            .filter(|(n, _)| !is_private(n))
            .map(|(n, v)| (n.to_ascii_lowercase(), v.clone()))
            .collect(),
        body: String::from_utf8_lossy(&exchange.request.body).into_owned(),
        port: 0,
    };
    let service = matches!(target, Target::Service { .. }).then(|| exchange.path.name.clone());
    let outcome = exchange.cluster.http_now(&HttpCall { from: Client::Anyone, target, request, timeout: PROXY_TIMEOUT }, BEGINNING);
    match (outcome.error, service) {
        (None, _) => {
            let media = if outcome.body.trim_start().starts_with(['{', '[']) { "application/json" } else { "text/plain; charset=utf-8" };
            Response { status: outcome.status, headers: vec![("Content-Type".into(), media.into())], body: outcome.body.into_bytes() }
        }
        (Some(HttpError { failure: HttpFailure::NoEndpoints | HttpFailure::NoLocalEndpoints, .. }), Some(service)) => {
            let status = Status::new(Reason::ServiceUnavailable, format!("no endpoints available for service {service:?}"));
            crate::respond::refusal(&status, exchange.accepted.encoding)
        }
        (Some(error), _) => {
            let status = Status::new(Reason::ServiceUnavailable, format!("error trying to reach service: {}", error.text));
            crate::respond::refusal(&status, exchange.accepted.encoding)
        }
    }
}

/// Headers that are the API server's, not the container's.
fn is_private(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name == "authorization" || name.starts_with("impersonate-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_a_name_with_a_scheme_and_a_port_or_without() {
        let to = |name: &str, port: &str| Some(Destination { name: name.into(), port: port.into() });
        assert_eq!(Destination::parse("a"), to("a", ""));
        assert_eq!(Destination::parse("a:80"), to("a", "80"));
        assert_eq!(Destination::parse("https:a:"), to("a", ""));
        for wrong in ["", ":80", "ftp:a:1", "http:a:1:2"] {
            assert_eq!(Destination::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_only_container_need_not_be_named_even_beside_others() {
        let pod = |spec: serde_json::Value| -> Pod {
            serde_json::from_value(serde_json::json!({"metadata": {"name": "p"}, "spec": spec})).expect("it is written here")
        };
        let one = pod(serde_json::json!({"containers": [{"name": "c"}], "initContainers": [{"name": "i"}]}));
        assert_eq!(container(&one, "").ok().as_deref(), Some("c"));
        let two = pod(serde_json::json!({"containers": [{"name": "c"}, {"name": "d"}], "initContainers": [{"name": "i"}]}));
        let refused = container(&two, "").expect_err("which?").message;
        assert_eq!(refused, "a container name must be specified for pod p, choose one of: [i c d]");
    }
}
