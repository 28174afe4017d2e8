//! A job's pods: which run, which have ended and are not counted yet, which indexes are done, and new ones.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{EnvVar, Pod};
use sim_apimachinery::Object;

use super::TRACKING;
use crate::client_go::{Ask, View};
use crate::kube_controller_manager::controllers::pod_control::{self, is_deleting, is_terminal, phase};
use crate::kube_controller_manager::controllers::replicaset::status::is_ready;
use crate::time::{SECOND, SimTime};

const INDEX: &str = "batch.kubernetes.io/job-completion-index";
/// A generated name's base may not be longer.
const BASE_MAX: usize = 58;

/// A job's pods, sorted out.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Neither ended nor being deleted.
    pub active: Vec<Arc<Pod>>,
    /// Being deleted and not ended.
    pub terminating: usize,
    /// Active and ready.
    pub ready: usize,
    /// Ended well, and not counted yet.
    pub new_succeeded: Vec<Arc<Pod>>,
    /// Ended badly, and not counted yet.
    pub new_failed: Vec<Arc<Pod>>,
    /// Succeeded in all.
    pub succeeded: usize,
    /// Failed in all.
    pub failed: usize,
    /// Indexes that have succeeded.
    pub done: BTreeSet<i32>,
    /// Restarts of the containers of pods that are restarted in place.
    pub restarts: i32,
}

impl Tally {
    /// Sorts out the pods of a job as the caches have them.
    pub fn of(job: &Job, view: &View<'_>) -> Tally {
        let status = job.status.clone().unwrap_or_default();
        let spec = job.spec.clone().unwrap_or_default();
        let noted = status.uncounted_terminated_pods.clone().unwrap_or_default();
        let is_noted = |pod: &Pod| {
            let uid = pod.metadata.uid.clone().unwrap_or_default();
            noted.succeeded.iter().flatten().chain(noted.failed.iter().flatten()).any(|u| *u == uid)
        };
        let only_failed = spec.pod_replacement_policy.as_deref() == Some("Failed");
        let mut tally = Tally { done: indexes(status.completed_indexes.as_deref().unwrap_or_default()), ..Tally::default() };
        for pod in view.caches.owned_by::<Pod>(job.metadata.uid.as_deref().unwrap_or_default()) {
            let held = pod.metadata.finalizers.iter().flatten().any(|f| f == TRACKING) && !is_noted(pod);
            tally.restarts += restarts(pod);
            match phase(pod) {
                "Succeeded" if held => tally.new_succeeded.push(pod.clone()),
                "Failed" if held => tally.new_failed.push(pod.clone()),
                _ if is_terminal(pod) => {}
                _ if is_deleting(pod) => {
                    tally.terminating += 1;
                    if held && !only_failed {
                        tally.new_failed.push(pod.clone());
                    }
                }
                _ => {
                    tally.ready += usize::from(is_ready(pod));
                    tally.active.push(pod.clone());
                }
            }
        }
        if spec.completion_mode.as_deref() == Some("Indexed") {
            tally.done.extend(tally.new_succeeded.iter().filter_map(|p| index_of(p)));
            tally.succeeded = tally.done.len();
        } else {
            tally.succeeded = status.succeeded.unwrap_or(0).max(0) as usize + tally.new_succeeded.len();
        }
        tally.failed = status.failed.unwrap_or(0).max(0) as usize + tally.new_failed.len();
        tally
    }
}

fn restarts(pod: &Pod) -> i32 {
    let statuses = pod.status.iter().flat_map(|s| s.container_statuses.iter().flatten());
    if is_terminal(pod) { 0 } else { statuses.map(|s| s.restart_count).sum() }
}

/// When a pod ended: when its last container did.
pub fn finished_at(pod: &Pod) -> SimTime {
    let statuses = pod.status.iter().flat_map(|s| s.container_statuses.iter().flatten());
    let ends = statuses.filter_map(|s| s.state.as_ref()?.terminated.as_ref()?.finished_at.as_ref());
    let created = || pod.metadata.creation_timestamp.as_ref().map_or(SimTime(0), SimTime::from_time);
    let deleted = || {
        let at = pod.metadata.deletion_timestamp.as_ref().map(SimTime::from_time)?;
        let grace = u64::try_from(pod.metadata.deletion_grace_period_seconds.unwrap_or(0)).unwrap_or(0);
        Some(SimTime(at.0.saturating_sub(grace.saturating_mul(SECOND))))
    };
    ends.map(SimTime::from_time).max().or_else(deleted).unwrap_or_else(created)
}

