//! Empties namespaces that are being deleted: pods first, then everything else, then the namespace itself.
//! Reads namespaces; asks for deletions of whole collections. Source: pkg/controller/namespace.
//! Not modelled: the conditions that tell what remains.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Namespace, NamespaceSpec};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use sim_apimachinery::{Answer, CustomKind, DeleteOptions, Kind, Object, ObjectKey, Part, Propagation, Reply, Verb};

use crate::client_go::{Ask, CacheEvent, Controller, Plan, Step, Then, Tolerate, View, Wake};
use crate::component::ChangeType;
use crate::time::{Nanos, SECOND};

/// From the deletion to the first look.
const GRACE: Nanos = 5 * SECOND;
/// Between looks while something remains.
const AGAIN: Nanos = 5 * SECOND;
const PODS: u8 = 1;
const THE_REST: u8 = 2;

/// The controller.
#[derive(Clone, Debug, Default)]
pub struct NamespaceController;

impl Controller for NamespaceController {
    fn name(&self) -> &'static str {
        "namespace-controller"
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::Namespace, Kind::CustomResourceDefinition]
    }

    fn on_event(&mut self, event: &CacheEvent, _view: &mut View<'_>, wake: &mut Wake) {
        let is_namespace = event.object.kind() == Kind::Namespace;
        if is_namespace && event.change != ChangeType::Deleted && event.object.is_deleting() {
            wake.after(event.object.key(), GRACE);
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, view: &mut View<'_>) -> Plan {
        let going = view.caches.get::<Namespace>("", &key.name).is_some_and(|n| n.metadata.deletion_timestamp.is_some());
        if !going {
            return Plan::nothing();
        }
        let steps = vec![Step::Ask(collection(Kind::Pod, &key.name))];
        Plan { decision: format!("empty the namespace {}", key.name), steps, then: Then::Resume(PODS) }
    }

    fn resume(&mut self, key: &ObjectKey, stage: u8, answers: &[Answer], view: &mut View<'_>) -> Plan {
        let remains = answers.iter().any(|a| matches!(a, Ok(Reply::List(page)) if !page.items.is_empty()) || a.is_err());
        if remains {
            return Plan { then: Then::After(AGAIN), ..Plan::nothing() };
        }
        if stage == PODS {
            let custom = view.caches.all::<CustomResourceDefinition>().filter_map(|crd| CustomKind::of_definition(crd)).map(Kind::Custom);
            let kinds = Kind::ALL.iter().copied().chain(custom).filter(|k| k.is_namespaced() && *k != Kind::Pod);
            let others = kinds.map(|k| collection(k, &key.name)).collect();
            return Plan { steps: vec![Step::Together(others)], then: Then::Resume(THE_REST), ..Plan::nothing() };
        }
        let Some(namespace) = view.caches.get::<Namespace>("", &key.name) else { return Plan::nothing() };
        let mut next = (**namespace).clone();
        next.spec = Some(NamespaceSpec { finalizers: None });
        next.metadata.resource_version = None;
        let mut plan = Plan { decision: "nothing is left in it".into(), ..Plan::nothing() };
        let object = Object::Namespace(Arc::new(next));
        plan.ask(Ask::new(Verb::Update { object, part: Part::Finalize }, "nothing is left in it").tolerating(Tolerate::NotFound));
        plan
    }

    fn workers(&self) -> usize {
        10
    }

    fn client_limit(&self) -> (u64, u64) {
        (200, 300)
    }
}

fn collection(kind: Kind, namespace: &Arc<str>) -> Ask {
    let options = DeleteOptions { propagation: Some(Propagation::Background), ..Default::default() };
    let verb = Verb::DeleteCollection { kind, namespace: namespace.clone(), selected: Box::default(), options };
    Ask::new(verb, format!("all {} in it", kind.resource().plural))
}
