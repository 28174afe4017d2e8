//! kube-controller-manager: one process, one set of informer caches, many controllers.
//! Each controller has its own queue, its own client with its own rate limit, and its own event recorder.
//! Not modelled, of the controllers that Kubernetes v1.36 runs by default: attach-detach of volumes, node-ipam, ttl, device taints,
//! resource claims and pools, PodCertificateRequests, pod groups, the trust bundle of the API server's certificate, service-cidr, storage
//! versions and their migration, protection of volume attributes classes, SELinux warnings, the cleaner of unused tokens in
//! Secrets, and clouds. Of those that it does not: bootstrap-signer, token-cleaner.

pub mod controllers;

use std::collections::BTreeSet;
use std::sync::Arc;

use sim_apimachinery::{Answer, Kind, ObjectKey, Status};

use self::controllers::AnyController;
use crate::client_go::rate_limit::RetryLimit;
use crate::client_go::{Ask, CacheEvent, Caches, Controller, ControllerRuntime, Plan, View, Wake};
use crate::component::{Context, Input, Watch, WatchFilter};
use crate::credentials::Authority;
use crate::time::SimTime;

const MANAGER: &str = "kube-controller-manager";
/// A request's token carries the controller's number in its upper bits.
const TOKEN_BITS: u32 = 40;

/// Which controllers run, and how.
#[derive(Clone, Debug)]
pub struct ManagerConfig {
    /// Whether Services of type LoadBalancer get an address (`localhost`, as on Docker Desktop).
    pub load_balancer: bool,
    /// Controllers that do not run, by their names.
    pub without: Vec<String>,
    /// The authority whose key it has (`--cluster-signing-key-file`) and whose certificate it publishes (`--root-ca-file`).
    pub authority: Arc<Authority>,
}

/// The names of all controllers.
pub fn controller_names() -> Vec<&'static str> {
    let config = ManagerConfig { load_balancer: true, without: vec![], authority: Authority::well_known() };
    AnyController::all(&config).iter().map(Controller::name).collect()
}

/// The process.
#[derive(Clone, Debug)]
pub struct KubeControllerManager {
    config: ManagerConfig,
    caches: Caches,
    runtimes: Vec<ControllerRuntime<AnyController>>,
}

impl KubeControllerManager {
    /// A process that has seen nothing yet.
    pub fn new(config: &ManagerConfig) -> Self {
        let runs = |c: &AnyController| !config.without.iter().any(|w| w == c.name());
        let runtimes = AnyController::all(config).into_iter().filter(runs).map(|c| ControllerRuntime::new(c, MANAGER)).collect();
        KubeControllerManager { config: config.clone(), caches: Caches::default(), runtimes }
    }

    /// What it watches: each kind once, for all controllers.
    pub fn watches(&self) -> Vec<Watch> {
        let kinds: BTreeSet<Kind> = self.runtimes.iter().flat_map(|r| r.controller.watches()).copied().collect();
        let custom = self.runtimes.iter().any(|r| r.controller.watches_custom());
        let custom = custom.then_some(Watch { kind: Kind::CustomResourceDefinition, filter: WatchFilter::Custom });
        kinds.into_iter().map(|kind| Watch { kind, filter: WatchFilter::All }).chain(custom).collect()
    }

    /// What its caches hold, to be looked at.
    pub fn caches(&self) -> &Caches {
        &self.caches
    }

    /// Takes an input.
    pub fn handle(&mut self, input: Input, context: &mut Context<'_>) {
        match input {
            Input::Start => self.start(context),
            Input::Watch(events) => {
                for event in &events {
                    let seen = self.caches.apply(event);
                    self.tell(&seen, context);
                }
                self.pump(context);
            }
            Input::Answer { token, answer } => self.answered(token, answer, context),
            Input::Wake => self.pump(context),
        }
    }

    /// When it must be woken.
    pub fn next_wake(&self) -> Option<SimTime> {
        self.runtimes.iter().filter_map(ControllerRuntime::next_wake).min()
    }

    /// The last heartbeat of a node was at `last` and no other will come, or (with `None`) heartbeats are back.
    pub fn set_silent(&mut self, node: &str, last: Option<SimTime>, context: &mut Context<'_>) {
        for index in 0..self.runtimes.len() {
            if let AnyController::NodeLifecycle(controller) = &mut self.runtimes[index].controller {
                controller.set_silent(node, last);
                self.runtimes[index].queue.add(&ObjectKey::new(Kind::Node, "", node), context.cause);
            }
        }
        self.pump(context);
    }

