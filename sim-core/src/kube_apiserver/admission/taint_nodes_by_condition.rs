//! Taints new nodes until they are ready (TaintNodesByCondition). Source: plugin/pkg/admission/nodetaint.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Taint;
use sim_apimachinery::Object;

use super::{ApiServer, Asked, Call, Outcome, Plugin};

const NOT_READY: &str = "node.kubernetes.io/not-ready";

pub(super) const PLUGIN: Plugin = Plugin { name: "TaintNodesByCondition", change: Some(change), check: None };

fn change(_server: &mut ApiServer, object: &mut Object, asked: &Asked<'_>, _call: &mut Call<'_>) -> Outcome<()> {
    let Object::Node(node) = object else { return Ok(()) };
    if asked.is_create() {
        let taints = Arc::make_mut(node).spec.get_or_insert_default().taints.get_or_insert_default();
        if !taints.iter().any(|t| t.key == NOT_READY && t.effect == "NoSchedule") {
            taints.push(Taint { key: NOT_READY.into(), effect: "NoSchedule".into(), ..Default::default() });
        }
    }
    Ok(())
}
