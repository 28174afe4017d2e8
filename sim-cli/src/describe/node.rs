//! Nodes and namespaces.

use std::collections::BTreeMap;

use serde_json::Value;
use sim_apimachinery::Kind;
use sim_apimachinery::quantity::Quantity;

use super::metadata::{dated_conditions, events, labels_and_annotations, lines, name};
use super::page::Page;
use super::view::{World, date, flag, items, or, or_none, pairs, text};

const ROLE: &str = "node-role.kubernetes.io/";

/// A node.
pub fn node(page: &mut Page, object: &Value, world: &World<'_>) {
    name(page, object);
    let labels = pairs(object, "/metadata/labels");
    let roles: Vec<&str> = labels.keys().filter_map(|k| k.strip_prefix(ROLE)).filter(|r| !r.is_empty()).collect();
    page.line(0, format!("Roles:\t{}", or_none(&roles.join(","))));
    labels_and_annotations(page, object);
    page.line(0, format!("CreationTimestamp:\t{}", date(text(object, "/metadata/creationTimestamp"))));
    let mut taints: Vec<&Value> = items(object, "/spec/taints").iter().collect();
    taints.sort_by_key(|t| format!("{},{}", text(t, "/effect"), text(t, "/key")));
    lines(page, "Taints", taints.into_iter().map(taint).collect());
    page.line(0, format!("Unschedulable:\t{}", flag(object, "/spec/unschedulable")));
    lease(page, object, world);
    dated_conditions(page, object, "LastHeartbeatTime");
    page.line(0, "Addresses:");
    for address in items(object, "/status/addresses") {
        page.line(1, format!("{}:\t{}", text(address, "/type"), text(address, "/address")));
    }
    for (title, path) in [("Capacity", "/status/capacity"), ("Allocatable", "/status/allocatable")] {
        page.line(0, format!("{title}:"));
        pairs(object, path).iter().for_each(|(k, v)| page.line(1, format!("{k}:\t{v}")));
    }
    system(page, object);
    pods(page, object, world);
    events(page, object, world);
}

fn taint(taint: &Value) -> String {
    match (text(taint, "/key"), text(taint, "/value"), text(taint, "/effect")) {
        (key, "", effect) => format!("{key}:{effect}"),
        (key, value, effect) => format!("{key}={value}:{effect}"),
    }
}

fn lease(page: &mut Page, object: &Value, world: &World<'_>) {
    let own = |l: &Value| l["metadata"]["name"] == object["metadata"]["name"];
    let found = world.list_in(Kind::Lease, "kube-node-lease").into_iter().find(own);
    let Some(lease) = found else {
        let name = text(object, "/metadata/name");
        return page.line(0, format!("Lease:\tFailed to get lease: leases.coordination.k8s.io \"{name}\" not found"));
    };
    page.line(0, "Lease:");
    page.line(1, format!("HolderIdentity:\t{}", or(&lease, "/spec/holderIdentity", "<unset>")));
    for (title, path) in [("AcquireTime", "/spec/acquireTime"), ("RenewTime", "/spec/renewTime")] {
        match text(&lease, path) {
            "" => page.line(1, format!("{title}:\t<unset>")),
            time => page.line(1, format!("{title}:\t{}", date(time))),
        }
    }
}

fn system(page: &mut Page, object: &Value) {
    page.line(0, "System Info:");
    for (title, field) in [
        ("Machine ID", "machineID"),
        ("System UUID", "systemUUID"),
        ("Boot ID", "bootID"),
        ("Kernel Version", "kernelVersion"),
        ("OS Image", "osImage"),
        ("Operating System", "operatingSystem"),
        ("Architecture", "architecture"),
        ("Container Runtime Version", "containerRuntimeVersion"),
        ("Kubelet Version", "kubeletVersion"),
    ] {
        page.line(1, format!("{title}:\t{}", text(object, &format!("/status/nodeInfo/{field}"))));
    }
    let networks: Vec<&str> = items(object, "/spec/podCIDRs").iter().filter_map(Value::as_str).collect();
    for (title, value) in
        [("PodCIDR", text(object, "/spec/podCIDR")), ("PodCIDRs", &networks.join(",")), ("ProviderID", text(object, "/spec/providerID"))]
    {
        if !value.is_empty() {
            page.line(0, format!("{title}:\t{value}"));
        }
    }
}

type Amounts = BTreeMap<String, Quantity>;

