//! Sizes workloads by what their pods use (horizontal-pod-autoscaler).
//! Every 15 seconds it reads the target's scale and the pods' metrics, works out how many replicas would bring usage to its
//! target, and limits the change by stabilisation and policies. Source: pkg/controller/podautoscaler.
//! Modelled metrics: Resource and ContainerResource. Pods, Object and External metrics have no source here: they are
//! reported as metrics that cannot be had, as in a cluster without an adapter.

mod limits;
mod replicas;
mod report;

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::autoscaling::v2::{HorizontalPodAutoscaler, HorizontalPodAutoscalerStatus, MetricSpec, MetricStatus};
use sim_apimachinery::{Answer, Kind, Object, ObjectKey, Part, PodMetrics, Reply, Scale, Status, Verb};

use self::limits::Changes;
use crate::client_go::rate_limit::RetryLimit;
use crate::client_go::{Ask, CacheEvent, Controller, EventDraft, ObjectReference, Plan, Step, Then, View, Wake};
use crate::component::ChangeType;
use crate::time::{Nanos, SECOND, SimTime};

/// How often an autoscaler is looked at.
const SYNC_PERIOD: Nanos = 15 * SECOND;
/// Stage of a plan that asked for the target's scale.
const SCALE_READ: u8 = 1;
/// Stage of a plan that asked for the pods' metrics.
const METRICS_READ: u8 = 2;

/// What is remembered of one autoscaler.
#[derive(Clone, Debug, Default)]
struct Memory {
    scale: Option<Scale>,
    changes: Changes,
}

/// The controller.
#[derive(Clone, Debug, Default)]
pub struct HorizontalPodAutoscalerController {
    memory: BTreeMap<ObjectKey, Memory>,
}

/// One look at an autoscaler: the object with its next status, and the plan.
pub(super) struct Look {
    pub autoscaler: HorizontalPodAutoscaler,
    pub before: Option<HorizontalPodAutoscalerStatus>,
    pub plan: Plan,
    pub now: SimTime,
}

impl Controller for HorizontalPodAutoscalerController {
    fn name(&self) -> &'static str {
        "horizontal-pod-autoscaler"
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::HorizontalPodAutoscaler, Kind::Pod]
    }

    fn on_event(&mut self, event: &CacheEvent, _view: &mut View<'_>, wake: &mut Wake) {
        if event.object.kind() != Kind::HorizontalPodAutoscaler {
            return;
        }
        let key = event.object.key();
        if event.change == ChangeType::Deleted {
            self.memory.remove(&key);
        } else {
            wake.rate_limited.push(key);
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, view: &mut View<'_>) -> Plan {
        let Some(autoscaler) = view.caches.get::<HorizontalPodAutoscaler>(&key.namespace, &key.name) else {
            self.memory.remove(key);
            return Plan::nothing();
        };
        let target = &autoscaler.spec.scale_target_ref;
        let group = target.api_version.as_deref().unwrap_or_default().split_once('/').map_or("", |(group, _)| group);
        let Some(kind) = Kind::find(group, &target.kind) else {
            let text = format!("no matches for kind \"{}\" in group \"{group}\"", target.kind);
            return Look::at(autoscaler, view.now).scale_failed(&text);
        };
        let scale = ObjectKey::new(kind, &key.namespace, &target.name);
        let ask = Ask::new(Verb::GetScale { key: scale }, "how big is the target");
        Plan { steps: vec![Step::Ask(ask)], then: Then::Resume(SCALE_READ), ..Plan::nothing() }
    }

    fn resume(&mut self, key: &ObjectKey, stage: u8, answers: &[Answer], view: &mut View<'_>) -> Plan {
        let Some(autoscaler) = view.caches.get::<HorizontalPodAutoscaler>(&key.namespace, &key.name).cloned() else {
            return Plan::nothing();
        };
        match (stage, answers.first()) {
            (SCALE_READ, Some(Ok(Reply::Scale(scale)))) => self.read_metrics(key, &autoscaler, scale, view.now),
            (METRICS_READ, Some(Ok(Reply::PodMetrics(metrics)))) => self.decide(key, &autoscaler, metrics, view),
            _ => Plan { then: Then::Again, ..Plan::nothing() },
        }
    }

    fn on_failure(&mut self, key: &ObjectKey, ask: &Ask, status: &Status, view: &mut View<'_>) -> Option<Plan> {
        let autoscaler = view.caches.get::<HorizontalPodAutoscaler>(&key.namespace, &key.name)?;
        match &ask.verb {
            Verb::GetScale { .. } => Some(Look::at(autoscaler, view.now).scale_failed(&status.message)),
            Verb::PodMetrics { .. } => Some(self.no_metrics(key, autoscaler, &status.message, view.now)),
            Verb::UpdateScale { replicas, .. } => Some(Look::at(autoscaler, view.now).update_failed(*replicas, &status.message)),
            _ => Some(Plan { then: Then::Again, ..Plan::nothing() }),
        }
    }

    fn retry_limit(&self) -> RetryLimit {
        RetryLimit::fixed(SYNC_PERIOD)
    }
}

