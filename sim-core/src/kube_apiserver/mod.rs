//! The API server: the only room that touches the store. Requests come in one at a time and are answered at once; the
//! hallway gives them their latency.
//! Modelled: the whole life of objects (create, update, the patch types, graceful deletion, finalizers, propagation,
//! collections), status, scale, binding and eviction, optimistic concurrency, generate names, service addresses,
//! admission as in a default cluster, validation with Kubernetes' messages, the API's errors.
//! `authorization` answers who may do what; it is asked by the doors to the outside before they hand a request in (callers
//! inside the cluster may do what they do). Not modelled here: API priority and fairness, several API servers.

mod admission;
mod admission_policies;
pub mod admission_webhooks;
mod allocation;
pub mod apiextensions;
mod apply;
pub mod authorization;
mod bootstrap;
mod create;
mod delete;
mod device_access;
mod device_selectors;
mod first_objects;
pub mod flow_control;
mod list;
mod ownership;
mod patch;
mod pod_binding;
mod pod_eviction;
mod pod_strategy;
mod preconditions;
mod read;
mod reset_fields;
mod scale;
mod shape;
mod strategy;
mod typed_patch;
mod update;
mod upkeep;

use std::sync::Arc;

use sim_apimachinery::{Answer, FieldValidation, Kind, Object, ObjectKey, Part, Reason, Reply, Request, Status, UserInfo, Verb};

use self::admission_webhooks::WebhookCall;
use self::allocation::ServiceAllocator;
use self::authorization::{Attributes, BindingIndex};
use self::ownership::Ownership;
use crate::etcd::{Etcd, Health, Tracking, Write};
use crate::random::Random;
use crate::time::SimTime;
use crate::trace::{StepId, Trace, What};

/// Defaults of the cluster that admission needs to know.
#[derive(Clone, Debug, Default)]
pub struct ApiServerConfig {
    /// First two bytes and more of the service network, `10.96` by default.
    pub service_network: [u8; 2],
}

/// The API server with its store.
#[derive(Clone, Debug)]
pub struct ApiServer {
    etcd: Etcd,
    services: ServiceAllocator,
    bindings: BindingIndex,
    random: Random,
    custom: apiextensions::Registry,
    ownership: Ownership,
    policies: admission_policies::Policies,
    upkeep: upkeep::Pending,
}

/// What a request in progress knows besides its body.
pub(crate) struct Call<'a> {
    /// The time.
    pub now: SimTime,
    /// Who asks.
    pub manager: Arc<str>,
    /// Whether nothing is to be stored.
    pub dry_run: bool,
    /// The user as whom it is asked; `None` for components of the cluster.
    pub user: Option<Arc<UserInfo>>,
    /// What becomes of fields the body has and its type does not.
    pub field_validation: FieldValidation,
    /// The `apiVersion` the client speaks; none for components.
    pub api_version: Option<Arc<str>>,
    /// What strict decoding said of a patch's text.
    pub strict_errors: Vec<String>,
    /// What the next write means for who owns which field.
    pub tracking: Option<Box<Tracking>>,
    /// What the user is warned of, in order.
    pub warnings: Vec<String>,
    /// What webhooks have said.
    pub webhooks: admission_webhooks::Answers,
    /// The step that sent the request.
    pub cause: StepId,
    /// Where changes are told.
    pub trace: &'a mut Trace,
}

impl<'a> Call<'a> {
    /// A call the API server makes itself.
    fn of_component(now: SimTime, manager: &Arc<str>, trace: &'a mut Trace) -> Call<'a> {
        let (cause, manager) = (crate::trace::BEGINNING, manager.clone());
        let field_validation = FieldValidation::Ignore;
        let (dry_run, user, api_version, strict_errors, warnings, tracking) = (false, None, None, vec![], vec![], None);
        let webhooks = Default::default();
        Call { now, manager, dry_run, user, field_validation, api_version, strict_errors, tracking, warnings, webhooks, cause, trace }
    }
}

type Outcome<T> = Result<T, Box<Status>>;

impl ApiServer {
    /// An API server with an empty store.
    pub fn new(config: &ApiServerConfig, seed: u64) -> Self {
        ApiServer {
            etcd: Etcd::new(),
            services: ServiceAllocator::new(config.service_network, seed),
            bindings: BindingIndex::default(),
            random: Random::named(seed, "kube-apiserver"),
            custom: Default::default(),
            ownership: Ownership::default(),
            policies: Default::default(),
            upkeep: Default::default(),
        }
    }

