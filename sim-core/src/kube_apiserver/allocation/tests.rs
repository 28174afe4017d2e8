use serde_json::{Value, json};
use sim_apimachinery::{DeleteOptions, Kind, Object, ObjectKey, Part, Reply, Request, Status, Verb};

use crate::kube_apiserver::{ApiServer, ApiServerConfig};
use crate::time::SimTime;
use crate::trace::{BEGINNING, Trace};

struct Server(ApiServer, Trace);

impl Server {
    fn new() -> Server {
        let mut server = Server(ApiServer::new(&ApiServerConfig { service_network: [10, 96] }, 7), Trace::new(SimTime(0)));
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}});
        let object = Object::from_json(Kind::Namespace, namespace).expect("a namespace");
        server.ask(Verb::Create { object }, false).expect("it is created");
        server
    }

    fn ask(&mut self, verb: Verb, dry_run: bool) -> Result<Value, Box<Status>> {
        let request = Request { dry_run, ..Request::new(&"test".into(), verb) };
        match self.0.handle(SimTime(0), request, BEGINNING, &mut self.1)? {
            Reply::Object(object) => Ok(object.to_json()),
            _ => Ok(Value::Null),
        }
    }

    fn create(&mut self, name: &str, spec: Value, dry_run: bool) -> Result<Value, Box<Status>> {
        let object = service(name, spec);
        self.ask(Verb::Create { object }, dry_run)
    }

    fn addresses(&self) -> Vec<String> {
        self.0.etcd().list(Kind::IPAddress, "").map(|o| o.name().to_owned()).collect()
    }
}

fn service(name: &str, mut spec: Value) -> Object {
    if spec["type"] != "ExternalName" {
        spec["ports"] = json!([{"port": 80}]);
    }
    let value = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "default"}, "spec": spec});
    Object::from_json(Kind::Service, value).expect("a service")
}

#[test]
fn a_service_holds_an_address_as_long_as_it_is_there() {
    let mut server = Server::new();
    let made = server.create("a", json!({}), false).expect("it is created");
    assert_eq!(made["spec"]["clusterIPs"][0], server.addresses()[0].as_str());
    let key = ObjectKey::new(Kind::Service, "default", "a");
    server.ask(Verb::Delete { key, options: DeleteOptions::default() }, false).expect("it is deleted");
    assert!(server.addresses().is_empty());
}

#[test]
fn an_address_that_is_taken_is_refused_and_nothing_is_kept_of_the_request() {
    let mut server = Server::new();
    server.create("a", json!({"clusterIP": "10.96.0.9"}), false).expect("it is created");
    let again = server.create("b", json!({"clusterIP": "10.96.0.9"}), false).expect_err("it is taken");
    let text = "Service \"b\" is invalid: spec.clusterIPs: Invalid value: [\"10.96.0.9\"]: failed to allocate IP 10.96.0.9: provided IP is already allocated";
    assert_eq!(again.message, text);
    let spec = json!({"type": "NodePort", "sessionAffinity": "Sometimes"});
    server.create("c", spec, false).expect_err("affinity is not so");
    assert_eq!((server.addresses().len(), server.0.services.ports.len()), (1, 0));
}

#[test]
fn a_dry_run_takes_nothing() {
    let mut server = Server::new();
    let shown = server.create("a", json!({"type": "NodePort"}), true).expect("it would do");
    assert_eq!((&shown["spec"]["clusterIP"], &shown["spec"]["ports"][0]["nodePort"]), (&json!("10.96.0.0"), &json!(32_769)));
    assert_eq!((server.addresses().len(), server.0.services.ports.len()), (0, 0));
}

#[test]
fn a_change_of_type_gives_back_what_the_new_type_does_not_have() {
    let mut server = Server::new();
    let made = server.create("a", json!({"type": "NodePort"}), false).expect("it is created");
    let port = made["spec"]["ports"][0]["nodePort"].as_i64().expect("a port");
    assert!((30_000..32_768).contains(&port));
    let plain = service("a", json!({"type": "ClusterIP"}));
    let kept = server.ask(Verb::Update { object: plain, part: Part::Main }, false).expect("it is updated");
    assert_eq!((&kept["spec"]["clusterIP"], &kept["spec"]["ports"][0]["nodePort"]), (&made["spec"]["clusterIP"], &Value::Null));
    assert!(server.0.services.ports.is_empty());
    let external = service("a", json!({"type": "ExternalName", "externalName": "example.com"}));
    let external = server.ask(Verb::Update { object: external, part: Part::Main }, false).expect("it is updated");
    assert_eq!((&external["spec"]["clusterIP"], server.addresses().len()), (&Value::Null, 0));
}
