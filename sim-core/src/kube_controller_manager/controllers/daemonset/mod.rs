//! Keeps one pod on every node that fits (daemonset-controller).
//! Reads daemon sets, nodes, pods and revisions from its caches; asks for pods to be made for nodes and deleted, for
//! revisions, and for its own status. The scheduler binds the pods: they carry the name of their node as an affinity.
//! Source: pkg/controller/daemon. Nodes are looked at in the order of their names (in Kubernetes the order is chance).
//! Not modelled: adoption of pods that nobody owns.

mod nodes;
mod pods;
mod revisions;
mod rolling;
mod status;

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet};
use k8s_openapi::api::core::v1::{Node, Pod};
use sim_apimachinery::{Answer, Kind, Object, ObjectKey, Part, Verb};

use self::nodes::{Fit, fit};
use super::pod_control::{self, is_deleting, is_terminal, phase};
use super::replicaset::expectations::Expectations;
use super::replicaset::status::{is_ready, ready_since};
use crate::client_go::{Ask, CacheEvent, Controller, EventDraft, ObjectReference, Plan, Step, Then, View, Wake};
use crate::component::ChangeType;
use crate::time::{MINUTE, Nanos, SECOND, SimTime};

/// At most this many creations and this many deletions in one reconcile.
const BURST: usize = 250;
const BACKOFF: Nanos = SECOND;
const BACKOFF_MAX: Nanos = 15 * MINUTE;

/// A node and what is on it.
#[derive(Clone, Debug)]
pub struct Site {
    node: String,
    fit: Fit,
    exists: bool,
    /// The pods there, the one to be kept first.
    pods: Vec<Arc<Pod>>,
}

/// The daemon set controller.
#[derive(Clone, Debug, Default)]
pub struct DaemonSetController {
    expectations: Expectations,
    /// Per daemon set and node where a pod failed: the delay of the next deletion and when the last one was.
    failures: BTreeMap<(ObjectKey, String), (Nanos, SimTime)>,
}

impl Controller for DaemonSetController {
    fn name(&self) -> &'static str {
        "daemonset-controller"
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::DaemonSet, Kind::Pod, Kind::Node, Kind::ControllerRevision]
    }

    fn guarded(&self) -> &'static [Kind] {
        &[Kind::Pod, Kind::DaemonSet]
    }

    fn on_event(&mut self, event: &CacheEvent, view: &mut View<'_>, wake: &mut Wake) {
        match &event.object {
            Object::DaemonSet(_) => {
                if event.change == ChangeType::Deleted {
                    self.forget(&event.object.key());
                }
                wake.now(event.object.key());
            }
            Object::Node(node) => on_node(event, node, view, wake),
            Object::Pod(pod) => self.on_pod(event, pod, view, wake),
            _ => {}
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, view: &mut View<'_>) -> Plan {
        let Some(set) = view.caches.get::<DaemonSet>(&key.namespace, &key.name).cloned() else {
            self.forget(key);
            return Plan::nothing();
        };
        let mut plan = Plan::nothing();
        if selects_all(&set) {
            let text = "This daemon set is selecting all pods. A non-empty selector is required.";
            plan.tell(EventDraft::warning(ObjectReference::to(&Object::DaemonSet(set)), "SelectingAll", text));
            return plan;
        }
        if set.metadata.deletion_timestamp.is_some() {
            return plan;
        }
        let uid = set.metadata.uid.as_deref().unwrap_or_default();
        let kept: Vec<Arc<ControllerRevision>> = view.caches.owned_by::<ControllerRevision>(uid).cloned().collect();
        let owned: Vec<Arc<Pod>> = view.caches.owned_by::<Pod>(uid).cloned().collect();
        let hash = revisions::current(&set, &kept, &mut plan);
        let sites = sites(&set, &owned, view);
        let satisfied = self.expectations.satisfied(key, view.now);
        if satisfied {
            self.manage(key, &set, &sites, &hash, &mut plan, view.now);
            plan.steps.extend(revisions::cleanup(&set, &kept, &hash, &owned));
        }
        let (next, unsettled) = status::next(&set, &sites, &hash, satisfied, view.now);
        if let Some(next) = next {
            plan.ask(Ask::new(Verb::Update { object: next.into(), part: Part::Status }, "pods or nodes have come, gone or changed"));
        }
        if unsettled && plan.then == Then::Forget {
            plan.then = Then::After(min_ready(&set).max(SECOND));
        }
        plan
    }

    fn on_answer(&mut self, key: &ObjectKey, ask: &Ask, answer: &Answer) {
        self.expectations.answered(key, ask, answer);
    }

    fn on_skipped(&mut self, key: &ObjectKey, skipped: usize) {
        self.expectations.skipped(key, skipped);
    }
}

