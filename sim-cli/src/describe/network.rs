//! Services, endpoints, endpoint slices, ingresses.

use serde_json::Value;
use sim_apimachinery::Kind;

use super::metadata::{annotations, events, head, multiline};
use super::page::Page;
use super::view::{World, int, items, joined, or, or_none, pairs, plain, text};

/// A service.
pub fn service(page: &mut Page, object: &Value, world: &World<'_>) {
    head(page, object);
    page.line(0, format!("Selector:\t{}", joined(&pairs(object, "/spec/selector"))));
    page.line(0, format!("Type:\t{}", text(object, "/spec/type")));
    if !text(object, "/spec/ipFamilyPolicy").is_empty() {
        page.line(0, format!("IP Family Policy:\t{}", text(object, "/spec/ipFamilyPolicy")));
    }
    page.line(0, format!("IP Families:\t{}", or_none(&words(object, "/spec/ipFamilies"))));
    page.line(0, format!("IP:\t{}", text(object, "/spec/clusterIP")));
    page.line(0, format!("IPs:\t{}", or_none(&words(object, "/spec/clusterIPs"))));
    for (title, value) in [
        ("External IPs", words(object, "/spec/externalIPs")),
        ("Desired LoadBalancer IP", text(object, "/spec/loadBalancerIP").to_owned()),
        ("External Name", text(object, "/spec/externalName").to_owned()),
        ("LoadBalancer Ingress", ingress_points(object)),
    ] {
        if !value.is_empty() {
            page.line(0, format!("{title}:\t{value}"));
        }
    }
    let slices = slices_of(world, text(object, "/metadata/namespace"), text(object, "/metadata/name"));
    items(object, "/spec/ports").iter().for_each(|p| service_port(page, p, &slices));
    policies(page, object);
    events(page, object, world);
}

fn words(object: &Value, path: &str) -> String {
    items(object, path).iter().map(plain).collect::<Vec<_>>().join(",")
}

fn ingress_points(object: &Value) -> String {
    let shown = |i: &Value| match (text(i, "/ip"), text(i, "/ipMode")) {
        ("", _) => text(i, "/hostname").to_owned(),
        (ip, "") => ip.to_owned(),
        (ip, mode) => format!("{ip} ({mode})"),
    };
    items(object, "/status/loadBalancer/ingress").iter().map(shown).collect::<Vec<_>>().join(", ")
}

fn service_port(page: &mut Page, port: &Value, slices: &[Value]) {
    let (name, protocol) = (or(port, "/name", "<unset>"), or(port, "/protocol", "TCP"));
    page.line(0, format!("Port:\t{name}\t{}/{protocol}", int(port, "/port")));
    page.line(0, format!("TargetPort:\t{}/{protocol}", or(port, "/targetPort", "0")));
    if !text(port, "/appProtocol").is_empty() {
        page.line(0, format!("AppProtocol:\t{}", text(port, "/appProtocol")));
    }
    if int(port, "/nodePort") != 0 {
        page.line(0, format!("NodePort:\t{name}\t{}/{protocol}", int(port, "/nodePort")));
    }
    page.line(0, format!("Endpoints:\t{}", addresses(slices, text(port, "/name"))));
}

fn policies(page: &mut Page, object: &Value) {
    page.line(0, format!("Session Affinity:\t{}", text(object, "/spec/sessionAffinity")));
    for (title, path) in [
        ("External Traffic Policy", "/spec/externalTrafficPolicy"),
        ("Internal Traffic Policy", "/spec/internalTrafficPolicy"),
        ("HealthCheck NodePort", "/spec/healthCheckNodePort"),
        ("Traffic Distribution", "/spec/trafficDistribution"),
    ] {
        if object.pointer(path).is_some() {
            page.line(0, format!("{title}:\t{}", or(object, path, "")));
        }
    }
}

fn slices_of(world: &World<'_>, namespace: &str, service: &str) -> Vec<Value> {
    let own = |s: &Value| s["metadata"]["labels"]["kubernetes.io/service-name"] == service;
    world.list_in(Kind::EndpointSlice, namespace).into_iter().filter(own).collect()
}

/// The first three ready addresses of a port, and how many more there are.
fn addresses(slices: &[Value], port_name: &str) -> String {
    const SHOWN: usize = 3;
    if slices.is_empty() {
        return "<none>".into();
    }
    let mut found = Vec::new();
    for slice in slices {
        let ports = items(slice, "/ports");
        let ready = items(slice, "/endpoints").iter().filter(|e| e.pointer("/conditions/ready").is_none_or(|r| *r != false));
        let ready: Vec<String> = ready.map(|e| text(e, "/addresses/0").to_owned()).collect();
        if ports.is_empty() {
            found.extend(ready.clone());
        }
        for port in ports.iter().filter(|p| text(p, "/name") == port_name) {
            found.extend(ready.iter().map(|a| format!("{a}:{}", int(port, "/port"))));
        }
    }
    let first = found.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(",");
    if found.len() > SHOWN { format!("{first} + {} more...", found.len() - SHOWN) } else { first }
}

