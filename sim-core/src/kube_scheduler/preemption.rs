//! DefaultPreemption: when no node can take a pod, finds the node where removing pods of lower priority costs least, and
//! removes them. Disruption budgets are minded where that is possible. The pod is only nominated for the node: it is tried
//! again when its victims are gone, and others may be faster.
//! Sources: pkg/scheduler/framework/preemption, plugins/defaultpreemption.
//! The requests are sent while the scheduler goes on; the pod is not tried before all but the last victim are deleted.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::PodCondition;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use sim_apimachinery::{DeleteOptions, ObjectKey, Part, Patch, TypedPatch, Verb};

use super::cycle::{Search, passes_with_nominated};
use super::failure::reference_to;
use super::framework::{CycleState, Rejection, update_state};
use super::node_info::Slot;
use super::pod_info::PodInfo;
use super::selectors::LabelMatch;
use super::{Asked, KubeScheduler, messages};
use crate::client_go::EventDraft;
use crate::component::Context;
use crate::time::SimTime;
use crate::trace::StepId;

/// A node and the pods that would have to go.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The node.
    pub node: Arc<str>,
    /// The pods, the most important first.
    pub victims: Vec<Arc<PodInfo>>,
    /// How many of them a disruption budget protects.
    pub violations: usize,
}

/// What looking for victims came to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Where room is to be made.
    pub candidate: Option<Candidate>,
    /// Why no room is made; added to the message of the failure.
    pub message: Option<String>,
    /// Whether an earlier nomination stays.
    pub keeps_nomination: bool,
}

/// Requests of a preemption that are under way.
#[derive(Clone, Debug)]
pub struct Execution {
    preemptor: Arc<PodInfo>,
    node: Arc<str>,
    /// Victims whose deletion is not answered yet, the last one aside.
    left: usize,
    last: Option<Arc<PodInfo>>,
    cause: StepId,
}

impl KubeScheduler {
    /// Looks for the node where making room costs least.
    pub(super) fn look_for_victims(&mut self, pod: &Arc<PodInfo>, found: &Search, context: &mut Context<'_>) -> Outcome {
        if let Some(why) = self.not_eligible(pod, found) {
            let message = Some(format!("preemption: not eligible due to {why}."));
            return Outcome { message, keeps_nomination: true, ..Outcome::default() };
        }
        let nodes = self.cache.node_count();
        let places: Vec<Slot> = found.rejected.iter().filter(|(_, r)| !r.unresolvable).map(|(slot, _)| *slot).collect();
        let (percent, least) = self.config.preemption_candidates;
        let wanted = (places.len() * percent as usize / 100).max(least as usize).min(places.len());
        let offset = context.random.below(places.len() as u64) as usize;
        let (mut candidates, mut refusals): (Vec<Candidate>, Vec<Rejection>) = (vec![], vec![]);
        for i in 0..places.len() {
            match self.victims_on(pod, &found.state, places[(offset + i) % places.len()]) {
                Ok(candidate) => candidates.push(candidate),
                Err(rejection) => refusals.push(rejection),
            }
            if candidates.len() >= wanted && candidates.iter().any(|c| c.violations == 0) {
                break;
            }
        }
        let best = candidates.into_iter().min_by_key(|c| cost(c, context.now));
        let message = best.is_none().then(|| format!("preemption: {}", refusal_text(nodes, &refusals)));
        Outcome { candidate: best, message, keeps_nomination: false }
    }

