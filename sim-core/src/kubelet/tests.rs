//! Stories of one kubelet, with a small API server that stores pods, answers after two milliseconds and tells of changes.

mod races;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Event, Pod, PodStatus};
use serde_json::{Value, json};
use sim_apimachinery::{Answer, Kind, Object, ObjectKey, Patch, Reply, Status, TypedPatch, Verb};
use sim_workload::ProfileSet;

use super::{Kubelet, KubeletConfig, KubeletLatencies, NodeConfig, NodeFault, RegistryConfig};
use crate::component::{ChangeType, Context, Input, WatchEvent, Wish};
use crate::random::Random;
use crate::time::{MILLISECOND, SECOND, SimTime};
use crate::trace::Trace;

const START: SimTime = SimTime(1_700_000_000 * SECOND + 300 * MILLISECOND);
const TRAVEL: u64 = 2 * MILLISECOND;

struct World {
    now: SimTime,
    kubelet: Kubelet,
    random: Random,
    trace: Trace,
    objects: BTreeMap<ObjectKey, Object>,
    inputs: VecDeque<(SimTime, Input)>,
    events: Vec<String>,
    statuses: Vec<(SimTime, PodStatus)>,
}

impl World {
    fn new() -> World {
        World::with(7, &KubeletLatencies::default())
    }

    fn with(seed: u64, latencies: &KubeletLatencies) -> World {
        let registry = RegistryConfig { missing: vec!["gone:1".into()], ..RegistryConfig::default() };
        let config = KubeletConfig::new(&NodeConfig::docker_desktop(), &registry, latencies);
        let mut profiles = ProfileSet::builtin();
        profiles.prefer("fastapi-k8s-recorded");
        let mut world = World {
            now: START,
            kubelet: Kubelet::new(Arc::new(config), Arc::new(profiles)),
            random: Random::named(seed, "kubelet"),
            trace: Trace::new(START),
            objects: BTreeMap::new(),
            inputs: VecDeque::new(),
            events: vec![],
            statuses: vec![],
        };
        world.give(Input::Start);
        world.run(5);
        world
    }

    fn context<T>(&mut self, with: impl FnOnce(&mut Kubelet, &mut Context) -> T) -> T {
        let mut outbox = Vec::new();
        let mut context = Context { now: self.now, cause: 0, random: &mut self.random, outbox: &mut outbox, trace: &mut self.trace };
        let result = with(&mut self.kubelet, &mut context);
        for wish in outbox {
            let Wish::Request { token, request, .. } = wish else { continue };
            let answer = self.serve(request.verb);
            self.inputs.push_back((self.now.plus(TRAVEL), Input::Answer { token, answer }));
        }
        result
    }

    fn give(&mut self, input: Input) {
        self.context(|kubelet, context| kubelet.handle(input, context));
    }

    fn serve(&mut self, verb: Verb) -> Answer {
        match verb {
            Verb::Create { object } => {
                if let Some(event) = object.as_typed::<Event>() {
                    self.events.push(told(event));
                }
                Ok(Reply::Object(object))
            }
            Verb::Get { key } => match self.objects.get(&key) {
                Some(object) => Ok(Reply::Object(object.clone())),
                None => Err(Box::new(Status::not_found(key.kind, &key.name))),
            },
            Verb::Patch { key, patch: Patch::Typed(TypedPatch::PodStatus(status)), .. } => {
                let Some(Object::Pod(pod)) = self.objects.get(&key).cloned() else {
                    return Err(Box::new(Status::not_found(key.kind, &key.name)));
                };
                self.statuses.push((self.now, (*status).clone()));
                let mut pod = Pod::clone(&pod);
                pod.status = Some(*status);
                self.put(pod.into(), ChangeType::Modified);
                Ok(Reply::Done)
            }
            Verb::Delete { key, .. } => {
                if let Some(object) = self.objects.remove(&key) {
                    self.tell(object, ChangeType::Deleted);
                }
                Ok(Reply::Done)
            }
            _ => Ok(Reply::Done),
        }
    }

    fn put(&mut self, object: Object, change: ChangeType) {
        self.objects.insert(object.key(), object.clone());
        self.tell(object, change);
    }

    fn tell(&mut self, object: Object, change: ChangeType) {
        let event = WatchEvent { change, object, revision: 1 };
        self.inputs.push_back((self.now.plus(TRAVEL), Input::Watch(vec![event])));
    }

