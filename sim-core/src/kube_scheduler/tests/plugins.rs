//! Each plugin, by what becomes of one pod in a small cluster: the node it goes to, or the exact message.

use super::*;

/// Puts nodes, then pods that are there already, then the pod in question; says where it went or why not.
fn place(others: &[(Kind, Value)], nodes: &[Value], there: &[Value], wanted: Value) -> (World, Result<String, String>) {
    let mut world = World::new();
    others.iter().for_each(|(kind, value)| world.put(*kind, value.clone()));
    nodes.iter().for_each(|n| world.put(Kind::Node, n.clone()));
    there.iter().for_each(|p| world.put(Kind::Pod, p.clone()));
    world.put(Kind::Pod, pod("wanted", wanted));
    world.run(500 * MILLISECOND);
    let outcome = match world.node_of("wanted") {
        Some(node) => Ok(node),
        None => Err(world.condition_of("wanted").unwrap_or_default()),
    };
    (world, outcome)
}

fn check(nodes: &[Value], there: &[Value], wanted: Value, expected: Result<&str, &str>) {
    let (_, outcome) = place(&[], nodes, there, wanted);
    assert_eq!(outcome.as_deref().map_err(String::as_str), expected);
}

fn on(name: &str, node: &str, over: Value) -> Value {
    pod(name, merged(json!({"spec": {"nodeName": node}}), over))
}

fn zoned(name: &str, zone: &str) -> Value {
    node(name, json!({"metadata": {"labels": {"topology.kubernetes.io/zone": zone}}}))
}

/// What follows the reasons when no pod of lower priority is on the nodes.
fn not_helpful(nodes: usize) -> String {
    format!(" preemption: 0/{nodes} nodes are available: {nodes} Preemption is not helpful for scheduling.")
}

#[test]
fn without_nodes_there_is_a_message_of_its_own() {
    check(&[], &[], json!({}), Err("no nodes available to schedule pods"));
}

#[test]
fn node_resources_fit_names_every_resource_that_is_short() {
    let nodes = [node("a", json!({})), node("b", json!({"status": {"allocatable": {"pods": "0"}}}))];
    let there = [on("big", "a", json!({"spec": asking("3", "7Gi")}))];
    let expected = "0/2 nodes are available: 1 Insufficient cpu, 1 Insufficient memory, 1 Too many pods. \
                    preemption: 0/2 nodes are available: 2 No preemption victims found for incoming pod.";
    check(&nodes, &there, json!({"spec": asking("2", "2Gi")}), Err(expected));
}

#[test]
fn more_than_a_whole_node_has_cannot_be_helped_by_preemption() {
    let expected = format!("0/1 nodes are available: 1 Insufficient cpu.{}", not_helpful(1));
    check(&[node("a", json!({}))], &[], json!({"spec": asking("5", "1Gi")}), Err(&expected));
}

#[test]
fn an_extended_resource_is_counted_by_its_name() {
    let gpu = |n: &str| json!({"spec": {"containers": [{"name": "main", "resources": {"requests": {"example.com/gpu": n}}}]}});
    let nodes = [node("plain", json!({})), node("gpu", json!({"status": {"allocatable": {"example.com/gpu": "2"}}}))];
    check(&nodes, &[], gpu("1"), Ok("gpu"));
    let there = [on("user", "gpu", gpu("2"))];
    let expected = "0/2 nodes are available: 2 Insufficient example.com/gpu. preemption: 0/2 nodes are available: \
                    1 No preemption victims found for incoming pod, 1 Preemption is not helpful for scheduling.";
    check(&nodes, &there, gpu("1"), Err(expected));
}

#[test]
fn init_containers_count_by_their_peak_and_sidecars_by_their_sum() {
    let container = |name: &str, cpu: &str| json!({"name": name, "resources": {"requests": {"cpu": cpu}}});
    let sidecar = merged(container("side", "1"), json!({"restartPolicy": "Always"}));
    let spec = |init: Value| json!({"spec": {"initContainers": init, "containers": [container("main", "2")]}});
    let nodes = [node("a", json!({}))];
    check(&nodes, &[], spec(json!([container("init", "4")])), Ok("a"));
    check(&nodes, &[], spec(json!([sidecar.clone(), container("init", "3")])), Ok("a"));
    let short = format!("0/1 nodes are available: 1 Insufficient cpu.{}", not_helpful(1));
    check(&nodes, &[], spec(json!([sidecar, container("init", "3500m")])), Err(&short));
}