fn selects_all(set: &DaemonSet) -> bool {
    let selector = set.spec.as_ref().map(|s| s.selector.clone()).unwrap_or_default();
    selector.match_labels.is_none_or(|l| l.is_empty()) && selector.match_expressions.is_none_or(|e| e.is_empty())
}

fn min_ready(set: &DaemonSet) -> Nanos {
    set.spec.as_ref().and_then(|s| s.min_ready_seconds).unwrap_or(0).max(0) as u64 * SECOND
}

/// Ready, and for long enough.
fn is_available(set: &DaemonSet, pod: &Pod, now: SimTime) -> bool {
    ready_since(pod).is_some_and(|since| min_ready(set) == 0 || since.plus(min_ready(set)) <= now)
}

fn key_of(set: &DaemonSet) -> ObjectKey {
    let text = |t: &Option<String>| t.clone().unwrap_or_default();
    ObjectKey::new(Kind::DaemonSet, &text(&set.metadata.namespace), &text(&set.metadata.name))
}

/// A node that came, went or changed wakes the daemon sets it makes a difference to.
fn on_node(event: &CacheEvent, node: &Arc<Node>, view: &View<'_>, wake: &mut Wake) {
    let before = event.old.as_ref().and_then(|o| if let Object::Node(n) = o { Some(n) } else { None });
    let aspects = |n: &Node| (n.metadata.labels.clone(), n.spec.as_ref().and_then(|s| s.taints.clone()));
    if event.change == ChangeType::Modified && before.is_some_and(|b| aspects(b) == aspects(node)) {
        return;
    }
    for set in view.caches.all::<DaemonSet>() {
        let was = before.map_or(Fit::default(), |n| fit(set, n));
        let is = if event.change == ChangeType::Deleted { Fit::default() } else { fit(set, node) };
        if was != is {
            wake.now(key_of(set));
        }
    }
}

/// All nodes, and those that are gone but still have pods, with the pods of a set.
fn sites(set: &DaemonSet, owned: &[Arc<Pod>], view: &View<'_>) -> Vec<Site> {
    let mut by_node: BTreeMap<String, Vec<Arc<Pod>>> = BTreeMap::new();
    for pod in owned.iter().filter(|p| !(is_terminal(p) && is_deleting(p))) {
        by_node.entry(pods::node_of(pod).unwrap_or_default().to_owned()).or_default().push(pod.clone());
    }
    by_node.values_mut().for_each(|pods| pods.sort_by_cached_key(|p| pods::seniority(p)));
    let mut sites: Vec<Site> = Vec::new();
    for node in view.caches.all::<Node>() {
        let name = node.metadata.name.clone().unwrap_or_default();
        let pods = by_node.remove(&name).unwrap_or_default();
        sites.push(Site { node: name, fit: fit(set, node), exists: true, pods });
    }
    sites.extend(by_node.into_iter().map(|(node, pods)| Site { node, fit: Fit::default(), exists: false, pods }));
    sites
}

impl DaemonSetController {
    fn forget(&mut self, key: &ObjectKey) {
        self.expectations.forget(key);
        self.failures.retain(|(k, _), _| k != key);
    }

    fn on_pod(&mut self, event: &CacheEvent, pod: &Arc<Pod>, view: &View<'_>, wake: &mut Wake) {
        let Some(key) = pod_control::owner_key(&event.object, Kind::DaemonSet) else { return };
        let deleting = event.object.is_deleting();
        match event.change {
            ChangeType::Added if !deleting => self.expectations.creation_seen(&key),
            ChangeType::Modified if !deleting => {}
            _ => self.expectations.deletion_seen(&key, event.object.name()),
        }
        let was_ready = event.old.as_ref().is_some_and(|o| matches!(o, Object::Pod(p) if is_ready(p)));
        let wait = view.caches.get::<DaemonSet>(&key.namespace, &key.name).map_or(0, |s| min_ready(s));
        if event.change == ChangeType::Modified && !was_ready && is_ready(pod) && wait > 0 {
            wake.after(key.clone(), wait + SECOND);
        }
        wake.now(key);
    }

