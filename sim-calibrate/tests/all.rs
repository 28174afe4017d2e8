//! The fit on a world whose answer is known, and the intervals of a small recording.

use serde_json::{Value, json};
use sim_calibrate::{Calibration, Samples, Settings, Story, World, calibrate, report};
use sim_compare::{ReadOptions, Recording};
use sim_core::cluster::Profile;
use sim_core::random::{Latency, Random};

/// Scheduling takes what the profile says, and five milliseconds.
struct Scheduling {
    pods: u64,
}

impl World for Scheduling {
    fn play(&self, _: usize, profile: &Profile, seed: u64) -> Result<Recording, String> {
        let mut random = Random::named(seed, "pods");
        let lines = (0..self.pods).flat_map(|number| {
            let (added, takes) = (number as f64, profile.scheduling_cycle.draw(&mut random) as f64 / 1e9);
            [pod(added, "ADDED", number, json!({})), pod(added + 0.005 + takes, "MODIFIED", number, json!({"nodeName": "a"}))]
        });
        recording(lines)
    }
}

fn pod(time: f64, change: &str, number: u64, spec: Value) -> Value {
    json!({"t": time, "type": change, "object": {"kind": "Pod", "metadata": {"name": format!("p{number}"), "namespace": "default"}, "spec": spec}})
}

fn recording(lines: impl IntoIterator<Item = Value>) -> Result<Recording, String> {
    let head = json!({"format": "k8s-watch-trace/v1", "name": "story"});
    let text: String = std::iter::once(head).chain(lines).map(|line| format!("{line}\n")).collect();
    Recording::from_reader("story", text.as_bytes(), ReadOptions::default()).map_err(|e| e.to_string())
}

fn real() -> Profile {
    Profile { scheduling_cycle: Latency([8_000, 10_000, 12_000, 16_000, 30_000]), ..Profile::docker_desktop() }
}

/// Fits to so many recordings of a world of which the profile is known.
fn fitted(pods: u64, recordings: u64) -> Calibration {
    let world = Scheduling { pods };
    let seen = (101..101 + recordings).map(|seed| Samples::of(&world.play(0, &real(), seed).expect("it plays"))).collect();
    let story = Story { name: "story".into(), seen };
    let settings = Settings { seeds: 4, rounds: 20, cross: true };
    let begin = Profile { scheduling_cycle: Latency([500, 1_000, 1_500, 2_000, 3_000]), ..Profile::docker_desktop() };
    calibrate(&begin, &[story], &settings, &world).expect("it can be fitted")
}

#[test]
fn a_table_comes_near_to_the_one_that_made_the_recordings() {
    let found = fitted(200, 2);
    for (found, real) in found.profile.scheduling_cycle.0.iter().zip(real().scheduling_cycle.0) {
        assert!(found.abs_diff(real) * 4 < real, "{found} is a quarter off {real}");
    }
    let row = found.rows.iter().find(|r| r.class.name == "bound").expect("it is there");
    assert!(row.moved && row.distance.1 * 5.0 < row.distance.0, "{row:?}");
    let held_out = row.held_out.expect("there are two recordings");
    assert!(held_out.1 * 4.0 < held_out.0, "{held_out:?}");
}

#[test]
fn what_no_sample_tells_of_stays() {
    let found = fitted(50, 1);
    let (shipped, found) = (Profile::docker_desktop(), found.profile);
    assert_eq!((found.links, found.kubelet), (shipped.links, shipped.kubelet));
}

#[test]
fn too_few_samples_move_nothing_and_are_told() {
    let found = fitted(4, 1);
    assert_eq!(found.profile.scheduling_cycle, Latency([500, 1_000, 1_500, 2_000, 3_000]));
    assert!(report(&found).contains("too few samples, tables kept:"), "{}", report(&found));
    assert!(found.rows.iter().all(|row| row.held_out.is_none()), "one recording cannot be held out");
}

#[test]
fn few_samples_move_less_than_many() {
    let median = |pods| fitted(pods, 1).profile.scheduling_cycle.0[2];
    assert!(median(8) < median(200) * 3 / 4, "{} {}", median(8), median(200));
}

#[test]
fn equal_input_gives_an_equal_profile() {
    assert_eq!(fitted(30, 2).profile, fitted(30, 2).profile);
}