#[test]
fn the_pod_goes_where_most_is_left() {
    let nodes = [node("full", json!({})), node("empty", json!({}))];
    let there = [on("big", "full", json!({"spec": asking("2", "4Gi")}))];
    check(&nodes, &there, json!({"spec": asking("500m", "1Gi")}), Ok("empty"));
}

#[test]
fn node_affinity_refuses_other_nodes() {
    let nodes = [node("a", json!({"metadata": {"labels": {"disk": "ssd"}}})), node("b", json!({"metadata": {"labels": {"disk": "hdd"}}}))];
    check(&nodes, &[], json!({"spec": {"nodeSelector": {"disk": "hdd"}}}), Ok("b"));
    let expected = format!("0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.{}", not_helpful(2));
    check(&nodes, &[], json!({"spec": {"nodeSelector": {"disk": "tape"}}}), Err(&expected));
}

fn named(name: &str) -> Value {
    let term = json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]});
    json!({"spec": {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}}})
}

#[test]
fn a_pod_whose_affinity_names_a_node_is_only_tried_there() {
    let nodes = [node("a", json!({})), node("b", json!({"spec": {"unschedulable": true}}))];
    check(&nodes, &[], named("a"), Ok("a"));
    let expected = format!(
        "0/2 nodes are available: 1 node(s) didn't satisfy plugin(s) [NodeAffinity], 1 node(s) were unschedulable.{}",
        not_helpful(2)
    );
    check(&nodes, &[], named("b"), Err(&expected));
}

#[test]
fn preferred_node_affinity_outweighs_less_room() {
    let nodes = [node("a", json!({"metadata": {"labels": {"disk": "ssd"}}})), node("b", json!({}))];
    let there = [on("big", "a", json!({"spec": asking("2", "4Gi")}))];
    let preference = json!({"matchExpressions": [{"key": "disk", "operator": "Exists"}]});
    let wish = json!([{"weight": 1, "preference": preference}]);
    let wanted = json!({"spec": {"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": wish}}}});
    check(&nodes, &there, wanted, Ok("a"));
}

#[test]
fn taints_must_be_tolerated() {
    let taint = |effect: &str| json!({"spec": {"taints": [{"key": "gpu", "value": "yes", "effect": effect}]}});
    let refused = format!("0/1 nodes are available: 1 node(s) had untolerated taint(s).{}", not_helpful(1));
    for effect in ["NoSchedule", "NoExecute"] {
        check(&[node("a", taint(effect))], &[], json!({}), Err(&refused));
        for toleration in [
            json!({"operator": "Exists"}),
            json!({"key": "gpu", "operator": "Exists"}),
            json!({"key": "gpu", "value": "yes", "effect": effect}),
        ] {
            check(&[node("a", taint(effect))], &[], json!({"spec": {"tolerations": [toleration]}}), Ok("a"));
        }
        check(&[node("a", taint(effect))], &[], json!({"spec": {"tolerations": [{"key": "gpu", "value": "no"}]}}), Err(&refused));
    }
    check(&[node("a", taint("PreferNoSchedule")), node("b", json!({}))], &[], json!({}), Ok("b"));
}

#[test]
fn a_cordoned_node_takes_nobody() {
    let expected = format!("0/1 nodes are available: 1 node(s) were unschedulable.{}", not_helpful(1));
    check(&[node("a", json!({"spec": {"unschedulable": true}}))], &[], json!({}), Err(&expected));
}

#[test]
fn a_host_port_is_had_once_per_address_and_protocol() {
    let port = |ip: &str, protocol: &str| {
        let ports = json!([{"containerPort": 80, "hostPort": 8080, "hostIP": ip, "protocol": protocol}]);
        json!({"spec": {"containers": [{"name": "main", "ports": ports}]}})
    };
    let nodes = [node("a", json!({}))];
    let there = [on("user", "a", port("127.0.0.1", "TCP"))];
    let expected = "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports. \
                    preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.";
    check(&nodes, &there, port("", "TCP"), Err(expected));
    check(&nodes, &there, port("127.0.0.2", "TCP"), Ok("a"));
    check(&nodes, &there, port("", "UDP"), Ok("a"));
}

