//! What controllers do in a whole cluster: objects go in by the API, and what the cluster makes of them is looked at.

use std::sync::Arc;

use serde_json::{Value, json};
use sim_apimachinery::{Answer, Kind, Object, ObjectKey, Part, Patch, Reply, Request, UserInfo, Verb};
use sim_core::cluster::{Cluster, Settings};
use sim_core::time::{Nanos, SECOND};
use sim_core::trace::BEGINNING;
use sim_workload::ProfileSet;

/// A cluster without these parts.
fn cluster_without(without: &[&str]) -> Cluster {
    let profile = sim_core::scenario::profile(&Default::default()).expect("the profile is shipped");
    let settings = Settings { without: without.iter().map(|w| (*w).to_owned()).collect(), ..Default::default() };
    Cluster::with(Arc::new(profile), Arc::new(ProfileSet::builtin()), 1, &settings).expect("the parts are known")
}

fn cluster() -> Cluster {
    cluster_without(&[])
}

fn ask(cluster: &mut Cluster, verb: Verb) -> Answer {
    cluster.ask(1, Request::new(&"kubectl".into(), verb), BEGINNING)
}

fn create(cluster: &mut Cluster, value: &Value) -> Object {
    let kind = value["kind"].as_str().and_then(|k| Kind::from_word(&k.to_lowercase())).expect("a kind");
    let object = Object::from_json(kind, value.clone()).expect("it can be decoded");
    match ask(cluster, Verb::Create { object }) {
        Ok(Reply::Object(object)) => object,
        other => panic!("{other:?}"),
    }
}

fn merge(cluster: &mut Cluster, key: &ObjectKey, part: Part, change: Value) {
    let answer = ask(cluster, Verb::Patch { key: key.clone(), part, patch: Patch::Merge(change) });
    assert!(answer.is_ok(), "{answer:?}");
}

fn delete(cluster: &mut Cluster, key: &ObjectKey) {
    let answer = ask(cluster, Verb::Delete { key: key.clone(), options: Default::default() });
    assert!(answer.is_ok(), "{answer:?}");
}

fn pass(cluster: &mut Cluster, time: Nanos) {
    cluster.run_until(cluster.now().plus(time));
}

fn shown(cluster: &Cluster, kind: Kind, namespace: &str, name: &str) -> Value {
    cluster.object(kind, namespace, name).map(Object::to_json).unwrap_or_default()
}

