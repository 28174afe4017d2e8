//! How often a pod is synced after its container runs, and so when its readiness probe first counts.

use super::*;
use crate::kubelet::PokeChances;

/// Nearer than this to its edges, whether a relist fell into a stretch of time is not decided by the statuses sent.
const EDGE: u64 = 40 * MILLISECOND;

/// When the status first showed this.
fn first(world: &World, shows: impl Fn(&PodStatus) -> bool) -> SimTime {
    world.statuses.iter().find(|(_, status)| shows(status)).expect("it was shown").0
}

fn is_true(status: &PodStatus, condition: &str) -> bool {
    status.conditions.iter().flatten().any(|c| c.type_ == condition && c.status == "True")
}

#[test]
fn a_sync_asked_for_before_the_relist_is_not_one_with_what_the_relist_tells() {
    // All that is left to chance happens: the first sync wakes the probe in vain, and events of one relist are one update.
    let always = PokeChances { update: 1_000_000, first_of_two: 1_000_000, cache: 1_000_000 };
    let latencies = KubeletLatencies { poke_before_status_per_million: always, events_merged_per_million: 1_000_000, ..Default::default() };
    let mut container = web();
    container["readinessProbe"] = json!({"httpGet": {"path": "/ready", "port": 8000}, "initialDelaySeconds": 2, "periodSeconds": 5});
    let mut counted = [0, 0];
    for seed in 0..600 {
        let mut world = World::with(seed, &latencies);
        world.pod(json!({"containers": [container]})).run(12);
        let sandbox = first(&world, |s| is_true(s, "PodReadyToStartContainers"));
        let running =
            first(&world, |s| s.container_statuses.iter().flatten().any(|c| c.state.as_ref().is_some_and(|s| s.running.is_some())));
        let ready = first(&world, |s| is_true(s, "Ready"));
        let relist = world.kubelet.pleg.grid.before(running);
        if relist.since(sandbox) < EDGE && relist.plus(EDGE) > sandbox || running.since(relist) < EDGE {
            continue;
        }
        // Seen before its container runs, the sandbox asks for a sync; the container's own event then asks for another.
        let sandbox_was_seen = relist > sandbox;
        let exact = ready.plus(30 * MILLISECOND) > running.plus(5 * SECOND) && ready < running.plus(5 * SECOND + 30 * MILLISECOND);
        assert_eq!(exact, !sandbox_was_seen, "seed {seed}: relist {relist:?}, sandbox {sandbox:?}, running {running:?}, ready {ready:?}");
        counted[usize::from(sandbox_was_seen)] += 1;
    }
    assert!(counted[0] > 1 && counted[1] > 1, "both were seen: {counted:?}");
}
