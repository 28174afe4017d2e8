//! How fast pods are placed in a large cluster; run by hand in a release build, under a clock of its own.

use super::*;

const NODES: usize = 5000;
const PODS: usize = 100_000;

/// Puts many pods into a large cluster at once; says how many were placed.
fn placed(others: &[(Kind, Value)], scheduler_name: &str) -> usize {
    let config = SchedulerConfig { cycle: Latency::fixed_micros(0), client_qps: (1_000_000, 1_000_000), ..SchedulerConfig::default() };
    let mut world = World::with(config);
    others.iter().for_each(|(kind, value)| world.put(*kind, value.clone()));
    for i in 0..NODES {
        let labels = json!({"metadata": {"labels": {"topology.kubernetes.io/zone": format!("z{}", i % 3)}}});
        world.put(Kind::Node, node(&format!("node-{i}"), labels));
    }
    let over = json!({"spec": merged(asking("100m", "64Mi"), json!({"schedulerName": scheduler_name}))});
    let events = (0..PODS).map(|i| {
        let object = Object::from_json(Kind::Pod, pod(&format!("pod-{i}"), over.clone())).expect("a pod");
        WatchEvent { change: ChangeType::Added, object, revision: 1 }
    });
    world.give(Input::Watch(events.collect()));
    world.trace.steps().filter(|(_, s)| matches!(&s.what, What::Scheduled(d) if d.chosen.is_some())).count()
}

#[test]
#[ignore = "a measurement: the cost of the pods themselves, nobody places them"]
fn nobody_places_many_pods() {
    assert_eq!(placed(&[], "nobody"), 0);
}

#[test]
#[ignore = "a measurement"]
fn five_thousand_nodes_take_many_pods() {
    assert_eq!(placed(&[], "default-scheduler"), PODS);
}

#[test]
#[ignore = "a measurement: with the default spreading"]
fn five_thousand_nodes_take_many_pods_of_a_service() {
    let service = json!({"metadata": {"name": "web", "namespace": "default"}, "spec": {"selector": {"app": "web"}}});
    assert_eq!(placed(&[(Kind::Service, service)], "default-scheduler"), PODS);
}
