//! Refuses to resize a pod beyond what its node has, or on a node that is not Linux (PodResizeValidator).
//! Source: plugin/pkg/admission/podresize.

use k8s_openapi::api::core::v1::{Node, Pod};
use sim_apimachinery::quantity::Quantity;
use sim_apimachinery::validation::pod::resources::total_requests;
use sim_apimachinery::{Cause, Kind, Object, ObjectKey, Part, Status, Typed};

use super::{ApiServer, Asked, Call, Outcome, Plugin, forbidden};

pub(super) const PLUGIN: Plugin = Plugin { name: "PodResizeValidator", change: None, check: Some(check) };

fn check(server: &mut ApiServer, object: &Object, asked: &Asked<'_>, _call: &mut Call<'_>) -> Outcome<()> {
    let (Object::Pod(pod), Some(old)) = (object, asked.old) else { return Ok(()) };
    let name = pod.spec.as_ref().and_then(|s| s.node_name.as_deref()).unwrap_or_default();
    if asked.part != Part::Resize || name.is_empty() || pod.metadata.generation == old.metadata().generation {
        return Ok(());
    }
    let node = server.etcd.get(&ObjectKey::new(Kind::Node, "", name)).and_then(Node::from_object);
    let Some(node) = node else { return Err(forbidden(object, &format!("node \"{name}\" not found"))) };
    let system = node.metadata.labels.as_ref().and_then(|l| l.get("kubernetes.io/os"));
    if let Some(other) = system.filter(|s| *s != "linux") {
        let text = format!("pod resize is only supported on linux nodes, node \"{name}\" is \"{other}\"");
        return Err(refused(object, &text, "UnsupportedPlatform"));
    }
    match too_much(pod, node) {
        None => Ok(()),
        Some(what) => {
            let text = format!("node didn't have enough allocatable resources: {what}");
            Err(refused(object, &text, "NodeCapacity"))
        }
    }
}

fn refused(object: &Object, why: &str, reason: &str) -> Box<Status> {
    let cause = Cause { reason: reason.into(), message: String::new(), field: String::new() };
    Box::new(Status { causes: vec![cause], ..*forbidden(object, why) })
}

fn too_much(pod: &Pod, node: &Node) -> Option<String> {
    let requests = total_requests(pod.spec.as_ref()?);
    let allocatable = node.status.as_ref().and_then(|s| s.allocatable.as_ref());
    let of_node = |name: &str| allocatable.and_then(|a| a.get(name)).and_then(|q| Quantity::parse(&q.0).ok());
    let mut found = Vec::new();
    for (name, amount) in [("cpu", Quantity::milli_value as fn(&Quantity) -> i64), ("memory", Quantity::value)] {
        let has = of_node(name).unwrap_or_else(|| Quantity::from_millis(0));
        if let Some(asked) = requests.get(name).filter(|asked| **asked > has) {
            found.push(format!("{name}, requested: {}, allocatable: {}", amount(asked), amount(&has)));
        }
    }
    (!found.is_empty()).then(|| found.join("; "))
}
