//! Autoscalers at autoscaling/v1: one CPU target; every other metric, the behavior and the conditions are annotations.
//! Source: pkg/apis/autoscaling/v1/conversion.go.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde_json::{Map, Value, json};

use crate::validation::go_value::{json as go_json, label_selector};

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";
const TOLERANCES: [&str; 2] =
    ["autoscaling.alpha.kubernetes.io/scale-down-tolerance", "autoscaling.alpha.kubernetes.io/scale-up-tolerance"];
const DEFAULT_UTILIZATION: i64 = 80;

/// Where a field of a v1 metric is in a v2 metric, in v1's order; fields that are `always` there are zero when missing.
struct Place {
    v1: &'static str,
    v2: &'static str,
    always: bool,
}

const fn place(v1: &'static str, v2: &'static str, always: bool) -> Place {
    Place { v1, v2, always }
}

/// A kind of metric: `type`, its field, and the places in its source and in its status.
struct Source {
    kind: &'static str,
    field: &'static str,
    spec: &'static [Place],
    status: &'static [Place],
}

const SOURCES: [Source; 5] = [
    Source {
        kind: "Object",
        field: "object",
        spec: &[
            place("target", "/describedObject", true),
            place("metricName", "/metric/name", true),
            place("targetValue", "/target/value", true),
            place("selector", "/metric/selector", false),
            place("averageValue", "/target/averageValue", false),
        ],
        status: &[
            place("target", "/describedObject", true),
            place("metricName", "/metric/name", true),
            place("currentValue", "/current/value", true),
            place("selector", "/metric/selector", false),
            place("averageValue", "/current/averageValue", false),
        ],
    },
    Source {
        kind: "Pods",
        field: "pods",
        spec: &[
            place("metricName", "/metric/name", true),
            place("targetAverageValue", "/target/averageValue", true),
            place("selector", "/metric/selector", false),
        ],
        status: &[
            place("metricName", "/metric/name", true),
            place("currentAverageValue", "/current/averageValue", true),
            place("selector", "/metric/selector", false),
        ],
    },
    Source {
        kind: "Resource",
        field: "resource",
        spec: &[
            place("name", "/name", true),
            place("targetAverageUtilization", "/target/averageUtilization", false),
            place("targetAverageValue", "/target/averageValue", false),
        ],
        status: &[
            place("name", "/name", true),
            place("currentAverageUtilization", "/current/averageUtilization", false),
            place("currentAverageValue", "/current/averageValue", true),
        ],
    },
    Source {
        kind: "ContainerResource",
        field: "containerResource",
        spec: &[
            place("name", "/name", true),
            place("targetAverageUtilization", "/target/averageUtilization", false),
            place("targetAverageValue", "/target/averageValue", false),
            place("container", "/container", true),
        ],
        status: &[
            place("name", "/name", true),
            place("currentAverageUtilization", "/current/averageUtilization", false),
            place("currentAverageValue", "/current/averageValue", true),
            place("container", "/container", true),
        ],
    },
    Source {
        kind: "External",
        field: "external",
        spec: &[
            place("metricName", "/metric/name", true),
            place("metricSelector", "/metric/selector", false),
            place("targetValue", "/target/value", false),
            place("targetAverageValue", "/target/averageValue", false),
        ],
        status: &[
            place("metricName", "/metric/name", true),
            place("metricSelector", "/metric/selector", false),
            place("currentValue", "/current/value", true),
            place("currentAverageValue", "/current/averageValue", false),
        ],
    },
];

/// As autoscaling/v2 has it.
pub fn to_v2(object: &mut Map<String, Value>) {
    let written = take_annotations(object);
    let read = |name: &str| -> Option<Value> { serde_json::from_str(written.get(name)?.as_str()?).ok() };
    let list = |name: &str| read(name).and_then(|v| v.as_array().cloned());
    if let Some(spec) = object.entry("spec").or_insert_with(|| json!({})).as_object_mut() {
        let cpu = spec.remove("targetCPUUtilizationPercentage").filter(|v| !v.is_null());
        let mut metrics: Vec<Value> = list(METRICS).unwrap_or_default().iter().map(|m| metric_to_v2(m, false)).collect();
        metrics.extend(cpu.map(|percent| cpu_metric(&percent)));
        if metrics.is_empty() {
            metrics.push(cpu_metric(&DEFAULT_UTILIZATION.into()));
        }
        spec.insert("metrics".into(), metrics.into());
        if let Some(mut behavior) = read(BEHAVIOR).map(|b| behavior_to_v2(&b)).filter(|b| b.as_object().is_some_and(|o| !o.is_empty())) {
            // v1 has no defaults for rules: what says nothing of policies has none.
            for rules in behavior.as_object_mut().into_iter().flat_map(|b| b.values_mut()).filter_map(Value::as_object_mut) {
                rules.entry("policies").or_insert_with(|| json!([]));
            }
            spec.insert("behavior".into(), behavior);
        }
    }
    let Some(status) = object.get_mut("status").and_then(Value::as_object_mut) else { return };
    let cpu = status.remove("currentCPUUtilizationPercentage").filter(|v| !v.is_null());
    if let Some(percent) = cpu {
        let current = json!({"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": percent}}});
        status.insert("currentMetrics".into(), json!([current]));
    }
    if let Some(metrics) = list(CURRENT) {
        let metrics: Vec<Value> = metrics.iter().map(|m| metric_to_v2(m, true)).collect();
        status.insert("currentMetrics".into(), metrics.into());
    }
    if let Some(conditions) = list(CONDITIONS) {
        status.insert("conditions".into(), conditions.into());
    }
}

