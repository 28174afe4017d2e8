//! Makes the service account `default` in every namespace that is not going away (serviceaccount-controller).
//! Reads namespaces and service accounts; asks only for creations. Source: pkg/controller/serviceaccount.

use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sim_apimachinery::{Kind, Object, ObjectKey, Verb};

use crate::client_go::{Ask, CacheEvent, Controller, Plan, Tolerate, View, Wake};

const NAME: &str = "default";

/// The controller.
#[derive(Clone, Debug, Default)]
pub struct ServiceAccountController;

impl Controller for ServiceAccountController {
    fn name(&self) -> &'static str {
        "serviceaccount-controller"
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::Namespace, Kind::ServiceAccount]
    }

    fn on_event(&mut self, event: &CacheEvent, _view: &mut View<'_>, wake: &mut Wake) {
        let namespace = match &event.object {
            Object::Namespace(_) => event.object.name(),
            _ => event.object.namespace(),
        };
        wake.now(ObjectKey::new(Kind::Namespace, "", namespace));
    }

    fn reconcile(&mut self, key: &ObjectKey, view: &mut View<'_>) -> Plan {
        let Some(namespace) = view.caches.get::<Namespace>("", &key.name) else { return Plan::nothing() };
        if namespace.metadata.deletion_timestamp.is_some() || view.caches.get::<ServiceAccount>(&key.name, NAME).is_some() {
            return Plan::nothing();
        }
        let metadata = ObjectMeta { name: Some(NAME.into()), namespace: Some(key.name.to_string()), ..Default::default() };
        let object = ServiceAccount { metadata, ..Default::default() }.into();
        let mut plan = Plan { decision: format!("the namespace {} has no service account default", key.name), ..Plan::nothing() };
        plan.ask(Ask::new(Verb::Create { object }, "pods need one").tolerating(Tolerate::AlreadyExists));
        plan
    }

    fn workers(&self) -> usize {
        1
    }
}
