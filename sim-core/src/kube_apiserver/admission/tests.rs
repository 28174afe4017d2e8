//! What plugins change, refuse and warn of, through the API server.

use std::sync::Arc;

use serde_json::{Value, json};
use sim_apimachinery::{Kind, Object, ObjectKey, Reply, Request, Status, Verb};

use crate::kube_apiserver::{ApiServer, ApiServerConfig};
use crate::time::SimTime;
use crate::trace::{BEGINNING, Trace};

struct World {
    api: ApiServer,
    trace: Trace,
    warnings: Vec<String>,
}

impl World {
    /// A namespace with these labels, and its default account.
    fn new(labels: Value) -> World {
        let api = ApiServer::new(&ApiServerConfig { service_network: [10, 96] }, 1);
        let mut world = World { api, trace: Trace::new(SimTime::default()), warnings: vec![] };
        world.create(Kind::Namespace, json!({"metadata": {"name": "shop", "labels": labels}})).expect("a namespace");
        world.create(Kind::ServiceAccount, json!({"metadata": {"name": "default", "namespace": "shop"}})).expect("an account");
        world
    }

    fn send(&mut self, verb: Verb) -> Result<Reply, Box<Status>> {
        let request = Request::new(&Arc::from("test"), verb);
        let (answer, warnings) = self.api.serve(SimTime::default(), request, BEGINNING, &mut self.trace);
        self.warnings = warnings;
        answer
    }

    fn create(&mut self, kind: Kind, body: Value) -> Result<Value, String> {
        let object = Object::from_json(kind, body).expect("it decodes");
        match self.send(Verb::Create { object }) {
            Ok(Reply::Object(object)) => Ok(object.to_json()),
            Ok(other) => panic!("{other:?}"),
            Err(status) => Err(status.message),
        }
    }

    fn pod(&mut self, spec: Value) -> Result<Value, String> {
        self.create(Kind::Pod, json!({"metadata": {"name": "web", "namespace": "shop"}, "spec": spec}))
    }
}

fn container(rest: Value) -> Value {
    let mut body = json!({"name": "c", "image": "nginx:1.27"});
    body.as_object_mut().expect("a map").extend(rest.as_object().expect("a map").clone());
    body
}

#[test]
fn a_pod_that_breaks_the_enforced_standard_is_refused() {
    let mut world = World::new(json!({"pod-security.kubernetes.io/enforce": "baseline"}));
    let spec = json!({"containers": [container(json!({"securityContext": {"privileged": true}}))], "hostPID": true});
    let why = "pods \"web\" is forbidden: violates PodSecurity \"baseline:latest\": host namespaces (hostPID=true), \
               privileged (container \"c\" must not set securityContext.privileged=true)";
    assert_eq!(world.pod(spec), Err(why.to_owned()));
    assert!(world.pod(json!({"containers": [container(json!({}))]})).is_ok());
}

#[test]
fn templates_are_warned_of() {
    let mut world = World::new(json!({"pod-security.kubernetes.io/enforce": "baseline"}));
    let labels = json!({"app": "web"});
    let template = json!({"metadata": {"labels": labels}, "spec": {"containers": [container(json!({}))], "hostNetwork": true}});
    let spec = json!({"selector": {"matchLabels": labels}, "template": template});
    world.create(Kind::Deployment, json!({"metadata": {"name": "web", "namespace": "shop"}, "spec": spec})).expect("stored");
    let warning = "would violate PodSecurity \"baseline:latest\": host namespaces (hostNetwork=true)";
    assert_eq!(world.warnings, [warning]);
}

#[test]
fn limit_ranges_fill_in_and_refuse() {
    let mut world = World::new(json!({}));
    let item = json!({"type": "Container", "max": {"cpu": "1"}, "defaultRequest": {"cpu": "100m"}});
    let range = json!({"metadata": {"name": "r", "namespace": "shop"}, "spec": {"limits": [item]}});
    world.create(Kind::LimitRange, range).expect("stored");
    let too_much = json!({"containers": [container(json!({"resources": {"limits": {"cpu": "2"}}}))]});
    let why = "pods \"web\" is forbidden: maximum cpu usage per Container is 1, but limit is 2";
    assert_eq!(world.pod(too_much), Err(why.to_owned()));
    let made = world.pod(json!({"containers": [container(json!({}))]})).expect("stored");
    assert_eq!(made["spec"]["containers"][0]["resources"], json!({"limits": {"cpu": "1"}, "requests": {"cpu": "100m"}}));
    let said = "LimitRanger plugin set: cpu request for container c; cpu limit for container c";
    assert_eq!(made["metadata"]["annotations"]["kubernetes.io/limit-ranger"], said);
}

#[test]
fn a_pod_needs_its_account() {
    let mut world = World::new(json!({}));
    let why = "pods \"web\" is forbidden: error looking up service account shop/robot: serviceaccount \"robot\" not found";
    let spec = json!({"serviceAccountName": "robot", "containers": [container(json!({}))]});
    assert_eq!(world.pod(spec), Err(why.to_owned()));
}

#[test]
fn a_runtime_class_gives_its_overhead() {
    let mut world = World::new(json!({}));
    let class = json!({"metadata": {"name": "vm"}, "handler": "vm", "overhead": {"podFixed": {"cpu": "250m"}}});
    world.create(Kind::RuntimeClass, class).expect("stored");
    let made = world.pod(json!({"runtimeClassName": "vm", "containers": [container(json!({}))]})).expect("stored");
    assert_eq!(made["spec"]["overhead"], json!({"cpu": "250m"}));
}

#[test]
fn a_bound_pod_is_labelled_with_where_it_is() {
    let mut world = World::new(json!({}));
    let labels = json!({"topology.kubernetes.io/zone": "a", "other": "b"});
    world.create(Kind::Node, json!({"metadata": {"name": "n", "labels": labels}})).expect("stored");
    world.pod(json!({"containers": [container(json!({}))]})).expect("stored");
    let pod = ObjectKey::new(Kind::Pod, "shop", "web");
    let bind = || Verb::Bind { pod: pod.clone(), uid: String::new(), node: "n".into(), with: Default::default() };
    assert!(world.send(bind()).is_ok());
    let Ok(Reply::Object(bound)) = world.send(Verb::Get { key: pod.clone() }) else { panic!("it is there") };
    let bound = bound.to_json();
    assert_eq!(bound["metadata"]["labels"], json!({"topology.kubernetes.io/zone": "a"}));
    assert_eq!(bound["spec"]["nodeName"], "n");
    let again = world.send(bind()).expect_err("it has a node");
    assert_eq!(again.message, "Operation cannot be fulfilled on pods/binding \"web\": pod web is already assigned to node \"n\"");
}