impl HorizontalPodAutoscalerController {
    fn read_metrics(&mut self, key: &ObjectKey, autoscaler: &Arc<HorizontalPodAutoscaler>, scale: &Scale, now: SimTime) -> Plan {
        let memory = self.memory.entry(key.clone()).or_default();
        memory.scale = Some(scale.clone());
        memory.changes.begin(now, scale.replicas);
        let (min, max) = bounds(autoscaler);
        let current = scale.replicas;
        let mut look = Look::at(autoscaler, now);
        look.set("AbleToScale", true, "SucceededGetScale", "the HPA controller was able to get the target's current scale");
        look.status().current_replicas = Some(current);
        if current == 0 {
            look.set("ScalingActive", false, "ScalingDisabled", "scaling is disabled since the replica count of the target is zero");
            look.status().desired_replicas = 0;
            return look.finish();
        }
        if current > max {
            return self.rescale(key, look, max, "Current number of replicas above Spec.MaxReplicas");
        }
        if current < min {
            return self.rescale(key, look, min, "Current number of replicas below Spec.MinReplicas");
        }
        let verb = Verb::PodMetrics { namespace: key.namespace.clone(), labels: scale.selector.clone() };
        Plan { steps: vec![Step::Ask(Ask::new(verb, "what do its pods use"))], then: Then::Resume(METRICS_READ), ..Plan::nothing() }
    }

    fn decide(&mut self, key: &ObjectKey, autoscaler: &Arc<HorizontalPodAutoscaler>, metrics: &[PodMetrics], view: &View<'_>) -> Plan {
        let Some(scale) = self.memory.get(key).and_then(|m| m.scale.clone()) else { return Plan::nothing() };
        let mut look = Look::at(autoscaler, view.now);
        look.set("AbleToScale", true, "SucceededGetScale", "the HPA controller was able to get the target's current scale");
        look.status().current_replicas = Some(scale.replicas);
        let specs = autoscaler.spec.metrics.clone().unwrap_or_default();
        let outcome = look.propose(&specs, &scale, metrics, view);
        let Some((proposal, name, sum)) = outcome else { return look.finish() };
        let memory = self.memory.entry(key.clone()).or_default();
        let desired = look.limit(&mut memory.changes, scale.replicas, proposal);
        look.plan.decision =
            format!("{proposal} replicas would bring {name} to its target ({sum}); {} now, {desired} after limits", scale.replicas);
        if desired == scale.replicas {
            look.status().desired_replicas = desired;
            return look.finish();
        }
        let why = if desired > scale.replicas { format!("{name} above target") } else { "All metrics below target".into() };
        self.rescale(key, look, desired, &why)
    }

    fn no_metrics(&mut self, key: &ObjectKey, autoscaler: &Arc<HorizontalPodAutoscaler>, error: &str, now: SimTime) -> Plan {
        let mut look = Look::at(autoscaler, now);
        let current = self.memory.get(key).and_then(|m| m.scale.as_ref()).map(|s| s.replicas);
        look.set("AbleToScale", true, "SucceededGetScale", "the HPA controller was able to get the target's current scale");
        look.status().current_replicas = current;
        let count = autoscaler.spec.metrics.as_ref().map_or(1, Vec::len);
        let text = format!(
            "failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics from resource metrics API: {error}"
        );
        look.metric_failed("FailedGetResourceMetric", &text, "cpu resource", count);
        look.status().current_metrics = Some(vec![MetricStatus::default(); count]);
        look.finish()
    }

