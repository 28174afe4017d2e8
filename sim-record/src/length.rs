//! How long a scenario is recorded that does not say how long it goes on after its last step. A simulated run ends when its
//! expectations are decided; a recording does not judge them, so the scenario is simulated first and its run tells.

use std::sync::Arc;

use sim_core::cluster::Cluster;
use sim_core::scenario::{Ended, Loaded, Player, profile, workloads};

/// How long a run lasts from its beginning, in nanoseconds; nothing if the scenario says itself how long it goes on, or if the run
/// does not come to its end.
pub fn of_run(loaded: &Arc<Loaded>, seed: u64) -> Option<u64> {
    let scenario = &loaded.scenario;
    if scenario.settle.is_some() {
        return None;
    }
    let (profile, workloads) = (profile(&scenario.cluster).ok()?, workloads(&scenario.cluster).ok()?);
    let mut player = Player::new(Cluster::new(Arc::new(profile), Arc::new(workloads), seed), loaded.clone());
    let outcome = player.play(&mut |_| {});
    (outcome.ended == Ended::Done).then(|| player.cluster.now().since(player.began()))
}