    /// The store, to be looked at.
    pub fn etcd(&self) -> &Etcd {
        &self.etcd
    }

    /// The store's faults and upkeep, for the hallway.
    pub fn set_health(&mut self, health: Health) {
        self.etcd.set_health(health);
    }

    /// Answers a request. Every change it makes is a step of the trace caused by `cause`.
    pub fn handle(&mut self, now: SimTime, request: Request, cause: StepId, trace: &mut Trace) -> Answer {
        self.serve(now, request, cause, trace).0
    }

    /// Answers a request as `handle` does, with the warnings that go with the answer.
    pub fn serve(&mut self, now: SimTime, request: Request, cause: StepId, trace: &mut Trace) -> (Answer, Vec<String>) {
        let (answer, warnings, _) = self.serve_with(now, request, Default::default(), cause, trace);
        (answer, warnings)
    }

    /// Answers a request with what is known of webhooks; also says which of them must be called first, if any must.
    fn serve_with(
        &mut self,
        now: SimTime,
        request: Request,
        webhooks: admission_webhooks::Answers,
        cause: StepId,
        trace: &mut Trace,
    ) -> (Answer, Vec<String>, Vec<WebhookCall>) {
        let text = describe(&request.verb);
        let Request { manager, verb, dry_run, user, field_validation, api_version, strict_errors } = request;
        let (tracking, warnings) = (None, vec![]);
        let mut call =
            Call { now, manager, dry_run, user, field_validation, api_version, strict_errors, tracking, warnings, webhooks, cause, trace };
        let answer = self.available(&verb).and_then(|()| self.dispatch(verb, &mut call));
        self.settle_allocation(answer.is_ok(), &mut call);
        self.settle_definitions(&mut call);
        self.settle_upkeep(&mut call);
        let answer = answer.map_err(|status| named_as_asked(status, call.api_version.as_deref()));
        if let Err(status) = &answer
            && (status.reason != Reason::NotFound || !text.0)
        {
            let what = What::Refused { request: text.1, status: status.clone() };
            call.trace.push(now, &call.manager, cause, what);
        }
        (answer, call.warnings, call.webhooks.open)
    }

    /// Deletes what has outlived its lease (events).
    pub fn expire(&mut self, now: SimTime, trace: &mut Trace) {
        let manager: Arc<str> = "etcd".into();
        for key in self.etcd.expired(now) {
            let mut call = Call::of_component(now, &manager, trace);
            // The lease belongs to the object, so the object is there.
            let _gone = self.remove(&key, &mut call);
        }
    }

    /// Forgets history up to a revision (`etcdctl compact`).
    pub fn compact(&mut self, revision: u64) {
        self.keep_owners(revision);
        self.etcd.compact(revision);
    }

    fn available(&self, verb: &Verb) -> Outcome<()> {
        // A list at resourceVersion 0 asks for whatever the watch cache has: no quorum is needed for it.
        let reads_cache = match verb {
            Verb::PodMetrics { .. } | Verb::ReviewAccess { .. } => true,
            Verb::List { options, .. } => options.resource_version == "0",
            _ => false,
        };
        if self.etcd.health() == Health::NoQuorum && !reads_cache {
            return Err(Box::new(Status::new(Reason::InternalError, "etcdserver: request timed out")));
        }
        Ok(())
    }

