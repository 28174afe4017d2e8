//! Refuses changes of pods that their node's kubelet says nothing of being able to make (NodeDeclaredFeatureValidator).
//! Source: plugin/pkg/admission/nodedeclaredfeatures and component-helpers/nodedeclaredfeatures.
//! Features considered: resizing the pod as a whole, and init containers that end. Not modelled: exclusive CPUs.

use k8s_openapi::api::core::v1::{Container, Node, Pod};
use sim_apimachinery::validation::pod::is_sidecar;
use sim_apimachinery::{Kind, Object, ObjectKey, Part, Typed};

use super::{ApiServer, Asked, Call, Outcome, Plugin, forbidden};

pub(super) const PLUGIN: Plugin = Plugin { name: "NodeDeclaredFeatureValidator", change: None, check: Some(check) };

fn check(server: &mut ApiServer, object: &Object, asked: &Asked<'_>, _call: &mut Call<'_>) -> Outcome<()> {
    let (Object::Pod(pod), Some(Object::Pod(old))) = (object, asked.old) else { return Ok(()) };
    let name = pod.spec.as_ref().and_then(|s| s.node_name.as_deref()).unwrap_or_default();
    let asks = matches!(asked.part, Part::Main | Part::Resize) && !name.is_empty();
    if !asks || pod.metadata.generation == old.metadata.generation {
        return Ok(());
    }
    let needed = needed_features(pod, old);
    if needed.is_empty() {
        return Ok(());
    }
    let node = server.etcd.get(&ObjectKey::new(Kind::Node, "", name)).and_then(Node::from_object);
    let Some(node) = node else { return Err(forbidden(object, &format!("node \"{name}\" not found"))) };
    let declared = node.status.as_ref().and_then(|s| s.declared_features.as_deref()).unwrap_or_default();
    let missing: Vec<&str> = needed.into_iter().filter(|n| !declared.iter().any(|d| d == n)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let text = format!("pod update requires features {} which are not available on node \"{name}\"", missing.join(", "));
    Err(forbidden(object, &text))
}

fn needed_features(pod: &Pod, old: &Pod) -> Vec<&'static str> {
    let (Some(next), Some(before)) = (&pod.spec, &old.spec) else { return vec![] };
    let mut needed = Vec::new();
    if next.resources != before.resources {
        needed.push("InPlacePodLevelResourcesVerticalScaling");
    }
    let mut init = next.init_containers.iter().flatten().zip(before.init_containers.iter().flatten());
    let is_resized = |(a, b): (&Container, &Container)| !is_sidecar(a) && a.resources != b.resources;
    if init.any(is_resized) {
        needed.push("InPlacePodVerticalScalingInitContainers");
    }
    needed
}