    fn run(&mut self, seconds: u64) {
        let until = self.now.plus(seconds * SECOND);
        loop {
            let input = self.inputs.front().map(|(at, _)| *at);
            let wake = self.kubelet.next_wake();
            let Some(at) = input.into_iter().chain(wake).min().filter(|at| *at <= until) else { break };
            self.now = self.now.max(at);
            if input.is_some_and(|i| i <= self.now) {
                let (_, input) = self.inputs.pop_front().expect("the front was just seen");
                self.give(input);
            } else {
                self.give(Input::Wake);
            }
        }
        self.now = until;
    }

    /// A pod named `p` appears, bound to the node.
    fn pod(&mut self, spec: Value) -> &mut Self {
        let mut spec = spec;
        spec["nodeName"] = "docker-desktop".into();
        let metadata = json!({"name": "p", "namespace": "default", "uid": "u-1", "generation": 1});
        let pod: Pod = serde_json::from_value(json!({"metadata": metadata, "spec": spec})).expect("a pod");
        self.put(pod.into(), ChangeType::Added);
        self
    }

    fn delete(&mut self) {
        let Some(Object::Pod(pod)) = self.objects.get(&ObjectKey::new(Kind::Pod, "default", "p")).cloned() else { return };
        let mut pod = Pod::clone(&pod);
        pod.metadata.deletion_timestamp = Some(self.now.plus(30 * SECOND).to_time());
        pod.metadata.deletion_grace_period_seconds = pod.spec.as_ref().and_then(|s| s.termination_grace_period_seconds).or(Some(30));
        pod.metadata.generation = Some(2);
        self.put(pod.into(), ChangeType::Modified);
    }

    fn status(&self) -> &PodStatus {
        &self.statuses.last().expect("a status was sent").1
    }

    fn phase(&self) -> &str {
        self.status().phase.as_deref().unwrap_or_default()
    }

    /// The waiting reason of the first app container.
    fn waiting(&self) -> String {
        let first = self.status().container_statuses.iter().flatten().next();
        first.and_then(|c| c.state.as_ref()?.waiting.as_ref()?.reason.clone()).unwrap_or_default()
    }

    fn exists(&self) -> bool {
        self.objects.contains_key(&ObjectKey::new(Kind::Pod, "default", "p"))
    }

    fn reasons(&self) -> Vec<&str> {
        self.events.iter().filter_map(|e| e.split(": ").next()).filter(|r| !r.starts_with("Node") && *r != "Starting").collect()
    }
}

fn told(event: &Event) -> String {
    let about = event.involved_object.field_path.as_deref().map(|p| format!(" [{p}]")).unwrap_or_default();
    format!("{}: {}{about}", event.reason.as_deref().unwrap_or_default(), event.message.as_deref().unwrap_or_default())
}

fn web() -> Value {
    json!({"name": "web", "image": "fastapi-k8s:latest", "imagePullPolicy": "Never",
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8000}, "initialDelaySeconds": 2, "periodSeconds": 5}})
}

fn shell(name: &str, script: &str) -> Value {
    json!({"name": name, "image": "busybox:latest", "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", script]})
}

#[test]
fn a_pod_comes_up_gets_ready_and_is_deleted_for_good() {
    let mut world = World::new();
    world.pod(json!({"containers": [web()]})).run(10);
    assert_eq!(world.phase(), "Running");
    assert!(world.status().container_statuses.as_ref().is_some_and(|c| c[0].ready));
    assert_eq!(world.reasons(), ["Pulled", "Created", "Started"]);
    world.delete();
    world.run(3);
    assert_eq!(world.phase(), "Succeeded", "the server exits 0 on SIGTERM");
    assert_eq!(world.status().observed_generation, Some(2));
    assert!(!world.exists());
    assert!(world.kubelet.pods.is_empty() && world.kubelet.addresses.take().is_some_and(|a| a == "10.244.0.3"));
}

#[test]
fn a_crashing_container_backs_off_and_its_pod_stays_running() {
    let mut world = World::new();
    world.pod(json!({"containers": [shell("web", "exit 3")]})).run(130);
    assert!(
        world
            .statuses
            .iter()
            .skip_while(|(_, s)| s.phase.as_deref() == Some("Pending"))
            .all(|(_, s)| s.phase.as_deref() == Some("Running"))
    );
    let waiting = |s: &PodStatus| s.container_statuses.as_ref().and_then(|c| c[0].state.as_ref()?.waiting.as_ref()?.reason.clone());
    assert!(world.statuses.iter().any(|(_, s)| waiting(s).as_deref() == Some("CrashLoopBackOff")));
    let status = &world.status().container_statuses.as_ref().expect("statuses")[0];
    assert_eq!(status.restart_count, 4, "restarts at 0, 10, 20 and 40 s");
    assert!(
        world.events.iter().any(|e| e == "BackOff: Back-off restarting failed container web in pod p_default(u-1) [spec.containers{web}]")
    );
}