    fn rescale(&mut self, key: &ObjectKey, mut look: Look, desired: i32, why: &str) -> Plan {
        let Some(scale) = self.memory.get(key).and_then(|m| m.scale.clone()) else { return Plan::nothing() };
        let target = &look.autoscaler.spec.scale_target_ref;
        let group = target.api_version.as_deref().unwrap_or_default().split_once('/').map_or("", |(group, _)| group);
        let Some(kind) = Kind::find(group, &target.kind) else { return Plan::nothing() };
        let verb = Verb::UpdateScale {
            key: ObjectKey::new(kind, &key.namespace, &target.name),
            replicas: desired,
            uid: None,
            resource_version: None,
        };
        let about = look.reference();
        let told = EventDraft::normal(about.clone(), "SuccessfulRescale", format!("New size: {desired}; reason: {why}"));
        let failed = EventDraft::warning(about, "FailedRescale", "").then_error(format!("New size: {desired}; reason: {why}; error: "));
        look.plan.ask(Ask::new(verb, format!("{} to {desired}: {why}", scale.replicas)).telling(told).or_telling(failed));
        look.set("AbleToScale", true, "SucceededRescale", &format!("the HPA controller was able to update the target scale to {desired}"));
        let now = look.now;
        look.status().desired_replicas = desired;
        look.status().last_scale_time = Some(now.to_time());
        if look.autoscaler.spec.behavior.is_some() {
            self.memory.entry(key.clone()).or_default().changes.note(now, scale.replicas, desired);
        }
        look.finish()
    }
}

fn bounds(autoscaler: &HorizontalPodAutoscaler) -> (i32, i32) {
    (autoscaler.spec.min_replicas.unwrap_or(1), autoscaler.spec.max_replicas)
}

impl Look {
    fn at(autoscaler: &Arc<HorizontalPodAutoscaler>, now: SimTime) -> Look {
        Look {
            autoscaler: (**autoscaler).clone(),
            before: autoscaler.status.clone(),
            plan: Plan { then: Then::Again, ..Plan::nothing() },
            now,
        }
    }

    fn status(&mut self) -> &mut HorizontalPodAutoscalerStatus {
        self.autoscaler.status.get_or_insert_default()
    }

    fn reference(&self) -> ObjectReference {
        ObjectReference::to(&Object::HorizontalPodAutoscaler(Arc::new(self.autoscaler.clone())))
    }

    /// The proposal of the metric that asks for most, that metric's name and how it was worked out; nothing when it must not scale.
    fn propose(&mut self, specs: &[MetricSpec], scale: &Scale, metrics: &[PodMetrics], view: &View<'_>) -> Option<(i32, String, String)> {
        let namespace = self.autoscaler.metadata.namespace.clone().unwrap_or_default();
        let pods = replicas::pods(view, &namespace, &scale.selector);
        let (mut statuses, mut best, mut errors) = (Vec::new(), None::<(i32, String, String)>, Vec::new());
        for spec in specs {
            match replicas::propose(spec, scale.replicas, &pods, metrics, view.now, self.tolerances()) {
                Ok(found) => {
                    statuses.push(found.status);
                    if best.as_ref().is_none_or(|(most, ..)| found.replicas > *most) {
                        best = Some((found.replicas, found.name, found.sum));
                    }
                }
                Err(error) => {
                    statuses.push(MetricStatus::default());
                    errors.push(error);
                }
            }
        }
        self.status().current_metrics = Some(statuses);
        let blocked = !errors.is_empty() && best.as_ref().is_none_or(|(replicas, ..)| *replicas < scale.replicas);
        if let Some(error) = errors.first().filter(|_| blocked) {
            self.metric_failed(error.reason, &error.text, &error.metric, specs.len());
            return None;
        }
        if let Some((_, name, _)) = &best {
            let text = format!("the HPA was able to successfully calculate a replica count from {name}");
            self.set("ScalingActive", true, "ValidMetricFound", &text);
        }
        best
    }

    /// Writes the status, if it changed, and looks again after the interval.
    fn finish(mut self) -> Plan {
        let generation = self.autoscaler.metadata.generation;
        self.status().observed_generation = generation;
        if self.autoscaler.status != self.before {
            let object = Object::HorizontalPodAutoscaler(Arc::new(self.autoscaler));
            self.plan.ask(Ask::new(Verb::Update { object, part: Part::Status }, "what it found"));
        }
        self.plan
    }
}