    fn not_eligible(&self, pod: &PodInfo, found: &Search) -> Option<&'static str> {
        if pod.pod.spec.as_ref().and_then(|s| s.preemption_policy.as_deref()) == Some("Never") {
            return Some("preemptionPolicy=Never");
        }
        let nominated = self.queue.get(&pod.key)?.nominated.as_ref()?;
        let node = self.cache.node(nominated)?;
        if found.rejected.iter().any(|(slot, r)| *slot == node.slot && r.unresolvable) {
            return None;
        }
        let makes_room = |p: &Arc<PodInfo>| p.priority < pod.priority && p.is_terminating() && was_preempted(p);
        node.pods.iter().any(makes_room).then_some("a terminating pod on the nominated node")
    }

    /// The pods that would have to go from a node: all of lower priority, less those that can stay.
    fn victims_on(&self, pod: &PodInfo, state: &CycleState, slot: Slot) -> Result<Candidate, Rejection> {
        let (mut node, mut state) = (self.cache.nodes[slot as usize].clone(), state.clone());
        let mut lower: Vec<Arc<PodInfo>> = node.pods.iter().filter(|p| p.priority < pod.priority).cloned().collect();
        if lower.is_empty() {
            return Err(Rejection::unresolvable(super::framework::Plugin::DefaultPreemption, messages::NO_VICTIMS));
        }
        for other in &lower {
            node.remove_pod(other);
            update_state(&mut state, pod, other, slot, -1, &self.cache);
        }
        passes_with_nominated(&state, pod, &node, &self.cache, &self.queue)?;
        lower.sort_by_key(|p| (Reverse(p.priority), started(p).unwrap_or(SimTime(u64::MAX))));
        let (protected, free) = self.by_protection(&lower);
        let (mut victims, mut violations) = (vec![], 0);
        for (other, is_protected) in protected.into_iter().map(|p| (p, true)).chain(free.into_iter().map(|p| (p, false))) {
            node.add_pod(&other);
            update_state(&mut state, pod, &other, slot, 1, &self.cache);
            if passes_with_nominated(&state, pod, &node, &self.cache, &self.queue).is_err() {
                node.remove_pod(&other);
                update_state(&mut state, pod, &other, slot, -1, &self.cache);
                violations += usize::from(is_protected);
                victims.push(other);
            }
        }
        victims.sort_by_key(|p| (Reverse(p.priority), started(p).unwrap_or(SimTime(u64::MAX))));
        Ok(Candidate { node: node.name.clone(), victims, violations })
    }

    /// Splits pods into those whose removal would break a disruption budget and the others.
    fn by_protection(&self, pods: &[Arc<PodInfo>]) -> (Vec<Arc<PodInfo>>, Vec<Arc<PodInfo>>) {
        let mut allowed: BTreeMap<(Arc<str>, String), i32> = BTreeMap::new();
        let mut breaks = |pod: &PodInfo| {
            let mut broken = false;
            for budget in self.cache.listers.in_namespace::<PodDisruptionBudget>(pod.namespace()).filter(|b| covers(b, pod)) {
                let status = budget.status.as_ref();
                let key = (pod.key.namespace.clone(), budget.metadata.name.clone().unwrap_or_default());
                let left = allowed.entry(key).or_insert_with(|| status.and_then(|s| s.disruptions_allowed).unwrap_or(0));
                *left -= 1;
                broken |= *left < 0;
            }
            broken
        };
        pods.iter().cloned().partition(|p| breaks(p))
    }

    /// Sends the requests that make room.
    pub(super) fn execute_preemption(&mut self, pod: &Arc<PodInfo>, candidate: Candidate, cause: StepId, context: &mut Context<'_>) {
        let at = self.busy_until.max(context.now);
        let is_lower = |p: &&super::queue::QueuedPod| p.info.priority < pod.priority && p.info.key != pod.key;
        let yielding: Vec<ObjectKey> = self.queue.nominated_on(&candidate.node).filter(is_lower).map(|p| p.info.key.clone()).collect();
        for key in yielding {
            self.queue.nominate(&key, None);
            let patch = TypedPatch::PodNomination { node: None, conditions: vec![] };
            let verb = Verb::Patch { key, part: Part::Status, patch: Patch::Typed(patch) };
            self.ask(at, Asked::Nothing, verb, cause, context);
        }
        let mut victims: Vec<Arc<PodInfo>> = candidate.victims.into_iter().filter(|v| !v.is_terminating()).collect();
        let Some(last) = victims.pop() else { return };
        let execution = Execution { preemptor: pod.clone(), node: candidate.node, left: victims.len(), last: Some(last), cause };
        self.preemptions.insert(pod.key.clone(), execution);
        self.queue.set_preempting(&pod.key, true);
        victims.iter().for_each(|victim| self.mark_victim(pod, victim, at, cause, context));
        self.end_with_last(&pod.key, at, context);
    }

    fn mark_victim(&mut self, pod: &PodInfo, victim: &Arc<PodInfo>, at: SimTime, cause: StepId, context: &mut Context<'_>) {
        let name = pod.pod.spec.as_ref().and_then(|s| s.scheduler_name.as_deref()).unwrap_or(&self.config.scheduler_name);
        let condition = PodCondition {
            type_: "DisruptionTarget".to_owned(),
            status: "True".to_owned(),
            reason: Some("PreemptionByScheduler".to_owned()),
            message: Some(format!("{name}: preempting to accommodate a higher priority pod")),
            last_probe_time: None,
            last_transition_time: Some(at.to_time()),
            observed_generation: victim.pod.metadata.generation,
        };
        let patch = Patch::Typed(TypedPatch::PodConditions(vec![condition]));
        let verb = Verb::Patch { key: victim.key.clone(), part: Part::Status, patch };
        self.ask(at, Asked::Marked(pod.key.clone(), victim.clone()), verb, cause, context);
    }

    /// A victim is marked: it is deleted now.
    pub(super) fn on_marked(&mut self, key: &ObjectKey, victim: Arc<PodInfo>, context: &mut Context<'_>) {
        let Some(cause) = self.preemptions.get(key).map(|e| e.cause) else { return };
        let verb = Verb::Delete { key: victim.key.clone(), options: DeleteOptions::default() };
        self.ask(context.now, Asked::Deleted(key.clone(), victim), verb, cause, context);
    }

    /// A victim's deletion is answered.
    pub(super) fn on_deleted(&mut self, key: &ObjectKey, victim: &PodInfo, succeeded: bool, context: &mut Context<'_>) {
        let Some(execution) = self.preemptions.get_mut(key) else { return };
        if succeeded {
            let text = format!("Preempted by pod {} on node {}", execution.preemptor.uid, execution.node);
            let event = EventDraft::normal(reference_to(victim), "Preempted", text);
            let related = Some(reference_to(&execution.preemptor));
            self.recorder.tell(context.now, &EventDraft { action: "Preempting", related, ..event }, None, execution.cause);
        }
        if execution.left == 0 {
            self.preemptions.remove(key);
            return;
        }
        execution.left -= 1;
        self.end_with_last(key, context.now, context);
    }

    /// When only one victim is left the pod may be tried again: the end of that victim will wake it.
    fn end_with_last(&mut self, key: &ObjectKey, at: SimTime, context: &mut Context<'_>) {
        let Some(execution) = self.preemptions.get_mut(key).filter(|e| e.left == 0) else { return };
        let (preemptor, cause) = (execution.preemptor.clone(), execution.cause);
        let Some(last) = execution.last.take() else { return };
        self.queue.set_preempting(key, false);
        self.mark_victim(&preemptor, &last, at, cause, context);
    }
}

