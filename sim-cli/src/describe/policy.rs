//! Autoscalers, disruption budgets, quotas, limit ranges, priority classes.

use serde_json::Value;

use super::metadata::{events, head};
use super::page::Page;
use super::view::{World, date, int, items, joined, or, pairs, selector, text};

/// A horizontal pod autoscaler.
pub fn autoscaler(page: &mut Page, object: &Value, world: &World<'_>) {
    head(page, object);
    page.line(0, format!("CreationTimestamp:\t{}", date(text(object, "/metadata/creationTimestamp"))));
    let target = "/spec/scaleTargetRef";
    page.line(0, format!("Reference:\t{}/{}", text(object, &format!("{target}/kind")), text(object, &format!("{target}/name"))));
    page.line(0, "Metrics:\t( current / target )");
    for (at, metric) in items(object, "/spec/metrics").iter().enumerate() {
        page.line(1, metric_line(metric, items(object, "/status/currentMetrics").get(at)));
    }
    page.line(0, format!("Min replicas:\t{}", or(object, "/spec/minReplicas", "<unset>")));
    page.line(0, format!("Max replicas:\t{}", int(object, "/spec/maxReplicas")));
    if object.pointer("/spec/behavior").is_some() {
        page.line(0, "Behavior:");
        direction(page, "Scale Up", object.pointer("/spec/behavior/scaleUp"));
        direction(page, "Scale Down", object.pointer("/spec/behavior/scaleDown"));
    }
    let (current, desired) = (int(object, "/status/currentReplicas"), int(object, "/status/desiredReplicas"));
    page.line(0, format!("{} pods:\t{current} current / {desired} desired", text(object, "/spec/scaleTargetRef/kind")));
    let conditions = items(object, "/status/conditions");
    if !conditions.is_empty() {
        page.line(0, "Conditions:");
        page.line(1, "Type\tStatus\tReason\tMessage");
        page.line(1, "----\t------\t------\t-------");
    }
    for c in conditions {
        page.line(1, format!("{}\t{}\t{}\t{}", text(c, "/type"), text(c, "/status"), text(c, "/reason"), text(c, "/message")));
    }
    events(page, object, world);
}

/// `resource cpu on pods  (as a percentage of request):  0% (2m) / 50%`.
fn metric_line(metric: &Value, current: Option<&Value>) -> String {
    let kind = text(metric, "/type");
    let field = format!("{}{}", kind[..kind.len().min(1)].to_ascii_lowercase(), kind.get(1..).unwrap_or_default());
    let spec = &metric[&field];
    let now = current.and_then(|c| c.get(&field)).and_then(|c| c.get("current"));
    let value = |name: &str| now.map_or("<unknown>".into(), |n| or(n, &format!("/{name}"), "<unknown>").into_owned());
    let target = |name: &str| or(&spec["target"], &format!("/{name}"), "<auto>").into_owned();
    let name = text(spec, "/metric/name");
    match kind {
        "Resource" | "ContainerResource" => {
            let container = text(spec, "/container");
            let of = if container.is_empty() { String::new() } else { format!(" of container \"{container}\"") };
            let what = format!("resource {}{of} on pods", text(spec, "/name"));
            if spec.pointer("/target/averageValue").is_some() {
                return format!("{what}:\t{} / {}", value("averageValue"), target("averageValue"));
            }
            let used = match now.and_then(|n| n.get("averageUtilization")) {
                Some(percent) => format!("{percent}% ({})", value("averageValue")),
                None => "<unknown>".into(),
            };
            let wanted = spec.pointer("/target/averageUtilization").map_or("<auto>".into(), |p| format!("{p}%"));
            format!("{what}  (as a percentage of request):\t{used} / {wanted}")
        }
        "Pods" => format!("{name:?} on pods:\t{} / {}", value("averageValue"), target("averageValue")),
        "Object" | "External" => {
            let on = match kind {
                "Object" => format!(" on {}/{}", text(spec, "/describedObject/kind"), text(spec, "/describedObject/name")),
                _ => String::new(),
            };
            let average = spec.pointer("/target/averageValue").is_some();
            let (words, field) = if average { ("target average value", "averageValue") } else { ("target value", "value") };
            format!("{name:?}{on} ({words}):\t{} / {}", value(field), target(field))
        }
        other => format!("<unknown metric type {other:?}>"),
    }
}