#[test]
fn commands_of_one_line_are_one_interval() {
    let deployment = |time: f64, generation: u64| json!({"t": time, "type": "MODIFIED", "object": {"kind": "Deployment", "metadata": {"name": "d", "generation": generation}}});
    let found = Samples::of(
        &recording([
            json!({"t": 5.0, "action": "kubectl get pod"}),
            json!({"t": 5.06, "done": "kubectl get pod", "exit": 0, "out": ""}),
            json!({"t": 5.06, "action": "kubectl scale deploy d --replicas=2"}),
            deployment(5.13, 2),
            json!({"t": 5.14, "done": "kubectl scale deploy d --replicas=2", "exit": 0, "out": ""}),
            json!({"t": 9.0, "action": "kubectl scale deploy d --replicas=3"}),
            deployment(9.05, 3),
        ])
        .expect("a recording"),
    );
    assert_eq!(found.of["command"].iter().map(|ms| ms.round()).collect::<Vec<_>>(), [130.0, 50.0]);
}

#[test]
fn the_intervals_of_a_pods_life_are_found() {
    let object = |kind: &str, name: &str, rest: Value| {
        let mut object = json!({"kind": kind, "metadata": {"name": name, "namespace": "default"}});
        for (key, value) in rest.as_object().cloned().unwrap_or_default() {
            match value.as_object() {
                Some(inner) if key == "metadata" => inner.iter().for_each(|(k, v)| object["metadata"][k] = v.clone()),
                _ => object[key] = value,
            }
        }
        object
    };
    let owner = |kind: &str, name: &str| json!({"ownerReferences": [{"kind": kind, "name": name}]});
    let event = |time: f64, reason: &str| json!({"t": time, "type": "ADDED", "object": object("Event", reason, json!({"involvedObject": {"kind": "Pod", "name": "p"}, "reason": reason}))});
    let pod = |time: f64, change: &str, rest: Value| json!({"t": time, "type": change, "object": object("Pod", "p", rest)});
    let probe = json!({"containers": [{"readinessProbe": {"initialDelaySeconds": 2, "periodSeconds": 5}}], "nodeName": "n"});
    let running = |ready: &str| json!({"startTime": "x", "conditions": [{"type": "Ready", "status": ready}, {"type": "PodReadyToStartContainers", "status": "True"}], "containerStatuses": [{"state": {"running": {}}}]});
    let found = Samples::of(
        &recording([
            json!({"t": 0.0, "action": "kubectl apply"}),
            json!({"t": 0.1, "type": "ADDED", "object": object("Deployment", "d", json!({}))}),
            json!({"t": 0.11, "type": "ADDED", "object": object("Service", "d", json!({}))}),
            json!({"t": 0.12, "type": "ADDED", "object": object("ReplicaSet", "r", json!({"metadata": owner("Deployment", "d")}))}),
            pod(0.15, "ADDED", json!({"metadata": owner("ReplicaSet", "r"), "spec": {"containers": probe["containers"]}})),
            pod(0.16, "MODIFIED", json!({"spec": probe})),
            pod(0.2, "MODIFIED", json!({"spec": probe, "status": {"startTime": "x"}})),
            event(0.6, "Pulled"),
            event(0.65, "Created"),
            event(0.75, "Started"),
            pod(0.8, "MODIFIED", json!({"spec": probe, "status": running("False")})),
            pod(2.5, "MODIFIED", json!({"spec": probe, "status": running("True")})),
        ])
        .expect("a recording"),
    );
    let of = |class: &str| found.of.get(class).map(|n| n.iter().map(|n| n.round()).collect::<Vec<_>>()).unwrap_or_default();
    assert_eq!((of("apply"), of("write"), of("bound")), (vec![100.0], vec![20.0, 30.0], vec![10.0]));
    assert_eq!((of("first-status"), of("sandbox"), of("created")), (vec![40.0], vec![600.0], vec![50.0]));
    assert_eq!((of("started"), of("running"), of("ready")), (vec![100.0], vec![50.0], vec![1700.0]));
    assert_eq!((found.wakes.pods(), found.wakes.third_after_cache), (1, 1), "ready before its period was over, late in its second relist");
}