#[test]
fn a_labelled_role_extends_view_edit_and_admin_until_it_is_gone() {
    let mut cluster = cluster();
    let version = |cluster: &Cluster| shown(cluster, Kind::ClusterRole, "", "view")["metadata"]["resourceVersion"].clone();
    let before = version(&cluster);
    pass(&mut cluster, 60 * SECOND);
    assert_eq!(version(&cluster), before, "a cluster that is up has nothing to aggregate");
    let rule = json!({"apiGroups": ["example.com"], "resources": ["widgets"], "verbs": ["get"]});
    let labels = json!({"rbac.authorization.k8s.io/aggregate-to-view": "true"});
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": "widgets", "labels": labels}, "rules": [rule]});
    let key = create(&mut cluster, &role).key();
    pass(&mut cluster, 2 * SECOND);
    let has =
        |cluster: &Cluster, name: &str| shown(cluster, Kind::ClusterRole, "", name)["rules"].as_array().is_some_and(|r| r.contains(&rule));
    assert!(["view", "edit", "admin"].iter().all(|name| has(&cluster, name)));
    let view = cluster.object(Kind::ClusterRole, "", "view").cloned().expect("it is there");
    let owned = cluster.apiserver_mut().with_managed_fields(&view).to_json()["metadata"]["managedFields"].clone();
    let owners: Vec<String> = owned.as_array().into_iter().flatten().map(|e| format!("{} {}", e["manager"], e["operation"])).collect();
    assert_eq!(owners, [r#""clusterrole-aggregation-controller" "Apply""#, r#""kube-apiserver" "Update""#]);
    delete(&mut cluster, &key);
    pass(&mut cluster, 2 * SECOND);
    assert!(!["view", "edit", "admin"].iter().any(|name| has(&cluster, name)));
}

#[test]
fn without_its_controller_a_role_aggregates_nothing() {
    let cluster = cluster_without(&["clusterrole-aggregation-controller"]);
    assert_eq!(shown(&cluster, Kind::ClusterRole, "", "view")["rules"], Value::Null);
}

fn request_certificate(cluster: &mut Cluster, name: &str, pem: &[u8], signer: &str, user: &str) -> ObjectKey {
    let value = json!({"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": name},
        "spec": {"request": "", "signerName": signer, "usages": ["client auth", "digital signature"]}});
    let Ok(Object::CertificateSigningRequest(mut request)) = Object::from_json(Kind::CertificateSigningRequest, value) else {
        panic!("it can be decoded")
    };
    Arc::make_mut(&mut request).spec.request.0 = pem.to_vec();
    let user = UserInfo { name: user.into(), groups: vec!["system:nodes".into()], ..Default::default() };
    let create = Request {
        user: Some(Arc::new(user)),
        ..Request::new(&"kubectl".into(), Verb::Create { object: Object::CertificateSigningRequest(request) })
    };
    match cluster.ask(1, create, BEGINNING) {
        Ok(Reply::Object(object)) => object.key(),
        other => panic!("{other:?}"),
    }
}

fn decide(cluster: &mut Cluster, key: &ObjectKey, decision: &str) {
    let condition = json!({"type": decision, "status": "True", "reason": "Kubectl", "message": "This CSR was decided by a test."});
    merge(cluster, key, Part::Approval, json!({"status": {"conditions": [condition]}}));
}

#[test]
fn a_request_for_a_certificate_is_signed_once_it_is_approved_and_tidied_away_later() {
    const JANE: &[u8] = include_bytes!("../sim-core/src/credentials/requests/rsa.csr");
    let mut cluster = cluster();
    let signer = "kubernetes.io/kube-apiserver-client";
    let (good, bad) =
        (request_certificate(&mut cluster, "good", JANE, signer, "jane"), request_certificate(&mut cluster, "bad", JANE, signer, "jane"));
    let certificate =
        |cluster: &Cluster, name: &str| shown(cluster, Kind::CertificateSigningRequest, "", name)["status"]["certificate"].clone();
    pass(&mut cluster, 60 * SECOND);
    assert_eq!(certificate(&cluster, "good"), Value::Null, "nobody has approved it");
    decide(&mut cluster, &good, "Approved");
    decide(&mut cluster, &bad, "Denied");
    pass(&mut cluster, 2 * SECOND);
    assert!(certificate(&cluster, "good").is_string());
    assert_eq!(certificate(&cluster, "bad"), Value::Null);
    pass(&mut cluster, 3500 * SECOND);
    assert!(cluster.object(Kind::CertificateSigningRequest, "", "good").is_some());
    pass(&mut cluster, 2 * 3600 * SECOND);
    assert!(cluster.object(Kind::CertificateSigningRequest, "", "good").is_none());
    assert!(cluster.object(Kind::CertificateSigningRequest, "", "bad").is_none());
}

#[test]
fn a_kubelet_that_renews_its_certificate_is_approved_without_anybody() {
    const NODE: &[u8] = include_bytes!("../sim-core/src/credentials/requests/node.csr");
    let mut cluster = cluster();
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "renewal"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
            "name": "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:nodes"}]});
    let signer = "kubernetes.io/kube-apiserver-client-kubelet";
    request_certificate(&mut cluster, "early", NODE, signer, "system:node:worker");
    pass(&mut cluster, SECOND);
    assert_eq!(shown(&cluster, Kind::CertificateSigningRequest, "", "early")["status"], json!({}), "nobody has given it the right");
    create(&mut cluster, &binding);
    request_certificate(&mut cluster, "renewed", NODE, signer, "system:node:worker");
    pass(&mut cluster, 2 * SECOND);
    let status = &shown(&cluster, Kind::CertificateSigningRequest, "", "renewed")["status"];
    assert_eq!(status["conditions"][0]["reason"], "AutoApproved");
    assert!(status["certificate"].is_string(), "{status}");
    pass(&mut cluster, 60 * SECOND);
    assert!(shown(&cluster, Kind::CertificateSigningRequest, "", "early")["status"]["certificate"].is_string(), "it was tried again");
}

