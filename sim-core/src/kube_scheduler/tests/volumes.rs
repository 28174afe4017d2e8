//! Volumes: claims that are bound, missing, or wait for their first consumer.

use super::*;

fn claim(name: &str, spec: Value, bound: bool) -> (Kind, Value) {
    let annotations = if bound { json!({"pv.kubernetes.io/bind-completed": "yes"}) } else { json!({}) };
    let metadata = json!({"name": name, "namespace": "default", "uid": "claim", "annotations": annotations});
    let plain = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
    (Kind::PersistentVolumeClaim, json!({"metadata": metadata, "spec": merged(plain, spec)}))
}

fn volume(name: &str, class: &str, size: &str, host: &str) -> (Kind, Value) {
    let terms = json!([{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [host]}]}]);
    let spec = json!({"capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"], "storageClassName": class,
                      "nodeAffinity": {"required": {"nodeSelectorTerms": terms}}});
    (Kind::PersistentVolume, json!({"metadata": {"name": name}, "spec": spec, "status": {"phase": "Available"}}))
}

fn class(name: &str, provisioner: &str, mode: &str) -> (Kind, Value) {
    (Kind::StorageClass, json!({"metadata": {"name": name}, "provisioner": provisioner, "volumeBindingMode": mode}))
}

fn using(claim: &str) -> Value {
    json!({"spec": {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}]}})
}

fn world(others: &[(Kind, Value)]) -> World {
    let mut world = World::new();
    world.put(Kind::Node, node("a", json!({})));
    world.put(Kind::Node, node("b", json!({})));
    others.iter().for_each(|(kind, value)| world.put(*kind, value.clone()));
    world
}

fn check(others: &[(Kind, Value)], expected: Result<&str, &str>) {
    let mut world = world(others);
    world.put(Kind::Pod, pod("wanted", using("data")));
    world.run(500 * MILLISECOND);
    let message = world.condition_of("wanted").unwrap_or_default();
    let expected = expected.map_err(|reason| {
        format!("0/2 nodes are available: {reason}. preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.")
    });
    assert_eq!(world.node_of("wanted").as_deref().ok_or(message), expected);
}

#[test]
fn claims_that_cannot_be_used_refuse_the_pod() {
    check(&[], Err("persistentvolumeclaim \"data\" not found"));
    check(&[claim("data", json!({}), false)], Err("pod has unbound immediate PersistentVolumeClaims"));
    let (kind, lost) = claim("data", json!({"volumeName": "gone"}), true);
    let lost = (kind, merged(lost, json!({"status": {"phase": "Lost"}})));
    check(&[lost], Err("persistentvolumeclaim \"data\" bound to non-existent persistentvolume \"gone\""));
}

#[test]
fn a_bound_volume_ties_the_pod_to_its_node() {
    let bound = claim("data", json!({"volumeName": "disk"}), true);
    check(&[volume("disk", "", "1Gi", "b"), bound.clone()], Ok("b"));
    check(&[volume("disk", "", "1Gi", "c"), bound.clone()], Err("2 node(s) didn't match PersistentVolume's node affinity"));
    check(&[bound], Err("2 node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"));
}

#[test]
fn a_waiting_claim_without_a_volume_or_provisioner_refuses_all_nodes() {
    let local = class("local", "kubernetes.io/no-provisioner", "WaitForFirstConsumer");
    let waiting = claim("data", json!({"storageClassName": "local"}), false);
    check(&[local, waiting, volume("small", "local", "500Mi", "a")], Err("2 node(s) didn't find available persistent volumes to bind"));
}

#[test]
fn a_waiting_claim_is_given_to_a_provisioner_and_the_pod_waits_for_it() {
    let waiting = claim("data", json!({"storageClassName": "csi"}), false);
    let mut world = world(&[class("csi", "csi.example.com", "WaitForFirstConsumer"), waiting.clone()]);
    world.put(Kind::Pod, pod("wanted", using("data")));
    world.run(SECOND);
    assert_eq!(world.node_of("wanted"), None);
    let key = ObjectKey::new(Kind::PersistentVolumeClaim, "default", "data");
    let selected = world.objects[&key].metadata().annotations.clone().unwrap_or_default();
    assert_eq!(selected.get("volume.kubernetes.io/selected-node").map(String::as_str), Some("a"));
    let done = json!({"metadata": {"annotations": {"pv.kubernetes.io/bind-completed": "yes"}}, "spec": {"volumeName": "made"}});
    world.put(waiting.0, merged(waiting.1, done));
    world.run(SECOND);
    assert_eq!(world.node_of("wanted").as_deref(), Some("a"));
}

#[test]
fn a_pod_whose_claim_is_not_bound_in_ten_minutes_is_tried_again() {
    let waiting = claim("data", json!({"storageClassName": "csi"}), false);
    let mut world = world(&[class("csi", "csi.example.com", "WaitForFirstConsumer"), waiting]);
    world.put(Kind::Pod, pod("wanted", using("data")));
    world.run(601 * SECOND);
    let text = "running PreBind plugin \"VolumeBinding\": binding volumes: context deadline exceeded";
    assert_eq!(world.events.first().map(|e| e.1.as_str()), Some(text));
}

#[test]
fn the_smallest_volume_that_suits_is_taken_and_only_once() {
    let local = class("local", "kubernetes.io/no-provisioner", "WaitForFirstConsumer");
    let mut world = world(&[
        local,
        claim("data", json!({"storageClassName": "local"}), false),
        claim("more", json!({"storageClassName": "local"}), false),
        volume("large", "local", "10Gi", "a"),
        volume("fits", "local", "2Gi", "b"),
    ]);
    world.put(Kind::Pod, pod("first", using("data")));
    world.put(Kind::Pod, pod("second", using("more")));
    world.run(SECOND);
    let claimed = |name: &str| match &world.objects[&ObjectKey::new(Kind::PersistentVolume, "", name)] {
        Object::PersistentVolume(v) => v.spec.as_ref().and_then(|s| s.claim_ref.as_ref()?.name.clone()),
        _ => None,
    };
    let mut both = [claimed("large"), claimed("fits")];
    both.sort();
    assert_eq!(both, [Some("data".to_owned()), Some("more".to_owned())]);
}

#[test]
fn a_claim_for_one_pod_keeps_the_second_away() {
    let only = claim("data", json!({"volumeName": "disk", "accessModes": ["ReadWriteOncePod"]}), true);
    let mut world = world(&[volume("disk", "", "1Gi", "a"), only]);
    world.put(Kind::Pod, pod("first", merged(using("data"), json!({"spec": {"nodeName": "a"}}))));
    world.put(Kind::Pod, pod("wanted", using("data")));
    world.run(SECOND);
    let expected = "0/2 nodes are available: 2 node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode \
                    already in-use by another pod. preemption: 0/2 nodes are available: 2 No preemption victims found for incoming pod.";
    assert_eq!(world.condition_of("wanted").as_deref(), Some(expected));
    world.delete(&pod_key("first"));
    world.run(2 * SECOND);
    assert_eq!(world.node_of("wanted").as_deref(), Some("a"));
}
