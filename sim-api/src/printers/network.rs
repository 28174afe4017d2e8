//! Rows of services, what stands behind them, and what leads to them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::view::{View, cells, first_three};

pub(super) fn cells(name: &str, object: View<'_>) -> Option<Vec<Value>> {
    Some(match name {
        "Service" => service(object),
        "Endpoints" => cells![object.name(), endpoints(object), object.age()],
        "EndpointSlice" => endpoint_slice(object),
        "Ingress" => ingress(object),
        "IngressClass" => ingress_class(object),
        "NetworkPolicy" => cells![object.name(), object.selector_or_none("spec.podSelector"), object.age()],
        "ServiceCIDR" => cells![object.name(), object.joined("spec.cidrs", ","), object.age()],
        "IPAddress" => cells![object.name(), parent(object), object.age()],
        _ => return None,
    })
}

fn service(object: View<'_>) -> Vec<Value> {
    let cluster_ip = object.list("spec.clusterIPs").next().and_then(|ip| ip.value().as_str()).unwrap_or("<none>");
    let ports: Vec<String> = object.list("spec.ports").map(service_port).collect();
    let ports = if ports.is_empty() { "<none>".to_owned() } else { ports.join(",") };
    let selector = object.labels("spec.selector");
    cells![object.name(), object.text("spec.type"), cluster_ip, external_ip(object), ports, object.age(), selector]
}

fn service_port(port: View<'_>) -> String {
    let (number, protocol) = (port.number("port"), port.text("protocol"));
    match port.number("nodePort") {
        0 => format!("{number}/{protocol}"),
        node_port => format!("{number}:{node_port}/{protocol}"),
    }
}

fn external_ip(object: View<'_>) -> String {
    let given = object.joined("spec.externalIPs", ",");
    match object.text("spec.type") {
        "ClusterIP" | "NodePort" if given.is_empty() => "<none>".to_owned(),
        "ClusterIP" | "NodePort" => given,
        "LoadBalancer" => match (load_balancer(object), given) {
            (found, given) if found.is_empty() && given.is_empty() => "<pending>".to_owned(),
            (found, given) if found.is_empty() => given,
            (found, given) if given.is_empty() => found,
            (found, given) => format!("{found},{given}"),
        },
        "ExternalName" => object.text("spec.externalName").to_owned(),
        _ => "<unknown>".to_owned(),
    }
}

/// Addresses and names of the load balancer's points, sorted. Wide output is always made, so nothing is cut.
fn load_balancer(object: View<'_>) -> String {
    let points = object.list("status.loadBalancer.ingress").map(|point| point.text_or("ip", point.text("hostname")));
    let sorted: BTreeSet<&str> = points.filter(|point| !point.is_empty()).collect();
    sorted.into_iter().collect::<Vec<_>>().join(",")
}

fn endpoints(object: View<'_>) -> String {
    let mut all = Vec::new();
    for subset in object.list("subsets") {
        if subset.count("ports") == 0 {
            all.extend(subset.list("addresses").map(|address| address.text("ip").to_owned()));
        }
        for port in subset.list("ports") {
            all.extend(subset.list("addresses").map(|address| host_and_port(address.text("ip"), port.number("port"))));
        }
    }
    match (object.count("subsets"), all.len()) {
        (0, _) => "<none>".to_owned(),
        (_, 0) => String::new(),
        _ => first_three(&all),
    }
}

fn host_and_port(ip: &str, port: i64) -> String {
    if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }
}

fn endpoint_slice(object: View<'_>) -> Vec<Value> {
    let port = |port: View<'_>| if port.has("port") { port.number("port").to_string() } else { port.set_or("name", "*") };
    let ports: Vec<String> = object.list("ports").map(port).collect();
    let addresses = object.list("endpoints").flat_map(|endpoint| endpoint.list("addresses"));
    let addresses: Vec<String> = addresses.map(|address| address.value().as_str().unwrap_or_default().to_owned()).collect();
    cells![object.name(), object.text("addressType"), first_three(&ports), first_three(&addresses), object.age()]
}

fn ingress(object: View<'_>) -> Vec<Value> {
    let ports = if object.count("spec.tls") == 0 { "80" } else { "80, 443" };
    let class = object.set_or("spec.ingressClassName", "<none>");
    cells![object.name(), class, hosts(object), load_balancer(object), ports, object.age()]
}

/// The first three hosts; what is said to be left out counts rules, not hosts, as Kubernetes does.
fn hosts(object: View<'_>) -> String {
    let (mut shown, mut more) = (Vec::new(), false);
    for host in object.list("spec.rules").map(|rule| rule.text("host")) {
        more |= shown.len() == 3;
        if !more && !host.is_empty() {
            shown.push(host);
        }
    }
    match (shown.is_empty(), more) {
        (true, _) => "*".to_owned(),
        (false, false) => shown.join(","),
        (false, true) => format!("{} + {} more...", shown.join(","), object.count("spec.rules") - 3),
    }
}

fn ingress_class(object: View<'_>) -> Vec<Value> {
    let is_default = object.entry("metadata.annotations", "ingressclass.kubernetes.io/is-default-class");
    let mark = if is_default.is_some_and(|value| value.value() == "true") { " (default)" } else { "" };
    let parameters = object.get("spec.parameters").map_or_else(
        || "<none>".to_owned(),
        |parameters| {
            let group = parameters.get("apiGroup").map_or_else(String::new, |_| format!(".{}", parameters.text("apiGroup")));
            format!("{}{group}/{}", parameters.text("kind"), parameters.text("name"))
        },
    );
    cells![format!("{}{mark}", object.name()), object.text("spec.controller"), parameters, object.age()]
}

fn parent(object: View<'_>) -> String {
    let Some(parent) = object.get("spec.parentRef") else { return "<none>".to_owned() };
    let (resource, group) = (parent.text("resource"), parent.text("group"));
    let qualified = if group.is_empty() { resource.to_lowercase() } else { format!("{resource}.{group}").to_lowercase() };
    let namespace = parent.text("namespace");
    let place = if namespace.is_empty() { qualified } else { format!("{qualified}/{namespace}") };
    format!("{place}/{}", parent.text("name"))
}