fn spread(max_skew: i32, key: &str, when: &str) -> Value {
    let constraint =
        json!({"maxSkew": max_skew, "topologyKey": key, "whenUnsatisfiable": when, "labelSelector": {"matchLabels": {"app": "web"}}});
    json!({"spec": {"topologySpreadConstraints": [constraint]}})
}

#[test]
fn a_hard_spread_constraint_keeps_domains_level() {
    let key = "topology.kubernetes.io/zone";
    let nodes = [zoned("a", "z1"), zoned("b", "z1"), zoned("c", "z2")];
    let there = [on("one", "a", json!({}))];
    check(&nodes, &there, spread(1, key, "DoNotSchedule"), Ok("c"));
    let full = [zoned("a", "z1"), zoned("b", "z1"), node("bare", json!({})), zoned("c", "z2")];
    let there = [on("one", "a", json!({})), on("big", "c", json!({"metadata": {"labels": {"app": "x"}}, "spec": asking("4", "1Gi")}))];
    let wanted = merged(spread(1, key, "DoNotSchedule"), json!({"spec": asking("1", "1Gi")}));
    let expected = "0/4 nodes are available: 1 Insufficient cpu, \
                    1 node(s) didn't match pod topology spread constraints (missing required label), \
                    2 node(s) didn't match pod topology spread constraints. preemption: 0/4 nodes are available: \
                    1 Preemption is not helpful for scheduling, 3 No preemption victims found for incoming pod.";
    check(&full, &there, wanted, Err(expected));
}

#[test]
fn terminating_pods_do_not_count_for_spreading() {
    let going = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
    let nodes = [node("a", json!({})), node("b", json!({}))];
    let there = [on("one", "a", going), on("two", "b", json!({}))];
    check(&nodes, &there, spread(1, "kubernetes.io/hostname", "DoNotSchedule"), Ok("a"));
}

#[test]
fn a_soft_spread_constraint_prefers_the_emptier_domain() {
    let key = "topology.kubernetes.io/zone";
    let nodes = [zoned("a", "z1"), zoned("b", "z1"), zoned("c", "z2")];
    let there = [on("one", "a", json!({}))];
    check(&nodes, &there, spread(1, key, "ScheduleAnyway"), Ok("c"));
}

#[test]
fn pods_of_a_service_are_spread_without_asking() {
    let service = json!({"metadata": {"name": "web", "namespace": "default"}, "spec": {"selector": {"app": "web"}}});
    let nodes = [node("a", json!({})), node("b", json!({}))];
    let there =
        [on("one", "a", json!({})), on("other", "b", json!({"metadata": {"labels": {"app": "other"}}, "spec": asking("500m", "1Gi")}))];
    let (_, without) = place(&[], &nodes, &there, json!({}));
    let (world, with) = place(&[(Kind::Service, service)], &nodes, &there, json!({}));
    assert_eq!((without.as_deref(), with.as_deref()), (Ok("a"), Ok("b")));
    let decision = world.decision("wanted").expect("a decision");
    let of = |node: &str| decision.nodes.iter().find(|v| &*v.node == node).expect("a verdict").scores.clone();
    assert!(of("b").contains(&("PodTopologySpread", 100, 2)), "{:?}", of("b"));
    assert!(!of("a").contains(&("PodTopologySpread", 100, 2)), "{:?}", of("a"));
}

