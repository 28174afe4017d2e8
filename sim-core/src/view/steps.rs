//! One step as a line of the document.

use std::sync::Arc;

use serde_json::{Value, json};
use sim_apimachinery::{Kind, Object, ObjectKey};

use super::Writer;
use super::delta::delta;
use crate::cluster::Cluster;
use crate::component::ChangeType;
use crate::etcd::Change;
use crate::trace::{NodeVerdict, SchedulingDecision, Step, What};

impl Writer {
    /// A step as a list: time, component, cause, type, and what belongs to its type.
    pub(super) fn step(&mut self, cluster: &Cluster, step: &Step) -> Value {
        let component = self.component(&step.component);
        let mut line = vec![self.micros(step.time).into(), component.into(), step.cause.into()];
        line.extend(self.what(cluster, &step.what));
        Value::Array(line)
    }

    fn what(&mut self, cluster: &Cluster, what: &What) -> Vec<Value> {
        match what {
            What::Began => vec!["b".into()],
            What::Action { text, line } => vec!["a".into(), json!(&**text), json!(line)],
            What::ActionDone { text, exit, output } => vec!["d".into(), json!(&**text), json!(exit), json!(output)],
            What::Change { key, revision } => self.change(key, cluster.etcd().change(*revision), *revision),
            What::Refused { request, status } => {
                vec!["x".into(), json!(request), json!(status.code()), json!(format!("{:?}", status.reason)), json!(status.message)]
            }
            What::Reconciled { key, decision, reasons } => {
                vec!["r".into(), self.key(key).into(), json!(&**decision), json!(reasons)]
            }
            What::Scheduled(decision) => vec!["s".into(), scheduled(decision)],
            What::Node { key, text } => vec!["n".into(), self.key(key).into(), json!(&**text)],
            What::Http { from, to, path, status, latency, error } => {
                vec![
                    "h".into(),
                    json!(&**from),
                    json!(&**to),
                    json!(&**path),
                    json!(status),
                    json!(latency / 1_000),
                    json!(error.as_deref()),
                ]
            }
            What::Fault { text } => vec!["f".into(), json!(&**text)],
            What::Note { key, text } => vec!["t".into(), key.as_ref().map_or(json!(-1), |k| self.key(k).into()), json!(&**text)],
        }
    }

    fn change(&mut self, key: &ObjectKey, change: Option<&Arc<Change>>, revision: u64) -> Vec<Value> {
        let key = self.key(key).into();
        let Some(change) = change else { return vec!["c".into(), key, json!(revision), json!(1), Value::Null, json!("")] };
        let (kind, body) = match (change.change, &change.previous) {
            (ChangeType::Added, _) | (_, None) => (0, shown(&change.object)),
            (ChangeType::Modified, Some(previous)) => (1, delta(&shown(previous), &shown(&change.object))),
            (ChangeType::Deleted, Some(_)) => (2, Value::Null),
        };
        vec!["c".into(), key, json!(revision), json!(kind), body, json!(&*change.manager)]
    }
}

/// An object as the document shows it.
fn shown(object: &Object) -> Value {
    let mut value = object.to_json();
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    if object.kind() == Kind::Secret {
        for field in ["data", "stringData"] {
            for secret in value.get_mut(field).and_then(Value::as_object_mut).into_iter().flat_map(|m| m.values_mut()) {
                *secret = format!("({} characters, hidden)", secret.as_str().map_or(0, str::len)).into();
            }
        }
        if let Some(annotations) = value.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        }
    }
    value
}

fn scheduled(decision: &SchedulingDecision) -> Value {
    json!({
        "pod": decision.pod, "attempt": decision.attempt, "total": decision.nodes_total, "examined": decision.nodes_examined,
        "feasible": decision.nodes_feasible, "nodes": decision.nodes.iter().map(verdict).collect::<Vec<_>>(),
        "preemption": decision.preemption.as_ref().map(|(node, victims)| json!([&**node, victims])),
        "chosen": decision.chosen.as_deref(), "message": decision.message,
    })
}

/// A node, the plugin that refused it and why, and its scores: `[node, plugin, reasons, [[plugin, score, weight]…]]`.
fn verdict(node: &NodeVerdict) -> Value {
    let (plugin, reasons) = node.rejected.as_ref().map_or((None, &[][..]), |(plugin, reasons)| (Some(*plugin), &reasons[..]));
    let scores: Vec<Value> = node.scores.iter().map(|(plugin, score, weight)| json!([plugin, score, weight])).collect();
    json!([&*node.node, plugin, reasons, scores])
}
