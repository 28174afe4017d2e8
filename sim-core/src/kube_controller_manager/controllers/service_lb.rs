//! Gives Services of type LoadBalancer the address `localhost`, as Docker Desktop does (service-lb-controller).
//! Reads services; asks for their status and a finalizer. Source: staging cloud-provider/controllers/service.
//! Not modelled: nodes behind the load balancer, its health checks.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{LoadBalancerIngress, LoadBalancerStatus, Service};
use sim_apimachinery::{Kind, Object, ObjectKey, Part, Patch, TypedPatch, Verb};

use crate::client_go::{Ask, CacheEvent, Controller, EventDraft, ObjectReference, Plan, Tolerate, View, Wake};

const FINALIZER: &str = "service.kubernetes.io/load-balancer-cleanup";
const ADDRESS: &str = "localhost";

/// The controller.
#[derive(Clone, Debug, Default)]
pub struct ServiceLbController;

impl Controller for ServiceLbController {
    fn name(&self) -> &'static str {
        "service-controller"
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::Service]
    }

    fn on_event(&mut self, event: &CacheEvent, _view: &mut View<'_>, wake: &mut Wake) {
        wake.now(event.object.key());
    }

    fn reconcile(&mut self, key: &ObjectKey, view: &mut View<'_>) -> Plan {
        let Some(service) = view.caches.get::<Service>(&key.namespace, &key.name).cloned() else { return Plan::nothing() };
        let wanted =
            service.spec.as_ref().and_then(|s| s.type_.as_deref()) == Some("LoadBalancer") && service.metadata.deletion_timestamp.is_none();
        let has_finalizer = service.metadata.finalizers.iter().flatten().any(|f| f == FINALIZER);
        let balanced =
            service.status.as_ref().and_then(|s| s.load_balancer.as_ref()).and_then(|l| l.ingress.as_ref()).is_some_and(|i| !i.is_empty());
        match (wanted, balanced) {
            (true, false) => ensure(key, &service, has_finalizer),
            (false, _) if has_finalizer => release(key, &service),
            _ => Plan::nothing(),
        }
    }

    fn workers(&self) -> usize {
        1
    }
}

fn ensure(key: &ObjectKey, service: &Arc<Service>, has_finalizer: bool) -> Plan {
    let about = ObjectReference::to(&Object::Service(service.clone()));
    let mut plan = Plan { decision: "it wants a load balancer".into(), ..Plan::nothing() };
    plan.tell(EventDraft::normal(about.clone(), "EnsuringLoadBalancer", "Ensuring load balancer"));
    if !has_finalizer {
        let patch = Patch::Typed(TypedPatch::Finalizers { add: vec![FINALIZER.into()], remove: vec![] });
        plan.ask(Ask::new(Verb::Patch { key: key.clone(), part: Part::Main, patch }, "the load balancer is to be released"));
    }
    let mut next = (**service).clone();
    next.metadata.resource_version = None;
    let ingress = LoadBalancerIngress { hostname: Some(ADDRESS.into()), ..Default::default() };
    next.status.get_or_insert_default().load_balancer = Some(LoadBalancerStatus { ingress: Some(vec![ingress]) });
    let told = EventDraft::normal(about, "EnsuredLoadBalancer", "Ensured load balancer");
    plan.ask(Ask::new(Verb::Update { object: next.into(), part: Part::Status }, format!("its address is {ADDRESS}")).telling(told));
    plan
}

fn release(key: &ObjectKey, service: &Arc<Service>) -> Plan {
    let about = ObjectReference::to(&Object::Service(service.clone()));
    let mut plan = Plan { decision: "its load balancer is not wanted any more".into(), ..Plan::nothing() };
    plan.tell(EventDraft::normal(about.clone(), "DeletingLoadBalancer", "Deleting load balancer"));
    let patch = Patch::Typed(TypedPatch::Finalizers { add: vec![], remove: vec![FINALIZER.into()] });
    let told = EventDraft::normal(about, "DeletedLoadBalancer", "Deleted load balancer");
    plan.ask(
        Ask::new(Verb::Patch { key: key.clone(), part: Part::Main, patch }, "it is released").tolerating(Tolerate::NotFound).telling(told),
    );
    plan
}