#[test]
fn a_job_pod_ends_and_is_told_only_when_nothing_runs() {
    let mut world = World::new();
    world.pod(json!({"restartPolicy": "Never", "containers": [shell("web", "sleep 2; exit 0"), shell("b", "sleep 1; exit 4")]})).run(15);
    assert_eq!(world.phase(), "Failed");
    let ready = |s: &PodStatus| s.conditions.iter().flatten().any(|c| c.type_ == "PodReadyToStartContainers" && c.status == "True");
    let ended: Vec<bool> = world.statuses.iter().filter(|(_, s)| s.phase.as_deref() == Some("Failed")).map(|(_, s)| ready(s)).collect();
    assert_eq!(ended, [false], "the end is told once, without a sandbox");
    assert!(world.exists(), "nobody deleted it");
}

#[test]
fn init_containers_run_in_order_and_a_sidecar_outlives_them() {
    let mut world = World::new();
    let mut sidecar = shell("side", "trap 'exit 0' TERM; while true; do sleep 1; done");
    sidecar["restartPolicy"] = "Always".into();
    world.pod(json!({"initContainers": [shell("i1", "sleep 1"), sidecar, shell("i2", "sleep 1")], "containers": [web()]})).run(20);
    let started: Vec<&String> = world.events.iter().filter(|e| e.starts_with("Started")).collect();
    let order: Vec<bool> = started.iter().zip(["i1", "side", "i2", "web"]).map(|(e, name)| e.contains(&format!("{{{name}}}"))).collect();
    assert_eq!(order, [true; 4], "{started:?}");
    assert_eq!(world.phase(), "Running");
    world.delete();
    world.run(6);
    assert!(!world.exists());
}

#[test]
fn an_image_that_does_not_exist_is_waited_for() {
    let mut world = World::new();
    world.pod(json!({"containers": [{"name": "web", "image": "gone:1"}]})).run(8);
    assert!(["ErrImagePull", "ImagePullBackOff"].contains(&world.waiting().as_str()), "{}", world.waiting());
    assert_eq!(world.reasons()[..3], ["Pulling", "Failed", "Failed"]);
    let mut world = World::new();
    world.pod(json!({"containers": [{"name": "web", "image": "gone:2", "imagePullPolicy": "Never"}]})).run(8);
    assert_eq!(world.waiting(), "ErrImageNeverPull");
    let mut world = World::new();
    world.pod(json!({"containers": [{"name": "web", "image": "new:2"}]})).run(20);
    assert_eq!((world.phase(), world.reasons()), ("Running", vec!["Pulling", "Pulled", "Created", "Started"]));
}

#[test]
fn what_a_pod_needs_and_is_not_there_is_named_and_waited_for() {
    let mut world = World::new();
    let mut needs = web();
    needs["envFrom"] = json!([{"configMapRef": {"name": "settings"}}]);
    world.pod(json!({"containers": [needs]})).run(8);
    assert_eq!(world.waiting(), "CreateContainerConfigError");
    assert!(world.events.contains(&"Failed: Error: configmap \"settings\" not found [spec.containers{web}]".to_owned()));
    let map = json!({"metadata": {"name": "settings", "namespace": "default"}, "data": {"A": "1"}});
    let map = Object::from_json(Kind::ConfigMap, map).expect("a map");
    world.objects.insert(map.key(), map);
    world.run(30);
    assert_eq!(world.phase(), "Running");

    let mut world = World::new();
    world.pod(json!({"containers": [web()], "volumes": [{"name": "v", "secret": {"secretName": "s"}}]})).run(8);
    assert!(world.events.contains(&"FailedMount: MountVolume.SetUp failed for volume \"v\" : secret \"s\" not found".to_owned()));
    assert_eq!(world.waiting(), "ContainerCreating");
}

#[test]
fn a_failed_liveness_probe_restarts_the_container() {
    let mut world = World::new();
    let mut sick = web();
    sick["livenessProbe"] = json!({"httpGet": {"path": "/nowhere", "port": 8000}, "periodSeconds": 2, "failureThreshold": 2});
    world.pod(json!({"containers": [sick]})).run(15);
    assert!(world.events.iter().any(|e| e.starts_with("Unhealthy: Liveness probe failed: HTTP probe failed with statuscode: 404")));
    assert!(world.events.contains(&"Killing: Container web failed liveness probe, will be restarted [spec.containers{web}]".to_owned()));
    assert!(world.status().container_statuses.as_ref().is_some_and(|c| c[0].restart_count >= 1));
}

