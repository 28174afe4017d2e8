//! Rows of nodes, namespaces, events, and of what is only kept: configuration, secrets, quotas, leases, devices.

use std::collections::BTreeSet;

use serde_json::Value;

use super::view::{View, cells, first_three, human_duration};

pub(super) fn cells(name: &str, object: View<'_>) -> Option<Vec<Value>> {
    Some(match name {
        "Node" => node(object),
        "Namespace" => cells![object.name(), object.text("status.phase"), object.age()],
        "Event" => event(object),
        "ConfigMap" => cells![object.name(), object.count("data") + object.count("binaryData"), object.age()],
        "Secret" => cells![object.name(), object.text("type"), object.count("data"), object.age()],
        "ServiceAccount" | "DeviceClass" | "ResourceClaimTemplate" | "Workload" => cells![object.name(), object.age()],
        "ResourceQuota" => quota(object),
        "Lease" => cells![object.name(), object.text("spec.holderIdentity"), object.age()],
        "LeaseCandidate" => lease_candidate(object),
        "ComponentStatus" => component_status(object),
        "RuntimeClass" => cells![object.name(), object.text("handler"), object.age()],
        "ResourceClaim" => cells![object.name(), claim_state(object), object.age()],
        "ResourceSlice" => resource_slice(object),
        "DeviceTaintRule" => device_taint_rule(object),
        "ResourcePoolStatusRequest" => pool_status(object),
        "PodGroup" => pod_group(object),
        "StorageVersion" => storage_version(object),
        "StorageVersionMigration" => migration(object),
        "CertificateSigningRequest" => signing_request(object),
        "ClusterTrustBundle" => cells![object.name(), object.text_or("spec.signerName", "<none>")],
        "PodCertificateRequest" => pod_certificate(object),
        "APIService" => api_service(object),
        _ => return None,
    })
}

fn node(object: View<'_>) -> Vec<Value> {
    let info = |field: &str| object.text_or(&format!("status.nodeInfo.{field}"), "<unknown>").to_owned();
    let address = |kind: &str| {
        let found = object.list("status.addresses").find(|address| address.text("type") == kind);
        found.map_or("<none>", |address| address.text("address"))
    };
    let mut kernel = info("kernelVersion");
    let architecture = object.text("status.nodeInfo.architecture");
    if !architecture.is_empty() {
        kernel = format!("{kernel} ({architecture})");
    }
    cells![
        object.name(),
        node_status(object),
        node_roles(object),
        object.age(),
        object.text("status.nodeInfo.kubeletVersion"),
        address("InternalIP"),
        address("ExternalIP"),
        info("osImage"),
        kernel,
        info("containerRuntimeVersion"),
    ]
}

fn node_status(object: View<'_>) -> String {
    let ready = object.list("status.conditions").rfind(|condition| condition.text("type") == "Ready");
    let word = match ready {
        None => "Unknown",
        Some(condition) if condition.text("status") == "True" => "Ready",
        Some(_) => "NotReady",
    };
    if object.is_true("spec.unschedulable") { format!("{word},SchedulingDisabled") } else { word.to_owned() }
}

fn node_roles(object: View<'_>) -> String {
    let labels = object.get("metadata.labels").and_then(|labels| labels.value().as_object());
    let role = |(key, value): (&str, &str)| match key.strip_prefix("node-role.kubernetes.io/") {
        Some(role) => Some(role.to_owned()),
        None if key == "kubernetes.io/role" => Some(value.to_owned()),
        None => None,
    };
    let pairs = labels.into_iter().flatten().map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default()));
    let roles: BTreeSet<String> = pairs.filter_map(role).filter(|role| !role.is_empty()).collect();
    if roles.is_empty() { "<none>".to_owned() } else { roles.into_iter().collect::<Vec<_>>().join(",") }
}