/// Endpoints.
pub fn endpoints(page: &mut Page, object: &Value, world: &World<'_>) {
    head(page, object);
    page.line(0, "Subsets:");
    for subset in items(object, "/subsets") {
        for (title, path) in [("Addresses", "/addresses"), ("NotReadyAddresses", "/notReadyAddresses")] {
            let found: Vec<&str> = items(subset, path).iter().map(|a| text(a, "/ip")).collect();
            page.line(1, format!("{title}:\t{}", or_none(&found.join(","))));
        }
        if !items(subset, "/ports").is_empty() {
            page.line(1, "Ports:");
            ports(page, 2, items(subset, "/ports"));
        }
        page.line(0, "");
    }
    events(page, object, world);
}

fn ports(page: &mut Page, level: usize, ports: &[Value]) {
    page.line(level, "Name\tPort\tProtocol");
    page.line(level, "----\t----\t--------");
    for port in ports {
        let name = match text(port, "/name") {
            "" => "<unset>",
            name => name,
        };
        page.line(level, format!("{name}\t{}\t{}", or(port, "/port", "<unset>"), text(port, "/protocol")));
    }
}

/// An endpoint slice.
pub fn endpoint_slice(page: &mut Page, object: &Value, world: &World<'_>) {
    head(page, object);
    page.line(0, format!("AddressType:\t{}", text(object, "/addressType")));
    let (own, points) = (items(object, "/ports"), items(object, "/endpoints"));
    page.line(0, if own.is_empty() { "Ports: <unset>" } else { "Ports:" });
    if !own.is_empty() {
        ports(page, 1, own);
    }
    page.line(0, if points.is_empty() { "Endpoints: <none>" } else { "Endpoints:" });
    for point in points {
        let addresses: Vec<&str> = items(point, "/addresses").iter().filter_map(Value::as_str).collect();
        page.line(1, format!("- Addresses:\t{}", or_none(&addresses.join(", "))));
        page.line(2, "Conditions:");
        page.line(3, format!("Ready:\t{}", or(point, "/conditions/ready", "<unset>")));
        page.line(2, format!("Hostname:\t{}", or(point, "/hostname", "<unset>")));
        if let Some(target) = point.get("targetRef") {
            page.line(2, format!("TargetRef:\t{}/{}", text(target, "/kind"), text(target, "/name")));
        }
        page.line(2, format!("NodeName:\t{}", or(point, "/nodeName", "<unset>")));
        page.line(2, format!("Zone:\t{}", or(point, "/zone", "<unset>")));
    }
    events(page, object, world);
}

/// An ingress.
pub fn ingress(page: &mut Page, object: &Value, world: &World<'_>) {
    page.line(0, format!("Name:\t{}", text(object, "/metadata/name")));
    multiline(page, "Labels", &pairs(object, "/metadata/labels"));
    page.line(0, format!("Namespace:\t{}", text(object, "/metadata/namespace")));
    page.line(0, format!("Address:\t{}", ingress_points(object).replace(", ", ",")));
    page.line(0, format!("Ingress Class:\t{}", or(object, "/spec/ingressClassName", "<none>")));
    let namespace = text(object, "/metadata/namespace");
    let default = object.pointer("/spec/defaultBackend").map_or("<default>".into(), |b| backend(b, namespace, world));
    page.line(0, format!("Default backend:\t{default}"));
    page.line(0, "Rules:");
    page.line(1, "Host\tPath\tBackends");
    page.line(1, "----\t----\t--------");
    let rules: Vec<&Value> = items(object, "/spec/rules").iter().filter(|r| r.get("http").is_some()).collect();
    for rule in &rules {
        page.line(1, format!("{}\t", or(rule, "/host", "*")));
        for path in items(rule, "/http/paths") {
            page.line(2, format!("\t{} \t{}", text(path, "/path"), backend(&path["backend"], namespace, world)));
        }
    }
    if rules.is_empty() {
        page.line(1, format!("*\t*\t{default}"));
    }
    annotations(page, "Annotations", &pairs(object, "/metadata/annotations"));
    events(page, object, world);
}

fn backend(backend: &Value, namespace: &str, world: &World<'_>) -> String {
    let Some(service) = backend.get("service") else {
        let r = &backend["resource"];
        return format!("APIGroup: {}, Kind: {}, Name: {}", or(r, "/apiGroup", "<none>"), text(r, "/kind"), text(r, "/name"));
    };
    let name = text(service, "/name");
    let shown = match text(service, "/port/name") {
        "" => format!("{name}:{}", int(service, "/port/number")),
        port => format!("{name}:{port}"),
    };
    let same = |s: &Value| text(s, "/metadata/name") == name;
    let Some(found) = world.list_in(Kind::Service, namespace).into_iter().find(same) else {
        return format!("{shown} (<error: services \"{name}\" not found>)");
    };
    let is_meant =
        |p: &&Value| p["port"] == service["port"]["number"] || !text(p, "/name").is_empty() && p["name"] == service["port"]["name"];
    let port = items(&found, "/spec/ports").iter().find(is_meant).map(|p| text(p, "/name").to_owned()).unwrap_or_default();
    format!("{shown} ({})", addresses(&slices_of(world, namespace, name), &port))
}