/// How many pods should run now.
pub fn wanted(spec: &JobSpec, tally: &Tally) -> usize {
    if spec.suspend == Some(true) {
        return 0;
    }
    let parallel = spec.parallelism.unwrap_or(1).max(0) as usize;
    match spec.completions {
        None if tally.succeeded > 0 => tally.active.len(),
        None => parallel,
        Some(completions) => parallel.min((completions.max(0) as usize).saturating_sub(tally.succeeded)),
    }
}

/// Which pods go first: those that have come least far.
pub fn victims(active: &[Arc<Pod>], count: usize) -> Vec<Arc<Pod>> {
    let rank = |pod: &Pod| {
        let assigned = pod.spec.as_ref().and_then(|s| s.node_name.as_ref()).is_some();
        let created = pod.metadata.creation_timestamp.as_ref().map_or(SimTime(0), SimTime::from_time);
        (assigned, phase(pod) != "Pending", is_ready(pod), std::cmp::Reverse(created), pod.metadata.name.clone())
    };
    let mut pods = active.to_vec();
    pods.sort_by_cached_key(|p| rank(p));
    pods.truncate(count);
    pods
}

/// The index a pod works on.
pub fn index_of(pod: &Pod) -> Option<i32> {
    pod.metadata.annotations.as_ref()?.get(INDEX)?.parse().ok()
}

/// New pods; an indexed job's take the lowest free indexes.
pub fn creations(job: &Arc<Job>, tally: &Tally, count: usize) -> Vec<Ask> {
    let spec = job.spec.clone().unwrap_or_default();
    let owner = Object::Job(job.clone());
    let name = job.metadata.name.clone().unwrap_or_default();
    if spec.completion_mode.as_deref() != Some("Indexed") {
        let pod = || Some(new_pod(&owner, &spec, format!("{name}-")));
        return std::iter::from_fn(pod).take(count).map(|p| pod_control::creation(&owner, p, "more pods may run")).collect();
    }
    let busy: BTreeSet<i32> = tally.active.iter().filter_map(|p| index_of(p)).collect();
    let free = (0..spec.completions.unwrap_or(0)).filter(|i| !busy.contains(i) && !tally.done.contains(i));
    free.take(count)
        .map(|index| {
            let base: String = format!("{name}-{index}-").chars().take(BASE_MAX).collect();
            let mut pod = new_pod(&owner, &spec, base);
            give_index(&mut pod, &name, index);
            pod_control::creation(&owner, pod, format!("index {index} is not done"))
        })
        .collect()
}

fn new_pod(owner: &Object, spec: &JobSpec, base: String) -> Pod {
    let mut pod = pod_control::pod_of(owner, &spec.template);
    pod.metadata.generate_name = Some(base);
    pod.metadata.finalizers.get_or_insert_default().push(TRACKING.into());
    pod
}

fn give_index(pod: &mut Pod, name: &str, index: i32) {
    pod.metadata.annotations.get_or_insert_default().insert(INDEX.into(), index.to_string());
    pod.metadata.labels.get_or_insert_default().insert(INDEX.into(), index.to_string());
    let Some(spec) = pod.spec.as_mut() else { return };
    spec.hostname = Some(format!("{name}-{index}"));
    let variable = EnvVar { name: "JOB_COMPLETION_INDEX".into(), value: Some(index.to_string()), ..Default::default() };
    for container in spec.containers.iter_mut().chain(spec.init_containers.iter_mut().flatten()) {
        let env = container.env.get_or_insert_default();
        if !env.iter().any(|v| v.name == variable.name) {
            env.push(variable.clone());
        }
    }
}

/// The numbers a text such as `0-2,5` names.
pub fn indexes(text: &str) -> BTreeSet<i32> {
    let interval = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse::<i32>().ok()?..=last.parse::<i32>().ok()?)
    };
    text.split(',').filter_map(interval).flatten().collect()
}

/// The text for a set of numbers: runs of three and more as `0-2`, pairs as `3,4`.
pub fn indexes_text(numbers: &BTreeSet<i32>) -> String {
    let mut runs: Vec<(i32, i32)> = Vec::new();
    for number in numbers {
        match runs.last_mut().filter(|r| r.1 + 1 == *number) {
            Some(run) => run.1 = *number,
            None => runs.push((*number, *number)),
        }
    }
    let text = |(first, last): &(i32, i32)| match last - first {
        0 => first.to_string(),
        1 => format!("{first},{last}"),
        _ => format!("{first}-{last}"),
    };
    runs.iter().map(text).collect::<Vec<_>>().join(",")
}
