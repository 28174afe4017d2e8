//! Whether and why a job ends.

use k8s_openapi::api::batch::v1::{Job, PodFailurePolicyRule};
use k8s_openapi::api::core::v1::Pod;

use super::pods::Tally;
use super::status::condition;
use crate::time::{Nanos, SECOND, SimTime};

/// How a job ends: the condition that announces it, its reason and its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// `SuccessCriteriaMet` or `FailureTarget`.
    pub kind: &'static str,
    /// CamelCase reason.
    pub reason: String,
    /// The sentence.
    pub message: String,
}

fn failed(reason: &str, message: impl Into<String>) -> Option<Ending> {
    Some(Ending { kind: "FailureTarget", reason: reason.into(), message: message.into() })
}

/// Why the job has to end now, if it has.
pub fn decide(job: &Job, tally: &Tally, now: SimTime) -> Option<Ending> {
    for kind in ["SuccessCriteriaMet", "FailureTarget"] {
        if let Some(found) = condition(job, kind) {
            let (reason, message) = (found.reason.clone().unwrap_or_default(), found.message.clone().unwrap_or_default());
            return Some(Ending { kind, reason, message });
        }
    }
    let spec = job.spec.clone().unwrap_or_default();
    let rules = spec.pod_failure_policy.as_ref().map(|p| p.rules.as_slice()).unwrap_or_default();
    if let Some(message) = tally.new_failed.iter().find_map(|pod| fail_job(pod, rules)) {
        return failed("PodFailurePolicy", message);
    }
    let limit = spec.backoff_limit.unwrap_or(6).max(0) as usize;
    let on_failure = spec.template.spec.as_ref().and_then(|s| s.restart_policy.as_deref()) == Some("OnFailure");
    let restarts = tally.restarts.max(0) as usize;
    let restarted_too_often = on_failure && if limit == 0 { restarts > 0 } else { restarts >= limit };
    if tally.failed > limit || restarted_too_often {
        return failed("BackoffLimitExceeded", "Job has reached the specified backoff limit");
    }
    let is_late = spec.suspend != Some(true) && deadline_left(job, now) == Some(0);
    if is_late {
        return failed("DeadlineExceeded", "Job was active longer than specified deadline");
    }
    None
}

/// How long the job may still run, if it has a deadline and has begun.
pub fn deadline_left(job: &Job, now: SimTime) -> Option<Nanos> {
    let seconds = job.spec.as_ref().and_then(|s| s.active_deadline_seconds)?;
    let start = job.status.as_ref().and_then(|s| s.start_time.as_ref()).map(SimTime::from_time)?;
    Some(start.plus((seconds.max(0) as u64).saturating_mul(SECOND)).since(now))
}

/// Whether enough pods have succeeded and none runs.
pub fn completed(job: &Job, tally: &Tally, active: usize) -> Option<Ending> {
    let spec = job.spec.clone().unwrap_or_default();
    let enough = match spec.completions {
        None => tally.succeeded > 0 && active == 0,
        Some(completions) => tally.succeeded >= completions.max(0) as usize && active == 0,
    };
    let message = "Reached expected number of succeeded pods".to_owned();
    enough.then(|| Ending { kind: "SuccessCriteriaMet", reason: "CompletionsReached".into(), message })
}

/// The message of the first rule that matches a failed pod, if that rule fails the job.
fn fail_job(pod: &Pod, rules: &[PodFailurePolicyRule]) -> Option<String> {
    let matched = rules.iter().enumerate().find_map(|(index, rule)| Some((rule, matching(pod, rule, index)?)));
    matched.filter(|(rule, _)| rule.action == "FailJob").map(|(_, message)| message)
}

fn matching(pod: &Pod, rule: &PodFailurePolicyRule, index: usize) -> Option<String> {
    let metadata = &pod.metadata;
    let name = format!("{}/{}", metadata.namespace.as_deref().unwrap_or_default(), metadata.name.as_deref().unwrap_or_default());
    let status = pod.status.as_ref()?;
    if let Some(codes) = &rule.on_exit_codes {
        let all = status.container_statuses.iter().flatten().chain(status.init_container_statuses.iter().flatten());
        for container in all.filter(|c| codes.container_name.as_ref().is_none_or(|n| *n == c.name)) {
            let code = container.state.as_ref().and_then(|s| s.terminated.as_ref()).map_or(0, |t| t.exit_code);
            if code != 0 && codes.values.contains(&code) == (codes.operator == "In") {
                let text = format!(
                    "Container {} for pod {name} failed with exit code {code} matching {} rule at index {index}",
                    container.name, rule.action
                );
                return Some(text);
            }
        }
    }
    let patterns = rule.on_pod_conditions.iter().flatten();
    for pattern in patterns {
        let wanted = pattern.status.as_deref().unwrap_or("True");
        if status.conditions.iter().flatten().any(|c| c.type_ == pattern.type_ && c.status == wanted) {
            return Some(format!("Pod {name} has condition {} matching {} rule at index {index}", pattern.type_, rule.action));
        }
    }
    None
}
