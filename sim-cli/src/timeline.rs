//! The timeline a person reads: one line per step of the trace that matters, indented by how far it is from what caused it.

use std::io::IsTerminal;

use sim_apimachinery::{Kind, Object};
use sim_core::cluster::Cluster;
use sim_core::component::ChangeType;
use sim_core::time::{MILLISECOND, SimTime};
use sim_core::trace::{Step, What};

use crate::output::{coloured, line};

/// How often a long run tells how far it is.
const PROGRESS_EVERY: std::time::Duration = std::time::Duration::from_secs(1);

/// Prints steps as they come.
pub struct Timeline {
    printed: usize,
    colours: bool,
    quiet: bool,
    /// When the progress line was written last; nothing where there is nobody to read it.
    #[expect(clippy::disallowed_types, reason = "a person at a terminal lives by the real clock")]
    progress: Option<std::time::Instant>,
}

impl Timeline {
    /// A timeline that prints nothing if `quiet`.
    pub fn new(quiet: bool, colours: bool) -> Self {
        let progress = (quiet && std::io::stderr().is_terminal()).then(now);
        Timeline { printed: 0, colours, quiet, progress }
    }

    /// Prints what is new.
    pub fn follow(&mut self, cluster: &Cluster, began: SimTime) {
        if self.quiet {
            return self.tell_progress(cluster, began);
        }
        for (id, step) in cluster.trace.steps().skip(self.printed) {
            self.printed = id as usize + 1;
            if step.time >= began
                && let Some(text) = describe(cluster, step)
            {
                line(&format!("{:>9}  {}", moment(step.time, began), self.paint(step, &text)));
            }
        }
    }

    /// On a long run without a timeline: how far it is, once a second, on a line that the next one overwrites.
    fn tell_progress(&mut self, cluster: &Cluster, began: SimTime) {
        if self.progress.is_some_and(|last| last.elapsed() >= PROGRESS_EVERY) {
            eprint!("\r{:>12} simulated, {} steps ", moment(cluster.now(), began), cluster.trace.len());
            self.progress = Some(now());
        }
    }

    fn paint(&self, step: &Step, text: &str) -> String {
        match &step.what {
            What::Action { .. } => coloured(text, "1", self.colours),
            What::Fault { .. } | What::Refused { .. } => coloured(text, "31", self.colours),
            What::Reconciled { .. } | What::Scheduled(_) => coloured(text, "36", self.colours),
            _ => text.to_owned(),
        }
    }
}

#[expect(clippy::disallowed_types, reason = "a person at a terminal lives by the real clock")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

/// Seconds since the beginning, in thousandths.
pub fn moment(at: SimTime, began: SimTime) -> String {
    let millis = at.since(began) / MILLISECOND;
    format!("{}.{:03}s", millis / 1000, millis % 1000)
}

/// A step in words; nothing for steps that would only be noise.
pub fn describe(cluster: &Cluster, step: &Step) -> Option<String> {
    match &step.what {
        What::Began => None,
        What::Action { text, .. } => Some(format!("$ {text}")),
        What::ActionDone { output, .. } => {
            let text = output.trim_end();
            (!text.is_empty()).then(|| text.lines().map(|l| format!("| {l}")).collect::<Vec<_>>().join("\n           "))
        }
        What::Change { revision, .. } => describe_change(cluster, *revision),
        What::Refused { request, status } => Some(format!("! {request}: {}", status.message)),
        What::Reconciled { key, decision, reasons } => {
            let why = if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join("; ")) };
            let decision = if decision.is_empty() { "status".into() } else { decision.to_string() };
            Some(format!("  {} {} -> {decision}{why}", step.component, key.path()))
        }
        What::Scheduled(decision) => Some(format!("  kube-scheduler {} -> {}", decision.pod, decision.message)),
        What::Node { .. } => None,
        What::Http { from, to, path, status, latency, error } => {
            let failed = error.is_some() || *status >= 500;
            let took = sim_apimachinery::duration::go_string(*latency);
            let fate = error.as_deref().map_or_else(|| status.to_string(), str::to_owned);
            failed.then(|| format!("! request {path} from {from} to {to}: {fate} after {took}"))
        }
        What::Fault { text } => Some(format!("! fault: {text}")),
        What::Note { text, .. } => Some(format!("  {text}")),
    }
}

fn describe_change(cluster: &Cluster, revision: u64) -> Option<String> {
    let change = cluster.etcd().change(revision)?;
    let object = &change.object;
    match object {
        Object::Event(event) => {
            let about = &event.involved_object;
            let name = about.name.as_deref().unwrap_or_default();
            let count = event.count.filter(|c| *c > 1).map(|c| format!(" (x{c})")).unwrap_or_default();
            let text = event.message.as_deref().unwrap_or_default();
            Some(format!(
                "  event {} {name}: {} {text}{count}",
                about.kind.as_deref().unwrap_or_default(),
                event.reason.as_deref().unwrap_or_default()
            ))
        }
        _ if matches!(object.kind(), Kind::Endpoints | Kind::EndpointSlice) => None,
        _ => match change.change {
            ChangeType::Added => Some(format!("  + {}", object.key())),
            ChangeType::Deleted => Some(format!("  - {}", object.key())),
            ChangeType::Modified => pod_line(object, change.previous.as_ref()),
        },
    }
}

/// A pod's change, if a person would see it.
fn pod_line(object: &Object, before: Option<&Object>) -> Option<String> {
    let Object::Pod(pod) = object else { return None };
    let now = summary(pod);
    let then = match before {
        Some(Object::Pod(before)) => summary(before),
        _ => String::new(),
    };
    (now != then).then(|| format!("  ~ {} {now}", object.key()))
}

/// `1/1 Running`, as kubectl's columns say it.
pub fn summary(pod: &k8s_openapi::api::core::v1::Pod) -> String {
    let status = pod.status.clone().unwrap_or_default();
    let containers = status.container_statuses.unwrap_or_default();
    let all = pod.spec.as_ref().map_or(0, |s| s.containers.len());
    let ready = containers.iter().filter(|c| c.ready).count();
    let restarts: i32 = containers.iter().map(|c| c.restart_count).sum();
    let mut word = status.reason.or(status.phase).unwrap_or_default();
    for state in containers.iter().filter_map(|c| c.state.as_ref()) {
        if let Some(waiting) = state.waiting.as_ref().and_then(|w| w.reason.clone()) {
            word = waiting;
        } else if let Some(reason) = state.terminated.as_ref().and_then(|t| t.reason.clone()) {
            word = reason;
        }
    }
    if pod.metadata.deletion_timestamp.is_some() {
        word = "Terminating".into();
    }
    let restarts = if restarts > 0 { format!(" restarts {restarts}") } else { String::new() };
    format!("{ready}/{all} {word}{restarts}")
}