fn pods(page: &mut Page, node: &Value, world: &World<'_>) {
    let runs = |p: &Value| p["spec"]["nodeName"] == node["metadata"]["name"] && !matches!(text(p, "/status/phase"), "Succeeded" | "Failed");
    let pods: Vec<Value> = world.list(Kind::Pod).into_iter().filter(runs).collect();
    page.line(0, format!("Non-terminated Pods:\t({} in total)", pods.len()));
    page.line(1, "Namespace\tName\t\tCPU Requests\tCPU Limits\tMemory Requests\tMemory Limits\tAge");
    page.line(1, "---------\t----\t\t------------\t----------\t---------------\t-------------\t---");
    let allocatable = pairs(node, "/status/allocatable");
    let mut totals = [Amounts::new(), Amounts::new()];
    for pod in &pods {
        let own = [asked(pod, "requests"), asked(pod, "limits")];
        let cell = |at: usize, name: &str| share(own[at].get(name), allocatable.get(name), name);
        page.line(
            1,
            format!(
                "{}\t{}\t\t{}\t{}\t{}\t{}\t{}",
                text(pod, "/metadata/namespace"),
                text(pod, "/metadata/name"),
                cell(0, "cpu"),
                cell(1, "cpu"),
                cell(0, "memory"),
                cell(1, "memory"),
                world.since(text(pod, "/metadata/creationTimestamp"))
            ),
        );
        for (total, own) in totals.iter_mut().zip(&own) {
            add(total, own);
        }
    }
    page.line(0, "Allocated resources:");
    page.line(1, "(Total limits may be over 100 percent, i.e., overcommitted.)");
    page.line(1, "Resource\tRequests\tLimits");
    page.line(1, "--------\t--------\t------");
    let standard = ["cpu", "memory", "ephemeral-storage"];
    let others = allocatable.keys().map(String::as_str).filter(|k| !standard.contains(k) && *k != "pods");
    for name in standard.into_iter().chain(others) {
        let cell = |at: usize| share(totals[at].get(name), allocatable.get(name), name);
        page.line(1, format!("{name}\t{}\t{}", cell(0), cell(1)));
    }
}

/// `100m (5%)`: an amount, and its share of what the node gives.
fn share(amount: Option<&Quantity>, of: Option<&String>, name: &str) -> String {
    let size = |q: &Quantity| if name == "cpu" { q.milli_value() } else { q.value() };
    let whole = of.and_then(|t| Quantity::parse(t).ok()).map_or(0, |q| size(&q));
    let (shown, part) = amount.map_or_else(|| ("0".to_owned(), 0), |q| (q.to_string(), size(q)));
    let percent = (i128::from(part) * 100).checked_div(i128::from(whole)).unwrap_or(0);
    format!("{shown} ({percent}%)")
}

fn add(total: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        let sum = total.get(name).map_or(*amount, |t| t.plus(*amount));
        total.insert(name.clone(), sum);
    }
}

/// What a pod asks for: its containers together, or an init container with the sidecars before it if that is more.
fn asked(pod: &Value, field: &str) -> Amounts {
    let amounts = |c: &Value| -> Amounts {
        let texts = pairs(c, &format!("/resources/{field}"));
        texts.into_iter().filter_map(|(k, v)| Some((k, Quantity::parse(&v).ok()?))).collect()
    };
    let mut sum = Amounts::new();
    items(pod, "/spec/containers").iter().for_each(|c| add(&mut sum, &amounts(c)));
    let (mut sidecars, mut peak) = (Amounts::new(), Amounts::new());
    for container in items(pod, "/spec/initContainers") {
        let own = amounts(container);
        if text(container, "/restartPolicy") == "Always" {
            add(&mut sidecars, &own);
            add(&mut sum, &own);
        }
        let mut now = sidecars.clone();
        if text(container, "/restartPolicy") != "Always" {
            add(&mut now, &own);
        }
        raise(&mut peak, now);
    }
    raise(&mut sum, peak);
    sum
}

fn raise(to: &mut Amounts, at_least: Amounts) {
    for (name, amount) in at_least {
        let larger = to.get(&name).is_none_or(|t| t.milli_value() < amount.milli_value());
        if larger {
            to.insert(name, amount);
        }
    }
}

/// A namespace with its quotas and limits.
pub fn namespace(page: &mut Page, object: &Value, world: &World<'_>) {
    name(page, object);
    labels_and_annotations(page, object);
    page.line(0, format!("Status:\t{}", text(object, "/status/phase")));
    let own = text(object, "/metadata/name");
    let quotas = world.list_in(Kind::ResourceQuota, own);
    page.line(0, "");
    page.line(0, if quotas.is_empty() { "No resource quota." } else { "Resource Quotas" });
    for quota in &quotas {
        page.line(0, format!("  Name:\t{}", text(quota, "/metadata/name")));
        super::policy::quota_table(page, quota, 1);
    }
    let ranges = world.list_in(Kind::LimitRange, own);
    page.line(0, "");
    page.line(0, if ranges.is_empty() { "No LimitRange resource." } else { "Resource Limits" });
    if !ranges.is_empty() {
        super::policy::limits_table(page, &ranges, " ");
    }
}
