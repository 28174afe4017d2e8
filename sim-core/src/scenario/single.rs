//! A single step done on a live cluster, as a scenario's user would do it: what the control API offers of scenarios.
//! Not offered: a fault's `duration`; whoever sets a fault on a live cluster ends it with another step.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Ended, Player, load};
use crate::cluster::Cluster;

/// Sets or ends a fault, given as a scenario's `fault` step.
pub fn inject_fault(cluster: &mut Cluster, fault: &Value) -> Result<(), String> {
    let has_duration = fault.as_object().is_some_and(|f| f.values().any(|v| v.get("duration").is_some()));
    if has_duration {
        return Err("a fault on a live cluster has no `duration`: end it with another fault".into());
    }
    let scenario = json!({
        "apiVersion": "ksim.dev/v1", "kind": "Scenario", "metadata": {"name": "live"}, "about": "One step on a live cluster.",
        "steps": [{"fault": fault}], "settle": "0s",
    });
    let loaded = load("fault", &scenario.to_string(), &mut |file| Err(format!("{file}: files cannot be named here")))
        .map_err(|problem| problem.message)?;
    let mut player = Player::new(cluster.clone(), Arc::new(loaded));
    match player.play(&mut |_| {}).ended {
        Ended::Done => {
            *cluster = player.cluster;
            Ok(())
        }
        Ended::StepFailed { message, .. } | Ended::NotSimulated { message, .. } => Err(message),
        Ended::TimeLimit | Ended::ChangeLimit { .. } => Err("a limit was reached".into()),
    }
}
