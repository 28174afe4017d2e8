//! What holds for any pods and nodes.

use proptest::prelude::*;

use super::*;
use crate::kube_scheduler::framework::{run_filters, run_pre_filters};
use crate::kube_scheduler::pod_info::PodInfo;

fn any_node() -> impl Strategy<Value = Value> {
    (1_u32..5, 1_u32..9, prop::bool::ANY, 0..3_u32).prop_map(|(cpu, memory, tainted, zone)| {
        let taints = if tainted { json!([{"key": "t", "effect": "NoSchedule"}]) } else { json!([]) };
        let labels = if zone == 0 { json!({}) } else { json!({"topology.kubernetes.io/zone": format!("z{zone}")}) };
        json!({"metadata": {"labels": labels}, "spec": {"taints": taints},
               "status": {"allocatable": {"cpu": cpu.to_string(), "memory": format!("{memory}Gi"), "pods": "5"}}})
    })
}

fn any_pod() -> impl Strategy<Value = Value> {
    (0_u32..30, 0_u32..40, 0..4_u32, 0..5_u32, prop::bool::ANY, 0..3_u32).prop_map(|(cpu, memory, app, rule, tolerates, port)| {
        let requests = json!({"cpu": format!("{}m", cpu * 100), "memory": format!("{}Mi", memory * 100)});
        let ports = if port == 0 { json!([]) } else { json!([{"containerPort": 80, "hostPort": 8000 + port}]) };
        let selector = json!({"matchLabels": {"app": format!("app{app}")}});
        let zone = "topology.kubernetes.io/zone";
        let term = json!([{"topologyKey": zone, "labelSelector": selector}]);
        let rules = match rule {
            0 => json!({"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": zone, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": selector}]}),
            1 => json!({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": term}}}),
            2 => json!({"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": term}}}),
            _ => json!({}),
        };
        let tolerations = if tolerates { json!([{"operator": "Exists"}]) } else { json!([]) };
        let spec = json!({"tolerations": tolerations, "containers": [{"name": "main", "resources": {"requests": requests}, "ports": ports}]});
        json!({"metadata": {"labels": {"app": format!("app{app}")}}, "spec": merged(spec, rules)})
    })
}

/// Whether the filters let the pod onto a node, seen by a scheduler that is told of everything anew.
fn would_pass(objects: &[Object], wanted: &Object, node: &str) -> bool {
    let mut fresh = World::new();
    let config = SchedulerConfig { scheduler_name: "nobody".into(), ..SchedulerConfig::default() };
    fresh.scheduler = KubeScheduler::new(config);
    objects.iter().for_each(|o| fresh.put_object(o.clone()));
    let Object::Pod(wanted) = wanted else { return false };
    let pod = PodInfo::new(wanted);
    let cache = &mut fresh.scheduler.cache;
    cache.node_order();
    let Ok(state) = run_pre_filters(&pod, cache) else { return false };
    cache.node(node).is_some_and(|n| run_filters(&state, &pod, n, cache).is_ok())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_pod_is_never_put_where_a_filter_refuses_it(nodes in prop::collection::vec(any_node(), 1..5), pods in prop::collection::vec(any_pod(), 1..14), removed in 0..6_usize) {
        let mut world = World::new();
        for (i, over) in nodes.into_iter().enumerate() {
            world.put(Kind::Node, node(&format!("n{i}"), over));
        }
        for (i, over) in pods.into_iter().enumerate() {
            let name = format!("p{i}");
            world.put(Kind::Pod, pod(&name, over));
            let wanted = world.objects[&pod_key(&name)].clone();
            let before: Vec<Object> = world.objects.values().filter(|o| **o != wanted).cloned().collect();
            world.run(100 * MILLISECOND);
            let others_moved = before.iter().any(|o| world.objects.get(&o.key()).is_none_or(|now| now.resource_version() != o.resource_version()));
            if let Some(chosen) = world.node_of(&name).filter(|_| !others_moved) {
                prop_assert!(would_pass(&before, &wanted, &chosen), "{name} on {chosen}");
            }
            if i == removed {
                world.delete(&pod_key(&format!("p{}", i / 2)));
            }
        }
        world.run(30 * SECOND);
        for info in &world.scheduler.cache().nodes {
            prop_assert!(info.requested.milli_cpu <= info.allocatable.milli_cpu);
            prop_assert!(info.requested.memory <= info.allocatable.memory);
            prop_assert!(info.pods.len() as i64 <= info.allocatable.pods);
            let sum: i64 = info.pods.iter().map(|p| p.requests.milli_cpu).sum();
            prop_assert_eq!(sum, info.requested.milli_cpu);
        }
    }
}
