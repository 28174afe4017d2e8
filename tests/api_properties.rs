//! Random sequences of API calls: nothing panics, and the rules of `checks` hold whatever is asked.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};
use sim_apimachinery::list_options::ListOptions;
use sim_apimachinery::{DeleteOptions, Kind, Object, ObjectKey, Part, Patch, Propagation, Reply, Request, Verb};
use sim_core::checks;
use sim_core::kube_apiserver::{ApiServer, ApiServerConfig};
use sim_core::time::{SECOND, SimTime};
use sim_core::trace::Trace;

const KINDS: [Kind; 8] = [
    Kind::Pod,
    Kind::Deployment,
    Kind::ConfigMap,
    Kind::Secret,
    Kind::Service,
    Kind::PersistentVolumeClaim,
    Kind::Namespace,
    Kind::HorizontalPodAutoscaler,
];

fn any_key() -> impl Strategy<Value = ObjectKey> {
    (0..KINDS.len(), 0..4_u8, prop::bool::ANY).prop_map(|(kind, name, other)| {
        let kind = KINDS[kind];
        let namespace = if !kind.is_namespaced() {
            ""
        } else if other {
            "n0"
        } else {
            "default"
        };
        ObjectKey::new(kind, namespace, &format!("n{name}"))
    })
}

/// A small object of the kind, sometimes with something wrong in it.
fn object(key: &ObjectKey, number: i64, finalizer: bool) -> Value {
    let pod = json!({"containers": [{"name": "c", "image": "nginx", "resources": {"requests": {"cpu": format!("{}m", number * 10)}}}]});
    let spec = match key.kind {
        Kind::Pod => pod,
        Kind::Deployment => json!({"replicas": number - 1, "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": pod}}),
        Kind::Service => json!({"ports": [{"port": number}], "selector": {"a": "b"}}),
        Kind::PersistentVolumeClaim => {
            json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": format!("{number}Mi")}}})
        }
        Kind::HorizontalPodAutoscaler => {
            json!({"scaleTargetRef": {"kind": "Deployment", "name": "n0", "apiVersion": "apps/v1"}, "maxReplicas": number})
        }
        _ => Value::Null,
    };
    let resource = key.kind.resource();
    let mut value = json!({"apiVersion": resource.api_version(), "kind": resource.kind, "metadata": {"name": &*key.name}});
    if key.kind.is_namespaced() {
        value["metadata"]["namespace"] = json!(&*key.namespace);
    }
    if finalizer {
        value["metadata"]["finalizers"] = json!(["example.org/keep"]);
    }
    if !spec.is_null() {
        value["spec"] = spec;
    }
    value
}

fn any_patch() -> impl Strategy<Value = Patch> {
    let change = prop_oneof![
        Just(json!({"metadata": {"labels": {"x": "y"}}})),
        Just(json!({"metadata": {"finalizers": null}})),
        Just(json!({"spec": {"replicas": 7}})),
        Just(json!({"spec": {"containers": [{"name": "c", "image": "other"}]}})),
        Just(json!({"metadata": {"resourceVersion": "1"}})),
        Just(json!({"spec": null})),
        Just(json!([1, "x"])),
        Just(json!("text")),
    ];
    let operations = prop_oneof![
        Just(json!([{"op": "add", "path": "/metadata/labels", "value": {"p": "q"}}])),
        Just(json!([{"op": "remove", "path": "/metadata/finalizers"}])),
        Just(json!([{"op": "replace", "path": "/metadata/name", "value": "other"}])),
        Just(json!([{"op": "test", "path": "/kind", "value": "Nothing"}])),
        Just(json!({"not": "a list"})),
    ];
    prop_oneof![
        change.clone().prop_map(Patch::Merge),
        change.clone().prop_map(Patch::Strategic),
        change.prop_map(|intent| Patch::Apply { intent, force: true }),
        operations.prop_map(Patch::Json),
    ]
}

#[derive(Clone, Debug)]
enum Call {
    Create(ObjectKey, i64, bool),
    Update(ObjectKey, i64),
    Ask(Verb),
}

