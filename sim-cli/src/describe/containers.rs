//! Containers, of a pod or of a pod template.

use serde_json::Value;
use sim_apimachinery::quantity::Quantity;

use super::page::Page;
use super::view::{date, flag, int, items, or, or_none, pairs, text};

/// The containers of one list. `pod` is the pod they run in, for what its variables come to; a template has none.
pub fn containers(page: &mut Page, title: &str, containers: &[Value], statuses: &[Value], pod: Option<&Value>) {
    let space = if pod.is_some() { "" } else { "  " };
    let none = if containers.is_empty() { " <none>" } else { "" };
    page.line(0, format!("{space}{title}:{none}"));
    for container in containers {
        let status = statuses.iter().find(|s| s["name"] == container["name"]);
        basics(page, container, status, !space.is_empty());
        list(page, "Command", items(container, "/command"));
        list(page, "Args", items(container, "/args"));
        if let Some(status) = status {
            state(page, "State", &status["state"]);
            if status.pointer("/lastState/terminated").is_some() {
                state(page, "Last State", &status["lastState"]);
            }
            page.line(2, format!("Ready:\t{}", if flag(status, "/ready") { "True" } else { "False" }));
            page.line(2, format!("Restart Count:\t{}", int(status, "/restartCount")));
        }
        resources(page, 2, &container["resources"]);
        for (title, field) in [("Liveness", "livenessProbe"), ("Readiness", "readinessProbe"), ("Startup", "startupProbe")] {
            if let Some(found) = container.get(field) {
                page.line(2, format!("{title}:\t{}", probe(found)));
            }
        }
        sources(page, container);
        variables(page, container, pod);
        mounts(page, container);
    }
}

fn basics(page: &mut Page, container: &Value, status: Option<&Value>, indented: bool) {
    page.line(1, format!("{}{}:", if indented { " " } else { "" }, text(container, "/name")));
    if let Some(status) = status {
        page.line(2, format!("Container ID:\t{}", text(status, "/containerID")));
    }
    page.line(2, format!("Image:\t{}", text(container, "/image")));
    if let Some(status) = status {
        page.line(2, format!("Image ID:\t{}", text(status, "/imageID")));
    }
    for (title, field) in [("Port", "containerPort"), ("Host Port", "hostPort")] {
        let ports: Vec<String> = items(container, "/ports").iter().map(|p| port(p, field)).collect();
        let plural = if ports.len() > 1 { "s" } else { "" };
        page.line(2, format!("{title}{plural}:\t{}", or_none(&ports.join(", "))));
    }
    if let Some(profile) = container.pointer("/securityContext/seccompProfile") {
        page.line(2, format!("SeccompProfile:\t{}", text(profile, "/type")));
    }
}

fn port(port: &Value, field: &str) -> String {
    let shown = format!("{}/{}", int(port, &format!("/{field}")), or(port, "/protocol", "TCP"));
    match text(port, "/name") {
        "" => shown,
        name => format!("{shown} ({name})"),
    }
}

fn list(page: &mut Page, title: &str, words: &[Value]) {
    if !words.is_empty() {
        page.line(2, format!("{title}:"));
    }
    for line in words.iter().filter_map(Value::as_str).flat_map(|w| w.split('\n')) {
        page.line(3, line);
    }
}

fn state(page: &mut Page, title: &str, state: &Value) {
    if let Some(running) = state.get("running") {
        page.line(2, format!("{title}:\tRunning"));
        page.line(3, format!("Started:\t{}", date(text(running, "/startedAt"))));
    } else if let Some(over) = state.get("terminated") {
        page.line(2, format!("{title}:\tTerminated"));
        for (title, field) in [("Reason", "/reason"), ("Message", "/message")] {
            if !text(over, field).is_empty() {
                page.line(3, format!("{title}:\t{}", text(over, field)));
            }
        }
        page.line(3, format!("Exit Code:\t{}", int(over, "/exitCode")));
        if int(over, "/signal") > 0 {
            page.line(3, format!("Signal:\t{}", int(over, "/signal")));
        }
        page.line(3, format!("Started:\t{}", date(text(over, "/startedAt"))));
        page.line(3, format!("Finished:\t{}", date(text(over, "/finishedAt"))));
    } else {
        page.line(2, format!("{title}:\tWaiting"));
        if !text(state, "/waiting/reason").is_empty() {
            page.line(3, format!("Reason:\t{}", text(state, "/waiting/reason")));
        }
    }
}

/// Limits and requests.
pub fn resources(page: &mut Page, level: usize, resources: &Value) {
    for (title, field) in [("Limits", "/limits"), ("Requests", "/requests")] {
        let amounts = pairs(resources, field);
        if !amounts.is_empty() {
            page.line(level, format!("{title}:"));
        }
        amounts.iter().for_each(|(name, amount)| page.line(level + 1, format!("{name}:\t{amount}")));
    }
}