    fn dispatch(&mut self, verb: Verb, call: &mut Call<'_>) -> Answer {
        match verb {
            Verb::Get { key } => self.get(&key, call).map(Reply::Object),
            Verb::List { kind, namespace, options } => self.list_page(kind, &namespace, &options, call).map(Reply::List),
            Verb::Create { object } => self.create(object, call).map(Reply::Object),
            Verb::Update { object, part } => self.update(object, part, call).map(Reply::Object),
            Verb::Patch { key, part: Part::Scale, patch } => self.patch_scale(&key, patch, call).map(Reply::Scale),
            Verb::Patch { key, part, patch } => self.patch(&key, part, patch, call).map(Reply::Object),
            Verb::Delete { key, options } => self.delete(&key, &options, call).map(Reply::Object),
            Verb::DeleteCollection { kind, namespace, selected, options } => {
                self.delete_collection(kind, &namespace, &selected, &options, call).map(Reply::List)
            }
            Verb::Bind { pod, uid, node, with } => self.bind(&pod, &uid, &node, with, call).map(|()| Reply::Done),
            Verb::Evict { pod, options } => self.evict(&pod, &options, call).map(|()| Reply::Done),
            Verb::Connect { key, subresource, options } => self.connect(&key, subresource, options, call).map(|()| Reply::Done),
            Verb::GetScale { key } => self.get_scale(&key, call).map(Reply::Scale),
            Verb::UpdateScale { key, replicas, uid, resource_version } => {
                self.update_scale(&key, replicas, uid.as_deref(), resource_version.as_deref(), call).map(Reply::Scale)
            }
            Verb::ReviewAccess { user, verb, group, resource, subresource } => {
                let asked = Attributes { subresource, ..Attributes::for_resource(&user, &verb, &group, &resource) };
                Ok(Reply::Allowed(self.authorize(&asked).allowed))
            }
            Verb::PodMetrics { .. } => {
                Err(Box::new(Status::new(Reason::ServiceUnavailable, "the server is currently unable to handle the request")))
            }
        }
    }

    /// Stores a new object, unless this is a dry run.
    fn store_new(&mut self, object: Object, call: &mut Call<'_>) -> Outcome<Object> {
        let (kind, key) = (object.kind(), object.key());
        if let Some(there) = self.etcd.get(&key) {
            let mut status = Status::already_exists(kind, &key.name);
            if there.is_deleting() {
                status.message = format!("object is being deleted: {}", status.message);
            }
            return Err(Box::new(status));
        }
        let mut object = object;
        strategy::read_back(&mut object);
        self.settle_owners(None, &object, call);
        if call.dry_run {
            let object = self.as_if_stored(object, call)?;
            return Ok(self.shown_dry(None, object, call));
        }
        let object = self.stored_form(object, call)?;
        let write = self.write(&key, call);
        self.bindings.changed(None, Some(&object));
        let stored = self.etcd.create(object, write);
        let stored = stored.map_err(|_| Box::new(Status::already_exists(kind, &key.name)))?;
        self.note_definition(&key);
        self.note_upkeep(&key);
        self.read_at(&stored, kind, call)
    }

    /// Stores the next state of an object that was just read, unless this is a dry run or nothing changed.
    fn store_next(&mut self, current: &Object, mut next: Object, call: &mut Call<'_>) -> Outcome<Object> {
        next.metadata_mut().resource_version = current.metadata().resource_version.clone();
        if next == *current && !self.owners_change(current, call) {
            return Ok(current.clone());
        }
        self.settle_owners(Some(current), &next, call);
        if call.dry_run {
            let next = self.as_if_stored(next, call)?;
            return Ok(self.shown_dry(Some(current), next, call));
        }
        let (kind, key) = (next.kind(), next.key());
        let next = self.stored_form(next, call)?;
        let write = self.write(&key, call);
        self.bindings.changed(Some(current), Some(&next));
        let stored = self.etcd.update(next, current.resource_version(), write);
        let stored = stored.map_err(|_| Box::new(Status::object_modified(kind, &key.name)))?;
        self.note_definition(&key);
        self.note_upkeep(&key);
        self.read_at(&stored, kind, call)
    }

    /// Works out who owns what of an object that a webhook converts: once it is stored it is at another version than its writer saw.
    fn settle_owners(&mut self, previous: Option<&Object>, object: &Object, call: &mut Call<'_>) {
        if call.user.is_none() || self.custom.converter_of(object.kind()).is_none() {
            return;
        }
        let Some(mut tracking) = call.tracking.take() else { return };
        tracking.managers = Some(Arc::new(self.managers_after(previous, object, &tracking, call)));
        call.tracking = Some(tracking);
    }