fn any_call() -> impl Strategy<Value = Call> {
    let part = prop_oneof![Just(Part::Main), Just(Part::Status), Just(Part::Finalize)];
    let policy =
        prop_oneof![Just(None), Just(Some(Propagation::Foreground)), Just(Some(Propagation::Orphan)), Just(Some(Propagation::Background))];
    let delete = (any_key(), prop_oneof![Just(None), (0..3_i64).prop_map(Some)], policy).prop_map(|(key, grace, propagation)| {
        Verb::Delete { key, options: DeleteOptions { grace_period_seconds: grace, propagation, ..Default::default() } }
    });
    prop_oneof![
        4 => (any_key(), -1..9_i64, prop::bool::ANY).prop_map(|(key, n, f)| Call::Create(key, n, f)),
        2 => (any_key(), -1..9_i64).prop_map(|(key, n)| Call::Update(key, n)),
        3 => (any_key(), part, any_patch()).prop_map(|(key, part, patch)| Call::Ask(Verb::Patch { key, part, patch })),
        2 => delete.prop_map(Call::Ask),
        1 => any_key().prop_map(|key| Call::Ask(Verb::Get { key })),
        1 => any_key().prop_map(|key| Call::Ask(Verb::GetScale { key })),
        1 => (any_key(), -2..9_i32).prop_map(|(key, replicas)| Call::Ask(Verb::UpdateScale { key, replicas, uid: None, resource_version: None })),
        1 => any_key().prop_map(|pod| Call::Ask(Verb::Evict { pod, options: Default::default() })),
        1 => any_key().prop_map(|pod| Call::Ask(Verb::Bind { pod, uid: String::new(), node: "a".into(), with: Default::default() })),
        1 => any_key().prop_map(|k| Call::Ask(Verb::List { kind: k.kind, namespace: k.namespace, options: Box::new(chosen()) })),
        1 => any_key().prop_map(|k| Call::Ask(Verb::DeleteCollection { kind: k.kind, namespace: k.namespace, selected: Box::default(), options: Default::default() })),
    ]
}

fn chosen() -> ListOptions {
    ListOptions { labels: "x=y,!z".into(), fields: "metadata.name=n1".into(), ..Default::default() }
}

struct World {
    server: ApiServer,
    trace: Trace,
    now: SimTime,
}

impl World {
    fn new() -> World {
        let mut world = World {
            server: ApiServer::new(&ApiServerConfig { service_network: [10, 96] }, 1),
            trace: Trace::new(SimTime(0)),
            now: SimTime(SECOND),
        };
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}});
        world.ask(Verb::Create { object: Object::from_json(Kind::Namespace, namespace).expect("valid") });
        world
    }

    fn ask(&mut self, verb: Verb) -> bool {
        self.now = self.now.plus(SECOND / 3);
        let manager: Arc<str> = "kubectl".into();
        self.server.handle(self.now, Request::new(&manager, verb), 0, &mut self.trace).is_ok()
    }

    fn call(&mut self, call: Call) -> bool {
        match call {
            Call::Ask(verb) => self.ask(verb),
            Call::Create(key, number, finalizer) => match Object::from_json(key.kind, object(&key, number, finalizer)) {
                Ok(object) => self.ask(Verb::Create { object }),
                Err(_) => false,
            },
            Call::Update(key, number) => match Object::from_json(key.kind, object(&key, number, false)) {
                Ok(object) => self.ask(Verb::Update { object, part: Part::Main }),
                Err(_) => false,
            },
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_sequence_of_calls_panics_or_breaks_a_rule(calls in prop::collection::vec(any_call(), 1..60)) {
        let mut world = World::new();
        for call in calls {
            let before = world.server.etcd().revision();
            world.call(call);
            prop_assert!(world.server.etcd().revision() >= before, "the revision went back");
        }
        let broken = checks::violations(world.server.etcd());
        prop_assert!(broken.is_empty(), "{:?}", broken);
    }

    #[test]
    fn what_is_created_can_be_read(key in any_key(), number in 1..9_i64) {
        let mut world = World::new();
        if world.call(Call::Create(key.clone(), number, false)) {
            let manager: Arc<str> = "kubectl".into();
            let read = world.server.handle(world.now, Request::new(&manager, Verb::Get { key: key.clone() }), 0, &mut world.trace);
            prop_assert!(matches!(read, Ok(Reply::Object(o)) if o.key() == key));
        }
    }
}
