//! The queue: order, back-off, what wakes a pod, and what happens when binding fails.

use super::*;

fn attempts(world: &World, name: &str) -> Vec<u64> {
    let wanted = format!("default/{name}");
    let is_own = |what: &What| matches!(what, What::Scheduled(d) if d.pod == wanted);
    world.trace.steps().filter(|(_, s)| is_own(&s.what)).map(|(_, s)| s.time.since(SimTime(1_767_225_600 * SECOND)) / SECOND).collect()
}

#[test]
fn higher_priority_goes_first_and_then_the_older() {
    let mut world = World::new();
    for (name, priority) in [("low", 0), ("first", 5), ("second", 5)] {
        world.put(Kind::Pod, pod(name, json!({"spec": {"priority": priority}})));
    }
    // The first pod was tried at once, before there was a node; the others wait for their turn.
    world.put(Kind::Node, node("a", json!({})));
    world.run(3 * SECOND);
    let binds: Vec<String> =
        world.requests.iter().filter_map(|(_, v)| if let Verb::Bind { pod, .. } = v { Some(pod.name.to_string()) } else { None }).collect();
    assert_eq!(binds, ["first", "second", "low"]);
}

#[test]
fn pods_come_out_one_after_another() {
    let mut world = World::new();
    world.put(Kind::Node, node("a", json!({})));
    for i in 0..3 {
        world.put(Kind::Pod, pod(&format!("p{i}"), json!({})));
    }
    world.run(SECOND);
    let binds: Vec<u64> =
        world.requests.iter().filter(|(_, v)| matches!(v, Verb::Bind { .. })).map(|(at, _)| at.0 % SECOND / MILLISECOND).collect();
    assert_eq!(binds, [1, 2, 3]);
}

#[test]
fn errors_back_off_1_2_4_8_10_10_seconds() {
    let mut world = World::new();
    world.put(Kind::Pod, pod("wanted", json!({})));
    world.run(40 * SECOND);
    assert_eq!(attempts(&world, "wanted"), [0, 1, 3, 7, 15, 25, 35]);
}

#[test]
fn a_pod_that_fits_nowhere_is_left_alone_until_something_may_help() {
    let mut world = World::new();
    world.put(Kind::Node, node("a", json!({})));
    world.put(Kind::Pod, pod("big", json!({"spec": merged(asking("3", "1Gi"), json!({"nodeName": "a"}))})));
    world.put(Kind::Pod, pod("wanted", json!({"spec": asking("2", "1Gi")})));
    world.run(60 * SECOND);
    assert_eq!(attempts(&world, "wanted"), [0]);
    world.put(
        Kind::Node,
        node("tainted", json!({"spec": {"taints": [{"key": "x", "effect": "NoSchedule"}]}, "status": {"allocatable": {"cpu": "1"}}})),
    );
    world.run(SECOND);
    assert_eq!(attempts(&world, "wanted"), [0], "a node that is too small does not help");
    world.delete(&pod_key("big"));
    world.run(SECOND);
    assert_eq!(attempts(&world, "wanted"), [0, 61]);
    assert_eq!(world.node_of("wanted").as_deref(), Some("a"));
}

#[test]
fn a_pod_that_nothing_helped_is_tried_again_after_five_minutes() {
    let mut world = World::new();
    world.put(Kind::Node, node("a", json!({})));
    world.put(Kind::Pod, pod("wanted", json!({"spec": asking("5", "1Gi")})));
    world.run(700 * SECOND);
    assert_eq!(attempts(&world, "wanted"), [0, 330, 660]);
}

#[test]
fn an_uncordoned_node_wakes_the_pods_it_refused() {
    let mut world = World::new();
    world.put(Kind::Node, node("a", json!({"spec": {"unschedulable": true}})));
    world.put(Kind::Pod, pod("wanted", json!({})));
    world.run(10 * SECOND);
    assert_eq!(world.events.len(), 1);
    world.put(Kind::Node, node("a", json!({})));
    world.run(SECOND);
    assert_eq!(world.node_of("wanted").as_deref(), Some("a"));
}

#[test]
fn a_failed_binding_is_forgotten_and_tried_again() {
    let mut world = World::new();
    world.bind_error = Some("the object is being deleted");
    world.put(Kind::Node, node("a", json!({})));
    world.put(Kind::Pod, pod("wanted", json!({"spec": asking("3", "1Gi")})));
    world.run(500 * MILLISECOND);
    let text = "running Bind plugin \"DefaultBinder\": the object is being deleted".to_owned();
    assert_eq!(world.events, [("FailedScheduling".to_owned(), text)]);
    assert_eq!(world.scheduler.cache().node("a").map(|n| n.requested.milli_cpu), Some(0));
    world.bind_error = None;
    world.run(3 * SECOND);
    assert_eq!(world.node_of("wanted").as_deref(), Some("a"));
}

#[test]
fn an_assumed_pod_counts_at_once() {
    let mut world = World::new();
    world.put(Kind::Node, node("a", json!({})));
    world.put(Kind::Pod, pod("first", json!({"spec": asking("3", "1Gi")})));
    world.put(Kind::Pod, pod("second", json!({"spec": asking("3", "1Gi")})));
    world.run(SECOND);
    assert_eq!((world.node_of("first").as_deref(), world.node_of("second")), (Some("a"), None));
}

#[test]
fn a_large_cluster_is_searched_in_part() {
    let found = [99, 100, 1000, 5000, 10_000].map(|n| super::super::cycle::nodes_to_find(n, 0));
    assert_eq!(found, [99, 100, 420, 500, 500]);
}

#[test]
fn a_pod_is_tried_before_its_back_off_ends_when_nobody_else_waits() {
    let mut world = World::new();
    world.put(Kind::Node, node("a", json!({})));
    world.put(Kind::Pod, pod("big", json!({"spec": merged(asking("3", "1Gi"), json!({"nodeName": "a"}))})));
    world.put(Kind::Pod, pod("wanted", json!({"spec": asking("2", "1Gi")})));
    world.run(200 * MILLISECOND);
    world.delete(&pod_key("big"));
    world.run(100 * MILLISECOND);
    assert_eq!(world.node_of("wanted").as_deref(), Some("a"));
}

#[test]
fn the_answer_for_an_earlier_pod_of_the_same_name_does_not_count() {
    let mut world = World::new();
    world.put(Kind::Node, node("a", json!({})));
    world.put(Kind::Pod, pod("web", json!({})));
    world.run(MILLISECOND / 2);
    world.delete(&pod_key("web"));
    world.put(Kind::Pod, pod("web", json!({"metadata": {"uid": "second"}})));
    world.bind_error = Some("no such pod");
    world.run(MILLISECOND);
    world.bind_error = None;
    world.run(100 * MILLISECOND);
    assert_eq!(world.events, [("Scheduled".to_owned(), "Successfully assigned default/web to a".to_owned())]);
}
