//! A little world for the scheduler: what it asks for is done at once, and it is told of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use sim_apimachinery::{Answer, Kind, Object, ObjectKey, Patch, Reply, TypedPatch, Verb};

use super::{KubeScheduler, SchedulerConfig};
use crate::component::{ChangeType, Context, Input, WatchEvent, Wish};
use crate::random::{Latency, Random};
use crate::time::{MILLISECOND, SECOND, SimTime};
use crate::trace::{BEGINNING, SchedulingDecision, Trace, What};

mod plugins;
mod preempting;
mod properties;
mod queueing;
mod speed;
mod volumes;

/// The scheduler with an API server that obeys.
pub struct World {
    pub scheduler: KubeScheduler,
    pub now: SimTime,
    pub objects: BTreeMap<ObjectKey, Object>,
    /// Events told: reason and message.
    pub events: Vec<(String, String)>,
    /// Requests, in order, with the time at which they left.
    pub requests: Vec<(SimTime, Verb)>,
    pub trace: Trace,
    random: Random,
    wishes: Vec<Wish>,
    revision: u64,
    /// Bindings fail with this text.
    pub bind_error: Option<&'static str>,
}

impl World {
    pub fn new() -> World {
        World::with(SchedulerConfig { cycle: Latency::fixed_micros(1000), ..SchedulerConfig::default() })
    }

    pub fn with(config: SchedulerConfig) -> World {
        let now = SimTime(1_767_225_600 * SECOND);
        World {
            scheduler: KubeScheduler::new(config),
            now,
            objects: BTreeMap::new(),
            events: vec![],
            requests: vec![],
            trace: Trace::new(now),
            random: Random::named(1, "scheduler"),
            wishes: vec![],
            revision: 0,
            bind_error: None,
        }
    }

    pub fn give(&mut self, input: Input) {
        let World { scheduler, random, wishes, trace, now, .. } = self;
        scheduler.handle(input, &mut Context { now: *now, cause: BEGINNING, random, outbox: wishes, trace });
    }

    /// Stores an object and tells of it.
    pub fn put(&mut self, kind: Kind, value: Value) {
        let object = Object::from_json(kind, value).expect("a readable object");
        self.put_object(object);
    }

    pub fn put_object(&mut self, mut object: Object) {
        self.revision += 1;
        object.metadata_mut().resource_version = Some(self.revision.to_string());
        let change = if self.objects.insert(object.key(), object.clone()).is_some() { ChangeType::Modified } else { ChangeType::Added };
        self.give(Input::Watch(vec![WatchEvent { change, object, revision: self.revision }]));
    }

    pub fn delete(&mut self, key: &ObjectKey) {
        self.revision += 1;
        if let Some(object) = self.objects.remove(key) {
            self.give(Input::Watch(vec![WatchEvent { change: ChangeType::Deleted, object, revision: self.revision }]));
        }
    }

    /// Runs for this long, doing what the scheduler asks for.
    pub fn run(&mut self, nanos: u64) {
        let end = self.now.plus(nanos);
        loop {
            let leaving = |w: &Wish| match w {
                Wish::Request { at, .. } => *at,
                Wish::Network { .. } => SimTime(0),
            };
            let request = self.wishes.iter().enumerate().min_by_key(|(i, w)| (leaving(w), *i)).map(|(i, w)| (leaving(w), i));
            let wake = self.scheduler.next_wake();
            let next = [request.map(|r| r.0), wake].into_iter().flatten().min();
            let Some(next) = next.filter(|at| *at <= end) else { break };
            self.now = self.now.max(next);
            match request {
                Some((at, i)) if at <= next => {
                    let Wish::Request { token, request, at, .. } = self.wishes.remove(i) else { continue };
                    self.requests.push((at, request.verb.clone()));
                    self.now = self.now.max(at);
                    let answer = self.obey(request.verb);
                    self.give(Input::Answer { token, answer });
                }
                _ => self.give(Input::Wake),
            }
        }
        self.now = end;
    }

