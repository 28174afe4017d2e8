//! Counts anew what quotas count, and writes it into their status (resourcequota-controller).
//! Admission charges what is made; this controller gives back what is gone: it looks when an object that counts is deleted,
//! a pod ends, a service or a claim changes, a quota's limits change, and every five minutes.
//! Source: pkg/controller/resourcequota. Not modelled: `count/` of kinds other than those watched here.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ResourceQuota, ResourceQuotaStatus};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use sim_apimachinery::quota::{self, Usage};
use sim_apimachinery::{Kind, Object, ObjectKey, Part, Verb};

use super::pod_control::is_terminal;
use crate::client_go::{Ask, CacheEvent, Controller, Plan, Then, View, Wake};
use crate::component::ChangeType;
use crate::time::{MINUTE, Nanos};

/// Everything is counted anew this often.
const RESYNC: Nanos = 5 * MINUTE;
const WATCHED: [Kind; 13] = [
    Kind::ResourceQuota,
    Kind::Pod,
    Kind::Service,
    Kind::PersistentVolumeClaim,
    Kind::ConfigMap,
    Kind::Secret,
    Kind::ReplicationController,
    Kind::Deployment,
    Kind::ReplicaSet,
    Kind::StatefulSet,
    Kind::DaemonSet,
    Kind::Job,
    Kind::CronJob,
];

/// The controller.
#[derive(Clone, Debug, Default)]
pub struct ResourceQuotaController;

impl Controller for ResourceQuotaController {
    fn name(&self) -> &'static str {
        "resourcequota-controller"
    }

    fn watches(&self) -> &'static [Kind] {
        &WATCHED
    }

    fn on_event(&mut self, event: &CacheEvent, view: &mut View<'_>, wake: &mut Wake) {
        if let Object::ResourceQuota(quota) = &event.object {
            let same = matches!(&event.old, Some(Object::ResourceQuota(old)) if hard_of(old) == hard_of(quota));
            if event.change != ChangeType::Deleted && !same {
                wake.now(event.object.key());
            }
        }
        if !gives_back(event) {
            return;
        }
        let kind = event.object.kind();
        for quota in view.caches.in_namespace::<ResourceQuota>(event.object.namespace()) {
            if hard_of(quota).keys().any(|name| quota::counts_towards(kind, name)) {
                wake.now(Object::ResourceQuota(quota.clone()).key());
            }
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, view: &mut View<'_>) -> Plan {
        let Some(quota) = view.caches.get::<ResourceQuota>(&key.namespace, &key.name).cloned() else { return Plan::nothing() };
        let hard = hard_of(&quota);
        let before = quota.status.clone().unwrap_or_default();
        let mut used = quota::from_quantities(before.used.as_ref());
        used.extend(count(&quota, &hard, key, view));
        used.retain(|name, _| hard.contains_key(name));
        let mut plan = Plan { then: Then::After(RESYNC), ..Plan::nothing() };
        let same_hard = quota::from_quantities(before.hard.as_ref()) == quota::from_quantities(Some(&hard));
        if before.hard.is_none() || before.used.is_none() || !same_hard || used != quota::from_quantities(before.used.as_ref()) {
            let status = ResourceQuotaStatus { hard: Some(hard), used: Some(quota::to_quantities(&used)) };
            let next = ResourceQuota { status: Some(status), ..(*quota).clone() };
            plan.ask(Ask::new(Verb::Update { object: next.into(), part: Part::Status }, "what is used was counted anew"));
        }
        plan
    }
}

fn hard_of(quota: &ResourceQuota) -> BTreeMap<String, Quantity> {
    quota.spec.as_ref().and_then(|s| s.hard.clone()).unwrap_or_default()
}

/// Whether an event may mean that less is used than admission has charged.
fn gives_back(event: &CacheEvent) -> bool {
    if event.change == ChangeType::Deleted {
        return true;
    }
    match (&event.object, &event.old) {
        (Object::Pod(pod), Some(Object::Pod(old))) => {
            is_terminal(pod) && !is_terminal(old) || pod.metadata.deletion_timestamp.is_some() && old.metadata.deletion_timestamp.is_none()
        }
        (Object::Service(next), Some(Object::Service(old))) => next.spec != old.spec,
        (Object::PersistentVolumeClaim(next), Some(Object::PersistentVolumeClaim(old))) => next.spec != old.spec,
        _ => false,
    }
}

/// What all objects of the namespace use, for each name of `hard` that anything counts towards.
fn count(quota: &Arc<ResourceQuota>, hard: &BTreeMap<String, Quantity>, key: &ObjectKey, view: &View<'_>) -> Usage {
    let mut total = Usage::new();
    for kind in WATCHED {
        let names: Vec<&String> = hard.keys().filter(|name| quota::counts_towards(kind, name)).collect();
        if names.is_empty() {
            continue;
        }
        names.iter().for_each(|name| _ = total.entry((*name).clone()).or_insert_with(|| quota::whole(0)));
        for object in view.caches.objects(kind).filter(|o| o.namespace() == &*key.namespace && quota::in_scopes(quota, o)) {
            let mut usage = quota::usage(object, view.now.0);
            usage.retain(|name, _| names.contains(&name));
            quota::add(&mut total, &usage);
        }
    }
    total
}