/// What a candidate costs; the least is taken: broken budgets, the highest priority among the victims, the sum of their
/// priorities, their number; then the victims of the highest priority that started last.
fn cost(candidate: &Candidate, now: SimTime) -> (usize, i32, i64, usize, Reverse<SimTime>) {
    let victims = &candidate.victims;
    let highest = victims.iter().map(|v| v.priority).max().unwrap_or(i32::MIN);
    let sum = victims.iter().map(|v| i64::from(v.priority) + (1 << 31)).sum();
    let of_highest = victims.iter().filter(|v| v.priority == highest);
    let earliest = of_highest.map(|v| started(v).unwrap_or(now)).min().unwrap_or(now);
    (candidate.violations, highest, sum, victims.len(), Reverse(earliest))
}

fn started(pod: &PodInfo) -> Option<SimTime> {
    pod.pod.status.as_ref()?.start_time.as_ref().map(SimTime::from_time)
}

fn was_preempted(pod: &PodInfo) -> bool {
    let conditions = pod.pod.status.as_ref().and_then(|s| s.conditions.as_deref()).unwrap_or_default();
    conditions.iter().any(|c| c.type_ == "DisruptionTarget" && c.status == "True" && c.reason.as_deref() == Some("PreemptionByScheduler"))
}

fn covers(budget: &PodDisruptionBudget, pod: &PodInfo) -> bool {
    let selector = budget.spec.as_ref().and_then(|s| s.selector.as_ref());
    let disrupted = budget.status.as_ref().and_then(|s| s.disrupted_pods.as_ref());
    let selects = LabelMatch::from_selector(selector);
    !pod.labels().is_empty()
        && !selects.is_everything()
        && selects.matches(pod.labels())
        && !disrupted.is_some_and(|d| d.contains_key(&*pod.key.name))
}

fn refusal_text(nodes: usize, refusals: &[Rejection]) -> String {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for reason in refusals.iter().flat_map(Rejection::reasons) {
        *reasons.entry(reason).or_insert(0) += 1;
    }
    if nodes > refusals.len() {
        *reasons.entry(messages::NOT_HELPFUL).or_insert(0) += nodes - refusals.len();
    }
    messages::counted(nodes, reasons)
}
