//! What the control API offers of scenarios: a fault, set on a live cluster as a scenario's `fault` step would set it.

use serde_json::{Value, json};

use super::{Player, load};

/// Sets or ends a fault, given as a scenario's `fault` step; with a `for` it ends by itself.
pub fn inject_fault(player: &mut Player, fault: &Value) -> Result<(), String> {
    let scenario = json!({
        "apiVersion": "ksim.dev/v1", "kind": "Scenario", "metadata": {"name": "live"}, "about": "One step on a live cluster.",
        "steps": [{"fault": fault}],
    });
    let loaded = load("fault", &scenario.to_string(), &mut |file| Err(format!("{file}: files cannot be named here")))
        .map_err(|problem| problem.message)?;
    match loaded.scenario.steps.first().and_then(|step| step.fault.as_ref()) {
        Some(step) => player.inject_beside(step, &format!("fault {fault}")),
        None => Err("this is no fault".into()),
    }
}
