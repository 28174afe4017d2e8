//! What reaches into containers: logs, exec, attach, port-forward, and the proxy to pods, services and nodes.
//! Here the request is admitted and the container found; streams both ways are the server's business.
//! Not modelled: the kubelet's own pages behind the proxy of a node.

use sim_apimachinery::{Kind, Object, ObjectKey, Reason, Reply, Status, Typed, Verb};
use sim_core::cluster::{Client, HttpCall, Target};
use sim_core::time::SECOND;
use sim_core::trace::BEGINNING;
use sim_workload::HttpRequest;

use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::frontend::{Exchange, Outcome};
use crate::http::{Answer, Connect, ConnectKind, Response};
use crate::query::Query;
use crate::respond::bad_request;
use crate::verbs::key;

/// How long the proxy waits for a container's answer.
const PROXY_TIMEOUT: u64 = 30 * SECOND;

/// Connects to the pod, service or node that the path names.
pub fn connect(exchange: &mut Exchange<'_>) -> Outcome<Answer> {
    match exchange.path.subresource.as_str() {
        "log" => crate::logs::logs(exchange),
        "exec" => stream(exchange, exec_kind),
        "attach" => stream(exchange, |query| ConnectKind::Attach {
            stdin: flag(query, "stdin"),
            stdout: flag(query, "stdout"),
            stderr: flag(query, "stderr"),
            tty: flag(query, "tty"),
        }),
        "portforward" => {
            stream(exchange, |query| ConnectKind::PortForward { ports: query.all("ports").filter_map(|p| p.parse().ok()).collect() })
        }
        _ => proxy(exchange),
    }
}

fn flag(query: &Query, name: &str) -> bool {
    matches!(query.get(name), "1" | "true" | "True" | "TRUE" | "t" | "T")
}

fn exec_kind(query: &Query) -> ConnectKind {
    ConnectKind::Exec {
        command: query.all("command").map(str::to_owned).collect(),
        stdin: flag(query, "stdin"),
        stdout: flag(query, "stdout"),
        stderr: flag(query, "stderr"),
        tty: flag(query, "tty"),
    }
}

fn stream(exchange: &mut Exchange<'_>, kind: impl Fn(&Query) -> ConnectKind) -> Outcome<Answer> {
    let pod = pod(exchange)?;
    let kind = kind(&exchange.query);
    let container = match kind {
        ConnectKind::PortForward { .. } => String::new(),
        _ => container(&pod, exchange.query.get("container"))?,
    };
    if pod.spec.as_ref().and_then(|s| s.node_name.as_deref()).unwrap_or_default().is_empty() {
        return Err(bad_request(format!("pod {} does not have a host assigned", exchange.path.name)));
    }
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

/// The container that is meant; the only one if none is named.
pub fn container(pod: &Pod, named: &str) -> Outcome<String> {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let Some(spec) = &pod.spec else { return Err(bad_request(format!("container {named} is not valid for pod {name}"))) };
    let main: Vec<&str> = spec.containers.iter().map(|c| c.name.as_str()).collect();
    let init: Vec<&str> = spec.init_containers.iter().flatten().map(|c| c.name.as_str()).collect();
    let debug: Vec<&str> = spec.ephemeral_containers.iter().flatten().map(|c| c.name.as_str()).collect();
    match (named, main.as_slice()) {
        ("", [only]) if init.is_empty() && debug.is_empty() => Ok((*only).to_owned()),
        ("", _) => {
            let mut text = format!("a container name must be specified for pod {name}, choose one of: [{}]", main.join(" "));
            for (what, names) in [("init", &init), ("ephemeral", &debug)] {
                if !names.is_empty() {
                    text += &format!(" or one of the {what} containers: [{}]", names.join(" "));
                }
            }
            Err(bad_request(text))
        }
        (named, _) if main.contains(&named) || init.contains(&named) || debug.contains(&named) => Ok(named.to_owned()),
        (named, _) => Err(bad_request(format!("container {named} is not valid for pod {name}"))),
    }
}

/// What the segment before `/proxy` says: `[scheme:]name[:port]`.
struct Destination {
    name: String,
    port: String,
}

impl Destination {
    fn parse(segment: &str) -> Destination {
        let parts: Vec<&str> = segment.split(':').collect();
        let (name, port) = match parts.as_slice() {
            ["http" | "https", name, port] => (*name, *port),
            [name, port] => (*name, *port),
            _ => (segment, ""),
        };
        Destination { name: name.to_owned(), port: port.to_owned() }
    }
}

fn proxy(exchange: &mut Exchange<'_>) -> Outcome<Answer> {
    let destination = Destination::parse(&exchange.path.name);
    let namespace = exchange.path.namespace.clone();
    let kind = exchange.served.kind;
    let key = ObjectKey::new(kind, if exchange.served.is_namespaced() { &namespace } else { "" }, &destination.name);
    let object = match exchange.ask(Verb::Get { key })? {
        Reply::Object(object) => object,
        _ => return Err(Box::new(Status::not_found(kind, &destination.name))),
    };
    let target = target(&object, &destination)?;
    Ok(forward(exchange, target).into())
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
        (Some(error), Some(service)) if error.contains("no endpoints") => {
            let status = Status::new(Reason::ServiceUnavailable, format!("no endpoints available for service {service:?}"));
            crate::respond::refusal(&status, exchange.accepted.encoding)
        }
        (Some(error), _) => {
            let status = Status::new(Reason::ServiceUnavailable, format!("error trying to reach service: {error}"));
            crate::respond::refusal(&status, exchange.accepted.encoding)
        }
    }
}

/// Headers that are the API server's, not the container's.
fn is_private(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name == "authorization" || name.starts_with("impersonate-")
}
