//! The document of a run tells all of it: every state of every object, every cause, every delivery.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use sim_core::cluster::{Cluster, Settings};
use sim_core::scenario::Player;
use sim_core::view;

use crate::play::{load, root};

fn played(name: &str) -> (Player, Vec<Value>) {
    let scenario = load(&root().join("scenarios").join(format!("{name}.yaml")));
    let profile = Arc::new(sim_core::scenario::profile(&scenario.scenario.cluster).expect("a profile"));
    let settings = Settings { remembers_deliveries: true, ..Settings::default() };
    let cluster = Cluster::with(profile, Arc::new(sim_workload::ProfileSet::builtin()), 1, &settings).expect("settings are right");
    let mut player = Player::new(cluster, scenario);
    player.play(&mut |_| {});
    let mut writer = view::Writer::new(player.began());
    let parts = std::iter::from_fn(|| writer.part(&player.cluster, 50).or_else(|| writer.rest(&player.cluster))).collect();
    (player, parts)
}

fn all<'a>(parts: &'a [Value], list: &str) -> Vec<&'a Value> {
    parts.iter().flat_map(|p| p[list].as_array().expect("a list")).collect()
}

#[test]
fn a_document_holds_every_state_of_every_object() {
    let (player, parts) = played("rollout");
    let steps = all(&parts, "steps");
    assert_eq!(steps.len(), player.cluster.trace.len(), "every step is told once");
    let mut states: BTreeMap<u64, Value> = BTreeMap::new();
    let mut compared = 0;
    for step in steps.iter().filter(|s| s[3] == "c") {
        let key = step[4].as_u64().expect("a key");
        let change = player.cluster.etcd().change(step[5].as_u64().expect("a revision")).expect("it is in the history");
        match step[6].as_u64() {
            Some(0) => drop(states.insert(key, step[7].clone())),
            Some(1) => view::delta::apply(states.get_mut(&key).expect("it was there before"), &step[7]),
            _ => {
                states.remove(&key);
                continue;
            }
        }
        let mut expected = change.object.to_json();
        expected["metadata"].as_object_mut().expect("metadata").remove("managedFields");
        assert_eq!(states[&key], expected, "revision {}", change.revision);
        compared += 1;
    }
    assert_eq!(compared + steps.iter().filter(|s| s[6] == 2 && s[3] == "c").count(), player.cluster.etcd().history().len());
    assert!(steps.iter().enumerate().skip(1).all(|(at, s)| (s[2].as_u64().expect("a cause") as usize) < at), "causes come before effects");
}

#[test]
fn a_document_tells_how_far_each_cache_was() {
    let (player, parts) = played("stale-cache");
    let (deliveries, watches) = (all(&parts, "deliveries"), all(&parts, "watches"));
    let pods: Vec<usize> = (0..watches.len()).filter(|w| watches[*w][0] == "kube-controller-manager" && watches[*w][1] == "Pod").collect();
    let mut known = BTreeMap::new();
    for delivery in &deliveries {
        let (watch, revision) = (delivery[1].as_u64().expect("a watch"), delivery[2].as_u64().expect("a revision"));
        assert!((watch as usize) < watches.len());
        let before = known.insert(watch, revision).unwrap_or(0);
        assert!(revision >= before, "a watch never goes back");
    }
    assert!(deliveries.windows(2).all(|d| d[0][0].as_i64() <= d[1][0].as_i64()), "in the order of time");
    assert!(pods.iter().any(|w| known[&(*w as u64)] > 0), "the controllers' pods were told of");
    assert_eq!(deliveries.len(), player.cluster.deliveries().after(0).count());
}

#[test]
fn values_of_secrets_stay_hidden() {
    let (_, parts) = played("custom-resource");
    let text = serde_json::to_string(&parts).expect("it is JSON");
    assert!(!text.contains("managedFields"));
    let keys = all(&parts, "keys");
    let secrets: Vec<usize> = (0..keys.len()).filter(|k| keys[*k][0] == "Secret").collect();
    for step in all(&parts, "steps").iter().filter(|s| s[3] == "c" && secrets.iter().any(|k| s[4] == *k as u64)) {
        for (_, value) in step[7]["data"].as_object().into_iter().flatten() {
            assert!(value.as_str().is_some_and(|v| v.ends_with("characters, hidden)")), "{value}");
        }
    }
}

#[test]
fn a_document_tells_what_pods_used() {
    let (player, parts) = played("hpa-scale-up");
    let (usage, keys) = (all(&parts, "usage"), all(&parts, "keys"));
    let of_pod = |u: &Value| keys[u[1].as_u64().expect("a key") as usize][3].as_str().expect("a name").to_owned();
    assert!(usage.iter().all(|u| keys[u[1].as_u64().expect("a key") as usize][0] == "Pod"));
    assert!(usage.windows(2).all(|pair| pair[0][0].as_i64() <= pair[1][0].as_i64()), "in the order of time");
    // Under load a pod comes to its limit and never above it; afterwards it rests.
    let busiest = usage.iter().filter(|u| of_pod(u).starts_with("fastapi-k8s")).max_by_key(|u| u[2].as_u64()).expect("the pods were read");
    let pod = player.cluster.etcd().history().iter().find(|c| c.object.name() == of_pod(busiest)).expect("the pod").object.to_json();
    let limit = pod["spec"]["containers"][0]["resources"]["limits"]["cpu"].as_str().expect("a limit").trim_end_matches('m').to_owned();
    assert_eq!(busiest[2].as_u64(), limit.parse().ok(), "{busiest}");
    let last = usage.iter().rev().find(|u| of_pod(u) == of_pod(busiest)).expect("it was read");
    assert!(last[2].as_u64() < busiest[2].as_u64());
    // What is gone uses nothing.
    let gone = usage.iter().filter(|u| u[3] == 0).count();
    assert!(gone > 0 && usage.iter().filter(|u| u[3] == 0).all(|u| u[2] == 0));
}
