//! Routing by the rules of a node.

use serde_json::{Value, json};
use sim_apimachinery::Object;

use super::*;
use crate::random::Random;

const START: SimTime = SimTime(100 * SECOND);

fn proxy(spec: &Value, endpoints: &[(&str, &str, bool, bool)]) -> KubeProxy {
    let mut proxy = KubeProxy::new();
    tell(&mut proxy, START, spec, endpoints);
    proxy
}

fn tell(proxy: &mut KubeProxy, at: SimTime, spec: &Value, endpoints: &[(&str, &str, bool, bool)]) {
    let service = json!({"metadata": {"name": "web", "namespace": "default"}, "spec": spec,
        "status": {"loadBalancer": {"ingress": [{"hostname": "localhost"}]}}});
    let points: Vec<Value> = endpoints
        .iter()
        .map(|(address, node, ready, serving)| {
            json!({"addresses": [address], "nodeName": node, "conditions": {"ready": ready, "serving": serving, "terminating": !ready}})
        })
        .collect();
    let slice = json!({"metadata": {"name": "web-abcde", "namespace": "default", "labels": {SERVICE_NAME: "web"}},
        "addressType": "IPv4", "ports": [{"name": "", "port": 8000}], "endpoints": points});
    let event = |kind, value| WatchEvent { change: ChangeType::Added, object: Object::from_json(kind, value).expect("valid"), revision: 1 };
    proxy.handle_events(at, &[event(Kind::Service, service), event(Kind::EndpointSlice, slice)]);
}

fn spec(more: Value) -> Value {
    let mut spec = json!({"clusterIP": "10.96.0.9", "ports": [{"port": 80, "targetPort": 8000, "nodePort": 30080}]});
    for (key, value) in more.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    spec
}

fn go(proxy: &mut KubeProxy, node: &str, client: &str, seed: u64) -> Result<String, Refusal> {
    let entry = Entry { node, client, outside: false };
    let later = START.plus(60 * SECOND);
    proxy.route_address(later, &entry, "10.96.0.9", 80, &mut Random::named(seed, "x")).map(|r| format!("{}:{}", r.address, r.port))
}

#[test]
fn a_client_keeps_its_pod_under_session_affinity() {
    let pods = [("10.0.0.1", "a", true, true), ("10.0.0.2", "a", true, true), ("10.0.0.3", "b", true, true)];
    let mut sticky = proxy(&spec(json!({"sessionAffinity": "ClientIP"})), &pods);
    let first = go(&mut sticky, "a", "c1", 1).expect("a pod");
    assert!((2..40).all(|seed| go(&mut sticky, "a", "c1", seed) == Ok(first.clone())));
    let mut free = proxy(&spec(json!({})), &pods);
    let reached: std::collections::BTreeSet<_> = (0..40).filter_map(|seed| go(&mut free, "a", "c1", seed).ok()).collect();
    assert_eq!(reached.len(), 3, "without affinity all pods are reached");
}

#[test]
fn an_affinity_ends_with_its_timeout() {
    let pods = [("10.0.0.1", "a", true, true), ("10.0.0.2", "a", true, true)];
    let config = json!({"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10}}});
    let mut proxy = proxy(&spec(config), &pods);
    let entry = Entry { node: "a", client: "c", outside: false };
    let mut reached = std::collections::BTreeSet::new();
    for turn in 0..20_u64 {
        let at = START.plus((60 + 20 * turn) * SECOND);
        reached.insert(proxy.route_address(at, &entry, "10.96.0.9", 80, &mut Random::named(turn, "x")).expect("a pod").address);
    }
    assert_eq!(reached.len(), 2);
}

#[test]
fn the_policy_local_keeps_to_the_node() {
    let pods = [("10.0.0.1", "a", true, true), ("10.0.0.3", "b", true, true)];
    let mut proxy = proxy(&spec(json!({"internalTrafficPolicy": "Local", "externalTrafficPolicy": "Local"})), &pods);
    assert!((0..20).all(|seed| go(&mut proxy, "b", "c", seed) == Ok("10.0.0.3:8000".into())));
    assert_eq!(go(&mut proxy, "c", "c", 1), Err(Refusal::NoLocalEndpoints("default/web".into())));
    let entry = Entry { node: "c", client: "c", outside: true };
    let later = START.plus(60 * SECOND);
    let dropped = proxy.route_node_port(later, &entry, 30080, &mut Random::named(1, "x"));
    assert_eq!(dropped, Err(Refusal::NoLocalEndpoints("default/web".into())));
    assert_eq!((proxy.balancer_takes("a", "default", "web", later), proxy.balancer_takes("c", "default", "web", later)), (true, false));
}

#[test]
fn pods_that_terminate_serve_only_when_no_other_is_left() {
    let mut proxy = proxy(&spec(json!({})), &[("10.0.0.1", "a", true, true), ("10.0.0.2", "a", false, true)]);
    assert!((0..20).all(|seed| go(&mut proxy, "a", "c", seed) == Ok("10.0.0.1:8000".into())));
    let mut last = self::proxy(&spec(json!({})), &[("10.0.0.2", "a", false, true)]);
    assert_eq!(go(&mut last, "a", "c", 1), Ok("10.0.0.2:8000".into()));
    let mut none = self::proxy(&spec(json!({})), &[]);
    assert_eq!(go(&mut none, "a", "c", 1), Err(Refusal::NoEndpoints("default/web".into())));
}

#[test]
fn a_change_reaches_the_rules_with_the_next_run() {
    let mut proxy = proxy(&spec(json!({})), &[("10.0.0.1", "a", true, true)]);
    tell(&mut proxy, START.plus(100 * MILLISECOND), &spec(json!({})), &[("10.0.0.2", "a", true, true)]);
    let at = |millis: u64| {
        let view = proxy.view("a", "default", "web", START.plus(millis * MILLISECOND));
        view.map(|v| v.ports[0].endpoints[0].address.clone())
    };
    assert_eq!((at(0), at(500), at(1_100)), (at(500).filter(|_| false), Some("10.0.0.1".into()), Some("10.0.0.2".into())));
}

#[test]
fn nobody_listens_on_other_ports_and_addresses() {
    let mut proxy = proxy(&spec(json!({})), &[("10.0.0.1", "a", true, true)]);
    let entry = Entry { node: "a", client: "c", outside: false };
    let mut random = Random::named(1, "x");
    let later = START.plus(60 * SECOND);
    assert_eq!(proxy.route_address(later, &entry, "10.96.0.9", 81, &mut random), Err(Refusal::NobodyListens));
    assert_eq!(proxy.route_address(later, &entry, "10.96.0.8", 80, &mut random), Err(Refusal::NobodyListens));
}
