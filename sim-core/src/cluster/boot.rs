//! A fresh cluster: the objects every cluster has, and its components started in order.
//! The nodes and the cluster's own objects are there at the beginning, as in a cluster that has been up for a while;
//! what controllers make (service accounts, root certificates) they make themselves.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Namespace, Service, ServicePort, ServiceSpec};
use k8s_openapi::api::scheduling::v1::PriorityClass;
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sim_apimachinery::{Object, Request, Verb};
use sim_workload::ProfileSet;

use super::{COMPACTION_INTERVAL, Cluster, ComponentId, Event, SCRAPE_INTERVAL, Settings};
use crate::kubelet::{Kubelet, KubeletConfig};
use crate::time::SECOND;
use crate::trace::BEGINNING;

/// How long a cluster is given to come up before it is handed over.
const SETTLE: u64 = 30 * SECOND;

impl Cluster {
    pub(super) fn boot(&mut self, profiles: Arc<ProfileSet>, settings: &Settings) {
        for object in first_objects() {
            self.plant(object);
        }
        self.told = self.etcd().revision();
        for (part, component) in [
            ("kube-controller-manager", ComponentId::ControllerManager),
            ("kube-scheduler", ComponentId::Scheduler),
            ("kube-proxy", ComponentId::Proxy),
            ("coredns", ComponentId::Dns),
        ] {
            if settings.has(part) {
                self.start(&component, BEGINNING);
            }
        }
        let nodes = if settings.has("kubelet") { self.profile.nodes.clone() } else { vec![] };
        for node in nodes {
            let config = KubeletConfig::new(&node, &self.profile.registry, &self.profile.kubelet);
            let name = config.node.clone();
            self.kubelets.insert(name.clone(), Kubelet::new(Arc::new(config), profiles.clone()));
            self.start(&ComponentId::Kubelet(name), BEGINNING);
        }
        if self.profile.metrics_server && settings.has("metrics-server") {
            let first = self.links.below(SCRAPE_INTERVAL);
            self.push(self.now.plus(first), Event::Scrape);
        }
        self.push(self.now.plus(COMPACTION_INTERVAL), Event::Compact);
        self.run_until(self.started.plus(SETTLE));
        self.started = self.now;
    }

    /// Puts an object into the store before anybody watches.
    fn plant(&mut self, object: Object) {
        let request = Request::new(&"kube-apiserver".into(), Verb::Create { object });
        let planted = self.apiserver.handle(self.now, request, BEGINNING, &mut self.trace);
        debug_assert!(planted.is_ok(), "the first objects are valid: {planted:?}");
    }
}

fn named(name: &str) -> ObjectMeta {
    ObjectMeta { name: Some(name.into()), ..Default::default() }
}

fn first_objects() -> Vec<Object> {
    let mut objects: Vec<Object> = ["default", "kube-system", "kube-public", "kube-node-lease"]
        .iter()
        .map(|name| {
            let labels = BTreeMap::from([("kubernetes.io/metadata.name".to_owned(), (*name).to_owned())]);
            Namespace { metadata: ObjectMeta { labels: Some(labels), ..named(name) }, ..Default::default() }.into()
        })
        .collect();
    objects.push(kubernetes_service());
    objects.push(hostpath_class());
    for (name, value, text) in [
        (
            "system-cluster-critical",
            2_000_000_000,
            "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
        ),
        ("system-node-critical", 2_000_001_000, "Used for system critical pods that must not be moved from their current node."),
    ] {
        objects
            .push(PriorityClass { metadata: named(name), value: Some(value), description: Some(text.into()), ..Default::default() }.into());
    }
    objects
}

fn kubernetes_service() -> Object {
    let labels = BTreeMap::from([("component".to_owned(), "apiserver".to_owned()), ("provider".to_owned(), "kubernetes".to_owned())]);
    let metadata = ObjectMeta { namespace: Some("default".into()), labels: Some(labels), ..named("kubernetes") };
    let port = ServicePort {
        name: Some("https".into()),
        protocol: Some("TCP".into()),
        port: 443,
        target_port: Some(k8s_openapi::apimachinery::pkg::util::intstr::IntOrString::Int(6443)),
        ..Default::default()
    };
    let spec = ServiceSpec {
        cluster_ip: Some("10.96.0.1".into()),
        ports: Some(vec![port]),
        type_: Some("ClusterIP".into()),
        ..Default::default()
    };
    Service { metadata, spec: Some(spec), ..Default::default() }.into()
}

fn hostpath_class() -> Object {
    let annotations = BTreeMap::from([("storageclass.kubernetes.io/is-default-class".to_owned(), "true".to_owned())]);
    StorageClass {
        metadata: ObjectMeta { annotations: Some(annotations), ..named("hostpath") },
        provisioner: "docker.io/hostpath".into(),
        reclaim_policy: Some("Delete".into()),
        volume_binding_mode: Some("Immediate".into()),
        ..Default::default()
    }
    .into()
}