fn direction(page: &mut Page, title: &str, rules: Option<&Value>) {
    let Some(rules) = rules else { return };
    page.line(1, format!("{title}:"));
    if let Some(seconds) = rules.get("stabilizationWindowSeconds") {
        page.line(2, format!("Stabilization Window: {seconds} seconds"));
    }
    let policies = items(rules, "/policies");
    if !policies.is_empty() {
        page.line(2, format!("Select Policy: {}", or(rules, "/selectPolicy", "Max")));
        page.line(2, "Policies:");
    }
    for policy in policies {
        let (kind, value, period) = (text(policy, "/type"), int(policy, "/value"), int(policy, "/periodSeconds"));
        page.line(3, format!("- Type: {kind}\tValue: {value}\tPeriod: {period} seconds"));
    }
}

/// A disruption budget.
pub fn disruption_budget(page: &mut Page, object: &Value, world: &World<'_>) {
    page.line(0, format!("Name:\t{}", text(object, "/metadata/name")));
    page.line(0, format!("Namespace:\t{}", text(object, "/metadata/namespace")));
    for (title, path) in [("Min available", "/spec/minAvailable"), ("Max unavailable", "/spec/maxUnavailable")] {
        if object.pointer(path).is_some() {
            page.line(0, format!("{title}:\t{}", or(object, path, "")));
        }
    }
    let chosen = if object.pointer("/spec/selector").is_some() { selector(object, "/spec/selector") } else { "<unset>".into() };
    page.line(0, format!("Selector:\t{chosen}"));
    page.line(0, "Status:");
    for (title, field) in [
        ("Allowed disruptions", "disruptionsAllowed"),
        ("Current", "currentHealthy"),
        ("Desired", "desiredHealthy"),
        ("Total", "expectedPods"),
    ] {
        page.line(2, format!("{title}:\t{}", int(object, &format!("/status/{field}"))));
    }
    events(page, object, world);
}

/// A quota.
pub fn quota(page: &mut Page, object: &Value) {
    page.line(0, format!("Name:\t{}", text(object, "/metadata/name")));
    page.line(0, format!("Namespace:\t{}", text(object, "/metadata/namespace")));
    quota_table(page, object, 0);
}

/// What of a quota is used.
pub fn quota_table(page: &mut Page, object: &Value, level: usize) {
    page.line(level, "Resource\tUsed\tHard");
    page.line(level, "--------\t----\t----");
    let used = pairs(object, "/status/used");
    for (name, hard) in pairs(object, "/status/hard") {
        page.line(level, format!("{name}\t{}\t{hard}", used.get(&name).map_or("0", String::as_str)));
    }
}

/// A limit range.
pub fn limit_range(page: &mut Page, object: &Value) {
    page.line(0, format!("Name:\t{}", text(object, "/metadata/name")));
    page.line(0, format!("Namespace:\t{}", text(object, "/metadata/namespace")));
    limits_table(page, std::slice::from_ref(object), "");
}

/// The limits of limit ranges, one line for each type and resource.
pub fn limits_table(page: &mut Page, ranges: &[Value], prefix: &str) {
    page.line(0, format!("{prefix}Type\tResource\tMin\tMax\tDefault Request\tDefault Limit\tMax Limit/Request Ratio"));
    page.line(0, format!("{prefix}----\t--------\t---\t---\t---------------\t-------------\t-----------------------"));
    const FIELDS: [&str; 5] = ["min", "max", "defaultRequest", "default", "maxLimitRequestRatio"];
    for limit in ranges.iter().flat_map(|r| items(r, "/spec/limits")) {
        let maps = FIELDS.map(|f| pairs(limit, &format!("/{f}")));
        let names: std::collections::BTreeSet<&String> = maps.iter().flat_map(|m| m.keys()).collect();
        for name in names {
            let cells = maps.each_ref().map(|m| m.get(name).map_or("-", String::as_str)).join("\t");
            page.line(0, format!("{prefix}{}\t{name}\t{cells}", text(limit, "/type")));
        }
    }
}

/// A priority class.
pub fn priority_class(page: &mut Page, object: &Value, world: &World<'_>) {
    page.line(0, format!("Name:\t{}", text(object, "/metadata/name")));
    page.line(0, format!("Value:\t{}", int(object, "/value")));
    page.line(0, format!("GlobalDefault:\t{}", or(object, "/globalDefault", "false")));
    page.line(0, format!("PreemptionPolicy:\t{}", or(object, "/preemptionPolicy", "PreemptLowerPriority")));
    page.line(0, format!("Description:\t{}", text(object, "/description")));
    page.line(0, format!("Annotations:\t{}", joined(&pairs(object, "/metadata/annotations"))));
    events(page, object, world);
}