#[test]
fn a_process_that_ignores_the_signal_is_killed_after_hook_and_grace() {
    let mut world = World::new();
    let mut stubborn = shell("web", "sleep 1000");
    stubborn["lifecycle"] = json!({"preStop": {"sleep": {"seconds": 3}}});
    world.pod(json!({"terminationGracePeriodSeconds": 8, "containers": [stubborn]})).run(5);
    world.delete();
    world.run(7);
    assert!(world.exists());
    world.run(4);
    assert!(!world.exists());
    assert_eq!(world.phase(), "Failed");
    let code = world.status().container_statuses.as_ref().and_then(|c| c[0].state.as_ref()?.terminated.as_ref().map(|t| t.exit_code));
    assert_eq!(code, Some(137));
}

#[test]
fn a_pod_over_its_deadline_or_too_big_fails_with_the_reason() {
    let mut world = World::new();
    world.pod(json!({"activeDeadlineSeconds": 5, "terminationGracePeriodSeconds": 2, "containers": [shell("web", "sleep 1000")]})).run(12);
    assert_eq!((world.phase(), world.status().reason.as_deref()), ("Failed", Some("DeadlineExceeded")));
    let mut world = World::new();
    let mut big = web();
    big["resources"] = json!({"requests": {"cpu": "3"}});
    world.pod(json!({"containers": [big]})).run(2);
    assert_eq!((world.phase(), world.status().reason.as_deref()), ("Failed", Some("OutOfcpu")));
    let text = "Pod was rejected: Node didn't have enough resource: cpu, requested: 3000, used: 0, capacity: 2000";
    assert_eq!(world.status().message.as_deref(), Some(text));
}

#[test]
fn a_node_that_lost_power_starts_its_pods_anew() {
    let mut world = World::new();
    world.pod(json!({"containers": [web()]})).run(10);
    world.context(|kubelet, context| kubelet.set_fault(NodeFault::Down, context));
    world.run(60);
    assert_eq!((world.kubelet.next_wake(), world.kubelet.samples().len()), (None, 0));
    world.context(|kubelet, context| kubelet.set_fault(NodeFault::Up, context));
    world.run(15);
    let status = &world.status().container_statuses.as_ref().expect("statuses")[0];
    assert_eq!((status.restart_count, status.ready), (1, true));
    assert!(world.reasons().contains(&"SandboxChanged"));
}

#[test]
fn memory_pressure_evicts_one_pod_with_the_condition() {
    let mut world = World::new();
    world.pod(json!({"containers": [web()]})).run(10);
    world.context(|kubelet, context| kubelet.set_fault(NodeFault::MemoryPressure(true), context));
    world.run(8);
    assert_eq!((world.phase(), world.status().reason.as_deref()), ("Failed", Some("Evicted")));
    assert_eq!(world.status().conditions.as_ref().map(|c| c[0].type_.as_str()), Some("DisruptionTarget"));
}

#[test]
fn an_idle_node_with_ready_pods_does_nothing_but_probe_and_read_their_use() {
    let mut world = World::new();
    let mut quiet = web();
    quiet.as_object_mut().map(|o| o.remove("readinessProbe"));
    world.pod(json!({"containers": [quiet]})).run(400);
    let (begun, mut wakes) = (world.now, 0);
    while let Some(next) = world.kubelet.next_wake().filter(|at| at.since(begun) < 200 * SECOND) {
        world.run(next.since(world.now).div_ceil(SECOND).max(1));
        wakes += 1;
    }
    assert!((8..=21).contains(&wakes), "a reading every 10 to 20 seconds, and perhaps the node's report: {wakes}");
}

#[test]
fn load_shows_when_the_container_is_read_again() {
    let mut world = World::new();
    world.pod(json!({"containers": [web()]})).run(9);
    assert_eq!(world.kubelet.samples()[0].cpu_nano_cores, 0, "there is one reading only");
    world.run(13);
    let told: Vec<u64> = world.kubelet.samples().iter().map(|s| s.cpu_nano_cores).collect();
    assert!(matches!(told[..], [use_of_start] if use_of_start > 0), "{told:?}");
    world.run(45);
    assert!(world.kubelet.samples()[0].cpu_nano_cores < told[0], "the start is past");
}
