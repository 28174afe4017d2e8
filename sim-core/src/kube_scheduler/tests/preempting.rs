//! Preemption: who must go, who may stay, and what is told.

use super::*;

fn full_world(priorities: &[(&str, i32, &str)]) -> World {
    let mut world = World::new();
    let mut nodes: Vec<&str> = priorities.iter().map(|(_, _, node)| *node).collect();
    nodes.dedup();
    nodes.iter().for_each(|n| world.put(Kind::Node, node(n, json!({}))));
    for (name, priority, node) in priorities {
        let spec = merged(asking("2", "1Gi"), json!({"nodeName": node, "priority": priority}));
        let started = json!({"startTime": "2026-01-01T00:00:00Z"});
        world.put(Kind::Pod, pod(name, json!({"spec": spec, "status": started, "metadata": {"labels": {"app": name}}})));
    }
    world
}

fn try_it(world: &mut World, cpu: &str, over: Value) {
    world.put(Kind::Pod, pod("wanted", merged(json!({"spec": merged(asking(cpu, "1Gi"), json!({"priority": 100}))}), over)));
    world.run(3 * SECOND);
}

fn gone(world: &World, names: &[&str]) -> Vec<String> {
    names.iter().filter(|n| !world.objects.contains_key(&pod_key(n))).map(|n| (*n).to_owned()).collect()
}

#[test]
fn the_least_important_pod_goes_and_the_preemptor_takes_its_place() {
    let mut world = full_world(&[("a1", 10, "a"), ("a2", 5, "a"), ("b1", 10, "b"), ("b2", 10, "b")]);
    try_it(&mut world, "2", json!({}));
    assert_eq!(gone(&world, &["a1", "a2", "b1", "b2"]), ["a2"]);
    assert_eq!(world.node_of("wanted").as_deref(), Some("a"));
    let told: Vec<(&str, &str)> = world.events.iter().map(|(r, m)| (r.as_str(), m.as_str())).collect();
    assert_eq!(
        told,
        [
            ("FailedScheduling", "0/2 nodes are available: 2 Insufficient cpu."),
            ("Preempted", "Preempted by pod uid-wanted on node a"),
            ("Scheduled", "Successfully assigned default/wanted to a"),
        ]
    );
}

#[test]
fn a_victim_is_marked_before_it_is_deleted() {
    let mut world = full_world(&[("a1", 1, "a"), ("a2", 2, "a")]);
    try_it(&mut world, "4", json!({}));
    let about = |key: &ObjectKey, verb: &str| format!("{verb} {}", key.name);
    let told: Vec<String> = world
        .requests
        .iter()
        .filter_map(|(_, verb)| match verb {
            Verb::Patch { key, patch: Patch::Typed(TypedPatch::PodConditions(c)), .. } => {
                assert_eq!(c[0].message.as_deref(), Some("default-scheduler: preempting to accommodate a higher priority pod"));
                Some(about(key, "mark"))
            }
            Verb::Patch { key, patch: Patch::Typed(TypedPatch::PodNomination { node, .. }), .. } => {
                Some(format!("nominate {} {}", key.name, node.as_deref().unwrap_or("-")))
            }
            Verb::Delete { key, .. } => Some(about(key, "delete")),
            _ => None,
        })
        .collect();
    assert_eq!(told, ["mark a2", "nominate wanted a", "delete a2", "mark a1", "delete a1"]);
    assert_eq!(world.node_of("wanted").as_deref(), Some("a"));
}

#[test]
fn a_budget_is_minded_where_that_is_possible() {
    let budget = json!({"metadata": {"name": "keep", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": "a1"}}}, "status": {"disruptionsAllowed": 0}});
    let mut world = full_world(&[("a1", 1, "a"), ("a2", 2, "a")]);
    world.put(Kind::PodDisruptionBudget, budget);
    try_it(&mut world, "2", json!({}));
    assert_eq!(gone(&world, &["a1", "a2"]), ["a2"]);
}

#[test]
fn equal_priority_is_no_victim() {
    let mut world = full_world(&[("a1", 100, "a"), ("a2", 100, "a")]);
    try_it(&mut world, "2", json!({}));
    let expected = "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: \
                    1 No preemption victims found for incoming pod.";
    assert_eq!(world.condition_of("wanted").as_deref(), Some(expected));
}

#[test]
fn a_pod_that_never_preempts_says_so() {
    let mut world = full_world(&[("a1", 1, "a"), ("a2", 1, "a")]);
    try_it(&mut world, "2", json!({"spec": {"preemptionPolicy": "Never"}}));
    let expected = "0/1 nodes are available: 1 Insufficient cpu. preemption: not eligible due to preemptionPolicy=Never.";
    assert_eq!(world.condition_of("wanted").as_deref(), Some(expected));
    assert!(gone(&world, &["a1", "a2"]).is_empty());
}

#[test]
fn pods_of_lower_priority_do_not_take_the_nominated_place() {
    let mut world = full_world(&[("a1", 1, "a"), ("a2", 2, "a")]);
    world.put(Kind::Pod, pod("wanted", json!({"spec": merged(asking("4", "1Gi"), json!({"priority": 100}))})));
    world.put(Kind::Pod, pod("small", json!({"spec": merged(asking("1", "1Gi"), json!({"priority": 50}))})));
    world.run(20 * SECOND);
    assert_eq!((world.node_of("wanted").as_deref(), world.node_of("small")), (Some("a"), None));
}
