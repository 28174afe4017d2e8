//! Which slices are made of Endpoints, and what becomes of slices that are there.

use serde_json::{Value, json};

use super::*;
use crate::client_go::Step;
use crate::kube_controller_manager::controllers::testing::{Desk, object};

fn desk(selector: &Value, subsets: &Value) -> Desk<EndpointSliceMirroring> {
    let mut desk = Desk::new(EndpointSliceMirroring::default());
    desk.tell(object(&json!({"kind": "Service", "metadata": {"name": "s", "namespace": "n"}, "spec": {"selector": selector}})));
    tell(&mut desk, subsets);
    desk
}

fn tell(desk: &mut Desk<EndpointSliceMirroring>, subsets: &Value) {
    desk.tell(object(&json!({"kind": "Endpoints", "subsets": subsets, "metadata": {"name": "s", "namespace": "n", "uid": "e",
        "labels": {"a": "b"}, "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "mine": "1"}}})));
}

fn look(desk: &mut Desk<EndpointSliceMirroring>) -> Plan {
    desk.reconcile(Kind::Endpoints, "n", "s")
}

fn subset(addresses: &[&str], port: u16) -> Value {
    let addresses: Vec<Value> = addresses.iter().map(|ip| json!({"ip": ip})).collect();
    json!({"addresses": addresses, "ports": [{"port": port, "protocol": "TCP"}]})
}

#[test]
fn addresses_become_endpoints_of_one_slice_for_each_family() {
    let mut desk = desk(&Value::Null, &json!([subset(&["10.0.0.2", "10.0.0.1", "fd00::1", "nonsense"], 80)]));
    let plan = look(&mut desk);
    let [Verb::Create { object: first }, Verb::Create { object: second }] = desk.verbs(&plan)[..] else { panic!("{plan:?}") };
    let (first, second) = (first.to_json(), second.to_json());
    assert_eq!((&first["addressType"], &second["addressType"]), (&json!("IPv4"), &json!("IPv6")));
    assert_eq!(first["endpoints"][0], json!({"addresses": ["10.0.0.1"], "conditions": {"ready": true}}));
    assert_eq!(first["ports"], json!([{"name": "", "port": 80, "protocol": "TCP"}]));
    assert_eq!(first["metadata"]["labels"][MANAGED_BY], CONTROLLER);
    assert_eq!(first["metadata"]["annotations"], json!({"mine": "1"}));
    let Some(Step::Tell(event)) = plan.steps.last() else { panic!("{plan:?}") };
    assert_eq!(event.reason, "InvalidIPAddress");
}

#[test]
fn a_slice_is_kept_used_again_and_deleted() {
    let mut desk = desk(&Value::Null, &json!([subset(&["10.0.0.1"], 80)]));
    let plan = look(&mut desk);
    let [Verb::Create { object }] = desk.verbs(&plan)[..] else { panic!("{plan:?}") };
    let mut made = object.clone();
    made.metadata_mut().name = Some("s-x".into());
    assert_eq!(desk.tell(made.clone()), ["s"]);
    assert!(look(&mut desk).is_empty(), "it is as it should be");
    tell(&mut desk, &json!([subset(&["10.0.0.1"], 81)]));
    let plan = look(&mut desk);
    assert!(matches!(desk.verbs(&plan)[..], [Verb::Update { object, .. }] if object.name() == "s-x"), "{plan:?}");
    tell(&mut desk, &json!([]));
    let plan = look(&mut desk);
    assert!(matches!(desk.verbs(&plan)[..], [Verb::Delete { .. }]), "{plan:?}");
    desk.tell_gone(made);
    assert!(look(&mut desk).is_empty());
}

#[test]
fn what_has_a_selector_is_not_mirrored() {
    let mut desk = desk(&json!({"app": "x"}), &json!([subset(&["10.0.0.1"], 80)]));
    assert!(look(&mut desk).is_empty());
}
