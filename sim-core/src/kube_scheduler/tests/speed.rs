//! How fast pods are placed in a large cluster; run in a release build by hand.

use super::*;

#[test]
#[ignore = "a measurement, for release builds"]
fn five_thousand_nodes_take_many_pods() {
    let config = SchedulerConfig { cycle: Latency::fixed_micros(0), client_qps: (1_000_000, 1_000_000), ..SchedulerConfig::default() };
    let mut world = World::with(config);
    for i in 0..5000 {
        let labels = json!({"metadata": {"labels": {"topology.kubernetes.io/zone": format!("z{}", i % 3)}}});
        world.put(Kind::Node, node(&format!("node-{i}"), labels));
    }
    let pods = std::env::var("KSIM_PODS").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000);
    let setting = std::env::var("KSIM_SETTING").unwrap_or_default();
    if setting == "service" {
        let service = json!({"metadata": {"name": "web", "namespace": "default"}, "spec": {"selector": {"app": "web"}}});
        world.put(Kind::Service, service);
    }
    let over = json!({"spec": merged(asking("100m", "64Mi"), json!({"schedulerName": if setting == "nobody" { "x" } else { "default-scheduler" }}))});
    let events = (0..pods).map(|i| {
        let object = Object::from_json(Kind::Pod, pod(&format!("pod-{i}"), over.clone())).expect("a pod");
        WatchEvent { change: ChangeType::Added, object, revision: 1 }
    });
    world.give(Input::Watch(events.collect()));
    let bound = world.trace.steps().filter(|(_, s)| matches!(&s.what, What::Scheduled(d) if d.chosen.is_some())).count();
    assert_eq!(bound, if setting == "nobody" { 0 } else { pods });
}
