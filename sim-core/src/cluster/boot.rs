//! A fresh cluster: the objects every cluster has, and its components started in order.
//! The nodes and the cluster's own objects are there at the beginning, as in a cluster that has been up for a while;
//! what controllers make (service accounts, root certificates) they make themselves.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sim_apimachinery::{Object, Request, Verb};
use sim_workload::ProfileSet;

use super::{COMPACTION_INTERVAL, Cluster, ComponentId, Event, SCRAPE_INTERVAL, Settings};
use crate::kubelet::{Kubelet, KubeletConfig};
use crate::time::SECOND;
use crate::trace::{BEGINNING, What};

/// The part that brings the default storage class with it.
const HOSTPATH_PROVISIONER: &str = "docker.io/hostpath_storage-provisioner";
/// How long a cluster is given to come up before it is handed over.
const SETTLE: u64 = 30 * SECOND;

impl Cluster {
    pub(super) fn boot(&mut self, profiles: Arc<ProfileSet>, settings: &Settings) {
        let aggregated = settings.has("kube-controller-manager") && settings.has("clusterrole-aggregation-controller");
        self.apiserver.bootstrap(self.now, aggregated);
        self.apiserver.plant_first_objects(self.now);
        self.tell_of_first_objects();
        if settings.has(HOSTPATH_PROVISIONER) {
            self.plant(hostpath_class());
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
            let first = self.links.of(&ComponentId::Metrics).below(SCRAPE_INTERVAL);
            self.push(self.now.plus(first), Event::Scrape);
        }
        self.push(self.now.plus(COMPACTION_INTERVAL), Event::Compact);
        self.run_until(self.started.plus(SETTLE));
        self.started = self.now;
    }

    /// The API server made these for itself before the trace could tell of it.
    fn tell_of_first_objects(&mut self) {
        let told: Vec<What> = self.etcd().history().iter().map(|c| What::Change { key: c.object.key(), revision: c.revision }).collect();
        for what in told {
            self.trace.push(self.now, &"kube-apiserver".into(), BEGINNING, what);
        }
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