    /// Whether a write that changes nothing else changes who owns what.
    fn owners_change(&mut self, current: &Object, call: &mut Call<'_>) -> bool {
        let Some(mut tracking) = call.tracking.take() else { return false };
        if tracking.managers.is_none() && tracking.written.as_ref().is_some_and(|written| written != current) {
            tracking.managers = Some(Arc::new(self.managers_after(Some(current), current, &tracking, call)));
        }
        let is_change = tracking.managers.as_ref().is_some_and(|after| **after != *self.managers(current));
        call.tracking = Some(tracking);
        is_change
    }

    /// What a user's dry run answers: with the owners there would be, because no history will tell of them.
    fn shown_dry(&mut self, previous: Option<&Object>, mut object: Object, call: &mut Call<'_>) -> Object {
        if call.user.is_none() {
            return object;
        }
        let owners = match call.tracking.take() {
            Some(tracking) => self.managers_after(previous, &object, &tracking, call),
            None => previous.map(|p| (*self.managers(p)).clone()).unwrap_or_default(),
        };
        object.metadata_mut().managed_fields = Some(sim_apimachinery::managed_fields::encode(&owners));
        object
    }

    /// Removes an object for good.
    fn remove(&mut self, key: &ObjectKey, call: &mut Call<'_>) -> Outcome<Object> {
        let Some(current) = self.load(key, call)? else {
            return Err(Box::new(Status::not_found(key.kind, &key.name)));
        };
        if call.dry_run {
            return Ok(current);
        }
        self.release(&current, call);
        self.bindings.changed(Some(&current), None);
        let write = self.write(key, call);
        let gone = self.etcd.delete(key, write).map_err(|_| Box::new(Status::not_found(key.kind, &key.name)))?;
        self.note_definition(key);
        self.note_upkeep(key);
        self.read_at(&gone, key.kind, call)
    }

    fn write(&self, key: &ObjectKey, call: &mut Call<'_>) -> Write {
        let revision = self.etcd.revision() + 1;
        let step = call.trace.push(call.now, &call.manager, call.cause, What::Change { key: key.clone(), revision });
        Write { time: call.now, manager: call.manager.clone(), step, tracking: call.tracking.take() }
    }
}

/// Events that are asked for in their own group are named by it.
fn named_as_asked(mut status: Box<Status>, api_version: Option<&str>) -> Box<Status> {
    let is_event = status.kind == "events" && status.group.is_empty();
    if is_event && api_version == Some("events.k8s.io/v1") {
        status.group = "events.k8s.io".into();
        status.message = status.message.replacen("events \"", "events.events.k8s.io \"", 1);
    }
    status
}

/// What a request asks, in a few words, and whether a missing object is nothing to tell of.
fn describe(verb: &Verb) -> (bool, String) {
    let named = |word: &str, key: &ObjectKey| format!("{word} {key}");
    match verb {
        Verb::Get { key } => (true, named("get", key)),
        Verb::GetScale { key } => (true, named("get scale of", key)),
        Verb::List { kind, .. } => (true, format!("list {}", kind.resource().plural)),
        Verb::ReviewAccess { user, .. } => (true, format!("review the rights of {}", user.name)),
        Verb::PodMetrics { namespace, .. } => (true, format!("get metrics of pods in {namespace}")),
        Verb::Create { object } => (false, named("create", &object.key())),
        Verb::Update { object, .. } => (false, named("update", &object.key())),
        Verb::Patch { key, .. } => (true, named("patch", key)),
        Verb::Delete { key, .. } => (true, named("delete", key)),
        Verb::DeleteCollection { kind, .. } => (true, format!("delete all {}", kind.resource().plural)),
        Verb::Bind { pod, node, .. } => (false, format!("bind {pod} to {node}")),
        Verb::Evict { pod, .. } => (false, named("evict", pod)),
        Verb::Connect { key, subresource, .. } => (true, format!("connect to {subresource} of {key}")),
        Verb::UpdateScale { key, replicas, .. } => (false, format!("scale {key} to {replicas}")),
    }
}

/// Whether a kind takes part in graceful, owned deletion: events do not.
fn collected(kind: Kind) -> bool {
    kind != Kind::Event
}

#[cfg(test)]
mod tests;