fn cpu_metric(percent: &Value) -> Value {
    json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": percent}}})
}

/// The annotations that carry fields, taken out of the metadata.
fn take_annotations(object: &mut Map<String, Value>) -> Map<String, Value> {
    let mut taken = Map::new();
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return taken };
    let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) else { return taken };
    for name in [METRICS, CURRENT, CONDITIONS, BEHAVIOR].iter().chain(&TOLERANCES) {
        taken.extend(annotations.remove_entry(*name));
    }
    if annotations.is_empty() && !taken.is_empty() {
        metadata.remove("annotations");
    }
    taken
}

fn metric_to_v2(metric: &Value, is_status: bool) -> Value {
    let mut converted = json!({"type": metric.get("type").cloned().unwrap_or_default()});
    for source in &SOURCES {
        if let Some(found) = metric.get(source.field).filter(|v| v.is_object()) {
            let places = if is_status { source.status } else { source.spec };
            let mut inner = json!({});
            for place in places {
                if let Some(value) = found.get(place.v1).filter(|v| !v.is_null()) {
                    insert(&mut inner, place.v2, value.clone());
                }
            }
            if !is_status {
                target_type(source.kind, &mut inner);
            }
            converted[source.field] = inner;
        }
    }
    converted
}

fn insert(into: &mut Value, path: &str, value: Value) {
    let mut at = into;
    for part in path.split('/').skip(1) {
        at = &mut at[part];
    }
    *at = value;
}

/// v2 says what a target is; in v1 that follows from which of its fields are there.
fn target_type(kind: &str, source: &mut Value) {
    let has = |field: &str| source.pointer(&format!("/target/{field}")).is_some();
    let word = match kind {
        "Pods" => "AverageValue",
        "Object" if has("averageValue") => "AverageValue",
        "Object" => "Value",
        "External" if has("value") => "Value",
        "Resource" | "ContainerResource" if has("averageUtilization") => "Utilization",
        _ => "AverageValue",
    };
    let zero = source.pointer("/target/value").and_then(Value::as_str).is_some_and(|q| q == "0");
    if kind == "Object" && word == "AverageValue" && zero {
        source["target"].as_object_mut().iter_mut().for_each(|t| _ = t.remove("value"));
    }
    insert(source, "/target/type", word.into());
}

fn behavior_to_v2(behavior: &Value) -> Value {
    match behavior {
        Value::Object(map) => {
            let lower = |name: &str| {
                let mut chars = name.chars();
                chars.next().map(|c| c.to_lowercase().chain(chars).collect::<String>()).unwrap_or_default()
            };
            let kept = map.iter().filter(|(_, v)| !v.is_null()).map(|(name, v)| (lower(name), behavior_to_v2(v)));
            Value::Object(kept.collect())
        }
        Value::Array(list) => list.iter().map(behavior_to_v2).collect(),
        other => other.clone(),
    }
}