    fn obey(&mut self, verb: Verb) -> Answer {
        match verb {
            Verb::Bind { pod, node, .. } => {
                if let Some(text) = self.bind_error {
                    return Err(Box::new(sim_apimachinery::Status::new(sim_apimachinery::Reason::Conflict, text)));
                }
                self.change_pod(&pod, |p| p.spec.get_or_insert_default().node_name = Some(node.to_string()));
            }
            Verb::Create { object: Object::Event(event) } => {
                self.events.push((event.reason.clone().unwrap_or_default(), event.message.clone().unwrap_or_default()));
            }
            Verb::Patch { key, patch: Patch::Typed(patch), .. } => self.patch(&key, patch),
            Verb::Update { object, .. } => self.put_object(object),
            Verb::Delete { key, .. } => self.delete(&key),
            _ => {}
        }
        Ok(Reply::Done)
    }

    fn patch(&mut self, key: &ObjectKey, patch: TypedPatch) {
        let (node, conditions) = match patch {
            TypedPatch::PodNomination { node, conditions } => (Some(node), conditions),
            TypedPatch::PodConditions(conditions) => (None, conditions),
            _ => return,
        };
        self.change_pod(key, |pod| {
            let status = pod.status.get_or_insert_default();
            if let Some(node) = node {
                status.nominated_node_name = node;
            }
            let all = status.conditions.get_or_insert_default();
            all.retain(|c| conditions.iter().all(|d| d.type_ != c.type_));
            all.extend(conditions);
        });
    }

    pub fn change_pod(&mut self, key: &ObjectKey, change: impl FnOnce(&mut k8s_openapi::api::core::v1::Pod)) {
        if let Some(Object::Pod(pod)) = self.objects.get(key) {
            let mut pod = (**pod).clone();
            change(&mut pod);
            self.put_object(pod.into());
        }
    }

    /// The node a pod is on.
    pub fn node_of(&self, name: &str) -> Option<String> {
        match self.objects.get(&pod_key(name))? {
            Object::Pod(pod) => pod.spec.as_ref()?.node_name.clone(),
            _ => None,
        }
    }

    /// The message of the condition PodScheduled.
    pub fn condition_of(&self, name: &str) -> Option<String> {
        let Object::Pod(pod) = self.objects.get(&pod_key(name))? else { return None };
        let conditions = pod.status.as_ref()?.conditions.as_deref()?;
        conditions.iter().find(|c| c.type_ == "PodScheduled")?.message.clone()
    }

    /// The last decision about a pod.
    pub fn decision(&self, name: &str) -> Option<Arc<SchedulingDecision>> {
        let wanted = format!("default/{name}");
        self.trace.steps().rev().find_map(|(_, step)| match &step.what {
            What::Scheduled(decision) if decision.pod == wanted => Some(decision.clone()),
            _ => None,
        })
    }
}

pub fn pod_key(name: &str) -> ObjectKey {
    ObjectKey::new(Kind::Pod, "default", name)
}

/// Lays one value over another, objects key by key.
pub fn merged(mut base: Value, over: Value) -> Value {
    match (&mut base, over) {
        (Value::Object(base_map), Value::Object(over)) => {
            for (key, value) in over {
                let old = base_map.remove(&key).unwrap_or(Value::Null);
                base_map.insert(key, merged(old, value));
            }
            base
        }
        (_, over) => over,
    }
}

/// A node with 4 CPUs, 8 GiB and room for 110 pods, with this laid over it.
pub fn node(name: &str, over: Value) -> Value {
    let plain = json!({
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"}},
    });
    merged(plain, over)
}

/// A pod with one container, with this laid over it.
pub fn pod(name: &str, over: Value) -> Value {
    let plain = json!({
        "metadata": {"name": name, "namespace": "default", "uid": format!("uid-{name}"), "labels": {"app": "web"}},
        "spec": {"schedulerName": "default-scheduler", "priority": 0, "containers": [{"name": "main", "image": "web"}]},
    });
    merged(plain, over)
}

/// A spec that asks for this much.
pub fn asking(cpu: &str, memory: &str) -> Value {
    json!({"containers": [{"name": "main", "image": "web", "resources": {"requests": {"cpu": cpu, "memory": memory}}}]})
}

#[test]
fn a_pod_is_bound_and_told() {
    let mut world = World::new();
    world.put(Kind::Node, node("one", json!({})));
    world.put(Kind::Pod, pod("web", json!({})));
    world.run(100 * MILLISECOND);
    assert_eq!(world.node_of("web").as_deref(), Some("one"));
    assert_eq!(world.events, [("Scheduled".to_owned(), "Successfully assigned default/web to one".to_owned())]);
}