fn probe(probe: &Value) -> String {
    let n = |field: &str, absent: i64| probe.get(field).and_then(Value::as_i64).unwrap_or(absent);
    let numbers = format!(
        "delay={}s timeout={}s period={}s #success={} #failure={}",
        n("initialDelaySeconds", 0),
        n("timeoutSeconds", 1),
        n("periodSeconds", 10),
        n("successThreshold", 1),
        n("failureThreshold", 3)
    );
    if let Some(get) = probe.get("httpGet") {
        let scheme = or(get, "/scheme", "HTTP").to_ascii_lowercase();
        let address = format!("{scheme}://{}:{}{}", text(get, "/host"), or(get, "/port", ""), text(get, "/path"));
        return format!("http-get {address} {numbers}");
    }
    if probe.get("exec").is_some() {
        let words: Vec<&str> = items(probe, "/exec/command").iter().filter_map(Value::as_str).collect();
        return format!("exec [{}] {numbers}", words.join(" "));
    }
    if let Some(socket) = probe.get("tcpSocket") {
        return format!("tcp-socket {}:{} {numbers}", text(socket, "/host"), or(socket, "/port", ""));
    }
    match probe.get("grpc") {
        Some(grpc) => format!("grpc <pod>:{} {} {numbers}", int(grpc, "/port"), text(grpc, "/service")),
        None => format!("unknown {numbers}"),
    }
}

fn sources(page: &mut Page, container: &Value) {
    let sources = items(container, "/envFrom");
    if !sources.is_empty() {
        page.line(2, "Environment Variables from:");
    }
    for source in sources {
        let (kind, reference) = match source.get("configMapRef") {
            Some(reference) => ("ConfigMap", reference),
            None => ("Secret", &source["secretRef"]),
        };
        let prefix = match text(source, "/prefix") {
            "" => String::new(),
            prefix => format!(" with prefix '{prefix}'"),
        };
        page.line(3, format!("{}\t{kind}{prefix}\tOptional: {}", text(reference, "/name"), flag(reference, "/optional")));
    }
}

fn variables(page: &mut Page, container: &Value, pod: Option<&Value>) {
    let variables = items(container, "/env");
    page.line(2, format!("Environment:{}", if variables.is_empty() { "\t<none>" } else { "" }));
    for variable in variables {
        let name = text(variable, "/name");
        match variable.get("valueFrom") {
            None => {
                for (at, line) in text(variable, "/value").split('\n').enumerate() {
                    page.line(3, if at == 0 { format!("{name}:\t{line}") } else { format!("\t{line}") });
                }
            }
            Some(from) => page.line(3, format!("{name}:\t{}", origin(from, container, pod))),
        }
    }
}

fn origin(from: &Value, container: &Value, pod: Option<&Value>) -> String {
    if let Some(field) = from.get("fieldRef") {
        let path = text(field, "/fieldPath");
        let value = pod.map(|p| field_of(p, path)).unwrap_or_default();
        return format!("{value} ({}:{path})", or(field, "/apiVersion", "v1"));
    }
    if let Some(reference) = from.get("resourceFieldRef") {
        let resource = text(reference, "/resource");
        let value = resource_of(container, resource, &or(reference, "/divisor", "0"));
        let unlimited = value == "0" && resource.starts_with("limits.");
        return format!("{} ({resource})", if unlimited { "node allocatable" } else { &value });
    }
    let (what, reference) = match from.get("secretKeyRef") {
        Some(reference) => ("in secret", reference),
        None => ("of config map", &from["configMapKeyRef"]),
    };
    let (key, name) = (text(reference, "/key"), text(reference, "/name"));
    format!("<set to the key '{key}' {what} '{name}'>\tOptional: {}", flag(reference, "/optional"))
}

fn field_of(pod: &Value, path: &str) -> String {
    if let Some((map, key)) = path.split_once("['") {
        return pairs(pod, &format!("/{}", map.replace('.', "/"))).remove(key.trim_end_matches("']")).unwrap_or_default();
    }
    or(pod, &format!("/{}", path.replace('.', "/")), "").into_owned()
}

fn resource_of(container: &Value, resource: &str, divisor: &str) -> String {
    let (part, name) = resource.split_once('.').unwrap_or(("", resource));
    let amount = pairs(&container["resources"], &format!("/{part}")).remove(name).unwrap_or_else(|| "0".into());
    let millis = |t: &str| Quantity::parse(t).map(|q| i128::from(q.value()) * 1000).unwrap_or(0);
    let cpu = |t: &str| Quantity::parse(t).map(|q| i128::from(q.milli_value())).unwrap_or(0);
    let (amount, divisor) = if name == "cpu" { (cpu(&amount), cpu(divisor)) } else { (millis(&amount), millis(divisor)) };
    let divisor = if divisor == 0 { 1000 } else { divisor };
    ((amount + divisor - 1) / divisor).to_string()
}

fn mounts(page: &mut Page, container: &Value) {
    let mut mounts: Vec<&Value> = items(container, "/volumeMounts").iter().collect();
    mounts.sort_by_key(|m| text(m, "/mountPath").to_owned());
    page.line(2, format!("Mounts:{}", if mounts.is_empty() { "\t<none>" } else { "" }));
    for mount in mounts {
        let mode = if flag(mount, "/readOnly") { "ro" } else { "rw" };
        let path = match text(mount, "/subPath") {
            "" => String::new(),
            path => format!(",path={path:?}"),
        };
        page.line(3, format!("{} from {} ({mode}{path})", text(mount, "/mountPath"), text(mount, "/name")));
    }
}