fn near(kind: &str, key: &str, app: &str) -> Value {
    let term = json!({"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}});
    json!({"spec": {"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}})
}

#[test]
fn required_pod_affinity_goes_where_the_other_is() {
    let key = "topology.kubernetes.io/zone";
    let nodes = [zoned("a", "z1"), zoned("b", "z2"), zoned("c", "z2")];
    let there = [on("db", "b", json!({"metadata": {"labels": {"app": "db"}}, "spec": asking("4", "1Gi")}))];
    let wanted = merged(near("podAffinity", key, "db"), json!({"spec": asking("1", "1Gi")}));
    check(&nodes, &there, wanted, Ok("c"));
    let expected = format!("0/3 nodes are available: 3 node(s) didn't match pod affinity rules.{}", not_helpful(3));
    check(&nodes, &there, near("podAffinity", key, "cache"), Err(&expected));
}

#[test]
fn the_first_pod_of_a_kind_may_want_to_be_near_itself() {
    check(&[node("a", json!({}))], &[], near("podAffinity", "kubernetes.io/hostname", "web"), Ok("a"));
}

#[test]
fn anti_affinity_works_both_ways() {
    let key = "kubernetes.io/hostname";
    let nodes = [node("a", json!({})), node("b", json!({}))];
    check(&nodes, &[on("one", "a", json!({}))], near("podAntiAffinity", key, "web"), Ok("b"));
    let both = [on("one", "a", json!({})), on("two", "b", json!({}))];
    let expected = "0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules. \
                    preemption: 0/2 nodes are available: 2 No preemption victims found for incoming pod.";
    check(&nodes, &both, near("podAntiAffinity", key, "web"), Err(expected));
    let shy = merged(near("podAntiAffinity", key, "web"), json!({"metadata": {"labels": {"app": "shy"}}}));
    check(&nodes, &[on("shy", "a", shy.clone())], json!({}), Ok("b"));
    let expected = "0/1 nodes are available: 1 node(s) didn't satisfy existing pods anti-affinity rules. \
                    preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.";
    check(&nodes[..1], &[on("shy", "a", shy)], json!({}), Err(expected));
}

#[test]
fn affinity_is_for_the_pods_own_namespace_unless_it_says_more() {
    let elsewhere = json!({"metadata": {"namespace": "other", "labels": {"app": "db"}}});
    let nodes = [node("a", json!({})), node("b", json!({}))];
    let there = [on("db", "b", elsewhere)];
    let expected = format!("0/2 nodes are available: 2 node(s) didn't match pod affinity rules.{}", not_helpful(2));
    check(&nodes, &there, near("podAffinity", "kubernetes.io/hostname", "db"), Err(&expected));
    let mut wanted = near("podAffinity", "kubernetes.io/hostname", "db");
    wanted["spec"]["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][0]["namespaceSelector"] = json!({});
    check(&nodes, &there, wanted, Ok("b"));
}

#[test]
fn preferred_pod_affinity_counts_in_both_directions() {
    let term = json!({"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "web"}}});
    let wish = json!([{"weight": 100, "podAffinityTerm": term}]);
    let likes = json!({"spec": {"affinity": {"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": wish}}}});
    let nodes = [node("a", json!({})), node("b", json!({}))];
    check(&nodes, &[on("one", "b", json!({}))], likes.clone(), Ok("b"));
    let fan = merged(likes, json!({"metadata": {"labels": {"app": "fan"}}}));
    check(&nodes, &[on("fan", "b", fan)], json!({}), Ok("b"));
}

#[test]
fn a_node_with_the_image_is_better() {
    let images = json!({"status": {"images": [{"names": ["web:latest"], "sizeBytes": 900_000_000}]}});
    check(&[node("a", json!({})), node("b", images)], &[], json!({}), Ok("b"));
}

#[test]
fn balanced_allocation_says_75_when_the_balance_stays() {
    let (world, _) = place(&[], &[node("a", json!({})), node("b", json!({}))], &[], json!({"spec": asking("1", "2Gi")}));
    let decision = world.decision("wanted").expect("a decision");
    assert!(decision.nodes[0].scores.contains(&("NodeResourcesBalancedAllocation", 75, 1)), "{:?}", decision.nodes[0]);
    assert!(decision.nodes[0].scores.contains(&("NodeResourcesFit", 75, 1)), "{:?}", decision.nodes[0]);
    assert!(decision.nodes[0].scores.contains(&("TaintToleration", 100, 3)), "{:?}", decision.nodes[0]);
}

#[test]
fn pods_of_another_scheduler_are_left_alone() {
    check(&[node("a", json!({}))], &[], json!({"spec": {"schedulerName": "other"}}), Err(""));
}

#[test]
fn a_pod_with_gates_waits_silently_until_they_are_gone() {
    let (mut world, outcome) = place(&[], &[node("a", json!({}))], &[], json!({"spec": {"schedulingGates": [{"name": "wait"}]}}));
    assert_eq!((outcome, world.events.len()), (Err(String::new()), 0));
    world.change_pod(&pod_key("wanted"), |p| p.spec.get_or_insert_default().scheduling_gates = None);
    world.run(SECOND);
    assert_eq!(world.node_of("wanted").as_deref(), Some("a"));
}