    /// Makes and deletes pods; only when there is nothing of that, replaces old ones.
    fn manage(&mut self, key: &ObjectKey, set: &Arc<DaemonSet>, sites: &[Site], hash: &str, plan: &mut Plan, now: SimTime) {
        let (_, surge) = rolling::limits(set, sites.iter().filter(|s| s.fit.run).count() as i32);
        let mut moves = rolling::Moves::default();
        for site in sites {
            self.place(key, set, site, surge > 0, &mut moves, plan, now);
        }
        if moves.create.is_empty() && moves.delete.is_empty() && rolling::replaces(set) {
            moves = rolling::moves(set, sites, hash, now);
        }
        self.carry_out(key, set, moves, hash, plan, now);
    }

    /// What one node needs.
    #[allow(clippy::too_many_arguments)]
    fn place(
        &mut self,
        key: &ObjectKey,
        set: &Arc<DaemonSet>,
        site: &Site,
        surges: bool,
        moves: &mut rolling::Moves,
        plan: &mut Plan,
        now: SimTime,
    ) {
        if !site.exists {
            moves.delete.extend(site.pods.iter().filter(|p| !is_deleting(p) && !pods::is_assigned(p)).cloned());
        } else if site.fit.run && (site.pods.is_empty() || surges && site.pods.iter().all(|p| is_deleting(p))) {
            moves.create.push(site.node.clone());
        } else if !site.fit.stay {
            moves.delete.extend(site.pods.iter().filter(|p| !is_deleting(p)).cloned());
        } else {
            let mut alive = vec![];
            for pod in site.pods.iter().filter(|p| !is_deleting(p)) {
                match phase(pod) {
                    "Failed" | "Succeeded" => self.ended(key, set, site, pod, moves, plan, now),
                    _ => alive.push(pod.clone()),
                }
            }
            let spare = if surges { 2 } else { 1 };
            moves.delete.extend(alive.into_iter().skip(spare));
        }
    }

    /// A pod that ended is deleted, so that another can take its place; failures are slowed down.
    #[allow(clippy::too_many_arguments)]
    fn ended(
        &mut self,
        key: &ObjectKey,
        set: &Arc<DaemonSet>,
        site: &Site,
        pod: &Arc<Pod>,
        moves: &mut rolling::Moves,
        plan: &mut Plan,
        now: SimTime,
    ) {
        let about = ObjectReference::to(&Object::DaemonSet(set.clone()));
        let path = pod_control::key_of(pod).path();
        if phase(pod) == "Succeeded" {
            let text = format!("Found succeeded daemon pod {path} on node {}, will try to delete it", site.node);
            plan.tell(EventDraft::normal(about, "SucceededDaemonPod", text));
            moves.delete.push(pod.clone());
            return;
        }
        let place = (key.clone(), site.node.clone());
        let known = self.failures.get(&place).copied().filter(|(_, last)| now.since(*last) <= 2 * BACKOFF_MAX);
        if let Some((delay, last)) = known
            && now.since(last) < delay
        {
            plan.then = Then::After(delay - now.since(last));
            return;
        }
        self.failures.insert(place, (known.map_or(BACKOFF, |(delay, _)| (delay * 2).min(BACKOFF_MAX)), now));
        let text = format!("Found failed daemon pod {path} on node {}, will try to kill it", site.node);
        plan.tell(EventDraft::warning(about, "FailedDaemonPod", text));
        moves.delete.push(pod.clone());
    }

    fn carry_out(&mut self, key: &ObjectKey, set: &Arc<DaemonSet>, mut moves: rolling::Moves, hash: &str, plan: &mut Plan, now: SimTime) {
        moves.create.truncate(BURST);
        moves.delete.truncate(BURST);
        if moves.create.is_empty() && moves.delete.is_empty() {
            return;
        }
        let names = moves.delete.iter().map(|p| p.metadata.name.clone().unwrap_or_default());
        self.expectations.expect_both(key, moves.create.len(), names, now);
        plan.decision = format!("{} nodes get a pod, {} pods go", moves.create.len(), moves.delete.len());
        let owner = Object::DaemonSet(set.clone());
        let creations: Vec<Ask> = moves
            .create
            .iter()
            .map(|node| pod_control::creation(&owner, pods::new_pod(set, node, hash), format!("{node} has no pod of it")))
            .collect();
        let deletions: Vec<Ask> = moves.delete.iter().map(|p| pod_control::deletion(&owner, p, "it does not belong there")).collect();
        if !creations.is_empty() {
            plan.steps.push(Step::SlowStart(creations));
        }
        if !deletions.is_empty() {
            plan.steps.push(Step::Together(deletions));
        }
    }
}
