//! Publishes the cluster's root certificate as ConfigMap `kube-root-ca.crt` in every namespace (root-ca-cert-publisher).
//! Source: pkg/controller/certificates/rootcacertpublisher.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sim_apimachinery::{Kind, Object, ObjectKey, Part, Verb};

use crate::client_go::{Ask, CacheEvent, Controller, Plan, Tolerate, View, Wake};
use crate::credentials::Authority;

const NAME: &str = "kube-root-ca.crt";
const DESCRIPTION: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.";

/// The controller with the authority it publishes.
#[derive(Clone, Debug)]
pub struct RootCaPublisher {
    authority: Arc<Authority>,
}

impl RootCaPublisher {
    /// A publisher of this authority's certificate.
    pub fn new(authority: &Arc<Authority>) -> Self {
        RootCaPublisher { authority: authority.clone() }
    }
}

impl Controller for RootCaPublisher {
    fn name(&self) -> &'static str {
        "root-ca-certificate-publisher-controller"
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::Namespace, Kind::ConfigMap]
    }

    fn on_event(&mut self, event: &CacheEvent, _view: &mut View<'_>, wake: &mut Wake) {
        match &event.object {
            Object::Namespace(_) => wake.now(event.object.key()),
            object if object.name() == NAME => wake.now(ObjectKey::new(Kind::Namespace, "", object.namespace())),
            _ => {}
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, view: &mut View<'_>) -> Plan {
        let Some(namespace) = view.caches.get::<Namespace>("", &key.name) else { return Plan::nothing() };
        if namespace.metadata.deletion_timestamp.is_some() {
            return Plan::nothing();
        }
        let data = BTreeMap::from([("ca.crt".to_owned(), self.authority.certificate_pem.clone())]);
        let verb = match view.caches.get::<ConfigMap>(&key.name, NAME) {
            Some(found) if found.data.as_ref() == Some(&data) => return Plan::nothing(),
            Some(found) => {
                let mut next = (**found).clone();
                next.data = Some(data);
                Verb::Update { object: next.into(), part: Part::Main }
            }
            None => Verb::Create { object: published(&key.name, data) },
        };
        let mut plan = Plan { decision: format!("the root certificate is missing or wrong in {}", key.name), ..Plan::nothing() };
        plan.ask(Ask::new(verb, "pods mount it").tolerating(Tolerate::AlreadyExists));
        plan
    }

    fn workers(&self) -> usize {
        1
    }
}

fn published(namespace: &str, data: BTreeMap<String, String>) -> Object {
    let annotations = BTreeMap::from([("kubernetes.io/description".to_owned(), DESCRIPTION.to_owned())]);
    let metadata =
        ObjectMeta { name: Some(NAME.into()), namespace: Some(namespace.into()), annotations: Some(annotations), ..Default::default() };
    ConfigMap { metadata, data: Some(data), ..Default::default() }.into()
}
