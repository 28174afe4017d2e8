//! Writes what a run did in the format `k8s-watch-trace/v1`: a header line, then watch events and actions as a recorder of
//! a real cluster would have received them, one JSON value a line, times in seconds since the run began.

use serde_json::{Value, json};
use sim_apimachinery::{Kind, Object, encoding};

use super::{Trace, What};
use crate::component::ChangeType;
use crate::etcd::Etcd;
use crate::time::{MILLISECOND, SimTime};

/// From a change to the recorder's watch.
const WATCH_DELAY: u64 = MILLISECOND;

/// The kinds a recording holds.
pub const RECORDED: [Kind; 20] = [
    Kind::Pod,
    Kind::Service,
    Kind::Event,
    Kind::Node,
    Kind::Namespace,
    Kind::ConfigMap,
    Kind::PersistentVolumeClaim,
    Kind::PersistentVolume,
    Kind::ResourceQuota,
    Kind::Endpoints,
    Kind::EndpointSlice,
    Kind::Deployment,
    Kind::ReplicaSet,
    Kind::StatefulSet,
    Kind::DaemonSet,
    Kind::ControllerRevision,
    Kind::Job,
    Kind::CronJob,
    Kind::HorizontalPodAutoscaler,
    Kind::PodDisruptionBudget,
];

/// What a recording tells of a run besides its lines.
#[derive(Clone, Debug)]
pub struct Header {
    /// The scenario's name.
    pub name: String,
    /// What it does.
    pub about: String,
    /// When it began.
    pub began: SimTime,
    /// The namespace whose objects are recorded (cluster-scoped objects always are); empty for all.
    pub namespace: String,
}

/// Gives each line of the recording, without its line end, to `write`, in the order of time.
pub fn write(header: &Header, etcd: &Etcd, trace: &Trace, write: &mut dyn FnMut(&str)) {
    write(&json!({"format": "k8s-watch-trace/v1", "name": header.name, "server": "v1.36.2", "about": header.about}).to_string());
    let mut changes = etcd.history().iter().filter(|c| c.time >= header.began).peekable();
    for (_, step) in trace.steps().filter(|(_, s)| s.time >= header.began) {
        let line = match &step.what {
            What::Action { text, .. } => json!({"t": seconds(header, step.time), "action": &**text}),
            What::ActionDone { text, exit, output } => {
                json!({"t": seconds(header, step.time), "done": &**text, "exit": exit, "out": output})
            }
            What::Change { revision, .. } => {
                while changes.peek().is_some_and(|c| c.revision < *revision) {
                    changes.next();
                }
                match changes.peek().filter(|c| c.revision == *revision && is_recorded(header, &c.object)) {
                    Some(change) => change_line(header, change),
                    None => continue,
                }
            }
            _ => continue,
        };
        write(&line.to_string());
    }
}

fn is_recorded(header: &Header, object: &Object) -> bool {
    let namespace = object.namespace();
    RECORDED.contains(&object.kind()) && (namespace.is_empty() || header.namespace.is_empty() || namespace == header.namespace)
}

fn change_line(header: &Header, change: &crate::etcd::Change) -> Value {
    let kind = match change.change {
        ChangeType::Added => "ADDED",
        ChangeType::Modified => "MODIFIED",
        ChangeType::Deleted => "DELETED",
    };
    // As the API server tells it, with the fields that are told when they are empty.
    let mut object = encoding::encode(&change.object, &change.object.kind().resource().api_version());
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    json!({"t": seconds(header, change.time.plus(WATCH_DELAY)), "type": kind, "object": object})
}

/// Tenths of milliseconds, as decimals.
fn seconds(header: &Header, at: SimTime) -> Value {
    let ticks = at.since(header.began) / (MILLISECOND / 10);
    Value::Number(serde_json::Number::from_f64(ticks as f64 / 10_000.0).unwrap_or_else(|| 0.into()))
}