    fn start(&mut self, context: &mut Context<'_>) {
        *self = KubeControllerManager::new(&self.config.clone());
        for index in 0..self.runtimes.len() {
            self.with(index, context, |runtime, caches, context| runtime.on_start(caches, context));
        }
    }

    fn tell(&mut self, event: &CacheEvent, context: &mut Context<'_>) {
        let kind = event.object.kind();
        for index in 0..self.runtimes.len() {
            let controller = &self.runtimes[index].controller;
            let is_custom = matches!(kind, Kind::Custom(_));
            if controller.watches().contains(&kind) || (is_custom && controller.watches_custom()) {
                self.with(index, context, |runtime, caches, context| runtime.on_event(event, caches, context));
            }
        }
    }

    fn pump(&mut self, context: &mut Context<'_>) {
        for index in 0..self.runtimes.len() {
            self.with(index, context, |runtime, caches, context| runtime.pump(caches, context));
        }
    }

    fn answered(&mut self, token: u64, answer: Answer, context: &mut Context<'_>) {
        let index = (token >> TOKEN_BITS) as usize;
        let own = token & ((1 << TOKEN_BITS) - 1);
        if index < self.runtimes.len() {
            self.with(index, context, |runtime, caches, context| runtime.on_answer(own, answer, caches, context));
        }
    }

    /// Runs one controller's runtime and marks its requests as its own.
    fn with(
        &mut self,
        index: usize,
        context: &mut Context<'_>,
        run: impl FnOnce(&mut ControllerRuntime<AnyController>, &Caches, &mut Context<'_>),
    ) {
        let before = context.outbox.len();
        run(&mut self.runtimes[index], &self.caches, context);
        for wish in &mut context.outbox[before..] {
            let crate::component::Wish::Request { token, .. } = wish else { continue };
            *token |= (index as u64) << TOKEN_BITS;
        }
    }
}

/// Passes each call of the trait on to the controller inside.
macro_rules! delegate {
    ($self:ident, $inner:ident => $call:expr) => {
        controllers::dispatch!($self, $inner => $call)
    };
}

impl Controller for AnyController {
    fn name(&self) -> &'static str {
        delegate!(self, c => c.name())
    }
    fn watches(&self) -> &'static [Kind] {
        delegate!(self, c => c.watches())
    }
    fn watches_custom(&self) -> bool {
        delegate!(self, c => c.watches_custom())
    }
    fn event_source(&self) -> &'static str {
        delegate!(self, c => c.event_source())
    }
    fn field_manager(&self) -> Option<&'static str> {
        delegate!(self, c => c.field_manager())
    }
    fn on_event(&mut self, event: &CacheEvent, view: &mut View<'_>, wake: &mut Wake) {
        delegate!(self, c => c.on_event(event, view, wake))
    }
    fn reconcile(&mut self, key: &ObjectKey, view: &mut View<'_>) -> Plan {
        delegate!(self, c => c.reconcile(key, view))
    }
    fn resume(&mut self, key: &ObjectKey, stage: u8, answers: &[Answer], view: &mut View<'_>) -> Plan {
        delegate!(self, c => c.resume(key, stage, answers, view))
    }
    fn on_answer(&mut self, key: &ObjectKey, ask: &Ask, answer: &Answer) {
        delegate!(self, c => c.on_answer(key, ask, answer))
    }
    fn on_skipped(&mut self, key: &ObjectKey, skipped: usize) {
        delegate!(self, c => c.on_skipped(key, skipped))
    }
    fn on_failure(&mut self, key: &ObjectKey, ask: &Ask, status: &Status, view: &mut View<'_>) -> Option<Plan> {
        delegate!(self, c => c.on_failure(key, ask, status, view))
    }
    fn on_start(&mut self, now: SimTime, wake: &mut Wake) {
        delegate!(self, c => c.on_start(now, wake))
    }
    fn workers(&self) -> usize {
        delegate!(self, c => c.workers())
    }
    fn retry_limit(&self) -> RetryLimit {
        delegate!(self, c => c.retry_limit())
    }
    fn max_retries(&self) -> Option<u32> {
        delegate!(self, c => c.max_retries())
    }
    fn client_limit(&self) -> (u64, u64) {
        delegate!(self, c => c.client_limit())
    }
    fn guarded(&self) -> &'static [Kind] {
        delegate!(self, c => c.guarded())
    }
}