#[test]
fn endpoints_that_a_user_makes_are_mirrored_for_proxies_to_read() {
    let mut cluster = cluster();
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "outside", "namespace": "default"},
        "spec": {"ports": [{"port": 80, "targetPort": 8080, "protocol": "TCP"}]}});
    create(&mut cluster, &service);
    let endpoints = json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "outside", "namespace": "default"},
        "subsets": [{"addresses": [{"ip": "192.0.2.7"}], "ports": [{"port": 8080, "protocol": "TCP"}]}]});
    let key = create(&mut cluster, &endpoints).key();
    pass(&mut cluster, 2 * SECOND);
    let slices = |cluster: &Cluster| -> Vec<Value> { cluster.etcd().list(Kind::EndpointSlice, "default").map(Object::to_json).collect() };
    let of_it = |cluster: &Cluster| {
        slices(cluster).into_iter().filter(|s| s["metadata"]["ownerReferences"][0]["kind"] == "Endpoints").collect::<Vec<_>>()
    };
    let found = of_it(&cluster);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["endpoints"][0]["addresses"], json!(["192.0.2.7"]));
    assert!(found[0]["metadata"]["name"].as_str().is_some_and(|name| name.starts_with("outside-")));
    merge(
        &mut cluster,
        &key,
        Part::Main,
        json!({"subsets": [{"addresses": [{"ip": "192.0.2.8"}], "ports": [{"port": 8080, "protocol": "TCP"}]}]}),
    );
    pass(&mut cluster, 2 * SECOND);
    let found = of_it(&cluster);
    assert_eq!((found.len(), &found[0]["endpoints"][0]["addresses"]), (1, &json!(["192.0.2.8"])));
    delete(&mut cluster, &key);
    pass(&mut cluster, 2 * SECOND);
    assert_eq!(of_it(&cluster), Vec::<Value>::new());
}

#[test]
fn a_pod_with_an_ephemeral_volume_gets_its_claim_runs_and_takes_the_claim_with_it() {
    let mut cluster = cluster();
    let template = json!({"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "main", "image": "nginx:1.29", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
            "volumes": [{"name": "data", "ephemeral": {"volumeClaimTemplate": template}}]}});
    let key = create(&mut cluster, &pod).key();
    pass(&mut cluster, 60 * SECOND);
    assert_eq!(shown(&cluster, Kind::Pod, "default", "p")["status"]["phase"], "Running");
    assert_eq!(shown(&cluster, Kind::PersistentVolumeClaim, "default", "p-data")["status"]["phase"], "Bound");
    delete(&mut cluster, &key);
    pass(&mut cluster, 60 * SECOND);
    assert!(cluster.object(Kind::PersistentVolumeClaim, "default", "p-data").is_none());
}

#[test]
fn a_claim_that_is_to_grow_is_told_who_must_see_to_it() {
    let mut cluster = cluster();
    let class = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "growing"},
        "provisioner": "docker.io/hostpath", "allowVolumeExpansion": true, "volumeBindingMode": "Immediate"});
    create(&mut cluster, &class);
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c", "namespace": "default"},
        "spec": {"storageClassName": "growing", "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
    let key = create(&mut cluster, &claim).key();
    pass(&mut cluster, 10 * SECOND);
    merge(&mut cluster, &key, Part::Main, json!({"spec": {"resources": {"requests": {"storage": "2Gi"}}}}));
    pass(&mut cluster, 5 * SECOND);
    let events: Vec<Value> = cluster.etcd().list(Kind::Event, "default").map(Object::to_json).collect();
    let told = events.iter().find(|e| e["reason"] == "ExternalExpanding");
    assert_eq!(told.map(|e| &e["message"]), Some(&json!("waiting for an external controller to expand this PVC")), "{events:?}");
    assert_eq!(told.map(|e| &e["source"]["component"]), Some(&json!("volume_expand")));
}