fn event(object: View<'_>) -> Vec<Value> {
    let first = if object.has("firstTimestamp") { object.since("firstTimestamp") } else { object.since("eventTime") };
    let mut last = if object.has("lastTimestamp") { object.since("lastTimestamp") } else { first.clone() };
    let mut count = object.number("count").max(1);
    if object.has("series") {
        last = object.since("series.lastObservedTime");
        count = object.number("series.count");
    }
    let kind = object.text("involvedObject.kind").to_lowercase();
    let target = match object.text("involvedObject.name") {
        "" => kind,
        name => format!("{kind}/{name}"),
    };
    let component = object.text_or("source.component", object.text("reportingComponent"));
    let source = match object.text_or("source.host", object.text("reportingInstance")) {
        "" => component.to_owned(),
        host => format!("{component}, {host}"),
    };
    cells![
        last,
        object.text("type"),
        object.text("reason"),
        target,
        object.text("involvedObject.fieldPath"),
        source,
        object.text("message").trim(),
        first,
        count,
        object.name(),
    ]
}

fn quota(object: View<'_>) -> Vec<Value> {
    let hard = object.get("status.hard").and_then(|hard| hard.value().as_object());
    let mut names: Vec<&str> = hard.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    let (limits, requests): (Vec<&str>, Vec<&str>) = names.into_iter().partition(|name| name.starts_with("limits."));
    let column = |names: Vec<&str>| {
        let cell = |name: &str| format!("{name}: {}/{}", object.quantity("status.used", name), object.quantity("status.hard", name));
        names.into_iter().map(cell).collect::<Vec<_>>().join(", ")
    };
    cells![object.name(), column(requests), column(limits), object.age()]
}

fn lease_candidate(object: View<'_>) -> Vec<Value> {
    let (binary, emulation) = (object.text("spec.binaryVersion"), object.text("spec.emulationVersion"));
    cells![object.name(), object.text("spec.leaseName"), binary, emulation, object.age()]
}

fn component_status(object: View<'_>) -> Vec<Value> {
    let Some(healthy) = object.list("conditions").find(|condition| condition.text("type") == "Healthy") else {
        return cells![object.name(), "Unknown", "", ""];
    };
    let word = if healthy.text("status") == "True" { "Healthy" } else { "Unhealthy" };
    cells![object.name(), word, healthy.text("message"), healthy.text("error")]
}