/// As autoscaling/v1 has it.
pub fn from_v2(object: &mut Map<String, Value>) {
    let _stale = take_annotations(object);
    let mut written: Vec<(&str, String)> = Vec::new();
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
        let metrics = spec.remove("metrics").and_then(|m| m.as_array().cloned()).unwrap_or_default();
        let (cpu, others): (Vec<Value>, Vec<Value>) = metrics.into_iter().partition(is_cpu_utilization);
        if let Some(percent) = cpu.first().and_then(|m| m.pointer("/resource/target/averageUtilization")) {
            spec.insert("targetCPUUtilizationPercentage".into(), percent.clone());
        }
        if !others.is_empty() {
            written.push((METRICS, metrics_text(&others, false)));
        }
        if let Some(behavior) = spec.remove("behavior").filter(|b| !b.is_null()) {
            written.push((BEHAVIOR, behavior_text(&behavior)));
        }
    }
    if let Some(status) = object.get_mut("status").and_then(Value::as_object_mut) {
        status.entry("currentReplicas").or_insert_with(|| 0.into());
        let current = status.remove("currentMetrics").and_then(|m| m.as_array().cloned()).unwrap_or_default();
        let is_cpu = |m: &&Value| m["type"] == "Resource" && m.pointer("/resource/name").is_some_and(|n| n == "cpu");
        if let Some(percent) = current.iter().filter(is_cpu).filter_map(|m| m.pointer("/resource/current/averageUtilization")).next_back() {
            status.insert("currentCPUUtilizationPercentage".into(), percent.clone());
        }
        if !current.is_empty() {
            written.push((CURRENT, metrics_text(&current, true)));
        }
        let conditions = status.remove("conditions").and_then(|c| c.as_array().cloned()).unwrap_or_default();
        if !conditions.is_empty() {
            written.push((CONDITIONS, conditions_text(&conditions)));
        }
    }
    if !written.is_empty() {
        let metadata = object.entry("metadata").or_insert_with(|| json!({}));
        for (name, text) in written {
            metadata["annotations"][name] = text.into();
        }
    }
}

fn is_cpu_utilization(metric: &Value) -> bool {
    metric["type"] == "Resource"
        && metric.pointer("/resource/name").is_some_and(|n| n == "cpu")
        && metric.pointer("/resource/target/averageUtilization").is_some_and(|u| !u.is_null())
}

fn object_text(fields: impl IntoIterator<Item = (String, String)>) -> String {
    let parts: Vec<String> = fields.into_iter().map(|(name, text)| format!("\"{name}\":{text}")).collect();
    format!("{{{}}}", parts.join(","))
}

fn list_text(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

fn metrics_text(metrics: &[Value], is_status: bool) -> String {
    list_text(metrics.iter().map(|metric| {
        let mut fields = vec![("type".to_owned(), go_json(&metric["type"]))];
        for source in &SOURCES {
            if let Some(found) = metric.get(source.field).filter(|v| v.is_object()) {
                let places = if is_status { source.status } else { source.spec };
                let text = object_text(places.iter().filter_map(|place| Some((place.v1.to_owned(), field_text(found, place)?))));
                fields.push((source.field.to_owned(), text));
            }
        }
        object_text(fields)
    }))
}

fn field_text(source: &Value, place: &Place) -> Option<String> {
    let found = source.pointer(place.v2).filter(|v| !v.is_null());
    match (place.v1, found) {
        ("target", Some(reference)) => Some(in_order(reference, &["kind", "name", "apiVersion"])),
        ("selector" | "metricSelector", Some(selector)) => {
            let selector: LabelSelector = serde_json::from_value(selector.clone()).unwrap_or_default();
            Some(label_selector(&selector).0)
        }
        (_, Some(value)) => Some(go_json(value)),
        (_, None) if !place.always => None,
        (name, None) if name.ends_with("Value") => Some("\"0\"".into()),
        (_, None) => Some("\"\"".into()),
    }
}

fn in_order(value: &Value, names: &[&str]) -> String {
    let there = |name: &&str| value.get(*name).filter(|v| !v.is_null()).map(|v| ((*name).to_owned(), go_json(v)));
    object_text(names.iter().filter_map(there))
}

fn conditions_text(conditions: &[Value]) -> String {
    list_text(conditions.iter().map(|c| in_order(c, &["type", "status", "lastTransitionTime", "reason", "message"])))
}

/// The behavior under Go's own names, with nothing left out.
fn behavior_text(behavior: &Value) -> String {
    let or_null = |v: Option<&Value>| v.map_or_else(|| "null".to_owned(), go_json);
    let policy = |p: &Value| {
        let fields = [("Type", "type"), ("Value", "value"), ("PeriodSeconds", "periodSeconds")];
        object_text(fields.iter().map(|(go, name)| ((*go).to_owned(), or_null(p.get(*name)))))
    };
    let rules = |rules: &Value| {
        let policies = rules.get("policies").and_then(Value::as_array);
        object_text([
            ("StabilizationWindowSeconds".to_owned(), or_null(rules.get("stabilizationWindowSeconds"))),
            ("SelectPolicy".to_owned(), or_null(rules.get("selectPolicy"))),
            ("Policies".to_owned(), policies.map_or_else(|| "null".to_owned(), |p| list_text(p.iter().map(policy)))),
            ("Tolerance".to_owned(), or_null(rules.get("tolerance"))),
        ])
    };
    let side = |name: &str| behavior.get(name).filter(|v| !v.is_null()).map_or_else(|| "null".to_owned(), rules);
    object_text([("ScaleUp".to_owned(), side("scaleUp")), ("ScaleDown".to_owned(), side("scaleDown"))])
}