fn claim_state(object: View<'_>) -> &'static str {
    match (object.is_deleting(), object.has("status.allocation"), object.count("status.reservedFor") > 0) {
        (true, false, _) => "deleted",
        (false, false, _) => "pending",
        (true, true, true) => "deleted,allocated,reserved",
        (true, true, false) => "deleted,allocated",
        (false, true, true) => "allocated,reserved",
        (false, true, false) => "allocated",
    }
}

fn resource_slice(object: View<'_>) -> Vec<Value> {
    cells![object.name(), object.text("spec.nodeName"), object.text("spec.driver"), object.text("spec.pool.name"), object.age()]
}

fn device_taint_rule(object: View<'_>) -> Vec<Value> {
    let taint = |field: &str| object.text(&format!("spec.taint.{field}"));
    let added = if object.has("spec.taint.timeAdded") { object.since("spec.taint.timeAdded") } else { String::new() };
    cells![object.name(), taint("key"), taint("value"), taint("effect"), added, object.age()]
}

fn pool_status(object: View<'_>) -> Vec<Value> {
    let is_ended = |c: &View<'_>| matches!(c.text("type"), "Complete" | "Failed") && c.text("status") == "True";
    let ended = object.list("status.conditions").find(is_ended);
    let (pools, shown) = (object.number("status.poolCount"), object.count("status.pools"));
    let status = match ended.map(|condition| condition.text("type")) {
        Some("Complete") if pools > shown => format!("Complete ({shown}/{pools} pools)"),
        other => other.unwrap_or("Pending").to_owned(),
    };
    let counted = object.has("status") && !status.starts_with("Failed");
    let cell = |number: i64| if counted { number.to_string() } else { "-".to_owned() };
    let sum = |field: &str| cell(object.list("status.pools").map(|pool| pool.number(field)).sum());
    let errors = object.list("status.pools").filter(|pool| pool.has("validationError")).count();
    let completed = ended.filter(|condition| condition.text("type") == "Complete");
    cells![
        object.name(),
        object.text("spec.driver"),
        sum("totalDevices"),
        sum("availableDevices"),
        sum("allocatedDevices"),
        sum("unavailableDevices"),
        cell(i64::try_from(errors).unwrap_or(i64::MAX)),
        pools,
        status,
        completed.map_or_else(|| "<none>".to_owned(), |condition| condition.since("lastTransitionTime")),
    ]
}

fn pod_group(object: View<'_>) -> Vec<Value> {
    let policy = if object.has("spec.schedulingPolicy.gang") { "Gang" } else { "Basic" };
    let condition = |name: &str| object.list("status.conditions").rfind(|condition| condition.text("type") == name);
    let scheduled = condition("PodGroupScheduled").map(|c| if c.text("status") == "True" { "Scheduled" } else { "Unschedulable" });
    let status = condition("DisruptionTarget").map(|c| c.text("reason")).or(scheduled).unwrap_or("Pending");
    let workload = match object.get("spec.podGroupTemplateRef") {
        Some(reference) => reference.text("workload.workloadName"),
        None => "<none>",
    };
    cells![object.name(), policy, workload, status, object.age()]
}

fn storage_version(object: View<'_>) -> Vec<Value> {
    let version = |v: View<'_>| format!("{}={}", v.text("apiServerID"), v.text("encodingVersion"));
    let versions: Vec<String> = object.list("status.storageVersions").map(version).collect();
    cells![object.name(), object.set_or("status.commonEncodingVersion", "<unset>"), first_three(&versions), object.age()]
}

fn migration(object: View<'_>) -> Vec<Value> {
    let resource = match (object.text("spec.resource.resource"), object.text("spec.resource.group")) {
        (resource, "") => resource.to_owned(),
        (resource, group) => format!("{resource}.{group}"),
    };
    let is_state = |c: &View<'_>| c.text("status") == "True" && matches!(c.text("type"), "Running" | "Failed" | "Succeeded");
    let state = object.list("status.conditions").rfind(is_state).map_or("Unknown", |condition| condition.text("type"));
    cells![object.name(), resource, state]
}

fn signing_request(object: View<'_>) -> Vec<Value> {
    let duration = match object.get("spec.expirationSeconds") {
        Some(_) => human_duration(object.number("spec.expirationSeconds")),
        None => "<none>".to_owned(),
    };
    let signer = object.text_or("spec.signerName", "<none>");
    cells![object.name(), object.age(), signer, object.text("spec.username"), duration, signing_status(object)]
}

fn signing_status(object: View<'_>) -> String {
    let has = |name: &str| object.list("status.conditions").any(|condition| condition.text("type") == name);
    let word = match (has("Denied"), has("Approved")) {
        (true, _) => "Denied",
        (false, true) => "Approved",
        (false, false) => "Pending",
    };
    let failed = if has("Failed") { ",Failed" } else { "" };
    let issued = if object.text("status.certificate").is_empty() { "" } else { ",Issued" };
    format!("{word}{failed}{issued}")
}

fn pod_certificate(object: View<'_>) -> Vec<Value> {
    let is_state = |c: &View<'_>| matches!(c.text("type"), "Issued" | "Denied" | "Failed");
    let state = object.list("status.conditions").rfind(is_state).map_or("Pending", |condition| condition.text("type"));
    cells![
        object.name(),
        object.text("spec.podName"),
        object.text("spec.serviceAccountName"),
        object.text("spec.nodeName"),
        object.text("spec.signerName"),
        state,
        object.labels("spec.unverifiedUserAnnotations"),
    ]
}

fn api_service(object: View<'_>) -> Vec<Value> {
    let service = object
        .get("spec.service")
        .map_or_else(|| "Local".to_owned(), |service| format!("{}/{}", service.text("namespace"), service.text("name")));
    let available = object.list("status.conditions").find(|condition| condition.text("type") == "Available");
    let status = available.map_or_else(
        || "Unknown".to_owned(),
        |condition| match (condition.text("status"), condition.text("reason")) {
            ("True", _) => "True".to_owned(),
            (status, "") => status.to_owned(),
            (status, reason) => format!("{status} ({reason})"),
        },
    );
    cells![object.name(), service, status, object.age()]
}
